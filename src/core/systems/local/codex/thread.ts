import type { Decision } from '../../../model/backend.ts';
import type { Clock } from '../../../model/context.ts';
import type { Entry } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { WaitingPermission } from '../../../model/session.ts';
import { waitingOf } from '../../../model/whole.ts';
import type { ProcessExit } from '../process.ts';
import type { RpcId } from '../rpc.ts';
import { stallWords } from '../stall.ts';
import { oneLine } from './entries.ts';
import { ThreadLog } from './normalise.ts';
import type { Asked } from './requests.ts';
import { answerEntry, askedOf, outcomeOf } from './requests.ts';

/** Silence of the model after which we say so. */
const stallMs = 20_000;
/** How long nothing but failed connections may come before we give the turn up: Codex itself tries for ever. */
const giveUpMs = 120_000;
const watchMs = 1000;

export interface ThreadEvents {
  entries(entries: readonly Entry[]): void;
  /** State, activity, what waits or the figures are others now. */
  changed(): void;
  turnBegan(): void;
  turnEnded(): void;
  /** Nothing but refused connections for two minutes: the turn must be interrupted. */
  unreachable(): void;
}
interface OpenRequest {
  readonly asked: Asked;
  readonly rpcId: RpcId;
  readonly at: number;
}
interface ThreadOptions {
  readonly clock: Clock;
  readonly events: ThreadEvents;
  readonly respond: (id: RpcId, result: JsonValue) => Promise<void>;
  /** Of its session. */
  readonly folder: () => string;
  /** Row within which all of it happens: a subagent's. */
  readonly parent?: string;
}

/** One thread that the running app-server has loaded: its wire, what it asks of the person, and whether it is heard of. */
export class LiveThread {
  readonly log: ThreadLog;
  error: string | null = null;
  readonly #options: ThreadOptions;
  readonly #open = new Map<string, OpenRequest>();
  #watch: { cancel(): void } | null = null;
  #stalled = false;
  #serial = 0;
  #failing: string | null = null;
  #ends: (() => void)[] = [];

  constructor(options: ThreadOptions) {
    this.#options = options;
    this.log = new ThreadLog({ scope: String(options.clock.now()), parent: options.parent ?? null });
  }

  get running(): boolean {
    return this.log.turn !== null;
  }

