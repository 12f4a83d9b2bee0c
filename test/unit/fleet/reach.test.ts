import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionState } from '../../../src/core/model/backend.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { SessionRuntime } from '../../../src/core/fleet/runtime.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import { until } from '../store/support.ts';
import type { FakeBackend } from './fakeBackend.ts';
import { READY } from './fakeBackend.ts';
import type { FleetWindow } from './fleetWorld.ts';
import { FleetWorld, texts } from './fleetWorld.ts';

const NEEDS: ConnectionState = { status: 'needs-sign-in', message: 'The server does not take this token any more.', remedy: null, version: null };
const place = { row: 'call:c1', order: [1, 0], rev: 0, at: 1, turn: null, parent: null };
const CALL: Entry = { ...place, kind: 'tool', id: 'call:c1/call', callId: 'c1', name: 'Bash', verb: 'execute', title: 'ls', input: {}, command: 'ls', cwd: null, locations: [], diffs: [] };
const RESULT: Entry = { ...place, kind: 'result', id: 'call:c1/result', rev: 2, callId: 'c1', status: 'ok', output: 'a.txt', exitCode: 0, durationMs: null, diffs: [], attachments: [] };

let world: FleetWorld;
let window: FleetWindow;
beforeEach(async () => {
  world = new FleetWorld();
  world.system.add('a');
  window = await world.window();
});
afterEach(() => world[Symbol.asyncDispose]());

async function account(prepare: (backend: FakeBackend) => void = () => undefined, revision = '1'): Promise<void> {
  await window.fleet.setConnections([{ ...window.spec(revision, prepare), account: true }]);
}

async function opened(): Promise<SessionRuntime> {
  const runtime = await window.open('a');
  await until(() => !runtime.loading);
  return runtime;
}

describe('a session of another machine', () => {
  it('that a person runs at its terminal is taken over by asking, and by sending', async () => {
    world.system.add('a', { owner: 'foreign', ownerName: 'a terminal on build-01' });
    await account((backend) => {
      Object.assign(backend, { traits: { ...backend.traits, takeOver: true } });
      Object.assign(backend.session('a'), { takeOver: () => Promise.resolve(void world.system.calls.push('taken over')) });
    });
    const runtime = await opened();
    await runtime.reach.takeOver();
    expect(world.system.calls).toEqual(['taken over']);
    await runtime.send({ text: 'go on', attachments: [] }, 'send');
    await until(() => world.system.delivered.length === 1);
    expect(world.system.delivered[0]).toMatchObject({ text: 'go on' });
  });

  it('without that is refused, and nothing of it is sent', async () => {
    world.system.add('a', { owner: 'foreign', ownerName: 'a terminal' });
    await account();
    const runtime = await opened();
    await expect(runtime.send({ text: 'go on', attachments: [] }, 'send')).rejects.toMatchObject({ code: 'session_runs_elsewhere' });
    await expect(runtime.reach.takeOver()).rejects.toMatchObject({ code: 'unsupported' });
    await expect(runtime.reach.readFile('/etc/hosts')).rejects.toMatchObject({ code: 'other_machine' });
    expect(runtime.reach.readsFiles).toBe(false);
  });

  it('gives the output of a tool when it is asked for, by the call behind the row', async () => {
    world.system.histories.set('a', [CALL]);
    const asked: string[] = [];
    await account((backend) => {
      Object.assign(backend.session('a'), {
        fetchOutput: (callId: string) => {
          asked.push(callId);
          return asked.length === 1 ? Promise.reject(new PilothouseError('machine_offline', 'It is offline.')) : Promise.resolve([RESULT]);
        },
        readFile: (path: string) => Promise.resolve(new TextEncoder().encode(`text of ${path}`)),
      });
    });
    const runtime = await opened();
    await until(() => runtime.transcript.total === 1);
    await expect(runtime.reach.fetchOutput('call:c1')).rejects.toMatchObject({ code: 'machine_offline' });
    expect(await runtime.transcript.row('call:c1')).toMatchObject({ status: 'running', output: '' });
    await runtime.reach.fetchOutput('call:c1');
    expect(await runtime.transcript.row('call:c1')).toMatchObject({ status: 'ok', output: 'a.txt' });
    expect(asked).toEqual(['c1', 'c1']);
    await expect(runtime.reach.fetchOutput('call:none')).rejects.toMatchObject({ code: 'not_found' });
    expect(new TextDecoder().decode(await runtime.reach.readFile('/srv/x'))).toBe('text of /srv/x');
  });
});

