import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BackendContext, Keep, Leases, Logger } from '../../src/core/model/context.ts';
import { descendants, endProcesses, identify } from '../../src/core/systems/local/processTree.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { createLogger } from '../../src/core/transport/logger.ts';

/** What several windows share: kept values, leases, folders. Everything is in memory and in one temporary folder. */
export class World {
  /** Lines that the backends logged, for a failing test to show. */
  readonly lines: string[] = [];
  readonly root: string;
  private readonly kept = new Map<string, string>();
  private readonly owners = new Map<string, string>();
  private windows = 0;

  static async make(): Promise<World> {
    return new World(await mkdtemp(path.join(tmpdir(), 'pilothouse-contract-')));
  }

  private constructor(root: string) {
    this.root = root;
  }

  /** A folder within the world. */
  async folder(name: string): Promise<string> {
    const folder = path.join(this.root, name);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** The context of one window. `end` gives its leases back, as its death would. */
  async window(connectionId: string): Promise<{ readonly context: BackendContext; readonly end: () => void }> {
    this.windows += 1;
    const owner = `window-${this.windows}`;
    const stateDir = await this.folder('state');
    const log: Logger = createLogger((level, line) => this.lines.push(`${owner} ${level} ${line}`));
    const context: BackendContext = { connectionId, log, clock: systemClock, keep: this.keep(), leases: this.leases(owner), stateDir };
    const end = (): void => {
      for (const [name, holder] of this.owners) if (holder === owner) this.owners.delete(name);
    };
    return { context, end };
  }

  async dispose(): Promise<void> {
    await rm(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  private keep(): Keep {
    return {
      get: (key) => Promise.resolve(this.kept.get(key) ?? null),
      set: (key, value) => {
        if (value === null) this.kept.delete(key);
        else this.kept.set(key, value);
        return Promise.resolve();
      },
      list: (prefix) => Promise.resolve(new Map([...this.kept].filter(([key]) => key.startsWith(prefix)))),
    };
  }

  private leases(owner: string): Leases {
    return {
      acquire: (name) => {
        const holder = this.owners.get(name);
        if (holder === undefined) this.owners.set(name, owner);
        return Promise.resolve(holder === undefined || holder === owner);
      },
      release: (name) => {
        if (this.owners.get(name) === owner) this.owners.delete(name);
        return Promise.resolve();
      },
      holder: (name) => {
        const holder = this.owners.get(name);
        return Promise.resolve(holder === undefined ? 'nobody' : holder === owner ? 'this' : 'other');
      },
    };
  }
}

/** Everything that this test process has started and that still runs. */
export async function runningChildren(): Promise<readonly number[]> {
  const self = await identify(process.pid);
  return self === null ? [] : (await descendants(self)).map((one) => one.pid);
}

/** Kills one process without a warning, as the system does when memory is short. */
export async function killHard(pid: number): Promise<void> {
  const identity = await identify(pid);
  if (identity !== null) await endProcesses([identity], { graceMs: 0, killMs: 5000 });
}

/** True when that process is gone, or only waits to be collected, within `ms`. */
export async function isGone(pid: number, ms = 5000): Promise<boolean> {
  for (const end = performance.now() + ms; ; ) {
    if ((await identify(pid)) === null) return true;
    if (performance.now() > end) return false;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}
