import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { viewOf } from '../../../src/core/session/view.ts';
import { checkFollower, checkTranscript, partitioned, randomFrom, repeated, runs, shuffled } from './properties.ts';
import { sessions } from './sessions.ts';

const seed = fc.integer();
const setting = fc.record({ seed, tailRows: fc.integer({ min: 1, max: 8 }), keepRows: fc.integer({ min: 1, max: 12 }), reopen: fc.boolean() });

describe('P1: the view is equal for every permutation and partition', () => {
  it('as a whole', () => {
    fc.assert(
      fc.property(sessions, seed, (entries, from) => {
        const random = randomFrom(from);
        assert.deepEqual(viewOf(shuffled(entries, random)), viewOf(entries));
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  });

  it('live, with little memory', async () => {
    await fc.assert(
      fc.asyncProperty(sessions, setting, async (entries, of) => {
        const random = randomFrom(of.seed);
        await checkTranscript(entries, partitioned(shuffled(entries, random), random), of);
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  }, 600_000);

  it('live, in the order in which things happen and in the order in which histories are read', async () => {
    await fc.assert(
      fc.asyncProperty(sessions, setting, fc.boolean(), async (entries, of, backwards) => {
        await checkTranscript(entries, partitioned(backwards ? [...entries].reverse() : entries, randomFrom(of.seed)), of);
      }),
      { numRuns: runs(500, 5_000) },
    );
  }, 600_000);
});

describe('P2: duplicates never change the view', () => {
  it('as a whole', () => {
    fc.assert(
      fc.property(sessions, seed, (entries, from) => {
        assert.deepEqual(viewOf(repeated(entries, randomFrom(from))), viewOf(entries));
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  });

  it('live, with little memory', async () => {
    await fc.assert(
      fc.asyncProperty(sessions, setting, async (entries, of) => {
        const random = randomFrom(of.seed);
        await checkTranscript(entries, partitioned(repeated(shuffled(entries, random), random), random), of);
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  }, 600_000);
});

describe('the view beside a store', () => {
  it('is equal in the end when the store fails every third time', async () => {
    await fc.assert(
      fc.asyncProperty(sessions, setting, async (entries, of) => {
        const random = randomFrom(of.seed);
        await checkTranscript(entries, partitioned(shuffled(entries, random), random), { ...of, reopen: false, failing: 0.3 });
      }),
      { numRuns: runs(500, 5_000) },
    );
  }, 600_000);

  it('is equal in a window that follows what another one writes', async () => {
    await fc.assert(
      fc.asyncProperty(sessions, setting, async (entries, of) => {
        const random = randomFrom(of.seed);
        await checkFollower(entries, partitioned(random() < 0.5 ? entries : shuffled(entries, random), random), of);
      }),
      { numRuns: runs(300, 3_000) },
    );
  }, 600_000);
});
