import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/core/model/context.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import { importHistory } from '../../../src/core/fleet/history.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { outboxItem, textEntry, until } from '../store/support.ts';
import type { FleetWindow } from './fleetWorld.ts';
import { FleetWorld, keyOf, texts } from './fleetWorld.ts';

const many = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, index) => `row ${from + index}`);

let world: FleetWorld;
let window: FleetWindow;
beforeEach(async () => {
  world = new FleetWorld();
  world.system.add('a');
  world.system.write('a', ...many(0, 1_500));
  window = await (await world.window()).connect();
});
afterEach(() => world[Symbol.asyncDispose]());

/** Opens the session, waits until its record is read, and closes it; gives how many pages were read. */
async function openOnce(total: number): Promise<number> {
  const handle = window.backend.session('a');
  const before = handle.historyReads;
  const runtime = await window.open('a');
  await until(() => !runtime.loading && runtime.transcript.total === total);
  // The mark is written when everything was read.
  await until(async () => (await window.store.keep('history').get(keyOf('a')))?.includes(`a-${total - 1}"`));
  runtime.release();
  await until(() => !window.fleet.isOpen(keyOf('a')));
  return handle.historyReads - before;
}

it('a page is handed to the transcript in portions, with the event loop at liberty between them', async () => {
  let turn = 0;
  const timer = setInterval(() => (turn += 1), 1);
  const [taken, turns, firsts]: [number[], number[], number[]] = [[], [], []];
  let unwritten = 0;
  const handle = { history: ({ cursor }: { readonly cursor?: string }) => Promise.resolve({ items: Array.from({ length: 1_000 }, (_, index) => textEntry(`${cursor ?? 'end'}-${index}`, [index])), next: cursor === undefined ? 'older' : null }) };
  const transcript = {
    total: 0,
    add(entries: readonly Entry[]) {
      taken.push(entries.length);
      turns.push(turn);
      unwritten += entries.length;
      // What taking them in costs.
      for (const until_ = performance.now() + 5; performance.now() < until_;);
    },
    flush: () => Promise.resolve(void (unwritten = 0)),
  };
  const keep = { get: () => Promise.resolve(null), set: () => Promise.resolve() };
  // Only what importHistory uses of them.
  const parts = { handle, transcript, keep } as unknown as Pick<Parameters<typeof importHistory>[0], 'handle' | 'transcript' | 'keep'>;
  await importHistory({ ...parts, key: keyOf('a'), signal: new AbortController().signal, now: () => 1, onFirstPage: () => firsts.push(taken.length, unwritten) });
  clearInterval(timer);
  expect(taken.reduce((sum, count) => sum + count)).toBe(2_000);
  expect(Math.max(...taken)).toBeLessThanOrEqual(500);
  expect(new Set(turns).size).toBe(turns.length);
  // The end of the session is shown before any of it was written.
  expect(firsts).toEqual([taken.length / 2, 1_000]);
});

