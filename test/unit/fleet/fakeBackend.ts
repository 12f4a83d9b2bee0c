import type {
  BackendEvent, CallOptions, ConnectionState, Decision, Disposable, LiveEvent, Page, Prompt, SessionBackend, SessionHandle, SpawnOptions, StopReport,
} from '../../../src/core/model/backend.ts';
import type { BackendContext } from '../../../src/core/model/context.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { Machine, Session, SessionControls, Traits } from '../../../src/core/model/session.ts';
import { Emitter } from '../../../src/core/transport/emitter.ts';
import { textEntry } from '../store/support.ts';

export const CONNECTION = 'fake';
export const READY: ConnectionState = { status: 'ready', message: null, remedy: null, version: '1.0' };

/** The system behind all windows: its sessions, what was said in them, and what it was asked to do. */
export class FakeSystem {
  readonly sessions = new Map<string, Session>();
  readonly histories = new Map<string, Entry[]>();
  /** `window:method:arguments`, in the order in which they came. */
  readonly calls: string[] = [];
  readonly delivered: { readonly clientId: string; readonly text: string; readonly window: string }[] = [];

  add(id: string, over: Partial<Session> = {}): void {
    this.sessions.set(id, {
      id, connectionId: CONNECTION, machineId: 'here', folder: '/home/ada/web', agent: 'fake', title: `Title of ${id}`, state: 'idle', createdAt: 1, updatedAt: 2, archived: false,
      owner: 'nobody', ownerName: null, branch: null, activity: null, usage: null, model: null, waiting: [], error: null, ...over,
    });
  }

  /** Adds text rows to a session's own record; one that is not told live. */
  write(id: string, ...texts: readonly string[]): readonly Entry[] {
    const history = this.histories.get(id) ?? [];
    this.histories.set(id, history);
    const made = texts.map((text, index): Entry => textEntry(`${id}-${history.length + index}`, [history.length + index], { text }));
    history.push(...made);
    return made;
  }
}

/** One window's end of the system. Who runs a session is told by the lease, as of real systems. */
export class FakeBackend implements SessionBackend {
  readonly system = 'local';
  readonly connectionId = CONNECTION;
  readonly traits: Traits = { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: false, rename: 'ours', archive: 'ours', remove: true, images: false, permissions: true };
  readonly window: string;
  readonly context: BackendContext;
  readonly world: FakeSystem;
  readonly handles = new Map<string, FakeHandle>();
  readonly events = new Emitter<BackendEvent>();
  disposed = false;
  /** What the next calls do in place of answering. */
  connecting: () => Promise<ConnectionState> = () => Promise.resolve(READY);
  listing: () => Promise<void> = () => Promise.resolve();
  pageSize = 200;
  listings = 0;

  constructor(context: BackendContext, world: FakeSystem, window: string) {
    this.context = context;
    this.world = world;
    this.window = window;
  }

  connect(): Promise<ConnectionState> {
    return this.connecting();
  }

  machines(): Promise<readonly Machine[]> {
    return Promise.resolve([{ id: 'here', connectionId: CONNECTION, name: 'Here', state: 'online', seenAt: 1, home: '/home/ada' }]);
  }

  async sessions(page: { readonly cursor?: string; readonly limit: number } & CallOptions): Promise<Page<Session>> {
    this.listings += 1;
    const from = Number(page.cursor ?? 0);
    const all = [...this.world.sessions.values()];
    const items = await Promise.all(all.slice(from, from + this.pageSize).map((session) => this.describe(session.id)));
    await this.listing();
    return { items, next: from + this.pageSize < all.length ? String(from + this.pageSize) : null };
  }

  watch(listener: (event: BackendEvent) => void): Disposable {
    return this.events.on(listener);
  }

  controls(): Promise<SessionControls> {
    return Promise.resolve(NO_CONTROLS);
  }

  async spawn(options: SpawnOptions): Promise<Session> {
    const id = `s${this.world.sessions.size + 1}`;
    this.world.add(id, { folder: options.folder });
    await this.context.leases.acquire(`session:${id}`);
    return this.describe(id);
  }

  session(id: string): FakeHandle {
    const handle = this.handles.get(id) ?? new FakeHandle(this, id);
    this.handles.set(id, handle);
    return handle;
  }

  /** The session as this window sees it from where it stands. */
  async describe(id: string): Promise<Session> {
    const session = this.world.sessions.get(id);
    if (session === undefined) throw new PilothouseError('session_not_found', 'There is no such session.');
    if (session.owner === 'foreign') return session;
    const holder = await this.context.leases.holder(`session:${id}`);
    if (holder === 'this') return { ...session, owner: 'this' };
    // From outside one sees neither what waits nor what is being done.
    if (holder === 'other') return { ...session, owner: 'window', state: 'unknown', waiting: [], activity: null };
    return { ...session, owner: 'nobody', waiting: [], activity: null, state: session.state === 'failed' ? 'failed' : 'idle' };
  }

