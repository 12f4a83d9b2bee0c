import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import fc from 'fast-check';
import { vi } from 'vitest';
import type { Clock, Logger } from '../../../src/core/model/context.ts';
import type { Entry, TextEntry } from '../../../src/core/model/entry.ts';
import type { Session } from '../../../src/core/model/session.ts';
import type { OutboxItem } from '../../../src/core/session/store-api.ts';
import type { OpenStoreOptions, OwnedStore } from '../../../src/core/session/store/open.ts';
import { openStore } from '../../../src/core/session/store/open.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { createLogger } from '../../../src/core/transport/logger.ts';

// A busy computer takes its time; what hangs is found all the same.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** The worker in one file, as products have it: it starts in a quarter of the time that it takes from source. */
export const WORKER = await bundleWorker('store');

/** The entry file of a thread of the session floor, by its folder, in one file. */
export async function bundleWorker(of: 'store' | 'search'): Promise<string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-worker-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const outfile = path.join(folder, `${of}-worker.cjs`);
  const entry = fileURLToPath(new URL(`../../../src/core/session/${of}/worker.ts`, import.meta.url));
  await esbuild.build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'cjs', target: 'node22', define: { 'import.meta.url': '"file:///bundled"' }, logLevel: 'error' });
  return outfile;
}

export const LONG = process.env['PILOTHOUSE_LONG'] !== undefined;
export const KEY = new Uint8Array(32).fill(7);
export const SESSION = 'local-claude\u0000s1';

/** Runs `work` with a folder of its own, removed after. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-store-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A logger that keeps its lines. */
export function recordingLog(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, log: createLogger((level, line) => void lines.push(`${level} ${line}`)) };
}

export function openAt(directory: string, options: Partial<OpenStoreOptions> = {}): Promise<OwnedStore> {
  return openStore({ directory, key: KEY, log: recordingLog().log, clock: systemClock, busyMs: 300, workerUrl: WORKER, ...options });
}

export function textEntry(id: string, order: readonly number[], over: Partial<TextEntry> = {}): TextEntry {
  return { kind: 'text', id, row: id, order, rev: 1, at: null, turn: null, parent: null, text: `text of ${id}`, ...over };
}

export function sessionRecord(id: string, over: Partial<Session> = {}): Session {
  return {
    id, connectionId: 'local-claude', machineId: 'this', folder: '/home/ann/project', agent: 'claude', title: `Title of ${id}`, state: 'idle', createdAt: 1, updatedAt: 2,
    archived: false, owner: 'nobody', ownerName: null, branch: null, activity: null, usage: null, model: null, waiting: [], error: null, ...over,
  };
}

export function outboxItem(clientId: string, over: Partial<OutboxItem> = {}): OutboxItem {
  return {
    clientId, session: SESSION, text: `prompt ${clientId}`, attachments: [], delivery: 'queued', position: 1, createdAt: 1, attempts: 0, error: null, steer: false, ...over,
  };
}

/** Time that only `advance` moves. */
export class SimClock implements Clock {
  private time = 1_700_000_000_000;
  private timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time - 1_699_999_000_000;
  }

  setTimeout(callback: () => void, ms: number): { cancel(): void } {
    const timer = { at: this.time + ms, callback };
    this.timers.push(timer);
    return { cancel: () => void (this.timers = this.timers.filter((other) => other !== timer)) };
  }

  get waiting(): number {
    return this.timers.length;
  }

  /** Fires what is due, in order, letting promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await drain();
    for (;;) {
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.at);
      next.callback();
      await drain();
    }
    this.time = end;
    await drain();
  }
}

/** Lets promises that wait for nothing else settle. */
export async function drain(): Promise<void> {
  for (let round = 0; round < 4; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits until `check` gives something, at most `ms`. */
export async function until<T>(check: () => T | Promise<T>, ms = 20_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value !== null && value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly lines: string[];
  /** The first line that begins so, once it is there. */
  line(beginning: string): Promise<string>;
  kill(): Promise<void>;
  ended(): Promise<number | null>;
}

/** Starts child.ts in a process of its own, with these arguments. */
export function startChild(args: readonly string[], options: { readonly uid?: number } = {}): Child {
  const script = fileURLToPath(new URL('./child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, PILOTHOUSE_TEST_WORKER: WORKER }, ...options });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => void lines.push(line));
  const exit = once(child, 'exit');
  return {
    process: child,
    pid: child.pid ?? -1,
    lines,
    line: (beginning) => until(() => lines.find((line) => line.startsWith(beginning)) ?? null),
    async kill() {
      child.kill('SIGKILL');
      await exit;
    },
    async ended() {
      await exit;
      return child.exitCode;
    },
  };
}

const name = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f') },
  { weight: 1, arbitrary: fc.constantFrom('\ud800', '\uffff', '😀', 'é', 'a\u0000b', '\uf8ff', '\udfff') },
);
const element = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(0.5, -0.5, 1e300, -1e300, 5e-324, 1_700_000_000_000, -0) },
);

/** Entries that collide in ids, rows, parents and orders, with rings of parents, rows that show nothing and pieces that give way to a block without text. */
export const collidingEntries: fc.Arbitrary<readonly Entry[]> = fc.array(
  fc.record({
    id: name, row: fc.option(name, { freq: 8 }), parent: fc.option(name, { freq: 2 }), order: fc.array(element, { maxLength: 3 }),
    rev: fc.integer({ min: 0, max: 2 }), text: fc.constantFrom('one', 'two', 'three'), kind: fc.constantFrom('text', 'text', 'answer', 'piece', 'void'),
  }),
  { maxLength: 30 },
).map((list) => list.map(({ id, row, parent, order, rev, text, kind }): Entry => {
  const base = { id, row, order, rev, at: null, turn: 't', parent: parent === row ? null : parent };
  if (kind === 'text' || kind === 'void') return { ...base, kind: 'text', text: kind === 'void' ? '' : text };
  if (kind === 'piece' && row !== null) return { ...base, row, kind: 'delta', channel: 'text', part: 0, text };
  return { ...base, kind: 'answer', requestId: 'r', outcome: 'allowed', by: 'person', reason: text, answers: {} };
}));
