import { describe, expect, it } from 'vitest';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { Outbox } from '../../../src/core/session/outbox.ts';
import { sortItems } from '../../../src/core/session/outboxPlan.ts';
import type { OutboxItem } from '../../../src/core/session/store-api.ts';
import { World } from './outboxWorld.ts';
import { drain, inFolder, openAt, outboxItem, SESSION, until } from './support.ts';

async function started(world: World, over: Parameters<World['boot']>[1] = {}): Promise<Outbox> {
  const outbox = world.boot(Number.POSITIVE_INFINITY, over);
  await outbox.start();
  return outbox;
}

function send(outbox: Outbox, text: string, steer = false): Promise<OutboxItem> {
  return outbox.enqueue({ text, attachments: [], steer });
}

function states(outbox: Outbox): string[] {
  return outbox.items().map((item) => `${item.text} ${item.delivery}`);
}

/** A send that ends when it is told to. */
function heldSend(): { readonly send: (item: OutboxItem, signal: AbortSignal) => Promise<void>; readonly begun: string[]; deliver(): void; fail(error: unknown): void; signal: AbortSignal | null } {
  let resolve = (): void => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const held = {
    begun: [] as string[],
    signal: null as AbortSignal | null,
    send: (item: OutboxItem, signal: AbortSignal) => {
      held.begun.push(item.text);
      held.signal = signal;
      return new Promise<void>((...both) => ([resolve, reject] = both));
    },
    deliver: () => resolve(),
    fail: (error: unknown) => reject(error),
  };
  return held;
}

describe('prompts', () => {
  it('go at once when nothing runs, and wait for the turn’s end otherwise, one a turn', async () => {
    const world = new World();
    const outbox = await started(world);
    outbox.turnRunning(false);
    await send(outbox, 'first');
    await drain();
    expect([...world.system.values()]).toEqual(['first']);
    outbox.turnRunning(true);
    await send(outbox, 'second');
    await send(outbox, 'third');
    await world.clock.advance(60_000);
    expect(states(outbox)).toEqual(['second pending', 'third pending']);
    outbox.turnRunning(false);
    await drain();
    expect([...world.system.values()]).toEqual(['first', 'second']);
    for (const running of [true, false]) outbox.turnRunning(running);
    await drain();
    expect([...world.system.values()]).toEqual(['first', 'second', 'third']);
    expect(world.disk.size).toBe(0);
  });

  it('sent in quick succession wait for the turn that the first one begins, or for ten seconds when none begins', async () => {
    const world = new World();
    const outbox = await started(world);
    outbox.turnRunning(false);
    await Promise.all([send(outbox, 'first'), send(outbox, 'second')]);
    await drain();
    // What is told of the session lags behind.
    outbox.turnRunning(false);
    await world.clock.advance(9_000);
    expect([...world.system.values()]).toEqual(['first']);
    expect(states(outbox)).toEqual(['second pending']);
    await world.clock.advance(2_000);
    expect([...world.system.values()]).toEqual(['first', 'second']);
  });

  it('that were pending when the window closed go when the next one learns that nothing runs', async () => {
    const world = new World();
    world.disk.set('p', outboxItem('p', { delivery: 'pending' }));
    const outbox = await started(world);
    await world.clock.advance(60_000);
    expect(world.system.size).toBe(0);
    outbox.turnRunning(false);
    await drain();
    expect(world.system.size).toBe(1);
  });

  it('that steer go at once, ahead of what waits', async () => {
    const world = new World();
    const outbox = await started(world);
    outbox.turnRunning(true);
    const waiting = await send(outbox, 'waits');
    await send(outbox, 'steers', true);
    await drain();
    expect([...world.system.values()]).toEqual(['steers']);
    await outbox.steer(waiting.clientId);
    await drain();
    expect([...world.system.values()]).toEqual(['steers', 'waits']);
  });

  it('are refused when there is nothing in them', async () => {
    const outbox = await started(new World());
    await expect(send(outbox, ' \n ')).rejects.toMatchObject({ code: 'outbox_empty' });
    await expect(outbox.enqueue({ text: '', attachments: [{ name: 'a', mediaType: 'image/png', size: 1, data: 'AA==', path: null }], steer: false })).resolves.toMatchObject({ delivery: 'queued' });
  });

  it('are refused when they can’t be written down, and never go out then', async () => {
    const world = new World();
    const outbox = await started(world, {
      store: { outbox: async () => [], saveOutbox: () => Promise.reject(new PilothouseError('store_failed', 'no')), removeOutbox: async () => undefined },
    });
    await expect(send(outbox, 'lost')).rejects.toMatchObject({ code: 'store_failed' });
    await world.clock.advance(60_000);
    expect([outbox.items(), world.system.size]).toEqual([[], 0]);
  });

  it('do not go before it is written down that they do, however often that fails', async () => {
    const world = new World();
    let failing = 3;
    const outbox = await started(world, {
      store: {
        outbox: async () => [...world.disk.values()],
        saveOutbox: async (item) => {
          if (item.delivery === 'sending' && failing > 0) {
            failing -= 1;
            throw new PilothouseError('store_failed', 'no');
          }
          world.disk.set(item.clientId, item);
        },
        removeOutbox: async (clientId) => void world.disk.delete(clientId),
      },
    });
    await send(outbox, 'first');
    await world.clock.advance(60_000);
    expect([failing, world.system.size, world.faults]).toEqual([0, 1, []]);
  });
});

