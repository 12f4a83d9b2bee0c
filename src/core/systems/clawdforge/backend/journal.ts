import type { Keep, Logger } from '../../../model/context.ts';
import { loggedOf } from '../../../model/context.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError } from '../../../model/errors.ts';

/**
 * What was said in the sessions of a server, which keeps none of it: one part a turn or a notice, whole entries only, in the connection's `keep`. It is what `history` gives, and what a fresh
 * session is told of a closed one.
 */
export class Journal {
  readonly #keep: Keep;
  readonly #log: Logger;

  constructor(keep: Keep, log: Logger) {
    this.#keep = keep;
    this.#log = log;
  }

  /** Resolves when it is kept. A part that is there already is replaced. */
  write(session: string, part: number, entries: readonly Entry[]): Promise<void> {
    return this.#keep.set(keyOf(session, part), JSON.stringify(entries));
  }

  /** Empty where there is none, or one that cannot be read. */
  async read(session: string, part: number): Promise<readonly Entry[]> {
    const text = await this.#keep.get(keyOf(session, part));
    if (text === null) return [];
    try {
      // Written by us, sealed by the store.
      const entries = JSON.parse(text) as unknown;
      return Array.isArray(entries) ? (entries as Entry[]) : [];
    } catch (error) {
      this.#log.warn('a part of a session could not be read', { session, part, error: describeError(error) });
      return [];
    }
  }

  drop(session: string, part: number): Promise<void> {
    return this.#keep.set(keyOf(session, part), null);
  }

  async clear(session: string, parts: number): Promise<void> {
    for (let part = 0; part < parts; part += 1) await this.drop(session, part);
  }
}

function keyOf(session: string, part: number): string {
  return `${loggedOf(session)}${part}`;
}
