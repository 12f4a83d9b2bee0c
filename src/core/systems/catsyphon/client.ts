import os from 'node:os';
import { inspect } from 'node:util';
import type { CallOptions } from '../../model/backend.ts';
import type { JsonObject } from '../../model/json.ts';
import { withRetry } from '../../transport/retry.ts';
import { keepAlive } from '../../transport/wait.ts';
import { CredentialStore } from './credentials.ts';
import type { DeliveryReport, ParkedEvent } from './delivery.ts';
import { Delivery } from './delivery.ts';
import { CredentialError, CatsyphonTransportError, invalid } from './errors.ts';
import { EventBuffer } from './eventBuffer.ts';
import type { CollectorEvent } from './events.ts';
import { EventMaker } from './events.ts';
import type { CatsyphonHttpOptions } from './http.ts';
import { catsyphonAddress, CatsyphonHttp } from './http.ts';
import { paths, sessionIdOf } from './paths.ts';
import type { RetryConfig, RetryPlan } from './retry.ts';
import { classify, retryPlan } from './retry.ts';
import type { CompleteOptions } from './session.ts';
import { CollectorSession } from './session.ts';
import type { Completion, Registration, SessionStatus } from './wire.ts';
import { readCompletion, readRegistration, readStatus } from './wire.ts';

interface SharedOptions extends CatsyphonHttpOptions {
  readonly retry?: RetryConfig | undefined;
  /** In [0, 1), as Math.random. */
  readonly random?: (() => number) | undefined;
}
export interface CollectorClientOptions extends SharedOptions {
  readonly collectorId: string;
  readonly apiKey: string;
}
export interface StoredOptions extends SharedOptions {
  readonly workspaceId: string;
  /** `default` by default. */
  readonly profile?: string | undefined;
  /** `~/.catsyphon/credentials.json` by default. */
  readonly store?: CredentialStore | undefined;
}
/** What makes a collector. */
interface NewCollector extends CatsyphonHttpOptions, CallOptions {
  readonly workspaceId: string;
  /** What ships, such as `pilothouse`. */
  readonly collectorType: string;
  /** `1.0.0` by default. */
  readonly collectorVersion?: string | undefined;
  /** This computer's by default. */
  readonly hostname?: string | undefined;
  readonly metadata?: JsonObject | undefined;
}
export interface RegisterOptions extends NewCollector, StoredOptions {}

/** What came of `sendEvents`. */
export interface SentReport extends DeliveryReport {
  /** `index`: its place in the list that was given. */
  readonly parked: readonly (ParkedEvent & { readonly index: number })[];
}

/** Events in a session before it flushes itself, and seconds. */
const SESSION = { size: 20, interval: 5 } as const;

/**
 * A collector of a CatSyphon. Every rejection is a CatsyphonError (CatsyphonAPIError, CatsyphonTransportError, CredentialError, or the root's own codes), save an abort, which rejects with the
 * signal's reason. Requests are sent again as the RetryConfig says, the registration never.
 */
export class CollectorClient implements AsyncDisposable {
  readonly collectorId: string;
  readonly #http: CatsyphonHttp;
  readonly #plan: RetryPlan;
  readonly #delivery: Delivery;

  /** Throws `plain_http_refused`, `invalid_argument`. */
  constructor(options: CollectorClientOptions) {
    this.#plan = retryPlan(options.retry, options.random);
    this.#http = new CatsyphonHttp(options, options);
    this.#delivery = new Delivery(this.#http, this.#plan);
    this.collectorId = options.collectorId.trim();
  }

  /**
   * Makes a collector and keeps its key in the store. Each time makes another one, whose key nobody can take back over HTTP (observed): it is sent once, and only after the store was found to
   * take the key. Rejects with CatsyphonNotFoundError (no such workspace), CatsyphonValidationError, CredentialError; of a CatsyphonTransportError the collector may have been made.
   */
  static register(options: RegisterOptions): Promise<CollectorClient> {
    return keepAlive(register(options));
  }

  /** The collector that the store has for that server and workspace. Rejects with `credentials_missing` and what `CredentialStore.get` rejects with, `plain_http_refused`. */
  static async fromStored(options: StoredOptions): Promise<CollectorClient> {
    const serverUrl = catsyphonAddress(options.serverUrl, options);
    const store = options.store ?? new CredentialStore(undefined, options.env);
    const found = await store.get(serverUrl, options.workspaceId, { profile: options.profile });
    if (found !== null) return new CollectorClient({ ...options, serverUrl, collectorId: found.collectorId, apiKey: found.apiKey });
    throw new CredentialError('credentials_missing', `${store.path} has no collector for ${serverUrl} and that workspace. Register one: pilothouse catsyphon register --server ${serverUrl} --workspace ID`);
  }

  get serverUrl(): string {
    return this.#http.serverUrl;
  }

  /** Throws `invalid_argument`. */
  session(id: string): CollectorSession {
    return new CollectorSession(id, this.buffer(id, SESSION), (options) => this.completeSession(id, options));
  }

  /** Gives what `work` gives, and completes the session as success, or as failed where it throws. What `work` did not begin or completed itself is left as it is. */
  async withSession<T>(id: string, work: (session: CollectorSession) => Promise<T>): Promise<T> {
    const session = this.session(id);
    let result: T;
    try {
      result = await work(session);
    } catch (error) {
      // What the function threw is what its caller has to know.
      if (session.begun && !session.completed) await session.complete({ outcome: 'failed' }).catch(() => undefined);
      throw error;
    }
    if (session.begun && !session.completed) await session.complete({ outcome: 'success' });
    return result;
  }

