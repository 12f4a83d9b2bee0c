import type { Row, ToolRow } from '../model/row.ts';
import type { Slicer } from '../transport/slices.ts';
import type { GrowingTexts } from './findPart.ts';
import { countPieces, placeInOutput } from './findPart.ts';
import type { Wanted } from './matchCounter.ts';
import type { RowPart } from './rowText.ts';
import { partsOf } from './rowText.ts';
import { outputPieces } from './textPieces.ts';

/** Where in a top-level row a match is. */
export interface RowMatch {
  /** Keys of the rows that it is in, the top-level one first. */
  readonly path: readonly string[];
  /** What it is of the innermost row: see RowPart. */
  readonly part: string;
  /** Which match it is of those of its part that the row shows, of how many; from 0. */
  readonly ordinal: number;
  readonly of: number;
  /** The line of the whole output that it is on, from 1, where the row does not show it; else null. */
  readonly hiddenLine: number | null;
}

/** A search, as rows are looked through for it. */
export interface Looking extends Wanted {
  /** False: thoughts are not shown, and so not found. */
  readonly thinking: boolean;
  /** The whole output of a tool row that carries it in part; null where it is not kept. */
  readonly output: (key: string) => Promise<string | null>;
  readonly growing: GrowingTexts;
  /** How many matches rows within others have: what does not change stays the same object. */
  readonly counted: WeakMap<Row, number>;
}

/** How many matches a row and the rows within it hold. Rejects when the slicer's signal is aborted. */
export async function matchesIn(row: Row, looking: Looking, slicer: Slicer): Promise<number> {
  let count = 0;
  for (const part of partsOf(row, looking)) count += await countOf(row, part, await wholeOf(row, part, looking), looking, slicer);
  for (const child of childrenOf(row)) count += await matchesWithin(child, looking, slicer);
  return count;
}

/** The nth match of a row, from 0, or its last one where it has fewer; null where it has none. Rejects when the slicer's signal is aborted. */
export async function nthMatch(row: Row, looking: Looking, slicer: Slicer, nth: number): Promise<(RowMatch & { readonly nth: number }) | null> {
  const found = await matchesIn(row, looking, slicer);
  const wanted = Math.min(nth, found - 1);
  const match = found === 0 ? null : await matchAt(row, looking, slicer, wanted, []);
  return match === null ? null : { ...match, nth: wanted };
}

async function matchAt(row: Row, looking: Looking, slicer: Slicer, nth: number, above: readonly string[]): Promise<RowMatch | null> {
  const path = [...above, row.key];
  let left = nth;
  for (const part of partsOf(row, looking)) {
    const whole = await wholeOf(row, part, looking);
    const of = await countOf(row, part, whole, looking, slicer);
    if (left < of) {
      const place = whole === null || row.kind !== 'tool' ? { ordinal: left, of, hiddenLine: null } : await placeInOutput(whole, row, looking, slicer, left);
      return { path, part: part.part, ...place };
    }
    left -= of;
  }
  for (const child of childrenOf(row)) {
    const of = await matchesWithin(child, looking, slicer);
    if (left < of) return matchAt(child, looking, slicer, left, path);
    left -= of;
  }
  return null;
}

function childrenOf(row: Row): readonly Row[] {
  return row.kind === 'tool' ? row.children : [];
}

async function matchesWithin(child: Row, looking: Looking, slicer: Slicer): Promise<number> {
  const known = looking.counted.get(child);
  if (known !== undefined) return known;
  const count = await matchesIn(child, looking, slicer);
  looking.counted.set(child, count);
  return count;
}

function countOf(row: Row, part: RowPart, whole: string | null, looking: Looking, slicer: Slicer): Promise<number> {
  if (row.kind === 'text' || row.kind === 'thinking') {
    if (row.streaming) return looking.growing.count(row.key, row.text, slicer);
    looking.growing.end(row.key);
  }
  return countPieces(whole === null ? part.pieces() : outputPieces(whole), looking, slicer);
}

/** The whole output where the row carries it in part; null for all else. What still runs is searched as it is shown: its output would be put together again with each line. */
async function wholeOf(row: Row, { part }: RowPart, looking: Looking): Promise<string | null> {
  if (part !== 'output' || row.kind !== 'tool' || row.outputOmitted === 0 || row.status === 'running') return null;
  const whole = await looking.output(row.key);
  return whole !== null && fits(whole, row) ? whole : null;
}

/** Whether it is still the output that the row shows the ends of. */
function fits(whole: string, row: ToolRow): boolean {
  return whole.length === row.output.length + row.outputOmitted;
}
