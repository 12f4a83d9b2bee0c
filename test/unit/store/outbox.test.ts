import { describe, expect, it } from 'vitest';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import { send, started, states, World } from './outboxWorld.ts';
import { drain, outboxItem } from './support.ts';

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
        if (refusing) throw new PilothouseError('offline', 'The machine is away.');
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
    expect(outbox.items()).toEqual([expect.objectContaining({ delivery: 'queued', attempts: times.length, error: 'The machine is away.' })]);
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
