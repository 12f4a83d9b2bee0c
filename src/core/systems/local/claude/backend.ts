import { stat } from 'node:fs/promises';
import type { BackendEvent, CallOptions, ConnectionState, Disposable, Page, SessionBackend, SignInMethod, SpawnOptions } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import { canonicalJson } from '../../../model/json.ts';
import type { Machine, Session, SessionControls, Traits } from '../../../model/session.ts';
import type { PlanLimit } from '../../../model/usage.ts';
import { Emitter } from '../../../transport/emitter.ts';
import { createClaims } from '../claims.ts';
import { agentEnv } from '../environment.ts';
import { createProcessLedger } from '../ledger.ts';
import { thisComputer, thisComputerId } from '../machine.ts';
import { inTerminal } from '../terminal.ts';
import { emptyTrash } from '../trash.ts';
import { throwIfAborted, waitFor } from '../wait.ts';
import { ClaudeAgent } from './agent.ts';
import { controlsOf, defaultSettings } from './controls.ts';
import type { Desk } from './desk.ts';
import { notFound } from './desk.ts';
import type { TranscriptFile } from './files.ts';
import { FactsCache, listTranscripts } from './files.ts';
import type { Program } from './launch.ts';
import { configFolder, findProgram, needsSignIn, notInstalled, notInstalledError, signedIn, signInArgs } from './launch.ts';
import { Poll } from './poll.ts';
import { emptyRecord, Records } from './records.ts';
import type { Runner } from './runners.ts';
import { listRunners } from './runners.ts';
import { ClaudeSession } from './session.ts';
import { TodoBook } from './todos.ts';
import type { Initialized } from './wire.ts';

export interface ClaudeOptions {
  /** The program's name, looked for in PATH, or its absolute path; `claude` by default. */
  readonly path?: string;
  /** Whole environment of the agent's processes; this one's by default. */
  readonly env?: NodeJS.ProcessEnv;
  /** The agent's own folder, as CLAUDE_CONFIG_DIR; that variable or `~/.claude` by default. */
  readonly configDir?: string;
  /** How long a process without work stays, in milliseconds; five minutes by default. */
  readonly idleMs?: number;
  /** This program in a person's words, for those who are refused a session that it runs: `a VS Code window`. */
  readonly program?: string;
}

/** For how long changes of a session gather before it is told of, and the longest that a probe may take, in milliseconds. */
const changeMs = 60;
const probeMs = 20_000;

/** Claude Code of this computer: one process a session over stream-json with the control protocol. */
export function createClaudeBackend(context: BackendContext, options: ClaudeOptions = {}): SessionBackend {
  return new Backend(context, options);
}

class Backend implements SessionBackend {
  readonly system = 'local';
  readonly connectionId: string;
  readonly traits: Traits = {
    spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'system', archive: 'ours', remove: true, images: true, permissions: true,
  };
  readonly #context: BackendContext;
  readonly #path: string | undefined;
  readonly #desk: Desk;
  readonly #events: Emitter<BackendEvent>;
  readonly #sessions = new Map<string, ClaudeSession>();
  readonly #told = new Map<string, string>();
  readonly #changes = new Map<string, { cancel(): void }>();
  readonly #poll: Poll;
  readonly #probes = new Map<string, Promise<Initialized>>();
  #state: ConnectionState = { status: 'connecting', message: null, remedy: null, version: null };
  #program: Promise<Program | null> | null = null;
  #found: Program | null = null;
  #initialized: Initialized | null = null;
  #reaped: Promise<unknown> | null = null;
  #closed = false;

