import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttentionItem } from '../../../src/core/fleet/attention.ts';
import { answersAtOnce, connectionAttention, needsPerson, sessionAttention } from '../../../src/core/fleet/attention.ts';
import { AttentionQueue } from '../../../src/core/fleet/attentionQueue.ts';
import type { Connection } from '../../../src/core/fleet/connection.ts';
import type { Session, WaitingPermission } from '../../../src/core/model/session.ts';
import { outboxItem, sessionRecord, until } from '../store/support.ts';
import type { FleetWindow } from './fleetWorld.ts';
import { READY } from './fakeBackend.ts';
import { FleetWorld, keyOf } from './fleetWorld.ts';

const asks = (requestId: string, askedAt: number, over: Partial<WaitingPermission> = {}): WaitingPermission => ({ requestId, tool: 'Bash', title: 'npm test', ask: 'tool', askedAt, whole: 'npm test', ...over });
const connection: Connection = {
  connectionId: 'local-claude', name: 'Claude Code', system: 'local', state: { status: 'ready', message: null, remedy: null, version: null }, more: false, canSignIn: false, dormant: false,
  traits: { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: false, rename: 'ours', archive: 'ours', remove: true, images: false, permissions: true },
};
const none = { connection, unreadSince: null, undelivered: null };
const of = (over: Partial<Session>, facts: Partial<Parameters<typeof sessionAttention>[1]> = {}): readonly AttentionItem[] => sessionAttention(sessionRecord('a', over), { ...none, ...facts });
const kinds = (items: readonly AttentionItem[]): readonly string[] => items.map((item) => item.kind);

describe('what waits for the person in a session', () => {
  it('is every request, with what can be done where it stands', () => {
    const items = of({ state: 'waiting', waiting: [asks('r1', 5), { requestId: 'r2', tool: 'Ask', ask: 'question', title: 'Which?', askedAt: 6 }, { requestId: 'r3', tool: 'Plan', ask: 'plan', title: 'Plan', askedAt: 7 }, { requestId: 'r4', tool: 'Edit', title: 'a.ts', ask: 'tool', askedAt: 8 }] });
    expect(items.map(({ kind, text, since, can }) => [kind, text, since, can.join()])).toEqual([
      ['permission', 'npm test', 5, 'allow,deny,review'], ['question', 'Which?', 6, 'review'], ['plan', 'Plan', 7, 'review'], ['permission', 'a.ts', 8, 'review'],
    ]);
  });

  it('is a turn that ended and was not looked at: failed ones apart, none while the session works', () => {
    expect(of({ state: 'failed', error: 'no model' }, { unreadSince: 9 })).toMatchObject([{ kind: 'failed', text: 'no model', since: 9 }]);
    expect(kinds(of({ state: 'idle' }, { unreadSince: 9 }))).toEqual(['finished']);
    expect(kinds(of({ state: 'running' }, { unreadSince: 9 }))).toEqual([]);
    expect(kinds(of({ state: 'failed' }))).toEqual([]);
    expect(kinds(of({ state: 'failed', archived: true, waiting: [asks('r', 1)] }, { unreadSince: 9 }))).toEqual([]);
  });

  it('is a prompt that was given up, and one that a closed session holds until it is resumed', () => {
    const fresh = { ...connection, traits: { ...connection.traits, goesOnFresh: true as const } };
    expect(of({}, { undelivered: { failed: 1, held: 0, since: 4, error: 'refused' } })).toMatchObject([{ kind: 'undelivered', text: 'refused', since: 4 }]);
    expect(kinds(of({}, { undelivered: { failed: 0, held: 2, since: 4, error: null } }))).toEqual([]);
    expect(kinds(of({ state: 'stopped' }, { connection: fresh, undelivered: { failed: 0, held: 2, since: 4, error: null } }))).toEqual(['undelivered']);
    expect(kinds(of({ state: 'stopped' }, { undelivered: { failed: 0, held: 2, since: 4, error: null } }))).toEqual([]);
  });

  it('is answered where it stands only where it is seen whole and its agent runs', () => {
    expect(answersAtOnce(asks('r', 1), connection)).toBe(true);
    expect(answersAtOnce(asks('r', 1), { dormant: true })).toBe(false);
    expect(answersAtOnce(asks('r', 1), null)).toBe(false);
    expect(answersAtOnce({ requestId: 'r', tool: 'Bash', title: 'npm test', ask: 'tool', askedAt: 1 }, connection)).toBe(false);
    expect(answersAtOnce(asks('r', 1, { ask: 'question' }), connection)).toBe(false);
  });
});

