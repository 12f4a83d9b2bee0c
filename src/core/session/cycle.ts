import type { Entry } from '../model/entry.ts';
import type { FactsLookup } from './arrange.ts';
import { shownParent, topOf } from './arrange.ts';
import { within } from './forest.ts';
import type { Pending, TailMemory } from './memory.ts';
import type { RowNode } from './node.ts';
import { soundEntry } from './normalise.ts';
import type { Position, RowFacts } from './order.ts';
import { comparePositions } from './order.ts';
import { RowLog } from './rowLog.ts';
import type { RowOp } from './transcript-api.ts';

/** What happened to the place of a top-level row that is not in memory. */
export interface PlaceChange {
  readonly key: string;
  /** Where it stood; null where it was no top-level row before the boundary. */
  readonly from: Position | null;
  /** Where it stands; null where it is none now. */
  readonly to: Position | null;
}

/** What a merge may have done to the rows before the boundary. */
export interface Guess {
  readonly changes: readonly PlaceChange[];
  /** Top-level rows in which something changed, as they were or are. */
  readonly tops: ReadonlySet<string>;
  /** Rows that were none before: rows that name them as their parent were at the top until now. */
  readonly fresh: ReadonlySet<string>;
  /** Top-level rows from the boundary on that hold such rows. */
  readonly freshTails: readonly Position[];
}

/** What a merge leaves to be looked at in the store once its entries are written. */
export interface Merged {
  /**
   * One, where all entries came from here: then it is certain. What another process wrote was in the store before it could be asked how the rows stood
   * without, so there are two: that these entries were new, and that they were versions of what was there.
   */
  readonly guesses: readonly Guess[];
  /** Top-level rows from the boundary on that must be read into memory. */
  readonly tails: readonly Position[];
  /** All rows that the merge had to do with. */
  readonly touched: ReadonlySet<string>;
  /** True where another process wrote some of it, and may go on: then numbers of rows prove little. */
  readonly shared: boolean;
  /** Top-level rows in memory that the store has once the entries are written; null where some wait to be asked about. */
  readonly tops: number | null;
  /** Entries to be written. */
  readonly entries: readonly Entry[];
  /** Changes of the rows in memory. */
  readonly ops: readonly RowOp[];
}

/** How the entries of rows are asked for. */
type EntryReader = (rows: readonly string[]) => Promise<readonly Entry[]>;

/** Rounds of asking for parents of parents. */
const MAX_ROUNDS = 100;

/**
 * One round of bringing together what waits in memory and what the store knows: ask the store about the rows (`ask`), merge (`merge`, at one stroke),
 * and, once the caller has written the entries, find what became of the rows before the boundary (lookAbove.ts).
 */
export class Cycle {
  private readonly memory: TailMemory;
  private readonly asked: ReadonlySet<string>;
  private readonly pending: ReadonlyMap<string, Pending>;
  /** Rows as the store has them. */
  private readonly known = new Map<string, RowLog>();
  /** Rows that are not in memory, as they are now. */
  private readonly merged = new Map<string, RowLog>();
  /** Rows to which another process wrote, as they were if what it wrote was new. */
  private readonly without = new Map<string, RowLog>();
  /** Rows of earlier rounds that may have taken in others. */
  private readonly unsure = new Set<string>();
  /** What another process wrote of rows in memory. */
  private readonly foreign = new Map<string, readonly Entry[]>();
  /** Rows that left memory in this round. */
  private readonly left = new Set<string>();

  constructor(memory: TailMemory) {
    this.memory = memory;
    this.asked = new Set(memory.unasked);
    this.pending = new Map(memory.pending);
    memory.pending.clear();
    memory.working = new Set(this.pending.keys());
  }

