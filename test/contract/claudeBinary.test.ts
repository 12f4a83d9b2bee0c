import type { ChildProcess } from 'node:child_process';
import { spawn as spawnProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BackendEvent, SessionBackend } from '../../src/core/model/backend.ts';
import type { ConnectionState } from '../../src/core/model/backend.ts';
import type { Session } from '../../src/core/model/session.ts';
import type { ClaudeOptions } from '../../src/core/systems/local/claude/backend.ts';
import { createClaudeBackend } from '../../src/core/systems/local/claude/backend.ts';
import { claudeEnv } from '../loopback/agent-env.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import type { Step } from '../loopback/script.ts';
import { scripted } from '../loopback/script.ts';
import { agentProgram } from './agents.ts';
import { code, machineId, pidIn, wholeHistory } from './helpers.ts';
import { Observer, rowsOf } from './observer.ts';
import { assertOrderFree } from '../unit/session/properties.ts';
import { isGone, killHard, runningChildren, World } from './world.ts';

/** Claude Code itself against a model on loopback that plays the steps in each prompt. */
let claude = '';
let model: AnthropicEndpoint;
let world: World;
let work = '';
let env: NodeJS.ProcessEnv;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  claude = await agentProgram('claude');
  model = await startAnthropic({ script: ({ prompts }) => ({ text: prompts.length > 1 ? `Earlier: ${prompts.slice(0, -1).join(' / ')}` : `You said: ${prompts.join(' / ')}` }) });
}, 600_000);
afterAll(async () => model.close());
beforeEach(async () => {
  world = await World.make();
  work = await world.folder('workspace');
  // The root of a project: the agent keeps lasting rules there.
  await world.folder('workspace/.git');
  env = { ...(await claudeEnv(model.url, await world.folder('agent'))), CLAUDE_CODE_MAX_RETRIES: '1' };
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await world.dispose();
});

async function open(options: ClaudeOptions = {}): Promise<SessionBackend> {
  const window = await world.window('local-claude');
  const backend = createClaudeBackend(window.context, { path: claude, env, ...options });
  let closed = false;
  closing.push(async () => {
    if (closed) return;
    closed = true;
    await backend[Symbol.asyncDispose]();
    window.end();
  });
  return backend;
}
async function chat(backend: SessionBackend, options: { readonly mode?: string } = {}): Promise<Observer> {
  const observer = new Observer(backend, (await backend.spawn({ machineId, folder: work, ...options })).id);
  closing.unshift(async () => observer.dispose());
  return observer;
}
const say = (text: string, ...steps: readonly Step[]): { readonly text: string; readonly attachments: [] } => ({ text: steps.length === 0 ? text : scripted(text, ...steps), attachments: [] });
const bash = (command: string): NonNullable<Step['tools']>[number] => ({ name: 'Bash', input: { command, description: 'as asked' } });
const node = (source: string): string => `node -e ${JSON.stringify(source)}`;
async function findSession(backend: SessionBackend, id: string): Promise<Session | undefined> {
  return (await backend.sessions({ limit: 50 })).items.find((one) => one.id === id);
}

/** Claude Code as another program runs it: on its own, without our leases and notes. */
function terminal(sessionId: string): { readonly child: ChildProcess; prompt(text: string): Promise<void>; end(): Promise<void> } {
  const child = spawnProcess(claude, ['-p', '--resume', sessionId, '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'], { cwd: work, env, stdio: ['pipe', 'pipe', 'ignore'] });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  closing.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return {
    child,
    async prompt(words) {
      const before = text.split('"type":"result"').length;
      child.stdin?.write(`${JSON.stringify({ type: 'user', message: { role: 'user', content: words }, parent_tool_use_id: null })}\n`);
      await expect.poll(() => text.split('"type":"result"').length, { timeout: 20_000 }).toBeGreaterThan(before);
    },
    async end() {
      child.stdin?.end();
      await exited;
    },
  };
}

