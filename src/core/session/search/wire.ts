import type { Order } from '../../model/entry.ts';
import type { SessionKey } from '../../model/session.ts';
import type { Snippet } from './snippet.ts';

/** What is to be searched for, and where. */
export interface SearchRequest {
  /** As a person types it: words that must all be there, phrases between double quotes. Without any, nothing is found, but what the next search needs is made ready. */
  readonly text: string;
  /** Sessions of these connections. */
  readonly connections: readonly string[];
  /** Archived sessions too. */
  readonly archived: boolean;
  /** False: thoughts are not shown, and so not found. */
  readonly thinking: boolean;
  /** Rows that are wanted of one session, the newest; and of all. */
  readonly mostOfSession: number;
  readonly most: number;
}

/** Where something was found. */
export interface SearchHit {
  readonly session: SessionKey;
  /** The row's key; null where the session's title or folder holds all words. */
  readonly row: string | null;
  /** What kind of row it is, such as `prompt`; null for a title. */
  readonly kind: string | null;
  /** Where its row stands in the session; empty for a title. */
  readonly order: Order;
  /** Milliseconds since the epoch: of the row, where that is known, or of the session's last change. */
  readonly at: number | null;
  readonly snippet: Snippet;
}

/**
 * How a search stands, with what was found since it was told last: titles and folders first, then rows, session by session, the newest first. Of one session rows come as they were written: where
 * more come than are wanted, those that stand last count.
 */
export interface SearchUpdate {
  readonly hits: readonly SearchHit[];
  /** Sessions that were looked through, and all. */
  readonly done: number;
  readonly all: number;
  /** `whole`: everything was looked through; `full`: it stopped at as many hits as were wanted. Null while it runs. */
  readonly ended: 'whole' | 'full' | null;
  /** Sessions in which more rows were found than were wanted, and how many in all. */
  readonly more: readonly { readonly session: SessionKey; readonly rows: number }[];
}

/** What the thread is begun with. */
export interface SearchWorkerOptions {
  /** The store's file, and the one that what is known of it is sealed into. */
  readonly file: string;
  readonly indexFile: string;
  /** The store's key. */
  readonly key: Uint8Array;
  /** One 32-bit number: the search that is wanted, 0 for none. */
  readonly wanted: SharedArrayBuffer;
}

export type SearchAsk = { readonly ask: 'search'; readonly id: number; readonly request: SearchRequest } | { readonly ask: 'trim' } | { readonly ask: 'end' };

export type SearchReply =
  | { readonly type: 'update'; readonly id: number; readonly update: SearchUpdate }
  | { readonly type: 'failed'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'cancelled'; readonly id: number }
  | { readonly type: 'ended' };
