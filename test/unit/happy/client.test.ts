import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { HappyClient } from '../../../src/core/systems/happy/client.ts';
import { AuthenticationError, HappyError, MachineOfflineError, SessionNotFound, SpawnError, TimeoutError } from '../../../src/core/systems/happy/errors.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { FakeAgent, FakeDaemon } from './fakeDaemon.ts';

let server: HappyTestServer;
let daemon: FakeDaemon;
let client: HappyClient;
const master = Uint8Array.from(randomBytes(32));
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  server = await startHappyServer({ times: happyTimes(1, { rpcGrace: 400, rpcGracePoll: 20, rpcPresencePoll: 50, rpcAnswer: 1_500 }) });
  daemon = new FakeDaemon(server, master, server.tokenFor(master).token);
  await daemon.online();
  client = another();
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  daemon.close();
  await server.close();
});

function another(): HappyClient {
  const made = new HappyClient({ serverUrl: server.url, token: server.tokenFor(master).token, secret: toBase64(master), env: {} });
  closers.push(() => made.close());
  return made;
}
async function failure(work: Promise<unknown>): Promise<HappyError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HappyError)) throw new Error(`no HappyError but ${String(error)}`, { cause: error });
  return error;
}
const spawnOne = async (): Promise<string> => client.spawnSession({ machineId: daemon.machineId, directory: '/work' });
const agentOf = (id: string): FakeDaemon['agents'][number] => {
  const agent = daemon.agents.find((one) => one.id === id);
  if (agent === undefined) throw new Error(`no agent ${id}`);
  return agent;
};

describe('spawn', () => {
  it('starts a session, and names it', async () => {
    const id = await client.spawnSession({ machineId: daemon.machineId, directory: '/work', name: 'Nightly build' });
    const session = await client.getSession(id);
    expect(session).toMatchObject({ id, active: true, readable: 'yes', metadata: { path: '/work', machineId: daemon.machineId, name: 'Nightly build', summary: { text: 'Nightly build' } } });
    expect(daemon.machine.calls[0]?.params).toMatchObject({ type: 'spawn-in-directory', directory: '/work', agent: 'claude', approvedNewDirectoryCreation: false });
  });

  it('asks before a folder is made, and makes it when allowed', async () => {
    const error = await failure(client.spawnSession({ machineId: daemon.machineId, directory: '/new' }));
    expect(error).toBeInstanceOf(SpawnError);
    expect(error).toMatchObject({ code: 'folder_missing', directory: '/new', machineId: daemon.machineId });
    expect(await client.spawnSession({ machineId: daemon.machineId, directory: '/new', createDir: true })).toBe(daemon.agents[0]?.id);
  });

  it('says what the machine said, that it is offline, and that it is unknown', async () => {
    daemon.machine.on('spawn-happy-session', () => ({ error: 'Unsupported agent type: \'nonsense\'.' }));
    expect(await failure(client.spawnSession({ machineId: daemon.machineId, directory: '/work', agent: 'nonsense' }))).toMatchObject({ code: 'spawn_failed', message: expect.stringContaining('nonsense') as string });
    daemon.machine.socket.disconnect();
    const offline = await failure(spawnOne());
    expect(offline).toBeInstanceOf(MachineOfflineError);
    expect(offline).toMatchObject({ code: 'machine_offline', machineId: daemon.machineId });
    expect(await failure(client.spawnSession({ machineId: randomUUID(), directory: '/work' }))).toMatchObject({ code: 'machine_not_found' });
    expect(await failure(client.spawnSession({ machineId: daemon.machineId, directory: ' ' }))).toMatchObject({ code: 'invalid_argument' });
  });
});