describe('permissions and modes', () => {
  test('a rule for the session stays out of the settings file; one for always goes in', async () => {
    const one = await chat(await open());
    const settings = path.join(work, '.claude', 'settings.local.json');
    await one.handle.send(say('Twice', { tools: [bash('npm config get zzz')] }, { tools: [bash('npm config get zzz')] }, { text: 'Done.' }), randomUUID());
    const ask = await one.until('a permission', () => one.asks()[0]);
    expect(ask.options.map((option) => option.scope)).toEqual(['once', 'session', 'always', 'reject']);
    await one.handle.answer(ask.requestId, { outcome: 'allow', optionId: 'allow-session' });
    expect((await one.turnEnd(0)).state).toBe('completed');
    expect(rowsOf(one.rows, 'permission').map((row) => row.outcome)).toEqual(['allowed-session']);
    expect(existsSync(settings)).toBe(false);
    await one.turn(say('Once more', { tools: [bash(node('1'))] }, { text: 'Done.' }).text, { outcome: 'allow-always' });
    expect(existsSync(settings)).toBe(true);
  });

  test('bypass is taken by a new start, and asks nothing', async () => {
    const one = await chat(await open());
    await one.turn('Hello');
    await one.handle.setMode('bypassPermissions');
    expect(one.handle.controls().mode).toBe('bypassPermissions');
    const end = await one.turn(say('Write', { tools: [bash('echo x > x.txt')] }, { text: 'Done.' }).text);
    expect(end.state).toBe('completed');
    expect(rowsOf(one.rows, 'permission')).toEqual([]);
    expect(existsSync(path.join(work, 'x.txt'))).toBe(true);
    expect(rowsOf(one.rows, 'prompt')).toHaveLength(2);
  });

  test('a plan is shown with its text and started', async () => {
    const one = await chat(await open(), { mode: 'plan' });
    await one.handle.send(say('Plan it', { tools: [{ name: 'ExitPlanMode', input: { plan: '# Steps\n1. Look' } }] }, { text: 'Now I begin.' }), randomUUID());
    const ask = await one.until('the plan', () => one.asks().find((each) => each.ask === 'plan'));
    expect(ask.plan).toContain('1. Look');
    await one.handle.answer(ask.requestId, { outcome: 'allow', optionId: 'allow' });
    await one.turnEnd(0);
    expect(one.said()).toContain('Now I begin.');
    expect(one.handle.controls().mode).toBe('default');
  });

  test('an edit shows before it is allowed what it would change, with true line numbers', async () => {
    const one = await chat(await open());
    await writeFile(path.join(work, 'long.txt'), Array.from({ length: 60 }, (_, index) => `line ${index + 1}\n`).join(''));
    const file = path.join(work, 'long.txt');
    await one.handle.send(say('Edit', { tools: [{ name: 'Read', input: { file_path: file } }] }, { tools: [{ name: 'Edit', input: { file_path: file, old_string: 'line 50', new_string: 'line fifty' } }] }, { text: 'Done.' }), randomUUID());
    const diff = await one.until('the diff', () => rowsOf(one.rows, 'permission')[0]?.diffs[0]);
    expect(diff.patch).toContain('@@ -47,7 +47,7 @@');
    expect(diff.after).toContain('line fifty\n');
    await one.handle.answer(one.asks()[0]?.requestId ?? '', { outcome: 'deny', reason: 'Not yet.' });
    await one.turnEnd(0);
    expect(rowsOf(one.rows, 'tool').at(-1)).toMatchObject({ status: 'denied', output: 'Not yet.' });
  });
});

