/**
 * The fleet at scale. `simulation`: 1,000 machines of 100 sessions each, whose backends tell of a thousand changes a second, with the store and the tree's model behind the fleet: what the host's thread
 * spends, how long its loop is held, and its memory, in laps of ten seconds: of the fleet alone, with the queue of what needs the person, and with the view; the baseline is a fleet of a hundredth of that under the same changes. `generated`: 10,000 sessions with a million entries, what
 * they cost on disk, and what it costs to have them shown before any system has answered.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { repoRoot } from '../../scripts/setup/index.mjs';
import type { ConnectionSpec } from '../../src/core/fleet/connection.ts';
import { AttentionQueue } from '../../src/core/fleet/attentionQueue.ts';
import { Fleet } from '../../src/core/fleet/fleet.ts';
import type { Session } from '../../src/core/model/session.ts';
import type { OwnedStore } from '../../src/core/session/store/open.ts';
import { openStore } from '../../src/core/session/store/open.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import type { Size } from './fleetBackend.ts';
import { SimulatedBackend } from './fleetBackend.ts';
import { SimulatedTree } from './fleetTree.ts';
import { HoldWatch, ratio } from './measure.ts';
import { CONNECTION, fill, KEY } from './search.ts';

const LARGE: Size = { connections: 10, machines: 100, sessions: 100 };
const SMALL: Size = { connections: 1, machines: 10, sessions: 100 };
const LAP_MS = 10_000;
const PER_SECOND = 1_000;

/** One that follows from a seed: every run tells the same changes. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What a session does next: turns begin, go on and end; one in a hundred asks. */
function next(session: Session, now: number, random: () => number): Session {
  if (session.state === 'waiting') return { ...session, state: 'running', waiting: [], updatedAt: now };
  if (session.state === 'idle') return { ...session, state: 'running', activity: { phase: 'thinking', since: now, detail: null, until: null }, updatedAt: now };
  const dice = random();
  if (dice < 0.01) return { ...session, state: 'waiting', waiting: [{ requestId: `r${now}`, tool: 'Bash', title: 'npm test', ask: 'tool', askedAt: now }], updatedAt: now };
  if (dice < 0.4) return { ...session, state: 'idle', activity: null, updatedAt: now };
  return { ...session, activity: { phase: 'tool', since: now, detail: `step ${Math.floor(random() * 1e6)}`, until: null }, updatedAt: now };
}

interface Lap {
  readonly changes: number;
  /** Share of one CPU that the host's thread took; and milliseconds of it for a thousand changes, which no other program makes more of. */
  readonly cpuPercent: number;
  readonly cpuMsEachThousand: number;
  /** How late a timer of a millisecond was, in milliseconds, with what other programs took of the computer. */
  readonly loopP95Ms: number;
  readonly longestHoldMs: number;
  readonly longestHoldCpuMs: number;
  readonly treeBuilt: number;
  readonly rowsPainted: number;
  readonly heapMB: number;
  readonly rssMB: number;
}

interface World {
  readonly store: OwnedStore;
  readonly directory: string;
  readonly fleet: Fleet;
  readonly backends: readonly SimulatedBackend[];
}

const specOf = (backend: SimulatedBackend): ConnectionSpec => ({ connectionId: backend.connectionId, name: backend.connectionId, system: 'happy', revision: '1', create: () => backend });
const open = (directory: string): Promise<OwnedStore> => openStore({ directory, key: KEY, log: silentLogger, clock: systemClock, workerUrl: path.join(repoRoot, 'dist', 'store-worker.cjs') });
const folder = (): string => mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-'));

async function begin(size: Size, random: () => number): Promise<World> {
  const directory = folder();
  const store = await open(directory);
  const backends = Array.from({ length: size.connections }, (_, place) => new SimulatedBackend(`account${place}`, size, Date.now()));
  // As many work as do after a long time: what is held grows no more by that.
  for (const { held } of backends) for (const [place, session] of held.entries()) held[place] = [0, 1, 2, 3].reduce((now) => next(now, now.updatedAt, random), session);
  const fleet = new Fleet({ store, log: silentLogger, clock: systemClock, stateDir: path.join(directory, 'state') });
  await fleet.setConnections(backends.map(specOf));
  await fleet.settled();
  // What was read first is written before anything is measured.
  await wait(1_000);
  await store.sessions('nothing');
  return { store, directory, fleet, backends };
}