describe('a failure', () => {
  it('that may pass is tried again with growing pauses, and at once when poked', async () => {
    const world = new World();
    const times: number[] = [];
    let refusing = true;
    const outbox = await started(world, {
      send: async () => {
        times.push(world.clock.monotonic());
        if (refusing) throw new PilothouseError('offline', 'no');
      },
    });
    await send(outbox, 'first');
    await world.clock.advance(120_000);
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    pauses.forEach((pause, index) => {
      const most = Math.min(30_000, 1_000 * 2 ** index);
      expect(pause).toBeGreaterThanOrEqual(most / 2 - 1);
      expect(pause).toBeLessThanOrEqual(most + 1);
    });
    expect(pauses.length).toBeGreaterThan(6);
    expect(outbox.items()).toEqual([expect.objectContaining({ delivery: 'queued', attempts: times.length, error: null })]);
    refusing = false;
    outbox.poke();
    await drain();
    expect(outbox.items()).toEqual([]);
  });

  it('that does not pass in the end is told', async () => {
    const world = new World();
    const outbox = await started(world, { send: () => Promise.reject(new PilothouseError('offline', 'The server\ncan’t be reached.')) });
    await send(outbox, 'first');
    await world.clock.advance(3_600_000);
    expect(outbox.items()).toEqual([expect.objectContaining({ delivery: 'failed', attempts: 30, error: 'The server can’t be reached.' })]);
    expect(world.clock.waiting).toBe(0);
  });

  it('that the person must act on stops at once and holds what follows, until it is retried', async () => {
    const world = new World();
    let signedIn = false;
    const outbox = await started(world, {
      retryable: () => true,
      send: async (item) => {
        if (!signedIn) throw new PilothouseError('login', 'Sign in first.', { personMustAct: true });
        world.system.set(item.clientId, item.text);
      },
    });
    outbox.turnRunning(false);
    const first = await send(outbox, 'first');
    await drain();
    await send(outbox, 'second');
    await world.clock.advance(600_000);
    expect(states(outbox)).toEqual(['first failed', 'second queued']);
    expect(outbox.items()[0]).toMatchObject({ error: 'Sign in first.', attempts: 1 });
    signedIn = true;
    await outbox.retry(first.clientId);
    await world.clock.advance(60_000);
    expect([...world.system.values()]).toEqual(['first', 'second']);
  });

  it('is over when what failed is dropped or edited', async () => {
    const world = new World();
    world.takings = ['permanent', 'permanent'];
    const outbox = await started(world);
    outbox.turnRunning(false);
    const first = await send(outbox, 'first');
    await drain();
    const second = await send(outbox, 'second');
    await outbox.drop(first.clientId);
    await drain();
    expect(states(outbox)).toEqual(['second failed']);
    await outbox.edit(second.clientId, 'better');
    await drain();
    expect([...world.system.values()]).toEqual(['better']);
  });
});

describe('a prompt that waits', () => {
  it('can be edited, moved and dropped; what is gone is told to be', async () => {
    const world = new World();
    const outbox = await started(world);
    let changes = 0;
    outbox.onChange(() => (changes += 1));
    outbox.turnRunning(true);
    const [a, b, c] = [await send(outbox, 'a'), await send(outbox, 'b'), await send(outbox, 'c')];
    expect(changes).toBe(3);
    await outbox.edit(b.clientId, 'b, edited');
    await outbox.move(c.clientId, -1);
    await outbox.move(c.clientId, -1);
    await outbox.move(c.clientId, -1);
    await outbox.move(a.clientId, 1);
    expect(outbox.items().map((item) => item.text)).toEqual(['c', 'b, edited', 'a']);
    expect(sortItems(world.disk.values())).toEqual(outbox.items());
    await outbox.drop(a.clientId);
    expect(outbox.items().map((item) => item.text)).toEqual(['c', 'b, edited']);
    for (const act of [() => outbox.edit(a.clientId, 'x'), () => outbox.drop(a.clientId), () => outbox.retry(a.clientId), () => outbox.steer(a.clientId), () => outbox.move(a.clientId, 1)]) {
      await expect(act()).rejects.toMatchObject({ code: 'outbox_gone' });
    }
    await expect(outbox.edit(b.clientId, ' ')).rejects.toMatchObject({ code: 'outbox_empty' });
  });

  it('that was lost on disk can’t be retried, only dropped', async () => {
    const world = new World();
    world.disk.set('p', outboxItem('p', { text: '', delivery: 'failed' }));
    const outbox = await started(world);
    await expect(outbox.retry('p')).rejects.toMatchObject({ code: 'outbox_empty' });
    await outbox.drop('p');
    expect(world.disk.size).toBe(0);
  });
});

