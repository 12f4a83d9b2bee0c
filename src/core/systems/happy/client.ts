import { randomUUID } from 'node:crypto';
import type { Dispatcher } from 'undici';
import type { CallOptions, Disposable } from '../../model/backend.ts';
import { isJsonObject } from '../../model/json.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { sleep } from '../../transport/clock.ts';
import { proxyFromEnv } from '../../transport/proxy.ts';
import { keepAlive } from '../../transport/wait.ts';
import { HappyAccount } from './account.ts';
import type { AccountOptions } from './account.ts';
import type { Credentials } from './credentials.ts';
import { credentialsFromEnv, credentialsFromFile, credentialsFromHome, explicitCredentials } from './credentials.ts';
import { openAll } from './crypto/openAll.ts';
import { AuthenticationError, EncryptionError, HappyError, invalid, requireText, SessionNotFound, SpawnError } from './errors.ts';
import type { SentMessage, SessionsPage } from './http.ts';
import { login } from './login.ts';
import type { LoginOptions } from './login.ts';
import { changeMetadata } from './metadata.ts';
import type { MirrorChange, Readable } from './mirrored.ts';
import { keyed, objectOf, readableOf } from './mirrored.ts';
import { spawn } from './spawn.ts';
import type { SpawnRequest } from './spawn.ts';
import { deleteSession, stopSession } from './stop.ts';
import type { DeleteOptions } from './stop.ts';
import { waitForSession } from './waits.ts';
import type { MachineRow, SessionRow } from './wire/bodies.ts';

export interface HappySession {
  readonly id: string;
  /** Seen by the server of late; a session whose process was killed stays active for about ten minutes. */
  readonly active: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Decrypted, as the wire has it; empty where `readable` is not `yes`. The name is `summary.text`, and `name` where a client mirrors it. */
  readonly metadata: JsonObject;
  readonly agentState: JsonObject | null;
  readonly metadataVersion: number;
  readonly readable: Readable;
}
export interface HappyMachine {
  readonly id: string;
  /** The server's flag; it outlives a daemon: `daemonState.status` tells more. */
  readonly active: boolean;
  readonly metadata: JsonObject;
  readonly daemonState: JsonObject | null;
  readonly readable: Readable;
}
export interface HappyMessage {
  readonly id: string;
  readonly seq: number;
  /** Decrypted, as the wire has it; null where it cannot be read (`readable` false). */
  readonly content: JsonValue;
  readonly createdAt: number;
  readonly readable: boolean;
}
export interface HappyClientOptions extends Omit<AccountOptions, 'credentials'> {
  readonly serverUrl?: string;
  /** A key file in place of those of Happy's folder. */
  readonly credentialsPath?: string;
  readonly token?: string;
  /** Base64 of 32 bytes: the account's secret, or a machine's key. */
  readonly secret?: string;
  readonly credentials?: Credentials;
  /** In place of the process's own: credentials, and the proxies that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name unless `proxy` is given. */
  readonly env?: NodeJS.ProcessEnv;
  readonly dispatcher?: Dispatcher;
}
/** Answer to a permission, as Happy's agents take it. */
export interface HappyDecision {
  readonly approved: boolean;
  readonly decision?: 'approved' | 'approved_for_session' | 'denied' | 'abort';
  readonly mode?: string;
  readonly allowTools?: readonly string[];
  readonly reason?: string;
  /** The tool's input in place of its own; answers to a question are `{answers: {[question]: label}}`. */
  readonly updatedInput?: JsonObject;
}
export interface HappySendOptions extends CallOptions {
  readonly permissionMode?: string;
  /** Null resets to the agent's default; left out, the session's stays. */
  readonly model?: string | null;
  readonly effort?: string | null;
  readonly appendSystemPrompt?: string;
  /** The same text under the same id exists once, however often it is sent. */
  readonly localId?: string;
}
export interface RunTaskOptions extends CallOptions {
  readonly machineId: string;
  readonly directory: string;
  readonly prompt: string;
  readonly agent?: string;
  readonly timeoutSeconds?: number;
  readonly permissionMode?: string;
  readonly createDir?: boolean;
  readonly name?: string;
}

const CONFIRM_MS = 15_000;

/**
 * A Happy account from plain Node. Lists and messages are read over HTTP when asked for; the socket connects when something needs it (calls to machines and sessions, waits,
 * `watch`) and ends ten seconds after. Every rejection is a HappyError, save an abort, which rejects with the signal's reason.
 */
export class HappyClient implements AsyncDisposable {
  readonly account: HappyAccount;

  /** Token and secret, else `credentialsPath`, else the key files of Happy's folder. Throws AuthenticationError where there are none, or `invalid_argument`. */
  constructor(options: HappyClientOptions = {}) {
    this.account = new HappyAccount({ proxy: () => proxyFromEnv(options.env ?? process.env), ...options, credentials: credentialsOf(options) });
  }

