import { createPublicKey, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket as TcpSocket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Database } from './database.ts';
import { Faults } from './faults.ts';
import { createHttp, type SeenCall } from './http.ts';
import { Hub, type HappyIo } from './hub.ts';
import { Presence } from './presence.ts';
import { Router } from './router.ts';
import { accountRoutes } from './routes/account.ts';
import { accountFor, authRoutes } from './routes/auth.ts';
import { machineRoutes } from './routes/machines.ts';
import { recordRoutes } from './routes/records.ts';
import { appendMessage, messageView, sessionRoutes } from './routes/sessions.ts';
import type { MessageRow, Rows } from './rows.ts';
import { openSockets, seenSocket, type SeenEvent, type SeenRefusal, type SeenSocket } from './sockets.ts';
import { happyTimes, type HappyTimes } from './times.ts';
import { Tokens } from './tokens.ts';
import type { PhonePush, World } from './world.ts';

const mostSeen = 20_000;

export interface HappyServerOptions {
  /** Where the data is kept, so that a later server has it. Without it, all is in memory. */
  readonly folder?: string;
  /** 0, when absent: any free port of 127.0.0.1. */
  readonly port?: number;
  /** Happy's own times, when absent; see `happyTimes`. */
  readonly times?: HappyTimes;
  /** Milliseconds since the epoch; `Date.now`, when absent. */
  readonly now?: () => number;
}

/** The server and a look behind it. */
export interface HappyTestServer {
  /** `http://127.0.0.1:PORT`, without a slash at the end; the same after a restart. */
  readonly url: string;
  readonly faults: Faults;
  /** A copy of every row, as stored. */
  rows(): Rows;
  /** The messages of one session, ascending seq. */
  messages(sessionId: string): readonly MessageRow[];
  /** Every request, oldest first, and how many fit. */
  readonly requests: readonly SeenCall[];
  count(fits: { readonly method?: string; readonly path?: string | RegExp }): number;
  /** Every event of a client, oldest first. */
  readonly events: readonly SeenEvent[];
  readonly refusals: readonly SeenRefusal[];
  /** What the phone was told, or was not. */
  readonly pushes: readonly PhonePush[];
  /** `METHOD path` and event names that the server does not know, each once. */
  readonly unknown: readonly string[];
  sockets(): SeenSocket[];
  /** Resolves as soon as `look` answers something else than undefined, null or false; it looks after every request, event and connection. Rejects in time. */
  until<Found>(look: () => Found | undefined | null | false, what: string, timeoutMs?: number): Promise<Found>;
  /** A token for an account that is known by its 32 secret bytes; made when there is none. */
  tokenFor(master: Uint8Array): { readonly accountId: string; readonly token: string };
  /** Makes a token invalid, and drops the sockets that came with it. */
  revoke(token: string): void;
  /** Takes a revocation back. */
  restore(token: string): void;
  /** Stores a message as if a client had posted it, and tells it. `content` is a ciphertext. Throws for an unknown session. */
  append(sessionId: string, content: string, localId?: string): MessageRow;
  /** Stores rows as they are and tells nobody; a message's session comes first. Machines replace those of the same id. */
  seed(rows: Partial<Pick<Rows, 'machines' | 'sessions' | 'messages'>>): void;
  /** Loses a message's seq, as a duplicate over the socket does. */
  burnSeq(sessionId: string): void;
  /** Breaks every connection off, as a killed server does, stays away for `downMs` and serves the same port with the same data. */
  restart(downMs?: number): Promise<void>;
  /** Goes away until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** Half-open: all connections of now, and those to come, are neither read nor written nor closed. Its own time-outs still run; for a longer silence use the proxy. */
  freeze(): void;
  thaw(): void;
  /** Drops the sockets that fit (all, when absent) without a word of goodbye. */
  dropSockets(fits?: (socket: SeenSocket) => boolean): number;
  close(): Promise<void>;
}

/**
 * Starts a Happy server on 127.0.0.1: HTTP and Socket.IO as Happy's own speaks them (spec: happy.md A, B1, B2, B5–B8, B10, B11), in memory or kept in a folder. Knows no
 * secret of anyone: it stores ciphertexts and hands them on.
 */
