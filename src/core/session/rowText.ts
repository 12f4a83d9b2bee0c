import type { Row, ToolRow } from '../model/row.ts';
import { jsonHead, markdownPieces, outputPieces, patchPieces, textPieces } from './textPieces.ts';

/** A text that a row shows, perhaps only when it is opened. */
export interface RowPart {
  /** What it is of its row: `text`, `line`, `command`, `input`, `output`, `diff:<n>`, `items`, `files`, `plan`, `raw`. */
  readonly part: string;
  /** The text, from its beginning, in pieces that are made when they are asked for. */
  readonly pieces: () => Iterable<string>;
}

/** Characters of a JSON that a row shows. */
const MOST_JSON = 20_000;

/**
 * The texts that a row shows to a person, in their order, each once; without markdown's marks and terminal colours, and without those of the rows within it. `thinking` false: thoughts are hidden.
 */
export function* partsOf(row: Row, options: { readonly thinking: boolean }): Generator<RowPart, void> {
  switch (row.kind) {
    case 'prompt':
      yield plain('text', row.text);
      yield* named(row.attachments);
      return;
    case 'text':
      yield markdown('text', row.text);
      return;
    case 'thinking':
      if (options.thinking) yield markdown('text', row.text);
      return;
    case 'tool':
      yield* toolParts(row);
      yield* named(row.attachments);
      return;
    case 'permission':
      yield plain('line', row.command ?? row.title);
      if (row.plan !== null) yield markdown('plan', row.plan);
      for (const question of row.questions) yield plain('items', [question.text, ...(row.answers[question.id] ?? (row.outcome === null ? question.options.map((option) => option.label) : []))].join('\n'));
      if (row.outcome === null) yield* changes(row.diffs);
      return;
    case 'todo':
      yield plain('items', row.items.map((item) => item.text).join('\n'));
      return;
    case 'file':
      yield* named([row.file]);
      return;
    case 'notice':
      yield plain('text', row.remedy === null ? row.text : `${row.text}\n${row.remedy}`);
      return;
    case 'turn':
      if (row.error !== null) yield plain('text', row.error);
      if (row.filesChanged.length > 0) yield plain('files', row.filesChanged.join('\n'));
      return;
    case 'unknown':
      yield plain('line', row.source);
      yield { part: 'raw', pieces: () => [jsonHead(row.raw, MOST_JSON)] };
  }
}

function plain(part: string, text: string): RowPart {
  return { part, pieces: () => textPieces(text) };
}

function markdown(part: string, source: string): RowPart {
  return { part, pieces: () => markdownPieces(source) };
}

function* named(files: readonly { readonly name: string }[]): Generator<RowPart, void> {
  if (files.length > 0) yield plain('files', files.map((file) => file.name).join('\n'));
}

function* changes(diffs: ToolRow['diffs']): Generator<RowPart, void> {
  for (const [place, { patch }] of diffs.entries()) yield { part: `diff:${place}`, pieces: () => patchPieces(patch) };
}

function* toolParts(row: ToolRow): Generator<RowPart, void> {
  const { command, input, output } = row;
  const long = command !== null && (command.includes('\n') || command.length > 70);
  // A long command is told whole where the row is open.
  yield long ? plain('command', command) : plain('line', lineOf(row));
  yield* changes(row.diffs);
  if (row.diffs.length > 0) return;
  if (command === null && row.children.length === 0 && input !== null && typeof input === 'object' && Object.keys(input).length > 0 && !isPlan(row)) yield { part: 'input', pieces: () => [jsonHead(input, MOST_JSON)] };
  if (output !== '') yield { part: 'output', pieces: () => outputPieces(output) };
}

function lineOf(row: ToolRow): string {
  if (row.command !== null) return row.command;
  const paths = [...new Set(row.diffs.map((diff) => diff.path))];
  if (paths.length > 0) return paths.join('\n');
  if (row.verb === 'read') return row.locations[0]?.path ?? row.title;
  return row.verb === 'other' && row.title !== row.name ? `${row.name}\n${row.title}` : row.title;
}

/** True for a call that proposes a plan: what is asked about it has the plan as it is read, and the call would have it once more as JSON. */
function isPlan({ name, input }: ToolRow): boolean {
  return /^exit_?plan_?mode$/i.test(name) && typeof input === 'object' && input !== null && !Array.isArray(input) && typeof (input as { readonly plan?: unknown }).plan === 'string';
}
