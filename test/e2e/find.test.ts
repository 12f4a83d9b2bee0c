import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claudeVariables } from '../loopback/agent-env.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { Chat } from './chat.ts';
import { copySampleWorkspace, launchVSCode, resultsFolder, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

/** Finding in a session of 1,500 rows, of which the page has the last few: by words, by prompts, by turns, and what is taken out of it. */
const TURNS = 500;
const TITLE = 'The log of the harbour';
let root: string;
let endpoint: AnthropicEndpoint;
let code: VSCode;
let window: VSCodeWindow;

/** A session that the demo agent had before: the word stands in the output of a command in its fourth turn, and in three answers later on. */
function writeSession(folder: string, cwd: string): void {
  const id = randomUUID();
  const lines: string[] = [];
  const update = (value: object): void => void lines.push(JSON.stringify({ at: 1_790_000_000_000 + lines.length, update: value }));
  for (let turn = 0; turn < TURNS; turn += 1) {
    update({ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: `Report ${turn}: what lies at berth ${turn % 40}?` }, messageId: randomUUID() });
    const call = { toolCallId: `call-${turn}`, title: `cat berths/${turn}.log`, kind: 'execute', rawInput: { command: `cat berths/${turn}.log` } };
    update({ sessionUpdate: 'tool_call', ...call, status: 'pending' });
    // One of them is longer than what its row shows.
    const output = Array.from({ length: turn === 5 ? 6_000 : 30 }, (_, line) => `${line}: ${turn === 3 && line === 4 ? 'the Nightingale is moored' : turn === 5 && line === 2_000 ? 'the Albatross is moored' : 'empty'}`).join('\n');
    update({ sessionUpdate: 'tool_call_update', toolCallId: `call-${turn}`, status: 'completed', content: [{ type: 'content', content: { type: 'text', text: output } }] });
    const ship = [100, 300, TURNS - 1].includes(turn) ? 'the **Night**ingale' : 'nothing';
    update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `At berth ${turn % 40} lies ${ship}. Nobody else has asked.` }, messageId: randomUUID() });
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${id}.jsonl`), `${lines.join('\n')}\n`);
  writeFileSync(join(folder, `${id}.json`), JSON.stringify({ id, cwd, title: TITLE, updatedAt: new Date().toISOString(), mode: 'ask', model: 'steady', thinking: 'on', focus: null, chars: 0 }));
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'pilothouse-find-'));
  const folder = copySampleWorkspace(join(root, 'berths'));
  writeSession(join(root, 'demo'), folder);
  endpoint = await startAnthropic({ script: ({ prompts }) => ({ text: `You asked: ${prompts.join(' / ')}.` }) });
  code = await launchVSCode({ agents: ['demo', 'claude'], folder, env: { ...(await claudeVariables(endpoint.url, root)), PILOTHOUSE_DEMO_STATE: join(root, 'demo') } });
  ({ window } = code);
  await (await window.openView('Sessions')).item(TITLE, { under: 'This computer' }).click();
  const chat = await Chat.of(window, TITLE);
  await chat.saw('text', 'Nightingale');
});
afterAll(async () => {
  await code?.close();
  await endpoint?.close();
  rmSync(root, { recursive: true, force: true });
});

const box = (chat: Chat): Locator => chat.frame.getByRole('textbox', { name: 'Find' });
const count = async (chat: Chat): Promise<string> => (await chat.frame.getByRole('status', { name: 'Find results' }).textContent()) ?? '';
const says = (chat: Chat, wanted: string): Promise<unknown> => until(`the count ${wanted}`, async () => (await count(chat)) === wanted, { detail: () => count(chat) });

/** The text of the match that is marked as the current one, once it can be seen. */
async function current(chat: Chat): Promise<string | null> {
  return chat.frame.evaluate(() => {
    const [range] = [...(CSS.highlights.get('find-current') ?? [])];
    const log = document.querySelector('[role="log"]')?.getBoundingClientRect();
    if (!(range instanceof Range) || log === undefined) return null;
    const at = range.getBoundingClientRect();
    return at.height > 0 && at.top >= log.top && at.bottom <= log.bottom ? range.toString() : null;
  });
}
const shows = (chat: Chat, wanted: string): Promise<unknown> => until(`the match ${wanted} to be seen`, async () => (await current(chat)) === wanted, { detail: async () => `${await current(chat)} ${await count(chat)}` });
/** Prompts that can be seen, topmost first. */
const seen = (chat: Chat): Promise<string[]> => chat.frame.evaluate(() => {
  const log = document.querySelector('[role="log"]');
  const view = log?.getBoundingClientRect();
  return view === undefined ? [] : [...document.querySelectorAll<HTMLElement>('[data-kind="prompt"]')].filter((row) => row.getBoundingClientRect().bottom > view.top + 2 && row.getBoundingClientRect().top < view.bottom).map((row) => row.querySelector('.prompt-text')?.textContent ?? '');
});

test('a word is found in the whole session, also where its row is not in the page', async () => {
  const chat = await Chat.of(window, TITLE);
  await chat.composer.click();
  await window.page.keyboard.press('Control+f');
  await box(chat).fill('nightingale');
  await shows(chat, 'Nightingale');
  await says(chat, '4 of 4');
  expect(await chat.frame.evaluate(() => CSS.highlights.get('find-match')?.size)).toBe(1);
  await window.screenshot('find-dark');
  // Around the end: to the first, which stands in the folded output of a command that the page never had.
  await window.page.keyboard.press('F3');
  await says(chat, '1 of 4');
  await shows(chat, 'Nightingale');
  expect(await chat.rows('tool').filter({ hasText: 'cat berths/3.log' }).first().innerText()).toContain('4: the Nightingale is moored');
  await window.screenshot('find-far');
  await box(chat).press('Enter');
  await says(chat, '2 of 4');
  await shows(chat, 'Nightingale');
  await window.page.keyboard.press('Shift+F3');
  await says(chat, '1 of 4');
  await shows(chat, 'Nightingale');
});

test('case and whole words count where they are asked for', async () => {
  const chat = await Chat.of(window, TITLE);
  await box(chat).press('Alt+c');
  await says(chat, 'No results');
  await window.screenshot('find-none');
  await box(chat).fill('Night');
  await until('four of them', async () => (await count(chat)).endsWith('of 4'));
  await box(chat).press('Alt+w');
  await says(chat, 'No results');
  await box(chat).press('Alt+w');
  await box(chat).press('Alt+c');
  await box(chat).fill('lies nothing. nobody');
  await until('all the others', async () => (await count(chat)).endsWith(`of ${TURNS - 3}`));
  await box(chat).press('Escape');
  await box(chat).waitFor({ state: 'detached' });
  expect(await chat.frame.evaluate(() => CSS.highlights.size)).toBe(0);
  await until('the cursor to be back in the message', async () => chat.composer.evaluate((element) => document.activeElement === element));
});

test('what stands in the middle of a long output is found, and shown in the whole output', async () => {
  const chat = await Chat.of(window, TITLE);
  await window.runCommand('Find in Chat');
  await box(chat).fill('albatross');
  await says(chat, '1 of 1');
  const hint = chat.frame.getByRole('status', { name: 'Where the match is' });
  await until('the hint', async () => (await hint.textContent())?.startsWith('On line 2,001 of this output, not shown here.'));
  await window.screenshot('find-hidden');
  await hint.getByRole('button', { name: 'Open Output' }).click();
  const place = window.page.locator('[id="status.editor.selection"]');
  await until('the line in the whole output', async () => (await place.innerText()).startsWith('Ln 2001,'), { detail: () => place.innerText() });
  await window.screenshot('find-hidden-output');
  await window.executeCommand('workbench.action.closeActiveEditor');
  await Chat.of(window, TITLE);
});

test('what the agent says meanwhile is counted, and moves nothing', async () => {
  const chat = await Chat.of(window, TITLE);
  // Who sends goes to the end, who queues stays: a turn runs while it is read further up.
  await chat.composer.fill('write 400 words at 20 words per second');
  await chat.composer.press('Enter');
  await chat.button('Stop').waitFor();
  await window.runCommand('Find in Chat');
  await box(chat).fill('Report 7:');
  await says(chat, '1 of 1');
  await shows(chat, 'Report 7:');
  await box(chat).fill('berth 7');
  // What stands there at first is the count of what was looked for before.
  await until('the matches', async () => Number(/of ([\d,]+)/.exec(await count(chat))?.[1]) > 1);
  let said = '';
  await until('the count to rest', async () => said === (said = await count(chat)), { everyMs: 400 });
  const before = Number(/of ([\d,]+)/.exec(await count(chat))?.[1]);
  const place = (): Promise<number> => chat.frame.locator('[role="log"]').evaluate((log) => Math.round(log.scrollTop));
  let at = -1;
  // The view comes to rest once the rows that came into it were measured.
  await until('the view to rest', async () => at === (at = await place()), { everyMs: 400 });
  await chat.composer.fill('say berth 7 berth 7');
  await chat.composer.press('Enter');
  await chat.frame.getByRole('group', { name: 'Queued messages' }).getByRole('article').waitFor();
  await chat.button('Stop').click();
  await until('two more matches at least', async () => Number(/of ([\d,]+)/.exec(await count(chat))?.[1]) >= before + 2, { detail: () => count(chat) });
  await chat.idle();
  expect(await place()).toBe(at);
  await box(chat).press('Escape');
});

test('prompts are gone to one by one', async () => {
  const chat = await Chat.of(window, TITLE);
  await window.runCommand('Go to Turn…');
  await window.quickInput.wait('Go to which turn?');
  await window.quickInput.type('Report 250:');
  await window.quickInput.pick(/^Report 250:/);
  await until('the turn', async () => (await seen(chat))[0]?.startsWith('Report 250:'), { detail: async () => (await seen(chat)).join(', ') });
  await window.screenshot('find-turn');
  await chat.frame.locator('[role="log"]').focus();
  await window.page.keyboard.press('Control+Alt+ArrowUp');
  await until('the prompt before', async () => (await seen(chat))[0]?.startsWith('Report 249:'), { detail: async () => (await seen(chat)).join(', ') });
  for (let press = 0; press < 3; press += 1) await window.page.keyboard.press('Control+Alt+ArrowDown');
  await until('the third prompt behind', async () => (await seen(chat))[0]?.startsWith('Report 252:'), { detail: async () => (await seen(chat)).join(', ') });
});

test('a row, a turn and the whole session are copied as markdown', async () => {
  const chat = await Chat.of(window, TITLE);
  const clipboard = (): Promise<string> => window.page.evaluate(() => navigator.clipboard.readText());
  const menuOf = (row: Locator) => (): Promise<void> => row.first().click({ button: 'right' });
  await window.menus.choose(menuOf(chat.rows('text').filter({ hasText: 'At berth 12 lies nothing' })), 'Copy as Markdown');
  await until('the row', async () => (await clipboard()) === 'At berth 12 lies nothing. Nobody else has asked.', { detail: clipboard });
  await window.page.evaluate(() => navigator.clipboard.writeText('other'));
  const row = chat.rows('text').filter({ hasText: 'At berth 12 lies nothing' });
  await row.evaluate((element) => {
    element.setAttribute('tabindex', '-1');
    element.focus();
  });
  await row.press('Control+c');
  await until('the row by its key', async () => (await clipboard()) === 'At berth 12 lies nothing. Nobody else has asked.', { detail: clipboard });
  await window.menus.choose(menuOf(chat.rows('prompt').filter({ hasText: 'Report 252:' })), 'Copy Turn as Markdown');
  await until('the turn', async () => (await clipboard()).startsWith('## Prompt\n\nReport 252: what lies at berth 12?\n\n### '), { detail: clipboard });
  expect(await clipboard()).toMatch(/Nobody else has asked\.\n\n\*Turn|Nobody else has asked\.$/);
  await window.runCommand('Copy Transcript as Markdown');
  await until('the session', async () => (await clipboard()).startsWith(`# ${TITLE}\n`));
  expect((await clipboard()).match(/^## Prompt$/gm)?.length).toBeGreaterThanOrEqual(TURNS);
});

