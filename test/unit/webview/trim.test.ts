import { expect, test } from 'vitest';
import { buildItems } from '../../../webview-ui/src/model/items.ts';
import { RowModel } from '../../../webview-ui/src/model/rows.ts';
import { heightOf } from '../../../webview-ui/src/transcript/heights.ts';
import { keptFrom } from '../../../webview-ui/src/transcript/trim.ts';
import type { Row } from '../../../webview-ui/src/types.ts';

const text = (key: string, chars: number): Row => ({ kind: 'text', key, at: null, turn: null, text: 'x'.repeat(chars), streaming: false });
const asks = (key: string): Row => ({
  kind: 'permission', key, at: null, turn: null, requestId: key, ask: 'tool', tool: 'Bash', title: 'Run', reason: null, input: null, command: null, cwd: null, diffs: [], plan: null, questions: [], options: [],
  takesReason: false, outcome: null, answerReason: null, answers: {},
});

function held(rows: readonly Row[], start = 0): RowModel {
  const model = new RowModel();
  model.reset({ generation: 1, total: start + rows.length, start, rows });
  return model;
}
const keysOf = (model: RowModel): string[] => model.spans.flatMap((span) => span.rows.map((row) => row.key));

test('rows are let go from the first on, down to what is kept, as soon as there is more than the most', () => {
  const model = held(Array.from({ length: 10 }, (_, place) => text(`t${place}`, 700)), 40);
  expect(model.trim(10_000, 4_000, 50)).toBe(false);
  expect(model.held).toBe(10);
  expect(model.trim(9_999, 4_000, 50)).toBe(true);
  expect(keysOf(model)).toEqual(['t6', 't7', 't8', 't9']);
  expect(model.spans[0]?.start).toBe(46);
  expect(model.total).toBe(50);
  expect(model.trim(9_999, 4_000, 50)).toBe(false);
});

test('what stands near the view stays, however long it is', () => {
  const model = held([text('a', 5_000), text('b', 5_000), text('c', 5_000)]);
  expect(model.trim(1_000, 500, 1)).toBe(true);
  expect(keysOf(model)).toEqual(['b', 'c']);
  expect(model.trim(1_000, 500, 1)).toBe(false);
});

test('a request that waits for the person stays, with all that follows it', () => {
  const model = held([text('a', 5_000), asks('p'), text('b', 5_000), text('c', 5_000)]);
  expect(model.trim(1_000, 500, 4)).toBe(true);
  expect(keysOf(model)).toEqual(['p', 'b', 'c']);
  expect(model.trim(1_000, 500, 4)).toBe(false);
});

test('rows with text go before a span that begins later, and spans stay apart', () => {
  const model = held([text('y', 900), text('z', 900)], 100);
  model.takePage({ start: 10, total: 102, generation: 1, rows: [text('a', 900), text('b', 900)] });
  expect(model.trim(4_000, 2_500, 102)).toBe(true);
  expect(keysOf(model)).toEqual(['y', 'z']);
});

test('enough is kept above the view that nothing let go is fetched ahead at once, gaps and all', () => {
  const rows = Array.from({ length: 400 }, (_, place) => text(`t${place}`, 90));
  const items = buildItems(held(rows).spans, rows.length, { thinking: 'collapsed' });
  const from = keptFrom(items, 390);
  const above = items.slice(from, 390).reduce((sum, item) => sum + heightOf(item), 0);
  expect(above).toBeGreaterThanOrEqual(8_000);
  expect(above).toBeLessThan(8_100);
  expect(keptFrom(items, 5)).toBe(0);
  expect(keptFrom([], 0)).toBe(0);
});
