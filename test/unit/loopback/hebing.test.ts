import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestAgent } from '../../loopback/hebing/kernel.ts';
import type { HebingTestServer } from '../../loopback/hebing/server.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';
import { HandClock } from '../happy/handClock.ts';

let clock: HandClock;
let server: HebingTestServer;
let caller: TestAgent;
let worker: TestAgent;
beforeEach(async () => {
  clock = new HandClock();
  server = await startHebingServer({ clock });
  caller = server.newAgent({ balanceNc: 7 });
  worker = server.newAgent();
});
afterEach(() => server.close());

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}
async function ask(method: string, path: string, body?: unknown, key: string | null = caller.key): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    method, headers: { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Readonly<Record<string, unknown>> };
}
const asWorker = (method: string, path: string, body?: unknown): Promise<Answer> => ask(method, path, body, worker.key);
const echo = { capability_key: 'media.echo.v1', input_payload: { text: 'hi' } };
async function newJob(more: object = {}): Promise<string> {
  return String((await ask('POST', '/kernel-jobs', { ...echo, ...more })).body['id']);
}
async function won(job: string, key = worker.key): Promise<string> {
  return String((await ask('POST', `/kernel-jobs/${job}/bid`, {}, key)).body['task_run_id']);
}

describe('the test server, to a caller', () => {
  it('refuses keys that it does not know', async () => {
    for (const key of [null, 'nxt_ag_none']) expect(await ask('GET', '/capability-specs', undefined, key)).toMatchObject({ status: 401, body: { code: 'invalid_api_key' } });
  });

  it('refuses what its contract refuses, in either form', async () => {
    expect(await ask('POST', '/kernel-jobs', { ...echo, capability_key: 'no.such' })).toMatchObject({ status: 400, body: { code: 'unknown_capability' } });
    server.forms.errors = 'fastapi';
    for (const input_payload of [{}, { text: '' }, { text: 'x', more: 1 }]) expect(await ask('POST', '/kernel-jobs', { ...echo, input_payload })).toMatchObject({ status: 422, body: { detail: { code: 'invalid_input' } } });
    for (const body of [{}, { capability_key: 'media.echo.v1' }, { ...echo, idempotency_key: 5 }]) expect((await ask('POST', '/kernel-jobs', body)).status).toBe(422);
    expect((await ask('GET', '/elsewhere')).status).toBe(404);
    expect(server.kernel.jobs.size).toBe(0);
  });

  it('takes what a job costs, once for each idempotency key, and refuses who has too little', async () => {
    const image = { capability_key: 'media.image.campaign', input_payload: { prompt: 'a fox' }, idempotency_key: 'k' };
    const first = await ask('POST', '/kernel-jobs', image);
    const again = await ask('POST', '/kernel-jobs', image);
    expect([first.status, again.status, again.body['id'], caller.balanceNc]).toEqual([201, 200, first.body['id'], 2]);
    expect(await ask('POST', '/kernel-jobs', { ...image, idempotency_key: 'other' })).toMatchObject({ status: 402, body: { code: 'insufficient_balance' } });
    expect(await ask('POST', '/kernel-jobs', { ...image, input_payload: { prompt: 'x' } })).toMatchObject({ status: 409 });
    expect((await ask('POST', '/kernel-jobs', { ...echo, idempotency_key: 'k' }, worker.key)).status).toBe(201);
  });

  it('shows an agent its own jobs and nobody else\'s', async () => {
    const id = await newJob();
    for (const path of [`/kernel-jobs/${id}`, `/kernel-jobs/${id}/events`]) expect([(await ask('GET', path)).status, (await asWorker('GET', path)).status]).toEqual([200, 404]);
    expect(await ask('GET', '/kernel-jobs')).toMatchObject({ body: [{ id, status: 'queued' }] });
    server.forms.lists = 'items';
    expect(await asWorker('GET', '/kernel-jobs')).toMatchObject({ body: { items: [] } });
  });
});

