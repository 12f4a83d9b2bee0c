import type { Disposable } from '../model/backend.ts';
import type { Row } from '../model/row.ts';
import { isAbort } from '../model/errors.ts';
import type { Pace } from '../transport/slices.ts';
import { Slicer } from '../transport/slices.ts';
import { GrowingTexts } from './findPart.ts';
import { matchesIn, nthMatch } from './findRow.ts';
import type { Looking, RowMatch } from './findRow.ts';
import type { Wanted } from './matchCounter.ts';
import { sameValue } from './sameValue.ts';
import type { RowOp, TranscriptView } from './transcript-api.ts';

/** How a search stands. */
export interface FindStatus {
  readonly total: number;
  /** True until every row was looked through. */
  readonly searching: boolean;
  /** The current match, counted from 1 at the session's first row; null where there is none, or where rows before it were not looked through yet. */
  readonly position: number | null;
  /** Some rows could not be read. */
  readonly failed: boolean;
}

/** A match to be shown: its top-level row and where in that it is. */
export interface FindPlace extends RowMatch {
  readonly index: number;
  readonly key: string;
}

interface FindOptions extends Wanted {
  readonly transcript: Pick<TranscriptView, 'rows' | 'total' | 'onChange' | 'output'>;
  /** False: thoughts are not shown, and so not found. */
  readonly thinking: boolean;
  /** Index of the row that the person looks at: the match nearest to it comes first, of two as near the later one. */
  readonly from: number;
  readonly onStatus: (status: FindStatus) => void;
  /** A match became the current one. */
  readonly onPlace: (place: FindPlace) => void;
  /** How it shares the event loop; that of the thread unless given. */
  readonly pace?: Pace;
}

/** Rows that are read at once. */
const PAGE = 100;
/** How often the count is told while searching, and how soon changed rows are counted anew; in milliseconds. */
const TELL_MS = 100;
const AGAIN_MS = 200;
/** How often rows are counted again that change while they are counted, before they are passed over. */
const MOST_TRIES = 5;
/** Rows in memory that may be added to the list of counts in one call. */
const SPREAD = 10_000;

/**
 * Finds a pattern in a whole session, also in the rows that only the store has: outwards from where the person looks, a page at a time, with the event loop free
 * between slices. It holds one number a row (how many matches are in it; -1: not counted yet), so that its memory does not grow with what is found. Rows that come
 * or change are counted anew and never move the current match.
 */
export class TranscriptFind implements Disposable {
  private readonly options: FindOptions;
  private readonly looking: Looking;
  private readonly ending = new AbortController();
  private readonly watching: Disposable;
  private counts: number[];
  /** Index of the row from which it looks outwards. */
  private center: number;
  private current: { index: number; readonly key: string; readonly nth: number; readonly place: FindPlace } | null = null;
  /** For each page that is being counted, the rows that changed since it was asked for. */
  private readonly touched = new Set<Set<number>>();
  /** Counts the times that rows took other indexes. */
  private moved = 0;
  private timer: NodeJS.Timeout | null = null;
  private running = false;
  private failed = false;
  /** Every row was looked through once: what comes from then on is counted, and takes the view nowhere unless the person steps to it. */
  private whole = false;
  private disposed = false;
  private told = 0;
  private status: FindStatus | null = null;

  constructor(options: FindOptions) {
    this.options = options;
    const { transcript, from, pattern, reach, thinking } = options;
    this.looking = { pattern, reach, thinking, output: (key) => this.output(key), growing: new GrowingTexts(options), counted: new WeakMap() };
    this.counts = Array.from({ length: transcript.total }, () => -1);
    this.center = Math.max(0, Math.min(from, transcript.total));
    this.watching = transcript.onChange((ops) => this.onOps(ops));
    void this.run();
  }