  /** From `HAPPY_TOKEN`, `HAPPY_SECRET` and `HAPPY_SERVER_URL`; a missing one is an AuthenticationError that names it. */
  static fromEnv(options: Omit<HappyClientOptions, 'token' | 'secret' | 'credentials' | 'credentialsPath'> = {}): HappyClient {
    return new HappyClient({ ...options, credentials: credentialsFromEnv(options) });
  }

  /** Signs in by link or QR code; what it answers is taken by `new HappyClient({credentials})`. */
  static login(options: LoginOptions): Promise<Credentials> {
    return login(options);
  }

  /** Starts an agent and answers the session's id. Rejects with MachineOfflineError, SpawnError. */
  spawnSession(options: SpawnRequest & { readonly name?: string }): Promise<string> {
    return keepAlive(this.#spawn(options));
  }

  /** Ends the session's process and makes sure that it is dead. Rejects with MachineOfflineError where that cannot be confirmed. */
  async stopSession(id: string, options: CallOptions = {}): Promise<void> {
    requireText(id, 'The session\'s id');
    await keepAlive(stopSession(this.account, id, options));
  }

  /** Stops the session, then removes its record. Rejects with MachineOfflineError where its machine is away and may still run it, unless `removeUnconfirmed` is given. */
  async deleteSession(id: string, options: DeleteOptions = {}): Promise<void> {
    requireText(id, 'The session\'s id');
    await keepAlive(deleteSession(this.account, id, options));
  }

  /** Writes `summary.text`, which Happy's apps show, and mirrors it to `name`. */
  async setSessionName(id: string, name: string, options: CallOptions = {}): Promise<HappySession> {
    requireText(name, 'The name');
    const updatedAt = this.account.clock.now();
    return this.#change(id, (current) => ({ ...current, summary: { ...(isJsonObject(current['summary']) ? current['summary'] : {}), text: name, updatedAt }, name }), options);
  }

  /** Shallow merge: your keys win, all others are kept, whoever wrote them. */
  async updateSessionMetadata(id: string, changes: JsonObject, options: CallOptions = {}): Promise<HappySession> {
    if (!isJsonObject(changes)) throw invalid('The changes are not an object.');
    return this.#change(id, (current) => ({ ...current, ...changes }), options);
  }

  /** Resolves when the server has it; sent twice (a retry included) it exists once. Left out, the session's modes stay. */
  async sendMessage(id: string, text: string, options: HappySendOptions = {}): Promise<SentMessage> {
    requireText(id, 'The session\'s id');
    requireText(text, 'The message');
    return keepAlive(this.#send(id, text, options));
  }

  /** Resolves when the last prompt was worked off, be it before the call. */
  async waitForTurnCompletion(id: string, options: { readonly timeoutSeconds?: number } & CallOptions = {}): Promise<void> {
    requireText(id, 'The session\'s id');
    this.account.requireOpen();
    await keepAlive(waitForSession(this.account, id, 'turn', options));
  }

  /** Resolves when nothing runs, nothing waits for the person, and no terminal has the session. */
  async waitForIdle(id: string, options: { readonly timeoutSeconds?: number } & CallOptions = {}): Promise<void> {
    requireText(id, 'The session\'s id');
    this.account.requireOpen();
    await keepAlive(waitForSession(this.account, id, 'idle', options));
  }

  /** All sessions of the account, newest first. One that cannot be read is there and says so. */
  listSessions(options: { readonly activeOnly?: boolean } & CallOptions = {}): Promise<readonly HappySession[]> {
    return keepAlive(this.#sessions(options));
  }

  async getSession(id: string, options: CallOptions = {}): Promise<HappySession> {
    requireText(id, 'The session\'s id');
    return keepAlive(this.account.sessionRow(id, options).then((row) => this.#session(row)));
  }

  /** Whether the server takes it for active. Rejects with SessionNotFound. */
  async isAlive(id: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.getSession(id, options)).active;
  }

  /** All messages of a session, oldest first; `after`: only those of a greater seq. Rejects with EncryptionError where the session has no key; a single bad message is there and says so. */
  async getMessages(id: string, options: { readonly after?: number } & CallOptions = {}): Promise<readonly HappyMessage[]> {
    requireText(id, 'The session\'s id');
    return keepAlive(this.#messages(id, options));
  }

  listMachines(options: { readonly activeOnly?: boolean } & CallOptions = {}): Promise<readonly HappyMachine[]> {
    return keepAlive(this.#machines(options));
  }

  /** Rejects with `machine_not_found`. */
  async getMachine(id: string, options: CallOptions = {}): Promise<HappyMachine> {
    requireText(id, 'The machine\'s id');
    return keepAlive(this.account.machineRow(id, options).then((row) => this.#machine(row)));
  }

  /** Spawns, sends, waits for the turn, and stops what it spawned, whatever happens: also after an error, a time-out or an abort. Answers the session's id. */
  async runTask(options: RunTaskOptions): Promise<string> {
    requireText(options.prompt, 'The prompt');
    return keepAlive(this.#run(options));
  }

  /** Changes of sessions, machines and contact, until disposed. */
  watch(listener: (change: MirrorChange) => void): Disposable {
    return this.account.watch(listener);
  }

  /** Answers a permission and makes sure that the agent took it. Rejects with `already_answered` where it does not wait (any more), `not_confirmed`, `session_unreachable`. */
  async answerPermission(id: string, requestId: string, decision: HappyDecision, options: CallOptions = {}): Promise<void> {
    requireText(requestId, 'The request\'s id');
    await keepAlive(this.#answer(id, requestId, decision, options));
  }

  /** Ends the running turn; what the agent had not sent of it is lost. */
  async interrupt(id: string, options: { readonly reason?: string } & CallOptions = {}): Promise<void> {
    requireText(id, 'The session\'s id');
    await keepAlive(this.#interrupt(id, options));
  }

  /** Ends every connection; waits that run reject. */
  close(): Promise<void> {
    return this.account[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #spawn(options: SpawnRequest & { readonly name?: string }): Promise<string> {
    if (options.name !== undefined) requireText(options.name, 'The name');
    const sessionId = await spawn(this.account, options);
    if (options.name === undefined) return sessionId;
    try {
      await this.setSessionName(sessionId, options.name, options);
    } catch (error) {
      throw new SpawnError('spawn_unnamed', `Session ${sessionId} was started, but could not be named.`, { machineId: options.machineId, directory: options.directory, sessionId, cause: error });
    }
    return sessionId;
  }

  async #change(id: string, change: (current: JsonObject) => JsonObject, options: CallOptions): Promise<HappySession> {
    requireText(id, 'The session\'s id');
    return this.#session(await keepAlive(changeMetadata(this.account, id, change, options)));
  }

  async #send(id: string, text: string, options: HappySendOptions): Promise<SentMessage> {
    const { signal, localId = randomUUID(), permissionMode, model, effort, appendSystemPrompt } = options;
    requireText(localId, 'localId');
    const call = signal === undefined ? {} : { signal };
    const row = await this.account.sessionRow(id, call);
    const cipher = this.account.cipherOf(row);
    // A key that does not open the session's record seals what its agent cannot read: the prompt would be lost in silence.
    if (objectOf(cipher, row.metadata) === null) throw new EncryptionError(`The record of session ${id} cannot be decrypted with these credentials, so nothing is sent to it. ${this.account.credentials.describe()}`);
    const meta: JsonObject = {
      sentFrom: 'pilothouse', ...(permissionMode === undefined ? {} : { permissionMode }), ...(model === undefined ? {} : { model }), ...(effort === undefined ? {} : { effort }),
      ...(appendSystemPrompt === undefined ? {} : { appendSystemPrompt }),
    };
    const [sent] = await this.account.api.send(id, [{ localId, content: cipher.seal({ role: 'user', content: { type: 'text', text }, meta }) }], call);
    if (sent === undefined) throw new HappyError('bad_answer', 'The Happy server did not say that it has the message.');
    return sent;
  }

  async #sessions(options: { readonly activeOnly?: boolean } & CallOptions): Promise<readonly HappySession[]> {
    this.account.requireOpen();
    const { signal, activeOnly = false } = options;
    const call = signal === undefined ? {} : { signal };
    const sessions: HappySession[] = [];
    for (let cursor: string | null = null; ;) {
      const page: SessionsPage = await this.account.api.sessions({ ...call, cursor });
      const rows = activeOnly ? page.rows.filter((row) => row.active) : page.rows;
      await this.account.keyring.unwrapAll(rows.map(keyed), call);
      sessions.push(...rows.map((row) => this.#session(row)));
      if (page.next === null || page.next === cursor) return sessions;
      cursor = page.next;
    }
  }

  async #machines({ activeOnly = false, ...call }: { readonly activeOnly?: boolean } & CallOptions): Promise<readonly HappyMachine[]> {
    this.account.requireOpen();
    const { rows } = await this.account.api.machines(call);
    return rows.filter((row) => row.active || !activeOnly).map((row) => this.#machine(row));
  }

  async #messages(id: string, { after: first = 0, ...options }: { readonly after?: number } & CallOptions): Promise<readonly HappyMessage[]> {
    const cipher = this.account.cipherOf(await this.account.sessionRow(id, options));
    const messages: HappyMessage[] = [];
    for (let after = first; ;) {
      const page = await this.account.api.messages(id, { after }, options);
      const contents = await openAll(cipher, page.rows.map((row) => row.content.c), options);
      page.rows.forEach((row, index) => {
        const content = contents[index];
        messages.push({ id: row.id, seq: row.seq, content: content ?? null, createdAt: row.createdAt, readable: content !== undefined });
      });
      const last = page.rows.at(-1);
      if (!page.more || last === undefined || last.seq <= after) return messages;
      after = last.seq;
    }
  }

  async #run(options: RunTaskOptions): Promise<string> {
    const { prompt, timeoutSeconds = 600, permissionMode = 'yolo', signal } = options;
    if (!Number.isFinite(timeoutSeconds) || timeoutSeconds <= 0) throw invalid('timeoutSeconds must be a positive number.');
    const call = signal === undefined ? {} : { signal };
    signal?.throwIfAborted();
    // Without the caller's signal, this and the stop: a start that is given up half-way leaves a session that nobody knows, and what was spawned is ended though the caller gave up.
    const { signal: _signal, ...request } = options;
    let failure: unknown = null;
    let sessionId: string | null = null;
    try {
      // What may be somebody else's is neither prompted nor stopped.
      sessionId = await this.#spawn({ ...request, adopt: false });
      signal?.throwIfAborted();
      await this.#send(sessionId, prompt, { ...call, permissionMode });
      await waitForSession(this.account, sessionId, 'turn', { ...call, timeoutSeconds });
    } catch (error) {
      failure = error;
      if (error instanceof SpawnError) sessionId ??= error.sessionId;
    }
    const stopping = sessionId === null ? null : await stopSession(this.account, sessionId).then(() => null, (error: unknown) => error);
    if (failure !== null) throw failure instanceof Error ? failure : new HappyError('bad_answer', 'The task failed.');
    // Ended and removed by somebody else is ended.
    if (stopping instanceof Error && !(stopping instanceof SessionNotFound)) throw stopping;
    if (sessionId === null) throw new HappyError('bad_answer', 'The task has no session.');
    return sessionId;
  }

  async #answer(id: string, requestId: string, decision: HappyDecision, options: CallOptions): Promise<void> {
    const row = await this.account.sessionRow(id, options);
    if (!this.#waits(row, requestId)) throw new HappyError('already_answered', 'This permission was answered or withdrawn already.');
    const { approved, ...more } = decision;
    // The reply is empty, also for requests that nobody knows: only the session's state tells. A second answer to the same request is ignored, so the call may be repeated.
    await this.account.sessionRpc(row, 'permission', { id: requestId, approved, ...more }, { ...options, idempotent: true });
    const until = this.account.clock.monotonic() + CONFIRM_MS;
    for (let waitMs = 50; ; waitMs = Math.min(1_000, waitMs * 2)) {
      if (!this.#waits(await this.account.sessionRow(id, options), requestId)) return;
      if (this.account.clock.monotonic() >= until) throw new HappyError('not_confirmed', 'The agent was told, but has not confirmed the answer. It may be busy; look at the session.');
      await sleep(this.account.clock, waitMs, options.signal);
    }
  }

  async #interrupt(id: string, options: { readonly reason?: string } & CallOptions): Promise<void> {
    const { reason, ...call } = options;
    await this.account.sessionRpc(await this.account.sessionRow(id, call), 'abort', reason === undefined ? {} : { reason }, { ...call, idempotent: true });
  }

  #waits(row: SessionRow, requestId: string): boolean {
    const requests = objectOf(this.account.cipherOf(row), row.agentState)?.['requests'];
    return isJsonObject(requests) && Object.hasOwn(requests, requestId);
  }

  #session(row: SessionRow): HappySession {
    const cipher = this.account.keyring.cipherFor(keyed(row));
    const metadata = objectOf(cipher, row.metadata);
    return { id: row.id, active: row.active, createdAt: row.createdAt, metadata: metadata ?? {}, agentState: objectOf(cipher, row.agentState), metadataVersion: row.metadataVersion, readable: readableOf(cipher, metadata) };
  }

  #machine(row: MachineRow): HappyMachine {
    const cipher = this.account.keyring.cipherFor(keyed(row));
    const metadata = objectOf(cipher, row.metadata);
    return { id: row.id, active: row.active, metadata: metadata ?? {}, daemonState: objectOf(cipher, row.daemonState), readable: readableOf(cipher, metadata) };
  }
}

function credentialsOf(options: HappyClientOptions): Credentials {
  const { credentials, token, secret, credentialsPath } = options;
  if (credentials !== undefined) return credentials;
  if (token !== undefined && secret !== undefined) return explicitCredentials({ token, secret }, options);
  if (token !== undefined || secret !== undefined) throw new AuthenticationError('credentials_missing', `Token and secret are given together: the ${token === undefined ? 'token' : 'secret'} is missing.`);
  return credentialsPath === undefined ? credentialsFromHome(options) : credentialsFromFile(credentialsPath, options);
}
