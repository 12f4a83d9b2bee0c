import type { AnswerEntry, Attachment, Entry, PromptEntry, Question, TurnState, UsageFigures } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Notice } from './asides.ts';
import { Asides } from './asides.ts';
import { Blocks } from './blocks.ts';
import { blockOf } from './content.ts';
import { optionsOf, planOf } from './permission.ts';
import type { Base } from './place.ts';
import { Places } from './place.ts';
import { num, obj, oneLine, str } from './read.ts';
import { ToolCall } from './tools.ts';

/** A prompt as it begins a turn or joins one. */
export interface SentPrompt {
  readonly clientId: string;
  readonly text: string;
  readonly attachments: readonly Attachment[];
}
/** What a request for permission came to: its entries, and the id under which it is answered. */
export interface Asked {
  readonly requestId: string;
  readonly entries: Entry[];
}
export interface TurnEnd {
  readonly state: Exclude<TurnState, 'running'>;
  readonly error: string | null;
  readonly figures: UsageFigures | null;
  /** What the tools that did not say their end come to. */
  readonly openTools: 'ok' | 'cancelled';
}
interface HeardPrompt {
  readonly id: string;
  readonly turn: string | null;
  readonly messageId: string | null;
  readonly base: Base;
  text: string;
  files: Attachment[];
  rev: number;
}

/** How claude-agent-acp replays an interruption: as a message of the person, who never wrote it. */
const interruptions: ReadonlySet<string> = new Set(['[Request interrupted by user]', '[Request interrupted by user for tool use]']);
/** Updates that show something. */
const contentKinds: ReadonlySet<string> = new Set(['agent_message_chunk', 'agent_thought_chunk', 'tool_call', 'tool_call_update', 'plan']);

/**
 * Wire of one ACP session → entries. Pure but for its own state: the same calls give the same entries; no clock, no I/O, and no JSON makes it throw.
 * ACP's chunks have no ids of their own (`messageId` is optional), so rows are named by turn and ordinal. Written against schema v1 (SDK 2.4.0) and
 * recordings of claude-agent-acp 0.100 and codex-acp 2.6.
 */
export class SessionLog {
  private readonly replay: boolean;
  private readonly scope: string;
  private readonly places: Places;
  private readonly blocks: Blocks;
  private readonly asides: Asides;
  private readonly tools = new Map<string, ToolCall>();
  private readonly terminals = new Map<string, ToolCall>();
  /** What terminals gave before a tool call named them. */
  private readonly early = new Map<string, { text: string[]; exit: number | null }>();
  private readonly requests = new Map<string, { readonly base: Base; readonly callId: string | null }>();
  private readonly changed = new Set<string>();
  private current: SentPrompt | null = null;
  private began: number | null = null;
  private running = false;
  private cancelled = false;
  private echo = '';
  /** The agent has said something since the last prompt that it told of. */
  private answeredSince = false;
  private heard: HeardPrompt | null = null;
  private replayedTurns = 0;
  private lastTurn: string | null = null;

  /** `scope` names what belongs to no turn; for each run of the program it is another one, for a replay always the same. */
  constructor(options: { readonly scope: string; readonly replay?: boolean }) {
    this.scope = options.scope;
    this.replay = options.replay ?? false;
    this.places = new Places(options.scope, this.replay);
    this.blocks = new Blocks(this.places);
    this.asides = new Asides(this.places);
  }

  /** Text of the last prompt that the agent told of; null when there was none. */
  get lastPrompt(): string | null {
    return this.heard?.text ?? null;
  }

  /** Calls that have not ended. */
  get openTools(): readonly ToolCall[] {
    return [...this.tools.values()].filter((tool) => !tool.done);
  }

  beginTurn(prompt: SentPrompt, now: number): Entry[] {
    const flushed = this.flush();
    const turn = `turn:${prompt.clientId}`;
    this.places.begin(turn);
    this.current = prompt;
    this.began = now;
    this.running = true;
    this.cancelled = false;
    this.echo = '';
    this.changed.clear();
    this.forget();
    const sent = this.prompt(prompt, now);
    const start: Entry = {
      kind: 'turn', id: `${turn}/start`, row: null, ...this.places.next(now), turn, rev: 0, phase: 'start', state: 'running', durationMs: null, figures: null, filesChanged: [], error: null,
    };
    return [...flushed, sent, start];
  }

  /** The agent refused the prompt that began the turn: nothing of it is shown. */
  abandonTurn(): void {
    this.running = false;
    this.current = null;
  }

  /** A prompt that joins the running turn. */
  steered(prompt: SentPrompt, now: number): Entry[] {
    return [...this.flush(), this.prompt(prompt, now)];
  }

