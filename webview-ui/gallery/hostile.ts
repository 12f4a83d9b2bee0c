import type { Attachment, Row } from '../src/types.ts';
import { diff, file, notice, permission, prompt, text, thinking, todo, tool, turn, unknown } from './make.ts';

/** Rows that hold the same words wherever words of an agent are shown. */
export function hostileRows(words: string): Row[] {
  const attachment: Attachment = { name: words, mediaType: 'image/png', size: 4, data: `"><b>${words}`, path: words };
  return [
    prompt(words, [attachment]), text(words), text(`${words}\n\n- ${words}\n\n> ${words}`, true), thinking(`**x**\n\n${words}`), todo([words, 'running']), file(attachment), notice('error', words, words),
    tool('execute', words, { output: words, status: 'error', exitCode: 1, cwd: words }), tool('edit', words, { diffs: [diff(words, `@@ -1 +1 @@\n-${words.split('\n')[0] ?? ''}\n+${words.split('\n')[0] ?? ''}\n`)] }), tool('other', words, { name: words, input: { [words]: words }, output: words }),
    tool('agent', words, { children: [text(words), tool('read', words)] }), permission({ tool: words, title: words, reason: words, command: words, cwd: words }), permission({ tool: words, input: { [words]: words }, options: [{ id: words, label: words, scope: 'always' }] }),
    permission({ ask: 'question', tool: words, title: words, questions: [{ id: words, header: words, text: words, multiple: true, free: true, options: [{ label: words, description: words }] }] }), permission({ ask: 'plan', tool: words, plan: words }),
    permission({ command: words, outcome: 'denied', answerReason: words }), unknown(words, { [words]: words }), turn({ state: 'failed', error: words, filesChanged: [words] }),
  ];
}

/** The same words in each of the six places where words of an agent reach the page: a prompt, an answer, what a tool is called with, what it gives, its title, and the name of a file. */
export function slotRows(words: string, key: string): Row[] {
  const attachment: Attachment = { name: words, mediaType: 'image/png', size: 4, data: words, path: words };
  return [
    { ...prompt(words), key: `${key}-prompt` }, { ...text(words), key: `${key}-text` }, tool('other', 'call', { key: `${key}-input`, input: { [words]: words } }), tool('execute', 'run', { key: `${key}-output`, output: words }),
    tool('agent', words, { key: `${key}-title`, name: words }), { ...file(attachment), key: `${key}-file` },
  ];
}
/** The keys among them that show what they hold only when they are opened. */
export const slotFolds = (key: string): string[] => [`+${key}-input`, `+${key}-output`];
