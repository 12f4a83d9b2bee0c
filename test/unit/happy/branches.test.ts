import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ForkPoint } from '../../../src/core/model/backend.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { HappyAccount } from '../../../src/core/systems/happy/account.ts';
import { forkSession, resumeSession } from '../../../src/core/systems/happy/backend/branches.ts';
import { canForkAt } from '../../../src/core/systems/happy/backend/forkCopy.ts';
import type { HappyDesk } from '../../../src/core/systems/happy/backend/desk.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { ConnectionError } from '../../../src/core/systems/happy/errors.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { FakeAgent, FakeDaemon } from './fakeDaemon.ts';

const master = Uint8Array.from(randomBytes(32));
let server: HappyTestServer;
let daemon: FakeDaemon;
let account: HappyAccount;
let desk: HappyDesk;
beforeEach(async () => {
  server = await startHappyServer({ times: happyTimes(1, { rpcGrace: 400, rpcGracePoll: 20, rpcPresencePoll: 50, rpcAnswer: 1_500 }) });
  daemon = new FakeDaemon(server, master, server.tokenFor(master).token);
  await daemon.online();
  account = new HappyAccount({ credentials: explicitCredentials({ token: daemon.token, secret: toBase64(master) }, { serverUrl: server.url, env: {} }) });
  const marks = { archived: () => false };
  desk = { account, marks, signs: { rose: () => undefined }, changed: () => undefined, adopt: (id: string) => Promise.resolve({ id }) } as unknown as HappyDesk;
});
afterEach(async () => {
  await account[Symbol.asyncDispose]();
  daemon.close();
  await server.close();
});

describe('a resume whose answer is lost', () => {
  const flicker = (): Promise<never> => {
    daemon.machine.socket.disconnect();
    setTimeout(() => daemon.machine.socket.connect(), 250);
    return new Promise(() => undefined);
  };

  it('is not repeated where the process listens', async () => {
    const agent = await daemon.start('/work');
    let calls = 0;
    daemon.machine.on('resume-happy-session', () => {
      calls += 1;
      return flicker();
    });
    await resumeSession(desk, agent.id, {});
    expect(calls).toBe(1);
  }, 20_000);

  it('is made once more where nothing does', async () => {
    const agent = await daemon.start('/work');
    agent.crash();
    let calls = 0;
    daemon.machine.on('resume-happy-session', async () => {
      calls += 1;
      if (calls === 1) return flicker();
      const risen = new FakeAgent(daemon, agent.id, agent.cipher, agent.metadata, 9);
      daemon.agents.push(risen);
      await risen.online();
      return { type: 'success', sessionId: agent.id };
    });
    await resumeSession(desk, agent.id, {});
    expect(calls).toBe(2);
  }, 20_000);
});

describe('a fork', () => {
  const forked = async (): Promise<string> => {
    const agent = await daemon.start('/work', { claudeSessionId: 'c1' });
    daemon.machine.on('claude-fork-session', () => ({ success: true, newClaudeSessionId: 'c2' }));
    daemon.machine.on('spawn-happy-session', async () => ({ type: 'success', sessionId: (await daemon.start('/work', { summary: { text: 'its own', kept: 7 } })).id }));
    return (await forkSession(desk, agent.id, {})).id;
  };

  it('keeps what its summary holds beside the title', async () => {
    const id = await forked();
    expect(daemon.agents[1]?.cipher.open((await account.sessionRow(id)).metadata)).toMatchObject({ summary: { text: expect.stringContaining('(fork)') as string, kept: 7 } });
  }, 20_000);

  it('is there though its title could not be written', async () => {
    account.ask = () => Promise.reject(new ConnectionError('lost'));
    account.api.session = ((read) => (id, options) => (id === daemon.agents[1]?.id ? Promise.reject(new ConnectionError('lost')) : read(id, options)))(account.api.session.bind(account.api));
    expect(await forked()).toBe(daemon.agents[1]?.id);
  }, 20_000);
});

describe('a fork at an earlier prompt', () => {
  const points = [{ uuid: 'u1', text: 'One', timestamp: 1 }, { uuid: 'u2', text: 'Go on', timestamp: 2 }, { uuid: 'u3', text: 'Three', timestamp: 3 }, { uuid: 'u4', text: ' Go on\n', timestamp: 4 }];
  const point = (text: string, more: Partial<ForkPoint> = {}): ForkPoint => ({ row: 'r', text, turnBefore: null, first: false, sameBehind: 0, ...more });
  /** What the machine was asked to copy, and to start. */
  const forkAt = async (at: ForkPoint, metadata: JsonObject = { claudeSessionId: 'c1' }): Promise<{ readonly cut: unknown; readonly started: unknown }> => {
    const agent = await daemon.start('/work', metadata);
    let cut: unknown = null;
    let started: unknown = null;
    daemon.machine.on('claude-list-rewind-points', () => ({ type: 'success', points }));
    daemon.machine.on('claude-duplicate-session', (params) => {
      cut = params;
      return { type: 'success', newClaudeSessionId: 'c2' };
    });
    daemon.machine.on('spawn-happy-session', async (params) => {
      started = params;
      return { type: 'success', sessionId: (await daemon.start('/work')).id };
    });
    await forkSession(desk, agent.id, { at });
    return { cut, started };
  };

  it('takes over all that follows the prompt before it', async () => {
    const { cut, started } = await forkAt(point('Three'));
    expect(cut).toEqual({ directory: '/work', claudeSessionId: 'c1', cutAfterUuid: 'u2' });
    expect(started).toMatchObject({ resumeClaudeSessionId: 'c2' });
  }, 20_000);

  it('tells prompts of one text apart by how many follow', async () => {
    expect((await forkAt(point('Go on'))).cut).toMatchObject({ cutAfterUuid: 'u3' });
    expect((await forkAt(point('Go on', { sameBehind: 1 }))).cut).toMatchObject({ cutAfterUuid: 'u1' });
  }, 20_000);

  it('has no past at the first prompt of all', async () => {
    const { cut, started } = await forkAt(point('One', { first: true }));
    expect(cut).toBeNull();
    expect(started).not.toHaveProperty('resumeClaudeSessionId');
  }, 20_000);

  it('is refused where the machine does not know the prompt, or what was before it, and for other agents', async () => {
    for (const at of [point('Never'), point('Go on', { sameBehind: 2 }), point('One')]) await expect(forkAt(at)).rejects.toMatchObject({ code: 'fork_point_not_found' });
    await expect(forkAt(point('Three'), { codexThreadId: 't1' })).rejects.toMatchObject({ code: 'unsupported' });
    expect([canForkAt({ agent: 'claude' }), canForkAt({ agent: 'codex' }), canForkAt(null)]).toEqual([true, false, false]);
  }, 20_000);
});
