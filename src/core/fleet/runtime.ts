import type { Decision, Disposable, ForkPoint, LiveEvent, Prompt, SessionBackend, SessionHandle, StopReport } from '../model/backend.ts';
import type { Clock, Leases, Logger } from '../model/context.ts';
import { describeError, PilothouseError } from '../model/errors.ts';
import type { Session, SessionControls, SessionKey, SystemId, Traits } from '../model/session.ts';
import { within } from '../session/deadline.ts';
import type { Outbox } from '../session/outbox.ts';
import { createOutbox } from '../session/outbox.ts';
import type { OutboxItem, Store, StoreChange } from '../session/store-api.ts';
import { SESSION_SCOPES } from '../session/store-api.ts';
import type { TranscriptView } from '../session/transcript-api.ts';
import { createTranscript } from '../session/transcript.ts';
import { Emitter } from '../transport/emitter.ts';
import { FollowStore } from './follow.ts';
import type { MailBody } from './mail.ts';
import { carryOut, carryOutAll, postMail } from './mail.ts';
import { SessionReach } from './reach.ts';
import { Reading } from './reading.ts';
import { retryable } from './retryable.ts';

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
  /** Set: the session is read only here. What would change or run something is refused with it, and nothing that waits is sent or done. */
  readonly refusal: PilothouseError | null;
  /** True while nothing can be sent until the person signs in to the connection: what is to be sent waits in the outbox. */
  readonly awaitsSignIn: () => boolean;
  /** Without contact (`away`) what is to be sent is tried on and on, and given up by the person alone. `lastAt`: when there was contact last, milliseconds since the epoch. */
  readonly contact: () => { readonly away: boolean; readonly lastAt: number | null };
  /** It begins to close and is not to be given out any more; the promise settles when it has closed. */
  readonly onClosing: (closed: Promise<void>) => void;
}

