import type { Entry } from '../model/entry.ts';
import type { Row } from '../model/row.ts';
import type { Merged, PlaceChange, PlaceStep } from './cycle.ts';
import { inOrder } from './cycle.ts';
import type { TailMemory } from './memory.ts';
import type { Position } from './order.ts';
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
}

/**
 * Looks in the store, after the entries of a merge were written, what the rows before the boundary are now. Where the number of rows there is not what the
 * merge expects (another process writes too), one splice over the whole stretch that may have changed brings indexes and rows in line again.
 */
export async function lookAbove(memory: TailMemory, merged: Merged, index: StoreIndex): Promise<Above> {
  const { boundary } = memory;
  if (boundary === null) return { start: 0, ops: [], entries: [] };
  const looked = new Look(memory, merged, index, boundary);
  return looked.run();
}

class Look {
  private readonly memory: TailMemory;
  private readonly merged: Merged;
  private readonly index: StoreIndex;
  private readonly boundary: Position;
  private readonly rows = new Map<string, Row>();
  private readonly entries: Entry[] = [];
  private readonly changes: PlaceChange[];
  private readonly adopted = new Set<string>();

  constructor(memory: TailMemory, merged: Merged, index: StoreIndex, boundary: Position) {
    this.memory = memory;
    this.merged = merged;
    this.index = index;
    this.boundary = boundary;
    this.changes = [...merged.changes];
  }

  async run(): Promise<Above> {
    const before = this.memory.start;
    const stand = placesOf(inOrder(this.changes), false);
    const ranks = await this.index.ranks(stand, true);
    for (const [from, to] of runsOf(ranks)) this.take(await this.index.read(from, to));
    for (const tail of this.merged.tails) await this.takeTail(tail);
    let start = await this.index.rank(this.boundary, before + this.shift());
    if (start !== before + this.shift()) {
      // A row in memory may have taken rows in that stood before the boundary.
      for (const tail of this.merged.freshTails) await this.takeTail(tail);
      start = await this.index.rank(this.boundary, before + this.shift());
    }
    const ops = start === before + this.shift() ? await this.steps() : await this.stretch(start, start - before);
    return { start, ops, entries: this.entries };
  }

  /** By how many rows the known changes move the boundary. */
  private shift(): number {
    return this.changes.reduce((sum, { from, to }) => sum + (to === null ? 0 : 1) - (from === null ? 0 : 1), 0);
  }

  private take(page: StoredPage): void {
    for (const top of page.tops) this.rows.set(top.key, top.row);
    this.adopt(page);
  }

  private async takeTail(position: Position): Promise<void> {
    const at = await this.index.rank(position);
    const entries = await this.index.entriesAt(at);
    for (const entry of entries) this.entries.push(entry);
    this.adopt(storedPage(entries));
  }

  /** Rows that stood at the top until the row that they name as their parent came. */
  private adopt({ tops, facts }: StoredPage): void {
    const atTop = new Set(tops.map((top) => top.key));
    for (const [key, { order, parent }] of facts) {
      const from = { order, key };
      if (parent === null || atTop.has(key) || this.adopted.has(key) || !this.merged.fresh.has(parent)) continue;
      if (this.merged.touched.has(key) || this.memory.forest.has(key) || !this.memory.isAbove(from)) continue;
      this.adopted.add(key);
      this.changes.push({ key, from, to: null });
    }
  }

  /** One step for each change, from the first row to the last, so that each index is that of the rows as they are by then. */
  private async steps(): Promise<RowOp[]> {
    const changes = inOrder(this.changes);
    const standing = await this.index.ranks(placesOf(changes, false), true);
    const leaving = await this.index.ranks(placesOf(changes, true), false);
    const ops: RowOp[] = [];
    for (const { key, step } of changes) {
      const at = (step === 'leaves' ? leaving : standing).shift() ?? 0;
      const row = this.rows.get(key) ?? missing(key);
      if (step === 'stays') ops.push({ op: 'update', at, row });
      else if (step === 'leaves') ops.push({ op: 'splice', at, remove: 1, rows: [] });
      else addInsert(ops, at, row);
    }
    return ops;
  }

  /** One splice over everything between the first and the last place that may have changed; over all rows where even that can't be right. */
  private async stretch(start: number, grown: number): Promise<RowOp[]> {
    const places = inOrder(this.changes).map((change) => change.at);
    const [first] = places;
    const last = places.at(-1);
    let from = first === undefined ? 0 : await this.index.rank(first);
    let to = last === undefined ? start : await this.index.rank({ order: last.order, key: `${last.key}\u0000` });
    if (to - from - grown < 0 || to > start) [from, to] = [0, start];
    const { tops } = await this.index.read(from, to);
    return [{ op: 'splice', at: from, remove: to - from - grown, rows: tops.map((top) => top.row) }];
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
