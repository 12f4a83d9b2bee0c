import type { Dispatcher } from 'undici';
import type { CallOptions, Disposable } from '../../model/backend.ts';
import type { Clock, Logger } from '../../model/context.ts';
import { isAbort } from '../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { sleep, systemClock } from '../../transport/clock.ts';
import { Emitter } from '../../transport/emitter.ts';
import { HttpClient, serverAddress } from '../../transport/http.ts';
import { silentLogger } from '../../transport/logger.ts';
import type { ProxySource } from '../../transport/proxy.ts';
import { backoff } from '../../transport/retry.ts';
import { Ages } from './ages.ts';
import type { Credentials } from './credentials.ts';
import type { Cipher } from './crypto/cipher.ts';
import { Keyring } from './crypto/keyring.ts';
import { AuthenticationError, EncryptionError, happyError, HappyError, SessionNotFound } from './errors.ts';
import { HappyHttp } from './http.ts';
import { Mirror } from './mirror.ts';
import type { MirrorChange } from './mirrored.ts';
import { keyed } from './mirrored.ts';
import { Rounds } from './rounds.ts';
import { callRpc } from './rpc.ts';
import type { RpcCallOptions } from './rpc.ts';
import type { Attention, SocketOptions } from './socket.ts';
import { HappySocket, NotSentError } from './socket.ts';
import { SessionSync } from './sync.ts';
import type { MachineRow, SessionRow } from './wire/bodies.ts';
import type { Ephemeral, Update } from './wire/pushes.ts';
import { readEphemeral, readUpdate } from './wire/pushes.ts';

export interface AccountOptions {
  readonly credentials: Credentials;
  readonly allowPlainHttp?: boolean;
  /** Connections of the caller for HTTP (not for the socket), such as a test's. */
  readonly dispatcher?: Dispatcher;
  /** The proxies on the way to the server, for HTTP and the socket, asked at every connection; none by default. */
  readonly proxy?: ProxySource | undefined;
  /** How we present ourselves: "<platform>/<version>". */
  readonly client?: string;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly random?: () => number;
  /** Milliseconds that the socket stays connected after its last use; 10,000 by default. A script that forgets to close ends then. */
  readonly idleMs?: number;
  readonly timing?: SocketOptions['timing'];
}

/** How long the server may take to say whether it takes our token. */
const PROBE_MS = 10_000;
/** Before another try to emit what had no connection. */
const AGAIN_MS = 100;

/** A session's messages, shared by all who use them. Disposing the last use ends the sync. */
export interface SyncUse extends Disposable {
  readonly sync: SessionSync;
}

/**
 * One Happy account on one server: its endpoints, its socket (connected while anything uses it), its keys, the mirror of its lists and the syncs of single sessions.
 * After each contact the lists and every session in use are read again; what is pushed goes to both.
 */
export class HappyAccount implements AsyncDisposable {
  readonly credentials: Credentials;
  readonly api: HappyHttp;
  readonly socket: HappySocket;
  readonly mirror: Mirror;
  readonly clock: Clock;
  readonly log: Logger;
  readonly keyring: Keyring;
  /** Updates that were pushed, and ephemerals of a known kind, while the socket is in use. */
  readonly onUpdate: Emitter<Update>;
  readonly onEphemeral: Emitter<Ephemeral>;
  /** The server does not take the token (any more), as requests are answered; where it refuses the socket, the socket's state tells. */
  readonly onRefused: Emitter<AuthenticationError>;
  /** Ids of sessions that a spawn of ours was answered with: none is taken for the answer of another. */
  readonly spawned = new Set<string>();
  readonly #options: AccountOptions;
  readonly #http: HttpClient;
  readonly #ages: Ages;
  readonly #syncs = new Map<string, { readonly sync: SessionSync; uses: number }>();
  readonly #end = new AbortController();
  readonly #rounds: Rounds;
  #attention: Attention = { active: false, visible: false };
  #uses = 0;
  #watchers = 0;
  #idle: { cancel(): void } | null = null;
  #reload: { cancel(): void } | null = null;
  #failures = 0;

