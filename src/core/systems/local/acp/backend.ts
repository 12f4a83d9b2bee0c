import { homedir } from 'node:os';
import type { BackendEvent, CallOptions, ConnectionState, Disposable, Page, SessionBackend, SignInMethod, SpawnOptions, StopReport } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { remedyLine } from '../../../model/remedy.ts';
import type { Machine, Session, SessionControls, Traits } from '../../../model/session.ts';
import { Emitter } from '../../../transport/emitter.ts';
import { createClaims } from '../claims.ts';
import { agentEnv } from '../environment.ts';
import { findExecutable } from '../executable.ts';
import { createProcessLedger } from '../ledger.ts';
import { thisComputer } from '../machine.ts';
import type { ProcessExit } from '../process.ts';
import { throwIfAborted, waitFor } from '../wait.ts';
import { noControls, readControls } from './controls.ts';
import type { ListedSession, Routed, SessionHost } from './host.ts';
import type { AgentFacts, Link } from './link.ts';
import { startLink } from './link.ts';
import { listAll, mergeListed } from './listing.ts';
import { isAuthRequired, makeFresh } from './loading.ts';
import { wordsOf } from './outcome.ts';
import { oneLine } from './read.ts';
import type { SessionRecord } from './records.ts';
import { newRecord, Records } from './records.ts';
import { Router } from './router.ts';
import { AcpSession } from './session.ts';
import { signInMethods, signInRemedy } from './signIn.ts';

/** How long an agent without work stays. */
const idleMs = 5 * 60_000;
/** The longest that a start may take: a program that is fetched first takes its time. */
const connectMs = 90_000;
const noteMs = 300;

export interface AcpOptions {
  /** The agent's name, as the person configured it. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Folder that the program is started in; the home folder by default. Sessions have folders of their own. */
  readonly cwd?: string;
  /** This program in a person's words, for those who are refused a session that it runs: `a VS Code window`. */
  readonly program?: string;
}

/** An ACP connection, which may offer ways to sign in once its agent was started. */
export type AcpBackend = SessionBackend & Required<Pick<SessionBackend, 'signIn' | 'signInMethods'>>;

/** An ACP agent of this computer: one program for all of its sessions, started when it is needed and ended when it has been idle for five minutes. */
export function createAcpBackend(context: BackendContext, options: AcpOptions): AcpBackend {
  return new Backend(context, options);
}

class Backend implements AcpBackend {
  readonly system = 'local';
  readonly connectionId: string;
  private readonly context: BackendContext;
  private readonly options: AcpOptions;
  private readonly host: SessionHost;
  private readonly records: Records;
  private readonly ledger;
  private readonly events: Emitter<BackendEvent>;
  private readonly sessionsById = new Map<string, AcpSession>();
  private readonly router: Router;
  private state: ConnectionState = { status: 'connecting', message: null, remedy: null, version: null };
  private facts: AgentFacts | null = null;
  private link: Link | null = null;
  private starting: Promise<Link> | null = null;
  private reaped: Promise<unknown> | null = null;
  private idle: { cancel(): void } | null = null;
  private noting: { cancel(): void } | null = null;
  private lastControls: SessionControls = noControls;
  private readonly closing = new AbortController();
  private disposed = false;

  constructor(context: BackendContext, options: AcpOptions) {
    this.context = context;
    this.options = options;
    this.connectionId = context.connectionId;
    this.records = new Records(context.keep, context.log);
    this.ledger = createProcessLedger(context.stateDir, context.log);
    this.events = new Emitter((error) => context.log.error('a listener of a backend failed', { error: describeError(error) }));
    this.router = new Router(context.log);
    const scope = ['acp', options.command, ...options.args].join(' ');
    this.host = {
      context, claims: createClaims(context, { env: this.env(), scope, program: options.program }), label: options.name, env: this.env(), ledger: this.ledger, records: this.records,
      connectLink: () => this.running(),
      route: (agentId, session) => this.router.route(agentId, session),
      unroute: (agentId) => this.router.unroute(agentId),
      listed: (id) => this.listed(id),
      changed: (session) => this.changed(session),
      gone: (session) => this.gone(session),
      fork: (record, link, signal) => this.forkOf(record, link, signal),
      rememberControls: (controls) => this.rememberControls(controls),
      others: (session) => this.others(session),
      endLink: (onKill) => this.endLink(onKill),
      touch: () => this.touch(),
      noteChildren: () => this.noteChildren(),
      needsSignIn: (error) => this.needsSignIn(error),
      signedIn: () => this.signedIn(),
    };
  }

