import type { Entry } from '../model/entry.ts';
import type { Row } from '../model/row.ts';
import type { Guess, Merged, PlaceChange, PlaceStep } from './cycle.ts';
import { inOrder } from './cycle.ts';
import type { TailMemory } from './memory.ts';
import type { Position } from './order.ts';
import { comparePositions } from './order.ts';
import type { StoredPage, StoreIndex } from './storeIndex.ts';
import { storedPage } from './storeIndex.ts';
import type { RowOp } from './transcript-api.ts';

/** What became of the rows that are not in memory, to be taken over at one stroke. */
export interface Above {
  /** How many rows stand before the boundary now. */
  readonly start: number;
  /** Changes of these rows, in the order in which they apply. */
  readonly ops: readonly RowOp[];
  /** Entries of rows that are to be in memory. */
  readonly entries: readonly Entry[];
  /** Top-level rows that are to be in memory and were not where they should be, since another process wrote meanwhile. */
  readonly missed: ReadonlySet<string>;
}

/**
 * Looks in the store, after the entries of a merge were written, what the rows before the boundary are now. Where the number of rows there is not what the
 * merge expects (another process writes too), one splice over the whole stretch that may have changed brings indexes and rows in line again.
 */
export async function lookAbove(memory: TailMemory, merged: Merged, index: StoreIndex): Promise<Above> {
  const { boundary } = memory;
  if (boundary === null) return { start: 0, ops: [], entries: [], missed: new Set() };
  const look = new Look(memory, merged, index, boundary);
  return look.run();
}

class Look {
  private readonly memory: TailMemory;
  private readonly merged: Merged;
  private readonly index: StoreIndex;
  private readonly boundary: Position;
  private readonly rows = new Map<string, Row>();
  private readonly entries: Entry[] = [];
  private readonly missed = new Set<string>();
  private readonly taken = new Set<string>();
  /** What is known of the guess that is looked at. */
  private changes: PlaceChange[] = [];
  private fresh: ReadonlySet<string> = new Set();
  private readonly pages: StoredPage[] = [];

  constructor(memory: TailMemory, merged: Merged, index: StoreIndex, boundary: Position) {
    this.memory = memory;
    this.merged = merged;
    this.index = index;
    this.boundary = boundary;
  }

  async run(): Promise<Above> {
    const places: Position[] = [];
    for (const tail of this.merged.tails) await this.takeTail(tail);
    for (const guess of this.merged.guesses) {
      const ops = (await this.holds(guess)) ? await this.steps() : null;
      if (ops !== null) return this.above(this.expected(), ops);
      places.push(...inOrder(this.changes).map((change) => change.at));
    }
    const start = await this.index.rank(this.boundary, this.expected());
    return this.above(start, await this.stretch(start, places.sort(comparePositions)));
  }

  private above(start: number, ops: readonly RowOp[]): Above {
    return { start, ops, entries: this.entries, missed: this.missed };
  }

  /** Reads the rows that a guess is about; true when as many rows stand before the boundary as it makes one expect. */
  private async holds(guess: Guess): Promise<boolean> {
    this.changes = [...guess.changes];
    this.fresh = guess.fresh;
    for (const page of this.pages) this.adopt(page);
    const ranks = await this.index.ranks(placesOf(inOrder(this.changes), false), true);
    for (const [from, to] of runsOf(ranks)) {
      const page = await this.index.read(from, to);
      for (const top of page.tops) this.rows.set(top.key, top.row);
      this.adopt(page);
    }
    if (!this.merged.shared && (await this.index.rank(this.boundary, this.expected())) === this.expected()) {
      for (const key of guess.fresh) if (this.memory.forest.has(key)) this.memory.unsure.add(key);
      return true;
    }
    // A row in memory may have taken rows in that stood before the boundary.
    for (const tail of guess.freshTails) await this.takeTail(tail);
    return (await this.index.rank(this.boundary, this.expected())) === this.expected();
  }