test('it is exported as markdown, HTML and JSON', async () => {
  const out = (ending: string): string => join(root, `log.${ending}`);
  for (const ending of ['md', 'html', 'json']) {
    await Chat.of(window, TITLE);
    await window.runCommand('Export Transcript…');
    await window.quickInput.wait('Export Transcript');
    // The dialog writes its own proposal when it has read the folder, reads the folder of what is typed, and takes no Enter meanwhile.
    await until('the dialog to show the folder', async () => {
      const state = await window.quickInput.state();
      if (state?.value !== out(ending)) await window.quickInput.type(out(ending));
      return state?.value === out(ending) && state.items.some((item) => item.label === 'demo');
    }, { detail: async () => JSON.stringify(await window.quickInput.state()) });
    await window.quickInput.accept();
    await window.quickInput.waitClosed();
    await until(`the ${ending} file`, async () => existsSync(out(ending)) && readFileSync(out(ending), 'utf8').length > 1_000);
  }
  expect((JSON.parse(readFileSync(out('json'), 'utf8')) as { rows: { kind: string }[] }).rows.filter((row) => row.kind === 'prompt').length).toBeGreaterThanOrEqual(TURNS);
  expect(readFileSync(out('md'), 'utf8')).toContain('4: the Nightingale is moored');
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await window.context.newPage();
    const asked: string[] = [];
    const errors: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('console', (message) => errors.push(message.text()));
    await page.emulateMedia({ colorScheme });
    await page.setContent(readFileSync(out('html'), 'utf8'));
    expect(await page.locator('h2').count()).toBeGreaterThanOrEqual(TURNS);
    await page.setViewportSize({ width: 900, height: 700 });
    await page.screenshot({ path: join(resultsFolder, 'screenshots', `find-export-${colorScheme}.png`) });
    expect([asked, errors]).toEqual([[], []]);
    await page.close();
  }
});

