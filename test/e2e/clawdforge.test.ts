import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Forge } from '../../src/core/systems/clawdforge/client.ts';
import { plainScript } from '../loopback/clawdforge/script.ts';
import type { ForgeScript } from '../loopback/clawdforge/script.ts';
import { ForgeTestServer } from '../loopback/clawdforge/server.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

const TITLE = 'The night watch';

/** What the agents of the server say, beside what they say to anything. */
const script: ForgeScript = (turn) => {
  if (turn.prompt.startsWith('As JSON')) return { events: [{ type: 'text', content: JSON.stringify({ model: turn.agent, berths: [{ id: 12, free: true }] }) }] };
  if (turn.prompt.startsWith('Fail')) return { events: [], refuse: { status: 502, body: { error: 'claude exited with 1', stderr: 'Traceback: no such model\nline two', duration_ms: 12, stop_reason: 'error' } } };
  if (turn.prompt.startsWith('Take a minute')) return { stepMs: 60_000, events: [{ type: 'text', content: 'Too late.' }] };
  if (turn.prompt.startsWith('Lose it')) return turn.before.includes(turn.prompt) ? { events: [{ type: 'text', content: 'Done again.' }] } : { events: [{ type: 'text', content: 'I do' }], cut: { after: 1 } };
  return plainScript(turn);
};

