import type { Entry, Order, ToolEntry, TurnState } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Place, UserKind } from './normalise.ts';
import { assistantEntries, cancelledResult, commandOutput, compactedNotice, inputOf, launchedCalls, noFigures, promptEntry, resultEntries, revs, rowOf, taskEntries, userKind } from './normalise.ts';
import type { TodoBook } from './todos.ts';
import { TodoBooks } from './todos.ts';
import { editedFile } from './tools.ts';
import type { AssistantLine, UserLine } from './wire.ts';
import { num, obj, readAssistant, readUser, str, timeOf } from './wire.ts';

/** Folder beside a transcript that holds its subagents' transcripts and other files of the session. */
export function sideFolder(file: string): string {
  return file.replace(/\.jsonl$/, '');
}

/** Lines that hold nothing for the chat, told by their first characters: they are most of a transcript's bytes. */
const bulky = /^\{"type":"(?:api-request|queue-operation|last-prompt|atis-latch|tools-used|file-history)|^\{"parentUuid":[^{]{0,120}"attachment":\{"type":"(?!queued_command")/;

/** The JSON of a transcript's line; null for lines that hold nothing for the chat, and for damaged ones. */
export function readLine(text: string): JsonObject | null {
  if (bulky.test(text)) return null;
  try {
    const value = JSON.parse(text) as JsonValue;
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** A user line of the main conversation and what it is; null for anything else. `queued_command` attachments are prompts that came during a turn. */
function userOf(value: JsonObject): { readonly line: UserLine; readonly kind: UserKind; readonly midTurn: boolean } | null {
  if (value['type'] === 'attachment') {
    const attachment = obj(value, 'attachment');
    if (str(attachment, 'type') !== 'queued_command') return null;
    const line = readUser({
      type: 'user', uuid: str(attachment, 'source_uuid') ?? str(value, 'uuid'), timestamp: str(attachment, 'timestamp') ?? str(value, 'timestamp'), entrypoint: value['entrypoint'] ?? null,
      isSidechain: value['isSidechain'] ?? false, message: { content: attachment?.['prompt'] ?? '' },
    });
    return line === null ? null : { line, kind: userKind(line), midTurn: true };
  }
  const line = value['type'] === 'user' ? readUser(value) : null;
  return line === null ? null : { line, kind: userKind(line), midTurn: false };
}

/** True for a line with which a turn begins. */
export function startsTurn(value: JsonObject): boolean {
  const user = userOf(value);
  return user !== null && !user.midTurn && !user.line.sidechain && (user.kind.is === 'prompt' || user.kind.is === 'task');
}

/** Id of the message when the line is a part of one of the main conversation. */
export function messageOf(value: JsonObject): string | null {
  return value['type'] === 'assistant' && value['isSidechain'] !== true ? str(obj(value, 'message'), 'id') : null;
}

interface Turn {
  id: string | null;
  readonly startedAt: number;
  readonly startOrder: Order;
  lastAt: number;
  lastEnd: number;
  /** Null while nothing says that it is over. */
  state: TurnState | null;
  /** True when the last thing was an answer of which the line does not say that it is the last: 1.0 writes it so now and then. */
  answered: boolean;
  error: string | null;
  readonly usage: Map<string, { readonly input: number; readonly cached: number; readonly written: number; readonly output: number }>;
  readonly files: Set<string>;
  /** Calls without a result, with the file that each would change. */
  readonly calls: Map<string, string | null>;
  endGiven: string | null;
}

/** End of a turn of which nothing tells when it broke off: behind everything, until a next prompt says better (a row stands at its smallest order). */
const lateOrder = 8.64e15;
/** A process takes longer than this to start, and a prompt is on disk sooner than this after it was sent, in milliseconds. */
const restartMs = 250;

/**
 * Turns lines of a transcript on disk, fed in the order of the file, into entries. Ids are those of the live wire; orders are [timestamp, byte offset].
 * Turns end by what follows: the next prompt, or a last message that says so.
 */
export class TranscriptReader {
  readonly #folder: string;
  readonly #parent: string | null;
  readonly #fixedTurn: string | null;
  #entries: Entry[] = [];
  #turn: Turn | null = null;
  readonly #counts = new Map<string, number>();
  /** Calls of subagents by their prompt, and the subagent's call by uuid of its lines: old transcripts keep both in one file. */
  readonly #delegated = new Map<string, string>();
  readonly #chains = new Map<string, string>();
  #todos = new TodoBooks();
  /** Subagents' own ids by call, as results tell them, and the calls that started any. */
  readonly agents = new Map<string, string>();
  readonly agentCalls: ToolEntry[] = [];
  /** Those of them whose subagents may still work. */
  readonly openAgents = new Map<string, ToolEntry>();
  /** Calls that may come to nothing when the process ends: a subagent's own without a result, and subagents that go on behind the turns. */
  readonly #loose = new Map<string, Place>();

  /** `parent` and `turn`: for a subagent's own file, the row of its call and the call's turn. */
  constructor(options: { readonly folder: string; readonly parent?: string; readonly turn?: string | null }) {
    this.#folder = options.folder;
    this.#parent = options.parent ?? null;
    this.#fixedTurn = options.turn ?? null;
  }

  /** The main agent's to-do list as it stands before the lines that come next: what was fed is not all that made it. */
  set todos(book: TodoBook) {
    this.#todos = new TodoBooks(book);
  }

  get turn(): { readonly id: string | null; readonly open: boolean; readonly error: string | null } | null {
    return this.#turn === null ? null : { id: this.#turn.id, open: this.#turn.state === null, error: this.#turn.error };
  }

  flush(): Entry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  line(value: JsonObject, offset: number, end: number): void {
    const at = timeOf(str(value, 'timestamp'));
    const assistant = value['type'] === 'assistant' ? readAssistant(value) : null;
    if (assistant !== null) {
      this.#assistant(assistant, this.#place(at, offset), end);
      return;
    }
    const user = userOf(value);
    if (user !== null) {
      this.#user(user, this.#place(user.line.at ?? at, offset), end);
      return;
    }
    if (value['type'] !== 'system') return;
    const uuid = str(value, 'uuid') ?? `at:${offset}`;
    if (value['subtype'] === 'compact_boundary') {
      const meta = obj(value, 'compactMetadata');
      this.#entries.push(compactedNotice(uuid, num(meta, 'preTokens'), num(meta, 'postTokens'), this.#place(at, offset)));
    }
    if (value['subtype'] === 'local_command') {
      const output = /<local-command-(?:stdout|stderr)>([\s\S]*?)<\/local-command/.exec(str(value, 'content') ?? '')?.[1] ?? '';
      if (output.trim() !== '') this.#entries.push(commandOutput(output, { ...this.#place(at, offset), id: uuid }));
      this.#touch(at, end, 'completed');
    }
  }

  /**
   * The file's end, or that of what is read of it. Gives the last turn's end when its lines say that it is over; `dead`: nobody runs the session, so a turn
   * that is not over broke off.
   */
  finish(dead: boolean): void {
    if (dead) this.#drop();
    if (this.#turn !== null && (dead || this.#turn.state !== null)) this.#closeTurn(null);
  }

  /** What follows what was read, which may be the beginning of a turn: then the one before is over. `dead` as at the file's end. */
  followedBy(value: JsonObject, dead: boolean): void {
    if (dead) this.#drop();
    if (startsTurn(value)) this.#closeTurn(timeOf(str(value, 'timestamp')));
  }

  #drop(): void {
    for (const [callId, place] of this.#loose) this.#entries.push(cancelledResult(callId, place));
    this.#loose.clear();
  }

  #place(at: number | null, offset: number, parent: string | null = this.#parent): Place {
    return { order: [at ?? this.#turn?.lastAt ?? 0, offset], at, turn: this.#fixedTurn ?? this.#turn?.id ?? null, parent, rev: revs.disk };
  }

  #touch(at: number | null, end: number, state?: TurnState | null): void {
    if (this.#turn === null) return;
    this.#turn.lastAt = Math.max(this.#turn.lastAt, at ?? 0);
    this.#turn.lastEnd = end;
    if (state !== undefined) this.#turn.state = state;
  }

  /** Row of the subagent's call for a line of an old transcript's side conversation. */
  #sideParent(line: AssistantLine | UserLine): string | null {
    if (!line.sidechain || this.#parent !== null) return this.#parent;
    const prompt = line.kind === 'user' ? line.content.map((block) => str(block, 'text') ?? '').join('\n\n').trim() : '';
    const call = line.parentUuid === null ? this.#delegated.get(prompt) : this.#chains.get(line.parentUuid);
    if (call === undefined) return null;
    if (line.uuid !== null) this.#chains.set(line.uuid, call);
    return rowOf.tool(call);
  }

  #assistant(line: AssistantLine, base: Place, end: number): void {
    const parent = this.#sideParent(line);
    const top = parent === null && !line.sidechain;
    const turn = top ? this.#turn : null;
    if (turn !== null && turn.id === null) this.#announce(turn, `auto:${line.messageId}`);
    const place = { ...base, parent, turn: this.#fixedTurn ?? this.#turn?.id ?? null };
    const index = (own: AssistantLine): number => {
      const next = own.blockIndex ?? this.#counts.get(own.messageId) ?? 0;
      this.#counts.set(own.messageId, next + 1);
      return next;
    };
    for (const entry of assistantEntries(line, place, this.#folder, index)) {
      this.#entries.push(entry);
      if (entry.kind === 'tool' && entry.verb === 'agent' && isJsonObject(entry.input)) this.#delegated.set((str(entry.input, 'prompt') ?? '').trim(), entry.callId);
      if (entry.kind === 'tool') this.#called(entry, turn);
      if (entry.kind === 'notice' && entry.level === 'error' && turn !== null) turn.error = entry.text;
    }
    if (turn === null) return;
    if (line.usage !== null && line.model !== '<synthetic>') {
      turn.usage.set(line.messageId, { input: inputOf(line.usage) ?? 0, cached: line.usage.cache_read_input_tokens ?? 0, written: line.usage.cache_creation_input_tokens ?? 0, output: line.usage.output_tokens ?? 0 });
    }
    turn.answered = line.stopReason === null && line.content.at(-1)?.type === 'text';
    const over = line.stopReason !== null && line.stopReason !== 'tool_use' && line.stopReason !== 'pause_turn';
    this.#touch(line.at, end, line.failure !== null ? 'failed' : over ? 'completed' : null);
  }

  #agentOf(callId: string, line: UserLine): void {
    const { detail } = line.facts(callId);
    const agent = isJsonObject(detail) ? str(detail, 'agentId') : null;
    if (agent !== null) this.agents.set(callId, agent);
  }

  #called(call: ToolEntry, turn: Turn | null): void {
    this.#todos.called(call);
    if (call.verb === 'agent') {
      this.agentCalls.push(call);
      this.openAgents.set(call.callId, call);
    }
    if (turn !== null) turn.calls.set(call.callId, editedFile(call.name, call.input));
    else if (this.#parent !== null) this.#loose.set(call.callId, call);
  }

  #user({ line, kind, midTurn }: { readonly line: UserLine; readonly kind: UserKind; readonly midTurn: boolean }, base: Place, end: number): void {
    const parent = this.#sideParent(line);
    const top = parent === null && !line.sidechain;
    const place = { ...base, parent };
    switch (kind.is) {
      case 'results':
        for (const callId of launchedCalls(line)) {
          this.#turn?.calls.delete(callId);
          this.#loose.set(callId, place);
          this.#agentOf(callId, line);
        }
        for (const result of resultEntries(line, place)) {
          this.#entries.push(result);
          this.#loose.delete(result.callId);
          this.openAgents.delete(result.callId);
          const file = this.#turn?.calls.get(result.callId) ?? null;
          this.#turn?.calls.delete(result.callId);
          if (file !== null && result.status === 'ok') this.#turn?.files.add(file);
          const { detail } = line.facts(result.callId);
          const todos = this.#todos.came(result, detail, place);
          if (todos !== null) this.#entries.push(todos);
          this.#agentOf(result.callId, line);
        }
        if (top && this.#turn !== null) this.#turn.answered = false;
        if (top) this.#touch(line.at, end, null);
        return;
      case 'prompt': {
        if (!top || line.uuid === null) return;
        if (!midTurn) this.#begin(line.uuid, place, end);
        const clientId = line.entrypoint === null || line.entrypoint.startsWith('sdk') ? line.uuid : null;
        this.#entries.push(promptEntry(line.uuid, kind.text, kind.attachments, clientId, { ...place, turn: this.#turn?.id ?? null }));
        return;
      }
      case 'task':
        if (!top) return;
        this.#entries.push(...taskEntries(kind, place));
        if (kind.callId !== null) this.openAgents.delete(kind.callId);
        if (!midTurn) this.#begin(null, place, end);
        return;
      case 'output':
        if (kind.text !== '') this.#entries.push(commandOutput(kind.text, { ...place, id: line.uuid ?? `at:${place.order[1] ?? 0}` }));
        this.#touch(line.at, end, this.#turn?.usage.size === 0 ? 'completed' : undefined);
        return;
      case 'interrupted':
        if (top) this.#touch(line.at, end, 'cancelled');
        return;
      case 'internal':
    }
  }

  #begin(id: string | null, place: Place, end: number): void {
    const at = place.at ?? place.order[0] ?? 0;
    this.#closeTurn(at);
    this.#turn = {
      id: null, startedAt: at, startOrder: place.order, lastAt: at, lastEnd: end, state: null, answered: false, error: null, usage: new Map(), files: new Set(), calls: new Map(), endGiven: null,
    };
    if (id !== null) this.#announce(this.#turn, id);
  }

  #announce(turn: Turn, id: string): void {
    turn.id = id;
    this.#entries.push({
      order: turn.startOrder, at: turn.startedAt, turn: id, parent: null, rev: revs.disk, kind: 'turn', id: `turn:${id}:start`, row: null, phase: 'start', state: 'running',
      durationMs: null, figures: null, filesChanged: [], error: null,
    });
  }

  /** @param nextAt when the next turn began; null at the file's end. */
  #closeTurn(nextAt: number | null): void {
    const turn = this.#turn;
    if (turn === null || turn.id === null) return;
    const known = turn.state ?? (turn.answered ? 'completed' : null);
    const state = known ?? 'failed';
    const order: Order = known !== null ? [turn.lastAt, turn.lastEnd - 0.5] : nextAt === null ? [lateOrder, 0] : [Math.max(turn.lastAt, nextAt - restartMs), turn.lastEnd - 0.5];
    const messages = [...turn.usage.values()];
    const last = messages.at(-1);
    const sum = (pick: (one: { readonly input: number; readonly cached: number; readonly written: number; readonly output: number }) => number): number | null => (messages.length === 0 ? null : messages.reduce((all, one) => all + pick(one), 0));
    const given = `${turn.lastEnd}:${order.join(':')}`;
    if (turn.endGiven === given) return;
    turn.endGiven = given;
    for (const callId of turn.calls.keys()) this.#entries.push(cancelledResult(callId, { order, at: null, turn: turn.id, parent: null, rev: revs.partial }));
    this.#entries.push({
      order, at: known === null ? null : turn.lastAt, turn: turn.id, parent: null, rev: revs.moment(turn.lastAt, false), kind: 'turn', id: `turn:${turn.id}:end`,
      row: rowOf.turn(turn.id), phase: 'end', state, durationMs: known === null ? null : turn.lastAt - turn.startedAt,
      figures: { ...noFigures, inputTokens: sum((one) => one.input), outputTokens: sum((one) => one.output), cachedTokens: sum((one) => one.cached), cacheWriteTokens: sum((one) => one.written), contextTokens: last === undefined ? null : last.input + last.output },
      filesChanged: [...turn.files].sort(), error: state === 'failed' ? (turn.error ?? 'The agent ended before the turn was done.') : null,
    });
  }
}