const CALL_DEADLINE_MS = 30_000;
/** An agent is started for it, and may read a long past. */
const FORK_DEADLINE_MS = 90_000;
const RELEASE_CHECK_MS = 5_000;
const END_DEADLINE_MS = 3_000;
const ASKED: StopReport = { step: 'interrupted', message: 'Asked the window that runs this session.' };

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
  /** What is asked of the session's machine beyond its agent. */
  readonly reach: SessionReach;
  private readonly options: RuntimeOptions;
  private readonly handle: SessionHandle;
  private readonly outbox: Outbox;
  private readonly follow: FollowStore;
  private readonly state: Emitter<void>;
  private readonly disposables: Disposable[] = [];
  private readonly abort = new AbortController();
  private holders = 0;
  private closing: Promise<void> | null = null;
  private quieting: Promise<void> | null = null;
  private releasing: { cancel(): void } | null = null;
  private role: 'this' | 'other' | 'nobody' = 'nobody';
  private serving: Promise<void> = Promise.resolve();
  private readonly reading: Reading;
  private turnStart: number | null = null;
  loading = true;

  static async create(options: RuntimeOptions): Promise<SessionRuntime> {
    // Taken before the view is read: what another window writes in between is then read twice rather than never.
    const mark = await options.store.mark(options.key).catch(() => 0);
    const transcript = await createTranscript({ store: options.store, session: options.key, log: options.log, clock: options.clock });
    const runtime = new SessionRuntime(options, transcript, mark);
    try {
      await runtime.start();
    } catch (error) {
      await runtime.close();
      throw error;
    }
    return runtime;
  }

  private constructor(options: RuntimeOptions, transcript: TranscriptView, mark: number) {
    this.options = options;
    this.key = options.key;
    this.connectionId = options.backend.connectionId;
    this.system = options.backend.system;
    this.traits = options.backend.traits;
    this.transcript = transcript;
    this.handle = options.backend.session(options.id);
    this.reach = new SessionReach(this.handle, transcript, (ms) => {
      this.requireRunning();
      return this.deadline(ms);
    });
    this.state = new Emitter((error) => options.log.error('a listener of a session failed', { error: describeError(error) }));
    this.follow = new FollowStore({ store: options.store, session: options.key, mark, take: (entries) => transcript.add(entries, { stored: true }), log: options.log, clock: options.clock });
    this.reading = new Reading({
      handle: this.handle, transcript, keep: options.store.keep(SESSION_SCOPES.history), key: options.key, clock: options.clock, log: options.log, signal: this.abort.signal,
      contact: options.contact, onFirstPage: () => this.loaded(),
    });
    this.outbox = createOutbox({
      store: options.store,
      session: options.key,
      log: options.log,
      clock: options.clock,
      send: (item, signal) => this.deliver(item, signal),
      mayLead: () => this.mayLead(),
      wasDelivered: (clientId) => this.wasDelivered(clientId),
      retryable, outOfReach: () => options.contact().away, repeatable: options.backend.traits.sendsOnce === true,
    });
  }

  /** True from when it begins to close: it takes nothing more, and its transcript stands still. */
  get isClosed(): boolean {
    return this.closing !== null;
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

  /** Holds it open; false when it is closing already. */
  retain(): boolean {
    if (this.isClosed) return false;
    this.holders += 1;
    return true;
  }

  /** Gives a hold back. It closes as soon as nobody holds it, no agent of it runs here and nothing waits in its outbox. */
  release(): void {
    this.holders -= 1;
    this.closeWhenIdle();
  }

  /** The fleet's record of the session changed. */
  sessionChanged(): void {
    if (this.isClosed) return;
    const session = this.options.session();
    const running = session !== null && (session.state === 'running' || session.state === 'waiting' || session.state === 'starting');
    if (running) this.turnStart ??= session.activity?.since ?? this.options.clock.now();
    else this.turnStart = null;
    this.outbox.turnRunning(running);
    this.reading.heard();
    void this.checkRole();
    this.state.emit();
  }

  /** Accepts a prompt: it is durable when this resolves, and on its way. */
  async send(prompt: Prompt, how: 'send' | 'queue' | 'steer'): Promise<void> {
    this.requireRunning();
    const session = this.options.session();
    if (session?.owner === 'foreign' && this.traits.takeOver !== true) {
      throw new PilothouseError('session_runs_elsewhere', `${session.ownerName ?? 'Another program'} runs this session: a second one would split it. Fork it to go on here.`, { personMustAct: true });
    }
    await this.outbox.enqueue({ text: prompt.text, attachments: prompt.attachments, steer: how === 'steer' && this.traits.steer });
  }

  async outboxEdit(clientId: string, text: string): Promise<void> {
    this.requireRunning();
    return this.outbox.edit(clientId, text);
  }

  async outboxDo(clientId: string, what: 'drop' | 'retry' | 'steer' | 'up' | 'down'): Promise<void> {
    this.requireRunning();
    switch (what) {
      case 'drop': return this.outbox.drop(clientId);
      case 'retry': return this.outbox.retry(clientId);
      case 'steer': return this.outbox.steer(clientId);
      case 'up': return this.outbox.move(clientId, -1);
      case 'down': return this.outbox.move(clientId, 1);
    }
  }

  /** Breaks the running turn off. `onStep` is told in a line what is tried next where the agent does not listen. */
  async interrupt(onStep: (message: string) => void = () => undefined): Promise<StopReport> {
    if (await this.passOn({ do: 'interrupt' })) return ASKED;
    return this.handle.interrupt({ ...this.deadline(), onStep });
  }

  async answer(requestId: string, decision: Decision): Promise<void> {
    if (await this.passOn({ do: 'answer', requestId, decision })) return;
    await this.handle.answer(requestId, decision, this.deadline());
  }

  async set(what: 'model' | 'mode' | 'effort', value: string): Promise<void> {
    if (await this.passOn({ do: 'set', what, value })) return;
    await carryOut({ do: 'set', what, value }, this.handle, () => this.deadline());
    this.state.emit();
  }

  async stop(): Promise<StopReport> {
    if (await this.passOn({ do: 'stop' })) return ASKED;
    return this.handle.stop(this.deadline());
  }

  resume(): Promise<void> {
    return this.handle.resume(this.deadline());
  }

  /** True where a fork can begin at an earlier prompt. */
  get forksAt(): boolean {
    return this.handle.forksAt === true;
  }

  fork(at?: ForkPoint): Promise<Session> {
    return this.handle.fork({ ...this.deadline(FORK_DEADLINE_MS), ...(at === undefined ? {} : { at }) });
  }

  /** What another process wrote to the store. */
  onStoreChange(change: StoreChange): void {
    if (this.isClosed) return;
    if (change.kind === 'entries') this.follow.poke();
    if (change.kind === 'outbox') void this.outbox.reload();
    if (change.kind === 'mail') this.serveMail();
    if (change.kind === 'session') void this.checkRole();
  }

  /** Sends nothing more; what the agent says is still taken. Part of closing a connection: its agents end between this and `close`. */
  quiet(): Promise<void> {
    this.quieting ??= Promise.resolve(this.outbox[Symbol.asyncDispose]());
    return this.quieting;
  }

  /** Resolves when everything is written and nothing of it runs any more. */
  close(): Promise<void> {
    if (this.closing === null) {
      const ended = Promise.withResolvers<void>();
      this.closing = ended.promise;
      this.options.onClosing(ended.promise);
      this.end().then(ended.resolve, ended.reject);
    }
    return this.closing;
  }

  private async end(): Promise<void> {
    this.abort.abort();
    this.releasing?.cancel();
    for (const each of this.disposables.splice(0)) each.dispose();
    this.follow.dispose();
    await this.quiet();
    await this.options.leases.release(`outbox:${this.options.id}`).catch(() => undefined);
    // Both were aborted: a system that does not listen to that is not waited for.
    await within(this.options.clock, END_DEADLINE_MS, 'Ending what a session was doing', Promise.all([this.serving, this.reading.done])).catch(() => undefined);
    await this.reading.end();
    await this.transcript.flush();
    await this.transcript[Symbol.asyncDispose]();
    this.state.emit();
    this.state.clear();
  }

  private async start(): Promise<void> {
    this.disposables.push(this.handle.live((event) => this.onLive(event)), this.outbox.onChange(() => this.state.emit()));
    this.follow.poke();
    await this.checkRole();
    this.readHistory();
    await this.outbox.start();
    this.sessionChanged();
    this.serveMail();
  }

  private closeWhenIdle(): void {
    this.releasing?.cancel();
    this.releasing = null;
    if (this.isClosed || this.holders > 0) return;
    // Where nothing runs or is sent, nothing is waited for: what waits is in the store.
    const busy = this.options.refusal === null && (this.options.session()?.owner === 'this' || this.outbox.items().some((item) => item.delivery !== 'failed'));
    if (busy) this.releasing = this.options.clock.setTimeout(() => this.closeWhenIdle(), RELEASE_CHECK_MS);
    else this.close().catch((error: unknown) => this.options.log.warn('a session could not be closed', { error: describeError(error) }));
  }

  /** There is contact: brings what the system's own record has beyond ours into the transcript, behind what is being read already, and sends what waits. Never rejects. */
  readHistory(): void {
    if (this.isClosed) return;
    this.outbox.poke();
    this.reading.begin();
  }

  /** Resolves when what is being read of the system's own record is here: what wants every row waits for it. */
  readonly historyRead = (): Promise<void> => this.reading.done;
  /** True where that could be read, all of it. */
  get isWhole(): boolean {
    return this.reading.isWhole;
  }

  /** As of when what is shown is known to be all that was said, milliseconds since the epoch; null while there is contact, and where nothing tells. */
  get asOf(): number | null {
    return this.options.contact().away ? this.reading.asOf() : null;
  }

  private loaded(): void {
    if (!this.loading || this.isClosed) return;
    this.loading = false;
    this.state.emit();
  }

  private onLive(event: LiveEvent): void {
    if (this.isClosed) return;
    if (event.type === 'entries') this.transcript.add(event.entries);
    if (event.type === 'delivered') this.outbox.delivered(event.clientId).catch((error: unknown) => this.options.log.warn('what became of a prompt could not be stored', { error: describeError(error) }));
    // Prompts of ours leave the outbox for the transcript; what is said and done changes no state.
    if (event.type !== 'entries' || event.entries.some((entry) => entry.kind === 'prompt')) this.state.emit();
  }

  private async checkRole(): Promise<void> {
    const role = await this.options.leases.holder(`session:${this.options.id}`).catch(() => 'nobody' as const);
    if (role === this.role || this.isClosed) return;
    const left = this.role === 'other';
    this.role = role;
    if (left) {
      // What the window that ran it did not get to store, the system's own record has.
      this.readHistory();
      this.serveMail();
    }
    if (role !== 'other') this.outbox.poke();
    this.state.emit();
  }

  /** Prompts of a session go out through the window that runs its agent, or, when none does, through the one that takes the lease. */
  private async mayLead(): Promise<boolean> {
    const closed = this.traits.goesOnFresh === true && this.options.session()?.state === 'stopped';
    if (this.options.refusal !== null || this.options.awaitsSignIn() || closed) return false;
    if ((await this.options.leases.holder(`session:${this.options.id}`)) === 'other') return false;
    return this.options.leases.acquire(`outbox:${this.options.id}`);
  }

  /** Whether a prompt that a crash caught on its way has arrived: the transcript tells, once the system's own record was read. */
  private async wasDelivered(clientId: string): Promise<'yes' | 'unknown'> {
    await this.reading.firstPage;
    const found = this.transcript.tail.some((row) => row.kind === 'prompt' && row.clientId === clientId);
    return found ? 'yes' : 'unknown';
  }

  private async deliver(item: OutboxItem, signal: AbortSignal): Promise<void> {
    const steer = item.steer && this.options.session()?.state === 'running';
    try {
      await this.handle.send({ text: item.text, attachments: item.attachments }, item.clientId, { steer, signal });
    } catch (error) {
      // Refused for the sign-in alone: it goes out when the person has signed in again.
      if (this.options.awaitsSignIn()) throw new PilothouseError('awaits_sign_in', 'Sign in to the connection of this session: then it is sent.', { cause: error });
      throw error;
    }
  }

  /** Hands a request to the window that runs the session; false when this window should do it itself. */
  private async passOn(body: MailBody): Promise<boolean> {
    this.requireRunning();
    await this.checkRole();
    if (this.role !== 'other') return false;
    await postMail(this.options.store, this.options.clock, this.key, body);
    return true;
  }

  private requireRunning(): void {
    if (this.options.refusal !== null) throw this.options.refusal;
  }

  private serveMail(): void {
    this.serving = this.serving.then(() => this.takeMail()).catch((error: unknown) => {
      this.options.log.warn('a request of another window failed', { error: describeError(error) });
    });
  }

  private async takeMail(): Promise<void> {
    if (this.isClosed || this.options.refusal !== null) return;
    const holder = await this.options.leases.holder(`session:${this.options.id}`);
    if (holder === 'other') return;
    const { store, clock, log } = this.options;
    await carryOutAll(await store.takeMail(this.key), { now: clock.now(), runs: holder === 'this', handle: this.handle, log, deadline: () => this.deadline() });
  }

  private deadline(ms = CALL_DEADLINE_MS): { signal: AbortSignal } {
    return { signal: AbortSignal.any([this.abort.signal, AbortSignal.timeout(ms)]) };
  }
}
