import type { Entry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { Asides } from './asides.ts';
import type { Blocks } from './blocks.ts';
import type { Places } from './place.ts';
import { num, obj, str } from './read.ts';
import { ToolCall } from './tools.ts';

/** The tool calls of one session and the terminals whose output belongs to them. */
export class ToolCalls {
  /** What fails was cancelled. */
  cancelled = false;
  /** Files that calls of this turn have changed. */
  readonly changed = new Set<string>();
  private readonly places: Places;
  private readonly blocks: Blocks;
  private readonly asides: Asides;
  private readonly replay: boolean;
  private readonly tools = new Map<string, ToolCall>();
  private readonly terminals = new Map<string, ToolCall>();
  /** What terminals gave before a tool call named them. */
  private readonly early = new Map<string, { text: string[]; exit: number | null }>();
  private lastTurn: string | null = null;

  constructor(parts: { readonly places: Places; readonly blocks: Blocks; readonly asides: Asides; readonly replay: boolean }) {
    this.places = parts.places;
    this.blocks = parts.blocks;
    this.asides = parts.asides;
    this.replay = parts.replay;
  }

  /** Calls that have not ended. */
  get open(): readonly ToolCall[] {
    return [...this.tools.values()].filter((tool) => !tool.done);
  }

  get(callId: string): ToolCall | undefined {
    return this.tools.get(callId);
  }

  /** A turn begins. */
  begin(): void {
    this.cancelled = false;
    this.changed.clear();
    this.forget();
  }

  /** A `tool_call` or `tool_call_update`, or the call within a request for permission. */
  update(update: JsonObject, now: number): Entry[] {
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
    if (tool.content.unknown !== unknownBefore && tool.content.unknown.length > 0) entries.push(this.asides.unknownContent(tool.row, tool.content.unknown, now));
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

  /** Output of a terminal that we run for the agent. What comes before a call names the terminal is kept for it. */
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

  /** Calls of turns long past are not told of any more; they and their texts are let go. */
  private forget(): void {
    const last = this.lastTurn;
    this.lastTurn = this.places.turn;
    for (const [callId, tool] of this.tools) if (tool.done && tool.base.turn !== last && tool.base.turn !== this.lastTurn) this.tools.delete(callId);
    for (const [terminalId, tool] of this.terminals) if (tool.done && this.tools.get(tool.callId) !== tool) this.terminals.delete(terminalId);
    this.early.clear();
  }

  /** Ends what did not say its end. */
  close(as: 'ok' | 'cancelled', now: number): Entry[] {
    return this.open.map((tool) => this.result(tool, tool.denied ? 'denied' : as, now));
  }

  /** claude-agent-acp names the call of the subagent in which something happened. */
  parentOf(update: JsonObject): string | null {
    const id = str(obj(obj(update, '_meta') ?? {}, 'claudeCode') ?? {}, 'parentToolUseId');
    return id === null ? null : (this.tools.get(id)?.row ?? null);
  }
}