  /**
   * Sends events, any number of them, each once. What the server will never take is in the report's `parked`, and the rest is stored. `unsettled`: some may be on their way already, as after a
   * crash. `onDone` is told of events (by their place in the list) once they need no sending any more, also where the call rejects later. Rejects with `invalid_argument` before anything is sent.
   */
  async sendEvents(sessionId: string, events: readonly CollectorEvent[], options: { readonly unsettled?: boolean; readonly onDone?: (indices: readonly number[]) => void } & CallOptions = {}): Promise<SentReport> {
    const id = sessionIdOf(sessionId);
    if (!Array.isArray(events) || events.length === 0) throw invalid('There are no events to send.');
    const maker = new EventMaker(id, this.#http.clock);
    const made = events.map((event, index) => maker.make(event, `events[${index}]`));
    const places = new Map(made.map((event, index) => [event, index]));
    const onDone = (done: Iterable<(typeof made)[number]>): void => options.onDone?.([...done].map((event) => places.get(event) ?? -1).filter((index) => index >= 0));
    const report = await keepAlive(this.#delivery.deliver(id, made, { signal: options.signal, unsettled: options.unsettled, onDone }));
    return { ...report, parked: report.parked.map((one) => ({ ...one, index: places.get(one.event) ?? -1 })) };
  }

  /** Rejects with CatsyphonNotFoundError for a session that the server never saw, CatsyphonAuthError (403) for another collector's. */
  async getSessionStatus(id: string, options: CallOptions = {}): Promise<SessionStatus> {
    return readStatus(await this.#again({ method: 'GET', path: paths.session(id), signal: options.signal }));
  }

  /** Seals a session; the last outcome counts, and events are taken still. Rejects as `getSessionStatus` does. */
  async completeSession(id: string, options: CompleteOptions): Promise<Completion> {
    const { outcome, summary, signal } = options;
    if (typeof outcome !== 'string' || outcome.trim() === '') throw invalid('outcome is empty. Give success, partial, failed or abandoned.');
    const path = paths.complete(id);
    const json = { outcome, ...(summary === undefined ? {} : { summary }) };
    return readCompletion(await this.#delivery.inTurn(id, signal, () => this.#again({ method: 'POST', path, json, signal })));
  }

  /** What holds the events of a session until they are sent. */
  buffer(id: string, rules: { readonly size: number; readonly interval: number }): EventBuffer {
    return new EventBuffer({ session: sessionIdOf(id), delivery: this.#delivery, clock: this.#http.clock, ...rules });
  }

  #again(request: Parameters<CatsyphonHttp['request']>[0]): Promise<JsonObject> {
    const { maxRetries, pause } = this.#plan;
    return keepAlive(withRetry(() => this.#http.request(request), { tries: maxRetries + 1, pause, signal: request.signal, clock: this.#http.clock, classify: classify() }));
  }

  toJSON(): { readonly serverUrl: string; readonly collectorId: string } {
    return { serverUrl: this.serverUrl, collectorId: this.collectorId };
  }
  [inspect.custom](): string {
    return `CollectorClient ${JSON.stringify(this.toJSON())}`;
  }

  /** Ends the connections. Events that sessions and writers hold still are theirs to flush before. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

async function register(options: RegisterOptions): Promise<CollectorClient> {
  const { workspaceId, profile } = options;
  checkCollector(options);
  const serverUrl = catsyphonAddress(options.serverUrl, options);
  const store = options.store ?? new CredentialStore(undefined, options.env);
  await store.ready(serverUrl, workspaceId, { profile });
  const made = await newCollector({ ...options, serverUrl });
  await store.store({ serverUrl, workspaceId, collectorId: made.collectorId, apiKey: made.apiKey, apiKeyPrefix: made.apiKeyPrefix ?? undefined, createdAt: made.createdAt ?? undefined, profile });
  return new CollectorClient({ ...options, serverUrl, collectorId: made.collectorId, apiKey: made.apiKey });
}

function checkCollector({ workspaceId, collectorType, collectorVersion = '1.0.0', hostname = os.hostname() }: NewCollector): void {
  for (const [name, value] of Object.entries({ workspaceId, collectorType, collectorVersion, hostname })) if (typeof value !== 'string' || value.trim() === '') throw invalid(`${name} is empty.`);
}

/** Makes a collector; its key is told once, and kept by whoever asked. Rejects as `CollectorClient.register` does, but for the store. */
export async function newCollector(options: NewCollector): Promise<Registration> {
  checkCollector(options);
  const { workspaceId, collectorType, collectorVersion = '1.0.0', hostname = os.hostname(), metadata, signal } = options;
  const serverUrl = catsyphonAddress(options.serverUrl, options);
  await using http = new CatsyphonHttp(null, { ...options, serverUrl });
  const json = { collector_type: collectorType, collector_version: collectorVersion, hostname, workspace_id: workspaceId, ...(metadata === undefined ? {} : { metadata }) };
  return await keepAlive(http.request({ method: 'POST', path: paths.collectors, json, signal }).then(readRegistration, (error: unknown) => {
    if (!(error instanceof CatsyphonTransportError) || error.unsent) throw error;
    throw new CatsyphonTransportError(error.code, `${error.message} A collector may have been made whose key is lost: it does no harm. Register again when the server can be reached.`, { cause: error });
  }));
}
