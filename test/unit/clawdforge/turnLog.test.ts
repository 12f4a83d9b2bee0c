import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { TurnLog } from '../../../src/core/systems/clawdforge/backend/turnLog.ts';
import type { TurnEnd } from '../../../src/core/systems/clawdforge/backend/turnLog.ts';
import { eventOf } from '../../../src/core/systems/clawdforge/wire.ts';
import { rowsOf } from '../../contract/observer.ts';
import { assertOrderFree } from '../session/properties.ts';

const done: TurnEnd = { state: 'completed', error: null, durationMs: 9 };

function played(events: readonly unknown[], end: TurnEnd = done): { readonly live: readonly Entry[]; readonly kept: readonly Entry[]; readonly rows: readonly Row[] } {
  let now = 1_000;
  const log = new TurnLog({ clientId: 'c', text: 'Go' }, 1_000, () => (now += 1));
  const live: Entry[] = [...log.opening];
  for (const event of events) live.push(...log.take(eventOf(event)));
  live.push(...log.end(end));
  return { live, kept: log.kept, rows: viewOf(live) };
}

/** Events as a server may send them, and anything else. */
const anyEvent = fc.oneof(
  fc.record({ type: fc.constantFrom('text', 'thinking'), content: fc.oneof(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 1 })) }),
  fc.record({ type: fc.constant('tool_call'), id: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }), name: fc.constantFrom('Bash', 'Read', 'x'), content: fc.jsonValue({ maxDepth: 2 }), status: fc.constantFrom('pending', 'completed', 'failed') }, { requiredKeys: ['type'] }),
  fc.record({ type: fc.constantFrom('tool_result', 'tool_call_update'), tool_call_id: fc.constantFrom('a', 'b', 'c'), content: fc.jsonValue({ maxDepth: 1 }), status: fc.constantFrom('completed', 'in_progress') }, { requiredKeys: ['type'] }),
  fc.jsonValue({ maxDepth: 2 }),
);

describe('any events', () => {
  it('give rows, drop no text, and end whole', () => {
    fc.assert(fc.property(fc.array(anyEvent, { maxLength: 20 }), fc.constantFrom('completed' as const, 'failed' as const), (events, state) => {
      const { live, kept, rows } = played(events, { ...done, state });
      const said = events.map((event) => eventOf(event)).flatMap((event) => (event.type === 'text' && typeof event['content'] === 'string' ? [event['content']] : [])).join('');
      expect(rowsOf(rows, 'text').map((row) => row.text).join('')).toBe(said);
      expect(rowsOf(rows, 'text').every((row) => !row.streaming)).toBe(true);
      expect(rowsOf(rows, 'tool').every((row) => row.status !== 'running')).toBe(true);
      expect(rows[0]).toMatchObject({ kind: 'prompt', text: 'Go' });
      expect(rows.at(-1)).toMatchObject({ kind: 'turn', state });
      // What is kept shows the same as what was told, alone and with it.
      expect(viewOf(kept)).toEqual(rows);
      expect(viewOf([...kept, ...live])).toEqual(rows);
      expect(kept.some((entry) => entry.kind === 'delta')).toBe(false);
    }), { numRuns: 2_000 });
  });

  it('give the same rows in any order and any number of times', async () => {
    await assertOrderFree(fc.sample(fc.array(anyEvent, { minLength: 6, maxLength: 10 }), { numRuns: 1, seed: 7 }).flatMap((events) => played(events).live));
  });

  it('as they stand at any moment give way to what came after', () => {
    const events = [{ type: 'text', content: 'one ' }, { type: 'text', content: 'two' }, { type: 'tool_call', id: 'a', name: 'Bash' }, { type: 'thinking', content: 'hm' }];
    for (let at = 0; at <= events.length; at += 1) {
      const log = new TurnLog({ clientId: 'c', text: 'Go' }, 1_000, () => 2_000);
      const live: Entry[] = [...log.opening];
      for (const event of events.slice(0, at)) live.push(...log.take(eventOf(event)));
      const then = log.whole({ state: 'failed', error: 'The window closed.', durationMs: null });
      expect(viewOf(then).at(-1)).toMatchObject({ state: 'failed' });
      expect(rowsOf(viewOf(then), 'text').every((row) => !row.streaming)).toBe(true);
      for (const event of events.slice(at)) live.push(...log.take(eventOf(event)));
      live.push(...log.end(done));
      expect(viewOf([...live, ...then])).toEqual(viewOf(live));
      expect(viewOf([...then, ...log.kept])).toEqual(viewOf(live));
    }
  });
});

