import { stripVTControlCharacters } from 'node:util';
import type { JsonValue } from '../model/json.ts';
import type { Row, ToolRow } from '../model/row.ts';
import { plainMarkdown } from './plain.ts';

/** A text that a row shows, perhaps only when it is opened. */
export interface RowPart {
  /** Keys of the rows that it is in, the top-level one first. */
  readonly path: readonly string[];
  /** What it is of the innermost row: `text`, `line`, `command`, `input`, `output`, `diff:<n>`, `items`, `files`, `plan`, `raw`. */
  readonly part: string;
  readonly text: string;
}

/** Characters of a JSON that a row shows. */
const MOST_JSON = 20_000;

/**
 * The texts that a row shows to a person, in their order, each once; without markdown's marks and terminal colours. `thinking` false: thoughts are hidden. What a row
 * does not carry (the middle of a long output) is not among them.
 */
export function* partsOf(row: Row, options: { readonly thinking: boolean }, within: readonly string[] = []): Generator<RowPart> {
  const path = [...within, row.key];
  const of = (part: string, text: string): RowPart => ({ path, part, text });
  switch (row.kind) {
    case 'prompt':
      yield of('text', row.text);
      yield* named(of, row.attachments);
      return;
    case 'text':
      yield of('text', plainMarkdown(row.text));
      return;
    case 'thinking':
      if (options.thinking) yield of('text', plainMarkdown(row.text));
      return;
    case 'tool':
      yield* toolParts(row, of);
      yield* named(of, row.attachments);
      for (const child of row.children) yield* partsOf(child, options, path);
      return;
    case 'permission':
      yield of('line', row.command ?? row.title);
      if (row.plan !== null) yield of('plan', plainMarkdown(row.plan));
      for (const question of row.questions) yield of('items', [question.text, ...(row.answers[question.id] ?? (row.outcome === null ? question.options.map((option) => option.label) : []))].join('\n'));
      if (row.outcome === null) for (const [place, diff] of row.diffs.entries()) yield of(`diff:${place}`, patchText(diff.patch));
      return;
    case 'todo':
      yield of('items', row.items.map((item) => item.text).join('\n'));
      return;
    case 'file':
      yield* named(of, [row.file]);
      return;
    case 'notice':
      yield of('text', row.remedy === null ? row.text : `${row.text}\n${row.remedy}`);
      return;
    case 'turn':
      if (row.error !== null) yield of('text', row.error);
      if (row.filesChanged.length > 0) yield of('files', row.filesChanged.join('\n'));
      return;
    case 'unknown':
      yield of('line', row.source);
      yield of('raw', jsonText(row.raw));
  }
}

type Of = (part: string, text: string) => RowPart;

function* named(of: Of, files: readonly { readonly name: string }[]): Generator<RowPart> {
  if (files.length > 0) yield of('files', files.map((file) => file.name).join('\n'));
}

function* toolParts(row: ToolRow, of: Of): Generator<RowPart> {
  const long = row.command !== null && (row.command.includes('\n') || row.command.length > 70);
  // A long command is told whole where the row is open.
  yield long ? of('command', row.command) : of('line', lineOf(row));
  for (const [place, diff] of row.diffs.entries()) yield of(`diff:${place}`, patchText(diff.patch));
  if (row.diffs.length > 0) return;
  if (row.command === null && row.children.length === 0 && row.input !== null && typeof row.input === 'object' && Object.keys(row.input).length > 0) yield of('input', jsonText(row.input));
  if (row.output !== '') yield of('output', stripVTControlCharacters(row.output));
}

function lineOf(row: ToolRow): string {
  if (row.command !== null) return row.command;
  const paths = [...new Set(row.diffs.map((diff) => diff.path))];
  if (paths.length > 0) return paths.join('\n');
  if (row.verb === 'read') return row.locations[0]?.path ?? row.title;
  return row.verb === 'other' && row.title !== row.name ? `${row.name}\n${row.title}` : row.title;
}

function jsonText(value: JsonValue): string {
  return (JSON.stringify(value, null, 2) ?? '').slice(0, MOST_JSON);
}

/** Lines of unified hunks without their signs and headers. */
function patchText(patch: string): string {
  return patch.replaceAll(/^(?:@@.*|[-+ \\])/gm, '');
}
