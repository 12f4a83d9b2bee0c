import type { CallOptions, Disposable, InterruptOptions, LiveEvent, Page, Prompt, SessionHandle, StopReport } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { Session, SessionControls, SessionOwner, SessionState } from '../../../model/session.ts';
import { abortReason } from '../../../transport/clock.ts';
import { Emitter } from '../../../transport/emitter.ts';
import { waitFor } from '../../../transport/wait.ts';
import { ForgeAPIError, ForgeError, invalid } from '../errors.ts';
import { timeOf } from '../wire.ts';
import { transcriptOf, withTranscript } from './carry.ts';
import type { ForgeDesk } from './desk.ts';
import { leaseOf } from './desk.ts';
import { goOnFresh } from './fresh.ts';
import { account, settleOrphan } from './ledger.ts';
import { closedError, oneLine, turnRunning, whyClosed } from './outcome.ts';
import type { ForgeRecord } from './records.ts';
import { Turns } from './turns.ts';

const controls: SessionControls = { models: [], model: null, modes: [], mode: null, efforts: [], effort: null, commands: [] };
/** How long a turn that is broken off may take to be over. */
const BREAK_MS = 10_000;
const LONGEST_TITLE = 120;

/** One conversation on a clawdforge server, which may go on in several of the server's sessions, one after the other. */
export class ForgeHandle implements SessionHandle {
  readonly id: string;
  readonly #desk: ForgeDesk;
  readonly #listeners: Emitter<LiveEvent>;
  readonly #turns: Turns;
  readonly #sends = new Map<string, Promise<void>>();
  /** Who else works on it, as last asked. */
  #owner: SessionOwner = 'nobody';
  #disposed = false;
  /** A prompt is being handed over. */
  #delivering = false;
  /** What is done here under the lease. */
  #holds = 0;
  #alone: Promise<unknown> = Promise.resolve();

  constructor(desk: ForgeDesk, id: string) {
    this.#desk = desk;
    this.id = id;
    this.#listeners = new Emitter((error) => desk.context.log.error('a listener of a session failed', { error: describeError(error) }));
    this.#turns = new Turns(desk, id, { tell: (entries) => this.#tell(entries), changed: () => desk.changed(id) });
  }

  get running(): boolean {
    return this.#turns.current !== null;
  }

  /** As the list shows it. `online`: there is contact with the server. */
  describe(record: ForgeRecord, online: boolean): Session {
    const turn = this.#turns.current;
    const row = this.#desk.row(record.forgeId);
    const owner = this.#ownerIn(record);
    return {
      id: this.id, connectionId: this.#desk.context.connectionId, machineId: this.#desk.machineId, folder: row?.cwd ?? record.folder, agent: record.agent, title: record.title,
      state: this.#state(record, owner, online), createdAt: record.createdAt, updatedAt: Math.max(record.updatedAt, timeOf(row?.lastTurnAt) ?? 0), archived: record.archived, owner,
      ownerName: owner === 'window' ? 'another window' : null, branch: null, activity: turn?.activity ?? null, usage: null, model: null, waiting: [], error: record.error,
    };
  }

