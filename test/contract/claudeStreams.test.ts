import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SessionBackend } from '../../src/core/model/backend.ts';
import type { Row, ToolRow } from '../../src/core/model/row.ts';
import { createClaudeBackend } from '../../src/core/systems/local/claude/backend.ts';
import { claudeEnv } from '../loopback/agent-env.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import type { Step } from '../loopback/script.ts';
import { scripted } from '../loopback/script.ts';
import { viewOf } from '../../src/core/session/view.ts';
import { told } from '../unit/local/claudeRecording.ts';
import { assertOrderFree } from '../unit/session/properties.ts';
import { agentProgram } from './agents.ts';
import { machineId, wholeHistory } from './helpers.ts';
import { Observer, rowsOf } from './observer.ts';
import { World } from './world.ts';

/** Claude Code itself: what shows while it goes on, and that what it keeps on disk tells the same. */
let claude = '';
let model: AnthropicEndpoint;
let world: World;
let work = '';
let env: NodeJS.ProcessEnv;
let backend: SessionBackend;
let one: Observer;
let close: () => Promise<void>;

beforeAll(async () => {
  claude = await agentProgram('claude');
  model = await startAnthropic();
}, 600_000);
afterAll(async () => model.close());
beforeEach(async () => {
  world = await World.make();
  work = await world.folder('workspace');
  await mkdir(path.join(work, '.git'));
  const window = await world.window('local-claude');
  env = { ...(await claudeEnv(model.url, await world.folder('agent'))), CLAUDE_CODE_MAX_RETRIES: '1', CLAUDE_CODE_ENABLE_TODO_TOOLS: '1' };
  backend = createClaudeBackend(window.context, { path: claude, env });
  one = new Observer(backend, (await backend.spawn({ machineId, folder: work, mode: 'bypassPermissions' })).id);
  close = async () => {
    one.dispose();
    await backend[Symbol.asyncDispose]();
    window.end();
  };
});
afterEach(async () => {
  model.setScript(null);
  await close();
  await world.dispose();
});

const say = (text: string, ...steps: readonly Step[]): { readonly text: string; readonly attachments: [] } => ({ text: scripted(text, ...steps), attachments: [] });

describe('what streams', () => {
  test('a call shows its path while its input is still on its way; broken off it is cancelled', async () => {
    const write = { name: 'Write', input: { file_path: path.join(work, 'long.txt'), content: 'line of it\n'.repeat(400) } };
    await one.handle.send(say('Write', { text: 'I write.', inputMs: 30, tools: [write] }, { text: 'Done.' }), randomUUID());
    const row = await one.until('the call', () => rowsOf(one.rows, 'tool').find((each) => each.title === 'long.txt'));
    expect(row).toMatchObject({ name: 'Write', verb: 'edit', status: 'running' });
    await one.until('its input', () => rowsOf(one.rows, 'tool').some((each) => typeof each.input === 'string' && each.input.includes('line of it')));
    await one.handle.interrupt();
    expect((await one.turnEnd(0)).state).toBe('cancelled');
    expect(rowsOf(one.rows, 'tool').map((each) => each.status)).toEqual(['cancelled']);
    expect(existsSync(write.input.file_path)).toBe(false);
  });

  test('an answer that breaks off and is asked for again leaves no row', async () => {
    await one.handle.send(say('Stumble', { text: 'The answer that breaks off in its middle.', chunkMs: 60, cut: true, times: 1 }), randomUUID());
    await one.until('its beginning', () => rowsOf(one.rows, 'text').some((row) => row.streaming));
    await one.turnEnd(0);
    expect(rowsOf(one.rows, 'text').map((row) => row.text)).toEqual(['The answer that breaks off in its middle.']);
    await assertOrderFree(one.entries, { runs: 3 });
  });
});

describe('the to-do list', () => {
  const task = (name: 'TaskCreate' | 'TaskUpdate', input: Record<string, string>): NonNullable<Step['tools']>[number] => ({ name, input });

  test('goes on over turns and processes, and is the same from disk', async () => {
    const first = say('Plan', { text: 'I plan.', tools: [task('TaskCreate', { subject: 'Mend the boat', description: 'all' }), task('TaskCreate', { subject: 'Paint it', description: 'red' })] },
      { tools: [task('TaskUpdate', { taskId: '1', status: 'in_progress' })] }, { text: 'Begun.' });
    await one.turn(first.text);
    expect(rowsOf(one.rows, 'todo').map((row) => row.items)).toEqual([[{ text: 'Mend the boat', status: 'running' }, { text: 'Paint it', status: 'pending' }]]);
    await one.handle.stop();
    const second = say('Go on', { tools: [task('TaskUpdate', { taskId: '1', status: 'completed' }), task('TaskUpdate', { taskId: '7', status: 'completed' })] },
      { tools: [task('TaskUpdate', { taskId: '2', subject: 'Paint it blue' })] }, { text: 'Done.' });
    await one.turn(second.text);
    expect(rowsOf(one.rows, 'todo').at(-1)?.items).toEqual([{ text: 'Mend the boat', status: 'done' }, { text: 'Paint it blue', status: 'pending' }]);
    expect(rowsOf(one.rows, 'todo')).toHaveLength(2);
    const disk = await wholeHistory(backend, one.handle.id);
    expect(told(viewOf(disk))).toEqual(told(one.rows));
    expect(viewOf([...disk, ...one.entries]).map((row) => row.key)).toEqual(one.rows.map((row) => row.key));
  });
});

