/** What every driver says while an interrupt goes further than to ask, in the order in which it is tried. */
export function endingWords(label: string): string {
  return `${label} does not break the turn off. Ending its process…`;
}
export function killingWords(label: string): string {
  return `${label} does not end by itself. Killing its process…`;
}
