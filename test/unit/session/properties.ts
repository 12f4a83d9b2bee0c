import { strict as assert } from 'node:assert';
import type { Entry } from '../../../src/core/model/entry.ts';
import { canonicalJson } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { createTranscript } from '../../../src/core/session/transcript.ts';
import { mergeEntries } from '../../../src/core/session/merge.ts';
import type { RowOp, TranscriptView } from '../../../src/core/session/transcript-api.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { Logger } from '../../../src/core/model/context.ts';
import { createLogger } from '../../../src/core/transport/logger.ts';
import { HandClock, settle } from './hand-clock.ts';
import { MemoryStore } from './memory-store.ts';

/** Runs of a property: many where PILOTHOUSE_LONG is set. */
export function runs(usual: number, long: number): number {
  return process.env['PILOTHOUSE_LONG'] === '1' ? long : usual;
}

/** A log that fails the test when a listener of a transcript threw. */
export function watchfulLog(): { readonly log: Logger; readonly check: () => void } {
  const errors: unknown[] = [];
  const log = createLogger((level, line) => void (level === 'error' && errors.push(line)));
  return { log, check: () => assert.deepEqual(errors, [], 'no listener threw') };
}

export const SESSION = 'connection\u0000session';

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The items in another order. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const mixed = [...items];
  for (let index = mixed.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    [mixed[index], mixed[other]] = [mixed[other] as T, mixed[index] as T];
  }
  return mixed;
}

/** The items in batches of random sizes. */
export function partitioned<T>(items: readonly T[], random: () => number): T[][] {
  const most = 1 + Math.floor(random() * Math.max(1, items.length));
  const batches: T[][] = [];
  for (let at = 0; at < items.length;) {
    const size = 1 + Math.floor(random() * most);
    batches.push(items.slice(at, at + size));
    at += size;
  }
  return batches;
}

/** Some of the items twice or more, at other places. */
export function repeated<T>(items: readonly T[], random: () => number): T[] {
  const more = [...items];
  for (const item of items) if (random() < 0.4) more.splice(Math.floor(random() * (more.length + 1)), 0, item);
  return more;
}

/** Applies changes to a plain list of all rows, as a page would. `strict` checks that they are about the rows that stand there. */
export function applyOps(rows: Row[], ops: readonly RowOp[], strict = true): void {
  for (const op of ops) {
    if (op.op === 'splice') {
      assert.ok(op.at >= 0 && op.at + op.remove <= rows.length, `splice at ${op.at} of ${op.remove} among ${rows.length}`);
      rows.splice(op.at, op.remove, ...op.rows);
      continue;
    }
    const row = rows[op.at];
    assert.ok(row !== undefined, `${op.op} at ${op.at} among ${rows.length}`);
    if (op.op === 'update') {
      if (strict) assert.equal(op.row.key, row.key, 'an update keeps the row');
      rows[op.at] = op.row;
      continue;
    }
    assert.equal(row.key, op.key, 'text is added to the row that it names');
    const fields = row as unknown as Record<string, string>;
    assert.equal(fields[op.field]?.length, op.from, 'text is added at the end');
    rows[op.at] = { ...row, [op.field]: `${fields[op.field]}${op.text}` };
  }
}

export interface Setting {
  readonly seed: number;
  readonly tailRows: number;
  readonly keepRows: number;
  /** Whether the session is closed and opened again in between. */
  readonly reopen: boolean;
  /** Share of the store's calls that fail while entries are added. */
  readonly failing?: number;
  /** A store in place of the one in memory; it knows nothing of the session. */
  readonly store?: MemoryStore;
}

/**
 * Adds the batches to a transcript while time and store go on at random, and checks against viewOf: total, rows in memory, all rows, single rows, the
 * list that its changes make, and all of that again in a transcript that opens what the store holds.
 */
