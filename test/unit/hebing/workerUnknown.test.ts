import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HebingAPIError, HebingTransportError } from '../../../src/core/systems/hebing/errors.ts';
import { BidRejected, WorkerNotEnabled } from '../../../src/core/systems/hebing/workerErrors.ts';
import { work } from '../../../src/core/systems/hebing/workLoop.ts';
import { ModelKernel } from './modelKernel.ts';
import { Simulation } from './simulation.ts';
import type { WorkerServer } from './workerServer.ts';
import { echoWorker, job, leaseOf, startWorkerServer, won } from './workerServer.ts';

let server: WorkerServer;
beforeEach(async () => {
  server = await startWorkerServer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const taken = { status: 200, body: { status: 'succeeded' } } as const;
const counts = (): readonly number[] => [server.count('bid'), server.count('heartbeat'), server.count('submit')];

describe('a submission that brought no answer', () => {
  test.each(['cut', { status: 503, body: {} }, { status: 429, body: {} }] as const)('is sent again where a heartbeat says that the job is ours still (%j)', async (reply) => {
    server.answer('submit', reply, taken);
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    expect(errors).toEqual([]);
    expect(counts()).toEqual([1, 1, 2]);
    expect(server.seen.map((one) => one.step).slice(-3)).toEqual(['submit', 'heartbeat', 'submit']);
    const [first, second] = server.seen.filter((one) => one.step === 'submit');
    expect(second?.body).toEqual(first?.body);
  });

  test.each([404, 410])('is not where the heartbeat is answered with %d: it was taken, most likely', async (status) => {
    server.answer('submit', 'cut');
    server.answer('heartbeat', { status, body: {} });
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    expect(errors).toMatchObject([{ name: 'WorkerError', code: 'submit_unknown' }]);
    expect(counts()).toEqual([1, 1, 1]);
  });

  test.each([404, 409, 410])('and whose repeat is answered with %d may have been taken', async (status) => {
    server.answer('submit', 'cut', { status, body: { code: 'already_settled' } });
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    expect(errors).toMatchObject([{ code: 'submit_unknown' }]);
    expect(counts()).toEqual([1, 1, 2]);
  });

  test('and whose repeat is refused for what it is, is refused', async () => {
    server.answer('submit', 'cut', { status: 422, body: {} });
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    expect(errors).toMatchObject([{ code: 'submit_validation_failed' }]);
  });

  test('is given up after four', async () => {
    server.answer('submit', 'cut');
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    expect(errors).toMatchObject([{ code: 'submit_unknown' }]);
    expect(counts()).toEqual([1, 3, 4]);
  });

  test('is not sent again when the lease is over', async () => {
    server.answer('bid', () => won(700));
    server.answer('heartbeat', 'cut');
    server.answer('submit', 'cut');
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    expect(errors).toMatchObject([{ code: 'submit_unknown' }]);
    expect(server.count('submit')).toBe(1);
  });

  test('ends the run where the heartbeat says that the key may not work', async () => {
    server.answer('submit', 'cut');
    server.answer('heartbeat', { status: 403, body: { code: 'worker_not_enabled' } });
    const { worker } = echoWorker(server);
    await expect(worker.run()).rejects.toBeInstanceOf(WorkerNotEnabled);
    expect(server.count('submit')).toBe(1);
  });
});

describe('a bid that brought no answer', () => {
  test('is not repeated; a job that the next poll has still is bid for again', async () => {
    server.answer('bid', 'cut', () => won());
    server.answer('available', { status: 200, body: [job()] });
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    expect(errors).toMatchObject([{ name: 'HebingTransportError', code: 'connection_failed' }]);
    expect(counts()).toEqual([1, 0, 0]);
    await worker.run({ once: true, onError });
    expect(counts()).toEqual([2, 0, 1]);
  });

  test('and whose job is not listed any more is left alone', async () => {
    server.answer('bid', { status: 502, body: {} });
    server.answer('available', { status: 200, body: [job()] }, { status: 200, body: [] });
    const { worker, errors, onError } = echoWorker(server);
    await worker.run({ once: true, onError });
    await worker.run({ once: true, onError });
    expect(errors).toMatchObject([{ status: 502 }]);
    expect(server.count('bid')).toBe(1);
  });
});

describe('outages', () => {
  test('of the poll and the registration are waited out, each told', async () => {
    server.answer('register', { status: 503, body: {} }, { status: 503, body: {} }, { status: 503, body: {} }, { status: 200, body: {} });
    server.answer('available', 'cut', { status: 500, body: {} }, { status: 200, body: [job()] }, 'silence');
    const { worker, errors, onError } = echoWorker(server);
    const run = worker.run({ onError });
    await expect.poll(() => server.count('submit'), { timeout: 10_000 }).toBe(1);
    worker.stop();
    await run;
    expect(errors.map((error) => error.constructor)).toEqual([HebingAPIError, HebingTransportError, HebingAPIError]);
    expect(server.count('available')).toBeGreaterThanOrEqual(3);
  });

  test('reject where there is one cycle only', async () => {
    server.answer('available', 'cut');
    const { worker, errors, onError } = echoWorker(server);
    await expect(worker.run({ once: true, onError })).rejects.toBeInstanceOf(HebingTransportError);
    expect(errors).toEqual([]);
    expect(server.count('available')).toBe(1);
  });
});

describe('the end of a run', () => {
  test('stop waits for the job under way, submits it and takes no other', async () => {
    server.answer('available', { status: 200, body: [job('j1'), job('j2')] });
    const { worker } = echoWorker(server);
    worker.handler('test.echo.v1', async () => {
      worker.stop();
      await new Promise((resolve) => void setTimeout(resolve, 50));
      return 'done';
    });
    await worker.run();
    expect(counts()).toEqual([1, 0, 1]);
    expect(server.count('available')).toBe(1);
  });

  test('what onError throws is its end', async () => {
    server.answer('bid', { status: 410, body: {} });
    const { worker } = echoWorker(server);
    const enough = (): never => {
      throw new Error('one was enough');
    };
    await expect(worker.run({ onError: enough })).rejects.toThrow('one was enough');
  });

  test('what was taken is told', async () => {
    const { worker, onError } = echoWorker(server);
    const taken: unknown[] = [];
    await worker.run({ once: true, onError, onSubmitted: (job, answer) => void taken.push([job, answer]) });
    expect(taken).toEqual([[{ jobId: 'j1', capabilityKey: 'test.echo.v1' }, { status: 'succeeded' }]]);
  });

  test('stop ends a poll that waits', async () => {
    server.answer('available', 'silence');
    const { worker } = echoWorker(server);
    const run = worker.run();
    await expect.poll(() => server.count('available')).toBe(1);
    worker.stop();
    await run;
    expect(server.count('bid')).toBe(0);
  });

  test('an abort stops the handler, submits nothing and rejects with its reason', async () => {
    const { worker } = echoWorker(server);
    const stop = new AbortController();
    let told = false;
    worker.handler('test.echo.v1', (_task, { signal }) => new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        told = true;
        resolve('late');
      });
      stop.abort(new Error('enough'));
    }));
    await expect(worker.run({ signal: stop.signal })).rejects.toThrow('enough');
    expect(told).toBe(true);
    expect(server.count('submit')).toBe(0);
  });
});

