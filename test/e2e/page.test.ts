import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claudeVariables } from '../loopback/agent-env.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

/** What a person does on the chat page: by keys alone, answering, writing, stopping, and reading it as a document. */
let home: string;
let endpoint: AnthropicEndpoint;
let code: VSCode;
let window: VSCodeWindow;
let title: string;

/** As VS Code names its tab, without the ending. */
const DOCUMENT = 'overview (transcript)';
const PLAN = '# The plan\n\n1. Read the fees\n2. Raise the discount';

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'pilothouse-page-'));
  endpoint = await startAnthropic({
    script: ({ answered }) => (answered === 0 ? { text: 'I plan it.', tools: [{ name: 'ExitPlanMode', input: { plan: PLAN } }] } : answered === 1 ? { text: 'Then another one.', tools: [{ name: 'ExitPlanMode', input: { plan: `${PLAN}\n3. Write the changelog` } }] } : { text: 'Now I begin.' }),
  });
  code = await launchVSCode({ agents: ['demo', 'claude'], home, env: { ...(await claudeVariables(endpoint.url, home)), PILOTHOUSE_DEMO_STATE: join(home, 'demo') } });
  ({ window } = code);
});
afterAll(async () => {
  await code?.close();
  await endpoint?.close();
  rmSync(home, { recursive: true, force: true });
});

const press = async (...keys: readonly string[]): Promise<void> => {
  for (const key of keys) await window.page.keyboard.press(key);
};
const focused = (chat: Chat): Promise<string> => chat.frame.evaluate(() => {
  const element = document.activeElement;
  return element?.getAttribute('aria-label') ?? element?.textContent ?? '';
});
const focus = (chat: Chat, wanted: string | RegExp): Promise<unknown> => until(`the focus on ${wanted}`, async () => (typeof wanted === 'string' ? (await focused(chat)) === wanted : wanted.test(await focused(chat))), { detail: () => focused(chat) });
const file = (name: string): string => join(code.folder, name);
const status = (chat: Chat): Locator => chat.frame.getByRole('status', { name: 'Message status' });
const words = async (): Promise<string> => (await window.page.locator('.monaco-editor .view-lines').first().innerText()).replaceAll('\u00A0', ' ');

test('a session is begun, answered, read and searched without a mouse', async () => {
  await window.runCommand('New Session…');
  await window.quickInput.pick('Demo Agent');
  await until('a tab', async () => (await window.tabs()).length > 0);
  const chat = await Chat.of(window);
  await focus(chat, 'Message');
  await window.page.keyboard.type('overview');
  await press('Enter');
  await chat.saw('text', /berths/i);
  await chat.idle();
  title = 'overview';
  await window.tab(title).waitFor();
  await window.page.keyboard.type('run echo keys > keys.txt');
  await press('Enter');
  await chat.permission().waitFor({ timeout: 30_000 });
  await press('Control+Enter');
  await focus(chat, 'Allow');
  expect(existsSync(file('keys.txt'))).toBe(false);
  await press('Enter');
  await until('the command to have run', async () => existsSync(file('keys.txt')));
  await chat.idle();
  await press('Escape');
  await focus(chat, 'Message');
  await window.page.keyboard.type('replace "WEEK_DISCOUNT = 0.1" with "WEEK_DISCOUNT = 0.15" in src/fees.ts');
  await press('Enter');
  await chat.permission().waitFor({ timeout: 30_000 });
  await press('Control+Enter', 'Enter');
  await chat.saw('tool', /fees\.ts/);
  await chat.idle();
  await press('Escape');
  await focus(chat, 'Message');
  // From the message to the last row, up to the edit, into it, and on to its diff.
  await press('Control+ArrowUp');
  await focus(chat, /^End of turn/);
  for (let row = 0; row < 20 && !(await focused(chat)).startsWith('Edited'); row += 1) await press('ArrowUp');
  await focus(chat, /^Edited src\/fees\.ts/);
  await window.screenshot('page-row-by-keys');
  await press('ArrowLeft', 'ArrowRight', 'ArrowRight');
  for (let stop = 0; stop < 10 && (await focused(chat)) !== 'Open Diff'; stop += 1) await press('Tab');
  await press('Enter');
  await until('the diff', async () => (await window.tabs()).some((tab) => tab.startsWith('fees.ts')));
  await window.runCommand('View: Close Editor');
  const again = await Chat.of(window, title);
  await again.composer.focus();
  await press('Control+f');
  await again.frame.getByRole('textbox', { name: 'Find' }).waitFor();
  await window.page.keyboard.type('keys.txt');
  await until('a match', async () => /of \d/.test((await again.frame.getByRole('status', { name: 'Find results' }).textContent()) ?? ''));
  await press('Escape');
  await focus(again, 'Message');
});

