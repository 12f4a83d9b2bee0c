import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Session, WaitingPermission } from '../../../src/core/model/session.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { until } from '../store/support.ts';
import type { FleetWindow } from './fleetWorld.ts';
import { FleetWorld, keyOf, texts } from './fleetWorld.ts';

const PERMISSION: WaitingPermission = { requestId: 'r1', tool: 'Bash', title: 'npm test', ask: 'tool', askedAt: 1 };

let world: FleetWorld;
let first: FleetWindow;
let second: FleetWindow;
beforeEach(async () => {
  world = new FleetWorld();
  world.system.add('a');
  [first, second] = await Promise.all([world.window('first'), world.window('second')]);
  await first.connect();
});
afterEach(() => world[Symbol.asyncDispose]());

/** The first window's session `a` runs a turn. */
async function running(over: Partial<Session> = {}): Promise<void> {
  const runtime = await first.open('a');
  await runtime.send({ text: 'go', attachments: [] }, 'send');
  runtime.release();
  await until(() => world.system.delivered.length === 1);
  await first.backend.tell('a', { state: 'waiting', waiting: [PERMISSION], activity: { phase: 'waiting', since: 5, detail: null, until: null }, model: 'm1', ...over });
}

describe('a session that another window runs', () => {
  it('is shown as that window tells of it: what waits, what it does, and that it is run there', async () => {
    await running();
    await second.connect();
    const shown = await until(() => (second.shown('a')?.waiting.length === 1 ? second.shown('a') : null));
    expect(shown).toMatchObject({ owner: 'window', state: 'waiting', waiting: [PERMISSION], activity: { phase: 'waiting' }, model: 'm1' });
    // What the second window's own backend sees from outside says less, and changes nothing here, in the store or in the first window.
    await second.backend.tell('a');
    await second.fleet.refresh();
    expect(second.shown('a')).toMatchObject({ state: 'waiting', waiting: [PERMISSION] });
    await first.backend.tell('a', { state: 'idle', waiting: [], activity: null });
    await until(() => second.shown('a')?.state === 'idle');
    expect(first.shown('a')).toMatchObject({ owner: 'this', state: 'idle' });
    expect((await second.store.sessions('fake'))[0]).toMatchObject({ owner: 'this', state: 'idle' });
  });

  it('is not gone because the other window lists it not', async () => {
    await running();
    await second.connect();
    await until(() => second.shown('a')?.owner === 'window');
    world.system.sessions.delete('a');
    await second.fleet.refresh();
    expect(second.shown('a')?.owner).toBe('window');
    await until(async () => (await first.store.sessions('fake')).length === 1);
  });

  it('appears in the other window when it is made', async () => {
    await second.connect();
    const made = await first.fleet.spawn('fake', { machineId: 'here', folder: '/srv' });
    await until(() => second.shown(made.id)?.owner === 'window');
  });

  it('keeps no permission and no activity when its window is gone, and is idle', async () => {
    await running();
    await second.connect();
    await until(() => second.shown('a')?.waiting.length === 1);
    await first.die();
    await until(() => second.shown('a')?.owner === 'nobody');
    expect(second.shown('a')).toMatchObject({ state: 'idle', waiting: [], activity: null, ownerName: null });
  });

  it('run by a program that is not ours stays so in every window', async () => {
    world.system.add('f', { owner: 'foreign', ownerName: 'Claude Code in a terminal', state: 'running' });
    await second.connect();
    await first.fleet.refresh();
    await second.backend.tell('f');
    await until(async () => (await second.store.sessions('fake')).length === 2);
    await first.backend.tell('f', { updatedAt: 9 });
    await until(() => second.shown('f')?.updatedAt === 9);
    expect(second.shown('f')).toMatchObject({ owner: 'foreign', ownerName: 'Claude Code in a terminal', state: 'running' });
  });
});