  async history(page: { readonly cursor?: string; readonly limit: number; readonly stored?: number } & CallOptions): Promise<Page<Entry>> {
    refuseAborted(page.signal);
    let record = await this.#desk.need(this.id, page);
    if (page.cursor === undefined) {
      await this.look(page);
      record = await this.#desk.need(this.id, page);
    }
    const running = record.open?.part ?? null;
    const from = page.cursor === undefined ? record.parts : Number.parseInt(page.cursor, 10);
    if (!Number.isInteger(from) || from < 0 || from > record.parts) throw invalid('This is not a cursor of this session. Read its history from the start.');
    const items: Entry[] = [];
    let part = from;
    while (part > 0 && items.length < Math.max(1, page.limit)) {
      part -= 1;
      // What runs is told live by the window that runs it.
      if (part !== running) items.unshift(...(await this.#desk.journal.read(this.id, part)));
      refuseAborted(page.signal);
    }
    return { items, next: part === 0 ? null : String(part) };
  }

  live(listener: (event: LiveEvent) => void): Disposable {
    return this.#listeners.on(listener);
  }

  controls(): SessionControls {
    return controls;
  }

  async send(prompt: Prompt, clientId: string, options: { readonly steer?: boolean } & CallOptions = {}): Promise<void> {
    refuseAborted(options.signal);
    if (prompt.attachments.length > 0) throw invalid('A session of a clawdforge server takes text only. Leave the attachments out.');
    if (prompt.text.trim() === '') throw invalid('There is nothing to send. Write something first.');
    let work = this.#sends.get(clientId);
    if (work === undefined) {
      work = this.#deliver(prompt.text, clientId, options.signal).finally(() => this.#sends.delete(clientId));
      this.#sends.set(clientId, work);
    }
    await work;
  }

  /** Leaves the answer: the server is not waited for, and cannot be told to stop. */
  async interrupt(options: InterruptOptions = {}): Promise<StopReport> {
    const turn = this.#turns.current;
    if (turn === null) return { step: 'nothing-to-stop', message: 'No turn was running.' };
    turn.broken ??= 'interrupted';
    turn.stop.abort();
    await this.#within(turn.over, options.signal);
    return { step: 'interrupted', message: `The answer is not waited for any more. A clawdforge server cannot be told to stop: it may work on for up to ${this.#desk.turnSecs} s.` };
  }

  async answer(_requestId: string): Promise<void> {
    throw new PilothouseError('already_answered', 'Agents of a clawdforge server ask for nothing.');
  }

  setModel(): Promise<void> {
    return Promise.reject(invalid('A session of a clawdforge server has no choice of models.'));
  }
  setMode(): Promise<void> {
    return Promise.reject(invalid('A session of a clawdforge server has no permission modes.'));
  }
  setEffort(): Promise<void> {
    return Promise.reject(invalid('A session of a clawdforge server has no choice of effort.'));
  }

  async rename(title: string, options: CallOptions = {}): Promise<void> {
    const name = oneLine(title, LONGEST_TITLE);
    if (name === '') throw invalid('A title needs at least one character.');
    await this.#desk.need(this.id, options);
    await this.#desk.records.change(this.id, () => ({ title: name, titleBy: 'person' }));
    this.#desk.changed(this.id);
  }

  async archive(archived: boolean, options: CallOptions = {}): Promise<void> {
    await this.#desk.need(this.id, options);
    await this.#desk.records.change(this.id, () => ({ archived }));
    this.#desk.changed(this.id);
  }

  /** Closes it on the server; a turn that runs is left. Verified: the server says so. */
  async stop(options: CallOptions = {}): Promise<StopReport> {
    refuseAborted(options.signal);
    const record = await this.#desk.need(this.id, options);
    await this.interrupt(options);
    if (record.stopped) return { step: 'nothing-to-stop', message: 'The session was closed already.' };
    return this.#byOne(async () => {
      const closed = await this.#close(record, options);
      await this.#desk.records.change(this.id, () => ({ stopped: true, error: null }));
      this.#desk.changed(this.id);
      return closed ? { step: 'terminated', message: 'The server closed the session.' } : { step: 'nothing-to-stop', message: 'The server had closed the session already.' };
    });
  }

