import type { Prompt } from '../../../model/backend.ts';
import type { Entry, TurnState, UsageFigures } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Activity, UsageLimit } from '../../../model/session.ts';
import { Asks } from './asks.ts';
import { Behind } from './behind.ts';
import { StreamedBlocks } from './blocks.ts';
import { Calls } from './calls.ts';
import { Meter } from './meter.ts';
import type { Place, TaskEnd } from './normalise.ts';
import { assistantEntries, commandOutput, compactedNotice, launchedCalls, promptEntry, resultEntries, revs, taskEntries, userKind } from './normalise.ts';
import type { Answer, Ask } from './permissions.ts';
import { Pulse } from './pulse.ts';
import { Sheet } from './sheet.ts';
import type { TodoBook } from './todos.ts';
import { TodoBooks } from './todos.ts';
import { editedFile } from './tools.ts';
import { Turns } from './turns.ts';
import type { AskLine, AssistantLine, ResultLine, UserLine } from './wire.ts';
import type { PlanLimit } from '../../../model/usage.ts';
import { claudeLimit, claudePlan } from '../limits.ts';
import { ignoredSystem, ignoredTypes, list, num, obj, readAsk, readAssistant, readResult, readUser, str } from './wire.ts';

/** What happens besides entries. */
interface ReaderEvents {
  /** The agent has the prompt: it is queued or taken up. */
  onTaken(uuid: string): void;
  onAsk(ask: Ask): void;
  onTurnEnd(state: TurnState, error: string | null): void;
  onTitle(title: string): void;
  onMode(mode: string): void;
  /** The agent says that nobody is signed in. */
  onLoginFailed(text: string): void;
  /** A request of the agent that we do not serve. */
  onRefuse(requestId: string, subtype: string): void;
}

/**
 * Turns the stdout of one Claude Code process into entries. Pure: no I/O and no clock of its own; every call brings its time (milliseconds since the epoch).
 * Entries gather until `flush`.
 */
export class ClaudeReader {
  readonly #folder: string;
  readonly #events: ReaderEvents;
  readonly #sheet = new Sheet();
  readonly #pulse = new Pulse(this.#sheet);
  readonly #turns: Turns;
  readonly #blocks: StreamedBlocks;
  readonly #meter: Meter;
  #limit: UsageLimit | null = null;
  #plan: { readonly at: number; readonly limits: readonly PlanLimit[] } | null = null;
  readonly #calls = new Calls();
  readonly #asks: Asks;
  readonly #todos: TodoBooks;
  readonly #behind = new Behind();
  model: string | null = null;

  /** @param options `costBefore`, `todos`: what the transcript tells of before this process, the total in dollars and the to-do list. */
  constructor(options: { readonly folder: string; readonly events: ReaderEvents; readonly costBefore?: number; readonly todos?: TodoBook }) {
    this.#folder = options.folder;
    this.#events = options.events;
    this.#turns = new Turns(this.#sheet, this.#pulse, (uuid) => options.events.onTaken(uuid));
    this.#blocks = new StreamedBlocks(options.folder);
    this.#meter = new Meter(options.costBefore ?? 0);
    this.#asks = new Asks({ folder: options.folder, sheet: this.#sheet, pulse: this.#pulse, calls: this.#calls });
    this.#todos = new TodoBooks(options.todos);
  }

  get running(): boolean {
    return this.#turns.running;
  }
  get activity(): Activity | null {
    return this.#pulse.activity;
  }
  /** The limit of the person's plan that is reached. */
  get limit(): UsageLimit | null {
    return this.#limit;
  }
  /** The limits of the person's plan, as they were told last, and when; null before they were. */
  get plan(): { readonly at: number; readonly limits: readonly PlanLimit[] } | null {
    return this.#plan;
  }
  get asks(): readonly Ask[] {
    return this.#asks.open;
  }
  get usage(): UsageFigures | null {
    return this.#meter.session;
  }
  /** True while something that the agent started goes on behind the turns. */
  get busyBehind(): boolean {
    return this.#behind.busy;
  }
  /** True while a tool runs: then it is worth knowing which processes are its own. */
  get toolRuns(): boolean {
    return this.#calls.size > this.#asks.size;
  }
  ask(requestId: string): Ask | null {
    return this.#asks.get(requestId);
  }

