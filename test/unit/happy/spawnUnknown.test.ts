import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { HappyClient } from '../../../src/core/systems/happy/client.ts';
import { SpawnError } from '../../../src/core/systems/happy/errors.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { FakeDaemon } from './fakeDaemon.ts';

const master = Uint8Array.from(randomBytes(32));
let server: HappyTestServer;
let daemon: FakeDaemon;
let client: HappyClient;
beforeEach(async () => {
  server = await startHappyServer({ times: happyTimes(1, { rpcGrace: 400, rpcGracePoll: 20, rpcPresencePoll: 50, rpcAnswer: 1_500 }) });
  daemon = new FakeDaemon(server, master, server.tokenFor(master).token);
  await daemon.online();
  client = new HappyClient({ serverUrl: server.url, token: daemon.token, secret: toBase64(master), env: {} });
});
afterEach(async () => {
  await client.close();
  daemon.close();
  await server.close();
});
async function failure(work: Promise<unknown>): Promise<SpawnError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof SpawnError)) throw new Error(`no SpawnError but ${String(error)}`, { cause: error });
  return error;
}
const spawnOne = async (): Promise<string> => client.spawnSession({ machineId: daemon.machineId, directory: '/work' });
const spawnCalls = (): number => daemon.machine.calls.filter((call) => call.method === 'spawn-happy-session').length;

describe('a spawn that is not answered', () => {
  it('looks before it repeats: what appeared meanwhile is named, and taken for ours only where the caller allows it and it is the only one', async () => {
    await daemon.start('/work');
    daemon.onSpawned = () => new Promise(() => undefined);
    const lost = await failure(spawnOne());
    expect(lost).toMatchObject({ code: 'spawn_unknown', sessionId: null, candidates: [daemon.agents[1]?.id] });
    expect(lost.message).toContain(daemon.agents[1]?.id);
    expect(await client.spawnSession({ machineId: daemon.machineId, directory: '/work', adopt: true })).toBe(daemon.agents[2]?.id);
    daemon.onSpawned = async () => {
      daemon.onSpawned = () => undefined;
      await daemon.start('/work');
      return new Promise(() => undefined);
    };
    const two = await failure(client.spawnSession({ machineId: daemon.machineId, directory: '/work', adopt: true }));
    expect(two).toMatchObject({ code: 'spawn_unknown' });
    expect(two.candidates.toSorted()).toEqual(daemon.agents.slice(3).map(({ id }) => id).toSorted());
    expect(spawnCalls()).toBe(3);
  }, 30_000);

  it('is still unknown where the machine is away when Rig’s call is made again', async () => {
    daemon.machine.on('spawn-happy-session', async () => {
      await daemon.start('/work');
      daemon.machine.socket.disconnect();
      return new Promise(() => undefined);
    });
    const lost = await failure(client.spawnSession({ machineId: daemon.machineId, directory: '/work', agent: 'rig' }));
    expect(lost).toMatchObject({ code: 'spawn_unknown', candidates: [daemon.agents[0]?.id] });
    expect(spawnCalls()).toBe(1);
  }, 20_000);

  it('neither prompts nor ends a session that somebody else made while a task was started', async () => {
    daemon.machine.on('spawn-happy-session', async () => {
      await daemon.start('/work');
      return new Promise(() => undefined);
    });
    expect(await failure(client.runTask({ machineId: daemon.machineId, directory: '/work', prompt: 'Summarise' }))).toMatchObject({ code: 'spawn_unknown', candidates: [daemon.agents[0]?.id] });
    expect(daemon.agents[0]).toMatchObject({ dead: false, prompts: [], calls: [] });
  }, 20_000);
});
