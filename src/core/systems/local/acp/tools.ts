import type { Attachment, Entry, FileDiff, Location, ResultEntry, ToolEntry, ToolVerb } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { ToolContent } from './content.ts';
import { noContent, toolContentOf } from './content.ts';
import { list, num, obj, objects, oneLine, readable, str } from './read.ts';
import type { Base } from './place.ts';

/** Schema v1, ToolKind. */
const verbs: Readonly<Record<string, ToolVerb>> = {
  read: 'read', edit: 'edit', delete: 'delete', move: 'move', search: 'search', execute: 'execute', think: 'think', fetch: 'fetch', switch_mode: 'other', other: 'other',
};

/** One tool call as it stands; every change gives a higher version of its entries. */
export class ToolCall {
  readonly callId: string;
  readonly row: string;
  readonly base: Base;
  name = 'tool';
  kind = 'other';
  title = '';
  input: JsonValue = null;
  locations: readonly Location[] = [];
  content: ToolContent = noContent;
  rawOutput: JsonValue | undefined = undefined;
  /** pending, in_progress, completed, failed; empty before the agent said one. */
  status = '';
  /** The person refused it. */
  denied = false;
  /** What came from terminals, in order. */
  streamed: string[] = [];
  exitCode: number | null = null;
  startedAt: number | null;
  private readonly shown: string[] = [];
  private replacements = 0;
  private version = -1;
  private resultVersion = 0;
  private result: ResultEntry | null = null;

  constructor(callId: string, row: string, base: Base) {
    this.callId = callId;
    this.row = row;
    this.base = base;
    this.startedAt = base.at;
  }

  get done(): boolean {
    return this.result !== null;
  }

  get diffs(): readonly FileDiff[] {
    return this.content.diffs;
  }

  get outcome(): ResultEntry['status'] | null {
    return this.result?.status ?? null;
  }

  get command(): string | null {
    const command = isObject(this.input) ? this.input['command'] ?? this.input['cmd'] : undefined;
    if (Array.isArray(command) && command.every((part) => typeof part === 'string')) return command.join(' ');
    return typeof command === 'string' ? command : null;
  }

  get cwd(): string | null {
    return isObject(this.input) ? str(this.input, 'cwd') : null;
  }

  /** Takes over the fields that an update has (schema v1: absent or null ones stay as they are, lists are replaced). True when the call itself changed. */
  take(update: JsonObject): boolean {
    const before = this.face();
    const meta = obj(update, '_meta') ?? {};
    this.name = str(update, 'name') ?? str(obj(meta, 'claudeCode') ?? {}, 'toolName') ?? this.name;
    this.kind = str(update, 'kind') ?? this.kind;
    if (this.name === 'tool' && this.kind !== 'other') this.name = this.kind;
    this.title = oneLine(str(update, 'title') ?? '') || this.title;
    if (update['rawInput'] !== undefined && update['rawInput'] !== null) this.input = update['rawInput'];
    if (update['rawOutput'] !== undefined && update['rawOutput'] !== null) this.rawOutput = update['rawOutput'];
    if (Array.isArray(update['locations'])) this.locations = locationsOf(update);
    if (Array.isArray(update['content'])) this.content = toolContentOf(list(update, 'content'));
    this.status = str(update, 'status') ?? this.status;
    return this.version < 0 || this.face() !== before;
  }

  /** What the entry of the call shows, as one text to compare. */
  private face(): string {
    return JSON.stringify([this.name, this.kind, this.title, this.input, this.locations, this.content.diffs.map((diff) => [diff.path, diff.patch])]);
  }

  entry(): ToolEntry {
    this.version += 1;
    return {
      kind: 'tool', id: this.row, row: this.row, ...this.base, rev: this.version,
      callId: this.callId, name: this.name, verb: verbs[this.kind] ?? 'other', title: this.title === '' ? this.name : this.title, input: this.input,
      command: this.kind === 'execute' ? this.command : null, cwd: this.cwd, locations: this.locations, diffs: this.diffs,
    };
  }

