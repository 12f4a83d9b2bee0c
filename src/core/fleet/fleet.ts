import path from 'node:path';
import { mkdirSync } from 'node:fs';
import type { BackendEvent, Disposable, Looking, SessionBackend, SpawnOptions } from '../model/backend.ts';
import type { Leases } from '../model/context.ts';
import { describeError, PilothouseError } from '../model/errors.ts';
import type { Machine, Session, SessionControls, SessionKey } from '../model/session.ts';
import { parseSessionKey, sessionKey } from '../model/session.ts';
import type { StoreChange } from '../session/store-api.ts';
import { abortReason } from '../transport/clock.ts';
import { Emitter } from '../transport/emitter.ts';
import type { FleetChange, FleetOptions } from './change.ts';
import type { Connection, ConnectionSpec } from './connection.ts';
import { sameSpec } from './connection.ts';
import { DormantBackend, refusalOf } from './dormant.ts';
import { LiveConnection } from './live.ts';
import { eachMachineOnce } from './machines.ts';
import { Marks } from './marks.ts';
import { Outboxes } from './outboxes.ts';
import type { RuntimeOptions, SessionRuntime } from './runtime.ts';
import { Runtimes } from './runtimes.ts';
import { scopedLeases } from './scopedLeases.ts';
import { SessionTable } from './table.ts';
import { OtherWindows } from './windows.ts';

const KNOWN_DEADLINE_MS = 30_000;

/**
 * All connections, machines and sessions as one observable state. The backends are the truth; the store's copy paints first and is marked
 * unknown until a backend has spoken.
 */
export class Fleet implements AsyncDisposable {
  /** Pins and read marks. */
  readonly marks: Marks;
  /** What waits to be sent. */
  readonly outboxes: Outboxes;
  private readonly options: FleetOptions;
  private readonly live = new Map<string, LiveConnection>();
  private readonly runtimes: Runtimes;
  private readonly table: SessionTable;
  private readonly windows: OtherWindows;
  private readonly changed: Emitter<FleetChange>;
  private readonly storeWatch: Disposable;
  private readonly abort = new AbortController();
  private pending: { connections: boolean; machines: boolean; structure: boolean; sessions: Set<SessionKey> } | null = null;
  private settingConnections: Promise<void> = Promise.resolve();
  /** Ids of the connections that there should be; null before they were set. */
  private wanted: ReadonlySet<string> | null = null;
  private looked: Omit<Looking, 'sessions'> & { readonly chats: readonly SessionKey[] } = { focused: false, visible: false, chats: [] };

  constructor(options: FleetOptions) {
    this.options = options;
    this.changed = new Emitter((error) => options.log.error('a listener of the fleet failed', { error: describeError(error) }));
    this.marks = new Marks({ store: options.store, clock: options.clock, log: options.log.child('marks'), changed: (key) => this.table.redress(key) });
    this.table = new SessionTable({
      store: options.store, clock: options.clock, log: options.log.child('table'), dress: (key, session) => this.marks.dress(key, options.dress?.(session) ?? session),
      changed: (key, structure) => {
        this.touch({ session: key, structure });
        this.onSessionChanged(key);
      },
      doubt: (key) => this.windows.look(key),
    });
    this.windows = new OtherWindows({
      store: options.store, clock: options.clock, log: options.log.child('windows'), table: this.table,
      leases: (connectionId) => this.live.get(connectionId)?.leases ?? null,
      returned: (connectionId) => this.live.get(connectionId)?.relistSoon(),
    });
    this.outboxes = new Outboxes({ store: options.store, log: options.log.child('outboxes'), changed: (key) => this.touch({ session: key }) });
    this.runtimes = new Runtimes((key) => this.parts(key), options.log.child('runtimes'), (runtime) => this.outboxes.follow(runtime));
    this.storeWatch = options.store.watch((change) => this.onStoreChange(change));
  }

  /** Makes the running connections those of `specs`: others are closed, changed ones are made again. Never rejects: one that can't be made is in the log. */
  setConnections(specs: readonly ConnectionSpec[]): Promise<void> {
    this.settingConnections = this.settingConnections.then(() => this.applyConnections(specs)).catch((error: unknown) => {
      this.options.log.error('connections could not be set', { error: describeError(error) });
    });
    return this.settingConnections;
  }

  /** Resolves when every connection has been looked at once: none is still connecting. */
  async settled(): Promise<void> {
    await this.settingConnections;
    await Promise.all([...this.live.values()].map((live) => live.settled()));
  }

