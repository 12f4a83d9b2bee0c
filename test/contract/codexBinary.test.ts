import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SessionBackend } from '../../src/core/model/backend.ts';
import type { Session } from '../../src/core/model/session.ts';
import { createCodexBackend } from '../../src/core/systems/local/codex/backend.ts';
import { codexEnv } from '../loopback/agent-env.ts';
import type { OpenAiEndpoint } from '../loopback/openai.ts';
import { startOpenAi } from '../loopback/openai.ts';
import type { Step } from '../loopback/script.ts';
import { scripted } from '../loopback/script.ts';
import { agentProgram } from './agents.ts';
import { shown } from './codexFacts.ts';
import { contextIn, Heard, temporary, Watched } from '../unit/local/codexRig.ts';
import type { RigOptions } from '../unit/local/codexRig.ts';

/** Codex itself against a model on loopback that plays the steps in each prompt. */
let codex = '';
let model: OpenAiEndpoint;
let place: Awaited<ReturnType<typeof temporary>>;
let work = '';
let env: NodeJS.ProcessEnv;
const open: SessionBackend[] = [];

beforeAll(async () => {
  codex = await agentProgram('codex');
  model = await startOpenAi();
}, 600_000);
afterAll(async () => model.close());
beforeEach(async () => {
  place = await temporary();
  work = await place.folder('work');
  env = await codexEnv(model.url, place.path);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((backend) => backend[Symbol.asyncDispose]()));
  await place.remove();
});

function backend(options: RigOptions = {}): SessionBackend {
  const made = createCodexBackend(contextIn(place.path, options), { path: codex, env });
  open.push(made);
  return made;
}
function spawn(from: SessionBackend, options: { readonly mode?: string; readonly title?: string } = {}): Promise<Session> {
  return from.spawn({ machineId: 'this-computer', folder: work, mode: 'workspace', ...options });
}
function say(text: string, ...steps: readonly Step[]): { readonly text: string; readonly attachments: [] } {
  return { text: steps.length === 0 ? text : scripted(text, ...steps), attachments: [] };
}
const run = (cmd: string, rest: Record<string, unknown> = {}): NonNullable<Step['tools']>[number] => ({ name: 'exec_command', input: { cmd, ...rest } });
const escalated = { sandbox_permissions: 'require_escalated', justification: 'it must be' };

