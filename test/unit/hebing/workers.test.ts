import { expect, test } from 'vitest';
import { HebingClient } from '../../../src/core/systems/hebing/client.ts';
import { Worker } from '../../../src/core/systems/hebing/worker.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

test('workers that compete over a network that fails settle every job once', async () => {
  const hebing = await startHebingServer({ leaseMs: 600, attempts: 20 });
  await using caller = new HebingClient({ apiKey: hebing.newAgent().key, baseUrl: hebing.url });
  const jobs = await Promise.all(Array.from({ length: 12 }, (_, index) => caller.call('media.echo.v1', { text: `job ${index}` })));
  hebing.faults.add('POST', /\/heartbeat$/, { kind: 'drop', when: 'before' }, 6);
  hebing.faults.add('POST', /\/bid$/, { kind: 'drop', when: 'after' }, 2);
  hebing.faults.add('POST', /\/bid$/, { kind: 'status', status: 503 }, 2);
  hebing.faults.add('POST', /\/submit$/, { kind: 'drop', when: 'before' }, 2);
  hebing.faults.add('POST', /\/submit$/, { kind: 'drop', when: 'after' }, 2);
  hebing.faults.add('GET', '/kernel-jobs/available', { kind: 'html' }, 2);
  const acting = new Map<string, number>();
  const errors: Error[] = [];
  const workers = Array.from({ length: 3 }, () => new Worker({ apiKey: hebing.newAgent().key, baseUrl: hebing.url }));
  const runs = workers.map(async (worker, index) => {
    worker.handler('media.echo.v1', async ({ jobId, input }, { signal }) => {
      signal.addEventListener('abort', () => void acting.delete(jobId));
      for (let step = 0; step < 4; step += 1) {
        if (signal.aborted) throw new Error('told to stop');
        acting.set(jobId, (acting.get(jobId) ?? 0) | (1 << index));
        expect(acting.get(jobId)).toBe(1 << index);
        await pause(50 * index);
      }
      acting.delete(jobId);
      return { echo: (input as { readonly text: string }).text };
    });
    await worker.run({ onError: (error) => void errors.push(error) });
  });
  await expect.poll(() => [...hebing.kernel.jobs.values()].every((job) => job.status === 'succeeded'), { timeout: 25_000, interval: 100 }).toBe(true);
  for (const worker of workers) worker.stop();
  await Promise.all(runs);
  for (const worker of workers) await worker[Symbol.asyncDispose]();
  const outputs = Object.fromEntries((await caller.listJobs()).map((job) => [job.id, job.output]));
  expect(outputs).toEqual(Object.fromEntries(jobs.map((job) => [job.id, { echo: (job.inputPayload as { readonly text: string }).text }])));
  // A submission is sent again only where it was not taken: two were dropped before they were, two after.
  expect(hebing.count('POST', /\/submit$/)).toBeLessThanOrEqual(12 + 2);
  expect(errors.map((error) => (error as { readonly code?: string }).code)).not.toContain('submit_validation_failed');
  await hebing.close();
});
