import type { Entry } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { SessionControls, SessionOwner } from '../../../model/session.ts';
import type { ProcessExit } from '../process.ts';
import type { RpcId } from '../rpc.ts';
import { runsElsewhere } from '../sessionLock.ts';
import { sessionNotFound } from './disk.ts';
import { agentRow, oneLine } from './entries.ts';
import type { CodexHost } from './host.ts';
import { presentIn, removeLeftovers } from './leftovers.ts';
import { controlsOf, modeOf, modeOfThread, turnSettings } from './modes.ts';
import { descendsFrom, writerName, writerOf } from './owner.ts';
import { parse } from './rollout.ts';
import { LiveThread } from './thread.ts';
import type { ThreadAnswer } from './wire.ts';
import { read, threadAnswerSchema } from './wire.ts';

const loadMs = 60_000;
/** Characters of a first prompt that name a session. */
const maxName = 80;

interface PresenceEvents {
  entries(entries: readonly Entry[]): void;
  controls(): void;
  unreachable(): void;
}
interface Settings {
  readonly model: string | null;
  readonly mode: string | null;
  readonly effort: string | null;
}
const unset: Settings = { model: null, mode: null, effort: null };

/** Where a thread is: whose it is, whether our app-server has it loaded, and how it is set. */
export class Presence {
  thread: LiveThread | null = null;
  /** Ids of prompts that certainly arrived. */
  delivered: Set<string> = new Set();
  stopped = false;
  /** Why the last turn failed, where Codex has ended since. */
  failure: string | null = null;
  /** The turn that turn/start named, before the wire told of it; '' while turn/start is under way. */
  startedTurn: string | null = null;
  /** Settles when the turn/start that is under way has been answered. */
  started: Promise<unknown> = Promise.resolve();
  readonly #id: string;
  readonly #host: CodexHost;
  readonly #events: PresenceEvents;
  readonly #children = new Map<string, LiveThread>();
  #folder = '';
  #before: ReadonlySet<string> = new Set();
  #settings: Settings = unset;
  #planned = false;
  #loading: Promise<LiveThread> | null = null;
  /** Settles when the last unloading is done. */
  #leaving: Promise<void> = Promise.resolve();

  constructor(id: string, host: CodexHost, events: PresenceEvents) {
    this.#id = id;
    this.#host = host;
    this.#events = events;
  }

  get running(): boolean {
    return this.thread?.running === true || this.startedTurn !== null;
  }
  get loading(): boolean {
    return this.#loading !== null;
  }
  get model(): string | null {
    return this.#settings.model;
  }
  get folder(): string {
    return this.#folder;
  }