describe('in simulated time', () => {
  const quiet = { out: 20, back: 20, lost: null, broken: false } as const;
  const worlds = (leaseMs = 30_000, jobs = 1) => {
    const time = new Simulation();
    const kernel = new ModelKernel(time, leaseMs, jobs);
    const end = new AbortController();
    const errors: Error[] = [];
    const shared = { clock: time, heartbeatMs: 10_000, once: false, onError: (error: Error) => void errors.push(error), stopping: new AbortController().signal, signal: end.signal, random: () => 0 };
    return { time, kernel, end, errors, shared };
  };

  test('a handler that does not stop is left alone after 10 s, and the next job is done', async () => {
    const { time, kernel, end, errors, shared } = worlds(30_000, 2);
    const api = kernel.api('one', time, () => quiet, true);
    let away = true;
    const heartbeat: typeof api.heartbeat = (...args) => (away ? Promise.reject(new HebingTransportError('connection_failed', 'away')) : api.heartbeat(...args));
    const handlers = new Map([['test.echo.v1', () => (kernel.submits.length === 0 && away ? new Promise(() => undefined) : 'done')]]);
    const run = work({ ...shared, api: { ...api, heartbeat }, handlers }).catch(() => undefined);
    await time.run(27_500);
    expect(errors).toHaveLength(0);
    await time.run(9_000);
    expect(errors).toHaveLength(0);
    away = false;
    await time.run(60_000, () => kernel.done);
    expect(kernel.done).toBe(true);
    expect(errors).toMatchObject([{ code: 'lease_expired' }]);
    end.abort();
    await run;
  });

  test('a clock that jumps makes the worker ask before it submits', async () => {
    const { time, kernel, end, errors, shared } = worlds();
    let jump = 0;
    const clock = { ...time.seenFrom(0, 0), now: () => time.now() + jump };
    const api = kernel.api('one', clock, () => quiet, false);
    const handlers = new Map([['test.echo.v1', () => {
      jump = 86_400_000;
      return 'done';
    }]]);
    const run = work({ ...shared, clock, api, handlers }).catch(() => undefined);
    await time.run(20_000, () => kernel.done);
    expect([kernel.beats.length, kernel.submits.length, kernel.done, errors.length]).toEqual([1, 1, true, 0]);
    end.abort();
    await run;
  });

  test('a computer that slept through its lease submits nothing', async () => {
    const { time, kernel, end, errors, shared } = worlds();
    let slept = 0;
    const clock = { ...time.seenFrom(0, 0), now: () => time.now() + slept };
    const api = kernel.api('one', clock, () => quiet, false);
    const handlers = new Map([['test.echo.v1', () => {
      if (slept > 0) return 'done';
      slept = 3_600_000;
      const [only] = kernel.jobs;
      if (only?.run !== null && only?.run !== undefined) only.run.lapsesAt = 0;
      return 'done';
    }]]);
    const run = work({ ...shared, clock, api, handlers }).catch(() => undefined);
    await time.run(5_000, () => kernel.done);
    expect(kernel.beats.map((beat) => beat.run)).toEqual(['run-1']);
    expect(kernel.submits.map((submit) => submit.run)).toEqual(['run-2']);
    expect(errors).toMatchObject([{ code: 'lease_expired' }]);
    end.abort();
    await run;
  });

  test('a server that answers polls at once, and a job that is refused for ever, are asked about once a second at most', async () => {
    const { time, kernel, end, errors, shared } = worlds();
    const api = kernel.api('one', time, () => quiet, true);
    let [polls, bids] = [0, 0];
    const available: typeof api.available = (...args) => {
      polls += 1;
      return api.available(...args);
    };
    const bid: typeof api.bid = (jobId) => {
      bids += 1;
      return Promise.reject(new BidRejected(jobId, 'attempts_exhausted'));
    };
    const run = work({ ...shared, api: { ...api, available, bid }, handlers: new Map([['test.echo.v1', () => 'done']]) }).catch(() => undefined);
    await time.run(120_000);
    expect(polls).toBeLessThanOrEqual(130);
    expect(bids).toBeLessThanOrEqual(10);
    expect(errors).toHaveLength(bids);
    end.abort();
    await run;
  });

  test('a server that lists ever more jobs that nobody can have is asked more and more seldom; one lost race is not waited for', async () => {
    const { time, kernel, end, shared } = worlds();
    const api = kernel.api('one', time, () => quiet, true);
    let listed = 0;
    const bids: number[] = [];
    const available: typeof api.available = async () => {
      await time.sleep(5);
      return Array.from({ length: 40 }, () => ({ id: `x${(listed += 1)}`, capabilityKey: 'test.echo.v1', maxBudgetNc: null }));
    };
    const bid: typeof api.bid = async (jobId) => {
      bids.push(time.monotonic());
      await time.sleep(5);
      throw new BidRejected(jobId, 'lost_race');
    };
    const run = work({ ...shared, api: { ...api, available, bid }, handlers: new Map([['test.echo.v1', () => 'done']]) }).catch(() => undefined);
    await time.run(120_000);
    const gaps = bids.slice(1).map((at, place) => at - (bids[place] ?? 0));
    expect(gaps.slice(0, 9).every((gap) => gap <= 10)).toBe(true);
    expect(Math.max(...gaps)).toBeGreaterThanOrEqual(2_500);
    expect(bids.length).toBeLessThan(350);
    end.abort();
    await run;
  });
});

test('lease times of every form count the same', async () => {
  for (const form of [leaseOf(400), leaseOf(400).replace('Z', ''), (Date.now() + 400) / 1_000, Date.now() + 400]) {
    await using own = await startWorkerServer();
    own.answer('bid', { status: 200, body: { accepted: true, task_run_id: 'r', input_envelope: {}, lease_expires_at: form } });
    own.answer('heartbeat', 'cut');
    const { worker, errors, onError } = echoWorker(own);
    worker.handler('test.echo.v1', (_task, { signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
    const began = Date.now();
    await worker.run({ once: true, onError });
    expect(Date.now() - began).toBeLessThan(5_000);
    expect(errors).toMatchObject([{ code: 'lease_expired' }]);
  }
});