  /** Entries since the last flush, in the order in which they came. */
  flush(): Entry[] {
    return this.#sheet.flush();
  }

  /** A prompt is about to go to the agent. It is shown once the agent has it: when it says so, or the pipe took it (`written`). */
  sent(prompt: Prompt, uuid: string, at: number): void {
    this.#turns.sent(prompt, uuid, at);
  }
  written(uuid: string): void {
    this.#turns.written(uuid);
  }

  /** One message of stdout. */
  accept(value: JsonValue, at: number): void {
    this.#pulse.heard(at);
    const type = isJsonObject(value) ? str(value, 'type') : null;
    if (!isJsonObject(value) || type === null || !this.#known(type, value, at)) this.#sheet.unknown(type, value, at);
  }

  /** A line that is no JSON. */
  garbage(text: string, at: number): void {
    this.#sheet.unknown('text', { text: text.slice(0, 10_000) }, at);
  }

  /** The person's answer went to the agent. */
  answered(requestId: string, answer: Answer, at: number): void {
    this.#asks.answered(requestId, answer, at);
    this.#pulse.heard(at);
  }

  /** We asked the agent to break the turn off. */
  interrupting(): void {
    this.#turns.interrupted = true;
  }

  /** The process ended: what was open is closed, so that nothing seems to go on. `error` null: it was stopped on purpose. */
  ended(error: { readonly text: string; readonly remedy: string } | null, at: number): void {
    this.#sheet.add(...this.#blocks.abandon(true));
    this.#asks.closeAll(error === null ? 'withdrawn' : 'lost', at);
    this.#calls.cancel(this.#sheet, at);
    this.#behind.clear();
    if (error !== null) this.#sheet.notice(`died:${at}`, 'error', 'process_died', error.text, at, { remedy: error.remedy });
    this.#endTurn(error === null ? 'cancelled' : 'failed', error?.text ?? null, null, at);
    this.#turns.drop();
    this.#pulse.rest();
  }

  /** Time went by: true when the model has just become silent for too long. */
  tick(at: number): boolean {
    return this.running && this.#asks.size === 0 && this.#calls.size === 0 && this.#pulse.tick(at);
  }

  #known(type: string, value: JsonObject, at: number): boolean {
    switch (type) {
      case 'stream_event':
        this.#stream(value, at);
        return true;
      case 'assistant':
        return handed(readAssistant(value), (line) => this.#assistant(line, at));
      case 'user':
        return handed(readUser(value), (line) => this.#user(line, at));
      case 'result':
        return handed(readResult(value), (line) => this.#result(line, at));
      case 'control_request':
        return handed(readAsk(value), (line) => this.#request(line, at));
      case 'system':
        return this.#system(str(value, 'subtype') ?? '', value, at);
      case 'control_cancel_request':
        this.#asks.close(str(value, 'request_id') ?? '', 'withdrawn', 'agent', at);
        return true;
      case 'command_lifecycle':
        this.#turns.lifecycle(str(value, 'command_uuid') ?? '', str(value, 'state') ?? '', at);
        return true;
      case 'rate_limit_event':
        this.#limit = claudeLimit(obj(value, 'rate_limit_info'));
        this.#plan = { at, limits: claudePlan(obj(value, 'rate_limit_info')) };
        return true;
      default:
        return ignoredTypes.has(type);
    }
  }

  #stream(value: JsonObject, at: number): void {
    const event = obj(value, 'event');
    if (event === null || str(value, 'parent_tool_use_id') !== null) return;
    switch (str(event, 'type')) {
      case 'message_start': {
        const message = obj(event, 'message');
        this.#turns.begin(at, null);
        this.#sheet.add(...this.#blocks.abandon(false));
        this.#blocks.start(str(message, 'id') ?? '');
        this.#turns.named(this.#blocks.messageId);
        this.#meter.request(obj(message, 'usage'));
        this.#pulse.answers(at);
        return;
      }
      case 'content_block_start':
        this.#sheet.add(...this.#blocks.open(event, this.#sheet.place(at)));
        return;
      case 'content_block_delta': {
        const channel = this.#blocks.delta(event, this.#sheet);
        if (channel !== null) this.#pulse.set(channel === 'text' ? 'answering' : 'thinking', at);
        return;
      }
      case 'message_stop':
        // An interrupt leaves them behind, or the agent asks the model again for them.
        if (obj(value, 'abandoned_blocks') !== null) this.#sheet.add(...this.#blocks.abandon(this.#turns.interrupted));
        return;
      case 'message_delta':
        this.#meter.progress(obj(event, 'usage'));
        this.#pushUsage(at);
        return;
      default:
    }
  }

  #pushUsage(at: number): void {
    const figures = this.#meter.session;
    if (figures !== null) this.#sheet.add({ ...this.#sheet.place(at, { rev: revs.moment(at, true) }), kind: 'usage', id: 'usage', row: null, scope: 'session', figures });
  }

  #assistant(line: AssistantLine, at: number): void {
    const top = line.parentToolId === null;
    if (top) {
      this.#turns.begin(at, null);
      this.#turns.named(line.messageId);
      if (line.model !== null && line.model !== '<synthetic>') this.model = line.model;
    }
    const place = this.#place(line, at);
    for (const entry of assistantEntries(line, place, this.#folder, (own, position) => this.#blocks.close(own, position))) {
      // A block stands where it began to stream.
      const began = this.#blocks.began(entry.row);
      const placed = began === null ? entry : { ...entry, order: began.order, at: began.at };
      this.#sheet.add(placed);
      if (placed.kind === 'tool') {
        this.#calls.open(placed);
        this.#todos.called(placed);
        if (top) this.#pulse.set('tool', at, placed.title);
      }
      if (entry.kind === 'notice' && entry.level === 'error') {
        this.#turns.error = entry.text;
        if (entry.code === 'login_failed') this.#events.onLoginFailed(entry.text);
      }
    }
  }

  /** What a subagent does is part of the turn in which it was called, though that may be over. */
  #place(line: AssistantLine | UserLine, at: number): Place {
    const place = this.#sheet.linePlace(line, at);
    return line.parentToolId === null ? place : { ...place, turn: this.#calls.turnOf(line.parentToolId) ?? place.turn };
  }

  #user(line: UserLine, at: number): void {
    if (line.uuid !== null && this.#turns.isOurs(line.uuid)) {
      this.#turns.echoed(line.uuid, at);
      return;
    }
    const kind = userKind(line);
    const place = this.#place(line, at);
    switch (kind.is) {
      case 'results':
        for (const callId of launchedCalls(line)) this.#calls.launch(callId);
        for (const came of resultEntries(line, place, (callId) => this.#calls.isDenied(callId))) {
          const { call, result } = this.#calls.close(came);
          const file = call === null || result.status !== 'ok' ? null : editedFile(call.name, call.input);
          if (file !== null && call?.turn === this.#sheet.turn) this.#turns.changed(file);
          this.#sheet.add(result);
          const todos = this.#todos.came(result, line.facts(result.callId).detail, place);
          if (todos !== null) this.#sheet.add(todos);
        }
        if (this.#calls.size === 0 && this.running) this.#pulse.set('thinking', at);
        return;
      case 'interrupted':
        this.#turns.interrupted = true;
        return;
      case 'output':
        if (kind.text !== '') this.#sheet.add(commandOutput(kind.text, { ...place, id: line.uuid ?? `output:${at}` }));
        return;
      case 'task':
        this.#taskEnded(kind, place);
        return;
      case 'prompt':
        // A subagent's prompt is the input of its tool; any other comes from another client of this process.
        if (line.parentToolId === null && line.uuid !== null && line.replay) this.#sheet.add(promptEntry(line.uuid, kind.text, kind.attachments, null, place));
        return;
      case 'internal':
    }
  }

  #system(subtype: string, value: JsonObject, at: number): boolean {
    switch (subtype) {
      case 'init': {
        const [uuid] = list(value, 'user_message_uuids');
        this.model = str(value, 'model') ?? this.model;
        this.#turns.begin(at, typeof uuid === 'string' ? uuid : null);
        this.#mode(value);
        return true;
      }
      case 'status':
        if (str(value, 'status') === 'compacting') this.#pulse.set('compacting', at);
        if (str(value, 'status') === 'requesting') this.#turns.begin(at, null);
        this.#mode(value);
        return true;
      case 'thinking_tokens':
        this.#pulse.set('thinking', at);
        return true;
      case 'api_retry':
        this.#sheet.add(...this.#blocks.abandon(false));
        this.#pulse.retrying(value, at);
        return true;
      case 'compact_boundary': {
        const meta = obj(value, 'compact_metadata');
        this.#sheet.add(compactedNotice(str(value, 'uuid') ?? `compact:${at}`, num(meta, 'pre_tokens'), num(meta, 'post_tokens'), this.#sheet.place(at)));
        this.#meter.compacted(num(meta, 'post_tokens'));
        this.#pushUsage(at);
        return true;
      }
      case 'session_title_changed':
        this.#events.onTitle(str(value, 'title') ?? '');
        return true;
      case 'task_started':
        this.#behind.started(value);
        return true;
      case 'task_notification': {
        const end = this.#behind.ended(value);
        if (end !== null) this.#taskEnded(end, this.#sheet.place(at));
        return true;
      }
      case 'background_tasks_changed':
        this.#behind.changed(value);
        return true;
      default:
        return ignoredSystem.has(subtype);
    }
  }

  #taskEnded(end: TaskEnd, place: Place): void {
    if (end.callId !== null) this.#calls.drop(end.callId);
    this.#sheet.add(...taskEntries(end, place));
  }

  #mode(value: JsonObject): void {
    const mode = str(value, 'permissionMode');
    if (mode !== null) this.#events.onMode(mode);
  }

  #request(line: AskLine, at: number): void {
    if (line.request.subtype === 'can_use_tool') this.#events.onAsk(this.#asks.ask(line, at));
    else this.#events.onRefuse(line.request_id, line.request.subtype);
  }

