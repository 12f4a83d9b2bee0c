import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claudeVariables } from '../loopback/agent-env.ts';
import { startAnthropic, type AnthropicEndpoint } from '../loopback/anthropic.ts';
import type { Conversation, Step } from '../loopback/script.ts';
import { WAITING } from './agents.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';
import { copySampleWorkspace } from './driver/profile.ts';
import { currentRig } from './driver/rig.ts';

const command = (line: string): NonNullable<Step['tools']> => [{ name: 'Bash', input: { command: line, description: 'Runs a command' } }];

/** The model's side, by the prompt that runs. */
function answer({ prompt, prompts, answered }: Conversation): Step {
  // Long enough for another window to open meanwhile on a busy computer.
  if (prompt.includes('very long story')) return { text: 'The very long story of the mole begins.\n\n', big: { chars: 6_000, tokensPerSecond: 60 } };
  if (prompt.includes('long story')) return { text: 'The long story of the mole begins.\n\n', big: { chars: 2_400, tokensPerSecond: 60 } };
  if (prompt.includes('write a note')) return answered === 0 ? { text: 'I write it.', tools: command('echo noted > note.txt') } : { text: 'The note is written.' };
  if (prompt.includes('keep waiting')) return answered === 0 ? { text: 'I wait.', tools: command(WAITING) } : { text: 'I stopped waiting.' };
  return { text: `That was prompt ${prompts.length}: ${prompt.trim()}.` };
}

let endpoint: AnthropicEndpoint;
let dir: string;
let code: VSCode;
let one: VSCodeWindow;
const children: ChildProcess[] = [];

/** Claude Code's processes that run a session; not those that are asked for their version. */
const claudes = (of: VSCode = code): readonly number[] => of.processes().filter((process) => process.command.includes('stream-json') && /claude/.test(process.command)).map((process) => process.pid);
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};
const item = async (window: VSCodeWindow, title: string) => (await window.openView('Sessions')).item(title, { under: 'This computer' });
const newSession = (window: VSCodeWindow, connection: string, title: string) => window.executeCommand('pilothouse.newSession', { connectionId: connection, folder: code.folder, title });

/** The chat of a session, opened from the tree. */
async function openChat(window: VSCodeWindow, title: string): Promise<Chat> {
  await (await item(window, title)).click();
  return Chat.of(window, title);
}

async function textOf(chat: Chat): Promise<string> {
  return chat.frame.getByRole('log', { name: 'Transcript' }).innerText();
}

