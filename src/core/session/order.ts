import type { Entry, Order } from '../model/entry.ts';
import { compareOrder } from '../model/entry.ts';
import type { Channel } from './channels.ts';
import { endsChannel } from './channels.ts';

/** Where a row stands among its siblings. */
export interface Position {
  readonly order: Order;
  readonly key: string;
}

/** What the structure of the view needs of a row: all of it follows from the set of the row's entries. */
export interface RowFacts {
  /** The smallest order over the row's entries. */
  readonly order: Order;
  /** Parent of the entry that stands first among those with one; null where none has. */
  readonly parent: string | null;
  /** False while the row has nothing to show, such as an answer whose permission has not come: then it is no row yet. */
  readonly shows: boolean;
}

/** By code units, as JavaScript sorts strings. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

export function comparePositions(a: Position, b: Position): number {
  return compareOrder(a.order, b.order) || compareText(a.key, b.key);
}

/** The order of entries within a row: by order key, then by id. */
export function compareEntries(a: Entry, b: Entry): number {
  return compareOrder(a.order, b.order) || compareText(a.id, b.id);
}

/** False for entries that change a row but never make one, and for what is void: a block without text, a call that is not made, pieces that gave way. */
export function showsRow(entry: Entry): boolean {
  switch (entry.kind) {
    case 'turn': return entry.phase === 'end';
    case 'text':
    case 'thinking': return entry.text !== '';
    case 'tool': return entry.stage !== 'void';
    case 'delta': return entry.joined === undefined || entry.joined.lengths.length > 0;
    default: return entry.kind !== 'answer' && entry.kind !== 'usage';
  }
}

/** The facts of a row over its entries; null without entries. */
export function factsOf(entries: Iterable<Entry>): RowFacts | null {
  let order: Order | null = null;
  let lead: Entry | null = null;
  let shows = false;
  const streams = new Set<Channel>();
  const ended = new Set<Channel>();
  for (const entry of entries) {
    if (order === null || compareOrder(entry.order, order) < 0) order = entry.order;
    if (entry.parent !== null && (lead === null || compareEntries(entry, lead) < 0)) lead = entry;
    const ends = endsChannel(entry);
    if (ends !== null) ended.add(ends);
    if (showsRow(entry)) {
      if (entry.kind === 'delta') streams.add(entry.channel);
      else shows = true;
    }
  }
  // Pieces that gave way to something void show nothing.
  for (const channel of streams) shows ||= !ended.has(channel);
  return order === null ? null : { order, parent: lead?.parent ?? null, shows };
}

/** True when the facts lead to the same place in the view. */
export function sameFacts(a: RowFacts | null, b: RowFacts | null): boolean {
  if (a === null || b === null) return a === b;
  return a.shows === b.shows && a.parent === b.parent && compareOrder(a.order, b.order) === 0;
}

/** First index of a sorted list whose item does not stand before `position`. */
export function lowerBound<T>(list: readonly T[], position: Position, place: (item: T) => Position): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = list[middle];
    if (item !== undefined && comparePositions(place(item), position) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
