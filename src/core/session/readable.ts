import { stripVTControlCharacters } from 'node:util';
import type { Attachment, FileDiff } from '../model/entry.ts';
import type { PermissionRow, Row, ToolRow, TurnRow } from '../model/row.ts';

/** A row as somebody reads it who sees nothing but text: a line that says what it is, and what it holds. */
export interface ReadableRow {
  readonly head: string;
  /** Without an empty line at its end; empty where the head says all. */
  readonly body: string;
}

/** The longest body of one row, in characters: its beginning and its end are kept. */
const MOST = 60_000;

/** A row in plain text. `agentName`: who answers. Times in the language and zone of this computer. */
export function readableRow(row: Row, agentName: string): ReadableRow {
  const { head, body } = partsOf(row, agentName);
  return { head: line(head), body: shortened(plain(body).trimEnd()) };
}

function partsOf(row: Row, agentName: string): ReadableRow {
  switch (row.kind) {
    case 'prompt': return { head: `You${row.at === null ? '' : `, ${new Date(row.at).toLocaleString()}`}`, body: [row.text, ...filesOf(row.attachments)].join('\n') };
    case 'text': return { head: agentName, body: row.text };
    case 'thinking': return { head: `${agentName} thought`, body: row.text };
    case 'tool': return { head: toolHead(row), body: toolBody(row, agentName) };
    case 'permission': return { head: permissionHead(row), body: permissionBody(row) };
    case 'todo': return { head: `To-do list, ${row.items.filter((item) => item.status === 'done').length} of ${row.items.length} done`, body: row.items.map((item) => `${TODO[item.status]}: ${item.text}`).join('\n') };
    case 'file': return { head: 'File', body: filesOf([row.file]).join('\n') };
    case 'notice': return { head: { info: 'Notice', warning: 'Warning', error: 'Error' }[row.level], body: [row.text, row.remedy ?? ''].filter((part) => part !== '').join('\n') };
    case 'turn': return { head: turnHead(row), body: [row.error ?? '', ...row.filesChanged.map((file) => `changed ${file}`)].filter((part) => part !== '').join('\n') };
    case 'unknown': return { head: `Unknown event from ${row.source}`, body: JSON.stringify(row.raw, null, 2) };
  }
}

const TODO = { pending: 'Open', running: 'In progress', done: 'Done', cancelled: 'Dropped' } as const;
const STATUS = { running: 'running', waiting: 'waits for you', ok: '', error: 'failed', denied: 'denied', cancelled: 'stopped' } as const;
const OUTCOME = { allowed: 'allowed', 'allowed-session': 'allowed for the session', 'allowed-always': 'always allowed', denied: 'denied', answered: 'answered', withdrawn: 'withdrawn by the agent', lost: 'unanswered, the agent ended' } as const;

function toolHead(row: ToolRow): string {
  const subject = row.command ?? row.title;
  const outcome = row.exitCode === null ? STATUS[row.status] : `exit ${row.exitCode}`;
  return [subject === '' || subject === row.name ? row.name : `${row.name}: ${line(subject)}`, outcome, ...row.diffs.map(diffWords)].filter((part) => part !== '').join(', ');
}

function diffWords(diff: FileDiff): string {
  return `${diff.path} ${diff.added} added ${diff.removed} removed`;
}

function toolBody(row: ToolRow, agentName: string): string {
  const parts: string[] = [];
  if (row.command?.includes('\n') === true) parts.push(row.command);
  for (const diff of row.diffs) if (diff.patch !== '') parts.push(diff.patch);
  if (row.output !== '') parts.push(row.output);
  if (row.outputOmitted > 0) parts.push(`(${row.outputOmitted} characters of the output are left out.)`);
  parts.push(...filesOf(row.attachments));
  for (const child of row.children) {
    const { head, body } = partsOf(child, agentName);
    parts.push(indented([head, body].filter((part) => part !== '').join('\n')));
  }
  return parts.map((part) => part.trimEnd()).join('\n');
}

function permissionHead(row: PermissionRow): string {
  const what = row.ask === 'tool' ? `Permission, ${row.tool}` : row.ask === 'plan' ? 'Plan' : 'Question';
  return `${what}: ${row.outcome === null ? 'waits for you' : OUTCOME[row.outcome]}`;
}

function permissionBody(row: PermissionRow): string {
  const asked = row.ask === 'question'
    ? row.questions.flatMap((question) => [question.text, ...question.options.map((option) => `- ${option.label}${option.description === null ? '' : `: ${option.description}`}`), ...(row.answers[question.id] ?? []).map((answer) => `Your answer: ${answer}`)])
    : [row.plan ?? row.command ?? row.title, ...row.diffs.flatMap((diff) => [diffWords(diff), diff.patch])];
  return [...asked, ...(row.answerReason === null ? [] : [`Your reason: ${row.answerReason}`])].filter((part) => part !== '').join('\n');
}

function turnHead(row: TurnRow): string {
  const words = { running: 'Turn begun', completed: 'End of turn', failed: 'Turn failed', cancelled: 'Turn stopped' }[row.state];
  return row.durationMs === null ? words : `${words} after ${Math.max(1, Math.round(row.durationMs / 1000))} s`;
}

function filesOf(files: readonly Attachment[]): string[] {
  return files.map((file) => `Attached: ${line(file.name)} (${line(file.mediaType)})`);
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}

function line(text: string): string {
  return plain(text).replaceAll(/\s+/g, ' ').trim();
}

/** Without escape sequences of terminals, control characters, and marks that turn the direction of what follows. */
function plain(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/\r\n?/g, '\n').replaceAll(/(?![\t\n])[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu, '');
}

function shortened(text: string): string {
  if (text.length <= MOST) return text;
  const left = text.length - MOST;
  return `${text.slice(0, MOST / 2)}\n(${left} characters are left out here.)\n${text.slice(-MOST / 2)}`;
}