  controls(): SessionControls {
    return controlsOf(this.#host.models(), this.#settings);
  }
  turnSettings(): JsonObject {
    return turnSettings(this.#settings, this.#planned);
  }

  async set(change: Partial<Settings>): Promise<void> {
    this.#settings = { ...this.#settings, ...change };
    await this.#host.context.keep.set(`set:${this.#id}`, JSON.stringify(this.#settings));
  }

  /** Who runs the thread, as far as can be known. */
  async owner(): Promise<{ readonly owner: SessionOwner; readonly name: string | null }> {
    if (this.thread !== null) return { owner: 'this', name: null };
    const other = await this.#host.claims.other(this.#id);
    if (other !== null) return other;
    const writer = await writerOf(this.#host.disk.home, this.#id);
    if (writer === null) return { owner: 'nobody', name: null };
    const { pid } = this.#host.server;
    if (writer.pid !== null && pid !== null && (await descendsFrom(writer.pid, pid))) return { owner: 'nobody', name: null };
    return { owner: 'foreign', name: writerName(writer) };
  }

  /** Rejects with `session_not_found` where Codex keeps no file of the thread and has not loaded it. */
  async need(): Promise<void> {
    if (this.thread === null && (await this.#host.disk.find(this.#id)) === null) throw sessionNotFound();
  }

  /** Rejects with `session_runs_elsewhere` where another window or program runs the thread. */
  async mayTouch(): Promise<void> {
    const { owner, name } = await this.owner();
    if (owner === 'window' || owner === 'foreign') throw runsElsewhere(name ?? 'another program');
  }

  /** Makes the app-server have the thread: the claim, the server, the thread in it. Joins what is under way. */
  load(): Promise<LiveThread> {
    if (this.thread !== null && this.#loading === null) return Promise.resolve(this.thread);
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
      this.#host.changed(this.#id);
    });
    return this.#loading;
  }

  /** The server has the thread: it was made, forked or resumed. */
  async adopt(answer: ThreadAnswer): Promise<LiveThread> {
    this.#folder = answer.thread.cwd;
    this.#before = await presentIn(this.#folder);
    const kept = settingsOf(await this.#host.context.keep.get(`set:${this.#id}`));
    this.#settings = { model: kept.model ?? answer.model, mode: kept.mode ?? modeOfThread(answer), effort: kept.effort ?? answer.reasoningEffort };
    this.#planned = kept.mode === 'plan';
    await this.#host.context.keep.set(`stopped:${this.#id}`, null);
    this.stopped = false;
    this.failure = null;
    const thread = this.#made();
    this.thread = thread;
    this.#events.controls();
    this.#host.changed(this.#id);
    void this.#host.needModels(undefined).then(() => this.#events.controls(), () => undefined);
    return thread;
  }

  /** Runs what starts a turn; the session counts as running from now on. */
  async starting(start: () => Promise<string | null>): Promise<void> {
    this.startedTurn = '';
    this.#planned = this.#settings.mode === 'plan';
    // What stands in the folder before a command runs is not the sandbox's.
    const looked = this.#host.others(this.#id).runningIn(this.#folder) ? null : presentIn(this.#folder);
    const begun = Promise.resolve(looked).then((before) => {
      this.#before = before ?? this.#before;
      return start();
    });
    this.started = begun.catch(() => undefined);
    try {
      const turn = await begun;
      // The wire may have told of its beginning, and even of its end, before.
      this.startedTurn = this.thread?.log.turn === null && this.startedTurn !== null ? turn : null;
    } catch (error) {
      this.startedTurn = null;
      throw error;
    } finally {
      this.#host.changed(this.#id);
    }
  }

  /** A session that nobody named is called after its first prompt. */
  async nameAfter(prompt: string): Promise<void> {
    const key = `untitled:${this.#id}`;
    if ((await this.#host.context.keep.get(key)) === null) return;
    const line = oneLine(prompt);
    const name = line.length > maxName ? `${line.slice(0, maxName - 1)}…` : line;
    if (name === '') return;
    await this.#host.context.keep.set(key, null);
    await this.#host.server.call('thread/name/set', { threadId: this.#id, name }).catch(() => undefined);
  }

  /** Tells the person of something that is not of this session alone, where a turn runs. */
  warn(code: string, message: string): void {
    if (this.thread?.running === true) this.#events.entries([this.thread.log.notice('warning', code, message, null, this.#host.context.clock.now())]);
  }

  /** The thread, or the subagent's within it, that waits for this answer. */
  asking(requestId: string): LiveThread | null {
    return this.threads().find((one) => one.waiting.some((waiting) => waiting.requestId === requestId)) ?? null;
  }
  threads(): readonly LiveThread[] {
    return this.thread === null ? [] : [this.thread, ...this.#children.values()];
  }

  onNotification(threadId: string, method: string, params: JsonValue): void {
    this.#meetChildren(params);
    this.#of(threadId)?.onNotification(method, params);
    if (method === 'item/started') this.#host.server.noteChildren();
  }
  onRequest(threadId: string, method: string, params: JsonValue, rpcId: RpcId): boolean {
    return this.#of(threadId)?.onRequest(method, params, rpcId) ?? false;
  }
  hasChild(threadId: string): boolean {
    return this.#children.has(threadId);
  }

  /** The server ended. */
  onExit(exit: ProcessExit): void {
    for (const thread of this.threads()) thread.onExit(exit);
    this.failure = this.thread?.error ?? null;
    void this.unload().catch(() => undefined);
  }

  /** Removes what killed commands left in the folder, where no other thread works there. */
  async tidy(): Promise<void> {
    if (this.#folder === '' || this.#host.others(this.#id).runningIn(this.#folder)) return;
    const removed = await removeLeftovers(this.#folder, this.#before);
    if (removed.length > 0) this.#host.context.log.debug('empty folders of the sandbox were removed', { count: removed.length });
  }

  async unload(): Promise<void> {
    for (const thread of this.threads()) thread.dispose();
    this.thread = null;
    this.startedTurn = null;
    this.#children.clear();
    this.#leaving = this.#leave(this.#leaving);
    await this.#leaving;
  }

  /** One after the other: what is given back must not be what the next load has taken. Never rejects. */
  async #leave(before: Promise<void>): Promise<void> {
    await before;
    const failed = (error: unknown): void => this.#host.context.log.warn('a session could not be let go of', { session: this.#id, error: describeError(error) });
    await this.tidy().catch(failed);
    await this.#host.claims.release(this.#id).catch(failed);
    this.#host.changed(this.#id);
  }

  async markStopped(): Promise<void> {
    this.stopped = true;
    await this.#host.context.keep.set(`stopped:${this.#id}`, '1');
  }

  async forget(): Promise<void> {
    for (const key of ['set', 'stopped', 'untitled']) await this.#host.context.keep.set(`${key}:${this.#id}`, null);
  }

  async #load(): Promise<LiveThread> {
    const { context, claims, server, disk } = this.#host;
    this.#host.changed(this.#id);
    await this.#leaving;
    await this.need();
    await this.mayTouch();
    await claims.take(this.#id);
    try {
      const kept = settingsOf(await context.keep.get(`set:${this.#id}`));
      const mode = kept.mode === null ? null : modeOf(kept.mode);
      const settings = { ...(kept.model === null ? {} : { model: kept.model }), ...(mode === null ? {} : { approvalPolicy: mode.approval, sandbox: mode.sandbox }) };
      const answer = read(threadAnswerSchema, await server.call('thread/resume', { threadId: this.#id, excludeTurns: true, ...settings }, { timeoutMs: loadMs }));
      if (answer === null) throw new PilothouseError('load_failed', 'Codex brought the session back, but did not describe it. Update Codex.');
      this.delivered = new Set(await disk.promptIds(this.#id));
      return await this.adopt(answer);
    } catch (error) {
      await claims.release(this.#id);
      throw this.#loadError(error);
    }
  }

  #loadError(error: unknown): Error {
    if (error instanceof PilothouseError && error.code === 'rpc_error') {
      if (/active writer/.test(error.message)) return runsElsewhere('another program');
      if (/no rollout found/.test(error.message)) return sessionNotFound(error);
      return new PilothouseError('load_failed', `Codex could not bring the session back: ${error.message}`, { cause: error });
    }
    return error instanceof Error ? error : new PilothouseError('load_failed', 'Codex could not bring the session back.', { cause: error });
  }

  #made(parent?: string): LiveThread {
    const changed = (): void => this.#host.changed(this.#id);
    return new LiveThread({
      clock: this.#host.context.clock, folder: () => this.#folder, respond: (id, result) => this.#host.server.respond(id, result), ...(parent === undefined ? {} : { parent }),
      events: {
        entries: (entries) => {
          for (const entry of entries) if (entry.kind === 'notice' && entry.code === 'login_failed') this.#host.needsSignIn(entry.text);
          this.#events.entries(entries);
        },
        changed,
        turnBegan: () => {
          if (parent === undefined) this.startedTurn = null;
          this.#host.server.touch();
          changed();
        },
        turnEnded: () => {
          if (parent === undefined) this.startedTurn = null;
          this.#host.server.touch();
          changed();
        },
        unreachable: () => this.#events.unreachable(),
      },
    });
  }

  #of(threadId: string): LiveThread | null {
    return threadId === this.#id ? this.thread : (this.#children.get(threadId) ?? null);
  }

  /** A call of an agent tool names the threads of the agents that it starts: what they do belongs within its row. */
  #meetChildren(params: JsonValue): void {
    const item = isJsonObject(params) ? params['item'] : null;
    if (!isJsonObject(item) || this.thread === null || typeof item['id'] !== 'string') return;
    const named = item['type'] === 'collabAgentToolCall' ? item['receiverThreadIds'] : item['type'] === 'subAgentActivity' ? [item['agentThreadId']] : null;
    if (!Array.isArray(named)) return;
    for (const child of named) {
      if (typeof child !== 'string' || child === '' || child === this.#id || this.#children.has(child)) continue;
      this.#children.set(child, this.#made(item['type'] === 'subAgentActivity' ? agentRow(child) : item['id']));
    }
  }
}

function settingsOf(text: string | null): Settings {
  const record = text === null ? null : parse(text);
  const pick = (key: keyof Settings): string | null => {
    const value = record?.[key];
    return typeof value === 'string' ? value : null;
  };
  return { model: pick('model'), mode: pick('mode'), effort: pick('effort') };
}
