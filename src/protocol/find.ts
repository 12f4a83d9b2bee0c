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
  /** Which match of its part it is, of how many; from 0. */
  readonly ordinal: number;
  readonly of: number;
}

/** Longest text that is looked for, in characters. */
export const FIND_MOST = 1_000;

/**
 * The query as a pattern (global, by code points); null where there is nothing to look for. White space in it stands for any run of white space, so that words are
 * found across the ends of lines.
 */
export function findPattern(query: FindQuery): RegExp | null {
  const text = query.text.slice(0, FIND_MOST);
  if (text.trim() === '') return null;
  const words = text.split(/\s+/u).map((word) => word.replaceAll(/[$()*+./?[\\\]^{|}]/g, String.raw`\$&`)).join(String.raw`\s+`);
  // White space at the beginning is matched from where it begins only: from within a long run of it, each place would be tried to its end.
  const from = /^\s/u.test(text) ? String.raw`(?<!\s)` : '';
  const before = query.wholeWord && /^[\p{L}\p{N}_]/u.test(text) ? String.raw`(?<![\p{L}\p{N}_])` : '';
  const behind = query.wholeWord && /[\p{L}\p{N}_]$/u.test(text) ? String.raw`(?![\p{L}\p{N}_])` : '';
  return new RegExp(`${from}${before}${words}${behind}`, query.matchCase ? 'gu' : 'giu');
}
