import type { Disposable } from '../model/backend.ts';
import type { Keep, Leases } from '../model/context.ts';
import type { Attachment, Delivery, Entry } from '../model/entry.ts';
import type { JsonValue } from '../model/json.ts';
import type { Session, SessionKey } from '../model/session.ts';
import type { UsageDay } from '../model/usage.ts';

/** Entries of the top-level rows `[start, start + n)` of a session with all their subagent rows, and how many top-level rows there are. */
export interface StoredRows {
  readonly start: number;
  readonly total: number;
  readonly entries: readonly Entry[];
}

/** A prompt on its way: durable from the moment that the person pressed Send until the system confirms it. */
export interface OutboxItem {
  /** UUID of ours; the system sees it, so that a prompt sent twice exists once. */
  readonly clientId: string;
  readonly session: SessionKey;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly delivery: Exclude<Delivery, 'delivered'>;
  /** Position among the session's items; smaller goes first. */
  readonly position: number;
  readonly createdAt: number;
  readonly attempts: number;
  /** One line, for `failed`. */
  readonly error: string | null;
  /** True for a `failed` one of which nobody can say whether the system has it. */
  readonly uncertain?: boolean;
  /** True for a `failed` one that the system has but whose agent passed it by: it goes again as another prompt, under another id. */
  readonly passedBy?: boolean;
  /** True: hand it to the running turn instead of waiting for its end. */
  readonly steer: boolean;
}

/** A request to the window that owns a session, from one that does not. */
export interface MailItem {
  readonly id: string;
  readonly session: SessionKey;
  readonly body: JsonValue;
  readonly createdAt: number;
}

export type StoreHealth =
  | { readonly status: 'durable' }
  /** The database could not be used: this run keeps everything in memory; `setAside` is where the file was moved, null when it stayed. */
  | { readonly status: 'memory'; readonly reason: string; readonly setAside: string | null };

/** Scopes of what is kept by session key and other processes are told of, as `marks`; forgotten with a session that is removed. */
export const MARK_SCOPES = { pins: 'pins', unread: 'unread' } as const;

/** Scopes of what is kept by session key beside marks: what the person has written and not sent, how far a system's record was read, and when it was opened last (milliseconds since the epoch). */
export const SESSION_SCOPES = { drafts: 'drafts', history: 'history', opened: 'opened' } as const;

/** Beginning of the names of leases, within those of a connection, that tell of a session that it is in use: each window that has it open holds one of its own. */
export function openName(session: string): string {
  return `open:${session}:`;
}

/** Which transcripts may be forgotten. */
export interface RetentionRule {
  /** Of sessions to which nothing was written, that did nothing, and that nobody opened since then. Milliseconds since the epoch. */
  readonly before: number;
  /** Connections whose transcripts stay, since they may be stored here alone. */
  readonly spare: readonly string[];
  /** Connections that there are. Transcripts of others stay: there is nobody to read them from. */
  readonly known: readonly string[];
}
/** Why a transcript stays: its chat is open, prompts wait to be sent, something is written and not sent, the session is pinned, it is stored here alone, its connection is gone. */
export type KeptFor = 'open' | 'prompts' | 'draft' | 'pinned' | 'onlyHere' | 'gone';
export interface RetentionSurvey {
  /** Sessions whose transcripts may be forgotten. */
  readonly sessions: readonly SessionKey[];
  /** How many of the others stay, each for the first reason that it has. */
  readonly kept: Readonly<Record<KeptFor, number>>;
  /** What the database takes on disk. */
  readonly bytes: number;
}

/** What the turns of one session used on one day. */
export interface UsageRow extends UsageDay {
  readonly session: SessionKey;
}

/** What another process wrote. */
export interface StoreChange {
  readonly kind: 'entries' | 'session' | 'outbox' | 'mail' | 'marks';
  readonly session: SessionKey;
}

/**
 * The durable mirror: SQLite in a worker thread, contents sealed with AES-256-GCM (session, row and entry ids, order keys and counts are in clear;
 * titles, texts, inputs and outputs are not). All methods reject with a PilothouseError `store_*`; a live session goes on without it.
 */
export interface Store extends AsyncDisposable {
  readonly health: StoreHealth;
  /** Merges entries in (higher `rev` wins, then the greater canonical JSON); resolves when they are durable. */
  put(session: SessionKey, entries: readonly Entry[]): Promise<void>;
  /** Number of top-level rows. Its cost does not grow with the session. */
  count(session: SessionKey): Promise<number>;
  /** Top-level rows by index in view order (negative `start` counts from the end). */
  rows(session: SessionKey, start: number, limit: number): Promise<StoredRows>;
  /** All entries of these rows (not of their subagent rows). */
  entriesOf(session: SessionKey, rows: readonly string[]): Promise<readonly Entry[]>;
  /** Entries that other processes wrote after `after` (0 at first), with the mark to go on from; at most `limit`. `own`: those of this process too. */
  entriesSince(session: SessionKey, after: number, limit: number, options?: { readonly own?: boolean }): Promise<{ readonly entries: readonly Entry[]; readonly mark: number }>;
  /** The mark of the newest entry now. */
  mark(session: SessionKey): Promise<number>;

  saveSessions(sessions: readonly Session[]): Promise<void>;
  /** Newest first; the newest `most` alone, where that is given. */
  sessions(connectionId: string, most?: number): Promise<readonly Session[]>;
  /** Forgets a session: record, entries, outbox, mail. */
  removeSession(session: SessionKey): Promise<void>;

  outbox(session?: SessionKey): Promise<readonly OutboxItem[]>;
  saveOutbox(item: OutboxItem): Promise<void>;
  removeOutbox(clientId: string): Promise<void>;

  post(mail: MailItem): Promise<void>;
  /** Takes and removes the mail of a session, oldest first. */
  takeMail(session: SessionKey): Promise<readonly MailItem[]>;

  /** Small sealed values by scope (`backend:<connection>`, `drafts`, `pins`, `unread`). */
  keep(scope: string): Keep;
  readonly leases: Leases;
  /** Tells of what other processes write, within half a second, while at least one listener is there; costs one cheap read a poll. */
  watch(listener: (change: StoreChange) => void): Disposable;
}
