/** What every driver says about a model that is silent while a turn waits for it. `silentMs` in milliseconds. */
export function stallWords(silentMs: number): string {
  return `The model has sent nothing for ${Math.round(silentMs / 1000)} s. It may go on by itself; interrupt the turn to take over.`;
}

/** What is left of that once the model goes on. `silentMs` in milliseconds. */
export function stallOverWords(silentMs: number): string {
  return `The model was silent for ${Math.round(silentMs / 1000)} s.`;
}
