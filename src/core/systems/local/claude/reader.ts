import type { Prompt } from '../../../model/backend.ts';
import type { Entry, PermissionOutcome, TurnState, UsageFigures } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { canonicalJson, isJsonObject } from '../../../model/json.ts';
import type { Activity } from '../../../model/session.ts';
import { StreamedBlocks } from './blocks.ts';
import { Meter } from './meter.ts';
import type { Place } from './normalise.ts';
import { assistantEntries, cancelledResult, commandOutput, compactedNotice, promptEntry, resultEntries, revs, rowOf, taskNotice, userKind } from './normalise.ts';
import type { Answer, Ask } from './permissions.ts';
import { askOf } from './permissions.ts';
import { Pulse } from './pulse.ts';
import { Sheet } from './sheet.ts';
import { editedFile } from './tools.ts';
import { Turns } from './turns.ts';
import type { AskLine, AssistantLine, ResultLine, UserLine } from './wire.ts';
import { ignoredSystem, ignoredTypes, list, num, obj, readAsk, readAssistant, readResult, readUser, str } from './wire.ts';

/** What happens besides entries. */
export interface ReaderEvents {
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

interface Call {
  readonly name: string;
  readonly input: JsonValue;
  readonly title: string;
  readonly place: Place;
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
  readonly #asks = new Map<string, Ask>();
  readonly #calls = new Map<string, Call>();
  readonly #denied = new Set<string>();
  /** Calls whose permission was withdrawn by an interrupt: the agent words it as a refusal of the person. */
  readonly #withdrawn = new Set<string>();
  /** Tasks by id; true: one that goes on behind the turns. */
  readonly #tasks = new Map<string, boolean>();
  model: string | null = null;

  /** @param options `costBefore`: total that the transcript tells of before this process, in dollars. */
  constructor(options: { readonly folder: string; readonly events: ReaderEvents; readonly costBefore?: number }) {
    this.#folder = options.folder;
    this.#events = options.events;
    this.#turns = new Turns(this.#sheet, this.#pulse, (uuid) => options.events.onTaken(uuid));
    this.#blocks = new StreamedBlocks(options.folder);
    this.#meter = new Meter(options.costBefore ?? 0);
  }

