import type { CallOptions } from '../../../src/core/model/backend.ts';
import type { Clock } from '../../../src/core/model/context.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { abortReason } from '../../../src/core/transport/clock.ts';
import { HebingAPIError, HebingTransportError } from '../../../src/core/systems/hebing/errors.ts';
import { LEASE_MS, leaseMs, sentNow } from '../../../src/core/systems/hebing/lease.ts';
import type { AvailableJob } from '../../../src/core/systems/hebing/wire.ts';
import type { Grant, WorkerApi } from '../../../src/core/systems/hebing/workerApi.ts';
import { BidRejected, workerError } from '../../../src/core/systems/hebing/workerErrors.ts';
import type { Simulation } from './simulation.ts';

interface Run {
  readonly id: string;
  readonly worker: string;
  lapsesAt: number;
}
interface ModelJob {
  readonly id: string;
  run: Run | null;
  settled: { readonly worker: string; readonly output: JsonValue } | null;
}
interface Beat {
  readonly run: string;
  readonly at: number;
}

/** What a network does to one request. */
export interface Trouble {
  /** Milliseconds to the server and back. */
  readonly out: number;
  readonly back: number;
  /** Where it is lost: on the way, or with its answer. */
  readonly lost: 'out' | 'back' | null;
  /** The server answers 503 without having done anything. */
  readonly broken: boolean;
}

/** hebing's side of the worker contract (hebing.md, Worker) in simulated time: jobs, first come first served, leases that lapse. */
export class ModelKernel {
  readonly jobs: ModelJob[];
  readonly beats: Beat[] = [];
  /** Submissions when they were sent. */
  readonly submits: Beat[] = [];
  readonly #time: Simulation;
  readonly #leaseMs: number;
  #runs = 0;

  constructor(time: Simulation, leaseMs: number, jobs: number) {
    this.#time = time;
    this.#leaseMs = leaseMs;
    this.jobs = Array.from({ length: jobs }, (_, index) => ({ id: `job-${index}`, run: null, settled: null }));
  }

  get done(): boolean {
    return this.jobs.every((job) => job.settled !== null);
  }

  /** True while that worker, and so nobody else, may act on the job. */
  holds(worker: string, jobId: string): boolean {
    const job = this.jobs.find((one) => one.id === jobId);
    return job?.run?.worker === worker && job.run.lapsesAt > this.#time.monotonic();
  }

  /** True while the run's lease holds, and once its output was taken. */
  stands(run: string): boolean {
    return this.jobs.some((job) => job.run?.id === run && (job.settled !== null || job.run.lapsesAt > this.#time.monotonic()));
  }

  /** The requests of one worker, whose clock is its own, over a network that does to each what `trouble` says. `tellsTime`: answers carry a `Date`. */
  api(worker: string, clock: Clock, trouble: () => Trouble, tellsTime: boolean): WorkerApi {
    const call = <T>(answer: () => T, options: CallOptions & { readonly deadlineMs?: number }): Promise<T> => this.#call(answer, trouble(), options);
    const dated = (): number | null => (tellsTime ? Math.floor(this.#time.now() / 1_000) * 1_000 : null);
    const lease = (): { readonly at: string; readonly date: number | null } => ({ at: new Date(this.#time.now() + this.#leaseMs).toISOString(), date: dated() });
    return {
      register: (_keys, options = {}) => call(() => null, options),
      available: (keys, options = {}) => call(() => this.#available(keys[0] ?? ''), { ...options, deadlineMs: 35_000 }),
      bid: async (jobId, options = {}): Promise<Grant> => {
        const sent = sentNow(clock);
        const run = `run-${(this.#runs += 1)}`;
        const { at, date } = await call(() => this.#bid(worker, jobId, run, lease), options);
        return { taskRunId: run, inputEnvelope: { input_payload: {} }, leaseExpiresAt: at, sent, lastsMs: leaseMs(at, sent, date) ?? LEASE_MS };
      },
      heartbeat: async (jobId, run, options = {}) => {
        const sent = sentNow(clock);
        this.beats.push({ run, at: this.#time.monotonic() });
        const { at, date } = await call(() => this.#heartbeat(jobId, run, lease), options);
        return leaseMs(at, sent, date);
      },
      submit: async (jobId, run, output, options = {}) => {
        this.submits.push({ run, at: this.#time.monotonic() });
        return call(() => this.#submit(jobId, run, output), options);
      },
    };
  }

  async #call<T>(answer: () => T, { out, back, lost, broken }: Trouble, { signal, deadlineMs = 30_000 }: CallOptions & { readonly deadlineMs?: number }): Promise<T> {
    if (signal?.aborted === true) throw abortReason(signal);
    const given = Promise.withResolvers<T>();
    const onAbort = (): void => given.reject(abortReason(signal));
    signal?.addEventListener('abort', onAbort, { once: true });
    const late = this.#time.setTimeout(() => given.reject(new HebingTransportError('timeout', 'late')), deadlineMs);
    if (lost !== 'out') {
      this.#time.setTimeout(() => {
        let act: () => void;
        try {
          if (broken) throw new HebingAPIError(503, 'server_error', '');
          const value = answer();
          act = () => given.resolve(value);
        } catch (error) {
          act = () => given.reject(error);
        }
        if (lost === null) this.#time.setTimeout(act, back);
      }, out);
    }
    try {
      return await given.promise;
    } finally {
      late.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #available(capabilityKey: string): readonly AvailableJob[] {
    return this.jobs.filter((job) => job.settled === null && !this.#leased(job)).map((job) => ({ id: job.id, capabilityKey, maxBudgetNc: null }));
  }

  #leased(job: ModelJob): boolean {
    return job.run !== null && job.run.lapsesAt > this.#time.monotonic();
  }

  #bid<T>(worker: string, jobId: string, run: string, granted: () => T): T {
    const job = this.#job(jobId);
    if (job.settled !== null) throw workerError(new HebingAPIError(410, 'gone', ''), 'bid', jobId);
    if (this.#leased(job)) throw new BidRejected(jobId, 'lost_race');
    job.run = { id: run, worker, lapsesAt: this.#time.monotonic() + this.#leaseMs };
    return granted();
  }

  #run(jobId: string, run: string, step: 'heartbeat' | 'submit'): ModelJob & { readonly run: Run } {
    const job = this.#job(jobId);
    if (job.run?.id !== run || job.settled !== null) throw workerError(new HebingAPIError(404, 'not_found', ''), step, jobId);
    if (!this.#leased(job)) throw workerError(new HebingAPIError(410, 'gone', ''), step, jobId);
    return job as ModelJob & { readonly run: Run };
  }

  #heartbeat<T>(jobId: string, run: string, granted: () => T): T {
    this.#run(jobId, run, 'heartbeat').run.lapsesAt = this.#time.monotonic() + this.#leaseMs;
    return granted();
  }

  #submit(jobId: string, run: string, output: JsonValue): JsonValue {
    const job = this.#run(jobId, run, 'submit');
    job.settled = { worker: job.run.worker, output };
    return { status: 'succeeded' };
  }

  #job(jobId: string): ModelJob {
    const job = this.jobs.find((one) => one.id === jobId);
    if (job === undefined) throw new HebingAPIError(404, 'not_found', '');
    return job;
  }
}
