import type { CallOptions } from '../../core/model/backend.ts';
import type { Clock } from '../../core/model/context.ts';
import type { JsonValue } from '../../core/model/json.ts';
import { HebingError } from '../../core/systems/hebing/errors.ts';
import { claimJob } from '../../core/systems/hebing/heldJob.ts';
import type { HeldJob } from '../../core/systems/hebing/heldJob.ts';
import type { WorkerApi } from '../../core/systems/hebing/workerApi.ts';
import { SubmitValidationFailed, WorkerError } from '../../core/systems/hebing/workerErrors.ts';

/** Milliseconds between two heartbeats (hebing.md, Worker 4). */
const HEARTBEAT_MS = 10_000;
/** Why so many of the jobs that were lost of late were. */
const REMEMBERED = 200;

interface Claim {
  readonly held: HeldJob;
  readonly limit: { cancel(): void };
  /** Settles with the submission under way; never rejects. */
  submitting: Promise<void>;
}

/** The jobs that this process has won for the agent that it serves: their leases are held in the background, each for a bounded time. */
export class Claims implements Disposable {
  readonly #api: WorkerApi;
  readonly #clock: Clock;
  readonly #claims = new Map<string, Claim>();
  readonly #bidding = new Set<string>();
  readonly #lost = new Map<string, Error>();
  #closed = false;

  constructor(api: WorkerApi, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
  }

  /** Bids once. From then on the lease is held until the output is taken, `holdSeconds` are over, or it is lost. Rejects with BidRejected, `already_claimed`, what kept the bid from being answered. */
  async claim(job: { readonly id: string; readonly capabilityKey: string; readonly maxBudgetNc: number | null }, holdSeconds: number, { signal }: CallOptions = {}): Promise<HeldJob> {
    if (this.#claims.has(job.id) || this.#bidding.has(job.id)) throw new WorkerError('already_claimed', `Job ${job.id} is held here already. Submit its output.`);
    this.#bidding.add(job.id);
    const held = await claimJob(this.#api, job, { clock: this.#clock, heartbeatMs: HEARTBEAT_MS, signal }).finally(() => this.#bidding.delete(job.id));
    if (this.#closed || signal?.aborted === true) {
      held[Symbol.dispose]();
      throw new HebingError('closed', 'Nobody waits for this job any more.');
    }
    const limit = this.#clock.setTimeout(() => {
      held[Symbol.dispose]();
      this.#forget(job.id, new WorkerError('hold_expired', `Job ${job.id} was held for ${holdSeconds} s, as long as was asked for. hebing gives it to another worker.`));
    }, holdSeconds * 1_000);
    this.#claims.set(job.id, { held, limit, submitting: Promise.resolve() });
    this.#lost.delete(job.id);
    held.signal.addEventListener('abort', () => this.#forget(job.id, held.loss), { once: true });
    return held;
  }

  /**
   * Sends the output of a job that is held here, and lets it go. One that fails the capability's validation stays, for another output. What is submitted while another submission of that job is under
   * way waits for it. Rejects with `not_claimed`, `already_submitted`, `hold_expired`, and what HeldJob.submit does.
   */
  async submit(jobId: string, output: JsonValue, options: CallOptions = {}): Promise<JsonValue> {
    const before = this.#claim(jobId);
    const done = before.submitting.then(() => this.#submit(jobId, output, options));
    before.submitting = done.then(() => undefined, () => undefined);
    return done;
  }

  #claim(jobId: string): Claim {
    const claim = this.#claims.get(jobId);
    if (claim === undefined) throw this.#lost.get(jobId) ?? new WorkerError('not_claimed', `Job ${jobId} is not held here. Claim it first.`);
    return claim;
  }

  async #submit(jobId: string, output: JsonValue, options: CallOptions): Promise<JsonValue> {
    options.signal?.throwIfAborted();
    const { held } = this.#claim(jobId);
    try {
      const answer = await held.submit(output, options);
      this.#forget(jobId, new WorkerError('already_submitted', `The output of job ${jobId} was submitted.`));
      return answer;
    } catch (error) {
      if (!(error instanceof SubmitValidationFailed) && error instanceof WorkerError && error.code !== 'output_not_json') this.#forget(jobId, error);
      throw error;
    }
  }

  /** Holds nothing any more: the leases lapse. */
  [Symbol.dispose](): void {
    this.#closed = true;
    for (const { held, limit } of this.#claims.values()) {
      limit.cancel();
      held[Symbol.dispose]();
    }
    this.#claims.clear();
  }

  #forget(jobId: string, reason: Error): void {
    this.#claims.get(jobId)?.limit.cancel();
    this.#claims.delete(jobId);
    this.#lost.set(jobId, reason);
    const [oldest] = this.#lost.keys();
    if (this.#lost.size > REMEMBERED && oldest !== undefined) this.#lost.delete(oldest);
  }
}
