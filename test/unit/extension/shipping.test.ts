import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Fleet } from '../../../src/core/fleet/fleet.ts';
import type { ShipStanding } from '../../../src/core/fleet/shipper.ts';
import type { AccountRecord } from '../../../src/extension/accounts/record.ts';
import { CatsyphonAccess } from '../../../src/extension/shipping/access.ts';
import { Shipping } from '../../../src/extension/shipping/shipping.ts';
import { offText, resultText, standingInShort, standingLine, whatTravels } from '../../../src/extension/shipping/words.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { Emitter } from '../../../src/core/transport/emitter.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { ACCOUNT, CONNECTION, ShipWorld } from '../fleet/shipperWorld.ts';
import { MemoryStore } from '../session/memory-store.ts';
import { recordingLog, sessionRecord, until } from '../store/support.ts';

const place = { name: 'CatSyphon', serverUrl: 'https://cat.example/api' };
const standing = (over: Partial<ShipStanding> = {}): ShipStanding => ({ account: ACCOUNT, waiting: 0, sessions: 0, parked: 0, error: null, ...over });

describe('what is said of shipping', () => {
  it('is short beside a name, and whole in a hover', () => {
    expect(standingInShort(standing())).toBe('ships');
    expect(standingInShort(standing({ waiting: 3, sessions: 1, parked: 1 }))).toBe('ships · 3 waiting · 1 parked');
    expect(standingInShort(standing({ sessions: 1, error: 'away' }))).toBe('shipping held up · 1 session waiting');
    expect(standingLine(standing({ waiting: 1, parked: 2, error: 'It is away.' }), place)).toBe('Sessions are shipped to “CatSyphon” on cat.example/api. 1 event waits. 2 events are parked: the server will never take them. It is away.');
  });

  it('names what travels and where to, and whether its way is open', () => {
    expect(whatTravels(place)).toMatch(/goes to cat\.example\/api.*Prompts, answers, thinking, tool calls.*end-to-end encrypted.*taken out/s);
    expect(whatTravels(place)).not.toContain('not encrypted.');
    expect(whatTravels({ ...place, serverUrl: 'http://10.0.0.7:8000' })).toContain('The way to it is not encrypted.');
  });

  it('is true of one session, and of what was left', () => {
    expect(resultText('x', place, { whole: true, total: 43, stored: 12, parked: 1 })).toBe('“x” is shipped to cat.example/api: 12 stored, 30 were there already, 1 parked, which the server will never take.');
    expect(resultText('x', place, { whole: true, total: 2, stored: 2, parked: 0 })).toBe('“x” is shipped to cat.example/api: 2 stored.');
    expect(resultText('x', place, { whole: false, total: 2, stored: null, parked: 0 })).toBe('“x” is shipped to cat.example/api: 2 events of it are there. A turn began meanwhile: ship it again when that is over.');
    expect(resultText('x', place, { whole: true, total: 0, stored: 0, parked: 0 })).toBe('There is nothing in “x” to ship.');
    expect([offText({ events: 0, sessions: 0 }), offText({ events: 3, sessions: 1 })]).toEqual(['Shipping is off. Everything was sent.', 'Shipping is off. 3 events of 1 session were not sent.']);
  });
});

