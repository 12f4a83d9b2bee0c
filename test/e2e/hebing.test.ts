import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestAgent, TestJob } from '../loopback/hebing/kernel.ts';
import { startHebingServer, type HebingTestServer } from '../loopback/hebing/server.ts';
import { launchVSCode, until, type Theme, type TreeView, type VSCode, type VSCodeWindow } from './driver/index.ts';

const THEMES: readonly Theme[] = ['Dark Modern', 'Light Modern', 'Default High Contrast', 'Default High Contrast Light'];
/** A picture of one red point. */
const POINT = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

describe('hebing', () => {
  let hebing: HebingTestServer;
  let agent: TestAgent;
  let code: VSCode;
  let window: VSCodeWindow;

  beforeAll(async () => {
    hebing = await startHebingServer();
    hebing.signIns.times = { expiresIn: 900, interval: 1 };
    code = await launchVSCode({ env: { HEBING_BASE_URL: hebing.url }, settings: { 'chat.disableAIFeatures': false }, viewport: { width: 1280, height: 900 } });
    ({ window } = code);
  });
  afterAll(async () => {
    await code?.close();
    await hebing?.close();
  });

  const jobs = (): Promise<TreeView> => window.openView('Jobs');
  /** Waits for an editor to be in front. */
  const editor = (name: string): Promise<unknown> => until(`the editor ${name}`, async () => (await window.page.locator('.editor-group-container .tab.active').getAttribute('data-resource-name')) === name, {
    detail: async () => JSON.stringify([await window.tabs(), await window.notifications.all()]),
  });
  const callDraft = (): Promise<void> => window.page.locator('.editor-group-container.active .editor-actions').getByRole('button', { name: /^Call( |$)/ }).first().click();
  const lastJob = async (count: number): Promise<TestJob> => {
    await until(`job ${count}`, () => Promise.resolve(hebing.kernel.jobs.size === count));
    const job = [...hebing.kernel.jobs.values()].at(-1);
    if (job === undefined) throw new Error('there is no job');
    return job;
  };

  test('says in its view what to do, and is signed in to by a code that is approved, after one that was denied', async () => {
    const view = await jobs();
    await until('the welcome', async () => (await view.message()).includes('a market of jobs'));
    await window.screenshot('hebing-welcome');
    // A command that needs the account leads to it too.
    void window.executeCommand('pilothouse.callCapability').catch(() => null);
    await window.notifications.wait(/needs an account of hebing/);
    await window.notifications.press(/needs an account of hebing/, 'Sign In to hebing…');
    await window.quickInput.wait(/Sign in to hebing on 127\.0\.0\.1/);
    await window.screenshot('hebing-ways');
    await window.page.keyboard.press('Escape');
    await window.quickInput.waitClosed();
    await view.pane.getByRole('button', { name: 'Sign In to hebing…' }).click();
    await window.quickInput.pick('Sign in with the browser');
    const shown = async (): Promise<string> => {
      const label = (await window.chat('Sign in to hebing')).getByLabel('Code', { exact: true });
      await label.waitFor();
      return (await label.innerText()).trim();
    };
    const denied = await shown();
    expect(hebing.signIns.nameOf(denied)).toBe('Pilothouse for VS Code');
    await window.screenshot('hebing-sign-in');
    hebing.deny(denied);
    const page = await until('the problem', async () => {
      const frame = await window.chat('Sign in to hebing');
      return (await frame.getByRole('alert').count()) > 0 ? frame : undefined;
    });
    expect(await page.getByRole('alert').innerText()).toMatch(/was denied/);
    await window.screenshot('hebing-sign-in-denied');
    await page.getByRole('button', { name: 'Try Again' }).click();
    const approved = await until('another code', async () => {
      const next = await shown().catch(() => denied);
      return next === denied ? undefined : next;
    });
    agent = hebing.approve(approved);
    await until('the sign-in tab to close', async () => !(await window.tabs()).includes('Sign in to hebing'));
    await (await window.openView('Connections')).item('hebing').waitUntil((row) => row.description.includes('127.0.0.1') && !/sign-in|offline/.test(row.description));
  });

  test('stands in the Accounts menu of VS Code', async () => {
    await window.menus.open(async () => window.page.getByRole('button', { name: /^Accounts/ }).or(window.page.getByRole('tab', { name: /^Accounts/ })).first().click());
    expect((await window.menus.labels()).some((label) => label.startsWith('hebing'))).toBe(true);
    await window.screenshot('hebing-accounts-menu');
    await window.menus.close();
  });

  test('calls a capability through its form, and follows the job to its result', async () => {
    const view = await jobs();
    await view.item('Capabilities').expand();
    await view.item('Echo').inlineAction('Call Capability…');
    await window.quickInput.wait(/What to say/);
    await window.quickInput.answer('');
    await window.quickInput.wait(/is needed/);
    await window.quickInput.answer('A harbour at dawn');
    await window.quickInput.wait(/Enter calls it/);
    await window.screenshot('hebing-form');
    await window.quickInput.pick(/Call Echo$/);
    const job = await lastJob(1);
    expect(job.input).toEqual({ text: 'A harbour at dawn' });
    await view.item('Echo', { under: 'Waiting' }).row();
    hebing.kernel.begin(job.id);
    await view.item('Echo', { under: 'Running' }).row();
    hebing.files.set('notes.txt', { type: 'text/plain', bytes: Buffer.from('The tide is out.\n') });
    hebing.files.set('point.png', { type: 'image/png', bytes: Buffer.from(POINT, 'base64') });
    hebing.kernel.end(job.id, { status: 'succeeded', output: { echo: 'A harbour at dawn' }, artifacts: [{ name: 'notes.txt', url: hebing.fileUrl('notes.txt'), content_type: 'text/plain' }, { name: 'point.png', url: hebing.fileUrl('point.png') }] });
    await editor('Echo result.json');
    await until('the result', async () => (await window.page.locator('.editor-instance .view-lines').first().innerText()).includes('"echo"'));
    await view.item('Echo', { under: 'Succeeded' }).row();
  });

  test('opens what a job made, and its events', async () => {
    const view = await jobs();
    await view.item('Echo', { under: 'Succeeded' }).expand();
    await view.item('notes.txt').click();
    await editor('notes.txt');
    await until('its text', async () => (await window.page.locator('.editor-instance .view-lines').first().innerText()).replaceAll('\u00a0', ' ').includes('The tide is out.'));
    await view.item('point.png').click();
    await editor('point.png');
    await view.item('Events').expand();
    await view.item('job succeeded').row();
    await view.item('Events').collapse();
  });

  test('edits an input that is no form as JSON with its schema, and tells of a job that fails', async () => {
    await window.runCommand('Pilothouse: Call Capability…');
    await window.quickInput.pick('Image campaign');
    await until('the draft', async () => (await window.page.locator('.editor-group-container.active .view-lines').first().innerText()).includes('pilothouse-capability'));
    await window.page.locator('.codelens-decoration').getByText('Call Image campaign').waitFor();
    await window.screenshot('hebing-draft');
    const { keyboard } = window.page;
    for (const key of ['Control+Home', 'ArrowDown', 'ArrowDown', 'End', 'Backspace', 'Backspace']) await keyboard.press(key);
    await keyboard.insertText('7');
    // VS Code's own JSON editor knows the schema, and so does the call.
    await window.page.locator('.editor-group-container.active .squiggly-warning').first().waitFor();
    await callDraft();
    await window.notifications.wait(/prompt: It must be a text/);
    await window.notifications.dismiss(/It must be a text/);
    await window.page.locator('.editor-group-container.active .view-lines').first().click();
    for (const key of ['Control+Home', 'ArrowDown', 'ArrowDown', 'End', 'Backspace']) await keyboard.press(key);
    await keyboard.insertText('""');
    await window.page.locator('.editor-group-container.active .squiggly-warning').first().waitFor({ state: 'detached' });
    await callDraft();
    const job = await lastJob(2);
    expect(job.input).toEqual({ prompt: '' });
    hebing.kernel.end(job.id, { status: 'failed', error: { code: 'no_pictures', message: 'The studio is closed today.' } });
    await window.notifications.wait(/Image campaign failed: The studio is closed today/);
    await (await jobs()).item('Image campaign', { under: 'Failed' }).waitUntil((row) => row.description.includes('The studio is closed'));
    await window.notifications.press(/studio is closed/, 'Show Job');
    await editor('Image campaign job.json');
  });

  test('refuses an input that does not fit before it is sent, by the name of its field', async () => {
    const before = hebing.count('POST', '/kernel-jobs');
    const called = window.executeCommand('pilothouse.callCapability', { capability: 'media.image.campaign', input: { prompt: 7, count: 9 } });
    await window.notifications.wait(/prompt: It must be a text\. count: At most 4\./);
    await window.notifications.dismiss(/It must be a text/);
    await called;
    expect(hebing.count('POST', '/kernel-jobs')).toBe(before);
  });

  test('makes one job of a call whose answers were lost, however often it is sent again', async () => {
    hebing.faults.add('POST', '/kernel-jobs', { kind: 'drop', when: 'after' }, 3);
    void window.executeCommand('pilothouse.callCapability', { capability: 'media.echo.v1', input: { text: 'only once' } }).catch(() => null);
    await window.notifications.wait(/not known whether hebing has made the job/);
    await window.notifications.press(/not known whether/, 'Send Again');
    const job = await lastJob(3);
    await until('the answer', () => Promise.resolve(hebing.count('POST', '/kernel-jobs') >= 6));
    expect([...hebing.kernel.jobs.values()].filter((one) => one.input['text'] === 'only once')).toEqual([job]);
    await (await jobs()).item(/only once/).row();
    // Its progress is left: the job goes on.
    await window.notifications.press(/^Echo/, 'Cancel');
    await until('the progress to go', async () => !(await window.notifications.all()).some(({ message }) => message.startsWith('Echo')));
    expect(job.status).toBe('queued');
  });

  test('is there again after a reload, with its artifacts', async () => {
    await (await jobs()).item('notes.txt').click();
    await editor('notes.txt');
    await window.reload();
    await editor('notes.txt');
    await until('its text', async () => (await window.page.locator('.editor-instance .view-lines').first().innerText()).replaceAll('\u00a0', ' ').includes('The tide is out.'));
    const view = await jobs();
    await view.item('Echo', { under: 'Succeeded' }).row();
    await view.item('Image campaign', { under: 'Failed' }).row();
  });

  test('is offered to VS Code as an MCP server, which starts', async () => {
    await window.runCommand('MCP: List Servers');
    await window.quickInput.pick(/^hebing/);
    await window.quickInput.pick('Start Server');
    await until('its process', () => Promise.resolve(code.processes().some(({ command }) => /cli\.js.*mcp-server/.test(command))), { detail: async () => JSON.stringify([await window.quickInput.state(), await window.dialogs.state(), await window.notifications.all()]) });
    expect(code.processes().some(({ command }) => command.includes(agent.key))).toBe(false);
    // VS Code shows the server's output, and takes the focus for it.
    await window.page.locator('.part.panel').getByText('Output', { exact: true }).first().waitFor();
    await window.executeCommand('workbench.action.closePanel');
  });

  test('is written into the configuration of other programs once its difference was seen', async () => {
    const file = join(code.home, '.claude', 'mcp.json');
    await window.runCommand('Pilothouse: Write MCP Configuration…');
    await window.quickInput.pick('~/.claude/mcp.json');
    await window.notifications.wait(/Write this to ~\/\.claude\/mcp\.json/);
    const shown = await window.page.locator('.editor-group-container.active .view-lines').allInnerTexts();
    expect(shown.join()).toContain('mcpServers');
    expect(shown.join()).not.toContain(agent.key);
    await window.screenshot('hebing-mcp-json');
    await window.notifications.press(/Write this to/, 'Write');
    await window.notifications.wait(/MCP server stands in/);
    expect(readFileSync(file, 'utf8')).toContain(agent.key);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('asks for a new sign-in where its key was revoked, and loses nothing', async () => {
    hebing.kernel.agents.delete(agent.key);
    const view = await jobs();
    await view.titleAction('Refresh');
    await view.item('Needs a new sign-in').row();
    await view.item('Echo', { under: 'Succeeded' }).row();
    await (await window.openView('Connections')).item('hebing').waitUntil((row) => row.description.includes('needs sign-in'));
    // The same account under another key.
    agent = { ...agent, key: 'nxt_ag_another_key_of_it' };
    hebing.kernel.agents.set(agent.key, agent);
    await view.item('Needs a new sign-in').click();
    await window.quickInput.pick('Paste a key');
    await window.quickInput.wait(/Key of an agent/);
    await window.quickInput.answer(agent.key);
    await view.item('Needs a new sign-in').waitGone();
    await view.item('Echo', { under: 'Succeeded' }).row();
  });

  test('looks like a part of VS Code, with jobs in every state', async () => {
    const make = (text: string, key = 'media.echo.v1', input: Record<string, string | number> = { text }): string => hebing.kernel.create(agent, key, input, null).job.id;
    hebing.kernel.begin(make('The week in the harbour, read aloud'));
    hebing.kernel.begin(make('', 'media.image.campaign', { prompt: 'Four boats in fog', count: 4 }));
    make('Waiting for its turn');
    hebing.kernel.end(make('Not wanted any more'), { status: 'cancelled' });
    hebing.kernel.end(make('Nobody took it'), { status: 'expired', error: { code: 'attempts_exhausted' } });
    const view = await jobs();
    await view.titleAction('Refresh');
    await view.item('Running').row();
    await view.item('Echo', { under: 'Succeeded' }).expand();
    for (const other of ['Sessions', 'Connections']) await (await window.openView(other)).pane.locator('.pane-header').click();
    await window.executeCommand('notifications.clearAll');
    await view.item('Capabilities').collapse();
    for (const theme of THEMES) {
      await code.setTheme(theme);
      await window.screenshot(`hebing-jobs-${theme}`);
    }
    await code.setTheme('Dark Modern');
    expect(window.errors.filter((error) => /pilothouse\.pilothouse-|Content Security Policy/i.test(error))).toEqual([]);
  });
});
