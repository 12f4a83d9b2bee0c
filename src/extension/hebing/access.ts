import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import type { ConnectionSpec } from '../../core/fleet/connection.ts';
import { SessionlessBackend } from '../../core/fleet/sessionless.ts';
import type { CallOptions, ConnectionState, Disposable } from '../../core/model/backend.ts';
import { isAbort } from '../../core/model/errors.ts';
import type { JsonValue } from '../../core/model/json.ts';
import type { Capability, HebingClient, Job, JobEvent } from '../../core/systems/hebing/index.ts';
import { Emitter } from '../../core/transport/emitter.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import type { AccountRecord } from '../accounts/record.ts';
import type { OpenAccount, Server } from '../accounts/system.ts';

/** Loaded when hebing is asked for something: every start of the extension would wait for its modules. */
export const loadHebing = () => import('../../core/systems/hebing/index.ts');

/** Bytes of an artifact that are taken at most. */
const LARGEST_FILE = 512 * 1024 * 1024;
const READY: ConnectionState = { status: 'ready', message: null, remedy: null, version: null };
const REJECTED: ConnectionState = {
  status: 'needs-sign-in', message: 'hebing does not accept the key of this connection any more.', version: null,
  remedy: { text: 'Use Sign In… on this connection. Its jobs, and calls whose outcome is not known, are kept.', command: null },
};

/** One account of hebing that somebody is signed in to: its key, its calls, and how it stands, as the last of them showed. Neither printed nor turned into JSON it shows the key. */
export class HebingAccess implements OpenAccount {
  /** hebing names no account for a key: a sign-in gives another one each time. */
  readonly identity = null;
  readonly server: Server;
  readonly #apiKey: string;
  readonly #proxy: ProxySource | undefined;
  readonly #changed = new Emitter<ConnectionState>();
  #client: Promise<HebingClient> | null = null;
  #state: ConnectionState = READY;

  constructor(apiKey: string, server: Server, proxy?: ProxySource) {
    this.#apiKey = apiKey;
    this.server = { serverUrl: server.serverUrl, allowPlainHttp: server.allowPlainHttp };
    this.#proxy = proxy;
  }

  /** For a program that is started for the person; nothing else is told it. */
  get apiKey(): string {
    return this.#apiKey;
  }
  /** True once hebing said that it does not take the key. */
  get rejected(): boolean {
    return this.#state.status === 'needs-sign-in';
  }

  onState(listener: (state: ConnectionState) => void): Disposable {
    return this.#changed.on(listener);
  }

  /** Calls hebing, and keeps how that went as the account's state. Rejects as the client does. */
  async ask<T>(work: (client: HebingClient) => Promise<T>): Promise<T> {
    try {
      const result = await work(await this.#open());
      this.#tell(READY);
      return result;
    } catch (error) {
      if (!isAbort(error)) this.#tell(await stateAfter(error, this.#state));
      throw error;
    }
  }

  /** What the key may call. */
  capabilities(options: CallOptions = {}): Promise<readonly Capability[]> {
    return this.ask((client) => client.capabilities(options));
  }
  jobs(options: CallOptions = {}): Promise<readonly Job[]> {
    return this.ask((client) => client.listJobs(options));
  }
  job(id: string, options: CallOptions = {}): Promise<Job> {
    return this.ask((client) => client.getJob(id, options));
  }
  events(id: string, options: CallOptions = {}): Promise<readonly JobEvent[]> {
    return this.ask((client) => client.jobEvents(id, options));
  }

  /** The contents of an artifact, which may lie elsewhere: what becomes of that says nothing of the account. Rejects as the client does. */
  async file(url: string, options: { readonly signal: AbortSignal; readonly onBytes?: (bytes: number) => void }): Promise<Uint8Array> {
    return (await (await this.#open()).artifact(url, { ...options, maxBytes: LARGEST_FILE })).bytes;
  }

  /** How it stands, asked of the server. Never rejects but for an abort. */
  async look(options: CallOptions = {}): Promise<ConnectionState> {
    await this.jobs(options).catch((error: unknown) => {
      if (options.signal?.aborted === true) throw error;
    });
    return this.#state;
  }

  connection(record: AccountRecord): ConnectionSpec {
    const { connectionId, name } = record;
    return {
      connectionId, name, system: 'hebing', revision: createHash('sha256').update(JSON.stringify([name, this.server, this.#apiKey])).digest('hex').slice(0, 16),
      create: ({ clock }) => new SessionlessBackend({ connectionId, name, system: 'hebing' }, this, clock),
    };
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => null);
    this.#client = null;
    await client?.[Symbol.asyncDispose]();
  }

  toJSON(): JsonValue {
    return { serverUrl: this.server.serverUrl };
  }
  [inspect.custom](): string {
    return `HebingAccess ${JSON.stringify(this.toJSON())}`;
  }

  #open(): Promise<HebingClient> {
    this.#client ??= loadHebing().then(({ HebingClient: Client }) => new Client({
      apiKey: this.#apiKey, baseUrl: this.server.serverUrl, allowPlainHttp: this.server.allowPlainHttp, ...(this.#proxy === undefined ? {} : { proxy: this.#proxy }),
    }));
    return this.#client;
  }

  #tell(state: ConnectionState): void {
    if (state.status === this.#state.status && state.message === this.#state.message) return;
    this.#state = state;
    this.#changed.emit(state);
  }
}

/** What a failure says of the account: a refused key, a server that cannot be reached or makes no sense; of one job or one call, nothing. */
async function stateAfter(error: unknown, before: ConnectionState): Promise<ConnectionState> {
  const { HebingAPIError, HebingError, HebingTransportError } = await loadHebing();
  if (error instanceof HebingAPIError && error.status === 401) return REJECTED;
  if (error instanceof HebingTransportError || (error instanceof HebingAPIError && error.status >= 500)) return { status: 'offline', message: error.message, remedy: null, version: null };
  if (error instanceof HebingAPIError) return error.status === 429 ? before : READY;
  if (error instanceof HebingError && error.code === 'bad_answer') return { status: 'failed', message: error.message, remedy: { text: 'Use Edit Connection… to set its address.', command: null }, version: null };
  return before;
}
