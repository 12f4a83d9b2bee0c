/** What find in chat looks for: the same in the host, which searches the whole session, and in the page, which marks what it shows. */
export interface FindQuery {
  readonly text: string;
  readonly matchCase: boolean;
  readonly wholeWord: boolean;
}

/** A match that is to be shown: in which top-level row, and where in that. */
export interface MatchPlace {
  readonly index: number;
  readonly key: string;
  /** Keys of the rows that it is in, the top-level one first. */
  readonly path: readonly string[];
  /** What it is of the innermost row: `text`, `line`, `command`, `input`, `output`, `diff:<n>`, `items`, `files`, `plan`, `raw`. */
  readonly part: string;
  /** Which match it is of those of its part that the row shows, of how many; from 0. */
  readonly ordinal: number;
  readonly of: number;
  /** The line of the whole output that it is on, from 1, where the row does not show it; else null. */
  readonly hiddenLine: number | null;
}

/** Longest text that is looked for, in characters. */
export const FIND_MOST = 1_000;

/** White space between two words of a query stands for as much in a text, in characters: the ends of lines with what they are indented by. */
const GAP = 100;

/**
 * The query as a pattern (global, by code points); null where there is nothing to look for. White space within it stands for any run of white space up to GAP, so that words are found across the
 * ends of lines; at its ends for one character of white space.
 */
export function findPattern(query: FindQuery): RegExp | null {
  const text = textOf(query);
  if (text.trim() === '') return null;
  const words = text.trim().split(/\s+/u).map((word) => word.replaceAll(/[$()*+./?[\\\]^{|}]/g, String.raw`\$&`)).join(String.raw`\s{1,${GAP}}`);
  const end = (there: RegExp, word: RegExp, edge: string): string => (there.test(text) ? String.raw`\s` : query.wholeWord && word.test(text) ? edge : '');
  const before = end(/^\s/u, /^[\p{L}\p{N}_]/u, String.raw`(?<![\p{L}\p{N}_])`);
  const behind = end(/\s$/u, /[\p{L}\p{N}_]$/u, String.raw`(?![\p{L}\p{N}_])`);
  return new RegExp(`${before}${words}${behind}`, query.matchCase ? 'gu' : 'giu');
}

/** Characters of the longest match of a query's pattern. */
export function findReach(query: FindQuery): number {
  const gaps = textOf(query).trim().match(/\s+/gu)?.length ?? 0;
  return textOf(query).length + gaps * GAP;
}

function textOf(query: FindQuery): string {
  return query.text.slice(0, FIND_MOST);
}
