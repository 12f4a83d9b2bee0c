import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionSpec } from '../../../src/core/fleet/connection.ts';
import { until } from '../store/support.ts';
import type { FleetWindow } from './fleetWorld.ts';
import { FleetWorld, keyOf, texts } from './fleetWorld.ts';

const UNTRUSTED = { code: 'untrusted_workspace', message: 'This workspace is not trusted: agents do not run here.' };
const REFUSED = { code: 'untrusted_workspace', message: UNTRUSTED.message };

let world: FleetWorld;
let trusted: FleetWindow;
let guarded: FleetWindow;
beforeEach(async () => {
  world = new FleetWorld();
  world.system.add('a');
  world.system.add('b');
  [trusted, guarded] = await Promise.all([world.window('trusted'), world.window('guarded')]);
});
afterEach(() => world[Symbol.asyncDispose]());

function dormant(window: FleetWindow): ConnectionSpec {
  return {
    ...window.spec(), dormant: UNTRUSTED,
    machines: (now) => [{ id: 'here', connectionId: 'fake', name: 'Here', state: 'online', seenAt: now, home: '/home/ada' }],
  };
}

/** A session with a transcript in the store, whose window is closed. */
async function stored(): Promise<void> {
  await trusted.connect();
  const runtime = await trusted.open('a');
  await runtime.send({ text: 'go', attachments: [] }, 'send');
  await until(() => texts(runtime).includes('answer to go'));
  await trusted.backend.tell('a', { state: 'idle', activity: null });
  runtime.release();
  await trusted.close();
}

describe('a dormant connection', () => {
  it('shows what is stored, makes no backend, and refuses whatever would run or change something', async () => {
    await stored();
    await guarded.fleet.setConnections([dormant(guarded)]);
    expect(guarded.backends).toEqual([]);
    expect(guarded.fleet.connections()).toMatchObject([{ dormant: true, state: { status: 'offline', message: UNTRUSTED.message } }]);
    expect(guarded.fleet.machines().map((machine) => machine.name)).toEqual(['Here']);
    expect(guarded.fleet.sessions().map((session) => session.title).sort()).toEqual(['Title of a', 'Title of b']);
    expect(guarded.shown('b')).toMatchObject({ state: 'unknown', waiting: [] });
    const runtime = await guarded.open('a');
    await until(() => !runtime.loading);
    expect(texts(runtime)).toContain('answer to go');
    await expect(runtime.send({ text: 'more', attachments: [] }, 'send')).rejects.toMatchObject(REFUSED);
    await expect(runtime.interrupt()).rejects.toMatchObject(REFUSED);
    await expect(runtime.resume()).rejects.toMatchObject(REFUSED);
    await expect(runtime.fork()).rejects.toMatchObject(REFUSED);
    await expect(runtime.set('model', 'm')).rejects.toMatchObject(REFUSED);
    await expect(runtime.outboxDo('x', 'retry')).rejects.toMatchObject(REFUSED);
    await expect(guarded.fleet.rename(keyOf('a'), 'other')).rejects.toMatchObject(REFUSED);
    await expect(guarded.fleet.archive(keyOf('a'), true)).rejects.toMatchObject(REFUSED);
    await expect(guarded.fleet.remove(keyOf('a'))).rejects.toMatchObject(REFUSED);
    await expect(guarded.fleet.spawn('fake', { machineId: 'here', folder: '/srv' })).rejects.toMatchObject(REFUSED);
    // Reading again asks nobody and forgets nothing.
    await guarded.fleet.refresh();
    expect(guarded.fleet.sessions()).toHaveLength(2);
    expect(world.system.delivered.map((each) => each.text)).toEqual(['go']);
  });

  it('leaves prompts and requests of others where they are, for a window that may do them', async () => {
    await stored();
    await guarded.store.saveOutbox({ clientId: 'c1', session: keyOf('a'), text: 'waits', attachments: [], delivery: 'queued', position: 1, createdAt: 1, attempts: 0, error: null, steer: false });
    await guarded.store.post({ id: 'm1', session: keyOf('a'), body: { do: 'rename', title: 'Asked for' }, createdAt: Date.now() });
    await guarded.fleet.setConnections([dormant(guarded)]);
    const runtime = await guarded.open('a');
    await until(() => !runtime.loading);
    expect(runtime.outboxItems()).toMatchObject([{ text: 'waits', delivery: 'queued' }]);
    runtime.release();
    expect(runtime.isClosed).toBe(true);
    const third = await (await world.window('third')).connect();
    await until(() => world.system.delivered.length === 2);
    expect(world.system.delivered[1]).toMatchObject({ text: 'waits', window: 'third' });
    await until(() => world.system.calls.includes('third: rename Asked for'));
    await until(() => third.shown('a')?.title === 'Asked for');
  });

  it('follows what a window runs that may, and asks nothing of it', async () => {
    await trusted.connect();
    const owner = await trusted.open('a');
    await owner.send({ text: 'go', attachments: [] }, 'send');
    await until(() => world.system.delivered.length === 1);
    await until(async () => (await guarded.store.sessions('fake')).some((session) => session.owner === 'this'));
    await guarded.fleet.setConnections([dormant(guarded)]);
    await until(() => guarded.shown('a')?.owner === 'window');
    const runtime = await guarded.open('a');
    trusted.backend.say('a', 'said there');
    await until(() => texts(runtime).includes('said there'));
    await expect(runtime.answer('r1', { outcome: 'allow' })).rejects.toMatchObject(REFUSED);
    await expect(guarded.fleet.remove(keyOf('a'))).rejects.toMatchObject(REFUSED);
    expect(world.system.calls).toEqual([]);
  });

  it('comes alive in place when it is run after all', async () => {
    await stored();
    await guarded.fleet.setConnections([dormant(guarded)]);
    const before = await guarded.open('a');
    await guarded.fleet.setConnections([guarded.spec()]);
    expect(before.isClosed).toBe(true);
    expect(guarded.fleet.connections()).toMatchObject([{ dormant: false, state: { status: 'ready' } }]);
    expect(guarded.shown('a')?.state).toBe('idle');
    const runtime = await guarded.open('a');
    await runtime.send({ text: 'again', attachments: [] }, 'send');
    await until(() => texts(runtime).includes('answer to again'));
    expect(texts(runtime)).toContain('answer to go');
  });
});
