import { expect, it, vi } from 'vitest';
import type { AttentionItem } from '../../../src/core/fleet/attention.ts';
import { SimClock } from '../store/support.ts';
import { sessionRow } from './sessionRow.ts';

const bar = vi.hoisted(() => ({ text: '', tooltip: '', show: vi.fn(), hide: vi.fn(), dispose: vi.fn() }));
vi.mock('vscode', () => ({ StatusBarAlignment: { Left: 1 }, window: { createStatusBarItem: () => bar } }));
const { AttentionBar } = await import('../../../src/extension/attentionBar.ts');

it('the status bar’s hover tells how long each thing waits now, and nothing runs while nothing waits', async () => {
  const clock = new SimClock();
  const failed: AttentionItem = { id: 'failed/a', kind: 'failed', connectionId: 'c', key: 'a', name: '', request: null, text: 'no model', since: clock.now(), can: ['open'] };
  let needs: readonly AttentionItem[] = [failed];
  let change = (): void => undefined;
  const queue = { needs: () => needs, onChange: (listener: (change: { added: readonly AttentionItem[] }) => void) => ((change = () => listener({ added: [] })), { dispose: () => undefined }) };
  const shown = new AttentionBar(queue, { session: () => sessionRow({ title: 'Dark mode' }) }, clock);
  const hover = (age: string): string => `1 thing waits for you\n“Dark mode” failed: no model · ${age}`;
  expect([bar.text, bar.tooltip]).toEqual(['$(bell-dot) 1', hover('now')]);
  await clock.advance(3 * 60_000);
  expect([bar.tooltip, clock.waiting]).toEqual([hover('3 m'), 1]);
  needs = [];
  change();
  expect([bar.hide.mock.calls.length, clock.waiting]).toEqual([1, 0]);
  needs = [failed];
  change();
  expect([bar.tooltip, clock.waiting]).toEqual([hover('3 m'), 1]);
  shown.dispose();
  expect(clock.waiting).toBe(0);
});
