/** 0 when the letters are not in the path in order; more when they stand together and in the file's name. */
export function score(path: string, query: string): number {
  if (query === '') return 1;
  const lower = path.toLowerCase();
  const name = lower.slice(lower.lastIndexOf('/') + 1);
  if (name.startsWith(query)) return 5;
  if (name.includes(query)) return 4;
  if (lower.includes(query)) return 3;
  let from = 0;
  for (const letter of query) {
    const at = lower.indexOf(letter, from);
    if (at < 0) return 0;
    from = at + 1;
  }
  return 2;
}