  /** In the order in which they were set, whichever was made again. */
  connections(): readonly Connection[] {
    return [...(this.wanted ?? [])].flatMap((connectionId) => this.live.get(connectionId)?.connection ?? []);
  }

  /** Every machine once; one that several connections reach, as one of them that has contact knows it. */
  machines(): readonly Machine[] {
    return eachMachineOnce([...this.live.values()].map((live) => live.machines));
  }

  /** Newest first. */
  sessions(): readonly Session[] {
    return this.table.all();
  }

  session(key: SessionKey): Session | null {
    return this.table.get(key);
  }

  onChange(listener: (change: FleetChange) => void): Disposable {
    return this.changed.on(listener);
  }

  backend(connectionId: string): SessionBackend {
    return this.need(connectionId).backend;
  }

  /** Reads machines and the newest page of sessions again, from one connection or all. Never rejects: a connection's failure is its state. */
  async refresh(connectionId?: string): Promise<void> {
    const targets = connectionId === undefined ? [...this.live.values()] : [this.need(connectionId)];
    await Promise.all(targets.map((live) => live.refresh()));
  }

  /** Reads the next page of sessions of a connection. */
  loadMore(connectionId: string): Promise<void> {
    return this.need(connectionId).loadMore();
  }

  /** The machines of one connection, those that others have too. */
  machinesOf(connectionId: string): readonly Machine[] {
    return this.live.get(connectionId)?.machines ?? [];
  }

  controls(connectionId: string, where: { readonly folder: string; readonly machineId?: string; readonly agent?: string }): Promise<SessionControls> {
    const live = this.need(connectionId);
    return live.backend.controls({ ...where, ...live.deadline() });
  }

  async spawn(connectionId: string, options: SpawnOptions): Promise<Session> {
    const session = await this.need(connectionId).backend.spawn(options);
    this.table.merge([session]);
    return session;
  }

  /** What the person looks at, `chats` among it, told to every backend that wants to know, and to those that are made later. */
  attention(attention: Omit<Looking, 'sessions'> & { readonly chats?: readonly SessionKey[] }): void {
    const before = this.looked;
    const { focused, visible, chats = [] } = attention;
    if (focused === before.focused && visible === before.visible && chats.join('\n') === before.chats.join('\n')) return;
    this.looked = { focused, visible, chats };
    this.marks.look(focused ? chats : []);
    for (const live of this.live.values()) this.tellAttention(live);
  }

  /** A session that a backend just made, before the backend's own event tells of it. */
  adopt(session: Session): void {
    this.table.merge([session]);
  }

  /**
   * Resolves when the session's connection was read; chats that a reload restores wait here. Rejects with `connection_gone` when there is no such
   * connection, and after half a minute; with an abort when the fleet is closed.
   */
  async whenKnown(key: SessionKey): Promise<void> {
    const connectionId = parseSessionKey(key)?.connectionId ?? '';
    const signal = AbortSignal.any([this.abort.signal, AbortSignal.timeout(KNOWN_DEADLINE_MS)]);
    const settled = Promise.withResolvers<void>();
    const check = (): void => {
      const live = this.live.get(connectionId);
      if (this.abort.signal.aborted) settled.reject(abortReason(this.abort.signal));
      else if (live !== undefined && (signal.aborted || live.wasRead || this.table.get(key) !== null)) settled.resolve();
      else if (signal.aborted || (this.wanted !== null && !this.wanted.has(connectionId))) settled.reject(connectionGone());
    };
    const listening = this.changed.on(check);
    signal.addEventListener('abort', check, { once: true });
    check();
    try {
      await settled.promise;
    } finally {
      listening.dispose();
      signal.removeEventListener('abort', check);
    }
  }

  /** The runtime of a session, made when it is not there, held for the caller, who releases it when done. */
  open(key: SessionKey): Promise<SessionRuntime> {
    return this.runtimes.open(key);
  }

  /** True while this window or a view of it holds the session's runtime. */
  isOpen(key: SessionKey): boolean {
    return this.runtimes.has(key);
  }

  /** Stops the session if it runs, in another window too, removes the system's record and ours. */
  async remove(key: SessionKey): Promise<void> {
    const { live, id } = this.locate(key);
    if (!(await live.removedElsewhere(key, id))) await live.backend.session(id).remove(live.deadline());
    await this.drop(key);
  }