  /** From now on what fails was cancelled. */
  cancelling(): void {
    this.cancelled = true;
  }

  endTurn(end: TurnEnd, now: number): Entry[] {
    const { turn } = this.places;
    if (turn === null || !this.running) return this.flush();
    const entries = [...this.flush(), ...this.closeTools(end.openTools, now)];
    this.running = false;
    entries.push(this.turnEnd(turn, end, now, this.places.next(now), 1));
    return entries;
  }

  /** What would close the running turn if this program ended now; empty when none runs. Nothing changes, and every real end replaces it. */
  provisionalEnd(now: number): Entry[] {
    const { turn } = this.places;
    if (turn === null || !this.running) return [];
    const end: TurnEnd = { state: 'cancelled', error: 'Pilothouse was closed while this turn ran.', figures: null, openTools: 'cancelled' };
    const asks = [...this.requests].map(([requestId, { base }]): Entry => ({ kind: 'answer', id: `${requestId}/answer`, row: requestId, rev: 0, ...base, at: now, requestId, outcome: 'lost', by: 'agent', reason: null, answers: {} }));
    return [...this.blocks.provisional(), ...this.openTools.map((tool) => tool.provisional(now)), ...asks, this.turnEnd(turn, end, now, this.places.peek(now), 0)];
  }

  /** The end of a replay: what is still open in it has ended long ago. */
  endReplay(): Entry[] {
    return [...this.flush(), ...this.closeTools('cancelled', 0)];
  }

  /** A file that the agent wrote through us. */
  wrote(path: string): void {
    if (this.running) this.changed.add(path);
  }

  /** Any `update` of a `session/update`. */
  update(update: JsonValue | undefined, now: number): Entry[] {
    if (!isJsonObject(update)) return [this.asides.unknown('update', update ?? null, now)];
    const kind = str(update, 'sessionUpdate') ?? '';
    if (kind !== 'user_message_chunk') this.answeredSince ||= contentKinds.has(kind);
    switch (kind) {
      case 'agent_message_chunk':
        return this.chunk('text', update, now);
      case 'agent_thought_chunk':
        return this.chunk('thinking', update, now);
      case 'user_message_chunk':
        return this.userChunk(update, now);
      case 'tool_call':
      case 'tool_call_update':
        return this.tool(update, now);
      case 'plan':
      case 'plan_update':
        return [this.asides.plan(kind, update, this.parentOf(update), now)];
      case 'usage_update':
        return [this.asides.usage(update, now)];
      case 'notice':
        return [this.asides.agentNotice(update, now)];
      case 'compaction_update':
        return [this.asides.compaction(update, now)];
      // States and pickers, not content: `controls.ts` and `session.ts` take these.
      case 'available_commands_update':
      case 'current_mode_update':
      case 'config_option_update':
      case 'session_info_update':
        return [];
      default:
        return [this.asides.unknown(kind === '' ? 'update' : kind, update, now)];
    }
  }

  /** A `session/request_permission` (schema v1). Its tool call is brought up to date as well. */
  asked(params: JsonObject, now: number): Asked {
    const call = obj(params, 'toolCall') ?? {};
    const entries = this.tool({ ...call, status: null }, now);
    const tool = this.tools.get(str(call, 'toolCallId') ?? '');
    const isPlan = tool?.kind === 'switch_mode';
    const requestId = this.places.name('ask');
    const base = this.places.next(now, tool?.base.parent ?? null);
    this.requests.set(requestId, { base, callId: tool?.callId ?? null });
    entries.push({
      kind: 'permission', id: requestId, row: requestId, rev: 0, ...base, requestId, callId: tool?.callId ?? null, ask: isPlan ? 'plan' : 'tool',
      tool: tool?.name ?? 'tool', title: tool?.title === undefined || tool.title === '' ? 'The agent asks for permission' : tool.title, reason: null,
      input: tool?.input ?? null, command: tool?.command ?? null, cwd: tool?.cwd ?? null, diffs: tool?.diffs ?? [],
      plan: isPlan ? tool.content.text || planOf(tool.input) : null, questions: [], options: optionsOf(params), takesReason: false,
    });
    return { requestId, entries };
  }

  /** A question to the person (`elicitation/create` in form mode, read by `elicit.ts`). */
  questioned(message: string, questions: readonly Question[], callId: string | null, now: number): Asked {
    const requestId = this.places.name('ask');
    const base = this.places.next(now);
    this.requests.set(requestId, { base, callId: null });
    const tool = callId === null ? undefined : this.tools.get(callId);
    const entry: Entry = {
      kind: 'permission', id: requestId, row: requestId, rev: 0, ...base, requestId, callId: tool?.callId ?? null, ask: 'question', tool: tool?.name ?? 'question', title: oneLine(message) || 'The agent has a question',
      reason: null, input: null, command: null, cwd: null, diffs: [], plan: null, questions, options: [], takesReason: false,
    };
    return { requestId, entries: [entry] };
  }

