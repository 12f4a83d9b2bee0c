import type { DeltaEntry, Entry, NoticeEntry, ResultEntry, TextEntry, ThinkingEntry, ToolEntry, TurnState } from '../../../model/entry.ts';
import type { ForgeEvent } from '../types.ts';
import { readResult, readTool } from './tools.ts';

/** How a turn ended. */
export interface TurnEnd {
  readonly state: Exclude<TurnState, 'running'>;
  readonly error: string | null;
  readonly durationMs: number | null;
}
/** A notice that belongs to a turn, before its end. */
export interface TurnNotice {
  readonly level: NoticeEntry['level'];
  readonly code: string;
  readonly text: string;
  readonly remedy: string | null;
}

type Base = Pick<DeltaEntry, 'order' | 'at' | 'turn' | 'parent'>;
interface Block {
  readonly kind: 'text' | 'thinking';
  readonly row: string;
  readonly base: Base;
  text: string;
  parts: number;
}

/** What stands for a state until the next: an entry that is told again with a higher version takes its place. */
const PROVISIONAL = 1;
const FINAL = 2;

/**
 * One turn as entries. The server's events have no ids: a row is named by its turn and its place in it. Events that come one by one give pieces at once and the whole of a block when it ends;
 * `whole` gives what is to be kept of it, at any time.
 */
export class TurnLog {
  readonly clientId: string;
  readonly name: string;
  readonly #startedAt: number;
  readonly #now: () => number;
  readonly #entries: Entry[] = [];
  /** Where an entry stands, by its id: a turn may have any number of events. */
  readonly #placeOf = new Map<string, number>();
  readonly #tools = new Map<string, { readonly tool: ToolEntry; readonly result: ResultEntry | null }>();
  /** Those of them that run. */
  readonly #open = new Set<string>();
  #block: Block | null = null;
  #places = 0;

  /** `startedAt`: milliseconds since the epoch, greater than that of every turn before. */
  constructor(prompt: { readonly clientId: string; readonly text: string }, startedAt: number, now: () => number) {
    this.clientId = prompt.clientId;
    this.name = `turn:${prompt.clientId}`;
    this.#startedAt = startedAt;
    this.#now = now;
    const base = this.#place();
    const opening: readonly Entry[] = [
      { ...base, kind: 'prompt', id: `prompt:${prompt.clientId}`, row: `prompt:${prompt.clientId}`, rev: FINAL, text: prompt.text, attachments: [], clientId: prompt.clientId },
      { ...base, kind: 'turn', id: `${this.name}:start`, row: null, rev: FINAL, turn: this.name, phase: 'start', state: 'running', durationMs: null, figures: null, filesChanged: [], error: null },
    ];
    for (const entry of opening) this.#keep(entry);
  }

  /** The prompt and the beginning of its turn. */
  get opening(): readonly Entry[] {
    return this.#entries.slice(0, 2);
  }

  /** Title of the tool that runs longest; null where none does. */
  get openTool(): string | null {
    const [first = ''] = this.#open;
    return this.#tools.get(first)?.tool.title ?? null;
  }

  /** Entries that an event means. */
  take(event: ForgeEvent): readonly Entry[] {
    const { content = null } = event;
    if ((event.type === 'text' || event.type === 'thinking') && typeof content === 'string') return this.#piece(event.type, content);
    const before = this.#endBlock();
    return [...before, ...this.#other(event)];
  }

  /** All of it that is to be kept, as if the turn ended so now. */
  whole(end: TurnEnd, notices: readonly TurnNotice[] = []): readonly Entry[] {
    const open = this.#block === null ? [] : [wholeBlock(this.#block, PROVISIONAL)];
    return [...this.#entries, ...open, ...this.#closing(end, notices, PROVISIONAL)];
  }

  /** Ends it: entries that were not told yet. What is kept is `whole` of it afterwards, by `kept`. */
  end(end: TurnEnd, notices: readonly TurnNotice[] = []): readonly Entry[] {
    const block = this.#endBlock();
    const closing = this.#closing(end, notices, FINAL);
    for (const entry of closing) this.#keep(entry);
    return [...block, ...closing];
  }

  /** What is kept of a turn that has ended. */
  get kept(): readonly Entry[] {
    return this.#entries;
  }

  #piece(kind: Block['kind'], text: string): readonly Entry[] {
    const ended = this.#block !== null && this.#block.kind !== kind ? this.#endBlock() : [];
    if (text === '') return ended;
    this.#block ??= this.#beginBlock(kind);
    const block = this.#block;
    const piece: DeltaEntry = { ...block.base, kind: 'delta', id: `${block.row}:piece:${block.parts}`, row: block.row, rev: PROVISIONAL, channel: kind, part: block.parts, text };
    block.text += text;
    block.parts += 1;
    return [...ended, piece];
  }

  #beginBlock(kind: Block['kind']): Block {
    const base = this.#place();
    return { kind, row: `${this.name}:${kind}:${base.order[1] ?? 0}`, base, text: '', parts: 0 };
  }

