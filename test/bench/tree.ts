/**
 * The Sessions view with 10,000 sessions of 5 connections with 40 machines each: from the store to the rows that are shown first, with no network at all; what one changed session costs; a filter at every key;
 * memory. Work of the host is told in its thread's own time, what is waited for in real time. Baselines in the same run: a tenth of the sessions, and the whole tree made anew.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { repoRoot } from '../../scripts/setup/index.mjs';
import type { ConnectionSpec } from '../../src/core/fleet/connection.ts';
import { Fleet } from '../../src/core/fleet/fleet.ts';
import type { Session } from '../../src/core/model/session.ts';
import type { OwnedStore } from '../../src/core/session/store/open.ts';
import { openStore } from '../../src/core/session/store/open.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import { buildTree } from '../../src/extension/tree/build.ts';
import { changesBetween } from '../../src/extension/tree/changes.ts';
import { parseFilter } from '../../src/extension/tree/filter.ts';
import type { TreeModel, TreeNode } from '../../src/extension/tree/model.ts';
import { ratio, repeat, summarise } from './measure.ts';

const CONNECTIONS = 5;
const MACHINES = 40;
const FOLDERS = 6;
const RUNS = 30;
const AT = Date.UTC(2026, 0, 1);

function record(place: number): Session {
  const connection = place % CONNECTIONS;
  const machine = Math.floor(place / CONNECTIONS) % MACHINES;
  return {
    id: `s${place}`, connectionId: `c${connection}`, machineId: `c${connection}-m${machine}`, folder: `/home/ann/work/project${Math.floor(place / (CONNECTIONS * MACHINES)) % FOLDERS}`, agent: place % 3 === 0 ? 'codex' : 'claude',
    title: `Work on part ${place} of the harbour`, state: place % 50 === 0 ? 'running' : 'idle', createdAt: AT, updatedAt: AT + place * 1000, archived: place % 10 === 9, owner: 'nobody', ownerName: null, branch: `part-${place}`,
    activity: null, usage: null, model: 'opus', waiting: [], error: null,
  };
}

const dormant = { code: 'bench', message: 'Nothing is asked.' };
const specs: readonly ConnectionSpec[] = Array.from({ length: CONNECTIONS }, (_, index) => ({
  connectionId: `c${index}`, name: `Connection ${index}`, system: 'happy' as const, revision: '1', dormant,
  create: () => {
    throw new Error('no backend is made');
  },
}));

/** Of this thread's own time, in milliseconds: what other programs take of the computer does not count. */
const cpu = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
const timed = (work: () => unknown): number => {
  const from = cpu();
  work();
  return cpu() - from;
};

function treeOf(fleet: Fleet, more: Partial<Parameters<typeof buildTree>[0]> = {}): TreeModel {
  return buildTree({ connections: fleet.connections(), machines: fleet.machines(), sessions: fleet.sessions(), groupBy: 'machine', showArchived: false, ...more });
}

/** The rows that VS Code asks for at first: those of every group that is open. Gives the groups. */
function paint(model: TreeModel): ReadonlySet<string> {
  const fetched = new Set<string>();
  const walk = (nodes: readonly TreeNode[]): void => {
    for (const node of nodes) {
      if (node.kind !== 'group' || !node.open) continue;
      fetched.add(node.id);
      walk(model.children(node.id));
    }
  };
  walk(model.roots);
  return fetched;
}

const rowsOf = (model: TreeModel, fetched: ReadonlySet<string>): readonly Session[] => [...fetched].flatMap((id) => model.children(id)).flatMap((node) => (node.kind === 'session' ? [node.session] : []));

async function firstPaint(store: OwnedStore, stateDir: string, sessions: number): Promise<{ readonly firstMs: number; readonly ms: number; readonly hostCpuMs: number; readonly fleet: Fleet }> {
  const from = performance.now();
  const cpuFrom = cpu();
  const fleet = new Fleet({ store, log: silentLogger, clock: systemClock, stateDir });
  let firstMs: number | null = null;
  const known = new Promise<void>((resolve) => {
    fleet.onChange(() => {
      const { length } = fleet.sessions();
      if (length > 0 && firstMs === null) {
        paint(treeOf(fleet));
        firstMs = performance.now() - from;
      }
      if (length >= sessions) resolve();
    });
  });
  void fleet.setConnections(specs);
  await known;
  paint(treeOf(fleet));
  return { firstMs: firstMs ?? Number.NaN, ms: performance.now() - from, hostCpuMs: cpu() - cpuFrom, fleet };
}

async function measured(sessions: number): Promise<Record<string, unknown> & { readonly buildMs: number; readonly paintMs: number }> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-'));
  const store = await openStore({ directory, key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock, workerUrl: path.join(repoRoot, 'dist', 'store-worker.cjs') });
  try {
    await store.saveSessions(Array.from({ length: sessions }, (_, place) => record(place)));
    const firsts: number[] = [];
    const paints: number[] = [];
    const paintsCpu: number[] = [];
    let fleet: Fleet | null = null;
    for (let run = 0; run < 5; run += 1) {
      await fleet?.[Symbol.asyncDispose]();
      const first = await firstPaint(store, path.join(directory, 'connections'), sessions);
      ({ fleet } = first);
      firsts.push(first.firstMs);
      paints.push(first.ms);
      paintsCpu.push(first.hostCpuMs);
    }
    if (fleet === null) throw new Error('nothing was painted');
    const open = fleet;
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const model = treeOf(open);
    const fetched = paint(model);
    globalThis.gc?.();
    const modelMb = Math.round((process.memoryUsage().heapUsed - before) / 104_857.6) / 10;
    const build = await repeat(RUNS, () => Promise.resolve(timed(() => paint(treeOf(open)))));
    const shown = rowsOf(model, fetched);
    let repainted = 0;
    // So short that the thread's own clock does not see it.
    const change = summarise(shown.slice(0, 500).map((session, index) => {
      const from = performance.now();
      repainted += model.replace({ ...session, state: 'running', updatedAt: session.updatedAt + index })?.length ?? Number.NaN;
      return performance.now() - from;
    }));
    const other = treeOf(open);
    const compare = await repeat(RUNS, () => Promise.resolve(timed(() => changesBetween(other, treeOf(open), fetched))));
    const names = { machine: (id: string) => id, connection: (id: string) => id };
    const typed = ['h', 'ha', 'har', 'harb', 'harbour', 'harbour 77', 'harbour 777', 'is:running 5'].map((text) => {
      let found = 0;
      const ms = timed(() => {
        const filtered = treeOf(open, { filter: parseFilter(text, names) });
        paint(filtered);
        found = filtered.listed;
      });
      return { text, ms: Math.round(ms * 10) / 10, found };
    });
    await open[Symbol.asyncDispose]();
    const paintMs = summarise(paints).median;
    return {
      sessions, firstPaintMs: summarise(firsts), allPaintedMs: summarise(paints), allPaintedHostCpuMs: summarise(paintsCpu), paintMs, buildMs: build.median, build, rowsShown: shown.length, oneChangeMs: change, rowsRepaintedByOneChange: repainted / Math.min(500, shown.length), buildAndCompareMs: compare,
      wholeTreeToOneChange: ratio(build.median, change.median), filterAtEachKey: typed, modelMb,
    };
  } finally {
    await store[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function benchTree(sessions: number): Promise<Record<string, unknown>> {
  const small = await measured(sessions / 10);
  const large = await measured(sessions);
  return { large, small, toATenth: { sessionsRatio: 10, paintRatio: ratio(large.paintMs, small.paintMs), buildRatio: ratio(large.buildMs, small.buildMs) } };
}
