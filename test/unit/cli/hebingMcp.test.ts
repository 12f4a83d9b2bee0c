import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mcpWorld } from './hebingMcpWorld.ts';
import type { McpWorld } from './hebingMcpWorld.ts';

let world: McpWorld;
beforeEach(async () => {
  world = await mcpWorld({ leaseMs: 1_800 });
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const echo = 'media.echo.v1';
const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const beats = (): number => world.hebing.count('POST', /\/heartbeat$/);
const submits = (): number => world.hebing.count('POST', /\/submit$/);
/** A job of somebody else's, claimed here. */
const claimed = async (more: Record<string, number> = {}): Promise<string> => {
  const { id } = await world.caller.call(echo, { text: 'hi' });
  await world.call('kernel_register_capability_handler', { capability_keys: [echo] });
  const { value } = await world.call('kernel_claim_job', { ...more });
  expect(value).toMatchObject({ claimed: true, job_id: id });
  return id;
};

test('the server presents itself and its eight tools, every schema in snake_case', async () => {
  expect(world.client.getServerVersion()).toMatchObject({ name: 'chaojiyuyan', version: '1.2.3' });
  const { tools } = await world.client.listTools();
  expect(tools.map((tool) => tool.name)).toEqual([
    'kernel_list_capabilities', 'kernel_create_job', 'kernel_get_job', 'kernel_wait_for_job', 'kernel_list_artifacts', 'kernel_register_capability_handler', 'kernel_claim_job', 'kernel_submit_job',
  ]);
  const names = tools.flatMap((tool) => Object.keys(tool.inputSchema.properties ?? {}));
  expect(names.filter((name) => !/^[a-z]+(?:_[a-z]+)*$/.test(name))).toEqual([]);
  expect(Object.fromEntries(tools.map((tool) => [tool.name, tool.inputSchema.required ?? []]))).toEqual({
    kernel_list_capabilities: [], kernel_create_job: ['capability_key', 'input_payload'], kernel_get_job: ['job_id'], kernel_wait_for_job: ['job_id'], kernel_list_artifacts: ['job_id'],
    kernel_register_capability_handler: ['capability_keys'], kernel_claim_job: [], kernel_submit_job: ['job_id', 'output'],
  });
  for (const tool of tools) expect(tool).toMatchObject({ inputSchema: { type: 'object', additionalProperties: false }, description: expect.stringMatching(/\.$/) as string });
});

describe('for callers', () => {
  test('capabilities are listed and found', async () => {
    const all = await world.call('kernel_list_capabilities');
    expect(all.value).toMatchObject({ capabilities: [{ capability_key: echo, name: 'Echo', input_schema: { type: 'object' } }, {}, {}] });
    expect((await world.call('kernel_list_capabilities', { query: 'campaign' })).value['capabilities']).toHaveLength(1);
  });

  test('a job is created, seen, waited for with progress, and its artifacts listed', async () => {
    const { value } = await world.call('kernel_create_job', { capability_key: echo, input_payload: { text: 'hi' } });
    const job = value['job'] as { readonly id: string };
    expect(value).toMatchObject({ job: { capability_key: echo, status: 'queued', input_payload: { text: 'hi' } }, idempotency_key: expect.any(String) as string });
    expect((await world.call('kernel_get_job', { job_id: job.id })).value).toMatchObject({ job: { id: job.id, status: 'queued' } });
    const steps: (string | undefined)[] = [];
    const waiting = world.client.callTool({ name: 'kernel_wait_for_job', arguments: { job_id: job.id, timeout: 20 } }, undefined, { onprogress: ({ message }) => void steps.push(message) });
    await expect.poll(() => steps).toContain('queued');
    world.hebing.kernel.end(job.id, { status: 'failed', error: { code: 'no_model' }, artifacts: [{ name: 'a.png', url: 'https://example.org/a.png' }] });
    expect((await waiting).structuredContent).toMatchObject({ job: { status: 'failed', error: { code: 'no_model' } } });
    expect((await waiting).isError).toBeUndefined();
    expect((await world.call('kernel_list_artifacts', { job_id: job.id })).value).toEqual({ job_id: job.id, status: 'failed', artifacts: [{ name: 'a.png', url: 'https://example.org/a.png' }] });
  });

  test('a call whose outcome is unknown names the key under which it may be repeated', async () => {
    world.hebing.faults.add('POST', '/kernel-jobs', { kind: 'drop', when: 'after' }, 10);
    const args = { capability_key: echo, input_payload: { text: 'hi' } };
    const { failed, value } = await world.call('kernel_create_job', args);
    expect([failed, value['code']]).toEqual([true, 'connection_failed']);
    world.hebing.faults.clear();
    expect((await world.call('kernel_create_job', { ...args, idempotency_key: value['idempotency_key'] ?? '' })).failed).toBe(false);
    expect(world.hebing.kernel.jobs.size).toBe(1);
  });

  test('a wait that is cancelled asks no more', async () => {
    const { id } = await world.caller.call(echo, { text: 'hi' });
    world.hebing.kernel.jobs.forEach((job) => Object.assign(job, { owner: world.agent.id }));
    const stop = new AbortController();
    const waiting = world.client.callTool({ name: 'kernel_wait_for_job', arguments: { job_id: id } }, undefined, { signal: stop.signal });
    await expect.poll(() => world.hebing.count('GET', `/kernel-jobs/${id}`)).toBeGreaterThan(0);
    stop.abort('enough');
    await expect(waiting).rejects.toThrow('enough');
    const asked = world.hebing.count('GET', `/kernel-jobs/${id}`);
    await pause(1_500);
    expect(world.hebing.count('GET', `/kernel-jobs/${id}`)).toBe(asked);
  });
});

describe('for workers', () => {
  test('a claimed job keeps its lease by heartbeats, and lets it go when it is submitted', async () => {
    const id = await claimed();
    await expect.poll(beats, { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
    expect(world.hebing.kernel.jobs.get(id)?.status).toBe('running');
    expect((await world.call('kernel_submit_job', { job_id: id, output: { echo: 'hi' } })).value).toMatchObject({ submitted: true, job_id: id });
    expect(world.hebing.kernel.jobs.get(id)).toMatchObject({ status: 'succeeded', output: { echo: 'hi' } });
    const after = beats();
    await pause(800);
    expect(beats()).toBe(after);
    expect((await world.call('kernel_submit_job', { job_id: id, output: { echo: 'hi' } })).value).toMatchObject({ code: 'already_submitted' });
    expect(submits()).toBe(1);
  });

  test('what is claimed says all that is needed', async () => {
    const { id } = await world.caller.call(echo, { text: 'hi' });
    await world.call('kernel_register_capability_handler', { capability_keys: [echo] });
    expect((await world.call('kernel_claim_job', { job_id: id, max_hold_seconds: 30 })).value).toMatchObject({
      claimed: true, job_id: id, input: { text: 'hi' }, task_run_id: expect.any(String) as string, lease_expires_at: expect.any(String) as string, max_hold_seconds: 30, hold_until: expect.any(String) as string,
    });
    expect((await world.call('kernel_claim_job', { job_id: id })).value).toMatchObject({ code: 'already_claimed' });
    expect((await world.call('kernel_claim_job')).value).toEqual({ claimed: false, reason: 'none_available' });
  });

  test('two claims of one job at once are one bid', async () => {
    const { id } = await world.caller.call(echo, { text: 'hi' });
    await world.call('kernel_register_capability_handler', { capability_keys: [echo] });
    const both = await Promise.all([world.call('kernel_claim_job', { job_id: id }), world.call('kernel_claim_job', { job_id: id })]);
    expect(both.map(({ value }) => value['code'] ?? 'claimed')).toEqual(['claimed', 'already_claimed']);
    expect(world.hebing.count('POST', /\/bid$/)).toBe(1);
  });

  test('a job is held for as long as was asked for and no longer; nothing is submitted after it', async () => {
    const id = await claimed({ max_hold_seconds: 1 });
    await expect.poll(() => world.hebing.kernel.jobs.get(id)?.status, { timeout: 10_000 }).toBe('queued');
    expect((await world.call('kernel_submit_job', { job_id: id, output: { echo: 'hi' } })).value).toMatchObject({ code: 'hold_expired' });
    expect(submits()).toBe(0);
  });

  test('a lease that is lost in the background is told when the output comes', async () => {
    const id = await claimed();
    world.hebing.faults.add('POST', /\/heartbeat$/, { kind: 'status', status: 404, body: { code: 'task_run_not_found', detail: '' } });
    await expect.poll(() => world.hebing.requests.filter((one) => one.path.endsWith('/heartbeat') && one.end === 'done').length, { timeout: 10_000 }).toBeGreaterThan(0);
    // What was answered before this call is known when it is.
    await world.call('kernel_list_capabilities');
    expect((await world.call('kernel_submit_job', { job_id: id, output: { echo: 'hi' } })).value).toMatchObject({ code: 'task_run_not_found', status: 404 });
    expect(submits()).toBe(0);
  });

  test('two outputs of one job at once are one submission', async () => {
    const id = await claimed();
    const both = await Promise.all([0, 1].map(() => world.call('kernel_submit_job', { job_id: id, output: { echo: 'hi' } })));
    expect(both.map(({ value }) => value['code'] ?? 'submitted')).toEqual(['submitted', 'already_submitted']);
    expect(submits()).toBe(1);
  });

  test('of a submission that was given up nobody says that nothing was submitted', async () => {
    const id = await claimed();
    world.hebing.faults.add('POST', /\/submit$/, { kind: 'silence', when: 'after' });
    const stop = new AbortController();
    const given = world.client.callTool({ name: 'kernel_submit_job', arguments: { job_id: id, output: { echo: 'hi' } } }, undefined, { signal: stop.signal });
    await expect.poll(() => world.hebing.kernel.jobs.get(id)?.status).toBe('succeeded');
    stop.abort('enough');
    await expect(given).rejects.toThrow('enough');
    for (let time = 0; time < 2; time += 1) expect((await world.call('kernel_submit_job', { job_id: id, output: { echo: 'hi' } })).value).toMatchObject({ code: 'submit_unknown' });
  });

  test('an output that is refused may be mended', async () => {
    const id = await claimed();
    expect((await world.call('kernel_submit_job', { job_id: id, output: { wrong: 1 } })).value).toMatchObject({ code: 'submit_validation_failed', status: 422, detail: expect.stringContaining('echo') as string });
    expect((await world.call('kernel_submit_job', { job_id: id, output: { echo: 'hi' } })).failed).toBe(false);
  });

  test('an output whose outcome is unknown is not sent a second time', async () => {
    const id = await claimed();
    world.hebing.faults.add('POST', /\/submit$/, { kind: 'drop', when: 'after' });
    expect((await world.call('kernel_submit_job', { job_id: id, output: { echo: 'hi' } })).value).toMatchObject({ code: 'submit_unknown' });
    expect(submits()).toBe(1);
    expect(world.hebing.kernel.jobs.get(id)?.status).toBe('succeeded');
  });

  test('a bid that is lost leads to the next job', async () => {
    const first = await world.caller.call(echo, { text: 'one' });
    const second = await world.caller.call(echo, { text: 'two' });
    await world.call('kernel_register_capability_handler', { capability_keys: [echo] });
    const refused = { kind: 'status', status: 200, body: { accepted: false, reason: 'lost_race' } } as const;
    world.hebing.faults.add('POST', `/kernel-jobs/${first.id}/bid`, refused, 2);
    expect((await world.call('kernel_claim_job')).value).toMatchObject({ claimed: true, job_id: second.id });
    expect((await world.call('kernel_claim_job')).value).toEqual({ claimed: false, reason: 'others_were_first' });
    world.hebing.faults.add('POST', `/kernel-jobs/${first.id}/bid`, refused);
    expect((await world.call('kernel_claim_job', { job_id: first.id })).value).toMatchObject({ code: 'bid_rejected', reason: 'lost_race' });
  });

  test('the end of the server lets every job go', async () => {
    await claimed();
    await world.server[Symbol.asyncDispose]();
    const after = beats();
    await pause(800);
    expect(beats()).toBe(after);
  });
});

describe('errors', () => {
  test.each([
    ['kernel_create_job', { capability_key: 'no.such', input_payload: {} }, { code: 'unknown_capability', status: 400 }],
    ['kernel_get_job', { job_id: 'nothing' }, { code: 'not_found', status: 404 }],
    ['kernel_list_artifacts', { job_id: 'nothing' }, { code: 'not_found', status: 404 }],
    ['kernel_claim_job', { capability_keys: [echo] }, { code: 'worker_not_enabled' }],
    ['kernel_claim_job', {}, { code: 'bad_arguments' }],
    ['kernel_submit_job', { job_id: 'j', output: {} }, { code: 'not_claimed' }],
    ['kernel_register_capability_handler', { capability_keys: ['no.such'] }, { code: 'unknown_capability', status: 400 }],
  ])('%s %j has a stable code', async (name, args, told) => {
    const { failed, value } = await world.call(name, args);
    expect(failed).toBe(true);
    expect(value).toMatchObject({ ...told, message: expect.any(String) as string });
  });

  test('a balance that does not reach, and a wait that takes too long', async () => {
    world.agent.balanceNc = 1;
    expect((await world.call('kernel_create_job', { capability_key: 'media.image.campaign', input_payload: { prompt: 'a' } })).value).toMatchObject({ code: 'insufficient_balance', status: 402 });
    const { value } = await world.call('kernel_create_job', { capability_key: echo, input_payload: { text: 'hi' } });
    expect((await world.call('kernel_wait_for_job', { job_id: (value['job'] as { readonly id: string }).id, timeout: 0.3 })).value).toMatchObject({ code: 'job_timeout' });
  });

  test.each([
    ['kernel_get_job', {}], ['kernel_get_job', { job_id: 7 }], ['kernel_get_job', { jobId: 'j' }], ['kernel_create_job', { capability_key: echo, input_payload: [] }], ['kernel_submit_job', { job_id: 'j' }],
    ['kernel_claim_job', { max_hold_seconds: 0 }], ['kernel_claim_job', { capability_keys: ['a,b'] }], ['kernel_wait_for_job', { job_id: 'j', timeout: -1 }],
  ])('%s refuses %j before anything is sent', async (name, args) => {
    const { failed, value } = await world.call(name, args);
    expect([failed, value['code']]).toEqual([true, 'bad_arguments']);
    expect(world.hebing.requests).toEqual([]);
  });

  test('a tool that is not there is an error of the protocol', async () => {
    await expect(world.client.callTool({ name: 'kernel_nothing' })).rejects.toBeInstanceOf(McpError);
  });

  test('a key that is not taken says so, and is not in the answer', async () => {
    world.hebing.kernel.agents.delete(world.agent.key);
    const { value } = await world.call('kernel_list_capabilities');
    expect(value).toMatchObject({ code: 'invalid_api_key', status: 401 });
    expect(JSON.stringify(value)).not.toContain(world.agent.key);
  });
});
