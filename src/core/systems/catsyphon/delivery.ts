import { withRetry } from '../../transport/retry.ts';
import { abortReason, sleep } from '../../transport/clock.ts';
import { batchesOf, withoutTwins } from './batches.ts';
import { CatsyphonAPIError, CatsyphonNotFoundError, CatsyphonTransportError } from './errors.ts';
import type { WireEvent } from './events.ts';
import type { CatsyphonHttp } from './http.ts';
import { paths } from './paths.ts';
import type { RetryPlan } from './retry.ts';
import { classify, isUnknown } from './retry.ts';
import type { BatchAnswer } from './wire.ts';
import { readBatchAnswer, readStatus } from './wire.ts';

/** An event that the server will never take. */
export interface ParkedEvent {
  readonly event: WireEvent;
  /** What it answered. */
  readonly status: number;
  /** Its words; '' of a 500, which would quote what is stored. */
  readonly detail: string;
}
/** What came of a delivery: the answer to the last batch, with what all of them accepted. */
export interface DeliveryReport extends BatchAnswer {
  readonly parked: readonly ParkedEvent[];
}
interface DeliverOptions {
  readonly signal?: AbortSignal | undefined;
  /** Some of the events may be on their way already, as after a crash: what the server has is looked at first. */
  readonly unsettled?: boolean | undefined;
  /** Told of events once they need no sending any more: stored, parked, or twins of others. */
  readonly onDone?: ((events: readonly WireEvent[]) => void) | undefined;
}

/** One session's way to the server. */
interface Lane {
  /** Settles when the request before is over; never rejects. */
  tail: Promise<void>;
  waiting: number;
  /** What became of the last request is not known. */
  unsure: boolean;
  /** An event that the server has: it takes it again without storing it, which tells a poisoned event from an outage. */
  good: WireEvent | null;
}
interface Run {
  readonly session: string;
  readonly lane: Lane;
  readonly options: DeliverOptions;
  readonly parked: ParkedEvent[];
  /** Events that failed alone since the last 202. */
  suspects: ParkedEvent[];
  accepted: number;
  answer: BatchAnswer | null;
}

/** Events in a row that may fail alone, with no other one taken, before it counts as an outage. */
const MOST_SUSPECTS = 4;
/** Looks at a session, at most, and those in a row that must see the same. By default the last three are a second and a half apart. */
const LOOKS = 12;
const STILL = 3;
/** Milliseconds after which a request whose client has gone is over, where the server can't be asked. */
const BLIND_MS = 30_000;
const LANES = 1_000;

/**
 * Brings events to the server so that each is stored once: one request in flight a session (of two at once the server stores the same event twice), sent again as the RetryConfig says, after a
 * request of unknown outcome only once the server's count of the session stands still. A batch that it refuses, or fails on, is halved until the event shows that it does not take; that is
 * parked, but one that it fails on (500) only when it takes another one then.
 */
export class Delivery {
  readonly #http: CatsyphonHttp;
  readonly #plan: RetryPlan;
  readonly #lanes = new Map<string, Lane>();

  constructor(http: CatsyphonHttp, plan: RetryPlan) {
    this.#http = http;
    this.#plan = plan;
  }

  /** Rejects with what stopped it; what was told to `onDone` before needs no sending any more. At least one event. */
  deliver(session: string, given: readonly WireEvent[], options: DeliverOptions): Promise<DeliveryReport> {
    return this.inTurn(session, options.signal, async (lane) => {
      const { events, twins } = withoutTwins(given);
      if (options.unsettled === true) lane.unsure = true;
      const run: Run = { session, lane, options, parked: [], suspects: [], accepted: 0, answer: null };
      for (const batch of batchesOf(events)) await this.#batch(run, batch, false);
      if (run.suspects.length > 0) await this.#probe(run);
      options.onDone?.(twins);
      return { ...(run.answer ?? { lastSequence: null, conversationId: '', warnings: [] }), accepted: run.accepted, parked: run.parked };
    });
  }