  get traits(): Traits {
    const { facts } = this;
    return {
      spawn: true, interrupt: true, stop: true, resume: true, permissions: true, archive: 'ours',
      steer: facts?.steer ?? false, fork: facts?.fork ?? false, images: facts?.images ?? false, rename: facts?.title === true ? 'system' : 'ours',
      ...(facts?.load === true ? {} : { onlyHere: true }),
      remove: facts === null || facts.delete || !facts.list,
    };
  }

  async connect(options: CallOptions = {}): Promise<ConnectionState> {
    throwIfAborted(options.signal);
    this.reaped ??= this.ledger.reapDead().catch((error: unknown) => this.context.log.warn('dead agents could not be reaped', { error: describeError(error) }));
    await this.reaped;
    if (this.lastControls === noControls) this.lastControls = readControls(await this.context.keep.get('controls').catch(() => null));
    if (this.link !== null) return this.state;
    try {
      await this.within(this.running(), options.signal);
    } catch (error) {
      throwIfAborted(options.signal);
      this.context.log.info('the agent could not be started', { error: describeError(error) });
    }
    return this.state;
  }

  async machines(options: CallOptions = {}): Promise<readonly Machine[]> {
    throwIfAborted(options.signal);
    return [thisComputer(this.connectionId, this.context.clock.now())];
  }

  async sessions(page: { readonly cursor?: string; readonly limit: number; readonly folder?: string } & CallOptions): Promise<Page<Session>> {
    throwIfAborted(page.signal);
    // Without the agent's own list a part of the sessions would look as if it were gone.
    const link = await this.within(this.running(), page.signal);
    const listed = link.facts.list ? await listAll(link, page.folder ?? null, page.signal) : [];
    const records = await this.records.all();
    const merged = await mergeListed(this.host, records, listed, (id) => this.sessionsById.get(id) ?? null);
    const wanted = merged.filter((session) => page.folder === undefined || session.folder === page.folder);
    const start = page.cursor === undefined ? 0 : wanted.findIndex((session) => cursorOf(session) === page.cursor) + 1;
    const items = wanted.slice(start, start + Math.max(1, page.limit));
    const last = items.at(-1);
    return { items, next: last === undefined || start + items.length >= wanted.length ? null : cursorOf(last) };
  }

  watch(listener: (event: BackendEvent) => void): Disposable {
    return this.events.on(listener);
  }

  /** ACP tells its pickers only for a session: these are the ones of the last. */
  async controls(options: { readonly folder: string } & CallOptions): Promise<SessionControls> {
    throwIfAborted(options.signal);
    return this.lastControls;
  }

  async spawn(options: SpawnOptions): Promise<Session> {
    throwIfAborted(options.signal);
    if (options.machineId !== thisComputer(this.connectionId, 0).id) throw new PilothouseError('invalid_argument', 'This connection has sessions on this computer only.');
    const link = await this.within(this.running(), options.signal);
    const { agentId, result } = await makeFresh(link, options.folder, options.signal).catch((error: unknown) => {
      if (isAuthRequired(error)) throw this.needsSignIn(error);
      throw error instanceof PilothouseError && error.code !== 'rpc_error' ? error : new PilothouseError('spawn_failed', `${this.options.name} did not start a session: ${wordsOf(error)}`, { cause: error });
    });
    const title = oneLine(options.title ?? '');
    const session = await this.adopt(link, agentId, result, { folder: options.folder, title, titleBy: title === '' ? 'nobody' : 'person', origin: 'made' });
    try {
      if (options.model !== undefined) await session.setModel(options.model, options);
      if (options.mode !== undefined) await session.setMode(options.mode, options);
      if (options.effort !== undefined) await session.setEffort(options.effort, options);
    } catch (error) {
      await session.remove().catch(() => session.archive(true));
      throw error;
    }
    return this.described(session);
  }

  session(id: string): AcpSession {
    const known = this.sessionsById.get(id);
    if (known !== undefined) return known;
    const made = new AcpSession(id, this.host);
    this.sessionsById.set(id, made);
    return made;
  }

  async signInMethods(options: CallOptions = {}): Promise<readonly SignInMethod[]> {
    const { facts } = await this.within(this.running(), options.signal);
    return signInMethods(facts, (await findExecutable(this.options.command, this.env())) ?? this.options.command, this.options.args);
  }

