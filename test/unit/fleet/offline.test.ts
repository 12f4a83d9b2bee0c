import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ConnectionSpec } from '../../../src/core/fleet/connection.ts';
import type { ConnectionState } from '../../../src/core/model/backend.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import { asOfLine } from '../../../src/extension/tree/text.ts';
import { bannerOf } from '../../../webview-ui/src/model/banner.ts';
import { clock as clockWords } from '../../../webview-ui/src/model/words.ts';
import type { ChatState } from '../../../webview-ui/src/types.ts';
import { started, send, states, World } from '../store/outboxWorld.ts';
import { until } from '../store/support.ts';
import type { FakeBackend } from './fakeBackend.ts';
import { READY } from './fakeBackend.ts';
import type { FleetWindow } from './fleetWorld.ts';
import { FleetWorld, texts } from './fleetWorld.ts';

const OFFLINE: ConnectionState = { status: 'offline', message: 'The server cannot be reached.', remedy: null, version: null };

let world: FleetWorld;
let before: FleetWindow;
let after: FleetWindow;
beforeEach(async () => {
  world = new FleetWorld();
  world.system.add('a');
  world.system.write('a', 'one', 'two', 'three');
  [before, after] = await Promise.all([world.window('before'), world.window('after')]);
});
afterEach(() => world[Symbol.asyncDispose]());

/** As of an account on a server. */
const remote = (window: FleetWindow, prepare: (backend: FakeBackend) => void = () => undefined): ConnectionSpec => ({ ...window.spec('1', prepare), system: 'happy' });
const unreachable = (): Promise<never> => Promise.reject(new PilothouseError('offline', 'The server cannot be reached.'));
/** From the start: it knows nothing, and every call fails. */
function away(backend: FakeBackend): void {
  backend.connecting = () => Promise.resolve(OFFLINE);
  backend.machines = () => Promise.resolve([]);
  backend.listing = unreachable;
  backend.session('a').sending = unreachable;
  backend.session('a').history = unreachable;
}
/** The network is back: the backend says so by itself. */
function back(backend: FakeBackend): void {
  for (const what of ['connecting', 'machines', 'listing'] as const) Reflect.deleteProperty(backend, what);
  backend.connecting = () => Promise.resolve(READY);
  backend.listing = () => Promise.resolve();
  backend.session('a').sending = () => Promise.resolve();
  Reflect.deleteProperty(backend.session('a'), 'history');
  backend.events.emit({ type: 'connection', state: READY });
}
const connection = (window: FleetWindow) => window.fleet.connections()[0];

/** A window that read everything, and was closed. Gives when. */
async function seen(): Promise<number> {
  await before.fleet.setConnections([remote(before)]);
  const runtime = await before.open('a');
  await runtime.historyRead();
  expect(runtime.asOf).toBeNull();
  expect(connection(before)?.lastContactAt ?? null).toBeNull();
  runtime.release();
  await before.close();
  return Date.now();
}

it('what was seen once is whole without contact, with its machine’s name and its age, and is caught up with by itself', async () => {
  const began = Date.now();
  const ended = await seen();
  await after.fleet.setConnections([remote(after, away)]);
  expect(after.fleet.machines()).toMatchObject([{ id: 'here', name: 'Here', home: '/home/ada', state: 'unknown', seenAt: 1 }]);
  expect(after.shown('a')).toMatchObject({ title: 'Title of a', state: 'unknown' });
  const runtime = await after.open('a');
  expect(texts(runtime)).toEqual(['one', 'two', 'three']);
  for (const at of [runtime.asOf, connection(after)?.lastContactAt]) {
    expect(at).toBeGreaterThanOrEqual(began);
    expect(at).toBeLessThanOrEqual(ended);
  }

  await runtime.send({ text: 'written in the dark', attachments: [] }, 'send');
  await until(() => runtime.outboxItems().some((item) => item.error !== null));
  expect(runtime.outboxItems()).toMatchObject([{ text: 'written in the dark', delivery: expect.stringMatching(/queued|sending/) as string }]);
  world.system.write('a', 'said meanwhile');
  back(after.backend);
  await until(() => texts(runtime).includes('said meanwhile'));
  await until(() => runtime.outboxItems().length === 0);
  expect(world.system.delivered.map(({ text }) => text)).toEqual(['written in the dark']);
  expect(runtime.asOf).toBeNull();
  await until(() => after.fleet.machines()[0]?.state === 'online');
  expect(after.shown('a')?.state).not.toBe('unknown');
  runtime.release();
});

