import type { CallOptions, Decision, Disposable, InterruptOptions, LiveEvent, Page, Prompt, SessionHandle, StopReport } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { Session, SessionControls, SessionOwner, SessionState } from '../../../model/session.ts';
import { Emitter } from '../../../transport/emitter.ts';
import type { ProcessExit } from '../process.ts';
import type { RpcId } from '../rpc.ts';
import { throwIfAborted } from '../wait.ts';
import { Conversation } from './conversation.ts';
import type { Routed, SessionHost } from './host.ts';
import type { Link } from './link.ts';
import { wordsOf } from './outcome.ts';
import { Presence } from './presence.ts';
import { oneLine } from './read.ts';
import type { SessionRecord } from './records.ts';
import { rememberedPrompts } from './records.ts';

/** One session of an ACP agent, loaded in its program or not. */
export class AcpSession implements SessionHandle, Routed {
  readonly id: string;
  readonly presence: Presence;
  private readonly host: SessionHost;
  private readonly conversation: Conversation;
  private readonly listeners: Emitter<LiveEvent>;
  private readonly sends = new Map<string, Promise<void>>();

  constructor(id: string, host: SessionHost) {
    this.id = id;
    this.host = host;
    this.listeners = new Emitter((error) => host.context.log.error('a listener of a session failed', { error: describeError(error) }));
    this.conversation = new Conversation(id, host, () => this.presence.record?.folder ?? '', {
      entries: (entries) => this.tell(entries),
      state: () => this.stateChanged(),
      taken: (clientId, text) => this.onTaken(clientId, text),
      ended: (end) => this.note(() => ({ updatedAt: this.now(), state: end.state === 'failed' ? 'failed' : 'idle', error: end.error })),
      controls: () => this.controlsChanged(),
      title: (title) => this.note((record) => (record.titleBy === 'person' ? {} : { title: oneLine(title), titleBy: 'agent' })),
    });
    this.presence = new Presence(this, host, {
      loaded: (result) => {
        this.conversation.pickers.take(result);
        this.controlsChanged();
      },
      contextLost: () => this.conversation.notice('warning', 'context_lost', `${host.label} cannot bring a session back: it goes on without remembering what was said before.`, 'Tell it again what it needs to know.'),
      changed: () => this.stateChanged(),
    });
  }

  get link(): Link | null {
    return this.presence.link;
  }

  get running(): boolean {
    return this.conversation.turn !== null;
  }

  /** As the list shows it; null where nothing is known of it. */
  describe(): Session | null {
    const { conversation } = this;
    const { record, removed } = this.presence;
    if (record === null || removed) return null;
    const { context, label } = this.host;
    const owner: SessionOwner = this.link === null ? this.presence.owner : 'this';
    return {
      id: this.id, connectionId: context.connectionId, machineId: 'this-computer', folder: record.folder, agent: label, title: record.title, state: this.state(record),
      createdAt: record.createdAt, updatedAt: record.updatedAt, archived: record.archived, owner, ownerName: owner === 'this' ? null : this.presence.ownerName, branch: null,
      activity: conversation.activity, usage: conversation.usage, model: this.controls().model, waiting: conversation.asks.waiting, error: this.link === null ? record.error : conversation.error,
    };
  }

  async history(page: { readonly cursor?: string; readonly limit: number; readonly stored?: number } & CallOptions): Promise<Page<Entry>> {
    throwIfAborted(page.signal);
    const { presence } = this;
    if (page.cursor === undefined) await presence.ensurePast(page.stored, page.signal);
    else await presence.need();
    const entries = presence.past ?? [];
    const end = page.cursor === undefined ? entries.length : Number.parseInt(page.cursor, 10);
    if (!Number.isInteger(end) || end < 0 || end > entries.length) throw new PilothouseError('invalid_argument', 'This is not a cursor of this session. Read its history from the start.');
    const start = Math.max(0, end - Math.max(1, page.limit));
    if (start === 0 && presence.past !== null) {
      presence.past = null;
      await this.host.records.change(this.id, () => ({ rows: true }));
    }
    const unfinished = page.cursor === undefined && !this.running && (await presence.elsewhere()) === null ? await this.conversation.unfinished.read() : [];
    return { items: [...entries.slice(start, end), ...unfinished], next: start === 0 ? null : String(start) };
  }

  live(listener: (event: LiveEvent) => void): Disposable {
    return this.listeners.on(listener);
  }

  controls(): SessionControls {
    return this.conversation.pickers.controls();
  }

  async send(prompt: Prompt, clientId: string, options: { readonly steer?: boolean } & CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    if (prompt.text.trim() === '' && prompt.attachments.length === 0) throw new PilothouseError('invalid_argument', 'There is nothing to send. Write something first.');
    let work = this.sends.get(clientId);
    if (work === undefined) {
      work = this.deliver(prompt, clientId, options.steer ?? false, options.signal).finally(() => this.sends.delete(clientId));
      this.sends.set(clientId, work);
    }
    await this.presence.within(work, options.signal);
  }