  get running(): boolean {
    return this.#turns.running;
  }
  get activity(): Activity | null {
    return this.#pulse.activity;
  }
  get asks(): readonly Ask[] {
    return [...this.#asks.values()];
  }
  get usage(): UsageFigures | null {
    return this.#meter.session;
  }
  /** True while something that the agent started goes on behind the turns. */
  get busyBehind(): boolean {
    return [...this.#tasks.values()].includes(true);
  }
  /** True while a tool runs: then it is worth knowing which processes are its own. */
  get toolRuns(): boolean {
    return this.#calls.size > this.#asks.size;
  }
  ask(requestId: string): Ask | null {
    return this.#asks.get(requestId) ?? null;
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
    const callId = this.#asks.get(requestId)?.callId ?? null;
    if (callId !== null && answer.outcome === 'denied') this.#denied.add(callId);
    this.#close(requestId, answer.outcome, 'person', at, answer);
    this.#pulse.heard(at);
  }

  /** We asked the agent to break the turn off. */
  interrupting(): void {
    this.#turns.interrupted = true;
  }

  /** The process ended: what was open is closed, so that nothing seems to go on. `error` null: it was stopped on purpose. */
  ended(error: { readonly text: string; readonly remedy: string } | null, at: number): void {
    this.#sheet.add(...this.#blocks.abandon(true));
    for (const ask of this.#asks.keys()) this.#close(ask, error === null ? 'withdrawn' : 'lost', 'agent', at);
    for (const [callId, call] of this.#calls) this.#sheet.add(cancelledResult(callId, this.#sheet.place(at, { parent: call.place.parent })));
    this.#calls.clear();
    this.#tasks.clear();
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
        this.#close(str(value, 'request_id') ?? '', 'withdrawn', 'agent', at);
        return true;
      case 'command_lifecycle':
        this.#turns.lifecycle(str(value, 'command_uuid') ?? '', str(value, 'state') ?? '', at);
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
    const place = this.#sheet.linePlace(line, at);
    for (const entry of assistantEntries(line, place, this.#folder, (own, position) => this.#blocks.close(own, position))) {
      // A block stands where it began to stream.
      const began = this.#blocks.began(entry.row);
      this.#sheet.add(began === null ? entry : { ...entry, order: began.order, at: began.at });
      if (entry.kind === 'tool') {
        this.#calls.set(entry.callId, { name: entry.name, input: entry.input, title: entry.title, place });
        if (top) this.#pulse.set('tool', at, entry.title);
      }
      if (entry.kind === 'notice' && entry.level === 'error') {
        this.#turns.error = entry.text;
        if (entry.code === 'login_failed') this.#events.onLoginFailed(entry.text);
      }
    }
  }

  #user(line: UserLine, at: number): void {
    if (line.uuid !== null && this.#turns.isOurs(line.uuid)) {
      this.#turns.echoed(line.uuid, at);
      return;
    }
    const kind = userKind(line);
    const place = this.#sheet.linePlace(line, at);
    switch (kind.is) {
      case 'results':
        for (const result of resultEntries(line, place, (callId) => this.#denied.has(callId))) {
          const call = this.#calls.get(result.callId);
          this.#calls.delete(result.callId);
          const file = call === undefined || result.status !== 'ok' ? null : editedFile(call.name, call.input);
          if (file !== null) this.#turns.changed(file);
          this.#sheet.add(this.#withdrawn.has(result.callId) && result.status === 'denied' ? { ...result, status: 'cancelled' } : result);
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
        this.#sheet.add(taskNotice(kind, place));
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
        this.#tasks.set(str(value, 'task_id') ?? '', value['is_backgrounded'] === true);
        return true;
      case 'task_notification':
        this.#taskEnded(value, at);
        return true;
      case 'background_tasks_changed': {
        const going = new Set(list(value, 'tasks').filter(isJsonObject).map((task) => str(task, 'task_id') ?? ''));
        for (const id of going) this.#tasks.set(id, true);
        return true;
      }
      default:
        return ignoredSystem.has(subtype);
    }
  }

  #taskEnded(value: JsonObject, at: number): void {
    const taskId = str(value, 'task_id') ?? '';
    const behind = this.#tasks.get(taskId) === true;
    this.#tasks.delete(taskId);
    if (!behind) return;
    const status = str(value, 'status');
    this.#sheet.add(taskNotice({ taskId, summary: str(value, 'summary') ?? 'A background task ended.', failed: status !== null && status !== 'completed' }, this.#sheet.place(at)));
  }

  #mode(value: JsonObject): void {
    const mode = str(value, 'permissionMode');
    if (mode !== null) this.#events.onMode(mode);
  }

  #request(line: AskLine, at: number): void {
    if (line.request.subtype !== 'can_use_tool') {
      this.#events.onRefuse(line.request_id, line.request.subtype);
      return;
    }
    const callId = line.request.tool_use_id ?? this.#matchCall(line.request.tool_name ?? '', line.request.input ?? {});
    const call = callId === null ? undefined : this.#calls.get(callId);
    const plan = isJsonObject(call?.input) ? str(call.input, 'plan') : null;
    const ask = askOf(line, { callId, plan }, this.#sheet.place(at, { parent: call?.place.parent ?? null }), this.#folder);
    this.#asks.set(ask.requestId, ask);
    this.#sheet.add(ask.entry);
    this.#pulse.set('waiting', at, ask.title);
    this.#events.onAsk(ask);
  }

  /** The call that a request without an id is about (1.0): the newest open one of that name and input. */
  #matchCall(tool: string, input: JsonObject): string | null {
    const wanted = canonicalJson(input);
    for (const [callId, call] of [...this.#calls].reverse()) if (call.name === tool && canonicalJson(call.input) === wanted) return callId;
    return null;
  }

  #close(requestId: string, outcome: PermissionOutcome, by: 'person' | 'agent', at: number, answer?: Answer): void {
    const ask = this.#asks.get(requestId);
    if (ask === undefined) return;
    this.#asks.delete(requestId);
    if (outcome === 'withdrawn' && ask.callId !== null) this.#withdrawn.add(ask.callId);
    this.#sheet.add({
      ...this.#sheet.place(at, { parent: ask.entry.parent }), kind: 'answer', id: `answer:${requestId}`, row: rowOf.ask(requestId), requestId, outcome, by,
      reason: answer?.reason ?? null, answers: answer?.answers ?? {},
    });
    const next = this.#asks.values().next().value;
    const [call] = this.#calls.values();
    if (next !== undefined) this.#pulse.set('waiting', at, next.title);
    else this.#pulse.set(call === undefined ? 'thinking' : 'tool', at, call?.title ?? null);
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
    for (const ask of this.#asks.keys()) this.#close(ask, 'withdrawn', 'agent', at);
    this.#calls.clear();
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