  /** Goes on in a fresh session of the server, which is told what was said with the next prompt; nothing is sent before that. Nothing is done where it is not closed. */
  async resume(options: CallOptions = {}): Promise<void> {
    refuseAborted(options.signal);
    await this.look(options);
    await this.#byOne(async () => {
      const record = await this.#desk.need(this.id, options);
      if (record.stopped) this.#tell(await goOnFresh(this.#desk, record, options));
      else await this.#desk.records.change(this.id, () => ({ error: null }));
    });
    this.#desk.changed(this.id);
  }

  async carried(options: CallOptions = {}): Promise<string> {
    const record = await this.#desk.need(this.id, options);
    if (!record.stopped && !record.carry) return '';
    const transcript = await transcriptOf(this.#desk, record, options);
    return transcript === '' ? '' : withTranscript(transcript, '').trimEnd();
  }

  async fork(): Promise<Session> {
    throw new PilothouseError('unsupported', 'A clawdforge server cannot fork sessions.');
  }

  async removalPreview(options: CallOptions = {}): Promise<readonly string[]> {
    await this.#desk.need(this.id, options);
    return [];
  }

  /** Closes it and forgets all that was said: nobody else has it. The server goes on to list it; we do not. */
  async remove(options: CallOptions = {}): Promise<void> {
    refuseAborted(options.signal);
    await this.stop(options);
    await this.#byOne(async () => {
      const record = await this.#desk.records.change(this.id, () => ({ removed: true, title: '', sent: [] }));
      await this.#desk.journal.clear(this.id, record?.parts ?? 0);
    });
    this.#desk.gone(this.id);
    this.#listeners.clear();
  }

  /**
   * What can be seen of it without a turn: a turn that died with its window is ended, what the server has closed is closed, and what its count of turns says beyond ours is told. Where another
   * window works on it, that is its to do. Without contact nothing is looked at.
   */
  async look(options: CallOptions = {}): Promise<void> {
    await this.#whose();
    if (this.running || this.#owner === 'window' || this.#disposed) return;
    await this.#byOne(async () => {
      const record = await this.#desk.records.get(this.id);
      if (record === null || record.removed) return;
      if (record.open !== null) {
        this.#tell(await settleOrphan(this.#desk, record, options));
        this.#desk.changed(this.id);
      }
      const row = this.#desk.row(record.forgeId);
      if (row === null) return;
      const settled = (await this.#desk.records.get(this.id)) ?? record;
      this.#tell(await account(this.#desk, settled, row));
      if (row.closedAt !== null && !settled.stopped) {
        await this.#desk.records.change(this.id, () => ({ stopped: true, error: whyClosed(false) }));
        this.#desk.changed(this.id);
      }
    }).catch((error: unknown) => {
      if (options.signal?.aborted === true) throw abortReason(options.signal);
      const expected = error instanceof PilothouseError && (error.code === 'session_runs_elsewhere' || error.code === 'turn_running');
      if (!expected) this.#desk.context.log.warn('a session could not be looked at', { session: this.id, error: describeError(error) });
    });
  }

  async #whose(): Promise<void> {
    const holder = await this.#desk.context.leases.holder(leaseOf(this.id)).catch(() => 'nobody' as const);
    this.#owner = holder === 'other' ? 'window' : 'nobody';
  }

  /** Gives a running turn up, as it stands, for a window that closes: whoever comes next ends it. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#turns.close();
    await this.#alone.catch(() => undefined);
    this.#listeners.clear();
  }

  #ownerIn(record: ForgeRecord): SessionOwner {
    if (this.running) return 'this';
    return record.open === null ? 'nobody' : this.#owner;
  }

  #state(record: ForgeRecord, owner: SessionOwner, online: boolean): SessionState {
    if (owner !== 'nobody') return 'running';
    if (!online) return 'unknown';
    if (record.stopped) return 'stopped';
    return record.error === null ? 'idle' : 'failed';
  }

  async #deliver(text: string, clientId: string, signal: AbortSignal | undefined): Promise<void> {
    const call = signal === undefined ? {} : { signal };
    const known = await this.#desk.need(this.id, call);
    if (known.sent.includes(clientId)) return;
    if (this.running || this.#delivering) throw turnRunning();
    this.#delivering = true;
    try {
      await this.#claim();
      let handed = false;
      try {
        const stored = await this.#desk.need(this.id, call);
        if (stored.sent.includes(clientId)) return;
        if (stored.open !== null) this.#tell(await settleOrphan(this.#desk, stored, call));
        const record = await this.#ready(call);
        handed = true;
        await this.#turns.run(record, text, clientId, signal, () => this.#release());
      } finally {
        if (!handed) await this.#release();
      }
    } finally {
      this.#delivering = false;
    }
  }

  /** The session as it is on the server, able to take a turn: looked at first, for that costs nothing. One that was closed, as the person knows, goes on in a fresh one. */
  async #ready(call: CallOptions): Promise<ForgeRecord> {
    const record = await this.#desk.need(this.id, call);
    if (record.stopped) {
      this.#tell(await goOnFresh(this.#desk, record, call));
      return this.#desk.need(this.id, call);
    }
    const row = await this.#desk.read(record.forgeId, call);
    if (row === null || row.closedAt !== null) {
      await this.#desk.records.change(this.id, () => ({ stopped: true, error: whyClosed(row === null) }));
      this.#desk.changed(this.id);
      throw closedError(row === null);
    }
    this.#tell(await account(this.#desk, record, row));
    return this.#desk.need(this.id, call);
  }

  async #close(record: ForgeRecord, options: CallOptions): Promise<boolean> {
    try {
      const session = this.#desk.forge.attach(record.forgeId);
      const before = await session.state(options);
      await session.close(options);
      return before.closedAt === null;
    } catch (error) {
      this.#desk.judge(error);
      if (error instanceof ForgeAPIError && (error.status === 404 || error.status === 410)) return false;
      throw error;
    }
  }

  async #claim(): Promise<void> {
    if (!(await this.#desk.context.leases.acquire(leaseOf(this.id)))) {
      this.#owner = 'window';
      throw new PilothouseError('session_runs_elsewhere', 'Another window works on a turn of this session. Send this when it has ended.');
    }
    this.#owner = 'nobody';
    this.#holds += 1;
  }

  /** Gives one hold back; the lease with the last. Never rejects. */
  async #release(): Promise<void> {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    await this.#desk.context.leases.release(leaseOf(this.id)).catch((error: unknown) => this.#desk.context.log.warn('a lease could not be given back', { session: this.id, error: describeError(error) }));
  }

  /** Work on the session that no other window does at the same time, one after the other here; not while a turn runs. */
  #byOne<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#alone.then(async () => {
      if (this.running) throw turnRunning();
      await this.#claim();
      try {
        return await work();
      } finally {
        await this.#release();
      }
    });
    this.#alone = done.catch(() => undefined);
    return done;
  }

  #within<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return waitFor(work, { clock: this.#desk.context.clock, timeoutMs: BREAK_MS, signal, onTimeout: () => new ForgeError('timeout', 'The turn could not be broken off in time. Try again.') });
  }

  #tell(entries: readonly Entry[]): void {
    if (entries.length > 0) this.#listeners.emit({ type: 'entries', entries });
  }
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortReason(signal);
}