  async tell(id: string, over: Partial<Session> = {}): Promise<void> {
    const session = this.world.sessions.get(id);
    if (session !== undefined) this.world.sessions.set(id, { ...session, ...over });
    this.events.emit({ type: 'session', session: await this.describe(id) });
  }

  /** Says something in a session whose agent runs here: in the system's record and live. */
  say(id: string, ...texts: readonly string[]): void {
    this.session(id).lively.emit({ type: 'entries', entries: this.world.write(id, ...texts) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.handles.keys()) {
      if ((await this.context.leases.holder(`session:${id}`).catch(() => 'nobody')) !== 'this') continue;
      // The last words of an agent that is ended.
      this.say(id, 'the end');
      await this.context.leases.release(`session:${id}`);
    }
    this.disposed = true;
  }
}

const NO_CONTROLS: SessionControls = { models: [], model: null, modes: [], mode: null, efforts: [], effort: null, commands: [] };
const REPORT: StopReport = { step: 'interrupted', message: 'It listened.' };

export class FakeHandle implements SessionHandle {
  readonly id: string;
  readonly lively = new Emitter<LiveEvent>();
  private readonly backend: FakeBackend;
  /** What the next sends do before they take the prompt. */
  sending: () => Promise<void> = () => Promise.resolve();
  historyReads = 0;

  constructor(backend: FakeBackend, id: string) {
    this.backend = backend;
    this.id = id;
  }

  history(page: { readonly cursor?: string; readonly limit: number }): Promise<Page<Entry>> {
    this.historyReads += 1;
    const all = this.backend.world.histories.get(this.id) ?? [];
    const end = Number(page.cursor ?? all.length);
    const start = Math.max(0, end - page.limit);
    return Promise.resolve({ items: all.slice(start, end), next: start === 0 ? null : String(start) });
  }

  live(listener: (event: LiveEvent) => void): Disposable {
    return this.lively.on(listener);
  }

  controls(): SessionControls {
    return NO_CONTROLS;
  }

  async send(prompt: Prompt, clientId: string): Promise<void> {
    await this.sending();
    if (this.backend.disposed) throw new PilothouseError('process_gone', 'The connection was closed.');
    if (!(await this.backend.context.leases.acquire(`session:${this.id}`))) throw new PilothouseError('session_runs_elsewhere', 'Another window runs it.');
    if (this.backend.world.delivered.some((each) => each.clientId === clientId)) return;
    this.backend.world.delivered.push({ clientId, text: prompt.text, window: this.backend.window });
    await this.backend.tell(this.id, { state: 'running', activity: { phase: 'answering', since: 1, detail: null, until: null } });
    this.backend.say(this.id, `answer to ${prompt.text}`);
  }

  interrupt(): Promise<StopReport> {
    return this.did('interrupt');
  }
  async answer(requestId: string, decision: Decision): Promise<void> {
    await this.did(`answer ${requestId} ${decision.outcome}`);
    await this.backend.tell(this.id, { state: 'running', waiting: [] });
  }
  async setModel(id: string): Promise<void> {
    await this.did(`model ${id}`);
  }
  async setMode(id: string): Promise<void> {
    await this.did(`mode ${id}`);
  }
  async setEffort(id: string): Promise<void> {
    await this.did(`effort ${id}`);
  }
  async rename(title: string): Promise<void> {
    await this.did(`rename ${title}`);
    await this.backend.tell(this.id, { title });
  }
  async archive(archived: boolean): Promise<void> {
    await this.did(`archive ${String(archived)}`);
    await this.backend.tell(this.id, { archived });
  }
  async stop(): Promise<StopReport> {
    const report = await this.did('stop');
    await this.backend.context.leases.release(`session:${this.id}`);
    await this.backend.tell(this.id, { state: 'stopped', activity: null, waiting: [] });
    return report;
  }
  async resume(): Promise<void> {
    await this.backend.context.leases.acquire(`session:${this.id}`);
    await this.backend.tell(this.id, { state: 'idle' });
  }
  fork(): Promise<Session> {
    return Promise.reject(new PilothouseError('unsupported', 'It cannot fork.'));
  }
  removalPreview(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }
  async remove(): Promise<void> {
    await this.did('remove');
    if ((await this.backend.context.leases.holder(`session:${this.id}`)) === 'other') throw new PilothouseError('session_runs_elsewhere', 'Another window runs it.');
    await this.backend.context.leases.release(`session:${this.id}`);
    this.backend.world.sessions.delete(this.id);
    this.backend.events.emit({ type: 'session-removed', sessionId: this.id });
  }

  private did(what: string): Promise<StopReport> {
    this.backend.world.calls.push(`${this.backend.window}: ${what}`);
    return Promise.resolve(REPORT);
  }
}
