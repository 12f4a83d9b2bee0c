/** Named as it stands: nothing in it ends a name early, for an agent or for who reads it. */
const PLAIN = /^(?!.*["\s])[\p{L}\p{N}\p{M}_./~+-]*[\w/]$/u;

/**
 * How a message names a path: `@src/a.ts`, `@src/a.ts#L5-10` with the mark of its lines, and in quotes where a space, a bracket or another sign would end it: `@"my notes (1).md#L5"`.
 * Claude Code reads both, the mark within the quotes too (seen in 2.1.329: `@"([^"]+)"`, else up to the next white space and back to the end of a word); Codex, whose own list puts quotes about
 * paths with spaces, and agents that read no `@` see a path that is whole. One with a quote in it has no such form, and stays as it is.
 */
export function mentionOf(path: string, mark = ''): string {
  return PLAIN.test(path) || path.includes('"') ? `@${path}${mark}` : `@"${path}${mark}"`;
}
