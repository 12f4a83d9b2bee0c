import type { Entry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { Place } from './normalise.ts';
import { revs, rowOf } from './normalise.ts';
import type { Sheet } from './sheet.ts';
import { toolFacts } from './tools.ts';
import type { AssistantLine } from './wire.ts';
import { num, obj, str } from './wire.ts';

interface Open {
  readonly index: number;
  readonly row: string;
  readonly type: 'text' | 'thinking' | 'tool';
  readonly place: Place;
  text: string;
}

/** The blocks of one message that streams (`stream_event` lines), until the line with the whole block takes their place. */
export class StreamedBlocks {
  readonly #folder: string;
  #messageId = '';
  #open = new Map<number, Open>();
  readonly #counts = new Map<string, number>();
  /** Where the rows of this message began to stream. */
  #began = new Map<string, Place>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  get messageId(): string {
    return this.#messageId;
  }

  start(messageId: string): void {
    this.#messageId = messageId;
    this.#open = new Map();
    this.#began = new Map();
  }

  /** Place at which a row of the message that streams began; null for rows that were not streamed. */
  began(row: string | null): Place | null {
    return row === null ? null : (this.#began.get(row) ?? null);
  }

  /** `content_block_start`; gives the call of a tool before its input is whole. */
  open(event: JsonObject, place: Place): Entry[] {
    const index = num(event, 'index') ?? 0;
    const block = obj(event, 'content_block');
    const type = str(block, 'type');
    if (type === 'text' || type === 'thinking') {
      const row = rowOf.block(this.#messageId, index);
      this.#began.set(row, place);
      this.#open.set(index, { index, row, type, place, text: '' });
    } else if (type === 'tool_use') {
      const callId = str(block, 'id') ?? '';
      const name = str(block, 'name') ?? 'tool';
      const row = rowOf.tool(callId);
      this.#began.set(row, place);
      this.#open.set(index, { index, row, type: 'tool', place, text: '' });
      return [{ ...place, rev: revs.partial, kind: 'tool', id: row, row, callId, name, input: {}, cwd: this.#folder, diffs: [], ...toolFacts(name, {}, this.#folder), title: name }];
    }
    return [];
  }

  /** `content_block_delta`: gives the piece on; null for what shows nothing (signatures, citations). */
  delta(event: JsonObject, sheet: Sheet): 'text' | 'thinking' | 'input' | null {
    const open = this.#open.get(num(event, 'index') ?? 0);
    const delta = obj(event, 'delta');
    if (open === undefined || delta === null) return null;
    const text = str(delta, 'text') ?? str(delta, 'thinking') ?? str(delta, 'partial_json') ?? '';
    if (text === '') return null;
    // A tool's input is no text to read while it comes: its call is shown from the start, and whole at the end.
    if (open.type === 'tool') return 'input';
    open.text += text;
    sheet.piece(open.row, open.type, text, open.place);
    return open.type;
  }

  /**
   * Index of a block of a whole message's line. A line comes for each block before its end is streamed, so it is the first open one of its type;
   * without a stream the lines of a message are counted.
   */
  close(line: AssistantLine, position: number): number {
    const type = line.content[position]?.type;
    if (line.messageId === this.#messageId) {
      for (const open of this.#open.values()) {
        if (open.type === type || (open.type === 'tool' && type === 'tool_use')) {
          this.#open.delete(open.index);
          this.#counts.set(line.messageId, open.index + 1);
          return open.index;
        }
      }
    }
    const index = line.blockIndex ?? this.#counts.get(line.messageId) ?? 0;
    this.#counts.set(line.messageId, index + 1);
    return index;
  }

  /**
   * Ends blocks whose whole never came. `keep`: what came stays as a cut-off block; otherwise the agent asks the model again and what came is void.
   */
  abandon(keep: boolean): Entry[] {
    const entries: Entry[] = [];
    for (const open of this.#open.values()) {
      if (open.type === 'tool' || open.text === '') continue;
      entries.push({ ...open.place, rev: revs.partial, kind: open.type, id: open.row, row: open.row, text: keep ? open.text : '' });
    }
    this.#open = new Map();
    return entries;
  }
}
