import type { Entry } from '../model/entry.ts';
import type { Clock, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { SessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';

const BATCH = 500;
const RETRY_MS = 2_000;

interface FollowOptions {
  readonly store: Pick<Store, 'entriesSince'>;
  readonly session: SessionKey;
  /** Mark of the store from before the view was read: what was written since then comes in. */
  readonly mark: number;
  readonly take: (entries: readonly Entry[]) => void;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Brings what other processes write about one session into a view, in batches, without a gap. */
export class FollowStore {
  private readonly options: FollowOptions;
  private mark: number;
  private reading = false;
  private again = false;
  private disposed = false;
  private retry: { cancel(): void } | null = null;

  constructor(options: FollowOptions) {
    this.options = options;
    this.mark = options.mark;
  }

  /** Something may have been written: reads on from the last mark. */
  poke(): void {
    this.again = true;
    if (!this.reading && !this.disposed) void this.read();
  }

  dispose(): void {
    this.disposed = true;
    this.retry?.cancel();
  }

  private async read(): Promise<void> {
    const { store, session, take, log, clock } = this.options;
    this.reading = true;
    try {
      while (this.again && !this.disposed) {
        this.again = false;
        const { entries, mark } = await store.entriesSince(session, this.mark, BATCH);
        if (this.disposed) return;
        this.mark = mark;
        if (entries.length > 0) take(entries);
        if (entries.length === BATCH) this.again = true;
      }
    } catch (error) {
      if (this.disposed) return;
      log.warn('what another window wrote could not be read', { error: describeError(error) });
      this.retry?.cancel();
      this.retry = clock.setTimeout(() => this.poke(), RETRY_MS);
    } finally {
      this.reading = false;
    }
  }
}
