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

/** Bit of a share (`shareOf`): it shows the row whatever else is there. */
export const SHOWS = 1;
/** Two more bits for each channel: that it holds pieces of it, and that it takes their place. */
const CHANNELS: Readonly<Record<Channel, number>> = { text: 1, thinking: 3, input: 5, output: 7 };
const ALL_PIECES = Object.values(CHANNELS).reduce((bits, at) => bits | (1 << at), 0);

/**
 * What an entry adds to the question whether its row has something to show, as bits, so that the shares of a row's entries together (`|`) answer it (`shows`).
 * Nothing: what changes a row but never makes one, and what is void: a block without text, a call that is not made, pieces that gave way.
 */
export function shareOf(entry: Entry): number {
  const ends = endsChannel(entry);
  return showing(entry) | (ends === null ? 0 : 2 << CHANNELS[ends]);
}

function showing(entry: Entry): number {
  switch (entry.kind) {
    case 'turn': return entry.phase === 'end' ? SHOWS : 0;
    case 'text':
    case 'thinking': return entry.text === '' ? 0 : SHOWS;
    case 'tool': return entry.stage === 'void' ? 0 : SHOWS;
    case 'delta': return entry.joined === undefined || entry.joined.lengths.length > 0 ? 1 << CHANNELS[entry.channel] : 0;
    case 'answer':
    case 'usage': return 0;
    default: return SHOWS;
  }
}

/** Whether a row with these shares has something to show: pieces that gave way to something void do not. */
export function shows(shares: number): boolean {
  return ((shares & SHOWS) | (shares & ALL_PIECES & ~((shares & (ALL_PIECES << 1)) >> 1))) !== 0;
}

/** True for an entry that makes a row by itself. */
export function showsRow(entry: Entry): boolean {
  return shows(shareOf(entry));
}

/** The facts of a row over its entries; null without entries. */
export function factsOf(entries: Iterable<Entry>): RowFacts | null {
  let order: Order | null = null;
  let lead: Entry | null = null;
  let shares = 0;
  for (const entry of entries) {
    if (order === null || compareOrder(entry.order, order) < 0) order = entry.order;
    if (entry.parent !== null && (lead === null || compareEntries(entry, lead) < 0)) lead = entry;
    shares |= shareOf(entry);
  }
  return order === null ? null : { order, parent: lead?.parent ?? null, shows: shows(shares) };
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
