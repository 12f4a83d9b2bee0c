import { randomUUID } from 'node:crypto';
import type { CallOptions, Decision, Disposable, ForkPoint, LiveEvent, Page, Prompt, SessionHandle, StopReport } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import type { Session, SessionControls } from '../../../model/session.ts';
import { Emitter } from '../../../transport/emitter.ts';
import { moveToTrash } from '../trash.ts';
import { throwIfAborted, waitFor } from '../wait.ts';
import { oneLine, rev } from './entries.ts';
import { RolloutFollower } from './follow.ts';
import { forkThread } from './fork.ts';
import type { CodexHost } from './host.ts';
import { modeOf } from './modes.ts';
import { Presence } from './presence.ts';
import { inputOf } from './prompt.ts';
import { isUnsupported } from './server.ts';
import { turnSchema } from './wire.ts';

/** The longest that one call may take which starts Codex and brings a thread back. */
const callMs = 120_000;
const turnEndMs = 10_000;

/** One thread of Codex, loaded in this window's app-server or not. */
export class CodexSession implements SessionHandle {
  readonly id: string;
  readonly forksAt = true;
  readonly presence: Presence;
  readonly #host: CodexHost;
  readonly #listeners: Emitter<LiveEvent>;
  readonly #sends = new Map<string, Promise<void>>();
  #follower: RolloutFollower | null = null;

  constructor(id: string, host: CodexHost) {
    this.id = id;
    this.#host = host;
    this.#listeners = new Emitter((error) => host.context.log.error('a listener of a session failed', { error: describeError(error) }));
    this.presence = new Presence(id, host, {
      entries: (entries) => this.#tell(entries),
      controls: () => this.controlsChanged(),
      unreachable: () => void this.interrupt().catch((error: unknown) => host.context.log.warn('a turn without a model could not be interrupted', { error: describeError(error) })),
    });
  }

  /** A turn is open in the file of a thread that another program runs. */
  get followedRunning(): boolean {
    return this.#follower?.running ?? false;
  }

  async history(page: { readonly cursor?: string; readonly limit: number } & CallOptions): Promise<Page<Entry>> {
    throwIfAborted(page.signal);
    const file = await this.#host.disk.find(this.id);
    if (file === null && this.presence.thread !== null) return { items: [], next: null };
    const live = this.presence.running || (this.presence.thread === null && (await this.presence.owner()).owner !== 'nobody');
    return this.#host.disk.page(this.id, { cursor: page.cursor, limit: Math.max(1, page.limit), live, signal: page.signal });
  }

  live(listener: (event: LiveEvent) => void): Disposable {
    const heard = this.#listeners.on(listener);
    this.#follower ??= new RolloutFollower({
      disk: this.#host.disk, id: this.id, clock: this.#host.context.clock,
      wanted: async () => this.presence.thread === null && (await this.#host.context.leases.holder(`session:${this.id}`)) !== 'other',
      entries: (entries) => this.#tell(entries), changed: () => this.#host.changed(this.id),
    });
    return {
      dispose: () => {
        heard.dispose();
        if (this.#listeners.size > 0) return;
        this.#follower?.dispose();
        this.#follower = null;
      },
    };
  }

  controls(): SessionControls {
    return this.presence.controls();
  }

  async send(prompt: Prompt, clientId: string, options: { readonly steer?: boolean } & CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    const input = inputOf(prompt);
    let work = this.#sends.get(clientId);
    if (work === undefined) {
      work = this.#deliver(prompt, input, clientId, options.steer ?? false, options.signal).finally(() => this.#sends.delete(clientId));
      this.#sends.set(clientId, work);
    }
    await this.#within(work, options.signal);
  }

