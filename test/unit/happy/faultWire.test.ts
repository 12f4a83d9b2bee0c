import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import type { OperationName } from './faultOperations.ts';
import { operations } from './faultOperations.ts';
import type { SharedStore } from './faultScenario.ts';
import { scenario, sharedStore } from './faultScenario.ts';
import { httpTroubles, socketTroubles } from './faultTroubles.ts';

vi.setConfig({ testTimeout: 60_000, maxConcurrency: 6 });

let shared: SharedStore;
beforeAll(async () => {
  shared = await sharedStore();
});
afterAll(() => shared.close());

const names = Object.keys(operations) as OperationName[];
const cases = [...httpTroubles, ...socketTroubles].flatMap((trouble) => names.map((name) => ({ trouble, name, title: `${trouble.name}: ${name}` })));

describe(`what goes wrong with requests, clocks and sockets: ${cases.length} scenarios`, () => {
  it.concurrent.each(cases.map((one, index) => ({ ...one, index: 1_000 + index })))('$title', ({ trouble, name, index }) => scenario(shared.store, trouble, name, index));
});
