import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Fleet } from '../../../src/core/fleet/fleet.ts';
import type { ConnectionSpec } from '../../../src/core/fleet/connection.ts';
import type { Clock } from '../../../src/core/model/context.ts';
import type { Session } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import type { SessionRuntime } from '../../../src/core/fleet/runtime.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { openAt, recordingLog } from '../store/support.ts';
import { CONNECTION, FakeBackend, FakeSystem } from './fakeBackend.ts';

/** The computer's time, with every wait a fifth as long: what waits for seconds is seen in one test all the same. */
const hurried: Clock = { ...systemClock, setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms / 5) };

export const keyOf = (id: string): string => sessionKey({ connectionId: CONNECTION, id });

/** One window: its store on the shared file, its fleet, its backend. */
export class FleetWindow {
  readonly name: string;
  readonly store: OwnedStore;
  readonly fleet: Fleet;
  readonly lines: string[];
  readonly backends: FakeBackend[] = [];
  private readonly world: FleetWorld;
  private ended = false;

  constructor(world: FleetWorld, name: string, store: OwnedStore, clock: Clock) {
    this.world = world;
    this.name = name;
    this.store = store;
    const { log, lines } = recordingLog();
    this.lines = lines;
    this.fleet = new Fleet({ store, log, clock, stateDir: path.join(world.folder, 'state') });
  }

  get backend(): FakeBackend {
    const backend = this.backends.at(-1);
    if (backend === undefined) throw new Error('this window has no connection yet');
    return backend;
  }

  spec(revision = '1', prepare: (backend: FakeBackend) => void = () => undefined): ConnectionSpec {
    return {
      connectionId: CONNECTION, name: 'Fake', system: 'local', revision,
      create: (context) => {
        const backend = new FakeBackend(context, this.world.system, this.name);
        prepare(backend);
        this.backends.push(backend);
        return backend;
      },
    };
  }

  async connect(prepare?: (backend: FakeBackend) => void): Promise<this> {
    await this.fleet.setConnections([this.spec('1', prepare)]);
    return this;
  }

  open(id: string): Promise<SessionRuntime> {
    return this.fleet.open(keyOf(id));
  }

  shown(id: string): Session | null {
    return this.fleet.session(keyOf(id));
  }

  async close(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    await this.fleet[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }

  /** Gone at once: nothing more is written, and its leases are free as those of a dead process are in a while. */
  async die(): Promise<void> {
    this.ended = true;
    await this.store[Symbol.asyncDispose]();
    await this.fleet[Symbol.asyncDispose]();
  }
}

/** Windows of one person: a system, and one database file. */
export class FleetWorld implements AsyncDisposable {
  readonly system = new FakeSystem();
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-fleet-'));
  private readonly windows: FleetWindow[] = [];

  async window(name = `window ${this.windows.length + 1}`, clock: Clock = hurried): Promise<FleetWindow> {
    const window = new FleetWindow(this, name, await openAt(path.join(this.folder, 'store'), { clock }), clock);
    this.windows.push(window);
    return window;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.windows.map((window) => window.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Texts of a runtime's rows. */
export function texts(runtime: SessionRuntime): readonly string[] {
  return runtime.transcript.tail.map((row) => (row.kind === 'text' || row.kind === 'prompt' ? row.text : row.kind));
}
