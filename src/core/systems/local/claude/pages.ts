import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { Page } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import { throwIfAborted } from '../wait.ts';
import type { FileLine } from './lineFile.ts';
import { linesBackward, linesForward } from './lineFile.ts';
import { Subagents, withSubagents } from './subagents.ts';
import { mentionsTodos } from './todos.ts';
import { todosAt } from './todosAt.ts';
import { messageOf, readLine, startsTurn, TranscriptReader } from './transcript.ts';

/** How far a turn's beginning is looked for before a page, in bytes. */
const maxTurnBytes = 64 * 1024 * 1024;
/** The most that a page shows of one subagent's file, in bytes. */
const maxSubagentBytes = 16 * 1024 * 1024;

interface PageRequest {
  readonly cursor?: string;
  /** Lines that show something; a page may hold some more, so that no message is cut. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

interface Parsed extends FileLine {
  readonly value: JsonObject;
}
/** Where a page ends, and the beginning of the turn that goes on over that end where it is known. */
interface Cursor {
  readonly end: number;
  readonly turn: number | null;
}

function readCursor(text: string | undefined): Cursor | null {
  const match = /^(\d+)(?::(\d+))?$/.exec(text ?? '');
  return match === null ? null : { end: Number(match[1]), turn: match[2] === undefined ? null : Number(match[2]) };
}

/**
 * One page of a transcript, newest first: read backwards from the cursor, without reading what is older than the page but for the turn that reaches into it.
 * `dead`: nobody runs the session, so that an unfinished last turn broke off. A file that is not there has no entries.
 */
export async function historyPage(file: string, folder: string, request: PageRequest, dead: boolean): Promise<Page<Entry>> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) return { items: [], next: null };
  try {
    const { size } = await handle.stat();
    const cursor = readCursor(request.cursor);
    const end = Math.min(cursor?.end ?? size, size);
    const { lines, top } = await collect(handle, end, request);
    const start = lines[0];
    if (start === undefined) return { items: [], next: null };
    const reader = new TranscriptReader({ folder });
    const next = cursor === null ? null : await following(handle, end, size);
    const holdsStart = lines.some((line) => startsTurn(line.value));
    const before = startsTurn(start.value) || top ? null : await turnBefore(handle, start.offset, holdsStart ? null : (cursor?.turn ?? null), request.signal);
    if (before !== null) {
      // What the page needs of the turn before it: all of it when the turn ends within the page, else only whose it is.
      const whole = holdsStart || next === null || startsTurn(next);
      await feed(handle, reader, before, start.offset, whole, request.signal);
      reader.flush();
    }
    if (lines.some((line) => mentionsTodos(line.text))) reader.todos = await todosAt(handle, start.offset, request.signal);
    for (const line of lines) reader.line(line.value, line.offset, line.end);
    if (next === null) reader.finish(dead);
    else reader.followedBy(next, dead);
    const items = await withSubagents(reader.flush(), reader, new Subagents({ file, folder, dead, most: maxSubagentBytes }), request.signal);
    return { items, next: top ? null : `${start.offset}${before === null ? '' : `:${before}`}` };
  } finally {
    await handle.close();
  }
}

/** Lines of the page, oldest first; `top`: there is nothing before them. It begins with a turn or with a message, so that blocks can be counted. */
async function collect(handle: FileHandle, end: number, request: PageRequest): Promise<{ readonly lines: readonly Parsed[]; readonly top: boolean }> {
  const lines: Parsed[] = [];
  let shown = 0;
  let full = false;
  for await (const line of linesBackward(handle, end)) {
    throwIfAborted(request.signal);
    const value = readLine(line.text);
    if (value === null) continue;
    const newest = lines[0];
    if (full && newest !== undefined && begins(newest.value, value)) return { lines, top: false };
    lines.unshift({ ...line, value });
    if (value['type'] === 'assistant' || value['type'] === 'user') shown += 1;
    full = shown >= request.limit;
    if (full && startsTurn(value)) return { lines, top: false };
  }
  return { lines, top: true };
}

/** True when a message begins with `line`, which stands right behind `before`. */
function begins(line: JsonObject, before: JsonObject): boolean {
  const message = messageOf(line);
  return message !== null && messageOf(before) !== message && before['isSidechain'] !== true;
}

async function turnBefore(handle: FileHandle, offset: number, known: number | null, signal: AbortSignal | undefined): Promise<number | null> {
  if (known !== null && known < offset) return known;
  for await (const line of linesBackward(handle, offset)) {
    throwIfAborted(signal);
    if (offset - line.offset > maxTurnBytes) return null;
    const value = readLine(line.text);
    if (value !== null && startsTurn(value)) return line.offset;
  }
  return null;
}

async function feed(handle: FileHandle, reader: TranscriptReader, from: number, to: number, whole: boolean, signal: AbortSignal | undefined): Promise<void> {
  for await (const line of linesForward(handle, from, to)) {
    throwIfAborted(signal);
    const value = readLine(line.text);
    if (value !== null) reader.line(value, line.offset, line.end);
    if (!whole && reader.turn !== null && reader.turn.id !== null) return;
  }
}

/** The first line behind the page that holds something; null at the end of the file. */
async function following(handle: FileHandle, end: number, size: number): Promise<JsonObject | null> {
  for await (const line of linesForward(handle, end, size)) {
    const value = readLine(line.text);
    if (value !== null) return value;
  }
  return null;
}

/**
 * Follows a transcript that grows: a reader that knows the turn at `offset` (the beginning of a line), ready for the lines from there on.
 */
export async function readerAt(handle: FileHandle, folder: string, offset: number): Promise<TranscriptReader> {
  const reader = new TranscriptReader({ folder });
  const turn = offset === 0 ? null : await turnBefore(handle, offset, null, undefined);
  if (turn !== null) await feed(handle, reader, turn, offset, true, undefined);
  reader.flush();
  return reader;
}
