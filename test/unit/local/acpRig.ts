import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../../src/core/model/context.ts';
import type { AcpBackend, AcpOptions } from '../../../src/core/systems/local/acp/backend.ts';
import { createAcpBackend } from '../../../src/core/systems/local/acp/backend.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { Observer } from '../../contract/observer.ts';
import { World } from '../../contract/world.ts';
import type { Scenario } from './acpScripted.ts';

const program = fileURLToPath(new URL('./acpScripted.ts', import.meta.url));

/** A clock that runs `factor` times as fast as the computer's, from now on for every timer that is set. */
export class FastClock implements Clock {
  factor: number;
  private readonly start = performance.now();

  constructor(factor = 1) {
    this.factor = factor;
  }
  now(): number {
    return Date.now();
  }
  monotonic(): number {
    return (performance.now() - this.start) * this.factor;
  }
  setTimeout(callback: () => void, ms: number): { cancel(): void } {
    return systemClock.setTimeout(callback, ms / this.factor);
  }
}

/** Backends over scripted agents, in one world that is taken down at the end of a test. */
export class AcpRig {
  readonly world: World;
  readonly folder: string;
  private readonly log: string;
  private readonly open = new Set<AcpBackend>();
  private readonly observers: Observer[] = [];

  static async make(): Promise<AcpRig> {
    const world = await World.make();
    return new AcpRig(world, await world.folder('workspace'));
  }

  private constructor(world: World, folder: string) {
    this.world = world;
    this.folder = folder;
    this.log = path.join(world.root, 'wire.log');
  }

  /** A window with a backend whose agent follows the scenario. `end` is the death of that window. */
  async window(scenario: Scenario, options: { readonly clock?: Clock; readonly agent?: Partial<AcpOptions> } = {}): Promise<{ readonly backend: AcpBackend; end(): void; close(): Promise<void> }> {
    const { context, end } = await this.world.window('local-acp-scripted');
    const args = [program, JSON.stringify({ log: this.log, ...scenario })];
    const backend = createAcpBackend({ ...context, ...(options.clock === undefined ? {} : { clock: options.clock }) }, { name: 'Scripted', command: process.execPath, args, cwd: this.folder, env: { ...process.env, HOME: this.world.root }, ...options.agent });
    this.open.add(backend);
    return {
      backend,
      end,
      close: async () => {
        this.open.delete(backend);
        await backend[Symbol.asyncDispose]();
        end();
      },
    };
  }

  async backend(scenario: Scenario, options: { readonly clock?: Clock; readonly agent?: Partial<AcpOptions> } = {}): Promise<AcpBackend> {
    return (await this.window(scenario, options)).backend;
  }

  observe(backend: AcpBackend, id: string): Observer {
    const observer = new Observer(backend, id);
    this.observers.push(observer);
    return observer;
  }

  async spawn(backend: AcpBackend): Promise<Observer> {
    return this.observe(backend, (await backend.spawn({ machineId: 'this-computer', folder: this.folder })).id);
  }

  /** What agents have received: `method` of calls in order. */
  async received(): Promise<readonly Record<string, unknown>[]> {
    const text = await readFile(this.log, 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
  }
  async methods(): Promise<readonly unknown[]> {
    return (await this.received()).map((message) => message['method']).filter((method) => method !== undefined);
  }

  async dispose(): Promise<void> {
    for (const observer of this.observers) observer.dispose();
    await Promise.all([...this.open].map((backend) => backend[Symbol.asyncDispose]()));
    await this.world.dispose();
  }
}
