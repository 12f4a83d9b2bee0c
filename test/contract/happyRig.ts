import { readlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpawnOptions } from '../../src/core/model/backend.ts';
import { happyConnection } from '../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { Phone } from '../loopback/happy/phone.ts';
import type { HappyTestServer } from '../loopback/happy/server.ts';
import { startHappyServer } from '../loopback/happy/server.ts';
import type { HappyDaemon, HappyDaemonOptions } from './happyDaemon.ts';
import { startHappyDaemon } from './happyDaemon.ts';
import type { Rig, Script } from './types.ts';
import { RigWindows } from './windows.ts';
import { isGone, World } from './world.ts';

/** What plays the models of a machine's agents, and how the daemon's environment leads there. */
interface Models extends Pick<HappyDaemonOptions, 'modelUrl' | 'env' | 'programs'> {
  close(): Promise<void>;
}

/** One server and one machine with the real daemon, for all rigs: what they make they end, and each has windows of its own. */
export class HappyStage {
  readonly server: HappyTestServer;
  readonly #world: World;
  readonly #models: Models;
  readonly #phone: Phone;
  readonly #daemon: HappyDaemon;
  #rigs = 0;

  /** `models` is given the folder of the machine's home. */
  static async make(models: (dir: string) => Promise<Models>): Promise<HappyStage> {
    const world = await World.make();
    const server = await startHappyServer();
    const made = await models(world.root);
    const phone = await Phone.signIn(server.url);
    const { modelUrl, env = {}, programs = [] } = made;
    const daemon = await startHappyDaemon({ url: server.url, accessKey: await phone.linkTerminal(), dir: world.root, modelUrl, env, programs });
    return new HappyStage({ world, server, models: made, phone, daemon });
  }

  private constructor(parts: { readonly world: World; readonly server: HappyTestServer; readonly models: Models; readonly phone: Phone; readonly daemon: HappyDaemon }) {
    this.#world = parts.world;
    this.server = parts.server;
    this.#models = parts.models;
    this.#phone = parts.phone;
    this.#daemon = parts.daemon;
  }

  /** A folder of its own on the machine, with a window on the account. `spawning`: what its sessions are made with. */
  async rig(script: Script, spawning: Partial<SpawnOptions> = {}): Promise<Rig> {
    const world = await World.make();
    this.#rigs += 1;
    const daemon = this.#daemon;
    const folder = await this.#world.folder(`workspace-${this.#rigs}`);
    await writeFile(path.join(folder, 'notes.txt'), 'one\ntwo\nthree\n');
    const serverUrl = this.server.url;
    const credentials = explicitCredentials({ token: this.#phone.token, secret: toBase64(this.#phone.master) }, { serverUrl });
    const windows = await RigWindows.open(world, 'happy', (context) => happyConnection({ connectionId: 'happy', name: 'Happy', serverUrl, credentials, allowPlainHttp: false }).create(context));
    // Sessions and their agents run in their folder; other rigs have theirs on the same machine.
    const alive = async (): Promise<readonly number[]> => {
      const all = await Promise.all((await daemon.processes()).map(async (pid) => ((await readlink(`/proc/${pid}/cwd`).catch(() => '')) === folder ? [pid] : [])));
      return all.flat();
    };
    const kill = async (): Promise<void> => {
      for (const until = Date.now() + 5_000; Date.now() < until;) {
        const pids = await alive();
        if (pids.length === 0) return;
        for (const pid of pids) {
          try {
            process.kill(pid, 'SIGKILL');
          } catch {
            // It has ended by itself meanwhile.
          }
        }
        await sleep(30);
      }
    };
    return {
      ...windows.parts, machineId: daemon.machineId, folder, script, spawning,
      processes: { alive, gone: (pid) => isGone(pid), kill },
      async dispose() {
        await windows.close();
        await kill();
        await world.dispose();
      },
      log: () => world.lines.slice(-60).join('\n'),
    };
  }

  async dispose(): Promise<void> {
    await this.#daemon.stop();
    this.#phone.close();
    await this.server.close();
    await this.#models.close();
    await this.#world.dispose();
  }
}
