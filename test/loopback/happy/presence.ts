import type { Database } from './database.ts';
import type { Ephemeral, Hub } from './hub.ts';
import type { HappyTimes } from './times.ts';

interface Cached {
  readonly accountId: string;
  readonly id: string;
  validUntil: number;
  written: number;
  pending: number | null;
  active: boolean;
}

/**
 * What the server knows of who is alive. Heartbeats are told to user-scoped sockets at once, but reach the rows seldom and late; a session that
 * was stopped is deaf to heartbeats for a minute; rows that were silent for ten minutes turn inactive (happy.md B10).
 */
export class Presence {
  readonly #database: Database;
  readonly #hub: Hub;
  readonly #times: HappyTimes;
  readonly #sessions = new Map<string, Cached>();
  readonly #machines = new Map<string, Cached>();
  readonly #deafUntil = new Map<string, number>();
  readonly #timers: NodeJS.Timeout[];

  constructor(database: Database, hub: Hub, times: HappyTimes) {
    this.#database = database;
    this.#hub = hub;
    this.#times = times;
    this.#timers = [setInterval(() => this.#flush(), times.presenceFlush), setInterval(() => this.#expire(), times.inactiveCheck)];
    for (const timer of this.#timers) timer.unref();
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#flush();
  }

  /** Forgets what it believes, as a server that starts does. */
  forget(): void {
    this.#sessions.clear();
    this.#machines.clear();
    this.#deafUntil.clear();
  }

  sessionAlive(accountId: string, sessionId: string, time: number, thinking: boolean): void {
    const at = this.#timely(time);
    if (at === null || this.#isDeaf(sessionId)) return;
    const cached = this.#known(this.#sessions, sessionId, accountId, () => this.#database.session(accountId, sessionId));
    if (cached === null) return;
    if (Math.abs(at - cached.written) > this.#times.presenceThreshold) cached.pending = at;
    this.#hub.ephemeral(accountId, activity(sessionId, true, at, thinking));
  }

  machineAlive(accountId: string, machineId: string, time: number): void {
    const at = this.#timely(time);
    if (at === null) return;
    const cached = this.#known(this.#machines, `${accountId} ${machineId}`, accountId, () => this.#database.machine(accountId, machineId));
    if (cached === null) return;
    // The first heartbeat of a machine is always written: its row was made inactive, and as of now.
    if (!cached.active || Math.abs(at - cached.written) > this.#times.presenceThreshold) cached.pending = at;
    this.#hub.ephemeral(accountId, machineActivity(machineId, true, at));
  }

  /** A session says that it ends. Nothing happens for an unknown one, or when it says so too late. */
  sessionEnd(accountId: string, sessionId: string, time: number): void {
    const at = this.#timely(time);
    const row = this.#database.session(accountId, sessionId);
    if (at !== null && row !== undefined) this.#deactivate(accountId, sessionId, at);
  }

  /** Archives; false for an unknown session. */
  archive(accountId: string, sessionId: string): boolean {
    this.deafen(sessionId);
    if (this.#database.session(accountId, sessionId) === undefined) return false;
    this.#deactivate(accountId, sessionId, this.#database.now());
    return true;
  }

  /** Ignores a session's heartbeats for a while. */
  deafen(sessionId: string): void {
    this.#sessions.delete(sessionId);
    this.#deafUntil.set(sessionId, this.#database.now() + this.#times.stoppedFor);
  }

  /** Hears a session again at once: it is starting back up. */
  hear(sessionId: string): void {
    this.#deafUntil.delete(sessionId);
  }

  #deactivate(accountId: string, sessionId: string, at: number): void {
    this.deafen(sessionId);
    const row = this.#database.session(accountId, sessionId);
    if (row === undefined) return;
    row.active = false;
    row.activeAt = at;
    row.updatedAt = this.#database.now();
    this.#database.changed();
    this.#hub.ephemeral(accountId, activity(sessionId, false, at, false));
  }

  /** A client's time, never in the future; null when it is too old to count. */
  #timely(time: number): number | null {
    const now = this.#database.now();
    return time < now - this.#times.tooOld ? null : Math.min(time, now);
  }

  #isDeaf(sessionId: string): boolean {
    const until = this.#deafUntil.get(sessionId);
    if (until === undefined) return false;
    if (until > this.#database.now()) return true;
    this.#deafUntil.delete(sessionId);
    return false;
  }

  /** The belief in a row, looked up in the database when it has run out. A row deleted meanwhile is believed in until then, as on the real server. */
  #known(cache: Map<string, Cached>, key: string, accountId: string, find: () => { readonly id: string; readonly activeAt: number; readonly active: boolean } | undefined): Cached | null {
    const now = this.#database.now();
    const cached = cache.get(key);
    if (cached !== undefined && cached.validUntil > now && cached.accountId === accountId) return cached;
    const row = find();
    if (row === undefined) return null;
    const fresh: Cached = { accountId, id: row.id, validUntil: now + this.#times.presenceCache, written: row.activeAt, pending: null, active: row.active };
    cache.set(key, fresh);
    return fresh;
  }

  #flush(): void {
    const write = (cached: Cached, row: { active: boolean; activeAt: number; updatedAt: number } | undefined): void => {
      if (cached.pending === null) return;
      cached.written = cached.pending;
      cached.pending = null;
      cached.active = true;
      if (row === undefined) return;
      Object.assign(row, { active: true, activeAt: cached.written, updatedAt: this.#database.now() });
      this.#database.changed();
    };
    for (const cached of this.#sessions.values()) write(cached, this.#database.session(cached.accountId, cached.id));
    for (const cached of this.#machines.values()) write(cached, this.#database.machine(cached.accountId, cached.id));
  }

  #expire(): void {
    const now = this.#database.now();
    const limit = now - this.#times.inactiveAfter;
    for (const row of this.#database.sessions.values()) {
      if (!row.active || row.activeAt > limit) continue;
      Object.assign(row, { active: false, updatedAt: now });
      this.#hub.ephemeral(row.accountId, activity(row.id, false, row.activeAt, false));
      this.#database.changed();
    }
    for (const row of this.#database.machines.values()) {
      if (!row.active || row.activeAt > limit) continue;
      Object.assign(row, { active: false, updatedAt: now });
      this.#hub.ephemeral(row.accountId, machineActivity(row.id, false, row.activeAt));
      this.#database.changed();
    }
    for (const cache of [this.#sessions, this.#machines]) for (const [key, cached] of cache) if (cached.validUntil < now) cache.delete(key);
  }
}

function activity(id: string, active: boolean, activeAt: number, thinking: boolean): Ephemeral {
  return { type: 'activity', id, active, activeAt, thinking };
}

/** The ephemeral that says whether a machine's daemon is there. */
export function machineActivity(id: string, active: boolean, activeAt: number): Ephemeral {
  return { type: 'machine-activity', id, active, activeAt };
}
