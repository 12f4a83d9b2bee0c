import type { Connection } from '../core/fleet/connection.ts';
import type { Keep, Leases, Logger } from '../core/model/context.ts';
import { describeError } from '../core/model/errors.ts';
import type { Session, SessionKey } from '../core/model/session.ts';
import { sessionKey } from '../core/model/session.ts';
import type { OutboxItem } from '../core/session/store-api.ts';

const DAY_MS = 86_400_000;
const EVERY_MS = 3_600_000;
const LEASE = 'auto-archive';
/** So many sessions are asked at once. */
const AT_ONCE = 4;

interface AutoArchiveOptions {
  readonly fleet: { sessions(): readonly Session[]; session(key: SessionKey): Session | null; connections(): readonly Connection[]; archive(key: SessionKey, archived: boolean): Promise<void> };
  readonly store: { outbox(): Promise<readonly OutboxItem[]>; readonly leases: Leases };
  /** By session: when it had changed last, milliseconds since the epoch, as it was archived by age or the person brought it back. */
  readonly keep: Keep;
  readonly log: Logger;
  readonly now: () => number;
  /** Days without a change; 0: never. */
  readonly days: () => number;
  /** Whether the person trusts the folder of this window: one that they do not may have changed what they set. */
  readonly trusted: () => boolean;
  /** Tells the person what was archived, of which each can be brought back by `undo`. */
  readonly archived: (sessions: readonly Session[], undo: () => Promise<void>) => void;
}

/**
 * Archives sessions that nobody touched for as many days as the person set: at the start and every hour, in one trusted window for all. Never one that works, waits, is pinned or unread, has a prompt that
 * is not delivered, or of which nothing is known now. One that was brought back stays until it changed again.
 */
export class AutoArchive {
  private readonly options: AutoArchiveOptions;
  private running: Promise<void> | null = null;
  private timer: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(options: AutoArchiveOptions) {
    this.options = options;
  }

  /** From now on, until it is closed. */
  start(): void {
    void this.pass();
    this.timer ??= setInterval(() => void this.pass(), EVERY_MS);
  }

  /** Looks now; joins a look that is under way. Never rejects: what cannot be archived stays, and is tried the next time. */
  pass(): Promise<void> {
    this.running ??= this.look().catch((error: unknown) => this.options.log.warn('sessions could not be archived by age', { error: describeError(error) })).finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** The person brings a session back: it is left alone until it changes. */
  async spare(key: SessionKey): Promise<void> {
    const session = this.options.fleet.session(key);
    if (session !== null) await this.options.keep.set(key, String(session.updatedAt)).catch((error: unknown) => this.options.log.warn('that a session is spared is not kept', { error: describeError(error) }));
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer ?? undefined);
    await this.running;
  }

  private async look(): Promise<void> {
    const { store, days, trusted } = this.options;
    if (!trusted() || days() === 0 || this.closed || !(await store.leases.acquire(LEASE))) return;
    try {
      const archived = await this.archiveOld(days());
      if (archived.length > 0) this.options.archived(archived, () => this.bringBack(archived));
    } finally {
      await store.leases.release(LEASE);
    }
  }

  private async archiveOld(days: number): Promise<readonly Session[]> {
    const { fleet, store, keep, log, now } = this.options;
    const [outbox, spared] = await Promise.all([store.outbox(), keep.list('')]);
    const undelivered = new Set(outbox.map((item) => item.session));
    const ready = new Set(fleet.connections().filter(({ state, dormant }) => state.status === 'ready' && !dormant).map(({ connectionId }) => connectionId));
    const before = now() - days * DAY_MS;
    const isOld = (key: SessionKey, session: Session): boolean => ready.has(session.connectionId) && isLeft(session, before) && !undelivered.has(key) && spared.get(key) !== String(session.updatedAt);
    const archived: Session[] = [];
    const rest = fleet.sessions().filter((each) => isOld(sessionKey(each), each)).map(sessionKey);
    const worker = async (): Promise<void> => {
      for (let key = rest.shift(); key !== undefined && !this.closed && this.options.days() > 0; key = rest.shift()) {
        const session = fleet.session(key);
        // It may have changed while others were archived.
        if (session === null || !isOld(key, session)) continue;
        try {
          // Before it is done: whatever becomes of this window, one that the person brings back is not taken again.
          await keep.set(key, String(session.updatedAt));
          await fleet.archive(key, true);
          archived.push(session);
        } catch (error) {
          await keep.set(key, null).catch(() => undefined);
          log.warn('a session could not be archived by age', { error: describeError(error) });
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (archived.length > 0) log.info('sessions were archived by age', { sessions: archived.length, days });
    return archived;
  }

  private async bringBack(sessions: readonly Session[]): Promise<void> {
    for (const session of sessions) {
      const key = sessionKey(session);
      try {
        await this.spare(key);
        await this.options.fleet.archive(key, false);
      } catch (error) {
        this.options.log.warn('a session could not be brought back', { error: describeError(error) });
      }
    }
  }
}

/** Whether nobody touched a session since `before`, milliseconds since the epoch, and nothing of it is open. */
function isLeft({ archived, pinned, unread, state, waiting, updatedAt, owner }: Session, before: number): boolean {
  const rests = state === 'idle' || state === 'stopped' || state === 'failed';
  return !archived && pinned !== true && unread !== true && rests && waiting.length === 0 && updatedAt < before && owner !== 'foreign';
}