  /** What became of a request. A refusal marks its tool call, which the agent reports as failed only. */
  answered(requestId: string, answer: Pick<AnswerEntry, 'outcome' | 'by' | 'reason' | 'answers'>, now: number): Entry[] {
    const request = this.requests.get(requestId);
    if (request === undefined) return [];
    this.requests.delete(requestId);
    const tool = request.callId === null ? undefined : this.tools.get(request.callId);
    if (tool !== undefined && answer.outcome === 'denied') tool.denied = true;
    else if (tool !== undefined) tool.startedAt = now;
    return [{ kind: 'answer', id: `${requestId}/answer`, row: requestId, rev: 1, ...request.base, at: now, requestId, ...answer }];
  }

  /** Output of a terminal that we run for the agent, or that the agent tells of in `_meta`. */
  terminalOutput(terminalId: string, text: string): Entry[] {
    const tool = this.terminals.get(terminalId);
    if (tool === undefined) {
      const early = this.early.get(terminalId) ?? { text: [], exit: null };
      early.text.push(text);
      this.early.set(terminalId, early);
      return [];
    }
    return tool.append(text);
  }
  terminalExit(terminalId: string, exitCode: number | null, now: number): Entry[] {
    const tool = this.terminals.get(terminalId);
    if (tool === undefined) {
      this.early.set(terminalId, { text: this.early.get(terminalId)?.text ?? [], exit: exitCode });
      return [];
    }
    tool.exitCode = exitCode;
    return this.renewed(tool, now);
  }

  /** A notice of ours; the same `key` again gives a higher version of it. */
  notice(notice: Notice, now: number, key?: string): Entry {
    return this.asides.notice(notice, now, key);
  }

  /** Ends the blocks that are open: the whole text takes the place of its pieces. */
  flush(): Entry[] {
    return this.blocks.close();
  }

  private turnEnd(turn: string, end: TurnEnd, now: number, base: Base, rev: number): Entry {
    return {
      kind: 'turn', id: `${turn}/end`, row: `${turn}/end`, ...base, turn, rev, phase: 'end', state: end.state,
      durationMs: this.began === null ? null : Math.max(0, now - this.began), figures: end.figures, filesChanged: [...this.changed].sort(), error: end.error,
    };
  }

  private prompt(prompt: SentPrompt, now: number): PromptEntry {
    return { kind: 'prompt', id: prompt.clientId, row: prompt.clientId, ...this.places.next(now), rev: 0, text: prompt.text, attachments: prompt.attachments, clientId: prompt.clientId };
  }

  private chunk(channel: 'text' | 'thinking', update: JsonObject, now: number): Entry[] {
    const block = blockOf(update['content']);
    const parent = this.parentOf(update);
    if (block.type === 'unknown') return [this.asides.unknown(str(update, 'sessionUpdate') ?? 'chunk', update, now)];
    if (block.type === 'text') return this.blocks.add(channel, block.text, str(update, 'messageId'), parent, now);
    const id = this.places.name('file');
    return [...this.blocks.close(parent), { kind: 'file', id, row: id, rev: 0, ...this.places.next(now, parent), file: block.file }];
  }

  /** Live it can only be the echo of our own prompt, or a prompt that did not come from us; in a replay it begins a turn. */
  private userChunk(update: JsonObject, now: number): Entry[] {
    const block = blockOf(update['content']);
    if (block.type === 'unknown') return [this.asides.unknown('user_message_chunk', update, now)];
    if (this.running && this.current !== null) {
      const echo = this.echo + (block.type === 'text' ? block.text : '');
      if (this.current.text.startsWith(echo)) {
        this.echo = echo;
        return [];
      }
    }
    if (this.replay && block.type === 'text' && interruptions.has(block.text)) return this.replayedInterruption();
    const messageId = str(update, 'messageId');
    const entries: Entry[] = [];
    let heard = this.heard;
    if (heard === null || heard.turn !== this.places.turn || this.answeredSince || (messageId !== null && heard.messageId !== null && heard.messageId !== messageId)) {
      entries.push(...this.flush());
      if (this.replay) {
        this.replayedTurns += 1;
        this.places.begin(`${this.scope}:${this.replayedTurns}`);
      }
      heard = { id: this.places.name('prompt'), turn: this.places.turn, messageId, base: this.places.next(now), text: '', files: [], rev: -1 };
      this.answeredSince = false;
    }
    if (block.type === 'text') heard.text += block.text;
    else heard.files = [...heard.files, block.file];
    heard.rev += 1;
    this.heard = heard;
    entries.push({ kind: 'prompt', id: heard.id, row: heard.id, ...heard.base, rev: heard.rev, text: heard.text, attachments: heard.files, clientId: null });
    return entries;
  }