  async signIn(methodId: string, options: CallOptions = {}): Promise<void> {
    const link = await this.within(this.running(), options.signal);
    const terminal = link.facts.authMethods.some((one) => one['id'] === methodId && one['type'] === 'terminal');
    if (!terminal) {
      await link.call('authenticate', { methodId }, { timeoutMs: 10 * 60_000, signal: options.signal }).catch((error: unknown) => {
        throw new PilothouseError('sign_in_failed', `${this.options.name}: ${wordsOf(error)}`, { cause: error, personMustAct: true });
      });
    } else if (![...this.sessionsById.values()].some((session) => session.running)) await this.endLink(); // Another process of it signed in: the next one knows.
    this.setState({ status: 'ready', message: null, remedy: null, version: link.facts.version });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    this.closing.abort();
    this.events.clear();
    this.idle?.cancel();
    this.noting?.cancel();
    await this.starting?.catch(() => undefined);
    await Promise.allSettled([...this.sessionsById.values()].map((session) => session.release()));
    try {
      await this.endLink();
    } finally {
      await this.records.flush();
      this.sessionsById.clear();
    }
  }

  /** The running agent; started where none runs. Its failure is the connection's state. */
  private running(): Promise<Link> {
    if (this.disposed) return Promise.reject(new PilothouseError('connection_gone', 'This connection is closed. Add it again to use its sessions.'));
    if (this.link !== null && this.link.exit === null) return Promise.resolve(this.link);
    this.starting ??= this.start().finally(() => {
      this.starting = null;
    });
    return this.starting;
  }

  private async start(): Promise<Link> {
    const { name, command, args, cwd } = this.options;
    const env = this.env();
    const file = await findExecutable(command, env);
    if (file === null) {
      const message = `${name}: the program ${oneLine(command, 120)} was not found.`;
      const remedy = 'Install it, or correct its command in the setting pilothouse.local.agents.';
      this.setState({ status: 'not-installed', message, remedy: { text: remedy, command: null }, version: null });
      throw new PilothouseError('not_installed', `${message} ${remedy}`, { personMustAct: true });
    }
    try {
      const link: Link = await startLink({
        command: file, args, cwd: cwd ?? homedir(), env, label: name, log: this.context.log, clock: this.context.clock, ledger: this.ledger, signal: this.closing.signal,
        onRequest: (method, params, id) => this.router.request(method, params, id, () => this.link),
        onNotification: (method, params) => this.onNotification(method, params),
        onExit: (exit) => this.onExit(exit),
      });
      this.link = link;
      this.facts = link.facts;
      if (this.state.status !== 'needs-sign-in') this.setState({ status: 'ready', message: null, remedy: null, version: link.facts.version });
      this.touch();
      return link;
    } catch (error) {
      this.setState({ status: 'failed', message: describeError(error), remedy: { text: 'Check the command of this agent in the setting pilothouse.local.agents.', command: null }, version: null });
      throw error;
    }
  }

  private onNotification(method: string, params: JsonObject): void {
    this.touch();
    this.router.notification(method, params, () => this.link);
  }

  private onExit(exit: ProcessExit): void {
    const { link } = this;
    if (link === null || link.exit === null) return;
    this.link = null;
    this.idle?.cancel();
    this.router.clear();
    if (!exit.expected) this.context.log.warn('the agent ended by itself', { code: exit.code, signal: exit.signal });
    for (const session of this.sessionsById.values()) session.onExit(exit, link);
  }

  private async endLink(onKill?: () => void): Promise<StopReport> {
    const { link } = this;
    this.idle?.cancel();
    return link === null ? { step: 'nothing-to-stop', message: `${this.options.name} was not running.` } : link.stop(onKill);
  }

  /** Starts the time anew after which an idle agent is ended. */
  private touch(): void {
    this.idle?.cancel();
    if (this.link === null || this.disposed) return;
    this.idle = this.context.clock.setTimeout(() => void this.endIdle().catch((error: unknown) => this.context.log.error('an idle agent could not be ended', { error: describeError(error) })), idleMs);
  }

  private async endIdle(): Promise<void> {
    if ([...this.sessionsById.values()].some((session) => session.running)) {
      this.touch();
      return;
    }
    this.context.log.debug('an idle agent is ended', { connection: this.connectionId });
    await Promise.allSettled([...this.sessionsById.values()].filter((session) => session.link !== null).map((session) => session.release()));
    await this.endLink();
  }

