import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SessionBackend } from '../../src/core/model/backend.ts';
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
  const env = { ...(await claudeEnv(model.url, await world.folder('agent'))), CLAUDE_CODE_MAX_RETRIES: '1', CLAUDE_CODE_ENABLE_TODO_TOOLS: '1' };
  backend = createClaudeBackend(window.context, { path: claude, env });
  one = new Observer(backend, (await backend.spawn({ machineId, folder: work, mode: 'bypassPermissions' })).id);
  close = async () => {
    one.dispose();
    await backend[Symbol.asyncDispose]();
    window.end();
  };
});
afterEach(async () => {
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
