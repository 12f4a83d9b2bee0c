import type { Entry, Order, TurnState } from '../../../model/entry.ts';
import { compareOrder } from '../../../model/entry.ts';
import { canonicalJson } from '../../../model/json.ts';
import { resultEntry } from './calls.ts';
import { turnEnd, turnEndRev } from './envelope.ts';
import type { Place } from './place.ts';
import { nth, revs, rowOf } from './place.ts';
import { isTask } from './tasks.ts';

type End = Extract<Entry, { kind: 'turn' }>;
interface Turn {
  /** Messages that told of its beginning, and of its end. */
  readonly starts: Set<string>;
  readonly ends: Set<string>;
  began: number | null;
  end: End | null;
  readonly calls: Set<string>;
}
interface Call {
  readonly row: string;
  readonly turns: Set<string>;
  /** Messages that told of the call, and of its end. */
  readonly told: Set<string>;
  readonly ends: Set<string>;
  /** Files that it changes where it succeeds. */
  readonly files: Set<string>;
  /** Where it was first told to have ended; that may be in a turn that is not its own. */
  end: Pick<Place, 'order' | 'at'> | null;
  /** It was refused: it changed nothing. */
  refused: boolean;
  /** It was refused to stop the agent. */
  broke: boolean;
}

/** Something that may follow the end of a turn: what the agent said, the beginning of a turn, or what begins another exchange. */
interface Word {
  readonly order: Order;
  readonly at: number;
  readonly turn: string | null;
  readonly kind: 'said' | 'begun' | 'asked';
  /** The command line tells what went wrong. */
  readonly failure: boolean;
}
/** Parts of a block stand before this many places after it. */
const blockEnd = 15;
/** What another turn says belongs to the one that ended before when it begins this soon after, and nothing was said to the agent between. */
const lateMs = 1_000;

/** A turn is not taken to have begun longer than this before the agent said its first word. */
const longestWaitMs = 86_400_000;

/**
 * What follows from several messages about a turn: how long it took (Claude's command line tells of its beginning with the agent's first word, so it counts from
 * what came before: a prompt, or the end of another turn), which files it changed, and that calls which were never told to end are over with it.
 * Turn ends are hints: one may be missing, come twice or belong to a turn of its own that an abort left behind (wire spec, A "Turn state"). Every change of what
 * is known gives versions that hold over those that knew less, so that the last of them depends on the set of messages alone.
 */
export class TurnBook {
  readonly #turns = new Map<string, Turn>();
  readonly #calls = new Map<string, Call>();
  readonly #stale = new Set<string>();
  /** Moments at which a turn may have begun to wait for the agent's first word, in order once `follow` was asked. */
  readonly #marks: number[] = [];
  readonly #fresh = new Set<number>();
  /** In order once `follow` was asked; by message and entry. */
  readonly #words: Word[] = [];
  readonly #asked: Word[] = [];
  readonly #knownWords = new Set<string>();
  #freshWords: Word[] = [];
  /** Turns that the person here broke off. */
  readonly #interrupted = new Set<string>();
  readonly #saysLate: boolean;

  /** `saysLate`: the last words of a turn may come in another one (Claude's command line). Others end a turn when all is said, and what follows it answers what waited. */
  constructor(saysLate = true) {
    this.#saysLate = saysLate;
  }

  /** The person here interrupted that turn: some command lines tell of it that it was completed (Codex). */
  interrupt(turn: string): void {
    this.#interrupted.add(turn);
    this.#stale.add(turn);
  }

  /** A call that was refused to stop the agent: its turn was broken off. */
  breakOff(callId: string): void {
    const call = this.#call(callId, rowOf.call(callId));
    if (call.broke) return;
    call.broke = true;
    this.#changed(call);
  }

  /** Something was said to the agent at that moment. */
  mark(at: number): void {
    this.#fresh.add(at);
  }

  /** Notes the entries of one message; `source` is its identity. */
  take(entries: readonly Entry[], source: string): void {
    for (const entry of entries) {
      this.#word(entry, source);
      if (entry.kind === 'turn') {
        this.#turn(entry, source);
      } else if (entry.kind === 'tool' && entry.rev === revs.call.whole && entry.turn !== null && entry.row !== null) {
        const call = this.#call(entry.callId, entry.row);
        call.told.add(source);
        call.turns.add(entry.turn);
        for (const diff of entry.diffs) call.files.add(diff.path);
        this.#get(entry.turn).calls.add(entry.callId);
        this.#changed(call);
      } else if (entry.kind === 'result') {
        this.#result(entry, source);
      }
    }
  }

