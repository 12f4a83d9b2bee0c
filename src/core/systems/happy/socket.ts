import { io, NodeWebSocket } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import type { CallOptions, Disposable } from '../../model/backend.ts';
import type { Clock, Logger } from '../../model/context.ts';
import { abortReason, systemClock } from '../../transport/clock.ts';
import { Emitter } from '../../transport/emitter.ts';
import { silentLogger } from '../../transport/logger.ts';
import type { ProxyError, ProxySource } from '../../transport/proxy.ts';
import { routeTo } from '../../transport/proxy.ts';
import { backoff } from '../../transport/retry.ts';
import { proxyErrorOf, routedWebSocket } from '../../transport/tunnel.ts';
import { waitFor } from '../../transport/wait.ts';
import type { Credentials } from './credentials.ts';
import { AuthenticationError, ConnectionError, HappyError, TimeoutError } from './errors.ts';

/** `offline`: not started, ended, or refused by the server (`refusal`); `reconnecting`: no contact at this moment. */
export interface SocketState {
  readonly status: 'online' | 'reconnecting' | 'offline';
  /** Why the server will not have us, however often we come; null otherwise. */
  readonly refusal: AuthenticationError | null;
  /** The proxy on the way that lets nothing through; tried again all the same. */
  readonly proxy?: ProxyError;
}
/** What the person looks at: a window with the focus is `active`; a view of ours that can be seen is `visible`. */
export interface Attention {
  readonly active: boolean;
  readonly visible: boolean;
  /** Sessions whose chats can be seen. */
  readonly sessions?: readonly string[];
}
export interface SocketOptions {
  readonly credentials: Pick<Credentials, 'serverUrl' | 'token'>;
  /** "<platform>/<version>". */
  readonly client: string;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly random?: () => number;
  /** Asks the server over HTTP; rejects where it is out of reach. For telling a silent socket from a silent account. */
  readonly probe: (options: { readonly deadlineMs: number } & CallOptions) => Promise<void>;
  /** The proxies on the way, asked at every connection; none by default. */
  readonly proxy?: ProxySource | undefined;
  /** The network changed or the computer slept: connections that are open are dead. */
  readonly onBreak?: () => void;
  /** Milliseconds of each wait; for tests. */
  readonly timing?: Partial<typeof TIMING>;
}

const TIMING = {
  /** A silent socket is probed after this long while something is visible. */
  silence: 5_000,
  /** A socket that does not answer our ping within this time is half-open. */
  pong: 2_000,
  connect: 3_000,
  /** Every eighth try has this long: a network may be slow rather than gone. */
  slowConnect: 15_000,
  firstDelay: 1_000,
  lastDelay: 5_000,
  /** Longest delay between two tries while something is visible: the view is to be right within 5 s of the network's return. */
  lastVisibleDelay: 2_000,
  beat: 1_000,
  /** The wall clock ahead of the beat by this much means that the computer slept. */
  jump: 4_000,
};

const TERMINAL = /^(?:Invalid authentication token|Missing authentication token|Session ID required|Machine ID required)/;
/** Frames over 1,000,000 bytes make the server drop the socket; the rest is for the frame around the payload. */
const LARGEST_FRAME = 990_000;

/**
 * The socket of one account, user-scoped (happy.md A, B1): pushes in, acknowledged requests out. It reconnects by itself until `stop`, save where the server refuses the token.
 * Nothing is ever kept to be sent later: what cannot be sent now rejects. What was pushed while it was away is not pushed again: whoever listens reads the truth over HTTP
 * whenever the state becomes `online`.
 */
