import type { Entry } from '../../../src/core/model/entry.ts';
import type { Row } from '../../../src/core/model/row.ts';
import type { SearchHit, SearchRequest, SearchUpdate } from '../../../src/core/session/search/wire.ts';
import { SessionSearch } from '../../../src/core/session/search/search.ts';
import { partsOf } from '../../../src/core/session/rowText.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { createLogger } from '../../../src/core/transport/logger.ts';
import { bundleWorker, KEY } from '../store/support.ts';

/** The thread in one file, as products have it. */
const SEARCH_WORKER = await bundleWorker('search');

export function searchAt(directory: string): SessionSearch {
  return new SessionSearch({ directory, key: KEY, log: createLogger(() => undefined), workerUrl: SEARCH_WORKER });
}

export function requestFor(text: string, over: Partial<SearchRequest> = {}): SearchRequest {
  return { text, connections: ['local-claude'], archived: true, thinking: true, mostOfSession: 10_000, most: 100_000, ...over };
}

export interface Outcome {
  readonly hits: readonly SearchHit[];
  readonly updates: readonly SearchUpdate[];
  readonly last: SearchUpdate | undefined;
}

export async function outcomeOf(search: SessionSearch, text: string, over: Partial<SearchRequest> = {}): Promise<Outcome> {
  const updates: SearchUpdate[] = [];
  for await (const update of search.search(requestFor(text, over), new AbortController().signal)) updates.push(update);
  return { hits: updates.flatMap(({ hits }) => hits), updates, last: updates.at(-1) };
}

/** Keys of the rows that a search gave, without titles. */
export function rowsFound({ hits }: Outcome): string[] {
  return hits.flatMap(({ session, row }) => (row === null ? [] : [`${session} ${row}`])).sort();
}

/** Keys of the rows of a session of which every word is shown, by the whole view: what a search must give. */
export function naiveRows(session: string, entries: readonly Entry[], words: readonly string[], thinking = true): string[] {
  const found: string[] = [];
  const look = (row: Row): void => {
    const text = [...partsOf(row, { thinking })].map(({ pieces }) => [...pieces()].join('')).join('\u0000').toLowerCase();
    // The text of a row that was made to hold others stands in the first of those.
    if (words.every((word) => text.includes(word))) found.push(`${session} ${row.key.replace(/#own$/, '')}`);
    if (row.kind === 'tool') row.children.forEach(look);
  };
  viewOf(entries).forEach(look);
  return [...new Set(found)].sort();
}
