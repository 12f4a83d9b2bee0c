import type { CallOptions } from '../../model/backend.ts';
import type { Clock } from '../../model/context.ts';
import { isAbort } from '../../model/errors.ts';
import type { JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { sleep } from '../../transport/clock.ts';
import { backoff } from '../../transport/retry.ts';
import { HebingAPIError, HebingError, HebingTransportError } from './errors.ts';
import { HeldLease } from './lease.ts';
import type { AvailableJob } from './wire.ts';
import type { WorkerApi } from './workerApi.ts';
import { endsWorker, isUnanswered, LeaseExpired, TaskRunNotFound, WorkerError } from './workerErrors.ts';

/** A job that was won, as its handler sees it. */
export interface WorkerTask {
  readonly jobId: string;
  readonly capabilityKey: string;
  /** What the caller gave: the envelope's `input_payload` or `input`, else the envelope itself. As it came. */
  readonly input: JsonValue;
  readonly inputEnvelope: JsonValue;
  readonly maxBudgetNc: number | null;
  readonly taskRunId: string;
  /** As the bid was answered, in the server's own form; heartbeats move it on. */
  readonly leaseExpiresAt: string | number | null;
}

interface ClaimOptions {
  readonly clock: Clock;
  /** Milliseconds between two heartbeats; a third of the lease at most. */
  readonly heartbeatMs: number;
  readonly random?: (() => number) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How often one output is sent at most. */
const SUBMITS = 4;

/**
 * Bids once and holds the job's lease from then on. Rejects with BidRejected, with LeaseExpired where the lease that it brought is over, and with what kept the bid from being answered: what became of that one is not known, so it is not repeated. A
 * job that was not given is among the available ones still; one that was lapses.
 */
export async function claimJob(api: WorkerApi, job: Pick<AvailableJob, 'id' | 'capabilityKey' | 'maxBudgetNc'>, options: ClaimOptions): Promise<HeldJob> {
  const { clock, heartbeatMs, random, signal } = options;
  const grant = await api.bid(job.id, signal === undefined ? {} : { signal });
  const { taskRunId, inputEnvelope, leaseExpiresAt, sent, lastsMs } = grant;
  const lease = new HeldLease({ jobId: job.id, clock, sent, lastsMs, intervalMs: heartbeatMs, random, renew: (call) => api.heartbeat(job.id, taskRunId, call) });
  if (lease.signal.aborted) throw lease.reason;
  const task = { jobId: job.id, capabilityKey: job.capabilityKey, input: inputOf(inputEnvelope), inputEnvelope, maxBudgetNc: job.maxBudgetNc, taskRunId, leaseExpiresAt };
  return new HeldJob(api, task, lease, clock, random);
}

/** One won job: its lease is renewed until an output was taken, it was given up (`Symbol.dispose`), or it was lost. */
export class HeldJob implements Disposable {
  readonly task: WorkerTask;
  readonly #api: WorkerApi;
  readonly #lease: HeldLease;
  readonly #clock: Clock;
  readonly #random: (() => number) | undefined;
  /** An output was sent, and its answer not waited for: it may have been taken. */
  #left = false;

  constructor(api: WorkerApi, task: WorkerTask, lease: HeldLease, clock: Clock, random?: () => number) {
    this.task = task;
    this.#api = api;
    this.#lease = lease;
    this.#clock = clock;
    this.#random = random;
  }

  /** Fires when the job is not ours any more, before its lease lapses. */
  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  /** Why it is not ours any more: as `signal` says, or `submit_unknown` where an output may have been its end. */
  get loss(): Error {
    return this.#left ? this.#unknown(this.#lease.reason) : this.#lease.reason;
  }

  /**
   * Sends the output and ends the lease. What a submission that brought no answer has done, a heartbeat tells: where the job is still ours it was not taken, and is sent again; where it is
   * not, most likely it was, and `submit_unknown` says so. Rejects with SubmitValidationFailed (the job stays ours: another output may be sent), TaskRunNotFound, LeaseExpired, what only
   * the person can mend, `output_not_json`, the signal's reason. One at a time: who calls it waits for the one before.
   */
  async submit(output: unknown, { signal }: CallOptions = {}): Promise<JsonValue> {
    const value = jsonOf(output);
    const lease = this.#lease;
    if (lease.signal.aborted) throw this.loss;
    // One of the clocks has jumped, or this program stood still: whose the job is, the server knows.
    if (!lease.held) await lease.confirm().catch((error: unknown) => this.#lost(error));
    return lease.whileSettling(() => this.#send(value, signal));
  }

  /** Gives the job up without an output: the lease lapses. */
  [Symbol.dispose](): void {
    this.#lease[Symbol.dispose]();
  }

  async #send(output: JsonValue, signal: AbortSignal | undefined): Promise<JsonValue> {
    const { jobId, taskRunId } = this.task;
    for (let sent = 1; ; sent += 1) {
      try {
        const answer = await this.#api.submit(jobId, taskRunId, output, signal === undefined ? {} : { signal });
        this[Symbol.dispose]();
        return answer;
      } catch (error) {
        if (signal?.aborted === true || isAbort(error)) {
          this.#left = true;
          throw error;
        }
        if (isUnanswered(error)) await this.#isOurs(error, sent, signal);
        else throw this.#refused(error, sent);
      }
    }
  }

  /** Resolves where a heartbeat says that an output without an answer was not taken. Rejects with `submit_unknown`, what only the person can mend, the signal's reason. */
  async #isOurs(error: Error, sent: number, signal: AbortSignal | undefined): Promise<void> {
    const asked = error instanceof HebingAPIError ? (error.retryAfterMs ?? 0) : 0;
    for (let tried = sent; ; tried += 1) {
      if (tried >= SUBMITS || !this.#lease.held) throw this.#unknown(error);
      await sleep(this.#clock, Math.max(asked, backoff(tried, { baseMs: 500, capMs: 5_000, random: this.#random })), signal);
      if (!this.#lease.held) throw this.#unknown(error);
      try {
        await this.#lease.confirm();
        return;
      } catch (probe) {
        if (endsWorker(probe)) throw probe;
        if (!this.#lease.held) throw this.#unknown(probe);
      }
    }
  }

  #refused(error: unknown, sent: number): Error {
    const over = error instanceof TaskRunNotFound || error instanceof LeaseExpired;
    // What refuses a repeat may be that the first one was taken.
    if ((sent > 1 || this.#left) && (over || (error instanceof HebingAPIError && error.status === 409))) return this.#unknown(error);
    const reason = error instanceof Error ? error : new HebingError('bad_answer', String(error));
    if (over || endsWorker(error)) this.#lease.lose(reason);
    return reason;
  }

  #unknown(cause: unknown): WorkerError {
    const error = new WorkerError('submit_unknown', `hebing did not confirm the output of job ${this.task.jobId}. It may have taken it; it is not sent again.`, { cause });
    this[Symbol.dispose]();
    return error;
  }

  #lost(error: unknown): never {
    const reason = error instanceof HebingTransportError || !(error instanceof Error) ? new LeaseExpired(this.task.jobId, { cause: error }) : error;
    this.#lease.lose(reason);
    throw this.loss;
  }
}

function inputOf(envelope: JsonValue): JsonValue {
  if (!isJsonObject(envelope)) return envelope;
  return [envelope['input_payload'], envelope['input']].find(isJsonObject) ?? envelope;
}

/** What JSON carries of a value; nothing is null. Throws `output_not_json`. */
function jsonOf(output: unknown): JsonValue {
  try {
    return JSON.parse(JSON.stringify(output ?? null) ?? 'null') as JsonValue;
  } catch (cause) {
    throw new WorkerError('output_not_json', 'The output cannot be written as JSON. Give plain objects, lists, texts, numbers.', { cause });
  }
}
