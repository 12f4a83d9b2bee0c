import fc from 'fast-check';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { AgentWorker } from '../../../src/core/fleet/worker.ts';
import type { JobAgents, Reviewer } from '../../../src/core/fleet/workerJob.ts';
import type { Trouble } from '../hebing/modelKernel.ts';
import { ModelKernel } from '../hebing/modelKernel.ts';
import { randomOf, Simulation } from '../hebing/simulation.ts';
import { CAPABILITY, SharedLeases, waiting } from './workerWorld.ts';

/** Milliseconds of trouble; after them the network is whole, nobody loses the store's lease, and one window is alive. */
const TROUBLE_MS = 120_000;
const LEASE = 'worker:hebing-1:test';

const worlds = fc.record({
  seed: fc.integer(),
  leaseMs: fc.constantFrom(30_000, 15_000, 45_000),
  jobs: fc.integer({ min: 1, max: 4 }),
  loss: fc.double({ min: 0, max: 0.5, noNaN: true }),
  broken: fc.double({ min: 0, max: 0.4, noNaN: true }),
  latencyMs: fc.integer({ min: 1, max: 4_000 }),
  review: fc.boolean(),
  concurrency: fc.integer({ min: 1, max: 3 }),
  windows: fc.array(fc.record({
    /** From when on it works; when it is closed, or dies; null: it stays. */
    opens: fc.integer({ min: 0, max: 40_000 }),
    closes: fc.option(fc.integer({ min: 5_000, max: TROUBLE_MS })),
    spawnMs: fc.integer({ min: 0, max: 20_000 }),
    turnMs: fc.integer({ min: 0, max: 60_000 }),
    /** Its agent does not listen when it is told to start no more, or to stop. */
    heedless: fc.boolean(),
    away: fc.record({ from: fc.integer({ min: 0, max: 60_000 }), ms: fc.integer({ min: 0, max: 80_000 }) }),
    /** When the store's lease is taken from it, as of a computer that slept. */
    robbed: fc.option(fc.integer({ min: 1_000, max: 90_000 })),
  }), { minLength: 1, maxLength: 3 }),
});
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

interface Seen {
  lost: number;
  acts: number;
  others: number;
}

