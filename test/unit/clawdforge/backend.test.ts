import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { forgeConnection } from '../../../src/core/systems/clawdforge/connection.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { code, rejection, wholeHistory } from '../../contract/helpers.ts';
import { rowsOf } from '../../contract/observer.ts';
import { listed, say, Stage } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.make();
});
afterEach(() => stage.dispose());

describe('a server as a machine', () => {
  it('says its health in what the machine says', async () => {
    const { backend } = await stage.window();
    expect(await backend.connect()).toEqual({ status: 'ready', message: null, remedy: null, version: '2.1.3' });
    expect(await backend.machines()).toEqual([expect.objectContaining({ id: stage.machineId, name: new URL(stage.server.url).host, state: 'online', detail: 'Claude Code 2.1.3' })]);
    stage.server.claudeVersion = null;
    await backend.connect();
    expect((await backend.machines())[0]?.detail).toBe('Claude Code is not installed there');
    expect((await backend.places?.agents(stage.machineId))?.map(({ id }) => id)).toEqual(['claude']);
  });

  it('that does not take the token needs a sign-in; one that is away is offline, and its sessions are not said to be gone', async () => {
    const wrong = await stage.window('cf_nobody');
    expect(await wrong.backend.connect()).toMatchObject({ status: 'needs-sign-in', message: expect.stringContaining('401') as string });
    const { window, chat } = await stage.chat();
    stage.server.faults.push({ method: 'GET', path: /./, times: 99 });
    const states: string[] = [];
    window.backend.watch((event) => event.type === 'connection' && states.push(event.state.status));
    expect((await window.backend.connect()).status).toBe('offline');
    expect(states).toEqual(['offline']);
    expect((await window.backend.machines())[0]?.state).toBe('offline');
    expect(await code(window.backend.sessions({ limit: 5 }))).toBe('connection_failed');
    expect(await code(say(chat, 'Are you there?'))).toBe('connection_failed');
    stage.server.faults.splice(0);
    expect((await window.backend.connect()).status).toBe('ready');
    expect(stage.server.count('POST', /turn$/)).toBe(0);
  });

  it('at an address of another program says so', async () => {
    stage.server.faults.push({ method: 'GET', path: /healthz/, status: 200, body: { hello: 'world' } });
    expect(await (await stage.window()).backend.connect()).toMatchObject({ status: 'failed', message: expect.stringContaining('clawdforge') as string });
  });

  it('makes sessions with a name that other clients can read, for an agent, and takes nothing else', async () => {
    const { backend } = await stage.window();
    await backend.connect();
    const session = await backend.spawn({ machineId: stage.machineId, folder: '/ignored', agent: 'codex', title: ' Harbour\nlights ' });
    expect(session).toMatchObject({ title: 'Harbour lights', agent: 'codex', folder: stage.server.cwd, state: 'idle', owner: 'nobody' });
    expect(stage.server.requests.find(({ method }) => method === 'POST')?.body).toEqual({ agent: 'codex', meta: { caller: 'pilothouse', name: 'Harbour lights' } });
    expect((await backend.places?.agents(stage.machineId))?.map(({ id }) => id)).toEqual(['claude', 'codex']);
    for (const more of [{ model: 'opus' }, { mode: 'plan' }, { effort: 'high' }, { machineId: 'elsewhere' }]) expect(await code(backend.spawn({ machineId: stage.machineId, folder: '', ...more }))).toBe('invalid_argument');
    expect(await backend.controls({ folder: '' })).toMatchObject({ models: [], modes: [], efforts: [] });
    stage.server.faults.push({ method: 'POST', path: /^\/sessions$/, times: 9 });
    expect(await code(backend.spawn({ machineId: stage.machineId, folder: '' }))).toBe('connection_failed');
    expect(stage.server.count('POST', /^\/sessions$/)).toBe(2);
  });

  it('lists sessions of other clients of the token too, and none of other tokens', async () => {
    await using mine = new Forge({ baseUrl: stage.server.url, token: stage.token });
    await using others = new Forge({ baseUrl: stage.server.url, token: stage.server.token('others') });
    const named = await mine.createSession({ meta: { name: 'Of the cron job' } });
    await mine.createSession();
    await others.createSession();
    const { backend } = await stage.window();
    await backend.connect();
    const { items } = await backend.sessions({ limit: 9 });
    expect(items.map(({ title }) => title).toSorted()).toEqual(['', 'Of the cron job']);
    await backend.session(named.sessionId).rename('Mine now');
    expect((await listed(backend, named.sessionId))?.title).toBe('Mine now');
  });
});

