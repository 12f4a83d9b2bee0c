import type { Entry } from '../../../model/entry.ts';
import { describeError } from '../../../model/errors.ts';
import { ForgeAPIError } from '../errors.ts';
import type { TurnResult } from '../types.ts';
import type { ForgeEvent } from '../types.ts';
import { transcriptOf, withTranscript } from './carry.ts';
import type { ForgeDesk } from './desk.ts';
import type { Counted } from './outcome.ts';
import { endOf, interruptedEnd, isUnknown, lostEnd, oneLine, orphanedEnd, refusalOf, wasRefused, whyClosed } from './outcome.ts';
import type { ForgeRecord } from './records.ts';
import { REMEMBERED } from './records.ts';
import { RunningTurn } from './running.ts';
import type { TurnEnd, TurnNotice } from './turnLog.ts';
import { TurnLog } from './turnLog.ts';

/** What is there of a running turn is written at most this often: a window that dies loses no more. */
const WRITE_MS = 2_000;
/** How long the server may take to say how many turns it has counted. */
const COUNT_MS = 10_000;

/** What is to be told of a turn that is over; `refusal`: the server has certainly not taken it, and nothing is told. */
interface Outcome {
  readonly told: readonly Entry[];
  readonly refusal: Error | null;
}

interface TurnEvents {
  tell(entries: readonly Entry[]): void;
  changed(): void;
}

/** The turns of one session, one at a time. What the server answers exists nowhere else: it is written before a turn counts as done. */
export class Turns {
  current: RunningTurn | null = null;
  readonly #desk: ForgeDesk;
  readonly #id: string;
  readonly #events: TurnEvents;
  #writing: { cancel(): void } | null = null;
  #written: Promise<void> = Promise.resolve();

  constructor(desk: ForgeDesk, id: string, events: TurnEvents) {
    this.#desk = desk;
    this.#id = id;
    this.#events = events;
  }

  /**
   * Hands a prompt over. Resolves when the server has it; rejects when it certainly has not, and then nothing is left of it. `done` is called once, when the session is free again.
   */
  async run(record: ForgeRecord, text: string, clientId: string, signal: AbortSignal | undefined, done: () => Promise<void>): Promise<void> {
    const { clock } = this.#desk.context;
    const startedAt = Math.max(clock.now(), record.lastAt + 1);
    const log = new TurnLog({ clientId, text }, startedAt, () => clock.now());
    const turn = new RunningTurn(log, record.parts, clock, () => this.#onTaken(turn));
    this.current = turn;
    // Left while it was not known whether the server has it; after that it is the person's to interrupt.
    const onAbort = (): void => {
      if (turn.isTaken) return;
      turn.broken ??= 'interrupted';
      turn.stop.abort();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.#events.changed();
      await this.#desk.journal.write(this.#id, turn.part, log.whole(orphanedEnd.end, [orphanedEnd.notice]));
      await this.#desk.records.change(this.#id, (one) => ({ open: { clientId, part: turn.part, before: one.counted }, parts: turn.part + 1, lastAt: startedAt, error: null }));
      const prompt = record.carry ? withTranscript(await transcriptOf(this.#desk, record, signal === undefined ? {} : { signal }), text) : text;
      void this.#work(turn, record, prompt, done);
    } catch (error) {
      await this.#abandon(turn).catch(() => undefined);
      await done();
      this.#free(turn);
      turn.refuse(error instanceof Error ? error : new Error(String(error)));
      turn.end();
      throw error;
    } finally {
      turn.taken.catch(() => undefined).finally(() => signal?.removeEventListener('abort', onAbort));
    }
    await turn.taken;
  }

  /** The window closes: what runs stays as it was written last. */
  async close(): Promise<void> {
    const turn = this.current;
    if (turn === null) return;
    turn.broken = 'closing';
    turn.stop.abort();
    await turn.over;
  }

  #onTaken(turn: RunningTurn): void {
    const title = oneLine(turn.log.opening.flatMap((entry) => (entry.kind === 'prompt' ? [entry.text] : []))[0] ?? '', 80);
    this.#desk.records.change(this.#id, (one) => ({
      updatedAt: this.#desk.context.clock.now(), sent: [...one.sent, turn.log.clientId].slice(-REMEMBERED), ...(one.titleBy === 'nobody' && title !== '' ? { title, titleBy: 'prompt' as const } : {}),
    })).then(() => this.#events.changed()).catch((error: unknown) => this.#desk.context.log.error('a session record could not be kept', { error: describeError(error) }));
    this.#events.tell(turn.log.opening);
    turn.activity = { phase: 'thinking', since: this.#desk.context.clock.now(), detail: null, until: null };
    this.#events.changed();
  }

  /** Never rejects. The session is free again before anybody is told of the end. */
  async #work(turn: RunningTurn, record: ForgeRecord, prompt: string, done: () => Promise<void>): Promise<void> {
    let outcome: Outcome = { told: [], refusal: null };
    try {
      outcome = await this.#ask(turn, record, prompt);
    } catch (error) {
      this.#desk.context.log.error('a turn could not be ended', { session: this.#id, error: describeError(error) });
    }
    await done();
    this.#free(turn);
    if (outcome.refusal === null) turn.take();
    else turn.refuse(outcome.refusal);
    this.#events.tell(outcome.told);
    turn.end();
    this.#events.changed();
  }

