import { beforeEach, describe, expect, test } from 'vitest';
import { claimJob } from '../../../src/core/systems/hebing/heldJob.ts';
import type { HeldJob } from '../../../src/core/systems/hebing/heldJob.ts';
import type { JobEnd, JobOptions, JobStep, Review, Verdict } from '../../../src/core/fleet/workerJob.ts';
import { doJob } from '../../../src/core/fleet/workerJob.ts';
import { settle, Simulation } from '../hebing/simulation.ts';
import { answers, CAPABILITY, FakeAgents, FakeHebing, waiting } from './workerWorld.ts';

let time: Simulation;
let hebing: FakeHebing;
let agents: FakeAgents;
let steps: JobStep[];
let stop: AbortController;
beforeEach(() => {
  time = new Simulation();
  hebing = new FakeHebing(time);
  agents = new FakeAgents();
  steps = [];
  stop = new AbortController();
  hebing.add('j1');
});

const options = (more: Partial<JobOptions> = {}): JobOptions => ({
  clock: time, agents, template: 'Do {{input.text}}\nGo.', wantsObject: false, refusals: 2, turnMs: 600_000, reviewer: null, reviewMs: 300_000, refuses: () => Promise.resolve(null), onStep: (step) => void steps.push(step),
  signal: stop.signal, ...more,
});
const claim = (): Promise<HeldJob> => claimJob(hebing, { id: 'j1', capabilityKey: CAPABILITY, maxBudgetNc: 5 }, { clock: time, heartbeatMs: 10_000 });
/** Does j1; `ms` pass at most. */
async function done(more: Partial<JobOptions> = {}, ms = 3_600_000): Promise<JobEnd> {
  let end: JobEnd | null = null;
  void doJob(await claim(), options(more)).then((value) => {
    end = value;
    return value;
  });
  await time.run(ms, () => end !== null);
  if (end === null) throw new Error('the job has not ended');
  return end;
}
const takes = (ms: number) => (_prompt: string, signal: AbortSignal) => waiting(time, ms, signal).then(() => '{"echo":"hi"}');
const review = (...verdicts: readonly (Verdict | ((review: Review) => Verdict))[]) => {
  const left = [...verdicts];
  const seen: Review[] = [];
  return { seen, reviewer: (one: Review): Promise<Verdict> => {
    seen.push(one);
    const next = left.shift();
    if (next === undefined) throw new Error('not asked for another review');
    return Promise.resolve(typeof next === 'function' ? next(one) : next);
  } };
};

describe('a job', () => {
  test('is done in a session of its own and submitted as JSON, its lease held through a long turn', async () => {
    agents.answering = takes(95_000);
    expect(await done()).toEqual({ how: 'submitted', error: null });
    expect(hebing.submitted).toEqual([{ jobId: 'j1', output: { echo: 'hi' } }]);
    expect(agents.acts).toEqual(['begin j1', 'ask j1: Go.', 'end j1', 'say j1: The answer was submitted to hebing, and taken.']);
    expect(agents.prompts[0]).toContain('```data\n"hi"\n```');
    expect(hebing.count('heartbeat')).toBe(9);
    expect(steps).toEqual(['starting', 'working', 'submitting']);
    await time.run(120_000);
    expect(hebing.count('heartbeat')).toBe(9);
  });

  test('whose turn fails submits nothing, says why, and its lease lapses', async () => {
    agents.answering = () => Promise.reject(new Error('the model is away'));
    expect(await done()).toEqual({ how: 'failed', error: 'the model is away' });
    expect(hebing.count('submit')).toBe(0);
    expect(agents.acts.at(-1)).toBe('say j1: Nothing was submitted. the model is away');
    await time.run(120_000);
    expect(hebing.count('heartbeat')).toBe(0);
  });

  test('of an agent that cannot be started begins nothing more', async () => {
    agents.beginning = () => Promise.reject(new Error('claude is not installed'));
    expect(await done()).toMatchObject({ how: 'failed', error: 'claude is not installed' });
    expect([agents.acts, hebing.count('submit')]).toEqual([['begin j1'], 0]);
  });

  test('is not begun where the worker may not, and neither with an input that is too large', async () => {
    expect(await done({ refuses: () => Promise.resolve('The folder is outside of the workspace.') })).toEqual({ how: 'failed', error: 'The folder is outside of the workspace.' });
    hebing.add('j1');
    hebing.input = { text: 'x'.repeat(300_000) };
    expect(await done()).toMatchObject({ how: 'failed', error: expect.stringContaining('no session is begun') as string });
    expect([agents.acts, hebing.count('submit')]).toEqual([[], 0]);
  });

  test('whose turn takes too long is ended', async () => {
    agents.answering = (_prompt, signal) => waiting(time, 1e9, signal).then(() => '');
    expect(await done()).toMatchObject({ how: 'failed', error: 'The turn took longer than the worker allows.' });
    expect(agents.alive).toBe(0);
    expect(hebing.count('submit')).toBe(0);
  });
});