it('contact that is lost tells when there was the last, and takes nothing away', async () => {
  await before.fleet.setConnections([remote(before)]);
  const runtime = await before.open('a');
  await runtime.historyRead();
  const lost = Date.now();
  before.backend.events.emit({ type: 'connection', state: OFFLINE });
  expect(connection(before)?.lastContactAt).toBeGreaterThanOrEqual(lost);
  expect(runtime.asOf).toBe(connection(before)?.lastContactAt);
  expect(before.fleet.machines().map(({ name }) => name)).toEqual(['Here']);
  runtime.release();
});

it('a chat that was not open while there was contact is as old as it was read, also where its system answers from what it keeps', async () => {
  const read = await seen();
  const between = await world.window('between');
  // Contact, and nobody opened it.
  await between.fleet.setConnections([remote(between)]);
  await between.close();
  const { at: contact } = JSON.parse((await after.store.keep('contact').get('fake')) ?? '{}') as { at: number };
  expect(contact).toBeGreaterThan(read);
  await after.fleet.setConnections([remote(after, (backend) => {
    away(backend);
    backend.session('a').history = () => Promise.resolve({ items: [], next: null });
  })]);
  const runtime = await after.open('a');
  await runtime.historyRead();
  expect(connection(after)?.lastContactAt).toBe(contact);
  expect(runtime.asOf).toBeLessThanOrEqual(read);
  runtime.release();
});

it('a machine that is gone from the account is gone after the next contact', async () => {
  await seen();
  await after.fleet.setConnections([remote(after, (backend) => void (backend.machines = () => Promise.resolve([])))]);
  expect(after.fleet.machines()).toEqual([]);
});

it('a session that is opened is in use, and is known to have been opened', async () => {
  await before.connect();
  const rule = { before: Number.MAX_SAFE_INTEGER, spare: [], known: before.fleet.connections().map(({ connectionId }) => connectionId) };
  const began = Date.now();
  const runtime = await before.open('a');
  await runtime.historyRead();
  expect(await before.store.survey(rule)).toMatchObject({ sessions: [], kept: { open: 1 } });
  runtime.release();
  await until(async () => (await before.store.survey(rule)).sessions.length === 1);
  expect((await before.store.survey({ ...rule, before: began })).sessions).toEqual([]);
});

it('agents of this computer have nothing as of an earlier time', async () => {
  await before.connect();
  const runtime = await before.open('a');
  before.backend.events.emit({ type: 'connection', state: OFFLINE });
  expect(runtime.asOf).toBeNull();
  runtime.release();
});

it('a connection that failed by its own account and is back by itself is read anew', async () => {
  await before.fleet.setConnections([remote(before, away)]);
  before.backend.events.emit({ type: 'connection', state: { ...OFFLINE, status: 'failed' } });
  back(before.backend);
  await until(() => before.shown('a')?.state === 'idle');
});

it('a prompt is not given up while the server is out of reach, however long, and is once it only refuses', async () => {
  const prompts = new World();
  let outOfReach = true;
  prompts.takings = Array.from({ length: 400 }, () => 'refuse' as const);
  const outbox = await started(prompts, { outOfReach: () => outOfReach });
  outbox.turnRunning(false);
  await send(outbox, 'kept');
  await prompts.clock.advance(3_600_000);
  expect(states(outbox)).toEqual(['kept queued']);
  // Tried, but seldom.
  expect(400 - prompts.takings.length).toBeLessThan(250);
  expect(400 - prompts.takings.length).toBeGreaterThan(60);
  outOfReach = false;
  prompts.takings = Array.from({ length: 400 }, () => 'refuse' as const);
  await prompts.clock.advance(3_600_000);
  expect(states(outbox)).toEqual(['kept failed']);
  await outbox[Symbol.asyncDispose]();
});

it('the tree and the chat say how old what they show is', () => {
  const now = new Date(2026, 7, 5, 16, 30).getTime();
  const at = new Date(2026, 7, 4, 14, 5).getTime();
  expect(asOfLine(at, now)).toMatch(/^as of .*4.* · no contact$/);
  expect(asOfLine(null, now)).toBeNull();
  const state = { canRun: true, owner: 'nobody', traits: {}, problem: { message: 'The server cannot be reached.', remedy: null }, asOf: at } as unknown as ChatState;
  expect(bannerOf(state, now)).toMatchObject({ level: 'warning', text: `The server cannot be reached. Shown as of ${clockWords(at, now)}. What you send waits until there is contact.` });
  expect(bannerOf({ ...state, asOf: null }, now)).toMatchObject({ level: 'error', text: 'The server cannot be reached.' });
});
