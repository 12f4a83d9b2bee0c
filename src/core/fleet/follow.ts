import type { Entry } from '../model/entry.ts';
import type { Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { SessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';

const BATCH = 500;

/** Brings what other processes write about one session into a view, in batches, without a gap. */
export class FollowStore {
  private readonly store: Store;
  private readonly session: SessionKey;
  private readonly take: (entries: readonly Entry[]) => void;
  private readonly log: Logger;
  private mark = 0;
  private reading = false;
  private again = false;
  private disposed = false;

  constructor(store: Store, session: SessionKey, take: (entries: readonly Entry[]) => void, log: Logger) {
    this.store = store;
    this.session = session;
    this.take = take;
    this.log = log;
  }

  async start(): Promise<void> {
    this.mark = await this.store.mark(this.session);
  }

  /** Something may have been written: reads on from the last mark. */
  poke(): void {
    this.again = true;
    if (!this.reading) void this.read();
  }

  dispose(): void {
    this.disposed = true;
  }

  private async read(): Promise<void> {
    this.reading = true;
    try {
      while (this.again && !this.disposed) {
        this.again = false;
        const { entries, mark } = await this.store.entriesSince(this.session, this.mark, BATCH);
        if (this.disposed) return;
        this.mark = mark;
        if (entries.length > 0) this.take(entries);
        if (entries.length === BATCH) this.again = true;
      }
    } catch (error) {
      this.log.warn('what another window wrote could not be read', { error: describeError(error) });
    } finally {
      this.reading = false;
    }
  }
}