  interrupt(options: InterruptOptions = {}): Promise<StopReport> {
    return this.conversation.interrupt(this.link, this.presence.agentId, !this.host.others(this).running, options);
  }

  async answer(requestId: string, decision: Decision, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    this.conversation.answer(requestId, decision);
  }

  setModel(id: string, options: CallOptions = {}): Promise<void> {
    return this.set('model', id, options.signal);
  }
  setMode(id: string, options: CallOptions = {}): Promise<void> {
    return this.set('mode', id, options.signal);
  }
  setEffort(id: string, options: CallOptions = {}): Promise<void> {
    return this.set('effort', id, options.signal);
  }

  async rename(title: string, options: CallOptions = {}): Promise<void> {
    const name = oneLine(title);
    if (name === '') throw new PilothouseError('invalid_argument', 'A title needs at least one character.');
    await this.presence.need();
    throwIfAborted(options.signal);
    const { link } = this;
    if (link?.facts.title === true) await link.extra('session/set_title', { sessionId: this.presence.agentId, title: name }, { signal: options.signal });
    await this.host.records.change(this.id, () => ({ title: name, titleBy: 'person' }));
    this.stateChanged();
  }

  async archive(archived: boolean, options: CallOptions = {}): Promise<void> {
    await this.presence.need();
    throwIfAborted(options.signal);
    await this.host.records.change(this.id, () => ({ archived }));
    this.stateChanged();
  }

  /**
   * Ends the running turn and the session in the agent, and the agent's program with it where no other session is loaded there, or where it does not
   * listen any more.
   */
  async stop(options: CallOptions = {}): Promise<StopReport> {
    await this.presence.need();
    throwIfAborted(options.signal);
    const { link } = this;
    let report: StopReport = { step: 'nothing-to-stop', message: 'Its agent was not running.' };
    if (link !== null) {
      let alone = this.host.others(this).loaded === 0;
      if (this.running) {
        report = await this.conversation.interrupt(link, this.presence.agentId, alone, options).catch((error: unknown) => {
          if (!(error instanceof PilothouseError) || error.code !== 'interrupt_unanswered') throw error;
          alone = true;
          return report;
        });
      }
      await this.conversation.close();
      report = alone ? await this.host.endLink() : await this.closeIn(link, report);
    }
    // A prompt that waited for the end of the program may have claimed the session and be starting it: that start is not what was stopped.
    if (link !== null || !this.presence.starting) await this.presence.unload(link);
    if (this.link === null && !this.presence.starting) await this.host.records.change(this.id, () => ({ stopped: true, state: 'idle' }));
    this.stateChanged();
    return report;
  }

  async resume(options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    await this.presence.need();
    await this.presence.activate(options);
  }

  async fork(options: CallOptions = {}): Promise<Session> {
    throwIfAborted(options.signal);
    const record = await this.presence.need();
    const link = await this.presence.activate(options);
    if (!link.facts.fork) throw new PilothouseError('unsupported', `${this.host.label} cannot fork sessions.`);
    return this.host.fork(record, link, options.signal);
  }

  async removalPreview(options: CallOptions = {}): Promise<readonly string[]> {
    await this.presence.need();
    throwIfAborted(options.signal);
    // ACP does not say where an agent keeps a session.
    return [];
  }

  async remove(options: CallOptions = {}): Promise<void> {
    await this.presence.need();
    throwIfAborted(options.signal);
    const agentId = this.presence.agentId;
    const link = await this.presence.within(this.host.connectLink(), options.signal);
    if (link.facts.list && !link.facts.delete) throw new PilothouseError('unsupported', `${this.host.label} cannot delete sessions. Archive it instead.`);
    await this.presence.own();
    if (this.running) await this.conversation.interrupt(this.link, agentId, !this.host.others(this).running, options);
    await this.conversation.close();
    if (this.link !== null) await this.closeIn(link, { step: 'nothing-to-stop', message: '' });
    if (link.facts.delete) {
      await link.call('session/delete', { sessionId: agentId }).catch((error: unknown) => {
        throw new PilothouseError('remove_failed', `The agent did not delete the session: ${wordsOf(error)}`, { cause: error });
      });
    }
    this.presence.removed = true;
    await this.presence.unload(this.link);
    await this.host.records.remove(this.id);
    this.host.gone(this);
    this.listeners.clear();
  }

  // What the connection hands on.

  onUpdate(update: JsonValue | undefined): void {
    if (!this.presence.replayed(update)) this.conversation.update(update);
  }
  onRequest(method: string, params: JsonObject, rpcId: RpcId, link: Link): void {
    this.conversation.request(method, params, rpcId, link);
  }
  onWithdrawn(rpcId: RpcId, link: Link): void {
    this.conversation.withdrawn(rpcId, link);
  }
  onExit(exit: ProcessExit, link: Link): void {
    if (this.link !== link) return;
    this.conversation.died(exit);
    void this.presence.unload(link);
    this.stateChanged();
  }

