import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { BackendEvent, CallOptions, ConnectionState, Disposable, Page, SessionBackend, SignInMethod, SpawnOptions, StopReport } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Machine, Session, SessionControls, Traits, UsageLimit } from '../../../model/session.ts';
import { UNTITLED } from '../../../model/session.ts';
import { Emitter } from '../../../transport/emitter.ts';
import { createClaims } from '../claims.ts';
import { agentEnv } from '../environment.ts';
import { createProcessLedger } from '../ledger.ts';
import type { PlanLimit } from '../../../model/usage.ts';
import { codexLimit, codexPlan } from '../limits.ts';
import { thisComputer, thisComputerId } from '../machine.ts';
import type { ProcessExit } from '../process.ts';
import type { RpcId } from '../rpc.ts';
import { inTerminal } from '../terminal.ts';
import { emptyTrash } from '../trash.ts';
import { throwIfAborted } from '../wait.ts';
import { CodexDisk } from './disk.ts';
import { oneLine } from './entries.ts';
import type { CodexHost } from './host.ts';
import { describeSession, listSessions } from './listing.ts';
import { controlsOf, modeOf, modeOfThread } from './modes.ts';
import { findCodex, probe } from './probe.ts';
import { CodexServer } from './server.ts';
import { CodexSession } from './session.ts';
import { signInArgs, signInRemedy } from './turns.ts';
import type { ThreadAnswer, WireModel } from './wire.ts';
import { modelListSchema, rateLimitsSchema, read, threadAnswerSchema } from './wire.ts';

const noteMs = 40;
const pollMs = 5000;
const maxModelPages = 10;

interface CodexOptions {
  /** Absolute path of Codex; looked for in PATH when absent. */
  readonly path?: string;
  /** Whole environment of its processes; this process's own when absent. */
  readonly env?: NodeJS.ProcessEnv;
  /** Its folder; `$CODEX_HOME` or `~/.codex` when absent. */
  readonly codexHome?: string;
  /** This program in a person's words, for those who are refused a session that it runs: `a VS Code window`. */
  readonly program?: string;
}

/** Codex of this computer: one `codex app-server` for all of its sessions, started when it is needed; the list and the past are read from Codex's files without it. */
export function createCodexBackend(context: BackendContext, options: CodexOptions = {}): SessionBackend {
  return new Backend(context, options);
}

class Backend implements SessionBackend {
  readonly system = 'local';
  readonly connectionId: string;
  readonly traits: Traits = { spawn: true, interrupt: true, steer: true, stop: true, resume: true, fork: true, rename: 'system', archive: 'system', remove: true, images: true, permissions: true };
  readonly #context: BackendContext;
  readonly #program: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #disk: CodexDisk;
  readonly #server: CodexServer;
  readonly #ledger;
  readonly #host: CodexHost;
  readonly #events: Emitter<BackendEvent>;
  readonly #sessions = new Map<string, CodexSession>();
  readonly #notes = new Map<string, { cancel(): void }>();
  readonly #told = new Map<string, string>();
  #state: ConnectionState = { status: 'connecting', message: null, remedy: null, version: null };
  #models: readonly WireModel[] = [];
  #modelsRead: Promise<void> | null = null;
  #reaped: Promise<unknown> | null = null;
  #stopped: Promise<void> | null = null;
  #poll: { cancel(): void } | null = null;
  #seen: Map<string, string> | null = null;
  #limit = 0;
  #reached: UsageLimit | null = null;
  #plan: readonly PlanLimit[] = [];
  #closed = false;

