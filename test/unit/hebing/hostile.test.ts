import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HebingClient } from '../../../src/core/systems/hebing/client.ts';
import { HebingError } from '../../../src/core/systems/hebing/errors.ts';
import { Worker } from '../../../src/core/systems/hebing/worker.ts';
import type { Loopback } from '../../loopback/server.ts';
import { listen } from '../../loopback/server.ts';
import type { WorkerServer } from './workerServer.ts';
import { job, leaseOf, startWorkerServer } from './workerServer.ts';

// A server that says what no hebing should: the answers are texts, for JSON.stringify would mend them.

const KEY = 'nxt_ag_a"b\\c0123456789';
let server: Loopback;
let client: HebingClient;
let answer: readonly [status: number, text: string];
beforeEach(async () => {
  server = await listen(({ response }) => {
    response.writeHead(answer[0], { 'content-type': 'application/json' });
    response.end(answer[1]);
    return Promise.resolve();
  });
  client = new HebingClient({ apiKey: KEY, baseUrl: `${server.url}/api/v1`, env: {}, retry: { baseMs: 1, capMs: 2 } });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
});
async function failure(work: Promise<unknown>): Promise<HebingError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HebingError)) throw new Error(`no HebingError but ${String(error)}`, { cause: error });
  return error;
}

describe('a caller', () => {
  it('has the job that it made, whatever stands beside', async () => {
    answer = [201, '{"id": 7, "status": "queued", "capability_key": null, "artifacts": "none", "created_at": {}, "updated_at": [], "output": {"__proto__": {"polluted": 1}, "most": 1e999}}'];
    const made = await client.call('media.echo.v1', {});
    expect(made).toMatchObject({ id: '7', status: 'queued', capabilityKey: '', artifacts: [], createdAt: null, updatedAt: null });
    expect([Object.keys(made.output as object), Object.hasOwn(Object.prototype, 'polluted')]).toEqual([['__proto__', 'most'], false]);
    expect(server.requests).toHaveLength(1);
  });

  it('sees the rows of a list that can be read, and is told where none can', async () => {
    answer = [200, '[{"id": "a", "status": "running"}, {"status": "no id"}, 7, null, {"id": "b", "status": "failed"}]'];
    expect((await client.listJobs()).map(({ id }) => id)).toEqual(['a', 'b']);
    answer = [200, '[{"status": "no id"}, 7]'];
    expect(await failure(client.listJobs())).toMatchObject({ code: 'bad_answer' });
    answer = [200, '{"items": [{"seq": {}, "type": "bid", "data": 1}, {"seq": 2}]}'];
    expect(await client.jobEvents('a')).toEqual([{ seq: null, type: 'bid', createdAt: null, data: 1 }]);
  });

  it('finds its key in no error, however the server writes it', async () => {
    const escaped = Array.from(KEY, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    for (const word of [escaped, JSON.stringify(KEY).slice(1, -1)]) {
      answer = [400, `{"code": "bad_arguments", "detail": "no ${word} here", "more": {"${word}": ["${word}"]}}`];
      const error = await failure(client.getJob('a'));
      expect(error).toMatchObject({ code: 'bad_arguments', detail: 'no [redacted] here', body: { more: { '[redacted]': ['[redacted]'] } } });
      expect(inspect(error, { depth: 9 })).not.toContain('0123456789');
    }
    answer = [400, `${'{"detail":'.repeat(60_000)}1${'}'.repeat(60_000)}`];
    expect(await failure(client.getJob('a'))).toMatchObject({ status: 400 });
  });

  it('fetches nothing of this computer for a server elsewhere, by none of its names', async () => {
    answer = [200, '"mine"'];
    const { port } = new URL(server.url);
    await using remote = new HebingClient({ apiKey: KEY, baseUrl: 'https://hebing.example.org/api/v1', env: {}, retry: { tries: 1 } });
    for (const host of ['0.0.0.0', '0', '127.1', '2130706433', '0x7f.1', '[::]', '[::ffff:127.0.0.1]', '[::ffff:0:7f00:1]', '[::127.0.0.1]', '[::ffff:0.0.0.0]', 'localhost.', '127.0.0.1.']) {
      expect(await failure(remote.artifact(`http://${host}:${port}/admin`)), host).toMatchObject({ code: 'invalid_argument' });
    }
    expect(server.requests).toEqual([]);
  });
});

describe('a worker', () => {
  let kernel: WorkerServer;
  beforeEach(async () => {
    kernel = await startWorkerServer();
  });
  afterEach(() => kernel[Symbol.asyncDispose]());
  const working = (handle: () => unknown): { readonly worker: Worker; readonly codes: string[]; readonly run: () => Promise<void> } => {
    const worker = new Worker({ apiKey: KEY, baseUrl: kernel.url, env: {}, retry: { random: () => 0 } });
    worker.handler('test.echo.v1', handle);
    const codes: string[] = [];
    return { worker, codes, run: () => worker.run({ once: true, onError: (error) => codes.push(error instanceof HebingError ? error.code : String(error)) }) };
  };

  it('is not kept from its jobs by one that cannot be read', async () => {
    kernel.answer('available', { status: 200, body: [{ id: null }, { capability_key: 'test.echo.v1' }, job('j1', { max_budget_nc: 'all of it' })] });
    const { worker, codes, run } = working(() => 'done');
    await run();
    expect([codes, kernel.count('submit')]).toEqual([[], 1]);
    await worker[Symbol.asyncDispose]();
  });

  it('begins nothing under a lease that is over when it comes', async () => {
    kernel.answer('bid', () => ({ status: 200, body: { accepted: true, task_run_id: 'r', input_envelope: {}, lease_expires_at: leaseOf(-5_000) } }));
    let begun = 0;
    const { worker, codes, run } = working(() => (begun += 1));
    await run();
    expect([begun, codes, kernel.count('submit'), kernel.count('heartbeat')]).toEqual([0, ['lease_expired'], 0, 0]);
    await worker[Symbol.asyncDispose]();
  });

  it('does a job that it won, whatever the time of its lease is said to be', async () => {
    kernel.answer('bid', { status: 200, body: { accepted: true, task_run_id: 'r', input_envelope: {}, lease_expires_at: { at: 'noon' }, reason: [] } });
    const { worker, codes, run } = working(() => 'done');
    await run();
    expect([codes, kernel.count('submit')]).toEqual([[], 1]);
    await worker[Symbol.asyncDispose]();
  });
});
