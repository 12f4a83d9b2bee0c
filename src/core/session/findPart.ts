import type { ToolRow } from '../model/row.ts';
import type { Slicer } from '../transport/slices.ts';
import { headOf } from './cut.ts';
import type { Wanted } from './matchCounter.ts';
import { MatchCounter } from './matchCounter.ts';
import type { PlainPlace } from './plain.ts';
import { plainPieces, START } from './plain.ts';
import { outputPieces } from './textPieces.ts';

/** As editors see it: the returns of a progress bar end lines too. */
const LINE_END = /\r\n?|\n/g;

/** How many matches a text has that comes in pieces. Rejects when the slicer's signal is aborted. */
export async function countPieces(pieces: Iterable<string>, wanted: Wanted, slicer: Slicer): Promise<number> {
  const counter = new MatchCounter(wanted);
  await feed(counter, pieces, slicer);
  return counter.end();
}

async function feed(counter: MatchCounter, pieces: Iterable<string>, slicer: Slicer): Promise<void> {
  for (const piece of pieces) {
    counter.push(piece);
    if (slicer.due()) await slicer.rest();
  }
}

/** What was searched of a text that grows. */
interface Grown {
  readonly searched: string;
  readonly place: PlainPlace;
  readonly counter: MatchCounter;
}

/** Counts the matches in texts that grow: of each only what came since the last time, and the piece before it. */
export class GrowingTexts {
  private readonly wanted: Wanted;
  private readonly grown = new Map<string, Grown>();

  constructor(wanted: Wanted) {
    this.wanted = wanted;
  }

  /** How many matches the markdown text of a row has, as it is read. Rejects when the slicer's signal is aborted. */
  async count(key: string, source: string, slicer: Slicer): Promise<number> {
    const known = this.grown.get(key);
    let { place, counter } = known !== undefined && source.slice(0, known.searched.length) === known.searched ? known : { place: START, counter: new MatchCounter(this.wanted) };
    const all = counter.fork();
    for (const piece of plainPieces(source, place)) {
      all.push(piece.text);
      if (piece.settled) [place, counter] = [piece.next, all.fork()];
      if (slicer.due()) await slicer.rest();
    }
    this.grown.set(key, { searched: source.slice(0, place.at), place, counter });
    return all.end();
  }

  /** Lets go of a text that grows no more. */
  end(key: string): void {
    this.grown.delete(key);
  }
}

/** Where a match is in an output that its row carries in part. */
interface OutputPlace {
  /** Which match it is of those that the row shows, of how many; from 0. */
  readonly ordinal: number;
  readonly of: number;
  /** The line of the whole output that it is on, from 1, where the row does not show it; else null. */
  readonly hiddenLine: number | null;
}

/** Where the nth match, from 0, of a whole output is. Rejects when the slicer's signal is aborted. */
export async function placeInOutput(whole: string, row: ToolRow, wanted: Wanted, slicer: Slicer, nth: number): Promise<OutputPlace> {
  const head = headOf(whole).length;
  const middle = head + row.outputOmitted;
  // The ends of the two in the text without control sequences; matches are looked up once these are known.
  let [headEnd, middleEnd] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let seen = 0;
  let [shown, shownBefore] = [0, 0];
  let at: number | null = null;
  const counter = new MatchCounter(wanted, (start, end) => {
    const hidden = end > headEnd && start < middleEnd;
    if (!hidden) shown += 1;
    if (seen < nth && !hidden) shownBefore += 1;
    if (seen === nth && hidden) at = start;
    seen += 1;
  });
  await feed(counter, outputPieces(whole.slice(0, head)), slicer);
  headEnd = counter.length;
  await feed(counter, outputPieces(whole.slice(head, middle)), slicer);
  middleEnd = counter.length;
  await feed(counter, outputPieces(whole.slice(middle)), slicer);
  counter.end();
  return { ordinal: shownBefore, of: shown, hiddenLine: at === null ? null : await lineAt(whole, at, slicer) };
}

/** The line, from 1, of a place in an output without its control sequences. */
async function lineAt(whole: string, at: number, slicer: Slicer): Promise<number> {
  let line = 1;
  let read = 0;
  for (const piece of outputPieces(whole)) {
    line += piece.slice(0, at - read).match(LINE_END)?.length ?? 0;
    read += piece.length;
    if (read >= at) break;
    if (slicer.due()) await slicer.rest();
  }
  return line;
}