describe('the test server, to a worker', () => {
  it('lets nobody work who has not registered, or may not', async () => {
    const id = await newJob();
    for (const [method, path] of [['GET', '/kernel-jobs/available?capability_keys=media.echo.v1&wait=0'], ['POST', `/kernel-jobs/${id}/bid`]] as const) {
      expect(await asWorker(method, path, method === 'POST' ? {} : undefined)).toMatchObject({ status: 403, body: { code: 'worker_not_enabled' } });
    }
    expect(await asWorker('POST', '/kernel-agents/me/capabilities', { capability_keys: ['no.such'] })).toMatchObject({ status: 400 });
    await asWorker('POST', '/kernel-agents/me/capabilities', { capability_keys: ['test.echo.v1'] });
    expect(await asWorker('POST', `/kernel-jobs/${id}/bid`, {})).toMatchObject({ status: 403, body: { code: 'capability_not_registered' } });
    worker.mayWork = false;
    expect(await asWorker('POST', '/kernel-agents/me/capabilities', { capability_keys: ['media.echo.v1'] })).toMatchObject({ status: 403, body: { code: 'worker_not_enabled' } });
  });

  it('holds a long-poll until there is a job, or its time is over', async () => {
    await asWorker('POST', '/kernel-agents/me/capabilities', { capability_keys: ['media.echo.v1'] });
    const path = '/kernel-jobs/available?capability_keys=media.echo.v1&wait=25';
    const polling = asWorker('GET', path);
    await server.seen('GET', '/kernel-jobs/available');
    const id = await newJob();
    expect((await polling).body).toMatchObject([{ id, capability_key: 'media.echo.v1', max_budget_nc: 0 }]);
    await won(id);
    const late = asWorker('GET', path);
    await expect.poll(() => clock.waiting).toBe(2);
    clock.advance(25_000);
    expect((await late).body).toEqual([]);
    for (const query of ['', '?capability_keys=media.echo.v1&wait=99']) expect((await asWorker('GET', `/kernel-jobs/available${query}`)).status).toBe(422);
  });

  it('gives a job to the first who bids, for 30 s from each heartbeat, and then to another', async () => {
    const other = server.newAgent();
    for (const { key } of [worker, other]) await ask('POST', '/kernel-agents/me/capabilities', { capability_keys: ['media.echo.v1'] }, key);
    const id = await newJob();
    const run = await won(id);
    expect(await ask('POST', `/kernel-jobs/${id}/bid`, {}, other.key)).toEqual({ status: 200, body: { accepted: false, reason: 'already_claimed' } });
    clock.advance(29_000);
    expect((await asWorker('POST', `/kernel-jobs/${id}/heartbeat`, { task_run_id: run })).body).toEqual({ lease_expires_at: new Date(clock.now() + 30_000).toISOString() });
    expect((await ask('POST', `/kernel-jobs/${id}/heartbeat`, { task_run_id: run }, other.key)).status).toBe(404);
    clock.advance(30_000);
    for (const step of ['heartbeat', 'submit']) expect(await asWorker('POST', `/kernel-jobs/${id}/${step}`, { task_run_id: run, output: { echo: 'x' } })).toMatchObject({ status: 410, body: { code: 'lease_expired' } });
    const second = await won(id, other.key);
    expect(await asWorker('POST', `/kernel-jobs/${id}/submit`, { task_run_id: run, output: { echo: 'x' } })).toMatchObject({ status: 404, body: { code: 'task_run_not_found' } });
    expect(await ask('POST', `/kernel-jobs/${id}/submit`, { task_run_id: second, output: { echo: 'hi' } }, other.key)).toMatchObject({ status: 200, body: { settled: true } });
    expect((await ask('GET', `/kernel-jobs/${id}`)).body).toMatchObject({ status: 'succeeded', output: { echo: 'hi' } });
    expect(await ask('POST', `/kernel-jobs/${id}/bid`, {}, other.key)).toMatchObject({ status: 410 });
    const { body } = await ask('GET', `/kernel-jobs/${id}/events`);
    expect((body as unknown as readonly { readonly type: string }[]).map(({ type }) => type)).toEqual(['job_created', 'bid_accepted', 'lease_renewed', 'lease_expired', 'bid_accepted', 'job_succeeded']);
  });

  it('refuses outputs that break the promise, and gives the job up after three, or after three leases', async () => {
    await asWorker('POST', '/kernel-agents/me/capabilities', { capability_keys: ['media.echo.v1'] });
    const id = await newJob();
    const run = await won(id);
    for (let count = 0; count < 3; count += 1) expect(await asWorker('POST', `/kernel-jobs/${id}/submit`, { task_run_id: run, output: { no: 1 } })).toMatchObject({ status: 422, body: { code: 'submit_validation_failed' } });
    expect((await ask('GET', `/kernel-jobs/${id}`)).body).toMatchObject({ status: 'failed' });
    const lost = await newJob();
    for (let count = 0; count < 3; count += 1) {
      await won(lost);
      clock.advance(30_001);
    }
    expect((await ask('GET', `/kernel-jobs/${lost}`)).body).toMatchObject({ status: 'expired', error: { code: 'attempts_exhausted' } });
    expect(await asWorker('POST', `/kernel-jobs/${lost}/bid`, {})).toMatchObject({ status: 410 });
  });
});

describe('the test server\'s device sign-in', () => {
  const begin = async (): Promise<{ readonly code: string; readonly user: string }> => {
    const { body } = await ask('POST', '/oauth/device/authorize', { client_name: 'a test' }, null);
    return { code: String(body['device_code']), user: String(body['user_code']) };
  };
  const poll = (code: string): Promise<Answer> => ask('POST', '/oauth/device/token', { device_code: code }, null);

  it('gives a key to who waited for the approval, once', async () => {
    const { code, user } = await begin();
    expect(server.signIns.nameOf(user)).toBe('a test');
    expect(await poll(code)).toMatchObject({ status: 428, body: { code: 'authorization_pending' } });
    clock.advance(5_000);
    const agent = server.approve(user);
    expect((await poll(code)).body).toMatchObject({ api_key: agent.key });
    expect((await poll(code)).status).toBe(410);
    expect((await ask('GET', '/kernel-jobs', undefined, agent.key)).status).toBe(200);
  });

  it('slows down who is too fast, and ends what was denied or is too old', async () => {
    const one = await begin();
    await poll(one.code);
    expect(await poll(one.code)).toMatchObject({ status: 400, body: { code: 'slow_down' } });
    clock.advance(6_000);
    expect(await poll(one.code)).toMatchObject({ body: { code: 'slow_down' } });
    server.deny(one.user);
    expect(await poll(one.code)).toMatchObject({ status: 400, body: { code: 'access_denied' } });
    const old = await begin();
    clock.advance(901_000);
    expect(await poll(old.code)).toMatchObject({ status: 410, body: { code: 'expired_token' } });
  });
});
