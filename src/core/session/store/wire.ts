import type { SessionKey, Session } from '../../model/session.ts';
import type { MailItem, OutboxItem, RetentionRule, RetentionSurvey, StoreChange, StoreHealth, UsageRow } from '../store-api.ts';
import type { EntryPage } from './entries.ts';
import type { Acquired } from './leaseTable.ts';
import type { Report } from './tables.ts';

/** What the store's thread can be asked to do. `now` is the asking side's clock, in milliseconds since the epoch. */
export interface Calls {
  put(session: SessionKey, entries: readonly string[], now: number): number;
  count(session: SessionKey): number;
  rows(session: SessionKey, start: number, limit: number): EntryPage;
  entriesOf(session: SessionKey, rows: readonly string[]): string;
  since(session: SessionKey, after: number, limit: number, own: boolean): { json: string; mark: number };
  mark(session: SessionKey): number;
  saveSessions(sessions: readonly Session[]): void;
  sessions(connectionId: string, most?: number): Session[];
  usage(from: number, to: number): UsageRow[];
  removeSession(session: SessionKey): void;
  outbox(session: SessionKey | null): OutboxItem[];
  saveOutbox(item: OutboxItem): void;
  removeOutbox(clientId: string): void;
  post(mail: MailItem): void;
  takeMail(session: SessionKey): MailItem[];
  keepGet(scope: string, key: string): string | null;
  keepSet(scope: string, key: string, value: string | null): void;
  keepList(scope: string, prefix: string): [string, string][];
  acquire(name: string, suspect: number | null, now: number): Acquired;
  release(name: string): void;
  holder(name: string, now: number): 'this' | 'other' | 'nobody';
  beat(now: number): void;
  watch(): void;
  poll(): StoreChange[];
  survey(rule: RetentionRule, now: number): RetentionSurvey;
  forget(session: SessionKey, rule: RetentionRule, now: number): boolean;
  shrink(): boolean;
  /** Releases leases, closes the file. Nothing is answered after. */
  close(): void;
}
export type CallName = keyof Calls;

export interface Request {
  readonly id: number;
  readonly name: CallName;
  readonly args: readonly unknown[];
}

export interface WorkerOptions {
  readonly file: string | null;
  readonly reason: string;
  readonly key: Uint8Array;
  readonly busyMs: number;
  readonly now: number;
}

export type Reply =
  | { readonly type: 'opened'; readonly health: StoreHealth }
  | { readonly type: 'refused'; readonly code: string; readonly message: string }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'health'; readonly health: StoreHealth }
  | { readonly type: 'report'; readonly report: Report };
