import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import type { CliIo } from '../../../src/cli/io.ts';
import { run } from '../../../src/cli/main.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import type { Animation } from '../../loopback/happy/animate.ts';
import { animateFleet } from '../../loopback/happy/animate.ts';
import type { Fleet, FleetSession } from '../../loopback/happy/fleet.ts';
import { seedFleet } from '../../loopback/happy/fleet.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';

/** The command's world: its environment, what it printed, and a person who types and presses Ctrl+C. */
export class World implements CliIo {
  readonly stdin = new PassThrough();
  readonly interactive: boolean;
  readonly program: string = 'pilothouse';
  readonly env: NodeJS.ProcessEnv;
  readonly cwd = tmpdir();
  readonly #end = new AbortController();
  readonly ending = this.#end.signal;
  readonly #listeners = new Set<() => void>();
  readonly #watchers = new Set<() => void>();
  stdout = '';
  stderr = '';

  constructor(env: NodeJS.ProcessEnv, interactive = false) {
    this.env = env;
    this.interactive = interactive;
  }
  out(text: string): void {
    this.stdout += text;
    for (const look of this.#watchers) look();
  }
  err(text: string): void {
    this.stderr += text;
    for (const look of this.#watchers) look();
  }
  onInterrupt(listener: () => void): { dispose(): void } {
    this.#listeners.add(listener);
    return { dispose: () => void this.#listeners.delete(listener) };
  }
  interrupt(): void {
    for (const listener of this.#listeners) listener();
  }
  /** SIGTERM. */
  terminate(): void {
    this.#end.abort();
  }
  /** Resolves when what was printed fits. */
  printed(fits: RegExp, timeoutMs = 10_000): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${String(fits)} was not printed:\n${this.stdout}${this.stderr}`)), timeoutMs);
      const look = (): void => {
        const found = fits.exec(this.stdout + this.stderr);
        if (found === null) return;
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve(found);
      };
      this.#watchers.add(look);
      look();
    });
  }
}

/** A living fleet, and the command in its account. */
export interface Rig {
  readonly server: HappyTestServer;
  readonly fleet: Fleet;
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly animation: Animation;
  /** The first session of a state. */
  in(state: FleetSession['state']): FleetSession;
  happy(...args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  /** The one JSON value that a verb prints; throws where it fails. */
  json(...args: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

export async function startRig(): Promise<Rig> {
  const server = await startHappyServer({ times: happyTimes(1, { rpcGrace: 400, rpcGracePoll: 20, rpcPresencePoll: 50, rpcAnswer: 3_000 }) });
  const fleet = seedFleet(server, { sessions: 30 });
  const animation = await animateFleet(server.url, fleet, { stepMs: 30, beatMs: 300 });
  const home = await mkdtemp(path.join(tmpdir(), 'pilothouse-cli-happy-'));
  const env = { HAPPY_HOME_DIR: home, HAPPY_SERVER_URL: server.url, HAPPY_TOKEN: fleet.token, HAPPY_SECRET: toBase64(fleet.master) };
  const happy: Rig['happy'] = async (...args) => {
    const world = new World(env);
    const code = await run(['happy', ...args], world);
    return { code, stdout: world.stdout, stderr: world.stderr };
  };
  return {
    server, fleet, home, env, animation, happy,
    in: (state) => {
      const found = fleet.sessions.find((session) => session.state === state);
      if (found === undefined) throw new Error(`no session is ${state}`);
      return found;
    },
    json: async (...args) => {
      const { code, stdout, stderr } = await happy(...args, '--json');
      if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
      return JSON.parse(stdout) as unknown;
    },
    close: async () => {
      animation.close();
      await server.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