export class HappySocket {
  readonly onState: Emitter<SocketState>;
  readonly onUpdate: Emitter<unknown>;
  readonly onEphemeral: Emitter<unknown>;
  readonly #options: SocketOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #timing: typeof TIMING;
  #state: SocketState = { status: 'offline', refusal: null };
  #socket: Socket | null = null;
  #attention: Attention = { active: false, visible: false };
  #closed = false;
  #tries = 0;
  #retry: { cancel(): void } | null = null;
  #beat: { cancel(): void } | null = null;
  #lastBeat = 0;
  #heardAt = 0;
  #probing: AbortController | null = null;

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLogger;
    this.#timing = { ...TIMING, ...options.timing };
    const failed = (error: unknown): void => this.#log.error('a listener of the socket failed', { error });
    this.onState = new Emitter(failed);
    this.onUpdate = new Emitter(failed);
    this.onEphemeral = new Emitter(failed);
  }

  get state(): SocketState {
    return this.#state;
  }

  /** Connects, and goes on connecting. Does nothing while it runs, and after `close`. */
  start(): void {
    if (this.#socket !== null || this.#closed) return;
    const { credentials, client } = this.#options;
    const url = new URL(credentials.serverUrl);
    const { proxy } = this.#options;
    let said = this.#appState();
    const socket = io(url.origin, {
      path: `${url.pathname.replace(/\/$/, '')}/v1/updates`, transports: [proxy === undefined ? NodeWebSocket : routedWebSocket((to) => routeTo(to, proxy()))], reconnection: false, autoConnect: false, forceNew: true, timeout: this.#timing.connect,
      // A callback: what the person looks at is said anew at every connection. Saying `active` when nobody looks would silence the owner's phone.
      auth: (give) => {
        said = this.#appState();
        give({ token: credentials.token, clientType: 'user-scoped', happyClient: client, appState: said });
      },
    });
    this.#socket = socket;
    this.#tries = 0;
    socket.on('connect', () => {
      this.#heard();
      this.#tries = 0;
      // It may have changed since the handshake.
      if (said !== this.#appState()) socket.emit('app-state', { state: this.#appState() });
      this.#move({ status: 'online', refusal: null });
    });
    socket.on('disconnect', (reason: string) => {
      this.#log.debug('socket lost', { reason });
      if (this.#socket === socket) this.#lost();
    });
    socket.on('connect_error', (error: Error) => {
      if (this.#socket !== socket) return;
      if (TERMINAL.test(error.message)) this.#refused(error);
      else this.#lost(proxyErrorOf(error));
    });
    socket.on('update', (value: unknown) => {
      this.#heard();
      this.onUpdate.emit(value);
    });
    socket.on('ephemeral', (value: unknown) => {
      this.#heard();
      this.onEphemeral.emit(value);
    });
    socket.io.on('ping', () => this.#heard());
    this.#move({ status: 'reconnecting', refusal: null });
    this.#lastBeat = this.#clock.now();
    this.#heard();
    this.#beatLater();
    socket.connect();
  }

  /** Ends the connection and every wait for it. `start` begins again. */
  stop(): void {
    this.#drop();
    this.#beat?.cancel();
    this.#beat = null;
    this.#move({ status: 'offline', refusal: null });
  }

  /** Ends it for good: nothing begins it again. */
  close(): void {
    this.#closed = true;
    this.stop();
  }

  /** What the person looks at now. The server hears of the focus at once; something that became visible is worth a try at once. */
  setAttention(attention: Attention): void {
    const before = this.#attention;
    this.#attention = attention;
    if (before.active !== attention.active && this.#state.status === 'online') this.#socket?.emit('app-state', { state: this.#appState() });
    if (attention.visible && !before.visible && this.#state.status === 'reconnecting') this.nudge();
  }

  /** Tries now instead of after the delay: the network may be back. */
  nudge(): void {
    if (this.#retry === null) return;
    this.#retry.cancel();
    this.#retry = null;
    this.#socket?.connect();
  }

  /** Gives the connection up and makes it anew: it may be dead without saying so. */
  reconnect(why: string): void {
    if (this.#socket === null) return;
    this.#log.info('socket is made anew', { why });
    this.#options.onBreak?.();
    this.#drop();
    this.start();
  }

  /** Resolves when online. Rejects with AuthenticationError where the server refuses us, with `proxy_auth_required` or `proxy_invalid` where the person must mend the way there, with ConnectionError after `timeoutMs`, with `closed` after `close`. */
  async online(options: { readonly timeoutMs: number } & CallOptions): Promise<void> {
    if (this.#closed) throw new HappyError('closed', 'This Happy client was closed.');
    this.start();
    if (this.#state.status === 'online') return;
    let listening: Disposable | undefined;
    const reached = new Promise<void>((resolve, reject) => {
      const look = (state: SocketState): void => {
        if (state.status === 'online') resolve();
        else if (state.refusal !== null) reject(state.refusal);
        else if (state.proxy?.personMustAct === true) reject(new HappyError(state.proxy.code, state.proxy.message, { cause: state.proxy, personMustAct: true }));
        else if (state.status === 'offline') reject(new ConnectionError('The connection to the Happy server was closed.'));
      };
      listening = this.onState.on(look);
      look(this.#state);
    });
    try {
      await waitFor(reached, { clock: this.#clock, timeoutMs: options.timeoutMs, signal: options.signal, onTimeout: () => new ConnectionError(this.#state.proxy?.message ?? 'The Happy server cannot be reached.') });
    } finally {
      listening?.dispose();
    }
  }

  /**
   * Emits an event and waits for its acknowledgement. Rejects with ConnectionError (`sent` is false where it certainly did not go out), TimeoutError, `too_large`, or the signal's reason.
   * After anything but `sent: false` and `too_large` it is unknown whether the server acted.
   */
  async ask(event: string, payload: Readonly<Record<string, unknown>>, options: { readonly timeoutMs: number } & CallOptions): Promise<unknown> {
    const { timeoutMs, signal } = options;
    if (signal?.aborted === true) throw abortReason(signal);
    if (Buffer.byteLength(JSON.stringify(payload)) > LARGEST_FRAME) throw new HappyError('too_large', 'This is too large for the Happy server, which takes about 1 MB at once. Send it in parts.');
    const socket = this.#socket;
    if (socket === null || !socket.connected) throw new NotSentError();
    const answer = new Promise<unknown>((resolve, reject) => {
      // socket.io's own timeout stands behind ours, so that its table of waiting acknowledgements is cleared too.
      socket.timeout(timeoutMs + 1_000).emit(event, payload, (error: Error | null, value: unknown) => {
        if (error === null) resolve(value);
        else reject(new ConnectionError('The connection to the Happy server was lost before it answered.', { cause: error }));
      });
    });
    return waitFor(answer, { clock: this.#clock, timeoutMs, signal, onTimeout: () => new TimeoutError('The Happy server did not answer in time.') });
  }

  #appState(): 'active' | 'background' {
    return this.#attention.active ? 'active' : 'background';
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
  }

  #move(state: SocketState): void {
    if (state.status === this.#state.status && state.refusal === this.#state.refusal && state.proxy?.message === this.#state.proxy?.message) return;
    this.#state = state;
    this.onState.emit(state);
  }

  #lost(proxy: ProxyError | null = null): void {
    if (proxy !== null) this.#log.info('the proxy lets nothing through', { code: proxy.code });
    this.#move({ status: 'reconnecting', refusal: null, ...(proxy === null ? {} : { proxy }) });
    if (this.#retry !== null) return;
    this.#tries += 1;
    const capMs = this.#attention.visible ? this.#timing.lastVisibleDelay : this.#timing.lastDelay;
    this.#retry = this.#clock.setTimeout(() => {
      this.#retry = null;
      this.#socket?.io.timeout(this.#tries % 8 === 7 ? this.#timing.slowConnect : this.#timing.connect);
      this.#socket?.connect();
    }, backoff(this.#tries, { baseMs: this.#timing.firstDelay, capMs, random: this.#options.random }));
  }

  #refused(error: Error): void {
    this.#drop();
    this.#beat?.cancel();
    this.#beat = null;
    this.#move({ status: 'offline', refusal: new AuthenticationError('authentication_failed', 'The Happy server does not accept this token. Sign in again.', { cause: error }) });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#retry?.cancel();
    this.#retry = null;
    this.#probing?.abort();
    this.#probing = null;
    if (socket === null) return;
    socket.disconnect();
    // A half-open transport would otherwise wait for the other side's farewell.
    socket.io.engine?.close();
    socket.removeAllListeners();
    socket.io.removeAllListeners();
  }

  #beatLater(): void {
    this.#beat?.cancel();
    this.#beat = this.#clock.setTimeout(() => {
      const now = this.#clock.now();
      const jumped = now - this.#lastBeat - this.#timing.beat;
      this.#lastBeat = now;
      if (this.#socket !== null) this.#beatLater();
      if (Math.abs(jumped) > this.#timing.jump) this.reconnect(jumped > 0 ? 'the computer slept' : 'the clock was set back');
      else if (this.#attention.visible && this.#state.status === 'online' && this.#clock.monotonic() - this.#heardAt >= this.#timing.silence) void this.#check();
    }, this.#timing.beat);
  }

  /**
   * Silent for long while somebody looks. The server acknowledges `ping` on a socket that lives; where it does not in time, HTTP tells whether it is this socket (made anew at
   * once) or the network (the same, and open connections are given up).
   */
  async #check(): Promise<void> {
    if (this.#probing !== null) return;
    const stop = new AbortController();
    this.#probing = stop;
    const socket = this.#socket;
    try {
      const pong = new Promise<boolean>((resolve) => {
        socket?.timeout(this.#timing.pong).emit('ping', (error: Error | null) => resolve(error === null));
      });
      const probe = this.#options.probe({ deadlineMs: this.#timing.pong, signal: stop.signal }).then(() => true, () => false);
      const [alive, reachable] = await Promise.all([pong, probe]);
      if (stop.signal.aborted) return;
      if (alive) this.#heard();
      else this.reconnect(reachable ? 'half-open' : 'no network');
    } finally {
      if (this.#probing === stop) this.#probing = null;
    }
  }
}

/** It certainly did not go out: there is no connection. */
export class NotSentError extends ConnectionError {
  constructor() {
    super('There is no connection to the Happy server at the moment.');
  }
}
