import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { z } from 'zod';
import type { ConnectionSpec } from '../../core/fleet/connection.ts';
import { SessionlessBackend } from '../../core/fleet/sessionless.ts';
import type { ShipClient } from '../../core/fleet/shipperSession.ts';
import type { CallOptions, ConnectionState, Disposable } from '../../core/model/backend.ts';
import { isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { JsonValue } from '../../core/model/json.ts';
import type { CollectorClient, SentReport, SessionStatus } from '../../core/systems/catsyphon/index.ts';
import { Emitter } from '../../core/transport/emitter.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import type { AccountRecord } from '../accounts/record.ts';
import type { OpenAccount, Server } from '../accounts/system.ts';

/** Loaded when a collector is opened: every start of the extension would wait for its modules. */
export const loadCatsyphon = () => import('../../core/systems/catsyphon/index.ts');

const header = z.string().regex(/^[\x21-\x7e]+$/).max(5_000);
const secretSchema = z.strictObject({ collectorId: header, apiKey: header, workspaceId: z.string().min(1).max(200).nullable() });
/** A collector as it is kept in secret storage. `workspaceId`: the workspace that it belongs to; null where that was not told. */
type CollectorSecret = z.infer<typeof secretSchema>;

/** Null for what is none. */
export function readCollector(secret: unknown): CollectorSecret | null {
  return secretSchema.safeParse(secret).data ?? null;
}

const READY: ConnectionState = { status: 'ready', message: null, remedy: null, version: null };
const REJECTED: ConnectionState = {
  status: 'needs-sign-in', message: 'CatSyphon does not take the key of this connection.', version: null,
  remedy: { text: 'Use Sign In… on this connection. What is not shipped yet waits, and nothing of it is lost.', command: null },
};
/** No session has this id: that the server has none says that it takes the key. */
const NO_SESSION = 'pilothouse.looks';

/** One collector that somebody is signed in to: its key, its calls, and how it stands, as the last of them showed. Neither printed nor turned into JSON it shows the key. */
export class CatsyphonAccess implements OpenAccount, ShipClient {
  /** The workspace, where it is known: a collector that is registered anew in it is the same account. */
  readonly identity: string;
  readonly workspaceId: string | null;
  readonly server: Server;
  readonly #secret: CollectorSecret;
  readonly #proxy: ProxySource | undefined;
  readonly #changed = new Emitter<ConnectionState>();
  #client: Promise<CollectorClient> | null = null;
  #state: ConnectionState = READY;

  constructor(secret: CollectorSecret, server: Server, proxy?: ProxySource) {
    this.#secret = secret;
    this.workspaceId = secret.workspaceId;
    this.identity = secret.workspaceId ?? secret.collectorId;
    this.server = { serverUrl: server.serverUrl, allowPlainHttp: server.allowPlainHttp };
    this.#proxy = proxy;
  }

  /** True once CatSyphon said that it does not take the key. */
  get rejected(): boolean {
    return this.#state.status === 'needs-sign-in';
  }

  onState(listener: (state: ConnectionState) => void): Disposable {
    return this.#changed.on(listener);
  }

  sendEvents(...given: Parameters<ShipClient['sendEvents']>): Promise<SentReport> {
    return this.#ask((client) => client.sendEvents(...given));
  }
  getSessionStatus(...given: Parameters<ShipClient['getSessionStatus']>): Promise<SessionStatus> {
    return this.#ask((client) => client.getSessionStatus(...given));
  }

  /** How it stands, asked of the server. Never rejects but for an abort. */
  async look(options: CallOptions = {}): Promise<ConnectionState> {
    await this.getSessionStatus(NO_SESSION, options).catch((error: unknown) => {
      if (options.signal?.aborted === true) throw error;
    });
    return this.#state;
  }

  connection(record: AccountRecord): ConnectionSpec {
    const { connectionId, name } = record;
    return {
      connectionId, name, system: 'catsyphon', revision: createHash('sha256').update(JSON.stringify([name, this.server, this.#secret])).digest('hex').slice(0, 16),
      create: ({ clock }) => new SessionlessBackend({ connectionId, name, system: 'catsyphon' }, this, clock),
    };
  }

  /** The connection is made anew, or gone. Who ships still goes on with another client of the same key. */
  async close(): Promise<void> {
    const client = await this.#client?.catch(() => null);
    this.#client = null;
    await client?.[Symbol.asyncDispose]();
  }

  toJSON(): JsonValue {
    return { serverUrl: this.server.serverUrl };
  }
  [inspect.custom](): string {
    return `CatsyphonAccess ${JSON.stringify(this.toJSON())}`;
  }

  async #ask<T>(work: (client: CollectorClient) => Promise<T>): Promise<T> {
    try {
      const result = await work(await this.#open());
      this.#tell(READY);
      return result;
    } catch (error) {
      if (!isAbort(error)) this.#tell(await stateAfter(error, this.#state));
      throw error;
    }
  }

  #open(): Promise<CollectorClient> {
    const { collectorId, apiKey } = this.#secret;
    this.#client ??= loadCatsyphon().then(({ CollectorClient: Client }) => new Client({
      collectorId, apiKey, serverUrl: this.server.serverUrl, allowPlainHttp: this.server.allowPlainHttp, ...(this.#proxy === undefined ? {} : { proxy: this.#proxy }),
    }));
    return this.#client;
  }

  #tell(state: ConnectionState): void {
    if (state.status === this.#state.status && state.message === this.#state.message) return;
    this.#state = state;
    this.#changed.emit(state);
  }
}

/** What a failure says of the account: a refused key, a server that cannot be reached or is none; of one event or one session, nothing. */
async function stateAfter(error: unknown, before: ConnectionState): Promise<ConnectionState> {
  const { CatsyphonAPIError, CatsyphonAuthError, CatsyphonNotFoundError, CatsyphonTransportError } = await loadCatsyphon();
  if (error instanceof CatsyphonAuthError) return error.detail.startsWith('Session belongs to') ? before : REJECTED;
  if (error instanceof CatsyphonNotFoundError) return error.detail.startsWith('No events received') ? READY : { status: 'failed', message: error.message, remedy: { text: 'Use Edit Connection… to set its address.', command: null }, version: null };
  if (error instanceof CatsyphonTransportError || (error instanceof CatsyphonAPIError && error.status >= 500)) return { status: 'offline', message: error.message, remedy: null, version: null };
  if (error instanceof PilothouseError && error.code === 'bad_answer') return { status: 'failed', message: error.message, remedy: { text: 'Use Edit Connection… to set its address.', command: null }, version: null };
  return before;
}
