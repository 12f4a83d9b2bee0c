import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { JsonObject } from '../../../model/json.ts';
import { throwIfAborted } from '../wait.ts';
import { linesBackward } from './lineFile.ts';
import { mentionsTodos, TodoBook } from './todos.ts';
import { readLine, startsTurn } from './transcript.ts';
import { list, obj, readAssistant, readUser } from './wire.ts';

/** How far back what makes up a list is looked for, in bytes. */
const maxBytes = 64 * 1024 * 1024;

/**
 * The to-do list as it stands at `offset` of a transcript (the beginning of a line, or its end). Reads backwards, parses only lines that are about it, and
 * stops before the turn in which the agent last listed all there is.
 */
export async function todosAt(handle: FileHandle, offset: number, signal?: AbortSignal): Promise<TodoBook> {
  const lines: JsonObject[] = [];
  let listed = false;
  for await (const line of linesBackward(handle, offset)) {
    throwIfAborted(signal);
    if (offset - line.offset > maxBytes) break;
    const mentions = mentionsTodos(line.text);
    if (!mentions && !listed) continue;
    const value = readLine(line.text);
    if (value === null) continue;
    if (mentions) lines.push(value);
    if (listed && startsTurn(value)) break;
    listed ||= isList(value);
  }
  const book = new TodoBook();
  for (const value of lines.reverse()) {
    const line = readAssistant(value) ?? readUser(value);
    if (line !== null) book.line(line);
  }
  return book;
}

/** The same of a file as it is now; empty when it cannot be read. */
export async function todosOf(file: string): Promise<TodoBook> {
  const handle = await open(file, 'r').catch(() => null);
  if (handle === null) return new TodoBook();
  try {
    return await todosAt(handle, (await handle.stat()).size);
  } finally {
    await handle.close();
  }
}

/** True for the result of TaskList. */
function isList(value: JsonObject): boolean {
  return value['isSidechain'] !== true && list(obj(value, 'toolUseResult'), 'tasks').length > 0;
}
