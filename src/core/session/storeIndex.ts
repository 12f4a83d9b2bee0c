import type { Entry } from '../model/entry.ts';
import type { Row } from '../model/row.ts';
import { soundEntry } from './normalise.ts';
import type { Position, RowFacts } from './order.ts';
import { comparePositions, factsOf } from './order.ts';
import { groupByRow, viewWithin } from './view.ts';

/** Rows read at once. */
const PAGE = 500;

/** A top-level row as the store has it. */
interface StoredTop {
  readonly key: string;
  readonly position: Position;
  readonly row: Row;
}

/** Top-level rows of the store and the facts of all rows within them. */
export interface StoredPage {
  readonly tops: readonly StoredTop[];
  readonly facts: ReadonlyMap<string, RowFacts>;
}

/** What is asked of the store: rows of one session. */
type RowReader = (start: number, limit: number) => Promise<readonly Entry[]>;

/**
 * Finds top-level rows in the store by their position, with few reads. Good for one look at a store that nobody writes to meanwhile: what was read
 * once is not read again.
 */
export class StoreIndex {
  private readonly reader: RowReader;
  private readonly known = new Map<number, StoredTop>();
  private readonly total: number;

  /** `total`: how many top-level rows there are to read. */
  constructor(reader: RowReader, total: number) {
    this.reader = reader;
    this.total = total;
  }

  /** How many top-level rows stand before `position`. `guess` is looked at first. */
  async rank(position: Position, guess?: number): Promise<number> {
    let low = 0;
    let high = this.total;
    // The row before the guess and the one at it settle the matter where the guess is right.
    const first = guess === undefined ? [] : [guess - 1, guess];
    while (low < high) {
      const hinted = first.shift();
      const middle = hinted !== undefined && hinted >= low && hinted < high ? hinted : (low + high) >>> 1;
      const top = await this.at(middle);
      if (top !== null && comparePositions(top.position, position) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Ranks of positions that stand in ascending order. `present`: each of them is a top-level row of the store. */
  async ranks(positions: readonly Position[], present: boolean): Promise<number[]> {
    const ranks: number[] = [];
    const fill = async (from: number, to: number): Promise<void> => {
      if (to - from < 2) return;
      const low = ranks[from] ?? 0;
      const high = ranks[to] ?? 0;
      const middle = (from + to) >>> 1;
      if (high - low === (present ? to - from : 0)) {
        for (let index = from + 1; index < to; index += 1) ranks[index] = low + (present ? index - from : 0);
        return;
      }
      const position = positions[middle];
      if (position !== undefined) ranks[middle] = await this.rank(position);
      await fill(from, middle);
      await fill(middle, to);
    };
    const first = positions[0];
    const last = positions.at(-1);
    if (first === undefined || last === undefined) return ranks;
    ranks[0] = await this.rank(first);
    ranks[positions.length - 1] = positions.length === 1 ? ranks[0] : await this.rank(last);
    await fill(0, positions.length - 1);
    return ranks;
  }

  /** The top-level rows `[start, end)`, as far as the store can still read them. */
  async read(start: number, end: number): Promise<StoredPage> {
    const tops: StoredTop[] = [];
    const facts = new Map<string, RowFacts>();
    for (let from = start; from < end; from += PAGE) {
      const page = storedPage(await this.reader(from, Math.min(PAGE, end - from)));
      for (const top of page.tops) tops.push(top);
      for (const [key, of] of page.facts) facts.set(key, of);
    }
    return { tops, facts };
  }

  /** The entries of one top-level row with all rows within it. */
  entriesAt(index: number): Promise<readonly Entry[]> {
    return this.reader(index, 1);
  }

  private async at(index: number): Promise<StoredTop | null> {
    const known = this.known.get(index);
    if (known !== undefined) return known;
    const [top] = (await this.read(index, index + 1)).tops;
    if (top !== undefined) this.known.set(index, top);
    return top ?? null;
  }
}

/** The top-level rows that a page of stored entries makes. */
export function storedPage(entries: readonly Entry[]): StoredPage {
  const sound = entries.map(soundEntry);
  const facts = new Map<string, RowFacts>();
  for (const [key, own] of groupByRow(sound)) {
    const of = factsOf(own);
    if (of !== null) facts.set(key, of);
  }
  return { facts, tops: [...viewWithin(sound)].map(([key, row]) => ({ key, row, position: { order: facts.get(key)?.order ?? [], key } })) };
}