  #free(turn: RunningTurn): void {
    this.#writing?.cancel();
    this.#writing = null;
    if (this.current === turn) this.current = null;
  }

  async #ask(turn: RunningTurn, record: ForgeRecord, prompt: string): Promise<Outcome> {
    try {
      const result = await this.#desk.forge.attach(record.forgeId).turn(prompt, {
        timeoutSecs: this.#desk.turnSecs, signal: turn.stop.signal, onOpen: (streams) => turn.open(streams), onEvent: (event) => this.#heard(turn, event),
      });
      turn.take();
      return await this.#finish(turn, endOf(result, this.#desk.turnSecs), [], this.#countOf(record, result));
    } catch (error) {
      return this.#failed(turn, record, error);
    }
  }

  /** The server counts from 1: a turn of a higher number than ours followed others'. */
  #countOf(record: ForgeRecord, { turnIndex }: TurnResult): Partial<ForgeRecord> {
    const own = record.counted + 1;
    // Those between are told of when the server's count is read next.
    return turnIndex === null || turnIndex <= own ? { counted: own, carry: false } : { counted: record.doubt === turnIndex - 1 ? turnIndex : own, carry: false, ...(record.doubt === turnIndex - 1 ? { doubt: null } : {}) };
  }

  async #failed(turn: RunningTurn, record: ForgeRecord, error: unknown): Promise<Outcome> {
    const cause = error instanceof Error ? error : new Error(String(error));
    this.#desk.judge(cause);
    if (turn.broken === 'closing') {
      // Whoever opens the session next ends the turn: it is written down as it stands.
      await this.#write(turn);
      return { told: [], refusal: cause };
    }
    const gone = cause instanceof ForgeAPIError && (cause.status === 410 || cause.status === 404) ? { stopped: true, error: whyClosed(cause.status === 404) } : {};
    if (!turn.isTaken && wasRefused(cause)) {
      await this.#abandon(turn);
      await this.#desk.records.change(this.#id, () => gone);
      return { told: [], refusal: refusalOf(cause) };
    }
    turn.take();
    const doubt = { doubt: record.counted + 1 };
    if (turn.broken === 'interrupted') return this.#finish(turn, interruptedEnd.end, [interruptedEnd.notice], doubt);
    if (wasRefused(cause) || !isUnknown(cause)) return this.#finish(turn, { state: 'failed', error: describeError(cause), durationMs: null }, [], wasRefused(cause) ? gone : doubt);
    const counted = await this.#counted(record);
    const { end, notice } = lostEnd(cause, counted);
    return this.#finish(turn, end, [notice], counted === 'counted' ? { counted: record.counted + 1, carry: false } : doubt);
  }

  /** Whether the server has counted a turn whose answer was lost. */
  async #counted(record: ForgeRecord): Promise<Counted> {
    try {
      const row = await this.#desk.read(record.forgeId, { signal: AbortSignal.timeout(COUNT_MS) });
      if (row === null) return null;
      return row.turnCount > record.counted ? 'counted' : 'not-yet';
    } catch {
      return null;
    }
  }

  /** Writes it down; what is to be told comes after. */
  async #finish(turn: RunningTurn, end: TurnEnd, notices: readonly TurnNotice[], change: Partial<ForgeRecord>): Promise<Outcome> {
    this.#writing?.cancel();
    const told = turn.log.end(end, notices);
    return { told: [...told, ...(await this.#keep(turn, end, change))], refusal: null };
  }

  async #keep(turn: RunningTurn, end: TurnEnd, change: Partial<ForgeRecord>): Promise<readonly Entry[]> {
    const { clock, log } = this.#desk.context;
    try {
      await this.#written;
      await this.#desk.journal.write(this.#id, turn.part, turn.log.kept);
      await this.#desk.records.change(this.#id, () => ({ ...change, open: null, updatedAt: clock.now(), error: end.state === 'failed' ? end.error : null }));
      return [];
    } catch (error) {
      log.error('an answer could not be written', { session: this.#id, error: describeError(error) });
      const last = turn.log.kept.at(-1);
      const id = `${turn.log.name}:unkept`;
      return [{
        kind: 'notice', id, row: id, rev: 1, order: [...(last?.order ?? [clock.now()]), 1], at: clock.now(), turn: null, parent: null, level: 'error', code: 'not_kept',
        text: 'This answer could not be written here, and the server keeps none.', remedy: 'Export the transcript before you close the window.',
      }];
    }
  }

  /** The server has not taken it: as if it had never been. */
  async #abandon(turn: RunningTurn): Promise<void> {
    this.#writing?.cancel();
    await this.#written.catch(() => undefined);
    await this.#desk.records.change(this.#id, (one) => ({ open: null, parts: one.parts === turn.part + 1 ? turn.part : one.parts }));
    await this.#desk.journal.drop(this.#id, turn.part);
  }

  #heard(turn: RunningTurn, event: ForgeEvent): void {
    turn.take();
    const entries = turn.log.take(event);
    // Of what comes in one piece nobody needs to see the pieces.
    this.#events.tell(turn.streams ? entries : entries.filter((entry) => entry.kind !== 'delta'));
    const tool = turn.log.openTool;
    const phase = event.type === 'text' ? 'answering' : tool === null ? 'thinking' : 'tool';
    if (turn.activity.phase !== phase || turn.activity.detail !== (phase === 'tool' ? tool : null)) {
      turn.activity = { phase, since: this.#desk.context.clock.now(), detail: phase === 'tool' ? tool : null, until: null };
      this.#events.changed();
    }
    this.#writing ??= this.#desk.context.clock.setTimeout(() => {
      this.#writing = null;
      void this.#write(turn);
    }, WRITE_MS);
  }

  /** As it stands, as if its window died now. Never rejects. */
  async #write(turn: RunningTurn): Promise<void> {
    this.#written = this.#desk.journal.write(this.#id, turn.part, turn.log.whole(orphanedEnd.end, [orphanedEnd.notice]))
      .catch((error: unknown) => this.#desk.context.log.warn('a running turn could not be written', { session: this.#id, error: describeError(error) }));
    await this.#written;
  }
}