test('ArrowUp reaches what was asked far above the page, and ArrowDown the draft', async () => {
  const chat = await Chat.of(window, TITLE);
  const { composer } = chat;
  const step = async (key: string): Promise<string> => {
    const before = await composer.inputValue();
    await composer.press(key);
    return until('another message', async () => {
      const now = await composer.inputValue();
      return now === before ? undefined : now;
    });
  };
  await composer.fill('half a draft');
  await composer.press('Home');
  // What other tests sent stands before the session's own.
  let steps = 1;
  let now = await step('ArrowUp');
  for (; !now.startsWith(`Report ${TURNS - 1}:`) && steps < 20; steps += 1) now = await step('ArrowUp');
  for (let turn = TURNS - 2; turn >= TURNS - 120; turn -= 1, steps += 1) expect(await step('ArrowUp')).toBe(`Report ${turn}: what lies at berth ${turn % 40}?`);
  await composer.press('End');
  for (; steps > 0; steps -= 1) now = await step('ArrowDown');
  expect(now).toBe('half a draft');
  await composer.fill('');
});

test('it looks as VS Code does, in every theme and narrow', async () => {
  const chat = await Chat.of(window, TITLE);
  await chat.composer.click();
  await window.page.keyboard.press('Control+f');
  await box(chat).fill('nobody');
  await until('the matches', async () => (await count(chat)).includes('of '));
  for (const theme of ['Light Modern', 'Default High Contrast', 'Default High Contrast Light', 'Dark Modern'] as const) {
    await code.setTheme(theme);
    await window.screenshot(`find-${theme}`);
  }
  await window.page.keyboard.press('Control+b');
  await window.resize(360, 800);
  await window.screenshot('find-narrow');
  expect(await chat.frame.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)).toBe(true);
});