  constructor(context: BackendContext, options: CodexOptions) {
    this.#context = context;
    this.connectionId = context.connectionId;
    this.#program = options.path ?? 'codex';
    const env = agentEnv(options.env ?? process.env);
    this.#env = options.codexHome === undefined ? env : { ...env, CODEX_HOME: options.codexHome };
    this.#disk = new CodexDisk(this.#env['CODEX_HOME'] ?? path.join(this.#env['HOME'] ?? homedir(), '.codex'));
    this.#ledger = createProcessLedger(context.stateDir, context.log);
    this.#events = new Emitter((error) => context.log.error('a listener of a backend failed', { error: describeError(error) }));
    this.#server = new CodexServer({
      context, ledger: this.#ledger, env: this.#env, program: () => findCodex(this.#program, this.#env), busy: () => [...this.#sessions.values()].some((one) => one.presence.running || one.presence.loading),
      onNotification: (method, params) => this.#onNotification(method, params), onRequest: (method, params, id) => this.#onRequest(method, params, id), onExit: (exit) => this.#onExit(exit),
    });
    this.#host = {
      context, claims: createClaims(context, { env: this.#env, scope: 'codex', program: options.program }), disk: this.#disk, server: this.#server, models: () => this.#models, needModels: (signal) => this.#needModels(signal), others: (id) => this.#others(id),
      changed: (id) => this.#changed(id), gone: (id) => this.#gone(id), spawn: (spawning) => this.spawn(spawning), adopt: (answer) => this.#adopt(answer), endServer: () => this.#endServer(), needsSignIn: (message) => this.#needsSignIn(message),
    };
  }

  async connect(options: CallOptions = {}): Promise<ConnectionState> {
    throwIfAborted(options.signal);
    this.#reaped ??= this.#tidy();
    await this.#reaped;
    const state = await probe({ program: this.#program, env: this.#env, server: this.#server, log: this.#context.log, signal: options.signal });
    throwIfAborted(options.signal);
    this.#setState(state);
    return state;
  }

  async signInMethods(): Promise<readonly SignInMethod[]> {
    const { CODEX_HOME: home } = this.#env;
    return [{ id: 'login', name: 'Sign in in a terminal', terminal: await inTerminal(await findCodex(this.#program, this.#env), signInArgs, home === undefined ? {} : { CODEX_HOME: home }) }];
  }

  /** A server that runs knows nothing of a sign-in elsewhere: where nothing is at work it is ended, and the next one does. */
  async signIn(_methodId: string, options: CallOptions = {}): Promise<void> {
    if (![...this.#sessions.values()].some((one) => one.presence.running)) await this.#endServer();
    await this.connect(options);
  }

  /** Ends what a dead host left running, and empties old trash. */
  async #tidy(): Promise<void> {
    const { log, stateDir, clock } = this.#context;
    await this.#ledger.reapDead().catch((error: unknown) => log.warn('dead agents could not be reaped', { error: describeError(error) }));
    await emptyTrash(stateDir, clock.now()).catch((error: unknown) => log.warn('old trash could not be emptied', { error: describeError(error) }));
  }

  async machines(options: CallOptions = {}): Promise<readonly Machine[]> {
    throwIfAborted(options.signal);
    return [thisComputer(this.connectionId, this.#context.clock.now())];
  }

  async sessions(page: { readonly cursor?: string; readonly limit: number; readonly folder?: string } & CallOptions): Promise<Page<Session>> {
    throwIfAborted(page.signal);
    this.#stopped ??= this.#readStopped();
    await this.#stopped;
    return listSessions(this.#disk, (file) => describeSession(this.#disk, this.#session(file.id), file, this.connectionId, this.#reached), page);
  }

  watch(listener: (event: BackendEvent) => void): Disposable {
    const heard = this.#events.on(listener);
    this.#startPoll();
    return heard;
  }

  async controls(options: { readonly folder: string } & CallOptions): Promise<SessionControls> {
    await this.#needModels(options.signal);
    const answer = await this.#server.call('config/read', { includeLayers: false, cwd: options.folder }, { signal: options.signal }).catch((error: unknown) => {
      throwIfAborted(options.signal);
      this.#context.log.debug('codex did not tell its configuration', { error: describeError(error) });
      return null;
    });
    const config = isJsonObject(answer) && isJsonObject(answer['config']) ? answer['config'] : {};
    const text = (key: string): string | null => (typeof config[key] === 'string' ? config[key] : null);
    const sandbox = text('sandbox_mode');
    const approval = text('approval_policy');
    const mode = sandbox === null || approval === null ? null : modeOfThread({ approvalPolicy: approval, sandbox: { type: sandbox.replaceAll('-', '') } });
    return controlsOf(this.#models, { model: text('model'), mode, effort: text('model_reasoning_effort') });
  }

  async spawn(options: SpawnOptions): Promise<Session> {
    throwIfAborted(options.signal);
    if (options.machineId !== thisComputerId) throw new PilothouseError('invalid_argument', 'This connection has sessions on this computer only.');
    const mode = options.mode === undefined ? null : modeOf(options.mode);
    if (options.mode !== undefined && mode === null) throw new PilothouseError('invalid_argument', `Codex has no mode ${options.mode}. Choose one of those that are listed.`);
    if ((await stat(options.folder).catch(() => null))?.isDirectory() !== true) throw new PilothouseError('folder_missing', `The folder ${options.folder} is not there. Choose another one.`, { personMustAct: true });
    const settings = { ...(options.model === undefined ? {} : { model: options.model }), ...(mode === null ? {} : { approvalPolicy: mode.approval, sandbox: mode.sandbox }) };
    const answer = read(threadAnswerSchema, await this.#ask('thread/start', { cwd: options.folder, ...settings }, options.signal));
    if (answer === null) throw new PilothouseError('spawn_failed', 'Codex made a session, but did not say which. Refresh the list.');
    const { id } = answer.thread;
    const chosen = { model: options.model ?? null, mode: options.mode ?? null, effort: options.effort ?? null };
    const { keep } = this.#context;
    if (Object.values(chosen).some((one) => one !== null)) await keep.set(`set:${id}`, JSON.stringify(chosen));
    // A thread is on disk only once it has a name or a turn; without that it would be lost with the process.
    const name = oneLine(options.title ?? '');
    if (name === '') await keep.set(`untitled:${id}`, '1');
    await this.#ask('thread/name/set', { threadId: id, name: name === '' ? UNTITLED : name }, options.signal);
    return this.#adopt(answer);
  }

  session(id: string): CodexSession {
    return this.#session(id);
  }

  planLimits(): readonly PlanLimit[] {
    return this.#plan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#poll?.cancel();
    for (const note of this.#notes.values()) note.cancel();
    this.#notes.clear();
    for (const session of this.#sessions.values()) session.dispose();
    await this.#server.close().catch((error: unknown) => this.#context.log.error('codex could not be stopped', { error: describeError(error) }));
    await Promise.all([...this.#sessions.values()].filter((session) => session.presence.thread !== null).map((session) => session.presence.unload()));
    this.#events.clear();
  }

  /** Those that the person stopped are known again in the next run. */
  async #readStopped(): Promise<void> {
    for (const key of (await this.#context.keep.list('stopped:')).keys()) this.#session(key.slice('stopped:'.length)).presence.stopped = true;
  }

  #session(id: string): CodexSession {
    const known = this.#sessions.get(id);
    if (known !== undefined) return known;
    const session = new CodexSession(id, this.#host);
    this.#sessions.set(id, session);
    return session;
  }

  async #ask(method: string, params: JsonValue, signal: AbortSignal | undefined): Promise<JsonValue> {
    try {
      return await this.#server.call(method, params, { signal, timeoutMs: 60_000 });
    } catch (error) {
      if (error instanceof PilothouseError && error.code === 'rpc_error') throw new PilothouseError('codex_refused', `Codex refused: ${error.message}`, { cause: error });
      throw error;
    }
  }

  async #adopt(answer: ThreadAnswer): Promise<Session> {
    const { id } = answer.thread;
    const session = this.#session(id);
    await this.#host.claims.take(id);
    await session.presence.adopt(answer);
    const file = await this.#disk.find(id);
    const record = file === null ? null : await describeSession(this.#disk, session, file, this.connectionId, this.#reached);
    if (record === null) throw new PilothouseError('spawn_failed', 'Codex made a session, but keeps no file of it. Update Codex.');
    return record;
  }

  #others(id: string): ReturnType<CodexHost['others']> {
    const rest = [...this.#sessions.values()].filter((one) => one.id !== id && one.presence.thread !== null);
    return { loaded: rest.length, running: rest.some((one) => one.presence.running), runningIn: (folder) => rest.some((one) => one.presence.running && one.presence.folder === folder) };
  }

  async #endServer(): Promise<StopReport> {
    return this.#server.stop();
  }

  #needModels(signal: AbortSignal | undefined): Promise<void> {
    this.#modelsRead ??= this.#readModels(signal).catch((error: unknown) => {
      this.#modelsRead = null;
      throw error;
    });
    return this.#modelsRead;
  }

  async #readModels(signal: AbortSignal | undefined): Promise<void> {
    const models: WireModel[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < maxModelPages; page += 1) {
      const answer: ReturnType<typeof read<typeof modelListSchema>> = read(modelListSchema, await this.#ask('model/list', cursor === null ? {} : { cursor }, signal));
      models.push(...(answer?.data ?? []));
      cursor = answer?.nextCursor ?? null;
      if (cursor === null) break;
    }
    this.#models = models;
  }

  #onNotification(method: string, params: JsonValue): void {
    const fields = isJsonObject(params) ? params : {};
    const thread = fields['threadId'] ?? (isJsonObject(fields['thread']) ? fields['thread']['id'] : null);
    if (typeof thread !== 'string') {
      this.#onGeneral(method, params);
      return;
    }
    this.#server.touch();
    const session = this.#routed(thread);
    session?.presence.onNotification(thread, method, params);
    if (method === 'thread/closed' && session?.id === thread) void session.presence.unload().catch(() => undefined);
    else if (method === 'thread/deleted') this.#gone(thread);
    else if (/^thread\/(?:name\/updated|archived|unarchived)$/.test(method)) this.#changed(thread);
  }

  #onGeneral(method: string, params: JsonValue): void {
    if (method === 'account/rateLimits/updated') this.#onRateLimits(params);
    else if (method === 'account/login/completed') void this.connect().catch(() => undefined);
    else if (method === 'configWarning' || method === 'deprecationNotice') this.#context.log.info('codex warns', { method, summary: isJsonObject(params) && typeof params['summary'] === 'string' ? oneLine(params['summary']) : '' });
  }

  /** The account's limits come near: said once at 80, 95 and 100 percent in the sessions that run. */
  #onRateLimits(params: JsonValue): void {
    const limits = read(rateLimitsSchema, params)?.rateLimits;
    const used = Math.max(limits?.primary?.usedPercent ?? 0, limits?.secondary?.usedPercent ?? 0);
    const step = used >= 100 ? 100 : used >= 95 ? 95 : used >= 80 ? 80 : 0;
    if (step > this.#limit) for (const session of this.#sessions.values()) session.presence.warn('rate_limit', `${Math.round(used)} % of what your plan allows for this time is used.`);
    this.#limit = step;
    if (limits !== undefined) this.#plan = codexPlan([limits.primary, limits.secondary]);
    const reached = codexLimit([limits?.primary ?? null, limits?.secondary ?? null]);
    if (JSON.stringify(reached) === JSON.stringify(this.#reached)) return;
    this.#reached = reached;
    for (const session of this.#sessions.values()) if (session.presence.thread !== null) this.#changed(session.id);
  }

  #onRequest(method: string, params: JsonValue, id: RpcId): void {
    const thread = isJsonObject(params) ? (params['threadId'] ?? null) : null;
    const session = typeof thread === 'string' ? this.#routed(thread) : undefined;
    if (session !== undefined && typeof thread === 'string' && session.presence.onRequest(thread, method, params, id)) return;
    if (method === 'item/tool/call') void this.#server.respond(id, { contentItems: [{ type: 'inputText', text: 'This client has no such tool.' }], success: false }).catch(() => undefined);
    else this.#server.refuse(id, `Pilothouse does not answer ${method}.`);
  }

  #routed(thread: string): CodexSession | undefined {
    const own = this.#sessions.get(thread);
    if (own?.presence.thread != null) return own;
    return [...this.#sessions.values()].find((one) => one.presence.hasChild(thread)) ?? own;
  }

  #onExit(exit: ProcessExit): void {
    if (!exit.expected) this.#context.log.warn('codex ended unexpectedly', { code: exit.code, signal: exit.signal });
    for (const session of this.#sessions.values()) if (session.presence.thread !== null) session.presence.onExit(exit);
  }

  #needsSignIn(message: string): void {
    this.#setState({ status: 'needs-sign-in', message, remedy: signInRemedy, version: this.#state.version });
  }

  #setState(state: ConnectionState): void {
    const same = JSON.stringify(state) === JSON.stringify(this.#state);
    this.#state = state;
    if (!same) this.#events.emit({ type: 'connection', state });
  }

  /** Tells of a session soon: many changes in a moment are one event. */
  #changed(id: string): void {
    if (this.#closed || this.#events.size === 0 || this.#notes.has(id)) return;
    this.#notes.set(id, this.#context.clock.setTimeout(() => {
      this.#notes.delete(id);
      void this.#tell(id).catch((error: unknown) => this.#context.log.warn('a session could not be described', { error: describeError(error) }));
    }, noteMs));
  }

  async #tell(id: string): Promise<void> {
    const file = await this.#disk.find(id);
    const session = file === null ? null : await describeSession(this.#disk, this.#session(id), file, this.connectionId, this.#reached);
    if (session === null || this.#closed) return;
    const text = JSON.stringify(session);
    if (this.#told.get(id) === text) return;
    this.#told.set(id, text);
    this.#events.emit({ type: 'session', session });
  }

  #gone(id: string): void {
    this.#sessions.get(id)?.dispose();
    this.#sessions.delete(id);
    this.#told.delete(id);
    this.#seen?.delete(id);
    this.#events.emit({ type: 'session-removed', sessionId: id });
  }

  /** Other programs write sessions too: while somebody watches, the files are looked at every five seconds. */
  #startPoll(): void {
    if (this.#closed || this.#events.size === 0) return;
    this.#poll ??= this.#context.clock.setTimeout(() => {
      void this.#look().catch(() => undefined).finally(() => {
        this.#poll = null;
        this.#startPoll();
      });
    }, this.#seen === null ? 0 : pollMs);
  }

  async #look(): Promise<void> {
    const before = this.#seen;
    const now = new Map((await this.#disk.glance()).map((file) => [file.id, `${file.changedAt}:${file.archived}`]));
    this.#seen = now;
    if (before === null || this.#closed) return;
    for (const [id, mark] of now) if (before.get(id) !== mark) this.#changed(id);
    for (const id of before.keys()) if (!now.has(id) && this.#sessions.get(id)?.presence.thread == null) this.#gone(id);
  }
}
