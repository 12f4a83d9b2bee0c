import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { SessionBackend } from '../../src/core/model/backend.ts';
import { Observer } from './observer.ts';
import type { ContractTraits, Rig } from './types.ts';

/** What a case of the contract works with. */
export interface Case {
  readonly rig: Rig;
  /** Makes a session in the rig's folder and watches it. */
  readonly spawn: () => Promise<Observer>;
  readonly observe: (backend: SessionBackend, id: string) => Observer;
}
type Act = (one: Case) => Promise<void>;

/** Cases of hosted systems that run at once: most of their time they wait for processes to start. */
const AT_ONCE = 3;
let running = 0;
const waiting: (() => void)[] = [];

async function inTurn(work: () => Promise<void>): Promise<void> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    await work();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

function caseOf(rig: Rig, traits: ContractTraits): Case & { end(): void } {
  const observers: Observer[] = [];
  const observe = (backend: SessionBackend, id: string): Observer => {
    const observer = new Observer(backend, id, traits.hosted?.turns, traits.hosted?.answers);
    observers.push(observer);
    return observer;
  };
  return {
    rig, observe,
    spawn: async () => observe(rig.backend, (await rig.backend.spawn({ machineId: rig.machineId, folder: rig.folder, ...rig.spawning })).id),
    end: () => {
      for (const observer of observers.splice(0)) observer.dispose();
    },
  };
}

/** Defines a case: one after the other, or side by side where a system is mostly waited for. */
export function casesIn(traits: ContractTraits): (name: string, work: () => Promise<void>) => void {
  return (name, work) => {
    if (traits.hosted === undefined) it(name, work);
    else it.concurrent(name, () => inTurn(work), 300_000);
  };
}

/** The same, for cases that depend on the system alone: left out where only its agent is looked at. */
export function ofSystem<Define extends (name: string, work: never) => void>(traits: ContractTraits, define: Define): Define | (() => void) {
  return traits.part === 'agent' ? () => undefined : define;
}

/** Runs a case in a world of its own, of which nothing is left running. */
export async function inWorld(start: () => Promise<Rig>, traits: ContractTraits, act: Act): Promise<void> {
  const rig = await start();
  const one = caseOf(rig, traits);
  try {
    await rig.backend.connect();
    await act(one);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : 'failed'}\n${rig.log()}`, { cause: error });
  } finally {
    one.end();
    await rig.dispose();
  }
  if (rig.processes !== null) expect(await rig.processes.alive(), 'nothing is left running').toEqual([]);
}

/** Defines cases that share one rig, which is made before them and disposed of after them; those of hosted systems have one each. */
export function casesOf(start: () => Promise<Rig>, traits: ContractTraits): (name: string, act: Act) => void {
  const define = casesIn(traits);
  if (traits.hosted !== undefined) return (name, act) => define(name, () => inWorld(start, traits, act));
  let shared: Rig | null = null;
  let one: ReturnType<typeof caseOf> | null = null;
  beforeAll(async () => {
    shared = await start();
  });
  afterEach(({ task }) => {
    one?.end();
    if (task.result?.state === 'fail') console.error(shared?.log());
  });
  afterAll(async () => {
    await shared?.dispose();
    if (shared?.processes != null) expect(await shared.processes.alive(), 'nothing is left running').toEqual([]);
  });
  return (name, act) => define(name, async () => {
    if (shared === null) throw new Error('There is no rig.');
    one = caseOf(shared, traits);
    await act(one);
  });
}
