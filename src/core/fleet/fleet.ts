import path from 'node:path';
import { mkdirSync } from 'node:fs';
import type { BackendEvent, Disposable, SessionBackend, SpawnOptions } from '../model/backend.ts';
import type { Leases } from '../model/context.ts';
import { describeError, PilothouseError } from '../model/errors.ts';
import type { Machine, Session, SessionControls, SessionKey } from '../model/session.ts';
import { parseSessionKey, sessionKey } from '../model/session.ts';
import type { StoreChange } from '../session/store-api.ts';
import { Emitter } from '../transport/emitter.ts';
import type { FleetChange, FleetOptions } from './change.ts';
import type { Connection, ConnectionSpec } from './connection.ts';
import { CONNECTING } from './connection.ts';
import { SessionRuntime } from './runtime.ts';
import { scopedLeases } from './scopedLeases.ts';
import { SessionTable } from './table.ts';

interface Live {
  readonly spec: ConnectionSpec;
  readonly backend: SessionBackend;
  readonly leases: Leases;
  readonly watching: Disposable;
  connection: Connection;
  machines: readonly Machine[];
  next: string | null;
  refreshing: Promise<void> | null;
}

const PAGE = 200;
const CONNECT_DEADLINE_MS = 20_000;
const KNOWN_DEADLINE_MS = 30_000;

/**
 * All connections, machines and sessions as one observable state. The backends are the truth; the store's copy paints first and is marked
 * unknown until a backend has spoken.
 */
export class Fleet implements AsyncDisposable {
  private readonly options: FleetOptions;
  private readonly live = new Map<string, Live>();
  private readonly runtimes = new Map<SessionKey, Promise<SessionRuntime>>();
  private readonly table: SessionTable;
  private readonly changed: Emitter<FleetChange>;
  private readonly storeWatch: Disposable;
  private readonly abort = new AbortController();
  private pending: { connections: boolean; machines: boolean; structure: boolean; sessions: Set<SessionKey> } | null = null;
  private settingConnections: Promise<void> = Promise.resolve();

  constructor(options: FleetOptions) {
    this.options = options;
    this.changed = new Emitter((error) => options.log.error('a listener of the fleet failed', { error: describeError(error) }));
    this.table = new SessionTable(options.store, options.clock, options.log.child('table'), (key, structure) => {
      this.touch({ session: key, structure });
      this.onSessionChanged(key);
    });
    this.storeWatch = options.store.watch((change) => this.onStoreChange(change));
  }

  /** Makes the running connections those of `specs`: others are closed, changed ones are made again. */
  setConnections(specs: readonly ConnectionSpec[]): Promise<void> {
    this.settingConnections = this.settingConnections.then(() => this.applyConnections(specs));
    return this.settingConnections;
  }

  /** Resolves when every connection has been looked at once: none is still connecting. */
  async settled(): Promise<void> {
    await this.settingConnections.catch(() => undefined);
    await Promise.all([...this.live.values()].map((live) => live.refreshing ?? Promise.resolve()));
  }

  connections(): readonly Connection[] {
    return [...this.live.values()].map((live) => live.connection);
  }

  machines(): readonly Machine[] {
    const byId = new Map<string, Machine>();
    for (const live of this.live.values()) for (const machine of live.machines) if (!byId.has(machine.id)) byId.set(machine.id, machine);
    return [...byId.values()];
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
    await Promise.all(targets.map((live) => this.refreshOne(live)));
  }

  /** Reads the next page of sessions of a connection. */
  async loadMore(connectionId: string): Promise<void> {
    const live = this.need(connectionId);
    if (live.next === null) return;
    const page = await live.backend.sessions({ cursor: live.next, limit: PAGE, signal: this.abort.signal });
    live.next = page.next;
    this.table.merge(page.items);
    this.setConnection(live, { more: page.next !== null });
  }

  controls(connectionId: string, folder: string): Promise<SessionControls> {
    return this.need(connectionId).backend.controls({ folder, signal: AbortSignal.any([this.abort.signal, AbortSignal.timeout(CONNECT_DEADLINE_MS)]) });
  }

  async spawn(connectionId: string, options: SpawnOptions): Promise<Session> {
    const session = await this.need(connectionId).backend.spawn(options);
    this.table.merge([session]);
    return session;
  }

  /** A session that a backend just made, before the backend's own event tells of it. */
  adopt(session: Session): void {
    this.table.merge([session]);
  }

