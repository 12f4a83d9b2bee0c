import type { CallOptions } from '../../model/backend.ts';
import type { JsonValue } from '../../model/json.ts';
import { ForgeAPIError, ForgeError } from './errors.ts';
import type { ForgeEvent, ForgeSessionState, TurnResult } from './types.ts';

export interface ForgeTurnOptions extends CallOptions {
  /** Told each event once, in order, when it arrives. What it throws reaches the caller of `turn`, once the turn is over. */
  readonly onEvent?: (event: ForgeEvent) => void;
  /** Seconds that the server may work, 5 to 600; the client's default otherwise. */
  readonly timeoutSecs?: number;
  /** Called when the server's answer begins, as a stream or to come in one piece: it has the prompt then. */
  readonly onOpen?: (streams: boolean) => void;
}

/** What a session needs of its client. */
export interface SessionCalls {
  turn(sessionId: string, prompt: string, options: ForgeTurnOptions): Promise<TurnResult>;
  state(sessionId: string, options: CallOptions): Promise<ForgeSessionState>;
  close(sessionId: string, options: CallOptions): Promise<{ readonly alreadyClosed: boolean }>;
}

/** What the server said when it made the session. */
interface MadeSession {
  readonly sessionId: string;
  readonly agent: string;
  /** As the server writes it; null where it is not known. */
  readonly createdAt: string | number | null;
  readonly meta: JsonValue;
}

/**
 * A conversation on the server: what its agent read and did stays known from turn to turn until it is closed, or its time is over (`session_closed`, 410). With `await using` it closes itself.
 */
export class ForgeSession implements AsyncDisposable, MadeSession {
  readonly sessionId: string;
  readonly agent: string;
  readonly createdAt: string | number | null;
  readonly meta: JsonValue;
  readonly #calls: SessionCalls;
  #turn = false;
  #closed = false;
  #closing: Promise<void> | null = null;

  constructor(calls: SessionCalls, made: MadeSession) {
    this.#calls = calls;
    this.sessionId = made.sessionId;
    this.agent = made.agent;
    this.createdAt = made.createdAt;
    this.meta = made.meta;
  }

  /** True once it was closed through this object. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * One turn, sent once: it costs tokens. Rejects with `turn_running` while one runs, `session_closed` (410), `session_not_found` (404), and, where nobody can say what became of it, with a
   * ForgeTransportError: `state().turnCount` tells whether the server has counted it.
   */
  async turn(prompt: string, options: ForgeTurnOptions = {}): Promise<TurnResult> {
    if (this.#turn) throw new ForgeError('turn_running', 'A turn of this session is running. Send this when it has ended.');
    this.#turn = true;
    try {
      return await this.#calls.turn(this.sessionId, prompt, options);
    } finally {
      this.#turn = false;
    }
  }

  state(options: CallOptions = {}): Promise<ForgeSessionState> {
    return this.#calls.state(this.sessionId, options);
  }

  /** Ends it on the server. Once that is done, another call asks the server nothing; one that failed may be repeated. What the server has closed already is closed. */
  async close(options: CallOptions = {}): Promise<void> {
    if (this.#closed) return;
    this.#closing ??= this.#end(options).finally(() => {
      this.#closing = null;
    });
    return this.#closing;
  }

  /** Closes it. Never rejects, so that what went wrong within the block is what its caller sees: the server closes by itself what was not closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close().catch(() => undefined);
  }

  async #end(options: CallOptions): Promise<void> {
    try {
      await this.#calls.close(this.sessionId, options);
    } catch (error) {
      if (!(error instanceof ForgeAPIError) || error.status !== 410) throw error;
    }
    this.#closed = true;
  }
}
