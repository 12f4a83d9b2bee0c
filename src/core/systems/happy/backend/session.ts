import { randomUUID } from 'node:crypto';
import type { CallOptions, Decision, Disposable, FileInfo, FileRange, ForkPoint, LiveEvent, Page, Prompt, SessionHandle, StopReport } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Session, SessionControls } from '../../../model/session.ts';
import { abortReason } from '../../../transport/clock.ts';
import { Emitter } from '../../../transport/emitter.ts';
import type { Cipher } from '../crypto/cipher.ts';
import { EncryptionError, HappyError, invalid, MachineOfflineError, SessionNotFound } from '../errors.ts';
import { changeMetadata } from '../metadata.ts';
import type { MirroredSession } from '../mirrored.ts';
import { answerCall, controlsOf, flavourOf, isTerminal, localSessionOf } from '../normalise/index.ts';
import { requestIdOf, takesReason } from '../normalise/asks.ts';
import { isRig, modelParts, takesAbort } from '../normalise/rig.ts';
import { openAsks } from '../normalise/state.ts';
import { str } from '../normalise/read.ts';
import { probe } from '../probe.ts';
import { RpcRefused, SessionUnreachable } from '../rpc.ts';
import { deleteSession, stopSession } from '../stop.ts';
import type { StopOptions } from '../stop.ts';
import type { MachineRow } from '../wire/bodies.ts';
import { requireTaken, uploadAll } from './attachments.ts';
import type { HappyDesk } from './desk.ts';
import { contextOf, told } from './desk.ts';
import { forkSession, resumeSession } from './branches.ts';
import { Log } from './log.ts';
import { findFilesOn } from './findFiles.ts';
import { canForkAt } from './forkCopy.ts';
import { attachmentOf, fileInfoOn, readFileOn } from './files.ts';
import { fetchOutput, outputEntry } from './outputs.ts';
import { until } from './until.ts';
import { Uptake } from './uptake.ts';

/** The server itself looks 15 s for a process. */
const PROBE_MS = 30_000;
const CONFIRM_MS = 15_000;
/** How long after it began the work of an agent may be unknown. */
const TOLD_MS = 3_000;
const INTERRUPT_MS = 12_000;
/** What an agent began before it was broken off is told within this. */
const BEGUN_MS = 1_000;
const TAKE_OVER_MS = 20_000;

/** One session of a Happy account. */
export class HappySessionHandle implements SessionHandle {
  readonly id: string;
  readonly log: Log;
  readonly #desk: HappyDesk;
  readonly #live: Emitter<LiveEvent>;
  readonly #sends = new Map<string, Promise<void>>();
  readonly #uptakes = new Set<Uptake>();
  #toldControls = '';

