import type { CallOptions } from '../../model/backend.ts';
import type { Clock, Logger } from '../../model/context.ts';
import type { JsonValue } from '../../model/json.ts';
import { abortReason, systemClock } from '../../transport/clock.ts';
import { Emitter } from '../../transport/emitter.ts';
import { silentLogger } from '../../transport/logger.ts';
import { backoff } from '../../transport/retry.ts';
import { inSlices } from '../../transport/slices.ts';
import type { Cipher } from './crypto/cipher.ts';
import { HappyError } from './errors.ts';
import type { MessageRange, MessagesPage } from './http.ts';
import { NEWEST, PAGE, PageSize } from './http.ts';
import type { MessageRow } from './wire/bodies.ts';

export interface SyncedMessage {
  readonly id: string;
  /** The session's own order; from 1, with holes. */
  readonly seq: number;
  /** The id that its sender gave it, or null. */
  readonly localId: string | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Decrypted; null where it cannot be read. */
  readonly content: JsonValue;
  readonly readable: boolean;
  /** The record as it came, base64. */
  readonly sealed: string;
}
interface SyncSource {
  messages(range: MessageRange, options: { readonly limit: number } & CallOptions): Promise<MessagesPage>;
}
interface SyncOptions {
  readonly source: SyncSource;
  readonly cipher: Cipher | null;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly random?: () => number;
}
interface Hole {
  readonly from: number;
  readonly to: number;
  readonly foundAt: number;
}

const FIRST_PAGE = 100;
/** A hole may be a message that is being stored: until it is this old, a catch-up looks at it again. */
const HOLE_MS = 120_000;
const MOST_HOLES = 1_000;
const MOST_UNREADABLE = 5_000;
/** An own message whose echo did not come by then was pushed to nobody. */
const ECHO_MS = 1_500;

/**
 * The messages of one session, whole: newest page first, then older pages on demand, and live ones as they are pushed. `watermark` is the seq up to which, from `floor` on,
 * everything is here; pushes beyond it wait in a set until what lies between was read. Only what the server listed or pushed moves it, never an own send: others may have
 * written before us (P3). A hole is believed when the server lists what is beyond it without it.
 */
export class SessionSync {
  /** Messages that were pushed or caught up, each once, save one that has become readable. */
  readonly onMessages: Emitter<readonly SyncedMessage[]>;
  readonly sessionId: string;
  readonly #options: SyncOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #end = new AbortController();
  #cipher: Cipher | null;
  #watermark: number | null = null;
  #floor = 1;
  #complete = false;
  readonly #ahead = new Set<number>();
  #holes: Hole[] = [];
  readonly #unreadable = new Map<number, MessageRow>();
  #wanted = false;
  #running: Promise<void> | null = null;
  #paging: Promise<unknown> = Promise.resolve();
  #failures = 0;
  readonly #timers = new Set<{ cancel(): void }>();
  #retry: { cancel(): void } | null = null;

