import type { Decision } from '../../../model/backend.ts';
import type { Entry, TurnState } from '../../../model/entry.ts';
import { compareOrder } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import { canonicalJson } from '../../../model/json.ts';
import type { AskedCall } from './acp.ts';
import { askedCallOf } from './acp.ts';
import type { Ask } from './asks.ts';
import { permissionEntry, withAsked } from './asks.ts';
import type { Echo } from './echoes.ts';
import { Echoes } from './echoes.ts';
import type { MessageInput, NormaliseContext } from './input.ts';
import { normaliseMessage, sentText } from './message.ts';
import type { Place } from './place.ts';
import { nth, placeOf, revs, rowOf, takenBack } from './place.ts';
import { said } from './read.ts';
import type { KnownRequest, OpenAsk } from './state.ts';
import { agentStateEntries, openAsks, ownAnswer } from './state.ts';
import { isTask, TaskBook } from './tasks.ts';
import { isPlanTool } from './tools.ts';
import { TurnBook } from './turns.ts';

/** What the messages say about the last turn: a hint, for presence knows better. Times are milliseconds since the epoch. */
export interface TurnHint {
  readonly turn: string;
  readonly state: TurnState;
  readonly at: number;
  /** What the agent said went wrong in it, in one line. */
  readonly error: string | null;
}

/**
 * Messages and agentState of one Happy session → entries, with what follows from several of them: queued prompts that come back joined are shown once, turns
 * have their duration and changed files, calls end with their turn, a plan stands in its permission, refused calls say so. Messages may come in any order, in
 * any portions and any number of times: the entries that hold in the end follow from their set. agentState goes by version, and only forward.
 */
export class SessionNormaliser {
  #context: NormaliseContext;
  readonly #echoes = new Echoes();
  readonly #turns: TurnBook;
  readonly #tasks = new TaskBook();
  /** Ends of calls that nothing here tells of: they say nothing, until something does. By call, and by entry and version. */
  readonly #ends = new Map<string, Map<string, Entry>>();
  readonly #called = new Set<string>();
  readonly #asked = new Map<string, AskedCall>();
  #goal: string | null = null;
  readonly #plans = new Map<string, string>();
  /** Requests that were open and of which a message may tell more. */
  readonly #asks = new Map<string, Ask>();
  readonly #unread = new Set<string>();
  readonly #completed = new Map<string, KnownRequest>();
  #state: { readonly value: JsonValue | undefined; readonly version: number } | null = null;
  #open: readonly OpenAsk[];
  #oldest: number | null = null;
  #planned = false;
  #error: { readonly at: number; readonly text: string } | null = null;
  /** Moments of the newest prompt, of the newest end of a turn and of the newest interruption; where the newest turn last said something. */
  #promptAt = Number.NEGATIVE_INFINITY;
  #endAt = Number.NEGATIVE_INFINITY;
  #brokenAt = Number.NEGATIVE_INFINITY;
  #lastWord: (Place & { readonly turn: string }) | null = null;
  #restedAt = Number.NEGATIVE_INFINITY;

  /** `open`: requests that were open when this session was last followed, as `openRequests` gave them. */
  constructor(context: NormaliseContext, open: readonly OpenAsk[] = []) {
    this.#context = context;
    this.#open = open;
    this.#turns = new TurnBook(context.agent === null || context.agent === 'claude');
  }

  get openRequests(): readonly OpenAsk[] {
    return this.#open;
  }

  /** How far the machine's clock is off, found out before anything that it dated was taken. */
  setClockLag(clockLagMs: number): void {
    this.#context = { ...this.#context, clockLagMs };
    this.#completed.clear();
  }

