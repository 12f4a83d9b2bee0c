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
import { obj, oneLine, str } from './read.ts';
import { ToolCalls } from './toolCalls.ts';
import type { ToolCall } from './tools.ts';

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
const contentKinds: ReadonlySet<string> = new Set(['agent_message_chunk', 'agent_thought_chunk', 'tool_call', 'tool_call_update', 'plan', 'plan_update']);

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
  private readonly calls: ToolCalls;
  private readonly requests = new Map<string, { readonly base: Base; readonly callId: string | null }>();
  private current: SentPrompt | null = null;
  private began: number | null = null;
  private running = false;
  private echo = '';
  /** The agent has said something since the last prompt that it told of. */
  private answeredSince = false;
  private heard: HeardPrompt | null = null;
  private replayedTurns = 0;

  /** `scope` names what belongs to no turn; for each run of the program it is another one, for a replay always the same. */
  constructor(options: { readonly scope: string; readonly replay?: boolean }) {
    this.scope = options.scope;
    this.replay = options.replay ?? false;
    this.places = new Places(options.scope, this.replay);
    this.blocks = new Blocks(this.places);
    this.asides = new Asides(this.places);
    this.calls = new ToolCalls({ places: this.places, blocks: this.blocks, asides: this.asides, replay: this.replay });
  }

  /** Text of the last prompt that the agent told of; null when there was none. */
  get lastPrompt(): string | null {
    return this.heard?.text ?? null;
  }

  /** Calls that have not ended. */
  get openTools(): readonly ToolCall[] {
    return this.calls.open;
  }

  beginTurn(prompt: SentPrompt, now: number): Entry[] {
    const flushed = this.flush();
    const turn = `turn:${prompt.clientId}`;
    this.places.begin(turn);
    this.current = prompt;
    this.began = now;
    this.running = true;
    this.echo = '';
    this.calls.begin();
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
    this.calls.cancelled = true;
  }

  endTurn(end: TurnEnd, now: number): Entry[] {
    const { turn } = this.places;
    if (turn === null || !this.running) return this.flush();
    const entries = [...this.flush(), ...this.asides.close(now), ...this.calls.close(end.openTools, now)];
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
    return [...this.blocks.provisional(), ...this.asides.close(now, true), ...this.openTools.map((tool) => tool.provisional(now)), ...asks, this.turnEnd(turn, end, now, this.places.peek(now), 0)];
  }

  /** The end of a replay: what is still open in it has ended long ago. */
  endReplay(): Entry[] {
    return [...this.flush(), ...this.asides.close(0), ...this.calls.close('cancelled', 0)];
  }

  /** A file that the agent wrote through us. */
  wrote(path: string): void {
    if (this.running) this.calls.changed.add(path);
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
        return this.calls.update(update, now);
      case 'plan':
      case 'plan_update':
        return [this.asides.plan(kind, update, this.calls.parentOf(update), now)];
      case 'plan_removed':
        return this.asides.planRemoved(update, now);
      case 'usage_update':
        return [this.asides.usage(update, now)];
      case 'notice':
        return [this.asides.agentNotice(update, now)];
      case 'compaction_update':
        return this.asides.compaction(update, now);
      case 'compaction_summary_chunk':
        return [this.asides.compactionChunk(update, now)];
      // States and pickers, not content: `controls.ts` and `session.ts` take these.
      case 'available_commands_update':
      case 'current_mode_update':
      case 'config_option_update':
      case 'session_info_update':
        return [];
      default:
        return [this.asides.unknownUpdate(kind, update, now)];
    }
  }

  /** A `session/request_permission` (schema v1). Its tool call is brought up to date as well. */
  asked(params: JsonObject, now: number): Asked {
    const call = obj(params, 'toolCall') ?? {};
    const entries = this.calls.update({ ...call, status: null }, now);
    const tool = this.calls.get(str(call, 'toolCallId') ?? '');
    const isPlan = tool?.kind === 'switch_mode';
    const requestId = this.places.name('ask');
    // Also one of a subagent stands among the session's own rows: folded away with its thread, nobody would answer it.
    const base = this.places.next(now);
    this.requests.set(requestId, { base, callId: tool?.callId ?? null });
    entries.push({
      kind: 'permission', id: requestId, row: requestId, rev: 0, ...base, requestId, callId: tool?.callId ?? null, ask: isPlan ? 'plan' : 'tool',
      tool: tool?.name ?? 'tool', title: tool?.title === undefined || tool.title === '' ? 'The agent asks for permission' : tool.title, reason: null,
      input: tool?.input ?? null, command: tool?.kind === 'execute' ? tool.command : null, cwd: tool?.cwd ?? null, diffs: tool?.diffs ?? [],
      plan: isPlan ? tool.content.text || planOf(tool.input) : null, questions: [], options: optionsOf(params), takesReason: false,
    });
    return { requestId, entries };
  }

  /** A question to the person (`elicitation/create` in form mode, read by `elicit.ts`). */
  questioned(message: string, questions: readonly Question[], callId: string | null, now: number): Asked {
    const requestId = this.places.name('ask');
    const base = this.places.next(now);
    this.requests.set(requestId, { base, callId: null });
    const tool = callId === null ? undefined : this.calls.get(callId);
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
    const tool = request.callId === null ? undefined : this.calls.get(request.callId);
    if (tool !== undefined && answer.outcome === 'denied') tool.denied = true;
    else if (tool !== undefined) tool.startedAt = now;
    return [{ kind: 'answer', id: `${requestId}/answer`, row: requestId, rev: 1, ...request.base, at: now, requestId, ...answer }];
  }

  /** Output of a terminal that we run for the agent. */
  terminalOutput(terminalId: string, text: string): Entry[] {
    return this.calls.terminalOutput(terminalId, text);
  }
  terminalExit(terminalId: string, exitCode: number | null, now: number): Entry[] {
    return this.calls.terminalExit(terminalId, exitCode, now);
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
      durationMs: this.began === null ? null : Math.max(0, now - this.began), figures: end.figures, filesChanged: [...this.calls.changed].sort(), error: end.error,
    };
  }

  private prompt(prompt: SentPrompt, now: number): PromptEntry {
    return { kind: 'prompt', id: prompt.clientId, row: prompt.clientId, ...this.places.next(now), rev: 0, text: prompt.text, attachments: prompt.attachments, clientId: prompt.clientId };
  }

  private chunk(channel: 'text' | 'thinking', update: JsonObject, now: number): Entry[] {
    const block = blockOf(update['content']);
    const parent = this.calls.parentOf(update);
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
    return [...this.flush(), ...this.calls.close('cancelled', 0), this.turnEnd(turn, end, 0, this.places.next(0), 1)];
  }
}