  /** Asks the store about every row of this round and about the parents that they name, up to the top. */
  async ask(read: EntryReader): Promise<void> {
    const { forest, absent } = this.memory;
    const due = new Set(this.asked);
    for (const key of this.asked) for (const entry of forest.get(key)?.log.all() ?? []) if (entry.parent !== null) due.add(entry.parent);
    for (const [key, { added, stored }] of this.pending) {
      due.add(key);
      for (const entry of [...added, ...stored]) if (entry.parent !== null) due.add(entry.parent);
    }
    for (const top of forest.tops) if (top.linked !== null) due.add(top.linked);
    const own = new Set([...this.asked, ...this.pending.keys()]);
    let keys = [...due];
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      keys = keys.filter((key) => !this.known.has(key) && (own.has(key) || !(forest.has(key) || absent.has(key))));
      if (keys.length === 0) return;
      const found = await read(keys);
      for (const key of keys) this.known.set(key, new RowLog(key));
      for (const entry of found.map(soundEntry)) if (entry.row !== null) this.known.get(entry.row)?.add(entry, true);
      // Which of a row's parents counts may be another one after the merge.
      keys = [...new Set(found.flatMap((entry) => entry.parent ?? []))];
    }
  }

  /** Merges everything and tells what is to be written and looked at. Nothing else may happen to the memory meanwhile, so it does not wait. */
  merge(): Merged {
    const ops: RowOp[] = [];
    const touched = new Set<string>();
    for (const [key, { stored }] of this.pending) if (stored.length > 0) this.without.set(key, logWithout(key, this.known.get(key), stored));
    for (const key of this.asked) {
      const foreign = this.memory.foreign.get(key);
      if (foreign === undefined) continue;
      this.memory.foreign.delete(key);
      this.foreign.set(key, foreign);
      this.without.set(key, logWithout(key, this.known.get(key), foreign));
    }
    for (const key of this.asked) this.confirm(key, ops, touched);
    for (const [key, pending] of this.pending) this.mergePending(key, pending, ops, touched);
    this.postpone(touched);
    for (const top of this.memory.forest.tops.filter((node) => node.linked !== null || this.memory.isAbove(node.placed))) {
      if (this.memory.isAbove(top.placed) || this.belongsAbove(top)) this.leave(top, ops, touched);
      else if (top.linked !== null && this.isAbsent(top.linked)) this.memory.absent.add(top.linked);
    }
    this.postpone(touched);
    this.memory.working = new Set(this.merged.keys());
    const shared = this.memory.heard;
    if (shared) {
      for (const key of this.memory.unsure) if (this.memory.forest.has(key)) this.unsure.add(key);
      this.memory.unsure.clear();
      this.memory.heard = false;
    }
    const guesses = this.without.size === 0 ? [this.guess(touched, this.before)] : [this.guess(touched, this.beforeOthers), this.guess(touched, this.before)];
    const tops = this.memory.unasked.size === 0 ? this.memory.forest.tops.length : null;
    const tails = this.tailsOf(new Set([...touched, ...guesses.flatMap((guess) => [...guess.tops])]));
    return { guesses, tails, touched, shared, tops, entries: this.takeEntries(), ops };
  }

  /** Shows the rows of the tail that would come back from the store, where that fails. */
  showTails(): RowOp[] {
    const ops: RowOp[] = [];
    for (const [key, log] of this.merged) {
      const top = topOf(key, this.now);
      const order = this.now(top)?.order;
      if (order === undefined || this.memory.isAbove({ order, key: top })) continue;
      this.merged.delete(key);
      ops.push(...this.memory.apply(log.all(), true));
    }
    this.memory.working = new Set(this.merged.keys());
    return ops;
  }

  /** Rows within these top-level rows, which are not where they should be, wait for another round. */
  waitWithin(tops: ReadonlySet<string>): void {
    // What another process wrote may have made a parent of what was none.
    if (tops.size > 0) this.memory.absent.clear();
    for (const [key, log] of this.merged) {
      if (!tops.has(topOf(key, this.now))) continue;
      for (const entry of log.all()) this.memory.wait(entry, true);
    }
    for (const key of tops) if (this.memory.forest.has(key)) this.memory.unasked.add(key);
  }

  /** After a question that failed: what was waiting waits again. */
  giveUp(): void {
    this.memory.working = new Set();
    for (const pending of this.pending.values()) this.waitAgain(pending);
  }

  private waitAgain({ added, stored }: Pending): void {
    for (const entry of stored) this.memory.wait(entry, true);
    for (const entry of added) this.memory.wait(entry, false);
  }

  /** A row in memory about which the store has now been asked. */
  private confirm(key: string, ops: RowOp[], touched: Set<string>): void {
    this.memory.unasked.delete(key);
    const known = this.known.get(key);
    if (known === undefined || known.size === 0 || !this.memory.forest.has(key)) return;
    ops.push(...this.memory.offset(this.memory.forest.apply(known.all(), true)));
    touched.add(key);
  }

  private mergePending(key: string, pending: Pending, ops: RowOp[], touched: Set<string>): void {
    const { forest } = this.memory;
    if (forest.has(key)) {
      // It came into memory while its entries waited.
      ops.push(...this.memory.offset(forest.apply(pending.stored, true)), ...this.memory.offset(forest.apply(pending.added)));
      this.confirm(key, ops, touched);
      return;
    }
    const log = new RowLog(key);
    for (const entry of this.known.get(key)?.all() ?? []) log.add(entry, true);
    // What another process wrote is in the store before this one looks: whether it changed the row can't be told.
    let changed = pending.stored.length > 0;
    for (const entry of pending.stored) log.add(entry, true);
    for (const entry of pending.added) if (log.add(entry, false)) changed = true;
    this.merged.set(key, log);
    if (changed) touched.add(key);
  }

  /** A row in memory that stands before the boundary, or within a row that does, leaves memory with all rows within it. */
  private leave(top: RowNode, ops: RowOp[], touched: Set<string>): void {
    const nodes = within(top);
    // With a row, or the name of a parent, that came while the store was being asked, all of them stay, and are asked about again.
    if (nodes.some((node) => this.memory.unasked.has(node.key)) || (top.linked !== null && this.now(top.linked) === undefined && !this.memory.absent.has(top.linked))) {
      for (const { key } of nodes) this.stay(key, touched);
      return;
    }
    this.memory.leave(top, ops);
    for (const node of nodes) {
      const { entries, emptied } = node.log.leave();
      for (const entry of emptied) this.memory.addLoose(entry);
      const log = this.merged.get(node.key) ?? new RowLog(node.key);
      for (const entry of this.known.get(node.key)?.all() ?? []) log.add(entry, true);
      for (const entry of entries) log.add(entry, false);
      this.merged.set(node.key, log);
      this.left.add(node.key);
      touched.add(node.key);
    }
  }

  /** Rows within one that the store was not asked about, or that stays for another round, wait for it: only then is the store given that one. */
  private postpone(touched: Set<string>): void {
    const late = new Set(this.memory.unasked);
    if (late.size === 0) return;
    for (const key of this.asked) if (this.memory.forest.has(key) && !late.has(key) && isWithin(key, late, this.now)) this.stay(key, touched);
    for (const [key, pending] of this.pending) {
      if (!this.merged.has(key) || !isWithin(key, late, this.now)) continue;
      this.waitAgain(pending);
      this.merged.delete(key);
      touched.delete(key);
    }
  }

  /** A row in memory is asked about again. */
  private stay(key: string, touched: Set<string>): void {
    touched.delete(key);
    this.memory.ask(key, this.foreign.get(key) ?? []);
  }

  /** True for a row in memory that turns out to lie within a row that is not. */
  private belongsAbove(top: RowNode): boolean {
    const key = topOf(top.key, this.now);
    const order = this.now(key)?.order;
    return key !== top.key && order !== undefined && this.memory.isAbove({ order, key });
  }

  /** True for a row that the store was asked for, that it does not have, and that has not come meanwhile. */
  private isAbsent(key: string): boolean {
    return this.known.has(key) && !this.memory.pending.has(key) && this.now(key)?.shows !== true;
  }

  private readonly now: FactsLookup = (key) => {
    const merged = this.merged.get(key);
    if (merged !== undefined) return merged.facts();
    return this.memory.forest.has(key) ? this.memory.forest.facts(key) : this.known.get(key)?.facts();
  };

  /** Rows as they were: those in memory that the store was not asked about count as they are, those that left it as none. */
  private readonly before: FactsLookup = (key) => {
    const known = this.known.get(key);
    if (known !== undefined && known.size > 0) return known.facts();
    if (this.left.has(key) || this.pending.has(key) || this.asked.has(key)) return null;
    return this.memory.forest.facts(key);
  };

  private readonly beforeOthers: FactsLookup = (key) => {
    const without = this.without.get(key);
    return without === undefined ? this.before(key) : without.facts();
  };

  /** What the touched rows mean for the top-level rows that they are in, or were. */
  private guess(touched: ReadonlySet<string>, before: FactsLookup): Guess {
    const tops = new Set<string>();
    for (const key of touched) {
      if (before(key)?.shows === true) {
        const top = topOf(key, before);
        tops.add(top);
        tops.add(topOf(top, this.now));
      }
      if (this.now(key)?.shows === true) tops.add(topOf(key, this.now));
    }
    const changes: PlaceChange[] = [];
    for (const key of tops) {
      // It is shown in memory, and will be asked about.
      if (this.memory.unasked.has(key)) continue;
      const from = this.isMemoryOnly(key) ? null : placeOf(key, before);
      const to = placeOf(key, this.now);
      const stood = from !== null && this.memory.isAbove(from) ? from : null;
      const stands = to !== null && this.memory.isAbove(to) ? to : null;
      if (stood !== null || stands !== null) changes.push({ key, from: stood, to: stands });
    }
    const fresh = new Set([...touched, ...this.asked].filter((key) => !this.memory.unasked.has(key) && before(key)?.shows !== true && this.now(key)?.shows === true));
    for (const key of this.unsure) if (this.now(key)?.shows === true) fresh.add(key);
    return { changes, tops, fresh, freshTails: this.tailsOf(fresh) };
  }

  /** Top-level rows from the boundary on that these rows are in. */
  private tailsOf(keys: ReadonlySet<string>): Position[] {
    const tops = new Set([...keys].map((key) => topOf(key, this.now)));
    return [...tops].flatMap((key) => placeOf(key, this.now) ?? []).filter((place) => !this.memory.isAbove(place));
  }

  /** True for a row in memory of which the store had nothing. */
  private isMemoryOnly(key: string): boolean {
    return (this.known.get(key)?.size ?? 0) === 0 && (this.memory.forest.has(key) || this.left.has(key));
  }

  private takeEntries(): Entry[] {
    const { forest, loose } = this.memory;
    const entries = [...forest.takeDirty((node) => this.memory.unasked.has(node.key)), ...loose.values()];
    loose.clear();
    for (const log of this.merged.values()) for (const entry of log.takeDirty()) entries.push(entry);
    return entries;
  }
}

