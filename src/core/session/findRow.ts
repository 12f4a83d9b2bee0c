import type { Row } from '../model/row.ts';
import type { RowPart } from './rowText.ts';
import { partsOf } from './rowText.ts';

/** Where in a top-level row a match is. */
export interface RowMatch extends Pick<RowPart, 'path' | 'part'> {
  /** Which match of its part it is, of how many; from 0. */
  readonly ordinal: number;
  readonly of: number;
}

interface Looking {
  /** Global. */
  readonly pattern: RegExp;
  readonly thinking: boolean;
}

/** How many matches a row and the rows within it hold. */
export function matchesIn(row: Row, looking: Looking): number {
  let count = 0;
  for (const { text } of partsOf(row, looking)) count += occurrences(text, looking.pattern);
  return count;
}

/** The nth match of a row, from 0, or its last one where it has fewer; null where it has none. */
export function nthMatch(row: Row, looking: Looking, nth: number): (RowMatch & { readonly nth: number }) | null {
  let before = 0;
  let last: (RowMatch & { nth: number }) | null = null;
  for (const { path, part, text } of partsOf(row, looking)) {
    const of = occurrences(text, looking.pattern);
    if (of > 0 && nth < before + of) return { path, part, ordinal: Math.max(0, nth - before), of, nth };
    if (of > 0) last = { path, part, ordinal: of - 1, of, nth: before + of - 1 };
    before += of;
  }
  return last;
}

function occurrences(text: string, pattern: RegExp): number {
  let count = 0;
  pattern.lastIndex = 0;
  while (pattern.test(text)) count += 1;
  return count;
}
