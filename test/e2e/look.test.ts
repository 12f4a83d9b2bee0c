import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claudeVariables } from '../loopback/agent-env.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { Chat } from './chat.ts';
import { copySampleWorkspace, launchVSCode, until, type Theme, type VSCode, type VSCodeWindow } from './driver/index.ts';

/** Pictures of a working day, for a person to look at: the same scene in every theme, wide and narrow. */
const THEMES: readonly Theme[] = ['Dark Modern', 'Light Modern', 'Default High Contrast', 'Default High Contrast Light'];

let home: string;
let endpoint: AnthropicEndpoint;
let code: VSCode;
let window: VSCodeWindow;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'pilothouse-look-'));
  const folder = copySampleWorkspace(join(home, 'berths'));
  const fees = join(folder, 'src/fees.ts');
  endpoint = await startAnthropic({
    script: ({ prompt, answered }) => {
      if (prompt.includes('discount')) {
        const steps = [
          { think: 'The discount is a constant in fees.ts. I read it and the booking it prices.', tools: [{ name: 'Read', input: { file_path: fees } }, { name: 'Read', input: { file_path: join(folder, 'src/booking.ts') } }] },
          { text: 'The discount stands in one place, `src/fees.ts`, and nothing else rounds after it. I raise it there and run the tests.', tools: [{ name: 'Edit', input: { file_path: fees, old_string: 'const WEEK_DISCOUNT = 0.1;', new_string: 'const WEEK_DISCOUNT = 0.15;' } }] },
          { tools: [{ name: 'Bash', input: { command: 'node --version', description: 'Check Node' } }] },
          { text: 'A week costs **15 % less** now. Shall I put it into the changelog?' },
        ];
        return steps[answered] ?? { text: 'Done.' };
      }
      if (prompt.includes('Publish')) return { text: 'The branch is ready. I push it.', tools: [{ name: 'Bash', input: { command: 'git push --force-with-lease origin discount', description: 'Push the branch' } }] };
      return { text: 'Two berths are free next week: **A4** and **B1**.' };
    },
  });
  code = await launchVSCode({ agents: ['claude', 'demo'], home, folder, env: await claudeVariables(endpoint.url, home), viewport: { width: 1240, height: 900 } });
  ({ window } = code);
});
afterAll(async () => {
  await code?.close();
  await endpoint?.close();
  rmSync(home, { recursive: true, force: true });
});

async function newSession(agent: string): Promise<Chat> {
  const before = (await window.tabs()).length;
  await (await window.openView('Sessions')).titleAction('New Session…');
  await window.quickInput.pick(agent);
  if ((await window.quickInput.state()) !== undefined) await window.quickInput.pick(/berths$/).catch(() => undefined);
  await until('a new tab', async () => (await window.tabs()).length > before);
  return Chat.of(window);
}

test('a working day', async () => {
  const first = await newSession('Claude Code');
  await first.say('Which berths are free next week?');
  await first.idle();
  const demo = await newSession('Demo Agent');
  await demo.say('explain src/harbour.ts');
  await demo.idle();
  const chat = await newSession('Claude Code');
  await chat.say('Raise the week discount to 15 % and check that everything still runs');
  await chat.answer('Allow');
  await chat.saw('text', 'Shall I put it');
  await chat.idle();
  await chat.say('Publish the branch');
  await chat.permission().last().waitFor();
  await chat.composer.fill('Then write the changelog entry.');
  await chat.composer.press('Enter');
  await chat.frame.locator('[data-delivery="pending"]').first().waitFor();
  expect(await window.badge()).toBe('1');
  await (await window.openView('Sessions')).item('Needs You').row();
  for (const theme of THEMES) {
    await code.setTheme(theme);
    await window.screenshot(`look-wide-${theme}`);
  }
  await code.setTheme('Dark Modern');
});

test('at 300 pixels', async () => {
  await window.page.keyboard.press('Control+b');
  await window.resize(360, 800);
  for (const theme of THEMES) {
    await code.setTheme(theme);
    await window.screenshot(`look-narrow-${theme}`);
  }
  const chat = await Chat.of(window);
  expect(await chat.frame.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)).toBe(true);
});
