import type { Clock } from '../../model/context.ts';
import type { JsonValue } from '../../model/json.ts';
import { sleep } from '../../transport/clock.ts';
import { backoff } from '../../transport/retry.ts';
import { HebingAPIError, HebingError } from './errors.ts';
import { claimJob } from './heldJob.ts';
import type { HeldJob, WorkerTask } from './heldJob.ts';
import type { AvailableJob } from './wire.ts';
import type { WorkerApi } from './workerApi.ts';
import { endsWorker, isUnanswered } from './workerErrors.ts';

/** Does a job. What it returns is submitted as JSON; where it throws, nothing is. `signal` fires when the job is not ours any more: stop then, what is returned later is dropped. */
export type JobHandler = (task: WorkerTask, options: { readonly signal: AbortSignal }) => unknown;

/** Which job an error is about. */
export interface JobRef {
  readonly jobId: string;
  readonly capabilityKey: string;
}

interface WorkOptions {
  readonly api: WorkerApi;
  readonly clock: Clock;
  /** By capability; what is added while it runs is registered with the next poll. */
  readonly handlers: ReadonlyMap<string, JobHandler>;
  readonly heartbeatMs: number;
  /** One poll, and the jobs that it gave. */
  readonly once: boolean;
  /** Told what did not stop the work; `job` is null where it was the poll. */
  readonly onError: (error: Error, job: JobRef | null) => void;
  /** Told of each output that was taken, with what the server said to it. */
  readonly onSubmitted?: ((job: JobRef, answer: JsonValue) => void) | undefined;
  /** No more jobs; the one under way is done and submitted. */
  readonly stopping: AbortSignal;
  /** Ends at once; nothing is submitted. */
  readonly signal: AbortSignal;
  readonly random?: (() => number) | undefined;
}

/** After so many bids of one list that others won, the list is too old to go on with. */
const MOST_BIDS = 5;
/** Who loses poll after poll asks more and more seldom: one who lists what is not to be had would be asked without end. */
const LOSING = { baseMs: 100, capMs: 5_000 } as const;
/** Milliseconds that a handler has to end after its signal before it is left alone. */
const GRACE_MS = 10_000;
/** Milliseconds from one poll to the next where the server does not make us wait and nothing was to be done. */
const PACE_MS = 1_000;
const POLL_AGAIN = { baseMs: 500, capMs: 30_000 } as const;
/** A job that was refused is not bid for again at once, though it be listed still. */
const BID_AGAIN = { baseMs: 1_000, capMs: 60_000 } as const;

/**
 * Registers, polls, bids, does the job, submits, until `stopping` or `signal`. Goes on after refused bids, lapsed leases, refused submissions and handlers that threw, and, unless `once`, through
 * outages. Rejects with what only the person can mend (WorkerNotEnabled, CapabilityNotRegistered, 401), with a registration or a poll that the server refuses for good, and with the
 * signal's reason.
 */
export async function work(options: WorkOptions): Promise<void> {
  await new WorkLoop(options).run();
}

class WorkLoop {
  readonly #options: WorkOptions;
  readonly #waiting: AbortSignal;
  readonly #registered = new Set<string>();
  /** Jobs that were refused: how often, and until when (monotonic) they are left alone. */
  readonly #refused = new Map<string, { readonly times: number; readonly until: number }>();
  #failures = 0;
  /** Polls in a row whose bids were all lost. */
  #losses = 0;

  constructor(options: WorkOptions) {
    this.#options = options;
    this.#waiting = AbortSignal.any([options.stopping, options.signal]);
  }

  async run(): Promise<void> {
    const { once, signal, stopping } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      if (stopping.aborted) return;
      try {
        await this.#cycle();
      } catch (error) {
        signal.throwIfAborted();
        if (stopping.aborted && this.#waiting.reason === error) return;
        throw error;
      }
      if (once) return;
    }
  }

