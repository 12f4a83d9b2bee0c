import type { Clock, Logger } from '../model/context.ts';
import { describeError, isAbort, PilothouseError } from '../model/errors.ts';
import type { RetentionRule, RetentionSurvey } from '../session/store-api.ts';
import type { OwnedStore } from '../session/store/open.ts';

const DAY_MS = 86_400_000;
/** After the start there is more urgent work; then so often, for windows that stay open for weeks. Milliseconds. */
const FIRST_MS = 60_000;
const AGAIN_MS = 6 * 3_600_000;
const SOON_MS = 1_000;
/** One window at a time forgets. */
const LEASE = 'retention';

interface RetentionOptions {
  readonly store: Pick<OwnedStore, 'survey' | 'forget' | 'shrink' | 'leases'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Days after which transcripts are forgotten, as the person set them; 0 for never. */
  readonly days: () => number;
  /** Connections whose transcripts may be stored here alone. */
  readonly spare: () => readonly string[];
  /** Connections that there are, and that are asked when a transcript is to be read again. */
  readonly known: () => readonly string[];
  /** Transcripts were forgotten: what is derived of them is to go too. */
  readonly forgotten: () => void;
}

/** What clearing did. Sizes are bytes of the database on disk. */
interface Cleared {
  readonly sessions: number;
  readonly before: number;
  readonly after: number;
}

/** Forgets transcripts: those that nobody touched for as many days as the person set, now and then, or all that may go, when asked. */
export class Retention {
  private readonly options: RetentionOptions;
  private readonly abort = new AbortController();
  private timer: { cancel(): void } | null = null;
  private running: Promise<void> = Promise.resolve();

  constructor(options: RetentionOptions) {
    this.options = options;
  }

  start(): void {
    this.runIn(FIRST_MS);
  }

  /** The setting is another one. */
  settingChanged(): void {
    this.runIn(SOON_MS);
  }

  /** What could be cleared now, and what would stay. Rejects with `store_*`. */
  survey(): Promise<RetentionSurvey> {
    return this.options.store.survey(this.rule(Number.MAX_SAFE_INTEGER));
  }

  /** Forgets all that may go. Broken off, what is forgotten by then stays so. Rejects with `retention_busy` while another window forgets, and with the signal's reason. */
  async clear(signal: AbortSignal, onProgress: (done: number, all: number) => void): Promise<Cleared> {
    const both = AbortSignal.any([signal, this.abort.signal]);
    const cleared = await this.alone(async () => this.forget(this.rule(Number.MAX_SAFE_INTEGER), both, onProgress));
    both.throwIfAborted();
    if (cleared === null) throw new PilothouseError('retention_busy', 'Another window is clearing transcripts right now. Wait until it is done.');
    return cleared;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort.abort();
    this.timer?.cancel();
    await this.running;
  }

  private runIn(ms: number): void {
    this.timer?.cancel();
    if (this.abort.signal.aborted) return;
    this.timer = this.options.clock.setTimeout(() => {
      this.timer = null;
      this.running = this.byAge().finally(() => this.runIn(AGAIN_MS));
    }, ms);
  }

  private async byAge(): Promise<void> {
    const { log, clock, days } = this.options;
    const kept = days();
    if (kept <= 0) return;
    try {
      const done = await this.alone(() => this.forget(this.rule(clock.now() - kept * DAY_MS), this.abort.signal, () => undefined));
      if (done !== null && done.sessions > 0) log.info('stored transcripts were forgotten by age', { sessions: done.sessions, days: kept, bytes: done.before - done.after });
    } catch (error) {
      if (!isAbort(error)) log.warn('retention could not be applied', { error: describeError(error) });
    }
  }

  private async alone<T>(work: () => Promise<T>): Promise<T | null> {
    const { leases } = this.options.store;
    if ((await leases.holder(LEASE)) !== 'nobody' || !(await leases.acquire(LEASE))) return null;
    try {
      return await work();
    } finally {
      await leases.release(LEASE).catch((error: unknown) => this.options.log.warn('a lease could not be given back', { error: describeError(error) }));
    }
  }

  private async forget(rule: RetentionRule, signal: AbortSignal, onProgress: (done: number, all: number) => void): Promise<Cleared> {
    const { store } = this.options;
    const { sessions, bytes } = await store.survey(rule);
    let forgotten = 0;
    try {
      for (const [index, session] of sessions.entries()) {
        if (signal.aborted) break;
        onProgress(index, sessions.length);
        if (await store.forget(session, rule)) forgotten += 1;
      }
    } finally {
      if (forgotten > 0) this.options.forgotten();
      // Also what a window that ended meanwhile had forgotten.
      await store.shrink(this.abort.signal);
    }
    return { sessions: forgotten, before: bytes, after: (await store.survey({ ...rule, before: 0 })).bytes };
  }

  private rule(before: number): RetentionRule {
    return { before, spare: this.options.spare(), known: this.options.known() };
  }
}
