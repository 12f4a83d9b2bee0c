import type { FleetChange } from '../../../src/core/fleet/change.ts';
import type { ShipFleet, ShipRoute } from '../../../src/core/fleet/shipper.ts';
import { Shipper } from '../../../src/core/fleet/shipper.ts';
import type { ShipClient } from '../../../src/core/fleet/shipperSession.ts';
import type { Keep } from '../../../src/core/model/context.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { Session, SessionKey } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { Store } from '../../../src/core/session/store-api.ts';
import type { CollectorClient } from '../../../src/core/systems/catsyphon/client.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { Emitter } from '../../../src/core/transport/emitter.ts';
import type { TestCollector } from '../../loopback/catsyphon/kernel.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { clientOf } from '../catsyphon/rig.ts';
import { MemoryDatabase, MemoryStore } from '../session/memory-store.ts';
import { recordingLog, sessionRecord } from '../store/support.ts';

export const ACCOUNT = 'catsyphon-1';
export const CONNECTION = 'local-claude';
/** The computer's time, with waits of seconds as long as milliseconds. */
const hurried = { ...systemClock, setTimeout: (callback: () => void, ms: number) => systemClock.setTimeout(callback, ms / 1_000) };

export class Crash extends Error {}

/** One window that ships. Every call that it makes of the store and of the server counts, and the one of number `crashAt` and all later ones fail: its process has died. */
export class ShipWindow {
  readonly shipper: Shipper;
  readonly client: CollectorClient;
  readonly store: MemoryStore;
  readonly lines: string[];
  calls = 0;
  dead = false;
  private readonly world: ShipWorld;
  private readonly crashAt: number;
  private readonly spoken: ShipClient;
  signedIn = true;
  readonly refusals: string[] = [];

  constructor(world: ShipWorld, name: string, crashAt = Infinity) {
    this.world = world;
    this.crashAt = crashAt;
    this.store = new MemoryStore(world.database, name);
    this.client = world.newClient();
    const { log, lines } = recordingLog();
    this.lines = lines;
    const { store, client } = this;
    const leases = { acquire: (one: string) => this.did(() => store.leases.acquire(one)), release: (one: string) => this.did(() => store.leases.release(one)), holder: (one: string) => store.leases.holder(one) };
    const ours: Pick<Store, 'entriesSince' | 'rows' | 'keep' | 'leases'> = {
      entriesSince: (...given) => this.did(() => store.entriesSince(...given)), rows: (...given) => this.did(() => store.rows(...given)), leases,
      keep: (scope): Keep => {
        const keep = store.keep(scope);
        return { get: (key) => this.did(() => keep.get(key)), set: (key, value) => this.did(() => keep.set(key, value)), list: (prefix) => this.did(() => keep.list(prefix)) };
      },
    };
    this.spoken = { sendEvents: (...given) => this.did(() => client.sendEvents(...given)), getSessionStatus: (...given) => this.did(() => client.getSessionStatus(...given)) };
    this.shipper = new Shipper({
      store: ours, fleet: world.fleet, clock: hurried, log, route: (id) => world.routes.get(id) ?? null, server: () => world.server.url, client: () => (this.signedIn ? this.spoken : null), refused: (account) => void this.refusals.push(account),
    });
  }

  async start(): Promise<this> {
    await this.shipper.apply([ACCOUNT]);
    return this;
  }

  async close(): Promise<void> {
    await this.shipper.close();
    await this.client[Symbol.asyncDispose]();
  }

  /** Its process dies: of what it had begun nothing is heard any more, and its leases are free as those of a dead one are. */
  die(): void {
    this.dead = true;
    void this.client[Symbol.asyncDispose]();
    this.world.free(this.store);
  }

  private async did<T>(work: () => Promise<T>): Promise<T> {
    if (this.dead) throw new Crash('dead');
    this.calls += 1;
    if (this.calls >= this.crashAt) {
      this.die();
      throw new Crash('dead');
    }
    const result = await work();
    if (this.dead) throw new Crash('dead');
    return result;
  }
}

