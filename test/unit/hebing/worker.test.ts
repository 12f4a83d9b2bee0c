import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HebingAPIError, HebingError } from '../../../src/core/systems/hebing/errors.ts';
import { Worker } from '../../../src/core/systems/hebing/worker.ts';
import { BidRejected, CapabilityNotRegistered, LeaseExpired, SubmitValidationFailed, TaskRunNotFound, WorkerError, WorkerNotEnabled } from '../../../src/core/systems/hebing/workerErrors.ts';
import type { WorkerServer } from './workerServer.ts';
import { echoWorker, job, KEY, leaseOf, startWorkerServer, won } from './workerServer.ts';

let server: WorkerServer;
beforeEach(async () => {
  server = await startWorkerServer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

describe('one job', () => {
  test('is registered for, found, bid for, done and submitted, under the key', async () => {
    await using worker = new Worker({ apiKey: KEY, baseUrl: server.url });
    const tasks: unknown[] = [];
    worker.handler('test.echo.v1', (task) => {
      tasks.push(task);
      return { echo: (task.input as { readonly text: string }).text };
    });
    await worker.run({ once: true });
    expect(server.seen.map(({ step, path, body }) => ({ step, path, body }))).toEqual([
      { step: 'register', path: '/kernel-agents/me/capabilities', body: { capability_keys: ['test.echo.v1'] } },
      { step: 'available', path: '/kernel-jobs/available?capability_keys=test.echo.v1&wait=25', body: null },
      { step: 'bid', path: '/kernel-jobs/j1/bid', body: {} },
      { step: 'submit', path: '/kernel-jobs/j1/submit', body: { task_run_id: 'run-1', output: { echo: 'hi' } } },
    ]);
    expect(new Set(server.seen.map((one) => one.key))).toEqual(new Set([`Bearer ${KEY}`]));
    expect(tasks).toEqual([{
      jobId: 'j1', capabilityKey: 'test.echo.v1', input: { text: 'hi' }, inputEnvelope: { input_payload: { text: 'hi' } }, maxBudgetNc: 5, taskRunId: 'run-1', leaseExpiresAt: expect.any(String) as string,
    }]);
  });

  test('keeps its lease by heartbeats, a third of it apart at most, until it is submitted', async () => {
    server.answer('bid', () => won(1_500));
    server.answer('heartbeat', () => ({ status: 200, body: { lease_expires_at: leaseOf(1_500) } }));
    await using worker = new Worker({ apiKey: KEY, baseUrl: server.url });
    worker.handler('test.echo.v1', async (_task, { signal }) => {
      await vi.waitFor(() => expect(server.count('heartbeat')).toBeGreaterThanOrEqual(4), { timeout: 10_000 });
      return { lost: signal.aborted };
    });
    await worker.run({ once: true, heartbeatInterval: 1_000 });
    expect(server.seen.find((one) => one.step === 'heartbeat')).toMatchObject({ path: '/kernel-jobs/j1/heartbeat', body: { task_run_id: 'run-1' } });
    expect(server.seen.at(-1)).toMatchObject({ step: 'submit', body: { output: { lost: false } } });
    const beats = server.count('heartbeat');
    await new Promise((resolve) => void setTimeout(resolve, 500));
    expect(server.count('heartbeat')).toBe(beats);
  });

  test('an envelope without a payload is the input itself; no output is null', async () => {
    server.answer('bid', { status: 200, body: { accepted: true, task_run_id: 7, input_envelope: { text: 'bare' }, lease_expires_at: leaseOf() } });
    await using worker = new Worker({ apiKey: KEY, baseUrl: server.url });
    const inputs: unknown[] = [];
    worker.handler('test.echo.v1', (task) => void inputs.push(task.input));
    await worker.run({ once: true });
    expect(inputs).toEqual([{ text: 'bare' }]);
    expect(server.seen.at(-1)?.body).toEqual({ task_run_id: '7', output: null });
  });
});

describe('what the server refuses', () => {
  const told = [
    { name: 'accepted: false', step: 'bid', reply: { status: 200, body: { accepted: false, reason: 'lost_race' } }, kind: BidRejected, code: 'bid_rejected', submits: 0 },
    { name: '410 on a bid', step: 'bid', reply: { status: 410, body: { code: 'attempts_exhausted', detail: '' } }, kind: BidRejected, code: 'bid_rejected', submits: 0 },
    { name: '404 on a bid', step: 'bid', reply: { status: 404, body: {} }, kind: HebingAPIError, code: 'not_found', submits: 0 },
    { name: '404 on a submission', step: 'submit', reply: { status: 404, body: {} }, kind: TaskRunNotFound, code: 'task_run_not_found', submits: 1 },
    { name: '410 on a submission', step: 'submit', reply: { status: 410, body: {} }, kind: LeaseExpired, code: 'lease_expired', submits: 1 },
    { name: '422 on a submission', step: 'submit', reply: { status: 422, body: { detail: { code: 'bad_output', message: 'text is missing' } } }, kind: SubmitValidationFailed, code: 'submit_validation_failed', submits: 1 },
    { name: '409 on a submission', step: 'submit', reply: { status: 409, body: { code: 'already_settled' } }, kind: HebingAPIError, code: 'already_settled', submits: 1 },
  ] as const;
  test.each(told)('$name is told, once, and the work goes on', async ({ step, reply, kind, code, submits }) => {
    server.answer(step, reply);
    const { worker, errors, onError } = echoWorker(server);
    await using own = worker;
    await own.run({ once: true, onError });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(kind);
    expect(errors[0]).toBeInstanceOf(HebingError);
    expect(errors[0]).toMatchObject({ code });
    expect(kind === HebingAPIError || errors[0] instanceof WorkerError).toBe(true);
    expect([server.count('bid'), server.count('submit')]).toEqual([1, submits]);
    // The next job is done all the same.
    server.answer('available', { status: 200, body: [job('j2')] });
    server.answer('bid', () => won());
    server.answer('submit', { status: 200, body: {} });
    await own.run({ once: true, onError });
    expect(server.seen.at(-1)).toMatchObject({ step: 'submit', path: '/kernel-jobs/j2/submit' });
    expect(errors).toHaveLength(1);
  });

  test('a refused bid says why', async () => {
    server.answer('bid', { status: 200, body: { accepted: false, reason: 'lost_race' } });
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    expect(errors[0]).toMatchObject({ jobId: 'j1', reason: 'lost_race', message: expect.stringContaining('lost_race') as string });
  });

  test.each([
    { name: '403 worker_not_enabled', reply: { status: 403, body: { code: 'worker_not_enabled', detail: 'no capability' } }, kind: WorkerNotEnabled, code: 'worker_not_enabled' },
    { name: 'FastAPI\'s form of it', reply: { status: 403, body: { detail: { code: 'worker_not_enabled', message: 'no' } } }, kind: WorkerNotEnabled, code: 'worker_not_enabled' },
    { name: 'another 403', reply: { status: 403, body: { code: 'forbidden' } }, kind: CapabilityNotRegistered, code: 'capability_not_registered' },
    { name: '401', reply: { status: 401, body: { detail: 'bad key' } }, kind: HebingAPIError, code: 'unauthorized' },
  ])('$name ends the run at every step', async ({ reply, kind, code }) => {
    for (const step of ['register', 'available', 'bid', 'submit'] as const) {
      await using fresh = await startWorkerServer();
      fresh.answer(step, reply);
      const { worker, errors, onError } = echoWorker(fresh);
      const failure = await worker.run({ onError }).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(kind);
      expect(failure).toMatchObject({ code, personMustAct: true });
      expect(errors).toEqual([]);
      expect(fresh.count(step)).toBe(1);
    }
  });

  test('a heartbeat that is refused with 403 fires the signal and ends the run', async () => {
    server.answer('bid', () => won(1_500));
    server.answer('heartbeat', { status: 403, body: { code: 'worker_not_enabled' } });
    const { worker } = echoWorker(server);
    worker.handler('test.echo.v1', (_task, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('late'))));
    await expect(worker.run()).rejects.toBeInstanceOf(WorkerNotEnabled);
    expect(server.count('submit')).toBe(0);
  });

  test.each([400, 404])('a poll that is answered with %d will not get better by itself', async (status) => {
    server.answer('available', { status, body: {} });
    const { worker } = echoWorker(server);
    await expect(worker.run()).rejects.toMatchObject({ name: 'HebingAPIError', status });
    expect(server.count('available')).toBe(1);
  });
});

describe('a lost lease', () => {
  test.each([
    { status: 404, kind: TaskRunNotFound },
    { status: 410, kind: LeaseExpired },
  ])('$status on a heartbeat fires the signal; what the handler gives then is not submitted', async ({ status, kind }) => {
    server.answer('bid', () => won(1_500));
    server.answer('heartbeat', { status, body: {} });
    const { worker, errors, onError } = echoWorker(server);
    let reason: unknown;
    worker.handler('test.echo.v1', (_task, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => {
      ({ reason } = signal);
      resolve('late');
    })));
    await worker.run({ once: true, onError });
    expect(reason).toBeInstanceOf(kind);
    expect(errors).toEqual([reason]);
    expect([server.count('heartbeat'), server.count('submit')]).toEqual([1, 0]);
  });

  test('a lease that cannot be renewed fires it, and heartbeats are tried until then', async () => {
    server.answer('bid', () => won(900));
    server.answer('heartbeat', 'cut', { status: 503, body: {} }, 'silence');
    const { worker, errors, onError } = echoWorker(server);
    worker.handler('test.echo.v1', (_task, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('told to stop')))));
    await worker.run({ once: true, onError });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toBeInstanceOf(LeaseExpired);
    expect(server.count('heartbeat')).toBeGreaterThanOrEqual(2);
    expect(server.count('submit')).toBe(0);
  });
});

