import { expect, it } from 'vitest';
import { inSlices, SLICE_MS, Slicer } from '../../../src/core/transport/slices.ts';

const steps = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
const busy = (ms: number): void => {
  for (const until = performance.now() + ms; performance.now() < until;);
};

/** Does `work`, which calls `step` for each step of 1 ms or more, and gives how many steps each turn of the event loop held. */
async function turnsOf(work: (step: () => void) => Promise<unknown>): Promise<readonly number[]> {
  const turns = [0];
  const timer = setInterval(() => turns.push(0), 1);
  await new Promise((resolve) => setTimeout(resolve, 2));
  await work(() => {
    busy(1);
    turns[turns.length - 1] = (turns.at(-1) ?? 0) + 1;
  });
  clearInterval(timer);
  return turns;
}

it('several pieces of work at once, and one after the other, hold the loop no longer than one', async () => {
  const most = SLICE_MS + 1;
  const atOnce = await turnsOf((step) => Promise.all([inSlices(steps(30), step), inSlices(steps(30), step), inSlices(steps(30), step)]));
  expect(atOnce.reduce((sum, count) => sum + count)).toBe(90);
  expect(Math.max(...atOnce)).toBeLessThanOrEqual(most);
  const inTurn = await turnsOf(async (step) => {
    for (let piece = 0; piece < 20; piece += 1) await inSlices(steps(3), step);
  });
  expect(inTurn.reduce((sum, count) => sum + count)).toBe(60);
  expect(Math.max(...inTurn)).toBeLessThanOrEqual(most);
});

it('what comes in with input counts too: who waits leaves that turn to it', async () => {
  const end = new AbortController();
  const turns = await turnsOf(async (step) => {
    // An answer every few milliseconds, each with work of its own, as pages of a list are.
    const answers = (async () => {
      while (!end.signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        const slicer = new Slicer();
        for (let count = 0; count < 3 && !slicer.due(); count += 1) step();
      }
    })();
    await inSlices(steps(40), step);
    end.abort();
    await answers;
  });
  // Had it waited for the end of the answers, it would not have come to its own.
  expect(turns.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(40);
  expect(Math.max(...turns)).toBeLessThanOrEqual(SLICE_MS + 1 + 3);
});

it('who waits goes on in the order in which they came', async () => {
  const order: string[] = [];
  await Promise.all(['a', 'b', 'c'].map((name) => inSlices(steps(12), () => {
    busy(2);
    order.push(name);
  })));
  // None is done before the others have begun.
  for (const name of ['a', 'b', 'c']) expect(order.indexOf(name)).toBeLessThan(12);
  expect(order).toHaveLength(36);
});

it('leaves nothing that keeps the process alive', async () => {
  await inSlices(steps(20), () => busy(1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Immediate')).toEqual([]);
});
