import type { Clock, Keep, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { Session, SessionKey, SessionState } from '../model/session.ts';
import { MARK_SCOPES } from '../session/store-api.ts';
import type { Store } from '../session/store-api.ts';

interface MarksOptions {
  readonly store: Pick<Store, 'keep'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
  /** A session is marked otherwise. */
  readonly changed: (key: SessionKey) => void;
}

/** From so many on, what other windows marked is read in one go. */
const MANY = 50;
/** Stands with a mark that the person made. */
const AGAIN = 'again';
/** Stands with a turn that failed. */
const FAILED = 'failed';

/**
 * What the person marked, by session: pins, and which sessions they have not looked at since a turn of theirs ended. Kept in the store, where all windows see it; only sessions
 * that are marked cost anything. A session that nobody saw at work is read, however much is in it.
 */
export class Marks {
  private readonly options: MarksOptions;
  private readonly pinKeep: Keep;
  private readonly unreadKeep: Keep;
  private readonly pins = new Set<SessionKey>();
  /** When the turn ended that was not looked at, milliseconds since the epoch. */
  private readonly ended = new Map<SessionKey, number>();
  /** Those of them that the person marked as unread. */
  private readonly again = new Set<SessionKey>();
  /** Those of them whose turn failed. */
  private readonly failed = new Set<SessionKey>();
  /** What each session did last, as far as we were in touch. */
  private readonly did = new Map<SessionKey, SessionState>();
  /** Sessions whose turn the person is breaking off. */
  private readonly breaking = new Set<SessionKey>();
  private readonly dressed = new WeakMap<Session, Session>();
  /** Chats that the person looks at. */
  private looked: ReadonlySet<SessionKey> = new Set();
  /** Marked here while the store was being read: the newer word. */
  private readonly touched = new Set<SessionKey>();
  private readonly stale = new Set<SessionKey>();
  private reading: Promise<void>;
  private closed = false;

  constructor(options: MarksOptions) {
    this.options = options;
    this.pinKeep = options.store.keep(MARK_SCOPES.pins);
    this.unreadKeep = options.store.keep(MARK_SCOPES.unread);
    this.reading = this.readAll();
  }

  /** The session with its marks; the same object as long as neither changed. */
  dress(key: SessionKey, session: Session): Session {
    const pinned = this.pins.has(key);
    const unread = this.ended.has(key);
    if (!pinned && !unread) return session;
    const known = this.dressed.get(session);
    if (known !== undefined && (known.pinned === true) === pinned && (known.unread === true) === unread) return known;
    const made: Session = { ...session, ...(pinned ? { pinned } : {}), ...(unread ? { unread } : {}) };
    this.dressed.set(session, made);
    return made;
  }

  /** What else is known of it here, and never stored, changed. */
  redress(key: SessionKey): void {
    this.options.changed(key);
  }

  /** When the turn ended that the person has not looked at, milliseconds since the epoch; null for a session that is read. */
  unreadSince(key: SessionKey): number | null {
    return this.ended.get(key) ?? null;
  }

  /** Resolves when the mark is in the store; rejects with `store_*` where it cannot be: it then holds in this window. */
  async pin(key: SessionKey, on: boolean): Promise<void> {
    if (this.pins.has(key) === on) return;
    this.touched.add(key);
    this.showPin(key, on);
    await this.pinKeep.set(key, on ? '1' : null);
  }

  /** As `pin`. */
  async markRead(key: SessionKey): Promise<void> {
    if (!this.ended.has(key)) return;
    this.touched.add(key);
    this.showUnread(key, null);
    await this.unreadKeep.set(key, null);
  }

  /** As `pin`. It is unread until its chat is looked at anew. */
  async markUnread(key: SessionKey, at = this.options.clock.now()): Promise<void> {
    if (!this.ended.has(key)) await this.unread(key, at, AGAIN);
  }

  /** True for a session that is unread because its turn failed, which is known of one without contact too. */
  hasFailed(key: SessionKey): boolean {
    return this.failed.has(key);
  }

  /** True for a session that is unread because the person marked it so: they know of it. */
  isAgain(key: SessionKey): boolean {
    return this.again.has(key);
  }

  /** The person looks at these chats now: what came into sight is read. */
  look(chats: readonly SessionKey[]): void {
    const before = this.looked;
    this.looked = new Set(chats);
    for (const key of chats) if (!before.has(key)) this.readSoon(key);
  }

  /** The person breaks the session's turn off: they know that it ends. */
  breakOff(key: SessionKey): void {
    const did = this.did.get(key);
    if (did === 'running' || did === 'waiting') this.breaking.add(key);
  }

  /** What the store has of sessions that no backend has told of yet: who worked when nobody looked, and rests when there is contact again, has ended a turn. What a window ran ended with it. */
  recall(key: SessionKey, stored: Session): void {
    if (stored.owner === 'nobody' && !this.did.has(key)) this.did.set(key, stored.state);
  }

  /** A session as it is now; null when it is gone. */
  observe(key: SessionKey, session: Session | null): void {
    if (session === null) {
      this.did.delete(key);
      this.breaking.delete(key);
      return;
    }
    const { state, owner } = session;
    if (state === 'unknown') return;
    const before = this.did.get(key);
    // Who works at a terminal reads there; what another window runs, that window tells of.
    const elsewhere = owner === 'foreign' || owner === 'window';
    this.did.set(key, elsewhere ? 'idle' : state);
    const brokenOff = state !== 'running' && state !== 'waiting' && this.breaking.delete(key);
    if (elsewhere || this.closed || brokenOff || this.looked.has(key) || !endsTurn(before, state)) return;
    const now = this.options.clock.now();
    const failed = state === 'failed';
    if (!this.ended.has(key) || this.again.has(key) || this.failed.has(key) !== failed) this.keep(this.unread(key, session.updatedAt > 0 ? Math.min(session.updatedAt, now) : now, failed ? FAILED : null));
  }

  /** Another window marked the session; many at once are one read. */
  onStoreChange(key: SessionKey): void {
    this.stale.add(key);
    if (this.stale.size > 1) return;
    this.reading = this.reading.then(() => this.readStale());
  }

  /** What ends from now on, we end. */
  close(): void {
    this.closed = true;
  }

  private async unread(key: SessionKey, at: number, word: typeof AGAIN | typeof FAILED | null): Promise<void> {
    this.touched.add(key);
    this.showUnread(key, at, word);
    await this.unreadKeep.set(key, word === null ? String(at) : `${at} ${word}`);
  }

  private readSoon(key: SessionKey): void {
    if (this.ended.has(key)) this.keep(this.markRead(key));
  }

  private keep(kept: Promise<void>): void {
    kept.catch((error: unknown) => this.options.log.warn('a mark could not be kept', { error: describeError(error) }));
  }

  private async readAll(): Promise<void> {
    this.touched.clear();
    try {
      const [pins, ended] = await Promise.all([this.pinKeep.list(''), this.unreadKeep.list('')]);
      for (const key of new Set([...pins.keys(), ...ended.keys(), ...this.pins, ...this.ended.keys()])) {
        if (!this.touched.has(key)) this.take(key, pins.has(key), ended.get(key) ?? null);
      }
    } catch (error) {
      this.unreadable(error);
    }
  }

  private async readStale(): Promise<void> {
    const keys = [...this.stale];
    this.stale.clear();
    if (keys.length > MANY) {
      await this.readAll();
      return;
    }
    for (const key of keys) {
      try {
        this.touched.delete(key);
        const [pin, ended] = await Promise.all([this.pinKeep.get(key), this.unreadKeep.get(key)]);
        if (!this.touched.has(key)) this.take(key, pin !== null, ended);
      } catch (error) {
        this.unreadable(error);
      }
    }
  }

  private unreadable(error: unknown): void {
    if (!this.closed) this.options.log.warn('marks of sessions could not be read', { error: describeError(error) });
  }

  private take(key: SessionKey, pinned: boolean, ended: string | null): void {
    this.showPin(key, pinned);
    this.showUnread(key, ended === null ? null : Number.parseFloat(ended), ended?.split(' ')[1]);
    // It ended here unseen by the other window, while the person looks at it in this one.
    if (this.looked.has(key)) this.readSoon(key);
  }

  private showPin(key: SessionKey, on: boolean): void {
    if (this.pins.has(key) === on) return;
    if (on) this.pins.add(key);
    else this.pins.delete(key);
    this.options.changed(key);
  }

  private showUnread(key: SessionKey, at: number | null, word: string | null = null): void {
    if (word === AGAIN) this.again.add(key);
    else this.again.delete(key);
    const knewFailure = this.failed.has(key);
    if (word === FAILED) this.failed.add(key);
    else this.failed.delete(key);
    if ((this.ended.get(key) ?? null) === at && knewFailure === this.failed.has(key)) return;
    if (at === null) this.ended.delete(key);
    else this.ended.set(key, at);
    this.options.changed(key);
  }
}

function endsTurn(before: SessionState | undefined, now: SessionState): boolean {
  if (now === 'failed') return before === 'running' || before === 'waiting' || before === 'starting';
  return now === 'idle' && (before === 'running' || before === 'waiting');
}