describe('shipping in a window', () => {
  let folder: string;
  let server: CatsyphonTestServer;
  let world: ShipWorld;
  const windows: Shipping[] = [];
  const refusals: string[] = [];
  let address: string | null = null;
  beforeEach(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-shipping-'));
    server = await startCatsyphonServer();
    world = new ShipWorld(server);
    refusals.length = 0;
    address = null;
  });
  afterEach(async () => {
    for (const window of windows.splice(0)) {
      await window.close();
      window.dispose();
    }
    await world.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function open(): Shipping {
    const record: AccountRecord = { connectionId: ACCOUNT, system: 'catsyphon', name: 'CatSyphon', serverUrl: address ?? server.url, allowPlainHttp: false, identity: null, signedOut: false, createdAt: 1 };
    const access = new CatsyphonAccess({ collectorId: world.collector.id, apiKey: world.collector.key, workspaceId: null }, record);
    const shipping = new Shipping({
      store: new MemoryStore(world.database, `window ${windows.length}`), clock: { ...systemClock, now: () => 50, setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms / 1_000) }, log: recordingLog().log, folder,
      accounts: { records: () => [record], access: () => access, onChange: (listener) => new Emitter<void>().on(listener) }, refused: ({ connectionId }) => void refusals.push(connectionId),
    });
    const dressed = { ...world.fleet, marks: { redress: () => undefined }, sessions: () => world.fleet.sessions().map(shipping.dress) };
    shipping.start(dressed as unknown as Fleet);
    windows.push(shipping);
    return shipping;
  }

  it('is off until it is turned on; other windows follow; off again it stops and says what was left', async () => {
    const [one, other] = [open(), open()];
    expect([one.target(CONNECTION), one.standing(CONNECTION), one.keeps(CONNECTION)]).toEqual([null, null, false]);
    const session = sessionRecord('one', { updatedAt: 51 });
    expect(one.dress(session)).toBe(session);
    one.turnOn(CONNECTION, ACCOUNT);
    await until(() => other.target(CONNECTION) === ACCOUNT);
    expect(one.dress(session)).toEqual({ ...session, shipped: true });
    expect(one.dress(session)).toBe(one.dress(session));
    expect(one.dress(sessionRecord('older', { updatedAt: 49 })).shipped).toBeUndefined();
    world.tell('one', { updatedAt: 60 });
    await world.turn('one', 'a');
    await until(() => world.stored.length === 1);
    await until(() => !one.keeps(CONNECTION));
    server.down = true;
    await world.turn('one', 'b');
    await until(() => one.standing(CONNECTION)?.error !== null || other.standing(CONNECTION)?.error !== null);
    expect(await one.turnOff(CONNECTION)).toEqual({ events: 1, sessions: 1 });
    await until(() => other.target(CONNECTION) === null);
    server.down = false;
    await world.turn('one', 'c');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(world.stored).toEqual(['a']);
  });

  it('is not turned on for a server that nobody agreed to, nor for a connection that comes again', async () => {
    const shipping = open();
    shipping.turnOn(CONNECTION, ACCOUNT);
    expect(shipping.standing(CONNECTION)?.error).toBeNull();
    address = 'http://127.0.0.1:9';
    const moved = open();
    expect(moved.standing(CONNECTION)?.error).toContain('Its address is another one now');
    expect(moved.dress(sessionRecord('one', { updatedAt: 60 })).shipped).toBeUndefined();
    shipping.forget('another');
    expect(shipping.target(CONNECTION)).toBe(ACCOUNT);
    shipping.forget(ACCOUNT);
    expect(shipping.target(CONNECTION)).toBeNull();
    shipping.turnOn(CONNECTION, ACCOUNT);
    shipping.forget(CONNECTION);
    expect(shipping.target(CONNECTION)).toBeNull();
  });

  it('tells that a key was refused, and takes no file for an order that is none', async () => {
    writeFileSync(path.join(folder, CONNECTION), '{"account": 5}');
    const shipping = open();
    expect(shipping.target(CONNECTION)).toBeNull();
    shipping.turnOn(CONNECTION, ACCOUNT);
    world.collector.disabled = true;
    world.tell('one', { updatedAt: 60 });
    await world.turn('one', 'a');
    await until(() => refusals.length > 0);
    expect(shipping.standing(CONNECTION)?.error).toBe('Nobody is signed in to it.');
    expect(shipping.keeps(CONNECTION)).toBe(true);
  });

  it('ships one session where nothing is turned on, and marks it', async () => {
    const shipping = open();
    await world.turn('one', 'a', 'b');
    const [session] = world.fleet.sessions();
    if (session === undefined) throw new Error('there is no session');
    const report = await shipping.shipOne(`${CONNECTION}\u0000one`, ACCOUNT, { signal: new AbortController().signal, onWaiting: () => undefined });
    expect(report).toEqual({ whole: true, total: 2, stored: 2, parked: 0 });
    expect(shipping.dress(session).shipped).toBe(true);
    expect(await shipping.parked(ACCOUNT)).toEqual([]);
  });
});
