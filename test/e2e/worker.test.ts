import type { Frame } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestAgent, TestJob } from '../loopback/hebing/kernel.ts';
import { startHebingServer, type HebingTestServer } from '../loopback/hebing/server.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

describe('a worker', () => {
  let hebing: HebingTestServer;
  let caller: TestAgent;
  let code: VSCode;
  let window: VSCodeWindow;

  beforeAll(async () => {
    // A loss is known by the next heartbeat, a third of this later.
    hebing = await startHebingServer({ leaseMs: 6_000, capabilities: [{ key: 'media.echo.v1', name: 'Echo', outputSchema: { type: 'object', properties: { echo: { type: 'string' } }, required: ['echo'] } }, { key: 'text.slow.v1', name: 'Slow echo' }] });
    caller = hebing.newAgent();
    code = await launchVSCode({ agents: ['demo'], env: { HEBING_BASE_URL: hebing.url } });
    ({ window } = code);
    await window.openView('Sessions');
    await window.executeCommand('pilothouse.addConnection', { system: 'hebing', how: 'paste', serverUrl: hebing.url, apiKey: hebing.newAgent().key });
    await window.openView('Jobs');
  });
  afterAll(async () => {
    await code?.close();
    await hebing?.close();
  });

  const status = (text: RegExp): Promise<unknown> => window.page.locator('.statusbar-item').filter({ hasText: text }).first().waitFor();
  const call = (text: string, key = 'media.echo.v1'): TestJob => hebing.kernel.create(caller, key, { text }, null).job;
  const reaches = (job: TestJob, wanted: TestJob['status']): Promise<unknown> => until(`the job to be ${wanted}`, () => Promise.resolve(job.status === wanted), { timeoutMs: 40_000, detail: async () => JSON.stringify([job.status, job.error, await window.notifications.all()]) });
  /** The capability, and as much of the job's id as tells it from others. */
  const titleOf = (job: TestJob): RegExp => new RegExp(`${job.capability.key.replaceAll('.', '\\.')} · ${job.id.replace(/^job_/, '').slice(0, 8)}`);
  /** Opens a session from the tree. A row that is drawn anew in the very moment loses its click. */
  const open = async (job: TestJob): Promise<Frame> => {
    const title = titleOf(job);
    const sessions = await window.openView('Sessions');
    await until('the chat of the job', async () => {
      await sessions.item(title).click();
      return (await window.tabs()).some((tab) => title.test(tab)) ? true : undefined;
    });
    return window.chat();
  };
  const stop = async (): Promise<void> => {
    // Who stops it with a job in work is asked what becomes of that; hebing knows of an answer before we know that it was taken.
    await status(/Worker: waiting for jobs/);
    await window.runCommand('Pilothouse: Stop Worker');
    await until('the status bar to be quiet', async () => (await window.page.locator('.statusbar-item').filter({ hasText: /Worker:|to review/ }).count()) === 0);
  };

  test('is set up by pickers, does a job in a session of the tree, and submits what its agent answers', async () => {
    await window.runCommand('Pilothouse: Start Worker…');
    await window.quickInput.pick('Echo');
    await window.quickInput.wait(/Enter starts the worker/);
    await window.quickInput.pick('Review Answers');
    await window.screenshot('worker-rules');
    await window.quickInput.pick('Start Worker');
    await status(/Worker: waiting for jobs/);
    const job = call('A harbour at dawn');
    await reaches(job, 'succeeded');
    expect([job.output, job.runs.length]).toEqual([{ echo: 'A harbour at dawn' }, 1]);
    const chat = await open(job);
    await chat.locator('[data-kind=notice]').getByText('The answer was submitted to hebing, and taken.').waitFor();
    await window.screenshot('worker-done');
    await (await window.openView('Jobs')).item('Worker: Echo').waitUntil((row) => row.description.includes('1 submitted'));
    await window.screenshot('worker-jobs-view');
    await stop();
  });

  test('shows an answer before it goes out, and submits it as the person made it', async () => {
    await window.executeCommand('pilothouse.startWorker', { capability: 'media.echo.v1', review: true });
    const job = call('Boats in fog');
    await window.notifications.wait(/Echo: an answer waits for your review until/);
    await status(/1 answer to review/);
    expect(job.status).toBe('running');
    await window.notifications.press(/an answer waits/, 'Review Answer…');
    await window.quickInput.wait(/Decide until/);
    await window.screenshot('worker-review');
    await window.quickInput.pick('Edit');
    await window.page.locator('.codelens-decoration').getByText('Submit').waitFor();
    await window.page.locator('.editor-group-container.active .view-line').filter({ hasText: 'Boats in fog' }).click();
    await window.page.keyboard.press('End');
    await window.page.keyboard.press('ArrowLeft');
    await window.page.keyboard.type(' at dawn');
    await window.screenshot('worker-edit');
    await window.page.locator('.codelens-decoration').getByText('Submit').click();
    await reaches(job, 'succeeded');
    expect(job.output).toEqual({ echo: 'Boats in fog at dawn' });
    expect(hebing.requests.filter(({ path }) => path.endsWith(`/${job.id}/submit`))).toHaveLength(1);
    await until('its editor to close', async () => !(await window.tabs()).some((tab) => tab.startsWith('Echo answer')));

    const second = call('Nobody wants this');
    await status(/1 answer to review/);
    void window.executeCommand('pilothouse.reviewAnswer', { do: 'discard' }).catch(() => null);
    await window.dialogs.wait(/Discard this answer/);
    await window.dialogs.press('Discard');
    await status(/Worker: waiting for jobs/);
    expect([second.output, hebing.requests.filter(({ path }) => path.endsWith(`/${second.id}/submit`)).length]).toEqual([null, 0]);
    await stop();
  });

  test('whose job is lost in mid-turn stops its agent, submits nothing, and says so', async () => {
    await window.executeCommand('pilothouse.startWorker', { capability: 'text.slow.v1', review: false, template: 'Think about it slowly, then echo:\n{{input}}' });
    const job = call('Tides', 'text.slow.v1');
    const chat = await open(job);
    await chat.locator('[data-kind=text]').getByText('I look at it from every side.').waitFor();
    hebing.kernel.end(job.id, { status: 'cancelled' });
    await window.notifications.wait(/Slow echo: The job was lost: its lease is over\. The work was stopped, and nothing was submitted/);
    await chat.locator('[data-kind=notice]').getByText('The job was lost').waitFor();
    await (await window.openView('Sessions')).item(titleOf(job)).waitUntil((row) => /stopped|idle/.test(row.description));
    await window.screenshot('worker-lost');
    expect([job.output, hebing.requests.filter(({ path }) => path.endsWith(`/${job.id}/submit`)).length]).toEqual([null, 0]);
    await stop();
  });

  test('is set up on a capability of the tree, with a prompt that is written in an editor', async () => {
    await (await window.openView('Jobs')).item('Slow echo').contextMenu('Start Worker…');
    await window.quickInput.pick('Edit Prompt…');
    await window.tab('Worker template').waitFor();
    await window.page.locator('.editor-group-container.active .view-line').filter({ hasText: 'Do one job' }).click();
    await window.page.keyboard.press('Control+Home');
    await window.page.keyboard.type('Keep {{calm}}. ');
    await window.page.keyboard.press('Control+S');
    await window.notifications.wait(/\{\{calm\}\}/);
    await window.page.keyboard.press('Control+Home');
    for (const _letter of 'Keep {{calm}}. ') await window.page.keyboard.press('Delete');
    await window.page.keyboard.type('Keep calm. ');
    await window.screenshot('worker-prompt');
    await window.page.locator('.codelens-decoration').getByText('Start Worker').click();
    await status(/Worker: waiting for jobs/);
    const job = call('Lee shore', 'text.slow.v1');
    await window.notifications.press(/Slow echo: an answer waits/, 'Review Answer…');
    await window.quickInput.pick('Submit');
    await reaches(job, 'succeeded');
    expect(job.output).toEqual({ echo: 'Lee shore' });
    await (await open(job)).locator('[data-kind=prompt]').getByText('Keep calm. Do one job').waitFor();
    await stop();
  });

  test('is one of all windows; another one takes over when its window is killed, and what that had not submitted is done once', async () => {
    const start = (own: VSCodeWindow, template: string): Promise<unknown> => own.executeCommand('pilothouse.startWorker', { capability: 'text.slow.v1', review: false, template });
    const doomed = await code.openWindow();
    await doomed.openView('Sessions');
    await start(doomed, 'slowly:\n{{input}}');
    const job = call('Breakwater', 'text.slow.v1');
    await reaches(job, 'running');
    const sessions = await window.openView('Sessions');
    const session = sessions.item(titleOf(job));
    await session.waitUntil((row) => /running/.test(row.description));
    await start(window, '{{input}}');
    await status(/Worker: another window works/);
    // Killed before its page is closed: a host whose page is gone may have ended by itself.
    process.kill(doomed.extensionHostPid, 'SIGKILL');
    await doomed.close();
    await reaches(job, 'succeeded');
    expect([job.output, job.runs.length, hebing.requests.filter(({ path }) => path.endsWith(`/${job.id}/submit`)).length]).toEqual([{ echo: 'Breakwater' }, 2, 1]);
    await stop();
  });

  test('that ran when VS Code closed is offered again, and starts by no hand but the person’s', async () => {
    await window.executeCommand('pilothouse.startWorker', { capability: 'media.echo.v1', review: false });
    await status(/Worker: waiting for jobs/);
    await window.reload();
    await window.notifications.wait(/A worker for Echo ran here when VS Code closed/);
    const polls = hebing.count('GET', '/kernel-jobs/available');
    const job = call('After the reload');
    await window.openView('Jobs');
    expect([hebing.count('GET', '/kernel-jobs/available'), job.status]).toEqual([polls, 'queued']);
    await window.notifications.press(/ran here when VS Code closed/, 'Start Worker');
    await reaches(job, 'succeeded');
    await stop();
    expect(window.errors.filter((error) => /pilothouse\.pilothouse-|Content Security Policy/i.test(error))).toEqual([]);
  });
});

test('a workspace that is not trusted has no worker, and is told why', async () => {
  await using code = await launchVSCode({ agents: ['demo'], trusted: false });
  void code.window.executeCommand('pilothouse.startWorker').catch(() => null);
  await code.window.notifications.wait(/This workspace is not trusted: workers do not run here/);
});
