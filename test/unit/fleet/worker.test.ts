import { beforeEach, describe, expect, test } from 'vitest';
import { HebingAPIError } from '../../../src/core/systems/hebing/errors.ts';
import { CapabilityNotRegistered } from '../../../src/core/systems/hebing/workerErrors.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import type { AgentWorkerOptions } from '../../../src/core/fleet/worker.ts';
import { AgentWorker } from '../../../src/core/fleet/worker.ts';
import { Simulation } from '../hebing/simulation.ts';
import { answers, CAPABILITY, FakeAgents, FakeHebing, SharedLeases, waiting } from './workerWorld.ts';

const LEASE = `worker:hebing-1:${CAPABILITY}`;
let time: Simulation;
let hebing: FakeHebing;
let agents: FakeAgents;
let leases: SharedLeases;
let ends: string[];
beforeEach(() => {
  time = new Simulation();
  hebing = new FakeHebing(time);
  agents = new FakeAgents();
  leases = new SharedLeases();
  ends = [];
});

function worker(rules: Partial<AgentWorkerOptions['rules']> = {}, more: Partial<AgentWorkerOptions> = {}): AgentWorker {
  return new AgentWorker({
    api: hebing, clock: time, log: silentLogger, leases: leases.of('this'), leaseName: LEASE, agents, reviewer: null, refuses: () => Promise.resolve(null), onChange: () => undefined, random: () => 1,
    rules: { capabilityKey: CAPABILITY, template: '{{input}}\nGo.', ceilingNc: null, concurrency: 1, wantsObject: false, ...rules }, onEnd: (job, end) => void ends.push(`${job.jobId} ${end.how}`), ...more,
  });
}
/** Runs a worker; gives how its run ends, once it has. */
function begin(one: AgentWorker): { ended: string | null } {
  const run: { ended: string | null } = { ended: null };
  one.run().then(() => void (run.ended = 'done'), (error: unknown) => void (run.ended = error instanceof Error ? error.constructor.name : 'unknown'));
  return run;
}
const takes = (ms: number) => (_prompt: string, signal: AbortSignal) => waiting(time, ms, signal).then(() => 'done');

describe('a worker', () => {
  test('registers once, waits for jobs with one request at a time, does what comes, and stops when it is told to', async () => {
    const one = worker();
    const run = begin(one);
    await time.run(99_000);
    expect(one.state).toMatchObject({ status: 'waiting', jobs: [] });
    expect([hebing.count('register'), hebing.count('available')]).toEqual([1, 4]);
    hebing.add('j1');
    hebing.add('j2');
    await time.run(60_000);
    expect(ends).toEqual(['j1 submitted', 'j2 submitted']);
    expect([hebing.count('register'), hebing.count('bid'), hebing.count('submit')]).toEqual([1, 2, 2]);
    expect(one.state).toMatchObject({ status: 'waiting', submitted: 2, others: 0 });
    one.stop();
    await time.run(0);
    expect([run.ended, one.state.status, leases.owners.size]).toEqual(['done', 'ended', 0]);
    const asked = hebing.requests.length;
    await time.run(200_000);
    expect(hebing.requests.length).toBe(asked);
  });

  test('that is stopped finishes what is under way, and takes nothing more', async () => {
    agents.answering = takes(40_000);
    hebing.add('j1');
    hebing.add('j2');
    const one = worker();
    const run = begin(one);
    await time.run(10_000);
    one.stop();
    expect(one.state.status).toBe('stopping');
    await time.run(20_000);
    expect(run.ended).toBeNull();
    await time.run(60_000);
    expect([run.ended, ends, hebing.open.has('j2')]).toEqual(['done', ['j1 submitted'], true]);
  });

  test('that gives up ends its sessions and submits nothing', async () => {
    agents.answering = takes(40_000);
    hebing.add('j1');
    const one = worker();
    const run = begin(one);
    await time.run(10_000);
    one.giveUp();
    await time.run(1);
    expect([run.ended, ends, hebing.count('submit'), agents.alive, leases.owners.size]).toEqual(['done', ['j1 given-up'], 0, 0, 0]);
  });

  test('shows what it does', async () => {
    agents.beginning = () => time.sleep(3_000);
    agents.answering = takes(3_000);
    hebing.add('j1');
    const shown: string[] = [];
    const one: AgentWorker = worker({}, { onChange: () => void shown.push(`${one.state.status} ${one.state.jobs.map((job) => `${job.jobId} ${job.step} ${job.session === null ? '-' : 'session'}`).join()}`.trim()) });
    begin(one);
    await time.run(20_000);
    expect([...new Set(shown)]).toEqual(['waiting', 'working j1 starting -', 'working j1 working session', 'working j1 submitting session']);
    expect(shown.at(-1)).toBe('waiting');
  });
});