/** Windows of one person over one log, and the server that they ship to. */
export class ShipWorld {
  readonly database = new MemoryDatabase();
  readonly sessions = new Map<SessionKey, Session>();
  readonly routes = new Map<string, ShipRoute>();
  readonly histories = new Map<SessionKey, () => Promise<void>>();
  readonly server: CatsyphonTestServer;
  collector: TestCollector;
  private readonly deadlineMs: number;
  dormant = false;
  /** False: the system of the sessions cannot be read. */
  readable = true;
  /** Sessions that are not listed. */
  readonly hidden = new Set<string>();
  /** Seconds between two requests for the same. */
  retryDelay = 0.005;
  private readonly changed = new Emitter<FleetChange>();
  private readonly windows: ShipWindow[] = [];
  private readonly writer = new MemoryStore(this.database, 'writer');
  /** Of each session, entries so far. */
  private count = 0;

  /** `deadlineMs`: for one request. */
  constructor(server: CatsyphonTestServer, deadlineMs = 10_000) {
    this.server = server;
    this.deadlineMs = deadlineMs;
    this.collector = server.newCollector();
  }

  readonly fleet: ShipFleet = {
    session: (key) => this.sessions.get(key) ?? null,
    sessions: () => [...this.sessions.values()].filter(({ id }) => !this.hidden.has(id)),
    onChange: (listener) => this.changed.on(listener),
    connections: () => [{ connectionId: CONNECTION, system: 'local', dormant: this.dormant }],
    open: (key) => Promise.resolve({ isWhole: this.readable, historyRead: () => this.histories.get(key)?.() ?? Promise.resolve(), release: () => undefined, transcript: { flush: () => Promise.resolve() } }),
  };

  newClient(): CollectorClient {
    return clientOf(this.server, this.collector, { retry: { initialDelay: this.retryDelay, maxDelay: this.retryDelay, maxRetries: 2 }, deadlineMs: this.deadlineMs });
  }

  window(crashAt?: number): ShipWindow {
    const window = new ShipWindow(this, `window ${this.windows.length}`, crashAt);
    this.windows.push(window);
    return window;
  }

  /** From now on the connection's sessions are shipped. */
  on(since = 0): void {
    this.routes.set(CONNECTION, { account: ACCOUNT, since });
  }

  /** A session as its backend tells of it. */
  tell(id: string, over: Partial<Session> = {}): Session {
    const key = sessionKey({ connectionId: CONNECTION, id });
    const session = { ...(this.sessions.get(key) ?? sessionRecord(id)), ...over };
    this.sessions.set(key, session);
    this.changed.emit({ connections: false, machines: false, structure: false, sessions: new Set([key]) });
    return session;
  }

  /** Entries that are written to the log. */
  async write(id: string, entries: readonly Entry[]): Promise<void> {
    await this.writer.put(sessionKey({ connectionId: CONNECTION, id }), entries);
  }

  /** A turn that says these things and ends. */
  async turn(id: string, ...words: readonly string[]): Promise<void> {
    await this.write(id, words.map((text) => this.said(text)));
    this.tell(id, { state: 'idle', updatedAt: (this.sessions.get(sessionKey({ connectionId: CONNECTION, id }))?.updatedAt ?? 1) + 1 });
  }

  said(text: string, over: Partial<Entry & { readonly kind: 'text' }> = {}): Entry {
    this.count += 1;
    const at = 1_700_000_000_000 + this.count * 10;
    return { kind: 'text', id: `e${this.count}`, row: `e${this.count}`, order: [at], rev: 1, at, turn: null, parent: null, text, ...over };
  }

  /** What the server stored of all that came from here, by its words, in its order. */
  get stored(): readonly string[] {
    return [...this.server.kernel.sessions.values()].flatMap((session) => session.rows.map(({ data }) => (typeof data['content'] === 'string' ? data['content'] : '')));
  }

  free(store: MemoryStore): void {
    for (const [name, holder] of this.database.leases) if (holder === store.name) this.database.leases.delete(name);
  }

  async close(): Promise<void> {
    await Promise.all(this.windows.map((window) => window.close()));
  }
}
