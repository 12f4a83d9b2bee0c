import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Entry, ToolEntry, TurnEntry } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { throwIfAborted } from '../wait.ts';
import { linesForward } from './lineFile.ts';
import { editedFile } from './tools.ts';
import { readLine, sideFolder, TranscriptReader } from './transcript.ts';
import { str } from './wire.ts';

/** Bytes that are read at once: entries of a long file leave in several goes. A line that is longer is read whole. */
const stepBytes = 1024 * 1024;

/** A call that started a subagent. */
export type AgentCall = Pick<ToolEntry, 'callId' | 'row' | 'turn'>;

function isAgentCall(entry: Entry): entry is ToolEntry {
  return entry.kind === 'tool' && entry.verb === 'agent';
}

/** One subagent's file and how far it was read. */
interface Tail {
  readonly file: string;
  reader: TranscriptReader;
  /** Up to here its lines were read: the beginning of a line. */
  offset: number;
  inode: number | null;
  /** What was read and not given yet. */
  entries: Entry[];
  /** Files that calls without a result would change, by call. */
  readonly edits: Map<string, string>;
  /** When each file was changed first, in milliseconds since the epoch. */
  readonly changed: Map<string, number>;
}

interface SubagentsOptions {
  /** The session's transcript. */
  readonly file: string;
  readonly folder: string;
  /** Nobody runs the session, so that what a subagent had begun came to nothing. */
  readonly dead: boolean;
  /** Bytes of each file that are read at most, from its beginning; all of it when absent. */
  readonly most?: number;
}

/** The transcripts of a session's subagents, which stand in files of their own beside the session's. Each is read on from where it was read to. */
export class Subagents {
  readonly #beside: string;
  readonly #options: SubagentsOptions;
  /** File by the id of the call that started the subagent, from the notes beside the files. */
  #files: ReadonlyMap<string, string> = new Map();
  /** Subagents' own ids by call, as results tell them. */
  readonly #ids = new Map<string, string>();
  readonly #tails = new Map<string, Tail>();

  constructor(options: SubagentsOptions) {
    this.#beside = path.join(sideFolder(options.file), 'subagents');
    this.#options = options;
  }

  /** Entries of these calls' subagents, and of theirs, that were not given before: piece by piece. `ids`: subagents' own ids by call, where they are known. */
  async *entriesOf(calls: readonly AgentCall[], ids: ReadonlyMap<string, string>, signal?: AbortSignal): AsyncGenerator<readonly Entry[]> {
    for await (const tail of this.#readOn(calls, ids, signal)) {
      const { entries } = tail;
      tail.entries = [];
      if (entries.length > 0) yield entries;
    }
  }

  /** Files that these calls' subagents, and theirs, had changed by then, in milliseconds since the epoch; null: at any time. */
  async changedBy(calls: readonly AgentCall[], ids: ReadonlyMap<string, string>, by: number | null, signal?: AbortSignal): Promise<Set<string>> {
    const files = new Set<string>();
    for await (const { changed } of this.#readOn(calls, ids, signal)) {
      for (const [file, at] of changed) if (by === null || at <= by) files.add(file);
    }
    return files;
  }

