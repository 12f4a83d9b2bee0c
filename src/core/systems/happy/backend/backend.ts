import type { BackendEvent, CallOptions, ConnectionState, Disposable, Looking, Page, Places, SessionBackend, SpawnOptions } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import { describeError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import { canonicalJson, isJsonObject } from '../../../model/json.ts';
import type { Machine, Session, SessionControls, Traits } from '../../../model/session.ts';
import { abortReason } from '../../../transport/clock.ts';
import { Emitter } from '../../../transport/emitter.ts';
import { inSlices } from '../../../transport/slices.ts';
import type { AccountOptions } from '../account.ts';
import { HappyAccount } from '../account.ts';
import type { AuthenticationError } from '../errors.ts';
import { ConnectionError, invalid, SessionNotFound } from '../errors.ts';
import { changeMetadata } from '../metadata.ts';
import type { MirrorChange, MirroredSession } from '../mirrored.ts';
import type { PlanLimit } from '../../../model/usage.ts';
import { controlsOf, isArchived, isHidden, machineOf, planLimitsOf, sessionOf } from '../normalise/index.ts';
import { str } from '../normalise/read.ts';
import { spawn, startedUnread } from '../spawn.ts';
import type { HappyDesk } from './desk.ts';
import { told } from './desk.ts';
import { lockedText } from './locked.ts';
import { placesOf } from './machine.ts';
import { Marks } from './marks.ts';
import { HappySessionHandle } from './session.ts';
import { Signs } from './signs.ts';
import { until } from './until.ts';

/** How long changes gather before they are told; how often is looked for what silence alone changes; the longest wait for the first contact. Milliseconds. */
const changeMs = 60;
const silenceMs = 5_000;
const contactMs = 8_000;
/** How long after a session was told to be done its last turn may still come in: that goes another way. Milliseconds. */
const lateMs = 2_000;
/** How long a session that was just made may take to be read, where the server is away in that moment. Milliseconds. */
const adoptMs = 20_000;

const traits: Traits = {
  spawn: true, interrupt: true, steer: false, stop: true, resume: true, fork: true, rename: 'system', archive: 'ours', remove: true, images: true, permissions: true, takeOver: true,
  sendsOnce: true, outputOnRequest: true,
};

/** One Happy account on one server: its machines and sessions, whatever agent runs in them. */
export class HappyBackend implements SessionBackend {
  readonly system = 'happy';
  readonly connectionId: string;
  readonly traits = traits;
  readonly places: Places;
  readonly #context: BackendContext;
  readonly #account: HappyAccount;
  readonly #marks: Marks;
  readonly #desk: HappyDesk;
  readonly #events: Emitter<BackendEvent>;
  readonly #handles = new Map<string, HappySessionHandle>();
  readonly #signs: Signs;
  readonly #told = new Map<string, string>();
  readonly #due = new Set<string>();
  readonly #watching: Disposable[] = [];
  #flush: { cancel(): void } | null = null;
  #silence: { cancel(): void } | null = null;
  #connectedAt: number | null = null;
  #loaded = false;
  #refused: AuthenticationError | null = null;
  #state: ConnectionState = { status: 'connecting', message: null, remedy: null, version: null };

  constructor(context: BackendContext, options: Omit<AccountOptions, 'clock' | 'log'>) {
    this.#context = context;
    this.connectionId = context.connectionId;
    this.#account = new HappyAccount({ ...options, clock: context.clock, log: context.log });
    this.#marks = new Marks(context.keep);
    this.#signs = new Signs(context.clock);
    this.#events = new Emitter((error) => context.log.error('a listener of a backend failed', { error: describeError(error) }));
    this.places = placesOf(this.#account, (machineId) => this.#account.mirror.machine(machineId)?.metadata ?? null);
    this.#desk = {
      account: this.#account, context, marks: this.#marks,
      describe: (id) => this.#describe(id),
      machine: (id) => this.#machine(id),
      signs: this.#signs,
      changed: (id) => this.#change(id),
      adopt: (id, where, call) => this.#adopt(id, where, call),
      watched: (call) => this.#watched(call),
    };
  }

  /** Resolves with the contact and the lists read, or with what keeps them away; it goes on trying by itself. */
  async connect(options: CallOptions = {}): Promise<ConnectionState> {
    if (options.signal?.aborted === true) throw abortReason(options.signal);
    await this.#marks.load();
    this.#begin();
    if (this.#refused !== null) {
      // Signed in again elsewhere, or the server changed its mind: one more try.
      this.#refused = null;
      this.#loaded = false;
      this.#account.socket.start();
      this.#account.reread();
    }
    await until(this.#account, () => this.#loaded || this.#refused !== null || this.#account.socket.state.refusal !== null, contactMs, options.signal);
    this.#settle();
    return this.#state;
  }

  machines(options: CallOptions = {}): Promise<readonly Machine[]> {
    if (options.signal?.aborted === true) return Promise.reject(abortReason(options.signal));
    const machines = this.#account.mirror.machines().flatMap(({ id }) => this.#machine(id) ?? []);
    for (const machine of machines) this.#noteMachine(machine);
    return Promise.resolve(machines);
  }

  /** From the mirror. Without the lists nothing is known to be gone: then it rejects. */
  async sessions(page: { readonly cursor?: string; readonly limit: number; readonly folder?: string } & CallOptions): Promise<Page<Session>> {
    if (page.signal?.aborted === true) throw abortReason(page.signal);
    if (!this.#loaded) throw new ConnectionError('The Happy server cannot be reached: its sessions are not known.');
    const after = page.cursor === undefined ? null : /^(\d{1,16})\/(.{1,200})$/.exec(page.cursor);
    if (page.cursor !== undefined && after === null) throw invalid('This is no cursor of the list of sessions. Start from the newest page.');
    await this.#marks.load();
    // Two thousand are put in order by what their order needs; described are those of the page.
    const all = this.#account.mirror.sessions().flatMap(({ id, metadata, updatedAt }) => {
      if (isHidden(told(metadata)) || (page.folder !== undefined && (str(told(metadata), 'path') ?? '') !== page.folder)) return [];
      return [{ id, updatedAt: Math.max(updatedAt, this.#handles.get(id)?.log.turnHint()?.at ?? 0) }];
    });
    all.sort((one, other) => other.updatedAt - one.updatedAt || (one.id < other.id ? 1 : -1));
    const [, time = '', last = ''] = after ?? [];
    const rest = after === null ? all : all.filter((session) => session.updatedAt < Number(time) || (session.updatedAt === Number(time) && session.id < last));
    const shown = rest.slice(0, page.limit);
    const items: Session[] = [];
    await inSlices(shown, ({ id }) => {
      const session = this.#describe(id);
      if (session === null) return;
      items.push(session);
      this.#signs.shown(id, session.state);
      this.#told.set(id, canonicalJson(session));
    }, { signal: page.signal });
    const end = shown.at(-1);
    return { items, next: rest.length <= page.limit || end === undefined ? null : `${end.updatedAt}/${end.id}` };
  }

  watch(listener: (event: BackendEvent) => void): Disposable {
    const listening = this.#events.on(listener);
    this.#begin();
    return listening;
  }

  controls(options: { readonly folder: string; readonly machineId?: string; readonly agent?: string } & CallOptions): Promise<SessionControls> {
    const metadata = options.machineId === undefined ? null : (this.#account.mirror.machine(options.machineId)?.metadata ?? null);
    return Promise.resolve(controlsOf(told(metadata), options.agent ?? 'claude'));
  }

  async spawn(options: SpawnOptions): Promise<Session> {
    const { machineId, folder, agent = 'claude', createFolder = false, title, model, mode, effort, signal } = options;
    const call = signal === undefined ? {} : { signal };
    const id = await this.#watched(spawn(this.#account, {
      machineId, directory: folder, agent, createDir: createFolder, ...(mode === undefined ? {} : { permissionMode: mode }), ...(model === undefined ? {} : { model }),
      ...(effort === undefined ? {} : { effort }), ...call,
    }));
    // It runs already: what could not be written down is no reason to lose it. Its command line takes what was chosen, but tells nobody (seen with happy 1.2.5).
    const text = title?.trim() ?? '';
    const picks: JsonObject = { ...(mode === undefined ? {} : { permissionMode: mode }), ...(model === undefined ? {} : { modelMode: model }), ...(effort === undefined ? {} : { effortLevel: effort }) };
    if (text !== '' || Object.keys(picks).length > 0) {
      const updatedAt = this.#context.clock.now();
      const named = (current: JsonObject): JsonObject => (text === '' ? {} : { summary: { ...(isJsonObject(current['summary']) ? current['summary'] : {}), text, updatedAt }, name: text });
      await changeMetadata(this.#account, id, (current) => ({ ...current, ...picks, ...named(current) }), call)
        .catch((error: unknown) => this.#context.log.warn('the name and the picks of a session could not be written', { session: id, error: describeError(error) }));
    }
    return this.#adopt(id, { machineId, directory: folder }, call);
  }

  session(id: string): HappySessionHandle {
    let handle = this.#handles.get(id);
    if (handle === undefined) {
      handle = new HappySessionHandle(this.#desk, id);
      this.#handles.set(id, handle);
    }
    return handle;
  }

  attention({ focused, visible, sessions = [] }: Looking): void {
    this.#account.setAttention({ active: focused && visible, visible, sessions });
  }

  planLimits(): readonly PlanLimit[] {
    return planLimitsOf(this.#account.mirror.sessions().map(({ agentState }) => agentState));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#watching.splice(0)) each.dispose();
    // What ends tells that it does: the last of that sets no timer that stays.
    this.#flush?.cancel();
    this.#silence?.cancel();
    for (const handle of this.#handles.values()) handle.dispose();
    this.#handles.clear();
    this.#events.clear();
    await this.#account[Symbol.asyncDispose]();
  }

  #begin(): void {
    if (this.#watching.length > 0 || this.#account.closed) return;
    this.#watching.push(
      this.#account.onEphemeral.on((event) => {
        const told = this.#signs.take(event);
        if (told !== null) this.#change(told);
      }),
      this.#account.watch((change) => this.#mirrored(change)),
      this.#account.socket.onState.on(() => this.#settle()),
      this.#account.onRefused.on((error) => {
        this.#refused = error;
        this.#settle();
      }),
    );
    if (this.#account.mirror.online) this.#connectedAt ??= this.#context.clock.now();
    this.#look();
  }

  #mirrored(change: MirrorChange): void {
    switch (change.type) {
      case 'session':
        this.#handles.get(change.session.id)?.mirrored(change.session);
        this.#change(change.session.id);
        return;
      case 'session-removed':
        this.#handles.get(change.sessionId)?.dispose();
        this.#handles.delete(change.sessionId);
        this.#told.delete(change.sessionId);
        this.#signs.forget(change.sessionId);
        this.#events.emit({ type: 'session-removed', sessionId: change.sessionId });
        return;
      case 'machine': {
        const machine = this.#machine(change.machine.id);
        if (machine !== null) this.#announceMachine(machine);
        return;
      }
      case 'machine-removed':
        this.#told.delete(`machine:${change.machineId}`);
        return;
      case 'presence':
        this.#connectedAt = change.online ? this.#context.clock.now() : null;
        this.#signs.contact();
        if (!change.online) {
          this.#loaded = false;
          // Whoever was told takes it for unknown from now on: all of it is news again with the next contact.
          this.#told.clear();
        }
        this.#settle();
        for (const { id } of this.#account.mirror.machines()) {
          const machine = this.#machine(id);
          if (machine !== null) this.#announceMachine(machine);
        }
        return;
      case 'loaded':
        this.#loaded = true;
        // They were read with our token.
        this.#refused = null;
        this.#settle();
        for (const { id } of this.#account.mirror.sessions()) this.#due.add(id);
        this.#flushSoon();
        return;
      default:
    }
  }

  #describe(id: string): Session | null {
    const row = this.#account.mirror.session(id);
    if (row === null || isHidden(told(row.metadata))) return null;
    const handle = this.#handles.get(id);
    const now = this.#context.clock.now();
    const risen = this.#signs.risen(id);
    const metadata = risen === null || row.metadata === null ? row.metadata : { ...row.metadata, lifecycleState: 'running' };
    const thinking = risen === null ? row.thinking : risen.restsSince !== null && risen.restsSince >= (handle?.log.sentAt ?? 0) && risen.restsSince + lateMs >= (handle?.log.workAt ?? 0) ? false : null;
    const session = sessionOf({
      connectionId: this.connectionId, row: { ...row, active: row.active === true || (risen !== null && row.active !== null) }, metadata: told(metadata), agentState: told(row.agentState),
      presence: { connectedAt: this.#connectedAt, heardAt: risen === null ? this.#signs.heardAt(id) : now, thinking }, machine: this.#machineOf(row), now,
      turn: handle?.log.turnHint() ?? null, usage: handle?.log.usage ?? null,
    });
    // What was put away unseen and lives after all is nothing to hide.
    const mark = this.#marks.putAwayUnseen(id) ? session.state === 'stopped' || session.state === 'unknown' : this.#marks.archived(id);
    const locked = row.readable === 'no-key' || handle?.log.locked === true ? lockedText(row, this.#account.credentials) : null;
    return { ...session, ...(locked === null ? {} : { locked }), archived: mark ?? (session.state === 'stopped' && isArchived(told(row.metadata))) };
  }

  #machineOf(session: MirroredSession): { readonly state: Machine['state']; readonly activeAt: number } | null {
    const id = str(told(session.metadata), 'machineId');
    const row = id === null ? null : this.#account.mirror.machine(id);
    const machine = row === null ? null : this.#machine(row.id);
    return row === null || machine === null ? null : { state: machine.state, activeAt: row.activeAt };
  }

  #machine(id: string): Machine | null {
    const row = this.#account.mirror.machine(id);
    if (row === null) return null;
    return machineOf({
      connectionId: this.connectionId, row: { id, active: row.active ?? false, activeAt: row.activeAt }, metadata: told(row.metadata), daemonState: told(row.daemonState),
      presence: { connectedAt: this.#connectedAt, heardAt: this.#signs.heardAt(id), thinking: null }, now: this.#context.clock.now(),
    });
  }

  async #adopt(id: string, where: { readonly machineId: string; readonly directory: string }, call: CallOptions): Promise<Session> {
    const { mirror, socket } = this.#account;
    try {
      mirror.takeSession(await this.#watched(this.#account.sessionRow(id, call)));
    } catch (error) {
      if (call.signal?.aborted === true || error instanceof SessionNotFound) throw error;
      // It runs, and the next contact brings it by itself.
      await until(this.#account, () => mirror.session(id) !== null || socket.state.refusal !== null, adoptMs, call.signal);
      if (mirror.session(id) === null) throw startedUnread(id, where.machineId, where.directory, error);
    }
    await until(this.#account, () => this.#describe(id) !== null, 2_000, call.signal);
    const session = this.#describe(id);
    if (session === null) throw new SessionNotFound(id);
    this.#announce(session);
    return session;
  }

  #change(id: string): void {
    this.#due.add(id);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#account.closed) return;
    this.#flush ??= this.#context.clock.setTimeout(() => {
      this.#flush = null;
      const due = [...this.#due];
      this.#due.clear();
      // Before the lists were read once they are told as a whole.
      if (!this.#loaded) return;
      inSlices(due, (id) => this.#tell(id)).catch((error: unknown) => this.#context.log.error('changes of sessions could not be told', { error: describeError(error) }));
    }, changeMs);
  }

  #tell(id: string): void {
    const session = this.#account.closed ? null : this.#describe(id);
    if (session === null) return;
    this.#announce(session);
    if (session.state === 'idle' && session.owner === 'nobody' && (this.#account.mirror.session(id)?.thinking === false || this.#signs.risen(id) !== null)) this.#handles.get(id)?.log.rests();
  }

  /** Silence changes states too: a process that says nothing is not known to live. */
  #look(): void {
    this.#silence = this.#context.clock.setTimeout(() => {
      if (this.#account.closed) return;
      for (const { id, active } of this.#account.mirror.sessions()) if (active === true) this.#due.add(id);
      for (const { id } of this.#account.mirror.machines()) {
        const machine = this.#machine(id);
        if (machine !== null) this.#announceMachine(machine);
      }
      this.#flushSoon();
      this.#look();
    }, silenceMs);
  }

  #announce(session: Session): void {
    this.#signs.shown(session.id, session.state);
    const text = canonicalJson(session);
    if (this.#told.get(session.id) === text) return;
    this.#told.set(session.id, text);
    this.#events.emit({ type: 'session', session });
  }

  /** The time of the last sign of life alone is no news. */
  #announceMachine(machine: Machine): void {
    if (this.#noteMachine(machine)) this.#events.emit({ type: 'machine', machine });
  }

  /** Whether it is otherwise than it was told last; what is known of its sessions changes with it. */
  #noteMachine(machine: Machine): boolean {
    const [name, text] = [`machine:${machine.id}`, canonicalJson({ ...machine, seenAt: null })];
    if (this.#told.get(name) === text) return false;
    this.#told.set(name, text);
    for (const { id, metadata } of this.#account.mirror.sessions()) if (str(told(metadata), 'machineId') === machine.id) this.#due.add(id);
    this.#flushSoon();
    return true;
  }

  #settle(): void {
    const { refusal, proxy } = this.#account.socket.state;
    if (refusal !== null) this.#refused = refusal;
    if (this.#refused !== null) this.#setState({ status: 'needs-sign-in', message: this.#refused.message, remedy: null, version: null });
    else if (this.#loaded) this.#setState({ status: 'ready', message: null, remedy: null, version: null });
    else this.#setState({ status: 'offline', message: proxy?.message ?? 'The Happy server cannot be reached.', remedy: null, version: null });
  }

  #setState(state: ConnectionState): void {
    if (canonicalJson(state) === canonicalJson(this.#state)) return;
    this.#state = state;
    this.#events.emit({ type: 'connection', state });
  }

  async #watched<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw await this.#account.judged(error);
    }
  }
}
