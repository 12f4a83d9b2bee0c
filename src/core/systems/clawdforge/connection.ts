import { createHash } from 'node:crypto';
import type { Dispatcher } from 'undici';
import type { SessionBackend } from '../../model/backend.ts';
import type { BackendContext } from '../../model/context.ts';
import type { ProxySource } from '../../transport/proxy.ts';
import { ForgeBackend } from './backend/backend.ts';
import { Forge } from './client.ts';

export interface ForgeConnectionOptions {
  readonly connectionId: string;
  /** As the person named it. */
  readonly name: string;
  readonly serverUrl: string;
  /** An app token. */
  readonly token: string;
  /** Seconds that the server may take for a turn; 600, the most that it allows, by default. */
  readonly turnSecs?: number;
  readonly proxy?: ProxySource | undefined;
  readonly dispatcher?: Dispatcher;
}
/** One token on one server, and how to make its backend. */
export interface ForgeConnection {
  readonly connectionId: string;
  readonly name: string;
  readonly system: 'clawdforge';
  /** Changes when its configuration or its token does. */
  readonly revision: string;
  create(context: BackendContext): SessionBackend;
}

/** The connection of one token. Nothing is asked of the server: that is done by the backend's `connect`. Whether plain http is fit is the caller's to ask the person. Throws `invalid_argument`. */
export function forgeConnection(options: ForgeConnectionOptions): ForgeConnection {
  const { connectionId, name, serverUrl, token, turnSecs, proxy, dispatcher } = options;
  const revision = createHash('sha256').update(JSON.stringify([name, serverUrl, turnSecs ?? null])).update(token).digest('hex').slice(0, 16);
  const open = (context?: BackendContext): Forge => new Forge({
    baseUrl: serverUrl, token, proxy, ...(dispatcher === undefined ? {} : { dispatcher }), ...(context === undefined ? {} : { clock: context.clock }),
  });
  // What can't be used says so at once.
  void open().close();
  return {
    connectionId, name, system: 'clawdforge', revision,
    create: (context) => new ForgeBackend(context, { forge: open(context), ...(turnSecs === undefined ? {} : { turnSecs }) }),
  };
}
