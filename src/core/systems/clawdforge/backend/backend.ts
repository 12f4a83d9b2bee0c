import type { BackendEvent, CallOptions, ConnectionState, Disposable, Looking, Page, Places, SessionBackend, SpawnOptions } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import { canonicalJson, isJsonObject } from '../../../model/json.ts';
import type { Machine, Session, SessionControls, Traits } from '../../../model/session.ts';
import { abortReason } from '../../../transport/clock.ts';
import { Emitter } from '../../../transport/emitter.ts';
import type { Forge } from '../client.ts';
import { invalid } from '../errors.ts';
import type { ForgeSessionState } from '../types.ts';
import { timeOf } from '../wire.ts';
import type { ForgeDesk } from './desk.ts';
import { makeSession } from './fresh.ts';
import { Journal } from './journal.ts';
import { machineOf, Mirror } from './mirror.ts';
import { closedError, oneLine, whyClosed } from './outcome.ts';
import type { ForgeRecord } from './records.ts';
import { freshRecord, Records } from './records.ts';
import { recordOfRow } from './rows.ts';
import { Rounds } from './rounds.ts';
import { ForgeHandle } from './session.ts';

/** Seconds that the server may take for a turn: the most that it allows. */
const TURN_SECS = 600;

const traits: Traits = {
  spawn: true, interrupt: true, steer: false, stop: true, resume: true, fork: false, rename: 'ours', archive: 'ours', remove: true, images: false, permissions: false,
  choosesFolder: true, textOnly: true, goesOnFresh: true, onlyHere: true,
};

interface Options {
  readonly forge: Forge;
  readonly turnSecs?: number;
}

/** One token on one clawdforge server, which is a machine. The server keeps sessions, not what was said in them: that is kept here. */
export class ForgeBackend implements SessionBackend {
  readonly system = 'clawdforge';
  readonly connectionId: string;
  readonly traits = traits;
  readonly places: Places;
  readonly #context: BackendContext;
  readonly #forge: Forge;
  readonly #desk: ForgeDesk;
  readonly #records: Records;
  readonly #mirror: Mirror;
  readonly #rounds: Rounds;
  readonly #events: Emitter<BackendEvent>;
  readonly #handles = new Map<string, ForgeHandle>();
  /** What was told of each session last, for those that listen. */
  readonly #told = new Map<string, string>();
  #toldState = '';
  #disposed = false;

