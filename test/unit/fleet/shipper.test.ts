import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { until } from '../store/support.ts';
import { ACCOUNT, CONNECTION, ShipWorld } from './shipperWorld.ts';

const EVENTS = /POST .*events$/;
const keyOf = (id: string): string => sessionKey({ connectionId: CONNECTION, id });
const told = { signal: new AbortController().signal, onWaiting: () => undefined };

let server: CatsyphonTestServer;
let world: ShipWorld;
beforeEach(async () => {
  server = await startCatsyphonServer();
  world = new ShipWorld(server);
});
afterEach(async () => {
  await world.close();
  await server.close();
});
const stored = (...words: readonly string[]): Promise<unknown> => until(() => JSON.stringify(world.stored) === JSON.stringify(words)).catch(() => expect(world.stored).toEqual(words));
const quiet = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 60));

describe('a connection whose sessions are shipped', () => {
  it('sends what is said in them once a turn is over, each thing once, in its order', async () => {
    world.on();
    const { shipper } = await world.window().start();
    await world.turn('one', 'a', 'b');
    await stored('a', 'b');
    await world.turn('one', 'c');
    await stored('a', 'b', 'c');
    await until(() => shipper.standing(CONNECTION)?.sessions === 0);
    expect(shipper.standing(CONNECTION)).toEqual({ account: ACCOUNT, waiting: 0, sessions: 0, parked: 0, error: null });
    const [conversation] = server.kernel.sessions.values();
    expect(conversation).toMatchObject({ agentType: 'claude-code' });
    expect(server.kernel.sessions.size).toBe(1);
    expect(server.count('POST /collectors/events')).toBe(2);
  });

  it('sends what is said while something of the same session is on its way', async () => {
    world.on();
    await world.window().start();
    server.faults.add(EVENTS, { kind: 'slow', ms: 60 });
    await world.turn('one', 'a');
    await until(() => server.count('POST /collectors/events') === 1);
    await world.turn('one', 'b');
    await stored('a', 'b');
  });

  it('is none before the person says so, and of what was said before nothing goes', async () => {
    const { shipper } = await world.window().start();
    await world.turn('one', 'a');
    await quiet();
    expect([server.requests.length, shipper.standing(CONNECTION)]).toEqual([0, null]);
    world.on(50);
    await shipper.apply([ACCOUNT]);
    await quiet();
    expect(server.requests).toEqual([]);
    world.tell('one', { updatedAt: 60 });
    // Something is said in it from now on: it goes whole.
    await stored('a');
  });

  it('holds back what a running turn says, of which each version would be an event', async () => {
    world.on();
    await world.window().start();
    world.tell('one', { state: 'running', updatedAt: 5 });
    await world.write('one', [world.said('gro', { id: 'x', row: 'x' })]);
    world.tell('one', { state: 'running', updatedAt: 6 });
    await quiet();
    expect(server.requests).toEqual([]);
    await world.write('one', [world.said('grown', { id: 'x', row: 'x', rev: 2 })]);
    world.tell('one', { state: 'idle', updatedAt: 7 });
    await stored('grown');
    expect(server.kernel.rows([...server.kernel.sessions.keys()][0] ?? '').length).toBe(1);
  });

  it('sends a long past in the order in which it was said, whatever order it was read in', async () => {
    const words = Array.from({ length: 2_600 }, (_, index) => `w${index}`);
    const entries = words.map((word) => world.said(word));
    // As an import writes them, and one more that shows no row.
    for (let end = entries.length; end > 0; end -= 500) await world.write('one', entries.slice(Math.max(0, end - 500), end));
    await world.write('one', [world.said('no row', { row: null })]);
    world.on();
    await world.window().start();
    world.tell('one', { updatedAt: 9 });
    await stored(...words, 'no row');
  });

  it('reads what the session’s own system has first', async () => {
    world.on();
    await world.window().start();
    world.histories.set(keyOf('one'), () => world.write('one', [world.said('from its system')]));
    await world.turn('one');
    await stored('from its system');
  });

  it('looks again at a session whose system could not be read', async () => {
    world.on();
    await world.window().start();
    world.readable = false;
    await world.turn('one', 'a');
    await stored('a');
    world.readable = true;
    world.histories.set(keyOf('one'), () => world.write('one', [world.said('from its system')]));
    await stored('a', 'from its system');
  });

  it('goes on with what is stored where that system does not answer', async () => {
    world.on();
    const { shipper } = await world.window().start();
    world.histories.set(keyOf('one'), () => new Promise(() => undefined));
    await world.turn('one', 'a');
    await stored('a');
    const stop = new AbortController();
    const asked = shipper.shipOne(keyOf('one'), ACCOUNT, { signal: stop.signal, onWaiting: () => undefined });
    stop.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('leaves out an agent’s own session that another system hosts', async () => {
    world.on();
    const { shipper } = await world.window().start();
    world.hidden.add('twin');
    await world.turn('twin', 'a');
    await world.turn('one', 'b');
    await stored('b');
    await quiet();
    expect([world.stored, shipper.standing(CONNECTION)?.sessions]).toEqual([['b'], 0]);
  });

  it('hands over no more at once than can be looked through in a moment', async () => {
    world.on();
    const window = await world.window().start();
    const sizes: number[] = [];
    const send = window.client.sendEvents.bind(window.client);
    window.client.sendEvents = (id, events, options) => {
      sizes.push(JSON.stringify(events).length);
      return send(id, events, options);
    };
    await world.turn('one', ...Array.from({ length: 40 }, (_, index) => `${index} `.padEnd(60_000, 'x')));
    await until(() => world.stored.length === 40);
    expect(Math.max(...sizes)).toBeLessThan(600 * 1024);
    expect(sizes.length).toBe(5);
  });

  it('takes secrets out', async () => {
    world.on();
    await world.window().start();
    await world.turn('one', 'my key is sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789');
    await until(() => world.stored.length === 1);
    expect(world.stored[0]).toContain('[redacted]');
    expect(JSON.stringify(server.requests)).not.toContain('abcdefghijklmnopqrstuvwxyz');
  });

  it('parks what the server will never take, tells of it, and sends the rest', async () => {
    server.kernel.poison = (data) => data['content'] === 'poison';
    world.on();
    const { shipper } = await world.window().start();
    await world.turn('one', 'a', 'poison', 'b');
    await stored('a', 'b');
    await until(() => shipper.standing(CONNECTION)?.parked === 1);
    const [found] = await shipper.parked(ACCOUNT);
    expect(found).toEqual({ session: keyOf('one'), parked: [{ hash: expect.any(String) as string, type: 'message', status: 500, detail: '', at: expect.any(String) as string }] });
    // It is not tried again with what comes later.
    const before = server.count('POST /collectors/events');
    await world.turn('one', 'c');
    await stored('a', 'b', 'c');
    expect(server.count('POST /collectors/events')).toBe(before + 1);
  });

  it('waits while the server is away, tells how much, and goes on by itself', async () => {
    world.on();
    const { shipper } = await world.window().start();
    server.down = true;
    await world.turn('one', 'a', 'b');
    await until(() => shipper.standing(CONNECTION)?.error !== null);
    expect(shipper.standing(CONNECTION)).toMatchObject({ waiting: 2, sessions: 1 });
    expect(await shipper.unsent(CONNECTION)).toEqual({ events: 2, sessions: 1 });
    server.down = false;
    await stored('a', 'b');
    await until(() => shipper.standing(CONNECTION)?.error === null);
    expect(await shipper.unsent(CONNECTION)).toEqual({ events: 0, sessions: 0 });
  });

  it('stops where the key is not taken, asks once for a sign-in, and loses nothing', async () => {
    world.on();
    const window = await world.window().start();
    world.collector.disabled = true;
    await world.turn('one', 'a');
    await until(() => window.refusals.length === 1);
    const before = server.requests.length;
    await world.turn('two', 'b');
    await quiet();
    expect([server.requests.length, window.refusals, window.shipper.standing(CONNECTION)?.error]).toEqual([before, [ACCOUNT], expect.stringContaining('403')]);
    world.collector.disabled = false;
    window.shipper.again(ACCOUNT);
    await until(() => world.stored.length === 2);
    expect(world.stored.toSorted()).toEqual(['a', 'b']);
    // A refusal is an answer: nothing was on its way that had to be waited for.
    expect(server.count(/^GET/)).toBe(0);
  });

  it('stops at once when it is turned off, also in the middle of a request', async () => {
    world.on();
    const { shipper } = await world.window().start();
    server.faults.add(EVENTS, { kind: 'silence', when: 'before' }, 9);
    await world.turn('one', 'a');
    await until(() => server.count('POST /collectors/events') > 0);
    expect(await shipper.unsent(CONNECTION)).toEqual({ events: 1, sessions: 1 });
    world.routes.clear();
    await shipper.apply([ACCOUNT]);
    const before = server.requests.length;
    server.faults.clear();
    await world.turn('one', 'b');
    await quiet();
    expect([server.requests.length, world.stored, shipper.standing(CONNECTION)]).toEqual([before, [], null]);
  });

  it('is shipped by one of all windows, and by another one when that has died', async () => {
    world.on();
    const windows = await Promise.all([world.window().start(), world.window().start(), world.window().start()]);
    server.kernel.ingestMs = 5;
    await world.turn('one', 'a', 'b');
    await stored('a', 'b');
    await quiet();
    expect([world.stored, server.kernel.mostAtOnce]).toEqual([['a', 'b'], 1]);
    for (const window of windows) await window.close();
    expect(world.database.leases.size).toBe(0);
  });

  it('waits for what a window that died had on its way, which would be stored twice', async () => {
    world.on();
    world.retryDelay = 0.05;
    server.kernel.ingestMs = 40;
    const window = await world.window().start();
    await world.turn('one', 'a');
    await until(() => server.count('POST /collectors/events') === 1);
    window.die();
    await world.window().start();
    await until(() => server.count('POST /collectors/events') === 2);
    await until(() => world.stored.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(world.stored).toEqual(['a']);
  });

  it('leaves a session to the window that runs it, and an untrusted workspace ships nothing by itself', async () => {
    world.on();
    await world.window().start();
    await world.write('one', [world.said('a')]);
    world.tell('one', { owner: 'window', updatedAt: 5 });
    world.dormant = true;
    await world.turn('two', 'b');
    await quiet();
    expect(server.requests).toEqual([]);
  });

  it('is what is shipped: its sessions from the first word on, and those of which something went', async () => {
    world.on(50);
    const { shipper } = await world.window().start();
    const before = world.tell('before', { updatedAt: 10 });
    const fresh = world.tell('fresh', { updatedAt: 51 });
    expect([shipper.isShipped(before), shipper.isShipped(fresh)]).toEqual([false, true]);
    await world.write('before', [world.said('a')]);
    await shipper.shipOne(keyOf('before'), ACCOUNT, told);
    expect(shipper.isShipped(before)).toBe(true);
  });
});

describe('what the person agreed to: sessions in which something is said from then on', () => {
  // Words of this world are of 2023.
  const SINCE = 1_750_000_000_000;
  const AFTER = SINCE + 1_000;

  it('is not one that was renamed or touched, whose mark says so; once something is said in it, it goes whole', async () => {
    world.on(SINCE);
    const { shipper } = await world.window().start();
    await world.write('one', [world.said('long ago'), world.said('also')]);
    const renamed = world.tell('one', { title: 'Renamed', updatedAt: AFTER });
    await until(() => !shipper.isShipped(renamed));
    await until(() => shipper.standing(CONNECTION)?.sessions === 0);
    // What is told of it beside its words is none of them.
    await world.write('one', [{ ...world.said(''), kind: 'notice', level: 'info', code: 'renamed', text: 'Renamed', remedy: null, at: AFTER }, world.said('an import', { order: [SINCE - 1], at: SINCE - 1 })]);
    const touched = world.tell('one', { updatedAt: AFTER + 5 });
    await quiet();
    expect([server.requests, world.stored, shipper.isShipped(touched), await shipper.unsent(CONNECTION), shipper.standing(CONNECTION)?.sessions]).toEqual([[], [], false, { events: 0, sessions: 0 }, 0]);
    // A turn that runs now is one that will be shipped.
    expect(shipper.isShipped(world.tell('one', { state: 'running' }))).toBe(true);
    await world.write('one', [world.said('today', { order: [AFTER], at: AFTER })]);
    const idle = world.tell('one', { state: 'idle', updatedAt: AFTER + 10 });
    await stored('long ago', 'also', 'an import', 'Renamed', 'today');
    expect(shipper.isShipped(idle)).toBe(true);
  });

  it('is looked through once, and again only where more was written', async () => {
    world.on(SINCE);
    const window = await world.window().start();
    const marks: number[] = [];
    const read = window.store.entriesSince.bind(window.store);
    window.store.entriesSince = (session, after, ...rest) => {
      marks.push(after);
      return read(session, after, ...rest);
    };
    await world.write('one', [world.said('a'), world.said('b')]);
    world.tell('one', { updatedAt: AFTER });
    await until(() => marks.length === 1);
    await quiet();
    world.tell('one', { updatedAt: AFTER + 1 });
    await until(() => marks.length === 2);
    expect(marks[0]).toBe(0);
    expect(marks[1]).toBeGreaterThan(0);
  });

  it('is any that the person ships by hand, and what is said in that afterwards', async () => {
    world.on(SINCE);
    const { shipper } = await world.window().start();
    await world.write('one', [world.said('long ago')]);
    world.tell('one', { updatedAt: AFTER });
    await quiet();
    expect(await shipper.shipOne(keyOf('one'), ACCOUNT, told)).toMatchObject({ whole: true, total: 1, stored: 1 });
    await world.write('one', [world.said('today', { order: [AFTER], at: AFTER })]);
    world.tell('one', { updatedAt: AFTER + 1 });
    await stored('long ago', 'today');
  });
});

describe('one session from history', () => {
  it('is sent whole, and the result is what the server counts', async () => {
    const { shipper } = await world.window().start();
    await world.turn('one', 'a', 'b', 'c');
    expect(await shipper.shipOne(keyOf('one'), ACCOUNT, told)).toEqual({ whole: true, total: 3, stored: 3, parked: 0 });
    await world.turn('one', 'd');
    // An answer that is lost changes nothing of what is true.
    server.faults.add(EVENTS, { kind: 'drop', when: 'after' });
    expect(await shipper.shipOne(keyOf('one'), ACCOUNT, told)).toEqual({ whole: true, total: 4, stored: 1, parked: 0 });
    expect(world.stored).toEqual(['a', 'b', 'c', 'd']);
  });

  it('tells its way, ends when it is cancelled, and goes on from there', async () => {
    const { shipper } = await world.window().start();
    await world.turn('one', ...Array.from({ length: 250 }, (_, index) => `w${index}`));
    const stop = new AbortController();
    const waiting: number[] = [];
    const failed = shipper.shipOne(keyOf('one'), ACCOUNT, { signal: stop.signal, onWaiting: (count) => {
      waiting.push(count);
      if (count < 250) stop.abort();
    } });
    await expect(failed).rejects.toMatchObject({ name: 'AbortError' });
    expect(waiting).toEqual([250, 150]);
    expect(await shipper.shipOne(keyOf('one'), ACCOUNT, told)).toMatchObject({ whole: true, total: 250, parked: 0, stored: 150 });
    expect(new Set(world.stored).size).toBe(world.stored.length);
  });

  it('is refused while a turn runs, without a sign-in, and while another window ships it', async () => {
    const one = await world.window().start();
    const other = await world.window().start();
    await world.turn('one', 'a');
    world.tell('one', { state: 'running' });
    await expect(one.shipper.shipOne(keyOf('one'), ACCOUNT, told)).rejects.toMatchObject({ code: 'session_works' });
    world.tell('one', { state: 'idle' });
    one.signedIn = false;
    await expect(one.shipper.shipOne(keyOf('one'), ACCOUNT, told)).rejects.toMatchObject({ code: 'needs_sign_in', personMustAct: true });
    one.signedIn = true;
    server.faults.add(EVENTS, { kind: 'slow', ms: 80 });
    const first = one.shipper.shipOne(keyOf('one'), ACCOUNT, told);
    await until(() => server.count('POST /collectors/events') === 1);
    await expect(other.shipper.shipOne(keyOf('one'), ACCOUNT, told)).rejects.toMatchObject({ code: 'ships_elsewhere' });
    expect(await first).toMatchObject({ stored: 1 });
    await expect(one.shipper.shipOne(keyOf('gone'), ACCOUNT, told)).rejects.toMatchObject({ code: 'session_not_found' });
  });

  it('counts what another collector began by what was accepted', async () => {
    const { shipper } = await world.window().start();
    await world.turn('one', 'a');
    await shipper.shipOne(keyOf('one'), ACCOUNT, told);
    world.collector = server.newCollector();
    const second = await world.window().start();
    await world.turn('one', 'b');
    expect(await second.shipper.shipOne(keyOf('one'), ACCOUNT, told)).toEqual({ whole: true, total: 2, stored: 1, parked: 0 });
  });
});