  get waiting(): readonly WaitingPermission[] {
    return [...this.#open.values()].map(({ asked: { entry }, at }) => waitingOf(entry, this.#options.folder(), at));
  }

  onNotification(method: string, params: JsonValue): void {
    const now = this.#now();
    if (method === 'serverRequest/resolved') {
      this.#resolved(isJsonObject(params) ? (params['requestId'] ?? null) : null, now);
      return;
    }
    const before = this.log.turn;
    const shown = this.log.activity;
    const wire = this.#failing !== null && method === 'turn/completed' ? failed(params, this.#failing) : params;
    const entries = this.log.notification(method, wire, now);
    if (method === 'error' && this.log.retrying) this.#stalled = false;
    if (this.#stalled && this.log.heard === now) this.#stalled = false;
    const { turn } = this.log;
    const ended = (before !== null && turn !== before) || entries.some((entry) => entry.kind === 'turn' && entry.phase === 'end');
    if (ended) entries.unshift(...this.#withdraw('withdrawn', now));
    for (const entry of entries) if (entry.kind === 'turn' && entry.phase === 'end') this.error = entry.state === 'failed' ? entry.error : null;
    if (entries.length > 0) this.#options.events.entries(entries);
    if (ended) this.#ended();
    if (turn !== null && turn !== before) {
      this.error = null;
      this.#options.events.turnBegan();
      this.#startWatch();
    }
    if (this.#open.size > 0) this.log.mark('waiting', null, now);
    if (turn !== before || this.log.activity !== shown || method === 'thread/tokenUsage/updated') this.#options.events.changed();
  }

  /** A request of the server; false when it asks nothing that a person could answer. */
  onRequest(method: string, params: JsonValue, rpcId: RpcId): boolean {
    const now = this.#now();
    const fields = isJsonObject(params) ? params : {};
    const itemId = fields['itemId'];
    const started = fields['startedAtMs'];
    this.#serial += 1;
    const serial = typeof started === 'number' ? String(started) : `${now}.${this.#serial}`;
    const asked = askedOf(method, params, typeof itemId === 'string' ? this.log.open(itemId) : null, this.log.place(typeof started === 'number' ? started : now), serial);
    if (asked === null) return false;
    this.#open.set(asked.requestId, { asked, rpcId, at: now });
    this.log.mark('waiting', null, now);
    this.#options.events.entries([asked.entry]);
    this.#options.events.changed();
    return true;
  }

  /** Rejects with `already_answered`. */
  async answer(requestId: string, decision: Decision): Promise<void> {
    const open = this.#open.get(requestId);
    if (open === undefined) throw new PilothouseError('already_answered', 'This was answered or taken back before.');
    const { asked, rpcId } = open;
    if (asked.entry.ask === 'question' && decision.outcome !== 'deny' && Object.keys(decision.answers ?? {}).length === 0) {
      throw new PilothouseError('invalid_argument', 'There is no answer in it. Choose or write one, or deny.');
    }
    this.#open.delete(requestId);
    try {
      await this.#options.respond(rpcId, asked.answer(decision));
    } catch (error) {
      if (this.running) this.#open.set(requestId, open);
      throw error;
    }
    const now = this.#now();
    this.#options.events.entries([answerEntry(asked, this.log.place(now), outcomeOf(asked, decision), 'person', decision)]);
    if (this.#open.size === 0) this.log.mark(this.log.busy ? 'tool' : 'thinking', null, now);
    this.#options.events.changed();
  }

  /** The turn that runs ends as failed, for a reason of ours, whatever Codex says of it. */
  failWith(message: string): void {
    this.#failing = message;
  }

  onExit(exit: ProcessExit): void {
    const now = this.#now();
    const said = exit.stderrTail.split('\n').filter((line) => line.trim() !== '').at(-1);
    const why = exit.expected ? 'Codex was stopped while it was at it.' : `Codex has ended unexpectedly${exit.signal === null ? '' : ` (${exit.signal})`}${said === undefined ? '.' : `: ${oneLine(said)}`}`;
    const running = this.running;
    const entries = [...this.#withdraw('lost', now), ...this.log.died(why, exit.expected, now)];
    if (running && !exit.expected) this.error = why;
    if (entries.length > 0) this.#options.events.entries(entries);
    if (running) this.#ended();
    this.#options.events.changed();
  }

  /** Resolves when no turn runs. */
  ended(): Promise<void> {
    if (!this.running) return Promise.resolve();
    return new Promise((resolve) => this.#ends.push(resolve));
  }

  dispose(): void {
    this.#watch?.cancel();
    this.#watch = null;
    for (const resolve of this.#ends.splice(0)) resolve();
  }

  #now(): number {
    return this.#options.clock.now();
  }

  #ended(): void {
    this.#failing = null;
    this.#stalled = false;
    if (this.running) return;
    this.#watch?.cancel();
    this.#watch = null;
    for (const resolve of this.#ends.splice(0)) resolve();
    this.#options.events.turnEnded();
  }

  /** Codex tells that a request is settled: by our answer, or without it. */
  #resolved(rpcId: JsonValue, now: number): void {
    for (const [requestId, open] of this.#open) {
      if (open.rpcId !== rpcId) continue;
      this.#open.delete(requestId);
      this.#options.events.entries([answerEntry(open.asked, this.log.place(now), 'withdrawn', 'agent', null)]);
      if (this.#open.size === 0) this.log.mark('thinking', null, now);
      this.#options.events.changed();
    }
  }

  #withdraw(outcome: 'withdrawn' | 'lost', now: number): Entry[] {
    const open = [...this.#open.values()];
    this.#open.clear();
    return open.map(({ asked }) => answerEntry(asked, this.log.place(now), outcome, 'agent', null));
  }

  #startWatch(): void {
    this.#watch ??= this.#options.clock.setTimeout(() => {
      this.#watch = null;
      if (!this.running) return;
      this.#check();
      this.#startWatch();
    }, watchMs);
  }

  #check(): void {
    const now = this.#now();
    const silence = now - this.log.heard;
    if (this.#open.size > 0 || this.log.busy || silence < stallMs) return;
    if (this.log.retrying) {
      if (silence < giveUpMs || this.#failing !== null) return;
      this.failWith(`The model could not be reached for ${Math.round(giveUpMs / 60_000)} minutes: ${this.log.activity?.detail ?? 'the connection is refused'}`);
      this.#options.events.unreachable();
      return;
    }
    if (this.#stalled) return;
    this.#stalled = true;
    const words = stallWords(silence);
    this.log.mark('stalled', words, this.log.heard);
    this.#options.events.entries([this.log.notice('warning', 'stalled', words, null, now)]);
    this.#options.events.changed();
  }
}

/** The end of a turn as a failure with that message. */
function failed(params: JsonValue, message: string): JsonValue {
  const fields = isJsonObject(params) ? params : {};
  const turn = isJsonObject(fields['turn']) ? fields['turn'] : {};
  return { ...fields, turn: { ...turn, status: 'failed', error: { message, codexErrorInfo: null } } };
}