describe('an account that needs a sign-in', () => {
  it('offers it, keeps its sessions, and lets prompts wait until there is one', async () => {
    await account((backend) => (backend.connecting = () => Promise.resolve(NEEDS)));
    expect(window.fleet.connections()).toMatchObject([{ canSignIn: true, state: NEEDS }]);
    expect(window.shown('a')).not.toBeNull();
    const runtime = await opened();
    await runtime.send({ text: 'waits', attachments: [] }, 'send');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(runtime.outboxItems()).toMatchObject([{ text: 'waits', delivery: 'queued', error: null }]);
    runtime.release();
    await account((backend) => (backend.connecting = () => Promise.resolve(READY)), '2');
    await until(() => world.system.delivered.length === 1);
    expect(world.system.delivered[0]).toMatchObject({ text: 'waits' });
  });

  it('revoked while a prompt is on its way takes the prompt back into the queue', async () => {
    await account();
    const runtime = await opened();
    window.backend.session('a').sending = () => {
      window.backend.events.emit({ type: 'connection', state: NEEDS });
      return Promise.reject(new PilothouseError('authentication_failed', 'Sign in again.', { personMustAct: true }));
    };
    await runtime.send({ text: 'caught', attachments: [] }, 'send');
    await until(() => window.fleet.connections()[0]?.canSignIn === true && runtime.outboxItems()[0]?.delivery === 'queued');
    window.backend.session('a').sending = () => Promise.resolve();
    window.backend.events.emit({ type: 'connection', state: READY });
    await until(() => texts(runtime).includes('answer to caught'));
  });

  it('holds nothing back where an agent of this computer is not signed in: it is asked', async () => {
    await window.connect((backend) => (backend.connecting = () => Promise.resolve(NEEDS)));
    expect(window.fleet.connections()).toMatchObject([{ canSignIn: false }]);
    const runtime = await opened();
    await runtime.send({ text: 'asked', attachments: [] }, 'send');
    await until(() => world.system.delivered.length === 1);
  });
});

describe('what the person looks at', () => {
  it('is told to backends once it changes, and to those that come later', async () => {
    const told: string[] = [];
    const listens = (name: string) => (backend: FakeBackend): void => {
      Object.assign(backend, { attention: ({ focused, visible }: { focused: boolean; visible: boolean }) => told.push(`${name} ${focused} ${visible}`) });
    };
    await account(listens('first'));
    window.fleet.attention({ focused: true, visible: false });
    window.fleet.attention({ focused: true, visible: false });
    await account(listens('second'), '2');
    window.fleet.attention({ focused: false, visible: true });
    expect(told).toEqual(['first false false', 'first true false', 'second true false', 'second false true']);
  });

  it('hears which of its own chats can be seen, as often as that changes', async () => {
    const told: unknown[] = [];
    let own = '';
    await account((backend) => {
      own = backend.connectionId;
      Object.assign(backend, { attention: ({ sessions }: { sessions: readonly string[] }) => told.push(sessions) });
    });
    const looks = (...chats: readonly { readonly connectionId: string; readonly id: string }[]): void => window.fleet.attention({ focused: true, visible: true, chats: chats.map(sessionKey) });
    for (const _ of [1, 2]) looks({ connectionId: own, id: 'a' }, { connectionId: 'other', id: 'b' });
    looks({ connectionId: own, id: 'a' }, { connectionId: own, id: 'c' });
    looks();
    expect(told).toEqual([[], ['a'], ['a', 'c'], []]);
  });
});

describe('machines', () => {
  it('that several connections reach are shown once, as one with contact knows them, and are found by connection', async () => {
    const spec = (connectionId: string, state: 'online' | 'offline') => {
      const own = window.spec('1', (backend) => {
        Object.assign(backend, { connectionId, machines: () => Promise.resolve([{ id: 'm1', connectionId, name: 'build-01', state, seenAt: 1, home: null }]) });
      });
      return { ...own, connectionId };
    };
    world.system.sessions.clear();
    await window.fleet.setConnections([spec('one', 'offline'), spec('two', 'online')]);
    expect(window.fleet.machines()).toMatchObject([{ id: 'm1', connectionId: 'two', state: 'online' }]);
    expect(window.fleet.machinesOf('one')).toMatchObject([{ id: 'm1', connectionId: 'one', state: 'offline' }]);
    expect(window.fleet.machinesOf('gone')).toEqual([]);
  });
});
