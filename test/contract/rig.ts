import type { SessionBackend } from '../../src/core/model/backend.ts';
import type { BackendContext } from '../../src/core/model/context.ts';
import { machineId } from './helpers.ts';
import type { Rig, Script } from './types.ts';
import { isGone, killHard, runningChildren, World } from './world.ts';

export interface RigParts {
  readonly connectionId: string;
  readonly script: Script;
  /** Makes what the agents need; gives the folder that sessions work in. */
  prepare(world: World): Promise<string>;
  create(context: BackendContext, world: World): Promise<SessionBackend>;
  /** Ends what `prepare` started. */
  dispose?(): Promise<void>;
}

/** A rig for agents that are processes of this computer: what this test process has started, beyond what ran before, is theirs. */
export async function makeRig(parts: RigParts): Promise<Rig> {
  const before = new Set(await runningChildren());
  const world = await World.make();
  const folder = await parts.prepare(world);
  const open = async (): Promise<{ readonly backend: SessionBackend; close(): Promise<void> }> => {
    const window = await world.window(parts.connectionId);
    const backend = await parts.create(window.context, world);
    return {
      backend,
      async close() {
        await backend[Symbol.asyncDispose]();
        window.end();
      },
    };
  };
  const first = await open();
  const windows = [first];
  const alive = async (): Promise<readonly number[]> => (await runningChildren()).filter((pid) => !before.has(pid));
  return {
    backend: first.backend,
    machineId,
    folder,
    script: parts.script,
    processes: {
      alive,
      gone: (pid) => isGone(pid),
      async kill() {
        for (const pid of await alive()) await killHard(pid);
      },
    },
    async restart() {
      await windows.shift()?.close();
      const next = await open();
      windows.unshift(next);
      return next.backend;
    },
    async second() {
      const next = await open();
      windows.push(next);
      return next.backend;
    },
    async dispose() {
      await Promise.all(windows.splice(0).map((one) => one.close()));
      await parts.dispose?.();
      await world.dispose();
    },
    log: () => world.lines.slice(-60).join('\n'),
  };
}
