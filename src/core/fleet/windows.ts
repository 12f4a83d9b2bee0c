import type { Clock, Leases, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { SessionKey } from '../model/session.ts';
import { parseSessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';
import type { SessionTable } from './table.ts';

const LOOK_MS = 2_000;

interface WindowsOptions {
  readonly store: Pick<Store, 'sessions'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly table: SessionTable;
  /** Leases of a connection that runs; null when it does not. */
  readonly leases: (connectionId: string) => Leases | null;
  /** Another window ran the session and does not any more, or removed it: our own backend has to look. */
  readonly returned: (connectionId: string, key: SessionKey) => void;
}

/**
 * Which sessions other windows run, by the leases, and what they store of them. A window that dies tells nobody: the leases of what others run
 * are looked at every two seconds for as long as there is any.
 */
export class OtherWindows {
  private readonly options: WindowsOptions;
  private doubts = new Set<SessionKey>();
  private looking: Promise<void> | null = null;
  private timer: { cancel(): void } | null = null;
  private disposed = false;

  constructor(options: WindowsOptions) {
    this.options = options;
  }

  /** Looks soon who holds the session, and reads its record; many at once are one read. */
  look(key: SessionKey): void {
    if (this.disposed) return;
    this.doubts.add(key);
    this.looking ??= this.work().finally(() => {
      this.looking = null;
      this.watch();
    });
  }

  /** Resolves when nothing is being looked at. */
  async settled(): Promise<void> {
    while (this.looking !== null) await this.looking;
  }

  dispose(): void {
    this.disposed = true;
    this.doubts.clear();
    this.timer?.cancel();
  }

  private async work(): Promise<void> {
    while (this.doubts.size > 0 && !this.disposed) {
      // What comes in while one round begins belongs to it.
      await Promise.resolve();
      const keys = this.doubts;
      this.doubts = new Set();
      const byConnection = Map.groupBy(keys, (key) => parseSessionKey(key)?.connectionId ?? '');
      for (const [connectionId, mine] of byConnection) {
        try {
          await this.lookAt(connectionId, mine);
        } catch (error) {
          this.options.log.warn('what another window runs could not be read', { connection: connectionId, error: describeError(error) });
        }
      }
    }
  }

  private async lookAt(connectionId: string, keys: readonly SessionKey[]): Promise<void> {
    const { store, table } = this.options;
    const leases = this.options.leases(connectionId);
    if (leases === null) return;
    const records = new Map((await store.sessions(connectionId)).map((session) => [session.id, session]));
    for (const key of keys) {
      const id = parseSessionKey(key)?.id ?? '';
      const holder = await leases.holder(`session:${id}`);
      if (this.disposed || this.options.leases(connectionId) !== leases) return;
      const stored = records.get(id) ?? null;
      if (holder === 'other') table.lend(key, stored);
      else if (holder === 'nobody' && (table.giveBack(key, stored) || stored === null)) this.options.returned(connectionId, key);
    }
  }

  private watch(): void {
    if (this.disposed || this.timer !== null || this.options.table.lentKeys().length === 0) return;
    this.timer = this.options.clock.setTimeout(() => {
      this.timer = null;
      void this.lookForEnds().finally(() => this.watch());
    }, LOOK_MS);
  }

  private async lookForEnds(): Promise<void> {
    for (const key of this.options.table.lentKeys()) {
      const parsed = parseSessionKey(key);
      const leases = parsed === null ? null : this.options.leases(parsed.connectionId);
      if (parsed === null || leases === null) continue;
      const holder = await leases.holder(`session:${parsed.id}`).catch(() => 'other' as const);
      if (holder !== 'other') this.look(key);
    }
  }
}
