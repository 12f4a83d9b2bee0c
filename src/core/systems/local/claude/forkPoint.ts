import { open } from 'node:fs/promises';
import type { JsonObject } from '../../../model/json.ts';
import { throwIfAborted } from '../wait.ts';
import { linesBackward } from './lineFile.ts';
import { readLine, startsTurn } from './transcript.ts';
import { str } from './wire.ts';

/** Where in a transcript a fork begins. */
interface ForkStart {
  /** Offset of the prompt's line: all before it is the fork's past. */
  readonly size: number;
  /** Id of the last message of that past, for `--resume-session-at`; null where there is none. */
  readonly upTo: string | null;
}

/**
 * The place of the prompt `uuid` in a transcript, read from its end. Null where no turn begins with that prompt. What the prompt follows is told by its `parentUuid`;
 * lines that are no message (notes, attachments, hooks) are passed over along that chain, since the agent takes the id of a message (seen with 2.1.329).
 */
export async function forkStart(file: string, uuid: string, signal?: AbortSignal): Promise<ForkStart | null> {
  if (uuid === '') return null;
  const handle = await open(file, 'r');
  try {
    let size: number | null = null;
    let wanted = uuid;
    for await (const line of linesBackward(handle, (await handle.stat()).size)) {
      throwIfAborted(signal);
      if (!line.text.includes(wanted)) continue;
      const value = ownLine(line.text, wanted);
      if (value === null) continue;
      if (size === null) {
        if (!startsTurn(value)) return null;
        size = line.offset;
      } else if (value['type'] === 'assistant' || value['type'] === 'user') return { size, upTo: wanted };
      const parent = str(value, 'parentUuid');
      if (parent === null) return { size, upTo: null };
      wanted = parent;
    }
    // A chain whose beginning is not in the file has no past that could be resumed.
    return size === null ? null : { size, upTo: null };
  } finally {
    await handle.close();
  }
}

/** The line's JSON where it is the one of that id. */
function ownLine(text: string, uuid: string): JsonObject | null {
  const value = readLine(text) ?? parseNote(text);
  return value !== null && str(value, 'uuid') === uuid ? value : null;
}

/** Lines that hold nothing for the chat are links of the chain too. */
function parseNote(text: string): JsonObject | null {
  const uuid = /"uuid":"([^"]{1,100})"/.exec(text)?.[1];
  const parent = /"parentUuid":"([^"]{1,100})"/.exec(text)?.[1];
  return uuid === undefined ? null : { type: 'note', uuid, parentUuid: parent ?? null };
}
