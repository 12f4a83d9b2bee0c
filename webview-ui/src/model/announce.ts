import type { ChatState, Patch, Row } from '../types.ts';
import { bannerOf } from './banner.ts';
import { KEYS } from './keys.ts';
import type { RowModel } from './rows.ts';
import { activityLine, oneLine, turnLine } from './words.ts';

/** What a screen reader says of a patch that was applied: the end of a turn with its answer, a question, an error. Null for all else: text that streams is not read out. */
export function announcementOf(patch: Patch, rows: RowModel, agentName: string): string | null {
  let said: string | null = null;
  for (const op of patch.ops) {
    if (op.op === 'append') continue;
    for (const row of op.op === 'splice' ? op.rows : [op.row]) {
      // Rows far from the end are history that was read, not news.
      if (op.at >= rows.total - 50) said = say(row, rows, agentName) ?? said;
    }
  }
  return said;
}

/** What a screen reader says of a state that became another: that the model is silent or asked again, and what keeps the person from going on. Null for all else; each is said once. */
export function changeOf(before: ChatState, after: ChatState, now: number = Date.now()): string | null {
  const phase = after.activity?.phase ?? null;
  if ((phase === 'stalled' || phase === 'retrying') && before.activity?.phase !== phase) return activityLine(after, now);
  const banner = bannerOf(after, now);
  // What only its figures tell apart was said.
  const said = (words: string): string => words.replaceAll(/\d+/g, '#');
  return banner === null || said(banner.text) === said(bannerOf(before, now)?.text ?? '') ? null : [banner.text, banner.remedy?.text ?? ''].filter((part) => part !== '').join(' ');
}

function say(row: Row, rows: RowModel, agentName: string): string | null {
  if (row.kind === 'permission' && row.outcome === null) return `${row.ask === 'tool' ? `Permission needed: ${row.tool}. ${oneLine(row.command ?? row.title, 160)}` : `${agentName} asks: ${oneLine(row.questions[0]?.text ?? row.title, 160)}`} ${KEYS.send} in an empty message goes there.`;
  if (row.kind === 'notice' && row.level === 'error') return `Error: ${oneLine(row.text, 200)}`;
  if (row.kind !== 'turn' || row.state === 'running') return null;
  const words = { completed: 'finished', failed: 'failed', cancelled: 'was stopped' }[row.state];
  return [`${agentName} ${words}.`, row.state === 'failed' ? oneLine(row.error ?? '', 200) : lastAnswer(rows), turnLine(row).join(', ')].filter((part) => part !== '').join(' ');
}

function lastAnswer(rows: RowModel): string {
  for (let index = rows.total - 1; index >= Math.max(0, rows.total - 30); index -= 1) {
    const row = rows.at(index);
    if (row?.kind === 'prompt') return '';
    if (row?.kind === 'text') return oneLine(row.text.slice(0, 600), 300);
  }
  return '';
}
