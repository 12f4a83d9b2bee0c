import type { Disposable } from '../model/backend.ts';
import type { Clock, Logger } from '../model/context.ts';
import type { Entry } from '../model/entry.ts';
import { describeError } from '../model/errors.ts';
import type { Row } from '../model/row.ts';
import type { SessionKey } from '../model/session.ts';
import { Emitter } from '../transport/emitter.ts';
import { topOf } from './arrange.ts';
import type { Merged } from './cycle.ts';
import { Cycle } from './cycle.ts';
import { within } from './deadline.ts';
import { callOf, wholeOutput } from './foldTool.ts';
import type { Above } from './lookAbove.ts';
import { lookAbove } from './lookAbove.ts';
import { TailMemory } from './memory.ts';
import { mergeEntries } from './merge.ts';
import { soundEntry } from './normalise.ts';
import type { RowFacts } from './order.ts';
import { factsOf } from './order.ts';
import { RowEntries } from './rowEntries.ts';
import type { Store } from './store-api.ts';
import { StoreIndex, storedPage } from './storeIndex.ts';
import type { RowOp, TranscriptView } from './transcript-api.ts';
import { groupByRow } from './view.ts';

interface TranscriptOptions {
  readonly store: Store;
  readonly session: SessionKey;
  readonly log: Logger;
  readonly clock: Clock;
  /** Top-level rows that opening reads. */
  readonly tailRows?: number;
  /** Top-level rows that memory may hold before it lets go of the first ones. */
  readonly keepRows?: number;
  /** Characters of rows that memory may hold before it lets go of the first ones. */
  readonly keepChars?: number;
}

/** How long entries are gathered before they are written. */
const WRITE_BEHIND_MS = 250;
const RETRY_MAX_MS = 30_000;
const STORE_DEADLINE_MS = 30_000;
/** After as many rounds that miss a row, the store is damaged rather than written to by others. */
const MOST_MISSES = 5;
/** A quarter of a million tokens: with 2,000 short rows less than that, and never fewer than the last few rows. */
const KEEP_CHARS = 1_000_000;
/** Entries given to the store at once. */
const PUT_BATCH = 2_000;

/**
 * Opens the view of a session: reads its last `tailRows` top-level rows from the store, however long the session is. A store that can't be read makes an
 * empty view that works; what is added to it is written as soon as the store takes it.
 */
export async function createTranscript(options: TranscriptOptions): Promise<TranscriptView> {
  const { store, session, log, clock, tailRows = 200 } = options;
  const transcript = new Transcript(options, tailRows);
  try {
    const read = async (): Promise<Parameters<Transcript['load']>> => {
      const { start, total, entries } = await store.rows(session, -tailRows, tailRows);
      return [entries, start, total === 0 && (await store.mark(session)) === 0];
    };
    transcript.load(...(await within(clock, STORE_DEADLINE_MS, 'Reading a session from the store', read())));
  } catch (error) {
    log.warn('a session could not be read from the store', { error: describeError(error) });
  }
  return transcript;
}

/** A round with the store after its merge. */
interface Owed {
  readonly cycle: Cycle;
  readonly merged: Merged;
  /** Entries of it that are written. */
  written: number;
}

class Transcript implements TranscriptView {
  private readonly options: TranscriptOptions;
  private readonly mostRows: number;
  private readonly keptRows: number;
  private readonly memory = new TailMemory();
  private readonly changes: Emitter<readonly RowOp[]>;
  /** Everything that speaks to the store, one after the other. */
  private lane: Promise<unknown> = Promise.resolve();
  private timer: { cancel(): void } | null = null;
  private failures = 0;
  /** Rounds without a break in which rows were not where they should be. */
  private misses = 0;
  /** A round with the store that failed half way. */
  private owed: Owed | null = null;
  private disposed = false;

  constructor(options: TranscriptOptions, tailRows: number) {
    this.options = options;
    this.mostRows = Math.max(options.keepRows ?? 2_000, 1);
    this.keptRows = Math.max(1, Math.min(this.mostRows, Math.max(tailRows, Math.floor(this.mostRows * 0.75))));
    this.changes = new Emitter((error) => options.log.error('a listener of a transcript failed', { error: describeError(error) }));
  }

  get total(): number {
    return this.memory.total;
  }
  get start(): number {
    return this.memory.start;
  }
  get tail(): readonly Row[] {
    return this.memory.tail;
  }

  load(entries: readonly Entry[], start: number, empty: boolean): void {
    this.memory.load(entries.map(soundEntry), start, empty);
  }

