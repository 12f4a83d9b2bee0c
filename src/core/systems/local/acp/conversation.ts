import type { Decision, InterruptOptions, Prompt, StopReport } from '../../../model/backend.ts';
import type { Entry, UsageFigures } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Activity } from '../../../model/session.ts';
import type { ProcessExit } from '../process.ts';
import type { RpcId } from '../rpc.ts';
import { stallOverWords, stallWords } from '../stall.ts';
import { endingWords, killingWords } from '../steps.ts';
import { waitFor } from '../wait.ts';
import { Asks } from './asks.ts';
import { ClientMethods } from './client.ts';
import { ControlState } from './controls.ts';
import { readForm } from './elicit.ts';
import type { SessionHost } from './host.ts';
import type { Link } from './link.ts';
import { exitWords } from './link.ts';
import type { TurnEnd } from './normalise.ts';
import { SessionLog } from './normalise.ts';
import { authRequired, failedTurn, invalidParams, notFound, rpcCodeOf, sessionNotFound, turnEndOf, wordsOf } from './outcome.ts';
import { promptBlocks } from './prompt.ts';
import { str } from './read.ts';
import { stallMs, Turn } from './turn.ts';
import { Unfinished } from './unfinished.ts';

/** The longest turn: after a day the call is given up. Silence is told of long before (`turn.ts`). */
const longestTurnMs = 24 * 60 * 60 * 1000;
/** How long an interrupted agent may take to end its turn before its program is ended. */
const cancelMs = 5000;
/** Text outside of a turn counts as whole after this silence. */
const strayMs = 400;

interface ConversationEvents {
  entries(entries: readonly Entry[]): void;
  /** State, activity, usage or waiting permissions changed. */
  state(): void;
  /** The agent has a prompt. */
  taken(clientId: string, text: string): void;
  ended(end: TurnEnd): void;
  controls(): void;
  title(title: string): void;
}

/** What is said between the person and the agent in one session while a program runs it: turns, permissions, updates. */
export class Conversation {
  readonly pickers = new ControlState();
  readonly log: SessionLog;
  readonly asks: Asks;
  turn: Turn | null = null;
  activity: Activity | null = null;
  usage: UsageFigures | null = null;
  error: string | null = null;
  private readonly id: string;
  private readonly host: SessionHost;
  private readonly events: ConversationEvents;
  private readonly methods: ClientMethods;
  readonly unfinished: Unfinished;
  private readonly followUps: string[] = [];
  private stray: { cancel(): void } | null = null;

  constructor(id: string, host: SessionHost, folder: () => string, events: ConversationEvents) {
    this.id = id;
    this.host = host;
    this.events = events;
    // Names of a later run of this program must not meet those of this one.
    this.log = new SessionLog({ scope: `run:${host.context.clock.now().toString(36)}` });
    this.asks = new Asks(this.log, folder);
    this.unfinished = new Unfinished(id, host.context.keep, host.context.clock, host.context.log);
    this.methods = new ClientMethods(host, folder, {
      output: (terminalId, text) => this.heard(this.log.terminalOutput(terminalId, text)),
      exit: (terminalId, exitCode) => this.heard(this.log.terminalExit(terminalId, exitCode, this.now())),
      wrote: (path) => this.log.wrote(path),
    });
  }

  /** Hands a prompt over as a turn of its own. Resolves when the agent has it; rejects when it certainly has not. */
  async begin(link: Link, agentId: string, prompt: Prompt, clientId: string): Promise<void> {
    const blocks = promptBlocks(prompt, link.facts);
    if (this.turn !== null) throw new PilothouseError('turn_running', 'A turn is running. Send this when it has ended, or interrupt it.');
    this.flushStray();
    const sent = { clientId, text: prompt.text, attachments: prompt.attachments };
    const held = this.log.beginTurn(sent, this.now());
    const turn = new Turn(sent, held, this.host.context.clock, { taken: (entries) => this.onTaken(clientId, prompt.text, entries), stall: () => this.onStall() });
    this.turn = turn;
    this.error = null;
    this.setActivity('starting', null);
    this.host.touch();
    link.call('session/prompt', { sessionId: agentId, prompt: blocks }, { timeoutMs: longestTurnMs }).then(
      (result) => this.finish(turn, turnEndOf(result), () => this.followUp(link, agentId)),
      (error: unknown) => this.fail(turn, error),
    );
    await turn.taken;
  }

