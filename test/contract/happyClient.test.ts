import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isJsonObject } from '../../src/core/model/json.ts';
import { HappyClient } from '../../src/core/systems/happy/client.ts';
import { HappyError } from '../../src/core/systems/happy/errors.ts';
import { startAnthropic, type AnthropicEndpoint } from '../loopback/anthropic.ts';
import { eventually, Phone } from '../loopback/happy/phone.ts';
import { startHappyServer, type HappyTestServer } from '../loopback/happy/server.ts';
import { startHappyDaemon, type HappyDaemon } from './happyDaemon.ts';

/** HappyClient, signed in by link, with the real `happy` daemon and the real `claude` at the other end. */
let dir: string;
let server: HappyTestServer;
let model: AnthropicEndpoint;
let phone: Phone;
let daemon: HappyDaemon;
let client: HappyClient;
let sid: string;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'pilothouse-happy-client-'));
  await mkdir(path.join(dir, 'project'));
  server = await startHappyServer();
  model = await startAnthropic();
  phone = await Phone.signIn(server.url);
  daemon = await startHappyDaemon({ url: server.url, accessKey: await phone.linkTerminal(), modelUrl: model.url, dir });
  const credentials = await HappyClient.login({ serverUrl: server.url, onCode: ({ link }) => void phone.approve(link) });
  client = new HappyClient({ credentials });
}, 120_000);

afterAll(async () => {
  await client?.close();
  await daemon?.stop();
  phone?.close();
  await server?.close();
  await model?.close();
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}, 60_000);

async function withLogs(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${await daemon.logs()}`, { cause: error });
  }
}
const failure = (work: Promise<unknown>): Promise<string> => work.then(() => 'none', (error: unknown) => (error instanceof HappyError ? error.code : String(error)));
const said = async (id: string): Promise<string> => JSON.stringify((await client.getMessages(id)).map(({ content }) => content));

describe('HappyClient with the real daemon', () => {
  it('sees the machine, and spawns: refused without the folder, with it made, and named', () => withLogs(async () => {
    const machine = await client.getMachine(daemon.machineId);
    expect(machine).toMatchObject({ readable: 'yes', metadata: { happyCliVersion: '1.2.5' } });
    const directory = path.join(dir, 'made');
    const spawning = { machineId: daemon.machineId, directory, permissionMode: 'default' };
    expect(await failure(client.spawnSession(spawning))).toBe('folder_missing');
    expect(await failure(client.spawnSession({ ...spawning, directory: path.join(dir, 'project'), agent: 'nonsense' }))).toBe('spawn_failed');
    sid = await client.spawnSession({ ...spawning, createDir: true, name: 'By the client' });
    expect(existsSync(directory)).toBe(true);
    expect((await phone.session(sid)).metadata).toMatchObject({ path: directory, name: 'By the client', summary: { text: 'By the client' }, lifecycleState: 'running' });
  }), 60_000);

  it('sends, waits for the turn, and waits again for what has ended', () => withLogs(async () => {
    model.setScript([{ text: 'Hello from the model.' }]);
    await client.sendMessage(sid, 'Say hello', { permissionMode: 'default' });
    await client.waitForTurnCompletion(sid, { timeoutSeconds: 60 });
    expect(await said(sid)).toContain('Hello from the model.');
    await client.waitForTurnCompletion(sid, { timeoutSeconds: 10 });
    await client.waitForIdle(sid, { timeoutSeconds: 10 });
  }), 90_000);

  it('answers a permission, once', () => withLogs(async () => {
    const file = path.join(dir, 'made', 'note.txt');
    model.setScript([{ tools: [{ name: 'Write', input: { file_path: file, content: 'written' } }] }, { text: 'It is written.' }]);
    await client.sendMessage(sid, 'Write the note', { permissionMode: 'default' });
    const session = await eventually(() => client.getSession(sid), ({ agentState }) => isJsonObject(agentState?.['requests']) && Object.keys(agentState['requests']).length > 0, 'the permission');
    const requests = session.agentState?.['requests'];
    const [request] = isJsonObject(requests) ? Object.keys(requests) : [];
    await client.answerPermission(sid, request ?? '', { approved: true });
    expect(await failure(client.answerPermission(sid, request ?? '', { approved: false }))).toBe('already_answered');
    await client.waitForTurnCompletion(sid, { timeoutSeconds: 60 });
    expect(existsSync(file)).toBe(true);
    expect(await said(sid)).toContain('It is written.');
  }), 90_000);

  it('writes names while the session writes its own, and loses nobody\'s keys', () => withLogs(async () => {
    model.setScript([{ text: 'One more.' }]);
    await client.sendMessage(sid, 'Again');
    for (let count = 0; count < 10; count += 1) await client.updateSessionMetadata(sid, { [`ours${count}`]: count });
    await client.setSessionName(sid, 'Renamed');
    await client.waitForTurnCompletion(sid, { timeoutSeconds: 60 });
    const { metadata } = await client.getSession(sid);
    expect(metadata).toMatchObject({ name: 'Renamed', ours0: 0, ours9: 9, hostPid: expect.any(Number) as number, claudeSessionId: expect.any(String) as string });
  }), 90_000);

  it('stops: the process is dead when it resolves, and a wait says so', () => withLogs(async () => {
    const pid = (await client.getSession(sid)).metadata['hostPid'];
    expect(typeof pid === 'number' && (await daemon.processes()).includes(pid)).toBe(true);
    const before = performance.now();
    await client.stopSession(sid);
    expect(performance.now() - before).toBeLessThan(15_000);
    expect(await daemon.processes()).not.toContain(pid);
    expect((await client.getSession(sid)).metadata['lifecycleState']).toBe('archived');
    expect(await failure(client.waitForIdle(sid, { timeoutSeconds: 5 }))).toBe('session_stopped');
  }), 60_000);

  it('runs a task and leaves nothing of it running; deletes', () => withLogs(async () => {
    model.setScript([{ text: 'Summarised.' }]);
    const id = await client.runTask({ machineId: daemon.machineId, directory: path.join(dir, 'project'), prompt: 'Summarise', timeoutSeconds: 60 });
    expect(await said(id)).toContain('Summarised.');
    expect(await daemon.processes()).toEqual([daemon.pid]);
    for (const one of [id, sid]) await client.deleteSession(one);
    expect(await client.listSessions()).toEqual([]);
    expect(server.unknown).toEqual([]);
  }), 120_000);
});
