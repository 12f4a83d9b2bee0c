import type { OutboxItem } from './store-api.ts';

/** What an outbox does next. `until` is when waiting ends by itself (monotonic milliseconds); null: only with a change. */
export type OutboxStep =
  | { readonly do: 'send'; readonly item: OutboxItem }
  /** The item was being sent by a process that died: find out whether it arrived. */
  | { readonly do: 'recover'; readonly item: OutboxItem }
  | { readonly do: 'wait'; readonly until: number | null };

interface OutboxSituation {
  /** True when no turn runs and none is about to. */
  readonly idle: boolean;
  /** Monotonic milliseconds. */
  readonly now: number;
  /** When an item that failed may be tried again, monotonic milliseconds. */
  readonly dueAt: (clientId: string) => number;
}

/**
 * Items go in the order of their positions, one at a time; what steers goes ahead of what waits for the turn's end. One that failed for good holds those
 * behind it, as they may build on it, until the person retries, moves or drops it. Takes sorted items.
 */
export function nextStep(items: readonly OutboxItem[], situation: OutboxSituation): OutboxStep {
  const interrupted = items.find((item) => item.delivery === 'sending');
  if (interrupted !== undefined) return { do: 'recover', item: interrupted };
  const { dueAt, idle, now } = situation;
  const steering = items.find((item) => item.steer && item.delivery === 'queued');
  if (steering !== undefined && dueAt(steering.clientId) <= now) return { do: 'send', item: steering };
  const first = items.find((item) => !item.steer || item.delivery === 'failed');
  const ready = first !== undefined && (first.delivery === 'queued' || (first.delivery === 'pending' && idle));
  if (first !== undefined && ready && dueAt(first.clientId) <= now) return { do: 'send', item: first };
  const waiting = [steering, ready ? first : undefined].flatMap((item) => (item === undefined ? [] : [dueAt(item.clientId)]));
  return { do: 'wait', until: waiting.length === 0 ? null : Math.min(...waiting) };
}

/** Sorted as they go out; the same on every side, also where two windows gave one position. */
export function sortItems(items: Iterable<OutboxItem>): OutboxItem[] {
  return [...items].sort((a, b) => a.position - b.position || a.createdAt - b.createdAt || (a.clientId < b.clientId ? -1 : 1));
}

const GAP = 1_024;

export function lastPosition(items: readonly OutboxItem[]): number {
  return (items.at(-1)?.position ?? 0) + GAP;
}

/**
 * The items to save, in this order, so that `clientId` stands `by` places further down (negative: up). Mostly that one alone, between its neighbours;
 * where no number is left between them, all items anew from the last to the first, so that every state in between has them in a right order.
 */
export function moved(items: readonly OutboxItem[], clientId: string, by: -1 | 1): readonly OutboxItem[] {
  const from = items.findIndex((item) => item.clientId === clientId);
  const item = items[from];
  const other = items[from + by];
  // An item that is on its way keeps its place.
  if (item === undefined || other === undefined || item.delivery === 'sending' || other.delivery === 'sending') return [];
  const beyond = items[from + 2 * by];
  const position = beyond === undefined ? other.position + by * GAP : (other.position + beyond.position) / 2;
  if (position !== other.position && position !== beyond?.position) return [{ ...item, position }];
  const target = items.filter((each) => each !== item);
  target.splice(from + by, 0, item);
  const start = lastPosition(items);
  return target.map((each, index) => ({ ...each, position: start + index * GAP })).reverse();
}

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;

/** Milliseconds before the next attempt: doubling up to half a minute, with half of it at random. `random` is in [0, 1). */
export function retryDelay(attempts: number, random: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, attempts - 1)) * (0.5 + random / 2);
}
