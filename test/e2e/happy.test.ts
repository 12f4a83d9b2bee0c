import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHappyDaemon, type HappyDaemon } from '../contract/happyDaemon.ts';
import { startAnthropic, type AnthropicEndpoint } from '../loopback/anthropic.ts';
import { Phone } from '../loopback/happy/phone.ts';
import { startHappyServer, type HappyTestServer } from '../loopback/happy/server.ts';
import type { Conversation, Step } from '../loopback/script.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

const HELLO = 'Say hello and tell me what this project does';
const TITLE = 'The remote harbour';

/** The model's side: what the agent on the other machine says and calls. */
function script({ prompt, answered }: Conversation): Step {
  if (prompt.includes(HELLO)) return { text: 'Hello from the other machine. This project keeps the **bookings of a harbour**.' };
  if (prompt.includes('Write allowed')) return answered === 0 ? { text: 'I will write it with a command.', tools: [{ name: 'Bash', input: { command: 'echo allowed > allowed.txt', description: 'Writes a word' } }] } : { text: 'It is written.' };
  if (prompt.includes('Write denied')) return answered === 0 ? { text: 'I will write that one too.', tools: [{ name: 'Bash', input: { command: 'echo denied > denied.txt', description: 'Writes a word' } }] } : { text: 'Then I leave it.' };
  if (prompt.includes('Write later')) return answered === 0 ? { text: 'I will write it when you are back.', tools: [{ name: 'Bash', input: { command: 'echo later >> later.txt', description: 'Writes a word' } }] } : { text: 'It is written now.' };
  if (prompt.includes('Write never')) return answered === 0 ? { text: 'I will write this too.', tools: [{ name: 'Bash', input: { command: 'echo never > never.txt', description: 'Writes a word' } }] } : { text: 'Then I leave that.' };
  if (prompt.includes('Take your time')) return answered === 0 ? { text: 'I begin.', tools: [{ name: 'Bash', input: { command: 'for i in 1 2 3 4 5 6; do sleep 1; echo $i; done', description: 'Takes six seconds' } }] } : { text: 'That took a while.' };
  return { text: 'Done.' };
}