describe('a session', () => {
  test('streams a turn, and its file tells the same entries as the wire did', async () => {
    const one = backend();
    expect(await one.connect()).toMatchObject({ status: 'ready', message: null });
    const watched = new Watched(one);
    const session = await spawn(one);
    expect(session).toMatchObject({ folder: work, agent: 'codex', state: 'idle', owner: 'this', title: 'Untitled session' });
    const handle = one.session(session.id);
    const heard = new Heard(handle);
    const clientId = randomUUID();
    await handle.send(say('Look around', { think: 'I should look.', text: 'I look.', tools: [run('echo hi > a.txt && cat a.txt')] }, { tools: [{ name: 'apply_patch', input: '*** Begin Patch\n*** Add File: b.txt\n+one\n+two\n*** End Patch' }] }, { text: 'Done.' }), clientId);
    const end = await heard.turnEnd();
    expect(end).toMatchObject({ state: 'completed', filesChanged: [path.join(work, 'b.txt')], error: null });
    expect(end.figures?.outputTokens).toBeGreaterThan(0);
    expect(heard.of('prompt')[0]).toMatchObject({ clientId, id: `prompt:${clientId}` });
    expect(heard.of('delta').filter((delta) => delta.channel === 'text').map((delta) => delta.text).join('')).toBe('I look.Done.');
    expect(heard.of('thinking')[0]?.text).toBe('I should look.');
    expect(heard.of('tool').find((tool) => tool.name === 'shell')).toMatchObject({ command: 'echo hi > a.txt && cat a.txt', verb: 'execute', cwd: work });
    expect(heard.of('result').find((result) => result.output === 'hi\n')).toMatchObject({ status: 'ok', exitCode: 0 });
    expect(heard.of('tool').find((tool) => tool.name === 'apply_patch')?.diffs[0]).toMatchObject({ change: 'create', patch: '@@ -0,0 +1,2 @@\n+one\n+two', after: 'one\ntwo\n' });
    const page = await handle.history({ limit: 200 });
    expect(page.next).toBeNull();
    expect(shown(page.items)).toEqual(shown(heard.entries));
    const named = await watched.session(session.id, (now) => now.state === 'idle' && now.usage !== null && now.title !== 'Untitled session');
    expect(named.title).toMatch(/^Look around/);
    expect(named.usage?.contextWindow).toBeGreaterThan(1000);
    watched.dispose();
    heard.dispose();
  });

  test('asks, is allowed, is refused with a reason that it hears, and its commands keep within the mode', async () => {
    const one = backend();
    const handle = one.session((await spawn(one)).id);
    const heard = new Heard(handle);
    await handle.send(say('Allow', { tools: [run('touch allowed.txt', escalated)] }, { text: 'Made.' }), randomUUID());
    const asked = await heard.until('permission');
    expect(asked).toMatchObject({ ask: 'tool', command: 'touch allowed.txt', reason: 'it must be', takesReason: false });
    expect(asked.options.map((option) => option.scope)).toEqual(['once', 'session', 'always', 'reject', 'reject']);
    expect((await one.sessions({ limit: 5 })).items[0]).toMatchObject({ state: 'waiting', waiting: [{ requestId: asked.requestId, tool: 'shell' }] });
    await handle.answer(asked.requestId, { outcome: 'allow' });
    await heard.turnEnd(1);
    expect(existsSync(path.join(work, 'allowed.txt'))).toBe(true);
    await expect(handle.answer(asked.requestId, { outcome: 'allow' })).rejects.toMatchObject({ code: 'already_answered' });

    await handle.send(say('Refuse', { tools: [run('touch refused.txt', escalated)] }, { text: 'Not made.' }), randomUUID());
    const second = await heard.until('permission', (entry) => entry.command === 'touch refused.txt');
    await handle.answer(second.requestId, { outcome: 'deny', reason: 'Use another name.' });
    await heard.turnEnd(2);
    expect(existsSync(path.join(work, 'refused.txt'))).toBe(false);
    expect(heard.of('result').find((result) => result.callId === second.callId)?.status).toBe('denied');
    expect(heard.of('prompt').some((prompt) => prompt.text === 'Use another name.')).toBe(true);
    expect(heard.of('answer').map((answer) => answer.outcome)).toEqual(['allowed', 'denied']);
    const history = await handle.history({ limit: 100 });
    expect(history.items.some((entry) => entry.kind === 'result' && entry.callId === second.callId && entry.status === 'denied')).toBe(true);
    heard.dispose();
  });

  test('allowed for the session, it does not ask again for the same', async () => {
    const one = backend();
    const handle = one.session((await spawn(one)).id);
    const heard = new Heard(handle);
    await handle.send(say('Twice', { tools: [run('touch s.txt', escalated)] }, { tools: [run('touch s.txt', escalated)] }, { text: 'Twice.' }), randomUUID());
    const asked = await heard.until('permission');
    await handle.answer(asked.requestId, { outcome: 'allow-session' });
    expect(await heard.turnEnd()).toMatchObject({ state: 'completed' });
    expect(heard.of('permission')).toHaveLength(1);
    heard.dispose();
  });

  test('an interrupt ends the running command and takes away what the sandbox left', async () => {
    const one = backend();
    const handle = one.session((await spawn(one)).id);
    const heard = new Heard(handle);
    await mkdir(path.join(work, '.aws'));
    await handle.send(say('Wait', { text: 'I wait.', tools: [run('echo $$ > pid.txt; sleep 61')] }, { text: 'no' }), randomUUID());
    await heard.until('tool');
    await expect.poll(() => existsSync(path.join(work, 'pid.txt')), { timeout: 10_000 }).toBe(true);
    expect(await handle.interrupt()).toMatchObject({ step: 'interrupted' });
    expect(await heard.turnEnd()).toMatchObject({ state: 'cancelled', error: null });
    expect(heard.of('result').at(-1)).toMatchObject({ status: 'cancelled' });
    await expect.poll(async () => (await runningSleeps('61')).length, { timeout: 10_000 }).toBe(0);
    expect((await readdir(work)).sort()).toEqual(['.aws', 'pid.txt']);
    expect(await handle.interrupt()).toMatchObject({ step: 'nothing-to-stop' });
    const history = await handle.history({ limit: 100 });
    expect(shown(history.items)).toEqual(shown(heard.entries));
    heard.dispose();
  });

  test('is steered while it runs', async () => {
    const one = backend();
    const handle = one.session((await spawn(one)).id);
    const heard = new Heard(handle);
    await handle.send(say('Run', { tools: [run('sleep 1')] }, { text: 'end' }), randomUUID());
    await heard.until('tool');
    const clientId = randomUUID();
    await handle.send(say('and hurry'), clientId, { steer: true });
    await heard.turnEnd();
    const [first, second] = heard.of('prompt').filter((prompt, index, all) => all.findIndex((one) => one.id === prompt.id) === index);
    expect(second).toMatchObject({ clientId, turn: first?.turn, text: 'and hurry' });
    heard.dispose();
  });

  test('an image reaches the model', async () => {
    const one = backend();
    const handle = one.session((await spawn(one)).id);
    const heard = new Heard(handle);
    const data = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
    await handle.send({ text: 'What is it?', attachments: [{ name: 'dot.png', mediaType: 'image/png', size: 70, data, path: null }] }, randomUUID());
    await heard.turnEnd();
    expect(heard.of('prompt')[0]?.attachments).toEqual([{ name: 'image-1.png', mediaType: 'image/png', size: expect.any(Number) as number, data, path: null }]);
    expect(JSON.stringify(model.requests.at(-1)?.body)).toContain(data.slice(0, 40));
    heard.dispose();
  });

  test('a question in plan mode is answered', async () => {
    const one = backend();
    const handle = one.session((await spawn(one, { mode: 'plan' })).id);
    const heard = new Heard(handle);
    await handle.send(say('Plan', { tools: [{ name: 'request_user_input', input: { questions: [{ id: 'q1', header: 'Colour', question: 'Which colour?', options: [{ label: 'Red (Recommended)', description: 'r' }, { label: 'Blue', description: 'b' }] }] } }] }, { text: 'Blue it is.' }), randomUUID());
    const asked = await heard.until('permission');
    expect(asked).toMatchObject({ ask: 'question', questions: [{ id: 'q1', text: 'Which colour?', options: [{ label: 'Red (Recommended)' }, { label: 'Blue' }] }] });
    await expect(handle.answer(asked.requestId, { outcome: 'answer' })).rejects.toMatchObject({ code: 'invalid_argument' });
    await handle.answer(asked.requestId, { outcome: 'answer', answers: { q1: ['Blue'] } });
    await heard.turnEnd();
    expect(JSON.stringify(model.requests.at(-1)?.body)).toContain('Blue');
    expect(heard.of('answer')[0]).toMatchObject({ outcome: 'answered', answers: { q1: ['Blue'] } });
    heard.dispose();
  });
});

