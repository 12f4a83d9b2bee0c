import type { Entry, ToolEntry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import { canonicalJson } from '../../../model/json.ts';
import { InputScan } from './inputScan.ts';
import type { Place } from './normalise.ts';
import { cancelledResult, revs, rowOf } from './normalise.ts';
import type { Sheet } from './sheet.ts';
import type { ToolFacts } from './tools.ts';
import { isToolUse, toolFacts } from './tools.ts';
import type { AssistantLine } from './wire.ts';
import { num, obj, str } from './wire.ts';

interface OpenText {
  readonly type: 'text' | 'thinking';
  readonly index: number;
  readonly row: string;
  readonly place: Place;
  text: string;
}
interface OpenTool {
  readonly type: 'tool';
  readonly index: number;
  readonly row: string;
  readonly place: Place;
  readonly callId: string;
  readonly name: string;
  readonly scan: InputScan;
  facts: ToolFacts;
  versions: number;
  /** Characters of the input so far, and those of them that were not given on yet. */
  length: number;
  held: string;
}
type Open = OpenText | OpenTool;

/** Input of a call is given on in pieces of so many characters, or of this share of what came before: a row that holds it all is shown anew with each. */
const inputPiece = 64;
const inputShare = 1 / 16;

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
      this.#open.set(index, { type, index, row, place, text: '' });
      return [];
    }
    if (!isToolUse(type)) return [];
    const callId = str(block, 'id') ?? rowOf.block(this.#messageId, index);
    const name = str(block, 'name') ?? 'tool';
    const row = rowOf.tool(callId);
    const open: OpenTool = { type: 'tool', index, row, place, callId, name, scan: new InputScan(), facts: toolFacts(name, {}, this.#folder), versions: 0, length: 0, held: '' };
    this.#began.set(row, place);
    this.#open.set(index, open);
    return [this.#call(open, 'streaming')];
  }

  /** `content_block_delta`: gives the piece on; null for what shows nothing (signatures, citations). */
  delta(event: JsonObject, sheet: Sheet): 'text' | 'thinking' | 'input' | null {
    const open = this.#open.get(num(event, 'index') ?? 0);
    const delta = obj(event, 'delta');
    if (open === undefined || delta === null) return null;
    if (open.type === 'tool') return this.#input(open, str(delta, 'partial_json') ?? '', sheet);
    const text = str(delta, 'text') ?? str(delta, 'thinking') ?? '';
    if (text === '') return null;
    open.text += text;
    sheet.piece(open.row, open.type, text, open.place);
    return open.type;
  }

  /**
   * Index of a block of a whole message's line. A line comes for each block before its end is streamed, so it is the open one with the call's id, or the
   * first of its type; without a stream the lines of a message are counted.
   */
  close(line: AssistantLine, position: number): number {
    const block = line.content[position];
    if (line.messageId === this.#messageId && block !== undefined) {
      const open = [...this.#open.values()].find((one) => (one.type === 'tool' ? isToolUse(block.type) && one.callId === (str(block, 'id') ?? one.callId) : one.type === block.type));
      if (open !== undefined) {
        this.#open.delete(open.index);
        this.#counts.set(line.messageId, open.index + 1);
        return open.index;
      }
    }
    const index = line.blockIndex ?? this.#counts.get(line.messageId) ?? 0;
    this.#counts.set(line.messageId, index + 1);
    return index;
  }

  /**
   * Ends blocks whose whole never came. `keep`: what came stays, as a cut-off block or a call that was broken off; otherwise the agent asks the model again and
   * what came is void.
   */
  abandon(keep: boolean): Entry[] {
    const entries: Entry[] = [];
    for (const open of this.#open.values()) {
      if (open.type !== 'tool') {
        if (open.text !== '') entries.push({ ...open.place, rev: revs.partial, kind: open.type, id: open.row, row: open.row, text: keep ? open.text : '' });
      } else if (keep) {
        entries.push(cancelledResult(open.callId, open.place));
      } else {
        entries.push(this.#call(open, 'void'));
      }
    }
    this.#open = new Map();
    return entries;
  }

  #input(open: OpenTool, text: string, sheet: Sheet): 'input' | null {
    if (text === '') return null;
    open.length += text.length;
    open.held += text;
    if (open.scan.feed(text)) {
      const facts = toolFacts(open.name, open.scan.fields, this.#folder);
      if (canonicalJson({ ...facts }) !== canonicalJson({ ...open.facts })) {
        open.facts = facts;
        sheet.add(this.#call(open, 'streaming'));
      }
    }
    if (open.held.length >= Math.max(inputPiece, open.length * inputShare)) {
      sheet.piece(open.row, 'input', open.held, open.place);
      open.held = '';
    }
    return 'input';
  }

  /** The next version of a call that is not whole. */
  #call(open: OpenTool, stage: 'streaming' | 'void'): ToolEntry {
    open.versions += 1;
    return {
      ...open.place, rev: stage === 'void' ? revs.void : revs.streaming(open.versions), kind: 'tool', id: open.row, row: open.row, callId: open.callId, name: open.name, input: null,
      cwd: this.#folder, diffs: [], ...open.facts, stage,
    };
  }
}
