import { createHash } from 'node:crypto';
import type { SessionBackend } from '../../model/backend.ts';
import type { BackendContext } from '../../model/context.ts';
import type { AccountOptions } from './account.ts';
import { HappyBackend } from './backend/backend.ts';
import type { Credentials } from './credentials.ts';

export interface HappyConnectionOptions {
  readonly connectionId: string;
  /** As the person named it. */
  readonly name: string;
  readonly serverUrl: string;
  readonly credentials: Credentials;
  readonly allowPlainHttp: boolean;
  /** How we present ourselves: "<platform>/<version>". */
  readonly client?: string;
  readonly timing?: AccountOptions['timing'];
  readonly proxy?: AccountOptions['proxy'] | undefined;
}
/** One account, and how to make its backend. */
export interface HappyConnection {
  readonly connectionId: string;
  readonly name: string;
  readonly system: 'happy';
  /** Changes when its configuration or its keys do. */
  readonly revision: string;
  create(context: BackendContext): SessionBackend;
}

/** The connection of one account. Nothing is asked of the server: that is done by the backend's `connect`. */
export function happyConnection(options: HappyConnectionOptions): HappyConnection {
  const { connectionId, name, serverUrl, credentials, allowPlainHttp, client = 'pilothouse/0', timing, proxy } = options;
  const hash = createHash('sha256').update(JSON.stringify([name, serverUrl, allowPlainHttp])).update(credentials.token);
  for (const key of [credentials.master, credentials.machineKey]) hash.update(key === null ? '-' : createHash('sha256').update(key).digest());
  return {
    connectionId, name, system: 'happy', revision: hash.digest('hex').slice(0, 16),
    create: (context) => new HappyBackend(context, { credentials, allowPlainHttp, client, proxy, ...(timing === undefined ? {} : { timing }) }),
  };
}
