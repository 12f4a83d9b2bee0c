import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AgentWorker } from '../../../../src/core/fleet/worker.ts';
import { silentLogger } from '../../../../src/core/transport/logger.ts';
import { HebingAccess } from '../../../../src/extension/hebing/access.ts';
import { Answers } from '../../../../src/extension/worker/answers.ts';
import type { WorkerDefinition } from '../../../../src/extension/worker/definition.ts';
import { leaseOf, readDefinition, writeDefinition } from '../../../../src/extension/worker/definition.ts';
import { statusOf, workerLine } from '../../../../src/extension/worker/line.ts';
import { Workers } from '../../../../src/extension/worker/workers.ts';
import { Simulation } from '../../hebing/simulation.ts';
import { answers as hebingSays, CAPABILITY, FakeAgents, FakeHebing, SharedLeases, waiting } from '../../fleet/workerWorld.ts';

const definition = (more: Partial<WorkerDefinition> = {}): WorkerDefinition => ({
  id: '00000000-0000-4000-8000-000000000001', connectionId: 'hebing-1', capabilityKey: CAPABILITY, capabilityName: 'Review', wantsObject: false,
  place: { connectionId: 'local-claude', machineId: 'this', folder: '/work/web', agent: null, model: null, local: true }, template: '{{input}}\nGo.', review: false, ceilingNc: null, concurrency: 1, workspace: 'here', running: false,
  createdAt: 1, ...more,
});

let folder: string;
let time: Simulation;
let hebing: FakeHebing;
let agents: FakeAgents;
let access: HebingAccess | null;
let ends: string[];
let failed: string[];
let answers: Answers;
const opened: Workers[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-workers-'));
  time = new Simulation();
  hebing = new FakeHebing(time);
  agents = new FakeAgents();
  access = new HebingAccess('nxt_ag_1', { serverUrl: 'http://127.0.0.1:1/api/v1', allowPlainHttp: false });
  ends = [];
  failed = [];
  answers = new Answers(() => undefined);
});
afterEach(() => {
  for (const each of opened.splice(0)) each.dispose();
  rmSync(folder, { recursive: true, force: true });
});

function window(workspace = 'here'): Workers {
  const leases = new SharedLeases();
  const workers = new Workers({
    folder, log: silentLogger, workspace: () => workspace, access: () => access, answers, onEnd: (own, job, end) => void ends.push(`${own.capabilityName} ${job.jobId} ${end.how}`), onFailed: (own, error) => void failed.push(`${own.capabilityName}: ${String(error)}`),
    run: ({ definition: own, reviewer, onChange, onEnd }) => {
      const { capabilityKey, template, ceilingNc, concurrency, wantsObject } = own;
      const worker = new AgentWorker({
        api: hebing, clock: time, log: silentLogger, leases: leases.of('this'), leaseName: leaseOf(own), agents, reviewer, refuses: () => Promise.resolve(null), onChange, onEnd, random: () => 1,
        rules: { capabilityKey, template, ceilingNc, concurrency, wantsObject },
      });
      return Promise.resolve({ worker, run: worker.run() });
    },
  });
  opened.push(workers);
  return workers;
}
const kept = (): readonly (WorkerDefinition | null)[] => readdirSync(folder).map((name) => readDefinition(readFileSync(path.join(folder, name), 'utf8')));

describe('a definition', () => {
  test('is read back as it was written; anything else is none', () => {
    const whole = definition({ ceilingNc: 12.5, review: true });
    expect(readDefinition(writeDefinition(whole))).toEqual(whole);
    for (const text of ['', '{}', 'null', JSON.stringify({ ...whole, concurrency: 100 }), JSON.stringify({ ...whole, id: '../x' })]) expect(readDefinition(text)).toBeNull();
  });

  test('holds no secret, and is of its workspace alone', async () => {
    const workers = window();
    await workers.start(definition());
    expect(readFileSync(path.join(folder, definition().id), 'utf8')).not.toContain('nxt_ag_');
    expect(workers.definitions()).toHaveLength(1);
    expect(window('elsewhere').definitions()).toEqual([]);
    await workers.close();
  });
});

