import type { SessionBackend } from '../../src/core/model/backend.ts';
import type { BackendContext } from '../../src/core/model/context.ts';
import { machineId } from './helpers.ts';
import type { Rig, Script } from './types.ts';
import { RigWindows } from './windows.ts';
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
  const windows = await RigWindows.open(world, parts.connectionId, (context) => parts.create(context, world));
  const alive = async (): Promise<readonly number[]> => (await runningChildren()).filter((pid) => !before.has(pid));
  return {
    ...windows.parts,
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
    async dispose() {
      await windows.close();
      await parts.dispose?.();
      await world.dispose();
    },
    log: () => world.lines.slice(-60).join('\n'),
  };
}
