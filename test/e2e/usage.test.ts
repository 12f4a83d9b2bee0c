import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Frame } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claudeCase, folderOf, type AgentCase } from './agents.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

describe('usage', () => {
  let agent: AgentCase;
  let code: VSCode;
  let window: VSCodeWindow;

  beforeAll(async () => {
    agent = await claudeCase();
    code = await launchVSCode({ agents: [agent.agent], env: await agent.env() });
    ({ window } = code);
    folderOf.current = code.folder;
    await (await window.openView('Sessions')).titleAction('New Session…');
    const chat = await Chat.of(window);
    for (const [prompt, seen] of [[agent.prompts.hello, agent.sees.hello], [agent.prompts.again, agent.sees.again]] as const) {
      await chat.say(prompt);
      await chat.saw('text', seen);
      await chat.idle();
    }
    await window.tab(agent.prompts.hello).waitFor();
  }, 180_000);
  afterAll(async () => {
    await code?.close();
    await agent?.close();
  });

  const page = async (): Promise<Frame> => {
    const frame = await window.chat('Usage');
    await frame.getByRole('heading', { name: 'Usage' }).waitFor();
    return frame;
  };
  /** The table's rows, cell by cell. */
  const rows = (frame: Frame): Promise<string[][]> => frame.locator('table tr').evaluateAll((found) => found.map((row) => [...row.querySelectorAll('th, td')].map((cell) => (cell as HTMLElement).innerText.replaceAll(/\s+/g, ' ').trim())));

  test('what two turns used stands in a table by day, with their cost and their cache told apart', async () => {
    await window.runCommand('Pilothouse: Show Usage');
    const frame = await page();
    const table = await until('both turns', async () => {
      const found = await rows(frame);
      return found[1]?.[1] === '2' ? found : undefined;
    }, { timeoutMs: 30_000, detail: async () => JSON.stringify(await rows(frame)) });
    expect(table[0]).toEqual(['Day', 'Turns', 'Cost', 'Input', 'Output', 'Cache read', 'Cache write']);
    expect(table).toHaveLength(3);
    expect(table[1]?.slice(1)).toEqual(table[2]?.slice(1));
    expect(Number((table[1]?.[3] ?? '').replaceAll(/\D/g, ''))).toBeGreaterThan(100);
    expect(table[1]?.[2]).toMatch(/^\$\d/);
    expect(await frame.locator('.chart .bar').count()).toBe(30);
    await window.screenshot('usage-dark');
  });

  test('by keyboard it is shown for another range and by session, which opens', async () => {
    const frame = await page();
    await frame.getByRole('radio', { name: '30 days' }).focus();
    await window.page.keyboard.press('ArrowLeft');
    await until('seven days', async () => (await frame.locator('.chart .bar').count()) === 7);
    await frame.getByRole('radio', { name: 'Day', exact: true }).focus();
    for (const [index, name] of ['Agent', 'Connection', 'Session'].entries()) {
      await window.page.keyboard.press('ArrowRight');
      await until(`the table by ${name}`, async () => (await rows(frame))[0]?.[0] === name, { detail: () => Promise.resolve(String(index)) });
    }
    await window.screenshot('usage-sessions');
    await frame.getByRole('button', { name: agent.prompts.hello }).click();
    await Chat.of(window, agent.prompts.hello);
  });

  test('it is exported as CSV', async () => {
    const frame = await page();
    await frame.getByRole('button', { name: 'Export as CSV…' }).click();
    const file = join(code.folder, 'usage.csv');
    await window.quickInput.saveAs(file, 'src');
    const csv = await until('the file', () => {
      try {
        return Promise.resolve(readFileSync(file, 'utf8') || undefined);
      } catch {
        return Promise.resolve(undefined);
      }
    });
    const [head = '', line = ''] = csv.split('\r\n');
    expect(head.split(',')).toHaveLength(12);
    expect(line).toContain(`,Claude Code,Claude Code,${agent.prompts.hello},`);
  });

  test('it is calm in every theme, narrow and wide', async () => {
    for (const [theme, name] of [['Light Modern', 'light'], ['Default High Contrast', 'hc-dark'], ['Default High Contrast Light', 'hc-light']] as const) {
      await window.setTheme(theme);
      await page();
      await window.screenshot(`usage-${name}`);
    }
    await window.resize(720, 900);
    await window.screenshot('usage-narrow');
    expect(window.errors.filter((error) => /pilothouse\.pilothouse-|dist\/webview|Content Security Policy/i.test(error))).toEqual([]);
  });
});
