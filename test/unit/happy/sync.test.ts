import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataKeyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { HappyError } from '../../../src/core/systems/happy/errors.ts';
import type { MessageRange, MessagesPage } from '../../../src/core/systems/happy/http.ts';
import { SessionSync } from '../../../src/core/systems/happy/sync.ts';
import type { SyncedMessage } from '../../../src/core/systems/happy/sync.ts';
import type { MessageRow } from '../../../src/core/systems/happy/wire/bodies.ts';
import { HandClock } from './handClock.ts';

const cipher = dataKeyCipher(Uint8Array.from(randomBytes(32)));
const rowOf = (seq: number, text = `message ${seq}`): MessageRow =>
  ({ id: `m${seq}`, seq, localId: null, createdAt: seq, updatedAt: seq, content: { t: 'encrypted', c: cipher.seal({ role: 'user', content: { type: 'text', text } }) } });

/** A Happy server's messages of one session, a socket that may lose, double and reorder, and the client under test. */
class World {
  readonly clock = new HandClock();
  readonly stored = new Map<number, MessageRow>();
  readonly reserved: number[] = [];
  pushes: MessageRow[] = [];
  online = true;
  next = 1;
  requests = 0;
  readonly limits: number[] = [];
  failing = 0;
  readonly told: number[] = [];
  readonly paged: number[] = [];
  readonly sync: SessionSync;
  /** What is being fetched waits here until the test lets it go. */
  hold: <T>(value: T) => Promise<T> = (value) => Promise.resolve(value);
  readonly pageSize: number;

