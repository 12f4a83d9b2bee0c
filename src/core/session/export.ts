import type { Attachment } from '../model/entry.ts';
import type { JsonValue } from '../model/json.ts';
import type { PermissionRow, Row, ToolRow } from '../model/row.ts';
import { UNTITLED } from '../model/session.ts';

export interface ExportHead {
  readonly title: string;
  readonly agent: string;
  readonly machine: string;
  readonly folder: string;
  /** Milliseconds since the epoch. */
  readonly exportedAt: number;
}

/** A kind of document that a transcript becomes, a row at a time: what is put together is `head`, each `row` in order, `tail`. */
export interface ExportFormat {
  head(head: ExportHead): string;
  /** `first`: no row stands before it. */
  row(row: Row, first: boolean): string;
  tail(): string;
}

/** Markdown. Fences are made longer than any run of backticks inside. */
export const markdownFormat: ExportFormat = {
  head: (head) => `# ${flat(head.title) || UNTITLED}\n\n${flat(head.agent)} on ${flat(head.machine)} in \`${flat(head.folder)}\`, exported ${new Date(head.exportedAt).toISOString()}\n`,
  row: (row) => `\n${markdownOf(row, 0).join('\n').trimEnd()}\n`,
  tail: () => '',
};

/** JSON: the head and every row whole. */
export const jsonFormat: ExportFormat = {
  head: (head) => `${JSON.stringify({ ...head, exportedAt: new Date(head.exportedAt).toISOString() }, null, 2).slice(0, -2)},\n  "rows": [`,
  // Strings of JSON have no line breaks, so that those that are there can be indented.
  row: (row, first) => `${first ? '' : ','}\n    ${JSON.stringify(row, null, 2).replaceAll('\n', '\n    ')}`,
  tail: () => '\n  ]\n}\n',
};

function whole(format: ExportFormat, head: ExportHead, rows: readonly Row[]): string {
  return [format.head(head), ...rows.map((row, index) => format.row(row, index === 0)), format.tail()].join('');
}

/** A transcript as one markdown document. */
export function exportMarkdown(head: ExportHead, rows: readonly Row[]): string {
  return whole(markdownFormat, head, rows);
}

/** A transcript as JSON. */
export function exportJson(head: ExportHead, rows: readonly Row[]): string {
  return whole(jsonFormat, head, rows);
}

/** One row as markdown, to be pasted: what was said is as it was said. */
export function rowMarkdown(row: Row): string {
  if (row.kind === 'thinking') return row.text;
  return row.kind === 'prompt' ? [row.text, ...filesOf(row.attachments)].join('\n') : markdownOf(row, 0).join('\n').trimEnd();
}

/** Several rows as one markdown text. */
export function rowsMarkdown(rows: readonly Row[]): string {
  return rows.map((row) => markdownOf(row, 0).join('\n').trimEnd()).filter((text) => text !== '').join('\n\n');
}

function filesOf(files: readonly Attachment[]): string[] {
  return files.map((file) => `- attached: ${flat(file.name)} (${flat(file.mediaType)})`);
}

function markdownOf(row: Row, depth: number): string[] {
  switch (row.kind) {
    case 'prompt': return ['## Prompt', '', row.text, ...filesOf(row.attachments)];
    case 'text': return [row.text];
    case 'thinking': return ['<details><summary>Thinking</summary>', '', row.text, '', '</details>'];
    case 'tool': return toolMarkdown(row, depth);
    case 'permission': {
      const answered = row.outcome === null ? 'waiting' : row.outcome;
      const given = Object.values(row.answers).flat();
      return [`**Permission** ${flat(row.tool)}: ${flat(row.title)} (${answered}${row.answerReason === null ? '' : `: ${flat(row.answerReason)}`})`,
        ...whatIsAsked(row), ...(row.plan === null ? [] : ['', row.plan]), ...(given.length === 0 ? [] : ['', ...given.map((answer) => `- ${flat(answer)}`)])];
    }
    case 'todo': return row.items.map((item) => `- [${item.status === 'done' ? 'x' : ' '}] ${flat(item.text)}`);
    case 'file': return [`File: ${flat(row.file.name)} (${flat(row.file.mediaType)})`];
    case 'notice': return [`> ${flat(row.text)}${row.remedy === null ? '' : ` (${flat(row.remedy)})`}`];
    case 'turn': return [`*Turn ${row.state}${row.durationMs === null ? '' : ` after ${Math.round(row.durationMs / 1000)} s`}${row.error === null ? '' : `: ${flat(row.error)}`}*`];
    case 'unknown': return [`Unknown content from ${flat(row.source)}:`, '', ...fence(JSON.stringify(row.raw, null, 2), 'json')];
  }
}

/** The input of a call or of a request where nothing else tells what it would do; null where command, changes or plan do, and where there is none. */
export function plainInput(row: Pick<ToolRow, 'command' | 'diffs' | 'input'> & { readonly plan?: string | null; readonly questions?: PermissionRow['questions'] }): JsonValue {
  if (row.command !== null || row.diffs.length > 0 || (row.plan ?? null) !== null || (row.questions ?? []).length > 0) return null;
  return row.input !== null && typeof row.input === 'object' && Object.keys(row.input).length === 0 ? null : row.input;
}

/** What runs or changes, or would. */
function whatIsAsked(row: ToolRow | PermissionRow): string[] {
  const lines: string[] = [];
  const input = plainInput(row);
  if (input !== null) lines.push('', ...fence(JSON.stringify(input, null, 2), 'json'));
  if (row.command !== null) lines.push('', ...fence(row.command, 'sh'));
  for (const diff of row.diffs) lines.push('', `\`${flat(diff.path)}\` +${diff.added} −${diff.removed}`, '', ...fence(diff.patch, 'diff'));
  return lines;
}

function toolMarkdown(row: ToolRow, depth: number): string[] {
  const heading = `${'#'.repeat(Math.min(6, 3 + depth))} ${flat(row.name)}: ${flat(row.title)}`;
  const lines = [heading, '', `${row.status}${row.exitCode === null ? '' : `, exit ${row.exitCode}`}`, ...whatIsAsked(row)];
  if (row.output !== '') lines.push('', ...fence(row.output, ''));
  if (row.outputOmitted > 0) lines.push('', `*${row.outputOmitted} characters of the output are left out.*`);
  for (const child of row.children) lines.push('', ...markdownOf(child, depth + 1));
  return lines;
}

function fence(text: string, language: string): string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((match) => match[0].length));
  const mark = '`'.repeat(longest + 1);
  return [`${mark}${language}`, text.endsWith('\n') ? text.slice(0, -1) : text, mark];
}

function flat(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