test('a prompt is where a fork begins, with its words to be changed', async () => {
  await window.resize(1280, 800);
  await window.page.keyboard.press('Control+b');
  // The demo agent cannot, and offers nothing.
  const demo = await Chat.of(window, TITLE);
  const prompt = (chat: Chat, text: string): Locator => chat.rows('prompt').filter({ hasText: text }).first();
  await window.menus.open(() => demo.rows('prompt').last().click({ button: 'right' }));
  expect(await window.menus.labels()).not.toContain('Fork from Here…');
  await window.page.keyboard.press('Escape');
  await (await window.openView('Sessions')).titleAction('New Session…');
  await window.quickInput.pick('Claude Code');
  const chat = await Chat.of(window, 'Untitled session');
  await chat.say('Which berths are free?');
  await chat.saw('text', 'You asked: Which berths are free?.');
  await chat.idle();
  await chat.say('Book the first one');
  await chat.saw('text', 'Book the first one.');
  await chat.idle();
  const before = await window.tabs();
  await prompt(chat, 'Book the first one').hover();
  await window.screenshot('find-fork-hover');
  await window.menus.choose(() => prompt(chat, 'Book the first one').click({ button: 'right' }), 'Fork from Here…');
  const title = await until('the fork', async () => (await window.tabs()).find((tab) => !before.includes(tab)), { timeoutMs: 40_000 });
  const fork = await Chat.of(window, title);
  expect(await fork.composer.inputValue()).toBe('Book the first one');
  await fork.saw('text', 'You asked: Which berths are free?.');
  expect(await fork.rows('prompt').count()).toBe(1);
  await window.screenshot('find-forked');
  await fork.composer.fill('Book the last one');
  await fork.composer.press('Enter');
  await fork.saw('text', 'You asked: Which berths are free? / Book the last one.');
});

test('nothing was written to the console that should not be there', () => {
  expect(window.errors.filter((error) => /pilothouse\.pilothouse-|dist\/webview|Content Security Policy/i.test(error))).toEqual([]);
});