describe('sessions', () => {
  it('lists all of them past every cap, and single ones by id', async () => {
    const made: string[] = [];
    for (let count = 0; count < 205; count += 1) {
      const cipher = daemon.machine.cipher;
      const answer = (await daemon.post('/v1/sessions', { tag: randomUUID(), metadata: cipher.seal({ n: count }), agentState: null, dataEncryptionKey: null })) as { session: { id: string } };
      made.push(answer.session.id);
    }
    const listed = await client.listSessions();
    expect(new Set(listed.map((one) => one.id))).toEqual(new Set(made));
    expect(listed.every((one) => one.readable === 'damaged')).toBe(true);
    for (const id of [made[0], made[100], made[204]]) expect((await client.getSession(id ?? '')).id).toBe(id);
    expect(await failure(client.getSession('cmaaaaaaaaaaaaaaaaaaaaaaa'))).toBeInstanceOf(SessionNotFound);
    expect(await failure(client.getSession('../../v1/machines'))).toBeInstanceOf(SessionNotFound);
    expect(await failure(client.getSession(''))).toMatchObject({ code: 'invalid_argument' });
  });

  it('lists machines, and what is active', async () => {
    const id = await spawnOne();
    await client.stopSession(id);
    const other = await spawnOne();
    expect((await client.listSessions({ activeOnly: true })).map((one) => one.id)).toEqual([other]);
    expect(await client.isAlive(other)).toBe(true);
    expect(await client.isAlive(id)).toBe(false);
    expect(await client.listMachines()).toMatchObject([{ id: daemon.machineId, readable: 'yes', metadata: { host: 'lab' }, daemonState: { status: 'running' } }]);
    expect(await client.getMachine(daemon.machineId)).toMatchObject({ metadata: { platform: 'linux' } });
  });

  it('reads all messages, the one that is damaged too', async () => {
    const id = await spawnOne();
    const agent = agentOf(id);
    for (let count = 0; count < 7; count += 1) await agent.say(...Array.from({ length: 100 }, (_, n) => ({ id: `${count}-${n}`, role: 'agent', ev: { t: 'text', text: `${count * 100 + n}` } })));
    server.append(id, 'Z2FyYmFnZQ==');
    const messages = await client.getMessages(id);
    expect(messages.map((one) => one.seq)).toEqual(Array.from({ length: 701 }, (_, n) => n + 1));
    expect(messages[0]).toMatchObject({ readable: true, content: { role: 'session' } });
    expect(messages[700]).toMatchObject({ readable: false, content: null });
    expect((await client.getMessages(id, { after: 699 })).map((one) => one.seq)).toEqual([700, 701]);
  });

  it('sends a prompt once, however often the wire fails', async () => {
    const id = await spawnOne();
    agentOf(id).turn = () => Promise.resolve();
    server.faults.http({ method: 'POST', path: `/v3/sessions/${id}/messages` }, { kind: 'drop', when: 'after' });
    server.faults.http({ method: 'POST', path: `/v3/sessions/${id}/messages` }, { kind: 'status', status: 502, applied: true });
    const sent = await client.sendMessage(id, 'hello', { permissionMode: 'yolo', localId: 'abc' });
    await client.sendMessage(id, 'hello', { permissionMode: 'yolo', localId: 'abc' });
    expect(sent).toMatchObject({ localId: 'abc', seq: 1 });
    await server.until(() => agentOf(id).prompts.length > 0, 'the prompt');
    expect(server.messages(id).filter((message) => message.localId === 'abc')).toHaveLength(1);
    expect(agentOf(id).prompts).toEqual(['hello']);
    expect(agentOf(id).metas).toEqual([{ sentFrom: 'pilothouse', permissionMode: 'yolo' }]);
    expect(await failure(client.sendMessage(id, '  '))).toMatchObject({ code: 'invalid_argument' });
    expect(await failure(client.sendMessage('cmaaaaaaaaaaaaaaaaaaaaaaa', 'hello'))).toBeInstanceOf(SessionNotFound);
  });
});

describe('a session whose record cannot be read', () => {
  it('is sent nothing: its agent could not read it either', async () => {
    const answer = (await daemon.post('/v1/sessions', { tag: 'x', metadata: 'Z2FyYmFnZQ==', agentState: null, dataEncryptionKey: null })) as { session: { id: string } };
    expect(await failure(client.sendMessage(answer.session.id, 'hello'))).toMatchObject({ code: 'encryption_failed' });
    expect(server.messages(answer.session.id)).toEqual([]);
  });
});

