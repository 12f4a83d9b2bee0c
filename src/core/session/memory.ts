import type { Entry } from '../model/entry.ts';
import type { Row } from '../model/row.ts';
import { Forest } from './forest.ts';
import { compareVersions } from './merge.ts';
import type { RowNode } from './node.ts';
import type { Position } from './order.ts';
import { comparePositions, factsOf } from './order.ts';
import { rowOf } from './rowOps.ts';
import type { RowOp } from './transcript-api.ts';
import { groupByRow } from './view.ts';

/** Entries of a row that is not in memory, until the store has been asked about it. */
export interface Pending {
  /** Yet to be written. */
  readonly added: Entry[];
  /** In the store already, such as what another process wrote. */
  readonly stored: Entry[];
}

/**
 * The end of a transcript in memory: every top-level row from `boundary` on with all rows within it, and how many rows stand before. What is added goes
 * into the rows in memory at once where it can only belong there; entries of other rows wait in `pending`, since only the store knows their rows.
 */
export class TailMemory {
  readonly forest = new Forest();
  /** Index of the first row in memory. */
  start = 0;
  /** Rows that stand before it are in the store only; null while every row of the session is in memory. */
  boundary: Position | null = null;
  readonly pending = new Map<string, Pending>();
  /** Rows in memory of which the store may know more. */
  readonly unasked = new Set<string>();
  /** What another process wrote of them. */
  readonly foreign = new Map<string, Entry[]>();
  /** Rows that came to be shown and of which only the number of rows tells that they took none in from before the boundary: true where nobody else writes. */
  readonly unsure = new Set<string>();
  /** True when another process has written since a round last looked whether rows took others in. */
  heard = false;
  /** Keys of parents that are no rows before the boundary, as the store has said. */
  readonly absent = new Set<string>();
  /** Entries to be written that belong to no row in memory. */
  readonly loose = new Map<string, Entry>();
  /** Rows that a cycle with the store is working on: what comes for them waits for the next one. */
  working: ReadonlySet<string> = new Set();
  /** False while the store has nothing of this session but what memory gave it. */
  private asks = false;
  private view: readonly Row[] | null = null;

  get total(): number {
    return this.start + this.forest.tops.length;
  }

  get tail(): readonly Row[] {
    this.view ??= this.forest.tops.map(rowOf);
    return this.view;
  }

  /** True when something has yet to be written or to be asked. */
  get isBusy(): boolean {
    if (this.pending.size > 0 || this.unasked.size > 0 || this.loose.size > 0 || this.forest.isDirty || (this.heard && this.unsure.size > 0)) return true;
    return this.boundary !== null && this.forest.tops.some((top) => this.isAstray(top));
  }

  /** True for a row at the top that stands before the boundary, or whose parent may. */
  isAstray(top: RowNode): boolean {
    return this.isAbove(top.placed) || (top.linked !== null && !this.forest.has(top.linked) && !this.absent.has(top.linked));
  }

  /** The end of a stored session, of which `start` rows stand before. `empty`: the store knows nothing else of the session. */
  load(entries: readonly Entry[], start: number, empty: boolean): void {
    this.asks = !empty;
    this.forest.apply(entries, true);
    const first = this.forest.tops[0];
    if (start > 0 && first !== undefined) {
      this.start = start;
      this.boundary = first.placed;
    }
    this.view = null;
  }

  /** Takes sound entries in; gives the changes of rows in memory, with indexes of the whole session. */
  add(entries: readonly Entry[], stored: boolean): RowOp[] {
    this.heard ||= stored;
    const inside: Entry[] = [];
    const fresh = new Map<string, Entry[]>();
    for (const entry of entries) {
      if (entry.row === null) {
        if (!stored) this.addLoose(entry);
        continue;
      }
      this.absent.delete(entry.row);
      const node = this.forest.get(entry.row);
      if (node !== undefined) {
        inside.push(entry);
        // A row that comes to be shown takes in rows before the boundary that name it as their parent.
        if (this.boundary !== null && !node.shows) this.ask(entry.row, stored ? [entry] : []);
      } else if (this.boundary === null) {
        inside.push(entry);
        // The store may hold what shows no row by itself, such as the answer to a permission that comes now.
        if (this.asks) this.unasked.add(entry.row);
      } else if (this.pending.has(entry.row) || this.working.has(entry.row)) {
        this.wait(entry, stored);
      } else {
        const list = fresh.get(entry.row);
        if (list === undefined) fresh.set(entry.row, [entry]);
        else list.push(entry);
      }
    }
    for (const key of this.acceptable(fresh)) {
      const entries = fresh.get(key) ?? [];
      for (const entry of entries) inside.push(entry);
      fresh.delete(key);
      this.ask(key, stored ? entries : []);
    }
    for (const list of fresh.values()) for (const entry of list) this.wait(entry, stored);
    return this.apply(inside, stored);
  }