describe('failures', () => {
  test("a model's refusal ends the turn in its own words", async () => {
    const one = backend();
    const session = await spawn(one);
    const handle = one.session(session.id);
    const heard = new Heard(handle);
    await handle.send(say('Fail', { error: { status: 400, message: 'That was no good.' } }), randomUUID());
    expect(await heard.turnEnd()).toMatchObject({ state: 'failed', error: 'That was no good.' });
    expect((await one.sessions({ limit: 1 })).items[0]).toMatchObject({ state: 'failed', error: 'That was no good.' });
    await handle.send(say('Again'), randomUUID());
    expect(await heard.turnEnd(2)).toMatchObject({ state: 'completed' });
    heard.dispose();
  });

  test('a missing sign-in is said with the command that mends it', async () => {
    const config = path.join(place.path, 'codex', 'config.toml');
    await writeFile(config, (await readFile(config, 'utf8')).replace('experimental_bearer_token = "sk-loopback"', 'requires_openai_auth = true'));
    const one = backend();
    expect(await one.connect()).toMatchObject({ status: 'needs-sign-in', message: 'Not logged in', remedy: { command: 'codex login' } });
  });

  test('retries are shown while they last', async () => {
    const one = backend();
    const handle = one.session((await spawn(one)).id);
    const heard = new Heard(handle);
    await handle.send(say('Retry', { text: 'Recovered.', cut: true, times: 1 }), randomUUID());
    expect(await heard.turnEnd()).toMatchObject({ state: 'completed' });
    expect(heard.of('notice').find((notice) => notice.code === 'retrying')?.text).toMatch(/Reconnecting/);
    expect(heard.of('text').at(-1)?.text).toBe('Recovered.');
    heard.dispose();
  });

  test('no Codex: which, and how to install it', async () => {
    const one = createCodexBackend(contextIn(place.path), { env: { ...env, PATH: work } });
    open.push(one);
    expect(await one.connect()).toMatchObject({ status: 'not-installed', remedy: { command: 'npm install -g @openai/codex' } });
    await expect(one.spawn({ machineId: 'this-computer', folder: work })).rejects.toMatchObject({ code: 'not_installed', personMustAct: true });
    expect((await one.sessions({ limit: 5 })).items).toEqual([]);
  });
});

