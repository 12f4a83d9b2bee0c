import { PilothouseError } from '../../core/model/errors.ts';
import type { Row } from '../../core/model/row.ts';
import type { ExportHead } from '../../core/session/export.ts';
import type { TranscriptView } from '../../core/session/transcript-api.ts';
import { Slicer } from '../../core/transport/slices.ts';
import type { DocumentKind } from './writing.ts';
import { WritingThread } from './writingThread.ts';

interface Collecting {
  readonly transcript: Pick<TranscriptView, 'rows' | 'total' | 'output'>;
  readonly kind: DocumentKind;
  readonly head: ExportHead;
  readonly signal: AbortSignal;
  /** Rows that are done, and how many there are. */
  readonly onProgress: (done: number, total: number) => void;
}

const PAGE = 100;

/** A whole session as a document in UTF-8, read page by page and written in a thread of its own. Rejects when it is aborted, and with `export_failed`. */
export async function collectDocument({ transcript, kind, head, signal, onProgress }: Collecting): Promise<Uint8Array> {
  signal.throwIfAborted();
  await using thread = new WritingThread();
  const slicer = new Slicer({ signal });
  thread.tell({ ask: 'begin', kind, head });
  let done = 0;
  while (done < transcript.total) {
    const { rows } = await transcript.rows(done, Math.min(transcript.total, done + PAGE), { signal });
    if (rows.length === 0) break;
    for (const row of rows) {
      if (slicer.due()) await slicer.rest();
      thread.tell({ ask: 'row', row: await withWholeOutput(row, transcript) });
    }
    await thread.ask('page', signal);
    done += rows.length;
    onProgress(done, transcript.total);
  }
  const { document } = await thread.ask('end', signal);
  if (document === null) throw new PilothouseError('export_failed', 'The document came to no end. Try again.');
  return document;
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