describe('tools', () => {
  it.each([
    [{ type: 'tool_call', id: '1', name: 'Bash', input: { command: 'ls -la' } }, { name: 'Bash', verb: 'execute', title: 'ls -la', command: 'ls -la' }],
    [{ type: 'tool_call', content: { tool_call_id: '2', tool: 'Edit', arguments: { file_path: '/a/b.ts' } } }, { name: 'Edit', verb: 'edit', title: '/a/b.ts', locations: [{ path: '/a/b.ts', line: null }] }],
    [{ type: 'tool_call', content: 'Read notes.txt' }, { name: 'Read', verb: 'read', title: 'Read notes.txt' }],
    [{ type: 'tool_call', kind: 'search', title: 'Look for harbours', rawInput: { query: 'harbour' } }, { name: 'search', verb: 'search', title: 'Look for harbours', input: { query: 'harbour' } }],
    [{ type: 'tool_call' }, { name: 'tool', verb: 'other', title: 'tool' }],
  ])('%j', (event, shown) => {
    expect(rowsOf(played([event]).rows, 'tool')).toEqual([expect.objectContaining(shown)]);
  });

  it('have their results, by their ids, or the only one that is open; what belongs to none is kept as it is', () => {
    const { rows } = played([
      { type: 'tool_call', id: 'a', name: 'Bash' }, { type: 'tool_call', id: 'b', name: 'Read' }, { type: 'tool_result', tool_call_id: 'b', content: 'of b' }, { type: 'tool_result', content: [{ text: 'of a' }], is_error: true },
      { type: 'tool_result', tool_call_id: 'z', content: 'of nobody' }, { type: 'tool_call', id: 'c', name: 'Write', status: 'completed', output: 'written' }, { type: 'tool_call', id: 'd', name: 'Sleep' },
    ]);
    expect(rowsOf(rows, 'tool').map((row) => [row.name, row.status, row.output])).toEqual([['Bash', 'error', 'of a'], ['Read', 'ok', 'of b'], ['Write', 'ok', 'written'], ['Sleep', 'ok', '']]);
    expect(rowsOf(rows, 'unknown').map((row) => row.raw)).toEqual([{ type: 'tool_result', tool_call_id: 'z', content: 'of nobody' }]);
  });

  it('that are told again are the same call', () => {
    const { rows } = played([{ type: 'tool_call', id: 'a', name: 'Bash', status: 'pending' }, { type: 'tool_call', id: 'a', name: 'Bash', title: 'List', status: 'completed' }]);
    expect(rowsOf(rows, 'tool')).toEqual([expect.objectContaining({ title: 'List', status: 'ok' })]);
  });

  it('of a turn that failed were not done', () => {
    expect(rowsOf(played([{ type: 'tool_call', name: 'Bash' }], { state: 'failed', error: 'x', durationMs: null }).rows, 'tool')[0]?.status).toBe('cancelled');
  });

  it('may be any number: looked through anew with each event, they would take minutes', () => {
    const count = 40_000;
    const log = new TurnLog({ clientId: 'many', text: 'x' }, 1, () => 1);
    for (let index = 0; index < count; index += 1) {
      log.take({ type: 'tool_call', id: `call-${index}`, name: 'Bash', input: { command: `echo ${index}` } });
      expect(log.openTool === 'echo 0').toBe(true);
    }
    for (let index = 0; index < count - 1; index += 1) log.take({ type: 'tool_result', tool_call_id: `call-${index}`, content: 'done' });
    expect(log.openTool).toBe(`echo ${count - 1}`);
    log.take({ type: 'tool_result', content: 'the last' });
    expect([log.openTool, log.kept.length]).toEqual([null, 2 + 2 * count]);
  });
});
