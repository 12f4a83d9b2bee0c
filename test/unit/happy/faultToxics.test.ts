import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import type { OperationName } from './faultOperations.ts';
import { operations } from './faultOperations.ts';
import type { SharedStore } from './faultScenario.ts';
import { scenario, sharedStore } from './faultScenario.ts';
import { toxicTroubles } from './faultTroubles.ts';

vi.setConfig({ testTimeout: 60_000, maxConcurrency: 6 });

let shared: SharedStore;
beforeAll(async () => {
  shared = await sharedStore();
});
afterAll(() => shared.close());

/** Shipping to CatSyphon, the seventh of reliability.md §8, is another system's: its 16 scenarios belong there. */
const names = Object.keys(operations) as OperationName[];
const cases = toxicTroubles.flatMap((trouble) => names.map((name) => ({ trouble, name, title: `${trouble.name}: ${name}` })));

describe(`the matrix of toxics, directions and operations: ${cases.length} scenarios`, () => {
  it.concurrent.each(cases.map((one, index) => ({ ...one, index })))('$title', ({ trouble, name, index }) => scenario(shared.store, trouble, name, index));
});
