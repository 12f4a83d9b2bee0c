import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WorkerTask } from '../../../src/core/systems/hebing/heldJob.ts';
import { work } from '../../../src/core/systems/hebing/workLoop.ts';
import type { Trouble } from './modelKernel.ts';
import { ModelKernel } from './modelKernel.ts';
import { randomOf, Simulation } from './simulation.ts';

/** Milliseconds of trouble; after them the network is whole. */
const TROUBLE_MS = 90_000;
const DAY_MS = 86_400_000;

const worlds = fc.record({
  seed: fc.integer(),
  leaseMs: fc.constantFrom(30_000, 15_000, 45_000),
  jobs: fc.integer({ min: 1, max: 3 }),
  /** In [0, 1]: how many requests, or answers, are lost, and how many are answered with 503. */
  loss: fc.double({ min: 0, max: 0.5, noNaN: true }),
  broken: fc.double({ min: 0, max: 0.4, noNaN: true }),
  latencyMs: fc.integer({ min: 1, max: 4_000 }),
  workers: fc.array(fc.record({
    skewMs: fc.oneof(fc.constant(0), fc.integer({ min: -1_000, max: 1_000 }), fc.integer({ min: -DAY_MS, max: DAY_MS })),
    upMs: fc.integer({ min: 0, max: DAY_MS }),
    workMs: fc.integer({ min: 0, max: 60_000 }),
    heartbeatMs: fc.constantFrom(10_000, 3_000, 1_000_000),
    /** Of a handler that does not stop when it is told to, but does nothing to the world either. */
    heedless: fc.boolean(),
    /** It throws so often, in [0, 1]. */
    fails: fc.constantFrom(0, 0, 0.3),
    /** Time without any network. */
    away: fc.record({ from: fc.integer({ min: 0, max: 60_000 }), ms: fc.integer({ min: 0, max: 80_000 }) }),
  }), { minLength: 2, maxLength: 3 }),
});
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

/** Plays a world; throws where a worker does what it may not. Gives what was seen. */
async function play(world: World): Promise<{ readonly lost: number; readonly acts: number }> {
  const time = new Simulation();
  const random = randomOf(world.seed);
  const kernel = new ModelKernel(time, world.leaseMs, world.jobs);
  const end = new AbortController();
  const wrong: string[] = [];
  const signals = new Map<string, AbortSignal>();
  /** When a run was known to its worker, and when its handler was over. */
  const began = new Map<string, number>();
  const over = new Map<string, number>();
  let [lost, acts] = [0, 0];

  const runs = world.workers.map((own, index) => {
    const name = `worker-${index}`;
    const clock = time.seenFrom(own.skewMs, own.upMs);
    const trouble = (): Trouble => {
      const at = time.monotonic();
      if (at > TROUBLE_MS) return { out: 20, back: 20, lost: null, broken: false };
      const away = at >= own.away.from && at < own.away.from + own.away.ms;
      const gone = away || random() < world.loss;
      return { out: random() * world.latencyMs, back: random() * world.latencyMs, lost: gone ? (random() < 0.5 ? 'out' : 'back') : null, broken: random() < world.broken };
    };
    const handler = async (task: WorkerTask, { signal }: { readonly signal: AbortSignal }): Promise<string> => {
      signals.set(task.taskRunId, signal);
      began.set(task.taskRunId, time.monotonic());
      signal.addEventListener('abort', () => void (end.signal.aborted || (lost += 1)));
      try {
        for (let left = own.workMs; left > 0; left -= 2_000) {
          if (!signal.aborted) {
            acts += 1;
            if (!kernel.holds(name, task.jobId)) wrong.push(`${name} acted on ${task.jobId} at ${time.monotonic()} without its lease`);
          } else if (!own.heedless) throw new Error('told to stop');
          await time.sleep(Math.min(left, 2_000));
        }
        if (random() < own.fails) throw new Error('the handler failed');
        return name;
      } finally {
        over.set(task.taskRunId, time.monotonic());
      }
    };
    // Without a Date of the server's, a computer whose clock is wrong knows the contract's lease alone.
    const tellsTime = own.skewMs !== 0 || random() < 0.5;
    const api = kernel.api(name, clock, trouble, tellsTime);
    const submit: typeof api.submit = (jobId, run, ...rest) => {
      if (signals.get(run)?.aborted === true) wrong.push(`${name} submitted ${run} after its signal`);
      if (!kernel.stands(run)) wrong.push(`${name} submitted ${run} at ${time.monotonic()}, when its lease was over`);
      return api.submit(jobId, run, ...rest);
    };
    return work({ api: { ...api, submit }, clock, handlers: new Map([['test.echo.v1', handler]]), heartbeatMs: own.heartbeatMs, once: false, onError: () => undefined, stopping: new AbortController().signal, signal: end.signal, random })
      .catch((error: unknown) => {
        if (!end.signal.aborted) wrong.push(`${name} gave up: ${String(error)}`);
      });
  });

  await time.run(900_000, () => kernel.done);
  end.abort();
  await time.run(120_000);
  await Promise.all(runs);
  if (!kernel.done) wrong.push('a job is left, though the network was whole for long');
  for (const [run, until] of over) {
    const sent = [began.get(run) ?? 0, ...kernel.beats.filter((beat) => beat.run === run && beat.at <= until).map((beat) => beat.at)];
    const ended = signals.get(run)?.aborted === true ? (sent.at(-1) ?? 0) : until;
    [...sent, ended].sort((one, other) => one - other).reduce((before, at) => {
      // A clock that is behind by what no `Date` shows takes the lease for so much longer.
      if (at - before > (world.leaseMs + 1_250) / 3 + 1) wrong.push(`${at - before} ms without a heartbeat of ${run}`);
      return at;
    });
  }
  expect(wrong).toEqual([]);
  return { lost, acts };
}

test('P8: at most one holder acts, nothing is submitted after loss, heartbeats are at most a third of the lease apart', { timeout: 120_000 }, async () => {
  const seen = { lost: 0, acts: 0 };
  await fc.assert(fc.asyncProperty(worlds, async (world) => {
    const { lost, acts } = await play(world);
    seen.lost += lost;
    seen.acts += acts;
  }), { numRuns: 2_000 });
  // Leases are really lost in these worlds, and much is done in them.
  expect(seen.lost).toBeGreaterThan(500);
  expect(seen.acts).toBeGreaterThan(10_000);
});
