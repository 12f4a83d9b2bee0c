import type { Decision, Disposable, LiveEvent, Prompt, SessionBackend, SessionHandle, StopReport } from '../model/backend.ts';
import type { Clock, Leases, Logger } from '../model/context.ts';
import { describeError, PilothouseError } from '../model/errors.ts';
import type { JsonValue } from '../model/json.ts';
import { isJsonObject } from '../model/json.ts';
import type { Session, SessionControls, SessionKey, SystemId, Traits } from '../model/session.ts';
import type { Outbox } from '../session/outbox.ts';
import { createOutbox } from '../session/outbox.ts';
import type { OutboxItem, Store, StoreChange } from '../session/store-api.ts';
import type { TranscriptView } from '../session/transcript-api.ts';
import { createTranscript } from '../session/transcript.ts';
import { Emitter } from '../transport/emitter.ts';
import { FollowStore } from './follow.ts';
import { importHistory } from './history.ts';
import type { MailBody } from './mail.ts';
import { readMail } from './mail.ts';

export interface RuntimeOptions {
  readonly key: SessionKey;
  readonly id: string;
  readonly store: Store;
  readonly log: Logger;
  readonly clock: Clock;
  readonly backend: SessionBackend;
  readonly leases: Leases;
  /** The session as the fleet knows it now. */
  readonly session: () => Session | null;
  readonly onClosed: () => void;
}

const CALL_DEADLINE_MS = 30_000;
const RELEASE_CHECK_MS = 5_000;

/**
 * One session in use: its transcript, its outbox and its live events. It exists while a chat shows the session, while its agent runs in this
 * window, or while prompts wait in its outbox. In a window that does not run the agent it follows the store and passes requests on by mail.
 */
export class SessionRuntime {
  readonly key: SessionKey;
  readonly connectionId: string;
  readonly system: SystemId;
  readonly traits: Traits;
  readonly transcript: TranscriptView;
  private readonly options: RuntimeOptions;
  private readonly handle: SessionHandle;
  private readonly outbox: Outbox;
  private readonly follow: FollowStore;
  private readonly state: Emitter<void>;
  private readonly disposables: Disposable[] = [];
  private readonly abort = new AbortController();
  private holders = 0;
  private closed = false;
  private role: 'this' | 'other' | 'nobody' = 'nobody';
  private serving: Promise<void> = Promise.resolve();
  private turnStart: number | null = null;
  private readonly firstPage = Promise.withResolvers<void>();
  loading = true;

  static async create(options: RuntimeOptions): Promise<SessionRuntime> {
    const transcript = await createTranscript({ store: options.store, session: options.key, log: options.log, clock: options.clock });
    const runtime = new SessionRuntime(options, transcript);
    await runtime.start();
    return runtime;
  }

  private constructor(options: RuntimeOptions, transcript: TranscriptView) {
    this.options = options;
    this.key = options.key;
    this.connectionId = options.backend.connectionId;
    this.system = options.backend.system;
    this.traits = options.backend.traits;
    this.transcript = transcript;
    this.handle = options.backend.session(options.id);
    this.state = new Emitter((error) => options.log.error('a listener of a session failed', { error: describeError(error) }));
    this.follow = new FollowStore(options.store, options.key, (entries) => transcript.add(entries, { stored: true }), options.log);
    this.outbox = createOutbox({
      store: options.store,
      session: options.key,
      log: options.log,
      clock: options.clock,
      send: (item, signal) => this.deliver(item, signal),
      mayLead: () => this.mayLead(),
      wasDelivered: (clientId) => this.wasDelivered(clientId),
      retryable: (error) => !(error instanceof PilothouseError) || !(error.personMustAct || PERMANENT.has(error.code)),
    });
  }

  /** When the running turn started, milliseconds since the epoch; null when none runs. */
  get turnStartedAt(): number | null {
    return this.turnStart;
  }

  /** True while another window runs the agent of this session. */
  get followsWindow(): boolean {
    return this.role === 'other';
  }

  onState(listener: () => void): Disposable {
    return this.state.on(listener);
  }

  controls(): SessionControls {
    return this.handle.controls();
  }

  outboxItems(): readonly OutboxItem[] {
    return this.outbox.items();
  }

  retain(): void {
    this.holders += 1;
  }

  release(): void {
    this.holders -= 1;
    this.releaseWhenIdle(false);
  }

