import type { Row, ToolRow } from '../model/row.ts';

export interface ExportHead {
  readonly title: string;
  readonly agent: string;
  readonly machine: string;
  readonly folder: string;
  /** Milliseconds since the epoch. */
  readonly exportedAt: number;
}

/** A transcript as one markdown document. Fences are made longer than any run of backticks inside. */
export function exportMarkdown(head: ExportHead, rows: readonly Row[]): string {
  const lines = [
    `# ${flat(head.title) || 'Untitled session'}`, '',
    `${flat(head.agent)} on ${flat(head.machine)} in \`${flat(head.folder)}\`, exported ${new Date(head.exportedAt).toISOString()}`, '',
  ];
  for (const row of rows) lines.push(...markdownOf(row, 0), '');
  return `${lines.join('\n').trimEnd()}\n`;
}

/** A transcript as JSON: the head and every row whole. */
export function exportJson(head: ExportHead, rows: readonly Row[]): string {
  return `${JSON.stringify({ ...head, exportedAt: new Date(head.exportedAt).toISOString(), rows }, null, 2)}\n`;
}

function markdownOf(row: Row, depth: number): string[] {
  switch (row.kind) {
    case 'prompt': return ['## Prompt', '', row.text, ...row.attachments.map((file) => `- attached: ${flat(file.name)} (${flat(file.mediaType)})`)];
    case 'text': return [row.text];
    case 'thinking': return ['<details><summary>Thinking</summary>', '', row.text, '', '</details>'];
    case 'tool': return toolMarkdown(row, depth);
    case 'permission': {
      const answered = row.outcome === null ? 'waiting' : row.outcome;
      const given = Object.values(row.answers).flat();
      return [`**Permission** ${flat(row.tool)}: ${flat(row.title)} (${answered}${row.answerReason === null ? '' : `: ${flat(row.answerReason)}`})`,
        ...(row.plan === null ? [] : ['', row.plan]), ...(given.length === 0 ? [] : ['', ...given.map((answer) => `- ${flat(answer)}`)])];
    }
    case 'todo': return row.items.map((item) => `- [${item.status === 'done' ? 'x' : ' '}] ${flat(item.text)}`);
    case 'file': return [`File: ${flat(row.file.name)} (${flat(row.file.mediaType)})`];
    case 'notice': return [`> ${flat(row.text)}${row.remedy === null ? '' : ` (${flat(row.remedy)})`}`];
    case 'turn': return [`*Turn ${row.state}${row.durationMs === null ? '' : ` after ${Math.round(row.durationMs / 1000)} s`}${row.error === null ? '' : `: ${flat(row.error)}`}*`];
    case 'unknown': return [`Unknown content from ${flat(row.source)}:`, '', ...fence(JSON.stringify(row.raw, null, 2), 'json')];
  }
}

function toolMarkdown(row: ToolRow, depth: number): string[] {
  const heading = `${'#'.repeat(Math.min(6, 3 + depth))} ${flat(row.name)}: ${flat(row.title)}`;
  const lines = [heading, '', `${row.status}${row.exitCode === null ? '' : `, exit ${row.exitCode}`}`];
  if (row.command !== null) lines.push('', ...fence(row.command, 'sh'));
  for (const diff of row.diffs) lines.push('', `\`${flat(diff.path)}\` +${diff.added} −${diff.removed}`, '', ...fence(diff.patch, 'diff'));
  if (row.output !== '') lines.push('', ...fence(row.output, ''));
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