describe('what hebing refuses', () => {
  const refuse = (times: number): void => {
    let left = times;
    hebing.does.submit = () => {
      left -= 1;
      if (left >= 0) throw answers.invalid('j1');
    };
  };

  test('goes back to the session, with the reasons as data, and the next answer is submitted', async () => {
    refuse(1);
    const said = ['Sure, here: "hi"', 'So:\n```json\n{"echo":"hi"}\n```'];
    agents.answering = () => Promise.resolve(said.shift() ?? '');
    expect(await done()).toEqual({ how: 'submitted', error: null });
    expect(agents.prompts[1]).toContain('```data\n"echo: expected string"\n```');
    // After a refusal an object in the answer is what is meant.
    expect(hebing.submitted).toEqual([{ jobId: 'j1', output: { echo: 'hi' } }]);
    expect(hebing.count('submit')).toBe(2);
  });

  test('goes back twice, and then no more', async () => {
    refuse(9);
    expect(await done()).toMatchObject({ how: 'failed', error: expect.stringContaining('not what its capability promises') as string });
    expect([agents.prompts.length, hebing.count('submit')]).toEqual([3, 3]);
  });

  test('of the person goes back to the person, who sees why', async () => {
    refuse(1);
    const { seen, reviewer } = review({ do: 'submit', output: 'mine', edited: true }, ({ output }) => ({ do: 'submit', output: [output, 'better'], edited: true }));
    expect(await done({ reviewer })).toEqual({ how: 'submitted', error: null });
    expect(seen.map((one) => [one.output, one.refusal])).toEqual([[{ echo: 'hi' }, null], ['mine', 'echo: expected string']]);
    expect([agents.prompts.length, hebing.submitted]).toEqual([1, [{ jobId: 'j1', output: ['mine', 'better'] }]]);
  });
});

describe('a review', () => {
  test('sees the answer, its session and until when; what it asks goes to the session; the lease is held', async () => {
    const { seen, reviewer } = review({ do: 'ask', prompt: 'Shorter.' }, ({ output }) => ({ do: 'submit', output, edited: false }));
    const before = time.now();
    expect(await done({ reviewer: async (one) => {
      await time.sleep(60_000);
      return reviewer(one);
    } })).toEqual({ how: 'submitted', error: null });
    expect(seen[0]).toEqual({ jobId: 'j1', capabilityKey: CAPABILITY, session: 'fake\u0000j1', output: { echo: 'hi' }, until: before + 300_000, refusal: null });
    expect(agents.prompts[1]).toBe('Shorter.');
    expect(hebing.count('heartbeat')).toBeGreaterThanOrEqual(11);
    expect(steps).toEqual(['starting', 'working', 'review', 'working', 'review', 'submitting']);
  });

  test('that discards submits nothing', async () => {
    expect(await done({ reviewer: review({ do: 'discard' }).reviewer })).toEqual({ how: 'discarded', error: null });
    expect([hebing.count('submit'), agents.alive]).toEqual([0, 0]);
  });

  test('that nobody does in time submits nothing, and is told to be over', async () => {
    let over = false;
    const reviewer = (_review: Review, signal: AbortSignal): Promise<Verdict> => new Promise(() => signal.addEventListener('abort', () => void (over = true)));
    expect(await done({ reviewer })).toMatchObject({ how: 'failed', error: 'Nobody looked at the answer in time.' });
    expect([over, hebing.count('submit'), agents.alive]).toEqual([true, 0, 0]);
  });
});