  async #cycle(): Promise<void> {
    const { clock, once, random } = this.#options;
    const began = clock.monotonic();
    const jobs = await this.#poll();
    if (jobs === null) return;
    const tried = await this.#tryAll(jobs);
    if (once) return;
    if (tried === 'lost') {
      this.#losses += 1;
      // One race lost is none to wait for.
      if (this.#losses > 1) await sleep(clock, backoff(this.#losses - 1, { ...LOSING, random }), this.#waiting);
      return;
    }
    this.#losses = 0;
    if (tried === 'done') return;
    const passed = clock.monotonic() - began;
    if (passed < PACE_MS) await sleep(clock, PACE_MS - passed, this.#waiting);
  }

  /** The jobs that may be bid for; null after an outage, which it has waited for. */
  async #poll(): Promise<readonly AvailableJob[] | null> {
    const { api, handlers, once } = this.#options;
    const call = { signal: this.#waiting };
    try {
      const keys = [...handlers.keys()];
      if (keys.some((key) => !this.#registered.has(key))) {
        await api.register(keys, call);
        for (const key of keys) this.#registered.add(key);
      }
      const jobs = await api.available(keys, call);
      this.#failures = 0;
      return jobs.filter((job) => handlers.has(job.capabilityKey));
    } catch (error) {
      this.#waiting.throwIfAborted();
      if (once || !isUnanswered(error)) throw error;
      await this.#outage(error, null);
      return null;
    }
  }

  async #outage(error: Error, job: JobRef | null): Promise<void> {
    const { clock, onError, random } = this.#options;
    this.#failures += 1;
    onError(error, job);
    const asked = error instanceof HebingAPIError ? Math.min(error.retryAfterMs ?? 0, 300_000) : 0;
    if (!this.#options.once) await sleep(clock, Math.max(asked, backoff(this.#failures, { ...POLL_AGAIN, random })), this.#waiting);
  }

  /** Whether a bid was made, and won. After a job was done the list is stale: the next poll gives another. */
  async #tryAll(jobs: readonly AvailableJob[]): Promise<'none' | 'lost' | 'done'> {
    const { clock, once, signal, stopping } = this.#options;
    let lost = 0;
    let done = false;
    for (const job of jobs) {
      if (stopping.aborted || (lost >= MOST_BIDS && !once)) break;
      signal.throwIfAborted();
      const refused = this.#refused.get(job.id);
      if (refused !== undefined && refused.until > clock.monotonic()) continue;
      if (await this.#try(job)) {
        done = true;
        if (!once) break;
      } else lost += 1;
    }
    return done ? 'done' : lost > 0 ? 'lost' : 'none';
  }

  /** Bids for a job and does it. False where it is not to be had; true also where the list is not to be trusted any more. */
  async #try(job: AvailableJob): Promise<boolean> {
    const { api, clock, heartbeatMs, onError, random, signal } = this.#options;
    const ref = { jobId: job.id, capabilityKey: job.capabilityKey };
    let held;
    try {
      held = await claimJob(api, job, { clock, heartbeatMs, random, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (endsWorker(error)) throw error;
      const failure = asError(error);
      if (isUnanswered(failure)) {
        await this.#outage(failure, ref);
        return true;
      }
      this.#leaveAlone(job.id);
      onError(failure, ref);
      return false;
    }
    this.#refused.delete(job.id);
    using own = held;
    await this.#do(own, ref);
    return true;
  }

  #leaveAlone(jobId: string): void {
    const { clock, random } = this.#options;
    const now = clock.monotonic();
    if (this.#refused.size > 1_000) for (const [id, { until }] of this.#refused) if (until <= now) this.#refused.delete(id);
    const times = (this.#refused.get(jobId)?.times ?? 0) + 1;
    this.#refused.set(jobId, { times, until: now + backoff(times, { ...BID_AGAIN, random }) });
  }

  async #do(held: HeldJob, ref: JobRef): Promise<void> {
    const { onError, signal } = this.#options;
    try {
      const output = await this.#handled(held);
      signal.throwIfAborted();
      if (held.signal.aborted) throw held.signal.reason;
      const answer = await held.submit(output, { signal });
      this.#options.onSubmitted?.(ref, answer);
    } catch (error) {
      signal.throwIfAborted();
      // Whatever a handler says that was told to stop: the loss is what happened.
      const failure = asError(held.signal.aborted ? held.signal.reason : error);
      if (endsWorker(failure)) throw failure;
      onError(failure, ref);
    }
  }

  /** What the handler gives, or throws; once the job is lost or the work ends, it is waited for GRACE_MS at most. */
  async #handled(held: HeldJob): Promise<unknown> {
    const { clock, handlers } = this.#options;
    const handler = handlers.get(held.task.capabilityKey);
    if (handler === undefined) throw new HebingError('invalid_argument', `There is no handler for ${held.task.capabilityKey} any more.`);
    const signal = AbortSignal.any([held.signal, this.#options.signal]);
    const running = (async () => handler(held.task, { signal }))();
    const left = Promise.withResolvers<null>();
    const grace: { cancel(): void }[] = [];
    const onAbort = (): void => void grace.push(clock.setTimeout(() => left.resolve(null), GRACE_MS));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([running, left.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      for (const timer of grace) timer.cancel();
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new HebingError('handler_failed', `The handler threw ${typeof error === 'string' ? `"${error}"` : 'something that is no error'}.`, { cause: error });
}
