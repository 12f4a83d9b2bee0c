import type { Entry, Order } from '../../../model/entry.ts';
import { compareOrder } from '../../../model/entry.ts';
import { turnEnd, turnEndRev } from './envelope.ts';
import { nth, takenBack } from './place.ts';

type Turn = Extract<Entry, { kind: 'turn' }>;
type Mark = { readonly order: Order; readonly at: number } & ({ readonly kind: 'start' } | { readonly kind: 'end'; readonly end: Turn } | { readonly kind: 'error' });

/** Marks this far from an end have nothing to do with it. Milliseconds. */
const nearMs = 86_400_000;
/** An error is told after the end of its task, this soon. Milliseconds. */
const errorMs = 2_000;
const prefix = 'task:';

/** The id of a turn that is told by marks without a common id. */
export const taskTurn = (id: string): string => `${prefix}${id}`;
export function isTask(turn: string): boolean {
  return turn.startsWith(prefix);
}

/**
 * Turns whose beginning and end have nothing in common but their place: `task_started`, `task_complete` and `turn_aborted` of Happy's Gemini, each with an id of its own (happy
 * 1.2.5). The first end after a beginning is the turn's; the others (an abort is followed by the end of its prompt; what is aborted while nothing runs) are taken back. One that
 * was broken off and gave an error has failed. Depends on the set of what was taken alone: every version counts the marks that it knows.
 */
export class TaskBook {
  #marks: Mark[] = [];
  readonly #known = new Set<string>();
  readonly #told = new Map<string, string>();
  #fresh = false;

  /** Notes the entries of one message; `source` is its identity. */
  take(entries: readonly Entry[], source: string): void {
    for (const entry of entries) {
      const place = { order: entry.order, at: entry.at ?? 0 };
      const mark: Mark | null = entry.kind === 'turn' && isTask(entry.turn) ? (entry.phase === 'start' ? { kind: 'start', ...place } : { kind: 'end', end: entry, ...place })
        : entry.kind === 'notice' && entry.level === 'error' ? { kind: 'error', ...place } : null;
      const key = `${source} ${entry.id}`;
      if (mark === null || this.#known.has(key)) continue;
      this.#known.add(key);
      this.#marks.push(mark);
      this.#fresh ||= mark.kind !== 'error' || this.#marks.some(({ kind }) => kind === 'end');
    }
  }

  /** The ends as they stand by what is known now, when that has changed. */
  follow(): Entry[] {
    if (!this.#fresh) return [];
    this.#fresh = false;
    this.#marks = this.#marks.sort((one, other) => compareOrder(one.order, other.order));
    const entries: Entry[] = [];
    let began: number | null = null;
    let over = false;
    this.#marks.forEach((mark, index) => {
      if (mark.kind === 'start') [began, over] = [mark.at, false];
      if (mark.kind !== 'end') return;
      const rev = turnEndRev(mark.at, this.#near(mark.at));
      const entry = over ? takenBack(mark.end.id, mark.end.id, { order: mark.order, at: mark.at, turn: null, parent: null }, rev) : this.#end(mark, index, rev, began);
      over = true;
      const content = JSON.stringify({ ...entry, rev: 0 });
      if (this.#told.get(mark.end.id) === content) return;
      this.#told.set(mark.end.id, content);
      entries.push(entry);
    });
    return entries;
  }

  #end({ end, order, at }: Extract<Mark, { kind: 'end' }>, index: number, rev: number, began: number | null): Entry {
    let failed = false;
    let last = order;
    for (let next = index + 1, mark = this.#marks[next]; mark !== undefined && mark.kind !== 'start' && mark.at <= at + errorMs; mark = this.#marks[(next += 1)]) {
      if (mark.kind !== 'error') continue;
      failed = true;
      last = nth({ ...end, order: mark.order }, 15).order;
    }
    const state = end.state === 'running' ? 'completed' : end.state;
    return { ...turnEnd(end.turn, end, failed && state === 'cancelled' ? 'failed' : state), order: last, rev, durationMs: began === null || at - began > nearMs ? null : at - began };
  }

  #near(at: number): number {
    return this.#marks.filter((mark) => Math.abs(mark.at - at) <= nearMs).length;
  }
}