describe('the chat of a session that another window runs', () => {
  it('follows its rows, those of before and those that come', async () => {
    await running();
    first.backend.say('a', 'one');
    await second.connect();
    const runtime = await second.open('a');
    await until(() => texts(runtime).includes('one'));
    expect(runtime.followsWindow).toBe(true);
    for (const text of ['two', 'three', 'four']) first.backend.say('a', text);
    await until(() => texts(runtime).includes('four'));
    expect(texts(runtime)).toEqual(['answer to go', 'one', 'two', 'three', 'four']);
  });

  it('passes answers, interrupts, settings and names to the window that runs it', async () => {
    await running();
    await second.connect();
    const runtime = await second.open('a');
    await until(() => runtime.followsWindow);
    await runtime.answer('r1', { outcome: 'allow' });
    await until(() => second.shown('a')?.waiting.length === 0);
    await runtime.interrupt();
    await runtime.set('model', 'm2');
    await second.fleet.rename(keyOf('a'), 'Another name');
    await second.fleet.archive(keyOf('a'), true);
    expect(second.shown('a')?.archived).toBe(true);
    expect(second.shown('a')?.title).toBe('Another name');
    expect(world.system.calls).toEqual(['first: answer r1 allow', 'first: interrupt', 'first: model m2', 'first: rename Another name', 'first: archive true']);
  });

  it('sends through the window that runs it, once, also where no chat is open there', async () => {
    await running({ state: 'idle', waiting: [], activity: null });
    await second.connect();
    const runtime = await second.open('a');
    await runtime.send({ text: 'from the second', attachments: [] }, 'send');
    await until(() => runtime.outboxItems().length === 0);
    expect(world.system.delivered.map(({ text, window }) => `${window}: ${text}`)).toEqual(['first: go', 'first: from the second']);
    await until(() => texts(runtime).includes('answer to from the second'));
  });

  it('goes on here when that window is gone, with the rows that it did not get to store', async () => {
    await running({ state: 'idle', waiting: [], activity: null });
    await second.connect();
    const runtime = await second.open('a');
    await until(() => texts(runtime).includes('answer to go'));
    // In the system's own record only: the first window dies before it stored them.
    world.system.write('a', 'unseen 1', 'unseen 2');
    await first.die();
    await until(() => texts(runtime).includes('unseen 2'));
    expect(runtime.followsWindow).toBe(false);
    await runtime.send({ text: 'next', attachments: [] }, 'send');
    await until(() => world.system.delivered.length === 2);
    expect(world.system.delivered[1]).toMatchObject({ text: 'next', window: 'second' });
    await until(() => second.shown('a')?.owner === 'this');
    await until(() => texts(runtime).includes('answer to next'));
    expect(texts(runtime)).toEqual(['answer to go', 'unseen 1', 'unseen 2', 'answer to next']);
  });

  it('finds in the system what the window that died was just sending, and sends it not twice', async () => {
    await second.connect();
    const handle = first.backend.session('a');
    const asked = Promise.withResolvers<string>();
    handle.send = async (prompt, clientId) => {
      await first.backend.context.leases.acquire('session:a');
      world.system.histories.set('a', [{ kind: 'prompt', id: 'p', row: 'p', order: [1], rev: 1, at: null, turn: null, parent: null, text: prompt.text, attachments: [], clientId }]);
      asked.resolve(clientId);
      return new Promise(() => undefined);
    };
    await (await first.open('a')).send({ text: 'caught by the crash', attachments: [] }, 'send');
    await asked.promise;
    const runtime = await second.open('a');
    await until(() => runtime.outboxItems()[0]?.delivery === 'sending');
    await first.die();
    await until(() => runtime.outboxItems().length === 0);
    expect(texts(runtime)).toEqual(['caught by the crash']);
    expect(world.system.delivered).toEqual([]);
  });

  it('what was asked of a window that died is not done later, but for names and settings', async () => {
    await running();
    await second.connect();
    const runtime = await second.open('a');
    await until(() => runtime.followsWindow);
    // The first window takes nothing any more, and its death shows later.
    const holder = first.store.leases.holder.bind(first.store.leases);
    first.store.leases.holder = () => Promise.resolve('other');
    await runtime.stop();
    await runtime.set('model', 'm2');
    first.store.leases.holder = holder;
    await first.die();
    await until(() => world.system.calls.length > 0);
    expect(world.system.calls).toEqual(['second: model m2']);
    expect(await second.store.takeMail(keyOf('a'))).toEqual([]);
  });

  describe('is archived', () => {
    let ahead = 0;
    let asked: Promise<void>;
    let impatient: FleetWindow;
    /** What the window that runs it does when it is asked, in place of archiving. */
    const prepare = async (instead: () => Promise<void>): Promise<void> => {
      ahead = 0;
      impatient = await world.window('impatient', { ...systemClock, setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms / 5), monotonic: () => systemClock.monotonic() + ahead });
      await running();
      await impatient.connect();
      await until(() => impatient.shown('a')?.owner === 'window');
      const { promise, resolve } = Promise.withResolvers<undefined>();
      asked = promise;
      first.backend.session('a').archive = () => {
        resolve(undefined);
        return instead();
      };
    };

    it('or it is said that its window did not', async () => {
      await prepare(() => Promise.reject(new Error('no')));
      const archiving = impatient.fleet.archive(keyOf('a'), true);
      await asked;
      ahead = 20_000;
      await expect(archiving).rejects.toMatchObject({ code: 'session_runs_elsewhere', message: expect.stringContaining('did not archive it') as string });
      expect(impatient.shown('a')?.archived).toBe(false);
    });

    it('from here where its window ended instead', async () => {
      await prepare(() => new Promise(() => undefined));
      const archiving = impatient.fleet.archive(keyOf('a'), true);
      await asked;
      await first.die();
      await until(() => impatient.shown('a')?.owner === 'nobody');
      ahead = 20_000;
      await archiving;
      expect([impatient.shown('a')?.archived, world.system.calls]).toEqual([true, ['impatient: archive true']]);
    });
  });

  it('is removed by the window that runs it', async () => {
    await running();
    await second.connect();
    await until(() => second.shown('a')?.owner === 'window');
    await second.fleet.remove(keyOf('a'));
    expect(world.system.calls).toEqual(['first: remove']);
    expect(second.shown('a')).toBe(null);
    await until(() => first.shown('a') === null);
  });
});