  /** Messages that could not be decrypted: worth another try when a key arrives. */
  get unreadable(): readonly string[] {
    return [...this.#unread];
  }

  turnHint(): TurnHint | null {
    const latest = this.#turns.latest();
    if (latest === null) return null;
    const since = (latest.began ?? latest.at) - 10_000;
    const rested = latest.state === 'running' && this.#restedAt >= Math.max(latest.at, this.#promptAt);
    return { turn: latest.turn, state: rested ? 'completed' : latest.state, at: latest.at, error: latest.state === 'failed' && this.#error !== null && this.#error.at >= since ? this.#error.text : null };
  }

  /** Entries of these messages, and versions of others that they change. */
  messages(messages: Iterable<MessageInput>): Entry[] {
    const entries: Entry[] = [];
    let older = false;
    this.#planned = false;
    for (const message of messages) {
      const moment = placeOf(message, this.#context).at ?? 0;
      if (this.#oldest === null || moment < this.#oldest) [this.#oldest, older] = [moment, true];
      entries.push(...this.#message(message));
    }
    entries.push(...this.#turns.follow(), ...this.#tasks.follow());
    // Requests from before what is here wait until their tool calls are; a plan may complete its request.
    if (this.#state !== null && (older || this.#planned)) entries.push(...this.#stateEntries(this.#state));
    return entries;
  }

  /**
   * The agent is known to rest: the turn that answered the last prompt is over, whether or not that was told (happy.md A, "Turn state"). Nothing where it was, and where
   * nothing was said since the prompt.
   */
  rests(): Entry[] {
    const last = this.#lastWord;
    if (last === null || last.at === null || isTask(last.turn) || last.at < this.#promptAt || this.#endAt >= this.#promptAt || this.#restedAt >= last.at) return [];
    this.#restedAt = last.at;
    const end = this.#turns.resting(last.turn, nth(last, 15), this.#brokenAt >= this.#promptAt ? 'cancelled' : 'completed');
    return end === null ? [] : [end];
  }

  /** Entries of a version of the agentState that an earlier one did not give; none of one that is not above the last, or that could not be read (undefined): the last one that could stays. */
  agentState(value: JsonValue | undefined, version: number): Entry[] {
    if (value === undefined || (this.#state !== null && version <= this.#state.version)) return [];
    this.#state = { value, version };
    return this.#stateEntries(this.#state);
  }

  /** The person here interrupted that turn, and the agent took it. */
  interrupted(turn: string): Entry[] {
    this.#turns.interrupt(turn);
    return this.#turns.follow();
  }

  /** What the person here answered, once the agent has confirmed it; nothing where somebody else's answer holds. */
  answered(ask: Ask, decision: Decision): Entry[] {
    const entry = ownAnswer(ask, decision, this.#state?.value, this.#context);
    return entry === null ? [] : [entry];
  }

  #stateEntries({ value, version }: { readonly value: JsonValue | undefined; readonly version: number }): Entry[] {
    const askedOf = (request: string): AskedCall | null => this.#asked.get(request) ?? null;
    const { entries: own, open, broken, goal } = agentStateEntries(value, version, this.#context, {
      open: this.#open, since: this.#oldest ?? Number.POSITIVE_INFINITY, planOf: (call) => this.#plans.get(call) ?? null, askedOf, goal: this.#goal, known: this.#completed,
    });
    const entries = [...own];
    this.#open = open;
    this.#goal = goal;
    for (const ask of openAsks(value)) this.#asks.set(ask.row, ask);
    // A request that is nowhere any more gets what a message tells of it, too.
    for (const told of this.#asks.values()) {
      const ask = withAsked(told, askedOf(told.id));
      const plan = ask.ask === 'plan' ? this.#plans.get(ask.callId) : undefined;
      if (plan !== undefined || ask.title !== undefined) entries.push(permissionEntry(ask, plan ?? null, this.#context));
    }
    for (const call of broken) this.#turns.breakOff(call);
    this.#turns.take(entries, 'agentState');
    return [...this.#told(entries), ...this.#turns.follow()];
  }

  #message(message: MessageInput): Entry[] {
    const unread = message.content === undefined || message.content === null;
    const retried = !unread && (message.retried === true || this.#unread.has(message.id));
    if (unread) this.#unread.add(message.id);
    else this.#unread.delete(message.id);
    const own = normaliseMessage(retried ? { ...message, retried } : message, this.#context);
    this.#turns.take(own, message.id);
    this.#tasks.take(own, message.id);
    const asked = askedCallOf(message);
    const standIn: Entry[] = [];
    if (asked !== null && !this.#asked.has(asked.request)) {
      this.#asked.set(asked.request, asked);
      this.#planned = true;
      // Without this message a request that was refused stood in for its call, under an id of its own.
      const row = rowOf.call(asked.request);
      if (asked.call !== asked.request) standIn.push(...['call', 'result'].map((part) => takenBack(`${row}/${part}`, row, placeOf(message, this.#context), revs.result.told + 1)));
    }
    const sent = sentText(message);
    this.#note(own);
    if (sent !== null || own.some((entry) => entry.kind === 'prompt' || (entry.kind === 'notice' && entry.code === 'task_finished'))) this.#turns.mark(own[0]?.at ?? 0);
    if (sent !== null) return [...own, ...this.#echoes.sent(sent, message.seq).map((echo) => this.#hidden(echo))];
    return [...standIn, ...this.#told(own.flatMap((entry) => this.#seen(entry, message)))];
  }

  /** These entries without the bare ends of calls that nothing tells of (ACP's command line ends permissions so), and with those that waited for a call among them. */
  #told(entries: readonly Entry[]): Entry[] {
    return entries.flatMap((entry) => {
      if (entry.kind === 'tool') {
        this.#called.add(entry.callId);
        const ends = this.#ends.get(entry.callId);
        this.#ends.delete(entry.callId);
        return [entry, ...(ends?.values() ?? [])];
      }
      if (entry.kind !== 'result' || entry.rev !== revs.result.ended || entry.output !== '' || this.#called.has(entry.callId)) return [entry];
      const ends = this.#ends.get(entry.callId) ?? new Map<string, Entry>();
      this.#ends.set(entry.callId, ends.set(canonicalJson(entry), entry));
      return [];
    });
  }

  #note(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const at = entry.at ?? Number.NEGATIVE_INFINITY;
      if (entry.kind === 'prompt') this.#promptAt = Math.max(this.#promptAt, at);
      else if (entry.kind === 'turn' && entry.phase === 'end') this.#endAt = Math.max(this.#endAt, at);
      else if (entry.kind === 'notice' && entry.code === 'interrupted') this.#brokenAt = Math.max(this.#brokenAt, at);
      const { turn } = entry;
      if (turn !== null && entry.parent === null && (this.#lastWord === null || compareOrder(entry.order, this.#lastWord.order) > 0)) this.#lastWord = { order: entry.order, at: entry.at, turn, parent: null };
    }
  }

  #seen(entry: Entry, message: MessageInput): readonly Entry[] {
    if (entry.kind === 'tool' && isPlanTool(entry.name)) {
      const plan = said(entry.input, 'plan');
      const known = this.#plans.get(entry.callId);
      // Of two plans of one call the one that would hold among versions of the permission.
      if (plan !== null && (known === undefined || JSON.stringify(plan) > JSON.stringify(known))) {
        this.#plans.set(entry.callId, plan);
        this.#planned = true;
      }
    }
    if (entry.kind === 'notice' && entry.level === 'error' && (this.#error === null || (entry.at ?? 0) >= this.#error.at)) this.#error = { at: entry.at ?? 0, text: entry.text.split('\n', 1)[0] ?? '' };
    if (entry.kind !== 'prompt') return [entry];
    const echo = this.#echoes.said(entry.id, entry.text, message);
    return echo?.matched === true ? [this.#hidden(echo)] : [entry];
  }

  #hidden(echo: Echo): Entry {
    return takenBack(echo.id, echo.id, placeOf(echo.message, this.#context), 1);
  }
}

/** Key of the row of a prompt that a client sent, by its message. */
export function promptRow(messageId: string): string {
  return rowOf.message(messageId);
}