/** Plays a world: windows of one person that share hebing's key and a store. Throws where one does what it may not. */
async function play(world: World): Promise<Seen> {
  const time = new Simulation();
  const random = randomOf(world.seed);
  const kernel = new ModelKernel(time, world.leaseMs, world.jobs);
  const leases = new SharedLeases();
  const wrong: string[] = [];
  const seen: Seen = { lost: 0, acts: 0, others: 0 };
  const polls: { readonly window: string; readonly at: number }[] = [];

  const windows = [...world.windows, { opens: TROUBLE_MS, closes: null, spawnMs: 10, turnMs: 1_000, heedless: false, away: { from: 0, ms: 0 }, robbed: null }].map((own, index) => {
    const name = `window-${index}`;
    const trouble = (): Trouble => {
      const at = time.monotonic();
      if (at > TROUBLE_MS) return { out: 20, back: 20, lost: null, broken: false };
      const gone = (at >= own.away.from && at < own.away.from + own.away.ms) || random() < world.loss;
      return { out: random() * world.latencyMs, back: random() * world.latencyMs, lost: gone ? (random() < 0.5 ? 'out' : 'back') : null, broken: random() < world.broken };
    };
    let alive = 0;
    const act = (jobId: string): void => {
      seen.acts += 1;
      if (!kernel.holds(name, jobId)) wrong.push(`${name} worked on ${jobId} at ${time.monotonic()} without its lease`);
    };
    const agents: JobAgents = {
      begin: async ({ jobId }, signal) => {
        act(jobId);
        await (own.heedless ? time.sleep(own.spawnMs) : waiting(time, own.spawnMs, signal));
        if (signal.aborted) throw signal.reason;
        alive += 1;
        if (alive > world.concurrency) wrong.push(`${name} ran ${alive} sessions`);
        let ended = false;
        return {
          key: `${name}\u0000${jobId}`,
          ask: async (_prompt, asked) => {
            for (let left = own.turnMs; left > 0; left -= 2_000) {
              if (!asked.aborted) act(jobId);
              else if (!own.heedless) throw asked.reason;
              await time.sleep(Math.min(left, 2_000));
            }
            return name;
          },
          say: () => undefined,
          end: () => {
            if (!ended) alive -= 1;
            ended = true;
            return Promise.resolve(null);
          },
        };
      },
    };
    const reviewer: Reviewer = async ({ output, jobId }) => {
      await time.sleep(random() * 40_000);
      if (kernel.holds(name, jobId)) return { do: 'submit', output, edited: false };
      return random() < 0.5 ? { do: 'submit', output, edited: true } : { do: 'ask', prompt: 'again' };
    };
    const api = kernel.api(name, time, trouble, random() < 0.5);
    const worker = new AgentWorker({
      api: {
        ...api,
        available: (keys, options) => {
          polls.push({ window: name, at: time.monotonic() });
          return api.available(keys, options);
        },
        bid: (jobId, options) => {
          if (leases.owners.get(LEASE) !== name) wrong.push(`${name} bid without the store's lease`);
          return api.bid(jobId, options);
        },
        submit: (jobId, run, ...rest) => {
          if (!kernel.stands(run)) wrong.push(`${name} submitted ${run} at ${time.monotonic()}, when its lease was over`);
          return api.submit(jobId, run, ...rest);
        },
      },
      clock: time, log: silentLogger, leases: leases.of(name), leaseName: LEASE, agents, reviewer: world.review ? reviewer : null, refuses: () => Promise.resolve(null), onChange: () => undefined, random,
      rules: { capabilityKey: CAPABILITY, template: '{{input}}', ceilingNc: null, concurrency: world.concurrency, wantsObject: false },
      onEnd: (_job, end) => {
        if (end.how === 'lost') seen.lost += 1;
        else if (end.how !== 'submitted') seen.others += 1;
      },
    });
    let run: Promise<void> = Promise.resolve();
    time.setTimeout(() => {
      run = worker.run().catch((error: unknown) => void wrong.push(`${name} gave up: ${String(error)}`));
    }, own.opens);
    if (own.closes !== null) time.setTimeout(() => worker.giveUp(), Math.max(own.closes, own.opens + 1));
    else if (index < world.windows.length) time.setTimeout(() => worker.stop(), TROUBLE_MS);
    if (own.robbed !== null) time.setTimeout(() => {
      if (leases.owners.get(LEASE) === name) leases.owners.set(LEASE, 'nobody that stays');
      time.setTimeout(() => void (leases.owners.get(LEASE) === 'nobody that stays' && leases.owners.delete(LEASE)), 10_000);
    }, own.robbed);
    return { worker, ended: () => run, alive: () => alive };
  });

  await time.run(3_600_000, () => kernel.done);
  for (const { worker } of windows) worker.giveUp();
  await time.run(120_000);
  await Promise.all(windows.map((window) => window.ended()));
  if (!kernel.done) wrong.push('a job is left, though the network was whole for long');
  for (const { alive } of windows) if (alive() !== 0) wrong.push('a session was left');
  const settled = new Set(kernel.submits.map((submit) => submit.run));
  if (settled.size < world.jobs) wrong.push('a job was settled without its output');
  if (leases.owners.size > 0) wrong.push('the lease was not given back');
  for (let at = 0; at < 3_600_000; at += 60_000) {
    for (const [index] of windows.entries()) if (polls.filter((poll) => poll.window === `window-${index}` && poll.at >= at && poll.at < at + 60_000).length > 70) wrong.push('too many polls in a minute');
  }
  expect(wrong).toEqual([]);
  return seen;
}

test('P8, of agents: at most one window works on a job, nothing is submitted after its loss, every session ends, and every job is done in the end', { timeout: 120_000 }, async () => {
  const all: Seen = { lost: 0, acts: 0, others: 0 };
  await fc.assert(fc.asyncProperty(worlds, async (world) => {
    const seen = await play(world);
    all.lost += seen.lost;
    all.acts += seen.acts;
    all.others += seen.others;
  }), { numRuns: 2_000 });
  expect(all.lost).toBeGreaterThan(200);
  expect(all.others).toBeGreaterThan(50);
  expect(all.acts).toBeGreaterThan(5_000);
});
