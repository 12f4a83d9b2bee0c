import type { Clock } from '../../model/context.ts';
import { waitFor } from '../../transport/wait.ts';
import { backoff } from '../../transport/retry.ts';
import { HebingTransportError } from './errors.ts';
import { endsLease, LeaseExpired } from './workerErrors.ts';

/** When a request was sent, by both clocks: a computer that slept has lost time that one of them does not show. */
export interface Sent {
  /** Milliseconds of `Clock.monotonic`. */
  readonly monotonic: number;
  /** Milliseconds of `Clock.now`. */
  readonly now: number;
}
/** Milliseconds that a lease lasts where the server does not tell (hebing.md, Worker 4). */
export const LEASE_MS = 30_000;
/** No lease is thought to last longer, whatever the server says: a timer must be able to wait for it. */
const LONGEST_MS = 3_600_000;

export const sentNow = (clock: Clock): Sent => ({ monotonic: clock.monotonic(), now: clock.now() });

/**
 * Milliseconds, from the sending of the request on, that a lease lasts for certain. The server's clock need not be ours: `serverTime` (of the answer's `Date`, whole seconds) tells where they
 * differ. Without it a time that no lease of the contract has says that they do, and LEASE_MS counts. Null where the answer names no time that can be read.
 */
export function leaseMs(expiresAt: string | number | null, sent: Sent, serverTime: number | null): number | null {
  const at = timeOf(expiresAt);
  if (at === null) return null;
  const left = at - sent.now;
  if (serverTime === null) return left > 0 && left <= LEASE_MS ? left : LEASE_MS;
  const ahead = serverTime - sent.now;
  const agree = ahead > -1_000 && ahead <= 250;
  return Math.min(LONGEST_MS, Math.max(0, agree ? left : at - serverTime - 1_000));
}

/** Milliseconds since the epoch of an ISO time (without a zone: UTC, as Python writes it), or of a number of seconds or milliseconds. */
function timeOf(value: string | number | null): number | null {
  if (typeof value === 'number') return value < 100_000_000_000 ? value * 1_000 : value;
  if (value === null) return null;
  const at = Date.parse(/(?:[zZ]|[+-]\d{2}:?\d{2})$/.test(value) ? value : `${value}Z`);
  return Number.isNaN(at) ? null : at;
}

interface HeldLeaseOptions {
  readonly jobId: string;
  readonly clock: Clock;
  /** Of the request that brought the lease. */
  readonly sent: Sent;
  /** From `sent` on. */
  readonly lastsMs: number;
  /** Milliseconds between two heartbeats; a third of the lease at most. */
  readonly intervalMs: number;
  /** One heartbeat. Gives the milliseconds that the lease lasts from its sending on; null: as long as before. */
  readonly renew: (options: { readonly deadlineMs: number; readonly signal: AbortSignal }) => Promise<number | null>;
  readonly random?: (() => number) | undefined;
}

/**
 * The lease of one job, renewed by heartbeats until it is ended or lost. Its signal fires when the server says that it is over, and a tenth of its time before it would lapse without having
 * been renewed: what works on the job then has that time left to stop.
 */
export class HeldLease implements Disposable {
  readonly #options: HeldLeaseOptions;
  readonly #lost = new AbortController();
  /** Ends heartbeats that are under way. */
  readonly #over = new AbortController();
  #lastsMs: number;
  #sent: Sent;
  /** Milliseconds between two heartbeats: of a third of the lease, what the answer took to come is no part. */
  #periodMs = 0;
  #beat: { cancel(): void } | null = null;
  #lapse: { cancel(): void } | null = null;
  #renewing: Promise<void> | null = null;
  #failures = 0;
  #failure: unknown = null;
  /** While an output is under way: a refused heartbeat may mean that it was taken, and what was sent in time is the server's to judge. */
  #settling = false;
  #refused: Error | null = null;

  constructor(options: HeldLeaseOptions) {
    this.#options = options;
    this.#sent = options.sent;
    this.#lastsMs = options.lastsMs;
    this.#arm();
  }