describe('a Happy account', () => {
  let root: string;
  let server: HappyTestServer;
  let model: AnthropicEndpoint;
  let phone: Phone;
  let daemon: HappyDaemon | undefined;
  let code: VSCode;
  let window: VSCodeWindow;
  let folder: string;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'pilothouse-happy-'));
    folder = join(root, 'remote', 'berths');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'README.md'), '# Berths\n\nKeeps the bookings of a harbour.\n');
    server = await startHappyServer();
    model = await startAnthropic({ script });
    phone = await Phone.signIn(server.url);
    [daemon, code] = await Promise.all([
      startHappyDaemon({ url: server.url, accessKey: await phone.linkTerminal(), modelUrl: model.url, dir: join(root, 'machine') }),
      launchVSCode({ env: { HAPPY_SERVER_URL: server.url } }),
    ]);
    ({ window } = code);
  }, 180_000);
  afterAll(async () => {
    await code?.close();
    await daemon?.stop();
    phone?.close();
    await model?.close();
    await server?.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  /** A session of the machine, whose groups are opened for it. */
  const item = async (name: string | RegExp) => {
    const view = await window.openView('Sessions');
    await view.item('vm').expand();
    await view.item(/berths/, { under: 'vm' }).expand();
    return view.item(name, { under: 'vm' });
  };
  const sessionId = async (): Promise<string> => (await phone.sessions())[0]?.id ?? '';

  test('is signed in to by a link that its owner confirms on the phone', async () => {
    await window.runCommand('Pilothouse: Add Connection…');
    await window.quickInput.pick('Happy account…');
    await window.quickInput.wait(/server/);
    await window.quickInput.accept();
    await window.quickInput.pick('Link with the Happy app');
    const page = await window.chat('Sign in to Happy');
    const link = page.getByLabel('Link', { exact: true });
    await link.waitFor();
    await window.screenshot('happy-sign-in');
    await phone.approve((await link.innerText()).trim());
    await until('the sign-in tab to close', async () => !(await window.tabs()).includes('Sign in to Happy'));
    await (await window.openView('Connections')).item(/^Happy/).waitUntil((row) => /ready|online|connected/i.test(row.name) || !/offline|connecting/i.test(row.name));
  });

  test('a session is made on its machine, in a folder that is chosen there', async () => {
    await window.executeCommand('workbench.action.focusSideBar');
    await window.runCommand('Pilothouse: New Session…');
    await window.quickInput.wait(/^New Session: .* on vm/);
    await window.quickInput.answer(folder);
    await window.quickInput.wait('Enter starts the session');
    await window.quickInput.pick('Name…');
    await window.quickInput.wait(/: name$/);
    await window.quickInput.answer(TITLE);
    await window.quickInput.wait('Enter starts the session');
    await window.screenshot('happy-new-session');
    await window.quickInput.accept();
    const chat = await Chat.of(window, TITLE);
    await chat.say(HELLO);
    await chat.saw('text', /bookings of a harbour/);
    await chat.idle();
    await (await item(TITLE)).row();
    await window.screenshot('happy-first-turn');
  });

  test('a permission that is allowed in the chat runs its command there', async () => {
    const chat = await Chat.of(window, TITLE);
    await chat.say('Write allowed');
    await chat.permission().last().waitFor({ timeout: 30_000 });
    await window.screenshot('happy-permission');
    await chat.answer('Allow');
    await chat.saw('text', /It is written/);
    await chat.idle();
    expect(readFileSync(join(folder, 'allowed.txt'), 'utf8')).toBe('allowed\n');
  });

  test('one that is denied from the tree runs nothing', async () => {
    const chat = await Chat.of(window, TITLE);
    await chat.say('Write denied');
    await chat.permission().last().waitFor({ timeout: 30_000 });
    await (await item(TITLE)).waitUntil((row) => row.description.startsWith('asks'));
    await (await window.openView('Sessions')).item(/^Permission: echo denied/).inlineAction('Deny');
    // The agent's turn ends with a refusal: the tool's row says so.
    await chat.saw('tool', /denied\.txt.*denied/s);
    await chat.idle();
    expect(existsSync(join(folder, 'denied.txt'))).toBe(false);
  });

  test('one that waits lives through a reload of the window, is answered once, and its turn goes on', async () => {
    let chat = await Chat.of(window, TITLE);
    await chat.say('Write later');
    await chat.permission().last().waitFor({ timeout: 30_000 });
    const [requestId] = await phone.permission(await sessionId());
    await window.reload();
    chat = await Chat.of(window, TITLE);
    await chat.permission('Bash').last().waitFor({ timeout: 30_000 });
    expect(await chat.permission('Bash').count()).toBe(1);
    const asks = (await window.openView('Sessions')).item(/^Permission: echo later/, { under: 'Needs You' });
    await asks.row(30_000);
    await window.screenshot('happy-permission-reloaded');
    await chat.answer('Allow');
    await chat.saw('text', /It is written now/);
    await chat.idle();
    await asks.waitGone();
    expect(readFileSync(join(folder, 'later.txt'), 'utf8')).toBe('later\n');
    const state = (await phone.session(await sessionId())).agentState;
    expect([state?.['requests'], state?.['completedRequests']]).toMatchObject([{}, { [requestId]: { status: 'approved' } }]);
    expect(await chat.rows('prompt').filter({ hasText: 'Write later' }).count()).toBe(1);
  });

  test('one that the agent withdraws while the window is gone asks for nothing when it is back', async () => {
    let chat = await Chat.of(window, TITLE);
    await chat.say('Write never');
    await chat.permission().last().waitFor({ timeout: 30_000 });
    await (await window.openView('Sessions')).item(/^Permission: echo never/, { under: 'Needs You' }).row();
    const id = await sessionId();
    const gone = window.page.waitForEvent('framenavigated', { predicate: (frame) => frame === window.page.mainFrame(), timeout: 60_000 });
    const reloaded = window.reload();
    await gone;
    await phone.rpc(id, 'abort');
    await reloaded;
    chat = await Chat.of(window, TITLE);
    await chat.saw('permission', /Withdrawn by the agent/);
    await chat.idle();
    expect(await chat.permission().count()).toBe(0);
    await (await window.openView('Sessions')).item(/^Permission: echo never/).waitGone();
    expect(existsSync(join(folder, 'never.txt'))).toBe(false);
  });

  test('the output of a command is fetched from the machine when it is asked for', async () => {
    const chat = await Chat.of(window, TITLE);
    await chat.say('Take your time');
    await chat.answer('Allow');
    await chat.saw('text', /That took a while/);
    const tool = await chat.saw('tool', /sleep 1/);
    await tool.click();
    await tool.getByRole('button', { name: 'Show Output' }).click();
    await tool.getByRole('button', { name: 'Open Output' }).waitFor();
    expect(await tool.innerText()).toMatch(/5\s+6\s/);
    await window.screenshot('happy-output');
  });

  test('a rename is seen by another client, and one of that client here', async () => {
    await (await item(TITLE)).contextMenu('Rename Session…');
    await window.quickInput.answer('Renamed here');
    await until('the phone to see it', async () => JSON.stringify((await phone.session(await sessionId())).metadata).includes('Renamed here'));
    await phone.rename(await sessionId(), TITLE);
    await (await item(TITLE)).row();
  });

  test('a server that restarts in mid-turn costs nothing', async () => {
    const chat = await Chat.of(window, TITLE);
    await chat.say('Take your time again');
    await chat.permission().last().waitFor({ timeout: 30_000 });
    await chat.answer('Allow');
    await server.restart(1_500);
    await chat.saw('text', /That took a while/);
    await until('two answers', async () => (await chat.rows('text').filter({ hasText: 'That took a while' }).count()) === 2);
    await chat.idle();
    expect(await chat.rows('prompt').filter({ hasText: 'Take your time again' }).count()).toBe(1);
    expect((await phone.messages(await sessionId())).filter((message) => JSON.stringify(message.value ?? null).includes('Take your time again'))).toHaveLength(1);
  });

  test('a reload brings the chat back with everything in it', async () => {
    const before = await (await Chat.of(window, TITLE)).content();
    await window.reload();
    await (await Chat.of(window, TITLE)).expectSameAs(before);
  });

  test('stop ends the process there, delete removes the session', async () => {
    const id = await sessionId();
    await (await item(TITLE)).contextMenu('Stop Session');
    await (await item(TITLE)).waitUntil((row) => /stopped/.test(row.description));
    await until('only the daemon to be left', async () => (await daemon?.processes())?.length === 1, { timeoutMs: 30_000 });
    await (await item(TITLE)).contextMenu('Delete Session…');
    await window.dialogs.wait(/Delete/);
    await window.dialogs.press('Delete Session');
    await (await item(TITLE)).waitGone();
    await until('the server to have it no more', async () => !(await phone.sessions()).some((session) => session.id === id));
  });

  test('a task runs in a session of its own, which is ended after it', async () => {
    await window.runCommand('Pilothouse: Run Task…');
    await window.quickInput.wait(/What is to be done/);
    await window.quickInput.answer(HELLO);
    await window.quickInput.wait(/^Run Task: .* on vm/);
    await window.quickInput.answer(folder);
    await window.quickInput.wait('Enter starts the session');
    await window.quickInput.pick('Name…');
    await window.quickInput.wait(/: name$/);
    await window.quickInput.answer('A task');
    await window.quickInput.wait('Enter starts the session');
    await window.quickInput.accept();
    await (await item('A task')).row(30_000);
    await window.notifications.wait(/Task done: Say hello/);
    await until('its process to be gone', async () => (await daemon?.processes())?.length === 1, { timeoutMs: 40_000 });
    expect((await phone.messages(await sessionId())).some((message) => JSON.stringify(message.value ?? null).includes('bookings of a harbour'))).toBe(true);
  });

  test('nothing was written to the console that should not be there, and the server was asked nothing unknown', () => {
    expect(window.errors.filter((error) => /pilothouse\.pilothouse-|dist\/webview|Content Security Policy/i.test(error))).toEqual([]);
    expect(server.unknown).toEqual([]);
  });
});