describe('a clawdforge server', () => {
  let server: ForgeTestServer;
  let token: string;
  let code: VSCode;
  let window: VSCodeWindow;

  beforeAll(async () => {
    server = await new ForgeTestServer({ script, form: 'whole' }).start();
    token = server.token('editor');
    code = await launchVSCode({ env: { CLAWDFORGE_URL: server.url } });
    ({ window } = code);
  }, 180_000);
  afterAll(async () => {
    await code?.close();
    await server?.close();
  });

  const host = (): string => new URL(server.url).host;
  const item = async (name: string | RegExp) => {
    const view = await window.openView('Sessions');
    await view.item(host()).expand();
    await view.item(/clawdforge\/work/, { under: host() }).expand();
    return view.item(name, { under: host() });
  };
  const clipboard = (): Promise<string> => window.page.evaluate(() => navigator.clipboard.readText());
  /** VS Code leaves out the toasts of notifications that come faster, three in 800 ms, than a person brings them about. */
  const calm = (): Promise<void> => window.page.waitForTimeout(1_000);
  const banner = (chat: Chat) => chat.frame.getByRole('region', { name: 'Session notice' });
  const editorText = (): Promise<string> => window.page.locator('.editor-instance .view-lines').first().innerText().then((text) => text.replaceAll('\u00a0', ' '));

  test('is added with its address and a token, which it is asked about before it is kept', async () => {
    await window.runCommand('Pilothouse: Add Connection…');
    await window.quickInput.pick('clawdforge server…');
    expect((await window.quickInput.wait(/server/)).value).toBe(server.url);
    await window.quickInput.accept();
    await window.quickInput.pick('Paste an app token');
    await window.quickInput.wait(/App token/);
    await window.quickInput.answer('cf_of_nobody');
    await window.quickInput.wait(/does not accept this token \(401\)/);
    await window.screenshot('clawdforge-token-refused');
    await window.quickInput.answer(token);
    await window.quickInput.waitClosed();
    const connections = await window.openView('Connections');
    await connections.item(/^clawdforge/).waitUntil((row) => row.description.includes(host()) && row.description.includes('2.1.3'));
    await connections.item(/^clawdforge/).hover('Claude Code 2.1.3');
    await window.screenshot('clawdforge-connection');
  });

  test('a session is made there by name and agent, without asking for a folder', async () => {
    await window.runCommand('Pilothouse: New Session…');
    await window.quickInput.wait('Enter starts the session');
    await window.quickInput.pick('Name…');
    await window.quickInput.wait(/: name$/);
    await window.quickInput.answer(TITLE);
    await window.quickInput.wait('Enter starts the session');
    await window.quickInput.pick('Agent…');
    await window.quickInput.wait(/: agent$/);
    await window.quickInput.answer('watchman');
    await window.quickInput.wait('Enter starts the session');
    await window.screenshot('clawdforge-new-session');
    await window.quickInput.accept();
    await Chat.of(window, TITLE);
    expect([...server.sessions.values()].map(({ agent }) => agent)).toEqual(['watchman']);
  });

  test('three turns of it, one of them streamed, show what its agent says and does; what it cannot do is not there', async () => {
    const chat = await Chat.of(window, TITLE);
    await chat.say('The password is lighthouse');
    await chat.saw('text', /You said so: The password is lighthouse/);
    await chat.idle();
    server.form = 'events';
    await chat.say('run: echo berths');
    await chat.saw('tool', /echo berths/);
    await chat.saw('text', /That was it/);
    await chat.idle();
    server.form = 'whole';
    await chat.say('So: What is it?');
    await chat.saw('text', /You told me: The password is lighthouse/);
    await chat.idle();
    for (const name of ['Attach', 'Permission Mode', 'Model', 'Fork from Here']) expect(await chat.frame.getByRole('button', { name, exact: true }).count(), name).toBe(0);
    await (await item(TITLE)).row();
    await window.screenshot('clawdforge-chat');
  });

  test('a reload of the window keeps all of it, though the server has none of it', async () => {
    const before = await (await Chat.of(window, TITLE)).content();
    expect(before.length).toBeGreaterThan(7);
    await window.reload();
    await (await Chat.of(window, TITLE)).expectSameAs(before);
  });

  test('a turn whose answer was lost has failed, with what the server says of it, and goes again when the person says so', async () => {
    const chat = await Chat.of(window, TITLE);
    await chat.say('Lose it');
    await chat.saw('turn', /The server has counted the turn/);
    await chat.idle();
    const asked = server.prompts().length;
    const again = chat.button('Send Again');
    await again.scrollIntoViewIfNeeded();
    await window.screenshot('clawdforge-lost-turn');
    await again.click();
    await chat.saw('text', /Done again/);
    await chat.idle();
    expect(server.prompts().slice(asked)).toEqual(['Lose it']);
  });

  test('stopped, it is closed there; a message waits until the person agreed to what goes along', async () => {
    await (await item(TITLE)).contextMenu('Stop Session');
    await (await item(TITLE)).waitUntil((row) => /stopped/.test(row.description));
    expect([...server.sessions.values()].map(({ closedAt }) => closedAt === null)).toEqual([false]);
    const chat = await Chat.of(window, TITLE);
    await banner(chat).waitFor();
    const asked = server.prompts().length;
    await chat.composer.fill('And now: What is it?');
    await chat.composer.press('Enter');
    const question = await window.dialogs.wait(/fresh session/);
    expect(question.detail).toMatch(/[\d,]+ characters, some [\d,]+ tokens/);
    await window.screenshot('clawdforge-go-on');
    await window.dialogs.press('Cancel');
    await chat.frame.locator('.outbox-item').filter({ hasText: 'And now' }).waitFor();
    expect([server.prompts().length, server.sessions.size]).toEqual([asked, 1]);
    await banner(chat).getByRole('button', { name: 'Resume…' }).click();
    await window.dialogs.wait(/fresh session/);
    await window.dialogs.press('Show What Is Sent');
    await window.notifications.wait(/Go on in a fresh session/);
    expect(await editorText()).toContain('Person: The password is lighthouse');
    await window.screenshot('clawdforge-what-is-sent');
    await window.notifications.press(/Go on in a fresh session/, 'Go On');
    const after = await Chat.of(window, TITLE);
    await after.saw('text', /And now: What is it/);
    await after.idle();
    expect(server.sessions.size).toBe(2);
    expect(server.prompts().at(-1)).toMatch(/Person: The password is lighthouse[\s\S]*----------\n\nAnd now: What is it\?$/);
    await window.screenshot('clawdforge-fresh');
  });

  test('one whose time is over says so at the next message, and goes on in a fresh one with it', async () => {
    const chat = await Chat.of(window, TITLE);
    server.expire([...server.sessions.keys()].at(-1) ?? '');
    await chat.composer.fill('Still there? What is it?');
    await chat.composer.press('Enter');
    await banner(chat).filter({ hasText: 'its time was over' }).waitFor({ timeout: 30_000 });
    await window.screenshot('clawdforge-closed');
    await banner(chat).getByRole('button', { name: 'Resume…' }).click();
    await window.dialogs.wait(/fresh session/);
    await window.dialogs.press('Go On');
    await chat.saw('text', /Still there/);
    await chat.idle();
    expect(await chat.rows('prompt').filter({ hasText: 'Still there?' }).count()).toBe(1);
    expect(server.sessions.size).toBe(3);
  });

  test('a prompt runs without a session, and JSON is shown as JSON', async () => {
    await window.runCommand('Pilothouse: Run Prompt on clawdforge…');
    await window.quickInput.wait(/What is to be done/);
    await window.quickInput.answer('As JSON, the berths');
    await window.quickInput.wait(/costs tokens/);
    await window.quickInput.pick('Model…');
    await window.quickInput.wait(/: model$/);
    await window.quickInput.answer('haiku');
    await window.quickInput.wait(/costs tokens/);
    await window.screenshot('clawdforge-run');
    await window.quickInput.pick('Run');
    await until('the result', async () => (await editorText()).includes('"model": "haiku"'), { detail: editorText });
    expect(server.requests.at(-1)?.body).toMatchObject({ prompt: 'As JSON, the berths', model: 'haiku', timeout_secs: 120 });
  });

  test('a run that fails shows its error and its stderr', async () => {
    await calm();
    await window.runCommand('Pilothouse: Run Prompt on clawdforge…');
    await window.quickInput.wait(/What is to be done/);
    await window.quickInput.answer('Fail, please');
    await window.quickInput.wait(/costs tokens/);
    await window.quickInput.accept();
    await window.notifications.wait(/The run failed on the clawdforge server \(502\): claude exited with 1/);
    await until('what it said', async () => (await editorText()).includes('line two'), { detail: editorText });
  });

  test('a run that is not waited for any more is left, with what that means', async () => {
    await calm();
    await window.runCommand('Pilothouse: Run Prompt on clawdforge…');
    await window.quickInput.wait(/What is to be done/);
    await window.quickInput.answer('Take a minute');
    await window.quickInput.wait(/costs tokens/);
    await window.quickInput.accept();
    await window.notifications.wait(/Run on clawdforge.*Take a minute/);
    await window.screenshot('clawdforge-running');
    await window.notifications.press(/Run on clawdforge/, 'Cancel');
    await window.notifications.wait(/not waited for any more.*may go on for up to 120 s/);
    expect(server.count('POST', /^\/run$/)).toBe(3);
  });

  test('a file is uploaded for a time that is chosen, and its token copied; a run uses it', async () => {
    await calm();
    const file = join(code.folder, 'berths.csv');
    writeFileSync(file, 'berth,free\n12,true\n');
    const asked = window.executeCommand('pilothouse.uploadFileToClawdforge', { file });
    await window.quickInput.pick('For 10 minutes');
    await asked;
    await until('the upload', () => Promise.resolve(server.uploads.length === 1), { detail: () => Promise.resolve(JSON.stringify(server.requests.slice(-3))) });
    await window.notifications.wait(/berths\.csv is on clawdforge for 10 minutes/);
    expect(await clipboard()).toBe('ff_1');
    expect(server.uploads).toMatchObject([{ filename: 'berths.csv', size: 19, fields: { ttl_secs: '600' } }]);
    await window.screenshot('clawdforge-uploaded');
    await window.notifications.press(/berths\.csv is on/, 'Run Prompt With It…');
    await window.quickInput.wait(/What is to be done/);
    await window.quickInput.answer('As JSON again');
    await window.quickInput.wait(/costs tokens/);
    await window.quickInput.accept();
    await until('the run', () => Promise.resolve(JSON.stringify(server.requests.findLast(({ path }) => path === '/run')?.body).includes('"files":["ff_1"]')));
    await until('its result', async () => (await editorText()).includes('"model": "sonnet"'), { detail: editorText });
  });

  test('tokens are listed, made, shown once, and revoked, with the admin token that is asked for once', async () => {
    await window.runCommand('Pilothouse: Manage clawdforge Tokens…');
    await window.quickInput.wait(/Admin token/);
    await window.quickInput.answer(token);
    await window.quickInput.wait(/\(403\)/);
    await window.quickInput.answer(server.admin);
    await window.quickInput.wait(/revoke it/);
    await window.screenshot('clawdforge-tokens');
    await window.quickInput.pick('Create Token…');
    await window.quickInput.wait(/Name of the token/);
    await window.quickInput.answer('harbour');
    await window.quickInput.wait(/IP ranges/);
    await window.quickInput.type('300.0.0.0/8');
    await window.quickInput.wait(/is no range/);
    await window.quickInput.answer('127.0.0.0/8, 10.0.0.0/8');
    const shown = await window.dialogs.wait(/“harbour” was made/);
    const made = /cf_harbour_\d+/.exec(shown.detail)?.[0] ?? '';
    await window.screenshot('clawdforge-token-made');
    await window.dialogs.press('Copy');
    await until('the token to be copied', async () => made !== '' && (await clipboard()) === made);
    const list = await window.quickInput.wait(/revoke it/);
    expect(list.items.map(({ label, description, detail }) => [label, description, detail])).toContainEqual(['harbour', expect.stringMatching(/^enabled · never used/), expect.stringContaining('127.0.0.0/8, 10.0.0.0/8')]);
    await window.quickInput.pick('harbour');
    await window.dialogs.wait(/Revoke the token “harbour”/);
    await window.dialogs.press('Revoke');
    await until('the server to have it no more', () => Promise.resolve(server.count('DELETE', /^\/admin\/tokens\/harbour$/) === 1));
    await until('the list without it', async () => (await window.quickInput.state())?.items.every(({ label }) => label !== 'harbour') === true);
    await window.quickInput.cancel();
    await window.runCommand('Pilothouse: Manage clawdforge Tokens…');
    await window.quickInput.wait(/revoke it/);
    await window.quickInput.cancel();
  });

  test('a token that is refused asks for another one and loses nothing', async () => {
    const before = await (await Chat.of(window, TITLE)).content();
    await using admin = new Forge({ baseUrl: server.url, token: server.admin });
    await admin.revokeToken('editor');
    await window.executeCommand('pilothouse.refresh');
    const row = (await window.openView('Connections')).item(/^clawdforge/);
    await row.waitUntil((one) => one.description.includes('needs sign-in'));
    const asked = window.executeCommand('pilothouse.signIn');
    await window.quickInput.pick('Paste an app token');
    await window.quickInput.wait(/App token/);
    await window.quickInput.answer(server.token('editor-two'));
    await asked;
    await row.waitUntil((one) => !one.description.includes('needs sign-in'));
    const chat = await Chat.of(window, TITLE);
    await chat.expectSameAs(before);
    await banner(chat).filter({ hasText: 'another token' }).waitFor({ timeout: 30_000 });
    await window.screenshot('clawdforge-another-token');
  });

  test('nothing was written to the console that should not be there, and no token anywhere', () => {
    expect(window.errors.filter((error) => /pilothouse\.pilothouse-|dist\/webview|Content Security Policy/i.test(error))).toEqual([]);
    expect(window.errors.join('\n')).not.toContain(token);
  });
});