  /** Fires once, when the lease is lost; its reason is a TaskRunNotFound, a LeaseExpired, or what only the person can mend. Never after `end`. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** True while nobody else can have the job, by both clocks. */
  get held(): boolean {
    if (this.#over.signal.aborted || this.#refused !== null) return false;
    const { clock } = this.#options;
    return clock.monotonic() - this.#sent.monotonic < this.#lastsMs && clock.now() - this.#sent.now < this.#lastsMs;
  }

  /** Why it is not held any more. */
  get reason(): Error {
    const reason: unknown = this.#lost.signal.reason;
    return this.#refused ?? (reason instanceof Error ? reason : new LeaseExpired(this.#options.jobId, { cause: this.#failure ?? undefined }));
  }

  /** A heartbeat now, which tells whether the job is still ours: resolves where it is; rejects with `reason` where the server says that it is not, or with what kept it from being asked. */
  async confirm(): Promise<void> {
    const before = this.#sent;
    await this.#renew();
    if (this.#over.signal.aborted || this.#refused !== null) throw this.reason;
    if (this.#sent === before) throw this.#failure instanceof Error ? this.#failure : this.reason;
  }

  /** `work` sends an output. While it does, a lease that is lost is not held any more, and its heartbeats stop; the signal waits until it is known whether that was the output's end or the job's. */
  async whileSettling<T>(work: () => Promise<T>): Promise<T> {
    this.#settling = true;
    try {
      return await work();
    } finally {
      this.#settling = false;
      if (this.#refused !== null) this.lose(this.#refused);
    }
  }

  /** The server said that it is over: no more heartbeats, and the signal fires. */
  lose(reason: Error): void {
    if (this.#over.signal.aborted) return;
    this.#disarm();
    this.#lost.abort(reason);
    this.#over.abort(reason);
  }

  /** No more heartbeats, and no signal: the job is settled, or given up. */
  [Symbol.dispose](): void {
    this.#disarm();
    this.#over.abort(new LeaseExpired(this.#options.jobId));
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#disarm();
    const passed = clock.monotonic() - this.#sent.monotonic;
    const lapsesIn = this.#lastsMs * 0.9 - passed;
    // Told at once: nothing is to begin under a lease that came too late.
    if (lapsesIn <= 0) {
      this.#lapsed();
      return;
    }
    this.#periodMs = Math.max(0, Math.min(this.#options.intervalMs, (this.#lastsMs - passed) / 3));
    this.#lapse = clock.setTimeout(() => this.#lapsed(), lapsesIn);
    this.#next(Math.max(0, this.#periodMs - passed));
  }

  #disarm(): void {
    this.#beat?.cancel();
    this.#lapse?.cancel();
  }

  #next(ms: number): void {
    this.#beat?.cancel();
    this.#beat = this.#options.clock.setTimeout(() => void this.#renew(), ms);
  }

  #lapsed(): void {
    this.#refuse(new LeaseExpired(this.#options.jobId, { cause: this.#failure ?? undefined }));
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** Never rejects. The next one is due whether this one is answered or not: it is given up by then. */
  async #renewOnce(): Promise<void> {
    const { clock, renew } = this.#options;
    if (this.#over.signal.aborted) return;
    this.#beat?.cancel();
    const sent = sentNow(clock);
    const deadlineMs = Math.max(1, Math.min(this.#periodMs, this.#lastsMs - (sent.monotonic - this.#sent.monotonic)));
    const given = new AbortController();
    const { signal } = this.#over;
    try {
      const onTimeout = (): Error => new HebingTransportError('timeout', 'hebing did not answer a heartbeat in time.');
      const lasts = await waitFor(renew({ deadlineMs, signal: AbortSignal.any([signal, given.signal]) }), { clock, timeoutMs: deadlineMs, signal, onTimeout });
      if (signal.aborted) return;
      this.#lastsMs = lasts ?? this.#lastsMs;
      this.#sent = sent;
      this.#failures = 0;
      this.#failure = null;
      this.#arm();
    } catch (error) {
      given.abort();
      if (signal.aborted) return;
      this.#failure = error;
      if (endsLease(error)) this.#refuse(error instanceof Error ? error : this.reason);
      else this.#again(sent);
    }
  }

  #refuse(error: Error): void {
    if (!this.#settling) {
      this.lose(error);
      return;
    }
    this.#refused = error;
    this.#beat?.cancel();
  }

  /** Sooner than the next heartbeat is due, and at most as late. */
  #again(sent: Sent): void {
    this.#failures += 1;
    const passed = this.#options.clock.monotonic() - sent.monotonic;
    const wait = backoff(this.#failures, { baseMs: this.#periodMs / 8, capMs: this.#periodMs, random: this.#options.random });
    this.#next(Math.max(0, Math.min(wait, this.#periodMs - passed)));
  }
}
