import type { CallOptions } from '../../model/backend.ts';
import type { Logger } from '../../model/context.ts';

/** Rows that a push named and that are not here: one look for each, however many pushes name it meanwhile. */
export class Looks {
  readonly #log: Logger;
  readonly #options: CallOptions;
  /** Rows that are being looked at; `gone` where a push said meanwhile that it was deleted: what the look brings is older. */
  readonly #looking = new Map<string, { gone: boolean }>();

  /** `options` ends every look. */
  constructor(log: Logger, options: CallOptions) {
    this.#log = log;
    this.#options = options;
  }

  /** Reads a row, unless it is being read, and hands it on if it is there. Never rejects: the next push that names it looks again. */
  at<T>(id: string, read: (options: CallOptions) => Promise<T | null>, take: (row: T) => void): void {
    if (this.#looking.has(id)) return;
    const look = { gone: false };
    this.#looking.set(id, look);
    const taken = async (): Promise<void> => {
      const row = await read(this.#options);
      if (row !== null && !look.gone && this.#options.signal?.aborted !== true) take(row);
    };
    taken()
      .catch((error: unknown) => this.#log.debug('a row that a push named could not be read', { id, error }))
      .finally(() => this.#looking.delete(id));
  }

  /** It was deleted: a look that is under way does not bring it back. */
  gone(id: string): void {
    const look = this.#looking.get(id);
    if (look !== undefined) look.gone = true;
  }
}
