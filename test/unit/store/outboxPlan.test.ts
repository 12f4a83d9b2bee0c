import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moved, nextStep, retryDelay, sortItems } from '../../../src/core/session/outboxPlan.ts';
import { outboxItem } from './support.ts';

describe('the plan', () => {
  it('waits until the first item that may go is due', () => {
    const items = [outboxItem('a'), outboxItem('b', { position: 2 })];
    const at = (due: number) => ({ idle: true, now: 100, dueAt: () => due });
    expect(nextStep(items, at(100))).toEqual({ do: 'send', item: items[0] });
    expect(nextStep(items, at(101))).toEqual({ do: 'wait', until: 101 });
    expect(nextStep([], at(0))).toEqual({ do: 'wait', until: null });
  });

  it('moves items by saving few, with a right order after every single save', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 5 }), fc.array(fc.tuple(fc.nat({ max: 4 }), fc.constantFrom(-1 as const, 1 as const)), { maxLength: 200 }), (count, moves) => {
      let items = sortItems(Array.from({ length: count }, (_, index) => outboxItem(`i${index}`, { position: index + 1 })));
      for (const [at, by] of moves) {
        const item = items[at % count];
        if (item === undefined) continue;
        const expected = items.map((each) => each.clientId);
        const from = expected.indexOf(item.clientId);
        if (from + by >= 0 && from + by < count) {
          expected.splice(from, 1);
          expected.splice(from + by, 0, item.clientId);
        }
        const before = items.map((each) => each.clientId);
        for (const saved of moved(items, item.clientId, by)) {
          items = sortItems([...items.filter((each) => each.clientId !== saved.clientId), saved]);
          const now = items.map((each) => each.clientId);
          const others = (ids: readonly string[]): string[] => ids.filter((id) => id !== item.clientId);
          // All others keep their order at every moment, so that a crash never scrambles them.
          expect(others(now)).toEqual(others(before));
        }
        expect(items.map((each) => each.clientId)).toEqual(expected);
      }
    }));
  });

  it('never pauses longer than half a minute', () => {
    for (let attempt = 0; attempt < 2_000; attempt += 1) expect(retryDelay(attempt, 0.999)).toBeLessThanOrEqual(30_000);
    expect(retryDelay(1, 0)).toBe(500);
  });
});