it('a lost sign-in waits for the person; one that they gave up themselves, of an agent that was never used, or that is not run here does not', () => {
  const lost: Connection = { ...connection, connectionId: 'happy:1', system: 'happy', lastContactAt: 7, state: { status: 'needs-sign-in', message: 'Sign in again.', remedy: null, version: null } };
  expect(connectionAttention(lost, false)).toMatchObject({ kind: 'sign-in', key: null, connectionId: 'happy:1', since: 7, text: 'Sign in again.' });
  expect(connectionAttention(connection, true)).toBeNull();
  expect(connectionAttention({ ...lost, state: { ...lost.state, signedOut: true } }, true)).toBeNull();
  expect(connectionAttention({ ...lost, system: 'local' }, false)).toBeNull();
  expect(connectionAttention({ ...lost, system: 'local' }, true)).not.toBeNull();
  expect(connectionAttention({ ...lost, dormant: true }, true)).toBeNull();
});

describe('the queue', () => {
  let world: FleetWorld;
  let window: FleetWindow;
  let queue: AttentionQueue;
  let added: string[];
  beforeEach(async () => {
    world = new FleetWorld();
    for (const id of ['a', 'b', 'c', 'd']) world.system.add(id, { owner: 'this' });
    window = await world.window();
    added = [];
  });
  afterEach(async () => {
    queue.dispose();
    await world[Symbol.asyncDispose]();
  });
  const start = async (since = Date.now()): Promise<void> => {
    queue = new AttentionQueue(window.fleet, since, (error) => {
      throw error;
    });
    queue.onChange((change) => added.push(...change.added.map((item) => `${item.kind} ${item.key ?? ''}`.replace('fake\u0000', ''))));
    await window.connect();
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => window.backend.context.leases.acquire(`session:${id}`)));
    await window.fleet.refresh();
  };
  const tell = async (id: string, over: Partial<Session>): Promise<void> => {
    await window.backend.tell(id, over);
    await Promise.resolve();
  };
  const now = (): readonly string[] => queue.items().map((item) => `${item.kind} ${item.key ?? ''}`.replace('fake\u0000', ''));

  it('has what blocks an agent first, the oldest before the others, and what is only to be read last', async () => {
    await start();
    for (const id of ['a', 'b', 'c', 'd']) await tell(id, { state: 'running' });
    await tell('a', { state: 'idle', updatedAt: 50 });
    await tell('b', { state: 'failed', updatedAt: 60 });
    await tell('c', { state: 'waiting', waiting: [asks('r2', 20)] });
    await tell('d', { state: 'waiting', waiting: [asks('r1', 10, { ask: 'question' })] });
    expect(now()).toEqual(['question d', 'permission c', 'failed b', 'finished a']);
    expect(queue.needs().map((item) => item.kind)).toEqual(['question', 'permission', 'failed']);
    expect(queue.needs().every(needsPerson)).toBe(true);
    await tell('d', { state: 'running', waiting: [] });
    expect(now()).toEqual(['permission c', 'failed b', 'finished a']);
    window.fleet.attention({ focused: true, visible: true, chats: [keyOf('a'), keyOf('b')] });
    await Promise.resolve();
    expect(now()).toEqual(['permission c']);
    await window.fleet.remove(keyOf('c'));
    await until(() => now().length === 0);
  });

  it('tells what began to wait while we looked, each thing once, and not what waited when a session was first heard of', async () => {
    world.system.add('a', { owner: 'foreign', state: 'waiting', waiting: [asks('early', 5)] });
    await start();
    expect(now()).toEqual(['permission a']);
    expect(added).toEqual([]);
    await tell('b', { state: 'waiting', waiting: [asks('r1', 7)] });
    await tell('b', { state: 'waiting', waiting: [asks('r1', 7)], title: 'Another' });
    await tell('b', { state: 'waiting', waiting: [asks('r1', 7), asks('r2', 8)] });
    expect(added).toEqual(['permission b', 'permission b']);
  });

  it('is the same while a session that waits, or another one, changes in anything else', async () => {
    await start();
    await tell('a', { state: 'waiting', waiting: [asks('r1', 7)] });
    const needs = queue.needs();
    let changes = 0;
    queue.onChange(() => void (changes += 1));
    for (let at = 0; at < 5; at += 1) {
      await tell('a', { state: 'waiting', waiting: [asks('r1', 7)], updatedAt: 100 + at });
      await tell('b', { state: 'running', updatedAt: 100 + at });
    }
    expect([changes, queue.needs() === needs]).toEqual([0, true]);
    await tell('b', { state: 'idle', updatedAt: 200 });
    expect([changes, queue.needs() === needs, now()]).toEqual([1, true, ['permission a', 'finished b']]);
  });

  it('has what the person marked as unread, in every window, and tells nobody of it', async () => {
    await start();
    const other = await world.window('other');
    await tell('b', { state: 'failed' });
    expect(now()).toEqual([]);
    await other.fleet.marks.markUnread(keyOf('b'), 5);
    await until(() => now().length === 1);
    expect([now(), added]).toEqual([['failed b'], []]);
    await tell('b', { state: 'running' });
    await tell('b', { state: 'failed', updatedAt: 9 });
    expect([now(), added]).toEqual([['failed b'], ['failed b']]);
  });

  it('has prompts that were given up, also of sessions that are not open and of other windows', async () => {
    await window.store.saveOutbox(outboxItem('p1', { session: keyOf('a'), delivery: 'failed', error: 'refused', createdAt: 3 }));
    const other = await world.window('other');
    const before = new Set(window.fleet.sessions());
    expect(before.size).toBe(0);
    await window.close();
    window = await world.window('again');
    await start();
    await until(() => now().length === 1);
    expect(now()).toEqual(['undelivered a']);
    await other.store.saveOutbox(outboxItem('p2', { session: keyOf('b'), delivery: 'failed', error: 'refused', createdAt: 2 }));
    await until(() => now().length === 2);
    expect(now()).toEqual(['undelivered b', 'undelivered a']);
    const runtime = await window.open('a');
    await runtime.outboxDo('p1', 'drop');
    await until(() => now().length === 1);
    runtime.release();
  });

  describe('without contact', () => {
    const lose = async (): Promise<void> => {
      window.backend.events.emit({ type: 'connection', state: { status: 'offline', message: null, remedy: null, version: null } });
      await Promise.resolve();
      expect(window.shown('a')?.state).toBe('unknown');
    };
    const regain = async (): Promise<void> => {
      window.backend.events.emit({ type: 'connection', state: READY });
      await until(() => window.shown('a')?.state !== 'unknown');
    };

    it('keeps what was not looked at as it was, and tells nothing again when there is contact', async () => {
      await start();
      for (const id of ['a', 'b', 'c', 'd']) await tell(id, { state: 'running' });
      await tell('a', { state: 'failed', updatedAt: 60 });
      await tell('b', { state: 'idle', updatedAt: 70 });
      await tell('c', { state: 'waiting', waiting: [asks('r1', 80)] });
      await tell('d', { state: 'idle', updatedAt: 90 });
      await tell('d', { state: 'running' });
      const all = ['permission c', 'failed a', 'finished b'];
      const [asked] = queue.items();
      expect(now()).toEqual(all);
      const told = [...added];
      for (const round of [1, 2]) {
        await lose();
        expect([round, now()]).toEqual([round, ['failed a', 'finished b']]);
        expect(asked !== undefined && queue.has(asked)).toBe(true);
        await regain();
        expect([round, now(), added]).toEqual([round, all, told]);
      }
      await lose();
      window.backend.world.add('c', { owner: 'this', state: 'waiting', waiting: [asks('r2', 100)] });
      await regain();
      expect([added, asked !== undefined && queue.has(asked)]).toEqual([[...told, 'permission c'], false]);
    });

    it('is as it was when its connection is made again', async () => {
      await start();
      await tell('a', { state: 'running' });
      await tell('a', { state: 'failed', updatedAt: 60 });
      await tell('b', { owner: 'foreign', state: 'waiting', waiting: [asks('r1', 80)] });
      const told = [...added];
      expect(told).toEqual(['failed a', 'permission b']);
      await window.fleet.setConnections([window.spec('2')]);
      await until(() => window.shown('a')?.state === 'failed');
      await until(() => now().length === 2);
      expect([now(), added]).toEqual([['permission b', 'failed a'], told]);
    });

    it('has failed where its turn failed, in a window that never saw it work', async () => {
      await start();
      await tell('a', { state: 'running' });
      await tell('a', { state: 'failed', updatedAt: 60 });
      await tell('b', { state: 'running' });
      await tell('b', { state: 'failed', updatedAt: 60 });
      await tell('b', { state: 'running' });
      await tell('b', { state: 'idle', updatedAt: 70 });
      queue.dispose();
      await window.close();
      window = await world.window('again');
      queue = new AttentionQueue(window.fleet, Date.now(), () => undefined);
      await window.connect((backend) => {
        backend.connecting = () => Promise.resolve({ ...READY, status: 'offline' });
        backend.listing = () => Promise.reject(new Error('away'));
      });
      await until(() => now().length === 2);
      expect([window.shown('a')?.state, now()]).toEqual(['unknown', ['failed a', 'finished b']]);
    });
  });

  it('goes with its connection', async () => {
    await start();
    await tell('b', { state: 'waiting', waiting: [asks('r1', 7)] });
    expect(now()).toEqual(['permission b']);
    await window.fleet.setConnections([]);
    await until(() => now().length === 0);
  });
});