describe('waits', () => {
  it('ends with the turn, also one that ended before the call, and with a session that was never asked', async () => {
    const id = await spawnOne();
    await client.waitForTurnCompletion(id, { timeoutSeconds: 8 });
    agentOf(id).turn = (text) => agentOf(id).speak(text, 300);
    await client.sendMessage(id, 'one');
    await client.waitForTurnCompletion(id, { timeoutSeconds: 8 });
    expect(server.messages(id)).toHaveLength(4);
    await client.waitForTurnCompletion(id, { timeoutSeconds: 8 });
    await client.waitForIdle(id, { timeoutSeconds: 8 });
  });

  it('survives a server that restarts in mid-turn', async () => {
    const id = await spawnOne();
    let finish: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    agentOf(id).turn = async (text) => {
      agentOf(id).think(true);
      await gate;
      await agentOf(id).online();
      await agentOf(id).speak(text);
    };
    await client.sendMessage(id, 'one');
    let ended = false;
    const waiting = client.waitForTurnCompletion(id, { timeoutSeconds: 20 }).then(() => {
      ended = true;
      return ended;
    });
    await server.until(() => agentOf(id).thinking, 'the turn');
    await server.restart(300);
    expect(ended).toBe(false);
    finish();
    expect(await waiting).toBe(true);
    expect(server.messages(id)).toHaveLength(4);
  });

  it('says that the time is over, that the process has ended, and that the session is gone', async () => {
    const id = await spawnOne();
    agentOf(id).turn = () => {
      agentOf(id).think(true);
      return Promise.resolve();
    };
    await client.sendMessage(id, 'one');
    const late = await failure(client.waitForTurnCompletion(id, { timeoutSeconds: 0.4 }));
    expect(late).toBeInstanceOf(TimeoutError);
    expect(await failure(client.waitForIdle(id, { timeoutSeconds: 0 }))).toMatchObject({ code: 'invalid_argument' });
    const ended = failure(client.waitForTurnCompletion(id, { timeoutSeconds: 8 }));
    await agentOf(id).exit();
    expect(await ended).toMatchObject({ code: 'session_stopped' });
    const stop = new AbortController();
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(client.waitForIdle(id, { signal: stop.signal })).rejects.toBe(reason);
    expect(await failure(client.waitForIdle('cmaaaaaaaaaaaaaaaaaaaaaaa'))).toBeInstanceOf(SessionNotFound);
  });

  it('waits for a permission to be answered', async () => {
    const id = await spawnOne();
    await agentOf(id).setState({ controlledByUser: false, requests: { r1: { tool: 'Bash', arguments: { command: 'ls' }, createdAt: 1 } }, completedRequests: {} });
    const waiting = client.waitForIdle(id, { timeoutSeconds: 10 });
    expect(await Promise.race([waiting, new Promise((resolve) => {
      setTimeout(() => resolve('still'), 900);
    })])).toBe('still');
    await client.answerPermission(id, 'r1', { approved: true });
    await waiting;
    expect(agentOf(id).calls.at(-1)).toEqual({ method: 'permission', params: { id: 'r1', approved: true } });
    expect(await failure(client.answerPermission(id, 'r1', { approved: true }))).toMatchObject({ code: 'already_answered' });
  });
});

