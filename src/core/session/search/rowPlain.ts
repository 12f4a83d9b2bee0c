import type { Entry } from '../../model/entry.ts';
import type { Row } from '../../model/row.ts';
import { foldOwn } from '../fold.ts';
import { wholeOutput } from '../foldTool.ts';
import { soundEntry } from '../normalise.ts';
import { factsOf } from '../order.ts';
import { RowEntries } from '../rowEntries.ts';
import { partsOf } from '../rowText.ts';
import { outputPieces } from '../textPieces.ts';

/** A row as it is searched. */
interface PlainRow {
  readonly kind: Row['kind'];
  /** Milliseconds since the epoch. */
  readonly at: number | null;
  /** All that it shows, a NUL between its parts, so that no phrase goes from one to the next. */
  readonly text: string;
}

/** Stands between the parts of a row: no white space, and in no word. */
const BETWEEN = '\u0000';

/**
 * What a row shows of these entries, which all belong to it, without the rows within it; null where it shows nothing. Of a tool's output it is the whole one, as in find. `within`: rows stand
 * within it, so that its input is not shown.
 */
export function plainRow(entries: readonly Entry[], within: boolean): PlainRow | null {
  const sound = entries.map(soundEntry);
  if (factsOf(sound)?.shows !== true) return null;
  const row = foldOwn('', sound);
  if (row === null) return null;
  const whole = row.kind === 'tool' && row.outputOmitted > 0 && row.status !== 'running' ? wholeOutput(new RowEntries(sound)) : null;
  const parts: string[] = [];
  for (const { part, pieces } of partsOf(row, { thinking: true })) {
    if (part === 'input' && within) continue;
    let text = '';
    for (const piece of part === 'output' && whole !== null ? outputPieces(whole) : pieces()) text += piece;
    parts.push(text);
  }
  return { kind: row.kind, at: row.at, text: parts.join(BETWEEN) };
}
