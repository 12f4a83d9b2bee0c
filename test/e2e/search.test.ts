import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Chat } from './chat.ts';
import { copySampleWorkspace, launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

/** Searching all sessions from a window that has opened none of them: what another window has read is in the store, which both share. */
const TURNS = 300;
const HARBOUR = 'The log of the harbour';
const GARDEN = 'The garden';
let root: string;
let code: VSCode;
let window: VSCodeWindow;

/** A session that the demo agent had before; `said` gives what it answered in each turn. */
function writeSession(folder: string, cwd: string, title: string, said: (turn: number) => string): void {
  const id = randomUUID();
  const lines: string[] = [];
  const update = (value: object): void => void lines.push(JSON.stringify({ at: 1_790_000_000_000 + lines.length * 1_000, update: value }));
  for (let turn = 0; turn < TURNS; turn += 1) {
    update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: `Report ${turn} of ${title.toLowerCase()}` }, messageId: randomUUID() });
    update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: said(turn) }, messageId: randomUUID() });
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${id}.jsonl`), `${lines.join('\n')}\n`);
  writeFileSync(join(folder, `${id}.json`), JSON.stringify({ id, cwd, title, updatedAt: new Date().toISOString(), mode: 'ask', model: 'steady', thinking: 'on', focus: null, chars: 0 }));
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'pilothouse-search-'));
  const folder = copySampleWorkspace(join(root, 'berths'));
  writeSession(join(root, 'demo'), folder, HARBOUR, (turn) => (turn === 7 ? 'The **Night**ingale came in late, with [red](/x) sails.' : `Nothing came in at berth ${turn}.`));
  writeSession(join(root, 'demo'), folder, GARDEN, (turn) => (turn === TURNS - 2 ? 'A nightingale sang $(bell) [here](command:x).' : `Bed ${turn} was watered.`));
  code = await launchVSCode({ agents: ['demo'], folder, env: { PILOTHOUSE_DEMO_STATE: join(root, 'demo') } });
  const sessions = await code.window.openView('Sessions');
  for (const [title, last] of [[HARBOUR, `Report ${TURNS - 1}`], [GARDEN, `Report ${TURNS - 1}`]] as const) {
    await sessions.item(title, { under: 'This computer' }).click();
    await (await Chat.of(code.window, title)).saw('prompt', last);
    await code.window.closeTab(title);
  }
  window = await code.openWindow();
  await (await window.openView('Sessions')).item(HARBOUR, { under: 'This computer' }).waitUntil(() => true);
});
afterAll(async () => {
  await code?.close();
  rmSync(root, { recursive: true, force: true });
});

/** Labels of what the open pick lists, once they are as wanted. */
const lists = (what: string, wanted: (labels: readonly string[]) => boolean): Promise<unknown> => until(what, async () => wanted((await window.quickInput.state())?.items.map(({ label }) => label) ?? []), { detail: async () => JSON.stringify(await window.quickInput.state()) });

/** Rows that can be seen in a chat, topmost first. */
const seen = (chat: Chat): Promise<string[]> => chat.frame.evaluate(() => {
  const view = document.querySelector('[role="log"]')?.getBoundingClientRect();
  return view === undefined ? [] : [...document.querySelectorAll<HTMLElement>('[role="article"]')].filter((row) => row.getBoundingClientRect().bottom > view.top + 2 && row.getBoundingClientRect().top < view.bottom).map((row) => row.innerText);
});

test('a word that was said long ago is found while one types, in sessions that this window never opened, and opens at its row', async () => {
  await window.runCommand('Search Sessions…');
  await window.quickInput.type('nighti');
  await lists('both sessions', (labels) => ['The Nightingale came in late, with red sails.', 'A nightingale sang $(bell) here.'].every((text) => labels.some((label) => label.includes(text))));
  const heads = await window.quickInput.widget.locator('.quick-input-list-separator').allTextContents();
  expect([GARDEN, HARBOUR].every((title) => heads.some((head) => head.includes(title)))).toBe(true);
  await window.screenshot('search-pick');
  const first = window.quickInput.widget.locator('.quick-input-list .monaco-list-row').first();
  await first.hover();
  await first.getByRole('button', { name: 'Copy Link' }).click();
  const link = async (): Promise<string> => decodeURIComponent(await window.page.evaluate(() => navigator.clipboard.readText()));
  await until('the link', async () => /^code-oss:\/\/pilothouse\.pilothouse\/session\?connection=.+&session=.+&row=.+/.test(await link()), { detail: link });
  await window.quickInput.type('nightingale SAILS');
  await lists('the one that has both words', (labels) => labels.filter((label) => /nightingale/i.test(label)).length === 1);
  await window.quickInput.pick(/came in late/);
  const chat = await Chat.of(window, HARBOUR);
  await until('the row', async () => (await seen(chat))[0]?.includes('The Nightingale came in late') === true, { detail: async () => (await seen(chat)).join(' / ') });
  await window.screenshot('search-row');
});

test('everything that was found is a document whose lines lead to the rows', async () => {
  await window.runCommand('Search Sessions…');
  await window.quickInput.type('nightingale');
  await window.quickInput.pick(/Show All Results/);
  const editor = window.page.locator('.monaco-editor .view-lines').first();
  await until('the document', async () => /2 places in 2 sessions/.test((await editor.innerText()).replaceAll('\u00a0', ' ')), { detail: () => editor.innerText() });
  await window.screenshot('search-document');
  const link = window.page.locator('.monaco-editor .detected-link', { hasText: 'Answer' }).first();
  await link.click({ modifiers: ['ControlOrMeta'] });
  const chat = await Chat.of(window, GARDEN);
  await until('the row', async () => (await seen(chat)).some((text) => text.includes('A nightingale sang')), { detail: async () => (await seen(chat)).join(' / ') });
});

test('what nobody said is not found; titles are', async () => {
  await window.runCommand('Search Sessions…');
  await window.quickInput.type('albatross');
  await lists('nothing', (labels) => labels.length === 1 && labels[0] === 'Nothing found in the sessions opened here so far');
  await window.quickInput.type('harbour log');
  await lists('the title first', (labels) => labels[0]?.includes(HARBOUR) === true);
  await window.screenshot('search-title');
  await window.quickInput.cancel();
});
