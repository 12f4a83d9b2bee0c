import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestCollector } from '../loopback/catsyphon/kernel.ts';
import { startCatsyphonServer, type CatsyphonTestServer } from '../loopback/catsyphon/server.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type TreeItem, type VSCode, type VSCodeWindow } from './driver/index.ts';

const EVENTS = 'POST /collectors/events';

describe('shipping to CatSyphon', () => {
  let server: CatsyphonTestServer;
  let code: VSCode;
  let window: VSCodeWindow;

  beforeAll(async () => {
    server = await startCatsyphonServer();
    code = await launchVSCode({ agents: ['demo'], env: { CATSYPHON_URL: server.url } });
    ({ window } = code);
  });
  afterAll(async () => {
    await code?.close();
    await server?.close();
  });

  const host = (): string => new URL(server.url).host;
  const demo = async (): Promise<TreeItem> => (await window.openView('Connections')).item('Demo Agent');
  const session = async (title: string): Promise<TreeItem> => (await window.openView('Sessions')).item(title, { under: 'This computer' });
  /** What the server has of what people said, oldest first. */
  const prompts = (): readonly string[] => [...server.kernel.sessions.values()].flatMap(({ rows }) => rows.filter(({ data }) => data['message_type'] === 'prompt').map(({ data }) => (typeof data['content'] === 'string' ? data['content'] : '')));
  const has = (...words: readonly string[]): Promise<unknown> => until(`the server to have ${words.join(', ')}`, () => Promise.resolve(JSON.stringify(prompts()) === JSON.stringify(words)), { timeoutMs: 40_000, detail: async () => JSON.stringify([prompts(), await window.notifications.all()]) });
  const newSession = async (prompt: string): Promise<Chat> => {
    await (await window.openView('Sessions')).titleAction('New Session…');
    const chat = await Chat.of(window, 'Untitled session');
    await chat.say(prompt);
    await chat.idle();
    return chat;
  };

  test('a collector is registered only when the person asks, and agrees', async () => {
    void window.executeCommand('pilothouse.registerWithCatsyphon', { serverUrl: server.url, workspaceId: server.workspace }).catch(() => null);
    await window.dialogs.wait(/Register this VS Code with 127\.0\.0\.1/);
    expect(server.requests).toEqual([]);
    await window.screenshot('shipping-register');
    await window.dialogs.press('Register');
    await (await window.openView('Connections')).item('CatSyphon').waitUntil((row) => row.description.includes(host()) && !/sign-in|offline/.test(row.description));
    expect([server.kernel.collectors.length, server.kernel.collectors[0]?.registration['collector_type']]).toEqual([1, 'pilothouse']);
  });

  test('nothing is shipped before it is turned on, with a statement of what travels; then what is said goes, once, and shows its mark', async () => {
    const before = await newSession('overview');
    expect(await before.frame.getByText('shipped', { exact: true }).count()).toBe(0);
    await (await demo()).contextMenu('Ship Sessions to CatSyphon…');
    await window.dialogs.wait(/Ship the sessions of “Demo Agent” to 127\.0\.0\.1/);
    await window.screenshot('shipping-turn-on');
    expect(server.count(EVENTS)).toBe(0);
    await window.dialogs.press('Ship Sessions');
    await (await demo()).waitUntil((row) => row.description.includes('ships'));
    const chat = await newSession('help');
    await has('help');
    await (await session('help')).waitUntil((row) => row.description.includes('shipped'));
    await chat.frame.getByText('shipped', { exact: true }).waitFor();
    await window.screenshot('shipping-mark');
    expect((await (await session('overview')).row()).description).not.toContain('shipped');
    await chat.say('My key: sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789');
    await chat.idle();
    await until('the second prompt', () => Promise.resolve(prompts().length === 2));
    expect(prompts()[1]).toContain('[redacted]');
    expect(JSON.stringify(server.requests)).not.toContain('sk-ant-api03');
  });

  test('what the server will never take is parked, told, and shown with why', async () => {
    server.kernel.poison = (data) => JSON.stringify(data).includes('poison');
    const chat = await Chat.of(window, 'help');
    await chat.say('poison ivy');
    await chat.idle();
    await (await demo()).waitUntil((row) => /\d+ parked/.test(row.description) && !row.description.includes('waiting'), 60_000);
    await (await demo()).contextMenu('Show What CatSyphon Did Not Take…');
    const { items } = await window.quickInput.wait(/What CatSyphon will never take/);
    expect(items.map(({ detail }) => detail.replace(/^.* · /, ''))).toContain('answered with 500');
    await window.screenshot('shipping-parked');
    await window.page.keyboard.press('Escape');
    await window.quickInput.waitClosed();
    server.kernel.poison = () => false;
    expect(prompts()).not.toContain('poison ivy');
  });

  test('a key that is not taken any more stops it, and a sign-in brings what waited', async () => {
    for (const collector of server.kernel.collectors) collector.disabled = true;
    const chat = await Chat.of(window, 'help');
    await chat.say('help again');
    await chat.idle();
    await window.notifications.wait(/does not take its key any more/);
    await (await demo()).waitUntil((row) => row.description.includes('held up') && row.description.includes('waiting'));
    await (await window.openView('Connections')).item('CatSyphon').waitUntil((row) => row.description.includes('needs sign-in'));
    await window.screenshot('shipping-refused');
    const other: TestCollector = server.newCollector();
    await window.notifications.press(/does not take its key/, 'Sign In…');
    await window.quickInput.pick('Paste a collector and its key');
    await window.quickInput.wait(/Id of the collector/);
    await window.quickInput.answer(other.id);
    await window.quickInput.wait(/Its key/);
    await window.quickInput.answer(other.key);
    await window.quickInput.wait(/Id of the workspace/);
    await window.quickInput.answer(server.workspace);
    await until('what waited', () => Promise.resolve(prompts().at(-1) === 'help again'), { timeoutMs: 60_000, detail: async () => JSON.stringify([prompts(), await window.notifications.all()]) });
    expect(prompts().length).toBe(3);
    await (await demo()).waitUntil((row) => row.description.includes('ships') && !row.description.includes('waiting'));
  });

  test('is turned off at once; a session from history is shipped when it is asked for, and the result is true', async () => {
    await (await demo()).contextMenu('Stop Shipping to CatSyphon');
    await window.notifications.wait(/Shipping is off\. Everything was sent\./);
    await (await demo()).waitUntil((row) => !row.description.includes('ships'));
    const chat = await Chat.of(window, 'help');
    await chat.say('overview of it');
    await chat.idle();
    await (await session('overview')).contextMenu('Ship Session to CatSyphon…');
    await window.dialogs.wait(/Ship “overview” to 127\.0\.0\.1/);
    await window.dialogs.press('Ship Session');
    await window.notifications.wait(/“overview” is shipped to 127\.0\.0\.1:\d+: \d+ stored\./);
    await window.screenshot('shipping-one');
    await (await session('overview')).waitUntil((row) => row.description.includes('shipped'));
    // What was said while it was off went by this alone.
    expect(prompts()).not.toContain('overview of it');
    await (await session('help')).contextMenu('Ship Session to CatSyphon…');
    await window.dialogs.press('Ship Session');
    await window.notifications.wait(/“help” is shipped to 127\.0\.0\.1:\d+: \d+ stored, \d+ were there already/);
    expect(prompts().filter((prompt) => prompt === 'overview of it').length).toBe(1);
    expect(new Set(prompts()).size).toBe(prompts().length);
    await window.reload();
    await (await session('overview')).waitUntil((row) => row.description.includes('shipped'));
    expect(window.errors.filter((error) => /pilothouse\.pilothouse-|Content Security Policy/i.test(error))).toEqual([]);
  });
});