describe('stop and delete', () => {
  it('ends the process, marks it inactive and makes sure', async () => {
    const id = await spawnOne();
    await client.stopSession(id);
    expect(agentOf(id).dead).toBe(true);
    expect(server.count({ method: 'POST', path: `/v1/sessions/${id}/archive` })).toBe(1);
    expect(await client.isAlive(id)).toBe(false);
  });

  it('does not wait the server\'s 15 s for a process that wrote that it is archived and keeps silent', async () => {
    const slow = await startHappyServer();
    const other = new FakeDaemon(slow, master, slow.tokenFor(master).token);
    closers.push(async () => {
      other.close();
      await slow.close();
    });
    await other.online();
    const agent = await other.start('/work');
    const owner = new HappyClient({ serverUrl: slow.url, token: slow.tokenFor(master).token, secret: toBase64(master), env: {} });
    closers.unshift(() => owner.close());
    const before = performance.now();
    await owner.stopSession(agent.id);
    expect(performance.now() - before).toBeLessThan(6_000);
    expect(agent.dead).toBe(true);
    await owner.stopSession(agent.id);
    // Nothing that would end it waits for the process that comes next.
    const risen = new FakeAgent(other, agent.id, agent.cipher, agent.metadata, 9);
    closers.unshift(() => Promise.resolve(risen.crash()));
    await risen.online();
    await new Promise((resolve) => {
      setTimeout(resolve, 600);
    });
    expect(risen.calls.map(({ method }) => method).filter((method) => method === 'killSession')).toEqual([]);
    risen.crash();
    await owner.deleteSession(agent.id);
    expect(performance.now() - before).toBeLessThan(15_000);
  }, 20_000);

  it('has the machine end a process that is deaf', async () => {
    const id = await spawnOne();
    agentOf(id).on('killSession', () => {
      throw new Error('no');
    });
    await client.stopSession(id);
    expect(agentOf(id).dead).toBe(true);
    expect(daemon.machine.calls.some((call) => call.method === 'stop-session')).toBe(true);
  });

  it('finds one that crashed dead already', async () => {
    const id = await spawnOne();
    agentOf(id).crash();
    await client.stopSession(id);
    expect(server.count({ method: 'POST', path: `/v1/sessions/${id}/archive` })).toBe(1);
  });

  it('stops before it deletes', async () => {
    const id = await spawnOne();
    await client.deleteSession(id);
    expect(agentOf(id).dead).toBe(true);
    expect(await failure(client.getSession(id))).toBeInstanceOf(SessionNotFound);
    expect(await failure(client.deleteSession(id))).toBeInstanceOf(SessionNotFound);
  });
});

describe('tasks', () => {
  it('spawns, sends, waits and stops', async () => {
    const id = await client.runTask({ machineId: daemon.machineId, directory: '/work', prompt: 'Summarise' });
    expect(agentOf(id)).toMatchObject({ prompts: ['Summarise'], dead: true, metas: [{ permissionMode: 'yolo' }] });
  });

  it('ends what it spawned after a time-out, an abort, and a failed send', async () => {
    daemon.onSpawned = (agent) => {
      agent.turn = () => {
        agent.think(true);
        return Promise.resolve();
      };
    };
    const task = { machineId: daemon.machineId, directory: '/work', prompt: 'Summarise' };
    expect(await failure(client.runTask({ ...task, timeoutSeconds: 0.3 }))).toBeInstanceOf(TimeoutError);
    expect(daemon.agents[0]?.dead).toBe(true);

    const stop = new AbortController();
    const reason = new Error('enough');
    const running = client.runTask({ ...task, signal: stop.signal });
    const outcome = expect(running).rejects.toBe(reason);
    await server.until(() => daemon.agents[1]?.thinking, 'the second task');
    stop.abort(reason);
    await outcome;
    expect(daemon.agents[1]?.dead).toBe(true);

    const early = new AbortController();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { onSpawned } = daemon;
    daemon.onSpawned = async (agent) => {
      await onSpawned(agent);
      early.abort(reason);
      await held;
    };
    const given = expect(client.runTask({ ...task, signal: early.signal })).rejects.toBe(reason);
    await server.until(() => early.signal.aborted, 'the abort in mid-spawn');
    setTimeout(release, 100);
    await given;
    expect(daemon.agents[2]).toMatchObject({ dead: true, prompts: [] });
    daemon.onSpawned = onSpawned;

    server.faults.http({ method: 'POST', path: /messages$/ }, { kind: 'status', status: 400 });
    expect(await failure(client.runTask(task))).toMatchObject({ code: 'request_refused' });
    expect(daemon.agents[3]?.dead).toBe(true);
  });
});

