import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../../../src/core/model/session.ts';
import { until } from '../store/support.ts';
import { CONNECTION } from './fakeBackend.ts';
import type { FleetWindow } from './fleetWorld.ts';
import { FleetWorld, keyOf } from './fleetWorld.ts';

const A = keyOf('a');
let world: FleetWorld;
let first: FleetWindow;
beforeEach(async () => {
  world = new FleetWorld();
  world.system.add('a');
  first = await world.window('first');
});
afterEach(() => world[Symbol.asyncDispose]());

const marks = (window: FleetWindow): Pick<Session, 'pinned' | 'unread'> => {
  const { pinned, unread } = window.shown('a') ?? {};
  return { ...(pinned === undefined ? {} : { pinned }), ...(unread === undefined ? {} : { unread }) };
};
const look = (window: FleetWindow, focused: boolean, ...chats: string[]): void => window.fleet.attention({ focused, visible: true, chats });

/** A turn of session `a` in a window that runs it. */
async function turn(window: FleetWindow, end: Partial<Session> = { state: 'idle' }): Promise<void> {
  await window.backend.context.leases.acquire('session:a');
  await window.backend.tell('a', { state: 'running' });
  await window.backend.tell('a', end);
}

describe('unread', () => {
  it('is a session whose turn ended while nobody looked, until its chat is looked at', async () => {
    await first.connect();
    expect(marks(first)).toEqual({});
    await turn(first, { state: 'idle', updatedAt: 77 });
    expect(marks(first)).toEqual({ unread: true });
    expect(first.fleet.sessions()[0]?.unread).toBe(true);
    expect(first.fleet.marks.unreadSince(A)).toBe(77);
    look(first, false, A);
    expect(marks(first)).toEqual({ unread: true });
    look(first, true, A);
    expect(marks(first)).toEqual({});
    expect(first.fleet.marks.unreadSince(A)).toBeNull();
  });

  it('is one whose turn failed, also while it started, and none whose chat is looked at, that was stopped, or that only started', async () => {
    await first.connect();
    await turn(first, { state: 'stopped' });
    expect(marks(first)).toEqual({});
    await first.backend.tell('a', { state: 'starting' });
    await first.backend.tell('a', { state: 'idle' });
    expect(marks(first)).toEqual({});
    look(first, true, A);
    await turn(first);
    expect(marks(first)).toEqual({});
    look(first, true);
    await first.backend.tell('a', { state: 'starting' });
    await first.backend.tell('a', { state: 'failed', error: 'no' });
    expect(marks(first)).toEqual({ unread: true });
  });

  it('is not a turn that the person broke off, but the one after it', async () => {
    await first.connect();
    first.fleet.marks.breakOff(A);
    await first.backend.context.leases.acquire('session:a');
    await first.backend.tell('a', { state: 'running' });
    first.fleet.marks.breakOff(A);
    await first.backend.tell('a', { state: 'waiting' });
    await first.backend.tell('a', { state: 'idle' });
    expect(marks(first)).toEqual({});
    await turn(first);
    expect(marks(first)).toEqual({ unread: true });
  });

  it('is not what a person does at a terminal', async () => {
    world.system.add('a', { owner: 'foreign', state: 'running' });
    await first.connect();
    await first.backend.tell('a', { state: 'idle', owner: 'foreign' });
    expect(first.shown('a')?.state).toBe('idle');
    expect(marks(first)).toEqual({});
  });

  it('stays with a lost contact in between, and is known when a turn ended while no window was open', async () => {
    await first.store.saveSessions([{ ...world.system.sessions.get('a') ?? never(), state: 'running' }]);
    await first.close();
    const later = await world.window('later');
    await later.connect();
    await until(() => later.shown('a')?.state === 'idle');
    expect(marks(later)).toEqual({ unread: true });
    await later.fleet.marks.markRead(A);
    await later.backend.context.leases.acquire('session:a');
    await later.backend.tell('a', { state: 'running' });
    await later.backend.tell('a', { state: 'unknown' });
    await later.backend.tell('a', { state: 'idle' });
    expect(marks(later)).toEqual({ unread: true });
  });

  it('is not what ended because its window was closed', async () => {
    await first.connect();
    await first.backend.context.leases.acquire('session:a');
    await first.backend.tell('a', { state: 'running' });
    await first.store.saveSessions([first.shown('a') ?? never()]);
    await first.close();
    const later = await (await world.window('later')).connect();
    await until(() => later.shown('a')?.state === 'idle');
    expect(marks(later)).toEqual({});
  });

  it('by hand stands while the chat is looked at, until it is looked at anew', async () => {
    await first.connect();
    look(first, true, A);
    await first.fleet.marks.markUnread(A, 5);
    expect(marks(first)).toEqual({ unread: true });
    look(first, true);
    look(first, true, A);
    expect(marks(first)).toEqual({});
  });
});

describe('marks of several windows', () => {
  it('are seen in every window, outlive all of them, and are not part of the stored session', async () => {
    await first.connect();
    const second = await (await world.window('second')).connect();
    await first.fleet.marks.pin(A, true);
    await first.fleet.marks.markUnread(A, 5);
    await until(() => marks(second).pinned === true && marks(second).unread === true);
    await second.fleet.marks.pin(A, false);
    await until(() => marks(first).pinned !== true);
    await second.fleet.marks.pin(A, true);
    await until(() => marks(first).pinned === true);
    await first.backend.tell('a', { title: 'Another' });
    await until(async () => (await first.store.sessions(CONNECTION))[0]?.title === 'Another');
    expect((await first.store.sessions(CONNECTION))[0]).not.toHaveProperty('pinned');
    await first.close();
    await second.close();
    const third = await (await world.window('third')).connect();
    await until(() => marks(third).pinned === true);
    expect(marks(third)).toEqual({ pinned: true, unread: true });
    expect(third.fleet.marks.unreadSince(A)).toBe(5);
  });

  it('are read in the window that looks, where another one saw the turn end', async () => {
    await first.connect();
    const second = await (await world.window('second')).connect();
    look(second, true, A);
    await turn(first);
    expect(marks(first)).toEqual({ unread: true });
    await until(() => marks(first).unread === undefined);
    expect(marks(second)).toEqual({});
  });

  it('come in one go where many were made', async () => {
    const keys = Array.from({ length: 120 }, (_, index) => `m${index}`);
    for (const id of keys) world.system.add(id);
    await first.connect();
    const second = await (await world.window('second')).connect();
    await until(() => second.fleet.sessions().length === 121);
    await Promise.all(keys.map((id) => first.fleet.marks.pin(keyOf(id), true)));
    await until(() => second.fleet.sessions().filter((session) => session.pinned === true).length === 120);
  });

  it('go with the session', async () => {
    await first.connect();
    await first.fleet.marks.pin(A, true);
    await first.fleet.remove(A);
    expect((await first.store.keep('pins').list('')).size).toBe(0);
  });
});

it('a session keeps its identity while nothing of it changes, marked or not', async () => {
  await first.connect();
  expect(first.shown('a')).toBe(first.shown('a'));
  await first.fleet.marks.pin(A, true);
  expect(first.shown('a')).toBe(first.shown('a'));
  expect(first.fleet.sessions()[0]).toBe(first.shown('a'));
});

function never(): never {
  throw new Error('there is no session');
}
