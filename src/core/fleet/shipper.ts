import type { Disposable } from '../model/backend.ts';
import type { Clock, Logger } from '../model/context.ts';
import { describeError, isAbort, PilothouseError } from '../model/errors.ts';
import type { Session, SessionKey } from '../model/session.ts';
import { parseSessionKey, sessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';
import type { TranscriptView } from '../session/transcript-api.ts';
import { CatsyphonAuthError } from '../systems/catsyphon/errors.ts';
import { Emitter } from '../transport/emitter.ts';
import { waitFor } from '../transport/wait.ts';
import type { Connection } from './connection.ts';
import type { Fleet } from './fleet.ts';
import type { SessionRuntime } from './runtime.ts';
import type { ShipClient, SweepReport } from './shipperSession.ts';
import { placeOf, shipSession, unsentOf } from './shipperSession.ts';
import type { ParkedRecord, ShipState } from './shipperSpool.ts';
import { ShipSpool } from './shipperSpool.ts';
import { ShipWay } from './shipperWay.ts';

/** The account that a connection's sessions are shipped to. */
export interface ShipRoute {
  /** Connection of the account. */
  readonly account: string;
  /** From when on: a session in which something is said later is shipped, whole. Milliseconds since the epoch. */
  readonly since: number;
}
/** What is asked of the fleet. */
export interface ShipFleet extends Pick<Fleet, 'session' | 'sessions' | 'onChange'> {
  connections(): readonly Pick<Connection, 'connectionId' | 'system' | 'dormant'>[];
  open(key: SessionKey): Promise<Pick<SessionRuntime, 'historyRead' | 'isWhole' | 'release'> & { readonly transcript: Pick<TranscriptView, 'flush'> }>;
}
interface ShipperOptions {
  readonly store: Pick<Store, 'entriesSince' | 'rows' | 'keep' | 'leases'>;
  readonly fleet: ShipFleet;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where sessions of a connection go; null where they are not shipped. */
  readonly route: (connectionId: string) => ShipRoute | null;
  /** The server of an account: what was shipped is known by it. */
  readonly server: (account: string) => string;
  /** Speaks to an account; null while nobody is signed in to it. The same object as long as its key is the same. */
  readonly client: (account: string) => ShipClient | null;
  /** The account's server did not take its key. */
  readonly refused: (account: string) => void;
  /** In [0, 1), as Math.random. */
  readonly random?: () => number;
}

/** How the shipping of one connection stands. */
export interface ShipStanding {
  readonly account: string;
  /** Events known to wait, and sessions that are still to be looked at. */
  readonly waiting: number;
  readonly sessions: number;
  /** Events that the server will never take. */
  readonly parked: number;
  /** Why nothing goes out now, in one line. */
  readonly error: string | null;
}

/** Systems that tell no end of a turn go quiet for a moment between two steps. */
const SETTLE_MS = 2_500;
/** Another window ships the session, or died at it. */
const LOOK_MS = 15_000;
/** What a session's own system has is waited for so long; what comes later is shipped later. */
const HISTORY_MS = 120_000;
/** Until it is tried again to read it. */
const UNREAD_MS = 60_000;
const AT_ONCE = 2;
const RESTS: ReadonlySet<string> = new Set(['idle', 'failed', 'stopped']);

/**
 * Ships sessions of chosen connections from the entry log to accounts of CatSyphon. A session goes out when it rests: an event cannot be taken back, and of an entry that still changes each version
 * would be another event. Of several windows the one that has the session's lease ships it. What cannot go out waits in the log, and is told by `standing`.
 */
export class Shipper {
  readonly #options: ShipperOptions;
  readonly #spools = new Map<string, ShipSpool>();
  readonly #states = new Map<string, Map<SessionKey, ShipState>>();
  /** Of which each account's states are. */
  readonly #servers = new Map<string, string>();
  readonly #ways = new Map<string, ShipWay>();
  /** Sessions that were shipped as they are stored, since their system could not be read. */
  readonly #unread = new Set<SessionKey>();
  readonly #queue = new Set<SessionKey>();
  readonly #soon = new Map<SessionKey, { cancel(): void }>();
  readonly #running = new Map<SessionKey, { readonly stop: AbortController; readonly over: Promise<unknown>; readonly account: string; readonly asked: boolean }>();
  readonly #waiting = new Map<SessionKey, number>();
  readonly #changed: Emitter<void>;
  readonly #watching: Disposable;
  #closed = false;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#changed = new Emitter((error) => options.log.error('a listener of the shipper failed', { error: describeError(error) }));
    this.#watching = options.fleet.onChange((change) => {
      for (const key of change.sessions) this.#consider(key);
    });
  }

  /** Told whenever a standing, or what is shipped, changed. */
  onChange(listener: () => void): Disposable {
    return this.#changed.on(listener);
  }

  /** Reads what was shipped to these accounts before, and looks at every session anew: to be called at the start, and when a route or a sign-in changed. What is not to be shipped any more stops at once. */
  async apply(accounts: readonly string[]): Promise<void> {
    for (const [key, { stop, account, asked }] of this.#running) if (!asked && this.#routeOf(key)?.account !== account) stop.abort();
    for (const key of this.#queue) if (this.#routeOf(key) === null) this.#drop(key);
    for (const account of accounts) {
      this.#way(account).use(this.#options.client(account));
      const server = this.#options.server(account);
      if (!this.#states.has(account) || this.#servers.get(account) !== server) await this.#recall(account);
      this.#servers.set(account, server);
    }
    for (const session of this.#options.fleet.sessions()) this.#consider(sessionKey(session));
    this.#pump();
    this.#changed.emit();
  }

  /** True for a session of which something is at a CatSyphon, or will be. */
  isShipped(session: Session): boolean {
    const route = this.#options.route(session.connectionId);
    const key = sessionKey(session);
    if ([...this.#states.values()].some((states) => (states.get(key)?.sent ?? 0) > 0)) return true;
    // One that was looked at, and in which nothing is said that is to be shipped, is not before something is.
    return route !== null && session.updatedAt >= route.since && (works(session) || this.#states.get(route.account)?.get(key)?.silent === undefined);
  }

  /** Null for a connection whose sessions are not shipped. */
  standing(connectionId: string): ShipStanding | null {
    const route = this.#options.route(connectionId);
    if (route === null) return null;
    const mine = (key: SessionKey): boolean => parseSessionKey(key)?.connectionId === connectionId;
    const keys = new Set([...this.#queue, ...this.#running.keys()].filter(mine));
    const waiting = [...this.#waiting].filter(([key]) => mine(key)).reduce((sum, [, count]) => sum + count, 0);
    const parked = [...(this.#states.get(route.account)?.values() ?? [])].filter((state) => mine(state.session)).reduce((sum, state) => sum + state.parked, 0);
    return { account: route.account, waiting, sessions: keys.size, parked, error: this.#ways.get(route.account)?.error ?? null };
  }

  /** What a connection has that is not shipped, of sessions that are to be: events, and in how many sessions. */
  async unsent(connectionId: string): Promise<{ readonly events: number; readonly sessions: number }> {
    const route = this.#options.route(connectionId);
    if (route === null) return { events: 0, sessions: 0 };
    const states = this.#states.get(route.account);
    const some = this.#options.fleet.sessions().filter((session) => {
      const state = states?.get(sessionKey(session));
      return session.connectionId === connectionId && session.updatedAt >= route.since && (state === undefined || state.sending || session.updatedAt > state.at);
    });
    const counts = await Promise.all(some.map((session) => unsentOf({ store: this.#options.store, spool: this.#spool(route.account), session: sessionKey(session), id: this.#placeOf(session).id, since: route.since })));
    return { events: counts.reduce((sum, count) => sum + count, 0), sessions: counts.filter((count) => count > 0).length };
  }

  /** The account can be reached, or its key is taken, as somebody found out: what waits goes out now. */
  again(account: string): void {
    this.#way(account).begin();
    this.#pump();
    this.#changed.emit();
  }

  /** What the server of an account will never take, by session. */
  async parked(account: string): Promise<readonly { readonly session: SessionKey; readonly parked: readonly ParkedRecord[] }[]> {
    await this.#recall(account);
    const some = [...(this.#states.get(account)?.values() ?? [])].filter((state) => state.parked > 0);
    return Promise.all(some.map(async ({ session }) => ({ session, parked: await this.#spool(account).parked(session) })));
  }

  /**
   * Ships one session, all of it, whatever was shipped before. Rejects with `session_works` while a turn runs, `ships_elsewhere` while another window ships it, `needs_sign_in`, and what stopped it.
   */
  async shipOne(key: SessionKey, account: string, options: { readonly signal: AbortSignal; readonly onWaiting: (waiting: number) => void }): Promise<SweepReport> {
    const session = this.#options.fleet.session(key);
    if (session === null) throw new PilothouseError('session_not_found', 'This session is not known any more. Refresh the Sessions view.');
    if (works(session)) throw new PilothouseError('session_works', 'A turn of this session runs, and what it says may still change. Ship it when the turn is over.');
    const client = this.#options.client(account);
    if (client === null) throw new PilothouseError('needs_sign_in', 'Nobody is signed in to this CatSyphon. Use Sign In… on its connection.', { personMustAct: true });
    for (let running = this.#running.get(key); running !== undefined; running = this.#running.get(key)) await running.over.catch(() => undefined);
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(options.signal.reason);
    options.signal.addEventListener('abort', onAbort, { once: true });
    if (options.signal.aborted) onAbort();
    const work = this.#leased(key, account, () => this.#sweep(session, account, client, { again: true, signal: stop.signal, onWaiting: options.onWaiting }));
    try {
      const report = await this.#track(key, account, stop, true, work);
      if (report === null) throw new PilothouseError('ships_elsewhere', 'Another window ships this session now. Try again when it is done.');
      return report;
    } catch (error) {
      if (error instanceof CatsyphonAuthError) this.#failed(account, error);
      throw error;
    } finally {
      options.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Sends nothing more. Resolves when nothing of it runs. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watching.dispose();
    for (const timer of this.#soon.values()) timer.cancel();
    for (const way of this.#ways.values()) way.begin();
    this.#queue.clear();
    for (const { stop } of this.#running.values()) stop.abort();
    await Promise.allSettled([...this.#running.values()].map(({ over }) => over));
    this.#changed.clear();
  }

  /** Looks soon whether a session has something to ship. */
  #consider(key: SessionKey): void {
    if (this.#closed || this.#soon.has(key) || this.#queue.has(key) || !this.#isDue(key)) return;
    this.#later(key, SETTLE_MS);
  }

  #later(key: SessionKey, ms: number): void {
    this.#soon.get(key)?.cancel();
    this.#soon.set(key, this.#options.clock.setTimeout(() => {
      this.#soon.delete(key);
      if (this.#closed || !this.#isDue(key)) return;
      this.#queue.add(key);
      this.#changed.emit();
      this.#pump();
    }, ms));
  }

  /** Something was said since it was looked at last, it rests, and no other window runs it: that one knows first when it rests. */
  #isDue(key: SessionKey): boolean {
    const session = this.#options.fleet.session(key);
    const route = this.#routeOf(key);
    if (session === null || route === null || session.updatedAt < route.since || session.owner === 'window' || !RESTS.has(session.state)) return false;
    const states = this.#states.get(route.account);
    const state = states?.get(key);
    return states !== undefined && (state === undefined || state.sending || session.updatedAt > state.at) && !this.#isDormant(session.connectionId) && this.#isListed(key);
  }

  #isDormant(connectionId: string): boolean {
    return this.#options.fleet.connections().find((each) => each.connectionId === connectionId)?.dormant ?? true;
  }

  /** An agent's own session that a system hosts is that system's, and is not shipped twice. */
  #isListed(key: SessionKey): boolean {
    return this.#options.fleet.sessions().some((session) => sessionKey(session) === key);
  }

  #routeOf(key: SessionKey): ShipRoute | null {
    return this.#options.route(parseSessionKey(key)?.connectionId ?? '');
  }

  #pump(): void {
    for (const key of this.#queue) {
      if (this.#closed || [...this.#running.values()].filter(({ asked }) => !asked).length >= AT_ONCE) return;
      const route = this.#routeOf(key);
      if (route === null) this.#drop(key);
      else if (!this.#running.has(key)) this.#dispatch(key, route.account);
    }
  }

  #dispatch(key: SessionKey, account: string): void {
    const client = this.#way(account).use(this.#options.client(account));
    if (client === null) return;
    const stop = new AbortController();
    void this.#track(key, account, stop, false, this.#ship(key, account, client, stop.signal));
  }

  /** Never rejects. What fails stays in the queue. */
  async #ship(key: SessionKey, account: string, client: ShipClient, signal: AbortSignal): Promise<void> {
    try {
      const session = this.#options.fleet.session(key);
      const report = session === null || !this.#isDue(key) ? 'none' : await this.#leased(key, account, () => this.#sweep(session, account, client, {
        again: false, signal, onWaiting: (waiting) => {
          this.#waiting.set(key, waiting);
          this.#changed.emit();
        },
      }));
      this.#drop(key);
      // What another window ships is looked at again, and more may have been said meanwhile.
      if (report === null) this.#options.clock.setTimeout(() => void this.#recallOne(key, account), LOOK_MS);
      else if (this.#unread.has(key)) this.#later(key, UNREAD_MS);
      else this.#consider(key);
      if (report !== null) this.#way(account).worked();
    } catch (error) {
      if (signal.aborted || isAbort(error)) this.#drop(key);
      else this.#failed(account, error);
    }
    this.#changed.emit();
  }

  async #sweep(session: Session, account: string, client: ShipClient, how: { readonly again: boolean; readonly signal: AbortSignal; readonly onWaiting: (waiting: number) => void }): Promise<SweepReport> {
    const { store, clock } = this.#options;
    const key = sessionKey(session);
    const read = await this.#readAll(key, how.signal);
    this.#unread[read ? 'delete' : 'add'](key);
    try {
      return await shipSession({
        store, spool: this.#spool(account), client, clock, session: key, ...this.#placeOf(session), at: session.updatedAt, read, since: how.again ? null : (this.#routeOf(key)?.since ?? null), ...how,
        rests: () => {
          const now = this.#options.fleet.session(key);
          return now === null || !works(now);
        },
      });
    } finally {
      await this.#recallOne(key, account);
    }
  }

  /** What the session's own system has of it is in the log, as far as that can be read now: true where that is all. */
  async #readAll(key: SessionKey, signal: AbortSignal): Promise<boolean> {
    const connection = this.#options.fleet.connections().find((each) => each.connectionId === parseSessionKey(key)?.connectionId);
    if (connection === undefined || connection.dormant) return false;
    const runtime = await this.#options.fleet.open(key).catch((error: unknown) => {
      this.#options.log.warn('a session is shipped as it is stored: it could not be opened', { error: describeError(error) });
    });
    if (runtime === undefined) return false;
    try {
      const late = (): PilothouseError => new PilothouseError('timeout', 'What its system has was not read in time.');
      await waitFor(runtime.historyRead(), { clock: this.#options.clock, timeoutMs: HISTORY_MS, signal, onTimeout: late }).catch((error: unknown) => {
        signal.throwIfAborted();
        this.#options.log.warn('a session is shipped as it is stored', { error: describeError(error) });
      });
      await runtime.transcript.flush();
      signal.throwIfAborted();
      return runtime.isWhole;
    } finally {
      runtime.release();
    }
  }

  /** Null where another window has it. */
  async #leased<T>(key: SessionKey, account: string, work: () => Promise<T>): Promise<T | null> {
    const { leases } = this.#options.store;
    const name = `ship:${account}:${key}`;
    if (!(await leases.acquire(name))) return null;
    try {
      return await work();
    } finally {
      await leases.release(name).catch((error: unknown) => this.#options.log.warn('a lease could not be given back', { error: describeError(error) }));
    }
  }

  async #track<T>(key: SessionKey, account: string, stop: AbortController, asked: boolean, work: Promise<T>): Promise<T> {
    const mine = { stop, over: work, account, asked };
    this.#running.set(key, mine);
    try {
      return await work;
    } finally {
      if (this.#running.get(key) === mine) this.#running.delete(key);
      this.#pump();
    }
  }

  #failed(account: string, error: unknown): void {
    const refused = this.#way(account).failed(error);
    this.#options.log.warn('a session could not be shipped', { account, code: error instanceof PilothouseError ? error.code : 'unexpected' });
    if (refused) this.#options.refused(account);
    this.#changed.emit();
  }

  #way(account: string): ShipWay {
    const way = this.#ways.get(account) ?? new ShipWay({ clock: this.#options.clock, random: this.#options.random, open: () => this.#pump() });
    this.#ways.set(account, way);
    return way;
  }

  #spool(account: string): ShipSpool {
    const name = `ship:${account}:${this.#options.server(account)}`;
    const spool = this.#spools.get(name) ?? new ShipSpool(this.#options.store.keep(name));
    this.#spools.set(name, spool);
    return spool;
  }

  async #recall(account: string): Promise<void> {
    try {
      this.#states.set(account, new Map((await this.#spool(account).states()).map((state) => [state.session, state])));
    } catch (error) {
      this.#options.log.warn('what was shipped could not be read', { account, error: describeError(error) });
    }
  }

  async #recallOne(key: SessionKey, account: string): Promise<void> {
    if (this.#closed) return;
    try {
      this.#states.get(account)?.set(key, await this.#spool(account).state(key));
      this.#changed.emit();
    } catch (error) {
      this.#options.log.warn('what was shipped could not be read', { account, error: describeError(error) });
    }
    this.#consider(key);
  }

  #drop(key: SessionKey): void {
    this.#queue.delete(key);
    this.#waiting.delete(key);
  }

  #placeOf(session: Session): ReturnType<typeof placeOf> {
    return placeOf(session, this.#options.fleet.connections().find((each) => each.connectionId === session.connectionId)?.system ?? 'local');
  }
}

function works({ state }: Pick<Session, 'state'>): boolean {
  return state === 'starting' || state === 'running' || state === 'waiting';
}
