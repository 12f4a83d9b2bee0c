import type { Fleet } from '../../core/fleet/fleet.ts';
import type { Shipper, ShipRoute, ShipStanding } from '../../core/fleet/shipper.ts';
import type { Disposable } from '../../core/model/backend.ts';
import type { Clock, Logger } from '../../core/model/context.ts';
import { describeError } from '../../core/model/errors.ts';
import type { Session } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { Store } from '../../core/session/store-api.ts';
import { Emitter } from '../../core/transport/emitter.ts';
import type { Accounts } from '../accounts/accounts.ts';
import type { AccountRecord } from '../accounts/record.ts';
import { CatsyphonAccess } from './access.ts';
import { ShipOptIns } from './optIns.ts';

interface ShippingOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly accounts: Pick<Accounts, 'records' | 'access' | 'onChange'>;
  /** Where it is kept which connections are shipped. */
  readonly folder: string;
  /** The server of an account did not take its key: nothing goes out until somebody signs in. */
  readonly refused: (account: AccountRecord) => void;
}

/** Many events that go out are one look at what is shown. */
const REDRESS_MS = 200;

/** What is shipped to CatSyphon from this VS Code: which connections' sessions, where to, and how that stands. */
export class Shipping implements Disposable {
  private readonly options: ShippingOptions;
  private readonly optIns: ShipOptIns;
  private readonly changed: Emitter<void>;
  private readonly disposables: Disposable[] = [];
  private readonly watched = new Map<CatsyphonAccess, Disposable>();
  private readonly dressed = new WeakMap<Session, Session>();
  private fleet: Fleet | null = null;
  private shipper: Shipper | null = null;
  private loading: Promise<Shipper> | null = null;
  private applying: Promise<void> = Promise.resolve();
  private redressing: { cancel(): void } | null = null;
  private closed = false;

  constructor(options: ShippingOptions) {
    this.options = options;
    this.changed = new Emitter((error) => options.log.error('a listener of the shipping failed', { error: describeError(error) }));
    this.optIns = new ShipOptIns(options.folder, options.log, () => this.apply());
    this.disposables.push(this.optIns, options.accounts.onChange(() => this.apply()));
  }

  /** To be called once the fleet is there. */
  start(fleet: Fleet): void {
    this.fleet = fleet;
    this.apply();
  }

  /** Told whenever a standing, or what is shipped, changed. */
  onChange(listener: () => void): Disposable {
    return this.changed.on(listener);
  }

  /** The session with its mark, if it is shipped; the same object for the same one. */
  readonly dress = (session: Session): Session => {
    if (!this.isShipped(session)) return session;
    const made = this.dressed.get(session) ?? { ...session, shipped: true };
    this.dressed.set(session, made);
    return made;
  };

  /** CatSyphons that are connected. */
  accounts(): readonly AccountRecord[] {
    return this.options.accounts.records().filter(({ system }) => system === 'catsyphon');
  }

  /** The CatSyphon that a connection's sessions are shipped to, by its connection; null where they are not. */
  target(connectionId: string): string | null {
    return this.optIns.get(connectionId)?.account ?? null;
  }

  /** Null for a connection whose sessions are not shipped. */
  standing(connectionId: string): ShipStanding | null {
    const account = this.target(connectionId);
    if (account === null) return null;
    const error = this.hindrance(connectionId, account);
    const standing = this.shipper?.standing(connectionId) ?? { account, waiting: 0, sessions: 0, parked: 0, error: null };
    return { ...standing, error: error ?? standing.error };
  }

  /** True for a connection of which something may wait to be shipped: what is stored of it is not to be forgotten. */
  keeps(connectionId: string): boolean {
    const standing = this.standing(connectionId);
    return standing !== null && (this.shipper === null || standing.error !== null || standing.waiting > 0 || standing.sessions > 0);
  }

  /** Ships sessions of a connection in which something is said from now on. Throws `not_saved`. */
  turnOn(connectionId: string, account: string): void {
    this.optIns.set(connectionId, { account, server: this.serverOf(account), since: this.options.clock.now() });
  }

  /** A connection was removed: its sessions are not shipped when it comes again, and nothing more is shipped to it. Throws `not_saved`. */
  forget(removed: string): void {
    for (const [connectionId, { account }] of this.optIns.all()) if (connectionId === removed || account === removed) this.optIns.delete(connectionId);
  }