test('the transcript is read as a document, which follows', async () => {
  const chat = await Chat.of(window, title);
  await chat.composer.fill('stream 260 words at 40 a second');
  await chat.composer.press('Enter');
  await chat.button('Stop').waitFor();
  await press('Alt+F2');
  await until('the document', async () => (await window.tabs()).includes(DOCUMENT), { detail: async () => (await window.tabs()).join() });
  await until('what is being said', async () => (await words()).includes('A tour of'), { detail: words });
  await until('the end of the turn, where the cursor is led', async () => {
    await press('Control+End');
    return /End of turn after \d+ s\s*$/.test(await words());
  }, { timeoutMs: 30_000, detail: words });
  await press('Control+Home');
  await until('the beginning', async () => (await words()).includes('Demo Agent on this computer'), { detail: words });
  await press('Control+Shift+o');
  await until('the turns', async () => (await window.quickInput.state())?.items.some((item) => item.label.startsWith('You: overview')), { detail: async () => JSON.stringify(await window.quickInput.state()) });
  await press('Escape');
  for (const theme of ['Light Modern', 'Default High Contrast', 'Dark Modern'] as const) {
    await code.setTheme(theme);
    await window.screenshot(`page-document-${theme}`);
  }
  await press('Alt+F2');
  await until('the chat', async () => (await window.tab(title).getAttribute('aria-selected')) === 'true');
  await (await Chat.of(window, title)).idle();
});

test('a reason begun on a card outlives its tab being hidden; given, it reaches the agent, and nothing runs', async () => {
  let chat = await Chat.of(window, title);
  await chat.say('run echo no > no.txt');
  const card = chat.permission().last();
  await card.waitFor({ timeout: 30_000 });
  await card.getByRole('button', { name: 'Deny with a reason…' }).click();
  await chat.frame.getByRole('textbox', { name: 'Reason' }).fill('explain README.md instead');
  // The page keeps it a moment later, and nothing shows that it did.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await window.tab(DOCUMENT).click();
  await window.page.locator('.monaco-editor .view-line').first().waitFor();
  chat = await Chat.of(window, title);
  const reason = chat.frame.getByRole('textbox', { name: 'Reason' });
  expect(await reason.inputValue()).toBe('explain README.md instead');
  await reason.press('Enter');
  await chat.saw('permission', /Denied/);
  // ACP has no place for a reason: it is the next prompt.
  await chat.saw('prompt', 'explain README.md instead');
  await chat.idle();
  expect(existsSync(file('no.txt'))).toBe(false);
});

test('what is allowed for the session is not asked again', async () => {
  const chat = await Chat.of(window, title);
  await chat.say('run echo once >> often.txt');
  const card = chat.permission().last();
  await card.waitFor({ timeout: 30_000 });
  await card.getByRole('button').filter({ hasNotText: /^(?:Allow|Deny|Deny with a reason…)$/ }).first().click();
  await chat.idle();
  await chat.say('run echo once >> often.txt');
  await chat.idle();
  expect(readFileSync(file('often.txt'), 'utf8')).toBe('once\nonce\n');
  expect(await chat.permission().count()).toBe(0);
});

test('a request that is withdrawn takes no answer any more', async () => {
  const chat = await Chat.of(window, title);
  await chat.say('run echo late > late.txt');
  await chat.permission().last().waitFor({ timeout: 30_000 });
  await press('Control+Escape');
  await chat.permission().waitFor({ state: 'detached' });
  await chat.saw('permission', /Withdrawn/);
  await chat.idle();
  expect(existsSync(file('late.txt'))).toBe(false);
});