describe('a worker of this window', () => {
  test('is shown while it runs, and known to have run until it is stopped', async () => {
    const workers = window();
    expect(statusOf(workers.workers(), 0)).toBeNull();
    agents.answering = (_prompt, signal) => waiting(time, 30_000, signal).then(() => 'done');
    await workers.start(definition());
    await time.run(1_000);
    expect(statusOf(workers.workers(), 0)).toEqual({ icon: 'briefcase', text: 'Worker: waiting for jobs', waits: false });
    hebing.add('j1');
    await time.run(26_000);
    expect([statusOf(workers.workers(), 0)?.text, kept()]).toEqual(['Worker: 1 job', [definition({ running: true })]]);
    workers.stop(definition().id, 'finish');
    expect(workers.workers().map(({ state }) => workerLine(state))).toEqual(['stopping after 1 job']);
    await time.run(60_000);
    expect([workers.workers(), ends, kept(), failed]).toEqual([[], ['Review j1 submitted'], [definition()], []]);
  });

  test('is one for an account and a capability', async () => {
    const workers = window();
    await workers.start(definition());
    await expect(workers.start(definition({ id: '00000000-0000-4000-8000-000000000002' }))).rejects.toMatchObject({ code: 'worker_known' });
    await workers.start(definition({ id: '00000000-0000-4000-8000-000000000003', capabilityKey: 'other.v1' }));
    expect(statusOf(workers.workers(), 0)?.text).toBe('2 workers');
    await workers.close();
  });

  test('does not start for an account that nobody is signed in to, and ends when it is signed out', async () => {
    const workers = window();
    const before = access;
    access = null;
    await expect(workers.start(definition())).rejects.toMatchObject({ code: 'needs_sign_in' });
    expect(readdirSync(folder)).toEqual([]);
    access = before;
    agents.answering = (_prompt, signal) => waiting(time, 30_000, signal).then(() => 'done');
    hebing.add('j1');
    await workers.start(definition());
    await time.run(5_000);
    workers.followAccounts();
    await time.run(1_000);
    expect(workers.workers()).toHaveLength(1);
    access = new HebingAccess('nxt_ag_2', { serverUrl: 'http://127.0.0.1:1/api/v1', allowPlainHttp: false });
    workers.followAccounts();
    await time.run(1_000);
    expect([workers.workers(), ends, hebing.count('submit')]).toEqual([[], ['Review j1 given-up'], 0]);
  });

  test('that cannot be kept is not left running', async () => {
    const workers = window();
    rmSync(folder, { recursive: true });
    writeFileSync(folder, '');
    await expect(workers.start(definition())).rejects.toMatchObject({ code: 'not_saved' });
    await time.run(1_000);
    expect([workers.workers(), hebing.count('bid')]).toEqual([[], 0]);
  });

  test('that hebing refuses ends, is told, and is not offered again', async () => {
    hebing.does.register = () => { throw hebingSays.over(''); };
    const workers = window();
    await workers.start(definition());
    await time.run(1_000);
    await vi.waitFor(() => expect(failed).toHaveLength(1));
    expect([workers.workers(), kept()]).toEqual([[], [definition()]]);
  });

  test('of a window that closes submits nothing, and is known to have run', async () => {
    agents.answering = (_prompt, signal) => waiting(time, 30_000, signal).then(() => 'done');
    hebing.add('j1');
    const workers = window();
    await workers.start(definition());
    await time.run(5_000);
    await workers.close();
    expect([ends, hebing.count('submit'), agents.alive, kept()]).toEqual([['Review j1 given-up'], 0, 0, [definition({ running: true })]]);
  });
});

describe('an answer that waits', () => {
  async function waitsFor(): Promise<Workers> {
    hebing.add('j1');
    const workers = window();
    await workers.start(definition({ review: true }));
    await time.run(1_000);
    return workers;
  }

  test('is shown, and submitted as the editor has it', async () => {
    const workers = await waitsFor();
    const [answer] = answers.all();
    expect([answer?.capabilityName, answer?.name, answer?.text, answer?.until, statusOf(workers.workers(), 1)?.waits]).toEqual(['Review', 'Review answer.json', '{\n  "echo": "hi"\n}\n', time.now() - 1_000 + 30 * 60_000, true]);
    expect(() => answers.submit(answer?.id ?? '', '{ "echo": ')).toThrow(/not valid JSON/);
    expect(answers.all()).toHaveLength(1);
    answers.submit(answer?.id ?? '', '{ "echo": "ho" }');
    await time.run(1_000);
    expect([hebing.submitted, answers.all(), ends]).toEqual([[{ jobId: 'j1', output: { echo: 'ho' } }], [], ['Review j1 submitted']]);
    await workers.close();
  });

  test('is asked for again, and then discarded', async () => {
    const workers = await waitsFor();
    answers.ask(answers.all()[0]?.id ?? '', 'Shorter.');
    await time.run(1_000);
    expect(agents.prompts.at(-1)).toBe('Shorter.');
    answers.discard(answers.all()[0]?.id ?? '');
    await time.run(1_000);
    expect([hebing.count('submit'), ends]).toEqual([0, ['Review j1 discarded']]);
    await workers.close();
  });

  test('is gone with its lease, and what is decided then is said to come too late', async () => {
    const workers = await waitsFor();
    const id = answers.all()[0]?.id ?? '';
    hebing.does.heartbeat = (jobId) => { throw hebingSays.over(jobId); };
    await time.run(11_000);
    expect(answers.all()).toEqual([]);
    for (const act of [() => answers.submit(id, '1'), () => answers.ask(id, 'x'), () => answers.discard(id)]) expect(act).toThrow(expect.objectContaining({ code: 'answer_over' }) as Error);
    expect([hebing.count('submit'), ends]).toEqual([0, ['Review j1 lost']]);
    await workers.close();
  });

  test('that is a text stays one unless it is made JSON', async () => {
    agents.answering = () => Promise.resolve('Fine.');
    const workers = await waitsFor();
    const [answer] = answers.all();
    expect([answer?.name, answer?.text]).toEqual(['Review answer.md', 'Fine.']);
    answers.submit(answer?.id ?? '', 'Fine indeed.\n');
    await time.run(1_000);
    expect(hebing.submitted).toEqual([{ jobId: 'j1', output: 'Fine indeed.' }]);
    await workers.close();
  });
});