  async interrupt(options: CallOptions = {}): Promise<StopReport> {
    throwIfAborted(options.signal);
    await this.#within(this.presence.started, options.signal);
    const { thread } = this.presence;
    const turn = thread?.log.turn ?? this.presence.startedTurn;
    if (thread === null) return { step: 'nothing-to-stop', message: 'Codex was not running.' };
    let report: StopReport = { step: 'nothing-to-stop', message: 'No turn was running.' };
    if (turn !== null) {
      try {
        await this.#host.server.call('turn/interrupt', { threadId: this.id, turnId: turn }, { timeoutMs: turnEndMs, signal: options.signal });
        await waitFor(thread.ended(), { clock: this.#host.context.clock, timeoutMs: turnEndMs, signal: options.signal, onTimeout: () => new PilothouseError('interrupt_failed', 'Codex took the interrupt, but does not end the turn. Stop the session.') });
        report = { step: 'interrupted', message: 'Codex ended the turn.' };
      } catch (error) {
        if (this.presence.running) throw error instanceof PilothouseError ? error : new PilothouseError('interrupt_failed', 'Codex did not take the interrupt. Stop the session.', { cause: error });
      }
    }
    // An interrupt leaves commands running.
    await this.#endCommands(options.signal);
    await this.presence.tidy();
    return report;
  }

  async answer(requestId: string, decision: Decision, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    const thread = this.presence.asking(requestId);
    if (thread === null) throw new PilothouseError('already_answered', 'This was answered or taken back before.');
    await thread.answer(requestId, decision);
    const reason = decision.outcome === 'deny' ? (decision.reason ?? '').trim() : '';
    if (reason === '') return;
    // Codex takes no reason with a refusal: it is the next thing that it hears.
    await this.send({ text: reason, attachments: [] }, randomUUID(), { steer: true, ...options });
  }

  setModel(id: string, options: CallOptions = {}): Promise<void> {
    return this.#set({ model: id }, this.controls().models.some((one) => one.id === id), options.signal);
  }
  setMode(id: string, options: CallOptions = {}): Promise<void> {
    return this.#set({ mode: id }, modeOf(id) !== null, options.signal);
  }
  setEffort(id: string, options: CallOptions = {}): Promise<void> {
    return this.#set({ effort: id }, this.controls().efforts.some((one) => one.id === id), options.signal);
  }

  async rename(title: string, options: CallOptions = {}): Promise<void> {
    const name = oneLine(title);
    if (name === '') throw new PilothouseError('invalid_argument', 'A title needs at least one character.');
    await this.presence.need();
    await this.#host.context.keep.set(`untitled:${this.id}`, null);
    await this.#call('thread/name/set', { threadId: this.id, name }, options.signal);
    this.#host.changed(this.id);
  }

  async archive(archived: boolean, options: CallOptions = {}): Promise<void> {
    await this.presence.need();
    await this.presence.mayTouch();
    if (archived && this.presence.running) throw new PilothouseError('turn_running', 'A turn is running. Interrupt it, or wait for its end, then archive the session.');
    await this.#call(archived ? 'thread/archive' : 'thread/unarchive', { threadId: this.id }, options.signal);
    if (archived) await this.presence.unload();
    this.#host.changed(this.id);
  }

  /** Ends the turn and its commands, and Codex itself where it serves no other session. */
  async stop(options: CallOptions = {}): Promise<StopReport> {
    throwIfAborted(options.signal);
    await this.presence.need();
    await this.presence.mayTouch();
    if (this.presence.thread === null) return { step: 'nothing-to-stop', message: 'Codex was not running this session.' };
    const others = this.#host.others(this.id);
    let report: StopReport;
    if (others.loaded === 0) {
      // Its own way out ends the turn and its commands.
      report = await this.#within(this.#host.endServer(), options.signal);
    } else {
      const interrupted = await this.interrupt(options);
      await this.#call('thread/unsubscribe', { threadId: this.id }, options.signal).catch((error: unknown) => {
        if (!isUnsupported(error)) throw error;
      });
      report = { step: interrupted.step, message: `${interrupted.message} Codex goes on for ${others.loaded} other session${others.loaded === 1 ? '' : 's'}.` };
    }
    await this.presence.unload();
    await this.presence.markStopped();
    this.#host.changed(this.id);
    return report;
  }

  async resume(options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    await this.#within(this.presence.load(), options.signal);
  }