  /** Gives it up, for an agent that is idle or a host that closes. The program itself is ended by the connection. */
  async release(): Promise<void> {
    const { link } = this;
    await this.conversation.close();
    await this.presence.unload(link);
    this.stateChanged();
  }

  private state(record: SessionRecord): SessionState {
    if (this.presence.starting && !this.running) return 'starting';
    if (this.running) return this.conversation.asks.waiting.length > 0 ? 'waiting' : 'running';
    if (this.link === null && this.presence.owner === 'foreign') return 'unknown';
    if (this.link === null && this.presence.owner === 'window') return record.state;
    if (this.conversation.error !== null || record.state === 'failed') return 'failed';
    return record.stopped ? 'stopped' : 'idle';
  }

  private async deliver(prompt: Prompt, clientId: string, steer: boolean, signal: AbortSignal | undefined): Promise<void> {
    const record = await this.presence.need();
    if (record.sent.includes(clientId)) return;
    if (this.running) {
      if (!steer || this.link?.facts.steer !== true) throw new PilothouseError('turn_running', 'A turn is running. Send this when it has ended, or interrupt it.');
      if (await this.conversation.steer(this.link, this.presence.agentId, prompt, clientId)) {
        await this.host.records.change(this.id, (one) => ({ sent: [...one.sent, clientId].slice(-rememberedPrompts) }));
        return;
      }
    }
    // A program of ours that ended between writing the prompt and noting it: only the agent can tell whether it has it.
    const doubtful = record.sending === clientId;
    const link = await this.presence.activate({ replay: doubtful });
    throwIfAborted(signal);
    if (doubtful && this.presence.lastPrompt?.trim() === prompt.text.trim()) {
      await this.host.records.change(this.id, (one) => ({ sending: null, sent: [...one.sent, clientId].slice(-rememberedPrompts) }));
      return;
    }
    await this.host.records.change(this.id, () => ({ sending: clientId, stopped: false, state: 'running', error: null }));
    try {
      await this.conversation.begin(link, this.presence.agentId, prompt, clientId);
    } catch (error) {
      await this.host.records.change(this.id, (one) => ({ sending: one.sending === clientId ? null : one.sending, state: 'idle' }));
      if (error instanceof PilothouseError && error.code === 'session_not_found') await this.presence.unload(link);
      throw error;
    }
  }

  private async set(picker: 'model' | 'mode' | 'effort', id: string, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    const link = await this.presence.activate(signal === undefined ? {} : { signal });
    const { pickers } = this.conversation;
    const { method, params } = pickers.set(picker, id, this.presence.agentId);
    const result = await link.extra(method, params, { signal }).catch((error: unknown) => {
      throw new PilothouseError('setting_refused', `The agent did not take the ${picker}: ${wordsOf(error)}`, { cause: error });
    });
    pickers.take(result);
    pickers.wasSet(picker, id);
    this.controlsChanged();
    this.stateChanged();
  }

  private async closeIn(link: Link, report: StopReport): Promise<StopReport> {
    if (!link.facts.close) return report;
    await link.call('session/close', { sessionId: this.presence.agentId }).catch((error: unknown) => this.host.context.log.debug('a session was not closed', { error: wordsOf(error) }));
    return report.step === 'nothing-to-stop' ? { step: 'interrupted', message: 'The agent closed the session. Its program goes on for the other sessions.' } : report;
  }

  private onTaken(clientId: string, text: string): void {
    const title = oneLine(text, 80);
    this.note((record) => ({
      sending: record.sending === clientId ? null : record.sending, sent: [...record.sent, clientId].slice(-rememberedPrompts), rows: true, updatedAt: this.now(), state: 'running',
      ...(record.titleBy === 'nobody' && title !== '' ? { title, titleBy: 'prompt' as const } : {}),
    }));
  }

  /** Changes the record without anybody waiting for it. */
  private note(change: (record: SessionRecord) => Partial<SessionRecord>): void {
    this.host.records.change(this.id, change).catch((error: unknown) => this.host.context.log.error('a session record could not be kept', { error: describeError(error) }));
    this.stateChanged();
  }

  private tell(entries: readonly Entry[]): void {
    if (entries.length > 0) this.listeners.emit({ type: 'entries', entries });
  }

  private controlsChanged(): void {
    const controls = this.controls();
    this.host.rememberControls(controls);
    this.listeners.emit({ type: 'controls', controls });
  }

  private stateChanged(): void {
    if (!this.presence.removed) this.host.changed(this);
  }

  private now(): number {
    return this.host.context.clock.now();
  }
}
