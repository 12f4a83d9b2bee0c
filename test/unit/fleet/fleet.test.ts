import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import { until } from '../store/support.ts';
import { FleetWorld, keyOf, texts } from './fleetWorld.ts';

let world: FleetWorld;
beforeEach(() => {
  world = new FleetWorld();
});
afterEach(() => world[Symbol.asyncDispose]());

describe('connections', () => {
  it('that fail are states, and good again when they are read again', async () => {
    world.system.add('a');
    const window = await world.window();
    await window.connect((backend) => {
      backend.connecting = () => Promise.reject(new PilothouseError('needs_sign_in', 'Run `fake login`.', { personMustAct: true }));
    });
    expect(window.fleet.connections()[0]?.state).toMatchObject({ status: 'failed', message: 'Run `fake login`.', remedy: null });
    window.backend.connecting = () => Promise.resolve({ status: 'ready', message: null, remedy: null, version: '2' });
    await window.fleet.refresh();
    expect(window.fleet.connections()[0]?.state).toMatchObject({ status: 'ready', version: '2' });
    expect(window.shown('a')?.state).toBe('idle');
  });

  it('that need a sign-in and offer ways to it say so', async () => {
    const window = await world.window();
    await window.connect((backend) => {
      backend.connecting = () => Promise.resolve({ status: 'needs-sign-in', message: 'Nobody is signed in.', remedy: null, version: '1' });
    });
    expect(window.fleet.connections()[0]?.canSignIn).toBe(false);
    Object.assign(window.backend, { signInMethods: () => Promise.resolve([]), signIn: () => Promise.resolve() });
    await window.fleet.refresh();
    expect(window.fleet.connections()[0]?.canSignIn).toBe(true);
    window.backend.events.emit({ type: 'connection', state: { status: 'ready', message: null, remedy: null, version: '1' } });
    expect(window.fleet.connections()[0]?.canSignIn).toBe(false);
  });

  it('one that cannot even be made keeps none of the others away, nor those set later', async () => {
    const window = await world.window();
    const broken = { ...window.spec(), connectionId: 'broken', create: () => { throw new Error('no such system'); } };
    await window.fleet.setConnections([broken, window.spec()]);
    expect(window.fleet.connections().map((each) => each.connectionId)).toEqual(['fake']);
    await window.fleet.setConnections([]);
    expect(window.fleet.connections()).toEqual([]);
    expect(window.backend.disposed).toBe(true);
  });

  it('another revision makes the backend again and keeps what is shown', async () => {
    world.system.add('a');
    const window = await (await world.window()).connect();
    await window.fleet.setConnections([window.spec('2')]);
    expect(window.backends.map((backend) => backend.disposed)).toEqual([true, false]);
    expect(window.shown('a')?.state).toBe('idle');
  });

  it('stand in the order of the settings, whichever was made again', async () => {
    const window = await world.window();
    const other = (revision: string) => ({ ...window.spec(revision), connectionId: 'other' });
    const ids = (): readonly string[] => window.fleet.connections().map((each) => each.connectionId);
    await window.fleet.setConnections([window.spec(), other('1')]);
    await window.fleet.setConnections([window.spec('2'), other('1')]);
    expect(ids()).toEqual(['fake', 'other']);
    await window.fleet.setConnections([other('1'), window.spec('2')]);
    expect(ids()).toEqual(['other', 'fake']);
  });

  it('one that is removed while it is being read leaves nothing behind', async () => {
    world.system.add('a');
    const window = await world.window();
    const gate = Promise.withResolvers<void>();
    const connecting = window.connect((backend) => {
      backend.listing = () => gate.promise;
    });
    await until(() => window.backends.length === 1 && window.backend.listings === 1);
    const removing = window.fleet.setConnections([]);
    gate.resolve();
    await Promise.all([connecting, removing]);
    expect([window.fleet.sessions(), window.fleet.connections()]).toEqual([[], []]);
  });

  it('lost contact leaves no state, no activity and nothing that waits; found again, all is read anew', async () => {
    world.system.add('a');
    const window = await (await world.window()).connect();
    await window.backend.session('a').resume();
    await window.backend.tell('a', { state: 'waiting', waiting: [{ requestId: 'r', tool: 'Bash', title: 'ls', ask: 'tool', askedAt: 1 }] });
    expect(window.shown('a')).toMatchObject({ state: 'waiting', waiting: [{ requestId: 'r' }] });
    window.backend.events.emit({ type: 'connection', state: { status: 'offline', message: 'No answer.', remedy: null, version: null } });
    expect(window.shown('a')).toMatchObject({ state: 'unknown', waiting: [], activity: null });
    window.backend.events.emit({ type: 'connection', state: { status: 'ready', message: null, remedy: null, version: null } });
    await until(() => window.shown('a')?.state === 'waiting');
  });
});

