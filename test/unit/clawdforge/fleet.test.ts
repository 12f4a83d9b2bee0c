import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fleet } from '../../../src/core/fleet/fleet.ts';
import type { SessionRuntime } from '../../../src/core/fleet/runtime.ts';
import type { Row } from '../../../src/core/model/row.ts';
import type { SessionKey } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import { openStore } from '../../../src/core/session/store/open.ts';
import { forgeConnection } from '../../../src/core/systems/clawdforge/connection.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { until, WORKER } from '../store/support.ts';

let server: ForgeTestServer;
let folder: string;
let token: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilothouse-forge-fleet-'));
  server = await new ForgeTestServer().start();
  token = server.token();
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** One window: a fleet over the store of the folder. */
async function inWindow<T>(work: (fleet: Fleet) => Promise<T>): Promise<T> {
  const store = await openStore({ directory: path.join(folder, 'store'), key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock, workerUrl: WORKER });
  const fleet = new Fleet({ store, log: silentLogger, clock: systemClock, stateDir: path.join(folder, 'state') });
  try {
    await fleet.setConnections([forgeConnection({ connectionId: 'forge', name: 'Forge', serverUrl: server.url, token })]);
    return await work(fleet);
  } finally {
    await fleet[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  }
}

async function made(fleet: Fleet): Promise<SessionKey> {
  const machineId = fleet.machinesOf('forge')[0]?.id ?? '';
  return sessionKey(await fleet.spawn('forge', { machineId, folder: '' }));
}

const shown = (rows: readonly Row[]): readonly unknown[] => rows.map((row) => [row.kind, row.key, 'text' in row ? row.text : row.kind === 'turn' ? row.state : null]);
const turns = (runtime: SessionRuntime): number => runtime.transcript.tail.filter((row) => row.kind === 'turn').length;

async function say(fleet: Fleet, key: SessionKey, runtime: SessionRuntime, text: string): Promise<void> {
  const before = turns(runtime);
  await runtime.send({ text, attachments: [] }, 'send');
  await until(() => turns(runtime) > before && fleet.session(key)?.state !== 'running');
}

describe('in the fleet, with a store on disk', () => {
  it('three turns are there after a restart, and after the store has lost them too', async () => {
    const { key, rows } = await inWindow(async (fleet) => {
      const key = await made(fleet);
      const runtime = await fleet.open(key);
      for (const text of ['One', 'run: echo two', 'Three']) await say(fleet, key, runtime, text);
      expect(runtime.outboxItems()).toEqual([]);
      const all = shown(runtime.transcript.tail);
      runtime.release();
      return { key, rows: all };
    });
    expect(rows).toHaveLength(12);
    await inWindow(async (fleet) => {
      expect(fleet.session(key)).toMatchObject({ title: 'One', state: 'idle' });
      const runtime = await fleet.open(key);
      await runtime.historyRead();
      expect(shown(runtime.transcript.tail)).toEqual(rows);
      runtime.release();
    });
    // The rows of the store, and nothing else.
    const store = await openStore({ directory: path.join(folder, 'store'), key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock, workerUrl: WORKER });
    await store.removeSession(key);
    await store.keep('history').set(key, null);
    await store[Symbol.asyncDispose]();
    await inWindow(async (fleet) => {
      const runtime = await fleet.open(key);
      await runtime.historyRead();
      expect(shown(runtime.transcript.tail)).toEqual(rows);
      runtime.release();
    });
    expect(server.prompts()).toEqual(['One', 'run: echo two', 'Three']);
  });

  it('a prompt for a closed session waits as failed, with the offer; resumed, it goes out once, with the transcript', async () => {
    await inWindow(async (fleet) => {
      const key = await made(fleet);
      const runtime = await fleet.open(key);
      await say(fleet, key, runtime, 'The password is lighthouse.');
      const [id = ''] = server.sessions.keys();
      server.expire(id);
      await runtime.send({ text: 'What is it?', attachments: [] }, 'send');
      await until(() => runtime.outboxItems()[0]?.delivery === 'failed');
      const [item] = runtime.outboxItems();
      expect(item?.error).toContain('Resume goes on in a fresh one');
      expect(fleet.session(key)).toMatchObject({ state: 'stopped', error: expect.stringContaining('its time was over') as string });
      await runtime.resume();
      await runtime.outboxDo(item?.clientId ?? '', 'retry');
      await until(() => turns(runtime) === 2);
      expect(runtime.outboxItems()).toEqual([]);
      expect(server.prompts()).toHaveLength(2);
      expect(JSON.stringify(runtime.transcript.tail.at(-2))).toContain('lighthouse');
      runtime.release();
    });
  });

  it('a prompt for a session that was stopped waits until the person goes on, and then goes out with what was announced', async () => {
    await inWindow(async (fleet) => {
      const key = await made(fleet);
      const runtime = await fleet.open(key);
      await say(fleet, key, runtime, 'The password is lighthouse.');
      expect(await runtime.reach.carried()).toBe('');
      await runtime.stop();
      await until(() => fleet.session(key)?.state === 'stopped');
      expect(fleet.session(key)?.error).toBeNull();
      await runtime.send({ text: 'What is it?', attachments: [] }, 'send');
      // Longer than anything takes that would send it.
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(runtime.outboxItems()).toMatchObject([{ text: 'What is it?', delivery: 'queued' }]);
      expect([server.prompts().length, server.sessions.size]).toEqual([1, 1]);
      const announced = await runtime.reach.carried();
      expect(announced).toContain('Person: The password is lighthouse.');
      await runtime.resume();
      await runtime.outboxDo(runtime.outboxItems()[0]?.clientId ?? '', 'retry');
      await until(() => turns(runtime) === 2);
      expect(server.prompts()[1]).toBe(`${announced}\n\nWhat is it?`);
      runtime.release();
    });
  });

  it('a prompt that is sent while the server is away goes out when it is back; one whose answer is lost does not go again', async () => {
    await inWindow(async (fleet) => {
      const key = await made(fleet);
      const runtime = await fleet.open(key);
      const port = Number(new URL(server.url).port);
      const { sessions } = server;
      await server.close();
      await runtime.send({ text: 'Are you there?', attachments: [] }, 'send');
      await until(() => runtime.outboxItems()[0]?.error?.includes('cannot be reached') === true);
      expect(fleet.connections()[0]?.state.status).toBe('offline');
      expect(fleet.session(key)?.state).toBe('unknown');
      const back = new ForgeTestServer();
      for (const [id, session] of sessions) back.sessions.set(id, { ...session, token: back.token() });
      token = [...back.sessions.values()][0]?.token ?? '';
      await back.start(port);
      server = back;
      await fleet.setConnections([forgeConnection({ connectionId: 'forge', name: 'Forge', serverUrl: server.url, token })]);
      const again = await fleet.open(key);
      await until(() => turns(again) === 1);
      expect(server.prompts()).toEqual(['Are you there?']);
      server.script = () => ({ events: [{ type: 'text', content: 'so far' }], cut: { after: 1 } });
      await say(fleet, key, again, 'And now?');
      await fleet.refresh();
      expect(again.outboxItems()).toEqual([]);
      expect(server.prompts()).toEqual(['Are you there?', 'And now?']);
      expect(again.transcript.tail.at(-1)).toMatchObject({ kind: 'turn', state: 'failed' });
      again.release();
      runtime.release();
    });
  });
});
