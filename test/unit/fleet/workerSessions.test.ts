import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { SpawnOptions } from '../../../src/core/model/backend.ts';
import type { Clock } from '../../../src/core/model/context.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { endLeftSessions, isWithin, WorkerSessions } from '../../../src/core/fleet/workerSessions.ts';
import { CONNECTION } from './fakeBackend.ts';
import type { FleetWindow } from './fleetWorld.ts';
import { FleetWorld, keyOf, texts } from './fleetWorld.ts';

const LEASE = 'worker:hebing-1:text.review.v1';
const FAST = 20;
/** Time at twenty times its pace: what rests for seconds is seen in a moment. */
const fast: Clock = { ...systemClock, monotonic: () => performance.now() * FAST, setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms / FAST) };
const job = { jobId: 'job_80a978f9-5de5-44ea-8334-50d068079a02', capabilityKey: 'text.review.v1' };

function sessionsOf({ fleet, store }: FleetWindow): WorkerSessions {
  return new WorkerSessions({ fleet, store, clock: fast, log: silentLogger, leaseName: LEASE, connectionId: CONNECTION, spawn: { machineId: 'here', folder: '/home/ada/web', mode: 'default' } });
}
const never = (): AbortSignal => new AbortController().signal;
const left = async ({ store }: FleetWindow): Promise<number> => (await store.keep('worker').list('')).size;

describe('the session of a job', () => {
  test('is titled by the capability and the job, asks before it acts, answers with what its agent said last, and is stopped', async () => {
    await using world = new FleetWorld();
    const window = await (await world.window()).connect();
    const spawned: SpawnOptions[] = [];
    const spawn = window.backend.spawn.bind(window.backend);
    window.backend.spawn = (options) => {
      spawned.push(options);
      return spawn(options);
    };
    const session = await sessionsOf(window).begin(job, never());
    expect(spawned).toMatchObject([{ machineId: 'here', folder: '/home/ada/web', mode: 'default', title: 'text.review.v1 · 80a978f9' }]);
    expect(await left(window)).toBe(1);
    const answer = session.ask('Do it.', never());
    await vi.waitFor(() => expect(world.system.delivered.map((each) => each.text)).toEqual(['Do it.']));
    expect(await window.store.outbox()).toEqual([]);
    window.backend.say('s1', '{"echo":"hi"}');
    await window.backend.tell('s1', { state: 'idle', activity: null });
    expect(await answer).toBe('answer to Do it.\n\n{"echo":"hi"}');

    const second = session.ask('Again.', never());
    await vi.waitFor(() => expect(world.system.delivered).toHaveLength(2));
    await window.backend.tell('s1', { state: 'idle', activity: null });
    expect(await second).toBe('answer to Again.');

    expect(await session.end()).toBeNull();
    session.say('info', 'Submitted.');
    expect([world.system.calls, await left(window)]).toEqual([['window 1: stop'], 0]);
    const runtime = await window.open('s1');
    expect(runtime.transcript.tail.at(-1)).toMatchObject({ kind: 'notice', level: 'info', text: 'Submitted.' });
    runtime.release();
  });

  test('waits while its agent waits for the person', async () => {
    await using world = new FleetWorld();
    const window = await (await world.window()).connect();
    const session = await sessionsOf(window).begin(job, never());
    let answered = false;
    const answer = session.ask('Do it.', never()).then((text) => {
      answered = true;
      return text;
    });
    await vi.waitFor(() => expect(world.system.delivered).toHaveLength(1));
    await window.backend.tell('s1', { state: 'waiting', waiting: [{ requestId: 'p1', tool: 'Bash', title: 'ls', ask: 'tool', askedAt: 1 }] });
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(answered).toBe(false);
    await window.backend.tell('s1', { state: 'idle', waiting: [] });
    expect(await answer).toContain('answer to');
  });

  test('that fails, or is removed, gives no answer', async () => {
    await using world = new FleetWorld();
    const window = await (await world.window()).connect();
    const session = await sessionsOf(window).begin(job, never());
    const answer = session.ask('Do it.', never());
    await vi.waitFor(() => expect(world.system.delivered).toHaveLength(1));
    await window.backend.tell('s1', { state: 'failed', error: 'The model is away.' });
    await expect(answer).rejects.toMatchObject({ code: 'turn_failed', message: 'The turn failed. The model is away.' });

    const other = await sessionsOf(window).begin({ ...job, jobId: 'j2' }, never());
    const gone = other.ask('Do it.', never());
    await vi.waitFor(() => expect(world.system.delivered).toHaveLength(2));
    // Looked at from now on: it may reject before the removal is done.
    const refused = expect(gone).rejects.toMatchObject({ code: 'turn_stopped' });
    await window.fleet.remove(keyOf('s2'));
    await refused;
    expect(await other.end()).not.toBe('');
  });

  test('whose job is lost in mid-turn is interrupted, then stopped, and says so', async () => {
    await using world = new FleetWorld();
    const window = await (await world.window()).connect();
    const lost = new AbortController();
    const session = await sessionsOf(window).begin(job, lost.signal);
    const answer = session.ask('Do it.', lost.signal);
    await vi.waitFor(() => expect(window.shown('s1')?.state).toBe('running'));
    lost.abort(new Error('lost'));
    await expect(answer).rejects.toThrow('lost');
    await session.end();
    session.say('warning', 'The job was lost.');
    expect(world.system.calls).toEqual(['window 1: interrupt', 'window 1: stop']);
    const runtime = await window.open('s1');
    expect(texts(runtime).slice(-2)).toEqual(['answer to Do it.', 'notice']);
    runtime.release();
  });

  test('that comes when its job is lost is ended', async () => {
    await using world = new FleetWorld();
    const window = await (await world.window()).connect();
    const made = Promise.withResolvers<void>();
    const spawn = window.backend.spawn.bind(window.backend);
    window.backend.spawn = (options) => made.promise.then(() => spawn(options));
    const lost = new AbortController();
    const begun = sessionsOf(window).begin(job, lost.signal);
    lost.abort(new Error('lost'));
    await expect(begun).rejects.toThrow('lost');
    made.resolve();
    await vi.waitFor(() => expect(world.system.calls).toEqual(['window 1: stop']));
    expect(world.system.delivered).toEqual([]);
  });

  test('that cannot be kept in mind is ended and nothing is said in it', async () => {
    await using world = new FleetWorld();
    const window = await (await world.window()).connect();
    const sessions = new WorkerSessions({
      fleet: window.fleet, clock: fast, log: silentLogger, leaseName: LEASE, connectionId: CONNECTION, spawn: { machineId: 'here', folder: '/home/ada/web' },
      store: { keep: () => ({ get: () => Promise.resolve(null), set: () => Promise.reject(new Error('disk full')), list: () => Promise.resolve(new Map()) }) },
    });
    await expect(sessions.begin(job, never())).rejects.toThrow('disk full');
    expect(world.system.calls).toEqual(['window 1: stop']);
  });
});

