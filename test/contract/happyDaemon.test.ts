import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/model/json.ts';
import { startAnthropic, type AnthropicEndpoint } from '../loopback/anthropic.ts';
import { eventually, Phone } from '../loopback/happy/phone.ts';
import { startHappyServer, type HappyTestServer } from '../loopback/happy/server.ts';
import { startHappyDaemon, type HappyDaemon } from './happyDaemon.ts';

let dir: string;
let project: string;
let server: HappyTestServer;
let model: AnthropicEndpoint;
let phone: Phone;
let daemon: HappyDaemon;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'pilothouse-happy-daemon-'));
  project = path.join(dir, 'project');
  await mkdir(project);
  server = await startHappyServer();
  model = await startAnthropic();
  phone = await Phone.signIn(server.url);
  daemon = await startHappyDaemon({ url: server.url, accessKey: await phone.linkTerminal(), modelUrl: model.url, dir });
}, 120_000);

afterAll(async () => {
  await daemon?.stop();
  phone?.close();
  await server?.close();
  await model?.close();
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}, 60_000);

/** What the agent wrote, as envelopes. */
async function envelopes(sessionId: string): Promise<JsonObject[]> {
  return (await phone.messages(sessionId)).flatMap(({ value }) => {
    const { role, content } = value as { role: string; content: JsonObject };
    return role === 'session' ? [content] : [];
  });
}

async function events(sessionId: string): Promise<JsonObject[]> {
  return (await envelopes(sessionId)).map(({ ev }) => ev as JsonObject);
}

const isEnd = (event: JsonObject): boolean => event['t'] === 'turn-end';
const texts = (all: readonly JsonObject[]): unknown[] => all.flatMap((event) => (event['t'] === 'text' && event['thinking'] !== true ? [event['text']] : []));

async function withLogs(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${await daemon.logs()}`, { cause: error });
  }
}

describe('the real Happy daemon on the loopback server', () => {
  let sid: string;

  it('registers its machine, which the phone can read, and is there', () => withLogs(async () => {
    const machines = await eventually(() => phone.machines(), ([machine]) => machine?.daemonState?.['status'] === 'running', 'a running machine');
    expect(machines.map(({ id }) => id)).toEqual([daemon.machineId]);
    expect(machines[0]?.metadata).toMatchObject({ happyCliVersion: '1.2.5', happyHomeDir: daemon.happyHome, cliAvailability: { claude: true } });
    expect(server.sockets().map(({ clientType, machineId, happyClient }) => [clientType, machineId, happyClient])).toEqual([['machine-scoped', daemon.machineId, 'cli-daemon/1.2.5']]);
  }));

  it('spawns a session with the real claude, and a whole turn runs through', () => withLogs(async () => {
    sid = await phone.spawn(daemon.machineId, { directory: project, agent: 'claude', permissionMode: 'default' });
    const session = await phone.session(sid);
    expect(session.metadata).toMatchObject({ path: project, machineId: daemon.machineId, flavor: 'claude', lifecycleState: 'running', startedFromDaemon: true });
    model.setScript([{ think: 'Let me see.', text: 'Hello from the model.' }]);
    const localId = await phone.send(sid, 'Say hello');
    await eventually(() => events(sid), (all) => texts(all).includes('Hello from the model.'), 'the text of the answer', 60_000);
    const told = await server.until(() => server.pushes.find((push) => push.sessionId === sid && push.kind === 'done'), 'the push that the turn is done', 30_000);
    expect(told.result).toBe('no_tokens');
    const messages = await phone.messages(sid);
    expect(messages.filter((message) => message.localId === localId)).toHaveLength(1);
    expect(messages.every(({ value }) => value !== undefined)).toBe(true);
    expect(model.requests.find(({ kind }) => kind === 'turn')?.headers['user-agent']).toMatch(/^claude-cli\/2\./);
    expect(server.sockets().filter(({ clientType }) => clientType === 'session-scoped').map(({ sessionId }) => sessionId)).toEqual([sid]);
  }), 120_000);

  it('asks for permission, does what was allowed, and ends its turn', () => withLogs(async () => {
    model.setScript([{ tools: [{ name: 'Write', input: { file_path: path.join(project, 'note.txt'), content: 'written' } }] }, { text: 'It is written.' }]);
    await phone.send(sid, 'Write the note', { permissionMode: 'default' });
    const [id, request] = await phone.permission(sid);
    expect(request).toMatchObject({ tool: 'Write', arguments: { content: 'written' } });
    await phone.answer(sid, id, { approved: true });
    // The end of a turn may come before its last text, which then has a turn of its own without an end: the push tells more truly.
    const all = await eventually(() => events(sid), (seen) => texts(seen).includes('It is written.') && seen.some(isEnd), 'the text after the edit', 60_000);
    await server.until(() => server.pushes.filter((push) => push.sessionId === sid && push.kind === 'done').length >= 2, 'the push that the second turn is done', 30_000);
    expect(server.pushes.map(({ kind }) => kind)).toContain('permission');
    expect(await readFile(path.join(project, 'note.txt'), 'utf8')).toBe('written');
    expect(all.filter((event) => event['t'] === 'tool-call-start')).toHaveLength(1);
    expect(all.filter((event) => event['t'] === 'tool-call-end')).toHaveLength(1);
  }), 120_000);

  it('keeps a name that the phone gave, and works on over a restart of the server', () => withLogs(async () => {
    await phone.rename(sid, 'Named by the phone');
    await server.restart(200);
    await server.until(() => server.sockets().some(({ sessionId }) => sessionId === sid) && server.sockets().some(({ clientType }) => clientType === 'machine-scoped'), 'the return of both sockets', 30_000);
    model.setScript([{ text: 'After the restart.' }]);
    await phone.send(sid, 'Are you there?');
    await eventually(() => events(sid), (all) => texts(all).includes('After the restart.'), 'a turn after the restart', 60_000);
    expect((await phone.session(sid)).metadata?.['summary']).toMatchObject({ text: 'Named by the phone' });
  }), 120_000);

  it('ends the session when it is told to, and calls nothing that the server does not know', () => withLogs(async () => {
    const before = await daemon.processes();
    expect(await phone.rpc(sid, 'killSession')).toMatchObject({ success: true });
    await eventually(() => daemon.processes(), (pids) => pids.length < before.length && pids.length === 1, 'the end of the session\'s processes');
    expect((await phone.session(sid)).metadata).toMatchObject({ lifecycleState: 'archived' });
    expect(server.rows().sessions.map(({ id, active }) => [id, active])).toEqual([[sid, false]]);
    expect(server.unknown).toEqual([]);
  }), 60_000);

  it('is the same machine when its daemon starts again, and leaves no process behind', async () => {
    const { machineId, pid } = daemon;
    await daemon.stopDaemon();
    expect(await daemon.processes()).toEqual([]);
    expect((await phone.machines()).map(({ daemonState }) => daemonState?.['status'])).toEqual(['shutting-down']);
    daemon = await daemon.startAgain();
    expect(daemon.machineId).toBe(machineId);
    expect(daemon.pid).not.toBe(pid);
    await daemon.stop();
    expect(await daemon.processes()).toEqual([]);
  }, 60_000);
});
