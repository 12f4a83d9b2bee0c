import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHappyDaemon, type HappyDaemon } from '../contract/happyDaemon.ts';
import { claudeVariables } from '../loopback/agent-env.ts';
import { startAnthropic, type AnthropicEndpoint } from '../loopback/anthropic.ts';
import { plainScript } from '../loopback/clawdforge/script.ts';
import { ForgeTestServer } from '../loopback/clawdforge/server.ts';
import { Phone } from '../loopback/happy/phone.ts';
import { startHappyServer, type HappyTestServer } from '../loopback/happy/server.ts';
import type { Conversation, Step } from '../loopback/script.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

const LOCAL = 'The local harbour';
const REMOTE = 'The remote harbour';
const FORGE = 'The night watch';

const run = (command: string): NonNullable<Step['tools']> => [{ name: 'Bash', input: { command, description: 'Writes a word' } }];

/** The model's side of both agents: commands by the words of the prompt, one after the other. */
function script({ prompt, answered }: Conversation): Step {
  if (prompt.includes('Write two words')) return answered === 0 ? { text: 'The first.', tools: run('echo one > one.txt') } : answered === 1 ? { text: 'The second.', tools: run('echo two > two.txt') } : { text: 'Both are written.' };
  if (prompt.includes('Write much')) return answered === 0 ? { text: 'In several lines.', tools: run('echo much > much.txt\necho more >> much.txt') } : { text: 'Then I leave it.' };
  if (prompt.includes('Write late')) return answered === 0 ? { text: 'I ask first.', tools: run('echo late > late.txt') } : { text: 'Then I leave it.' };
  return { text: 'Done.' };
}