  /** Resolves when the session's connection has been started; rejects after half a minute. Chats that a reload restores wait here. */
  async whenKnown(key: SessionKey): Promise<void> {
    const connectionId = parseSessionKey(key)?.connectionId ?? '';
    if (this.live.has(connectionId) && this.table.get(key) !== null) return;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (this.table.get(key) === null && this.live.get(connectionId)?.refreshing !== null) return;
        listening.dispose();
        timer.cancel();
        if (this.live.has(connectionId)) resolve();
        else reject(new PilothouseError('connection_gone', 'The connection of this session is not configured any more. Add it again to use its sessions.', { personMustAct: true }));
      };
      const listening = this.changed.on(check);
      const timer = this.options.clock.setTimeout(() => {
        listening.dispose();
        if (this.live.has(connectionId)) resolve();
        else reject(new PilothouseError('connection_gone', 'The connection of this session is not configured, or this workspace is not trusted.', { personMustAct: true }));
      }, KNOWN_DEADLINE_MS);
    });
  }

  /** The runtime of a session, made when it is not there; the caller retains it and releases it when done. */
  async open(key: SessionKey): Promise<SessionRuntime> {
    const runtime = await this.runtime(key);
    runtime.retain();
    return runtime;
  }

  /** True while this window or a view of it holds the session's runtime. */
  isOpen(key: SessionKey): boolean {
    return this.runtimes.has(key);
  }

  /** Stops the session if it runs, removes the system's record and ours. */
  async remove(key: SessionKey): Promise<void> {
    const { live, id } = this.locate(key);
    await live.backend.session(id).remove({ signal: this.abort.signal });
    await this.drop(key);
  }

  async rename(key: SessionKey, title: string): Promise<void> {
    const { live, id } = this.locate(key);
    await live.backend.session(id).rename(title, { signal: this.abort.signal });
  }

  async archive(key: SessionKey, archived: boolean): Promise<void> {
    const { live, id } = this.locate(key);
    await live.backend.session(id).archive(archived, { signal: this.abort.signal });
  }

  removalPreview(key: SessionKey): Promise<readonly string[]> {
    const { live, id } = this.locate(key);
    return live.backend.session(id).removalPreview({ signal: this.abort.signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.storeWatch.dispose();
    this.abort.abort();
    await this.settingConnections.catch(() => undefined);
    const runtimes = await Promise.allSettled(this.runtimes.values());
    await Promise.allSettled(runtimes.map(async (result) => result.status === 'fulfilled' && result.value.close()));
    this.runtimes.clear();
    await Promise.allSettled([...this.live.values()].map((live) => this.close(live)));
    await this.table.flush();
    this.changed.clear();
  }

  private async applyConnections(specs: readonly ConnectionSpec[]): Promise<void> {
    const wanted = new Map(specs.map((spec) => [spec.connectionId, spec]));
    for (const live of this.live.values()) {
      if (wanted.get(live.spec.connectionId)?.revision === live.spec.revision) continue;
      await this.close(live);
      this.live.delete(live.spec.connectionId);
      this.table.removeConnection(live.spec.connectionId);
      this.touch({ connections: true, structure: true });
    }
    await Promise.all(specs.filter((spec) => !this.live.has(spec.connectionId)).map((spec) => this.start(spec)));
  }

  private async start(spec: ConnectionSpec): Promise<void> {
    const stateDir = path.join(this.options.stateDir, spec.connectionId.replaceAll(/[^A-Za-z0-9._-]/g, '_'));
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const leases = scopedLeases(this.options.store.leases, spec.connectionId);
    const backend = spec.create({
      connectionId: spec.connectionId,
      log: this.options.log.child(spec.connectionId),
      clock: this.options.clock,
      keep: this.options.store.keep(`backend:${spec.connectionId}`),
      leases,
      stateDir,
    });
    const watching = backend.watch((event) => this.onBackendEvent(spec.connectionId, event));
    const live: Live = {
      spec, backend, leases, watching, machines: [], next: null, refreshing: null,
      connection: { connectionId: spec.connectionId, name: spec.name, system: spec.system, state: CONNECTING, traits: backend.traits, more: false },
    };
    this.live.set(spec.connectionId, live);
    this.touch({ connections: true });
    try {
      this.table.seed(await this.options.store.sessions(spec.connectionId));
    } catch (error) {
      this.options.log.warn('stored sessions could not be read', { connection: spec.connectionId, error: describeError(error) });
    }
    await this.refreshOne(live);
    await this.resumeOutboxes(spec.connectionId);
  }

  private refreshOne(live: Live): Promise<void> {
    live.refreshing ??= this.readConnection(live).finally(() => {
      live.refreshing = null;
    });
    return live.refreshing;
  }

  private async readConnection(live: Live): Promise<void> {
    const signal = AbortSignal.any([this.abort.signal, AbortSignal.timeout(CONNECT_DEADLINE_MS)]);
    try {
      const state = await live.backend.connect({ signal });
      this.setConnection(live, { state });
      live.machines = await live.backend.machines({ signal });
      this.touch({ machines: true });
      const page = await live.backend.sessions({ limit: PAGE, signal });
      live.next = page.next;
      this.table.reconcile(live.spec.connectionId, page.items, page.next === null);
      this.setConnection(live, { more: page.next !== null });
    } catch (error) {
      if (this.abort.signal.aborted) return;
      this.options.log.warn('a connection could not be read', { connection: live.spec.connectionId, error: describeError(error) });
      const remedy = error instanceof PilothouseError && error.personMustAct ? error.message : null;
      if (live.connection.state.status === 'connecting' || live.connection.state.status === 'ready') {
        this.setConnection(live, { state: { status: 'failed', message: describeError(error), remedy, version: live.connection.state.version } });
      }
      this.table.markUnknown(live.spec.connectionId);
    }
  }

  /** Prompts that a closed window left behind go on their way without anybody opening the chat. */
  private async resumeOutboxes(connectionId: string): Promise<void> {
    const items = await this.options.store.outbox().catch(() => []);
    const keys = new Set(items.filter((item) => item.delivery !== 'failed' && parseSessionKey(item.session)?.connectionId === connectionId).map((item) => item.session));
    for (const key of keys) {
      try {
        const runtime = await this.open(key);
        runtime.releaseWhenIdle();
      } catch (error) {
        this.options.log.warn('an outbox could not be resumed', { error: describeError(error) });
      }
    }
  }

  private onBackendEvent(connectionId: string, event: BackendEvent): void {
    const live = this.live.get(connectionId);
    if (live === undefined) return;
    switch (event.type) {
      case 'connection':
        this.setConnection(live, { state: event.state });
        break;
      case 'machine':
        live.machines = [...live.machines.filter((machine) => machine.id !== event.machine.id), event.machine];
        this.touch({ machines: true });
        break;
      case 'session':
        this.table.merge([event.session]);
        break;
      case 'session-removed':
        void this.drop(sessionKey({ connectionId, id: event.sessionId })).catch((error: unknown) => {
          this.options.log.warn('a removed session could not be forgotten', { error: describeError(error) });
        });
        break;
    }
  }

  /** A session that runs here keeps its runtime, so that its entries are stored and other windows are served. */
  private onSessionChanged(key: SessionKey): void {
    const known = this.runtimes.get(key);
    if (known !== undefined) {
      void known.then((runtime) => runtime.sessionChanged(), () => undefined);
    }
  }

  private onStoreChange(change: StoreChange): void {
    const parsed = parseSessionKey(change.session);
    const live = parsed === null ? undefined : this.live.get(parsed.connectionId);
    if (parsed === null || live === undefined) return;
    if (change.kind === 'session') {
      void this.table.adopt(parsed.connectionId, change.session, live.leases).catch(() => undefined);
    } else if (change.kind === 'mail' || change.kind === 'outbox') {
      void this.serve(change.session, live.leases, parsed.id).catch((error: unknown) => {
        this.options.log.warn('a request of another window could not be served', { error: describeError(error) });
      });
    }
    void this.runtimes.get(change.session)?.then((runtime) => runtime.onStoreChange(change), () => undefined);
  }

  /** Another window asks something of a session whose agent runs here: a runtime is there to answer, whether or not a chat shows it. */
  private async serve(key: SessionKey, leases: Leases, id: string): Promise<void> {
    if (this.runtimes.has(key) || (await leases.holder(`session:${id}`)) !== 'this') return;
    const runtime = await this.open(key);
    runtime.releaseWhenIdle();
  }

  private runtime(key: SessionKey): Promise<SessionRuntime> {
    const known = this.runtimes.get(key);
    if (known !== undefined) return known;
    const { live, id } = this.locate(key);
    const made = SessionRuntime.create({
      key,
      id,
      store: this.options.store,
      log: this.options.log.child('session'),
      clock: this.options.clock,
      backend: live.backend,
      leases: live.leases,
      session: () => this.table.get(key),
      onClosed: () => void this.runtimes.delete(key),
    });
    this.runtimes.set(key, made);
    made.catch(() => this.runtimes.delete(key));
    return made;
  }

  private async drop(key: SessionKey): Promise<void> {
    const runtime = await this.runtimes.get(key)?.catch(() => null);
    await runtime?.close();
    this.runtimes.delete(key);
    this.table.remove(key);
    await this.options.store.removeSession(key);
  }

  private async close(live: Live): Promise<void> {
    live.watching.dispose();
    for (const [key, made] of this.runtimes) {
      if (parseSessionKey(key)?.connectionId !== live.spec.connectionId) continue;
      const runtime = await made.catch(() => null);
      await runtime?.close();
      this.runtimes.delete(key);
    }
    await live.backend[Symbol.asyncDispose]();
  }

  private locate(key: SessionKey): { live: Live; id: string } {
    const parsed = parseSessionKey(key);
    if (parsed === null) throw new PilothouseError('invalid_argument', 'This is not the key of a session.');
    return { live: this.need(parsed.connectionId), id: parsed.id };
  }

  private need(connectionId: string): Live {
    const live = this.live.get(connectionId);
    if (live === undefined) throw new PilothouseError('connection_gone', 'This connection is not configured any more. Add it again to use its sessions.', { personMustAct: true });
    return live;
  }

  private setConnection(live: Live, change: Partial<Connection>): void {
    live.connection = { ...live.connection, ...change, traits: live.backend.traits };
    this.touch({ connections: true });
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
