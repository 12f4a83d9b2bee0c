import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { HappyClient } from '../../../src/core/systems/happy/client.ts';
import { MachineOfflineError, SessionNotFound } from '../../../src/core/systems/happy/errors.ts';
import { SessionUnreachable, TargetDisconnected } from '../../../src/core/systems/happy/rpc.ts';
import { stopSession } from '../../../src/core/systems/happy/stop.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { FakeDaemon } from './fakeDaemon.ts';

const master = Uint8Array.from(randomBytes(32));
let server: HappyTestServer;
let daemon: FakeDaemon;
let client: HappyClient;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  server = await startHappyServer({ times: happyTimes(1, { rpcGrace: 1_500, rpcGracePoll: 20, rpcPresencePoll: 50, rpcAnswer: 1_500 }) });
  daemon = new FakeDaemon(server, master, server.tokenFor(master).token);
  await daemon.online();
  client = new HappyClient({ serverUrl: server.url, token: daemon.token, secret: toBase64(master), env: {} });
  closers.push(() => client.close());
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  daemon.close();
  await server.close();
});
const archives = (id: string): number => server.count({ method: 'POST', path: `/v1/sessions/${id}/archive` });

describe('a process that may live', () => {
  it('is not taken for dead because our own connection was lost while we asked', async () => {
    const agent = await daemon.start('/work');
    let lost = 0;
    // It obeys late, and each time that it is asked whether it lives our socket goes.
    agent.on('killSession', () => {
      setTimeout(() => void agent.exit(), 2_000);
      return { success: true };
    });
    agent.on('getDirectoryTree', () => {
      if (lost < 2) {
        lost += 1;
        client.account.socket.reconnect('a test');
        return new Promise(() => undefined);
      }
      return { success: true };
    });
    const before = performance.now();
    expect(await stopSession(client.account, agent.id)).toEqual({ step: 'ended' });
    expect(lost).toBe(2);
    expect(performance.now() - before).toBeGreaterThan(1_900);
    expect(agent.dead).toBe(true);
  }, 20_000);

  it('is asked again when its own connection went and came back, which is an error of its own', async () => {
    const agent = await daemon.start('/work');
    const row = await client.account.sessionRow(agent.id);
    agent.on('getDirectoryTree', () => {
      agent.socket.disconnect();
      setTimeout(() => agent.socket.connect(), 250);
      return new Promise(() => undefined);
    });
    await expect(client.account.sessionRpc(row, 'getDirectoryTree', {})).rejects.toBeInstanceOf(TargetDisconnected);
    await agent.online();
    let kills = 0;
    agent.on('killSession', () => {
      kills += 1;
      if (kills === 2) setTimeout(() => void agent.exit(), 20);
      return { success: true };
    });
    let looks = 0;
    agent.on('getDirectoryTree', () => {
      looks += 1;
      if (looks > 1) return { success: true };
      agent.socket.disconnect();
      setTimeout(() => agent.socket.connect(), 250);
      return new Promise(() => undefined);
    });
    await client.stopSession(agent.id);
    expect(kills).toBe(2);
    expect(agent.dead).toBe(true);
  }, 20_000);

  it('is asked though the server has not heard of it for hours', async () => {
    const agent = await daemon.start('/work');
    const real = client.account.api.session.bind(client.account.api);
    client.account.api.session = async (id, options) => {
      const row = await real(id, options);
      return row === null ? null : { ...row, active: false, activeAt: Date.now() - 7_200_000 };
    };
    expect(await stopSession(client.account, agent.id)).toEqual({ step: 'ended' });
    expect(agent.dead).toBe(true);
  });
});

describe('a machine that is away', () => {
  it('leaves it open whether the process ended: stop says so and changes nothing, delete goes on only when told to', async () => {
    const agent = await daemon.start('/work');
    const { id } = agent;
    agent.crash();
    daemon.machine.socket.disconnect();
    const error: unknown = await client.stopSession(id).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MachineOfflineError);
    expect(error).toMatchObject({ code: 'machine_offline', machineId: daemon.machineId, message: expect.stringContaining('could not be confirmed') as string });
    expect(archives(id)).toBe(0);
    await expect(client.deleteSession(id)).rejects.toBeInstanceOf(MachineOfflineError);
    expect((await client.getSession(id)).id).toBe(id);
    await client.deleteSession(id, { removeUnconfirmed: true });
    await expect(client.getSession(id)).rejects.toBeInstanceOf(SessionNotFound);
  }, 20_000);

  it('does not matter where the process wrote that it ended', async () => {
    const agent = await daemon.start('/work');
    await agent.exit();
    await server.until(() => agent.dead, 'the end');
    daemon.machine.socket.disconnect();
    await client.stopSession(agent.id);
    expect(archives(agent.id)).toBe(1);
    await expect(client.account.sessionRpc(await client.account.sessionRow(agent.id), 'abort', {})).rejects.toBeInstanceOf(SessionUnreachable);
  }, 20_000);

  it('is asked where it is there: what it does not know has ended', async () => {
    const agent = await daemon.start('/work');
    agent.crash();
    expect(await stopSession(client.account, agent.id)).toEqual({ step: 'nothing-to-stop' });
    expect(daemon.machine.calls.some(({ method }) => method === 'stop-session')).toBe(true);
  });
});