describe('names and metadata', () => {
  it('keeps every key that it does not know, and P5: what many clients write at once is all there', async () => {
    const id = await spawnOne();
    const clients = [client, another(), another(), another(), another()];
    await Promise.all(clients.flatMap((one, index) => [one.updateSessionMetadata(id, { [`key${index}`]: index }), one.updateSessionMetadata(id, { [`more${index}`]: { deep: [index] } })]));
    await client.setSessionName(id, 'Renamed');
    const { metadata, metadataVersion } = await client.getSession(id);
    for (let index = 0; index < 5; index += 1) expect(metadata).toMatchObject({ [`key${index}`]: index, [`more${index}`]: { deep: [index] } });
    expect(metadata).toMatchObject({ path: '/work', homeDir: '/home/dev', name: 'Renamed', summary: { text: 'Renamed' } });
    expect(metadataVersion).toBe(11);
  });

  it('is not misled by the stale snapshot that the loser of a race is told, nor by a lost acknowledgement', async () => {
    const id = await spawnOne();
    server.faults.slowDatabase(20);
    const clients = [client, another(), another()];
    await Promise.all(clients.map((one, index) => one.updateSessionMetadata(id, { [`key${index}`]: true })));
    server.faults.slowDatabase(0);
    server.faults.acks({ event: 'update-metadata' }, true);
    const before = (await client.getSession(id)).metadataVersion;
    await client.updateSessionMetadata(id, { late: true });
    const { metadata, metadataVersion } = await client.getSession(id);
    expect(metadata).toMatchObject({ key0: true, key1: true, key2: true, late: true });
    expect(metadataVersion).toBe(before + 1);
  }, 20_000);

  it('does not overwrite what it cannot read, and finds a session that is gone gone', async () => {
    const answer = (await daemon.post('/v1/sessions', { tag: 'x', metadata: 'Z2FyYmFnZQ==', agentState: null, dataEncryptionKey: null })) as { session: { id: string } };
    expect(await failure(client.setSessionName(answer.session.id, 'x'))).toMatchObject({ code: 'encryption_failed' });
    expect(await failure(client.setSessionName('cmaaaaaaaaaaaaaaaaaaaaaaa', 'x'))).toBeInstanceOf(SessionNotFound);
    expect(await failure(client.setSessionName(answer.session.id, ''))).toMatchObject({ code: 'invalid_argument' });
  });
});

describe('credentials and ends', () => {
  it('says that a token is not taken, after one request, and is refused by the socket too', async () => {
    server.revoke(client.account.credentials.token);
    const before = server.requests.length;
    expect(await failure(client.listSessions())).toBeInstanceOf(AuthenticationError);
    expect(server.requests.length - before).toBe(1);
    await expect(client.account.socket.online({ timeoutMs: 3_000 })).rejects.toBeInstanceOf(AuthenticationError);
    expect(client.account.socket.state).toMatchObject({ status: 'offline', refusal: { code: 'authentication_failed' } });
    const refused = server.refusals.length;
    await new Promise((resolve) => {
      setTimeout(resolve, 1_300);
    });
    expect(server.refusals.length, 'a refused socket does not come again').toBe(refused);
  });

  it('rejects what is asked of a closed client', async () => {
    await client.close();
    expect(await failure(client.listSessions())).toMatchObject({ code: 'closed' });
    expect(await failure(client.waitForIdle('x'))).toMatchObject({ code: 'closed' });
    await client.close();
  });

  it('lets the socket go when nothing uses it', async () => {
    const quick = new HappyClient({ serverUrl: server.url, token: server.tokenFor(master).token, secret: toBase64(master), env: {}, idleMs: 50 });
    closers.push(() => quick.close());
    const watching = quick.watch(() => undefined);
    const users = (): number => server.sockets().filter((socket) => socket.clientType === 'user-scoped').length;
    await server.until(() => users() === 1, 'the socket');
    watching.dispose();
    await server.until(() => users() === 0, 'its end', 2_000);
  });
});