describe('subagents', () => {
  const bash = (command: string): NonNullable<Step['tools']>[number] => ({ name: 'Bash', input: { command, description: 'as asked' } });
  const agent = (description: string, prompt: string): NonNullable<Step['tools']>[number] => ({ name: 'Agent', input: { description, prompt, subagent_type: 'general-purpose' } });
  /** Plays these steps to the one whose prompt holds that word. */
  const plays = (scripts: Readonly<Record<string, readonly Step[]>>): void => model.setScript(({ prompt, answered }) => {
    const key = Object.keys(scripts).find((word) => prompt.includes(word));
    return (key === undefined ? undefined : scripts[key]?.[answered]) ?? { text: 'So it is.' };
  });

  test('show what they do while they do it, and keep it on disk as it was told', async () => {
    plays({
      DELEGATE: [{ text: 'I delegate.', tools: [agent('look', 'ONE'), agent('look deeper', 'TWO')] }, { text: 'They are on it.' }],
      ONE: [{ text: 'Looking.', tools: [bash('echo one; sleep 1.5')] }, { think: 'Hm.', tools: [{ name: 'Write', input: { file_path: path.join(work, 'sub.txt'), content: 'x' } }] }, { text: 'All seen.\n\nReally.' }],
      TWO: [{ text: 'Deeper.', tools: [agent('deepest', 'THREE')] }, { text: 'Deep enough.' }],
      THREE: [{ text: 'Down here.', tools: [bash('echo three')] }, { text: 'Nothing.' }],
    });
    await one.handle.send({ text: 'DELEGATE', attachments: [] }, randomUUID());
    const rows = (): readonly ToolRow[] => rowsOf(one.rows, 'tool').filter((row) => row.verb === 'agent');
    await one.until('a step of a subagent while it works', () => rows().some((row) => row.status === 'running' && row.children.some((child) => child.kind === 'tool' && child.status === 'running' && child.title.includes('sleep'))));
    await one.until('both reports', () => rows().length === 2 && rows().every((row) => row.status === 'ok') && one.session?.state === 'idle');
    expect(rows().map((row) => row.output)).toEqual(['All seen.\n\nReally.', 'Deep enough.']);
    expect(rows()[1]?.children.map((row) => (row.kind === 'tool' ? [row.title, row.output, row.children.length] : row.kind))).toEqual(['text', ['deepest', 'Nothing.', 3], 'text']);
    await one.until('the turns that tell of them', () => rowsOf(one.rows, 'turn').length === 3);
    await one.handle.stop();
    const disk = await wholeHistory(backend, one.handle.id);
    expect(told(viewOf(disk))).toEqual(told(one.rows));
    await assertOrderFree([...one.entries, ...disk], { runs: 2 });
  });

  test('of a terminal are followed, and those that its end caught are cancelled', async () => {
    plays({ DELEGATE: [{ text: 'I delegate.', tools: [agent('look', 'ONE')] }, { text: 'It is on it.' }], ONE: [{ text: 'Looking.', tools: [bash('node -e "setTimeout(() => {}, 60000)"')] }] });
    await one.turn('Hello');
    await one.handle.stop();
    const child = spawn(claude, ['-p', '--resume', one.handle.id, '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose', '--dangerously-skip-permissions'], { cwd: work, env, stdio: ['pipe', 'ignore', 'ignore'] });
    const gone = new Promise((resolve) => {
      child.once('exit', resolve);
    });
    child.stdin.write(`${JSON.stringify({ type: 'user', message: { role: 'user', content: 'DELEGATE' }, parent_tool_use_id: null })}\n`);
    const step = (): Row | undefined => rowsOf(one.rows, 'tool').find((row) => row.verb === 'agent')?.children.find((row) => row.kind === 'tool');
    expect(await one.until('its step', step)).toMatchObject({ title: expect.stringContaining('setTimeout') as string, status: 'running' });
    child.kill('SIGKILL');
    await gone;
    await one.until('the session to be free', () => one.session?.owner === 'nobody');
    const [row] = rowsOf(viewOf(await wholeHistory(backend, one.handle.id)), 'tool');
    expect(row).toMatchObject({ verb: 'agent', status: 'cancelled' });
    expect(row?.children.flatMap((each) => (each.kind === 'tool' ? [each.status] : []))).toEqual(['cancelled']);
  });
});