  /** Makes the next (1) or previous (-1) match the current one, around the ends. Null where there is none. */
  async step(direction: 1 | -1): Promise<FindPlace | null> {
    const start = this.current?.index ?? this.center - (direction === 1 ? 1 : 0);
    if ((this.counts[start] ?? 0) < 0) await this.count(start, start + 1);
    const from = this.current;
    const nth = from === null ? -1 : from.nth + direction;
    if (from !== null && nth >= 0 && nth < (this.counts[from.index] ?? 0)) return this.go(from.index, nth);
    let index = (from?.index ?? start) + direction;
    let tries = 0;
    // One round over all rows; what moves meanwhile begins it again.
    for (let seen = 0; seen <= this.counts.length && !this.disposed; ) {
      index = index < 0 ? this.counts.length - 1 : index >= this.counts.length ? 0 : index;
      // The first one was found meanwhile.
      if (from === null && this.current !== null) return this.current.place;
      const { moved } = this;
      if ((this.counts[index] ?? 0) < 0 && tries < MOST_TRIES) {
        tries += 1;
        await (direction === 1 ? this.count(index, index + PAGE) : this.count(index - PAGE + 1, index + 1));
      } else {
        const count = this.counts[index] ?? 0;
        const place = count > 0 ? await this.go(index, direction === 1 ? 0 : count - 1, from === null) : null;
        if (place !== null) return place;
        if (moved === this.moved) index += direction;
        seen += 1;
        tries = 0;
      }
      if (moved !== this.moved) index = (this.current?.index ?? this.center) + direction;
    }
    return null;
  }

  dispose(): void {
    this.disposed = true;
    this.ending.abort();
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.watching.dispose();
    this.counts = [];
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    while (!this.disposed) {
      const ahead = this.counts.indexOf(-1, this.center);
      const behind = this.center === 0 ? -1 : this.counts.lastIndexOf(-1, this.center - 1);
      if (ahead < 0 && behind < 0) break;
      // Two pages at a time: the store reads one while the other is looked through.
      await Promise.all([
        ahead >= 0 ? this.count(ahead, ahead + PAGE) : this.count(behind - 2 * PAGE + 1, behind - PAGE + 1),
        behind >= 0 ? this.count(behind - PAGE + 1, behind + 1) : this.count(ahead + PAGE, ahead + 2 * PAGE),
      ]);
      if (this.current === null && !this.whole) await this.goFirst();
      // A row that grows is counted again and again: that alone is no search.
      if (performance.now() - this.told >= TELL_MS && this.counts.includes(-1)) this.tell(true);
    }
    this.running = false;
    this.whole = true;
    if (!this.disposed) this.tell(false);
  }

  /** The match nearest to where the person looks, of those that are known. */
  private async goFirst(): Promise<void> {
    const { counts, center } = this;
    for (let away = 0; away < counts.length; away += 1) {
      const ahead = counts[center + away] ?? 0;
      const back = counts[center - 1 - away] ?? 0;
      if (ahead > 0 && (await this.go(center + away, 0, true)) !== null) return;
      if (back > 0 && (await this.go(center - 1 - away, back - 1, true)) !== null) return;
      // What lies nearer is looked at first.
      if ((ahead < 0 && back < 0) || this.disposed) return;
    }
  }

  /** Makes a match the current one, as far as it is still there. `first`: unless there is one by then, which it gives instead. */
  private async go(index: number, nth: number, first = false): Promise<FindPlace | null> {
    const { moved } = this;
    const row = (await this.read(index, index + 1))?.[0];
    if (row === undefined || this.disposed || moved !== this.moved) return null;
    if (first && this.current !== null) return this.current.place;
    const match = await this.searched((slicer) => nthMatch(row, this.looking, slicer, nth));
    if (match === null || this.disposed || moved !== this.moved) return null;
    if (first && this.current !== null) return this.current.place;
    const { nth: found, ...at } = match;
    const place: FindPlace = { index, key: row.key, ...at };
    this.current = { index, key: row.key, nth: found, place };
    this.options.onPlace(place);
    this.tell(this.running);
    return place;
  }