  /** Adds a prompt to the running turn (`_session/steering`); false when the turn was over before it came. */
  async steer(link: Link, agentId: string, prompt: Prompt, clientId: string): Promise<boolean> {
    const params = { sessionId: agentId, prompt: promptBlocks(prompt, link.facts) as unknown as JsonValue, idleBehavior: 'promptRequired' };
    const answer = await link.extra('_session/steering', params).catch((error: unknown) => {
      throw new PilothouseError('steer_refused', `The agent did not take this into the running turn: ${wordsOf(error)} Send it when the turn has ended.`, { cause: error });
    });
    if (isJsonObject(answer) && answer['outcome'] === 'promptRequired') return false;
    this.turn?.take();
    this.tell(this.log.steered({ clientId, text: prompt.text, attachments: prompt.attachments }, this.now()));
    return true;
  }

  /** Any `update` of a `session/update` that is not part of a replay. */
  update(update: JsonValue | undefined): void {
    this.host.touch();
    if (isJsonObject(update)) {
      if (this.pickers.update(update)) this.events.controls();
      if (update['sessionUpdate'] === 'session_info_update') {
        const title = str(update, 'title');
        if (title !== null) this.events.title(title);
      }
    }
    const entries = this.log.update(update, this.now());
    if (entries.length > 0) this.heard(entries);
  }

  /** A request of the agent for this session. */
  request(method: string, params: JsonObject, rpcId: RpcId, link: Link): void {
    this.host.touch();
    const now = this.now();
    if (method === 'session/request_permission') {
      this.ask(this.asks.permission(params, rpcId, link, now));
      return;
    }
    if (method === 'elicitation/create') {
      const form = readForm(params);
      if (form === null) link.refuse(rpcId, invalidParams, 'only forms of flat properties are supported');
      else this.ask(this.asks.question(form, rpcId, link, now));
      return;
    }
    void this.methods.handle(method, params, rpcId, link);
  }

  withdrawn(rpcId: RpcId, link: Link): void {
    this.heard(this.asks.withdraw(rpcId, link, this.now()));
    this.events.state();
  }

  /** Answers a permission or question. A reason for a refusal goes as the next prompt: ACP has no place for it. */
  answer(requestId: string, decision: Decision): void {
    const { entries, denied } = this.asks.answer(requestId, decision, this.now());
    const reason = decision.reason?.trim() ?? '';
    if (denied && reason !== '') this.followUps.push(reason);
    this.setActivity(this.log.openTools.length > 0 ? 'tool' : 'thinking', this.log.openTools[0]?.title ?? null);
    this.heard(entries);
    this.events.state();
  }

