import { inspect } from 'node:util';
import type { CallOptions } from '../../model/backend.ts';
import type { Clock } from '../../model/context.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { systemClock } from '../../transport/clock.ts';
import { keepAlive } from '../../transport/wait.ts';
import { findCredentials } from './credentials.ts';
import type { HebingPlaces } from './credentials.ts';
import { HebingError, invalid } from './errors.ts';
import { HebingHttp } from './http.ts';
import type { HebingHttpOptions } from './http.ts';
import { HttpWorkerApi } from './workerApi.ts';
import type { WorkerApi } from './workerApi.ts';
import { WorkerError } from './workerErrors.ts';
import { work } from './workLoop.ts';
import type { JobHandler, JobRef } from './workLoop.ts';

/** Key and address as `findCredentials` finds them. */
export interface WorkerOptions extends HebingPlaces, Omit<HebingHttpOptions, 'baseUrl'> {}

export interface RunOptions extends CallOptions {
  /** One poll (25 s at most) and the jobs that it gave; an outage of it rejects. False by default. */
  readonly once?: boolean | undefined;
  /** Seconds between two heartbeats; 10 by default, and never more than a third of the lease. */
  readonly heartbeatInterval?: number | undefined;
  /** Told what did not stop the work: refused bids, lost leases, refused submissions, handlers that threw, outages. `job` is null where it was the poll. What it throws ends the run. */
  readonly onError?: ((error: Error, job: JobRef | null) => void) | undefined;
  /** Told of each output that was taken, with what the server said to it. */
  readonly onSubmitted?: ((job: JobRef, answer: JsonValue) => void) | undefined;
}

/**
 * Works for others: takes jobs of the capabilities that it has handlers for, one at a time, holds their leases and submits what the handlers give. Rejections are WorkerErrors,
 * HebingAPIError, HebingTransportError, HebingError, or the signal's reason.
 */
export class Worker implements AsyncDisposable {
  readonly #api: WorkerApi;
  readonly #http: HebingHttp;
  readonly #clock: Clock;
  readonly #random: (() => number) | undefined;
  readonly #handlers = new Map<string, JobHandler>();
  readonly #closing = new AbortController();
  #stopping = new AbortController();
  #running: Promise<void> | null = null;

  /** Throws `credentials_missing`, `credentials_malformed`, `plain_http_refused`, `invalid_argument`. */
  constructor(options: WorkerOptions = {}) {
    const { apiKey, baseUrl } = findCredentials(options);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.retry?.random;
    this.#http = new HebingHttp(apiKey, { ...options, baseUrl });
    this.#api = new HttpWorkerApi(this.#http, this.#clock);
  }

  /** With the key of the environment, else of the credentials file. Throws `credentials_missing`, which says where it was looked for. */
  static fromEnv(options: Omit<WorkerOptions, 'apiKey'> = {}): Worker {
    return new Worker({ ...options, apiKey: undefined });
  }

  get baseUrl(): string {
    return this.#http.baseUrl;
  }

  /** Who does the jobs of a capability; one that was named before is replaced. */
  handler(capabilityKey: string, handle: JobHandler): void {
    if (typeof capabilityKey !== 'string' || capabilityKey.trim() === '' || capabilityKey.includes(',')) throw invalid('The key of a capability is a text without commas, and not empty.');
    if (typeof handle !== 'function') throw invalid(`The handler of ${capabilityKey} is not a function.`);
    this.#handlers.set(capabilityKey, handle);
  }

  /** Tells hebing which capabilities this worker has handlers for. `run` does it too. */
  async registerHandlers({ signal }: CallOptions = {}): Promise<void> {
    this.#requireHandlers();
    await keepAlive(this.#api.register([...this.#handlers.keys()], signal === undefined ? {} : { signal }));
  }

  /**
   * Registers, then polls, bids, does jobs and submits, until `stop`. Goes on after bids that were refused, leases that were lost, submissions that were refused, handlers that threw, and
   * through outages, each told to `onError`. Rejects with WorkerNotEnabled, CapabilityNotRegistered and 401, with a registration or a poll that the server refuses for another reason
   * (400, 404), `already_running`, `invalid_argument`, and the signal's reason; what is under way then is given up.
   */
  async run(options: RunOptions = {}): Promise<void> {
    const { once = false, heartbeatInterval = 10, onError = () => undefined, onSubmitted, signal } = options;
    if (typeof heartbeatInterval !== 'number' || !(heartbeatInterval > 0)) throw invalid('heartbeatInterval is a number of seconds above 0.');
    this.#requireHandlers();
    if (this.#closing.signal.aborted) throw new HebingError('closed', 'This worker is closed. Make another one.');
    if (this.#running !== null) throw new WorkerError('already_running', 'This worker runs already. Stop it first, or make another one.');
    this.#stopping = new AbortController();
    const ending = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
    const run = work({
      api: this.#api, clock: this.#clock, handlers: this.#handlers, heartbeatMs: heartbeatInterval * 1_000, once, onError, onSubmitted, stopping: this.#stopping.signal, signal: ending, random: this.#random,
    });
    this.#running = run.then(() => undefined, () => undefined);
    try {
      await keepAlive(run);
    } finally {
      this.#running = null;
    }
  }

  /** Takes no more jobs: `run` resolves once the one under way is done and submitted. */
  stop(): void {
    this.#stopping.abort();
  }

  toJSON(): JsonObject {
    return { baseUrl: this.baseUrl, capabilities: [...this.#handlers.keys()] };
  }
  [inspect.custom](): string {
    return `Worker ${JSON.stringify(this.toJSON())}`;
  }

  /** Gives up what is under way, submits nothing, and ends every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new HebingError('closed', 'The worker was closed.'));
    await this.#running;
    await this.#http[Symbol.asyncDispose]();
  }

  #requireHandlers(): void {
    if (this.#handlers.size === 0) throw invalid('The worker has no handler. Name one with handler(capabilityKey, …) first.');
  }
}
