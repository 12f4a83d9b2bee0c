import type { DeltaEntry } from '../model/entry.ts';
import { compareOrder } from '../model/entry.ts';
import { compareEntries, compareText } from './order.ts';

/** Characters after which pieces go on in another stored entry, so that a long block is not written anew with every piece. */
const SEGMENT_CHARS = 64 * 1024;

/** How many parts a piece holds: one, or those that were joined in it. */
export function partCount(piece: DeltaEntry): number {
  return piece.joined === undefined ? 1 : piece.joined.lengths.length;
}

export function pieceRev(piece: DeltaEntry): number {
  return piece.joined?.rev ?? piece.rev;
}

/** Pieces of one channel by part; undefined parts are simply not there. */
function byPart(pieces: Iterable<DeltaEntry>): DeltaEntry[] {
  return [...pieces].filter((piece) => partCount(piece) > 0).sort((a, b) => a.part - b.part || pieceRev(a) - pieceRev(b) || compareText(a.text, b.text) || compareEntries(a, b));
}

/** True when every part is held once; for sorted pieces. */
function isFlat(sorted: readonly DeltaEntry[]): boolean {
  let end = Number.NEGATIVE_INFINITY;
  for (const piece of sorted) {
    if (piece.part < end) return false;
    end = piece.part + partCount(piece);
  }
  return true;
}

interface Part {
  readonly part: number;
  readonly text: string;
  readonly rev: number;
  /** The piece that it came in, for its place in the row. */
  readonly from: DeltaEntry;
}

/** The text that holds for every part, in order: of two pieces with one part the higher version, then the greater text. */
function winners(sorted: readonly DeltaEntry[]): Part[] {
  const held = new Map<number, Part>();
  for (const piece of sorted) {
    let at = 0;
    const rev = pieceRev(piece);
    (piece.joined?.lengths ?? [piece.text.length]).forEach((length, index) => {
      const part = piece.part + index;
      const text = piece.text.slice(at, at + length);
      at += length;
      const other = held.get(part);
      if (other === undefined || rev > other.rev || (rev === other.rev && compareText(text, other.text) > 0)) held.set(part, { part, text, rev, from: piece });
    });
  }
  return [...held.values()].sort((a, b) => a.part - b.part);
}

/** The text of pieces of one channel, joined in the order of their parts. Missing parts are passed over. */
export function joinPieces(pieces: Iterable<DeltaEntry>): string {
  const sorted = byPart(pieces);
  let text = '';
  if (isFlat(sorted)) for (const piece of sorted) text += piece.text;
  else for (const part of winners(sorted)) text += part.text;
  return text;
}

/** The highest part among the pieces; -Infinity for none. */
export function lastPart(pieces: Iterable<DeltaEntry>): number {
  let last = Number.NEGATIVE_INFINITY;
  for (const piece of pieces) if (partCount(piece) > 0) last = Math.max(last, piece.part + partCount(piece) - 1);
  return last;
}

/**
 * Segments that hold the same text as these pieces of one row and channel: runs of parts without a hole, of one version, up to 64 Ki characters each.
 * Segments that stay as they are stay the same objects.
 */
export function segmentsOf(pieces: readonly DeltaEntry[]): DeltaEntry[] {
  const sorted = byPart(pieces);
  const runs: Run[] = [];
  if (isFlat(sorted)) for (const piece of sorted) addToRuns(runs, piece, piece.joined?.lengths ?? [piece.text.length], piece.text, piece.part);
  else for (const part of winners(sorted)) addToRuns(runs, part.from, [part.text.length], part.text, part.part);
  const known = new Map(pieces.map((piece) => [piece.id, piece]));
  return runs.map((run) => segment(run, known));
}

interface Run {
  readonly part: number;
  readonly rev: number;
  readonly lengths: number[];
  text: string;
  readonly members: Set<DeltaEntry>;
}

function addToRuns(runs: Run[], from: DeltaEntry, lengths: readonly number[], text: string, part: number): void {
  const run = runs.at(-1);
  const rev = pieceRev(from);
  if (run !== undefined && run.rev === rev && run.part + run.lengths.length === part && run.text.length < SEGMENT_CHARS) {
    for (const length of lengths) run.lengths.push(length);
    run.text += text;
    run.members.add(from);
  } else {
    runs.push({ part, rev, lengths: [...lengths], text, members: new Set([from]) });
  }
}

function segment(run: Run, known: ReadonlyMap<string, DeltaEntry>): DeltaEntry {
  const members = [...run.members];
  const first = members[0];
  if (first === undefined) throw new RangeError('a run of pieces holds at least one');
  const id = `${first.row}#pieces:${first.channel}:${run.rev}:${run.part}`;
  const before = known.get(id);
  if (before !== undefined && before.joined?.lengths.length === run.lengths.length && before.text === run.text) return before;
  return {
    ...placeOf(members), kind: 'delta', id, row: first.row, channel: first.channel, part: run.part, text: run.text,
    rev: Math.max(run.lengths.length, Math.floor(before?.rev ?? -1) + 1), joined: { rev: run.rev, lengths: run.lengths },
  };
}

type Place = Pick<DeltaEntry, 'order' | 'at' | 'turn' | 'parent'>;

/** What pieces say together about their row's place: the earliest of each, so that joining them changes nothing about the row. */
export function placeOf(entries: readonly Place[]): Place {
  const sorted = [...entries].sort((a, b) => compareOrder(a.order, b.order));
  let at: number | null = null;
  for (const entry of sorted) if (entry.at !== null && (at === null || entry.at < at)) at = entry.at;
  return {
    order: sorted[0]?.order ?? [],
    at,
    turn: sorted.find((entry) => entry.turn !== null)?.turn ?? null,
    parent: sorted.find((entry) => entry.parent !== null)?.parent ?? null,
  };
}

/**
 * A stored segment whose text something else holds now. Its version stands just above the one that it empties and below that of a segment with more pieces,
 * which a window may make that does not know of it.
 */
export function emptied(piece: DeltaEntry): DeltaEntry {
  return { ...piece, text: '', rev: piece.rev + 0.5, joined: { rev: pieceRev(piece), lengths: [] } };
}

/**
 * Keeps the place that pieces gave their row after a whole entry took their text over; null for no pieces. The id tells the place, so that traces that several
 * windows leave stand side by side, and the row has what they say together.
 */
export function traceOf(pieces: readonly DeltaEntry[]): DeltaEntry | null {
  const [first] = pieces;
  if (first === undefined) return null;
  const place = placeOf(pieces);
  const same = pieces.find((piece) => isTrace(piece) && samePlace(piece, place));
  return same ?? {
    ...place, kind: 'delta', id: `${first.row}#pieces@${JSON.stringify([place.order, place.at])}`, row: first.row, channel: first.channel, part: 0, text: '',
    rev: 0, joined: { rev: 0, lengths: [] },
  };
}

export function isTrace(piece: DeltaEntry): boolean {
  return piece.id.startsWith(`${piece.row}#pieces@`);
}

/** True when entries say the same about their row's place and time. */
export function samePlace(a: Place, b: Place): boolean {
  return compareOrder(a.order, b.order) === 0 && a.at === b.at && a.turn === b.turn && a.parent === b.parent;
}