  /** How many rows stand before the boundary if the changes are all there is. */
  private expected(): number {
    return this.changes.reduce((sum, { from, to }) => sum + (to === null ? 0 : 1) - (from === null ? 0 : 1), this.memory.start);
  }

  private async takeTail(position: Position): Promise<void> {
    if (this.taken.has(position.key)) return;
    this.taken.add(position.key);
    const entries = await this.index.entriesAt(await this.index.rank(position));
    const page = storedPage(entries);
    if (!page.tops.some((top) => top.key === position.key)) {
      this.missed.add(position.key);
      return;
    }
    for (const entry of entries) this.entries.push(entry);
    this.pages.push(page);
    this.adopt(page);
  }

  /** Rows that stood at the top until the row that they name as their parent came. */
  private adopt({ tops, facts }: StoredPage): void {
    const atTop = new Set(tops.map((top) => top.key));
    for (const [key, { order, parent }] of facts) {
      const from = { order, key };
      if (parent === null || atTop.has(key) || !this.fresh.has(parent) || this.changes.some((change) => change.key === key)) continue;
      // One that came into memory while this was looked for stood where the store has it.
      const wasInMemory = this.memory.forest.has(key) && !this.memory.unasked.has(key);
      if (this.merged.touched.has(key) || wasInMemory || !this.memory.isAbove(from)) continue;
      this.changes.push({ key, from, to: null });
    }
  }

  /** One step for each change, from the first row to the last, so that each index is that of the rows as they are by then; null where that can't be. */
  private async steps(): Promise<RowOp[] | null> {
    const changes = inOrder(this.changes);
    const standing = await this.index.ranks(placesOf(changes, false), true);
    const leaving = await this.index.ranks(placesOf(changes, true), false);
    const ops: RowOp[] = [];
    let length = this.memory.start;
    for (const { key, step } of changes) {
      const at = (step === 'leaves' ? leaving : standing).shift() ?? 0;
      // Another process moved rows while they were looked for.
      if (at > (step === 'comes' ? length : length - 1)) return null;
      length += step === 'comes' ? 1 : step === 'leaves' ? -1 : 0;
      const row = this.rows.get(key) ?? missing(key);
      if (step === 'stays') ops.push({ op: 'update', at, row });
      else if (step === 'leaves') ops.push({ op: 'splice', at, remove: 1, rows: [] });
      else addInsert(ops, at, row);
    }
    return ops;
  }

  /** One splice over everything between the first and the last place that may have changed; over all rows where even that can't be right. */
  private async stretch(start: number, places: readonly Position[]): Promise<RowOp[]> {
    const [first] = places;
    const last = places.at(-1);
    const grown = start - this.memory.start;
    let from = first === undefined ? 0 : await this.index.rank(first);
    let to = last === undefined ? start : await this.index.rank({ order: last.order, key: `${last.key}\u0000` });
    if (to - from - grown < 0 || to > start || to - grown > this.memory.start) [from, to] = [0, start];
    const rows = (await this.index.read(from, to)).tops.slice(0, to - from).map((top) => top.row);
    while (rows.length < to - from) rows.push(missing(`${from + rows.length}`));
    return [{ op: 'splice', at: from, remove: to - from - grown, rows }];
  }
}

function placesOf(steps: readonly PlaceStep[], leaving: boolean): Position[] {
  return steps.filter(({ step }) => (step === 'leaves') === leaving).map(({ at }) => at);
}

function addInsert(ops: RowOp[], at: number, row: Row): void {
  const last = ops.at(-1);
  if (last?.op === 'splice' && last.remove === 0 && last.at + last.rows.length === at) ops[ops.length - 1] = { ...last, rows: [...last.rows, row] };
  else ops.push({ op: 'splice', at, remove: 0, rows: [row] });
}

/** Stands for a row that the store could not read a moment after it was written. */
function missing(key: string): Row {
  return { kind: 'unknown', key, at: null, turn: null, source: 'store', raw: null };
}

/** Ascending numbers as runs `[from, to)` without a hole. */
function runsOf(numbers: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === number) run[1] = number + 1;
    else runs.push([number, number + 1]);
  }
  return runs;
}