  #endBlock(): readonly Entry[] {
    const block = this.#block;
    if (block === null) return [];
    this.#block = null;
    return this.#keep(wholeBlock(block, FINAL));
  }

  #other(event: ForgeEvent): readonly Entry[] {
    const base = this.#place();
    const id = `${this.name}:event:${base.order[1] ?? 0}`;
    const result = readResult(event);
    if (result !== null) {
      const call = result.callId === null ? this.#onlyOpen() : this.#tools.get(result.callId);
      if (call !== undefined) return this.#keep(this.#resultOf(call.tool, { status: result.status, output: result.output }));
    }
    const tool = event.type === 'tool_call' ? readTool(event) : null;
    if (tool === null) return this.#keep({ ...base, kind: 'unknown', id, row: id, rev: FINAL, source: 'clawdforge', raw: event });
    const callId = tool.callId ?? id;
    // A call that is told again, with more of it, is the same call.
    const known = this.#tools.get(callId)?.tool;
    const entry: ToolEntry = {
      ...(known ?? base), kind: 'tool', id: known?.id ?? `${this.name}:tool:${callId}`, row: known?.row ?? `${this.name}:tool:${callId}`, rev: known === undefined ? FINAL : known.rev + 1, callId,
      name: tool.name, verb: tool.verb, title: tool.title, input: tool.input, command: tool.command, cwd: null, locations: tool.path === null ? [] : [{ path: tool.path, line: null }], diffs: [],
    };
    const ended = this.#tools.get(callId)?.result ?? null;
    this.#tools.set(callId, { tool: entry, result: ended });
    if (ended === null) this.#open.add(callId);
    const told = this.#keep(entry);
    return tool.ended === null ? told : [...told, ...this.#keep(this.#resultOf(entry, tool.ended))];
  }

  #onlyOpen(): { readonly tool: ToolEntry } | undefined {
    const [only = ''] = this.#open;
    return this.#open.size === 1 ? this.#tools.get(only) : undefined;
  }

  #resultOf(tool: ToolEntry, ended: { readonly status: ResultEntry['status']; readonly output: string }): ResultEntry {
    const { order, turn, parent, row, callId } = tool;
    const before = this.#tools.get(callId)?.result ?? null;
    const result: ResultEntry = {
      kind: 'result', id: `${row ?? ''}:result`, row, order, rev: before === null ? FINAL : before.rev + 1, at: this.#now(), turn, parent, callId, status: ended.status, output: ended.output, exitCode: null,
      durationMs: null, diffs: [], attachments: [],
    };
    this.#tools.set(callId, { tool, result });
    this.#open.delete(callId);
    return result;
  }

  #keep(entry: Entry): readonly Entry[] {
    const at = this.#placeOf.get(entry.id) ?? this.#entries.length;
    this.#placeOf.set(entry.id, at);
    this.#entries[at] = entry;
    return [entry];
  }

  /** The server does not say of every call how it went: those of a turn that completed are done. */
  #closing(end: TurnEnd, notices: readonly TurnNotice[], rev: number): readonly Entry[] {
    const results = [...this.#tools.values()].flatMap(({ tool, result }) => {
      if (result !== null) return [];
      const { order, turn, parent, row, callId } = tool;
      const closed: ResultEntry = {
        kind: 'result', id: `${row ?? ''}:result`, row, order, rev, at: this.#now(), turn, parent, callId, status: end.state === 'completed' ? 'ok' : 'cancelled', output: '', exitCode: null, durationMs: null,
        diffs: [], attachments: [],
      };
      return [closed];
    });
    const order = (place: number): Base => ({ order: [this.#startedAt, this.#places + place], at: this.#now(), turn: this.name, parent: null });
    const told = notices.map((notice, index): NoticeEntry => ({ ...order(index), kind: 'notice', id: `${this.name}:${notice.code}`, row: `${this.name}:${notice.code}`, rev, ...notice }));
    return [...results, ...told, {
      ...order(notices.length + 1_000), kind: 'turn', id: `${this.name}:end`, row: `${this.name}:end`, rev, turn: this.name, phase: 'end', state: end.state, durationMs: end.durationMs, figures: null, filesChanged: [],
      error: end.error,
    }];
  }

  #place(): Base {
    const base: Base = { order: [this.#startedAt, this.#places], at: this.#now(), turn: this.name, parent: null };
    this.#places += 1;
    return base;
  }
}

function wholeBlock({ kind, row, base, text }: Block, rev: number): TextEntry | ThinkingEntry {
  return { ...base, kind, id: row, row, rev, text };
}
