import type { Patch, PatchOp, Row, Snapshot } from '../types.ts';

/** Consecutive rows that the page holds; `start` is the index of the first. */
export interface Span {
  readonly start: number;
  readonly rows: readonly Row[];
}
interface MutableSpan {
  start: number;
  rows: Row[];
}

/** Characters that a row counts for, with something for the row itself. */
const ROW_WEIGHT = 300;

function weightOf(row: Row): number {
  if (row.kind === 'text' || row.kind === 'thinking' || row.kind === 'prompt') return ROW_WEIGHT + row.text.length;
  if (row.kind !== 'tool') return ROW_WEIGHT;
  let weight = ROW_WEIGHT + row.output.length;
  for (const diff of row.diffs) weight += diff.patch.length;
  for (const child of row.children) weight += weightOf(child);
  return weight;
}

/** What a change did, for the renderer. */
export interface RowChanges {
  /** Rows came, went or moved. */
  structural: boolean;
  /** Keys of rows that have another value. */
  readonly updated: Set<string>;
  /** Pieces of text added at the end of a row, by row key, in order. */
  readonly appended: Map<string, { readonly from: number; readonly text: string }[]>;
}

export function noChanges(): RowChanges {
  return { structural: false, updated: new Set(), appended: new Map() };
}

/**
 * The page's window onto the host's rows: how many there are, and the spans of them that are here. Spans are in order, apart from each other and
 * never empty. Everything is by index; an index that is in no span is a row that the host has and the page does not.
 */
export class RowModel {
  total = 0;
  generation = -1;
  /** Rows were fetched or let go, which the host does not know of. */
  onHeld: () => void = () => undefined;
  private seq = 0;
  private list: MutableSpan[] = [];

  get spans(): readonly Span[] {
    return this.list;
  }

  /** Rows that are here. */
  get held(): number {
    let count = 0;
    for (const span of this.list) count += span.rows.length;
    return count;
  }

  reset(snapshot: Pick<Snapshot, 'generation' | 'total' | 'start' | 'rows'>): void {
    this.total = snapshot.total;
    this.generation = snapshot.generation;
    this.seq = 0;
    this.list = snapshot.rows.length === 0 ? [] : [{ start: snapshot.start, rows: [...snapshot.rows] }];
  }

  at(index: number): Row | null {
    const span = this.spanAt(index);
    return span === null ? null : (span.rows[index - span.start] ?? null);
  }

  indexOf(key: string): number {
    for (const span of this.list) {
      const found = span.rows.findIndex((row) => row.key === key);
      if (found >= 0) return span.start + found;
    }
    return -1;
  }

  /** The requests here that wait for the person, first to last. */
  waiting(): readonly { readonly key: string; readonly index: number; readonly requestId: string }[] {
    return this.list.flatMap((span) => span.rows.flatMap((row, place) => (row.kind === 'permission' && row.outcome === null ? [{ key: row.key, index: span.start + place, requestId: row.requestId }] : [])));
  }

  /** Applies one patch and tells what changed in `changes`; otherwise the reason why the page must ask for a snapshot. */
  apply(patch: Patch, changes: RowChanges): string | null {
    if (patch.generation !== this.generation) return patch.generation < this.generation ? null : 'a patch of a later generation';
    if (patch.seq !== this.seq + 1) return `patch ${patch.seq} came after ${this.seq}`;
    this.seq = patch.seq;
    for (const op of patch.ops) {
      const reason = this.applyOp(op, changes);
      if (reason !== null) return reason;
    }
    return patch.total === this.total ? null : `the host has ${patch.total} rows, the page ${this.total}`;
  }

  /** Puts rows in that were asked for. False when they are of another time than the rows that are here. */
  takePage(reply: { readonly start: number; readonly total: number; readonly generation: number; readonly rows: readonly Row[] }): boolean {
    if (reply.generation !== this.generation || reply.total !== this.total) return false;
    const end = Math.min(reply.start + reply.rows.length, this.total);
    let at = reply.start;
    while (at < end) {
      const span = this.spanAt(at);
      if (span !== null) {
        // What is here has had every patch; a page may have been read before some of them.
        at = span.start + span.rows.length;
        continue;
      }
      const next = this.list.find((each) => each.start > at);
      const stop = Math.min(end, next?.start ?? end);
      this.insert({ start: at, rows: reply.rows.slice(at - reply.start, stop - reply.start) });
      at = stop;
    }
    this.onHeld();
    return true;
  }

  /** Lets go of rows outside `[start, end)`, but keeps the last `tail`. */
  keepOnly(start: number, end: number, tail: number): void {
    const tailStart = Math.max(0, this.total - tail);
    const kept: MutableSpan[] = [];
    for (const span of this.list) {
      const spanEnd = span.start + span.rows.length;
      for (const [from, to] of end >= tailStart ? [[start, this.total]] as const : [[start, end], [tailStart, this.total]] as const) {
        const low = Math.max(from, span.start);
        const high = Math.min(to, spanEnd);
        if (low < high) kept.push({ start: low, rows: span.rows.slice(low - span.start, high - span.start) });
      }
    }
    this.list = kept;
    this.onHeld();
  }