  add(entries: readonly Entry[], options: { readonly stored?: boolean } = {}): void {
    if (this.disposed || entries.length === 0) return;
    this.emit(this.memory.add(entries.map(soundEntry), options.stored === true));
    this.schedule();
  }

  onChange(listener: (ops: readonly RowOp[]) => void): Disposable {
    return this.changes.on(listener);
  }

  async rows(start: number, end: number, options: { readonly signal?: AbortSignal } = {}): Promise<{ readonly start: number; readonly rows: readonly Row[] }> {
    const inMemory = (from: number, to: number): readonly Row[] => this.memory.tail.slice(Math.max(0, from - this.memory.start), Math.max(0, to - this.memory.start));
    if (start >= this.memory.start) {
      const from = Math.min(Math.max(0, start), this.memory.total);
      return { start: from, rows: inMemory(from, end) };
    }
    return this.inLane(async () => {
      const from = Math.min(Math.max(0, start), this.memory.total);
      const to = Math.min(end, this.memory.start);
      const rows = to <= from ? [] : storedPage(await this.read(from, to - from, options.signal)).tops.map((top) => top.row);
      return { start: from, rows: [...rows, ...inMemory(Math.max(from, this.memory.start), end)] };
    }, options.signal);
  }

  async row(key: string): Promise<Row | null> {
    const node = this.memory.forest.get(key);
    if (node !== undefined) return node.row;
    if (this.memory.pending.has(key) || this.memory.working.has(key)) await this.settleOnce();
    return this.memory.forest.get(key)?.row ?? this.inLane(() => this.findRow(key));
  }

  async indexOf(key: string): Promise<number | null> {
    const held = this.heldIndex(key);
    if (held !== null) return held;
    if (this.memory.pending.has(key) || this.memory.working.has(key)) await this.settleOnce();
    return this.heldIndex(key) ?? this.inLane(async () => (await this.findTop(key))?.index ?? null);
  }

  private heldIndex(key: string): number | null {
    const { forest } = this.memory;
    const top = forest.has(key) ? topOf(key, forest.facts) : null;
    const place = top === null ? -1 : this.memory.tail.findLastIndex((row) => row.key === top);
    return place < 0 ? null : this.memory.start + place;
  }

  async output(key: string): Promise<string | null> {
    return wholeOutput(await this.entriesOfRow(key));
  }

  async callId(key: string): Promise<string | null> {
    return callOf(await this.entriesOfRow(key));
  }

  private async entriesOfRow(key: string): Promise<RowEntries> {
    const node = this.memory.forest.get(key);
    if (node !== undefined) return new RowEntries(node.log.all());
    const stored = await this.inLane(() => this.entriesOf([key]));
    const waiting = this.memory.pending.get(key);
    const entries = mergeEntries([...stored.map(soundEntry), ...(waiting?.stored ?? []), ...(waiting?.added ?? [])]);
    return new RowEntries(entries.values());
  }

  async flush(): Promise<void> {
    // A round on its way may fail and leave its work.
    await this.lane;
    // Bounded for the sake of a store that never comes to rest; one that fails ends it at once.
    for (let round = 0; round < 1_000 && this.isBusy; round += 1) if (!(await this.settleOnce())) return;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    this.timer?.cancel();
    this.timer = null;
    await this.flush();
    this.changes.clear();
  }

  private get isBusy(): boolean {
    return this.owed !== null || this.memory.isBusy || this.memory.forest.tops.length > this.mostRows;
  }

  private emit(ops: readonly RowOp[]): void {
    if (ops.length > 0) this.changes.emit(ops);
  }

  private schedule(): void {
    if (this.timer !== null || this.disposed || !this.isBusy) return;
    const wait = this.failures === 0 ? WRITE_BEHIND_MS : Math.min(RETRY_MAX_MS, WRITE_BEHIND_MS * 2 ** this.failures);
    this.timer = this.options.clock.setTimeout(() => {
      this.timer = null;
      void this.settleOnce();
    }, wait);
  }

  /** Brings memory and store together once; false when the store failed. Never rejects. */
  private settleOnce(): Promise<boolean> {
    return this.inLane(async () => {
      try {
        await this.settle();
        this.failures = 0;
        this.memory.release(this.mostRows, this.keptRows, this.options.keepChars ?? KEEP_CHARS);
        return true;
      } catch (error) {
        this.failures += 1;
        if (this.failures === 1) this.options.log.warn('a session could not be written to the store', { error: describeError(error) });
        return false;
      } finally {
        this.schedule();
      }
    });
  }

