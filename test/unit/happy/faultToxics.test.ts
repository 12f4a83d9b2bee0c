import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import { inFolder, openAt } from '../store/support.ts';
import type { OperationName } from './faultOperations.ts';
import { operations } from './faultOperations.ts';
import { scenario } from './faultScenario.ts';
import { toxicTroubles } from './faultTroubles.ts';

vi.setConfig({ testTimeout: 60_000, maxConcurrency: 6 });

let store: OwnedStore;
let close = (): void => undefined;
let closed: Promise<void>;
beforeAll(async () => {
  const opened = Promise.withResolvers<void>();
  closed = inFolder(async (folder) => {
    store = await openAt(folder);
    opened.resolve();
    await new Promise<void>((resolve) => { close = resolve; });
    await store[Symbol.asyncDispose]();
  });
  await opened.promise;
});
afterAll(async () => {
  close();
  await closed;
});

const names = Object.keys(operations) as OperationName[];
const cases = toxicTroubles.flatMap((trouble) => names.map((name) => ({ trouble, name, title: `${trouble.name}: ${name}` })));

describe(`the matrix of toxics, directions and operations: ${cases.length} scenarios`, () => {
  it.concurrent.each(cases.map((one, index) => ({ ...one, index })))('$title', ({ trouble, name, index }) => scenario(store, trouble, name, index));
});
