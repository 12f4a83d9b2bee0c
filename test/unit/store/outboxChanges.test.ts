import { describe, expect, it } from 'vitest';
import { sortItems } from '../../../src/core/session/outboxPlan.ts';
import { heldSend, send, started, states, World } from './outboxWorld.ts';
import { drain, outboxItem } from './support.ts';

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