  /** Closes the runtime as soon as nobody holds it, no agent of it runs here and nothing waits in its outbox. `own` gives a hold back first. */
  releaseWhenIdle(own = true): void {
    if (own) this.holders -= 1;
    if (this.closed || this.holders > 0) return;
    const busy = this.options.session()?.owner === 'this' || this.outbox.items().some((item) => item.delivery !== 'failed');
    if (busy) {
      const timer = this.options.clock.setTimeout(() => this.releaseWhenIdle(false), RELEASE_CHECK_MS);
      this.disposables.push({ dispose: () => timer.cancel() });
      return;
    }
    void this.close().catch((error: unknown) => this.options.log.warn('a session could not be closed', { error: describeError(error) }));
  }

  /** The fleet's record of the session changed. */
  sessionChanged(): void {
    const session = this.options.session();
    const running = session !== null && (session.state === 'running' || session.state === 'waiting' || session.state === 'starting');
    if (running) this.turnStart ??= session.activity?.since ?? this.options.clock.now();
    else this.turnStart = null;
    this.outbox.turnRunning(running);
    void this.checkRole();
    this.state.emit();
  }

  /** Accepts a prompt: it is durable when this resolves, and on its way. */
  async send(prompt: Prompt, how: 'send' | 'queue' | 'steer'): Promise<void> {
    const session = this.options.session();
    if (session?.owner === 'foreign') {
      throw new PilothouseError('session_runs_elsewhere', `${session.ownerName ?? 'Another program'} runs this session: a second one would split it. Fork it to go on here.`, { personMustAct: true });
    }
    await this.outbox.enqueue({ text: prompt.text, attachments: prompt.attachments, steer: how === 'steer' && this.traits.steer });
  }

  outboxEdit(clientId: string, text: string): Promise<void> {
    return this.outbox.edit(clientId, text);
  }

  async outboxDo(clientId: string, what: 'drop' | 'retry' | 'steer' | 'up' | 'down'): Promise<void> {
    switch (what) {
      case 'drop': return this.outbox.drop(clientId);
      case 'retry': return this.outbox.retry(clientId);
      case 'steer': return this.outbox.steer(clientId);
      case 'up': return this.outbox.move(clientId, -1);
      case 'down': return this.outbox.move(clientId, 1);
    }
  }

  async interrupt(): Promise<StopReport> {
    if (await this.passOn({ do: 'interrupt' })) return { step: 'interrupted', message: 'Asked the window that runs this session.' };
    return this.handle.interrupt(this.deadline());
  }

  async answer(requestId: string, decision: Decision): Promise<void> {
    if (await this.passOn({ do: 'answer', requestId, decision })) return;
    await this.handle.answer(requestId, decision, this.deadline());
  }

  async set(what: 'model' | 'mode' | 'effort', value: string): Promise<void> {
    if (await this.passOn({ do: 'set', what, value })) return;
    await this.setHere(what, value);
    this.state.emit();
  }

  async stop(): Promise<StopReport> {
    if (await this.passOn({ do: 'stop' })) return { step: 'interrupted', message: 'Asked the window that runs this session.' };
    return this.handle.stop(this.deadline());
  }

  resume(): Promise<void> {
    return this.handle.resume(this.deadline());
  }

  fork(): Promise<Session> {
    return this.handle.fork(this.deadline());
  }

  /** What another process wrote to the store. */
  onStoreChange(change: StoreChange): void {
    if (this.closed) return;
    if (change.kind === 'entries') this.follow.poke();
    if (change.kind === 'outbox') void this.outbox.reload();
    if (change.kind === 'mail') this.serveMail();
    if (change.kind === 'session') void this.checkRole();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.options.onClosed();
    this.abort.abort();
    for (const each of this.disposables.splice(0)) each.dispose();
    this.follow.dispose();
    this.firstPage.resolve();
    await this.outbox[Symbol.asyncDispose]();
    await this.options.leases.release(`outbox:${this.options.id}`).catch(() => undefined);
    await this.serving.catch(() => undefined);
    await this.transcript.flush();
    await this.transcript[Symbol.asyncDispose]();
    this.state.clear();
  }