  constructor(context: BackendContext, { forge, turnSecs = TURN_SECS }: Options) {
    this.#context = context;
    this.#forge = forge;
    this.connectionId = context.connectionId;
    this.#events = new Emitter((error) => context.log.error('a listener of a backend failed', { error: describeError(error) }));
    this.#records = new Records(context.keep, context.log);
    this.#mirror = new Mirror(forge, context, () => this.#tellState());
    this.#rounds = new Rounds(context.clock, () => this.#round(), (error) => context.log.debug('a clawdforge server could not be asked', { error: describeError(error) }));
    this.#desk = {
      context, forge, records: this.#records, journal: new Journal(context.keep, context.log), turnSecs, machineId: machineOf(forge.baseUrl),
      row: (forgeId) => this.#mirror.row(forgeId),
      read: (forgeId, options) => this.#mirror.read(forgeId, options),
      need: (id, options) => this.#need(id, options ?? {}),
      changed: (id) => this.#changed(id),
      gone: (id) => this.#gone(id),
      judge: (error) => this.#mirror.judge(error),
    };
    this.places = {
      moreAgents: true,
      agents: () => Promise.resolve(this.#agents().map((id) => ({ id, label: id, description: null }))),
      folders: (_machineId, path) => Promise.resolve({ path: path ?? this.#mirror.rows().find((row) => row.cwd !== null)?.cwd ?? '/', folders: [] }),
    };
  }

  async connect(options: CallOptions = {}): Promise<ConnectionState> {
    refuseAborted(options.signal);
    await this.#records.load();
    const state = await this.#mirror.connect(options);
    return state;
  }

  async machines(options: CallOptions = {}): Promise<readonly Machine[]> {
    refuseAborted(options.signal);
    return [this.#mirror.machine()];
  }

  /** The server's list and our own records in one: what was said in a session that the server lists no more is here all the same. Rejects without contact. */
  async sessions(page: { readonly cursor?: string; readonly limit: number; readonly folder?: string } & CallOptions): Promise<Page<Session>> {
    refuseAborted(page.signal);
    const after = page.cursor === undefined ? null : /^(\d{1,16})\/(.{1,300})$/s.exec(page.cursor);
    if (page.cursor !== undefined && after === null) throw invalid('This is no cursor of the list of sessions. Start from the newest page.');
    if (after === null) {
      await this.#records.load();
      await this.#mirror.list(page);
      await this.#missing(page);
      await this.#lookAround(page);
    }
    const all = this.#all().filter((session) => page.folder === undefined || session.folder === page.folder);
    all.sort((one, other) => other.updatedAt - one.updatedAt || (one.id < other.id ? 1 : -1));
    const [, time = '', last = ''] = after ?? [];
    const rest = after === null ? all : all.filter((session) => session.updatedAt < Number(time) || (session.updatedAt === Number(time) && session.id < last));
    const items = rest.slice(0, Math.max(1, page.limit));
    for (const session of items) this.#told.set(session.id, canonicalJson(session));
    const end = items.at(-1);
    return { items, next: end === undefined || rest.length <= items.length ? null : `${end.updatedAt}/${end.id}` };
  }

  watch(listener: (event: BackendEvent) => void): Disposable {
    const listening = this.#events.on(listener);
    this.#rounds.start();
    return listening;
  }

  attention({ focused, visible }: Looking): void {
    this.#rounds.look(focused && visible ? 'near' : visible ? 'far' : 'away');
  }

  async controls(options: CallOptions): Promise<SessionControls> {
    refuseAborted(options.signal);
    return { models: [], model: null, modes: [], mode: null, efforts: [], effort: null, commands: [] };
  }

  /** Makes a session. The server chooses its folder: `folder` is not asked for. */
  async spawn(options: SpawnOptions): Promise<Session> {
    refuseAborted(options.signal);
    if (options.machineId !== this.#desk.machineId) throw invalid('This connection has sessions on its own server only.');
    if (options.model !== undefined || options.mode !== undefined || options.effort !== undefined) throw invalid('A session of a clawdforge server has no model, mode or effort to choose.');
    const call = options.signal === undefined ? {} : { signal: options.signal };
    const title = oneLine(options.title ?? '', 120);
    const made = await makeSession(this.#desk, options.agent ?? 'claude', title, {}, call);
    // It is there already: what can't be read now is read with the next list.
    const row = await this.#mirror.read(made.sessionId, call).catch(() => null);
    const at = timeOf(made.createdAt) ?? this.#context.clock.now();
    const record = freshRecord({ id: made.sessionId, agent: made.agent, folder: row?.cwd ?? '', title, titleBy: title === '' ? 'nobody' : 'person', createdAt: at, updatedAt: at });
    await this.#records.add(record);
    this.#changed(record.id);
    return this.#describe(record);
  }

  session(id: string): ForgeHandle {
    return this.#handle(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#rounds.dispose();
    this.#mirror.dispose();
    await Promise.allSettled([...this.#handles.values()].map((handle) => handle.dispose()));
    await this.#records.flush();
    this.#events.clear();
    await this.#forge.close();
  }

  #handle(id: string): ForgeHandle {
    const known = this.#handles.get(id);
    if (known !== undefined) return known;
    const made = new ForgeHandle(this.#desk, id);
    this.#handles.set(id, made);
    return made;
  }

  /** What may have changed without us: while somebody listens. */
  async #round(): Promise<void> {
    if (!this.#mirror.online) await this.#mirror.connect({});
    else await this.#mirror.list({});
    if (!this.#mirror.online) return;
    await this.#records.load();
    await this.#lookAround({});
    for (const session of this.#all()) this.#tell(session);
    for (const id of Array.from(this.#told.keys())) if (this.#lookUp(id) === null) this.#gone(id);
  }

  /** A session of ours that the server does not list is asked for: a list may be short, the session's own address is not. */
  async #missing(options: CallOptions): Promise<void> {
    for (const record of this.#records.known()) {
      if (record.removed || record.stopped || this.#mirror.row(record.forgeId) !== null) continue;
      const row = await this.#mirror.read(record.forgeId, options);
      if (row === null) await this.#records.change(record.id, () => ({ stopped: true, error: whyClosed(true) }));
    }
  }

  /** Looks at the sessions of which something is to be told: a turn that runs or ran, a count beyond ours, an end. */
  async #lookAround(options: CallOptions): Promise<void> {
    for (const record of this.#records.known()) {
      const row = this.#mirror.row(record.forgeId);
      const news = row !== null && (row.turnCount > record.counted || (row.closedAt !== null && !record.stopped));
      if (!record.removed && (record.open !== null || news)) await this.#handle(record.id).look(options);
    }
  }

  #all(): Session[] {
    const records = this.#records.known();
    const ours = new Set(records.flatMap((record) => [record.id, record.forgeId, ...record.past]));
    const others = this.#mirror.rows().filter((row) => !ours.has(row.sessionId) && !this.#continues(row)).map((row) => recordOfRow(row, this.#context.clock.now()));
    return [...records.filter((record) => !record.removed), ...others].map((record) => this.#describe(record));
  }

  #describe(record: ForgeRecord): Session {
    return this.#handle(record.id).describe(record, this.#mirror.online);
  }

  /** What is known of a session without asking; null where nothing is. */
  #lookUp(id: string): ForgeRecord | null {
    const record = this.#records.peek(id);
    if (record !== null) return record.removed ? null : record;
    const row = this.#mirror.row(id);
    const isAnothers = row === null || this.#continues(row) || this.#records.known().some(({ forgeId, past }) => forgeId === id || past.includes(id));
    return isAnothers ? null : recordOfRow(row, this.#context.clock.now());
  }

  /** True where the server's session goes on for one of ours: so it is from when it is made, and before our record says so. */
  #continues({ meta }: ForgeSessionState): boolean {
    return isJsonObject(meta) && typeof meta['continues'] === 'string' && this.#records.peek(meta['continues']) !== null;
  }

  async #need(id: string, options: CallOptions): Promise<ForgeRecord> {
    const record = await this.#records.get(id);
    if (record !== null && !record.removed) return record;
    if (record !== null) throw new PilothouseError('session_not_found', 'This session was deleted.');
    const row = this.#mirror.row(id) ?? (await this.#mirror.read(id, options));
    if (row === null) throw closedError(true);
    const found = recordOfRow(row, this.#context.clock.now());
    await this.#records.add(found);
    return found;
  }

  #agents(): readonly string[] {
    return [...new Set(['claude', ...this.#mirror.rows().map((row) => row.agent)])];
  }

  #changed(id: string): void {
    const record = this.#lookUp(id);
    if (record !== null) this.#tell(this.#describe(record));
  }

  #tell(session: Session): void {
    const text = canonicalJson(session);
    if (this.#disposed || this.#told.get(session.id) === text) return;
    this.#told.set(session.id, text);
    this.#events.emit({ type: 'session', session });
  }

  #gone(id: string): void {
    this.#told.delete(id);
    this.#handles.delete(id);
    this.#events.emit({ type: 'session-removed', sessionId: id });
  }

  #tellState(): void {
    const { state } = this.#mirror;
    const text = canonicalJson([state, { ...this.#mirror.machine(), seenAt: null }]);
    if (this.#disposed || this.#toldState === text) return;
    this.#toldState = text;
    // Whoever was told takes all of it for unknown without contact: with the next one it is news again.
    if (state.status !== 'ready') this.#told.clear();
    this.#events.emit({ type: 'machine', machine: this.#mirror.machine() });
    this.#events.emit({ type: 'connection', state });
  }
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortReason(signal);
}