describe('limits', () => {
  test('jobs above the ceiling, and those that name no budget, are left to others and never bid for', async () => {
    hebing.add('dear', 11);
    hebing.add('unknown', null);
    hebing.add('fair', 10);
    const one = worker({ ceilingNc: 10 });
    begin(one);
    await time.run(60_000);
    expect(hebing.requests.filter((request) => request.step === 'bid').map((request) => request.jobId)).toEqual(['fair']);
    expect([ends, one.state.trouble]).toEqual([['fair submitted'], '2 jobs are left to others: above 10 NC, or without a budget.']);
    // They stay listed, so that each poll is answered at once: it is asked less and less often.
    const polls = hebing.count('available');
    await time.run(600_000);
    expect(hebing.count('available') - polls).toBeLessThanOrEqual(41);
  });

  test('as many jobs at once as allowed, and no poll while no hand is free', async () => {
    agents.answering = takes(60_000);
    for (const id of ['j1', 'j2', 'j3', 'j4', 'j5']) hebing.add(id);
    const one = worker({ concurrency: 2 });
    begin(one);
    await time.run(30_000);
    expect(one.state.jobs.map((job) => job.jobId)).toEqual(['j1', 'j2']);
    expect([hebing.count('available'), agents.alive]).toEqual([2, 2]);
    let most = 0;
    while (ends.length < 5) {
      await time.run(1_000);
      most = Math.max(most, agents.alive);
    }
    expect([most, hebing.count('bid'), hebing.count('submit')]).toEqual([2, 5, 5]);
  });

  test('nothing is asked of hebing while the worker may not work, and it goes on when it may', async () => {
    let reason: string | null = 'The folder is outside of the workspace.';
    hebing.add('j1');
    const one = worker({}, { refuses: () => Promise.resolve(reason) });
    begin(one);
    await time.run(100_000);
    expect([hebing.requests.length, one.state.trouble]).toEqual([0, reason]);
    reason = null;
    await time.run(60_000);
    expect([ends, one.state.trouble]).toEqual([['j1 submitted'], null]);
  });

  test('jobs of other capabilities are none of its own', async () => {
    hebing.add('j1', 1, 'other.v1');
    begin(worker());
    await time.run(20_000);
    expect(hebing.count('bid')).toBe(0);
  });
});

describe('what goes wrong', () => {
  test('a job that failed, or was discarded, is not tried again though it stays listed; a lost one may be', async () => {
    agents.answering = () => Promise.reject(new Error('cannot'));
    hebing.add('j1');
    const one = worker();
    begin(one);
    await time.run(5_000);
    hebing.add('j1');
    await time.run(300_000);
    expect([ends, agents.prompts.length]).toEqual([['j1 failed'], 1]);

    hebing.does.heartbeat = (jobId) => { throw answers.over(jobId); };
    agents.answering = takes(20_000);
    hebing.add('j2');
    await time.run(200_000);
    hebing.add('j2');
    delete hebing.does.heartbeat;
    await time.run(200_000);
    expect(ends).toEqual(['j1 failed', 'j2 lost', 'j2 submitted']);
  });

  test('a refused bid is not repeated at once', async () => {
    hebing.add('j1');
    hebing.does.bid = () => { throw new HebingAPIError(409, 'conflict', ''); };
    begin(worker());
    await time.run(60_000);
    expect(hebing.count('bid')).toBeLessThanOrEqual(7);
    expect(agents.acts).toEqual([]);
  });

  test('a bid without an answer is not repeated at once either, and an outage is waited out', async () => {
    hebing.add('j1');
    hebing.does.bid = () => { throw answers.silence(); };
    const one = worker();
    begin(one);
    await time.run(400);
    expect([hebing.count('bid'), one.state.trouble]).toEqual([1, expect.stringContaining('no way to hebing')]);
    hebing.does.available = () => { throw answers.silence(); };
    delete hebing.does.bid;
    await time.run(60_000);
    expect(hebing.count('available')).toBeLessThanOrEqual(9);
    delete hebing.does.available;
    await time.run(60_000);
    expect([ends, one.state.trouble]).toEqual([['j1 submitted'], null]);
  });

  test.each([['worker_not_enabled', new HebingAPIError(401, 'invalid_api_key', ''), 'HebingAPIError'], ['a capability that is not ours', new CapabilityNotRegistered(), 'CapabilityNotRegistered']])('%s ends the run, once what is under way has ended', async (_name, error, ended) => {
    agents.answering = takes(60_000);
    hebing.add('j1');
    const one = worker({ concurrency: 2 });
    const run = begin(one);
    await time.run(5_000);
    hebing.does.available = () => { throw error; };
    await time.run(30_000);
    expect([run.ended, one.state.status]).toEqual([null, 'stopping']);
    await time.run(60_000);
    expect([run.ended, ends, leases.owners.size]).toEqual([ended, ['j1 submitted'], 0]);
  });
});

describe('several windows', () => {
  test('one works; the others stand by, and one takes over when it ends or dies, after what it left was ended', async () => {
    const order: string[] = [];
    leases.owners.set(LEASE, 'other');
    hebing.add('j1');
    const one = worker({}, { onLead: async () => {
      await time.sleep(2_000);
      order.push(`ended what was left, ${hebing.requests.length} requests before`);
    } });
    begin(one);
    await time.run(60_000);
    expect([one.state.status, hebing.requests.length]).toEqual(['standby', 0]);
    leases.owners.delete(LEASE);
    await time.run(60_000);
    expect([order, ends]).toEqual([['ended what was left, 0 requests before'], ['j1 submitted']]);
  });

  test('a window that lost the lease while its computer slept bids for nothing more, and finishes what hebing still leaves it', async () => {
    agents.answering = takes(40_000);
    hebing.add('j1');
    const one = worker({ concurrency: 2 });
    begin(one);
    await time.run(5_000);
    leases.owners.set(LEASE, 'other');
    hebing.add('j2');
    await time.run(100_000);
    expect([ends, hebing.count('bid'), one.state.status]).toEqual([['j1 submitted'], 1, 'standby']);
  });

  test('a store that cannot be read lets nobody work, and is asked again', async () => {
    let broken = true;
    hebing.add('j1');
    const own = leases.of('this');
    begin(worker({}, { leases: { ...own, acquire: (name) => (broken ? Promise.reject(new Error('disk full')) : own.acquire(name)) } }));
    await time.run(30_000);
    expect(hebing.requests.length).toBe(0);
    broken = false;
    await time.run(30_000);
    expect(ends).toEqual(['j1 submitted']);
  });
});