describe('a session', () => {
  it('that the server closed: the prompt comes back with an offer, and going on takes the transcript along, once', async () => {
    const { window, chat } = await stage.chat('Night watch');
    await chat.turn('The password is lighthouse.');
    stage.server.expire(chat.handle.id);
    const clientId = randomUUID();
    const error = await rejection(say(chat, 'What is it?', clientId));
    expect(error).toMatchObject({ code: 'session_closed', personMustAct: true, message: expect.stringContaining('Resume goes on in a fresh one') as string });
    expect(stage.server.prompts()).toHaveLength(1);
    expect(rowsOf(chat.rows, 'prompt')).toHaveLength(1);
    await chat.until('the session to be stopped', () => chat.session?.state === 'stopped');
    await chat.handle.resume();
    await chat.until('the session to be idle', () => chat.session?.state === 'idle');
    await chat.handle.resume();
    expect(stage.server.sessions.size).toBe(2);
    expect(rowsOf(chat.rows, 'notice').map((row) => row.code)).toEqual(['fresh_session']);
    await chat.turn('What is it?', { outcome: 'allow' }, clientId);
    expect(chat.said()).toContain('lighthouse');
    expect(stage.server.prompts()[1]).toContain('Person: The password is lighthouse.\n\nAgent: You said so');
    expect(rowsOf(chat.rows, 'prompt').map((row) => row.text)).toEqual(['The password is lighthouse.', 'What is it?']);
    await chat.turn('And again?');
    expect(stage.server.prompts()[2]).toBe('And again?');
    const { items } = await window.backend.sessions({ limit: 9 });
    expect(items.map(({ id, title }) => [id, title])).toEqual([[chat.handle.id, 'Night watch']]);
    expect([...stage.server.sessions.values()][1]?.meta).toEqual({ caller: 'pilothouse', name: 'Night watch', continues: chat.handle.id });
  });

  it('that goes on for one of ours is not listed apart, not even before our record says so', async () => {
    const { window, chat } = await stage.chat('Night watch');
    await using mine = new Forge({ baseUrl: stage.server.url, token: stage.token });
    await mine.createSession({ meta: { caller: 'pilothouse', continues: chat.handle.id } });
    const { items } = await window.backend.sessions({ limit: 9 });
    expect(items.map(({ id }) => id)).toEqual([chat.handle.id]);
  });

  it('that is closed while its turn is sent comes back the same way', async () => {
    const { chat } = await stage.chat();
    stage.server.faults.push({ method: 'POST', path: /turn$/, status: 410, body: { error: 'session closed' } });
    expect(await rejection(say(chat, 'Hello'))).toMatchObject({ code: 'session_closed', personMustAct: true });
    expect(chat.session?.state).toBe('stopped');
    expect(chat.entries).toEqual([]);
    await chat.turn('Hello, fresh one');
    expect(rowsOf(chat.rows, 'notice')).toEqual([expect.objectContaining({ code: 'fresh_session', remedy: null })]);
  });

  it('of another token says so, stays in the list with all that was said, and can go on in a fresh one', async () => {
    const { window, chat } = await stage.chat();
    await chat.turn('The password is lighthouse.');
    await window.close();
    const other = await stage.window(stage.server.token('another'));
    await other.backend.connect();
    expect(await listed(other.backend, chat.handle.id)).toMatchObject({ state: 'stopped', title: 'The password is lighthouse.' });
    expect(viewOf(await wholeHistory(other.backend, chat.handle.id)).map((row) => row.kind)).toEqual(['prompt', 'text', 'turn']);
    const there = stage.observe(other.backend, chat.handle.id);
    await there.turn('What is it?');
    expect(there.said()).toContain('lighthouse');
    expect(await rejection(other.backend.session('sess_unknown').history({ limit: 5 }))).toMatchObject({ code: 'session_not_found', message: expect.stringContaining('another token') as string });
  });

  it('is found to be of another token when a prompt is sent', async () => {
    const { window, chat } = await stage.chat();
    await chat.turn('Hello');
    const theirs = await stage.window(stage.server.token('theirs'));
    await window.close();
    const there = stage.observe(theirs.backend, chat.handle.id);
    expect(await rejection(say(there, 'Mine!'))).toMatchObject({ code: 'session_not_found', personMustAct: true, message: expect.stringMatching(/another token.*Resume/) as string });
    expect(stage.server.prompts()).toEqual(['Hello']);
  });

  it('that was removed is gone from our list and our store, though the server lists it', async () => {
    const { window, chat } = await stage.chat();
    await chat.turn('Hello');
    const { id } = chat.handle;
    await chat.handle.remove();
    expect((await window.context.keep.list('log:')).size).toBe(0);
    expect(JSON.stringify([...(await window.context.keep.list(''))])).not.toContain('Hello');
    await window.close();
    const again = await stage.window();
    await again.backend.connect();
    expect(await listed(again.backend, id)).toBeUndefined();
    expect(stage.server.sessions.get(id)?.closedAt).not.toBeNull();
    expect(await code(say(stage.observe(again.backend, id), 'Still there?'))).toBe('session_not_found');
  });

  it('that was closed by hand says what it did, and a second time that there was nothing to do', async () => {
    const { chat } = await stage.chat();
    expect(await chat.handle.stop()).toMatchObject({ step: 'terminated', message: 'The server closed the session.' });
    expect((await chat.handle.stop()).step).toBe('nothing-to-stop');
    expect(chat.session?.state).toBe('stopped');
  });

  it('takes text only, and asks nothing of the person', async () => {
    const { chat } = await stage.chat();
    const image = { name: 'a.png', mediaType: 'image/png', size: 3, data: 'AAAA', path: null };
    expect(await code(chat.handle.send({ text: 'x', attachments: [image] }, randomUUID()))).toBe('invalid_argument');
    expect(await code(chat.handle.answer('x', { outcome: 'allow' }))).toBe('already_answered');
    for (const work of [chat.handle.setModel('x'), chat.handle.setMode('x'), chat.handle.setEffort('x'), chat.handle.rename(' ')]) expect(await code(work)).toBe('invalid_argument');
    expect(await code(chat.handle.history({ limit: 3, cursor: '99' }))).toBe('invalid_argument');
    expect(await code(chat.handle.fork())).toBe('unsupported');
  });
});

it('a connection has another revision with another token, address or name, and none of them shows', () => {
  const base = { connectionId: 'a', name: 'n', serverUrl: 'http://127.0.0.1:1', token: 'cf_1' };
  const revisions = [base, { ...base, token: 'cf_2' }, { ...base, serverUrl: 'http://127.0.0.1:2' }, { ...base, name: 'm' }, { ...base, turnSecs: 60 }].map((options) => forgeConnection(options).revision);
  expect(new Set(revisions).size).toBe(5);
  expect(forgeConnection(base).revision).toBe(revisions[0]);
  expect(JSON.stringify(forgeConnection(base))).not.toContain('cf_1');
  expect(() => forgeConnection({ ...base, serverUrl: 'nowhere' })).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
});