describe('a lease that is lost', () => {
  const points = ['before a session is begun', 'while the agent starts', 'in mid-turn', 'in review'] as const;
  const ways: readonly (readonly [string, (jobId: string) => void])[] = [
    ['another worker has it (404)', (jobId) => { throw answers.over(jobId); }], ['it is over (410)', (jobId) => { throw answers.lapsed(jobId); }], ['hebing is out of reach', () => { throw answers.silence(); }],
  ];
  test.each(points.flatMap((point) => ways.map(([way, heartbeat]) => ({ point, way, heartbeat }))))('$point: $way: the work ends, and nothing is submitted', async ({ point, heartbeat }) => {
    hebing.does.heartbeat = heartbeat;
    const long = (signal?: AbortSignal): Promise<void> => waiting(time, 50_000, signal);
    const more: Partial<JobOptions> = {};
    if (point === 'before a session is begun') Object.assign(more, { refuses: () => long().then(() => null) });
    // It does not listen, and comes too late.
    if (point === 'while the agent starts') agents.beginning = () => long();
    if (point === 'in mid-turn') agents.answering = (_prompt, signal) => long(signal).then(() => '{}');
    if (point === 'in review') Object.assign(more, { reviewer: (one: Review) => long().then(() => ({ do: 'submit', output: one.output, edited: false })) });
    const end = await done(more);
    await time.run(200_000);
    expect(end.how).toBe('lost');
    expect([hebing.count('submit'), agents.alive]).toEqual([0, 0]);
    if (point === 'before a session is begun') expect(agents.acts).toEqual([]);
    if (point === 'while the agent starts') expect(agents.acts).toEqual(['begin j1', 'end j1']);
    if (point === 'in mid-turn' || point === 'in review') expect(agents.acts.slice(-2)).toEqual(['end j1', 'say j1: The job was lost: its lease is over. The work was stopped, and nothing was submitted.']);
  });

  test('is known before it lapses where hebing is out of reach', async () => {
    hebing.does.heartbeat = () => { throw answers.silence(); };
    let ended = 0;
    agents.answering = (_prompt, signal) => waiting(time, 50_000, signal).catch((error: unknown) => {
      ended = time.monotonic();
      throw error;
    }).then(() => '');
    await done();
    expect(ended).toBe(27_000);
  });

  test('while an output is under way: it was sent once, and nobody claims to know', async () => {
    hebing.does.submit = () => { throw answers.silence(); };
    hebing.does.heartbeat = (jobId) => { throw answers.over(jobId); };
    expect((await done()).how).toBe('unknown');
    expect(hebing.count('submit')).toBe(1);
    expect(agents.acts.at(-1)).toContain('It may have taken it; it is not sent again');
  });

  test('before the first output goes out: a submission that is refused as late is a loss, and is not repeated', async () => {
    hebing.does.submit = (jobId) => { throw answers.lapsed(jobId); };
    expect((await done()).how).toBe('lost');
    expect(hebing.count('submit')).toBe(1);
  });
});

describe('a worker that is stopped at once', () => {
  test.each(['starting', 'working', 'review'] as const)('while %s: the job is given up, nothing is submitted', async (step) => {
    agents.beginning = (_job, signal) => waiting(time, 5_000, signal);
    agents.answering = takes(5_000);
    const reviewer = (one: Review, signal: AbortSignal): Promise<Verdict> => waiting(time, 5_000, signal).then(() => ({ do: 'submit', output: one.output, edited: false }));
    const onStep = (now: JobStep): void => void (now === step && time.setTimeout(() => stop.abort(), 1_000));
    expect(await done({ reviewer, onStep })).toEqual({ how: 'given-up', error: null });
    await time.run(60_000);
    expect([hebing.count('submit'), agents.alive]).toEqual([0, 0]);
  });

  test('while an output is under way: it is not said that nothing was submitted', async () => {
    hebing.does.submit = async () => {
      stop.abort();
      await settle();
      throw new DOMException('aborted', 'AbortError');
    };
    const end = await done();
    expect(end).toEqual({ how: 'unknown', error: expect.stringContaining('hebing may have taken it') as string });
    expect(hebing.count('submit')).toBe(1);
  });
});