  constructor(desk: HappyDesk, id: string) {
    this.#desk = desk;
    this.id = id;
    this.#live = new Emitter((error) => desk.context.log.error('a listener of a session failed', { session: id, error: describeError(error) }));
    this.log = new Log(desk, id, (entries) => this.#tell(entries));
  }

  history(page: { readonly cursor?: string; readonly limit: number } & CallOptions): Promise<Page<Entry>> {
    return this.#desk.watched(this.log.page(page));
  }

  live(listener: (event: LiveEvent) => void): Disposable {
    const heard = this.#live.on(listener);
    this.log.follow();
    return {
      dispose: () => {
        heard.dispose();
        if (this.#live.size === 0) this.log.leave();
      },
    };
  }

  controls(): SessionControls {
    const metadata = told(this.#mirrored()?.metadata ?? null);
    return controlsOf(metadata, flavourOf(metadata));
  }

  /** The mirror has another version of it. */
  mirrored(session: MirroredSession): void {
    this.log.agentState(session);
    const controls = this.controls();
    const text = JSON.stringify(controls);
    if (text === this.#toldControls) return;
    this.#toldControls = text;
    this.#live.emit({ type: 'controls', controls });
  }

  send(prompt: Prompt, clientId: string, options: { readonly steer?: boolean } & CallOptions = {}): Promise<void> {
    const before = this.#sends.get(clientId);
    if (before !== undefined) return before;
    const sending = this.#desk.watched(this.#send(prompt, clientId, options)).finally(() => this.#sends.delete(clientId));
    this.#sends.set(clientId, sending);
    return sending;
  }

  async interrupt(options: CallOptions = {}): Promise<StopReport> {
    await this.#need(options);
    const state = this.#desk.describe(this.id)?.state;
    if (state === 'stopped') return { step: 'nothing-to-stop', message: 'The session is not running.' };
    if (!takesAbort(told(this.#mirrored()?.metadata ?? null))) throw new HappyError('unsupported', 'This session cannot be interrupted: its agent offers no way. Stop the session to end its process.');
    // That an agent works is told within two seconds: what was sent just now may be worked on already.
    if ((state === 'idle' || state === 'failed') && this.#desk.account.clock.monotonic() - this.log.workAt > TOLD_MS) return { step: 'nothing-to-stop', message: 'No turn is running.' };
    const row = await this.#desk.account.sessionRow(this.id, options);
    const turn = this.log.turnHint();
    await this.#desk.watched(this.#desk.account.sessionRpc(row, 'abort', {}, { ...options, idempotent: true }));
    if (turn?.state === 'running') this.log.interrupted(turn.turn);
    const ended = await until(this.#desk.account, () => this.#mirrored()?.thinking !== true, INTERRUPT_MS, options.signal);
    if (!ended) throw new HappyError('not_confirmed', 'The agent took the interrupt, but still works. Stop the session to end its process.');
    if (this.#agent() !== 'codex') return { step: 'interrupted', message: 'The agent broke the turn off.' };
    if (turn?.state !== 'running') {
      // That the turn had begun may be told after that it was broken off.
      await until(this.#desk.account, () => this.log.turnHint()?.turn !== turn?.turn, BEGUN_MS, options.signal);
      const begun = this.log.turnHint();
      if (begun !== null && begun.turn !== turn?.turn) this.log.interrupted(begun.turn);
    }
    // Seen with happy 1.2.5 and Codex 0.169.
    return { step: 'interrupted', message: 'The agent broke the turn off. A command that it had started may still run on its machine.' };
  }

  answer(requestId: string, decision: Decision, options: CallOptions = {}): Promise<void> {
    return this.#desk.watched(this.#answer(requestId, decision, options));
  }

  setModel(id: string, options: CallOptions = {}): Promise<void> {
    return this.#choose('modelMode', id, this.controls().models.some((one) => one.id === id), options);
  }
  async setMode(id: string, options: CallOptions = {}): Promise<void> {
    // Seen with happy 1.2.5: the agent ignores the way back from bypassing to asking, but takes it over planning.
    if (id === 'default' && this.controls().mode === 'bypassPermissions') throw invalid('Happy does not go from Bypass Permissions to Ask at once: choose Plan, send a prompt, then choose Ask.');
    await this.#choose('permissionMode', id, this.controls().modes.some((one) => one.id === id), options);
  }
  setEffort(id: string, options: CallOptions = {}): Promise<void> {
    return this.#choose('effortLevel', id, this.controls().efforts.some((one) => one.id === id), options);
  }

  async rename(title: string, options: CallOptions = {}): Promise<void> {
    const text = title.trim();
    if (text === '') throw invalid('A title needs at least one letter.');
    const updatedAt = this.#desk.account.clock.now();
    await this.#change((current) => ({ ...current, summary: { ...(isJsonObject(current['summary']) ? current['summary'] : {}), text, updatedAt }, name: text }), options);
  }

  /** An archived session runs no process: it is stopped first. One whose machine is away is put away until it is heard to live. Brought back it is shown again, and resumed by its next prompt. */
  async archive(archived: boolean, options: CallOptions = {}): Promise<void> {
    await this.#need(options);
    const { account, marks } = this.#desk;
    const seen = !archived || (await this.#desk.watched(stopSession(account, this.id, this.#stopOptions(options))).then(() => true, (error: unknown) => {
      if (error instanceof MachineOfflineError) return false;
      throw error;
    }));
    if (!seen) await this.#desk.watched(account.api.archiveSession(this.id, options));
    await marks.setArchived(this.id, seen ? archived : 'unseen');
    this.#desk.changed(this.id);
  }

  async stop(options: CallOptions = {}): Promise<StopReport> {
    // Happy calls whatever was stopped archived; the person has stopped it, not put it away.
    if (this.#desk.describe(this.id)?.archived === false) await this.#desk.marks.setArchived(this.id, false);
    await this.#need(options);
    const { step } = await this.#desk.watched(stopSession(this.#desk.account, this.id, this.#stopOptions(options)));
    this.#desk.changed(this.id);
    if (step === 'nothing-to-stop') return { step, message: 'The session’s process was not running.' };
    return step === 'killed' ? { step, message: 'The session’s process did not answer and was ended by its machine.' } : { step: 'terminated', message: 'The session’s process has ended.' };
  }

  async resume(options: CallOptions = {}): Promise<void> {
    await this.#need(options);
    await this.#desk.watched(resumeSession(this.#desk, this.id, options));
  }

  /** Ends the hold of the terminal. `switch` toggles, so that it is called only where a terminal has the session (happy.md A, "RPC"). */
  async takeOver(options: CallOptions = {}): Promise<void> {
    const session = await this.#need(options);
    if (!isTerminal(told(session.agentState))) return;
    const row = await this.#desk.account.sessionRow(this.id, options);
    await this.#desk.watched(this.#desk.account.sessionRpc(row, 'switch', { to: 'remote' }, options));
    const taken = await until(this.#desk.account, () => !isTerminal(told(this.#mirrored()?.agentState ?? null)), TAKE_OVER_MS, options.signal);
    if (!taken) throw new HappyError('not_confirmed', 'The terminal was asked to give the session up, but still has it.');
  }

  get forksAt(): boolean {
    return canForkAt(localSessionOf(told(this.#mirrored()?.metadata ?? null)));
  }

  async fork(options: { readonly at?: ForkPoint } & CallOptions = {}): Promise<Session> {
    await this.#need(options);
    return this.#desk.watched(forkSession(this.#desk, this.id, options));
  }

  async fetchOutput(callId: string, options: CallOptions = {}): Promise<readonly Entry[]> {
    const session = await this.#need(options);
    const local = localSessionOf(told(session.metadata));
    if (local === null) throw new HappyError('output_not_found', 'This session does not tell where its agent keeps its transcript.');
    const output = await this.#desk.watched(fetchOutput(this.#desk.account, await this.#machine(session, options), local, callId, options));
    return [outputEntry(callId, output)];
  }

  async readFile(path: string, range: FileRange = {}): Promise<Uint8Array> {
    const session = await this.#need(range);
    return this.#desk.watched(readFileOn(this.#desk.account, await this.#machine(session, range), path, range));
  }

  async fileInfo(path: string, options: CallOptions = {}): Promise<FileInfo> {
    const session = await this.#need(options);
    return this.#desk.watched(fileInfoOn(this.#desk.account, await this.#machine(session, options), path, options));
  }

  async attachment(row: string, options: Pick<FileRange, 'signal' | 'onBytes'> = {}): Promise<Uint8Array> {
    await this.#need(options);
    return this.#desk.watched(attachmentOf(this.#desk.account, this.id, this.#cipher(), row, options));
  }

  async findFiles(query: string, options: CallOptions = {}): Promise<readonly string[]> {
    const session = await this.#need(options);
    const folder = str(told(session.metadata), 'path');
    return folder === null ? [] : findFilesOn(this.#desk.account, await this.#machine(session, options), folder, query, options);
  }

  async removalPreview(options: CallOptions = {}): Promise<readonly string[]> {
    await this.#need(options);
    return [];
  }

  /** The person was asked before. Where the machine is away nobody can say whether the process has ended: the record goes all the same. */
  async remove(options: CallOptions = {}): Promise<void> {
    const machineId = str(told(this.#mirrored()?.metadata ?? null), 'machineId');
    const away = machineId === null || this.#desk.machine(machineId)?.state !== 'online';
    await this.#desk.watched(deleteSession(this.#desk.account, this.id, { ...this.#stopOptions(options), removeUnconfirmed: away }).catch((error: unknown) => {
      // Somebody else was faster: it is gone, as was asked.
      if (!(error instanceof SessionNotFound)) throw error;
    }));
    await this.#desk.marks.forget(this.id);
  }

  dispose(): void {
    for (const uptake of this.#uptakes) this.#forget(uptake);
    this.log.dispose();
    this.#live.clear();
  }

  async #send(prompt: Prompt, clientId: string, { steer = false, ...options }: { readonly steer?: boolean } & CallOptions): Promise<void> {
    if (prompt.text.trim() === '' && prompt.attachments.length === 0) throw invalid('A prompt needs a text or an attachment.');
    const session = await this.#need(options);
    const cipher = this.#cipher();
    if (session.readable !== 'yes') throw new EncryptionError('The record of this session cannot be decrypted: nothing is sent under a key that may not be its own.');
    requireTaken(prompt.attachments, flavourOf(told(session.metadata)));
    const shown = this.#desk.describe(this.id);
    if (steer && (shown?.state === 'running' || shown?.state === 'waiting')) throw new HappyError('turn_running', 'Happy hands nothing to a running turn: the prompt goes out when it has ended.');
    // What is sent to a process that has ended is skipped when it comes back (happy.md A, the table of stops).
    if (shown?.state === 'stopped' || !(this.#desk.signs.lives(this.id) || (await this.#listens(options)))) await resumeSession(this.#desk, this.id, options);
    const { metadata } = session;
    const chosen = (key: string, name: string): JsonObject => (typeof metadata?.[key] === 'string' ? { [name]: metadata[key] } : {});
    const parts = isRig(told(metadata)) && typeof metadata?.['modelMode'] === 'string' ? modelParts(metadata['modelMode']) : null;
    const model = parts === null ? chosen('modelMode', 'model') : { model: parts.modelId, modelProviderId: parts.providerId };
    const meta: JsonObject = { sentFrom: 'pilothouse', ...chosen('permissionMode', 'permissionMode'), ...model, ...chosen('effortLevel', 'effort') };
    const messages = [
      ...(await uploadAll(this.#desk.account, this.id, cipher, prompt.attachments, clientId, options)),
      { localId: clientId, content: { role: 'user', content: { type: 'text', text: prompt.text }, meta } satisfies JsonObject },
    ];
    const uptake = this.#desk.signs.fresh(this.id) ? new Uptake(this.#desk, this.id, cipher) : null;
    if (uptake !== null) this.#uptakes.add(uptake);
    let passedBy = false;
    try {
      const sent = await this.#desk.account.api.send(this.id, messages.map(({ localId, content }) => ({ localId, content: cipher.seal(content) })), options);
      await this.#desk.marks.setArchived(this.id, false);
      // Of a prompt that was sent before, the server kept the files that came first: what it keeps is shown when it says so.
      this.log.sent(sent, new Map(messages.slice(-1).map(({ localId, content }) => [localId, content])));
      const own = sent.find(({ localId }) => localId === clientId);
      if (uptake === null || own === undefined) return;
      uptake.sent(own.seq);
      await uptake.taken(options);
    } catch (error) {
      passedBy = error instanceof HappyError && error.code === 'not_taken_up';
      throw error;
    } finally {
      if (passedBy) uptake?.later(() => this.#live.emit({ type: 'delivered', clientId }));
      else if (uptake !== null) this.#forget(uptake);
    }
  }

  #forget(uptake: Uptake): void {
    this.#uptakes.delete(uptake);
    uptake.dispose();
  }

  /**
   * Whether the session's process takes calls: asked where no sign of life was heard lately. Rejects as the call does where nobody knows; and where it does not and its machine is away,
   * the resume rejects with `machine_offline`. A prompt waits here then, for one that is sent to a process which has ended is lost.
   */
  async #listens(options: CallOptions): Promise<boolean> {
    const { account } = this.#desk;
    try {
      await probe(account, await account.sessionRow(this.id, options), { ...options, timeoutMs: PROBE_MS, idempotent: true });
    } catch (error) {
      if (error instanceof SessionUnreachable) return false;
      // Whatever it says, it is there.
      if (!(error instanceof RpcRefused)) throw error;
    }
    return true;
  }

  async #answer(requestId: string, decision: Decision, options: CallOptions): Promise<void> {
    const session = await this.#need(options);
    const find = (): ReturnType<typeof openAsks>[number] | undefined => openAsks(told(this.#mirrored()?.agentState ?? null)).find((ask) => requestIdOf(ask) === requestId);
    let ask = find();
    if (ask === undefined) {
      this.#desk.account.mirror.takeSession(await this.#desk.account.sessionRow(this.id, options));
      ask = find();
    }
    if (ask === undefined) throw new HappyError('already_answered', 'This was answered or withdrawn before.');
    const call = answerCall(ask, decision, contextOf(session));
    const row = await this.#desk.account.sessionRow(this.id, options);
    // The reply is empty, also for requests that nobody knows; a second answer to the same request is ignored, so that the call may be repeated.
    await this.#desk.account.sessionRpc(row, call.method, call.params, { ...options, idempotent: true });
    if (!(await until(this.#desk.account, () => find() === undefined, CONFIRM_MS, options.signal))) {
      this.#desk.account.mirror.takeSession(await this.#desk.account.sessionRow(this.id, options));
      if (find() !== undefined) throw new HappyError('not_confirmed', 'The agent was told, but has not confirmed the answer. It may be busy; look at the session.');
    }
    if (!this.log.answered(ask, decision)) throw new HappyError('already_answered', 'This was answered elsewhere first; that answer holds.');
    // What was approved holds only if the next prompt says the same (happy.md A, "Permissions").
    const { mode } = call;
    if (mode !== null) await this.#change((current) => ({ ...current, permissionMode: mode }), options);
    // An agent that takes no reason with a refusal is told it next.
    const reason = decision.reason?.trim() ?? '';
    if (call.params['approved'] === false && reason !== '' && !takesReason(ask, contextOf(session))) await this.send({ text: reason, attachments: [] }, randomUUID(), options);
  }

  async #choose(key: string, id: string, known: boolean, options: CallOptions): Promise<void> {
    if (!known) throw invalid(`This session does not offer ${id}. Choose one of those that are listed.`);
    await this.#change((current) => ({ ...current, [key]: id }), options);
  }

  async #change(change: (current: JsonObject) => JsonObject, options: CallOptions): Promise<void> {
    await this.#need(options);
    const row = await this.#desk.watched(changeMetadata(this.#desk.account, this.id, change, options));
    this.#desk.account.mirror.takeSession(row);
  }

  /** The call with what is known of the session's machine. A daemon may be away while the session's process goes on: that would have been heard. */
  #stopOptions(options: CallOptions): StopOptions {
    const { signs } = this.#desk;
    const machineId = str(told(this.#mirrored()?.metadata ?? null), 'machineId');
    const state = machineId === null ? undefined : this.#desk.machine(machineId)?.state;
    // The flag of a machine that was not heard yet may be of a daemon that has ended.
    if (signs.lives(this.id) || (state === 'online' && machineId !== null && signs.heardAt(machineId) !== null)) return { ...options, machine: 'there' };
    return state === 'offline' && signs.complete ? { ...options, machine: 'away' } : options;
  }

  async #machine(session: MirroredSession, options: CallOptions): Promise<MachineRow> {
    const machineId = str(told(session.metadata), 'machineId');
    if (machineId === null) throw new HappyError('machine_not_found', 'This session does not tell on which machine it runs.');
    try {
      return await this.#desk.account.machineRow(machineId, options);
    } catch (error) {
      if (error instanceof RpcRefused) throw new HappyError('rpc_failed', error.message, { cause: error });
      throw error;
    }
  }

  async #need({ signal }: CallOptions): Promise<MirroredSession> {
    if (signal?.aborted === true) throw abortReason(signal);
    const known = this.#mirrored();
    if (known !== null) return known;
    return this.#desk.account.mirror.takeSession(await this.#desk.watched(this.#desk.account.sessionRow(this.id, signal === undefined ? {} : { signal })));
  }

  #agent(): string | null {
    return flavourOf(told(this.#mirrored()?.metadata ?? null));
  }

  #mirrored(): MirroredSession | null {
    return this.#desk.account.mirror.session(this.id);
  }

  #cipher(): Cipher {
    const cipher = this.#desk.account.mirror.cipher(this.id);
    if (cipher === null) throw new EncryptionError(`These credentials hold no key for this session. ${this.#desk.account.credentials.describe()}`);
    return cipher;
  }

  #tell(entries: readonly Entry[]): void {
    if (entries.length > 0) this.#live.emit({ type: 'entries', entries });
  }
}

