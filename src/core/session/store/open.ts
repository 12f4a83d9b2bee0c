import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Disposable } from '../../model/backend.ts';
import type { Clock, Keep, Leases, Logger } from '../../model/context.ts';
import type { Entry } from '../../model/entry.ts';
import { describeError, PilothouseError } from '../../model/errors.ts';
import type { Session, SessionKey } from '../../model/session.ts';
import { Emitter } from '../../transport/emitter.ts';
import type { MailItem, OutboxItem, RetentionRule, RetentionSurvey, Store, StoreChange, StoreHealth, StoredRows, UsageRow } from '../store-api.ts';
import { WorkerChannel } from './channel.ts';
import { StoreLeases } from './leases.ts';

export interface OpenStoreOptions {
  /** Folder of the database files; made with mode 700 where it is missing. */
  readonly directory: string;
  /** 32 bytes. Each key has a database file of its own, `store-<fingerprint>.db`; other files are not touched. */
  readonly key: Uint8Array;
  /** 8 to 64 hex digits; the first 8 of the key's SHA-256 unless given. */
  readonly keyFingerprint?: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** The worker's entry file: the bundle's own, or, from source, worker.ts beside this file. */
  readonly workerUrl?: URL | string;
  /** Milliseconds that a call waits for another process's lock, twice, before the store goes on in memory; 5,000 unless given. */
  readonly busyMs?: number;
}

/** The store with what its owner alone needs. */
export interface OwnedStore extends Store {
  /** What turns used that ended in `[from, to)` (milliseconds since the epoch), by session and day; of sessions that are forgotten too. */
  usage(from: number, to: number): Promise<readonly UsageRow[]>;
  /** Which transcripts may be forgotten by the rule. */
  survey(rule: RetentionRule): Promise<RetentionSurvey>;
  /** Forgets a session's transcript: its record and all that the person wrote and marked stay. False where the rule keeps it (by now). */
  forget(session: SessionKey, rule: RetentionRule): Promise<boolean>;
  /** Gives the space of what was forgotten back to the disk, a bit at a time, so that others get their turn. */
  shrink(signal?: AbortSignal): Promise<void>;
  /** Tells when the database could not be used any more. */
  onHealth(listener: (health: StoreHealth) => void): Disposable;
}

/**
 * Opens the durable mirror. Trouble with the file (damaged, locked, of a later version, read-only, disk full) never rejects: the store is then in memory
 * and its `health` says so, with a clause such as `the file is damaged` for its reason. Rejects with `store_bad_key` for a key of another length and with `store_unavailable` where Node has no SQLite.
 */
export async function openStore(options: OpenStoreOptions): Promise<OwnedStore> {
  if (options.key.length !== 32) throw new PilothouseError('store_bad_key', 'The key of the store must have 32 bytes.');
  const fingerprint = options.keyFingerprint ?? createHash('sha256').update(options.key).digest('hex').slice(0, 8);
  if (!/^[0-9a-f]{8,64}$/u.test(fingerprint)) throw new PilothouseError('store_bad_key', 'The fingerprint of the store’s key must be 8 to 64 hex digits.');
  const log = options.log.child('store');
  let health: StoreHealth = { status: 'durable' };
  const healthChanged = new Emitter<StoreHealth>((error) => log.error('a listener of the store’s health failed', { error: describeError(error) }));
  const onHealth = (changed: StoreHealth): void => {
    health = changed;
    if (changed.status === 'memory') log.error('the store is in memory', { reason: changed.reason, setAside: changed.setAside });
    healthChanged.emit(changed);
  };
  const channel = new WorkerChannel({
    workerUrl: options.workerUrl ?? defaultWorker(), log, onHealth,
    worker: { file: path.join(options.directory, `store-${fingerprint}.db`), reason: '', key: options.key, busyMs: options.busyMs ?? 5_000, now: options.clock.now() },
  });
  const opened = await channel.open();
  if (opened.status === 'memory' && health.status === 'durable') onHealth(opened);
  return new WorkerStore(channel, options.clock, log, () => health, healthChanged);
}

/** Under source, TypeScript itself; beside a bundle, the worker's bundle. */
function defaultWorker(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './store-worker.cjs', import.meta.url);
}

const POLL_MS = 250;
const CLOSE_DEADLINE_MS = 10_000;
/** A large batch goes in pieces, so that what a person waits for comes in between. */
const PIECE_ENTRIES = 1_000;
const PIECE_CHARACTERS = 4_000_000;

class WorkerStore implements OwnedStore {
  private readonly channel: WorkerChannel;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly currentHealth: () => StoreHealth;
  private readonly healthChanged: Emitter<StoreHealth>;
  private readonly changed: Emitter<StoreChange>;
  private readonly ownLeases: StoreLeases;
  private polling: { cancel(): void } | null = null;
  private disposed: Promise<void> | null = null;

  constructor(channel: WorkerChannel, clock: Clock, log: Logger, health: () => StoreHealth, healthChanged: Emitter<StoreHealth>) {
    this.channel = channel;
    this.clock = clock;
    this.log = log;
    this.currentHealth = health;
    this.healthChanged = healthChanged;
    this.changed = new Emitter((error) => log.error('a listener of the store failed', { error: describeError(error) }));
    this.ownLeases = new StoreLeases(channel, clock, log);
    healthChanged.on(() => void this.ownLeases.renew());
  }

  get health(): StoreHealth {
    return this.currentHealth();
  }

  get leases(): Leases {
    return this.ownLeases;
  }

