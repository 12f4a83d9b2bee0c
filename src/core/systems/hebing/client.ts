import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import type { CallOptions } from '../../model/backend.ts';
import type { JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { sleep, systemClock } from '../../transport/clock.ts';
import { keepAlive } from '../../transport/wait.ts';
import type { HebingPlaces } from './credentials.ts';
import { findCredentials, saveCredentials } from './credentials.ts';
import type { DeviceLoginOptions } from './device.ts';
import { deviceLogin } from './device.ts';
import { HebingError, invalid, JobTimeout, requirePositive } from './errors.ts';
import type { HebingFile, HebingHttpOptions } from './http.ts';
import { HebingHttp, isPassing } from './http.ts';
import { paths } from './paths.ts';
import type { Capability, Job, JobEvent } from './wire.ts';
import { readCapability, readEvent, readJob, readList } from './wire.ts';

export interface HebingClientOptions extends HebingPlaces, Omit<HebingHttpOptions, 'baseUrl'> {}
export interface HebingCallOptions extends CallOptions {
  /** Calls with the same key are the same job, whatever became of the earlier ones; one of its own is made for each call where it is left out. */
  readonly idempotencyKey?: string;
}
export interface HebingWaitOptions extends CallOptions {
  /** Seconds; 300 by default. */
  readonly timeout?: number;
  /** Told of the job each time that it is looked at. */
  readonly onJob?: (job: Job) => void;
}
export interface HebingLoginOptions extends DeviceLoginOptions {
  /** Keeps the key in `~/.chaojiyuyan/credentials`; true by default. */
  readonly save?: boolean;
}

/** Milliseconds between two looks at a job: the first, and the longest; `most` is what a server may ask for. */
const LOOK = { first: 500, longest: 5_000, factor: 1.5, most: 3_600_000 } as const;
const LAST: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled', 'expired']);

/** True for a job that is over, well or not. */
export function isTerminal(job: Pick<Job, 'status'>): boolean {
  return LAST.has(job.status);
}

/**
 * Who calls capabilities. Every rejection is a HebingError (HebingAPIError, HebingTransportError, JobTimeout, or the root's own codes), save an abort, which rejects with the signal's reason.
 * Reads, and calls under their idempotency key, are sent again after failures of the network, 429 and passing 5xx (3 tries).
 */
export class HebingClient implements AsyncDisposable {
  readonly #http: HebingHttp;
  readonly #options: HebingClientOptions;

  /** Key and address as `findCredentials` finds them. Throws what it throws. */
  constructor(options: HebingClientOptions = {}) {
    const { apiKey, baseUrl } = findCredentials(options);
    this.#options = options;
    this.#http = new HebingHttp(apiKey, { ...options, baseUrl });
  }

  /** The key from the environment, else from the credentials file. Throws `credentials_missing`, which says where it was looked for. */
  static fromEnv(options: Omit<HebingClientOptions, 'apiKey'> = {}): HebingClient {
    return new HebingClient({ ...options, apiKey: undefined });
  }

  /** Signs in by a code that the person approves in a browser, keeps the key (unless `save` is false), and gives a client that has it. Rejects with DeviceFlowError, DeviceFlowTimeout, `not_saved`. */
  static async loginDeviceFlow(options: HebingLoginOptions): Promise<HebingClient> {
    const { apiKey, baseUrl } = await deviceLogin(options);
    if (options.save !== false) await saveCredentials({ apiKey, baseUrl }, options.env);
    return new HebingClient({ ...options, apiKey, baseUrl });
  }

  get baseUrl(): string {
    return this.#http.baseUrl;
  }

  async capabilities(options: CallOptions = {}): Promise<Capability[]> {
    return readList(await this.#get(paths.capabilities, options), readCapability);
  }

  /** Makes a job. The same job again where one with that key is there already: nothing that becomes of the way makes a second one. */
  async call(capabilityKey: string, input: JsonValue, options: HebingCallOptions = {}): Promise<Job> {
    if (typeof capabilityKey !== 'string' || capabilityKey.trim() === '') throw invalid('The capability is empty. Give one of capabilities().');
    if (!isJsonObject(input)) throw invalid('The input must be a JSON object.');
    const key = options.idempotencyKey ?? randomUUID();
    if (typeof key !== 'string' || key.trim() === '') throw invalid('idempotencyKey is empty. Leave it out, or give a text of your own.');
    const json = { capability_key: capabilityKey, input_payload: input, idempotency_key: key };
    return readJob((await keepAlive(this.#http.request({ method: 'POST', path: paths.jobs, json, idempotent: true, signal: options.signal }))).body);
  }

  /** Rejects with HebingAPIError 404 for a job that is not there, or another agent's. */
  async getJob(id: string, options: CallOptions = {}): Promise<Job> {
    return readJob(await this.#get(paths.job(id), options));
  }

  /** The jobs that this key made. */
  async listJobs(options: CallOptions = {}): Promise<Job[]> {
    return readList(await this.#get(paths.jobs, options), readJob);
  }

  async jobEvents(id: string, options: CallOptions = {}): Promise<JobEvent[]> {
    return readList(await this.#get(paths.jobEvents(id), options), readEvent);
  }

  /**
   * The job when it is over, which may be as a failure: look at its `status`. Looks again after 0.5 s and less and less often, up to every 5 s; failures of the network, 429 and 5xx in
   * between are waited out. Rejects with JobTimeout.
   */
  wait(id: string, options: HebingWaitOptions = {}): Promise<Job> {
    return keepAlive(this.#wait(id, options));
  }

  async #wait(id: string, { timeout = 300, signal, onJob }: HebingWaitOptions): Promise<Job> {
    requirePositive(timeout, 'timeout');
    const path = paths.job(id);
    const clock = this.#options.clock ?? systemClock;
    const until = clock.monotonic() + timeout * 1_000;
    let pauseMs: number = LOOK.first;
    let last: Job | null = null;
    let trouble: unknown;
    for (;;) {
      let askedMs = 0;
      try {
        const deadlineMs = Math.max(1, Math.min(this.#options.deadlineMs ?? 30_000, until - clock.monotonic()));
        last = readJob((await this.#http.request({ method: 'GET', path, idempotent: false, deadlineMs, signal })).body);
        trouble = undefined;
        onJob?.(last);
        if (isTerminal(last)) return last;
      } catch (error) {
        if (!(error instanceof HebingError) || !isPassing(error)) throw error;
        trouble = error;
        askedMs = 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : 0;
      }
      const leftMs = until - clock.monotonic();
      if (leftMs <= 0) throw new JobTimeout(id, timeout, last?.status ?? null, { cause: trouble });
      await sleep(clock, Math.min(Math.max(pauseMs, askedMs), leftMs, LOOK.most), signal);
      if (until - clock.monotonic() <= 0) throw new JobTimeout(id, timeout, last?.status ?? null, { cause: trouble });
      pauseMs = Math.min(LOOK.longest, pauseMs * LOOK.factor);
    }
  }

  /** The bytes of an artifact that is at an http or https address. The key is sent to hebing's own origin and to no other. Rejects with `bad_answer` for more than `maxBytes` (64 MiB by default). */
  async artifact(url: string, options: { readonly maxBytes?: number; readonly onBytes?: (bytes: number) => void } & CallOptions = {}): Promise<HebingFile> {
    return keepAlive(this.#http.download(url, options));
  }

  async #get(path: string, options: CallOptions): Promise<JsonValue> {
    return (await keepAlive(this.#http.request({ method: 'GET', path, idempotent: true, signal: options.signal }))).body;
  }

  toJSON(): { readonly baseUrl: string } {
    return { baseUrl: this.baseUrl };
  }
  [inspect.custom](): string {
    return `HebingClient { baseUrl: ${JSON.stringify(this.baseUrl)} }`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

/** The same class, by the name that the Python SDK has for it. */
export const NexusClient = HebingClient;
export type NexusClient = HebingClient;
