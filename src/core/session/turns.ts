import type { ForkPoint } from '../model/backend.ts';
import type { TurnState } from '../model/entry.ts';
import type { PromptRow, Row } from '../model/row.ts';
import type { TranscriptView } from './transcript-api.ts';

type Rows = Pick<TranscriptView, 'rows' | 'total'>;

/** A turn as an outline of the session tells it. */
export interface OutlineTurn {
  /** Of its prompt's row. */
  readonly key: string;
  readonly index: number;
  /** The prompt's text. */
  readonly text: string;
  readonly at: number | null;
  /** Null where nothing says how it ended. */
  readonly state: TurnState | null;
  readonly durationMs: number | null;
  readonly filesChanged: number;
}

interface Options {
  readonly signal?: AbortSignal;
}

const PAGE = 200;

/** Rows from `from` on in one direction, each with its index; read page by page, also from the store. Rejects when it is aborted. */
async function* rowsFrom(transcript: Rows, from: number, step: 1 | -1, { signal }: Options): AsyncGenerator<{ readonly index: number; readonly row: Row }> {
  for (let at = from; at >= 0 && at < transcript.total; ) {
    signal?.throwIfAborted();
    const start = step === 1 ? at : Math.max(0, at - PAGE + 1);
    const end = step === 1 ? Math.min(transcript.total, at + PAGE) : at + 1;
    const page = await transcript.rows(start, end, signal === undefined ? {} : { signal });
    if (page.rows.length === 0) return;
    for (let place = 0; place < page.rows.length; place += 1) {
      const index = step === 1 ? place : page.rows.length - 1 - place;
      const row = page.rows[index];
      if (row !== undefined) yield { index: page.start + index, row };
    }
    at = step === 1 ? page.start + page.rows.length : page.start - 1;
    // A session of any length must not keep the host from anything else.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The turns of a session, newest first, as they are found. */
export async function* outlineOf(transcript: Rows, options: Options = {}): AsyncGenerator<OutlineTurn> {
  let end: Extract<Row, { kind: 'turn' }> | null = null;
  let files = new Set<string>();
  for await (const { index, row } of rowsFrom(transcript, transcript.total - 1, -1, options)) {
    if (row.kind === 'turn') {
      end ??= row;
      for (const file of row.filesChanged) files.add(file);
    } else if (row.kind === 'prompt') {
      yield { key: row.key, index, text: row.text, at: row.at, state: end?.state ?? null, durationMs: end?.durationMs ?? null, filesChanged: files.size };
      end = null;
      files = new Set();
    }
  }
}

/** The next (1) or previous (-1) prompt from the row at `from`, without that one; null where there is none. */
export async function promptFrom(transcript: Rows, from: number, step: 1 | -1, options: Options = {}): Promise<{ readonly index: number; readonly row: PromptRow } | null> {
  for await (const { index, row } of rowsFrom(transcript, step === 1 ? from + 1 : Math.min(from, transcript.total) - 1, step, options)) if (row.kind === 'prompt') return { index, row };
  return null;
}

/** A page of prompts, newest first, and the key of the row before which the next page begins; null where there is none. */
interface PromptPage {
  readonly prompts: readonly PromptRow[];
  readonly next: string | null;
}

/** What a page of prompts ends at: so many of them, so many characters in them, so many rows looked through for them. */
const MOST = { prompts: 100, characters: 400_000, rows: 4_000 } as const;

/** Prompts of the session from its end (`before` null), or from before the row `before`; a page may hold none and still have a next one. Rejects when it is aborted. */
export async function promptsBefore(transcript: Rows & Pick<TranscriptView, 'indexOf'>, before: string | null, options: Options = {}): Promise<PromptPage> {
  const from = before === null ? transcript.total : await transcript.indexOf(before);
  const prompts: PromptRow[] = [];
  if (from === null) return { prompts, next: null };
  let characters = 0;
  let seen = 0;
  for await (const { index, row } of rowsFrom(transcript, from - 1, -1, options)) {
    seen += 1;
    if (row.kind === 'prompt') {
      prompts.push(row);
      characters += row.text.length;
    }
    if (prompts.length >= MOST.prompts || characters >= MOST.characters || seen >= MOST.rows) return { prompts, next: index === 0 ? null : row.key };
  }
  return { prompts, next: null };
}

/** The top-level row that holds the request `requestId` of an agent, looked for from the session's end on; null where it is in none. Rejects when it is aborted. */
export async function rowOfRequest(transcript: Rows, requestId: string, options: Options = {}): Promise<{ readonly index: number; readonly row: Row } | null> {
  for await (const found of rowsFrom(transcript, transcript.total - 1, -1, options)) if (holdsRequest(found.row, requestId)) return found;
  return null;
}

function holdsRequest(row: Row, requestId: string): boolean {
  if (row.kind === 'permission') return row.requestId === requestId;
  return row.kind === 'tool' && row.children.some((child) => holdsRequest(child, requestId));
}

/** The rows of the turn that the row at `index` is in: its prompt and all that follows up to the next one. Rows before the first prompt are a turn too. */
export async function rowsOfTurn(transcript: Rows, index: number, options: Options = {}): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for await (const { row } of rowsFrom(transcript, index, -1, options)) {
    rows.push(row);
    if (row.kind === 'prompt') break;
  }
  rows.reverse();
  for await (const { row } of rowsFrom(transcript, index + 1, 1, options)) {
    if (row.kind === 'prompt') break;
    rows.push(row);
  }
  return rows;
}

/** A prompt and where it stands. */
interface PromptPlace {
  readonly point: ForkPoint;
  readonly prompt: PromptRow;
  /** True where it came while its turn ran, so that nothing ends before it. */
  readonly within: boolean;
}

/** Where a prompt stands among the turns; null for a row that is no prompt of the session. Rejects when it is aborted. */
export async function placeOfPrompt(transcript: Rows & Pick<TranscriptView, 'indexOf'>, key: string, options: Options = {}): Promise<PromptPlace | null> {
  const at = await transcript.indexOf(key);
  const prompt = at === null ? undefined : (await transcript.rows(at, at + 1)).rows[0];
  if (at === null || prompt?.kind !== 'prompt' || prompt.key !== key) return null;
  let turnBefore: string | null = null;
  let first = true;
  let within = false;
  for await (const { row } of rowsFrom(transcript, at - 1, -1, options)) {
    first = false;
    if (row.turn === null) continue;
    within = row.turn === prompt.turn;
    turnBefore = within ? null : row.turn;
    break;
  }
  let sameBehind = 0;
  for await (const { row } of rowsFrom(transcript, at + 1, 1, options)) if (row.kind === 'prompt' && row.text.trim() === prompt.text.trim()) sameBehind += 1;
  return { point: { row: key, text: prompt.text, turnBefore, first, sameBehind }, prompt, within };
}