  /** Counts those of the rows [start, end) that were not counted yet. */
  private async count(start: number, end: number): Promise<void> {
    let from = Math.max(0, start);
    let to = Math.min(end, this.counts.length);
    while (from < to && this.counts[from] !== -1) from += 1;
    while (to > from && this.counts[to - 1] !== -1) to -= 1;
    if (from >= to || this.disposed) return;
    const { moved } = this;
    const touched = new Set<number>();
    this.touched.add(touched);
    const rows = await this.read(from, to);
    if (rows === null) this.failed = true;
    await this.searched(async (slicer) => {
      for (let index = from; index < to && !this.disposed && moved === this.moved; index += 1) {
        const row = rows?.[index - from];
        if (this.counts[index] !== -1 || touched.has(index)) continue;
        // A row that can't be read has nothing to be found.
        const count = row === undefined ? 0 : await matchesIn(row, this.looking, slicer);
        // What changed meanwhile is counted again.
        if (moved === this.moved && !touched.has(index)) this.counts[index] = count;
      }
    });
    this.touched.delete(touched);
    await rest();
  }

  /** Works in slices; null when the search was ended meanwhile. */
  private async searched<T>(work: (slicer: Slicer) => Promise<T>): Promise<T | null> {
    const { signal } = this.ending;
    if (signal.aborted) return null;
    try {
      return await work(new Slicer({ signal, pace: this.options.pace }));
    } catch (error) {
      if (signal.aborted && isAbort(error)) return null;
      throw error;
    }
  }

  private async output(key: string): Promise<string | null> {
    try {
      return await this.options.transcript.output(key);
    } catch {
      this.failed = true;
      return null;
    }
  }

  private async read(start: number, end: number): Promise<readonly Row[] | null> {
    try {
      const page = await this.options.transcript.rows(start, end);
      return page.start === start ? page.rows : [];
    } catch {
      return null;
    }
  }

  private onOps(ops: readonly RowOp[]): void {
    for (const op of ops) {
      if (op.op === 'splice') this.splice(op.at, op.remove, op.rows);
      else {
        this.counts[op.at] = -1;
        for (const touched of this.touched) touched.add(op.at);
      }
    }
    this.timer ??= setTimeout(() => {
      this.timer = null;
      void this.run();
    }, AGAIN_MS);
  }

  private splice(at: number, remove: number, rows: readonly Row[]): void {
    const fresh = rows.map(() => -1);
    const before = this.counts.length;
    if (fresh.length <= SPREAD) this.counts.splice(at, remove, ...fresh);
    else this.counts = [...this.counts.slice(0, at), ...fresh, ...this.counts.slice(at + remove)];
    // Rows that come at the end move nothing.
    if (at + remove < before || remove > 0) this.moved += 1;
    const shift = rows.length - remove;
    const { current } = this;
    if (current !== null && current.index >= at) {
      const again = current.index < at + remove ? rows.findIndex((row) => row.key === current.key) : -1;
      if (again >= 0) current.index = at + again;
      else if (current.index >= at + remove) current.index += shift;
      else current.index = Math.min(at, Math.max(0, this.counts.length - 1));
    }
    if (this.center >= at + remove && at < before) this.center += shift;
    this.center = Math.max(0, Math.min(this.center, this.counts.length));
  }

  private tell(searching: boolean): void {
    this.told = performance.now();
    let total = 0;
    let before = 0;
    let known = true;
    for (let index = 0; index < this.counts.length; index += 1) {
      const count = this.counts[index] ?? 0;
      if (this.current !== null && index < this.current.index) {
        before += Math.max(0, count);
        known &&= count >= 0;
      }
      total += Math.max(0, count);
    }
    const status: FindStatus = { total, searching, position: this.current === null || !known ? null : before + this.current.nth + 1, failed: this.failed };
    if (sameValue(status, this.status)) return;
    this.status = status;
    this.options.onStatus(status);
  }
}

/** Lets everything else have its turn. */
function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