export async function checkTranscript(entries: readonly Entry[], batches: readonly (readonly Entry[])[], setting: Setting): Promise<void> {
  const random = randomFrom(setting.seed);
  const { failing = 0, store = new MemoryStore() } = setting;
  store.ticks = () => Math.floor(random() * 4);
  const clock = new HandClock();
  const { log, check } = watchfulLog();
  const open = (): Promise<TranscriptView> => createTranscript({ store, session: SESSION, log, clock, tailRows: setting.tailRows, keepRows: setting.keepRows });
  let view = await open();
  let mirror: Row[] = [];
  const listen = (): void => void view.onChange((ops) => {
    applyOps(mirror, ops);
    assertTail(mirror, view);
  });
  listen();
  if (failing > 0) store.fail = () => random() < failing;
  for (const batch of batches) {
    const before = new Map(view.tail.map((row) => [row.key, row]));
    view.add(batch);
    for (const row of view.tail) {
      const old = before.get(row.key);
      assert.ok(old === undefined || old === row || JSON.stringify(old) !== JSON.stringify(row), 'an unchanged row is the same object');
    }
    const chance = random();
    if (chance < 0.3) clock.advance(300);
    if (chance < 0.2) await settle(Math.floor(random() * 30));
    else if (chance > 0.9) await view.flush();
    if (setting.reopen && chance > 0.95) {
      await view[Symbol.asyncDispose]();
      view = await open();
      mirror = [...(await view.rows(0, view.total)).rows];
      listen();
    }
  }
  store.fail = () => false;
  await view.flush();
  const expected = viewOf(entries);
  await compare(view, expected, setting);
  assertSame(mirror, expected, 'the changes lead to the rows');
  await view[Symbol.asyncDispose]();
  const again = await open();
  await compare(again, expected, setting);
  await again[Symbol.asyncDispose]();
  checkStored(store, entries);
  assert.equal(clock.pending, 0, 'no timer is left');
  check();
}

/** A store holds what was added: the same view, and every entry, but for pieces, in the version that holds. */
export function checkStored(store: MemoryStore, entries: readonly Entry[]): void {
  const stored = store.dump(SESSION);
  assertSame(viewOf(stored), viewOf(entries), 'the store holds the view');
  const whole = (list: Iterable<Entry>): Entry[] => [...list].filter((entry) => entry.kind !== 'delta').sort((a, b) => (a.id < b.id ? -1 : 1));
  assertSame(whole(stored), whole(mergeEntries(entries).values()), 'the store holds every entry');
}

/** The list that changes made ends with the rows in memory, at every moment. */
export function assertTail(mirror: readonly Row[], view: TranscriptView): void {
  assert.equal(mirror.length, view.total, 'the changes make as many rows as there are');
  assertSame(mirror.slice(view.start), view.tail, 'the changes lead to the rows in memory');
}

export async function compare(view: TranscriptView, expected: readonly Row[], setting: Setting): Promise<void> {
  assert.equal(view.total, expected.length, 'total');
  assert.equal(view.start + view.tail.length, view.total, 'rows in memory reach to the end');
  assert.ok(view.tail.length <= Math.max(setting.keepRows, setting.tailRows), 'memory is bounded');
  assertSame(view.tail, expected.slice(view.start), 'rows in memory');
  assertSame((await view.rows(0, view.total)).rows, expected, 'all rows');
  for (const row of expected.slice(0, 3)) assertSame(await view.row(row.key), row, 'a single row');
}

/** Deep equality; the comparison that can tell the difference is slow and so made only where there is one. */
export function assertSame(actual: unknown, expected: unknown, message: string): void {
  if (canonicalJson(actual) !== canonicalJson(expected)) assert.deepEqual(actual, expected, message);
}

/**
 * P1 and P2 for one set of entries, such as a recorded session: the view is the same for every order, every partition into batches and any repetition,
 * as a whole (viewOf) and live (createTranscript with little memory). Throws where it is not.
 */
export async function assertOrderFree(entries: readonly Entry[], options: { readonly runs?: number; readonly seed?: number } = {}): Promise<void> {
  const { runs: count = runs(20, 200), seed = 1 } = options;
  const expected = viewOf(entries);
  for (let run = 0; run < count; run += 1) {
    const random = randomFrom(seed * 7919 + run);
    // The first run takes the entries as they come, the second from the newest to the oldest, as histories are read.
    const order = run === 0 ? [...entries] : run === 1 ? [...entries].reverse() : shuffled(repeated(entries, random), random);
    assert.deepEqual(viewOf(order), expected, `viewOf, run ${run} of seed ${seed}`);
    const setting = { seed: seed + run, tailRows: 1 + Math.floor(random() * 8), keepRows: 1 + Math.floor(random() * 12), reopen: run % 3 === 2 };
    await checkTranscript(entries, partitioned(order, random), setting);
  }
}