describe('processes and windows', () => {
  test('a killed app-server fails its turn, and the next prompt starts it again without losing a row', async () => {
    const one = backend();
    const session = await spawn(one);
    const handle = one.session(session.id);
    const heard = new Heard(handle);
    await handle.send(say('First'), randomUUID());
    await heard.turnEnd();
    await handle.send(say('Die', { text: 'I go on.', tools: [run('sleep 62')] }, { text: 'never' }), randomUUID());
    await heard.until('tool');
    const [pid] = await serversOf(place.path);
    process.kill(pid ?? -1, 'SIGKILL');
    expect(await heard.turnEnd(2)).toMatchObject({ state: 'failed' });
    expect(heard.of('notice').some((notice) => notice.code === 'process_died')).toBe(true);
    await expect.poll(async () => (await runningSleeps('62')).length, { timeout: 10_000 }).toBe(0);
    await handle.send(say('Still there?'), randomUUID());
    expect(await heard.turnEnd(3)).toMatchObject({ state: 'completed' });
    const history = await handle.history({ limit: 100 });
    expect(history.items.filter((entry) => entry.kind === 'prompt').map((entry) => entry.text.slice(0, 5))).toEqual(['First', 'Die @', 'Still']);
    heard.dispose();
  });

  test('a session in which nothing was said yet survives its process', async () => {
    const one = backend();
    const session = await spawn(one, { title: 'Empty as yet' });
    await one[Symbol.asyncDispose]();
    const two = backend();
    expect((await two.sessions({ limit: 5 })).items).toMatchObject([{ id: session.id, title: 'Empty as yet', owner: 'nobody', state: 'idle' }]);
    const handle = two.session(session.id);
    const heard = new Heard(handle);
    await handle.send(say('Now'), randomUUID());
    expect(await heard.turnEnd()).toMatchObject({ state: 'completed' });
    heard.dispose();
  });

  test('a prompt that was sent before is not sent twice', async () => {
    const one = backend();
    const session = await spawn(one);
    const clientId = randomUUID();
    const heard = new Heard(one.session(session.id));
    await one.session(session.id).send(say('Once'), clientId);
    await one.session(session.id).send(say('Once'), clientId);
    await heard.turnEnd();
    heard.dispose();
    await one[Symbol.asyncDispose]();
    const before = model.requests.length;
    const two = backend();
    await two.session(session.id).send(say('Once'), clientId);
    expect((await two.session(session.id).history({ limit: 50 })).items.filter((entry) => entry.kind === 'prompt')).toHaveLength(1);
    expect(model.requests.length).toBe(before);
  });

  test('another window is left alone, and a foreign program is followed and can be forked from', async () => {
    const held = new Map<string, string>();
    const one = backend({ held, window: 'one' });
    const session = await spawn(one);
    const first = new Heard(one.session(session.id));
    await one.session(session.id).send(say('Mine'), randomUUID());
    await first.turnEnd();

    const second = backend({ held, window: 'two' });
    expect((await second.sessions({ limit: 1 })).items[0]).toMatchObject({ id: session.id, owner: 'window' });
    await expect(second.session(session.id).send(say('No'), randomUUID())).rejects.toMatchObject({ code: 'session_runs_elsewhere' });

    const foreign = backend({ window: 'three' });
    expect((await foreign.sessions({ limit: 1 })).items[0]).toMatchObject({ id: session.id, owner: 'foreign', ownerName: expect.stringContaining('codex') as string });
    await expect(foreign.session(session.id).send(say('No'), randomUUID())).rejects.toMatchObject({ code: 'session_runs_elsewhere', message: expect.stringContaining('fork it') as string });
    const followed = new Heard(foreign.session(session.id));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await one.session(session.id).send(say('Watch this', { text: 'I am watched.' }), randomUUID());
    expect((await followed.until('text', (entry) => entry.text === 'I am watched.')).row).toBe((await first.until('text', (entry) => entry.text === 'I am watched.')).row);

    const fork = await foreign.session(session.id).fork();
    expect(fork).toMatchObject({ owner: 'this', folder: work });
    const forked = new Heard(foreign.session(fork.id));
    await foreign.session(fork.id).send(say('On my own'), randomUUID());
    await forked.turnEnd();
    const texts: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await foreign.session(fork.id).history({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      texts.unshift(...page.items.flatMap((entry) => (entry.kind === 'prompt' ? [entry.text.split(' @@')[0] ?? ''] : [])));
      if (page.next === null) break;
      cursor = page.next;
    }
    expect(texts).toEqual(['Mine', 'Watch this', 'On my own']);
    await expect(one.session(session.id).remove()).rejects.toMatchObject({ code: 'has_forks' });
    for (const one of [first, followed, forked]) one.dispose();
  });

  test('rename, archive, stop and delete', async () => {
    const one = backend();
    const watched = new Watched(one);
    const session = await spawn(one, { title: 'A title' });
    const other = await spawn(one, { title: 'Another' });
    const handle = one.session(session.id);
    const heard = new Heard(handle);
    await handle.send(say('Hello'), randomUUID());
    await heard.turnEnd();
    await handle.rename('A better title');
    await watched.session(session.id, (now) => now.title === 'A better title');
    await handle.archive(true);
    await watched.session(session.id, (now) => now.archived);
    await handle.archive(false);
    await handle.send(say('Wait', { tools: [run('sleep 63')] }, { text: 'no' }), randomUUID());
    await heard.until('tool');
    expect(await handle.stop()).toMatchObject({ step: 'interrupted', message: expect.stringContaining('1 other session') as string });
    await expect.poll(async () => (await runningSleeps('63')).length, { timeout: 10_000 }).toBe(0);
    await watched.session(session.id, (now) => now.state === 'stopped');
    expect(await one.session(other.id).stop()).toMatchObject({ step: 'terminated' });
    expect(await serversOf(place.path)).toEqual([]);
    const [file] = await handle.removalPreview();
    expect(file).toContain(session.id);
    await handle.remove();
    expect(existsSync(file ?? '')).toBe(false);
    expect((await one.sessions({ limit: 5 })).items.map((item) => item.id)).toEqual([other.id]);
    expect(await readdir(path.join(place.path, 'state', 'one', 'trash'))).toHaveLength(1);
    heard.dispose();
    watched.dispose();
  });

  test('models, modes and efforts, and a mode that is set holds for the next turn', async () => {
    const one = backend();
    const offered = await one.controls({ folder: work });
    expect(offered).toMatchObject({ model: 'gpt-5.5' });
    expect(offered.modes.map((mode) => mode.label)).toEqual(['Ask First', 'Workspace Write', 'Full Access', 'Plan']);
    expect(offered.efforts.length).toBeGreaterThan(1);
    const handle = one.session((await spawn(one, { mode: 'ask' })).id);
    const heard = new Heard(handle);
    await handle.send(say('Read only', { tools: [run('echo x > no.txt')] }, { text: 'r' }), randomUUID());
    await heard.turnEnd(1);
    expect(existsSync(path.join(work, 'no.txt'))).toBe(false);
    await handle.setMode('full');
    await handle.setEffort('high');
    await handle.send(say('Write', { tools: [run('echo x > yes.txt')] }, { text: 'w' }), randomUUID());
    await heard.turnEnd(2);
    expect(existsSync(path.join(work, 'yes.txt'))).toBe(true);
    expect(JSON.stringify(model.requests.at(-1)?.body)).toContain('"effort":"high"');
    expect(handle.controls()).toMatchObject({ mode: 'full', effort: 'high' });
    await expect(handle.setMode('nonsense')).rejects.toMatchObject({ code: 'invalid_argument' });
    heard.dispose();
  });
});

async function processes(): Promise<readonly { readonly pid: number; readonly args: readonly string[] }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(async (pid) => ({ pid: Number(pid), args: (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0') })));
  return found;
}
async function runningSleeps(seconds: string): Promise<readonly unknown[]> {
  return (await processes()).filter(({ args }) => args[0] === 'sleep' && args[1] === seconds);
}
/** The native app-servers whose home is in that folder. */
async function serversOf(folder: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const { pid, args } of await processes()) {
    if (args[1] !== 'app-server') continue;
    const variables = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (variables.includes(`CODEX_HOME=${folder}`)) found.push(pid);
  }
  return found;
}
