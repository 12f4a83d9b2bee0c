import type { CallOptions, Decision, Disposable, ForkPoint, InterruptOptions, LiveEvent, Page, Prompt, SessionHandle, StopReport } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError, isAbort, PilothouseError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { Session, SessionControls } from '../../../model/session.ts';
import { UNTITLED } from '../../../model/session.ts';
import { waitingOf } from '../../../model/whole.ts';
import { sleep } from '../../../transport/clock.ts';
import { Emitter } from '../../../transport/emitter.ts';
import { thisComputerId } from '../machine.ts';
import { moveToTrash } from '../trash.ts';
import { throwIfAborted } from '../wait.ts';
import { ControlRefused } from './control.ts';
import { controlsOf } from './controls.ts';
import type { Desk } from './desk.ts';
import { leaseOf, notFound, quietly } from './desk.ts';
import type { Facts, TranscriptFile } from './files.ts';
import { findTranscript, transcriptAt } from './files.ts';
import { forkStart } from './forkPoint.ts';
import { Following } from './following.ts';
import { Life, stateOf } from './life.ts';
import { noFigures, promptOf } from './normalise.ts';
import { historyPage } from './pages.ts';
import { answerOf } from './permissions.ts';
import type { Presence } from './presence.ts';
import { PresenceWatch } from './presence.ts';
import type { SessionRecord } from './records.ts';
import { emptyRecord } from './records.ts';
import type { Runner } from './runners.ts';
import { holdsUuid, removalFiles } from './removal.ts';

/** How long a transcript is waited for that the agent must have begun, in milliseconds. */
const savedMs = 3000;

interface Found {
  readonly record: SessionRecord;
  readonly file: TranscriptFile | null;
  readonly facts: Facts | null;
}

/** One session of Claude Code. */
export class ClaudeSession implements SessionHandle {
  readonly id: string;
  readonly forksAt = true;
  readonly life: Life;
  readonly #desk: Desk;
  readonly #presence: PresenceWatch;
  readonly #live: Emitter<LiveEvent>;
  readonly #sends = new Map<string, Promise<void>>();
  #record: SessionRecord | null = null;
  #path: string | null = null;
  #last: { readonly file: TranscriptFile; readonly facts: Facts | null } | null = null;
  #leftSize: number | null = null;
  #title: string | null = null;
  #seen: Presence = { owner: 'nobody', name: null, busy: null };
  readonly #following: Following;