describe('models, titles and pictures', () => {
  test('offers models and efforts before a session is there, and sets them on one', async () => {
    const backend = await open();
    const offered = await backend.controls({ folder: work });
    expect(offered.models.length).toBeGreaterThan(1);
    expect(offered.efforts.map((effort) => effort.id)).toContain('high');
    expect(offered.commands.length).toBeGreaterThan(3);
    expect(await runningChildren()).toEqual([]);
    expect((await backend.sessions({ limit: 5 })).items).toEqual([]);
    const one = await chat(backend);
    await one.handle.setModel('sonnet');
    await one.handle.setEffort('high');
    expect(one.handle.controls()).toMatchObject({ model: 'sonnet', effort: 'high' });
    await one.turn('Who are you?');
    await one.until('its model', () => one.session?.model?.includes('sonnet'));
    const seen = model.requests.filter((request) => request.kind === 'turn').at(-1)?.body as { readonly output_config?: { readonly effort?: string } };
    expect(seen.output_config?.effort).toBe('high');
    expect(await code(one.handle.setModel('no-such-model'))).toBe('invalid_argument');
    expect(one.handle.controls().model).toBe('sonnet');
  });

  test('sends pictures, and tells of what is running', async () => {
    const one = await chat(await open());
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    await one.handle.send({ text: 'Look', attachments: [{ name: 'dot.png', mediaType: 'image/png', size: 70, data: png, path: null }] }, randomUUID());
    await one.turnEnd(0);
    expect(JSON.stringify(model.requests.filter((request) => request.kind === 'turn').at(-1)?.body)).toContain(png.slice(0, 40));
    await one.handle.stop();
    const prompts = (await wholeHistory(await open(), one.handle.id)).filter((entry) => entry.kind === 'prompt');
    expect(prompts[0]).toMatchObject({ text: 'Look', attachments: [{ mediaType: 'image/png', data: png }] });
  });
});

describe('turns', () => {
  test('a prompt during a tool becomes part of the turn', async () => {
    const one = await chat(await open(), { mode: 'bypassPermissions' });
    await one.handle.send(say('Wait', { tools: [bash(node('setTimeout(()=>{},1500)'))] }, { text: 'Waited.' }), randomUUID());
    await one.until('the tool', () => rowsOf(one.rows, 'tool').length > 0 && one.session?.activity?.phase === 'tool');
    const clientId = randomUUID();
    expect(await code(one.handle.send(say('Not now'), randomUUID()))).toBe('turn_running');
    await one.handle.send(say('Mind the tide'), clientId, { steer: true });
    const end = await one.turnEnd(0);
    expect(rowsOf(one.rows, 'prompt').map((row) => row.turn)).toEqual([end.turn, end.turn]);
    expect(rowsOf(one.rows, 'turn')).toHaveLength(1);
  });

  test('a subagent has its rows within its call, live and in the record', async () => {
    const backend = await open();
    model.setScript(({ prompt, prompts, answered }) => {
      if (prompt.includes('SUB')) return answered === 0 ? { text: 'I look.', tools: [bash('ls')] } : { text: 'Nothing there.' };
      if (prompt.includes('delegate')) return answered === 0 ? { tools: [{ name: 'Task', input: { description: 'Look around', prompt: 'SUB look', subagent_type: 'general-purpose', run_in_background: false } }] } : { text: 'Done.' };
      return { text: prompts.join(' / ') };
    });
    const one = await chat(backend);
    await one.turn('delegate');
    const [tool] = rowsOf(one.rows, 'tool');
    expect(tool).toMatchObject({ verb: 'agent', title: 'Look around', status: 'ok', output: 'Nothing there.' });
    expect(tool?.children.map((row) => row.kind)).toEqual(['text', 'tool', 'text']);
    const record = await wholeHistory(backend, one.handle.id);
    const keys = new Set(record.filter((entry) => entry.parent === tool?.key).map((entry) => entry.row));
    expect(keys).toEqual(new Set(tool?.children.map((row) => row.key)));
    await assertOrderFree([...one.entries, ...record], { runs: 4 });
    model.setScript(({ prompts }) => ({ text: prompts.length > 1 ? `Earlier: ${prompts.slice(0, -1).join(' / ')}` : `You said: ${prompts.join(' / ')}` }));
  });

  test('says that the model is asked again, and when nobody is signed in, in the agent\'s words', async () => {
    const backend = await open();
    const states: ConnectionState[] = [];
    backend.watch((event: BackendEvent) => event.type === 'connection' && states.push(event.state));
    await backend.connect();
    const one = await chat(backend);
    const end = await one.turn(say('Try', { error: { status: 401, message: 'who are you' } }).text);
    expect(end).toMatchObject({ state: 'failed', error: expect.stringContaining('401') as string });
    const notices = rowsOf(one.rows, 'notice');
    expect(notices.map((row) => row.code)).toEqual(['retrying', 'login_failed']);
    expect(notices[1]?.remedy).toContain('claude auth login');
    await one.until('the state', () => one.session?.state === 'failed' && one.session.error?.includes('401') === true);
    expect(states.at(-1)).toMatchObject({ status: 'needs-sign-in', message: expect.stringContaining('who are you') as string });
    expect((await one.turn('Again')).state).toBe('completed');
    expect(states.at(-1)?.status).toBe('ready');
    await one.until('the session to be idle', () => one.session?.state === 'idle');
  });

  test('a model that is silent can be interrupted', async () => {
    const one = await chat(await open());
    await one.handle.send(say('Hang', { hang: 'headers' }), randomUUID());
    await one.until('the turn', () => one.session?.state === 'running');
    expect((await one.handle.interrupt()).step).toBe('interrupted');
    expect((await one.turnEnd(0)).state).toBe('cancelled');
  });
});

