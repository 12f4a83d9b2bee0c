import type { CallOptions, ConnectionState } from '../../core/model/backend.ts';
import type { JsonValue } from '../../core/model/json.ts';
import type { Capability, HebingClient, Job, JobEvent } from '../../core/systems/hebing/index.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import { READY, SessionlessAccess } from '../accounts/sessionless.ts';
import type { Server } from '../accounts/system.ts';

/** Loaded when hebing is asked for something: every start of the extension would wait for its modules. */
export const loadHebing = () => import('../../core/systems/hebing/index.ts');

/** Bytes of an artifact that are taken at most. */
const LARGEST_FILE = 512 * 1024 * 1024;
const REJECTED: ConnectionState = {
  status: 'needs-sign-in', message: 'hebing does not accept the key of this connection any more.', version: null,
  remedy: { text: 'Use Sign In… on this connection. Its jobs, and calls whose outcome is not known, are kept.', command: null },
};

/** One account of hebing that somebody is signed in to. */
export class HebingAccess extends SessionlessAccess<HebingClient> {
  /** hebing names no account for a key: a sign-in gives another one each time. */
  readonly identity = null;
  readonly #apiKey: string;
  readonly #proxy: ProxySource | undefined;

  constructor(apiKey: string, server: Server, proxy?: ProxySource) {
    super('hebing', server);
    this.#apiKey = apiKey;
    this.#proxy = proxy;
  }

  /** For a program that is started for the person; nothing else is told it. */
  get apiKey(): string {
    return this.#apiKey;
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
    return (await (await this.open()).artifact(url, { ...options, maxBytes: LARGEST_FILE })).bytes;
  }

  protected create(): Promise<HebingClient> {
    return loadHebing().then(({ HebingClient: Client }) => new Client({
      apiKey: this.#apiKey, baseUrl: this.server.serverUrl, allowPlainHttp: this.server.allowPlainHttp, ...(this.#proxy === undefined ? {} : { proxy: this.#proxy }),
    }));
  }
  protected secret(): JsonValue {
    return this.#apiKey;
  }
  protected probe(options: CallOptions): Promise<unknown> {
    return this.jobs(options);
  }
  protected stateAfter(error: unknown, before: ConnectionState): Promise<ConnectionState> {
    return stateAfter(error, before);
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