  /**
   * One round with the store: ask, merge, write, look what became of the rows before those in memory. What fails after the merge is owed: it is taken up
   * again before anything else, since the rows in memory have gone on from the merge.
   */
  private async settle(): Promise<void> {
    const { memory } = this;
    this.owed ??= await this.merge();
    const owed = this.owed;
    try {
      for (; owed.written < owed.merged.entries.length; owed.written += PUT_BATCH) {
        await this.put(owed.merged.entries.slice(owed.written, owed.written + PUT_BATCH));
      }
      const above = await this.look(owed.merged);
      this.owed = null;
      memory.working = new Set();
      if (above === null) return;
      memory.start = above.start;
      this.misses = above.missed.size === 0 ? 0 : this.misses + 1;
      if (this.misses <= MOST_MISSES) owed.cycle.waitWithin(above.missed);
      this.emit([...above.ops, ...memory.takeStored(above.entries.map(soundEntry))]);
    } catch (error) {
      this.emit(owed.cycle.showTails());
      throw error;
    }
  }

  /** What became of the rows before those in memory; null where nothing can have. */
  private async look(merged: Merged): Promise<Above | null> {
    const { memory } = this;
    if (memory.boundary === null || (merged.touched.size === 0 && merged.guesses.every((guess) => guess.fresh.size === 0))) return null;
    const total = await this.count();
    // Rows that are merely new have taken none in from before the boundary if the store has as many rows as memory thinks.
    if (!merged.shared && merged.touched.size === 0 && merged.tops !== null && total === memory.start + merged.tops) {
      for (const guess of merged.guesses) for (const key of guess.fresh) memory.unsure.add(key);
      return null;
    }
    return lookAbove(memory, merged, this.storeIndex(total));
  }

  private async merge(): Promise<Owed> {
    const cycle = new Cycle(this.memory);
    try {
      await cycle.ask((rows) => this.entriesOf(rows));
    } catch (error) {
      cycle.giveUp();
      this.emit(this.memory.showWaiting());
      throw error;
    }
    const merged = cycle.merge();
    this.emit(merged.ops);
    return { cycle, merged, written: 0 };
  }

  private async findRow(key: string): Promise<Row | null> {
    const found = await this.findTop(key);
    return found === null ? null : rowWithin(found.row, key);
  }

  /** The top-level row that a row is or is in, of those that are not in memory: found through the parents that its entries name. */
  private async findTop(key: string): Promise<{ readonly index: number; readonly row: Row } | null> {
    const facts = new Map<string, RowFacts>();
    let keys = [key];
    while (keys.length > 0) {
      for (const [found, entries] of groupByRow((await this.entriesOf(keys)).map(soundEntry))) {
        const own = factsOf(entries);
        if (own !== null) facts.set(found, own);
      }
      keys = keys.flatMap((asked) => facts.get(asked)?.parent ?? []).filter((parent) => !facts.has(parent) && parent !== key);
    }
    const top = topOf(key, (asked) => facts.get(asked));
    const order = facts.get(top)?.order;
    if (order === undefined) return null;
    const index = this.storeIndex(await this.count());
    const rank = await index.rank({ order, key: top });
    const [found] = storedPage(await index.entriesAt(rank)).tops;
    return found === undefined || found.key !== top ? null : { index: rank, row: found.row };
  }

  private count(): Promise<number> {
    return this.call('Counting the rows of a session', this.options.store.count(this.options.session));
  }

  private storeIndex(total: number): StoreIndex {
    return new StoreIndex((start, limit) => this.read(start, limit), total);
  }

  private async read(start: number, limit: number, signal?: AbortSignal): Promise<readonly Entry[]> {
    const { store, session } = this.options;
    return (await this.call('Reading rows from the store', store.rows(session, start, limit), signal)).entries;
  }

  private put(entries: readonly Entry[]): Promise<void> {
    return this.call('Writing a session to the store', this.options.store.put(this.options.session, entries));
  }

  private entriesOf(rows: readonly string[]): Promise<readonly Entry[]> {
    return this.call('Reading a row from the store', this.options.store.entriesOf(this.options.session, rows));
  }

  private call<T>(what: string, promise: Promise<T>, signal?: AbortSignal): Promise<T> {
    return within(this.options.clock, STORE_DEADLINE_MS, what, promise, signal);
  }

  private inLane<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.lane.then(() => {
      signal?.throwIfAborted();
      return task();
    });
    this.lane = turn.catch(() => undefined);
    return turn;
  }
}

/** The row of that key in a top-level row. */
function rowWithin(top: Row, key: string): Row | null {
  const rest: Row[] = [top];
  for (let row = rest.pop(); row !== undefined; row = rest.pop()) {
    if (row.key === key) return row;
    if (row.kind === 'tool') for (const child of row.children) rest.push(child);
  }
  return null;
}
