import type { Server as HttpServer } from 'node:http';
import { Server } from 'socket.io';
import { hearEvents } from './events.ts';
import { rooms, type HappyIo, type HappySocket, type SocketData } from './hub.ts';
import { machineActivity } from './presence.ts';
import { hearRpc } from './rpc.ts';
import type { World } from './world.ts';

/** An event that a client sent. */
export interface SeenEvent {
  readonly socketId: string;
  readonly accountId: string;
  readonly clientType: SocketData['clientType'];
  readonly event: string;
  readonly data: unknown;
  /** `unknown`: the server has no such event; `unheard` and `unanswered`: a fault struck. */
  readonly fate: 'whole' | 'unheard' | 'unanswered' | 'unknown';
  readonly at: number;
}

/** A connected client. */
export interface SeenSocket extends SocketData {
  readonly id: string;
  readonly rooms: readonly string[];
}

/** A connection that was refused, and why. */
export interface SeenRefusal {
  readonly reason: string;
  readonly at: number;
}

/** Serves Socket.IO on `/v1/updates` as the real server does: its options, refusals, rooms and events (happy.md B1). */
export function openSockets(world: World, http: HttpServer, told: { event(event: SeenEvent): void; refused(refusal: SeenRefusal): void }): HappyIo {
  const { times, hub } = world;
  const io: HappyIo = new Server(http, {
    path: '/v1/updates', transports: ['websocket', 'polling'], allowUpgrades: true, upgradeTimeout: 10_000, serveClient: false,
    pingInterval: times.pingInterval, pingTimeout: times.pingTimeout, connectTimeout: times.connectTimeout,
    cors: { origin: '*', methods: ['GET', 'POST', 'OPTIONS'], credentials: true, allowedHeaders: ['*'] },
  });

  io.use((socket, next) => {
    const refusal = admit(world, socket);
    if (refusal === null) return next();
    told.refused({ reason: refusal, at: world.database.now() });
    return next(new Error(refusal));
  });

  io.on('connection', (socket) => {
    const { accountId, clientType, sessionId, machineId } = socket.data;
    void socket.join(rooms.all(accountId));
    if (clientType === 'session-scoped') void socket.join(rooms.session(accountId, sessionId ?? ''));
    else if (clientType === 'machine-scoped') void socket.join(rooms.machine(accountId, machineId ?? ''));
    else void socket.join(rooms.users(accountId));

    const tellMachine = (active: boolean): void => {
      if (clientType === 'machine-scoped') hub.ephemeral(accountId, machineActivity(machineId ?? '', active, world.database.now()));
    };
    tellMachine(true);
    socket.on('disconnect', () => tellMachine(false));

    const heard = new Set<string>();
    const hears: Parameters<typeof hearEvents>[2] = (event, handler) => {
      heard.add(event);
      socket.on(event, (...args) => {
        const [data] = args;
        const last = args.at(-1);
        const wantsAck = typeof last === 'function';
        const fate = world.faults.forEvent(event, data);
        told.event(seen(socket, event, data, fate, world.database.now()));
        if (fate === 'unheard') return;
        const ack = (answer: unknown): void => {
          if (!wantsAck) throw new Error(`${event} came without an acknowledgement.`);
          if (fate === 'whole') (last as (value: unknown) => void)(answer);
        };
        // A handler that fails is silent, as on the real server: the client waits for an answer that does not come.
        Promise.resolve().then(() => handler(isRecord(data) ? data : {}, ack, wantsAck)).catch(() => undefined);
      });
    };
    hearEvents(world, socket, hears);
    hearRpc(world, socket, hears);
    socket.onAny((event: string, ...args: unknown[]) => {
      if (!heard.has(event)) told.event(seen(socket, event, args[0], 'unknown', world.database.now()));
    });
  });

  return io;
}

/** Fills in what a client says of itself; the reason, when it may not come in. */
function admit(world: World, socket: HappySocket): string | null {
  const { token, clientType, sessionId, machineId, happyClient, appState } = socket.handshake.auth as Record<string, unknown>;
  if (typeof token !== 'string' || token === '') return 'Missing authentication token';
  if (clientType === 'session-scoped' && !isText(sessionId)) return 'Session ID required for session-scoped clients';
  if (clientType === 'machine-scoped' && !isText(machineId)) return 'Machine ID required for machine-scoped clients';
  let accountId: string | null = null;
  try {
    accountId = world.tokens.accountOf(token);
  } catch {
    // A token that cannot even be read is an invalid one.
  }
  if (accountId === null) return 'Invalid authentication token';
  const header = socket.handshake.headers['x-happy-client'];
  socket.data = {
    accountId, token, clientType: clientType === 'session-scoped' || clientType === 'machine-scoped' ? clientType : 'user-scoped',
    sessionId: isText(sessionId) ? sessionId : undefined, machineId: isText(machineId) ? machineId : undefined,
    happyClient: isText(happyClient) ? happyClient : typeof header === 'string' ? header : undefined,
    appState: appState === undefined ? undefined : appState === 'active' ? 'active' : 'background',
  };
  return null;
}

/** A connected client as tests see it. */
export function seenSocket(socket: HappySocket): SeenSocket {
  return { ...socket.data, id: socket.id, rooms: [...socket.rooms] };
}

function seen(socket: HappySocket, event: string, data: unknown, fate: SeenEvent['fate'], at: number): SeenEvent {
  return { socketId: socket.id, accountId: socket.data.accountId, clientType: socket.data.clientType, event, data, fate, at };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
