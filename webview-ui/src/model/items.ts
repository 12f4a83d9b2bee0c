import type { Row, RowOf, ToolRow } from '../types.ts';
import type { Span } from './rows.ts';

/** What one place of the list shows: a row, several quiet rows folded into one line, or rows that are not here yet. */
export type Item =
  | { readonly type: 'row'; readonly key: string; readonly index: number; readonly row: Row }
  | { readonly type: 'group'; readonly key: string; readonly index: number; readonly rows: readonly QuietRow[] }
  | { readonly type: 'gap'; readonly key: string; readonly index: number; readonly count: number };
export type QuietRow = ToolRow | RowOf<'thinking'>;

interface ItemOptions {
  readonly thinking: 'collapsed' | 'expanded' | 'hidden';
}

/** Rows of one gap item: small enough that scrolling through what is not here stays true to its length. */
export const GAP_ROWS = 100;

/** The list of what is shown for the rows that are here, and gaps for the others. */
export function buildItems(spans: readonly Span[], total: number, options: ItemOptions): Item[] {
  const items: Item[] = [];
  let at = 0;
  for (const span of spans) {
    addGaps(items, at, span.start);
    addRows(items, span, options);
    at = span.start + span.rows.length;
  }
  addGaps(items, at, total);
  return items;
}

/** What one line folds: the same for top-level rows and for a subagent's. */
export function foldRows(rows: readonly Row[], options: ItemOptions): Item[] {
  const items: Item[] = [];
  addRows(items, { start: 0, rows }, options);
  return items;
}

function addGaps(items: Item[], from: number, to: number): void {
  let at = from;
  while (at < to) {
    // Cut at multiples, so that a gap keeps its key while its neighbours fill.
    const end = Math.min(to, (Math.floor(at / GAP_ROWS) + 1) * GAP_ROWS);
    items.push({ type: 'gap', key: `gap:${end}`, index: at, count: end - at });
    at = end;
  }
}

function addRows(items: Item[], span: Span, options: ItemOptions): void {
  const rows = withWaiting(span.rows);
  let place = 0;
  while (place < rows.length) {
    const row = rows[place];
    if (row === undefined) break;
    const run = quietRun(rows, place, options);
    if (run !== null) {
      items.push({ type: 'group', key: `group:${row.key}`, index: span.start + place, rows: run.rows });
      place = run.end;
      continue;
    }
    if (isShown(row, options)) items.push({ type: 'row', key: row.key, index: span.start + place, row });
    place += 1;
  }
}

/** A row as it is while a permission about it, or about one below it, waits: the same one for each time that it is shown. */
const asWaiting = new WeakMap<ToolRow, ToolRow>();

/** The rows, with each tool that has not begun because a permission waits told as waiting. The permission of a subagent's tool may stand beside the subagent. */
function withWaiting(rows: readonly Row[]): readonly Row[] {
  const asked = new Set<string>();
  askedIn(rows, asked);
  return asked.size === 0 ? rows : rows.map((row) => told(row, asked));
}

function askedIn(rows: readonly Row[], asked: Set<string>): void {
  for (const row of rows) {
    if (row.kind === 'permission' && row.outcome === null && row.callId !== undefined) asked.add(row.callId);
    else if (row.kind === 'tool') askedIn(row.children, asked);
  }
}

function told(row: Row, asked: ReadonlySet<string>): Row {
  if (row.kind !== 'tool') return row;
  const status = row.status === 'running' && row.callId !== undefined && asked.has(row.callId) ? 'waiting' : row.status;
  const children = row.children.map((child) => told(child, asked));
  const same = (other: ToolRow): boolean => other.status === status && other.children.length === children.length && other.children.every((child, place) => child === children[place]);
  if (same(row)) return row;
  const known = asWaiting.get(row);
  if (known !== undefined && same(known)) return known;
  const made: ToolRow = { ...row, status, children };
  asWaiting.set(row, made);
  return made;
}

/** Two or more quiet tools that follow each other, with the folded thinking between them; null when there are fewer. */
function quietRun(rows: readonly Row[], from: number, options: ItemOptions): { rows: QuietRow[]; end: number } | null {
  const first = rows[from];
  if (first === undefined || !isQuiet(first)) return null;
  const run: QuietRow[] = [first];
  let end = from + 1;
  let tools = 1;
  for (let place = end; place < rows.length; place += 1) {
    const row = rows[place];
    if (row === undefined) break;
    if (isQuiet(row)) {
      for (const between of rows.slice(end, place)) if (between.kind === 'thinking' && isShown(between, options)) run.push(between);
      run.push(row);
      tools += 1;
      end = place + 1;
    } else if (isShown(row, options) && !(row.kind === 'thinking' && options.thinking === 'collapsed')) break;
  }
  return tools < 2 ? null : { rows: run, end };
}

/** Tools that only look: what they did is told by their count. */
function isQuiet(row: Row): row is ToolRow {
  return row.kind === 'tool' && (row.verb === 'read' || row.verb === 'search' || row.verb === 'fetch')
    && row.status !== 'waiting' && row.status !== 'denied' && row.children.length === 0 && row.attachments.length === 0 && row.diffs.length === 0;
}

function isShown(row: Row, options: ItemOptions): boolean {
  if (row.kind === 'text') return row.text !== '';
  if (row.kind === 'thinking') return options.thinking !== 'hidden' && row.text.trim() !== '';
  return true;
}
