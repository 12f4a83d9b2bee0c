import type { Entry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Call } from './calls.ts';
import { agentCall, callOf, hasItem, isShell, outcomeOf, outputOf, rowless } from './calls.ts';
import { TurnFiles } from './changes.ts';
import type { Place } from './entries.ts';
import { agentRow, commandFacts, entriesOf, oneLine, resultEntry, rev, startedBy, toolEntry } from './entries.ts';
import type { CodexItem, UnknownItem } from './item.ts';
import { readChange, readItem, readRolloutItem } from './item.ts';
import { todoEntry, turnEnd, turnFigures, turnStart, usageEntries, usedBefore } from './turns.ts';
import type { WireError, WireTokens, WireTokenUsage } from './wire.ts';
import { planSchema, read } from './wire.ts';

interface ReadTurn {
  readonly id: string;
  readonly files: TurnFiles;
  readonly open: Map<string, { readonly call: Call; readonly place: Place }>;
  aborted: boolean;
  ended: boolean;
  before: WireTokens | null;
  usage: WireTokenUsage | null;
  error: WireError | null;
  todo: { readonly place: Place; version: number } | null;
  plan: { readonly call: string; readonly args: JsonValue } | null;
  last: number;
}

/**
 * Lines of a rollout file → entries, as `ThreadLog` makes them of the wire: with the same ids, so that both make one transcript. Pure but for its own
 * state; no line makes it throw, and lines of internal types are passed over. Two formats: `paginated` (Codex 0.169) holds every finished item as
 * `item_completed`; `legacy` holds the calls and messages of the model, and a few events. Read it from the beginning of a turn.
 */
export class RolloutLog {
  readonly #paginated: boolean;
  readonly #parent: string | null;
  readonly #from: number;
  readonly #subagents = new Map<string, string>();
  /** Subagents that were started and have not ended, with where their rows stand. */
  readonly #agents = new Map<string, Place>();
  #turn: ReadTurn | null = null;
  #cwd = '';

  /** `parent`: row within which all of it happens (a subagent's). `from`: ordinal of the first line that is the thread's own; before it stands what it inherited. */
  constructor(options: { readonly paginated: boolean; readonly parent?: string; readonly from?: number }) {
    this.#paginated = options.paginated;
    this.#parent = options.parent ?? null;
    this.#from = options.from ?? 0;
  }

  /** Threads of the subagents that were started, each with the row that it belongs to. */
  get subagents(): ReadonlyMap<string, string> {
    return this.#subagents;
  }

  /** True between the beginning of a turn and its end. */
  get running(): boolean {
    return this.#turn !== null && !this.#turn.ended;
  }