  /** `work` when nothing else of that session is on its way. An abort ends the waiting. */
  async inTurn<T>(session: string, signal: AbortSignal | undefined, work: (lane: Lane) => Promise<T>): Promise<T> {
    if (signal?.aborted === true) throw abortReason(signal);
    const lane = this.#lanes.get(session) ?? { tail: Promise.resolve(), waiting: 0, unsure: false, good: null };
    this.#lanes.set(session, lane);
    lane.waiting += 1;
    const before = lane.tail;
    const mine = before.then(() => {
      if (signal?.aborted === true) throw abortReason(signal);
      return work(lane);
    }).finally(() => {
      lane.waiting -= 1;
      this.#forget();
    });
    lane.tail = mine.then(() => undefined, () => undefined);
    if (signal === undefined) return mine;
    return new Promise<T>((resolve, reject) => {
      const onAbort = (): void => reject(abortReason(signal));
      signal.addEventListener('abort', onAbort, { once: true });
      mine.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  /** Lanes of sessions that nobody sends to any more are dropped, oldest first, save where something is not known. */
  #forget(): void {
    for (const [session, lane] of this.#lanes) {
      if (this.#lanes.size <= LANES) return;
      if (lane.waiting === 0 && !lane.unsure) this.#lanes.delete(session);
    }
  }

  /** `halved`: a part of what the server failed on as a whole. */
  async #batch(run: Run, batch: readonly WireEvent[], halved: boolean): Promise<void> {
    const alone = batch.length === 1;
    try {
      this.#took(run, batch, await this.#post(run, batch, halved && !alone));
    } catch (error) {
      if (!(error instanceof CatsyphonAPIError)) throw error;
      const named = new Set(error.refused);
      if (named.size > 0) {
        this.#park(run, batch.filter((_, index) => named.has(index)).map((event) => parkedBy(event, error)));
        const rest = batch.filter((_, index) => !named.has(index));
        if (rest.length === batch.length) throw error;
        if (rest.length > 0) await this.#batch(run, rest, halved);
      } else if (!mayBeAnEvents(error)) throw error;
      else if (!alone) await this.#halves(run, batch, halved, error);
      else if (error.status === 413) this.#park(run, batch.map((event) => parkedBy(event, error)));
      else {
        run.suspects.push(...batch.map((event) => parkedBy(event, error)));
        if (run.suspects.length >= MOST_SUSPECTS) await this.#probe(run);
      }
    }
  }

  async #halves(run: Run, batch: readonly WireEvent[], halved: boolean, error: CatsyphonAPIError): Promise<void> {
    // One request tells an outage, where the server has something already.
    if (!halved && error.status === 500 && run.lane.good !== null) await this.#probe(run, error);
    const middle = Math.ceil(batch.length / 2);
    await this.#batch(run, batch.slice(0, middle), true);
    await this.#batch(run, batch.slice(middle), true);
  }

  /** The server takes an event that it has: then it is well, and the suspects are what it does not take. Rejects where it does not, or where it has none. */
  async #probe(run: Run, trouble?: CatsyphonAPIError): Promise<void> {
    const { good } = run.lane;
    const [suspect] = run.suspects;
    if (good === null) throw trouble ?? new CatsyphonAPIError(suspect?.status ?? 500, { detail: suspect?.detail ?? '' });
    await this.#post(run, [good], false);
    this.#park(run, run.suspects.splice(0));
  }

  #took(run: Run, batch: readonly WireEvent[], answer: BatchAnswer): void {
    run.answer = answer;
    run.accepted += answer.accepted;
    // Of what is held in memory for each session, the smallest does.
    run.lane.good = batch.reduce((least, event) => (JSON.stringify(event).length < JSON.stringify(least).length ? event : least));
    run.options.onDone?.(batch);
    this.#park(run, run.suspects.splice(0));
  }

  #park(run: Run, parked: readonly ParkedEvent[]): void {
    if (parked.length === 0) return;
    run.parked.push(...parked);
    run.options.onDone?.(parked.map((one) => one.event));
  }

  /** `once500`: a failure of the server is what is looked for, and not waited out. */
  #post(run: Run, batch: readonly WireEvent[], once500: boolean): Promise<BatchAnswer> {
    const { lane, session, options: { signal } } = run;
    const { maxRetries, pause } = this.#plan;
    return withRetry(async () => {
      if (lane.unsure) await this.#settle(lane, session, signal);
      try {
        return readBatchAnswer(await this.#http.request({ method: 'POST', path: paths.events, json: { session_id: session, events: batch }, signal }));
      } catch (error) {
        lane.unsure = isUnknown(error);
        throw error;
      }
    }, { tries: maxRetries + 1, pause, signal, clock: this.#http.clock, classify: classify(once500 ? 500 : null) });
  }

  /** A request that nobody answered may be at work still: waits until the server's count of the session stands still. */
  async #settle(lane: Lane, session: string, signal: AbortSignal | undefined): Promise<void> {
    let last: number | null = null;
    let same = 0;
    for (let look = 1; look <= LOOKS; look += 1) {
      const count = await this.#http.request({ method: 'GET', path: paths.session(session), signal }).then((body) => readStatus(body).eventCount, (error: unknown) => {
        if (error instanceof CatsyphonNotFoundError) return 0;
        // Another collector began the session, of which the server tells us nothing while it takes events of us (observed); where it means the key, sending says so.
        if (error instanceof CatsyphonAPIError && error.status === 403) return null;
        throw error;
      });
      if (count === null) {
        await sleep(this.#http.clock, BLIND_MS, signal);
        lane.unsure = false;
        return;
      }
      same = count === last ? same + 1 : 1;
      last = count;
      if (same >= STILL) {
        lane.unsure = false;
        return;
      }
      await sleep(this.#http.clock, this.#plan.pause(same), signal);
    }
    throw new CatsyphonTransportError('unsettled', 'Another program sends to this session, or the server is still at work on it. Try again in a minute.');
  }
}

function parkedBy(event: WireEvent, error: CatsyphonAPIError): ParkedEvent {
  return { event, status: error.status, detail: error.detail };
}

/** True where one event may be why the server does not take the batch. A 422 that names something else (a header) is nobody's. */
function mayBeAnEvents(error: CatsyphonAPIError): boolean {
  return error.status === 413 || error.status === 500 || (error.status === 422 && !error.detail.startsWith('header.'));
}