  async rename(key: SessionKey, title: string): Promise<void> {
    const { live, id } = this.locate(key);
    if (await live.passOn(key, id, { do: 'rename', title })) return;
    await live.backend.session(id).rename(title, live.deadline());
  }

  /** Rejects with `session_runs_elsewhere` where the window that runs the session does not do it. */
  async archive(key: SessionKey, archived: boolean): Promise<void> {
    const { live, id } = this.locate(key);
    if (!(await live.archivedElsewhere(key, id, archived))) await live.backend.session(id).archive(archived, live.deadline());
  }

  removalPreview(key: SessionKey): Promise<readonly string[]> {
    const { live, id } = this.locate(key);
    return live.backend.session(id).removalPreview(live.deadline());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.storeWatch.dispose();
    this.windows.dispose();
    this.marks.close();
    this.abort.abort();
    await this.settingConnections;
    await Promise.allSettled([...this.live.values()].map((live) => this.close(live)));
    await this.windows.settled();
    await this.table.flush();
    this.changed.clear();
  }

  private async applyConnections(specs: readonly ConnectionSpec[]): Promise<void> {
    if (this.abort.signal.aborted) return;
    const wanted = new Map(specs.map((spec) => [spec.connectionId, spec]));
    this.wanted = new Set(wanted.keys());
    this.touch({ connections: true });
    for (const live of [...this.live.values()].filter((each) => !sameSpec(wanted.get(each.spec.connectionId), each.spec))) await this.close(live);
    await Promise.all(specs.filter((spec) => !this.live.has(spec.connectionId)).map(async (spec) => {
      try {
        await this.start(spec);
      } catch (error) {
        this.options.log.error('a connection could not be made', { connection: spec.connectionId, error: describeError(error) });
      }
    }));
  }

  private async start(spec: ConnectionSpec): Promise<void> {
    const stateDir = path.join(this.options.stateDir, spec.connectionId.replaceAll(/[^A-Za-z0-9._-]/g, '_'));
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    if (this.abort.signal.aborted) return;
    const leases = scopedLeases(this.options.store.leases, spec.connectionId);
    const { log, clock } = this.options;
    const backend: SessionBackend = spec.dormant === undefined
      ? spec.create({ connectionId: spec.connectionId, log: log.child(spec.connectionId), clock, keep: this.options.store.keep(`backend:${spec.connectionId}`), leases, stateDir })
      : new DormantBackend(spec, spec.dormant, clock);
    const live = new LiveConnection({
      spec, backend, leases, store: this.options.store, table: this.table, clock, log, signal: this.abort.signal,
      changed: () => this.touch({ connections: true, machines: true }),
      returned: () => this.runtimes.tellAll(spec.connectionId, (runtime) => runtime.readHistory()),
    });
    this.live.set(spec.connectionId, live);
    this.tellAttention(live);
    live.add(backend.watch((event) => this.onBackendEvent(live, event)));
    this.touch({ connections: true });
    try {
      for await (const stored of live.stored()) {
        for (const session of stored) this.marks.recall(sessionKey(session), session);
        this.table.seed(stored);
        // Nothing but the leases tells here who runs what; a session that no window ran when it was stored is run by none.
        if (spec.dormant !== undefined) for (const session of stored) if (session.owner === 'this') this.windows.look(sessionKey(session));
      }
      if (live.isClosed) return;
    } catch (error) {
      log.warn('stored sessions could not be read', { connection: spec.connectionId, error: describeError(error) });
    }
    await live.refresh();
    if (!live.isClosed && spec.dormant === undefined) await this.resumeOutboxes(spec.connectionId);
  }

  /** Prompts that a closed window left behind go on their way without anybody opening the chat. */
  private async resumeOutboxes(connectionId: string): Promise<void> {
    const items = await this.options.store.outbox().catch(() => []);
    const keys = new Set(items.filter((item) => item.delivery !== 'failed' && parseSessionKey(item.session)?.connectionId === connectionId).map((item) => item.session));
    for (const key of keys) await this.runtimes.wake(key);
  }

  private onBackendEvent(live: LiveConnection, event: BackendEvent): void {
    if (live.isClosed) return;
    switch (event.type) {
      case 'connection':
        live.onState(event.state);
        break;
      case 'machine':
        live.onMachine(event.machine);
        break;
      case 'session':
        this.table.merge([event.session]);
        break;
      case 'session-removed':
        this.drop(sessionKey({ connectionId: live.spec.connectionId, id: event.sessionId })).catch((error: unknown) => {
          this.options.log.warn('a removed session could not be forgotten', { error: describeError(error) });
        });
        break;
    }
  }