/** A row as the store has it but for these entries. */
function logWithout(key: string, known: RowLog | undefined, entries: readonly Entry[]): RowLog {
  const ids = new Set(entries.map((entry) => entry.id));
  const log = new RowLog(key);
  for (const entry of known?.all() ?? []) if (!ids.has(entry.id)) log.add(entry, true);
  return log;
}

/** True when one of the rows is a parent of this one, or a parent's parent. */
function isWithin(key: string, rows: ReadonlySet<string>, lookup: FactsLookup): boolean {
  const seen = new Set([key]);
  for (let parent = shownParent(key, lookup); parent !== null && !seen.has(parent); parent = shownParent(parent, lookup)) {
    if (rows.has(parent)) return true;
    seen.add(parent);
  }
  return false;
}

/** Where a row stands at the top; null where it does not. */
function placeOf(key: string, lookup: FactsLookup): Position | null {
  const facts: RowFacts | null | undefined = lookup(key);
  return facts?.shows === true && topOf(key, lookup) === key ? { order: facts.order, key } : null;
}

/** One step of a change at one place of the list. */
export interface PlaceStep {
  readonly key: string;
  readonly at: Position;
  /** `leaves` and `comes` move the rows behind; `stays` is another value at the same place. */
  readonly step: 'leaves' | 'comes' | 'stays';
}

/** Changes in the order of the places at which they happen. */
export function inOrder(changes: readonly PlaceChange[]): PlaceStep[] {
  const steps: PlaceStep[] = [];
  for (const { key, from, to } of changes) {
    if (from !== null && to !== null && comparePositions(from, to) === 0) {
      steps.push({ key, at: to, step: 'stays' });
      continue;
    }
    if (from !== null) steps.push({ key, at: from, step: 'leaves' });
    if (to !== null) steps.push({ key, at: to, step: 'comes' });
  }
  return steps.sort((a, b) => comparePositions(a.at, b.at));
}