  /** What the row should show of its output while it runs: pieces at its end, or all pieces anew where the agent replaced what it had shown. */
  stream(): Entry[] {
    if (this.done) return [];
    const text = this.streamed.length > 0 ? this.streamed.join('') : this.said();
    const before = this.shown.join('');
    if (text === before) return [];
    if (text.startsWith(before)) {
      this.shown.push(text.slice(before.length));
      return [this.piece(this.shown.length - 1)];
    }
    // Every piece gets a higher version: the first holds the whole, the others nothing.
    this.replacements += 1;
    this.shown.splice(0, this.shown.length, text, ...this.shown.slice(1).map(() => ''));
    return this.shown.map((_, part) => this.piece(part));
  }

  /** Text of the content so far. Before a call runs, claude-agent-acp 0.100 has its description there, and a plan that waits for approval stands in the request. */
  private said(): string {
    const { text } = this.content;
    if (this.status === 'in_progress' || text === '') return text;
    return this.kind === 'switch_mode' || (isObject(this.input) && this.input['description'] === text) ? '' : text;
  }

  /** Output of a terminal that belongs to this call. Constant work for each piece, however much came before. */
  append(text: string): Entry[] {
    if (text === '') return [];
    this.streamed.push(text);
    if (this.done || this.replacements > 0 || this.shown.length !== this.streamed.length - 1) return this.stream();
    this.shown.push(text);
    return [this.piece(this.shown.length - 1)];
  }

  private piece(part: number): Entry {
    return {
      kind: 'delta', id: `${this.row}/out/${part}`, row: this.row, ...this.base, rev: this.replacements, channel: 'output', part, text: this.shown[part] ?? '',
    };
  }

  /** The result as it stands now. `at` is the time of its end. */
  finish(status: ResultEntry['status'], at: number | null): ResultEntry {
    this.resultVersion += 1;
    this.result = this.resultEntry(status, at, this.resultVersion);
    return this.result;
  }

  /** The result that it would have if it were broken off now: a version that every real one replaces. */
  provisional(at: number | null): ResultEntry {
    return this.resultEntry('cancelled', at, 0);
  }

  private resultEntry(status: ResultEntry['status'], at: number | null, rev: number): ResultEntry {
    const ran = status === 'ok' || status === 'error';
    return {
      kind: 'result', id: `${this.row}/result`, row: this.row, ...this.base, rev, at,
      callId: this.callId, status, output: this.output(), exitCode: this.exitCode,
      durationMs: ran && at !== null && this.startedAt !== null ? Math.max(0, at - this.startedAt) : null,
      diffs: ran ? this.diffs : [], attachments: this.files(),
    };
  }

  /** True when what came after the end changes the result. */
  changedSinceEnd(): boolean {
    return this.result !== null && (this.result.output !== this.output() || this.result.exitCode !== this.exitCode || this.result.attachments.length !== this.files().length);
  }

  private output(): string {
    if (this.content.text !== '') return this.streamed.length > 0 ? `${this.streamed.join('')}${this.content.text}` : this.content.text;
    if (this.streamed.length > 0) return this.streamed.join('');
    if (this.rawOutput === undefined) return '';
    if (isObject(this.rawOutput)) {
      for (const key of ['formatted_output', 'aggregated_output', 'output', 'stdout', 'content', 'text', 'error', 'message']) {
        const text = str(this.rawOutput, key);
        if (text !== null) return text;
      }
    }
    return readable(this.rawOutput);
  }

  private files(): readonly Attachment[] {
    return this.content.files;
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function locationsOf(update: JsonObject): readonly Location[] {
  return objects(update, 'locations').flatMap((one) => {
    const path = str(one, 'path');
    const line = num(one, 'line');
    return path === null ? [] : [{ path, line: line === null || line < 1 ? null : Math.floor(line) }];
  });
}
