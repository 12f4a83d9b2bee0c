import type { Row } from '../../core/model/row.ts';
import type { ExportFormat, ExportHead } from '../../core/session/export.ts';
import type { TranscriptView } from '../../core/session/transcript-api.ts';

interface Collecting {
  readonly transcript: Pick<TranscriptView, 'rows' | 'total' | 'output'>;
  readonly format: ExportFormat;
  readonly head: ExportHead;
  readonly signal: AbortSignal;
  /** Rows that are done, and how many there are. */
  readonly onProgress: (done: number, total: number) => void;
}

const PAGE = 100;
/** The longest that the event loop is held, in milliseconds. */
const SLICE_MS = 8;

/** A whole session as a document, read page by page with the event loop free in between. Rejects when it is aborted. */
export async function collectDocument({ transcript, format, head, signal, onProgress }: Collecting): Promise<Uint8Array> {
  const parts: Buffer[] = [Buffer.from(format.head(head))];
  let done = 0;
  let since = performance.now();
  while (done < transcript.total) {
    signal.throwIfAborted();
    const { rows } = await transcript.rows(done, Math.min(transcript.total, done + PAGE), { signal });
    if (rows.length === 0) break;
    for (const row of rows) {
      parts.push(Buffer.from(format.row(await withWholeOutput(row, transcript), done === 0)));
      done += 1;
      if (performance.now() - since < SLICE_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      since = performance.now();
    }
    onProgress(done, transcript.total);
  }
  parts.push(Buffer.from(format.tail()));
  return Buffer.concat(parts);
}

/** A row with the outputs that rows carry in part put in whole, as far as they are kept. */
async function withWholeOutput(row: Row, transcript: Pick<TranscriptView, 'output'>): Promise<Row> {
  if (row.kind !== 'tool') return row;
  const children: Row[] = [];
  for (const child of row.children) children.push(await withWholeOutput(child, transcript));
  const output = row.outputOmitted === 0 ? null : await transcript.output(row.key);
  const changed = children.some((child, index) => child !== row.children[index]);
  if (output === null && !changed) return row;
  return { ...row, children, ...(output === null ? {} : { output, outputOmitted: 0 }) };
}
