import fc from 'fast-check';
import type { Entry } from '../../../src/core/model/entry.ts';

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const step = fc.record({
  row: key, parent: fc.option(key, { freq: 2 }), order: fc.integer({ min: 1, max: 9 }), rev: fc.nat(3),
  kind: fc.constantFrom('notice' as const, 'notice' as const, 'tool' as const, 'answer' as const, 'block' as const), void: fc.boolean(),
});

/**
 * Entries of six rows that go from one place and parent to another with nearly every version, within each other and in rings, and that come to be shown late:
 * no system's sessions, but the shortest way to every place of the list where something can go wrong. Blocks that turn out void hold no other rows.
 */
export const restless: fc.Arbitrary<Entry[]> = fc.array(step, { minLength: 1, maxLength: 12 }).map((steps) => steps.map(({ row: name, parent, order, rev, kind, void: isVoid }, index): Entry => {
  const row = kind === 'block' ? name.toUpperCase() : name;
  const base = { id: `${row}:${kind}`, row, order: [order], rev, at: null, turn: null, parent: parent === row ? null : parent };
  switch (kind) {
    case 'notice': return { ...base, kind, level: 'info', code: 'compacted', text: `version ${index}`, remedy: null };
    case 'block': return { ...base, kind: 'text', text: isVoid ? '' : `version ${index}` };
    case 'tool': return { ...base, kind, callId: row, name: 'Task', verb: 'agent', title: `version ${index}`, input: null, command: null, cwd: null, locations: [], diffs: [] };
    case 'answer': return { ...base, kind, requestId: row, outcome: 'denied', by: 'person', reason: `version ${index}`, answers: {} };
  }
}));
