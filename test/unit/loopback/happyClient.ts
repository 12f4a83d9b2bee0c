import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { io, type Socket } from 'socket.io-client';
import { startHappyServer, type HappyServerOptions, type HappyTestServer } from '../../loopback/happy/server.ts';

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** One client of a server: HTTP with its token, and sockets. */
export interface Account {
  readonly token: string;
  readonly id: string;
  http(method: string, path: string, body?: unknown): Promise<Answer>;
  /** A connected socket and everything that was pushed to it. */
  socket(auth?: Readonly<Record<string, unknown>>): Promise<Connected>;
}

export interface Connected {
  readonly socket: Socket;
  readonly updates: { readonly id: string; readonly seq: number; readonly createdAt: number; readonly body: Readonly<Record<string, unknown>> & { readonly t: string } }[];
  readonly ephemerals: (Readonly<Record<string, unknown>> & { readonly type: string })[];
  /** An acknowledged event; rejects when no acknowledgement comes in time. */
  ask(event: string, data: unknown, timeoutMs?: number): Promise<Record<string, unknown>>;
}

export interface Lab {
  readonly server: HappyTestServer;
  account(): Account;
  close(): Promise<void>;
}

export async function request(url: string, method: string, path: string, body?: unknown, authorization?: string): Promise<Answer> {
  const response = await fetch(url + path, {
    method, signal: AbortSignal.timeout(5_000),
    headers: { ...(authorization === undefined ? {} : { authorization }), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) as unknown : text };
}

export async function startLab(options: HappyServerOptions = {}): Promise<Lab> {
  const server = await startHappyServer(options);
  const sockets: Socket[] = [];
  return {
    server,
    account: () => {
      const { token, accountId } = server.tokenFor(randomBytes(32));
      return {
        token, id: accountId,
        http: (method, path, body) => request(server.url, method, path, body, `Bearer ${token}`),
        socket: async (auth = {}) => {
          const connected = connect(server.url, { token, ...auth });
          sockets.push(connected.socket);
          await once(connected.socket as unknown as NodeJS.EventEmitter, 'connect', { signal: AbortSignal.timeout(5_000) });
          return connected;
        },
      };
    },
    close: async () => {
      for (const socket of sockets) socket.disconnect();
      await server.close();
    },
  };
}

/** A socket that is on its way. */
export function connect(url: string, auth: Readonly<Record<string, unknown>>): Connected {
  const socket = io(url, { path: '/v1/updates', transports: ['websocket'], auth: { ...auth }, reconnectionDelay: 20, reconnectionDelayMax: 50, forceNew: true });
  const updates: Connected['updates'] = [];
  const ephemerals: Connected['ephemerals'] = [];
  socket.on('update', (update: Connected['updates'][number]) => updates.push(update));
  socket.on('ephemeral', (ephemeral: Connected['ephemerals'][number]) => ephemerals.push(ephemeral));
  return {
    socket, updates, ephemerals,
    ask: (event, data, timeoutMs = 3_000) => (data === undefined ? socket.timeout(timeoutMs).emitWithAck(event) : socket.timeout(timeoutMs).emitWithAck(event, data)) as Promise<Record<string, unknown>>,
  };
}

/** Waits until `look` answers something. */
export async function soon<Found>(look: () => Found | undefined | null | false, timeoutMs = 3_000): Promise<Found> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (Date.now() > until) throw new Error('It did not come in time.');
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}
