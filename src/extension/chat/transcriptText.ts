import type { Row } from '../../core/model/row.ts';
import type { ReadableRow } from '../../core/session/readable.ts';
import { readableRow } from '../../core/session/readable.ts';
import type { TranscriptView } from '../../core/session/transcript-api.ts';

/** A row's place in the text; lines count from 0. */
interface Section {
  readonly head: string;
  readonly prompt: boolean;
  readonly line: number;
  readonly lastLine: number;
}
export interface TranscriptText {
  readonly text: string;
  readonly sections: readonly Section[];
  /** Rows before the first one that is in the text. */
  readonly earlier: number;
  /** Line that says so; null where nothing is earlier. */
  readonly earlierLine: number | null;
}

/** Rows, and characters, that are shown at first, and that each step back adds. */
const ROWS = 400;
const CHARS = 400_000;

/** The end of a session as one plain text of a bounded length, made anew from those rows alone that are others than before. */
export class TranscriptSlice {
  private readonly transcript: Pick<TranscriptView, 'rows' | 'total'>;
  private readonly known = new WeakMap<Row, ReadableRow>();
  private steps = 1;

  constructor(transcript: Pick<TranscriptView, 'rows' | 'total'>) {
    this.transcript = transcript;
  }

  /** As many rows again, of those before. */
  more(): void {
    this.steps += 1;
  }

  /** @param head lines that stand over the rows. */
  async read(head: readonly string[], agentName: string): Promise<TranscriptText> {
    const { total } = this.transcript;
    const { start, rows } = await this.transcript.rows(Math.max(0, total - ROWS * this.steps), total);
    const kept: ReadableRow[] = [];
    let chars = 0;
    let first = rows.length;
    for (const row of rows.toReversed()) {
      const readable = this.readable(row, agentName);
      chars += readable.head.length + readable.body.length;
      if (kept.length > 0 && chars > CHARS * this.steps) break;
      kept.push(readable);
      first -= 1;
    }
    kept.reverse();
    const earlier = start + first;
    const lines = [...head, ''];
    const earlierLine = earlier === 0 ? null : lines.length;
    if (earlier > 0) lines.push(`${earlier.toLocaleString()} earlier rows are not here. Show Earlier Rows`, '');
    const sections: Section[] = [];
    const prompts = rows.slice(first).map((row) => row.kind === 'prompt');
    kept.forEach(({ head: title, body }, place) => {
      const line = lines.length;
      lines.push(title);
      if (body !== '') lines.push(...body.split('\n'));
      sections.push({ head: title, prompt: prompts[place] ?? false, line, lastLine: lines.length - 1 });
      lines.push('');
    });
    return { text: lines.join('\n'), sections, earlier, earlierLine };
  }

  private readable(row: Row, agentName: string): ReadableRow {
    const known = this.known.get(row);
    if (known !== undefined) return known;
    const made = readableRow(row, agentName);
    this.known.set(row, made);
    return made;
  }
}
