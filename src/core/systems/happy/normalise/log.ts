import type { Decision } from '../../../model/backend.ts';
import type { Entry, TurnState } from '../../../model/entry.ts';
import { compareOrder } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import type { Ask } from './asks.ts';
import { permissionEntry } from './asks.ts';
import type { Echo } from './echoes.ts';
import { Echoes } from './echoes.ts';
import type { MessageInput, NormaliseContext } from './input.ts';
import { normaliseMessage, sentText } from './message.ts';
import type { Place } from './place.ts';
import { nth, placeOf, rowOf, takenBack } from './place.ts';
import { said } from './read.ts';
import type { KnownRequest, OpenAsk } from './state.ts';
import { agentStateEntries, openAsks, ownAnswer } from './state.ts';
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
  readonly #turns = new TurnBook();
  readonly #plans = new Map<string, string>();
  readonly #planAsks = new Map<string, Ask>();
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
    entries.push(...this.#turns.follow());
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
    if (last === null || last.at === null || last.at < this.#promptAt || this.#endAt >= this.#promptAt || this.#restedAt >= last.at) return [];
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

  /** What the person here answered, once the agent has confirmed it; nothing where somebody else's answer holds. */
  answered(ask: Ask, decision: Decision): Entry[] {
    const entry = ownAnswer(ask, decision, this.#state?.value, this.#context);
    return entry === null ? [] : [entry];
  }

  #stateEntries({ value, version }: { readonly value: JsonValue | undefined; readonly version: number }): Entry[] {
    const { entries: own, open } = agentStateEntries(value, version, this.#context, { open: this.#open, since: this.#oldest ?? Number.POSITIVE_INFINITY, planOf: (call) => this.#plans.get(call) ?? null, known: this.#completed });
    const entries = [...own];
    this.#open = open;
    for (const ask of openAsks(value)) if (ask.ask === 'plan') this.#planAsks.set(ask.row, ask);
    // A request that is nowhere any more gets its plan too.
    for (const ask of this.#planAsks.values()) {
      const plan = this.#plans.get(ask.callId);
      if (plan !== undefined) entries.push(permissionEntry(ask, plan, this.#context));
    }
    this.#turns.take(entries, 'agentState');
    return [...entries, ...this.#turns.follow()];
  }

  #message(message: MessageInput): Entry[] {
    const unread = message.content === undefined || message.content === null;
    const retried = !unread && (message.retried === true || this.#unread.has(message.id));
    if (unread) this.#unread.add(message.id);
    else this.#unread.delete(message.id);
    const own = normaliseMessage(retried ? { ...message, retried } : message, this.#context);
    this.#turns.take(own, message.id);
    const sent = sentText(message);
    this.#note(own);
    if (sent !== null || own.some((entry) => entry.kind === 'prompt' || (entry.kind === 'notice' && entry.code === 'task_finished'))) this.#turns.mark(own[0]?.at ?? 0);
    if (sent !== null) return [...own, ...this.#echoes.sent(sent, message.seq).map((echo) => this.#hidden(echo))];
    return own.flatMap((entry) => this.#seen(entry, message));
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
