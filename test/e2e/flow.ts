import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentCase } from './agents.ts';
import { folderOf } from './agents.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

/** One agent's whole day in real VS Code: every step that a person takes, in the order in which they take them. */
export function describeAgent(start: () => Promise<AgentCase>): void {
  let agent: AgentCase;
  let code: VSCode;
  let window: VSCodeWindow;
  let title: string;

  const running = (part: string): readonly number[] => code.processes().filter((one) => one.command.includes(part)).map((one) => one.pid);
  const session = async (name: string = title) => (await window.openView('Sessions')).item(name, { under: 'This computer' });

  describe('a day with it', () => {
    beforeAll(async () => {
      agent = await start();
      code = await launchVSCode({ agents: [agent.agent], env: await agent.env() });
      ({ window } = code);
      folderOf.current = code.folder;
      title = agent.prompts.hello;
    });
    afterAll(async () => {
      await code?.close();
      await agent?.close();
    });

    test('a new session from the tree streams its first turn', async () => {
      const view = await window.openView('Sessions');
      await view.titleAction('New Session…');
      const chat = await Chat.of(window);
      await chat.say(agent.prompts.hello);
      await chat.saw('text', agent.sees.hello);
      await chat.idle();
      expect(await chat.rows('turn').count()).toBe(1);
      await (await session()).row();
      await window.tab(title).waitFor();
      await window.screenshot(`${agent.agent}-first-turn`);
    });

    test('a permission that is allowed runs its command', async () => {
      const chat = await Chat.of(window, title);
      await chat.say(agent.prompts.allowed);
      await chat.permission().last().waitFor({ timeout: 30_000 });
      expect(existsSync(join(code.folder, 'allowed.txt'))).toBe(false);
      await (await session()).waitUntil((row) => row.description.startsWith('asks'));
      await window.screenshot(`${agent.agent}-permission`);
      await chat.answer('Allow');
      await chat.idle();
      expect(readFileSync(join(code.folder, 'allowed.txt'), 'utf8')).toBe('allowed\n');
      await chat.saw('text', agent.sees.allowed);
    });

    test('a permission that is denied runs nothing', async () => {
      const chat = await Chat.of(window, title);
      await chat.say(agent.prompts.denied);
      await chat.answer('Deny');
      await chat.idle();
      expect(existsSync(join(code.folder, 'denied.txt'))).toBe(false);
    });

    test('an edit opens in the diff editor', async () => {
      const chat = await Chat.of(window, title);
      await chat.say(agent.prompts.edit);
      // Agents that may write in their workspace do not ask before an edit there.
      await Promise.race([chat.permission().last().waitFor({ timeout: 30_000 }).then(() => chat.answer('Allow')), chat.saw('text', agent.sees.edit)]);
      await chat.saw('text', agent.sees.edit);
      await chat.idle();
      expect(readFileSync(join(code.folder, 'src/fees.ts'), 'utf8')).toContain('WEEK_DISCOUNT = 0.15');
      const tool = await chat.saw('tool', /fees\.ts/);
      await tool.getByRole('button', { name: 'Open Diff' }).first().click();
      await until('the diff editor', async () => (await window.tabs()).some((tab) => tab.startsWith('fees.ts')));
      await window.page.locator('.monaco-diff-editor .line-insert, .monaco-diff-editor .char-insert').first().waitFor();
      await window.screenshot(`${agent.agent}-diff`);
      await window.page.keyboard.press('Control+F4').catch(() => undefined);
    });

    test('an interrupt stops the running command', async () => {
      const chat = await Chat.of(window, title);
      await chat.say(agent.prompts.wait);
      await chat.answer('Allow');
      await until('the command to run', async () => running('-lt 32100').length > 0);
      await chat.button('Stop').click();
      await chat.idle();
      await until('the command to be dead', async () => running('-lt 32100').length === 0);
      await chat.saw('turn', /cancelled|interrupted|stopped/i);
    });

    test('another turn goes on in the same session', async () => {
      const chat = await Chat.of(window, title);
      await chat.say(agent.prompts.again);
      await chat.saw('text', agent.sees.again);
      await chat.idle();
    });

    test('a reload brings the chat back with everything in it', async () => {
      const before = await (await Chat.of(window, title)).content();
      expect(before.length).toBeGreaterThan(6);
      await window.reload();
      const chat = await Chat.of(window, title);
      await chat.expectSameAs(before);
      await window.screenshot(`${agent.agent}-reloaded`);
      await chat.say(agent.prompts.again);
      await chat.idle();
    });

    test('a killed agent process is shown, and resumed without losing a row', async () => {
      const chat = await Chat.of(window, title);
      await chat.say(agent.prompts.long);
      await chat.saw('text', agent.sees.long);
      const pids = running(agent.agent === 'demo' ? 'demo/agent' : agent.agent);
      expect(pids.length).toBeGreaterThan(0);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await chat.saw('notice', /process|ended|died|stopped/i);
      await chat.idle();
      await (await session()).waitUntil((row) => /failed/.test(row.description));
      await window.screenshot(`${agent.agent}-killed`);
      const before = await chat.content();
      await chat.say(agent.prompts.again);
      await chat.idle();
      const after = await chat.content();
      expect(after.slice(0, before.length)).toEqual(before);
      expect(after.length).toBeGreaterThan(before.length);
    });

    test('rename, stop and delete', async () => {
      await (await session()).contextMenu('Rename Session…');
      await window.quickInput.answer('The harbour');
      const renamed = await session('The harbour');
      await renamed.row();
      await window.tab('The harbour').waitFor();
      await renamed.contextMenu('Stop Session');
      if (agent.ownProcess) await until('the agent to be dead', async () => running(agent.agent).length === 0);
      await renamed.contextMenu('Delete Session…');
      await window.dialogs.wait(/Delete “The harbour”/);
      await window.dialogs.press('Delete Session');
      await renamed.waitGone();
      await until('its chat to close', async () => !(await window.tabs()).includes('The harbour'));
    });

    test('nothing was written to the console that should not be there', () => {
      expect(window.errors.filter((error) => /pilothouse\.pilothouse-|dist\/webview|Content Security Policy/i.test(error))).toEqual([]);
    });
  });
}
