import type { ConnectionState, Disposable, SessionBackend } from '../model/backend.ts';
import type { Clock, Leases, Logger } from '../model/context.ts';
import { describeError, PilothouseError } from '../model/errors.ts';
import type { Machine, Session, SessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';
import { abortReason, sleep } from '../transport/clock.ts';
import type { Connection, ConnectionSpec } from './connection.ts';
import { CONNECTING } from './connection.ts';
import { Contact } from './contact.ts';
import { refusalOf } from './dormant.ts';
import type { MailBody } from './mail.ts';
import { postMail } from './mail.ts';
import type { SessionTable } from './table.ts';

const PAGE = 200;
/** So many of the newest stored sessions are shown before all of them are read. */
const SEEN_FIRST = 200;
const CONNECT_DEADLINE_MS = 20_000;
const CALL_DEADLINE_MS = 60_000;
/** A connection of an account that could not be read, though its backend does not say why, is read again after this. */
const REREAD_MS = 30_000;
/** Lists are read again at most this often because of what other windows do. */
const RELIST_MS = 1_000;
/** How long another window has to end and remove a session, or to archive it, how long for one that it has ended, and how often is looked. */
const ELSEWHERE_DEADLINE_MS = 15_000;
const LEFT_MS = 3_000;
const ELSEWHERE_LOOK_MS = 200;

interface LiveOptions {
  readonly spec: ConnectionSpec;
  readonly backend: SessionBackend;
  readonly leases: Leases;
  readonly store: Store;
  readonly table: SessionTable;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the fleet is closed. */
  readonly signal: AbortSignal;
  /** The connection or its machines are shown otherwise. */
  readonly changed: () => void;
  /** Contact came back: what was said meanwhile was told to nobody here. */
  readonly returned: () => void;
}

/** One connection that runs: its backend, its state, and the reading of its machines and sessions into the table. Its failures are its state. */
export class LiveConnection {
  readonly spec: ConnectionSpec;
  readonly backend: SessionBackend;
  readonly leases: Leases;
  private readonly options: LiveOptions;
  private readonly abort = new AbortController();
  private readonly watching: Disposable[] = [];
  private readonly contact: Contact;
  private shown: Connection;
  /** As the backend told of them last. */
  private told: readonly Machine[] = [];
  private list: readonly Machine[] = [];
  private next: string | null = null;
  private refreshing: Promise<void> | null = null;
  private relisting: { cancel(): void } | null = null;
  private rereading: { cancel(): void } | null = null;
  private looked = false;

  constructor(options: LiveOptions) {
    const { spec, backend, leases, store, clock, log } = options;
    this.options = options;
    this.contact = new Contact({ connectionId: spec.connectionId, keep: store.keep('contact'), clock, log });
    this.spec = spec;
    this.backend = backend;
    this.leases = leases;
    this.shown = { connectionId: spec.connectionId, name: spec.name, system: spec.system, state: CONNECTING, traits: backend.traits, more: false, canSignIn: false, dormant: spec.dormant !== undefined, lastContactAt: null };
  }

  get connection(): Connection {
    return this.shown;
  }

  get machines(): readonly Machine[] {
    return this.list;
  }

  /** True once it was read, well or not. */
  get wasRead(): boolean {
    return this.looked;
  }

  get isClosed(): boolean {
    return this.abort.signal.aborted;
  }

  /** True while nothing can be sent until the person signs in. Agents of this computer are asked each time: somebody may have signed in in a terminal. */
  get awaitsSignIn(): boolean {
    return this.spec.account === true && this.shown.state.status === 'needs-sign-in';
  }

  /** Whether nothing is heard of it (a server out of reach, a connection that is not run here), and when there was contact last (milliseconds since the epoch). */
  get reached(): { readonly away: boolean; readonly lastAt: number | null } {
    return { away: this.spec.dormant !== undefined || (this.isElsewhere && this.shown.state.status !== 'ready'), lastAt: this.contact.lastAt };
  }

  /** What the store has of its sessions: the newest of many before all of them are read. What is known from its last contact is read along. Ends with the connection; rejects with `store_*`. */
  async *stored(): AsyncGenerator<readonly Session[]> {
    const { store, spec: { connectionId } } = this.options;
    const [newest] = await Promise.all([store.sessions(connectionId, SEEN_FIRST), this.recall()]);
    if (!this.isClosed) yield newest;
    if (newest.length < SEEN_FIRST || this.isClosed) return;
    const all = await store.sessions(connectionId);
    if (!this.isClosed) yield all;
  }

  /** Never rejects. */
  private async recall(): Promise<void> {
    await this.contact.recall();
    if (this.isClosed) return;
    this.list = this.contact.machines(this.told);
    this.show({});
  }

  /** Ends with the connection. */
  add(watching: Disposable): void {
    this.watching.push(watching);
  }

  /** For a call of the backend: aborted in time, and when the connection or the fleet is closed. */
  deadline(ms = CALL_DEADLINE_MS): { readonly signal: AbortSignal } {
    return { signal: AbortSignal.any([this.options.signal, this.abort.signal, AbortSignal.timeout(ms)]) };
  }

  /** Reads the state, the machines and the newest page of sessions; joins a reading under way. Never rejects. */
  refresh(): Promise<void> {
    this.refreshing ??= this.read().finally(() => {
      this.refreshing = null;
      this.looked = true;
      this.options.changed();
    });
    return this.refreshing;
  }

  /** Resolves when nothing is being read. */
  async settled(): Promise<void> {
    await this.refreshing;
  }

  /** Reads the next page of sessions, where there is one. */
  async loadMore(): Promise<void> {
    if (this.next === null) return;
    const page = await this.backend.sessions({ cursor: this.next, limit: PAGE, ...this.deadline() });
    if (this.isClosed) return;
    this.next = page.next;
    this.options.table.merge(page.items);
    this.show({ more: page.next !== null });
  }

  /** What another window left or removed, our own backend looks at again. */
  relistSoon(): void {
    if (this.isClosed || this.spec.dormant !== undefined || this.relisting !== null) return;
    this.relisting = this.options.clock.setTimeout(() => {
      this.relisting = null;
      this.readSessions(this.deadline().signal).catch((error: unknown) => {
        if (!this.isClosed) this.options.log.warn('sessions could not be listed', { connection: this.spec.connectionId, error: describeError(error) });
      });
    }, RELIST_MS);
  }

  /** The backend tells its state. Lost contact leaves nothing that is known to be true; found again, everything is read anew. */
  onState(state: ConnectionState): void {
    const before = this.shown.state.status;
    this.show({ state });
    if (state.status === 'offline') this.options.table.markUnknown(this.spec.connectionId);
    // While it is read for the first time, nobody has looked for anything in vain yet.
    else if (state.status === 'ready' && before !== 'ready' && (before !== 'connecting' || this.looked)) {
      void this.refresh();
      this.options.returned();
    }
  }

  onMachine(machine: Machine): void {
    this.setMachines([...this.told.filter((each) => each.id !== machine.id), machine]);
  }

  /** Hands a request to the window that runs the session; false when no other window does. Rejects where nothing is to be done from here. */
  async passOn(key: SessionKey, id: string, request: MailBody): Promise<boolean> {
    if (this.spec.dormant !== undefined) throw refusalOf(this.spec.dormant);
    if ((await this.leases.holder(`session:${id}`)) !== 'other') return false;
    await postMail(this.options.store, this.options.clock, key, request);
    return true;
  }

  /**
   * Asks the window that runs the session to remove it. True when it is gone; false when no other window runs it (any more) and it is still there.
   * Rejects with `session_runs_elsewhere` when that window goes on with it for a quarter of a minute.
   */
  async removedElsewhere(key: SessionKey, id: string): Promise<boolean> {
    const { clock, store } = this.options;
    if (!(await this.passOn(key, id, { do: 'remove' }))) return false;
    const asked = clock.monotonic();
    for (let leftAt = Number.POSITIVE_INFINITY; ; ) {
      const now = clock.monotonic();
      if ((await this.leases.holder(`session:${id}`)) !== 'other') leftAt = Math.min(leftAt, now);
      if (leftAt <= now && !(await store.sessions(this.spec.connectionId)).some((session) => session.id === id)) return true;
      if (now - leftAt > LEFT_MS) return false;
      if (leftAt > now && now - asked > ELSEWHERE_DEADLINE_MS) throw new PilothouseError('session_runs_elsewhere', 'Another window runs this session and did not remove it. Stop it there first.', { personMustAct: true });
      await sleep(clock, ELSEWHERE_LOOK_MS, this.abort.signal);
    }
  }

  /**
   * Asks the window that runs the session to archive it, or to bring it back. True when its record says so; false when no other window runs it (any more) and it does not.
   * Rejects with `session_runs_elsewhere` when that window has not done it after a quarter of a minute.
   */
  async archivedElsewhere(key: SessionKey, id: string, archived: boolean): Promise<boolean> {
    const { clock, table } = this.options;
    if (!(await this.passOn(key, id, { do: 'archive', archived }))) return false;
    const asked = clock.monotonic();
    for (let leftAt = Number.POSITIVE_INFINITY; table.get(key)?.archived !== archived; await sleep(clock, ELSEWHERE_LOOK_MS, this.abort.signal)) {
      const now = clock.monotonic();
      if ((await this.leases.holder(`session:${id}`)) !== 'other') leftAt = Math.min(leftAt, now);
      if (now - leftAt > LEFT_MS) return false;
      if (leftAt > now && now - asked > ELSEWHERE_DEADLINE_MS) throw new PilothouseError('session_runs_elsewhere', `Another window runs this session and did not ${archived ? 'archive it' : 'bring it back'}. Try it there.`, { personMustAct: true });
    }
    return true;
  }

  /** Reads nothing more; resolves when nothing is being read. The backend is the caller's to dispose of. */
  async close(): Promise<void> {
    this.abort.abort();
    this.relisting?.cancel();
    this.rereading?.cancel();
    for (const each of this.watching.splice(0)) each.dispose();
    await this.refreshing;
    await this.contact.end();
  }

  private async read(): Promise<void> {
    const { table, log } = this.options;
    const { signal } = this.deadline(CONNECT_DEADLINE_MS);
    try {
      const state = await this.obeying(signal, this.backend.connect({ signal }));
      if (this.isClosed) return;
      const before = this.shown.state.status;
      this.show({ state });
      // It was away for a while and did not tell by itself that it is back.
      if (state.status === 'ready' && before !== 'ready' && before !== 'connecting') this.options.returned();
      const machines = await this.obeying(signal, this.backend.machines({ signal }));
      if (this.isClosed) return;
      this.setMachines(machines);
      if (this.spec.dormant === undefined) await this.readSessions(signal);
    } catch (error) {
      if (this.isClosed || this.options.signal.aborted) return;
      log.warn('a connection could not be read', { connection: this.spec.connectionId, error: describeError(error) });
      const { status, version } = this.shown.state;
      if (status === 'connecting' || status === 'ready') {
        this.show({ state: { status: 'failed', message: describeError(error), remedy: null, version } });
        this.rereadLater();
      }
      table.markUnknown(this.spec.connectionId);
    }
  }

  /** To its backend nothing has happened: nobody else would look again. */
  private rereadLater(): void {
    if (!this.isElsewhere) return;
    this.rereading?.cancel();
    this.rereading = this.options.clock.setTimeout(() => void this.refresh(), REREAD_MS);
  }

  private get isElsewhere(): boolean {
    return this.spec.system !== 'local';
  }

  private setMachines(told: readonly Machine[]): void {
    this.told = told;
    this.list = this.contact.machines(told);
    this.options.changed();
  }

  private async readSessions(signal: AbortSignal): Promise<void> {
    const mark = this.options.table.mark();
    const page = await this.obeying(signal, this.backend.sessions({ limit: PAGE, signal }));
    if (this.isClosed) return;
    this.next = page.next;
    this.options.table.reconcile(this.spec.connectionId, page.items, page.next === null, mark);
    this.show({ more: page.next !== null });
  }

  /** The answer, or a rejection once the signal is aborted, whether or not the backend listens to it. */
  private obeying<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const slow = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
        reject(slow ? new PilothouseError('timeout', `${this.spec.name} did not answer in time. Refresh to try again.`) : abortReason(signal));
      };
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  private show(change: Partial<Connection>): void {
    if (change.state !== undefined) {
      const there = change.state.status === 'ready';
      this.contact.tell(there);
      if (!there) this.list = this.contact.machines(this.told);
    }
    const shown = { ...this.shown, ...change, traits: this.backend.traits, lastContactAt: this.contact.lastAt };
    this.shown = { ...shown, canSignIn: shown.state.status === 'needs-sign-in' && (this.spec.account === true || (this.backend.signInMethods !== undefined && this.backend.signIn !== undefined)) };
    this.options.changed();
  }
}