describe('processes', () => {
  test('an idle one is ended, and started again by the next prompt', async () => {
    const one = await chat(await open({ idleMs: 300 }));
    await one.turn('The password is lighthouse.');
    await one.until('the process to end', () => one.session?.owner === 'nobody');
    expect(await runningChildren()).toEqual([]);
    expect(one.session?.state).toBe('idle');
    await one.turn('What is it?');
    expect(one.said()).toContain('Earlier: The password is lighthouse.');
  });

  test('when it is killed, the command that it had started is ended too', async () => {
    const one = await chat(await open(), { mode: 'bypassPermissions' });
    const file = path.join(work, 'tool.pid');
    await one.handle.send(say('Run', { tools: [bash(node(`require('fs').writeFileSync(${JSON.stringify(file)}, String(process.pid)); setTimeout(()=>{}, 60000)`))] }, { text: 'no' }), randomUUID());
    const tool = await pidIn(file);
    // Which processes are its own is looked up every two seconds.
    await new Promise((resolve) => {
      setTimeout(resolve, 4500);
    });
    const [agent] = await runningChildren();
    await killHard(agent ?? -1);
    expect(await one.turnEnd(0)).toMatchObject({ state: 'failed' });
    expect(await isGone(tool)).toBe(true);
    expect(rowsOf(one.rows, 'tool')[0]?.status).toBe('cancelled');
    expect(rowsOf(one.rows, 'notice').map((row) => row.code)).toEqual(['process_died']);
  });

  test('one that a dead host left is ended by the next window, and by nobody before', async () => {
    const core = path.resolve(import.meta.dirname, '../../src/core');
    const host = path.join(world.root, 'host.mjs');
    const stateDir = await world.folder('state');
    await writeFile(host, `
import { createClaudeBackend } from ${JSON.stringify(path.join(core, 'systems/local/claude/backend.ts'))};
import { systemClock } from ${JSON.stringify(path.join(core, 'transport/clock.ts'))};
import { silentLogger } from ${JSON.stringify(path.join(core, 'transport/logger.ts'))};
const kept = new Map();
const context = { connectionId: 'c', log: silentLogger, clock: systemClock, stateDir: ${JSON.stringify(stateDir)},
  keep: { get: async (key) => kept.get(key) ?? null, set: async (key, value) => void (value === null ? kept.delete(key) : kept.set(key, value)), list: async () => new Map() },
  leases: { acquire: async () => true, release: async () => undefined, holder: async () => 'nobody' } };
const backend = createClaudeBackend(context, { path: ${JSON.stringify(claude)}, env: ${JSON.stringify(env)} });
const session = await backend.spawn({ machineId: 'this-computer', folder: ${JSON.stringify(work)} });
await backend.session(session.id).send({ text: ${JSON.stringify(scripted('Hang', { hang: 'headers' }))}, attachments: [] }, crypto.randomUUID());
setTimeout(() => console.log('ready'), 500);
setInterval(() => undefined, 1000);`);
    const child = spawnProcess(process.execPath, [host], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve) => {
      child.stdout.once('data', () => resolve());
    });
    const [agent] = (await readdir(path.join(stateDir, 'processes'))).map((name) => Number(name.split('-')[0]));
    const backend = await open();
    await backend.connect();
    expect(await isGone(agent ?? -1, 0)).toBe(false);
    const dead = new Promise((resolve) => {
      child.once('exit', resolve);
    });
    child.kill('SIGKILL');
    await dead;
    expect(await isGone(agent ?? -1, 500)).toBe(false);
    await (await open()).connect();
    expect(await isGone(agent ?? -1, 0)).toBe(true);
  });

  test('a prompt that was handed over by a window that died is not run again', async () => {
    const first = await open();
    const one = await chat(first);
    const clientId = randomUUID();
    await one.turn('The password is lighthouse.', { outcome: 'allow' }, clientId);
    await one.handle.stop();
    const second = await open();
    await second.session(one.handle.id).send(say('The password is lighthouse.'), clientId);
    expect((await wholeHistory(second, one.handle.id)).filter((entry) => entry.kind === 'prompt')).toHaveLength(1);
    expect(await runningChildren()).toEqual([]);
  });
});

