import type { CallOptions, ConnectionState } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import { describeError } from '../../../model/errors.ts';
import type { Machine } from '../../../model/session.ts';
import type { Forge } from '../client.ts';
import type { ForgeHealth } from '../types.ts';
import { ForgeAPIError, ForgeAuthError, ForgeError, ForgeTransportError } from '../errors.ts';
import type { ForgeSessionState } from '../types.ts';

/** The id of the machine that a server is: the same for every token. */
export function machineOf(baseUrl: string): string {
  const { host, pathname } = new URL(baseUrl);
  return `clawdforge:${host}${pathname.replace(/\/$/, '')}`;
}

/** A session of which nothing is known but that it was closed. */
const UNSEEN: Omit<ForgeSessionState, 'sessionId'> = { agent: 'claude', cwd: null, createdAt: null, lastTurnAt: null, turnCount: 0, closedAt: null, live: null, meta: null };

/** The longest that is waited for contact, milliseconds. */
const CONNECT_MS = 12_000;

/** A server as it was seen last: whether it answers, its health, and the rows of its sessions. */
export class Mirror {
  state: ConnectionState = { status: 'connecting', message: null, remedy: null, version: null };
  readonly #forge: Forge;
  readonly #context: BackendContext;
  readonly #changed: () => void;
  readonly #end = new AbortController();
  #health: ForgeHealth | null = null;
  #rows = new Map<string, ForgeSessionState>();
  #seenAt: number | null = null;

  constructor(forge: Forge, context: BackendContext, changed: () => void) {
    this.#forge = forge;
    this.#context = context;
    this.#changed = changed;
  }

  get online(): boolean {
    return this.state.status === 'ready';
  }

  dispose(): void {
    this.#end.abort();
  }

  /** Asks for the health and, as the token is asked for nothing there, for the list. Rejects for an abort only. */
  async connect(options: CallOptions): Promise<ConnectionState> {
    const late = AbortSignal.timeout(CONNECT_MS);
    const call = { signal: options.signal === undefined ? late : AbortSignal.any([options.signal, late]) };
    try {
      this.#health = await this.#forge.healthz(this.#call(call));
      await this.list(call);
    } catch (error) {
      options.signal?.throwIfAborted();
      this.judge(late.aborted ? new ForgeTransportError('timeout', 'The clawdforge server does not answer.', 'unanswered', { cause: error }) : error);
      if (this.state.status === 'connecting') this.#set({ status: 'failed', message: describeError(error), remedy: null, version: null });
    }
    return this.state;
  }

  row(forgeId: string): ForgeSessionState | null {
    return this.#rows.get(forgeId) ?? null;
  }

  rows(): readonly ForgeSessionState[] {
    return [...this.#rows.values()];
  }

  /** Reads the list. What keeps it away rejects, and is the state. */
  async list(options: CallOptions): Promise<void> {
    try {
      const rows = await this.#forge.listSessions(this.#call(options));
      this.#rows = new Map(rows.map((row) => [row.sessionId, row]));
      this.#seen();
    } catch (error) {
      this.judge(error);
      throw error;
    }
  }

  /** As `ForgeDesk.read`. */
  async read(forgeId: string, options: CallOptions): Promise<ForgeSessionState | null> {
    try {
      const row = await this.#forge.getSession(forgeId, this.#call(options));
      this.#rows.set(forgeId, row);
      this.#seen();
      return row;
    } catch (error) {
      this.judge(error);
      if (!(error instanceof ForgeAPIError) || (error.status !== 404 && error.status !== 410)) throw error;
      const known = this.#rows.get(forgeId) ?? { ...UNSEEN, sessionId: forgeId };
      if (error.status === 410) return { ...known, closedAt: known.closedAt ?? this.#context.clock.now() };
      this.#rows.delete(forgeId);
      return null;
    }
  }

  /** What a failed request says of the connection: no contact, or a token that is not taken. Other answers say that there is contact. */
  judge(error: unknown): void {
    if (this.#end.signal.aborted) return;
    const version = this.#health?.claudeVersion ?? null;
    if (error instanceof ForgeAuthError) {
      this.#set({ status: 'needs-sign-in', message: error.message, remedy: { text: 'Give this connection another token (Sign In…).', command: null }, version });
    } else if (error instanceof ForgeTransportError) {
      // An answer that broke off is no sign that the next one does.
      if (error.reached !== 'cut') this.#set({ status: 'offline', message: error.message, remedy: null, version });
    } else if (error instanceof ForgeAPIError) {
      if (error.status >= 500 && this.state.status === 'connecting') this.#set({ status: 'failed', message: error.message, remedy: null, version });
    } else if (error instanceof ForgeError && error.code === 'bad_answer' && this.state.status === 'connecting') {
      this.#set({ status: 'failed', message: error.message, remedy: { text: 'Check the address of this connection.', command: null }, version });
    }
  }

  machine(): Machine {
    const { baseUrl } = this.#forge;
    const { status } = this.state;
    const health = this.#health;
    const claude = health === null ? null : !health.claudePresent ? 'Claude Code is not installed there' : health.claudeVersion === null ? 'Claude Code is there' : `Claude Code ${health.claudeVersion}`;
    return {
      id: machineOf(baseUrl), connectionId: this.#context.connectionId, name: new URL(baseUrl).host, state: status === 'ready' ? 'online' : status === 'offline' ? 'offline' : 'unknown',
      seenAt: this.#seenAt, home: null, ...(claude === null ? {} : { detail: claude }),
    };
  }

  #seen(): void {
    this.#seenAt = this.#context.clock.now();
    this.#set({ status: 'ready', message: null, remedy: null, version: this.#health?.claudeVersion ?? null });
  }

  #set(state: ConnectionState): void {
    this.state = state;
    this.#changed();
  }

  #call({ signal }: CallOptions): CallOptions {
    return { signal: signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal]) };
  }
}
