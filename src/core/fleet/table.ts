import type { Clock, Leases, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import { canonicalJson } from '../model/json.ts';
import type { Session, SessionKey } from '../model/session.ts';
import { parseSessionKey, sessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';

const WRITE_DELAY_MS = 500;

/** The sessions of all connections by key, written behind to the store. */
export class SessionTable {
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly changed: (key: SessionKey, structure: boolean) => void;
  private readonly sessions = new Map<SessionKey, Session>();
  private readonly dirty = new Set<SessionKey>();
  private sorted: readonly Session[] | null = null;
  private timer: { cancel(): void } | null = null;
  private writing: Promise<void> = Promise.resolve();

  constructor(store: Store, clock: Clock, log: Logger, changed: (key: SessionKey, structure: boolean) => void) {
    this.store = store;
    this.clock = clock;
    this.log = log;
    this.changed = changed;
  }

  all(): readonly Session[] {
    this.sorted ??= [...this.sessions.values()].sort((a, b) => b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : 1));
    return this.sorted;
  }

  get(key: SessionKey): Session | null {
    return this.sessions.get(key) ?? null;
  }

  /** The store's copies, for the first paint: no backend has confirmed them, so their state is unknown. */
  seed(stored: readonly Session[]): void {
    for (const session of stored) {
      const key = sessionKey(session);
      if (!this.sessions.has(key)) this.set(key, { ...session, state: 'unknown', activity: null, waiting: [], owner: 'nobody', ownerName: null }, false);
    }
  }

  /** Sessions as a backend tells them. */
  merge(sessions: readonly Session[]): void {
    for (const session of sessions) this.set(sessionKey(session), session, true);
  }

  /** A first page: what it holds is merged; when it was the only one, what it lacks is gone from the system. */
  reconcile(connectionId: string, page: readonly Session[], whole: boolean): void {
    this.merge(page);
    if (!whole) return;
    const seen = new Set(page.map((session) => session.id));
    for (const [key, session] of this.sessions) {
      if (session.connectionId !== connectionId || seen.has(session.id)) continue;
      this.remove(key);
      void this.store.removeSession(key).catch((error: unknown) => this.log.warn('a removed session stays in the store', { error: describeError(error) }));
    }
  }

  /** No contact: the last known state is not shown as if it were true. */
  markUnknown(connectionId: string): void {
    for (const [key, session] of this.sessions) {
      if (session.connectionId === connectionId && session.state !== 'unknown') this.set(key, { ...session, state: 'unknown', activity: null }, false);
    }
  }

  /** Another window wrote this session: its record counts while that window runs it. */
  async adopt(connectionId: string, key: SessionKey, leases: Leases): Promise<void> {
    const id = parseSessionKey(key)?.id;
    if (id === undefined) return;
    const holder = await leases.holder(`session:${id}`);
    if (holder === 'this') return;
    const stored = (await this.store.sessions(connectionId)).find((session) => session.id === id);
    if (stored === undefined) return;
    if (holder === 'other') this.set(key, { ...stored, owner: 'window', ownerName: 'another window' }, false);
    else this.set(key, { ...stored, owner: 'nobody', ownerName: null, activity: null, waiting: [], state: stored.state === 'failed' ? 'failed' : 'idle' }, false);
  }

  remove(key: SessionKey): void {
    this.dirty.delete(key);
    if (!this.sessions.delete(key)) return;
    this.sorted = null;
    this.changed(key, true);
  }

  removeConnection(connectionId: string): void {
    for (const [key, session] of this.sessions) if (session.connectionId === connectionId) this.remove(key);
  }

  async flush(): Promise<void> {
    this.timer?.cancel();
    this.timer = null;
    this.write();
    await this.writing;
  }

  private set(key: SessionKey, session: Session, durable: boolean): void {
    const before = this.sessions.get(key);
    if (before !== undefined && canonicalJson(before) === canonicalJson(session)) return;
    this.sessions.set(key, session);
    this.sorted = null;
    this.changed(key, before === undefined || before.folder !== session.folder || before.archived !== session.archived || before.machineId !== session.machineId);
    if (!durable) return;
    this.dirty.add(key);
    this.timer ??= this.clock.setTimeout(() => {
      this.timer = null;
      this.write();
    }, WRITE_DELAY_MS);
  }

  private write(): void {
    const sessions = [...this.dirty].map((key) => this.sessions.get(key)).filter((session) => session !== undefined);
    this.dirty.clear();
    if (sessions.length === 0) return;
    this.writing = this.writing
      .then(() => this.store.saveSessions(sessions))
      .catch((error: unknown) => this.log.warn('sessions could not be stored', { error: describeError(error) }));
  }
}
