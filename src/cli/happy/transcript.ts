import type { Row } from '../../core/model/row.ts';
import { viewOf } from '../../core/session/view.ts';
import type { HappyMessage, HappySession } from '../../core/systems/happy/client.ts';
import type { MessageInput } from '../../core/systems/happy/normalise/index.ts';
import { clockLagOf, SessionNormaliser } from '../../core/systems/happy/normalise/index.ts';
import { plainLine, plainText } from '../io.ts';
import { contextOf } from './print.ts';

/** The rows that messages of a session make, with its requests. */
export function rowsOf(session: HappySession, messages: readonly HappyMessage[]): readonly Row[] {
  const inputs = messages.map(({ id, seq, createdAt, content, readable }): MessageInput => ({ id, seq, localId: null, createdAt, content: readable ? content : undefined }));
  const normaliser = new SessionNormaliser({ ...contextOf(session), clockLagMs: clockLagOf(inputs) });
  return viewOf([...normaliser.messages(inputs), ...normaliser.agentState(session.agentState ?? undefined, 1)]);
}

/** What the agent said in these rows. */
export function spoken(rows: readonly Row[]): string {
  return rows.flatMap((row) => (row.kind === 'text' ? [plainText(row.text).trim()] : [])).join('\n\n');
}

/** A transcript for a terminal: a block a row, rows of tools together. */
export function transcriptText(rows: readonly Row[]): string {
  let text = '';
  let before: Row['kind'] | null = null;
  for (const row of rows) {
    const block = blockOf(row).join('\n');
    if (block === '') continue;
    text += `${before === null ? '' : before === 'tool' && row.kind === 'tool' ? '\n' : '\n\n'}${block}`;
    before = row.kind;
  }
  return text;
}

function blockOf(row: Row): string[] {
  switch (row.kind) {
    case 'prompt': return plainText([row.text, ...row.attachments.map((file) => `[${file.name}]`)].join('\n')).trim().split('\n').map((line, index) => `${index === 0 ? '›' : ' '} ${line}`);
    case 'text': return [plainText(row.text).trim()];
    case 'tool': return [`• ${plainLine(`${row.name} ${row.title}`)}${row.status === 'ok' ? '' : ` (${row.status})`}`, ...row.children.flatMap(blockOf).map((line) => `  ${line.replaceAll('\n', '\n  ')}`)];
    case 'permission': return [`? ${plainLine(row.tool)}: ${plainLine(row.title)} (${row.outcome ?? 'waiting'}${row.answerReason === null ? '' : `: ${plainLine(row.answerReason)}`})`];
    case 'todo': return row.items.map((item) => `${item.status === 'done' ? '☑' : '☐'} ${plainLine(item.text)}`);
    case 'file': return [`+ ${plainLine(row.file.name)}`];
    case 'notice': return [`! ${plainLine(row.text)}${row.remedy === null ? '' : ` (${plainLine(row.remedy)})`}`];
    case 'turn': return row.state === 'failed' ? [`! ${plainLine(row.error ?? 'The turn failed.')}`] : row.state === 'cancelled' ? ['! Interrupted.'] : [];
    case 'unknown': return [`~ unknown content from ${plainLine(row.source)}`];
    case 'thinking': return [];
  }
}
