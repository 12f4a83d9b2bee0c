import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import { openAt } from '../store/support.ts';
import type { OperationName } from './faultOperations.ts';
import { operations } from './faultOperations.ts';
import type { Trouble } from './faultTroubles.ts';
import { healthy } from './faultTroubles.ts';
import { FaultWorld, HASTE } from './faultWorld.ts';

/** Decides all that is left to chance; each scenario's own seed is so much later, and is told when it fails. */
const FIRST_SEED = Number(process.env['PILOTHOUSE_SEED'] ?? Math.floor(Math.random() * 1e6));
/** How long trouble lasts at least, and how long it may take to be noticed; milliseconds. */
const LASTS = 450;
const NOTICED = 6_000;

/** One store for all windows of a file: each has a connection of its own. */
export interface SharedStore {
  readonly store: OwnedStore;
  close(): Promise<void>;
}
export async function sharedStore(): Promise<SharedStore> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-faults-'));
  const store = await openAt(folder);
  return {
    store,
    close: async () => {
      await store[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a scenario asks of the server, by endpoint, and how often it connects. */
interface Cost {
  readonly requests: ReadonlyMap<string, number>;
  readonly connections: number;
}

async function pass(world: FaultWorld, trouble: Trouble, name: OperationName): Promise<Cost> {
  const operation = operations[name];
  if ('prepare' in operation) await operation.prepare(world);
  const [before, connections] = [world.requests(), world.proxy.accepted];
  world.states.length = 0;
  const began = performance.now();
  world.forAll = trouble.forAll === true;
  // It comes before, or in the midst of it.
  const running = world.chance() < 0.5 ? operation.run(world) : null;
  running?.catch(() => undefined);
  if (running !== null) await sleep(world.chance() * 120);
  const heal = await trouble.begin(world);
  const finish = await (running ?? operation.run(world));
  await sleep(Math.max(0, LASTS + world.chance() * 200 - (performance.now() - began)));
  if (trouble.contact !== 'kept' && !(await world.noticed(NOTICED))) world.wrong.add('contact was lost, and the window never said so');
  if (trouble.contact === 'off') world.unknown();
  await heal();
  await world.opened();
  await finish();
  await world.truth();
  return {
    requests: new Map([...world.requests()].map(([endpoint, count]) => [endpoint, count - (before.get(endpoint) ?? 0)])), connections: world.proxy.accepted - connections,
  };
}

const costs = new Map<OperationName, Promise<Cost>>();

/** What the operation costs where nothing is bad. */
function costOf(store: OwnedStore, name: OperationName): Promise<Cost> {
  let cost = costs.get(name);
  if (cost === undefined) {
    cost = (async () => {
      const world = await FaultWorld.make(store, FIRST_SEED);
      try {
        return await pass(world, healthy, name);
      } finally {
        expect(await world.end()).toEqual([]);
      }
    })();
    costs.set(name, cost);
  }
  return cost;
}

/**
 * An operation under a trouble (reliability.md §8 and §9): while it lasts nothing that may never be was seen, and after it the window shows what the server has, each thing
 * once and in its order. Throws with the seed.
 */
export async function scenario(store: OwnedStore, trouble: Trouble, name: OperationName, index: number): Promise<void> {
  const seed = FIRST_SEED + index;
  const usual = await costOf(store, name);
  const world = await FaultWorld.make(store, seed, trouble.offset ?? 0);
  const began = performance.now();
  try {
    const cost = await pass(world, trouble, name);
    const seconds = ((performance.now() - began) / 1000) * HASTE;
    // One a second and endpoint beside what is needed once, and once more with the contact.
    for (const [endpoint, count] of cost.requests) {
      const most = 1.5 * (usual.requests.get(endpoint) ?? 0) + seconds + 8;
      if (count > most) world.wrong.add(`${endpoint} was asked ${count} times in ${seconds} s, ${usual.requests.get(endpoint) ?? 0} times in health`);
    }
    if (cost.connections > 1.5 * usual.connections + 4 * seconds + 8) world.wrong.add(`${cost.connections} connections were made in ${seconds} s, ${usual.connections} in health`);
  } catch (error) {
    throw new Error(`seed ${seed} (PILOTHOUSE_SEED=${FIRST_SEED}): ${trouble.name}, ${name}: ${error instanceof Error ? error.message : String(error)}\n${world.lines.slice(-25).join('\n')}`, { cause: error });
  } finally {
    await world[Symbol.asyncDispose]();
  }
  const wrong = await world.end();
  if (wrong.length > 0) throw new Error(`seed ${seed} (PILOTHOUSE_SEED=${FIRST_SEED}): ${trouble.name}, ${name}: ${wrong.join('; ')}\n${world.lines.slice(-25).join('\n')}`);
}