beforeAll(async () => {
  endpoint = await startAnthropic({ script: answer });
  dir = mkdtempSync(join(tmpdir(), 'pilothouse-windows-'));
  code = await launchVSCode({ agents: ['demo', 'claude'], env: { ...(await claudeVariables(endpoint.url, dir)), PILOTHOUSE_DEMO_STATE: join(dir, 'demo') } });
  one = code.window;
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await code?.close();
  await endpoint?.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

describe('two sessions in one window', () => {
  test('stream side by side, each its own text', async () => {
    await newSession(one, 'local-acp-demo-agent', 'The harbour');
    await one.tab('The harbour').waitFor();
    await newSession(one, 'local-claude', 'The mole');
    await one.tab('The mole').waitFor();
    await one.executeCommand('workbench.action.moveEditorToNextGroup');
    await until('two groups', async () => (await one.page.locator('.editor-group-container').count()) === 2);
    const right = await Chat.of(one, 'The mole');
    // Its page was hidden for as long as the other one stood in its group.
    const left = await Chat.of(one, 'The harbour');
    await right.composer.fill('Tell me a long story');
    await left.composer.fill('stream 300 words at 60 a second');
    await right.composer.press('Enter');
    await left.composer.press('Enter');
    await Promise.all([left.button('Stop').waitFor(), right.button('Stop').waitFor()]);
    await Promise.all([left.rows('text').first().waitFor(), right.rows('text').first().waitFor()]);
    const before = await Promise.all([textOf(left), textOf(right)]);
    await until('both to grow', async () => {
      const now = await Promise.all([textOf(left), textOf(right)]);
      return now.every((text, index) => text.length > (before[index]?.length ?? 0) + 40);
    });
    // Both turns still run: neither waited for the other.
    expect([await left.button('Stop').isVisible(), await right.button('Stop').isVisible()]).toEqual([true, true]);
    await one.screenshot('windows-side-by-side');
    await Promise.all([left.idle(), right.idle()]);
    const [harbour, mole] = await Promise.all([textOf(left), textOf(right)]);
    expect(harbour).not.toMatch(/long story|story of the mole/);
    expect(mole).not.toMatch(/stream 300 words/);
    expect(mole).toMatch(/The long story of the mole begins\./);
  });
});

describe('a session in two windows', () => {
  const title = 'The quay';
  let two: VSCodeWindow;
  let agent: readonly number[];

  test('a second window kills nobody, shows who runs it, and follows its rows', async () => {
    await one.executeCommand('workbench.action.joinAllGroups');
    const before = claudes();
    await newSession(one, 'local-claude', title);
    const chat = await Chat.of(one, title);
    await chat.say('Tell me a very long story');
    await chat.saw('text', /long story of the mole/);
    agent = claudes().filter((pid) => !before.includes(pid));
    expect(agent).toHaveLength(1);
    two = await code.openWindow();
    // It may begin with the layout of side by side: rows read alike only where they are as wide.
    await two.executeCommand('workbench.action.joinAllGroups');
    await (await item(two, title)).waitUntil((row) => /^running .*in another window/.test(row.description));
    const follower = await openChat(two, title);
    await follower.saw('text', /long story of the mole/);
    const length = (await textOf(follower)).length;
    await until('the follower to grow', async () => (await textOf(follower)).length > length + 40);
    await follower.frame.getByText('Another VS Code window runs this session').waitFor();
    await two.screenshot('windows-follower');
    await chat.idle();
    await follower.idle();
    let rows: readonly (readonly string[])[] = [];
    await until('the same rows in both', async () => {
      await one.page.bringToFront();
      const owners = await chat.content();
      await two.page.bringToFront();
      rows = [owners, await follower.content()];
      return JSON.stringify(rows[0]) === JSON.stringify(rows[1]);
    }).catch(() => undefined);
    expect(rows[1]).toEqual(rows[0]);
    expect(claudes().filter((pid) => agent.includes(pid))).toEqual(agent);
  });

  test('a prompt and a permission of the other window take effect once', async () => {
    const follower = await Chat.of(two, title);
    await follower.say('Please write a note');
    await (await item(two, title)).waitUntil((row) => row.description.startsWith('asks'));
    await until('the badge', async () => (await two.badge()) === '1');
    expect(existsSync(join(code.folder, 'note.txt'))).toBe(false);
    await follower.answer('Allow');
    await follower.saw('text', 'The note is written.');
    expect(readFileSync(join(code.folder, 'note.txt'), 'utf8')).toBe('noted\n');
    await follower.idle();
    await until('no badge', async () => (await two.badge()) === '');
    const chat = await Chat.of(one, title);
    await chat.idle();
    expect(await chat.rows('prompt').filter({ hasText: 'Please write a note' }).count()).toBe(1);
    expect(await follower.rows('prompt').filter({ hasText: 'Please write a note' }).count()).toBe(1);
    expect(claudes().filter((pid) => agent.includes(pid))).toEqual(agent);
  });

  test('when the window that runs it is closed, the other one goes on without losing a row', async () => {
    const follower = await Chat.of(two, title);
    const before = await follower.content();
    const host = one.extensionHostPid;
    await one.close();
    await until('its extension host to be gone', async () => !alive(host), { timeoutMs: 40_000 });
    await (await item(two, title)).waitUntil((row) => row.description.startsWith('idle') && !/another window|run by/.test(row.description), 30_000);
    await until('its agent to be gone', async () => agent.every((pid) => !alive(pid)));
    expect(await follower.content()).toEqual(before);
    await follower.say('And now?');
    await follower.saw('text', /That was prompt 3: And now\?\./);
    await follower.idle();
    const after = await follower.content();
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.filter((row) => row.startsWith('prompt: '))).toHaveLength(3);
    expect(claudes()).toHaveLength(1);
  });

  test('what a killed window left running is ended by the next one, and nothing else is', async () => {
    const own = claudes();
    const three = await code.openWindow();
    await newSession(three, 'local-claude', 'The breakwater');
    const chat = await Chat.of(three, 'The breakwater');
    await chat.say('Please keep waiting');
    await chat.answer('Allow');
    const waiting = (): readonly number[] => code.processes().filter((process) => process.command.includes('-lt 32100')).map((process) => process.pid);
    await until('its command to run', async () => waiting().length > 0);
    const left = claudes().filter((pid) => !own.includes(pid));
    expect(left).toHaveLength(1);
    const host = three.extensionHostPid;
    await three.close();
    process.kill(host, 'SIGKILL');
    await until('the host to be dead', async () => !alive(host));
    expect(left.every(alive)).toBe(true);
    const four = await code.openWindow();
    await until('the agent of the dead window to be ended', async () => left.every((pid) => !alive(pid)) && waiting().length === 0);
    expect(own.every(alive)).toBe(true);
    await (await item(four, 'The breakwater')).waitUntil((row) => /^idle|^failed/.test(row.description), 30_000);
    const taken = await openChat(four, 'The breakwater');
    await taken.saw('text', 'I wait.');
    await taken.say('And now?');
    await taken.saw('text', /And now\?\./);
    await four.close();
    expect(own.every(alive)).toBe(true);
  });

  test('a session of a terminal is read along, and can be forked', async () => {
    const rig = await currentRig();
    const id = randomUUID();
    const terminal = spawn(rig.agents.claude, ['-p', '--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose', '--session-id', id], {
      cwd: code.folder, stdio: ['pipe', 'ignore', 'ignore'], env: { PATH: process.env['PATH'], HOME: code.home, ...(await claudeVariables(endpoint.url, dir)) },
    });
    children.push(terminal);
    const type = (text: string): void => void terminal.stdin?.write(`${JSON.stringify({ type: 'user', message: { role: 'user', content: text } })}\n`);
    type('Where is the lighthouse?');
    const session = await item(two, 'Where is the lighthouse?');
    await session.waitUntil((row) => /run by another Claude Code process/.test(row.description), 30_000);
    const rows = (await (await two.openView('Sessions')).rows()).filter((row) => row.name.startsWith('Where is the lighthouse?, '));
    expect(rows).toHaveLength(1);
    const chat = await openChat(two, 'Where is the lighthouse?');
    await chat.saw('text', /That was prompt 1/);
    type('And the buoys?');
    await chat.saw('text', /That was prompt 2: And the buoys\?/);
    await chat.composer.fill('May I?');
    await chat.composer.press('Enter');
    await chat.frame.getByText(/^Read only: .* runs this session\.$/).waitFor();
    expect(await chat.rows('prompt').count()).toBe(2);
    await two.screenshot('windows-terminal');
    await chat.button('Fork').click();
    await two.tab('Where is the lighthouse? (fork)').waitFor();
    const forked = await Chat.of(two, 'Where is the lighthouse? (fork)');
    await forked.saw('text', /That was prompt 2/);
    await forked.say('Who are you?');
    await forked.saw('text', /That was prompt 3: Who are you\?/);
    expect(terminal.exitCode).toBe(null);
    terminal.stdin?.end();
    await (await item(two, 'Where is the lighthouse?')).waitUntil((row) => !/run by/.test(row.description), 30_000);
  });
});

describe('an untrusted workspace', () => {
  const line = 'This workspace is not trusted: agents do not run here.';
  const agents = (of: VSCode): readonly number[] => of.processes().filter((process) => /demo\/agent|claude/.test(process.command) && !/extensionHost|code-server|ptyHost/.test(process.command)).map((process) => process.pid);
  /** Trusts the window's folder, as the person does. */
  const trust = async (window: VSCodeWindow): Promise<void> => {
    const button = window.page.locator('.workspace-trust-editor .workspace-trust-buttons-row .monaco-button').getByText('Trust', { exact: true });
    await button.first().click();
    await window.page.locator('.workspace-trust-editor.trusted').press('Escape');
    await window.page.locator('.workspace-trust-editor').waitFor({ state: 'hidden' });
  };

  test('runs no agents, shows what is stored, and comes alive when it is trusted', async () => {
    const title = 'The lock';
    await using guarded = await launchVSCode({ agents: ['demo', 'claude'], trusted: false, env: { ...(await claudeVariables(endpoint.url, join(dir, 'guarded'))), PILOTHOUSE_DEMO_STATE: join(dir, 'guarded-demo') } });
    const { window } = guarded;
    const sessions = await window.openView('Sessions');
    await until('the view to say so', async () => (await sessions.message()).includes(line));
    await sessions.titleAction('New Session…');
    await window.notifications.wait(new RegExp(line));
    await (await window.openView('Connections')).item('Demo Agent').waitUntil((row) => row.description === 'not run here');
    expect(agents(guarded)).toEqual([]);
    await window.screenshot('windows-untrusted');
    await (await window.openView('Sessions')).titleAction('Manage Workspace Trust');
    await trust(window);
    await (await window.openView('Connections')).item('Demo Agent').waitUntil((row) => !/not run here|connecting/.test(row.description), 30_000);
    await window.executeCommand('pilothouse.newSession', { connectionId: 'local-acp-demo-agent', folder: guarded.folder, title });
    const chat = await Chat.of(window, title);
    await chat.say('list files');
    await chat.idle();
    const rows = await chat.content();
    expect(rows.length).toBeGreaterThan(1);
    await (await item(window, title)).contextMenu('Stop Session');
    await (await item(window, title)).waitUntil((row) => /^(stopped|idle)/.test(row.description));
    const before = agents(guarded);
    const two = await guarded.openWindow({ folder: copySampleWorkspace(join(dir, 'other-berths')) });
    const shown = await two.openView('Sessions');
    await until('the line over the tree', async () => (await shown.message()).includes(line));
    await shown.item(title, { under: 'This computer' }).click();
    const stored = await Chat.of(two, title);
    await stored.frame.getByText(line).waitFor();
    expect(await stored.content()).toEqual(rows);
    await stored.composer.fill('May I?');
    await stored.composer.press('Enter');
    await stored.frame.getByText('Read only: this workspace is not trusted.').waitFor();
    expect(await stored.button('Send').isDisabled()).toBe(true);
    await stored.composer.fill('');
    expect(agents(guarded).filter((pid) => !before.includes(pid))).toEqual([]);
    await two.screenshot('windows-untrusted-stored');
    await stored.button('Manage Trust').click();
    await trust(two);
    const alive = await Chat.of(two, title);
    await alive.frame.getByText(line).waitFor({ state: 'hidden' });
    await alive.say('list files');
    await alive.idle();
    expect((await alive.content()).slice(0, rows.length)).toEqual(rows);
    expect(await shown.message()).toBe('');
    expect(agents(guarded).some((pid) => !before.includes(pid))).toBe(true);
  });
});