  /** Takes in top-level rows that were just read from the store, whole. What left memory meanwhile, and what lies within it, waits. */
  takeStored(entries: readonly Entry[]): RowOp[] {
    const rows = groupByRow(entries);
    const leaving = new Set<string>();
    for (let found = true; found;) {
      found = false;
      for (const [key, own] of rows) {
        const parent = factsOf(own)?.parent ?? null;
        if (leaving.has(key) || !(this.pending.has(key) || (parent !== null && (this.pending.has(parent) || leaving.has(parent))))) continue;
        leaving.add(key);
        found = true;
      }
    }
    for (const key of rows.keys()) this.absent.delete(key);
    for (const key of leaving) for (const entry of rows.get(key) ?? []) this.wait(entry, true);
    return this.apply(entries.filter((entry) => entry.row !== null && !leaving.has(entry.row)), true);
  }

  /** Merges entries into the rows in memory. A row that this moves before the boundary stays until the store has been asked. */
  apply(entries: Iterable<Entry>, stored: boolean): RowOp[] {
    return this.offset(this.forest.apply(entries, stored));
  }

  /** Takes a top-level row out of memory, with all rows within it. */
  leave(top: RowNode, ops: RowOp[]): void {
    const own: RowOp[] = [];
    this.forest.remove(top, own);
    ops.push(...this.offset(own));
  }

  isAbove(position: Position): boolean {
    return this.boundary !== null && comparePositions(position, this.boundary) < 0;
  }

  /** Has the store asked about a row in memory. */
  ask(key: string, foreign: readonly Entry[]): void {
    this.unasked.add(key);
    if (foreign.length > 0) this.foreign.set(key, [...(this.foreign.get(key) ?? []), ...foreign]);
  }

  addLoose(entry: Entry): void {
    const known = this.loose.get(entry.id);
    if (known === undefined || compareVersions(entry, known) > 0) this.loose.set(entry.id, entry);
  }

  /** Lets an entry wait for the store. */
  wait(entry: Entry, stored: boolean): void {
    if (entry.row === null) return;
    let pending = this.pending.get(entry.row);
    if (pending === undefined) {
      pending = { added: [], stored: [] };
      this.pending.set(entry.row, pending);
    }
    (stored ? pending.stored : pending.added).push(entry);
  }

  /** Shows waiting rows that stand in the tail without the store's word, which can't be had. */
  showWaiting(): RowOp[] {
    const ops: RowOp[] = [];
    const waiting = [...this.pending];
    for (const [key, { added, stored }] of waiting) {
      const facts = factsOf([...added, ...stored]);
      if (facts === null || this.isAbove({ order: facts.order, key })) continue;
      this.pending.delete(key);
      this.unasked.add(key);
      ops.push(...this.apply(stored, true), ...this.apply(added, false));
    }
    return ops;
  }

  /**
   * Lets go of rows far above the end: down to `keep` as soon as there are more than `most`, and what stands above the last `chars` characters. Only what stands in the store as it stands
   * here is let go.
   */
  release(most: number, keep: number, chars: number): void {
    const { tops } = this.forest;
    if (this.unasked.size > 0 || this.pending.size > 0) return;
    let count = 0;
    for (const top of tops.slice(0, Math.max(tops.length <= most ? 0 : tops.length - keep, beyond(tops, chars)))) {
      if (this.forest.isTreeDirty(top) || this.isAstray(top)) break;
      count += 1;
    }
    const first = tops[count];
    if (count === 0 || first === undefined) return;
    this.forest.release(count);
    this.start += count;
    this.boundary = first.placed;
    this.view = null;
  }

  /** Changes of the forest with indexes of the whole session. */
  offset(ops: readonly RowOp[]): RowOp[] {
    if (ops.length > 0) this.view = null;
    return this.start === 0 ? [...ops] : ops.map((op) => ({ ...op, at: op.at + this.start }));
  }

  /** Keys of rows that can be shown at once: they stand in the tail at the top, or within a row in memory. */
  private acceptable(fresh: ReadonlyMap<string, readonly Entry[]>): string[] {
    const accepted = new Set<string>();
    const waiting = new Map<string, string>();
    for (const [key, entries] of fresh) {
      const facts = factsOf(entries);
      if (facts === null) continue;
      if (facts.parent !== null) waiting.set(key, facts.parent);
      else if (!this.isAbove({ order: facts.order, key })) accepted.add(key);
    }
    for (let found = true; found;) {
      found = false;
      for (const [key, parent] of waiting) {
        if (!accepted.has(parent) && !this.forest.has(parent)) continue;
        accepted.add(key);
        waiting.delete(key);
        found = true;
      }
    }
    return [...accepted];
  }
}

/** Rows at the end that stay, however long they are. */
const LEAST_ROWS = 12;

/** How many of the first rows stand above the last `chars` characters. */
function beyond(tops: readonly RowNode[], chars: number): number {
  let held = 0;
  for (let place = tops.length - 1; place >= 0; place -= 1) {
    held += charsOf(tops[place]?.row ?? null);
    if (held > chars && tops.length - place > LEAST_ROWS) return place + 1;
  }
  return 0;
}

function charsOf(row: Row | null): number {
  if (row === null) return 0;
  if (row.kind === 'text' || row.kind === 'thinking' || row.kind === 'prompt') return row.text.length;
  if (row.kind !== 'tool') return 0;
  let chars = row.output.length;
  for (const diff of row.diffs) chars += diff.patch.length;
  for (const child of row.children) chars += charsOf(child);
  return chars;
}
