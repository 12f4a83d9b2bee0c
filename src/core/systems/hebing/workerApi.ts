import type { CallOptions } from '../../model/backend.ts';
import type { Clock } from '../../model/context.ts';
import type { JsonValue } from '../../model/json.ts';
import { HebingError } from './errors.ts';
import type { HebingHttp, HebingRequest } from './http.ts';
import { LEASE_MS, leaseMs, sentNow } from './lease.ts';
import type { Sent } from './lease.ts';
import { paths } from './paths.ts';
import type { AvailableJob } from './wire.ts';
import { readAvailable, readBid, readLease, readList } from './wire.ts';
import { BidRejected, workerError } from './workerErrors.ts';

/** A bid that won. */
export interface Grant {
  readonly taskRunId: string;
  readonly inputEnvelope: JsonValue;
  /** As the server wrote it. */
  readonly leaseExpiresAt: string | number | null;
  readonly sent: Sent;
  /** Milliseconds from `sent` on. */
  readonly lastsMs: number;
}
interface TimedCall extends CallOptions {
  readonly deadlineMs?: number;
}

/** The five requests of a worker. None is repeated here, save the registration: what becomes of one that brought no answer is its caller's to find out. */
export interface WorkerApi {
  register(capabilityKeys: readonly string[], call?: CallOptions): Promise<JsonValue>;
  /** Waits up to `waitSeconds` (0 to 25) for a job of these capabilities. */
  available(capabilityKeys: readonly string[], call?: CallOptions & { readonly waitSeconds?: number }): Promise<readonly AvailableJob[]>;
  /** Rejects with BidRejected. */
  bid(jobId: string, call?: CallOptions): Promise<Grant>;
  /** Milliseconds that the lease lasts from the sending on; null where the server does not tell. Rejects with TaskRunNotFound, LeaseExpired. */
  heartbeat(jobId: string, taskRunId: string, call?: TimedCall): Promise<number | null>;
  /** What the server says to it. Rejects with TaskRunNotFound, LeaseExpired, SubmitValidationFailed. */
  submit(jobId: string, taskRunId: string, output: JsonValue, call?: CallOptions): Promise<JsonValue>;
}

/** Seconds of the long-poll (hebing.md, Worker 2). */
const POLL_SECONDS = 25;
/** Milliseconds that an answer may take beyond what it was asked to wait. */
const MARGIN_MS = 10_000;

/** The worker's requests over HTTP. */
export class HttpWorkerApi implements WorkerApi {
  readonly #http: HebingHttp;
  readonly #clock: Clock;

  constructor(http: HebingHttp, clock: Clock) {
    this.#http = http;
    this.#clock = clock;
  }

  async register(capabilityKeys: readonly string[], call: CallOptions = {}): Promise<JsonValue> {
    return (await this.#call('register', '', { ...call, method: 'POST', path: paths.register, json: { capability_keys: capabilityKeys }, idempotent: true })).body;
  }

  async available(capabilityKeys: readonly string[], { waitSeconds = POLL_SECONDS, ...call }: CallOptions & { readonly waitSeconds?: number } = {}): Promise<readonly AvailableJob[]> {
    const query = { capability_keys: capabilityKeys.join(','), wait: String(waitSeconds) };
    const { body } = await this.#call('available', '', { ...call, method: 'GET', path: paths.available, query, deadlineMs: waitSeconds * 1_000 + MARGIN_MS, idempotent: false });
    return readList(body, readAvailable);
  }

  async bid(jobId: string, call: CallOptions = {}): Promise<Grant> {
    const { body, serverTime, sent } = await this.#call('bid', jobId, { ...call, method: 'POST', path: paths.bid(jobId), json: {}, idempotent: false });
    const { accepted, reason, taskRunId, inputEnvelope, leaseExpiresAt } = readBid(body);
    if (!accepted) throw new BidRejected(jobId, reason);
    if (taskRunId === null) throw new HebingError('bad_answer', `hebing accepted the bid for job ${jobId} without a task run.`);
    return { taskRunId, inputEnvelope, leaseExpiresAt, sent, lastsMs: leaseMs(leaseExpiresAt, sent, serverTime) ?? LEASE_MS };
  }

  async heartbeat(jobId: string, taskRunId: string, call: TimedCall = {}): Promise<number | null> {
    const { body, serverTime, sent } = await this.#call('heartbeat', jobId, { ...call, method: 'POST', path: paths.heartbeat(jobId), json: { task_run_id: taskRunId }, idempotent: false });
    return body === null ? null : leaseMs(readLease(body).leaseExpiresAt, sent, serverTime);
  }

  async submit(jobId: string, taskRunId: string, output: JsonValue, call: CallOptions = {}): Promise<JsonValue> {
    return (await this.#call('submit', jobId, { ...call, method: 'POST', path: paths.submit(jobId), json: { task_run_id: taskRunId, output }, idempotent: false })).body;
  }

  async #call(step: Parameters<typeof workerError>[1], jobId: string, request: HebingRequest) {
    const sent = sentNow(this.#clock);
    try {
      return { ...(await this.#http.request(request)), sent };
    } catch (error) {
      throw workerError(error, step, jobId);
    }
  }
}
