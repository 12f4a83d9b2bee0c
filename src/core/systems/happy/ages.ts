import type { CallOptions } from '../../model/backend.ts';
import { isAbort } from '../../model/errors.ts';
import type { Logger } from '../../model/context.ts';
import type { MessageRange, MessagesPage } from './http.ts';
import type { Mirror } from './mirror.ts';

/** How many sessions are asked for, those first that changed last, and how many at a time. */
const MOST = 60;
const AT_ONCE = 2;

interface Messages {
  messages(sessionId: string, range: MessageRange, options: { readonly limit: number } & CallOptions): Promise<MessagesPage>;
}

/**
 * When something was said last in sessions whose process lives. The server writes a session's row for each of its signs of life, about twice a minute, and `updatedAt` with it
 * (happy.md B10): of those that live it tells nothing. The time of the last message does.
 */
export class Ages {
  readonly #mirror: Mirror;
  readonly #source: Messages;
  readonly #log: Logger;
  /** The last message of each session that was looked at. */
  readonly #known = new Map<string, number>();

  constructor(mirror: Mirror, source: Messages, log: Logger) {
    this.#mirror = mirror;
    this.#source = source;
    this.#log = log;
  }

  /** A message was pushed: it brought its own time. */
  heard(id: string, seq: number): void {
    this.#known.set(id, Math.max(seq, this.#known.get(id) ?? 0));
  }

  /** To be called when the lists were read. Never rejects: what could not be found out stays as the list says it. */
  async look(signal: AbortSignal): Promise<void> {
    const due = this.#mirror.sessions().filter(({ id, active, seq }) => active === true && seq > 0 && this.#known.get(id) !== seq).sort((one, other) => one.updatedAt - other.updatedAt).slice(-MOST);
    const ask = async (): Promise<void> => {
      for (let session = due.pop(); session !== undefined && !signal.aborted; session = due.pop()) await this.#ask(session.id, session.seq, signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
  }

  async #ask(id: string, seq: number, signal: AbortSignal): Promise<void> {
    try {
      // The session's seq may be one that no message has (happy.md A, "Sending"): the last message is the one before it then.
      const { rows } = await this.#source.messages(id, { before: seq + 1 }, { limit: 1, signal });
      this.#known.set(id, Math.max(seq, this.#known.get(id) ?? 0));
      const [last] = rows;
      if (last !== undefined) this.#mirror.said(id, seq, last.createdAt);
    } catch (error) {
      if (!isAbort(error)) this.#log.debug('the last message of a session could not be read', { id, error });
    }
  }
}