  constructor(pageSize = 3) {
    this.pageSize = pageSize;
    this.sync = new SessionSync('s', { source: { messages: (range, { limit }) => this.read(range, limit) }, cipher, clock: this.clock, random: () => 1 });
    this.sync.onMessages.on((messages) => this.told.push(...messages.map((message) => message.seq)));
  }
  get top(): number {
    return Math.max(0, ...this.stored.keys());
  }
  read(range: MessageRange, limit: number): Promise<MessagesPage> {
    this.requests += 1;
    this.limits.push(limit);
    if (this.failing > 0) {
      this.failing -= 1;
      return this.hold(null).then(() => Promise.reject(new HappyError('server_error', 'down')));
    }
    const all = Array.from(this.stored.values()).sort((one, other) => ('after' in range ? one.seq - other.seq : other.seq - one.seq));
    const fits = all.filter((row) => ('after' in range ? row.seq > range.after : row.seq < range.before));
    const size = Math.min(limit, this.pageSize);
    return this.hold({ rows: fits.slice(0, size), bad: 0, more: fits.length > size });
  }
  store(seq: number): void {
    const row = rowOf(seq);
    this.stored.set(seq, row);
    if (this.online) this.pushes.push(row);
  }
  append(): number {
    this.store(this.next);
    this.next += 1;
    return this.next - 1;
  }
  /** The socket's own `message` takes its seq before it stores. */
  reserve(): void {
    this.reserved.push(this.next);
    this.next += 1;
  }
  deliver(which: number, twice: boolean): void {
    const at = which % Math.max(1, this.pushes.length);
    const row = this.pushes[at];
    if (row === undefined) return;
    if (!twice) this.pushes.splice(at, 1);
    this.sync.push(row);
  }
  lose(): void {
    this.pushes = [];
    this.online = false;
  }
  back(): void {
    this.online = true;
    this.sync.catchUp().catch(() => undefined);
  }
  async older(): Promise<void> {
    if (this.sync.watermark === null) return;
    const messages: readonly SyncedMessage[] = await this.sync.older().catch(() => []);
    this.paged.push(...messages.map((message) => message.seq));
  }
  async open(): Promise<void> {
    const messages = await this.sync.open();
    this.paged.push(...messages.map((message) => message.seq));
  }
}
/** What works in slices may wait for some turns of the event loop. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 8; turn += 1) {
    for (let step = 0; step < 12; step += 1) await Promise.resolve();
    await nextTurn();
  }
};

describe('a session\'s messages', () => {
  it('gives the newest page, then older ones without a gap, to the first', async () => {
    const world = new World();
    for (let count = 0; count < 10; count += 1) world.append();
    await world.open();
    expect(world.paged).toEqual([8, 9, 10]);
    while (!world.sync.complete) await world.older();
    expect(world.paged.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await world.sync.older()).toEqual([]);
  });

  it('catches up by as many at once as are parsed in a slice, by how large the last were', async () => {
    const world = new World();
    await world.open();
    world.lose();
    for (let count = 0; count < 9; count += 1) {
      const seq = world.append();
      if (seq === 5) world.stored.set(seq, rowOf(seq, 'x'.repeat(300_000)));
    }
    world.limits.length = 0;
    await world.sync.catchUp();
    expect(world.sync.watermark).toBe(9);
    // Three a page: the second holds one of 400 KB, so that 133 KB a message are reckoned with.
    expect(world.limits).toEqual([500, 500, 7]);
  });

  it('reads what lies between when a push comes ahead of it, and believes a hole that the server lists', async () => {
    const world = new World();
    world.append();
    await world.open();
    world.next += 1;
    world.append();
    world.deliver(1, false);
    await settle();
    expect(world.sync.watermark).toBe(3);
    expect(world.told).toEqual([3]);
    const before = world.requests;
    world.append();
    world.deliver(1, false);
    await settle();
    expect(world.requests, 'what follows without a gap costs no request').toBe(before);
    expect(world.sync.watermark).toBe(4);
  });

  it('is not moved by an own send: what others wrote before it while we were away is read', async () => {
    const world = new World();
    world.append();
    await world.open();
    world.lose();
    world.append();
    world.append();
    const own = world.append();
    world.sync.sent(own);
    expect(world.sync.watermark).toBe(1);
    world.back();
    await settle();
    expect(world.told).toEqual([2, 3, 4]);
    expect(world.sync.watermark).toBe(4);
  });

  it('reads by itself when the echo of an own send does not come', async () => {
    const world = new World();
    await world.open();
    world.online = false;
    world.append();
    world.sync.sent(world.append());
    await settle();
    expect(world.told).toEqual([]);
    world.clock.advance(2_000);
    await settle();
    expect(world.told).toEqual([1, 2]);
  });

  it('takes a message that is stored late, into a hole that was believed: pushed, or read again after a reconnect', async () => {
    for (const pushed of [true, false]) {
      const world = new World();
      world.append();
      await world.open();
      world.pushes = [];
      world.reserve();
      world.append();
      world.deliver(0, false);
      await settle();
      expect(world.sync.watermark).toBe(3);
      if (!pushed) world.lose();
      world.store(2);
      if (pushed) world.deliver(0, false);
      else world.back();
      await settle();
      expect(world.told).toEqual([3, 2]);
    }
  });

  it('goes on by itself after failures, less and less often, and once a second at most', async () => {
    const world = new World();
    await world.open();
    world.append();
    world.pushes = [];
    world.failing = 4;
    await expect(world.sync.catchUp()).rejects.toMatchObject({ code: 'server_error' });
    const at: number[] = [];
    let seen = world.requests;
    for (let second = 1; second <= 20; second += 1) {
      world.clock.advance(1_000);
      await settle();
      if (world.requests > seen) at.push(second);
      seen = world.requests;
    }
    expect(at).toEqual([1, 3, 7, 15]);
    expect(world.told).toEqual([1]);
    expect(world.clock.waiting).toBe(0);
  });

  it('says that a message cannot be read, and tells it again when its key has come', async () => {
    const world = new World();
    const other = dataKeyCipher(Uint8Array.from(randomBytes(32)));
    const seen: SyncedMessage[] = [];
    world.sync.onMessages.on((messages) => seen.push(...messages));
    await world.open();
    world.sync.push({ ...rowOf(1), content: { t: 'encrypted', c: other.seal('later') } });
    expect(seen).toMatchObject([{ seq: 1, readable: false, content: null }]);
    world.sync.rekey(other);
    expect(seen[1]).toMatchObject({ seq: 1, readable: true, content: 'later' });
    world.sync.push({ ...rowOf(2), content: { t: 'encrypted', c: 'Z2FyYmFnZQ==' } });
    expect(seen[2]).toMatchObject({ seq: 2, readable: false, sealed: 'Z2FyYmFnZQ==' });
    expect(world.sync.watermark).toBe(2);
  });

  it('ends its waits with the signal, and everything with dispose', async () => {
    const world = new World();
    await world.open();
    world.hold = () => new Promise(() => undefined);
    const stop = new AbortController();
    const reason = new Error('enough');
    const waiting = world.sync.catchUp({ signal: stop.signal });
    stop.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    world.sync.sent(9);
    world.sync.dispose();
    expect(world.clock.waiting).toBe(0);
    world.sync.push(rowOf(1));
    expect(world.told).toEqual([]);
  });

  it('joins calls that come while it reads, and begins a read after each of them', async () => {
    const world = new World();
    await world.open();
    const before = world.requests;
    await Promise.all([world.sync.catchUp(), world.sync.catchUp(), world.sync.catchUp()]);
    expect(world.requests - before).toBe(2);
  });
});

class Modelled extends World {
  /** Stored after the hole was read: known by push or by the next catch-up only. */
  readonly late = new Set<number>();
  commit(): void {
    const seq = this.reserved.shift();
    if (seq === undefined) return;
    this.late.add(seq);
    this.store(seq);
  }
}

