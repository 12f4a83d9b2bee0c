import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { demoCase, type AgentCase } from './agents.ts';
import { Chat } from './chat.ts';
import { currentRig, demoAgentSetting, launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

/** The commands around a session, with the demo agent; a computer without Claude Code and Codex. */
/** Codex as far as a sign-in goes: `login` signs in, and is what its status tells from then on. */
const SIGNED_OUT_CODEX = `#!/usr/bin/env node
const { existsSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const mark = join(dirname(__filename), 'signed-in');
const [verb, what] = process.argv.slice(2);
if (verb === '--version') console.log('codex-cli 0.169.0');
else if (verb === 'login' && what === 'status') existsSync(mark) ? process.exit(0) : (console.error('Not logged in'), process.exit(1));
else if (verb === 'login') writeFileSync(mark, '');
else require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line);
  if (id !== undefined) console.log(JSON.stringify({ id, result: method === 'account/read' ? { account: null, requiresOpenaiAuth: true } : { userAgent: 'x', data: [] } }));
}).on('close', () => process.exit(0));
`;
let agent: AgentCase;
let code: VSCode;
let window: VSCodeWindow;
const session = async (name: string) => (await window.openView('Sessions')).item(name, { under: 'This computer' });

beforeAll(async () => {
  agent = await demoCase();
  code = await launchVSCode({ agents: ['demo'], env: await agent.env() });
  ({ window } = code);
});
afterAll(async () => {
  await code?.close();
  await agent?.close();
});

test('a connection whose program is missing says which, and how to install it', async () => {
  const view = await window.openView('Connections');
  const row = await view.item('Claude Code').waitUntil((item) => item.description.includes('not installed'));
  expect(row.name).toContain('npm install -g @anthropic-ai/claude-code');
  await view.item('Codex').waitUntil((item) => item.name.includes('npm install -g @openai/codex'));
  await view.item('Claude Code').click();
  expect((await window.dialogs.wait(/Claude Code/)).detail).toContain('npm install -g @anthropic-ai/claude-code');
  await window.dialogs.press('Cancel');
});

test('an agent is added by its command, and removed', async () => {
  const [setting] = demoAgentSetting(await currentRig());
  await window.runCommand('Add Connection…');
  await window.quickInput.pick(/^Agent of this computer/);
  await window.quickInput.wait(/1\/2/);
  await window.quickInput.answer('Second Agent');
  await window.quickInput.wait(/2\/2/);
  await window.quickInput.answer(`"${String(setting?.['command'])}" "${String((setting?.['args'] as string[] | undefined)?.[0])}"`);
  const view = await window.openView('Connections');
  await view.item('Second Agent').waitUntil((item) => !/connecting|failed|not installed/.test(item.description));
  await view.item('Second Agent').contextMenu('Remove Connection…');
  await window.dialogs.wait(/Second Agent/);
  await window.dialogs.press('Remove');
  await view.item('Second Agent').waitGone();
});

test('a question is answered in the chat', async () => {
  await (await window.openView('Sessions')).titleAction('New Session…');
  const chat = await Chat.of(window);
  await chat.say('ask me something');
  const question = chat.rows('question').last();
  await question.waitFor();
  await window.screenshot('question');
  const options = question.getByRole('radio').or(question.getByRole('checkbox'));
  await options.last().click();
  await question.getByRole('textbox').fill('nothing else');
  await question.getByRole('button', { name: 'Answer' }).click();
  await chat.idle();
});

test('prompts queue while a turn runs, and can be edited and dropped', async () => {
  const chat = await Chat.of(window);
  await chat.say('stream 120 words at 20 a second');
  await chat.composer.fill('explain src/main.ts');
  await chat.button('Queue').click();
  await chat.composer.fill('this one is dropped');
  await chat.composer.press('Enter');
  const queued = chat.frame.locator('[role="article"][data-kind="prompt"][data-delivery="pending"]');
  await until('two queued prompts', async () => (await queued.count()) === 2);
  await queued.filter({ hasText: 'this one is dropped' }).getByRole('button', { name: /^Drop/ }).click();
  await until('one queued prompt', async () => (await queued.count()) === 1);
  await chat.saw('text', /main\.ts/);
  await chat.idle();
  expect(await chat.frame.locator('[role="log"]').innerText()).not.toContain('this one is dropped');
});

test('a session that is closed before anything was said in it leaves nothing behind, and one with a draft stays', async () => {
  const view = await window.openView('Sessions');
  const untitled = async () => (await view.rows()).filter((row) => row.label === 'Untitled session').length;
  const begin = async (): Promise<Chat> => {
    await view.titleAction('New Session…');
    if ((await window.quickInput.state())?.placeholder === 'In which folder?') await window.quickInput.accept();
    await window.tab('Untitled session').waitFor();
    return Chat.of(window, 'Untitled session');
  };
  await begin();
  await until('it to be listed', async () => (await untitled()) === 1);
  await window.closeTab('Untitled session');
  await until('it to be gone', async () => (await untitled()) === 0);
  await (await begin()).composer.pressSequentially('Not sent yet');
  await window.closeTab('Untitled session');
  await view.item('Untitled session').click();
  const chat = await Chat.of(window, 'Untitled session');
  expect(await chat.composer.inputValue()).toBe('Not sent yet');
  await chat.composer.fill('');
  await window.page.waitForTimeout(600);
  await window.closeTab('Untitled session');
  await until('that one to be gone too', async () => (await untitled()) === 0);
});

test('a draft outlives a reload and the tab', async () => {
  const [title] = await window.tabs();
  const chat = await Chat.of(window);
  await chat.composer.fill('half a thought');
  // The page tells of a draft when typing rests, and nothing shows that it did.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await window.reload();
  expect(await (await Chat.of(window, title)).composer.inputValue()).toBe('half a thought');
  await window.closeTab(title ?? '');
  await (await session(title ?? '')).click();
  const again = await Chat.of(window, title);
  expect(await again.composer.inputValue()).toBe('half a thought');
  await again.composer.fill('');
});

test('a selection goes into the composer of the chat that was used last', async () => {
  const [title] = await window.tabs();
  await window.page.keyboard.press('Control+p');
  await window.quickInput.wait();
  await window.quickInput.type('fees.ts');
  await window.quickInput.pick('fees.ts');
  await until('the file to open', async () => (await window.tabs()).some((tab) => tab.startsWith('fees')), { detail: async () => JSON.stringify(await window.tabs()) });
  await window.page.locator('.monaco-editor .view-line').first().click();
  await window.page.keyboard.press('Control+a');
  // On a busy computer the extension host learns of the editor a moment after the person sees it.
  await until('the selection to be sent', async () => {
    await window.runCommand('Send Selection to Session…');
    return until('the chat to show', async () => {
      if ((await window.tab(title ?? '').getAttribute('aria-selected')) === 'true') return true;
      if ((await window.notifications.all()).some((one) => one.message.includes('Open a file'))) await window.notifications.dismiss(/Open a file/);
      return undefined;
    }, { timeoutMs: 3_000 });
  });
  const chat = await Chat.of(window, title);
  await until('the selection', async () => (await chat.composer.inputValue()).includes('WEEK_DISCOUNT'));
  expect(await chat.composer.inputValue()).toContain('src/fees.ts:1-');
  await chat.composer.fill('');
});

test('a transcript is exported as markdown', async () => {
  const [title] = await window.tabs();
  await (await session(title ?? '')).contextMenu('Export Transcript…');
  await window.quickInput.wait();
  const target = join(code.folder, `${title ?? ''}.md`);
  await until('the name to be proposed', async () => (await window.quickInput.state())?.value.endsWith(`${title ?? ''}.md`));
  await window.quickInput.accept();
  await window.notifications.wait(/exported/);
  expect(existsSync(target)).toBe(true);
  const text = readFileSync(target, 'utf8');
  expect(text).toContain('## Prompt');
  expect(text).toContain('explain src/main.ts');
});

test('an archived session leaves the list and comes back', async () => {
  const [title = ''] = await window.tabs();
  await (await session(title)).contextMenu('Archive Session');
  await (await session(title)).waitGone();
  await code.updateSettings({ 'pilothouse.sessions.showArchived': true });
  const view = await window.openView('Sessions');
  await view.item('Archived').expand();
  await view.item(title, { under: 'Archived' }).contextMenu('Unarchive Session');
  await code.updateSettings({ 'pilothouse.sessions.showArchived': null });
  await (await session(title)).row();
});

test('sessions are grouped as the setting says', async () => {
  const view = await window.openView('Sessions');
  await code.updateSettings({ 'pilothouse.sessions.groupBy': 'connection' });
  await view.item('Demo Agent').row();
  await code.updateSettings({ 'pilothouse.sessions.groupBy': 'status' });
  await view.item(/^Idle/).row();
  await code.updateSettings({ 'pilothouse.sessions.groupBy': null });
  await view.item('This computer').row();
});

test('a chat whose connection was removed says so, and is back with the connection', async () => {
  const [title = ''] = await window.tabs();
  const before = await (await Chat.of(window, title)).content();
  await (await window.openView('Connections')).item('Demo Agent').contextMenu('Remove Connection…');
  await window.dialogs.press('Remove');
  const gone = await window.chat(title);
  const page = gone.getByRole('alert');
  await page.getByText('The connection of this session is not configured any more.').waitFor();
  await page.getByRole('button', { name: 'Try Again' }).click();
  await page.getByText('Add it again in the Connections view').waitFor();
  await window.screenshot('chat-unavailable');
  const [setting] = demoAgentSetting(await currentRig());
  await window.runCommand('Add Connection…');
  await window.quickInput.pick(/^Agent of this computer/);
  await window.quickInput.wait(/1\/2/);
  await window.quickInput.answer('Demo Agent');
  await window.quickInput.wait(/2\/2/);
  await window.quickInput.answer(`"${String(setting?.['command'])}" "${String((setting?.['args'] as string[] | undefined)?.[0])}"`);
  const chat = await Chat.of(window, title);
  await page.waitFor({ state: 'hidden' });
  await chat.expectSameAs(before);
});

test('an agent that is renamed keeps its sessions', async () => {
  const [title = ''] = await window.tabs();
  const before = await (await Chat.of(window, title)).content();
  const view = await window.openView('Connections');
  await view.item('Demo Agent').contextMenu('Edit Connection…');
  await window.quickInput.answer('Harbour Agent');
  await window.quickInput.wait(/2\/2/);
  await window.quickInput.accept();
  await view.item('Harbour Agent').waitUntil((item) => !/connecting|failed/.test(item.description));
  expect(await window.setting('pilothouse.local.agents')).toMatchObject([{ id: 'demo-agent', name: 'Harbour Agent' }]);
  const chat = await Chat.of(window, title);
  await chat.expectSameAs(before);
  await chat.say('overview');
  await chat.idle();
  await (await session(title)).row();
});

test('a connection that needs a sign-in gets it in a terminal', async () => {
  const codex = join(code.home, 'codex');
  writeFileSync(codex, SIGNED_OUT_CODEX, { mode: 0o755 });
  await code.updateSettings({ 'pilothouse.local.codexPath': codex });
  const view = await window.openView('Connections');
  await view.item('Codex').waitUntil((item) => item.description.includes('needs sign-in'), 30_000);
  await window.screenshot('connection-sign-in');
  await view.item('Codex').inlineAction('Sign In…');
  await view.item('Codex').waitUntil((item) => !/needs sign-in|connecting|failed/.test(item.description), 30_000);
  expect(existsSync(join(code.home, 'signed-in'))).toBe(true);
  await code.updateSettings({ 'pilothouse.local.codexPath': null });
});

test('the log says no more than it may', async () => {
  await window.runCommand('Show Log');
  const log = [...code.logs()].filter(([name]) => name.endsWith('Pilothouse.log')).map(([, text]) => text).join('\n');
  expect(log).toContain('active');
  expect(log).not.toContain('half a thought');
  expect(log).not.toContain('explain src/main.ts');
});
