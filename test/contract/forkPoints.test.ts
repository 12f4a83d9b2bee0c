import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ForkPoint, SessionBackend } from '../../src/core/model/backend.ts';
import type { Row } from '../../src/core/model/row.ts';
import { placeOfPrompt } from '../../src/core/session/turns.ts';
import { viewOf } from '../../src/core/session/view.ts';
import { createClaudeBackend } from '../../src/core/systems/local/claude/backend.ts';
import { createCodexBackend } from '../../src/core/systems/local/codex/backend.ts';
import { claudeEnv, codexEnv } from '../loopback/agent-env.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { startOpenAi } from '../loopback/openai.ts';
import type { Conversation } from '../loopback/script.ts';
import { contextIn, temporary } from '../unit/local/codexRig.ts';
import { agentProgram } from './agents.ts';
import { code, machineId, wholeHistory } from './helpers.ts';
import { Observer, rowsOf } from './observer.ts';
import { World } from './world.ts';

/** Forks that begin at an earlier prompt, with the real agents: a model on loopback says which prompts it was given. */
const script = ({ prompts }: Conversation) => ({ text: `I was asked: ${prompts.join(' / ')}` });
const closing: (() => Promise<unknown>)[] = [];
let place: Awaited<ReturnType<typeof temporary>>;
let work = '';
beforeEach(async () => {
  place = await temporary();
  work = await place.folder('work');
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await place.remove();
});

/** The place of a prompt as the transcript tells it. */
async function pointOf(rows: readonly Row[], text: string, nth = 0): Promise<ForkPoint> {
  const row = rowsOf(rows, 'prompt').filter((prompt) => prompt.text === text)[nth];
  if (row === undefined) throw new Error(`no prompt ${text}`);
  const found = await placeOfPrompt({ total: rows.length, rows: (start, end) => Promise.resolve({ start, rows: rows.slice(start, end) }), indexOf: (key) => Promise.resolve(rows.findIndex((each) => each.key === key)) }, row.key);
  if (found === null || found.within) throw new Error(`${text} began no turn`);
  return found.point;
}
const pastOf = async (backend: SessionBackend, id: string): Promise<Row[]> => viewOf(await wholeHistory(backend, id));
const promptsOf = (rows: readonly Row[]): string[] => rowsOf(rows, 'prompt').map((row) => row.text);

/** Says four things, forks at the third, and goes on in the fork; then at the first. */
async function forksAtPrompts(backend: SessionBackend, mode: string): Promise<void> {
  expect(await backend.connect()).toMatchObject({ status: 'ready' });
  const made = await backend.spawn({ machineId, folder: work, mode });
  const one = new Observer(backend, made.id);
  closing.push(() => Promise.resolve(one.dispose()));
  for (const text of ['One', 'Go on', 'Three', 'Go on']) await one.turn(text);
  expect(one.handle.forksAt).toBe(true);
  const third = await one.handle.fork({ at: await pointOf(one.rows, 'Three') });
  expect(third.folder).toBe(work);
  expect(promptsOf(await pastOf(backend, third.id))).toEqual(['One', 'Go on']);
  // Its process may end before anything is said in it.
  await backend.session(third.id).stop();
  const fork = new Observer(backend, third.id);
  closing.push(() => Promise.resolve(fork.dispose()));
  await fork.turn('Another three');
  expect(fork.said()).toBe('I was asked: One / Go on / Another three');
  expect(promptsOf(await pastOf(backend, third.id))).toEqual(['One', 'Go on', 'Another three']);
  // What it was forked from has its own way.
  await one.turn('Five');
  expect(one.said()).toContain('I was asked: One / Go on / Three / Go on / Five');
  const fresh = await one.handle.fork({ at: await pointOf(one.rows, 'One') });
  expect(promptsOf(await pastOf(backend, fresh.id))).toEqual([]);
  const anew = new Observer(backend, fresh.id);
  closing.push(() => Promise.resolve(anew.dispose()));
  await anew.turn('One, anew');
  expect(anew.said()).toBe('I was asked: One, anew');
  expect(await code(one.handle.fork({ at: { row: 'p:00000000-0000-4000-8000-000000000000', text: 'Never', turnBefore: randomUUID(), first: false, sameBehind: 0 } }))).toBe('fork_point_not_found');
}

describe('Claude Code', () => {
  let program = '';
  let model: Awaited<ReturnType<typeof startAnthropic>>;
  beforeAll(async () => {
    program = await agentProgram('claude');
    model = await startAnthropic({ script });
  }, 600_000);
  afterAll(async () => model.close());

  test('forks at a prompt: with the past up to it, and without it', async () => {
    const world = await World.make();
    closing.push(() => world.dispose());
    const window = await world.window('local-claude');
    const backend = createClaudeBackend(window.context, { path: program, env: { ...(await claudeEnv(model.url, await world.folder('agent'))), CLAUDE_CODE_MAX_RETRIES: '1' } });
    closing.push(async () => {
      await backend[Symbol.asyncDispose]();
      window.end();
    });
    await forksAtPrompts(backend, 'default');
  });
});

describe('Codex', () => {
  let program = '';
  let model: Awaited<ReturnType<typeof startOpenAi>>;
  beforeAll(async () => {
    program = await agentProgram('codex');
    model = await startOpenAi({ script });
  }, 600_000);
  afterAll(async () => model.close());

  test('forks at a prompt: with the past up to it, and without it', async () => {
    const backend = createCodexBackend(contextIn(place.path), { path: program, env: await codexEnv(model.url, place.path) });
    closing.push(() => Promise.resolve(backend[Symbol.asyncDispose]()));
    await forksAtPrompts(backend, 'workspace');
  });
});
