import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HebingClientOptions } from '../../../src/core/systems/hebing/client.ts';
import { HebingClient, isTerminal, NexusClient } from '../../../src/core/systems/hebing/client.ts';
import { DeviceFlowError, DeviceFlowTimeout, HebingAPIError, HebingError, HebingTransportError, JobTimeout } from '../../../src/core/systems/hebing/errors.ts';
import type { TestAgent } from '../../loopback/hebing/kernel.ts';
import type { HebingTestServer } from '../../loopback/hebing/server.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';
import { HandClock } from '../happy/handClock.ts';

let server: HebingTestServer;
let agent: TestAgent;
let home: string;
let env: NodeJS.ProcessEnv;
let client: HebingClient;
beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'pilothouse-hebing-'));
  server = await startHebingServer();
  agent = server.newAgent();
  env = { HOME: home, HEBING_BASE_URL: server.url };
  client = made();
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
  await rm(home, { recursive: true, force: true });
});
const made = (more: HebingClientOptions = {}): HebingClient => new HebingClient({ apiKey: agent.key, env, retry: { baseMs: 1, capMs: 4 }, ...more });
async function failure(work: Promise<unknown>): Promise<HebingError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HebingError)) throw new Error(`no HebingError but ${String(error)}`, { cause: error });
  return error;
}
/** A clock by hand that remembers what it was asked to wait, in milliseconds. */
class HeardClock extends HandClock {
  readonly asked: number[] = [];
  override setTimeout(call: () => void, ms: number): { cancel(): void } {
    this.asked.push(ms);
    return super.setTimeout(call, ms);
  }
}
const ECHO = 'media.echo.v1';
const jobs = '/kernel-jobs';

