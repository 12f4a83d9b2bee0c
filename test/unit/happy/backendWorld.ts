import type { BackendEvent, ConnectionState, SessionBackend } from '../../../src/core/model/backend.ts';
import type { BackendContext, Clock } from '../../../src/core/model/context.ts';
import type { Machine, Session } from '../../../src/core/model/session.ts';
import { happyConnection } from '../../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { World } from '../../contract/world.ts';
import type { Animation } from '../../loopback/happy/animate.ts';
import { animateFleet } from '../../loopback/happy/animate.ts';
import type { Fleet, FleetOptions, FleetSession } from '../../loopback/happy/fleet.ts';
import { seedFleet } from '../../loopback/happy/fleet.ts';
import type { FleetState } from '../../loopback/happy/conversations.ts';
import { Phone } from '../../loopback/happy/phone.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTimes } from '../../loopback/happy/times.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { FakeDaemon } from './fakeDaemon.ts';

/** Happy's times with short waits for who is not there, and a server that is deaf to a stopped session for a moment only. */
export const times = happyTimes(1, { rpcGrace: 500, rpcGracePoll: 20, rpcPresencePoll: 60, rpcAnswer: 3_000, stoppedFor: 300, presenceThreshold: 100, presenceFlush: 50 });

/** One window on an account, and everything that its watch told. */
export class HappyWindow {
  readonly backend: SessionBackend;
  readonly context: BackendContext;
  readonly events: BackendEvent[] = [];

  constructor(backend: SessionBackend, context: BackendContext) {
    this.backend = backend;
    this.context = context;
    backend.watch((event) => this.events.push(event));
  }

  session(id: string): Session | null {
    return this.events.flatMap((event) => (event.type === 'session' && event.session.id === id ? [event.session] : [])).at(-1) ?? null;
  }
  machine(id: string): Machine | null {
    return this.events.flatMap((event) => (event.type === 'machine' && event.machine.id === id ? [event.machine] : [])).at(-1) ?? null;
  }
  get state(): ConnectionState | null {
    return this.events.flatMap((event) => (event.type === 'connection' ? [event.state] : [])).at(-1) ?? null;
  }
  removed(id: string): boolean {
    return this.events.some((event) => event.type === 'session-removed' && event.sessionId === id);
  }

  async all(limit = 300): Promise<readonly Session[]> {
    const found: Session[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.backend.sessions({ limit, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.items);
      if (page.next === null) return found;
      cursor = page.next;
    }
  }
}

export interface WindowOptions {
  /** Another address of the same server, such as a proxy's. */
  readonly url?: string;
  /** The fleet's, unless given. */
  readonly token?: string;
  /** The fleet's master, unless given. */
  readonly secret?: Uint8Array;
  /** The window of another one, on the same store. */
  readonly after?: HappyWindow;
  /** How much faster its waits are over than a clock has it. */
  readonly haste?: number;
}

function hurried(haste: number): Clock {
  return { now: () => systemClock.now(), monotonic: () => systemClock.monotonic() * haste, setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms / haste) };
}

/** A server with a person's fleet, alive unless said otherwise, and windows on it. */
export class HappyWorld implements AsyncDisposable {
  readonly server: HappyTestServer;
  readonly fleet: Fleet;
  readonly phone: Phone;
  readonly world: World;
  readonly daemon: FakeDaemon;
  readonly #animation: Animation | null;
  readonly #open: (() => Promise<void>)[] = [];

  /** `times` replaces single ones of the server's. */
  static async make({ times: replaced = {}, ...options }: FleetOptions & { readonly alive?: boolean; readonly times?: Partial<HappyTimes> } = {}): Promise<HappyWorld> {
    const server = await startHappyServer({ times: { ...times, ...replaced } });
    const fleet = seedFleet(server, { sessions: 16, ...options });
    const animation = options.alive === false ? null : await animateFleet(server.url, fleet, { stepMs: 15, beatMs: 150 });
    const phone = await Phone.signIn(server.url, fleet.master);
    return new HappyWorld({ server, fleet, phone, world: await World.make(), animation });
  }

  private constructor(parts: { readonly server: HappyTestServer; readonly fleet: Fleet; readonly phone: Phone; readonly world: World; readonly animation: Animation | null }) {
    this.server = parts.server;
    this.fleet = parts.fleet;
    this.phone = parts.phone;
    this.world = parts.world;
    this.#animation = parts.animation;
    this.daemon = new FakeDaemon(parts.server, parts.fleet.master, parts.fleet.token);
  }

  /** A window that has begun to watch. */
  async window(options: WindowOptions = {}): Promise<HappyWindow> {
    const { url = this.server.url, token = this.fleet.token, haste = 1, secret = this.fleet.master } = options;
    const { context, end } = options.after === undefined ? await this.world.window('happy') : { context: options.after.context, end: () => undefined };
    const credentials = explicitCredentials({ token, secret: toBase64(secret) }, { serverUrl: url });
    const backend = happyConnection({ connectionId: 'happy', name: 'Happy', serverUrl: url, credentials, allowPlainHttp: false, timing: { firstDelay: 300 } }).create({ ...context, clock: hurried(haste) });
    this.#open.push(async () => {
      await backend[Symbol.asyncDispose]();
      end();
    });
    return new HappyWindow(backend, context);
  }

  async connected(options: WindowOptions = {}): Promise<HappyWindow> {
    const window = await this.window(options);
    await window.backend.connect();
    return window;
  }

  inState(state: FleetState): FleetSession {
    const found = this.fleet.sessions.find((session) => session.state === state);
    if (found === undefined) throw new Error(`No session of the fleet is ${state}.`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.splice(0).map((close) => close()));
    this.#animation?.close();
    this.daemon.close();
    this.phone.close();
    await this.server.close();
    await this.world.dispose();
  }
}
