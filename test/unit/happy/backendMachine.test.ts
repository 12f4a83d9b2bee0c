import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { code } from '../../contract/helpers.ts';
import { HappyWorld } from './backendWorld.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let world: HappyWorld;
beforeEach(async () => {
  world = await HappyWorld.make({ sessions: 2, alive: false });
});
afterEach(() => world[Symbol.asyncDispose]());

/** What the transcript of a machine gives for a call, where its line is that text. */
async function output(line: string, more: Record<string, string> = { claudeSessionId: 'log1' }): Promise<unknown> {
  await world.daemon.online();
  world.daemon.machine.on('bash', () => ({ success: true, stdout: Buffer.from(line).toString('base64'), stderr: '', exitCode: 0 }));
  const agent = await world.daemon.start('/work', more);
  const window = await world.connected();
  const [entry] = (await window.backend.session(agent.id).fetchOutput?.('call_1')) ?? [];
  return entry?.kind === 'result' ? [entry.status, entry.output] : entry;
}
const user = (...content: JsonValue[]): string => JSON.stringify({ parentUuid: 'p', type: 'user', message: { role: 'user', content } });
const result = { tool_use_id: 'call_1', type: 'tool_result', content: 'said "content": \\ and [more]', is_error: true };

describe('the output of a call, from the transcript on its machine', () => {
  it('is read whole, with its failure', async () => {
    expect(await output(user(result))).toEqual(['error', result.content]);
  });

  it.each([
    ['in its text', user(result), '[more]', 'said "content": \\ and '],
    ['in an escape', user(result), '\\" content', null],
    ['before the failure', user(result), ',"is_error', 'said "content": \\ and [more]'],
    ['behind the failure', user({ tool_use_id: 'call_1', type: 'tool_result', is_error: true, content: 'it broke badly' }), ' badly', 'it broke'],
    ['in a block of its parts', user({ tool_use_id: 'call_1', type: 'tool_result', content: [{ type: 'text', text: 'one' }, { type: 'text', text: 'two three' }] }), ' three', 'one\ntwo'],
    ['behind the result of another call', user({ tool_use_id: 'call_0', type: 'tool_result', content: 'of another' }, { ...result, content: 'its own words' }), ' words', 'its own'],
  ])('is cut %s', async (_name, line, at, text) => {
    const cut = line.slice(0, line.indexOf(at));
    expect(cut.length).toBeGreaterThan(50);
    if (text === null) return expect(await output(line.slice(0, line.indexOf('\\"content') + 1))).toEqual(['ok', 'said \n… (more on the machine)']);
    return expect(await output(cut)).toEqual([line.includes('"is_error":true,"content":"it') ? 'error' : 'ok', `${text}\n… (more on the machine)`]);
  });

  it('is none of a call that the line does not have, cut or not', async () => {
    expect(await code(output(user({ tool_use_id: 'call_0', type: 'tool_result', content: 'of another' }).slice(0, -9)))).toBe('output_not_found');
  });

  it('of Codex is cut as well', async () => {
    const line = JSON.stringify({ type: 'response_item', payload: { type: 'function_call_output', call_id: 'call_1', output: JSON.stringify({ output: 'a "quoted" word and on', metadata: { exit_code: 0 } }) } });
    expect(await output(line.slice(0, line.indexOf(' and on')), { codexThreadId: 'thread1' })).toEqual(['ok', 'a "quoted" word\n… (more on the machine)']);
  });
});

describe('a machine without a POSIX shell', () => {
  it.each(['win32', ''])('is asked for no file and no output: %j', async (platform) => {
    world.daemon.platform = platform;
    await world.daemon.online();
    world.daemon.machine.on('bash', () => ({ success: true, stdout: '0', stderr: '', exitCode: 0 }));
    const agent = await world.daemon.start('/work', { claudeSessionId: 'log1' });
    const handle = (await world.connected()).backend.session(agent.id);
    expect(await code(handle.readFile?.("C:\\x' & calc & '") ?? Promise.resolve())).toBe('unsupported');
    expect(await code(handle.fetchOutput?.('call_1') ?? Promise.resolve())).toBe('unsupported');
    expect(world.daemon.machine.calls).toEqual([]);
  });
});