  private replayedInterruption(): Entry[] {
    const { turn } = this.places;
    if (turn === null) return [];
    const end: TurnEnd = { state: 'cancelled', error: null, figures: null, openTools: 'cancelled' };
    return [...this.flush(), ...this.closeTools('cancelled', 0), this.turnEnd(turn, end, 0, this.places.next(0), 1)];
  }

  private tool(update: JsonObject, now: number): Entry[] {
    const callId = str(update, 'toolCallId');
    if (callId === null) return Object.keys(update).length > 1 ? [this.asides.unknown('tool_call', update, now)] : [];
    const entries: Entry[] = [];
    let tool = this.tools.get(callId);
    // Agents may count their calls anew in each turn.
    if (tool === undefined || (update['sessionUpdate'] === 'tool_call' && tool.done && tool.base.turn !== this.places.turn)) {
      const parent = this.parentOf(update);
      entries.push(...this.blocks.close(parent));
      tool = new ToolCall(callId, `${this.places.home}/tool/${callId}`, this.places.next(now, parent));
      this.tools.set(callId, tool);
    }
    const unknownBefore = tool.content.unknown;
    const changed = tool.take(update);
    if (changed) entries.push(tool.entry());
    for (const terminal of tool.content.terminals) entries.push(...this.attach(terminal, tool));
    entries.push(...this.meta(obj(update, '_meta') ?? {}, tool), ...tool.stream());
    if (tool.content.unknown !== unknownBefore) entries.push(...tool.content.unknown.map((raw) => this.asides.unknown('tool content', raw, now)));
    if (tool.status === 'completed' || tool.status === 'failed') {
      const status = tool.status === 'completed' ? 'ok' : tool.denied ? 'denied' : this.cancelled ? 'cancelled' : 'error';
      if (!tool.done || tool.outcome !== status || changed || tool.changedSinceEnd()) entries.push(this.result(tool, status, now));
    }
    return entries;
  }

  private result(tool: ToolCall, status: 'ok' | 'error' | 'denied' | 'cancelled', now: number): Entry {
    if (status === 'ok') for (const diff of tool.diffs) this.changed.add(diff.path);
    return tool.finish(status, this.replay ? null : now);
  }

  private renewed(tool: ToolCall, now: number): Entry[] {
    const status = tool.outcome;
    return status !== null && tool.changedSinceEnd() ? [this.result(tool, status, now)] : [];
  }

  private attach(terminalId: string, tool: ToolCall): Entry[] {
    if (this.terminals.get(terminalId) === tool) return [];
    this.terminals.set(terminalId, tool);
    const early = this.early.get(terminalId);
    this.early.delete(terminalId);
    if (early === undefined) return [];
    tool.exitCode = early.exit ?? tool.exitCode;
    return tool.append(early.text.join(''));
  }

  /** codex-acp 2.6 runs its commands itself and tells their output in `_meta.terminal_output_delta` (others: `terminal_output`) and `terminal_exit`. */
  private meta(meta: JsonObject, tool: ToolCall): Entry[] {
    const entries: Entry[] = [];
    for (const key of ['terminal_output', 'terminal_output_delta']) {
      const text = str(obj(meta, key) ?? {}, 'data');
      if (text !== null) entries.push(...tool.append(text));
    }
    const exit = obj(meta, 'terminal_exit');
    if (exit !== null) tool.exitCode = num(exit, 'exit_code') ?? tool.exitCode;
    return entries;
  }

  /** Calls of turns long past are not told of any more; they and their texts are let go. */
  private forget(): void {
    const last = this.lastTurn;
    this.lastTurn = this.places.turn;
    for (const [callId, tool] of this.tools) if (tool.done && tool.base.turn !== last && tool.base.turn !== this.lastTurn) this.tools.delete(callId);
    for (const [terminalId, tool] of this.terminals) if (tool.done && this.tools.get(tool.callId) !== tool) this.terminals.delete(terminalId);
    this.early.clear();
  }

  private closeTools(as: 'ok' | 'cancelled', now: number): Entry[] {
    return this.openTools.map((tool) => this.result(tool, tool.denied ? 'denied' : as, now));
  }

  /** claude-agent-acp names the call of the subagent in which something happened. */
  private parentOf(update: JsonObject): string | null {
    const id = str(obj(obj(update, '_meta') ?? {}, 'claudeCode') ?? {}, 'parentToolUseId');
    return id === null ? null : (this.tools.get(id)?.row ?? null);
  }
}