  /** Stops at once. Gives what was not sent. Throws `not_saved`. */
  async turnOff(connectionId: string): Promise<{ readonly events: number; readonly sessions: number }> {
    // Stopped first: counting takes its time. What it is counted by is the route that there was.
    const unsent = this.shipper?.unsent(connectionId) ?? Promise.resolve({ events: 0, sessions: 0 });
    this.optIns.delete(connectionId);
    return unsent;
  }

  /** Rejects as `Shipper.shipOne` does. */
  async shipOne(...given: Parameters<Shipper['shipOne']>): ReturnType<Shipper['shipOne']> {
    const shipper = await this.load();
    await shipper.apply([...new Set([given[1], ...this.optIns.accounts()])]);
    return shipper.shipOne(...given);
  }

  /** What the server of an account will never take, by session. */
  async parked(account: string): ReturnType<Shipper['parked']> {
    return (await this.load()).parked(account);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.redressing?.cancel();
    await this.applying;
    await this.shipper?.close();
  }

  dispose(): void {
    for (const each of [...this.disposables, ...this.watched.values()]) each.dispose();
    this.changed.clear();
  }

  private isShipped(session: Session): boolean {
    if (this.shipper !== null) return this.shipper.isShipped(session);
    const route = this.routeOf(session.connectionId);
    return route !== null && session.updatedAt >= route.since;
  }

  private serverOf(account: string): string {
    return this.accounts().find(({ connectionId }) => connectionId === account)?.serverUrl ?? '';
  }

  /** What the person agreed to, as long as it is that: an account at that address. */
  private routeOf(connectionId: string): ShipRoute | null {
    const wanted = this.optIns.get(connectionId);
    return wanted === null || this.serverOf(wanted.account) !== wanted.server ? null : wanted;
  }

  private hindrance(connectionId: string, account: string): string | null {
    const server = this.serverOf(account);
    if (server === '') return 'The CatSyphon that they were shipped to is not connected any more.';
    if (this.routeOf(connectionId) === null) return 'Its address is another one now: stop shipping, and turn it on anew to ship there.';
    return this.accessOf(account) === null ? 'Nobody is signed in to it.' : null;
  }

  private accessOf(account: string): CatsyphonAccess | null {
    const access = this.options.accounts.access(account);
    return access instanceof CatsyphonAccess && !access.rejected ? access : null;
  }

  /** Follows accounts and opt-ins. The shipper is loaded when there is a CatSyphon at all: most people have none. */
  private apply(): void {
    if (this.fleet === null || this.closed) return;
    this.watch();
    const accounts = this.accounts().map(({ connectionId }) => connectionId);
    if (accounts.length > 0 || this.shipper !== null) {
      this.applying = this.applying.then(async () => (this.closed ? undefined : (await this.load()).apply([...new Set([...accounts, ...this.optIns.accounts()])]))).catch((error: unknown) => {
        this.options.log.error('shipping could not be started', { error: describeError(error) });
      });
    }
    this.redress();
  }

  /** Of accounts that can be reached again, what waits goes out now. */
  private watch(): void {
    for (const { connectionId } of this.accounts()) {
      const access = this.options.accounts.access(connectionId);
      if (!(access instanceof CatsyphonAccess) || this.watched.has(access)) continue;
      this.watched.set(access, access.onState((state) => {
        if (state.status === 'ready') this.shipper?.again(connectionId);
        this.changed.emit();
      }));
    }
  }

  private load(): Promise<Shipper> {
    const { fleet } = this;
    if (fleet === null) return Promise.reject(new Error('the fleet is not there yet'));
    this.loading ??= import('../../core/fleet/shipper.ts').then(({ Shipper: Made }) => {
      const { store, clock, log } = this.options;
      const shipper = new Made({
        store, fleet, clock, log, route: (connectionId) => this.routeOf(connectionId), server: (account) => this.serverOf(account), client: (account) => this.accessOf(account),
        refused: (account) => {
          const record = this.accounts().find(({ connectionId }) => connectionId === account);
          if (record !== undefined) this.options.refused(record);
          this.changed.emit();
        },
      });
      shipper.onChange(() => this.redressSoon());
      this.shipper = shipper;
      return shipper;
    });
    return this.loading;
  }

  private redressSoon(): void {
    this.redressing ??= this.options.clock.setTimeout(() => {
      this.redressing = null;
      this.redress();
    }, REDRESS_MS);
  }

  /** Sessions whose mark is another one than before are shown anew. */
  private redress(): void {
    for (const session of this.fleet?.sessions() ?? []) if ((session.shipped === true) !== this.isShipped(session)) this.fleet?.marks.redress(sessionKey(session));
    this.changed.emit();
  }
}