export async function startHappyServer(options: HappyServerOptions = {}): Promise<HappyTestServer> {
  const times = options.times ?? happyTimes();
  const database = new Database({ folder: options.folder, now: options.now });
  const faults: Faults = new Faults((emission) => hub.send(emission));
  const hub = new Hub(database, (emission) => faults.forPush(emission));
  const closing = new AbortController();
  const world: World = { database, hub, faults, times, presence: new Presence(database, hub, times), tokens: new Tokens(database), pushes: [], closing: closing.signal };
  const router = new Router((token) => world.tokens.accountOf(token));
  for (const add of [authRoutes, sessionRoutes, machineRoutes, accountRoutes, recordRoutes]) add(router, world);

  const requests: SeenCall[] = [];
  const events: SeenEvent[] = [];
  const refusals: SeenRefusal[] = [];
  const unknown = new Set<string>();
  const watchers = new Set<() => void>();
  const changed = (): void => {
    for (const watcher of watchers) watcher();
  };
  const keep = <Seen>(list: Seen[], one: Seen): void => {
    list.push(one);
    if (list.length > mostSeen) list.splice(0, mostSeen / 10);
    changed();
  };

  let http: Server | null = null;
  let port = options.port ?? 0;
  let frozen = false;
  let thawed: PromiseWithResolvers<void> | null = null;
  const connections = new Set<TcpSocket>();
  const stop = (socket: TcpSocket): void => {
    socket.pause();
    socket.cork();
  };

  const up = async (): Promise<void> => {
    if (http !== null) return;
    const server = createHttp(world, router, () => thawed?.promise, (call, last) => {
      if (!call.known) unknown.add(`${call.method} ${call.path}`);
      const at = last === null ? -1 : requests.lastIndexOf(last);
      if (at === -1) return keep(requests, call);
      requests[at] = call;
      return changed();
    });
    server.keepAliveTimeout = 60_000;
    server.on('connection', (socket) => {
      connections.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => connections.delete(socket));
      if (frozen) stop(socket);
    });
    const io: HappyIo = openSockets(world, server, {
      event: (event) => {
        if (event.fate === 'unknown') unknown.add(event.event);
        keep(events, event);
      },
      refused: (refusal) => keep(refusals, refusal),
    });
    io.on('connection', (socket) => {
      socket.on('disconnect', () => setImmediate(changed));
      changed();
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The Happy server has no port.');
    ({ port } = address);
    http = server;
    world.presence.forget();
    hub.attach(io);
  };

  const down = async (): Promise<void> => {
    const server = http;
    const { io } = hub;
    if (server === null) return;
    http = null;
    const closed = once(server, 'close');
    for (const socket of connections) socket.destroy();
    await io?.close();
    hub.attach(null);
    server.close();
    server.closeAllConnections();
    await closed;
    database.flush();
    changed();
  };

  await up();

  const sockets = (): SeenSocket[] => [...(hub.io?.sockets.sockets.values() ?? [])].map(seenSocket);
  const dropSockets = (fits: (socket: SeenSocket) => boolean = () => true): number => {
    const going = [...(hub.io?.sockets.sockets.values() ?? [])].filter((socket) => fits(seenSocket(socket)));
    for (const socket of going) socket.conn.close();
    return going.length;
  };
  const sessionOf = (id: string) => {
    const row = database.sessions.get(id);
    if (row === undefined) throw new Error(`No session ${id}.`);
    return row;
  };

  return {
    url: `http://127.0.0.1:${port}`,
    faults, requests, events, refusals, sockets, dropSockets, up, down,
    pushes: world.pushes,
    get unknown() { return [...unknown]; },
    rows: () => database.rows(),
    messages: (sessionId) => database.messages(sessionId),
    count: ({ method, path }) => requests.filter((call) => (method === undefined || call.method === method)
      && (path === undefined || (typeof path === 'string' ? call.path === path : path.test(call.path)))).length,
    until: (look, what, timeoutMs = 10_000) => new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        clearInterval(poll);
        watchers.delete(check);
      };
      const check = (): void => {
        const found = look();
        if (found === undefined || found === null || found === false) return;
        finish();
        resolve(found);
      };
      const timer = setTimeout(() => {
        finish();
        const last = requests.slice(-12).map((call) => `${call.method} ${call.path} ${call.status}`).join(', ');
        reject(new Error(`${what} did not come within ${timeoutMs} ms. The last requests: ${last || 'none'}; unknown: ${[...unknown].join(', ') || 'none'}`));
      }, timeoutMs);
      // Pushes and answers that follow a request by a little are looked for as well.
      const poll = setInterval(check, 25);
      watchers.add(check);
      check();
    }),
    tokenFor: (master) => {
      const seed = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), master]), format: 'der', type: 'pkcs8' });
      const publicKey = createPublicKey(seed).export({ format: 'der', type: 'spki' }).subarray(-32);
      const accountId = accountFor(world, publicKey.toString('hex'));
      return { accountId, token: world.tokens.create(accountId) };
    },
    revoke: (token) => {
      database.revoked.add(token);
      database.changed();
      dropSockets((socket) => socket.token === token);
    },
    restore: (token) => {
      database.revoked.delete(token);
      database.changed();
    },
    append: (sessionId, content, localId) => {
      const session = sessionOf(sessionId);
      const row = appendMessage(world, session, content, localId ?? null);
      hub.update(session.accountId, { t: 'new-message', sid: sessionId, message: messageView(row) }, { session: sessionId });
      return row;
    },
    seed: ({ machines = [], sessions = [], messages = [] }) => {
      for (const row of machines) database.addMachine({ ...row });
      for (const row of sessions) database.addSession({ ...row });
      for (const row of messages) {
        sessionOf(row.sessionId);
        database.addMessage(row);
      }
      database.changed();
    },
    burnSeq: (sessionId) => {
      const session = sessionOf(sessionId);
      session.seq += 1;
      hub.nextSeq(session.accountId);
    },
    restart: async (downMs = 0) => {
      await down();
      if (downMs > 0) await sleep(downMs, undefined, { signal: closing.signal });
      await up();
    },
    freeze: () => {
      frozen = true;
      thawed ??= Promise.withResolvers();
      for (const socket of connections) stop(socket);
    },
    thaw: () => {
      frozen = false;
      thawed?.resolve();
      thawed = null;
      for (const socket of connections) {
        while (socket.writableCorked > 0) socket.uncork();
        socket.resume();
      }
    },
    close: async () => {
      closing.abort();
      await down();
      world.presence.close();
      database.flush();
    },
  };
}
