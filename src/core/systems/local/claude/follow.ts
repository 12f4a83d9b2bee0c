import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { Entry } from '../../../model/entry.ts';
import { linesForward } from './lineFile.ts';
import { readerAt } from './pages.ts';
import type { AgentCall } from './subagents.ts';
import { isEnd, Subagents, withFiles } from './subagents.ts';
import { mentionsTodos } from './todos.ts';
import { todosAt } from './todosAt.ts';
import type { TranscriptReader } from './transcript.ts';
import { readLine } from './transcript.ts';

/** Bytes that are read at once: entries of a long piece leave in several goes. A line that is longer is read whole. */
const stepBytes = 4 * 1024 * 1024;

/** Reads on in a transcript that somebody else writes. One reading at a time: a second one would read the same lines. */
export class Follower {
  readonly file: string;
  readonly #folder: string;
  #offset: number;
  #inode: number | null = null;
  #reader: TranscriptReader | null = null;
  /** True once the reader knows the to-do list: it is looked for when it is needed. */
  #knowsTodos = false;
  readonly #subagents: Subagents;
  /** Subagents that may have written since the last look. */
  #working: readonly AgentCall[] = [];

  /** @param offset size of the file from which on it is followed; a line that was unfinished then is read whole. */
  constructor(file: string, folder: string, offset: number) {
    this.file = file;
    this.#folder = folder;
    this.#offset = offset;
    this.#subagents = new Subagents({ file, folder, dead: false });
  }

  /** Up to here the file has been told, or passed over. */
  get offset(): number {
    return this.#offset;
  }

  /** True when there may be more to tell though the file is as long as it was. */
  get working(): boolean {
    return this.#working.length > 0;
  }

  /**
   * Gives `tell` the entries of the lines that came since, piece by piece. `quiet`: passes over them (somebody else tells of them). A file that is shorter
   * than it was, or another one in its place, is read from its beginning: its entries have the ids that they had.
   */
  async read(quiet: boolean, tell: (entries: readonly Entry[]) => void): Promise<void> {
    const handle = await open(this.file, 'r').catch(() => null);
    if (handle === null) return;
    try {
      const { size, ino } = await handle.stat();
      const replaced = this.#inode !== null && ino !== this.#inode;
      this.#inode = ino;
      if (quiet) this.#pass(size);
      else if (size < this.#offset || replaced) this.#pass(0);
      if (size > this.#offset) await this.#readTo(handle, size, tell);
      if (!quiet) await this.#readSubagents(tell);
    } finally {
      await handle.close();
    }
  }

  #pass(offset: number): void {
    this.#offset = offset;
    this.#reader = null;
    this.#knowsTodos = false;
  }

  async #readTo(handle: FileHandle, size: number, tell: (entries: readonly Entry[]) => void): Promise<void> {
    if (this.#reader === null) {
      this.#offset = await lineStart(handle, this.#offset);
      this.#reader = await readerAt(handle, this.#folder, this.#offset);
    }
    for (let step = stepBytes; this.#offset < size; ) {
      const limit = Math.min(size, this.#offset + step);
      const before = this.#offset;
      for await (const line of linesForward(handle, before, limit)) {
        this.#offset = line.end;
        if (!this.#knowsTodos && mentionsTodos(line.text)) {
          this.#knowsTodos = true;
          this.#reader.todos = await todosAt(handle, line.offset);
        }
        const value = readLine(line.text);
        if (value !== null) this.#reader.line(value, line.offset, line.end);
      }
      if (this.#offset === before) {
        if (limit === size) return;
        step *= 2;
        continue;
      }
      this.#reader.finish(false);
      await this.#tell(this.#reader.flush(), this.#reader, tell);
    }
  }

  /** A turn's end tells of files that subagents of the turn changed: what they wrote is told before it, so that it need not be kept. */
  async #tell(entries: readonly Entry[], reader: TranscriptReader, tell: (entries: readonly Entry[]) => void): Promise<void> {
    const ends = entries.filter(isEnd);
    const turns = new Set<string | null>(ends.map((end) => end.turn));
    const rest = entries.filter((entry) => !isEnd(entry));
    if (rest.length > 0) tell(rest);
    for await (const piece of this.#subagents.entriesOf(reader.agentCalls.filter((call) => turns.has(call.turn)), reader.agents)) tell(piece);
    if (ends.length > 0) tell(await withFiles(ends, reader, this.#subagents));
  }

  async #readSubagents(tell: (entries: readonly Entry[]) => void): Promise<void> {
    if (this.#reader === null) return;
    const open = [...this.#reader.openAgents.values()];
    // One that has just ended is read once more.
    const calls = new Map([...this.#working, ...open].map((call) => [call.callId, call]));
    this.#working = open;
    for await (const piece of this.#subagents.entriesOf([...calls.values()], this.#reader.agents)) tell(piece);
  }
}

/** Where the line begins in which `offset` stands; `offset` itself when a line begins there. */
async function lineStart(handle: FileHandle, offset: number): Promise<number> {
  const chunk = Buffer.alloc(64 * 1024);
  for (let end = offset; end > 0; ) {
    const start = Math.max(0, end - chunk.length);
    const { bytesRead } = await handle.read(chunk, 0, end - start, start);
    const cut = chunk.subarray(0, bytesRead).lastIndexOf(10);
    if (cut >= 0) return start + cut + 1;
    end = start;
  }
  return 0;
}
