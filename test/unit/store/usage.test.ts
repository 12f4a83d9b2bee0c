import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Entry, TurnEntry, UsageEntry, UsageFigures } from '../../../src/core/model/entry.ts';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import { inFolder, openAt, SESSION } from './support.ts';

const NONE: UsageFigures = { inputTokens: null, outputTokens: null, cachedTokens: null, costUsd: null, contextTokens: null, contextWindow: null };
const NOON = new Date(2026, 7, 5, 12).getTime();
const LATE = new Date(2026, 7, 5, 23, 59, 59).getTime();
const NEXT = new Date(2026, 7, 6, 0, 0, 1).getTime();

function turn(id: string, at: number | null, figures: Partial<UsageFigures>, rev = 1): TurnEntry {
  return { kind: 'turn', id: `turn:${id}`, row: `turn:${id}`, order: [at ?? 0], rev, at, turn: id, parent: null, phase: 'end', state: 'completed', durationMs: 1, figures: { ...NONE, ...figures }, filesChanged: [], error: null };
}
function usage(id: string, scope: 'turn' | 'session', at: number, figures: Partial<UsageFigures>, rev = 1): UsageEntry {
  return { kind: 'usage', id: scope === 'turn' ? `usage:${id}` : 'usage:session', row: null, order: [at], rev, at, turn: scope === 'turn' ? id : null, parent: null, scope, figures: { ...NONE, ...figures } };
}
const all = (store: OwnedStore) => store.usage(0, Number.MAX_SAFE_INTEGER).then((rows) => rows.toSorted((a, b) => (a.day < b.day ? -1 : 1)));

it('counts each turn once, on the day on which it ended, as this computer’s clock has it', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    const entries = [
      turn('a', NOON, { inputTokens: 100, cachedTokens: 60, cacheWriteTokens: 30, outputTokens: 10, costUsd: 0.5 }), usage('a', 'turn', NOON, { inputTokens: 90, outputTokens: 12 }),
      turn('b', LATE, { inputTokens: 5, outputTokens: 1 }), turn('c', NEXT, { inputTokens: 7, outputTokens: 2, costUsd: 0.25 }), turn('nothing told', NEXT, {}),
    ];
    await store.put(SESSION, entries);
    const expected = [
      { session: SESSION, day: '2026-08-05', turns: 2, input: 105, output: 13, cached: 60, written: 30, cost: 0.5, costTurns: 1 },
      { session: SESSION, day: '2026-08-06', turns: 1, input: 7, output: 2, cached: null, written: null, cost: 0.25, costTurns: 1 },
    ];
    expect(await all(store)).toEqual(expected);
    // Read again, and in another version that lacks the cost, as a transcript on disk does.
    await store.put(SESSION, entries);
    await store.put(SESSION, [turn('a', NOON, { inputTokens: 100, outputTokens: 10 }, 9)]);
    expect(await all(store)).toEqual(expected);
    expect(await store.usage(NOON + 1, NEXT)).toMatchObject([{ turns: 1, input: 5 }]);
  });
});

it('counts what a fork has of the session it was forked from once, and turns of the same name in others apart', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    const past = [turn('a', NOON, { inputTokens: 100 }), turn('b', LATE, { inputTokens: 5 })];
    await store.put(SESSION, past);
    await store.put(`${SESSION} forked`, [...past, turn('c', NEXT, { inputTokens: 7 })]);
    await store.put('other\u0000a', [turn('a', NOON, { inputTokens: 100 })]);
    await store.put(`${SESSION} beside`, [turn('a', NOON + 1, { inputTokens: 100 })]);
    const counted = Object.fromEntries((await all(store)).map(({ session, day, turns, input }) => [`${session} ${day}`, [turns, input]]));
    expect(counted).toEqual({ [`${SESSION} 2026-08-05`]: [2, 105], [`${SESSION} forked 2026-08-06`]: [1, 7], [`${SESSION} beside 2026-08-05`]: [1, 100], 'other\u0000a 2026-08-05': [1, 100] });
  });
});

it('stays when the transcript is forgotten and when the session is removed, and in another window', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using other = await openAt(folder);
    await store.put(SESSION, [turn('a', NOON, { inputTokens: 100 })]);
    const before = await all(store);
    await store.forget(SESSION, { before: Number.MAX_SAFE_INTEGER, spare: [], known: ['local-claude'] });
    expect(await all(store)).toEqual(before);
    await store.removeSession(SESSION);
    expect(await all(other)).toEqual(before);
  });
});

it('takes what the cost of a whole session grew by, where no turn tells a cost, and nothing of it where one does', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await store.put(SESSION, [turn('a', NOON, { inputTokens: 10 }), usage('', 'session', NOON, { costUsd: 1, contextTokens: 5 }, 1)]);
    await store.put(SESSION, [turn('b', NEXT, { inputTokens: 20 }), usage('', 'session', NEXT, { costUsd: 3 }, 2)]);
    await store.put(SESSION, [usage('', 'session', NOON, { costUsd: 1 }, 1), usage('', 'session', NEXT, { costUsd: 3 }, 2)]);
    expect((await all(store)).map(({ day, cost, costTurns, turns }) => [day, cost, costTurns, turns])).toEqual([['2026-08-05', 1, 1, 1], ['2026-08-06', 2, 1, 1]]);
    await store.put(SESSION, [turn('c', NEXT, { costUsd: 0.1 })]);
    expect((await all(store)).map(({ cost, costTurns }) => [cost, costTurns])).toEqual([[null, 0], [0.1, 1]]);
  });
});

it('comes to the same in any order, in any batches, however often it is told', async () => {
  const figures = fc.record({ inputTokens: fc.option(fc.nat(1000)), outputTokens: fc.option(fc.nat(1000)), cachedTokens: fc.option(fc.nat(100)), costUsd: fc.option(fc.nat(100)) });
  const entry: fc.Arbitrary<Entry> = fc.record({ id: fc.constantFrom('a', 'b', 'c'), day: fc.nat(3), rev: fc.nat(3), what: fc.constantFrom('turn', 'usage'), figures })
    .map(({ id, day, rev, what, figures: told }) => (what === 'turn' ? turn(id, NOON + day * 86_400_000, told, rev) : usage(id, 'turn', NOON + day * 86_400_000, told, rev)));
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    let run = 0;
    await fc.assert(fc.asyncProperty(fc.array(entry, { maxLength: 12 }), fc.array(fc.nat(11), { maxLength: 24 }), async (entries, order) => {
      run += 1;
      const told = async (session: string, list: readonly Entry[]): Promise<unknown> => {
        for (const one of list) await store.put(session, [one]);
        return (await all(store)).filter((row) => row.session === session).map((row) => ({ ...row, session: '' }));
      };
      const again = [...order.flatMap((index) => entries[index] ?? []), ...entries.toReversed()];
      await store.put(`one\u0000${run}`, entries);
      const once = (await all(store)).filter((row) => row.session === `one\u0000${run}`).map((row) => ({ ...row, session: '' }));
      expect(await told(`other\u0000${run}`, again)).toEqual(once);
    }), { numRuns: 40 });
  });
});
