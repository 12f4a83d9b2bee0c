import { setTimeout as sleep } from 'node:timers/promises';
import { SpawnError } from '../../../src/core/systems/happy/errors.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import type { FaultWorld } from './faultWorld.ts';

/** Something that a person does, or wants to see, while the network is bad. */
export interface Operation {
  /** What comes before the trouble. */
  prepare?(world: FaultWorld): Promise<void>;
  /** Begins it; what it answers is awaited after the trouble, and rejects with what is wrong. */
  run(world: FaultWorld): Promise<() => Promise<void>>;
}

const REQUEST = 'request-1';
const CALLS = 4;

/** Calls until it goes well, as a person does who is told why it did not. */
async function insist(world: FaultWorld, what: string, first: Promise<unknown>, again: () => Promise<unknown>): Promise<void> {
  const done = await world.call(what, () => first);
  const reasons = [done?.code];
  for (let tries = 0; reasons.at(-1) !== undefined; tries += 1) {
    if (tries > CALLS) throw new Error(`${what} does not go well: ${reasons.join(', ')}`);
    await sleep(30);
    reasons.push((await world.call(what, again))?.code);
  }
}

export const operations = {
  /** Sessions come, go and change while nobody can tell. */
  list: {
    async run(world) {
      const [, gone] = world.daemon.agents;
      await world.elsewhere(async () => {
        await world.daemon.start('/work', { summary: { text: 'Made meanwhile', updatedAt: 2 } });
        gone?.crash();
        await fetch(`${world.server.url}/v1/sessions/${gone?.id ?? ''}`, { method: 'DELETE', headers: { authorization: `Bearer ${world.daemon.token}` } });
        await world.change(world.chat, (metadata) => ({ ...metadata, summary: { text: 'Renamed elsewhere', updatedAt: 3 } }));
      });
      const refreshed = world.fleet.refresh();
      return async () => refreshed;
    },
  },

  /** Others write in the chat, before, during and after. */
  'catch-up': {
    async run(world) {
      for (let count = 0; count < 4; count += 1) {
        world.says();
        await sleep(world.chance() * 60);
      }
      return async () => world.says();
    },
  },

  send: {
    async prepare(world) {
      await world.prompt('first');
    },
    async run(world) {
      await world.prompt('second');
      world.says();
      await sleep(world.chance() * 80);
      await world.prompt('third');
      return async () => world.prompt('fourth');
    },
  },

  /** A name is given while the session writes its own metadata. */
  rename: {
    async run(world) {
      const rename = (): Promise<void> => world.fleet.rename(world.key(world.chat.id), 'Named here');
      const first = rename();
      const settled = first.catch(() => undefined);
      await world.elsewhere(async () => {
        for (let count = 0; count < 3; count += 1) await world.change(world.chat, (metadata) => ({ ...metadata, [`foreign${count}`]: count }));
      });
      return async () => {
        await settled;
        await insist(world, 'rename', first, rename);
        const { summary, foreign0, foreign1, foreign2 } = world.metadata(world.chat);
        if (!isJsonObject(summary) || summary['text'] !== 'Named here') world.wrong.add(`the name is ${JSON.stringify(summary)}`);
        if (foreign0 !== 0 || foreign1 !== 1 || foreign2 !== 2) world.wrong.add('what others wrote into the metadata is lost');
      };
    },
  },

  spawn: {
    async run(world) {
      const before = new Set(world.daemon.agents.map(({ id }) => id));
      const first = world.fleet.spawn(world.connectionId, { machineId: world.daemon.machineId, folder: '/work', title: 'Spawned' });
      const settled = first.catch(() => undefined);
      return async () => {
        const session = await settled;
        const error = await world.call('spawn', () => first);
        const made = world.daemon.agents.filter(({ id }) => !before.has(id)).map(({ id }) => id);
        const calls = world.daemon.machine.calls.filter(({ method }) => method === 'spawn-happy-session').length;
        if (made.length > 1 || calls > 1) world.wrong.add(`the machine was asked ${calls} times and made ${made.length} sessions`);
        if (error === null && session?.id !== made[0]) world.wrong.add('the spawn answers another session than the one that was made');
        // Whoever may have been heard must say so: the person would ask once more.
        if (error !== null && calls > 0 && !(error instanceof SpawnError)) world.wrong.add(`the machine was asked, and the spawn says ${error.code}: ${error.message}`);
        if (error instanceof SpawnError && error.candidates.some((id) => !made.includes(id))) world.wrong.add(`${error.candidates.join(', ')} are not what was made`);
      };
    },
  },

  approve: {
    async prepare(world) {
      await world.chat.setState({ controlledByUser: false, requests: { [REQUEST]: { tool: 'Bash', arguments: { command: 'ls' }, createdAt: Date.now() } }, completedRequests: {} });
      await world.truth();
    },
    async run(world) {
      const answer = (): Promise<void> => world.runtime.answer(REQUEST, { outcome: 'allow' });
      const first = answer();
      const settled = first.catch(() => undefined);
      return async () => {
        await settled;
        // What came through although its answer was lost is confirmed in the record, and a second answer comes too late.
        await insist(world, 'approve', first, () => answer().catch((error: unknown) => {
          if (!(error instanceof Error && 'code' in error && error.code === 'already_answered' && completed(world) !== null)) throw error;
        }));
        if (completed(world) !== 'approved') world.wrong.add(`the agent has the answer ${String(completed(world))}`);
      };
    },
  },
} satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof operations;

function completed(world: FaultWorld): unknown {
  const all = world.chat.agentState['completedRequests'];
  const one = isJsonObject(all) ? all[REQUEST] : undefined;
  return isJsonObject(one) ? one['status'] : null;
}
