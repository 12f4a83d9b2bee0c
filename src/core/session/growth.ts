import type { DeltaEntry } from '../model/entry.ts';
import { compareOrder } from '../model/entry.ts';
import type { Row, ToolRow } from '../model/row.ts';
import type { Channel } from './channels.ts';
import { endsChannel } from './channels.ts';
import { headOf, joinCut, OUTPUT_HEAD, OUTPUT_LIMIT, OUTPUT_TAIL } from './cut.ts';
import { joinPieces, lastPart } from './pieces.ts';
import { RowEntries } from './rowEntries.ts';
import type { RowLog } from './rowLog.ts';

/** How a row that streams goes on without being folded anew: constant work for a piece, however much came before. */
export interface Growth {
  readonly channel: Channel;
  /** Last part so far. */
  last: number;
  /** Characters of the whole output so far, its head and its last characters; for `output` only. */
  length: number;
  head: string;
  tail: string;
}

/** What a piece did to a row: text at the end of a field, or another value of the row. */
export interface Grown {
  readonly row: Row;
  readonly field: 'text' | 'output' | null;
}

/** How the row goes on with pieces of that channel; null where it must be folded. `own` is the row without its children. */
export function growthOf(own: Row, log: RowLog, channel: Channel): Growth | null {
  const entries = new RowEntries(log.all());
  const pieces = entries.pieces(channel);
  if (pieces.length === 0) return null;
  const base = { channel, last: lastPart(pieces), length: 0, head: '', tail: '' };
  if (channel === 'text' || channel === 'thinking') return own.kind === channel && own.streaming ? base : null;
  if (own.kind !== 'tool') return null;
  if (channel === 'input') return entries.of('tool').every((call) => endsChannel(call) === null) ? base : null;
  if (entries.of('result').length > 0) return null;
  const output = joinPieces(pieces);
  return { ...base, length: output.length, head: output.length >= OUTPUT_HEAD ? headOf(output) : '', tail: output.slice(-OUTPUT_TAIL) };
}

/** The row with a piece that comes last, and the growth led on; null where the row must be folded, which leaves all as it was. */
export function grow(own: Row, log: RowLog, growth: Growth, piece: DeltaEntry): Grown | null {
  const facts = log.facts();
  if (piece.joined !== undefined || piece.channel !== growth.channel || piece.part <= growth.last || log.has(piece.id)) return null;
  if (facts === null || compareOrder(piece.order, facts.order) < 0) return null;
  if ((piece.parent !== null && piece.parent !== facts.parent) || (piece.turn !== null && piece.turn !== own.turn)) return null;
  if (piece.at !== null && (own.at === null || piece.at < own.at)) return null;
  growth.last = piece.part;
  if (piece.text === '') return { row: own, field: null };
  if (own.kind === 'text' || own.kind === 'thinking') return { row: { ...own, text: own.text + piece.text }, field: 'text' };
  if (own.kind !== 'tool') return null;
  if (growth.channel === 'input') {
    return { row: { ...own, input: `${typeof own.input === 'string' ? own.input : ''}${piece.text}` || null }, field: null };
  }
  return growOutput(own, growth, piece.text);
}

function growOutput(own: ToolRow, growth: Growth, text: string): Grown {
  growth.length += text.length;
  growth.tail = (growth.tail + text).slice(-OUTPUT_TAIL);
  if (growth.length <= OUTPUT_LIMIT) return { row: { ...own, output: own.output + text }, field: 'output' };
  // Until here the row carried all of it.
  if (growth.head === '') growth.head = headOf(own.output + text);
  return { row: { ...own, ...joinCut(growth.head, growth.tail, growth.length) }, field: null };
}