/** P3: whatever order pushes, pages, own sends, losses and failures come in, nothing is missing, nothing is told twice, and the watermark never goes beyond what is here. */
describe('P3', () => {
  type Model = Record<string, never>;
  const command = (name: string, act: (world: Modelled) => void): fc.AsyncCommand<Model, Modelled> => ({
    check: () => true,
    run: async (_model, world) => {
      const mark = world.sync.watermark;
      act(world);
      await Promise.resolve();
      const now = world.sync.watermark;
      if (mark !== null) expect(now).toBeGreaterThanOrEqual(mark);
      if (now === null) return;
      expect(now).toBeLessThan(world.next);
      const here = new Set([...world.told, ...world.paged]);
      for (const seq of world.stored.keys()) if (seq >= world.sync.floor && seq <= now && !world.late.has(seq)) expect(here.has(seq), `${seq} is below the watermark ${now}`).toBe(true);
    },
    toString: () => name,
  });
  const commands = fc.commands([
    fc.constant(command('append', (world) => void world.append())),
    fc.constant(command('append', (world) => void world.append())),
    fc.constant(command('burn', (world) => void (world.next += 1))),
    fc.constant(command('reserve', (world) => world.reserve())),
    fc.constant(command('commit', (world) => world.commit())),
    fc.tuple(fc.nat(20), fc.boolean()).map(([which, twice]) => command(`deliver ${which}${twice ? ' and again' : ''}`, (world) => world.deliver(which, twice))),
    fc.tuple(fc.nat(20), fc.boolean()).map(([which, twice]) => command(`deliver ${which}${twice ? ' and again' : ''}`, (world) => world.deliver(which, twice))),
    fc.constant(command('send', (world) => {
      const mark = world.sync.watermark;
      world.sync.sent(world.append());
      expect(world.sync.watermark).toBe(mark);
    })),
    fc.constant(command('lose', (world) => world.lose())),
    fc.constant(command('reconnect', (world) => world.back())),
    fc.constant(command('older', (world) => void world.older())),
    fc.constant(command('fail', (world) => void (world.failing += 1))),
    fc.constant(command('second', (world) => world.clock.advance(1_000))),
  ], { maxCommands: 60 });

  const runs = process.env['PILOTHOUSE_LONG'] === '1' ? 5_000 : 400;

  it(`holds for ${runs} random lives`, { timeout: 120_000 + runs * 20 }, async () => {
    await fc.assert(fc.asyncProperty(fc.scheduler(), commands, fc.integer({ min: 1, max: 5 }), fc.nat(12), async (scheduler, steps, pageSize, old) => {
      const world = new Modelled(pageSize);
      for (let count = 0; count < old; count += 1) world.append();
      world.pushes = [];
      world.hold = (value) => scheduler.schedule(Promise.resolve(value));
      const opening = world.open().catch(() => undefined);
      await fc.scheduledModelRun(scheduler, () => ({ model: {}, real: world }), steps);
      await scheduler.waitIdle();
      // In the end the contact comes back and stays.
      world.failing = 0;
      while (world.reserved.length > 0) world.commit();
      world.lose();
      world.back();
      for (let round = 0; round < 40; round += 1) {
        await scheduler.waitIdle();
        // A slice that took long under load rests for a real turn of the event loop.
        await nextTurn();
        world.clock.advance(2_000);
      }
      await nextTurn();
      await scheduler.waitIdle();
      await opening;
      if (world.sync.watermark === null) throw new Error('never opened');
      while (!world.sync.complete) {
        const page = world.older();
        await nextTurn();
        await scheduler.waitIdle();
        await page;
      }
      expect(world.sync.watermark).toBe(world.top);
      expect(world.sync.ahead.size).toBe(0);
      expect(Array.from(new Set([...world.told, ...world.paged])).sort((a, b) => a - b)).toEqual(Array.from(world.stored.keys()).sort((a, b) => a - b));
      expect(new Set(world.told).size, 'told twice').toBe(world.told.length);
      world.sync.dispose();
    }), { numRuns: runs });
  });
});