  /** A session that works here has a runtime, shown or not, so that its entries are stored and other windows are served. */
  private onSessionChanged(key: SessionKey): void {
    this.runtimes.tell(key, (runtime) => runtime.sessionChanged());
    const session = this.table.get(key);
    this.marks.observe(key, session);
    const works = session?.owner === 'this' && (session.state === 'running' || session.state === 'waiting');
    if (works && !this.runtimes.has(key) && this.live.has(session.connectionId) && !this.abort.signal.aborted) void this.runtimes.wake(key);
  }

  private onStoreChange(change: StoreChange): void {
    if (change.kind === 'marks') return this.marks.onStoreChange(change.session);
    if (change.kind === 'outbox') this.outboxes.onStoreChange(change.session);
    const parsed = parseSessionKey(change.session);
    const live = parsed === null ? undefined : this.live.get(parsed.connectionId);
    if (parsed === null || live === undefined) return;
    if (change.kind === 'session') this.windows.look(change.session);
    else if (change.kind !== 'entries') {
      this.serve(change.session, live.leases, parsed.id).catch((error: unknown) => {
        this.options.log.warn('a request of another window could not be served', { error: describeError(error) });
      });
    }
    this.runtimes.tell(change.session, (runtime) => runtime.onStoreChange(change));
  }

  /** Another window asks something of a session whose agent runs here: a runtime is there to answer, whether or not a chat shows it. */
  private async serve(key: SessionKey, leases: Leases, id: string): Promise<void> {
    if (this.runtimes.has(key) || (await leases.holder(`session:${id}`)) !== 'this') return;
    await this.runtimes.wake(key);
  }

  private parts(key: SessionKey): Omit<RuntimeOptions, 'onClosing'> {
    const { live, id } = this.locate(key);
    const { store, log, clock } = this.options;
    const refusal = live.spec.dormant === undefined ? null : refusalOf(live.spec.dormant);
    return {
      key, id, store, log: log.child('session'), clock, backend: live.backend, leases: live.leases, session: () => this.table.get(key), refusal, awaitsSignIn: () => live.awaitsSignIn, contact: () => live.reached,
    };
  }

  private async drop(key: SessionKey): Promise<void> {
    this.table.remove(key);
    await this.runtimes.close(key);
    await this.options.store.removeSession(key);
  }

  private async close(live: LiveConnection): Promise<void> {
    const { connectionId } = live.spec;
    this.live.delete(connectionId);
    await live.close();
    await this.runtimes.closeAround(connectionId, async () => {
      try {
        await live.backend[Symbol.asyncDispose]();
      } catch (error) {
        this.options.log.error('a connection could not be closed', { connection: connectionId, error: describeError(error) });
      }
    });
    this.table.removeConnection(connectionId);
    this.touch({ connections: true, machines: true, structure: true });
  }

  private locate(key: SessionKey): { live: LiveConnection; id: string } {
    const parsed = parseSessionKey(key);
    if (parsed === null) throw new PilothouseError('invalid_argument', 'This is not the key of a session.');
    return { live: this.need(parsed.connectionId), id: parsed.id };
  }

  private tellAttention({ backend }: LiveConnection): void {
    const { focused, visible, chats } = this.looked;
    backend.attention?.({ focused, visible, sessions: chats.flatMap((key) => {
      const parsed = parseSessionKey(key);
      return parsed?.connectionId === backend.connectionId ? [parsed.id] : [];
    }) });
  }

  private need(connectionId: string): LiveConnection {
    const live = this.live.get(connectionId);
    if (live === undefined) throw connectionGone();
    return live;
  }

  private touch(change: { connections?: boolean; machines?: boolean; structure?: boolean; session?: SessionKey }): void {
    if (this.pending === null) {
      this.pending = { connections: false, machines: false, structure: false, sessions: new Set() };
      queueMicrotask(() => {
        const pending = this.pending;
        this.pending = null;
        if (pending !== null) this.changed.emit(pending);
      });
    }
    this.pending.connections ||= change.connections ?? false;
    this.pending.machines ||= change.machines ?? false;
    this.pending.structure ||= change.structure ?? false;
    if (change.session !== undefined) this.pending.sessions.add(change.session);
  }
}

function connectionGone(): PilothouseError {
  return new PilothouseError('connection_gone', 'The connection of this session is not configured any more. Add it again to use its sessions.', { personMustAct: true });
}