  /** What follows for the turns about which something was noted since the last time. */
  follow(): Entry[] {
    this.#settleMarks();
    this.#settleWords();
    const entries = [...this.#stale].flatMap((turn) => this.#follow(turn));
    this.#stale.clear();
    return entries;
  }

  /** The turn whose beginning or end was told last, by time; null before any. */
  latest(): { readonly turn: string; readonly state: TurnState; readonly at: number; readonly began: number | null } | null {
    let latest: { turn: string; state: TurnState; at: number; began: number | null } | null = null;
    for (const [turn, { began, end }] of this.#turns) {
      const at = Math.max(began ?? 0, end?.at ?? 0);
      if (latest === null || at > latest.at || (at === latest.at && turn > latest.turn)) latest = { turn, at, began, state: end !== null && (end.at ?? 0) >= (began ?? 0) ? end.state : 'running' };
    }
    return latest;
  }

  /**
   * An end for a turn that was never told to end, as of its last message: for when the agent is known to rest. It holds below any end that is told, and a later one of it above
   * an earlier. Changes nothing of what is known.
   */
  resting(id: string, last: Place, state: Exclude<TurnState, 'running'>): Entry | null {
    const turn = this.#turns.get(id);
    if (turn === undefined || last.at === null) return null;
    this.#settleMarks();
    const files = new Set([...turn.calls].flatMap((call) => (this.#calls.get(call)?.refused === false ? [...(this.#calls.get(call)?.files ?? [])] : [])));
    const whole = turnEnd(id, { ...last, turn: id, parent: null }, this.#isBroken(id) && state === 'completed' ? 'cancelled' : state);
    return { ...whole, rev: Math.max(0, last.at) / 1e14, filesChanged: [...files].sort(), durationMs: this.#duration(turn.began, last.at) };
  }

  #settleMarks(): void {
    if (this.#fresh.size === 0) return;
    const fresh = [...this.#fresh].filter((at) => this.#marks[countTo(this.#marks, at) - 1] !== at).sort((a, b) => a - b);
    this.#fresh.clear();
    const [first, last] = [fresh[0], fresh.at(-1)];
    if (first === undefined || last === undefined) return;
    // What began after a mark that is later than all of these counts from that one.
    const until = this.#marks[countTo(this.#marks, last)] ?? Number.POSITIVE_INFINITY;
    for (const [id, { began, end }] of this.#turns) {
      if (began === null || end === null || began < first || began >= until) continue;
      const nearest = fresh[countTo(fresh, began) - 1];
      if (nearest !== undefined && nearest > (this.#marks[countTo(this.#marks, began) - 1] ?? Number.NEGATIVE_INFINITY)) this.#stale.add(id);
    }
    putIn(this.#marks, fresh, (one, other) => one - other);
  }

  #word(entry: Entry, source: string): void {
    const failure = entry.kind === 'notice' && entry.level === 'error';
    const said = entry.parent === null && (failure || entry.kind === 'text' || entry.kind === 'thinking' || (entry.kind === 'tool' && entry.rev === revs.call.whole));
    const asked = entry.kind === 'prompt' || (entry.kind === 'notice' && entry.code === 'task_finished');
    const kind = said ? 'said' : asked ? 'asked' : entry.kind === 'turn' && entry.phase === 'start' ? 'begun' : null;
    const key = `${source} ${entry.id}`;
    if (kind === null || this.#knownWords.has(key)) return;
    this.#knownWords.add(key);
    this.#freshWords.push({ order: entry.order, at: entry.order[0] ?? 0, turn: entry.turn, kind, failure });
  }

  /** Turns whose end may stand elsewhere by what came in: those after which, and before the next prompt, it was said. */
  #settleWords(): void {
    if (this.#freshWords.length === 0) return;
    const fresh = this.#freshWords.sort(byOrder);
    this.#freshWords = [];
    const asking = fresh.filter(({ kind }) => kind === 'asked');
    for (const { turn } of fresh) if (turn !== null && this.#turns.has(turn)) this.#stale.add(turn);
    // A history has many turns and comes in small portions: two looks at the borders of a portion pass over nearly all of them.
    const [last, lastAsking] = [fresh.at(-1)?.order ?? [], asking.at(-1)?.at ?? Number.NEGATIVE_INFINITY];
    for (const [id, { began, end }] of this.#turns) {
      if (end === null) continue;
      if (compareOrder(last, end.order) > 0 && this.#isFollowed(end, fresh)) this.#stale.add(id);
      else if (lastAsking >= (began ?? 0) && (asking[firstAfter(asking, end.order) - 1]?.at ?? Number.NEGATIVE_INFINITY) >= (began ?? 0)) this.#stale.add(id);
    }
    putIn(this.#words, fresh, byOrder);
    putIn(this.#asked, asking, byOrder);
  }

  /** True where one of these comes after that end, and before the next prompt that was known. */
  #isFollowed(end: End, fresh: readonly Word[]): boolean {
    const [first, bound] = [fresh[firstAfter(fresh, end.order)], this.#asked[firstAfter(this.#asked, end.order)]];
    return first !== undefined && (bound === undefined || compareOrder(first.order, bound.order) < 0);
  }

  /** Where the end of a turn stands: after what the agent said since, up to the next prompt (Happy tells of the last text after the end, often in another turn). `known`: how much tells it. */
  #footer(id: string, end: End): { readonly order: Order; readonly known: number } {
    const from = firstAfter(this.#words, end.order);
    const until = (end.order[0] ?? 0) + longestWaitMs;
    const begun = new Map<string | null, number>();
    let { order } = end;
    // Where something was asked after its own last word, what another turn says answers that.
    let before = from - 1;
    while (before >= 0 && this.#words[before]?.kind !== 'asked' && this.#words[before]?.turn !== id) before -= 1;
    const alone = this.#words[before]?.kind === 'asked';
    for (let at = from, word = this.#words[at]; word !== undefined && word.at <= until && word.kind !== 'asked'; word = this.#words[(at += 1)]) {
      if (!begun.has(word.turn)) begun.set(word.turn, word.at);
      const soon = (word.failure ? word.at : (begun.get(word.turn) ?? 0)) <= (end.order[0] ?? 0) + lateMs;
      const late = word.turn === id || (soon && (word.failure ? end.state === 'failed' : this.#saysLate && !alone));
      // After all parts of the block in which it was said.
      if (word.kind === 'said' && late) order = nth({ ...end, order: word.order }, blockEnd).order;
    }
    return { order, known: Math.max(from, firstAfter(this.#words, [until, Number.POSITIVE_INFINITY])) - firstAfter(this.#words, [(end.order[0] ?? 0) - longestWaitMs, 0, 0]) };
  }

  #get(turn: string): Turn {
    const known = this.#turns.get(turn);
    if (known !== undefined) return known;
    const made: Turn = { starts: new Set(), ends: new Set(), began: null, end: null, calls: new Set() };
    this.#turns.set(turn, made);
    return made;
  }

  #call(id: string, row: string): Call {
    const known = this.#calls.get(id);
    if (known !== undefined) return known;
    const made: Call = { row, turns: new Set(), told: new Set(), ends: new Set(), files: new Set(), end: null, refused: false, broke: false };
    this.#calls.set(id, made);
    return made;
  }

  #changed(call: Call): void {
    for (const turn of call.turns) this.#stale.add(turn);
  }

  #turn(entry: End, source: string): void {
    const turn = this.#get(entry.turn);
    this.#stale.add(entry.turn);
    if (entry.phase === 'start') {
      turn.starts.add(source);
      turn.began = Math.min(turn.began ?? Number.POSITIVE_INFINITY, entry.at ?? 0);
      return;
    }
    turn.ends.add(source);
    this.mark(entry.at ?? 0);
    // The same choice as between two versions of one entry.
    if (turn.end === null || entry.rev > turn.end.rev || (entry.rev === turn.end.rev && canonicalJson(entry) > canonicalJson(turn.end))) turn.end = entry;
  }

  #result(entry: Extract<Entry, { kind: 'result' }>, source: string): void {
    const call = this.#call(entry.callId, entry.row ?? rowOf.call(entry.callId));
    if (entry.rev === revs.result.refused) {
      call.refused = true;
    } else if (entry.rev !== revs.result.over) {
      call.ends.add(source);
      if (call.end === null || compareOrder(entry.order, call.end.order) < 0) call.end = { order: entry.order, at: entry.at };
    }
    this.#changed(call);
  }

  #follow(id: string): Entry[] {
    const turn = this.#turns.get(id);
    // Tasks are told by their own book.
    if (turn === undefined || turn.end === null || isTask(id)) return [];
    const end = this.#isBroken(id) && turn.end.state === 'completed' ? { ...turn.end, state: 'cancelled' as const } : turn.end;
    const endedAt = end.at ?? 0;
    const entries: Entry[] = [];
    const files = new Set<string>();
    let known = turn.starts.size;
    for (const callId of turn.calls) {
      const call = this.#calls.get(callId);
      if (call === undefined) continue;
      known += call.told.size + (call.refused ? 1 : 0);
      if (!call.refused) for (const file of call.files) files.add(file);
      entries.push(...callOver(callId, call, id, end, turn.ends.size > 1));
    }
    const broken = this.#isBroken(id);
    const whole = turnEnd(id, end, end.state === 'running' ? 'completed' : end.state);
    const footer = this.#footer(id, end);
    const rev = turnEndRev(endedAt, footer.known + known + countTo(this.#marks, endedAt) - countTo(this.#marks, endedAt - longestWaitMs), broken);
    return [...entries, { ...whole, order: footer.order, rev, filesChanged: [...files].sort(), durationMs: this.#duration(turn.began, endedAt) }];
  }

  #isBroken(id: string): boolean {
    return this.#interrupted.has(id) || [...(this.#turns.get(id)?.calls ?? [])].some((call) => this.#calls.get(call)?.broke === true);
  }

  #duration(began: number | null, endedAt: number): number | null {
    const from = began === null || began > endedAt ? undefined : this.#marks[countTo(this.#marks, began) - 1];
    return from === undefined || endedAt - from > longestWaitMs ? null : endedAt - from;
  }
}

/**
 * What the end of a turn says about one of its calls. A turn that was broken off breaks off what runs: the end of such a call is told after that of the turn.
 * `again`: the turn was told to end several times, so an end before this one may have said something else.
 */
function callOver(id: string, call: Call, turn: string, end: End, again: boolean): Entry[] {
  const over: Place = { order: end.order, at: end.at, turn, parent: null };
  if (end.state === 'completed' && !again) return call.end === null ? [resultEntry(call.row, id, over, { status: 'ok', rev: revs.result.over })] : [];
  // Above the call's own end, below a refusal; of several ends of the turn, and of the call, the version that knows more.
  const rev = revs.result.ended + (Math.max(0, end.at ?? 0) + 0.05 * Math.min(call.ends.size, 19)) / 1e14;
  const inTime = call.end !== null && (end.state === 'completed' || (call.end.at ?? 0) <= (end.at ?? 0));
  if (call.end !== null && inTime) return [resultEntry(call.row, id, { ...over, ...call.end }, { status: 'ok', rev })];
  return [resultEntry(call.row, id, over, { status: end.state === 'completed' ? 'ok' : 'cancelled', rev })];
}

function byOrder(one: Word, other: Word): number {
  return compareOrder(one.order, other.order);
}

/** Puts sorted values into a sorted list, each behind its equals. What stands together there is put in together: pages come from one end. */
function putIn<T>(sorted: T[], fresh: readonly T[], compare: (one: T, other: T) => number): void {
  let end = fresh.length;
  for (let last = fresh[end - 1]; last !== undefined; last = fresh[end - 1]) {
    const at = behind(sorted, last, compare);
    const before = sorted.slice(Math.max(0, at - 1), at);
    const start = fresh.slice(0, end).findLastIndex((value) => before.some((held) => compare(held, value) > 0)) + 1;
    // As many at once as arguments of a call may be.
    for (let to = end; to > start; to -= 10_000) sorted.splice(at, 0, ...fresh.slice(Math.max(start, to - 10_000), to));
    end = start;
  }
}

/** Index behind all that are not greater. */
function behind<T>(sorted: readonly T[], value: T, compare: (one: T, other: T) => number): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const held = sorted[middle];
    if (held !== undefined && compare(held, value) <= 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Index of the first that stands after that place. */
function firstAfter(sorted: readonly Word[], order: Order): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const word = sorted[middle];
    if (word !== undefined && compareOrder(word.order, order) <= 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** How many of the sorted moments are at or before that one. */
function countTo(sorted: readonly number[], at: number): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? 0) <= at) from = middle + 1;
    else to = middle;
  }
  return from;
}