  async put(session: SessionKey, entries: readonly Entry[]): Promise<void> {
    let piece: string[] = [];
    let characters = 0;
    const flush = async (): Promise<void> => {
      const texts = piece;
      piece = [];
      characters = 0;
      if (texts.length > 0) await this.channel.call('put', session, texts, this.clock.now());
    };
    for (const entry of entries) {
      const text = toJson(entry);
      piece.push(text);
      characters += text.length;
      if (piece.length >= PIECE_ENTRIES || characters >= PIECE_CHARACTERS) await flush();
    }
    await flush();
  }

  count(session: SessionKey): Promise<number> {
    return this.channel.call('count', session);
  }

  async rows(session: SessionKey, start: number, limit: number): Promise<StoredRows> {
    const page = await this.channel.call('rows', session, whole(start), Math.max(0, whole(limit)));
    return { start: page.start, total: page.total, entries: fromJson(page.json) };
  }

  async entriesOf(session: SessionKey, rows: readonly string[]): Promise<readonly Entry[]> {
    return fromJson(await this.channel.call('entriesOf', session, rows));
  }

  async entriesSince(session: SessionKey, after: number, limit: number, { own = false } = {}): Promise<{ readonly entries: readonly Entry[]; readonly mark: number }> {
    const { json, mark } = await this.channel.call('since', session, Math.max(0, whole(after)), Math.max(1, whole(limit)), own);
    return { entries: fromJson(json), mark };
  }

  mark(session: SessionKey): Promise<number> {
    return this.channel.call('mark', session);
  }

  saveSessions(sessions: readonly Session[]): Promise<void> {
    return sessions.length === 0 ? Promise.resolve() : this.channel.call('saveSessions', sessions);
  }

  sessions(connectionId: string, most?: number): Promise<readonly Session[]> {
    return this.channel.call('sessions', connectionId, most);
  }

  usage(from: number, to: number): Promise<readonly UsageRow[]> {
    return this.channel.call('usage', from, to);
  }

  removeSession(session: SessionKey): Promise<void> {
    return this.channel.call('removeSession', session);
  }

  outbox(session?: SessionKey): Promise<readonly OutboxItem[]> {
    return this.channel.call('outbox', session ?? null);
  }

  saveOutbox(item: OutboxItem): Promise<void> {
    return this.channel.call('saveOutbox', item);
  }

  removeOutbox(clientId: string): Promise<void> {
    return this.channel.call('removeOutbox', clientId);
  }

  post(mail: MailItem): Promise<void> {
    return this.channel.call('post', mail);
  }

  takeMail(session: SessionKey): Promise<readonly MailItem[]> {
    return this.channel.call('takeMail', session);
  }

  keep(scope: string): Keep {
    const { channel } = this;
    return {
      get: (key) => channel.call('keepGet', scope, key),
      set: (key, value) => channel.call('keepSet', scope, key, value),
      list: async (prefix) => new Map(await channel.call('keepList', scope, prefix)),
    };
  }

  watch(listener: (change: StoreChange) => void): Disposable {
    const subscription = this.changed.on(listener);
    if (this.changed.size === 1) void this.beginPolling();
    return subscription;
  }

  survey(rule: RetentionRule): Promise<RetentionSurvey> {
    return this.channel.call('survey', rule, this.clock.now());
  }

  forget(session: SessionKey, rule: RetentionRule): Promise<boolean> {
    return this.channel.call('forget', session, rule, this.clock.now());
  }

  async shrink(signal?: AbortSignal): Promise<void> {
    for (;;) if (signal?.aborted === true || !(await this.channel.call('shrink'))) return;
  }

  onHealth(listener: (health: StoreHealth) => void): Disposable {
    return this.healthChanged.on(listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.disposed ??= this.close();
    return this.disposed;
  }

  private async close(): Promise<void> {
    this.polling?.cancel();
    this.changed.clear();
    this.healthChanged.clear();
    this.ownLeases.dispose();
    const deadline = AbortSignal.timeout(CLOSE_DEADLINE_MS);
    const late = new Promise<void>((resolve) => deadline.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([this.channel.call('close').catch((error: unknown) => this.log.warn('the store did not close well', { error: describeError(error) })), late]);
    await this.channel.terminate();
  }

  private async beginPolling(): Promise<void> {
    try {
      await this.channel.call('watch');
    } catch (error) {
      this.log.warn('the store can’t be followed', { error: describeError(error) });
    }
    this.pollSoon();
  }

  private pollSoon(): void {
    if (this.disposed !== null || this.changed.size === 0 || this.polling !== null) return;
    this.polling = this.clock.setTimeout(() => void this.poll(), POLL_MS);
  }

  private async poll(): Promise<void> {
    try {
      for (const change of await this.channel.call('poll')) this.changed.emit(change);
    } catch (error) {
      if (this.disposed === null) this.log.warn('changes of other windows could not be read', { error: describeError(error) });
    }
    this.polling = null;
    this.pollSoon();
  }
}

function toJson(entry: Entry): string {
  try {
    return JSON.stringify(entry);
  } catch (error) {
    throw new PilothouseError('store_invalid_entry', 'An entry that JSON can’t carry can’t be stored. Report this with the log.', { cause: error });
  }
}

/** Written by the store itself, under its seal. */
function fromJson(json: string): readonly Entry[] {
  return JSON.parse(json) as Entry[];
}

function whole(value: number): number {
  return Number.isFinite(value) ? Math.trunc(value) : 0;
}