describe('what needs the person, over three systems', () => {
  let root: string;
  let here: string;
  let there: string;
  let happy: HappyTestServer;
  let forge: ForgeTestServer;
  let model: AnthropicEndpoint;
  let phone: Phone;
  let daemon: HappyDaemon;
  let code: VSCode;
  let window: VSCodeWindow;
  let remote: string;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'pilothouse-attention-'));
    there = join(root, 'remote', 'berths');
    mkdirSync(there, { recursive: true });
    writeFileSync(join(there, 'README.md'), '# Berths\n');
    happy = await startHappyServer();
    forge = await new ForgeTestServer({ form: 'whole', script: (turn) => (turn.prompt.startsWith('Fail') ? { events: [], refuse: { status: 502, body: { error: 'claude exited with 1', duration_ms: 12, stop_reason: 'error' } } } : plainScript(turn)) }).start();
    model = await startAnthropic({ script });
    phone = await Phone.signIn(happy.url);
    [daemon, code] = await Promise.all([
      startHappyDaemon({ url: happy.url, accessKey: await phone.linkTerminal(), modelUrl: model.url, dir: join(root, 'machine') }),
      launchVSCode({ agents: ['claude'], env: { ...(await claudeVariables(model.url, join(root, 'claude'))), HAPPY_SERVER_URL: happy.url, CLAWDFORGE_URL: forge.url } }),
    ]);
    ({ window } = code);
    here = code.folder;
  }, 180_000);
  afterAll(async () => {
    await code?.close();
    await daemon?.stop();
    phone?.close();
    await model?.close();
    await forge?.close();
    await happy?.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  const host = (): string => new URL(forge.url).host;
  const tree = () => window.openView('Sessions');
  const needs = async (name: string | RegExp) => (await tree()).item(name, { under: 'Needs You' });
  const bar = () => window.page.locator('.statusbar-item', { hasText: /^\s*\d+\s*$/ }).filter({ has: window.page.locator('[aria-label^="Pilothouse: "]') });
  const barSays = (text: string | null): Promise<unknown> => until(`the status bar to say ${text ?? 'nothing'}`, async () => (text === null ? (await bar().count()) === 0 : (await bar().locator(`[aria-label="Pilothouse: ${text}"]`).count()) === 1), { timeoutMs: 30_000 });
  const badge = (text: string): Promise<unknown> => until(`the badge ${text}`, async () => (await window.badge()) === text, { timeoutMs: 30_000, detail: () => window.badge() });
  /** Another tab over the chat. */
  const hide = async (): Promise<void> => {
    await window.executeCommand('workbench.action.files.newUntitledFile');
    await until('an empty editor', async () => (await window.page.locator('.editor-instance .view-lines').count()) > 0);
  };
  /** The chat with a card that waits, which stands where it is seen. */
  const seesCard = async (title: string): Promise<Chat> => {
    const chat = await Chat.of(window, title);
    const card = chat.permission().last();
    await card.waitFor({ timeout: 30_000 });
    await until('the card in sight', () => card.evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect();
      return top >= 0 && bottom <= innerHeight;
    }));
    return chat;
  };
  /** Presses the keys of the command. */
  const next = async (): Promise<void> => {
    await window.page.keyboard.press('Control+k');
    await window.page.keyboard.press('a');
  };

  test('they are connected, each with a session', async () => {
    await window.runCommand('Pilothouse: Add Connection…');
    await window.quickInput.pick('Happy account…');
    await window.quickInput.wait(/server/);
    await window.quickInput.accept();
    await window.quickInput.pick('Link with the Happy app');
    const link = (await window.chat('Sign in to Happy')).getByLabel('Link', { exact: true });
    await link.waitFor();
    await phone.approve((await link.innerText()).trim());
    await until('the sign-in tab to close', async () => !(await window.tabs()).includes('Sign in to Happy'));
    remote = await phone.spawn(daemon.machineId, { directory: there, agent: 'claude', permissionMode: 'default' });
    await phone.rename(remote, REMOTE);
    await window.runCommand('Pilothouse: Add Connection…');
    await window.quickInput.pick('clawdforge server…');
    await window.quickInput.wait(/server/);
    await window.quickInput.accept();
    await window.quickInput.pick('Paste an app token');
    await window.quickInput.wait(/App token/);
    await window.quickInput.answer(forge.token('editor'));
    await window.quickInput.waitClosed();
    await window.executeCommand('pilothouse.newSession', { connectionId: 'local-claude', folder: here, title: LOCAL });
    await Chat.of(window, LOCAL);
    const view = await tree();
    await view.item(REMOTE).row(30_000);
    await view.item(LOCAL).row(30_000);
    await barSays(null);
    expect(await window.badge()).toBe('');
  });

  test('a request is allowed in the tree, and the next one on its notification; the turn that ends unseen is unread until it is looked at', async () => {
    const chat = await Chat.of(window, LOCAL);
    await chat.say('Write two words');
    await chat.permission().last().waitFor({ timeout: 30_000 });
    await hide();
    await badge('1');
    await barSays('1 thing waits for you');
    const asks = await needs(/^Permission: echo one > one\.txt/);
    await asks.waitUntil((row) => row.description.includes('now') || row.description.includes(' m'));
    await asks.inlineAction('Allow');
    await until('the first word', () => Promise.resolve(existsSync(join(here, 'one.txt'))));
    const notice = await window.notifications.wait(new RegExp(`“${LOCAL}” asks: echo two > two.txt`));
    expect(notice.buttons).toEqual(['Allow', 'Deny', 'Review…']);
    await window.screenshot('attention-notification');
    await window.notifications.press(/asks: echo two/, 'Allow');
    await until('the second word', () => Promise.resolve(existsSync(join(here, 'two.txt'))));
    const local = (await tree()).item(LOCAL, { under: 'This computer' });
    await local.waitUntil((row) => row.name.includes('unread'));
    await barSays(null);
    await badge('');
    await window.screenshot('attention-unread');
    await local.click();
    await Chat.of(window, LOCAL);
    await local.waitUntil((row) => !row.name.includes('unread'));
  });

  test('a press that comes too late says that it was answered; what does not fit in a line is only reviewed', async () => {
    await hide();
    await phone.send(remote, 'Write late', { permissionMode: 'default' });
    await window.notifications.wait(new RegExp(`“${REMOTE}” asks: echo late > late.txt`));
    const toast = window.page.locator('.notifications-toasts .notification-list-item', { hasText: 'echo late' });
    // It stays on the screen by itself for as long as the mouse is over it.
    await toast.hover();
    const [request] = await phone.permission(remote);
    await phone.answer(remote, request, { approved: false, decision: 'denied' });
    await toast.waitFor({ state: 'hidden' });
    await badge('');
    await window.executeCommand('notifications.showList');
    // In VS Code's list, or, where that was empty for a moment, over it.
    const listed = (text: string) => window.page.locator('.notification-list-item', { hasText: text }).filter({ visible: true });
    await listed('echo late').getByRole('button', { name: 'Allow', exact: true }).click();
    await listed('That was answered already').first().waitFor();
    await window.screenshot('attention-too-late');
    expect(existsSync(join(there, 'late.txt'))).toBe(false);
    await window.executeCommand('notifications.clearAll');
    await until('no notification', async () => (await listed('').count()) === 0);

    await phone.send(remote, 'Write much', { permissionMode: 'default' });
    const notice = await window.notifications.wait(new RegExp(`“${REMOTE}” asks: echo much`));
    expect(notice.buttons).toEqual(['Review…']);
    await window.screenshot('attention-review-only');
    await window.notifications.press(/asks: echo much/, 'Review…');
    await seesCard(REMOTE);
    const much = await needs(/^Permission: echo much/);
    expect(await much.inlineActions()).toEqual([]);
  });

  test('the keyboard walks through all that waits, and round again', async () => {
    const view = await tree();
    await view.item(host()).inlineAction('New Session…');
    await window.quickInput.wait('Enter starts the session');
    await window.quickInput.pick('Name…');
    await window.quickInput.wait(/: name$/);
    await window.quickInput.answer(FORGE);
    await window.quickInput.wait('Enter starts the session');
    await window.quickInput.accept();
    const night = await Chat.of(window, FORGE);
    await night.say('Fail, please');
    await view.item(host()).expand();
    await view.item(/clawdforge\/work/, { under: host() }).expand();
    await view.item(FORGE, { under: host() }).waitUntil((row) => row.description.startsWith('failed'), 30_000);
    await view.item(LOCAL, { under: 'This computer' }).click();
    const chat = await Chat.of(window, LOCAL);
    await chat.say('Write late');
    await chat.permission().last().waitFor({ timeout: 30_000 });
    await view.item(FORGE, { under: host() }).contextMenu('Mark as Unread');
    await hide();
    await badge('3');
    await barSays('3 things wait for you');
    await (await needs(new RegExp(`^failed: ${FORGE}`))).row();
    await window.screenshot('attention-three');

    await next();
    await seesCard(REMOTE);
    await next();
    await seesCard(LOCAL);
    await window.screenshot('attention-walk');
    await next();
    await Chat.of(window, FORGE);
    await badge('2');
    await next();
    await seesCard(REMOTE);

    await (await seesCard(REMOTE)).answer('Deny');
    await next();
    await seesCard(LOCAL);
    await (await seesCard(LOCAL)).answer('Deny');
    await badge('');
    await barSays(null);
  });
});