describe('sessions', () => {
  it('paint from the store with an unknown state until the backend has spoken', async () => {
    world.system.add('a', { title: 'Kept' });
    await (await (await world.window()).connect()).close();
    const window = await world.window();
    const gate = Promise.withResolvers<void>();
    const connecting = window.connect((backend) => {
      backend.listing = () => gate.promise;
    });
    await until(() => window.shown('a'));
    expect(window.shown('a')).toMatchObject({ title: 'Kept', state: 'unknown', owner: 'nobody' });
    gate.resolve();
    await connecting;
    expect(window.shown('a')?.state).toBe('idle');
  });

  it('that are gone from the system leave the list and the store', async () => {
    world.system.add('a');
    world.system.add('b');
    const window = await (await world.window()).connect();
    await until(async () => (await window.store.sessions('fake')).length === 2);
    world.system.sessions.delete('a');
    await window.fleet.refresh();
    expect(window.fleet.sessions().map((session) => session.id)).toEqual(['b']);
    await until(async () => (await window.store.sessions('fake')).length === 1);
  });

  it('beyond the page that was read are not gone', async () => {
    for (const id of ['a', 'b', 'c']) world.system.add(id);
    const window = await (await world.window()).connect((backend) => {
      backend.pageSize = 2;
    });
    expect(window.fleet.connections()[0]?.more).toBe(true);
    await window.fleet.loadMore('fake');
    expect(window.fleet.connections()[0]?.more).toBe(false);
    await window.fleet.refresh();
    expect(window.fleet.sessions().map((session) => session.id)).toEqual(['a', 'b', 'c']);
  });

  it('made while the list is being read stay', async () => {
    const window = await (await world.window()).connect();
    const gate = Promise.withResolvers<void>();
    window.backend.listing = () => gate.promise;
    const refreshing = window.fleet.refresh();
    await until(() => window.backend.listings === 2);
    const made = await window.fleet.spawn('fake', { machineId: 'here', folder: '/home/ada' });
    gate.resolve();
    await refreshing;
    expect(window.shown(made.id)).toMatchObject({ owner: 'this' });
  });

  it('removed elsewhere close what is open on them', async () => {
    world.system.add('a');
    const window = await (await world.window()).connect();
    const runtime = await window.open('a');
    window.backend.events.emit({ type: 'session-removed', sessionId: 'a' });
    await until(() => runtime.isClosed);
    expect(window.shown('a')).toBe(null);
    await expect(runtime.send({ text: 'too late', attachments: [] }, 'send')).rejects.toMatchObject({ code: 'outbox_closed' });
  });
});

describe('a chat that a reload restores', () => {
  it('waits until its session is known', async () => {
    world.system.add('a');
    const window = await world.window();
    const known = window.fleet.whenKnown(keyOf('a'));
    await window.connect();
    await known;
  });

  it('is told at once when its connection is not configured', async () => {
    const window = await world.window();
    const known = window.fleet.whenKnown(keyOf('a'));
    const told = expect(known).rejects.toMatchObject({ code: 'connection_gone' });
    await window.fleet.setConnections([]);
    await told;
  });

  it('is let go when the window closes', async () => {
    const window = await world.window();
    const known = expect(window.fleet.whenKnown(keyOf('a'))).rejects.toMatchObject({ name: 'AbortError' });
    await window.close();
    await known;
  });
});

describe('closing', () => {
  it('stores the last words of the agents that it ends, and sends nothing more to them', async () => {
    world.system.add('a');
    const window = await (await world.window()).connect();
    const runtime = await window.open('a');
    await runtime.send({ text: 'first', attachments: [] }, 'send');
    await until(() => world.system.delivered.length === 1);
    await until(() => window.shown('a')?.state === 'running');
    await runtime.send({ text: 'second', attachments: [] }, 'queue');
    await window.close();
    expect(window.backend.disposed).toBe(true);
    expect(world.system.delivered.map((each) => each.text)).toEqual(['first']);
    const next = await world.window();
    expect((await next.store.rows(keyOf('a'), 0, 10)).entries.map((entry) => entry.kind === 'text' && entry.text)).toEqual(['answer to first', 'the end']);
    expect((await next.store.outbox(keyOf('a'))).map((item) => item.text)).toEqual(['second']);
    // It goes on its way in the next window without anybody opening the chat.
    await next.connect();
    await until(() => world.system.delivered.length === 2);
    expect(world.system.delivered.at(-1)).toMatchObject({ text: 'second', window: next.name });
  });

  it('one runtime a session, however it is opened and let go', async () => {
    world.system.add('a');
    const window = await (await world.window()).connect();
    const [one, other] = await Promise.all([window.open('a'), window.open('a')]);
    expect(one).toBe(other);
    one.release();
    expect(other.isClosed).toBe(false);
    other.release();
    const again = await window.open('a');
    expect(again).not.toBe(one);
    expect([one.isClosed, again.isClosed]).toEqual([true, false]);
    again.release();
    await until(() => !window.fleet.isOpen(keyOf('a')));
    await window.close();
    await expect(window.open('a')).rejects.toMatchObject({ code: 'connection_gone' });
  });

  it('a session that begins to work here gets a runtime, so that its rows are stored', async () => {
    world.system.add('a');
    const window = await (await world.window()).connect();
    await window.backend.session('a').resume();
    await window.backend.tell('a', { state: 'running' });
    await until(() => window.fleet.isOpen(keyOf('a')) && window.backend.session('a').lively.size === 1);
    window.backend.say('a', 'by itself');
    await until(async () => (await window.store.count(keyOf('a'))) === 1);
    const runtime = await window.open('a');
    expect(texts(runtime)).toEqual(['by itself']);
  });
});
