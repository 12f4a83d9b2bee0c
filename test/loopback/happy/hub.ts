import type { Server, Socket } from 'socket.io';
import type { Database } from './database.ts';
import { updateId } from './ids.ts';

/** What a socket knows of its client. */
export interface SocketData {
  accountId: string;
  token: string;
  clientType: 'user-scoped' | 'session-scoped' | 'machine-scoped';
  sessionId: string | undefined;
  machineId: string | undefined;
  happyClient: string | undefined;
  /** undefined: the client never said. */
  appState: 'active' | 'background' | undefined;
}

type Listener = (...args: unknown[]) => void;
type Events = Record<string, Listener>;
/** What the server sends. */
interface Sent {
  update: (payload: unknown) => void;
  ephemeral: (payload: unknown) => void;
  'rpc-request': (request: { readonly method: string; readonly params: unknown }, answer: (result: unknown) => void) => void;
  'rpc-registered': (what: { readonly method: string }) => void;
  'rpc-unregistered': (what: { readonly method: string }) => void;
  'rpc-error': (what: { readonly type: string; readonly error: string }) => void;
}
export type HappyIo = Server<Events, Sent, Events, SocketData>;
export type HappySocket = Socket<Events, Sent, Events, SocketData>;

/** The body of an update; `t` names it (happy.md B2). */
export type UpdateBody = { readonly t: string } & Readonly<Record<string, unknown>>;
/** An ephemeral; `type` names it. */
export type Ephemeral = { readonly type: string } & Readonly<Record<string, unknown>>;

/** One push on its way to the sockets of some rooms. */
export interface Emission {
  readonly event: 'update' | 'ephemeral';
  readonly accountId: string;
  readonly payload: { readonly id: string; readonly seq: number; readonly createdAt: number; readonly body: UpdateBody } | Ephemeral;
  readonly rooms: readonly string[];
  /** The sender's socket, where it gets no echo. */
  readonly except: string | undefined;
}

/** Who gets a push: all user-scoped sockets, and with `session` or `machine` those of that one as well. */
export interface Audience {
  readonly session?: string;
  readonly machine?: string;
  readonly except?: string;
}

/** The room names of one account. */
export const rooms = {
  all: (accountId: string) => `user:${accountId}`,
  users: (accountId: string) => `user:${accountId}:user-scoped`,
  session: (accountId: string, id: string) => `user:${accountId}:session:${id}`,
  machine: (accountId: string, id: string) => `user:${accountId}:machine:${id}`,
  rpc: (accountId: string, method: string) => `rpc:${accountId}:${method}`,
} as const;

/** Sends pushes to the rooms of an account. Every update takes one number from the account's counter, sent or not. */
export class Hub {
  readonly #database: Database;
  readonly #filter: (emission: Emission) => 0 | 1 | 2;
  #io: HappyIo | null = null;

  constructor(database: Database, filter: (emission: Emission) => 0 | 1 | 2) {
    this.#database = database;
    this.#filter = filter;
  }

  /** The Socket.IO server of now; null while the server is down: what happens meanwhile is pushed to nobody. */
  get io(): HappyIo | null {
    return this.#io;
  }

  attach(io: HappyIo | null): void {
    this.#io = io;
  }

  /** The next number of an account's updates. */
  nextSeq(accountId: string): number {
    const account = this.#database.accounts.get(accountId);
    if (account === undefined) throw new Error(`No account ${accountId}.`);
    account.seq += 1;
    return account.seq;
  }

  update(accountId: string, body: UpdateBody, to: Audience = {}, seq = this.nextSeq(accountId)): void {
    this.#emit('update', accountId, { id: updateId(), seq, body, createdAt: this.#database.now() }, to);
  }

  ephemeral(accountId: string, payload: Ephemeral, to: Audience = {}): void {
    this.#emit('ephemeral', accountId, payload, to);
  }

  /** Sends a push as it is, past every fault. */
  send(emission: Emission): void {
    const all = this.#io?.to([...emission.rooms]);
    (emission.except === undefined ? all : all?.except(emission.except))?.emit(emission.event, emission.payload);
  }

  #emit(event: Emission['event'], accountId: string, payload: Emission['payload'], to: Audience): void {
    const emission: Emission = {
      event, accountId, payload, except: to.except,
      rooms: [
        rooms.users(accountId), ...(to.session === undefined ? [] : [rooms.session(accountId, to.session)]),
        ...(to.machine === undefined ? [] : [rooms.machine(accountId, to.machine)]),
      ],
    };
    for (let times = this.#filter(emission); times > 0; times -= 1) this.send(emission);
  }
}