describe('others', () => {
  test('a session that a terminal runs is followed, not touched, and forked', async () => {
    const backend = await open();
    const one = await chat(backend);
    await one.turn('The password is lighthouse.');
    await one.handle.stop();
    const other = terminal(one.handle.id);
    await other.prompt('From the terminal');
    await one.until('the owner', () => one.session?.owner === 'foreign');
    expect(one.session?.ownerName).toContain(String(other.child.pid));
    expect(await findSession(backend, one.handle.id)).toMatchObject({ owner: 'foreign' });
    await one.until('the prompt', () => rowsOf(one.rows, 'prompt').some((row) => row.text === 'From the terminal'));
    await one.until('the end of its turn', () => rowsOf(one.rows, 'turn').length === 2);
    expect(await code(one.handle.send(say('Mine'), randomUUID()))).toBe('session_runs_elsewhere');
    expect(await code(one.handle.resume())).toBe('session_runs_elsewhere');
    const copy = await one.handle.fork();
    expect(copy.title).toContain('(fork)');
    const fork = new Observer(backend, copy.id);
    await fork.turn('What is it?');
    expect(fork.said()).toContain('From the terminal');
    fork.dispose();
    await other.end();
    await one.until('the session to be free', () => one.session?.owner === 'nobody');
    expect((await one.turn('What is it?')).state).toBe('completed');
    await assertOrderFree([...one.entries, ...(await wholeHistory(backend, one.handle.id))], { runs: 4 });
  });

  test('sessions of other programs come and go in the list', async () => {
    const backend = await open();
    const seen: BackendEvent[] = [];
    const watch = backend.watch((event) => seen.push(event));
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    const id = randomUUID();
    const child = spawnProcess(claude, ['-p', '--session-id', id, 'Hello from elsewhere'], { cwd: work, env, stdio: 'ignore' });
    await new Promise((resolve) => {
      child.once('exit', resolve);
    });
    await expect.poll(() => seen.some((event) => event.type === 'session' && event.session.id === id && event.session.title === 'Hello from elsewhere'), { timeout: 8000 }).toBe(true);
    expect(await findSession(backend, id)).toMatchObject({ folder: work, owner: 'nobody' });
    const handle = backend.session(id);
    expect((await wholeHistory(backend, id)).some((entry) => entry.kind === 'text' && entry.text.includes('You said: Hello'))).toBe(true);
    await handle.remove();
    expect(seen.at(-1)).toEqual({ type: 'session-removed', sessionId: id });
    expect((await readdir(path.join(world.root, 'state', 'trash'))).length).toBe(1);
    watch.dispose();
  });

  test('a program that is not there is said, with the command that installs it', async () => {
    const backend = await open({ path: path.join(world.root, 'nothing') });
    expect(await backend.connect()).toMatchObject({ status: 'not-installed', remedy: { command: 'npm install -g @anthropic-ai/claude-code' } });
    expect(await code(backend.spawn({ machineId, folder: work }))).toBe('not_installed');
    const { ANTHROPIC_API_KEY: _key, ...nobody } = env;
    const signedOut = await open({ env: nobody });
    expect(await signedOut.connect()).toMatchObject({ status: 'needs-sign-in', remedy: { command: 'claude auth login' } });
  });
});