  /**
   * `session/cancel`, with everything that waits answered as cancelled and the commands that we run for the agent ended. An agent that does not
   * end its turn in time is ended itself, unless it runs a turn of another session as well.
   */
  async interrupt(link: Link | null, agentId: string, alone: boolean, { signal, onStep }: InterruptOptions): Promise<StopReport> {
    const { turn } = this;
    if (turn === null || link === null) return { step: 'nothing-to-stop', message: 'No turn was running.' };
    turn.interrupted = true;
    this.followUps.splice(0);
    this.log.cancelling();
    await link.cancel(agentId).catch((error: unknown) => this.host.context.log.debug('a cancel did not reach the agent', { error: describeError(error) }));
    this.heard(this.asks.cancelAll(this.now(), 'person'));
    this.events.state();
    const commands = this.methods.active;
    await this.methods.endCommands();
    const ended = await waitFor(turn.over.then(() => true), { clock: this.host.context.clock, timeoutMs: cancelMs, signal, onTimeout: () => new PilothouseError('timeout', '') })
      .catch((error: unknown) => {
        if (error instanceof PilothouseError) return false;
        throw error;
      });
    if (ended) return { step: 'interrupted', message: `The agent ended its turn.${commands > 0 ? ' Its running command was ended.' : ''}` };
    if (!alone) throw new PilothouseError('interrupt_unanswered', 'The agent did not end its turn, and it works for another session too. Stop Session ends its program, and that turn as well.', { personMustAct: true });
    onStep?.(endingWords(this.host.label));
    const report = await this.host.endLink(() => onStep?.(killingWords(this.host.label)));
    return { step: report.step === 'nothing-to-stop' ? 'interrupted' : report.step, message: `The agent did not end its turn. ${report.message}` };
  }

  /** The agent's program has ended: what was open is closed as it stands. */
  died(exit: ProcessExit): void {
    const now = this.now();
    this.heard(this.asks.lose(now));
    void this.methods.endCommands().catch((error: unknown) => this.host.context.log.error('a command of a dead agent could not be ended', { error: describeError(error) }));
    this.flushStray();
    const { turn } = this;
    if (turn === null) return;
    if (turn.interrupted || exit.expected) {
      this.finish(turn, { state: 'cancelled', error: null, figures: null, openTools: 'cancelled' }, () => undefined);
      return;
    }
    const words = `${this.host.label} ended unexpectedly (${exitWords(exit)}).`;
    turn.take();
    this.tell([this.log.notice({ level: 'error', code: 'process_died', text: words, remedy: 'Send another message: the session is brought back.' }, now)]);
    this.finish(turn, { state: 'failed', error: words, figures: null, openTools: 'cancelled' }, () => undefined);
  }

  /** Breaks off what runs, as it stands, and ends the commands that run for the agent. */
  async close(): Promise<void> {
    this.flushStray();
    const { turn } = this;
    if (turn !== null) {
      this.unfinished.now(this.log.provisionalEnd(this.now()));
      this.turn = null;
      this.activity = null;
      turn.take();
      turn.end();
    }
    await this.methods.endCommands();
    await this.unfinished.flush();
  }

  notice(level: 'info' | 'warning' | 'error', code: string, text: string, remedy: string | null): void {
    this.tell([this.log.notice({ level, code, text, remedy }, this.now())]);
  }

  private onTaken(clientId: string, text: string, held: readonly Entry[]): void {
    this.events.taken(clientId, text);
    this.tell(held);
    if (this.activity?.phase === 'starting') this.setActivity('thinking', null);
    this.events.state();
  }

  private tell(entries: readonly Entry[]): void {
    this.events.entries(entries);
    if (this.turn !== null) this.unfinished.later(() => this.log.provisionalEnd(this.now()));
  }

  private heard(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    const { turn } = this;
    if (turn === null) this.watchStray();
    else {
      turn.take();
      turn.heard();
      if (turn.silentSince !== null) this.unstall(turn);
    }
    this.tell(entries);
    for (const entry of entries) this.follow(entry);
  }

  private follow(entry: Entry): void {
    if (entry.kind === 'usage') {
      this.usage = entry.figures;
      this.events.state();
    }
    if (this.turn === null || this.asks.waiting.length > 0) return;
    if (entry.kind === 'delta' && entry.channel === 'text') this.setActivity('answering', null);
    else if (entry.kind === 'delta' && entry.channel === 'thinking') this.setActivity('thinking', null);
    else if (entry.kind === 'tool') {
      this.host.noteChildren();
      this.setActivity('tool', entry.title);
    } else if (entry.kind === 'result') {
      const open = this.log.openTools[0];
      this.setActivity(open === undefined ? 'thinking' : 'tool', open?.title ?? null);
    }
  }