  /**
   * Lets go of the first rows here once all of them hold more than `most` characters, down to `keep`; never of rows from the index `from` on, nor of a request that waits for the person
   * and what follows it. True when it did.
   */
  trim(most: number, keep: number, from: number): boolean {
    const weights = this.list.map((span) => span.rows.map(weightOf));
    let held = 0;
    for (const span of weights) for (const weight of span) held += weight;
    if (held <= most) return false;
    let start = this.list[0]?.start ?? 0;
    const first = start;
    for (const [place, span] of this.list.entries()) {
      for (const [at, row] of span.rows.entries()) {
        start = span.start + at;
        if (held <= keep || start >= from || (row.kind === 'permission' && row.outcome === null)) {
          if (start > first) this.keepOnly(start, this.total, 0);
          return start > first;
        }
        held -= weights[place]?.[at] ?? 0;
      }
    }
    return false;
  }

  private applyOp(op: PatchOp, changes: RowChanges): string | null {
    switch (op.op) {
      case 'splice':
        if (op.at < 0 || op.remove < 0 || op.at + op.remove > this.total) return 'a splice outside of the rows';
        this.splice(op.at, op.remove, op.rows);
        changes.structural = true;
        return null;
      case 'update': {
        const span = this.spanAt(op.at);
        if (span === null) return op.at < this.total ? null : 'an update outside of the rows';
        span.rows[op.at - span.start] = op.row;
        changes.updated.add(op.row.key);
        // Another kind or another shape may fold differently.
        changes.structural = true;
        return null;
      }
      case 'append':
        return this.append(op, changes);
    }
  }

  private append(op: Extract<PatchOp, { op: 'append' }>, changes: RowChanges): string | null {
    const span = this.spanAt(op.at);
    if (span === null) return op.at < this.total ? null : 'an addition outside of the rows';
    const row = span.rows[op.at - span.start];
    if (row === undefined || row.key !== op.key) return 'an addition to another row than the one that stands there';
    let held: string;
    if (op.field === 'text' && (row.kind === 'text' || row.kind === 'thinking')) held = row.text;
    else if (op.field === 'output' && row.kind === 'tool') held = row.output;
    else return `an addition to the ${op.field} of a ${row.kind}`;
    if (held.length !== op.from) {
      // The row was read after this addition was made: it has it already.
      if (held.length >= op.from + op.text.length && held.startsWith(op.text, op.from)) return null;
      return `an addition at ${op.from} to ${held.length} characters`;
    }
    span.rows[op.at - span.start] = row.kind === 'tool' ? { ...row, output: held + op.text } : { ...row, text: held + op.text } as Row;
    const pieces = changes.appended.get(op.key);
    if (pieces === undefined) changes.appended.set(op.key, [{ from: op.from, text: op.text }]);
    else pieces.push({ from: op.from, text: op.text });
    // The first text of a row that was empty, and so not shown.
    if (held === '') changes.structural = true;
    return null;
  }

  private splice(at: number, remove: number, rows: readonly Row[]): void {
    const shift = rows.length - remove;
    const last = this.list.at(-1);
    if (last !== undefined && remove === 0 && at === this.total && last.start + last.rows.length === at) {
      last.rows.push(...rows);
      this.total += shift;
      return;
    }
    const list: MutableSpan[] = [];
    for (const span of this.list) {
      const end = span.start + span.rows.length;
      if (span.start < at) list.push(end <= at ? span : { start: span.start, rows: span.rows.slice(0, at - span.start) });
      if (end > at + remove) {
        const from = Math.max(span.start, at + remove);
        list.push({ start: from + shift, rows: from === span.start ? span.rows : span.rows.slice(from - span.start) });
      }
    }
    this.list = list;
    this.total += shift;
    if (rows.length > 0) this.insert({ start: at, rows: [...rows] });
    else this.join();
  }

  /** Puts a span where none is, and joins what touches. */
  private insert(span: MutableSpan): void {
    if (span.rows.length === 0) return;
    let place = this.list.findIndex((each) => each.start >= span.start);
    if (place < 0) place = this.list.length;
    this.list.splice(place, 0, span);
    this.join();
  }

  private join(): void {
    const joined: MutableSpan[] = [];
    for (const span of this.list) {
      const previous = joined.at(-1);
      if (previous !== undefined && previous.start + previous.rows.length === span.start) previous.rows = [...previous.rows, ...span.rows];
      else joined.push(span);
    }
    this.list = joined;
  }

  private spanAt(index: number): MutableSpan | null {
    // From the end: what changes is nearly always there.
    for (let place = this.list.length - 1; place >= 0; place -= 1) {
      const span = this.list[place];
      if (span !== undefined && index >= span.start) return index < span.start + span.rows.length ? span : null;
    }
    return null;
  }
}
