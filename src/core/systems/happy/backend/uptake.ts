import type { CallOptions, Disposable } from '../../../model/backend.ts';
import { describeError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { canonicalJson, isJsonObject } from '../../../model/json.ts';
import { sleep } from '../../../transport/clock.ts';
import type { Cipher } from '../crypto/cipher.ts';
import { ConnectionError, EncryptionError, HappyError, TimeoutError } from '../errors.ts';
import { openAsks, requestIdOf } from '../normalise/index.ts';
import { str } from '../normalise/read.ts';
import { probe } from '../probe.ts';
import { RpcRefused, SessionUnreachable } from '../rpc.ts';
import { turnMark } from '../turn.ts';
import type { HappyDesk } from './desk.ts';
import { told } from './desk.ts';

/** An agent that is started for a prompt says so within seconds; this long without a word from a process that lives, and it has passed the prompt by. Milliseconds. */
const TAKEN_MS = 30_000;
/** How often the record is asked, for pushes that were missed. */
const LOOK_EVERY_MS = 3_000;
/** A process that takes calls answers in milliseconds; the server looks 15 s for one. */
const ALIVE_MS = 20_000;
/** A wait that has no contact for so long is given up: sent again under its id, the prompt is waited for anew. */
const MOST_MS = 240_000;
/** How long a late word still counts. */
const LATE_MS = 600_000;

/** Fields that clients write, and those that the start of a process writes: a change of these alone is no sign of work. */
const notWork: ReadonlySet<string> = new Set(['summary', 'name', 'permissionMode', 'modelMode', 'effortLevel', 'lifecycleState', 'lifecycleStateSince', 'archivedBy', 'archiveReason']);

/** Whether a message of a session is one that its process writes only when it has taken a prompt up: what belongs to a turn, and the prompt's own return. */
function showsWork(content: JsonValue): boolean {
  if (!isJsonObject(content) || content['role'] === 'user') return false;
  const mark = turnMark(content);
  if (mark !== null) return mark !== 'ready';
  const body = content['content'];
  return isJsonObject(body) && body['type'] === 'event' && str(body['data'], 'type') === 'message';
}

/**
 * Watches from before a prompt goes out for what only a process says that has taken a prompt up.
 *
 * Read in happy 1.2.5 (`ApiSessionClient.fetchMessages`): a process that was resumed reads the session's messages from the first one, a hundred at a time, as soon as its socket connects, until the
 * server says that there are no more, and hands none of them on; everything beyond is handed on. It writes nothing and calls nothing when that is over, and it beats, writes metadata and answers
 * calls all the while: only its work on a later prompt proves it. So a prompt that was sent after a resume counts as delivered when the work on it is seen: a turn, an answer or the prompt's
 * own return beyond the prompt's seq, `thinking`, a request for permission, a push of the session's, or what Claude says of itself when it begins (its metadata written anew).
 */
export class Uptake implements Disposable {
  readonly #desk: HappyDesk;
  readonly #id: string;
  readonly #cipher: Cipher;
  readonly #seen = Promise.withResolvers<void>();
  readonly #open: Disposable[] = [];
  readonly #end = new AbortController();
  readonly #asked: ReadonlySet<string>;
  #metadata: JsonObject | null;
  #version: number;
  #seq: number | null = null;
  /** The greatest seq of work that was seen. */
  #work = 0;
  #taken = false;

  constructor(desk: HappyDesk, id: string, cipher: Cipher) {
    const { account } = desk;
    const session = account.mirror.session(id);
    this.#desk = desk;
    this.#id = id;
    this.#cipher = cipher;
    this.#asked = new Set(openAsks(told(session?.agentState ?? null)).map(requestIdOf));
    this.#metadata = session?.metadata ?? null;
    this.#version = session?.metadataVersion ?? 0;
    this.#open.push(
      account.onEphemeral.on((event) => {
        if (event.type === 'activity' && event.id === id && event.active && event.thinking === true) this.#take();
        else if (event.type === 'session-event' && event.sessionId === id) this.#take();
      }),
      account.onUpdate.on((update) => {
        if (update.kind === 'known' && update.body.t === 'new-message' && update.body.sid === id) this.#message(update.body.message.seq, update.body.message.content.c);
      }),
      account.mirror.onChange.on((change) => {
        if (change.type === 'session' && change.session.id === id) this.#record();
      }),
    );
  }

  /** The prompt stands at this seq of the session. */
  sent(seq: number): void {
    this.#seq = seq;
    if (this.#work > seq) this.#take();
  }

  /**
   * Resolves when the process was seen to take the prompt up. Rejects with `not_taken_up` when it lives and has said nothing of it for long, and when it has ended; while neither can be told (no contact)
   * it goes on for a while. Rejects with TimeoutError then, with what the server says of the session (SessionNotFound, AuthenticationError), and with the signal's reason.
   */
  async taken(options: CallOptions): Promise<void> {
    const { clock } = this.#desk.account;
    for (const began = clock.monotonic(); ;) {
      if (await this.#lookedIn(LOOK_EVERY_MS, options)) return;
      await this.#read(options);
      if (this.#taken) return;
      if (clock.monotonic() - began < TAKEN_MS) continue;
      const process = await this.#process(options);
      if (this.#taken) return;
      if (process === 'lives') throw new HappyError('not_taken_up', 'The session’s agent did not take this prompt up: it was still catching up with the session when the prompt came. Retry sends it again.', { personMustAct: true });
      if (process === 'ended') throw new HappyError('not_taken_up', 'The session’s process ended before it took this prompt up. Retry starts it and sends the prompt again.', { personMustAct: true });
      if (clock.monotonic() - began >= MOST_MS) throw new TimeoutError('Whether the session’s agent took the prompt up could not be found out.');
    }
  }

  /** Calls when the prompt is taken up after all; not where another prompt follows it, of which the work may be. Ends by itself. */
  later(act: () => void): void {
    const over = this.#desk.account.clock.setTimeout(() => this.dispose(), LATE_MS);
    this.#open.push({ dispose: () => over.cancel() });
    void this.#told(act);
  }

  dispose(): void {
    this.#end.abort();
    for (const each of this.#open.splice(0)) each.dispose();
  }

  async #told(act: () => void): Promise<void> {
    await this.#seen.promise;
    if (!this.#end.signal.aborted && (await this.#isOwn()) && !this.#end.signal.aborted) act();
    this.dispose();
  }

  /**
   * Whether what was seen is of this prompt: no other one stands between it and the first work behind it. False where that cannot be read: a prompt that is told as passed by can be sent again,
   * one that is told as delivered cannot.
   */
  async #isOwn(): Promise<boolean> {
    try {
      const { rows } = await this.#desk.account.api.messages(this.#id, { after: this.#seq ?? 0 }, { limit: 100, signal: this.#end.signal });
      const contents = rows.toSorted((one, other) => one.seq - other.seq).map((row) => this.#cipher.open(row.content.c) ?? null);
      const first = contents.find((content) => showsWork(content) || turnMark(content) === 'prompt');
      return first === undefined || showsWork(first);
    } catch (error) {
      this.#desk.context.log.debug('whose work was seen could not be read', { session: this.#id, error: describeError(error) });
      return false;
    }
  }

  #take(): void {
    if (this.#taken || this.#end.signal.aborted) return;
    this.#taken = true;
    this.#desk.signs.worked(this.#id);
    this.#seen.resolve();
  }

  #message(seq: number, sealed: string): void {
    if (!showsWork(this.#cipher.open(sealed) ?? null)) return;
    this.#work = Math.max(this.#work, seq);
    if (this.#seq !== null && seq > this.#seq) this.#take();
  }

  #record(): void {
    const session = this.#desk.account.mirror.session(this.#id);
    if (session === null) return;
    if (openAsks(told(session.agentState)).some((ask) => !this.#asked.has(requestIdOf(ask)))) this.#take();
    const before = this.#metadata;
    if (session.metadata === null || session.metadataVersion <= this.#version) return;
    this.#metadata = session.metadata;
    this.#version = session.metadataVersion;
    // Codex writes its metadata when it starts, too.
    if (before === null || (str(session.metadata, 'flavor') ?? 'claude') !== 'claude' || before['lifecycleState'] !== session.metadata['lifecycleState']) return;
    const changed = [...new Set([...Object.keys(before), ...Object.keys(session.metadata)])].filter((key) => canonicalJson(before[key] ?? null) !== canonicalJson(session.metadata?.[key] ?? null));
    if (changed.length === 0 || changed.some((key) => !notWork.has(key))) this.#take();
  }

  /** True as soon as it was seen, false after `ms`. */
  async #lookedIn(ms: number, { signal }: CallOptions): Promise<boolean> {
    const stop = new AbortController();
    try {
      await Promise.race([this.#seen.promise, sleep(this.#desk.account.clock, ms, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]))]);
    } finally {
      stop.abort();
    }
    return this.#taken;
  }

  async #read({ signal }: CallOptions): Promise<void> {
    try {
      const page = await this.#desk.account.api.messages(this.#id, { after: this.#seq ?? 0 }, { limit: 20, ...(signal === undefined ? {} : { signal }) });
      for (const row of page.rows) this.#message(row.seq, row.content.c);
    } catch (error) {
      if (signal?.aborted === true || !(error instanceof ConnectionError || error instanceof TimeoutError)) throw error;
      this.#desk.context.log.debug('whether a prompt was taken up could not be read', { session: this.#id, error: describeError(error) });
    }
  }

  async #process(options: CallOptions): Promise<'lives' | 'ended' | 'unknown'> {
    const { account } = this.#desk;
    try {
      await probe(account, await account.sessionRow(this.#id, options), { ...options, timeoutMs: ALIVE_MS, idempotent: true });
      return 'lives';
    } catch (error) {
      if (options.signal?.aborted === true) throw error;
      if (error instanceof SessionUnreachable) return 'ended';
      // Whatever it says, it is there.
      if (error instanceof RpcRefused || error instanceof EncryptionError) return 'lives';
      if (error instanceof TimeoutError || error instanceof ConnectionError) return 'unknown';
      throw error;
    }
  }
}