  /** One line, which begins at byte `offset` of the (uncompressed) file. */
  push(line: string, offset: number): Entry[] {
    const record = parse(line);
    const payload = record?.['payload'];
    if (record === null || !isJsonObject(payload) || (this.#from > 0 && typeof record['ordinal'] === 'number' && record['ordinal'] < this.#from)) return [];
    const time = Date.parse(typeof record['timestamp'] === 'string' ? record['timestamp'] : '');
    const at = Number.isFinite(time) ? time : (this.#turn?.last ?? 0);
    const before = this.#turn;
    const entries = this.#line(record['type'] ?? null, payload, at, offset);
    if (before !== null && before === this.#turn) before.last = at;
    return entries.map((entry) => (entry.rev === rev.whole ? { ...entry, rev: rev.written } : entry));
  }

  #line(type: JsonValue, payload: JsonObject, at: number, offset: number): Entry[] {
    switch (type) {
      case 'event_msg': return this.#event(payload, at, offset);
      case 'response_item': return this.#response(payload, at, offset);
      case 'turn_context':
        this.#cwd = typeof payload['cwd'] === 'string' ? payload['cwd'] : this.#cwd;
        return [];
      case 'compacted': return this.#paginated ? [] : this.#show(readItem({ type: 'contextCompaction', id: `compacted@${offset}` }), at, offset);
      default: return [];
    }
  }

  /** Nothing follows, and nobody is at it: what is open was broken off. `agentsGoOn`: subagents that outlived their turn may still be at it. */
  finish(options: { readonly agentsGoOn?: boolean } = {}): Entry[] {
    if (this.#turn === null || this.#turn.ended) return options.agentsGoOn === true ? [] : this.#endAgents();
    return this.#close('cancelled', null, null, { order: [this.#turn.last, Number.MAX_SAFE_INTEGER], at: this.#turn.last, turn: this.#turn.id, parent: this.#parent }, rev.cut);
  }

  #place(at: number, offset: number, turn: string | null = this.#turn?.id ?? null): Place {
    return { order: [at, offset], at, turn, parent: this.#parent };
  }

  #event(payload: JsonObject, at: number, offset: number): Entry[] {
    switch (payload['type']) {
      case 'task_started':
      case 'turn_started':
        return this.#begin(payload, at, offset);
      case 'task_complete':
      case 'turn_complete': {
        const failure = payload['error'];
        const error = isJsonObject(failure) ? errorOf(failure) : null;
        return this.#close(error === null ? 'completed' : 'failed', error, payload, this.#place(at, offset), rev.whole);
      }
      case 'turn_aborted': return this.#close('cancelled', null, payload, this.#place(at, offset), rev.whole);
      case 'error':
        if (this.#turn !== null) this.#turn.error = errorOf(payload);
        return [];
      case 'token_count': return this.#usage(payload, at, offset);
      case 'item_completed': return this.#item(payload, at, offset);
      // Written by the old format, for what `item_completed` tells in the other.
      case 'sub_agent_activity': {
        const began = payload['occurred_at_ms'];
        return this.#show(readRolloutItem({ ...payload, type: 'SubAgentActivity', id: payload['event_id'] ?? `@${offset}` }), typeof began === 'number' ? began : at, offset);
      }
      default: return this.#paginated ? [] : this.#legacyEvent(payload, at, offset);
    }
  }

  #begin(payload: JsonObject, at: number, offset: number): Entry[] {
    const broken = this.#turn === null || this.#turn.ended ? [] : this.finish();
    const id = typeof payload['turn_id'] === 'string' && payload['turn_id'] !== '' ? payload['turn_id'] : `@${offset}`;
    this.#turn = { id, files: new TurnFiles(), open: new Map(), aborted: false, ended: false, before: null, usage: null, error: null, todo: null, plan: null, last: at };
    return this.#parent === null ? [...broken, turnStart(id, this.#place(at, offset))] : broken;
  }

  #close(state: 'completed' | 'failed' | 'cancelled', error: WireError | null, payload: JsonObject | null, place: Place, version: number): Entry[] {
    const turn = this.#turn;
    if (turn === null || turn.ended) return [];
    const duration = payload?.['duration_ms'];
    turn.ended = true;
    turn.aborted = state === 'cancelled';
    const entries: Entry[] = [];
    if (state !== 'completed') for (const { call, place: where } of turn.open.values()) entries.push(resultEntry(call.id, { status: 'cancelled', output: '' }, where, rev.call));
    // Subagents outlive a turn that was completed, and no other.
    if (state !== 'completed') entries.push(...this.#endAgents());
    if (this.#parent !== null) return entries;
    const figures = turn.usage === null ? null : turnFigures(turn.usage, turn.before ?? usedBefore(turn.usage));
    return [...entries, ...turnEnd(turn.id, place, { state, durationMs: typeof duration === 'number' ? duration : null, figures, filesChanged: turn.files.paths, error: error ?? (state === 'failed' ? turn.error : null) }, version)];
  }

  #endAgents(): Entry[] {
    const entries = [...this.#agents].map(([agent, place]) => resultEntry(agentRow(agent), { status: 'cancelled', output: '' }, place, rev.cut));
    this.#agents.clear();
    return entries;
  }

  #usage(payload: JsonObject, at: number, offset: number): Entry[] {
    if (this.#parent !== null) return [];
    const info = payload['info'];
    const usage = isJsonObject(info) ? usageOf(info) : null;
    if (usage === null) return [];
    const before = this.#turn?.before ?? usedBefore(usage);
    if (this.#turn !== null) {
      this.#turn.before = before;
      this.#turn.usage = usage;
    }
    return usageEntries(usage, this.#turn?.id ?? null, before, this.#place(at, offset), at);
  }

  #item(payload: JsonObject, at: number, offset: number): Entry[] {
    const started = payload['started_at_ms'];
    const turn = payload['turn_id'];
    const item = readRolloutItem(payload['item'] ?? null);
    return this.#show(item, typeof started === 'number' && started > 0 ? started : at, offset, typeof turn === 'string' ? turn : undefined);
  }

  #show(item: CodexItem | UnknownItem, at: number, offset: number, turn?: string): Entry[] {
    const aborted = this.#turn?.aborted === true && (turn === undefined || turn === this.#turn.id);
    if (item.id !== null) this.#turn?.open.delete(item.id);
    if (item.type === 'fileChange' && item.status === 'completed') this.#turn?.files.apply(item.changes);
    if (this.#parent !== null && item.type === 'userMessage') return [];
    const place = this.#place(at, offset, turn);
    for (const agent of startedBy(item)) if (!this.#subagents.has(agent.thread)) this.#subagents.set(agent.thread, agent.row);
    if (item.type === 'subAgentActivity') {
      if (item.kind === 'started') this.#agents.set(item.agentThreadId, place);
      else if (item.kind !== 'interacted') this.#agents.delete(item.agentThreadId);
    }
    return entriesOf(item, place, { ended: true, aborted });
  }

  #response(payload: JsonObject, at: number, offset: number): Entry[] {
    const call = callOf(payload);
    if (call !== null) return this.#call(call, at, offset);
    const output = outputOf(payload);
    if (output !== null) return this.#output(output.id, output.text, at, offset);
    if (this.#paginated) return [];
    const id = typeof payload['id'] === 'string' && payload['id'] !== '' ? payload['id'] : `@${offset}`;
    if (payload['type'] === 'message' && payload['role'] === 'assistant') return this.#show(readItem({ type: 'agentMessage', id, text: contentText(payload['content']) }), at, offset);
    if (payload['type'] !== 'reasoning') return [];
    return this.#show(readItem({ type: 'reasoning', id, summary: contentTexts(payload['summary']), content: contentTexts(payload['content']) }), at, offset);
  }

  #call(call: Call, at: number, offset: number): Entry[] {
    if (call.name === 'update_plan' && this.#turn !== null) this.#turn.plan = { call: call.id, args: call.input };
    if (rowless.has(call.name) || (this.#paginated && !hasItem(call))) return [];
    const place = this.#place(at, offset);
    this.#turn?.open.set(call.id, { call, place });
    if (isShell(call)) return [toolEntry(call.id, commandFacts(call.command ?? '', call.cwd ?? this.#cwd, []), place, rev.call)];
    if (call.name === 'apply_patch') {
      const [first] = call.files;
      const title = first === undefined ? 'Change files' : call.files.length === 1 ? first : `${first} and ${call.files.length - 1} more`;
      return [toolEntry(call.id, { name: call.name, verb: 'edit', title: oneLine(title), input: call.input, locations: call.files.map((path) => ({ path, line: null })) }, place, rev.call)];
    }
    const agents = agentCall(call, 'inProgress');
    if (agents !== null) return entriesOf(readItem(agents), place, { ended: false, aborted: false });
    return [toolEntry(call.id, { name: call.name, verb: 'other', title: oneLine(call.name), input: call.input }, place, rev.call)];
  }

  #output(id: string, text: string, at: number, offset: number): Entry[] {
    const turn = this.#turn;
    if (turn?.plan?.call === id) {
      const plan = read(planSchema, turn.plan.args);
      turn.plan = null;
      if (plan === null || this.#parent !== null || plan.plan.length === 0 || text.startsWith('unsupported call')) return [];
      turn.todo ??= { place: this.#place(at, offset), version: 0 };
      turn.todo.version += 1;
      return [todoEntry(turn.id, plan.plan, turn.todo.place, turn.todo.version)];
    }
    const known = turn?.open.get(id);
    if (known === undefined) return [];
    turn?.open.delete(id);
    const agents = agentCall(known.call, 'completed');
    if (agents !== null) return entriesOf(readItem(agents), known.place, { ended: true, aborted: false });
    const outcome = hasItem(known.call) ? outcomeOf(text) : { status: 'ok' as const, output: text, exitCode: null, durationMs: null };
    return [resultEntry(id, outcome, known.place, rev.call)];
  }

  #legacyEvent(payload: JsonObject, at: number, offset: number): Entry[] {
    const call = payload['call_id'];
    switch (payload['type']) {
      case 'user_message': {
        const urls = strings(payload['images']).map((url) => ({ type: 'image', url }));
        const files = strings(payload['local_images']).map((path) => ({ type: 'localImage', path }));
        const content = [{ type: 'text', text: payload['message'] ?? '' }, ...urls, ...files];
        return this.#show(readItem({ type: 'userMessage', id: `@${offset}`, clientId: payload['client_id'] ?? null, content }), at, offset);
      }
      case 'patch_apply_end': {
        const changes = isJsonObject(payload['changes']) ? Object.entries(payload['changes']).map(([path, value]) => readChange(path, value)) : [];
        const status = payload['status'] ?? (payload['success'] === false ? 'failed' : 'completed');
        return typeof call === 'string' ? this.#show(readItem({ type: 'fileChange', id: call, changes, status, stderr: payload['stderr'] ?? null }), at, offset) : [];
      }
      case 'exec_command_end': return typeof call === 'string' ? this.#show(readRolloutItem({ ...payload, type: 'CommandExecution', id: call, status: payload['status'] ?? (payload['exit_code'] === 0 ? 'completed' : 'failed') }), at, offset) : [];
      case 'mcp_tool_call_end': {
        const invocation: JsonObject = isJsonObject(payload['invocation']) ? payload['invocation'] : {};
        const result: JsonObject = isJsonObject(payload['result']) ? payload['result'] : {};
        const error = typeof result['Err'] === 'string' ? { message: result['Err'] } : null;
        return typeof call === 'string' ? this.#show(readRolloutItem({ type: 'mcpToolCall', id: call, server: invocation['server'] ?? '', tool: invocation['tool'] ?? '', arguments: invocation['arguments'] ?? null, status: error === null ? 'completed' : 'failed', result: result['Ok'] ?? null, error, duration: payload['duration'] ?? null }), at, offset) : [];
      }
      case 'web_search_end': return typeof call === 'string' ? this.#show(readItem({ type: 'webSearch', id: call, query: payload['query'] ?? '', action: payload['action'] ?? null, results: null }), at, offset) : [];
      case 'view_image_tool_call': return typeof call === 'string' ? this.#show(readItem({ type: 'imageView', id: call, path: payload['path'] ?? '' }), at, offset) : [];
      case 'entered_review_mode':
      case 'exited_review_mode':
        return this.#show(readItem({ type: payload['type'] === 'entered_review_mode' ? 'enteredReviewMode' : 'exitedReviewMode', id: `@${offset}`, review: payload['user_facing_hint'] ?? '' }), at, offset);
      default: return [];
    }
  }
}

/** A line of a rollout as an object; null for what is none. */
export function parse(line: string): JsonObject | null {
  try {
    const value = JSON.parse(line) as JsonValue;
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

function errorOf(fields: JsonObject): WireError {
  return { message: typeof fields['message'] === 'string' ? fields['message'] : 'The turn failed.', codexErrorInfo: fields['codex_error_info'] ?? null, additionalDetails: null };
}

/** Token counts of a `token_count` event. */
export function usageOf(info: JsonObject): WireTokenUsage | null {
  const total = tokens(info['total_token_usage']);
  const window = info['model_context_window'];
  return total === null ? null : { total, last: tokens(info['last_token_usage']), modelContextWindow: typeof window === 'number' ? window : null };
}
function tokens(value: JsonValue | undefined): WireTokens | null {
  if (!isJsonObject(value)) return null;
  const pick = (key: string): number | null => (typeof value[key] === 'number' ? value[key] : null);
  return { totalTokens: pick('total_tokens'), inputTokens: pick('input_tokens'), cachedInputTokens: pick('cached_input_tokens'), outputTokens: pick('output_tokens') };
}

function strings(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((one: JsonValue): one is string => typeof one === 'string') : [];
}
function contentTexts(content: JsonValue | undefined): string[] {
  if (!Array.isArray(content)) return [];
  return content.flatMap((part: JsonValue) => (isJsonObject(part) && typeof part['text'] === 'string' ? [part['text']] : []));
}
function contentText(content: JsonValue | undefined): string {
  return contentTexts(content).join('');
}
