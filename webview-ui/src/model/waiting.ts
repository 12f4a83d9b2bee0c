import type { Row } from '../types.ts';
import type { Span } from './rows.ts';

/** Of requests that wait for the person, those whose row is not here: rows of the page, and those within them. */
export function elsewhere(waiting: readonly { readonly requestId: string }[], spans: readonly Span[]): readonly string[] {
  if (waiting.length === 0) return [];
  const here = new Set<string>();
  for (const span of spans) requestsIn(span.rows, here);
  return waiting.map((each) => each.requestId).filter((id) => !here.has(id));
}

function requestsIn(rows: readonly Row[], found: Set<string>): void {
  for (const row of rows) {
    if (row.kind === 'permission') found.add(row.requestId);
    else if (row.kind === 'tool') requestsIn(row.children, found);
  }
}

/** The requests that wait above the view: of rows that are here, those before the row at the top; of those that are not here, all for somebody who is at the end. */
export function waitingAbove(here: readonly { readonly index: number; readonly requestId: string }[], away: readonly string[], top: number, atEnd: boolean): readonly string[] {
  return [...(atEnd ? away : []), ...here.filter((row) => row.index < top).map((row) => row.requestId)];
}

/** The words of the way up to what waits. */
export function aboveWords(count: number): string {
  return count === 1 ? 'Waiting for you above' : `${count} waiting for you above`;
}