  private noteChildren(): void {
    this.noting ??= this.context.clock.setTimeout(() => {
      this.noting = null;
      void this.link?.noteChildren().catch((error: unknown) => this.context.log.debug('what the agent started could not be noted', { error: describeError(error) }));
      if (!this.disposed && [...this.sessionsById.values()].some((session) => session.running)) this.noteChildrenLater();
    }, noteMs);
  }
  /** Tools start others while they run. */
  private noteChildrenLater(): void {
    this.noting ??= this.context.clock.setTimeout(() => {
      this.noting = null;
      this.noteChildren();
    }, 5000);
  }

  private needsSignIn(error: unknown): PilothouseError {
    const words = wordsOf(error);
    const remedy = this.facts === null ? null : signInRemedy(this.facts, this.options.command, this.options.args);
    this.setState({ status: 'needs-sign-in', message: words, remedy, version: this.facts?.version ?? null });
    return new PilothouseError('needs_sign_in', remedy === null ? words : `${words.replace(/\.$/, '')}. ${remedyLine(remedy)}`, { cause: error, personMustAct: true });
  }

  private signedIn(): void {
    if (this.state.status === 'needs-sign-in') this.setState({ status: 'ready', message: null, remedy: null, version: this.facts?.version ?? null });
  }

  private setState(state: ConnectionState): void {
    this.state = state;
    this.events.emit({ type: 'connection', state });
  }

  private async listed(id: string): Promise<ListedSession | null> {
    const link = await this.running();
    if (!link.facts.list) return null;
    return (await listAll(link, null)).find((session) => session.id === id) ?? null;
  }

  private changed(session: Routed): void {
    const described = this.sessionsById.get(session.id)?.describe() ?? null;
    if (described !== null && !this.disposed) this.events.emit({ type: 'session', session: described });
  }

  private gone(session: Routed): void {
    this.sessionsById.delete(session.id);
    this.events.emit({ type: 'session-removed', sessionId: session.id });
  }

  private others(session: Routed): { readonly loaded: number; readonly running: boolean } {
    const others = [...this.sessionsById.values()].filter((one) => one !== session && one.link !== null);
    return { loaded: others.length, running: others.some((one) => one.running) };
  }

  private async forkOf(record: SessionRecord, link: Link, signal: AbortSignal | undefined): Promise<Session> {
    const result: JsonValue = await link.extra('session/fork', { sessionId: record.agentId, cwd: record.folder, mcpServers: [] }, { timeoutMs: connectMs, signal }).catch((error: unknown) => {
      throw new PilothouseError('fork_failed', `${this.options.name} did not fork the session: ${wordsOf(error)}`, { cause: error });
    });
    const agentId = typeof result === 'object' && result !== null && 'sessionId' in result && typeof result['sessionId'] === 'string' ? result['sessionId'] : '';
    if (agentId === '') throw new PilothouseError('fork_failed', `${this.options.name} forked the session without naming the fork. Update the agent.`);
    const title = record.title === '' ? '' : `${record.title} (fork)`;
    const session = await this.adopt(link, agentId, result, { folder: record.folder, title, titleBy: title === '' ? 'nobody' : 'prompt', origin: 'forked' });
    return this.described(session);
  }

  private async adopt(link: Link, id: string, result: JsonValue, fields: Pick<SessionRecord, 'folder' | 'title' | 'titleBy' | 'origin'>): Promise<AcpSession> {
    const at = this.context.clock.now();
    await this.records.add(newRecord({ ...fields, id, agentId: id, createdAt: at, updatedAt: at }));
    const session = this.session(id);
    await session.presence.own();
    session.presence.adopt(link, id, result);
    this.changed(session);
    return session;
  }

  private described(session: AcpSession): Session {
    const described = session.describe();
    if (described === null) throw new PilothouseError('session_not_found', 'The session is gone already.');
    return described;
  }

  private rememberControls(controls: SessionControls): void {
    if (controls.models.length + controls.modes.length + controls.efforts.length === 0) return;
    const text = JSON.stringify(controls);
    if (text === JSON.stringify(this.lastControls)) return;
    this.lastControls = controls;
    this.context.keep.set('controls', text).catch((error: unknown) => this.context.log.debug('pickers were not kept', { error: describeError(error) }));
  }

  private env(): NodeJS.ProcessEnv {
    return agentEnv(this.options.env ?? process.env);
  }

  private within<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return waitFor(work, { clock: this.context.clock, timeoutMs: connectMs, signal, onTimeout: () => new PilothouseError('timeout', `${this.options.name} did not start in time.`) });
  }
}

function cursorOf(session: Session): string {
  return `${session.updatedAt}:${session.id}`;
}
