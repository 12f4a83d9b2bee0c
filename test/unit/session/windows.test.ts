import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import { createTranscript } from '../../../src/core/session/transcript.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { EngineDatabase, EngineStore } from './engine-store.ts';
import { HandClock } from './hand-clock.ts';
import { MemoryDatabase, MemoryStore } from './memory-store.ts';
import { partitioned, randomFrom, runs, SESSION, shuffled } from './properties.ts';
import { recordedSessions } from './recorded.ts';
import { restless } from './restless.ts';
import { sessions } from './sessions.ts';
import type { Telling } from './windows.ts';
import { checkWindows } from './windows.ts';

const patience = 900_000;
const setting = fc.record({
  seed: fc.integer(), tailRows: fc.integer({ min: 1, max: 8 }), keepRows: fc.integer({ min: 1, max: 12 }), reopen: fc.constant(false), windows: fc.integer({ min: 2, max: 3 }),
});
const all = fc.oneof({ weight: 5, arbitrary: sessions }, { weight: 5, arbitrary: restless }, { weight: 1, arbitrary: fc.constantFrom(...recordedSessions).map(({ entries }) => entries) });

const engine = new EngineDatabase();
afterAll(() => engine.close());

/** Makes the stores of the windows of one run. */
type Stores = () => () => MemoryStore;

const memoryStores: Stores = () => {
  const database = new MemoryDatabase();
  let count = 0;
  return () => {
    count += 1;
    return new MemoryStore(database, `window ${count}`);
  };
};
const engineStores: Stores = () => {
  engine.clear();
  return () => new EngineStore(engine);
};

async function holds(telling: Telling, options: { readonly stores: Stores; readonly numRuns: number; readonly failing?: number }): Promise<void> {
  const { stores, numRuns, failing = 0 } = options;
  await fc.assert(
    fc.asyncProperty(all, setting, async (entries, of) => {
      const random = randomFrom(of.seed);
      const batches = partitioned(random() < 0.5 ? entries : shuffled(entries, random), random);
      await checkWindows(entries, batches, { ...of, telling, failing, stores: stores() });
    }),
    { numRuns },
  );
}

describe('windows on one store show the same', () => {
  it('where one is told what happens and the others follow it', () => holds('one', { stores: memoryStores, numRuns: runs(300, 10_000) }), patience);
  it('where any of them is told, as all read the same history', () => holds('any', { stores: memoryStores, numRuns: runs(300, 10_000) }), patience);
  it('where one dies and another reads everything again', () => holds('heirs', { stores: memoryStores, numRuns: runs(300, 10_000) }), patience);
  it('where the store fails every third time', () => holds('any', { stores: memoryStores, numRuns: runs(200, 10_000), failing: 0.3 }), patience);
  it('with the entries in the real tables', () => holds('any', { stores: engineStores, numRuns: runs(100, 10_000) }), patience);
});

describe('a row that another window made', () => {
  it('keeps what this one adds, wherever that moves it', async () => {
    const base = { rev: 0, at: null, turn: null, parent: null };
    const notice = (id: string, row: string, order: number): Entry => ({ ...base, kind: 'notice', id, row, order: [order], level: 'info', code: 'compacted', text: id, remedy: null });
    const database = new MemoryDatabase();
    const [here, there] = [new MemoryStore(database, 'here'), new MemoryStore(database, 'there')];
    await using view = await createTranscript({ store: here, session: SESSION, log: silentLogger, clock: new HandClock(), tailRows: 1, keepRows: 1 });
    view.add([notice('a', 'a', 10), notice('b', 'b', 20)]);
    await view.flush();
    expect([view.start, view.total]).toEqual([1, 2]);
    await there.put(SESSION, [notice('c1', 'c', 30)]);
    view.add((await here.entriesSince(SESSION, 0, 10)).entries, { stored: true });
    view.add([notice('c2', 'c', 5)]);
    await view.flush();
    expect((await view.rows(0, view.total)).rows.map((row) => row.key)).toEqual(['c', 'a', 'b']);
    expect((await here.entriesOf(SESSION, ['c'])).map((entry) => entry.id).sort()).toEqual(['c1', 'c2']);
  });
});
