import { expect, it } from 'vitest';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { OutboxItem } from '../../../src/core/session/store-api.ts';
import { send, started, states, World } from './outboxWorld.ts';
import { drain } from './support.ts';

const passedBy = new PilothouseError('not_taken_up', 'The agent did not take it up.', { personMustAct: true });

/** A system that has each prompt at once, and whose agent passes the first `deaf` ones by. */
function system(deaf: number): { readonly ids: string[]; readonly send: (item: OutboxItem) => Promise<void> } {
  const ids: string[] = [];
  return {
    ids,
    send: (item) => {
      ids.push(item.clientId);
      return ids.length <= deaf ? Promise.reject(passedBy) : Promise.resolve();
    },
  };
}

it('a prompt that the agent passed by stays, says so and holds what follows; retried it goes under another id, once', async () => {
  const world = new World();
  const there = system(1);
  const outbox = await started(world, { send: there.send });
  outbox.turnRunning(false);
  const first = await send(outbox, 'first');
  await drain();
  expect(outbox.items()).toMatchObject([{ clientId: first.clientId, delivery: 'failed', error: 'The agent did not take it up.' }]);
  const second = await send(outbox, 'second');
  await world.clock.advance(600_000);
  expect(there.ids).toEqual([first.clientId]);
  await outbox.retry(first.clientId);
  await drain();
  expect(there.ids).toEqual([first.clientId, there.ids[1], second.clientId]);
  expect(new Set(there.ids).size).toBe(3);
  expect(world.disk.size).toBe(0);
});

it('edited it goes as another prompt too; what failed otherwise keeps its id', async () => {
  const world = new World();
  const there = system(1);
  const outbox = await started(world, { send: there.send });
  outbox.turnRunning(false);
  const first = await send(outbox, 'first');
  await drain();
  await outbox.edit(first.clientId, 'first, edited');
  await drain();
  expect(there.ids).toHaveLength(2);
  expect(there.ids[1]).not.toBe(first.clientId);
  expect(world.disk.size).toBe(0);

  const other = new World();
  other.takings = ['permanent'];
  const plain = await started(other);
  plain.turnRunning(false);
  const kept = await send(plain, 'kept');
  await drain();
  await plain.retry(kept.clientId);
  await drain();
  expect([...other.system.keys()]).toEqual([kept.clientId]);
});

it('taken up after all it waits no more; what is not so stays', async () => {
  const world = new World();
  const outbox = await started(world, { send: system(1).send });
  outbox.turnRunning(false);
  const first = await send(outbox, 'first');
  await drain();
  const second = await send(outbox, 'second');
  await outbox.delivered(second.clientId);
  expect(states(outbox)).toEqual(['first failed', 'second queued']);
  await outbox.delivered(first.clientId);
  expect(states(outbox)).not.toContain('first failed');
  expect([...world.disk.keys()]).not.toContain(first.clientId);
});