  constructor(sessionId: string, options: SyncOptions) {
    this.sessionId = sessionId;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLogger;
    this.#cipher = options.cipher;
    this.onMessages = new Emitter((error) => this.#log.error('a listener of a session failed', { error }));
  }

  /** Null before the newest page was read. */
  get watermark(): number | null {
    return this.#watermark;
  }
  /** The least seq of the pages that were read. */
  get floor(): number {
    return this.#floor;
  }
  /** The first message was read: there is nothing older. */
  get complete(): boolean {
    return this.#complete;
  }
  /** Pushed ahead of what lies between. */
  get ahead(): ReadonlySet<number> {
    return this.#ahead;
  }

  /** The newest page, newest last. From then on pushes and catch-ups go on where it ends. */
  async open(options: CallOptions = {}): Promise<readonly SyncedMessage[]> {
    return (await this.#newest(options)).all;
  }

  /** The page before the oldest that was read, newest last; empty at the beginning. */
  older(options: { readonly limit?: number } & CallOptions = {}): Promise<readonly SyncedMessage[]> {
    return this.#inTurn(async () => {
      if (this.#watermark === null) throw new HappyError('invalid_argument', 'The newest page of a session is read before older ones.');
      if (this.#complete) return [];
      const page = await this.#page({ before: this.#floor }, options.limit ?? FIRST_PAGE, options);
      const rows = ascending(page.rows);
      const messages = await this.#opened(rows);
      if (page.more && rows.length === 0) throw new HappyError('bad_answer', 'The Happy server has older messages, but gave none that can be read.');
      const floor = rows[0]?.seq ?? this.#floor;
      this.#noteHoles(floor, this.#floor, rows, Number.NEGATIVE_INFINITY);
      this.#floor = floor;
      this.#complete = !page.more;
      return messages;
    });
  }

  /** A message that the socket pushed: told at once, and what lies before it is read where it is missing. */
  push(row: MessageRow): void {
    if (this.#end.signal.aborted || !this.#isNew(row.seq)) return;
    if (this.#watermark === null || row.seq > this.#watermark) this.#ahead.add(row.seq);
    else this.#fillHole(row.seq);
    this.onMessages.emit([this.#open(row)]);
    if (this.#watermark === null) return;
    this.#absorb();
    if (this.#ahead.size > 0) this.#wish();
  }

  /** An own message was stored at `seq`. Moves nothing; where its echo does not come, the socket keeps silent about others' messages too, and they are read. */
  sent(seq: number): void {
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer);
      if (this.#isNew(seq)) this.#wish();
    }, ECHO_MS);
    this.#timers.add(timer);
  }

  /**
   * Reads everything after the watermark; to be called after every reconnect. Resolves when a read that began after this call is done. Rejects as the source does, and then
   * goes on trying by itself.
   */
  async catchUp(options: CallOptions = {}): Promise<void> {
    const { signal } = options;
    if (signal?.aborted === true) throw abortReason(signal);
    if (this.#end.signal.aborted) return;
    this.#wanted = true;
    this.#running ??= this.#run();
    const running = this.#running;
    if (signal === undefined) return running;
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => reject(abortReason(signal));
      signal.addEventListener('abort', onAbort, { once: true });
      void running.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  /** Another key for this session: what could not be read is told again. */
  rekey(cipher: Cipher | null): void {
    this.#cipher = cipher;
    const rows = Array.from(this.#unreadable.values());
    this.#unreadable.clear();
    const messages = rows.map((row) => this.#open(row)).filter((message) => message.readable);
    if (messages.length > 0) this.onMessages.emit(messages);
  }

  dispose(): void {
    this.#end.abort();
    this.#retry?.cancel();
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.onMessages.clear();
  }

  async #run(): Promise<void> {
    try {
      while (this.#wanted && !this.#end.signal.aborted) {
        this.#wanted = false;
        if (this.#watermark === null) {
          const { untold } = await this.#newest({});
          if (untold.length > 0) this.onMessages.emit(untold);
        } else await this.#forward();
      }
      if (this.#ahead.size === 0) this.#failures = 0;
    } catch (error) {
      this.#later();
      throw error;
    } finally {
      // At once with the loop's last look at `wanted`: a wish that comes after it begins another run.
      this.#running = null;
    }
  }

  #newest(options: CallOptions): Promise<{ readonly all: readonly SyncedMessage[]; readonly untold: readonly SyncedMessage[] }> {
    return this.#inTurn(async () => {
      const page = await this.#page({ before: NEWEST }, FIRST_PAGE, options);
      const rows = ascending(page.rows);
      const all = await this.#opened(rows);
      // Where another read was first, the catch-up that follows tells what is beyond it.
      const untold = this.#watermark === null ? all.filter((message) => this.#isNew(message.seq)) : [];
      const floor = rows[0]?.seq ?? 1;
      const last = rows.at(-1)?.seq ?? 0;
      if (this.#watermark === null) {
        this.#noteHoles(floor, last + 1, rows, this.#clock.monotonic());
        this.#watermark = last;
        this.#floor = floor;
        this.#complete = !page.more;
        this.#absorb();
        if (this.#ahead.size > 0) this.#wish();
      } else if (last > this.#watermark) this.#wish();
      return { all, untold };
    });
  }

  async #forward(): Promise<void> {
    const before = Math.max(0, ...this.#ahead);
    let after = this.#startOfCatchUp();
    const size = new PageSize(PAGE.messages);
    for (;;) {
      const page = await this.#page({ after }, size.limit, {});
      const rows = ascending(page.rows);
      size.learn(rows.length, charactersOf(rows));
      const last = rows.at(-1);
      const messages = await this.#opened(rows);
      if (this.#end.signal.aborted) return;
      const told = messages.filter((message) => this.#isNew(message.seq));
      for (const message of told) this.#fillHole(message.seq);
      const mark = this.#watermark ?? 0;
      if (last !== undefined && last.seq > mark) {
        this.#noteHoles(mark + 1, last.seq, rows, this.#clock.monotonic());
        this.#watermark = last.seq;
      }
      this.#absorb();
      if (told.length > 0) this.onMessages.emit(told);
      if (!page.more) break;
      if (last === undefined || last.seq <= after) throw new HappyError('bad_answer', 'The Happy server has more messages, but gave none that can be read.');
      after = last.seq;
    }
    if (this.#ahead.size === 0) return;
    // Pushed while we read: once more. Pushed before, and not listed yet: in a while.
    if (Math.max(...this.#ahead) > before) this.#wanted = true;
    else this.#later();
  }

  /** The watermark, or what lies before a hole that may still be filled. */
  #startOfCatchUp(): number {
    const oldest = this.#clock.monotonic() - HOLE_MS;
    const from = this.#holes.filter((hole) => hole.foundAt >= oldest).map((hole) => hole.from - 1);
    return Math.min(this.#watermark ?? 0, ...from);
  }

  #wish(): void {
    this.catchUp().catch((error: unknown) => this.#log.debug('catching up failed', { error }));
  }

  #later(): void {
    if (this.#end.signal.aborted) return;
    this.#failures += 1;
    this.#retry?.cancel();
    this.#retry = this.#clock.setTimeout(() => {
      this.#retry = null;
      this.#wish();
    }, backoff(this.#failures, { baseMs: 1_000, capMs: 30_000, random: this.#options.random }));
  }

  #page(range: MessageRange, limit: number, options: CallOptions): Promise<MessagesPage> {
    const signal = options.signal === undefined ? this.#end.signal : AbortSignal.any([options.signal, this.#end.signal]);
    return this.#options.source.messages(range, { limit, signal });
  }

  /** Pages do not overtake each other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#paging.then(work, work);
    this.#paging = mine.then(() => undefined, () => undefined);
    return mine;
  }

  /** Not told yet. What is older than the pages that were read comes with them; a page's own holes may still be filled. */
  #isNew(seq: number): boolean {
    if (this.#ahead.has(seq)) return false;
    if (this.#watermark === null || seq > this.#watermark) return true;
    return this.#holes.some((hole) => seq >= hole.from && seq <= hole.to);
  }

  /** Moves the watermark over what follows it without a gap. */
  #absorb(): void {
    let mark = this.#watermark ?? 0;
    while (this.#ahead.delete(mark + 1)) mark += 1;
    this.#watermark = mark;
    for (const seq of this.#ahead) if (seq <= mark) this.#ahead.delete(seq);
  }

  /** What the server left out from `from` until before `to`, as far as it was not pushed: `rows` are what it listed. */
  #noteHoles(from: number, to: number, rows: readonly MessageRow[], foundAt: number): void {
    const here = [...rows.map((row) => row.seq), ...this.#ahead, to].filter((seq) => seq >= from && seq <= to).sort((one, other) => one - other);
    let expected = from;
    for (const seq of here) {
      if (seq > expected) this.#holes.push({ from: expected, to: seq - 1, foundAt });
      expected = seq + 1;
    }
    if (this.#holes.length > MOST_HOLES) this.#holes = this.#holes.slice(-MOST_HOLES);
  }

  #fillHole(seq: number): void {
    this.#holes = this.#holes.flatMap((hole) => {
      if (seq < hole.from || seq > hole.to) return [hole];
      const parts = [{ ...hole, to: seq - 1 }, { ...hole, from: seq + 1 }];
      return parts.filter((part) => part.from <= part.to);
    });
  }

  #open(row: MessageRow): SyncedMessage {
    const content = this.#cipher?.open(row.content.c);
    if (content === undefined && this.#unreadable.size < MOST_UNREADABLE) this.#unreadable.set(row.seq, row);
    return { id: row.id, seq: row.seq, localId: row.localId, createdAt: row.createdAt, updatedAt: row.updatedAt, content: content ?? null, readable: content !== undefined, sealed: row.content.c };
  }

  async #opened(rows: readonly MessageRow[]): Promise<readonly SyncedMessage[]> {
    const messages: SyncedMessage[] = [];
    await inSlices(rows, (row) => messages.push(this.#open(row)), { signal: this.#end.signal, heavy: (row) => row.content.c.length > 100_000 });
    return messages;
  }
}

/** Of their records. */
export function charactersOf(rows: readonly MessageRow[]): number {
  return rows.reduce((sum, row) => sum + row.content.c.length, 0);
}

function ascending(rows: readonly MessageRow[]): readonly MessageRow[] {
  return rows.toSorted((one, other) => one.seq - other.seq);
}
