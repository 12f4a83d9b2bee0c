import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import { arrange } from '../../../src/core/session/arrange.ts';
import { mergeEntries } from '../../../src/core/session/merge.ts';
import type { RowFacts } from '../../../src/core/session/order.ts';
import { factsOf } from '../../../src/core/session/order.ts';
import { Engine } from '../../../src/core/session/store/engine.ts';
import { collidingEntries, inFolder, KEY, LONG, openAt, SESSION, textEntry } from './support.ts';

const runs = { numRuns: LONG ? 5_000 : 400 };
const patience = LONG ? 120_000 : 30_000;

function memoryEngine(): Engine {
  return Engine.open({ file: ':memory:', key: KEY, busyMs: 0, now: 0, report: () => undefined });
}

/** What the view makes of the same set: top-level rows in order, each with the ids of its entries and of all rows within it. */
function reference(entries: readonly Entry[]): { readonly merged: ReadonlyMap<string, Entry>; readonly pages: readonly (readonly string[])[] } {
  const merged = mergeEntries(entries);
  const byRow = new Map<string, Entry[]>();
  for (const entry of merged.values()) if (entry.row !== null) byRow.set(entry.row, [...(byRow.get(entry.row) ?? []), entry]);
  const facts = new Map<string, RowFacts>();
  for (const [row, list] of byRow) {
    const fact = factsOf(list);
    if (fact !== null) facts.set(row, fact);
  }
  const { tops, children } = arrange(facts);
  const within = (row: string): string[] => [...(byRow.get(row) ?? []).map((entry) => entry.id), ...(children.get(row) ?? []).flatMap(within)];
  return { merged, pages: tops.map((top) => within(top).sort()) };
}

function pageIds(json: string): string[] {
  return (JSON.parse(json) as Entry[]).map((entry) => entry.id).sort();
}

describe('pages of a session', () => {
  it('are those of the view, for any entries in any batches', () => {
    fc.assert(fc.property(collidingEntries, fc.integer({ min: 1, max: 8 }), (entries, batch) => {
      const engine = memoryEngine();
      try {
        for (let at = 0; at < entries.length; at += batch) {
          engine.entries.put(SESSION, entries.slice(at, at + batch).map((entry) => JSON.stringify(entry)), 1);
          const { pages } = reference(entries.slice(0, at + batch));
          expect(engine.entries.count(SESSION)).toBe(pages.length);
        }
        const { pages, merged } = reference(entries);
        pages.forEach((ids, index) => expect(pageIds(engine.entries.rows(SESSION, index, 1).json)).toEqual(ids));
        const all = engine.entries.rows(SESSION, -1_000, 1_000);
        expect([all.start, all.total]).toEqual([0, pages.length]);
        for (const entry of JSON.parse(all.json) as Entry[]) expect(entry).toEqual(JSON.parse(JSON.stringify(merged.get(entry.id))));
      } finally {
        engine.close();
      }
    }), runs);
  }, patience);

  it('depend on the set alone: any permutation, partition and duplication', () => {
    fc.assert(fc.property(
      collidingEntries.chain((entries) => fc.tuple(fc.constant(entries), fc.shuffledSubarray([...entries, ...entries], { minLength: entries.length * 2 }), fc.integer({ min: 1, max: 9 }))),
      ([entries, shuffled, batch]) => {
        const [one, other] = [memoryEngine(), memoryEngine()];
        try {
          one.entries.put(SESSION, entries.map((entry) => JSON.stringify(entry)), 1);
          for (let at = 0; at < shuffled.length; at += batch) other.entries.put(SESSION, shuffled.slice(at, at + batch).map((entry) => JSON.stringify(entry)), 1);
          const total = one.entries.count(SESSION);
          expect(other.entries.count(SESSION)).toBe(total);
          for (let index = 0; index < total; index += 1) {
            const sorted = (engine: Engine): Entry[] => (JSON.parse(engine.entries.rows(SESSION, index, 1).json) as Entry[]).sort((a, b) => (a.id < b.id ? -1 : 1));
            expect(sorted(other)).toEqual(sorted(one));
          }
        } finally {
          one.close();
          other.close();
        }
      }), runs);
  }, patience);

  it('are found from either end, and by negative starts', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      const entries = Array.from({ length: 501 }, (_, index) => textEntry(`e${index}`, [index]));
      await store.put(SESSION, entries);
      const ids = async (start: number, limit: number): Promise<readonly [number, number, readonly string[]]> => {
        const page = await store.rows(SESSION, start, limit);
        return [page.start, page.total, page.entries.map((entry) => entry.id).sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))];
      };
      expect(await ids(0, 3)).toEqual([0, 501, ['e0', 'e1', 'e2']]);
      expect(await ids(100, 2)).toEqual([100, 501, ['e100', 'e101']]);
      expect(await ids(400, 2)).toEqual([400, 501, ['e400', 'e401']]);
      expect(await ids(500, 10)).toEqual([500, 501, ['e500']]);
      expect(await ids(-2, 10)).toEqual([499, 501, ['e499', 'e500']]);
      expect(await ids(900, 10)).toEqual([501, 501, []]);
      expect(await ids(3, 0)).toEqual([3, 501, []]);
      expect((await ids(-9_999, 501))[0]).toBe(0);
      expect(await store.rows('local-claude\u0000none', -5, 5)).toEqual({ start: 0, total: 0, entries: [] });
    });
  });

  it('carry all rows of a subagent, at any depth, and entriesOf only the row itself', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      await store.put(SESSION, [
        textEntry('deep', [5], { parent: 'child' }), textEntry('child', [4], { parent: 'tool' }),
        textEntry('tool', [1]), textEntry('after', [9]), textEntry('orphan', [7], { parent: 'not there' }),
      ]);
      const first = await store.rows(SESSION, 0, 1);
      expect([first.total, first.entries.map((entry) => entry.id).sort()]).toEqual([3, ['child', 'deep', 'tool']]);
      expect((await store.rows(SESSION, 1, 1)).entries.map((entry) => entry.id)).toEqual(['orphan']);
      expect((await store.entriesOf(SESSION, ['tool', 'after', 'tool', 'none'])).map((entry) => entry.id).sort()).toEqual(['after', 'tool']);
      await store.put(SESSION, [textEntry('not there', [6])]);
      expect(await store.count(SESSION)).toBe(3);
      expect((await store.rows(SESSION, 1, 1)).entries.map((entry) => entry.id).sort()).toEqual(['not there', 'orphan']);
    });
  });
});