  private ask(entries: readonly Entry[]): void {
    this.heard(entries);
    this.setActivity('waiting', null);
    this.events.state();
  }

  private setActivity(phase: Activity['phase'], detail: string | null, since = this.now()): void {
    if (this.turn === null || (this.activity?.phase === phase && this.activity.detail === detail)) return;
    this.activity = { phase, since, detail, until: null };
    this.events.state();
  }

  /** A command may be silent for long, and so may the person. */
  private onStall(): void {
    const { turn } = this;
    if (turn === null || this.log.openTools.length > 0 || this.asks.waiting.length > 0) return;
    turn.take();
    turn.silentSince = this.now();
    turn.stalls += 1;
    this.setActivity('stalled', null, this.now() - stallMs);
    this.tell([this.log.notice({ level: 'warning', code: 'stalled', text: stallWords(stallMs), remedy: null }, this.now(), `stalled:${turn.stalls}`)]);
  }
  private unstall(turn: Turn): void {
    const silentMs = this.now() - (turn.silentSince ?? this.now()) + stallMs;
    turn.silentSince = null;
    this.tell([this.log.notice({ level: 'info', code: 'stalled', text: stallOverWords(silentMs), remedy: null }, this.now(), `stalled:${turn.stalls}`)]);
    this.setActivity('thinking', null);
  }

  private fail(turn: Turn, error: unknown): void {
    if (this.turn !== turn) return;
    const code = rpcCodeOf(error);
    const signIn = code === authRequired ? this.host.needsSignIn(error) : null;
    const unsent = code === authRequired || code === notFound || code === invalidParams || (error instanceof PilothouseError && (error.code === 'process_gone' || error.code === 'process_not_reading'));
    if (!turn.isTaken && unsent) {
      this.turn = null;
      this.activity = null;
      this.log.abandonTurn();
      turn.refuse(signIn ?? this.refusal(error, code));
      this.events.state();
      return;
    }
    turn.take();
    if (signIn !== null) this.notice('error', 'login_failed', signIn.message, null);
    this.finish(turn, failedTurn(error), () => undefined);
  }

  private refusal(error: unknown, code: number | null): PilothouseError {
    if (code === notFound) return sessionNotFound(this.id, error);
    return new PilothouseError('prompt_refused', `The agent did not take the prompt: ${wordsOf(error)}`, { cause: error });
  }

  private finish(turn: Turn, end: TurnEnd, then: () => void): void {
    if (this.turn !== turn) return;
    turn.take();
    const now = this.now();
    const entries = [...this.asks.cancelAll(now, 'agent'), ...this.log.endTurn(end, now)];
    this.turn = null;
    this.unfinished.now([]);
    this.activity = null;
    this.error = end.state === 'failed' ? end.error : null;
    this.host.touch();
    if (end.state === 'completed') this.host.signedIn();
    this.tell(entries);
    this.events.ended(end);
    turn.end();
    then();
    this.events.state();
  }

  /** The reason of a refusal, when the turn in which it was given has ended. */
  private followUp(link: Link, agentId: string): void {
    const reasons = this.followUps.splice(0);
    if (reasons.length === 0 || link.exit !== null) return;
    this.begin(link, agentId, { text: reasons.join('\n\n'), attachments: [] }, crypto.randomUUID()).catch((error: unknown) => {
      this.notice('warning', 'reason_not_sent', `The reason for your refusal did not reach the agent: ${describeError(error)}`, 'Send it as a message.');
    });
  }

  private watchStray(): void {
    this.stray?.cancel();
    this.stray = this.host.context.clock.setTimeout(() => this.flushStray(), strayMs);
  }
  private flushStray(): void {
    this.stray?.cancel();
    this.stray = null;
    const entries = this.turn === null ? this.log.flush() : [];
    if (entries.length > 0) this.tell(entries);
  }

  private now(): number {
    return this.host.context.clock.now();
  }
}