test('queued prompts go as they were edited and in the order in which they were put', async () => {
  const chat = await Chat.of(window, title);
  await chat.say('stream 150 words at 30 a second');
  for (const text of ['explain src/fees.ts', 'explain src/booking.ts']) {
    await chat.composer.fill(text);
    await chat.composer.press('Enter');
  }
  const queued = chat.frame.locator('[role="article"][data-delivery="pending"]');
  await until('both', async () => (await queued.count()) === 2);
  await queued.last().getByRole('button', { name: /^Edit/ }).click();
  await chat.frame.getByRole('textbox', { name: 'Queued message' }).fill('explain src/main.ts');
  await press('Enter');
  await queued.filter({ hasText: 'src/main.ts' }).getByRole('button', { name: /^Move up/ }).click();
  await until('the other order', async () => (await queued.first().innerText()).includes('src/main.ts'));
  await window.screenshot('page-queue');
  await until('nothing to wait', async () => (await queued.count()) === 0, { timeoutMs: 40_000 });
  // Between the turn before and its own, nothing runs either.
  await chat.saw('prompt', 'explain src/fees.ts');
  await chat.idle();
  const prompts = await chat.rows('prompt').allInnerTexts();
  const at = (part: string): number => prompts.findLastIndex((text) => text.includes(part));
  expect(at('src/main.ts')).toBeGreaterThan(-1);
  expect(at('src/main.ts')).toBeLessThan(at('explain src/fees.ts'));
  expect(at('src/booking.ts')).toBe(-1);
});

test('a draft with a file outlives a reload, and is sent whole', async () => {
  let chat = await Chat.of(window, title);
  await chat.composer.fill('overview, with the figures');
  await chat.frame.locator('input[type=file]').setInputFiles({ name: 'march.csv', mimeType: 'text/csv', buffer: Buffer.from('berth,nights\nA4,7\n') });
  await chat.frame.getByRole('button', { name: 'Remove march.csv' }).waitFor();
  await window.reload();
  chat = await Chat.of(window, title);
  await chat.frame.getByRole('button', { name: 'Remove march.csv' }).waitFor();
  expect(await chat.composer.inputValue()).toBe('overview, with the figures');
  await window.screenshot('page-draft-reloaded');
  await chat.composer.press('Enter');
  await (await chat.saw('prompt', 'with the figures')).getByText('march.csv').waitFor();
  await chat.idle();
  expect(await chat.composer.inputValue()).toBe('');
});

test('a stop that the agent does not hear goes further, and says each step', async () => {
  const chat = await Chat.of(window, title);
  await chat.say('stream 2000 words at 60 a second');
  await chat.saw('text', /A tour of/);
  const pids = code.processes().filter((one) => one.command.includes('demo/agent')).map((one) => one.pid);
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  await chat.button('Stop').click();
  await status(chat).getByText('to break the turn off…').waitFor();
  await status(chat).getByText('Ending its process…').waitFor();
  await window.screenshot('page-stopping');
  await status(chat).getByText('was killed').waitFor();
  await chat.idle();
  await chat.saw('turn', /Stopped/);
  // It stays until it is dismissed, and the session goes on.
  await status(chat).getByRole('button', { name: 'Dismiss' }).click();
  await chat.say('help');
  await chat.idle();
});

test('a plan is sent back with a comment, and the next one approved', async () => {
  await window.runCommand('New Session…');
  await window.quickInput.pick('Claude Code');
  await until('its chat', async () => (await window.tabs()).some((tab) => !tab.startsWith(title)));
  const chat = await until('the chat of Claude Code', async () => {
    const one = await Chat.of(window);
    return (await one.frame.getByRole('heading', { name: 'Claude Code' }).count()) > 0 ? one : undefined;
  });
  await chat.frame.getByRole('combobox', { name: 'Permission Mode' }).press('Enter');
  await chat.frame.getByRole('option', { name: /Plan/ }).click();
  await chat.say('Plan the discount');
  const plan = chat.rows('plan').last();
  await plan.getByRole('heading', { name: 'The plan' }).waitFor({ timeout: 30_000 });
  await plan.getByRole('textbox', { name: 'Comment' }).fill('Write it into the changelog too.');
  await window.screenshot('page-plan');
  await plan.getByRole('button', { name: 'Send Back with Comment' }).click();
  await chat.saw('plan', /Plan sent back[^]*Write it into the changelog too\./);
  await chat.frame.getByText('Write the changelog', { exact: true }).waitFor({ timeout: 30_000 });
  await chat.rows('plan').last().locator('button.default').click();
  await chat.saw('plan', /Plan approved/);
  await chat.saw('text', 'Now I begin.');
  await chat.idle();
});

test('nothing was written to the console that should not be there', () => {
  expect(window.errors.filter((error) => /pilothouse\.pilothouse-|dist\/webview|Content Security Policy/i.test(error))).toEqual([]);
});
