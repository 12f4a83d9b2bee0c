import type { Disposable } from '../model/backend.ts';
import type { Entry } from '../model/entry.ts';
import type { Row } from '../model/row.ts';

/** One change of the ordered list of top-level rows; indexes count from the session's first row. */
export type RowOp =
  | { readonly op: 'splice'; readonly at: number; readonly remove: number; readonly rows: readonly Row[] }
  /** The row at `at` has another value. */
  | { readonly op: 'update'; readonly at: number; readonly row: Row }
  /** Text was added at the end of a text, thinking or tool row (`field`) that held `from` characters. */
  | { readonly op: 'append'; readonly at: number; readonly key: string; readonly field: 'text' | 'output'; readonly from: number; readonly text: string };

/**
 * The view of one session: its newest rows in memory, all others on demand from the store. Adding is synchronous and does not wait for the
 * store; entries are written behind it. Indexes and total include the rows that are not in memory.
 */
export interface TranscriptView extends AsyncDisposable {
  readonly total: number;
  /** Index of the first row that is in memory; rows from it to `total` are. */
  readonly start: number;
  /** The rows in memory, in order; an unchanged row is the same object as before. */
  readonly tail: readonly Row[];
  /** `stored: true` for entries that came out of the store: they are shown, not written again. */
  add(entries: readonly Entry[], options?: { readonly stored?: boolean }): void;
  /** Rows `[start, end)`, from memory or the store. */
  rows(start: number, end: number, options?: { readonly signal?: AbortSignal }): Promise<{ readonly start: number; readonly rows: readonly Row[] }>;
  row(key: string): Promise<Row | null>;
  /** Index of the top-level row that a row is or is in; null for a row that is not there. */
  indexOf(key: string): Promise<number | null>;
  /** Whole output of a tool row, without the cut that rows have. */
  output(key: string): Promise<string | null>;
  /** The system's id of the call that a tool row shows; null for other rows. */
  callId(key: string): Promise<string | null>;
  /** Synchronous, once for each `add` that changed something, with the changes in the order in which they apply. */
  onChange(listener: (ops: readonly RowOp[]) => void): Disposable;
  /** Resolves when everything added is durable, or the store gave up (then it says so through its health). */
  flush(): Promise<void>;
}
