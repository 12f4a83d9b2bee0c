import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { throwIfAborted } from '../wait.ts';
import { linesBackward } from './lineFile.ts';
import { mentionsTodos, TodoBook } from './todos.ts';
import { messageOf, readLine } from './transcript.ts';
import type { AssistantLine, Block, UserLine } from './wire.ts';
import { obj, readAssistant, readUser, str } from './wire.ts';

/** How far back what makes up a list is looked for, in bytes. */
const maxBytes = 64 * 1024 * 1024;

/**
 * The to-do list as it stands at `offset` of a transcript (the beginning of a line, or its end). Reads backwards, parses only lines that are about it, and
 * stops before the message in which the agent last wrote or listed all there is: what was called before has its result before as well.
 */
export async function todosAt(handle: FileHandle, offset: number, signal?: AbortSignal): Promise<TodoBook> {
  const lines: (AssistantLine | UserLine)[] = [];
  /** Details of results that went well, by call. */
  const results = new Map<string, JsonValue>();
  let whole: string | null = null;
  for await (const line of linesBackward(handle, offset)) {
    throwIfAborted(signal);
    if (offset - line.offset > maxBytes) break;
    const mentions = mentionsTodos(line.text);
    if (!mentions && whole === null) continue;
    const value = readLine(line.text);
    if (value === null) continue;
    const message = messageOf(value);
    if (whole !== null && message !== null && message !== whole) break;
    const read = mentions ? (readAssistant(value) ?? readUser(value)) : null;
    if (read === null) continue;
    lines.push(read);
    if (read.sidechain) continue;
    if (read.kind === 'user') keepResults(read, results);
    else if (read.content.some((block) => tellsAll(block, results))) whole ??= message;
  }
  const book = new TodoBook();
  for (const line of lines.reverse()) book.line(line);
  return book;
}

function keepResults(line: UserLine, results: Map<string, JsonValue>): void {
  for (const block of line.content) {
    const callId = str(block, 'tool_use_id');
    if (block.type === 'tool_result' && callId !== null && block['is_error'] !== true) results.set(callId, line.facts(callId).detail);
  }
}

/** True for a call after which nothing of what the list was before counts. */
function tellsAll(block: Block, results: ReadonlyMap<string, JsonValue>): boolean {
  const detail = block.type === 'tool_use' ? results.get(str(block, 'id') ?? '') : undefined;
  if (detail === undefined) return false;
  const name = str(block, 'name');
  if (name === 'TodoWrite') return Array.isArray(obj(block, 'input')?.['todos']);
  return name === 'TaskList' && isJsonObject(detail) && Array.isArray(detail['tasks']);
}

/** The same of a file as it is now, or at `offset`; empty when it cannot be read. */
export async function todosOf(file: string, offset?: number): Promise<TodoBook> {
  const handle = await open(file, 'r').catch(() => null);
  if (handle === null) return new TodoBook();
  try {
    return await todosAt(handle, offset ?? (await handle.stat()).size);
  } finally {
    await handle.close();
  }
}