  private async start(): Promise<void> {
    this.disposables.push(this.handle.live((event) => this.onLive(event)), this.outbox.onChange(() => this.state.emit()));
    await this.follow.start();
    await this.checkRole();
    await this.outbox.start();
    this.sessionChanged();
    this.serveMail();
    void importHistory({ handle: this.handle, transcript: this.transcript, keep: this.options.store.keep('history'), key: this.key, signal: this.abort.signal, onFirstPage: () => this.loaded() })
      .catch((error: unknown) => {
        if (!this.abort.signal.aborted) this.options.log.warn('the history of a session could not be read', { error: describeError(error) });
      })
      .finally(() => this.loaded());
  }

  private loaded(): void {
    this.firstPage.resolve();
    if (!this.loading) return;
    this.loading = false;
    this.state.emit();
  }

  private onLive(event: LiveEvent): void {
    if (this.closed) return;
    if (event.type === 'entries') this.transcript.add(event.entries);
    else this.state.emit();
  }

  private async checkRole(): Promise<void> {
    const role = await this.options.leases.holder(`session:${this.options.id}`).catch(() => 'nobody' as const);
    if (role === this.role) return;
    this.role = role;
    if (role !== 'other') this.outbox.poke();
    this.state.emit();
  }

  /** Prompts of a session go out through the window that runs its agent, or, when none does, through the one that takes the lease. */
  private async mayLead(): Promise<boolean> {
    if ((await this.options.leases.holder(`session:${this.options.id}`)) === 'other') return false;
    return this.options.leases.acquire(`outbox:${this.options.id}`);
  }

  /** Whether a prompt that a crash caught on its way has arrived: the transcript tells, once the system's own record was read. */
  private async wasDelivered(clientId: string): Promise<'yes' | 'unknown'> {
    await this.firstPage.promise;
    const found = this.transcript.tail.some((row) => row.kind === 'prompt' && row.clientId === clientId);
    return found ? 'yes' : 'unknown';
  }

  private async deliver(item: OutboxItem, signal: AbortSignal): Promise<void> {
    const steer = item.steer && this.options.session()?.state === 'running';
    await this.handle.send({ text: item.text, attachments: item.attachments }, item.clientId, { steer, signal });
  }

  /** Hands a request to the window that runs the session; false when this window should do it itself. */
  private async passOn(body: MailBody): Promise<boolean> {
    await this.checkRole();
    if (this.role !== 'other') return false;
    await this.options.store.post({ id: crypto.randomUUID(), session: this.key, body: body as unknown as JsonValue, createdAt: this.options.clock.now() });
    return true;
  }

  private serveMail(): void {
    this.serving = this.serving.then(() => this.takeMail()).catch((error: unknown) => {
      this.options.log.warn('a request of another window failed', { error: describeError(error) });
    });
  }

  private async takeMail(): Promise<void> {
    if (this.closed || (await this.options.leases.holder(`session:${this.options.id}`)) !== 'this') return;
    for (const mail of await this.options.store.takeMail(this.key)) {
      const body = isJsonObject(mail.body) ? readMail(mail.body) : null;
      if (body === null) continue;
      try {
        await this.doMail(body);
      } catch (error) {
        this.options.log.warn('a request of another window could not be done', { do: body.do, error: describeError(error) });
      }
    }
  }

  private async doMail(body: MailBody): Promise<void> {
    switch (body.do) {
      case 'interrupt':
        await this.handle.interrupt(this.deadline());
        return;
      case 'stop':
        await this.handle.stop(this.deadline());
        return;
      case 'answer':
        await this.handle.answer(body.requestId, body.decision, this.deadline());
        return;
      case 'set':
        await this.setHere(body.what, body.value);
    }
  }

  private async setHere(what: 'model' | 'mode' | 'effort', value: string): Promise<void> {
    if (what === 'model') await this.handle.setModel(value, this.deadline());
    else if (what === 'mode') await this.handle.setMode(value, this.deadline());
    else await this.handle.setEffort(value, this.deadline());
  }

  private deadline(): { signal: AbortSignal } {
    return { signal: AbortSignal.any([this.abort.signal, AbortSignal.timeout(CALL_DEADLINE_MS)]) };
  }
}

/** Failures that trying again does not mend. */
const PERMANENT = new Set([
  'invalid_argument', 'session_runs_elsewhere', 'session_not_found', 'not_installed', 'unsupported', 'folder_missing', 'transcript_missing', 'transcript_packed', 'prompt_refused',
  'program_missing', 'program_not_executable', 'needs_sign_in', 'load_failed',
]);