describe('a caller', () => {
  it('reads the catalogue, bare or under items', async () => {
    for (const lists of ['bare', 'items'] as const) {
      server.forms.lists = lists;
      expect(await client.capabilities()).toMatchObject([{ capabilityKey: ECHO, name: 'Echo', inputSchema: { required: ['text'] } }, { capabilityKey: 'media.image.campaign', priceNc: 5 }, { capabilityKey: 'test.echo.v1', description: null, inputSchema: null }]);
    }
  });

  it('makes a job, follows it to its end with events and artifacts, and finds it in its list', async () => {
    const job = await client.call(ECHO, { text: 'hi' }, { idempotencyKey: 'mine' });
    expect(job).toMatchObject({ capabilityKey: ECHO, status: 'queued', inputPayload: { text: 'hi' }, output: null, error: null, artifacts: [] });
    expect(isTerminal(job)).toBe(false);
    server.kernel.begin(job.id);
    const seen: string[] = [];
    const waiting = client.wait(job.id, { onJob: ({ status }) => {
      seen.push(status);
      if (seen.length === 1) server.kernel.end(job.id, { status: 'succeeded', output: { echo_text: 'hi' }, artifacts: [{ file_name: 'a.txt', url: server.fileUrl('a.txt') }] });
    } });
    const done = await waiting;
    expect(done).toMatchObject({ status: 'succeeded', output: { echo_text: 'hi' }, artifacts: [{ file_name: 'a.txt' }] });
    expect([isTerminal(done), seen]).toEqual([true, ['running', 'succeeded']]);
    expect((await client.jobEvents(job.id)).map(({ seq, type }) => [seq, type])).toEqual([[1, 'job_created'], [2, 'job_started'], [3, 'job_succeeded']]);
    expect(await client.listJobs()).toMatchObject([{ id: job.id, status: 'succeeded' }]);
    expect(await client.getJob(job.id)).toEqual(done);
  });

  it.each(['failed', 'cancelled', 'expired'] as const)('is given a job that ended as %s', async (status) => {
    const { id } = await client.call(ECHO, { text: 'x' });
    server.kernel.end(id, { status, error: { code: 'why' } });
    expect(await client.wait(id)).toMatchObject({ status, error: { code: 'why' } });
  });

  it('has a key for every call, and none twice', async () => {
    for (let count = 0; count < 3; count += 1) await client.call(ECHO, { text: 'x' });
    const keys = server.requests.map(({ body }) => (body as { idempotency_key: string }).idempotency_key);
    expect(new Set(keys).size).toBe(3);
    expect(server.kernel.jobs.size).toBe(3);
  });

  it.each([
    ['an answer that was lost', { kind: 'drop', when: 'after' }], ['a connection that broke before', { kind: 'drop', when: 'before' }], ['a 503 after it was taken', { kind: 'status', status: 503, applied: true }],
    ['a 429', { kind: 'status', status: 429, headers: { 'retry-after': '0' } }], ['a 502', { kind: 'status', status: 502 }],
  ] as const)('makes one job in spite of %s, twice, with the key or without', async (_, fault) => {
    for (const options of [{}, { idempotencyKey: 'mine' }]) {
      server.faults.add('POST', jobs, fault, 2);
      const before = server.requests.length;
      const job = await client.call('media.image.campaign', { prompt: 'a fox' }, options);
      expect(server.requests.length - before).toBe(3);
      expect(new Set(server.requests.slice(before).map(({ body }) => (body as { idempotency_key: string }).idempotency_key)).size).toBe(1);
      expect(await client.listJobs()).toContainEqual(job);
    }
    expect(server.kernel.jobs.size).toBe(2);
    expect(agent.balanceNc).toBe(90);
  });

  it('makes one job when it is called again with the same key after it gave up', async () => {
    server.faults.add('POST', jobs, { kind: 'drop', when: 'after' }, 3);
    const error = await failure(client.call(ECHO, { text: 'x' }, { idempotencyKey: 'mine' }));
    expect(error).toBeInstanceOf(HebingTransportError);
    const job = await client.call(ECHO, { text: 'x' }, { idempotencyKey: 'mine' });
    expect([...server.kernel.jobs.keys()]).toEqual([job.id]);
    expect(server.count('POST', jobs)).toBe(4);
  });

  it('reads again after what may pass, and at most three times', async () => {
    server.faults.add('GET', '/capability-specs', { kind: 'status', status: 503 }, 2);
    await client.capabilities();
    expect(server.count('GET', '/capability-specs')).toBe(3);
    server.faults.add('GET', jobs, { kind: 'status', status: 500 }, 9);
    expect(await failure(client.listJobs())).toMatchObject({ status: 500, code: 'server_error' });
    expect(server.count('GET', jobs)).toBe(3);
  });

  it('waits through outages, looks less and less often, and gives the wait up with JobTimeout', async () => {
    const { id } = await client.call(ECHO, { text: 'x' });
    server.faults.add('GET', `${jobs}/${id}`, { kind: 'drop', when: 'before' });
    server.faults.add('GET', `${jobs}/${id}`, { kind: 'status', status: 503 });
    const clock = new HeardClock();
    await using patient = made({ clock });
    const waiting = failure(patient.wait(id, { timeout: 20 }));
    const pauses = [500, 750, 1_125, 1_687.5, 2_531.25, 3_796.875, 5_000, 4_609.375];
    let leftMs = 20_000;
    for (const ms of pauses) {
      // The deadline of a look is what is left of the time; the pause follows it.
      await expect.poll(() => clock.asked.slice(-2), { timeout: 5_000 }).toEqual([leftMs, ms]);
      clock.advance(ms);
      leftMs -= ms;
    }
    const late = await waiting;
    expect(late).toBeInstanceOf(JobTimeout);
    expect(late).toMatchObject({ code: 'job_timeout', jobId: id, lastStatus: 'queued' });
    expect(server.count('GET', `${jobs}/${id}`)).toBe(pauses.length);
    server.kernel.end(id, { status: 'succeeded' });
    expect((await client.wait(id)).status).toBe('succeeded');
  });

  it('ends a wait at once with its signal', async () => {
    const { id } = await client.call(ECHO, { text: 'x' });
    const stop = new AbortController();
    const reason = new Error('enough');
    await expect(client.wait(id, { signal: stop.signal, onJob: () => stop.abort(reason) })).rejects.toBe(reason);
    await expect(client.capabilities({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('does not show its key', () => {
    expect(`${inspect(client, { depth: 9, showHidden: true })}${JSON.stringify(client)}`).not.toContain(agent.key);
  });
});

describe('errors', () => {
  it.each(['plain', 'fastapi'] as const)('are those of the tree, with the server\'s codes (%s)', async (errors) => {
    server.forms.errors = errors;
    const unknown = await failure(client.call('no.such', {}));
    expect(unknown).toBeInstanceOf(HebingAPIError);
    expect(unknown).toMatchObject({ status: 400, statusCode: 400, code: 'unknown_capability', detail: 'There is no capability no.such.' });
    agent.balanceNc = 1;
    expect(await failure(client.call('media.image.campaign', { prompt: 'x' }))).toMatchObject({ status: 402, code: 'insufficient_balance', personMustAct: true });
    expect(await failure(client.call(ECHO, { text: 5 }))).toMatchObject({ status: 422, code: 'invalid_input', detail: expect.stringContaining('text') as string });
    expect(server.requests).toHaveLength(3);
    const theirs = server.kernel.create(server.newAgent(), ECHO, { text: 'x' }, null).job.id;
    for (const work of [client.getJob(theirs), client.wait(theirs), client.jobEvents(theirs), client.getJob('none')]) expect(await failure(work)).toMatchObject({ status: 404, code: 'not_found' });
    await using stranger = made({ apiKey: 'nxt_ag_unknown' });
    expect(await failure(stranger.listJobs())).toMatchObject({ status: 401, personMustAct: true });
    await client.call(ECHO, { text: 'x' }, { idempotencyKey: 'k' });
    expect(await failure(client.call(ECHO, { text: 'y' }, { idempotencyKey: 'k' }))).toMatchObject({ status: 409, code: 'idempotency_conflict' });
  });

  it('of the network and of other servers are told apart', async () => {
    server.faults.add('GET', jobs, { kind: 'html' });
    expect(await failure(client.listJobs())).toMatchObject({ code: 'bad_answer' });
    server.faults.add('GET', jobs, { kind: 'silence', when: 'before' }, 3);
    await using hasty = made({ deadlineMs: 50 });
    expect(await failure(hasty.listJobs())).toMatchObject({ code: 'timeout' });
    await using nobody = made({ baseUrl: 'http://127.0.0.1:9' });
    const error = await failure(nobody.listJobs());
    expect([error instanceof HebingTransportError, error instanceof HebingAPIError, error.code]).toEqual([true, false, 'connection_failed']);
    await client[Symbol.asyncDispose]();
    expect(await failure(client.listJobs())).toMatchObject({ code: 'connection_failed' });
  });

  it('of arguments are raised before anything is sent', async () => {
    const bad = [
      client.call('', {}), client.call(ECHO, 'text'), client.call(ECHO, ['x']), client.call(ECHO, null), client.call(ECHO, {}, { idempotencyKey: ' ' }), client.getJob(''), client.getJob('..'), client.jobEvents('available'),
      client.wait('j', { timeout: 0 }), client.wait('j', { timeout: Number.NaN }), client.wait('j', { timeout: -1 }),
    ];
    for (const work of bad) expect(await failure(work)).toMatchObject({ code: 'invalid_argument' });
    expect(server.requests).toEqual([]);
    expect(() => made({ baseUrl: 'http://hebing.example.org' })).toThrow(expect.objectContaining({ code: 'plain_http_refused' }) as Error);
    expect(() => HebingClient.fromEnv({ env })).toThrow(expect.objectContaining({ code: 'credentials_missing' }) as Error);
    expect(new HebingError('x', 'y')).not.toBeInstanceOf(HebingAPIError);
  });
});

describe('signing in', () => {
  const login = (more: object = {}): ReturnType<typeof HebingClient.loginDeviceFlow> =>
    NexusClient.loginDeviceFlow({ clientName: 'my-agent', env, onPrompt: ({ userCode }) => void server.approve(userCode), ...more });

  it('gives a client that has the key, keeps it, and fromEnv finds it, address and all', async () => {
    server.signIns.times = { expiresIn: 60, interval: 1 };
    const names: (string | null)[] = [];
    await using signedIn = await login({ onPrompt: ({ userCode }: { readonly userCode: string }) => {
      names.push(server.signIns.nameOf(userCode));
      server.approve(userCode);
    } });
    expect(names).toEqual(['my-agent']);
    expect(await signedIn.listJobs()).toEqual([]);
    const kept = JSON.parse(await readFile(path.join(home, '.chaojiyuyan', 'credentials'), 'utf8')) as unknown;
    expect(kept).toEqual({ api_key: [...server.kernel.agents.keys()].at(-1), base_url: server.url });
    await using again = HebingClient.fromEnv({ env: { HOME: home } });
    expect([again.baseUrl, await again.listJobs()]).toEqual([server.url, []]);
  });

  it('keeps nothing where it is told so, was denied, or nobody came', async () => {
    server.signIns.times = { expiresIn: 60, interval: 1 };
    await using signedIn = await login({ save: false });
    expect(await signedIn.listJobs()).toEqual([]);
    const denied = await failure(login({ onPrompt: ({ userCode }: { readonly userCode: string }) => server.deny(userCode) }));
    expect(denied).toBeInstanceOf(DeviceFlowError);
    expect(await failure(login({ onPrompt: () => undefined, timeoutSeconds: 1.1 }))).toBeInstanceOf(DeviceFlowTimeout);
    await expect(readFile(path.join(home, '.chaojiyuyan', 'credentials'))).rejects.toThrow('ENOENT');
  });

  it('is the same class by both names', () => {
    expect(NexusClient).toBe(HebingClient);
  });
});
