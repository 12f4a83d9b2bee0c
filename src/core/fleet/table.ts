import os from 'node:os';
import type { Clock, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import { canonicalJson } from '../model/json.ts';
import type { Session, SessionKey } from '../model/session.ts';
import { sessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';
import { SessionOrder } from './order.ts';
import { Twins } from './twins.ts';

const WRITE_DELAY_MS = 500;

interface TableOptions {
  readonly store: Pick<Store, 'saveSessions' | 'removeSession'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** This computer's name on its network; the system's own unless given. */
  readonly host?: string;
  /** The session as it is shown, with what is marked of it; what is stored is not. */
  readonly dress?: (key: SessionKey, session: Session) => Session;
  readonly changed: (key: SessionKey, structure: boolean) => void;
  /** Our backend and what another window says of a session do not agree, or only the other window knows: look who holds it. */
  readonly doubt: (key: SessionKey) => void;
}

/**
 * The sessions of all connections by key, written behind to the store. A session that another window runs is shown as that window stores it: what
 * our own backend can see of it from outside lacks what waits and what it is doing, and is never written over the owner's record.
 */
export class SessionTable {
  private readonly options: TableOptions;
  private readonly sessions = new Map<SessionKey, Session>();
  /** What our own backend said last, with the count at which it did. */
  private readonly told = new Map<SessionKey, { readonly session: Session; readonly at: number }>();
  private readonly lent = new Set<SessionKey>();
  private readonly dirty = new Set<SessionKey>();
  private readonly twins: Twins;
  private tellings = 0;
  private readonly order = new SessionOrder();
  private timer: { cancel(): void } | null = null;
  private writing: Promise<void> = Promise.resolve();

  constructor(options: TableOptions) {
    this.options = options;
    this.twins = new Twins(options.host ?? os.hostname());
  }

  /** Newest first, each once: an agent's own session that a system hosts is that system's. */
  all(): readonly Session[] {
    return this.order.list(this.sessions, (key) => (this.twins.hides(key) ? null : this.get(key)));
  }

  get(key: SessionKey): Session | null {
    const session = this.sessions.get(key);
    return session === undefined ? null : this.dress(key, session);
  }

  /** What is marked of a session changed. */
  redress(key: SessionKey): void {
    if (this.sessions.has(key)) this.moved(key, false);
  }

  /** Sessions that are shown as another window tells of them. */
  lentKeys(): readonly SessionKey[] {
    return [...this.lent];
  }

  /** Where the backend's tellings stand: for `reconcile`, taken before its page is asked for. */
  mark(): number {
    return this.tellings;
  }

  /** The store's copies, for the first paint: no backend has confirmed them, so their state is unknown. */
  seed(stored: readonly Session[]): void {
    for (const session of stored) {
      const key = sessionKey(session);
      if (!this.sessions.has(key)) this.set(key, { ...session, state: 'unknown', activity: null, waiting: [], owner: 'nobody', ownerName: null }, false);
    }
  }

  /** Sessions as our own backend tells them. */
  merge(sessions: readonly Session[]): void {
    this.tellings += 1;
    for (const session of sessions) {
      const key = sessionKey(session);
      this.told.set(key, { session, at: this.tellings });
      if (session.owner === 'window' || (this.lent.has(key) && session.owner !== 'this')) {
        if (!this.lent.has(key)) this.set(key, { ...session, waiting: [] }, false);
        this.options.doubt(key);
      } else {
        this.lent.delete(key);
        this.set(key, session, true);
      }
    }
  }

  /**
   * A first page: what it holds is merged; when it was the only one, what it lacks is gone from the system, but for what another window runs and
   * what the backend told of since `mark`.
   */
  reconcile(connectionId: string, page: readonly Session[], whole: boolean, mark: number): void {
    this.merge(page);
    if (!whole) return;
    const seen = new Set(page.map((session) => session.id));
    for (const [key, session] of this.sessions) {
      if (session.connectionId !== connectionId || seen.has(session.id) || session.owner === 'window' || (this.told.get(key)?.at ?? 0) > mark) continue;
      this.remove(key);
      void this.options.store.removeSession(key).catch((error: unknown) => this.options.log.warn('a removed session stays in the store', { error: describeError(error) }));
    }
  }

  /** No contact: the last known state is not shown as if it were true. What another window runs is its to tell. */
  markUnknown(connectionId: string): void {
    for (const [key, session] of this.sessions) {
      if (session.connectionId === connectionId && !this.lent.has(key)) this.set(key, { ...session, state: 'unknown', activity: null, waiting: [] }, false);
    }
  }

  /** Another window runs this session: what it stored is what is shown. Null: it has stored nothing yet. */
  lend(key: SessionKey, stored: Session | null): void {
    const shown = stored ?? this.sessions.get(key);
    if (shown === undefined) return;
    this.lent.add(key);
    this.set(key, { ...shown, owner: 'window', ownerName: 'another window' }, false);
  }

  /**
   * No other window runs this session (any more). The record that another window wrote tells titles, marks and how it ended; that it ran, what it did
   * and what waited ended with its window, and whether a program that is not ours runs it, our own backend tells. Gives whether it was lent.
   */
  giveBack(key: SessionKey, stored: Session | null): boolean {
    const wasLent = this.lent.delete(key);
    const shown = stored ?? this.sessions.get(key);
    const own = this.told.get(key)?.session;
    if (shown === undefined || (own?.owner === 'this' && !wasLent)) return wasLent;
    const seen = own?.owner === 'nobody' || own?.owner === 'foreign' ? own : null;
    // Written by a window that has not seen yet what our backend has.
    if (!wasLent && seen !== null && stored !== null && stored.updatedAt < seen.updatedAt) return false;
    const ended = shown.state === 'failed' || shown.state === 'stopped' ? shown.state : 'idle';
    this.set(key, {
      ...shown, activity: seen?.activity ?? null, waiting: seen?.waiting ?? [], state: seen === null || seen.state === 'idle' ? ended : seen.state,
      owner: seen?.owner ?? 'nobody', ownerName: seen?.ownerName ?? null,
    }, false);
    return wasLent;
  }

  remove(key: SessionKey): void {
    this.dirty.delete(key);
    this.told.delete(key);
    this.lent.delete(key);
    if (!this.sessions.delete(key)) return;
    this.moved(key, true);
    for (const twin of this.twins.remove(key)) this.moved(twin, true);
  }

  /** Takes a connection's sessions off the list; what the backend told of them last is stored all the same. */
  removeConnection(connectionId: string): void {
    this.write();
    for (const [key, session] of this.sessions) if (session.connectionId === connectionId) this.remove(key);
  }

  /** Writes what is not written; resolves when it is, or when the store gave up. */
  async flush(): Promise<void> {
    this.timer?.cancel();
    this.timer = null;
    this.write();
    await this.writing;
  }

  private dress(key: SessionKey, session: Session): Session {
    return this.options.dress?.(key, session) ?? session;
  }

  private set(key: SessionKey, session: Session, durable: boolean): void {
    const before = this.sessions.get(key);
    if (before !== undefined && canonicalJson(before) === canonicalJson(session)) return;
    this.sessions.set(key, session);
    for (const twin of this.twins.put(key, session)) this.moved(twin, true);
    this.moved(key, before === undefined || before.folder !== session.folder || before.archived !== session.archived || before.machineId !== session.machineId || before.owner !== session.owner);
    if (durable) this.writeSoon(key);
    else this.dirty.delete(key);
  }

  private moved(key: SessionKey, structure: boolean): void {
    this.order.touch(key);
    this.options.changed(key, structure);
  }

  private writeSoon(key: SessionKey): void {
    this.dirty.add(key);
    this.timer ??= this.options.clock.setTimeout(() => {
      this.timer = null;
      this.write();
    }, WRITE_DELAY_MS);
  }

  private write(): void {
    const sessions = [...this.dirty].map((key) => this.sessions.get(key)).filter((session) => session !== undefined);
    this.dirty.clear();
    if (sessions.length === 0) return;
    this.writing = this.writing
      .then(() => this.options.store.saveSessions(sessions))
      .catch((error: unknown) => this.options.log.warn('sessions could not be stored', { error: describeError(error) }));
  }
}
