import { chmodSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { PilothouseError } from '../../model/errors.ts';
import type { SessionKey } from '../../model/session.ts';
import type { OutboxItem, StoreHealth } from '../store-api.ts';
import { Engine } from './engine.ts';
import type { Report } from './tables.ts';
import type { Trouble } from './trouble.ts';
import { fileIdentity, judgeTrouble, setAside } from './trouble.ts';

export interface DatabaseOptions {
  /** Path of the database file; null keeps everything in memory, for `reason`. */
  readonly file: string | null;
  readonly reason: string;
  readonly key: Uint8Array;
  /** Milliseconds that a call waits for another process's lock before the store goes on in memory. */
  readonly busyMs: number;
  readonly now: number;
  readonly report: (report: Report) => void;
  readonly onHealth: (health: StoreHealth) => void;
}

const RETRY_MS = 25;
/** Entries of a live session that move into memory with it: what a person looks at. */
const MOVED_ENTRIES = 5_000;

/** The engine in use: the file's, or, once that could not be used, one in memory. Trouble with the file never reaches the caller. */
export class Database {
  private readonly options: DatabaseOptions;
  private readonly identity: string | null;
  /** Sessions that were used in this run, and so would be missed. */
  private readonly live = new Set<SessionKey>();
  private engine: Engine;
  private watching = false;
  health: StoreHealth;

  constructor(options: DatabaseOptions) {
    this.options = options;
    const opened = options.file === null ? failed({ verdict: 'other', reason: options.reason }) : openFile(options.file, options);
    this.identity = opened.identity;
    this.engine = opened.engine ?? this.inMemory(options.now);
    this.health = opened.engine === null ? memoryHealth(opened.trouble.reason, opened.aside) : { status: 'durable' };
  }

  /** Runs one call. Where the file fails under it, everything moves into memory and the call is made again there. */
  run<T>(session: SessionKey | null, work: (engine: Engine) => T): T {
    if (session !== null) this.live.add(session);
    try {
      return this.patiently(work);
    } catch (error) {
      const trouble = judgeTrouble(error, false);
      if (trouble.verdict === 'other' || this.health.status === 'memory') throw coded(error);
      this.moveToMemory(trouble);
      return work(this.engine);
    }
  }

  startWatching(): void {
    this.watching = true;
    this.run(null, (engine) => engine.follower.start());
  }

  close(): void {
    try {
      this.engine.leases.leave();
    } catch (error) {
      this.options.report({ level: 'warn', message: 'leases could not be released', data: { reason: judgeTrouble(error, false).reason } });
    }
    closeQuietly(this.engine);
  }

  /** A lock may be held for a moment longer than SQLite waits, as by a checkpoint: one more try. */
  private patiently<T>(work: (engine: Engine) => T): T {
    try {
      return work(this.engine);
    } catch (error) {
      if (judgeTrouble(error, false).verdict !== 'busy' || this.health.status === 'memory') throw error;
      return work(this.engine);
    }
  }

  private moveToMemory(trouble: Trouble): void {
    const now = Date.now();
    const before = this.engine;
    const after = this.inMemory(now);
    this.engine = after;
    const moved = this.salvage(before, after, now);
    closeQuietly(before);
    const aside = trouble.verdict === 'broken' && this.options.file !== null ? setAside(this.options.file, this.identity, now) : null;
    this.health = memoryHealth(trouble.reason, aside);
    this.options.report({ level: 'error', message: 'the store goes on in memory', data: { reason: trouble.reason, moved } });
    this.options.onHealth(this.health);
    if (this.watching) after.follower.start();
  }

  /** Takes along what would be missed, as far as it can be read: prompts on their way, records, kept values, leases, the newest of live sessions. */
  private salvage(before: Engine, after: Engine, now: number): number {
    const steps: readonly (() => number)[] = [
      () => each(before.records.outbox(null).filter(isReadable), (item) => after.records.saveOutbox(item)),
      () => {
        const sessions = before.records.allSessions();
        after.records.saveSessions(sessions);
        return sessions.length;
      },
      () => each(before.records.keepAll(), ([scope, key, value]) => after.records.keepSet(scope, key, value)),
      () => each([...before.leases.held], (name) => after.leases.acquire(name, null, now)),
      ...[...this.live].map((session) => () => {
        const texts: string[] = [];
        // What was read before the damage counts.
        attempt(() => {
          for (const text of before.entries.readable(session, MOVED_ENTRIES)) texts.push(text);
          return texts.length;
        });
        return texts.length === 0 ? 0 : after.entries.put(session, texts, now);
      }),
    ];
    return steps.reduce((sum, step) => sum + attempt(step), 0);
  }

  private inMemory(now: number): Engine {
    return Engine.open({ file: ':memory:', key: this.options.key, busyMs: 0, now, report: this.options.report });
  }
}

type Opened =
  | { readonly engine: Engine; readonly identity: string | null }
  | { readonly engine: null; readonly identity: null; readonly trouble: Trouble; readonly aside: string | null };

function failed(trouble: Trouble, aside: string | null = null): Opened {
  return { engine: null, identity: null, trouble, aside };
}

/** Opens the file, waiting for others that are just making or mending it. */
function openFile(file: string, options: DatabaseOptions): Opened {
  const deadline = performance.now() + options.busyMs;
  for (;;) {
    const identity = fileIdentity(file);
    try {
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
      const engine = Engine.open({ file, key: options.key, busyMs: options.busyMs, now: options.now, report: options.report });
      // The contents are sealed; counts and times are nobody's business either.
      attempt(() => {
        chmodSync(file, 0o600);
        return 0;
      });
      return { engine, identity: fileIdentity(file) };
    } catch (error) {
      const trouble = judgeTrouble(error, true);
      if (trouble.verdict === 'other' && error instanceof PilothouseError) throw error;
      // Another process moved the broken file away meanwhile: what lies there now may be good.
      const replaced = trouble.verdict === 'broken' && identity !== null && fileIdentity(file) !== identity;
      const again = (trouble.verdict === 'busy' || replaced) && performance.now() < deadline;
      if (!again) return failed(trouble, trouble.verdict === 'broken' ? setAside(file, identity, options.now) : null);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

function memoryHealth(reason: string, aside: string | null): StoreHealth {
  return { status: 'memory', reason, setAside: aside };
}

/** Errors of SQLite as those that the store's callers know. */
function coded(error: unknown): PilothouseError {
  if (error instanceof PilothouseError) return error;
  return new PilothouseError('store_failed', `The store could not do this: ${judgeTrouble(error, false).reason}. Reload the window, and report it with the log.`, { cause: error });
}

function isReadable(item: OutboxItem): boolean {
  return item.text !== '' || item.attachments.length > 0;
}

function each<T>(items: readonly T[], act: (item: T) => void): number {
  items.forEach(act);
  return items.length;
}

function attempt(step: () => number): number {
  try {
    return step();
  } catch {
    return 0;
  }
}

function closeQuietly(engine: Engine): void {
  attempt(() => {
    engine.close();
    return 0;
  });
}
