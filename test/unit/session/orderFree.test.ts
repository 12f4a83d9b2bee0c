import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { afterAll, describe, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { EngineDatabase, EngineStore } from './engine-store.ts';
import { checkTranscript, partitioned, randomFrom, repeated, runs, shuffled } from './properties.ts';
import { recordedSessions } from './recorded.ts';
import { restless } from './restless.ts';
import { sessions } from './sessions.ts';

const seed = fc.integer();
const setting = fc.record({ seed, tailRows: fc.integer({ min: 1, max: 8 }), keepRows: fc.integer({ min: 1, max: 12 }), reopen: fc.boolean() });
const recorded: fc.Arbitrary<readonly Entry[]> = fc.constantFrom(...recordedSessions).map(({ entries }) => entries);
const generated = fc.oneof(sessions, restless);
const patience = 900_000;

const database = new EngineDatabase();
afterAll(() => database.close());

describe.each([['generated', generated], ['recorded', recorded]] as const)('P1, %s sessions: the view is equal for every permutation and partition', (_, some) => {
  it('as a whole', () => {
    fc.assert(
      fc.property(some, seed, (entries, from) => {
        const random = randomFrom(from);
        assert.deepEqual(viewOf(shuffled(entries, random)), viewOf(entries));
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  }, patience);

  it('live, with little memory', async () => {
    await fc.assert(
      fc.asyncProperty(some, setting, async (entries, of) => {
        const random = randomFrom(of.seed);
        await checkTranscript(entries, partitioned(shuffled(entries, random), random), of);
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  }, patience);

  it('live, in the order in which things happen and in the order in which histories are read', async () => {
    await fc.assert(
      fc.asyncProperty(some, setting, fc.boolean(), async (entries, of, backwards) => {
        await checkTranscript(entries, partitioned(backwards ? [...entries].reverse() : entries, randomFrom(of.seed)), of);
      }),
      { numRuns: runs(500, 10_000) },
    );
  }, patience);
});

describe.each([['generated', generated], ['recorded', recorded]] as const)('P2, %s sessions: duplicates never change the view', (_, some) => {
  it('as a whole', () => {
    fc.assert(
      fc.property(some, seed, (entries, from) => {
        assert.deepEqual(viewOf(repeated(entries, randomFrom(from))), viewOf(entries));
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  }, patience);

  it('live, with little memory', async () => {
    await fc.assert(
      fc.asyncProperty(some, setting, async (entries, of) => {
        const random = randomFrom(of.seed);
        await checkTranscript(entries, partitioned(repeated(shuffled(entries, random), random), random), of);
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  }, patience);
});

describe('the view beside a store', () => {
  it('is equal in the end when the store fails every third time', async () => {
    await fc.assert(
      fc.asyncProperty(generated, setting, async (entries, of) => {
        const random = randomFrom(of.seed);
        await checkTranscript(entries, partitioned(shuffled(entries, random), random), { ...of, reopen: false, failing: 0.3 });
      }),
      { numRuns: runs(500, 10_000) },
    );
  }, patience);

  it('is equal with the entries in the real tables', async () => {
    await fc.assert(
      fc.asyncProperty(generated, setting, async (entries, of) => {
        database.clear();
        const random = randomFrom(of.seed);
        await checkTranscript(entries, partitioned(repeated(shuffled(entries, random), random), random), { ...of, store: new EngineStore(database) });
      }),
      { numRuns: runs(200, 10_000) },
    );
  }, patience);
});