describe('what a dead window left', () => {
  test('is ended by the one that works next, and by any where nobody does; nothing of it goes out again', async () => {
    await using world = new FleetWorld();
    const first = await (await world.window()).connect();
    await first.store.leases.acquire(LEASE);
    const session = await sessionsOf(first).begin(job, never());
    const answer = session.ask('Do it.', never()).catch(() => 'gone');
    await vi.waitFor(() => expect(world.system.delivered).toHaveLength(1));

    const second = await (await world.window()).connect();
    const { fleet, store } = second;
    // Its owner lives: nobody else ends it.
    await endLeftSessions({ fleet, store, leases: store.leases, log: silentLogger }, null);
    expect([world.system.calls, await left(second)]).toEqual([[], 1]);

    await first.die();
    await answer;
    world.system.sessions.set('s1', { ...(world.system.sessions.get('s1') ?? sessionMissing()), state: 'running' });
    await second.backend.context.leases.acquire('session:s1');
    await second.backend.tell('s1', {});
    await endLeftSessions({ fleet, store, leases: store.leases, log: silentLogger }, LEASE, new Set([keyOf('s1')]));
    expect(world.system.calls).toEqual([]);
    await endLeftSessions({ fleet, store, leases: store.leases, log: silentLogger }, null);
    expect([world.system.calls, await left(second), world.system.delivered.length]).toEqual([['window 2: stop'], 0, 1]);
  });
});

describe('a folder', () => {
  test('is within a root by where it really is', async () => {
    const base = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-within-'));
    try {
      for (const name of ['root/sub', 'rootless', 'root/..odd', 'out']) mkdirSync(path.join(base, name), { recursive: true });
      symlinkSync(path.join(base, 'out'), path.join(base, 'root/link'));
      symlinkSync(path.join(base, 'root'), path.join(base, 'alias'));
      const root = path.join(base, 'root');
      const asked = ['root', 'root/sub', 'root/..odd', 'alias/sub', 'root/link', 'root/../out', 'rootless', 'root/none', 'out'];
      expect(await Promise.all(asked.map((name) => isWithin(path.join(base, name), [root])))).toEqual([true, true, true, true, false, false, false, false, false]);
      expect([await isWithin(root, []), await isWithin(path.join(root, 'sub'), [path.join(base, 'alias')])]).toEqual([false, true]);
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  });
});

function sessionMissing(): never {
  throw new Error('there is no such session');
}