describe('the history of a session', () => {
  it('is read whole once, then only what is new, and never twice', async () => {
    expect(await openOnce(1_500)).toBe(4);
    expect(await openOnce(1_500)).toBe(1);
    world.system.write('a', ...many(1_500, 1_510));
    expect(await openOnce(1_510)).toBe(1);
    world.system.write('a', ...many(1_510, 2_000));
    // Two pages of what is new; the second holds an entry that was read before.
    expect(await openOnce(2_000)).toBe(2);
    expect((await window.store.rows(keyOf('a'), 0, 3_000)).entries.map((entry) => (entry.kind === 'text' ? entry.text : entry.kind))).toEqual(many(0, 2_000));
  });

  it('is not taken for read because figures and requests are told with every page', async () => {
    const { histories } = window.backend.world;
    const withFigures = (): void => {
      const all = (histories.get('a') ?? []).filter((entry) => entry.kind === 'text');
      histories.set('a', all.map((entry, index): Entry => (index % 50 === 49 ? { ...entry, kind: 'usage', id: 'usage:session', row: null, rev: index, scope: 'session', figures } : entry)));
    };
    const figures = { inputTokens: 1, outputTokens: 1, cachedTokens: null, costUsd: null, contextTokens: 1, contextWindow: null };
    withFigures();
    const first = await window.open('a');
    await first.historyRead();
    first.release();
    await until(() => !window.fleet.isOpen(keyOf('a')));
    window.backend.world.write('a', ...many(1_500, 2_300));
    withFigures();
    const again = await window.open('a');
    await again.historyRead();
    const seen = new Set((await window.store.rows(keyOf('a'), 0, 3_000)).entries.map((entry) => entry.id));
    expect((histories.get('a') ?? []).filter((entry) => entry.kind === 'text' && !seen.has(entry.id))).toEqual([]);
    again.release();
  });

  it('is read again by what is open when contact comes back', async () => {
    const runtime = await window.open('a');
    await until(() => !runtime.loading && runtime.transcript.total === 1_500);
    const state = (status: 'offline' | 'ready'): void => window.backend.events.emit({ type: 'connection', state: { status, message: null, remedy: null, version: null } });
    state('offline');
    window.backend.world.write('a', ...many(1_500, 1_510));
    state('ready');
    await until(() => runtime.transcript.total === 1_510);
    runtime.release();
  });

  it('is not all that contact brings: what waits for its next attempt goes out at once', async () => {
    // A wait of half a minute never ends here.
    const patient: Clock = { ...systemClock, setTimeout: (callback, ms) => (ms > 5_000 ? { cancel: () => undefined } : systemClock.setTimeout(callback, ms / 5)) };
    const other = await (await world.window('patient', patient)).connect();
    const handle = other.backend.session('a');
    handle.sending = () => Promise.reject(new Error('nobody answers'));
    await other.store.saveOutbox({ ...outboxItem('c1'), session: keyOf('a'), attempts: 20 });
    const runtime = await other.open('a');
    await until(() => runtime.outboxItems()[0]?.attempts === 21 && runtime.outboxItems()[0]?.delivery === 'queued');
    handle.sending = () => Promise.resolve();
    for (const status of ['offline', 'ready'] as const) other.backend.events.emit({ type: 'connection', state: { status, message: null, remedy: null, version: null } });
    await until(() => runtime.outboxItems().length === 0);
    expect(world.system.delivered.map(({ clientId }) => clientId)).toEqual(['c1']);
    runtime.release();
  });

  it('that was out of reach when the session was opened comes with the contact', async () => {
    const handle = window.backend.session('a');
    const reading = handle.history.bind(handle);
    handle.history = () => Promise.reject(new Error('nobody answers'));
    window.backend.events.emit({ type: 'connection', state: { status: 'offline', message: null, remedy: null, version: null } });
    const runtime = await window.open('a');
    await until(() => !runtime.loading);
    expect(runtime.transcript.total).toBe(0);
    handle.history = reading;
    window.backend.events.emit({ type: 'connection', state: { status: 'ready', message: null, remedy: null, version: null } });
    await until(() => runtime.transcript.total === 1_500);
    runtime.release();
  });

  it('shows its end at once, and is read on from the start when reading it was cut off', async () => {
    const runtime = await window.open('a');
    await until(() => !runtime.loading);
    expect(texts(runtime).at(-1)).toBe('row 1499');
    runtime.release();
    await until(() => !window.fleet.isOpen(keyOf('a')));
    await openOnce(1_500);
  });

  it('that cannot be read leaves what is stored, and loading ends', async () => {
    await openOnce(1_500);
    window.backend.session('a').history = () => Promise.reject(new Error('the file is locked'));
    const runtime = await window.open('a');
    await until(() => !runtime.loading);
    expect([runtime.transcript.total, texts(runtime).at(-1)]).toEqual([1_500, 'row 1499']);
  });

  it('is not waited for by what closes', async () => {
    const asked = Promise.withResolvers<void>();
    window.backend.session('a').history = () => {
      asked.resolve();
      return new Promise(() => undefined);
    };
    await window.open('a');
    await asked.promise;
    const started = Date.now();
    await window.close();
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});
