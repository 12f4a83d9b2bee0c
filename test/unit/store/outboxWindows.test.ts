import { describe, expect, it } from 'vitest';
import type { OutboxItem } from '../../../src/core/session/store-api.ts';
import { send, started, states, World } from './outboxWorld.ts';
import { drain, inFolder, openAt, outboxItem, SESSION, until } from './support.ts';

describe('two windows', () => {
  it('on one session: one sends, the other changes what waits and takes over', async () => {
    const world = new World();
    let leader = 'one';
    const sent: string[] = [];
    const over = (name: string) => ({
      store: { outbox: async () => [...world.disk.values()], saveOutbox: async (item: OutboxItem) => void world.disk.set(item.clientId, item), removeOutbox: async (id: string) => void world.disk.delete(id) },
      mayLead: async () => leader === name,
      send: async (item: OutboxItem) => void sent.push(`${name}: ${item.text}`),
    });
    const [one, two] = [await started(world, over('one')), await started(world, over('two'))];
    for (const each of [one, two]) each.turnRunning(true);
    const item = await send(two, 'from two');
    await drain();
    expect([one.items().length, sent]).toEqual([0, []]);
    await one.reload();
    expect(states(one)).toEqual(['from two pending']);
    await two.edit(item.clientId, 'edited in two');
    // One has not heard of it yet, and sends what holds all the same.
    one.turnRunning(false);
    await drain();
    expect(sent).toEqual(['one: edited in two']);
    await two.reload();
    expect(two.items()).toEqual([]);
    leader = 'two';
    await send(one, 'from one', true);
    await two.reload();
    await drain();
    expect(sent).toEqual(['one: edited in two', 'two: from one']);
    await one.reload();
    expect(one.items()).toEqual([]);
    leader = 'nobody';
    await send(two, 'waits', true);
    leader = 'two';
    await world.clock.advance(5_000);
    expect(sent.at(-1)).toBe('two: waits');
  });

  it('a prompt that another one is sending is left alone', async () => {
    const world = new World();
    world.disk.set('p', outboxItem('p', { delivery: 'sending' }));
    const outbox = await started(world, { mayLead: async () => false });
    await world.clock.advance(60_000);
    expect(outbox.items().map((item) => item.delivery)).toEqual(['sending']);
    await expect(outbox.drop('p')).rejects.toMatchObject({ code: 'outbox_sending' });
  });

  it('with the real store: what one accepts, the other sends', async () => {
    await inFolder(async (folder) => {
      await using one = await openAt(folder);
      await using two = await openAt(folder);
      const sent: string[] = [];
      const over = (store: typeof one, name: string) => ({ store, mayLead: () => store.leases.acquire('outbox:s1'), send: async (item: OutboxItem) => void sent.push(`${name}: ${item.text}`) });
      const world = new World();
      const [leads, follows] = [await started(world, over(one, 'one')), await started(world, over(two, 'two'))];
      expect(await one.leases.acquire('outbox:s1')).toBe(true);
      one.watch((change) => {
        if (change.kind === 'outbox' && change.session === SESSION) void leads.reload();
      });
      await send(follows, 'hello');
      await until(() => (sent.length > 0 && leads.items().length === 0 ? true : null));
      await leads[Symbol.asyncDispose]();
      expect(sent).toEqual(['one: hello']);
      await follows.reload();
      expect(follows.items()).toEqual([]);
      await follows[Symbol.asyncDispose]();
    });
  });
});
