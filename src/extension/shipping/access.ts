import { z } from 'zod';
import type { ShipClient } from '../../core/fleet/shipperSession.ts';
import type { CallOptions, ConnectionState } from '../../core/model/backend.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { JsonValue } from '../../core/model/json.ts';
import type { CollectorClient, SentReport, SessionStatus } from '../../core/systems/catsyphon/index.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import { READY, SessionlessAccess } from '../accounts/sessionless.ts';
import type { Server } from '../accounts/system.ts';

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

const REJECTED: ConnectionState = {
  status: 'needs-sign-in', message: 'CatSyphon does not take the key of this connection.', version: null,
  remedy: { text: 'Use Sign In… on this connection. What is not shipped yet waits, and nothing of it is lost.', command: null },
};
/** No session has this id: that the server has none says that it takes the key. */
const NO_SESSION = 'pilothouse.looks';

/** One collector that somebody is signed in to. */
export class CatsyphonAccess extends SessionlessAccess<CollectorClient> implements ShipClient {
  /** The workspace, where it is known: a collector that is registered anew in it is the same account. */
  readonly identity: string;
  readonly workspaceId: string | null;
  readonly collectorId: string;
  readonly #secret: CollectorSecret;
  readonly #proxy: ProxySource | undefined;

  constructor(secret: CollectorSecret, server: Server, proxy?: ProxySource) {
    super('catsyphon', server);
    this.#secret = secret;
    this.workspaceId = secret.workspaceId;
    this.collectorId = secret.collectorId;
    this.identity = secret.workspaceId ?? secret.collectorId;
    this.#proxy = proxy;
  }

  sendEvents(...given: Parameters<ShipClient['sendEvents']>): Promise<SentReport> {
    return this.ask((client) => client.sendEvents(...given));
  }
  getSessionStatus(...given: Parameters<ShipClient['getSessionStatus']>): Promise<SessionStatus> {
    return this.ask((client) => client.getSessionStatus(...given));
  }

  protected create(): Promise<CollectorClient> {
    const { collectorId, apiKey } = this.#secret;
    return loadCatsyphon().then(({ CollectorClient: Client }) => new Client({
      collectorId, apiKey, serverUrl: this.server.serverUrl, allowPlainHttp: this.server.allowPlainHttp, ...(this.#proxy === undefined ? {} : { proxy: this.#proxy }),
    }));
  }
  protected secret(): JsonValue {
    return this.#secret;
  }
  protected probe(options: CallOptions): Promise<unknown> {
    return this.getSessionStatus(NO_SESSION, options);
  }
  protected stateAfter(error: unknown, before: ConnectionState): Promise<ConnectionState> {
    return stateAfter(error, before);
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
