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

/** The most of a subagent's file that is read, in bytes. */
const maxBytes = 16 * 1024 * 1024;

/** A call that started a subagent. */
export type AgentCall = Pick<ToolEntry, 'callId' | 'row' | 'turn'>;

function isAgentCall(entry: Entry): entry is ToolEntry {
  return entry.kind === 'tool' && entry.verb === 'agent';
}

interface ReadFile {
  readonly size: number;
  readonly entries: readonly Entry[];
}

/** The transcripts of a session's subagents, which stand in files of their own beside the session's. Each is read again only when it has grown. */
export class Subagents {
  readonly #beside: string;
  readonly #folder: string;
  readonly #dead: boolean;
  /** File by the id of the call that started the subagent, from the notes beside the files. */
  #files: ReadonlyMap<string, string> = new Map();
  /** Subagents' own ids by call, as results tell them. */
  readonly #ids = new Map<string, string>();
  readonly #read = new Map<string, ReadFile>();
  /** Sizes of the files when their entries were last given as fresh. */
  readonly #given = new Map<string, number>();

  /** `dead`: nobody runs the session, so that what a subagent had begun came to nothing. */
  constructor(options: { readonly file: string; readonly folder: string; readonly dead: boolean }) {
    this.#beside = path.join(sideFolder(options.file), 'subagents');
    this.#folder = options.folder;
    this.#dead = options.dead;
  }

  /** Entries of these calls' subagents and of theirs. `fresh`: only of files that have grown since they were last asked for so. */
  async entriesOf(calls: readonly AgentCall[], ids: ReadonlyMap<string, string>, fresh: boolean, signal?: AbortSignal): Promise<Entry[]> {
    for (const [callId, id] of ids) this.#ids.set(callId, id);
    const found: Entry[] = [];
    const waiting = [...calls];
    for (let call = waiting.shift(); call !== undefined; call = waiting.shift()) {
      throwIfAborted(signal);
      const read = await this.#readOne(call);
      if (read === null) continue;
      if (!fresh || this.#given.get(call.callId) !== read.size) found.push(...read.entries);
      if (fresh) this.#given.set(call.callId, read.size);
      waiting.push(...read.entries.filter(isAgentCall));
    }
    return found;
  }

  async #readOne(call: AgentCall): Promise<ReadFile | null> {
    if (!this.#files.has(call.callId)) this.#files = await this.#notes();
    const id = this.#ids.get(call.callId);
    const name = this.#files.get(call.callId) ?? (id === undefined ? null : `agent-${id}.jsonl`);
    if (name === null || name.includes('/') || name.includes('\\')) return null;
    const file = path.join(this.#beside, name);
    const known = this.#read.get(call.callId) ?? null;
    const size = (await stat(file).catch(() => null))?.size ?? null;
    if (size === null || size === known?.size) return known;
    const read = await this.#lines(file, call);
    if (read !== null) this.#read.set(call.callId, read);
    return read;
  }

  async #lines(file: string, call: AgentCall): Promise<ReadFile | null> {
    const handle = await open(file, 'r').catch(() => null);
    if (handle === null) return null;
    try {
      const { size } = await handle.stat();
      const reader = new TranscriptReader({ folder: this.#folder, parent: call.row ?? '', turn: call.turn });
      for await (const line of linesForward(handle, 0, Math.min(size, maxBytes))) {
        const value = readLine(line.text);
        if (value !== null) reader.line(value, line.offset, line.end);
      }
      reader.finish(this.#dead);
      for (const [callId, id] of reader.agents) this.#ids.set(callId, id);
      return { size, entries: reader.flush() };
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

/** These entries, with the files of `withFiles`, and behind them those of the subagents that their calls started. */
export async function withSubagents(entries: readonly Entry[], reader: TranscriptReader, subagents: Subagents, signal?: AbortSignal): Promise<Entry[]> {
  const found = await subagents.entriesOf(entries.filter(isAgentCall), reader.agents, false, signal);
  return [...(await withFiles(entries, reader, subagents, signal)), ...found];
}

/** These entries, turns' ends with the files that subagents of the turn changed before it ended. `reader` has read the turns from their beginnings. */
export async function withFiles(entries: readonly Entry[], reader: TranscriptReader, subagents: Subagents, signal?: AbortSignal): Promise<Entry[]> {
  const whole: Entry[] = [];
  for (const entry of entries) whole.push(entry.kind === 'turn' && entry.phase === 'end' ? await endWith(entry, reader, subagents, signal) : entry);
  return whole;
}

async function endWith(end: TurnEntry, reader: TranscriptReader, subagents: Subagents, signal: AbortSignal | undefined): Promise<TurnEntry> {
  const calls = reader.agentCalls.filter((call) => call.turn === end.turn);
  if (calls.length === 0) return end;
  const files = new Set(end.filesChanged);
  const edits = new Map<string, string>();
  for (const entry of await subagents.entriesOf(calls, reader.agents, false, signal)) {
    const file = entry.kind === 'tool' ? editedFile(entry.name, entry.input) : null;
    if (entry.kind === 'tool' && file !== null) edits.set(entry.callId, file);
    const edited = entry.kind === 'result' && entry.status === 'ok' && (end.at === null || (entry.at ?? 0) <= end.at) ? edits.get(entry.callId) : undefined;
    if (edited !== undefined) files.add(edited);
  }
  return { ...end, filesChanged: [...files].sort() };
}