describe('a prompt on its way', () => {
  it('can’t be changed, but taken back', async () => {
    const world = new World();
    const held = heldSend();
    const outbox = await started(world, { send: held.send });
    const { clientId } = await send(outbox, 'first');
    await drain();
    expect(states(outbox)).toEqual(['first sending']);
    await expect(outbox.edit(clientId, 'x')).rejects.toMatchObject({ code: 'outbox_sending' });
    await expect(outbox.steer(clientId)).rejects.toMatchObject({ code: 'outbox_sending' });
    const dropping = outbox.drop(clientId);
    await drain();
    expect(held.signal?.aborted).toBe(true);
    held.fail(held.signal?.reason);
    await dropping;
    expect([outbox.items(), world.disk.size]).toEqual([[], 0]);
  });

  it('that can’t be taken back in time may have arrived, and says so', async () => {
    const world = new World();
    const held = heldSend();
    const outbox = await started(world, { send: held.send });
    const { clientId } = await send(outbox, 'first');
    await drain();
    const dropping = expect(outbox.drop(clientId)).rejects.toMatchObject({ code: 'outbox_sending' });
    await world.clock.advance(5_000);
    await dropping;
    expect(outbox.items()).toEqual([expect.objectContaining({ delivery: 'failed', uncertain: true, error: expect.stringContaining('may have arrived') })]);
    await expect(outbox.edit(clientId, 'x')).rejects.toMatchObject({ code: 'outbox_uncertain' });
    await outbox.retry(clientId);
    await drain();
    expect(held.begun).toEqual(['first', 'first']);
    held.deliver();
    await drain();
    expect(outbox.items()).toEqual([]);
  });

  it('without an answer is given up after its deadline', async () => {
    const world = new World();
    const held = heldSend();
    const outbox = await started(world, { send: held.send });
    await send(outbox, 'first');
    await world.clock.advance(302_000);
    expect(states(outbox)).toEqual(['first sending']);
    await world.clock.advance(2_000);
    expect(outbox.items()).toEqual([expect.objectContaining({ delivery: 'failed', uncertain: true })]);
  });

  it('is queued again when the outbox is closed and it certainly did not arrive; otherwise the next start asks', async () => {
    for (const answers of [true, false]) {
      const world = new World();
      const held = heldSend();
      const outbox = await started(world, { send: held.send });
      await send(outbox, 'first');
      await drain();
      const closing = outbox[Symbol.asyncDispose]();
      if (answers) held.fail(held.signal?.reason);
      await world.clock.advance(5_000);
      await closing;
      expect([...world.disk.values()]).toEqual([expect.objectContaining({ delivery: answers ? 'queued' : 'sending' })]);
      await expect(send(outbox, 'later')).rejects.toMatchObject({ code: 'outbox_closed' });
      expect(world.clock.waiting).toBe(0);
    }
  });
});

describe('after a crash', () => {
  it('asks for what was being sent before anything else goes, and gives up waiting for the answer', async () => {
    const world = new World();
    const item = outboxItem('p', { delivery: 'sending', attempts: 1 });
    world.disk.set('p', item);
    world.disk.set('q', outboxItem('q', { position: 2 }));
    const outbox = await started(world, { wasDelivered: () => new Promise(() => undefined) });
    outbox.turnRunning(false);
    await world.clock.advance(14_000);
    expect(outbox.items().map((each) => each.delivery)).toEqual(['sending', 'queued']);
    await world.clock.advance(2_000);
    expect(outbox.items()).toEqual([expect.objectContaining({ delivery: 'failed', uncertain: true, error: expect.stringContaining('window closed') }), expect.objectContaining({ delivery: 'queued' })]);
    expect(world.system.size).toBe(0);
  });
});

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