describe('errors of our own', () => {
  test.each([
    ['a handler that throws', () => { throw new Error('no idea'); }, { message: 'no idea' }],
    ['a handler that rejects', () => Promise.reject(new TypeError('later')), { message: 'later' }],
    ['an output that JSON cannot carry', () => ({ big: 1n }), { code: 'output_not_json' }],
  ])('%s submits nothing, is told, and the work goes on', async (_name, handle, told) => {
    const { worker, errors, onError } = echoWorker(server);
    worker.handler('test.echo.v1', handle);
    await worker.run({ once: true, onError });
    expect(errors).toMatchObject([told]);
    expect(server.count('submit')).toBe(0);
  });

  test('bad arguments are refused before anything is sent', async () => {
    const { worker } = echoWorker(server);
    await expect(worker.run({ heartbeatInterval: 0 })).rejects.toMatchObject({ code: 'invalid_argument', name: 'HebingError' });
    expect(() => worker.handler('', () => null)).toThrow(HebingError);
    expect(() => worker.handler('a,b', () => null)).toThrow(HebingError);
    await expect(new Worker({ apiKey: KEY, baseUrl: server.url }).run()).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(new Worker({ apiKey: KEY, baseUrl: server.url }).registerHandlers()).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(() => new Worker({ apiKey: KEY, baseUrl: 'http://hebing.example.org' })).toThrow(expect.objectContaining({ code: 'plain_http_refused' }) as Error);
    expect(() => Worker.fromEnv({ env: { HOME: '/nowhere' } })).toThrow(expect.objectContaining({ code: 'credentials_missing' }) as Error);
    expect(server.seen).toEqual([]);
  });

  test('a worker runs once at a time, and not when it is closed', async () => {
    const { worker } = echoWorker(server);
    server.answer('available', 'silence');
    const first = worker.run();
    await expect(worker.run()).rejects.toMatchObject({ code: 'already_running' });
    await worker[Symbol.asyncDispose]();
    await expect(first).rejects.toMatchObject({ code: 'closed' });
    await expect(worker.run()).rejects.toMatchObject({ code: 'closed' });
  });

  test('the key is in nothing that is printed', () => {
    const { worker } = echoWorker(server);
    for (const printed of [JSON.stringify(worker), inspect(worker, { depth: 9, showHidden: true }), inspect({ worker })]) expect(printed).not.toContain(KEY);
  });
});