  /** Throws `invalid_argument`, or `plain_http_refused` for plain http beyond loopback that nobody allowed: the socket carries the token as requests do. */
  constructor(options: AccountOptions) {
    const { credentials, clock = systemClock, log = silentLogger, client = 'pilothouse/0' } = options;
    try {
      serverAddress(credentials.serverUrl, { allowPlainHttp: options.allowPlainHttp === true });
    } catch (error) {
      throw happyError(error);
    }
    this.#options = options;
    this.credentials = credentials;
    this.clock = clock;
    this.log = log;
    this.keyring = new Keyring({ master: credentials.master, machineKey: credentials.machineKey, knownKeys: credentials.knownKeys });
    this.#http = new HttpClient({ allowPlainHttp: options.allowPlainHttp === true, clock, proxy: options.proxy, ...(options.dispatcher === undefined ? {} : { dispatcher: options.dispatcher }) });
    const random = options.random === undefined ? {} : { random: options.random };
    this.api = new HappyHttp(this.#http, credentials, client, { clock, ...random });
    this.socket = new HappySocket({
      credentials, client, clock, log, proxy: options.proxy, ...random, ...(options.timing === undefined ? {} : { timing: options.timing }),
      probe: (call) => this.api.probe(call), onBreak: () => this.#http.reset(),
    });
    this.mirror = new Mirror(this.api, this.keyring, log, { signal: this.#end.signal });
    this.#rounds = new Rounds(clock, { list: (signal) => this.#refreshed(signal), session: (id, signal) => this.#ask(id, signal) }, (error) => {
      log.debug('what is looked at could not be asked for', { error });
      void this.judged(error);
    });
    const failed = (error: unknown): void => log.error('a listener of the account failed', { error });
    this.onUpdate = new Emitter(failed);
    this.onEphemeral = new Emitter(failed);
    this.onRefused = new Emitter(failed);
    this.#ages = new Ages(this.mirror, this.api, log);
    this.socket.onState.on(({ status }) => this.#contact(status === 'online'));
    this.socket.onUpdate.on((raw) => this.#pushed(readUpdate(raw)));
    this.socket.onEphemeral.on((raw) => {
      const event = readEphemeral(raw);
      if (event === null) return;
      if (this.#watchers > 0) this.mirror.applyEphemeral(event);
      this.onEphemeral.emit(event);
    });
  }

  /** True from the call of dispose on. */
  get closed(): boolean {
    return this.#end.signal.aborted;
  }

  /** Keeps the socket connected until disposed. */
  use(): Disposable {
    this.requireOpen();
    this.#uses += 1;
    this.#idle?.cancel();
    this.#idle = null;
    this.socket.start();
    let used = true;
    return {
      dispose: () => {
        if (!used) return;
        used = false;
        this.#uses -= 1;
        if (this.#uses > 0 || this.closed) return;
        this.#idle = this.clock.setTimeout(() => this.socket.stop(), this.#options.idleMs ?? 10_000);
      },
    };
  }

  /** Changes of sessions, machines and contact, until disposed. The lists are read after each contact; `loaded` tells when they were. */
  watch(listener: (change: MirrorChange) => void): Disposable {
    const listening = this.mirror.onChange.on(listener);
    const using = this.use();
    this.#watchers += 1;
    if (this.#watchers === 1 && this.socket.state.status === 'online') this.#contact(true);
    let watching = true;
    return {
      dispose: () => {
        if (!watching) return;
        watching = false;
        this.#watchers -= 1;
        if (this.#watchers === 0) this.mirror.setOnline(false);
        this.#look();
        listening.dispose();
        using.dispose();
      },
    };
  }

  /** The messages of a session. Pushes reach it from now on; whoever uses it opens it. */
  sync(sessionId: string, cipher: Cipher | null): SyncUse {
    const using = this.use();
    let held = this.#syncs.get(sessionId);
    if (held === undefined) {
      const { random } = this.#options;
      held = { sync: new SessionSync(sessionId, { source: { messages: (range, options) => this.api.messages(sessionId, range, options) }, cipher, clock: this.clock, log: this.log, ...(random === undefined ? {} : { random }) }), uses: 0 };
      this.#syncs.set(sessionId, held);
      this.#look();
    }
    const shared = held;
    shared.uses += 1;
    let used = true;
    return {
      sync: shared.sync,
      dispose: () => {
        if (!used) return;
        used = false;
        shared.uses -= 1;
        if (shared.uses === 0) {
          this.#syncs.delete(sessionId);
          shared.sync.dispose();
          this.#look();
        }
        using.dispose();
      },
    };
  }

  /** What the person looks at: told to the server, and used to notice a dead connection and lost pushes sooner. */
  setAttention(attention: Attention): void {
    this.#attention = attention;
    this.socket.setAttention(attention);
    this.#look();
  }

  /** The row of one session. Rejects with SessionNotFound. */
  async sessionRow(id: string, options: CallOptions = {}): Promise<SessionRow> {
    this.requireOpen();
    const row = await this.api.session(id, options);
    if (row === null) throw new SessionNotFound(id);
    return row;
  }

  /** Rejects with `machine_not_found`. */
  async machineRow(id: string, options: CallOptions = {}): Promise<MachineRow> {
    this.requireOpen();
    const row = await this.api.machine(id, options);
    if (row === null) throw new HappyError('machine_not_found', `There is no machine ${id} in this Happy account.`);
    return row;
  }

  /** The cipher of a row, or an EncryptionError that says what these keys can read. */
  cipherOf(row: SessionRow | MachineRow): Cipher {
    const cipher = this.keyring.cipherFor(keyed(row));
    if (cipher === null) throw new EncryptionError(`These credentials hold no key for ${row.id}. ${this.credentials.describe()}`);
    return cipher;
  }

  /** Calls a handler of a session's process. */
  async sessionRpc(row: SessionRow, method: string, params: JsonObject, options: RpcCallOptions = {}): Promise<JsonValue> {
    return this.#rpc({ kind: 'session', id: row.id, cipher: this.cipherOf(row) }, method, params, options);
  }

  /** Calls a handler of a machine's daemon. */
  async machineRpc(row: MachineRow, method: string, params: JsonObject, options: RpcCallOptions = {}): Promise<JsonValue> {
    return this.#rpc({ kind: 'machine', id: row.id, cipher: this.cipherOf(row) }, method, params, options);
  }

  /** Emits an event as soon as there is a connection, and waits for its acknowledgement; `timeoutMs` is for all of it. As `HappySocket.ask`. */
  async ask(event: string, payload: Readonly<Record<string, unknown>>, options: { readonly timeoutMs: number } & CallOptions): Promise<unknown> {
    const using = this.use();
    const until = this.clock.monotonic() + options.timeoutMs;
    const left = (): number => Math.max(1, until - this.clock.monotonic());
    try {
      for (;;) {
        await this.socket.online({ ...options, timeoutMs: left() });
        try {
          return await this.socket.ask(event, payload, { ...options, timeoutMs: left() });
        } catch (error) {
          if (!(error instanceof NotSentError)) throw error;
        }
        await sleep(this.clock, Math.min(AGAIN_MS, left()), options.signal);
        this.requireOpen();
      }
    } finally {
      using.dispose();
    }
  }

  /** Reads the lists once more, where there is contact and somebody watches. */
  reread(): void {
    if (this.#watchers > 0 && this.socket.state.status === 'online') this.#load();
  }

  /**
   * What a failed call means. One answer that refuses the token may be late, or of somebody on the way: where the server does not stand by it when it is asked itself, it is `request_refused`,
   * which may be tried again; where it does, `onRefused` tells so. Never rejects.
   */
  async judged(error: unknown): Promise<Error> {
    const failure = error instanceof Error ? error : new Error(String(error));
    if (this.closed || this.socket.state.refusal !== null || !(failure instanceof AuthenticationError) || failure.code !== 'authentication_failed') return failure;
    try {
      await this.api.probe({ deadlineMs: PROBE_MS, signal: this.#end.signal });
    } catch (reason) {
      if (!(reason instanceof AuthenticationError)) return reason instanceof Error ? reason : failure;
      this.onRefused.emit(reason);
      return failure;
    }
    return new HappyError('request_refused', 'The Happy server refused this, but takes the token. Try again.', { cause: failure });
  }

  requireOpen(): void {
    if (this.closed) throw new HappyError('closed', 'This Happy client was closed.');
  }

  /** Ends the socket, every sync and every connection; waits that run reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.#end.abort();
    this.#idle?.cancel();
    this.#reload?.cancel();
    this.#rounds.dispose();
    for (const { sync } of this.#syncs.values()) sync.dispose();
    this.#syncs.clear();
    this.socket.close();
    this.mirror.onChange.clear();
    this.onUpdate.clear();
    this.onEphemeral.clear();
    this.onRefused.clear();
    this.keyring[Symbol.dispose]();
    await this.#http[Symbol.asyncDispose]();
  }

  async #rpc(scope: { readonly kind: 'session' | 'machine'; readonly id: string; readonly cipher: Cipher }, method: string, params: JsonObject, options: RpcCallOptions): Promise<JsonValue> {
    const using = this.use();
    try {
      return await callRpc(this.socket, scope, method, params, options, this.clock);
    } finally {
      using.dispose();
    }
  }

  #pushed(update: Update): void {
    if (this.#watchers > 0) this.mirror.apply(update);
    if (update.kind === 'known' && update.body.t === 'new-message') {
      this.#syncs.get(update.body.sid)?.sync.push(update.body.message);
      this.#rounds.heard(update.body.sid);
      this.#ages.heard(update.body.sid, update.body.message.seq);
    }
    this.onUpdate.emit(update);
  }

  /** Asks for what can be seen, while it is, and as long as there is contact: what a contact brings is read anyway. */
  #look(): void {
    const { active, visible, sessions = [] } = this.#attention;
    const looks = active && visible && this.#watchers > 0 && this.socket.state.status === 'online';
    this.#rounds.look(looks ? sessions.filter((id) => this.#syncs.has(id)) : null);
  }

  /** The messages of a session that is in use, after what is here of them. */
  async #ask(id: string, signal: AbortSignal): Promise<boolean> {
    const sync = this.#syncs.get(id)?.sync;
    if (sync === undefined || sync.watermark === null) return false;
    const before = sync.watermark;
    await sync.catchUp({ signal });
    return sync.watermark !== before;
  }

  /** Missed pushes are not sent again: whatever is shown is read anew after each contact. */
  #contact(online: boolean): void {
    if (this.#watchers > 0) this.mirror.setOnline(online);
    this.#rounds.read();
    this.#look();
    if (!online) return;
    this.#failures = 0;
    if (this.#watchers > 0) this.#load();
    for (const { sync } of this.#syncs.values()) sync.catchUp().catch((error: unknown) => this.log.debug('catching up failed', { error }));
  }

  #load(): void {
    this.#reload?.cancel();
    this.#reload = null;
    this.#loaded().catch(async (error: unknown) => {
      const reason = isAbort(error) ? error : await this.judged(error);
      if (this.closed || isAbort(reason) || reason instanceof AuthenticationError) return;
      this.#failures += 1;
      this.log.debug('the lists could not be read', { error: reason });
      this.#reload = this.clock.setTimeout(() => {
        if (this.#watchers > 0 && this.socket.state.status === 'online') this.#load();
      }, backoff(this.#failures, { baseMs: 1_000, capMs: 30_000, random: this.#options.random }));
    });
  }

  /** What changed since the lists were read, and the ages that could not be found out then. */
  async #refreshed(signal: AbortSignal): Promise<boolean> {
    const brought = await this.mirror.refresh({ signal });
    await this.#ages.look(signal);
    return brought;
  }

  async #loaded(): Promise<void> {
    await this.mirror.load({ signal: this.#end.signal });
    this.#failures = 0;
    await this.#ages.look(this.#end.signal);
  }
}