  #result(line: ResultLine, at: number): void {
    this.#meter.result(line);
    const words = line.result ?? line.errors.filter((error) => !error.startsWith('[ede_diagnostic]')).join(' ');
    const cancelled = line.terminal_reason?.startsWith('aborted') === true || (line.subtype === 'error_during_execution' && this.#turns.interrupted);
    const failed = line.is_error || line.subtype !== 'success';
    const state: TurnState = cancelled ? 'cancelled' : failed ? 'failed' : 'completed';
    const error = state === 'failed' ? (this.#turns.error ?? (words === '' ? `The turn ended: ${line.subtype ?? 'unknown reason'}.` : words)) : null;
    this.#pushUsage(at);
    if (this.running) this.#endTurn(state, error, line.duration_ms, at);
    else this.#events.onTurnEnd(state, error);
  }

  #endTurn(state: TurnState, error: string | null, durationMs: number | null, at: number): void {
    if (!this.running) return;
    this.#sheet.add(...this.#blocks.abandon(true));
    this.#asks.closeAll('withdrawn', at);
    this.#calls.endTurn(this.#sheet, at);
    this.#turns.end(state, error, durationMs, this.#meter.takeTurn(), at);
    this.#events.onTurnEnd(state, error);
  }
}

/** Hands a line that could be read on; false when it could not. */
function handed<T>(line: T | null, take: (line: T) => void): boolean {
  if (line === null) return false;
  take(line);
  return true;
}
