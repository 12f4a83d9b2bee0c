import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { diffTexts } from '../../../src/core/systems/local/acp/diffs.ts';
import { Replay } from '../../../src/core/systems/local/acp/loading.ts';
import { SessionLog } from '../../../src/core/systems/local/acp/normalise.ts';
import { rowsOf } from '../../contract/observer.ts';
import { assertOrderFree, runs } from '../session/properties.ts';

const kinds = [
  'agent_message_chunk', 'agent_thought_chunk', 'user_message_chunk', 'tool_call', 'tool_call_update', 'plan', 'plan_update', 'usage_update', 'notice', 'compaction_update',
  'available_commands_update', 'current_mode_update', 'config_option_update', 'session_info_update', 'subagent_update', 'plan_removed', 'compaction_summary_chunk', 'session_message_chunk', '',
];
const word = fc.constantFrom('a', 'b', 'Tide ', 'ebb\n', '```\nx\n```', '');
const block = fc.oneof(
  fc.record({ type: fc.constant('text'), text: word }), fc.record({ type: fc.constant('image'), data: fc.constant('AA=='), mimeType: fc.constant('image/png') }),
  fc.record({ type: fc.constant('resource_link'), uri: fc.webUrl(), name: word }), fc.jsonValue(),
);
const content = fc.array(fc.oneof(
  fc.record({ type: fc.constant('content'), content: block }), fc.record({ type: fc.constant('diff'), path: word, oldText: fc.option(word), newText: word }),
  fc.record({ type: fc.constant('terminal'), terminalId: word }), fc.jsonValue(),
), { maxLength: 3 });
/** Updates that nearly are what they should be. */
const update = fc.record({
  sessionUpdate: fc.constantFrom(...kinds), content: fc.oneof(block, content, fc.jsonValue()), messageId: fc.option(word), toolCallId: fc.oneof(fc.constantFrom('t1', 't2'), fc.jsonValue()),
  title: fc.oneof(word, fc.jsonValue()), kind: fc.constantFrom('read', 'execute', 'switch_mode', 'odd'), status: fc.constantFrom('pending', 'in_progress', 'completed', 'failed', 'odd', null),
  rawInput: fc.jsonValue(), rawOutput: fc.jsonValue(), locations: fc.jsonValue(), entries: fc.jsonValue(), planId: fc.constantFrom('p', null), compactionId: fc.constantFrom('c', null), summary: fc.oneof(fc.array(block, { maxLength: 2 }), fc.jsonValue()),
  plan: fc.oneof(fc.record({ type: fc.constantFrom('items', 'markdown', 'file'), planId: fc.constant('p'), content: word, uri: word, entries: fc.jsonValue() }), fc.jsonValue()), used: fc.jsonValue(), size: fc.jsonValue(), cost: fc.jsonValue(),
  _meta: fc.oneof(fc.jsonValue(), fc.record({ terminal_output_delta: fc.record({ data: word, terminal_id: word }), claudeCode: fc.record({ parentToolUseId: fc.constantFrom('t1', 't2') }) })),
}, { requiredKeys: ['sessionUpdate'] });
const anything = fc.oneof({ arbitrary: update, weight: 5 }, { arbitrary: fc.jsonValue(), weight: 1 });

/** As the wire would bring it. */
const wire = (value: unknown): JsonValue => JSON.parse(JSON.stringify(value)) as JsonValue;

function play(updates: readonly unknown[]): { readonly entries: Entry[]; readonly log: SessionLog } {
  const log = new SessionLog({ scope: 'run:test' });
  const entries = log.beginTurn({ clientId: 'p1', text: 'go', attachments: [] }, 1000);
  for (const [index, one] of updates.entries()) entries.push(...log.update(wire(one), 1001 + index));
  entries.push(...log.endTurn({ state: 'completed', error: null, figures: null, openTools: 'ok' }, 2000));
  return { entries, log };
}

describe('any JSON', { timeout: 120_000 }, () => {
  it('gives entries and a view, live and as a replay, and never throws', () => {
    fc.assert(fc.property(fc.array(anything, { maxLength: 12 }), (updates) => {
      const { entries } = play(updates);
      const rows = viewOf(entries);
      expect(rows[0]?.kind).toBe('prompt');
      expect(rows.at(-1)?.kind).toBe('turn');
      expect(rowsOf(rows, 'tool').every((row) => row.status !== 'running')).toBe(true);
      const replay = new Replay();
      for (const one of updates) replay.take(wire(one));
      replay.end();
      viewOf(replay.entries);
    }), { numRuns: runs(1000, 10_000) });
  });

  it('loses no text that was said', () => {
    fc.assert(fc.property(fc.array(update, { maxLength: 12 }), (updates) => {
      const { entries } = play(updates);
      const all = JSON.stringify(viewOf(entries));
      for (const one of updates) {
        if (one.sessionUpdate !== 'agent_message_chunk' && one.sessionUpdate !== 'agent_thought_chunk') continue;
        const said: unknown = one.content;
        const text = typeof said === 'object' && said !== null && 'type' in said && said.type === 'text' && 'text' in said && typeof said.text === 'string' ? said.text : '';
        if (text.trim() !== '') expect(all).toContain(JSON.stringify(text).slice(1, -1));
      }
    }), { numRuns: runs(500, 5000) });
  });

  it('gives the same view in any order, in any pages, any number of times', async () => {
    await fc.assert(fc.asyncProperty(fc.array(update, { maxLength: 10 }), async (updates) => {
      const { entries } = play(updates);
      await assertOrderFree(entries, { runs: 3 });
    }), { numRuns: runs(60, 600) });
  });
});

describe('a diff of two texts', () => {
  it.each([
    [null, 'a\nb\n', '@@ -0,0 +1,2 @@\n+a\n+b', 2, 0, 'create'],
    ['a\nb\n', null, '@@ -1,2 +0,0 @@\n-a\n-b', 0, 2, 'delete'],
    ['a\n', 'a', '@@ -1,1 +1,1 @@\n-a\n+a\n\\ No newline at end of file', 1, 1, 'modify'],
    ['', 'a\n', '@@ -0,0 +1,1 @@\n+a', 1, 0, 'modify'],
    ['a\n', 'a\n', '', 0, 0, 'modify'],
  ] as const)('%j → %j', (before, after, patch, added, removed, change) => {
    expect(diffTexts('f', before, after)).toMatchObject({ patch, added, removed, change });
  });

  it('gives up on texts that have nothing in common, and shows the whole', () => {
    const lines = (seed: number): string => Array.from({ length: 20_000 }, (_, index) => `${(index * seed) % 7919}\n`).join('');
    const diff = diffTexts('f', lines(31), lines(37));
    expect(diff.added).toBeGreaterThan(0);
    expect(diff.patch).toMatch(/^@@ -1,/);
  });
});
