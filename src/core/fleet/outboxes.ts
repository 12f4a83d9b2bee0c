import type { Disposable } from '../model/backend.ts';
import type { Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { SessionKey } from '../model/session.ts';
import type { OutboxItem, Store } from '../session/store-api.ts';

/** What waits in the outbox of one session. */
export interface Undelivered {
  /** Prompts that were given up: each has to be sent again or dropped. */
  readonly failed: number;
  /** Prompts that are on their way or wait for their turn. */
  readonly held: number;
  /** When the oldest of those that failed, or of all where none did, was written; milliseconds since the epoch. */
  readonly since: number;
  /** Why the oldest one failed, in one line; null where none did. */
  readonly error: string | null;
}

/** What is needed of a session's runtime. */
interface Sender {
  readonly key: SessionKey;
  readonly isClosed: boolean;
  outboxItems(): readonly OutboxItem[];
  onState(listener: () => void): Disposable;
}

interface OutboxesOptions {
  readonly store: Pick<Store, 'outbox'>;
  readonly log: Logger;
  readonly changed: (key: SessionKey) => void;
}

/** What waits in the outboxes of all sessions, those that nobody has open and those of other windows among them. */
export class Outboxes {
  private readonly options: OutboxesOptions;
  private readonly waiting = new Map<SessionKey, Undelivered>();
  /** Sessions that were told of by a runtime while the store was being read: the newer word. */
  private readonly told = new Set<SessionKey>();

  constructor(options: OutboxesOptions) {
    this.options = options;
    void this.read();
  }

  of(key: SessionKey): Undelivered | null {
    return this.waiting.get(key) ?? null;
  }

  /** Listens to a session's runtime for as long as that is there. */
  follow(sender: Sender): void {
    const look = (): void => {
      // What it held when it closed is in the store, and stands here.
      if (sender.isClosed) return;
      this.told.add(sender.key);
      this.take(sender.key, sender.outboxItems());
    };
    sender.onState(look);
    look();
  }

  /** Another process changed the outbox of a session. */
  onStoreChange(key: SessionKey): void {
    void this.read(key);
  }

  private async read(key?: SessionKey): Promise<void> {
    this.told.clear();
    try {
      const bySession = Map.groupBy(await this.options.store.outbox(key), (item) => item.session);
      if (key !== undefined && !bySession.has(key)) bySession.set(key, []);
      for (const [session, mine] of bySession) if (!this.told.has(session)) this.take(session, mine);
    } catch (error) {
      this.options.log.warn('what waits to be sent could not be read', { error: describeError(error) });
    }
  }

  private take(key: SessionKey, items: readonly OutboxItem[]): void {
    const before = this.waiting.get(key);
    const failed = items.filter((item) => item.delivery === 'failed');
    const oldest = (failed.length > 0 ? failed : items).toSorted((a, b) => a.createdAt - b.createdAt)[0];
    const now = oldest === undefined ? undefined : { failed: failed.length, held: items.length - failed.length, since: oldest.createdAt, error: failed.length > 0 ? oldest.error : null };
    if (now?.failed === before?.failed && now?.held === before?.held && now?.since === before?.since && now?.error === before?.error) return;
    if (now === undefined) this.waiting.delete(key);
    else this.waiting.set(key, now);
    this.options.changed(key);
  }
}