  constructor(context: BackendContext, options: ClaudeOptions) {
    this.#context = context;
    this.connectionId = context.connectionId;
    this.#path = options.path;
    const env = { ...agentEnv(options.env ?? process.env), ...(options.configDir === undefined ? {} : { CLAUDE_CONFIG_DIR: options.configDir }) };
    const own = (): Initialized | null => this.#initialized;
    this.#desk = {
      context, env, configDir: configFolder(env), ledger: createProcessLedger(context.stateDir, context.log),
      claims: createClaims(context, { env, scope: 'claude', program: options.program }), facts: new FactsCache(), records: new Records(context.keep),
      idleMs: options.idleMs ?? 5 * 60_000,
      get lastInitialized() {
        return own();
      },
      program: (signal) => this.#findProgram(signal),
      runners: () => listRunners(this.#desk.configDir),
      initialized: (known) => {
        this.#initialized = known;
      },
      session: (id) => this.session(id),
      changed: (id) => this.#changed(id),
      removed: (id) => this.#removed(id),
      loginFailed: (words) => this.#setState(needsSignIn(this.#found, words)),
      signedIn: () => {
        if (this.#state.status === 'needs-sign-in') this.#setState({ status: 'ready', message: null, remedy: null, version: this.#state.version });
      },
    };
    this.#events = new Emitter((error) => context.log.error('a listener of a backend failed', { error: describeError(error) }));
    this.#poll = new Poll({
      clock: context.clock, log: context.log, configDir: this.#desk.configDir,
      onChanged: (file, runners) => this.#tell(file.id, file, runners),
      onGone: (id) => this.#gone(id),
    });
  }

  async connect(options: CallOptions = {}): Promise<ConnectionState> {
    throwIfAborted(options.signal);
    this.#reaped ??= this.#tidy();
    await this.#reaped;
    this.#program = null;
    const program = await this.#look(options.signal);
    throwIfAborted(options.signal);
    this.#found = program;
    if (program === null) {
      this.#setState(notInstalled(this.#path));
      return this.#state;
    }
    const known = await signedIn(program, this.#desk.env, options.signal);
    throwIfAborted(options.signal);
    this.#setState(known === false ? needsSignIn(program, null) : { status: 'ready', message: null, remedy: null, version: program.version });
    return this.#state;
  }

  async signInMethods(options: CallOptions = {}): Promise<readonly SignInMethod[]> {
    const program = await this.#findProgram(options.signal);
    const { CLAUDE_CONFIG_DIR: folder } = this.#desk.env;
    return [{ id: 'login', name: 'Sign in in a terminal', terminal: await inTerminal(program.path, signInArgs(program), folder === undefined ? {} : { CLAUDE_CONFIG_DIR: folder }) }];
  }

  async signIn(_methodId: string, options: CallOptions = {}): Promise<void> {
    await this.connect(options);
  }

  async machines(options: CallOptions = {}): Promise<readonly Machine[]> {
    throwIfAborted(options.signal);
    return [thisComputer(this.connectionId, this.#context.clock.now())];
  }

  async sessions(page: { readonly cursor?: string; readonly limit: number; readonly folder?: string } & CallOptions): Promise<Page<Session>> {
    throwIfAborted(page.signal);
    const after = page.cursor === undefined ? null : /^(\d{1,16})\/([0-9a-f-]{36})$/.exec(page.cursor);
    if (page.cursor !== undefined && after === null) throw new PilothouseError('bad_cursor', 'This is no cursor of the list of sessions. Start from the newest page.');
    const [, time = '', last = ''] = after ?? [];
    const [files, records, runners] = await Promise.all([listTranscripts(this.#desk.configDir, page.folder), this.#desk.records.all(), this.#desk.runners()]);
    throwIfAborted(page.signal);
    const saved = newestOf(files);
    const all = [...saved.values()].map((file): { id: string; at: number; file: TranscriptFile | null } => ({ id: file.id, at: file.changedAt, file }));
    for (const [id, record] of records) if (record.folder !== null && !saved.has(id) && (page.folder === undefined || record.folder === page.folder)) all.push({ id, at: record.createdAt ?? 0, file: null });
    all.sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
    const items: Session[] = [];
    for (const { id, at, file } of all) {
      if (after !== null && (at > Number(time) || (at === Number(time) && id >= last))) continue;
      if (items.length >= page.limit) {
        const end = items.at(-1);
        return { items, next: end === undefined ? null : `${end.updatedAt}/${end.id}` };
      }
      throwIfAborted(page.signal);
      const session = await this.session(id).describe({ file, runners });
      if (session === null || (page.folder !== undefined && session.folder !== page.folder)) continue;
      this.#told.set(id, canonicalJson(session));
      items.push(session);
    }
    return { items, next: null };
  }

  watch(listener: (event: BackendEvent) => void): Disposable {
    const heard = this.#events.on(listener);
    this.#poll.start();
    return {
      dispose: () => {
        heard.dispose();
        if (this.#events.size === 0) this.#poll.stop();
      },
    };
  }

  async controls(options: { readonly folder: string } & CallOptions): Promise<SessionControls> {
    throwIfAborted(options.signal);
    const { folder } = options;
    let probe = this.#probes.get(folder);
    if (probe === undefined) {
      probe = this.#probe(folder);
      this.#probes.set(folder, probe);
      probe.catch(() => this.#probes.delete(folder));
    }
    const known = await waitFor(probe, { timeoutMs: probeMs, signal: options.signal, onTimeout: () => new PilothouseError('agent_silent', 'Claude Code did not tell its models.') });
    return controlsOf(known, defaultSettings, null);
  }

  async spawn(options: SpawnOptions): Promise<Session> {
    throwIfAborted(options.signal);
    if (options.machineId !== thisComputerId) throw new PilothouseError('invalid_argument', 'This connection has sessions on this computer only.');
    if ((await stat(options.folder).catch(() => null))?.isDirectory() !== true) {
      throw new PilothouseError('folder_missing', `The folder ${options.folder} is not there. Choose another one.`, { personMustAct: true });
    }
    await this.#findProgram(options.signal);
    const id = crypto.randomUUID();
    const session = this.session(id);
    await session.adopt({
      ...emptyRecord, folder: options.folder, createdAt: this.#context.clock.now(), title: options.title ?? null, model: options.model ?? null, mode: options.mode ?? emptyRecord.mode,
      effort: options.effort ?? null,
    });
    try {
      await session.life.ensure(options.signal);
    } catch (error) {
      await session.life.stop().catch((failure: unknown) => this.#context.log.warn('an agent that was not wanted any more goes on', { session: id, error: describeError(failure) }));
      await this.#desk.records.set(id, null);
      this.#removed(id);
      throw error;
    }
    const made = await session.describe({ file: null, runners: new Map() });
    if (made === null) throw notFound();
    this.#told.set(id, canonicalJson(made));
    this.#events.emit({ type: 'session', session: made });
    return made;
  }

  session(id: string): ClaudeSession {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      session = new ClaudeSession(this.#desk, id);
      this.#sessions.set(id, session);
    }
    return session;
  }

  /** One account for all sessions: the newest word of any of them. */
  planLimits(): readonly PlanLimit[] {
    const told = [...this.#sessions.values()].flatMap((session) => session.life.agent?.reader.plan ?? []);
    return told.sort((a, b) => b.at - a.at)[0]?.limits ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#poll.stop();
    for (const change of this.#changes.values()) change.cancel();
    this.#changes.clear();
    await Promise.all([...this.#sessions.values()].map((session) => session.dispose()));
    await Promise.allSettled(this.#probes.values());
    this.#events.clear();
  }

  /** Ends what a dead host left running, and empties old trash. */
  async #tidy(): Promise<void> {
    const { context, ledger } = this.#desk;
    await ledger.reapDead().catch((error: unknown) => context.log.warn('dead agents could not be reaped', { error: describeError(error) }));
    await emptyTrash(context.stateDir, context.clock.now()).catch((error: unknown) => context.log.warn('old trash could not be emptied', { error: describeError(error) }));
  }

  #look(signal?: AbortSignal): Promise<Program | null> {
    const looking = (this.#program ??= findProgram(this.#path, this.#desk.env, signal));
    looking.catch(() => {
      this.#program = null;
    });
    return looking;
  }

  async #findProgram(signal?: AbortSignal): Promise<Program> {
    const program = await this.#look(signal);
    if (program !== null) return program;
    this.#program = null;
    throw notInstalledError(this.#path);
  }

  /** Asks a process that is ended at once what there is to choose; it leaves no transcript. */
  async #probe(folder: string): Promise<Initialized> {
    const nothing = (): void => undefined;
    const agent = await ClaudeAgent.start({
      program: await this.#findProgram(), folder, env: this.#desk.env, log: this.#context.log, clock: this.#context.clock, ledger: this.#desk.ledger, costBefore: 0, todos: new TodoBook(),
      launch: { ...defaultSettings, session: { is: 'probe' } }, onEntries: nothing, onChange: nothing, onMode: nothing, onTitle: nothing, onLoginFailed: nothing, onTurnEnd: nothing, onExit: nothing,
    });
    const known = agent.initialized;
    await agent.stop();
    if (known === null) throw new PilothouseError('agent_silent', 'Claude Code did not tell its models.');
    this.#initialized ??= known;
    return known;
  }

  #setState(state: ConnectionState): void {
    if (canonicalJson(state) === canonicalJson(this.#state)) return;
    this.#state = state;
    this.#events.emit({ type: 'connection', state });
  }

  /** Tells of a session soon, once for all that changes until then. */
  #changed(id: string): void {
    if (this.#closed || this.#changes.has(id)) return;
    this.#changes.set(id, this.#context.clock.setTimeout(() => {
      this.#changes.delete(id);
      this.#lookAt(id).catch((error: unknown) => this.#context.log.debug('a session could not be looked at', { session: id, error: describeError(error) }));
    }, changeMs));
  }

  async #lookAt(id: string): Promise<void> {
    this.#announce(await this.session(id).look());
  }

  async #tell(id: string, file: TranscriptFile | null, runners: ReadonlyMap<string, Runner>): Promise<void> {
    this.#announce(await this.session(id).describe({ file, runners }));
  }

  #announce(session: Session | null): void {
    if (session === null || this.#closed) return;
    const text = canonicalJson(session);
    if (this.#told.get(session.id) === text) return;
    this.#told.set(session.id, text);
    this.#events.emit({ type: 'session', session });
  }

  #gone(id: string): void {
    // One that has not been saved yet was never there for the poll.
    if (this.#sessions.get(id)?.life.alive !== true) this.#removed(id);
  }

  #removed(id: string): void {
    this.#changes.get(id)?.cancel();
    this.#changes.delete(id);
    this.#sessions.delete(id);
    this.#told.delete(id);
    this.#events.emit({ type: 'session-removed', sessionId: id });
  }
}

/** One file a session: an agent that moved between folders leaves several. */
function newestOf(files: readonly TranscriptFile[]): Map<string, TranscriptFile> {
  const newest = new Map<string, TranscriptFile>();
  for (const file of files) if ((newest.get(file.id)?.changedAt ?? -1) < file.changedAt) newest.set(file.id, file);
  return newest;
}