  async fork({ at, ...options }: { readonly at?: ForkPoint } & CallOptions = {}): Promise<Session> {
    throwIfAborted(options.signal);
    await this.presence.need();
    return forkThread({ id: this.id, host: this.#host, controls: this.controls(), call: (method, params) => this.#call(method, params, options.signal) }, at, options.signal);
  }

  async removalPreview(options: CallOptions = {}): Promise<readonly string[]> {
    throwIfAborted(options.signal);
    await this.presence.need();
    const file = await this.#host.disk.find(this.id);
    return file === null ? [] : [file.path];
  }

  async remove(options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    await this.presence.need();
    await this.presence.mayTouch();
    const forks = await this.#host.disk.forksOf(this.id);
    if (forks.length > 0) {
      throw new PilothouseError('has_forks', `${forks.length === 1 ? 'A session was' : `${forks.length} sessions were`} forked from this one and would be lost with its file. Delete ${forks.length === 1 ? 'it' : 'them'} first, or archive this one.`, { personMustAct: true });
    }
    await this.stop(options);
    const file = await this.#host.disk.find(this.id);
    if (file !== null) {
      const { stateDir, clock } = this.#host.context;
      await moveToTrash([file.path], stateDir, this.id, clock.now()).catch((error: unknown) => {
        throw new PilothouseError('remove_failed', 'The file of the session could not be moved to the trash. It is where it was.', { cause: error });
      });
    }
    await this.presence.forget();
    this.#host.gone(this.id);
  }

  dispose(): void {
    this.#follower?.dispose();
    this.#follower = null;
    this.#listeners.clear();
  }

  controlsChanged(): void {
    this.#listeners.emit({ type: 'controls', controls: this.controls() });
  }

  async #deliver(prompt: Prompt, input: readonly JsonValue[], clientId: string, steer: boolean, signal: AbortSignal | undefined, again = false): Promise<void> {
    const thread = await this.presence.load();
    if (this.presence.delivered.has(clientId)) return;
    throwIfAborted(signal);
    const said = { threadId: this.id, input, clientUserMessageId: clientId };
    if (steer && thread.log.turn !== null) {
      try {
        await this.#host.server.call('turn/steer', { ...said, expectedTurnId: thread.log.turn }, { signal });
        this.presence.delivered.add(clientId);
        return;
      } catch (error) {
        // The turn ended meanwhile, or cannot be steered: then it is the next one's prompt.
        if (thread.running && !(error instanceof PilothouseError && /no active turn|expected active turn/.test(error.message))) throw this.#sendError(error);
      }
    }
    if (this.presence.running) {
      await waitFor(thread.ended(), { clock: this.#host.context.clock, timeoutMs: turnEndMs, signal, onTimeout: () => new PilothouseError('turn_running', 'A turn is running. The prompt can go out when it ends, or be added to it.') });
    }
    if (prompt.text.trim() === '/compact' && prompt.attachments.length === 0) return this.#compact(clientId, signal);
    await this.presence.nameAfter(prompt.text);
    await this.presence.starting(async () => {
      const answer = await this.#host.server.call('turn/start', { ...said, ...this.presence.turnSettings() }, { signal });
      const turn = turnSchema.safeParse(typeof answer === 'object' && answer !== null && 'turn' in answer ? answer.turn : null);
      return turn.success ? turn.data.id : null;
    }).catch(async (error: unknown) => {
      // The server was stopped as idle, and the one that took the call has not loaded the thread.
      if (!again && this.presence.thread !== thread && error instanceof PilothouseError && /thread not found/.test(error.message)) return this.#deliver(prompt, input, clientId, steer, signal, true);
      // Codex may have died with the prompt already in the thread.
      if (error instanceof PilothouseError && error.code === 'process_gone' && (await this.#host.disk.promptIds(this.id)).has(clientId)) return;
      throw this.#sendError(error);
    });
    this.presence.delivered.add(clientId);
  }

  async #compact(clientId: string, signal: AbortSignal | undefined): Promise<void> {
    await this.#call('thread/compact/start', { threadId: this.id }, signal);
    this.presence.delivered.add(clientId);
    const now = this.#host.context.clock.now();
    this.#tell([{ kind: 'prompt', id: `prompt:${clientId}`, row: `prompt:${clientId}`, order: [now, 0], rev: rev.whole, at: now, turn: null, parent: null, text: '/compact', attachments: [], clientId }]);
  }

  #sendError(error: unknown): Error {
    if (error instanceof PilothouseError && error.code === 'rpc_error') return new PilothouseError('send_failed', `Codex did not take the prompt: ${error.message}`, { cause: error });
    return error instanceof Error ? error : new PilothouseError('send_failed', 'Codex did not take the prompt.', { cause: error });
  }

  async #endCommands(signal: AbortSignal | undefined): Promise<void> {
    await this.#host.server.call('thread/backgroundTerminals/clean', { threadId: this.id }, { timeoutMs: turnEndMs, signal }).catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      if (!isUnsupported(error)) this.#host.context.log.warn('commands of an interrupted turn could not be ended', { error: describeError(error) });
    });
  }

  async #set(change: { readonly model?: string; readonly mode?: string; readonly effort?: string }, known: boolean, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    if (!known) throw new PilothouseError('invalid_argument', `Codex does not offer ${Object.values(change)[0] ?? 'this'}. Choose one of those that are listed.`);
    await this.presence.set(change);
    this.controlsChanged();
    this.#host.changed(this.id);
  }

  async #call(method: string, params: JsonValue, signal: AbortSignal | undefined): Promise<JsonValue> {
    throwIfAborted(signal);
    try {
      return await this.#host.server.call(method, params, { signal });
    } catch (error) {
      if (isUnsupported(error)) throw new PilothouseError('unsupported', 'This version of Codex cannot do that. Update Codex.', { cause: error });
      if (error instanceof PilothouseError && error.code === 'rpc_error') throw new PilothouseError('codex_refused', `Codex refused: ${error.message}`, { cause: error });
      throw error;
    }
  }

  #tell(entries: readonly Entry[]): void {
    if (entries.length > 0) this.#listeners.emit({ type: 'entries', entries });
  }

  #within<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return waitFor(work, { clock: this.#host.context.clock, timeoutMs: callMs, signal, onTimeout: () => new PilothouseError('timeout', 'Codex did not answer in time. Try again, or stop the session.') });
  }
}