  /** Reads on in the files of these calls and of those in them. Each file comes after each step, and at its end, grown or not. */
  async *#readOn(calls: readonly AgentCall[], ids: ReadonlyMap<string, string>, signal: AbortSignal | undefined): AsyncGenerator<Tail> {
    for (const [callId, id] of ids) this.#ids.set(callId, id);
    const waiting = new Map(calls.map((call) => [call.callId, call]));
    // Those that are found on the way are visited as well; none is visited twice.
    for (const call of waiting.values()) {
      throwIfAborted(signal);
      const tail = await this.#tailOf(call);
      if (tail === null) continue;
      yield* this.#steps(tail, call, signal);
      for (const [callId, id] of tail.reader.agents) this.#ids.set(callId, id);
      for (const inner of tail.reader.agentCalls) if (!waiting.has(inner.callId)) waiting.set(inner.callId, inner);
      yield tail;
    }
  }

  async #tailOf(call: AgentCall): Promise<Tail | null> {
    const known = this.#tails.get(call.callId);
    if (known !== undefined) return known;
    if (!this.#files.has(call.callId)) this.#files = await this.#notes();
    const id = this.#ids.get(call.callId);
    const name = this.#files.get(call.callId) ?? (id === undefined ? null : `agent-${id}.jsonl`);
    if (name === null || name.includes('/') || name.includes('\\')) return null;
    const file = path.join(this.#beside, name);
    if ((await stat(file).catch(() => null)) === null) return null;
    const tail: Tail = { file, reader: this.#readerOf(call), offset: 0, inode: null, entries: [], edits: new Map(), changed: new Map() };
    this.#tails.set(call.callId, tail);
    return tail;
  }

  #readerOf(call: AgentCall): TranscriptReader {
    return new TranscriptReader({ folder: this.#options.folder, parent: call.row ?? '', turn: call.turn });
  }

  /** Reads the whole lines that came since. A file that is shorter than it was, or another one in its place, is read from its beginning. */
  async *#steps(tail: Tail, call: AgentCall, signal: AbortSignal | undefined): AsyncGenerator<Tail> {
    const seen = await stat(tail.file).catch(() => null);
    if (seen === null || (seen.size === tail.offset && seen.ino === tail.inode)) return;
    const handle = await open(tail.file, 'r').catch(() => null);
    if (handle === null) return;
    try {
      const { size, ino } = await handle.stat();
      if (size < tail.offset || (tail.inode !== null && ino !== tail.inode)) {
        tail.reader = this.#readerOf(call);
        tail.offset = 0;
        tail.edits.clear();
        tail.changed.clear();
      }
      tail.inode = ino;
      const end = Math.min(size, this.#options.most ?? size);
      for (let step = stepBytes; tail.offset < end; ) {
        throwIfAborted(signal);
        const before = tail.offset;
        const limit = Math.min(end, before + step);
        for await (const line of linesForward(handle, before, limit)) {
          tail.offset = line.end;
          const value = readLine(line.text);
          if (value !== null) tail.reader.line(value, line.offset, line.end);
        }
        keep(tail);
        if (tail.offset > before) {
          step = stepBytes;
          yield tail;
        } else if (limit === end) break;
        else step *= 2;
      }
      tail.reader.finish(this.#options.dead);
      keep(tail);
    } finally {
      await handle.close();
    }
  }

  async #notes(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const name of await readdir(this.#beside).catch(() => [])) {
      if (!name.endsWith('.meta.json')) continue;
      try {
        const note = JSON.parse(await readFile(path.join(this.#beside, name), 'utf8')) as JsonValue;
        const call = isJsonObject(note) ? str(note, 'toolUseId') : null;
        if (call !== null) found.set(call, name.replace(/\.meta\.json$/, '.jsonl'));
      } catch {
        // A note that is being written: the next reading finds it.
      }
    }
    return found;
  }
}

/** Takes what the reader has made of the lines so far. */
function keep(tail: Tail): void {
  for (const entry of tail.reader.flush()) {
    tail.entries.push(entry);
    const file = entry.kind === 'tool' ? editedFile(entry.name, entry.input) : null;
    if (entry.kind === 'tool' && file !== null) tail.edits.set(entry.callId, file);
    if (entry.kind !== 'result') continue;
    const edited = tail.edits.get(entry.callId);
    tail.edits.delete(entry.callId);
    if (edited !== undefined && entry.status === 'ok') tail.changed.set(edited, Math.min(tail.changed.get(edited) ?? Infinity, entry.at ?? 0));
  }
}

/** These entries, with the files of `withFiles`, and behind them those of the subagents that their calls started. */
export async function withSubagents(entries: readonly Entry[], reader: TranscriptReader, subagents: Subagents, signal?: AbortSignal): Promise<Entry[]> {
  const found: Entry[] = [];
  for await (const piece of subagents.entriesOf(entries.filter(isAgentCall), reader.agents, signal)) for (const entry of piece) found.push(entry);
  return [...(await withFiles(entries, reader, subagents, signal)), ...found];
}

/** These entries, turns' ends with the files that subagents of the turn changed before it ended. `reader` has read the turns from their beginnings. */
export async function withFiles(entries: readonly Entry[], reader: TranscriptReader, subagents: Subagents, signal?: AbortSignal): Promise<Entry[]> {
  const whole: Entry[] = [];
  for (const entry of entries) whole.push(isEnd(entry) ? await endWith(entry, reader, subagents, signal) : entry);
  return whole;
}

/** True for the end of a turn. */
export function isEnd(entry: Entry): entry is TurnEntry {
  return entry.kind === 'turn' && entry.phase === 'end';
}

async function endWith(end: TurnEntry, reader: TranscriptReader, subagents: Subagents, signal: AbortSignal | undefined): Promise<TurnEntry> {
  const calls = reader.agentCalls.filter((call) => call.turn === end.turn);
  if (calls.length === 0) return end;
  const changed = await subagents.changedBy(calls, reader.agents, end.at, signal);
  return { ...end, filesChanged: [...new Set([...end.filesChanged, ...changed])].sort() };
}