async function end({ store, directory, fleet }: World): Promise<void> {
  await fleet[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => {
  setTimeout(resolve, ms);
});

/** Changes come one by one, spread over each second, as messages of a socket do. */
async function lap({ backends }: World, shown: { readonly built: number; readonly painted: number }, random: () => number, perSecond: number): Promise<Lap> {
  globalThis.gc?.();
  const [hold, delay, cpu, started, built, painted] = [new HoldWatch(), monitorEventLoopDelay({ resolution: 1 }), process.threadCpuUsage(), performance.now(), shown.built, shown.painted];
  delay.enable();
  let changes = 0;
  while (performance.now() - started < LAP_MS) {
    const due = Math.floor(((performance.now() - started) * perSecond) / 1_000);
    for (; changes < due && performance.now() - started < LAP_MS; changes += 1) {
      const backend = backends[Math.floor(random() * backends.length)];
      const place = Math.floor(random() * (backend?.held.length ?? 0));
      const session = backend?.held[place];
      if (backend !== undefined && session !== undefined) backend.tell(place, next(session, Date.now(), random));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    await wait(1);
  }
  delay.disable();
  const took = process.threadCpuUsage(cpu);
  const { longestHoldMs, longestHoldCpuMs } = hold.end();
  const cpuMs = (took.user + took.system) / 1_000;
  const cpuPercent = tenth((cpuMs * 100) / (performance.now() - started));
  globalThis.gc?.();
  const memory = process.memoryUsage();
  return {
    changes, cpuPercent, cpuMsEachThousand: changes === 0 ? 0 : Math.round((cpuMs * 1_000) / changes), loopP95Ms: tenth(delay.percentile(95) / 1e6), longestHoldMs, longestHoldCpuMs, treeBuilt: shown.built - built, rowsPainted: shown.painted - painted,
    heapMB: Math.round(memory.heapUsed / 1e6), rssMB: Math.round(memory.rss / 1e6),
  };
}

/** What stands on the fleet, from nothing to the whole view: each adds what the one before does not have. */
const LAYERS = {
  fleet: () => ({ built: 0, painted: 0, dispose: () => undefined }),
  attention: (fleet: Fleet) => {
    const queue = new AttentionQueue(fleet, Date.now(), () => undefined);
    const watching = queue.onChange(() => queue.needs());
    return { built: 0, painted: 0, dispose: () => [watching, queue].forEach((each) => each.dispose()) };
  },
  tree: (fleet: Fleet) => new SimulatedTree(fleet),
} as const;
type Layer = keyof typeof LAYERS;
const LAYER_NAMES: readonly Layer[] = ['fleet', 'attention', 'tree'];

interface Simulation {
  readonly sessions: number;
  readonly loadMs: number;
  readonly listMs: number;
  readonly storeMB: number;
  readonly quiet: Lap;
  readonly laps: Readonly<Record<Layer, readonly Lap[]>>;
}

async function simulate(size: Size, laps: number): Promise<Simulation> {
  const started = performance.now();
  const random = randomOf(7);
  const world = await begin(size, random);
  const loadMs = Math.round(performance.now() - started);
  try {
    const listMs = await listing(world.fleet, world.backends, random);
    const measured: Record<Layer, Lap[]> = { fleet: [], attention: [], tree: [] };
    const quiet = await lap(world, LAYERS.fleet(), random, 0);
    // The engine has compiled what it runs then.
    await lap(world, LAYERS.fleet(), random, PER_SECOND);
    for (const layer of LAYER_NAMES) {
      const shown = LAYERS[layer](world.fleet);
      for (let count = 0; count < laps; count += 1) measured[layer].push(await lap(world, shown, random, PER_SECOND));
      shown.dispose();
    }
    return { sessions: world.fleet.sessions().length, loadMs, listMs, storeMB: sizeMB(world.directory), quiet, laps: measured };
  } finally {
    await end(world);
  }
}

/** What it costs to ask for the list after a hundred of its sessions changed, in milliseconds of the thread. */
async function listing(fleet: Fleet, backends: readonly SimulatedBackend[], random: () => number): Promise<number> {
  const [backend] = backends;
  for (let place = 0; place < 100; place += 1) {
    const session = backend?.held[place];
    if (session !== undefined) backend?.tell(place, next(session, Date.now(), random));
  }
  await wait(0);
  const cpu = process.threadCpuUsage();
  fleet.sessions();
  const took = process.threadCpuUsage(cpu);
  return tenth((took.user + took.system) / 1_000);
}

function sizeMB(directory: string): number {
  return tenth(readdirSync(directory).reduce((sum, file) => sum + statSync(path.join(directory, file)).size, 0) / 1e6);
}

/** 10,000 sessions are stored with their entries; then a window opens that no system answers. */
async function generated(sessions: number, entries: number): Promise<Record<string, unknown>> {
  const directory = folder();
  const mb = (): { readonly heapMB: number; readonly rssMB: number } => {
    globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    return { heapMB: Math.round(heapUsed / 1e6), rssMB: Math.round(rss / 1e6) };
  };
  try {
    const started = performance.now();
    {
      await using store = await open(directory);
      await fill(store, sessions, Math.round(entries / sessions));
    }
    const results: Record<string, unknown> = { sessions, entries, fillS: Math.round((performance.now() - started) / 1000), diskMB: sizeMB(directory), bytesEachEntry: Math.round((sizeMB(directory) * 1e6) / entries) };
    const before = mb();
    const opened = performance.now();
    await using store = await open(directory);
    const openMs = tenth(performance.now() - opened);
    await using fleet = new Fleet({ store, log: silentLogger, clock: systemClock, stateDir: path.join(directory, 'state') });
    const backend = new SimulatedBackend(CONNECTION, { connections: 1, machines: 1, sessions: 0 }, Date.now(), true);
    void fleet.setConnections([specOf(backend)]);
    const shown = Promise.withResolvers<void>();
    const watching = fleet.onChange(() => fleet.sessions().length === sessions && shown.resolve());
    await shown.promise;
    const listMs = tenth(performance.now() - opened - openMs);
    const tree = new SimulatedTree(fleet);
    const treeMs = tenth(performance.now() - opened - openMs - listMs);
    watching.dispose();
    tree.dispose();
    const after = mb();
    return { ...results, firstPaint: { openMs, listMs, treeMs }, memory: { ...after, baseline: before, heapRatio: ratio(after.heapMB, before.heapMB), heapKBEachSession: tenth(((after.heapMB - before.heapMB) * 1000) / sessions) } };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** By layer: the last lap as a share of the first, and of the baseline's. */
function ratios(large: Simulation, small: Simulation): Record<string, unknown> {
  return Object.fromEntries(LAYER_NAMES.map((layer) => {
    const [first, last, baseline] = [large.laps[layer].at(0), large.laps[layer].at(-1), small.laps[layer].at(-1)];
    if (first === undefined || last === undefined || baseline === undefined) throw new Error('nothing was measured');
    const against = (other: Lap): Record<string, number> => ({ cpu: ratio(last.cpuMsEachThousand, other.cpuMsEachThousand), longestHoldCpu: ratio(last.longestHoldCpuMs, other.longestHoldCpuMs), heap: ratio(last.heapMB, other.heapMB), rss: ratio(last.rssMB, other.rssMB) });
    return [layer, { lastToFirst: against(first), toBaseline: against(baseline) }];
  }));
}

export async function benchFleet(): Promise<Record<string, unknown>> {
  const small = await simulate(SMALL, 2);
  const large = await simulate(LARGE, 3);
  return {
    simulation: { machines: LARGE.connections * LARGE.machines, perSecond: PER_SECOND, ratios: ratios(large, small), ...large, baseline: { machines: SMALL.connections * SMALL.machines, ...small } },
    generated: await generated(10_000, 1_000_000),
  };
}

const tenth = (value: number): number => Math.round(value * 10) / 10;