  constructor(desk: Desk, id: string) {
    this.id = id;
    this.#desk = desk;
    this.#presence = new PresenceWatch(desk, id);
    this.#live = new Emitter((error) => desk.context.log.error('a listener of a session failed', { session: id, error: describeError(error) }));
    this.life = new Life(desk, id, {
      record: async () => (await this.#find()).record,
      file: () => this.#transcript(),
      entries: (entries) => this.#live.emit({ type: 'entries', entries }),
      changed: () => desk.changed(id),
      mode: (mode) => {
        if (this.#record?.mode !== mode) void quietly(desk, id, this.#keepSetting({ mode }));
      },
      title: (title) => {
        this.#title = title;
      },
      turnEnded: () => void quietly(desk, id, this.#settle()),
      starting: () => quietly(desk, id, this.#following.catchUp()),
      exited: (ready) => this.#leave(ready),
      leftAs: (size) => size === this.#leftSize,
    });
    this.#following = new Following({
      clock: desk.context.clock,
      find: async () => {
        const found = await this.#transcript();
        return found === null ? null : { path: found.file.path, size: found.file.size, folder: found.facts?.folder ?? '/' };
      },
      ours: () => this.life.alive,
      theirs: async () => (await desk.context.leases.holder(leaseOf(id))) === 'other',
      tell: (entries) => this.#live.emit({ type: 'entries', entries }),
      changed: () => desk.changed(id),
      quietly: (work) => quietly(desk, id, work),
    });
  }

  /** Makes this a session of which only we know yet. */
  async adopt(record: SessionRecord): Promise<void> {
    this.#record = record;
    await this.#desk.records.set(this.id, record);
  }

  /** The session as it is now; null when there is none. Reads nothing of a transcript that our own process is just writing. */
  async look(): Promise<Session | null> {
    const writing = this.life.agent?.reader.running === true;
    const known = writing ? this.#last : null;
    const file = known?.file ?? (await this.#transcript())?.file ?? null;
    return this.describe({ file, runners: this.life.alive ? new Map() : await this.#desk.runners(), ...(known === null ? {} : { facts: known.facts }) });
  }

  /** The session as the list shows it, from what was listed just now; null when there is none. */
  async describe(known: { readonly file: TranscriptFile | null; readonly runners: ReadonlyMap<string, Runner>; readonly facts?: Facts | null }): Promise<Session | null> {
    const record = (this.#record ??= await this.#desk.records.get(this.id));
    const facts = known.facts ?? (known.file === null ? null : await this.#desk.facts.of(known.file));
    if (facts === null && (record === null || record.folder === null)) return null;
    if (known.file !== null) {
      this.#path = known.file.path;
      this.#last = { file: known.file, facts };
    }
    this.#seen = await this.#presence.look(this.life.alive, known.file, known.runners);
    const agent = this.life.agent;
    const reader = agent?.reader ?? null;
    const waiting = (reader?.asks ?? []).map((ask) => waitingOf(ask.entry, ask.entry.cwd ?? '', ask.askedAt));
    const state = stateOf(this.life, this.#seen, facts?.turnOpen === true);
    const createdAt = facts?.createdAt ?? record?.createdAt ?? 0;
    const kept = facts === null ? null : { ...noFigures, contextTokens: facts.contextTokens, costUsd: facts.costUsd };
    return {
      id: this.id, connectionId: this.#desk.context.connectionId, machineId: thisComputerId, folder: facts?.folder ?? record?.folder ?? '', agent: 'claude',
      title: record?.title ?? this.#title ?? facts?.title ?? UNTITLED, state, createdAt, updatedAt: known.file?.changedAt ?? createdAt, archived: record?.archived ?? false,
      owner: this.#seen.owner, ownerName: this.#seen.name, branch: facts?.branch ?? null, activity: reader?.activity ?? null, usage: reader?.usage ?? kept,
      model: reader?.model ?? facts?.model ?? null, waiting, error: state === 'failed' ? this.life.failure : null, ...(reader?.limit == null ? {} : { limit: reader.limit }),
    };
  }

  async history(page: { readonly cursor?: string; readonly limit: number } & CallOptions): Promise<Page<Entry>> {
    throwIfAborted(page.signal);
    const { record, file, facts } = await this.#find();
    if (page.cursor === undefined) this.#following.reads(file?.size ?? 0);
    const dead = !this.life.alive && this.#seen.owner !== 'foreign' && this.#seen.owner !== 'window';
    if (file !== null) return historyPage(file.path, facts?.folder ?? record.folder ?? '/', page, dead);
    const source = record.fork === null ? null : await findTranscript(this.#desk.configDir, record.fork.from, record.folder);
    if (source === null || record.fork === null) return { items: [], next: null };
    return historyPage(source.path, record.folder ?? '/', { ...page, cursor: page.cursor ?? String(record.fork.size) }, true);
  }

  live(listener: (event: LiveEvent) => void): Disposable {
    const heard = this.#live.on(listener);
    void quietly(this.#desk, this.id, this.#find().then(() => this.#tellControls()));
    this.#following.listen();
    return {
      dispose: () => {
        heard.dispose();
        if (this.#live.size === 0) this.#following.rest();
      },
    };
  }

  controls(): SessionControls {
    const agent = this.life.agent;
    return controlsOf(agent?.initialized ?? this.#desk.lastInitialized, this.#record ?? emptyRecord, agent?.reader.model ?? null);
  }

  send(prompt: Prompt, clientId: string, options: { readonly steer?: boolean } & CallOptions = {}): Promise<void> {
    const before = this.#sends.get(clientId);
    if (before !== undefined) return before;
    const sending = this.#send(prompt, clientId, options).catch((error: unknown) => {
      this.#sends.delete(clientId);
      throw error;
    });
    this.#sends.set(clientId, sending);
    return sending;
  }

  async interrupt(options: InterruptOptions = {}): Promise<StopReport> {
    throwIfAborted(options.signal);
    return this.life.interrupt(options);
  }

  async answer(requestId: string, decision: Decision, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    const agent = this.life.agent;
    const ask = agent?.reader.ask(requestId) ?? null;
    if (agent === null || ask === null) throw new PilothouseError('already_answered', 'This was answered or withdrawn before.');
    await agent.answer(ask, answerOf(ask, decision));
  }

  async setModel(id: string, options: CallOptions = {}): Promise<void> {
    await this.#set({ model: id }, 'set_model', { model: id }, options);
  }

  async setMode(id: string, options: CallOptions = {}): Promise<void> {
    if (!this.controls().modes.some((mode) => mode.id === id)) throw new PilothouseError('invalid_argument', `Claude Code has no mode ${id}. Choose one of those that are listed.`);
    await this.#set({ mode: id }, 'set_permission_mode', { mode: id }, options);
  }

  async setEffort(id: string, options: CallOptions = {}): Promise<void> {
    const { efforts } = this.controls();
    if (!efforts.some((effort) => effort.id === id)) throw new PilothouseError('invalid_argument', `This model has no effort ${id}. Choose one of those that are listed.`);
    await this.#set({ effort: id }, 'apply_flag_settings', { settings: { effortLevel: id } }, options);
  }

  async rename(title: string, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    const text = title.trim();
    if (text === '') throw new PilothouseError('invalid_argument', 'A title needs at least one letter.');
    await this.#find();
    await this.#keepSetting({ title: text });
    await this.#handTitle();
    this.#desk.changed(this.id);
  }

  async archive(archived: boolean, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    await this.#find();
    await this.#keepSetting({ archived });
    this.#desk.changed(this.id);
  }

  async stop(options: CallOptions = {}): Promise<StopReport> {
    throwIfAborted(options.signal);
    const report = await this.life.stop(options.signal);
    this.#desk.changed(this.id);
    return report;
  }

  async resume(options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    await this.#find();
    await this.life.ensure(options.signal);
  }

  async fork({ at, ...options }: { readonly at?: ForkPoint } & CallOptions = {}): Promise<Session> {
    throwIfAborted(options.signal);
    const { record, file, facts } = await this.#saved(options.signal);
    if (file === null || facts === null) throw new PilothouseError('invalid_argument', 'This session has no past yet: make a new one instead.');
    const id = crypto.randomUUID();
    const copy = this.#desk.session(id);
    const title = `${record.title ?? this.#title ?? facts.title} (fork)`;
    const fork = at === undefined ? { from: this.id, size: file.size } : await this.#pastUpTo(file.path, at, options.signal);
    await copy.adopt({ ...record, folder: facts.folder, createdAt: this.#desk.context.clock.now(), title, archived: false, fork });
    // Its process has read the past when it is ready: what the original says from now on is not the copy's.
    try {
      await copy.life.ensure(options.signal);
    } catch (error) {
      await this.#desk.records.set(id, null);
      this.#desk.removed(id);
      throw error;
    }
    const session = await copy.describe({ file: null, runners: new Map() });
    this.#desk.changed(id);
    if (session === null) throw notFound();
    return session;
  }

  /** What a fork that begins with that prompt takes over; null: nothing. */
  async #pastUpTo(path: string, at: ForkPoint, signal: AbortSignal | undefined): Promise<SessionRecord['fork']> {
    const start = await forkStart(path, promptOf(at.row), signal);
    // A prompt whose past is not in this file would begin without it.
    if (start === null || (start.upTo === null && !at.first)) throw new PilothouseError('fork_point_not_found', 'Claude Code’s own record of this session does not have this prompt. Fork the whole session instead.');
    return start.upTo === null ? null : { from: this.id, size: start.size, upTo: start.upTo };
  }

  async removalPreview(options: CallOptions = {}): Promise<readonly string[]> {
    throwIfAborted(options.signal);
    const { file } = await this.#find();
    return file === null ? [] : removalFiles(file.path);
  }

  async remove(options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    await this.#find();
    await this.life.stop(options.signal);
    const { file } = await this.#find();
    if (file !== null) {
      await moveToTrash(await removalFiles(file.path), this.#desk.context.stateDir, this.id, this.#desk.context.clock.now());
      this.#desk.facts.forget(file.path);
    }
    await this.#desk.records.set(this.id, null);
    this.#record = null;
    this.#path = null;
    this.#last = null;
    this.#title = null;
    this.#following.forget();
    this.#sends.clear();
    this.#desk.removed(this.id);
  }

  async dispose(): Promise<void> {
    this.#following.close();
    this.#live.clear();
    await this.life.dispose();
  }

  async #send(prompt: Prompt, clientId: string, options: { readonly steer?: boolean } & CallOptions): Promise<void> {
    throwIfAborted(options.signal);
    if (prompt.text.trim() === '' && prompt.attachments.length === 0) throw new PilothouseError('invalid_argument', 'A prompt needs a text or an attachment.');
    const { file } = await this.#find();
    if (this.life.agent?.reader.running === true && options.steer !== true) throw new PilothouseError('turn_running', 'A turn is running. Send this when it has ended, or add it to the turn.');
    // A window that died may have handed it over before it could note that.
    if (this.life.agent === null && file !== null && (await holdsUuid(file, clientId))) return;
    const agent = await this.life.ensure(options.signal);
    throwIfAborted(options.signal);
    this.life.clearFailure();
    await agent.send(prompt, clientId, options.signal);
  }

  async #set(setting: Partial<SessionRecord>, subtype: string, fields: JsonObject, options: CallOptions): Promise<void> {
    throwIfAborted(options.signal);
    await this.#find();
    const agent = this.life.agent;
    if (agent !== null) {
      try {
        await agent.control.request(subtype, fields, { signal: options.signal });
      } catch (error) {
        if (isAbort(error)) throw error;
        const restartable = setting.mode === 'bypassPermissions' || setting.effort !== undefined;
        if (!restartable && error instanceof ControlRefused) throw new PilothouseError('invalid_argument', error.message, { cause: error });
        if (!restartable) throw error;
        // Some settings are taken only at the start.
        if (agent.reader.running) throw new PilothouseError('turn_running', 'This can be set when the turn has ended.', { cause: error });
        await this.life.recycle();
      }
    }
    await this.#keepSetting(setting);
    this.#tellControls();
    this.#desk.changed(this.id);
  }

  /** The transcript as it is now. */
  async #transcript(): Promise<{ readonly file: TranscriptFile; readonly facts: Facts | null } | null> {
    const known = this.#path === null ? null : await transcriptAt(this.#path);
    const file = known ?? (await findTranscript(this.#desk.configDir, this.id, this.#record?.folder ?? null));
    if (file === null) return null;
    this.#path = file.path;
    return { file, facts: await this.#desk.facts.of(file) };
  }

  /** What there is of the session; rejects with `session_not_found` when that is nothing. */
  async #find(): Promise<Found> {
    const record = (this.#record ??= await this.#desk.records.get(this.id));
    const found = await this.#transcript();
    if ((found?.facts ?? null) === null && (record === null || record.folder === null)) throw notFound();
    return { record: record ?? emptyRecord, file: found?.file ?? null, facts: found?.facts ?? null };
  }

  /** The same once the agent has written what it said: 2.1.59 does that some time after the turn's end. */
  async #saved(signal: AbortSignal | undefined): Promise<Found> {
    for (const end = this.#desk.context.clock.monotonic() + savedMs; ; ) {
      const found = await this.#find();
      if (found.facts !== null || this.life.agent === null || this.#desk.context.clock.monotonic() > end) return found;
      await sleep(this.#desk.context.clock, 100, signal);
    }
  }

  async #keepSetting(setting: Partial<SessionRecord>): Promise<void> {
    const before = this.#record ?? (await this.#desk.records.get(this.id)) ?? emptyRecord;
    this.#record = { ...before, ...setting };
    await this.#desk.records.set(this.id, this.#record);
    if (setting.mode !== undefined) this.#tellControls();
  }

  /** Once the agent has a transcript, that tells of the session: when it is deleted, nothing is left of it. */
  async #settle(): Promise<void> {
    await this.#handTitle();
    if (this.#record === null || this.#record.folder === null || ((await this.#transcript())?.facts ?? null) === null) return;
    await this.#keepSetting({ folder: null, createdAt: null, fork: null });
  }

  /** Gives the agent a title of ours, once there is a transcript to hold it; a version that keeps none leaves it to us. */
  async #handTitle(): Promise<void> {
    const agent = this.life.agent;
    const title = this.#record?.title ?? null;
    if (agent === null || title === null || agent.reader.running || (await this.#transcript()) === null) return;
    try {
      await agent.control.request('rename_session', { title });
      this.#title = title;
      if (this.#record?.title === title) await this.#keepSetting({ title: null });
    } catch (error) {
      this.#desk.context.log.debug('the agent keeps no title', { session: this.id, error: describeError(error) });
    }
  }

  #tellControls(): void {
    this.#live.emit({ type: 'controls', controls: this.controls() });
  }

  async #leave(ready: boolean): Promise<void> {
    const found = await this.#transcript();
    this.#leftSize = found?.file.size ?? null;
    this.#presence.ours(this.#leftSize);
    if (ready) this.#following.left(this.#leftSize ?? 0);
  }
}
