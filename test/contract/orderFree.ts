import { expect } from 'vitest';
import type { Entry } from '../../src/core/model/entry.ts';
import { viewOf } from '../../src/core/session/view.ts';

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** P1 and P2 on what a real agent gave: any order and any repetition of its entries gives the same view. */
export function orderFree(entries: readonly Entry[], runs = 20): void {
  const view = JSON.stringify(viewOf(entries));
  for (let seed = 1; seed <= runs; seed += 1) {
    const next = sequence(seed);
    const mixed = entries.flatMap((entry) => (next() < 0.3 ? [entry, entry] : [entry]));
    for (let index = mixed.length - 1; index > 0; index -= 1) {
      const other = Math.floor(next() * (index + 1));
      const [a, b] = [mixed[index], mixed[other]];
      if (a === undefined || b === undefined) continue;
      mixed[index] = b;
      mixed[other] = a;
    }
    expect(JSON.stringify(viewOf(mixed)), `order of seed ${seed}`).toBe(view);
  }
}
