import type { Clock } from '../model/context.ts';
import { isAbort } from '../model/errors.ts';
import { sleep, systemClock } from './clock.ts';
import { HttpError } from './http.ts';

/** What is known of a failure: `afterMs` is a wait that the other side asked for. */
type RetryVerdict = { readonly retry: false } | { readonly retry: true; readonly afterMs?: number | null };

export interface RetryOptions {
  /** Tries in all; 4 by default. */
  readonly tries?: number;
  /** Milliseconds before the second try, doubled for each that follows; 500 by default. */
  readonly baseMs?: number;
  /** Milliseconds between two tries at most; 5,000 by default. */
  readonly capMs?: number;
  /** A wait that the server asks for and that is longer ends the tries; 60,000 ms by default. */
  readonly longestMs?: number;
  /** Milliseconds before try `tried + 1`, in place of what `baseMs`, `capMs` and `random` give. */
  readonly pause?: (tried: number) => number;
  readonly classify: (error: unknown) => RetryVerdict;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
  /** In [0, 1), as Math.random. */
  readonly random?: () => number;
}

const NO: RetryVerdict = { retry: false };
const STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Failures of HTTP that another try may mend: network, a proxy that is away, time-out, and 408, 425, 429, 500, 502, 503, 504. Never 400, 401, 403, 404 and the rest of 4xx, and
 * nothing at all where a second request could do a second thing (`idempotent` false): what became of the first is unknown.
 */
export function classifyHttp(idempotent: boolean): (error: unknown) => RetryVerdict {
  return (error) => {
    if (!idempotent || !(error instanceof HttpError)) return NO;
    if (error.failure === 'network' || error.failure === 'timeout' || error.code === 'proxy_failed') return { retry: true };
    return error.failure === 'status' && error.status !== null && STATUSES.has(error.status) ? { retry: true, afterMs: error.retryAfterMs } : NO;
  };
}

/** Milliseconds before try `count + 1` (count ≥ 1): doubling from `baseMs` up to `capMs`, of which half to all by chance, so that clients that lost one server do not return as one. */
export function backoff(count: number, options: { readonly baseMs: number; readonly capMs: number; readonly random?: (() => number) | undefined }): number {
  const full = Math.min(options.capMs, options.baseMs * 2 ** Math.min(count - 1, 30));
  return full * (0.5 + (options.random ?? Math.random)() / 2);
}

/** `work`, tried again as `classify` says. Rejects with the last failure; an abort rejects with the signal's reason at once, also while waiting. */
export async function withRetry<T>(work: (tried: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { tries = 4, baseMs = 500, capMs = 5_000, longestMs = 60_000, clock = systemClock } = options;
  for (let tried = 1; ; tried += 1) {
    try {
      return await work(tried);
    } catch (error) {
      if (options.signal?.aborted === true || isAbort(error) || tried >= tries) throw error;
      const verdict = options.classify(error);
      if (!verdict.retry) throw error;
      const asked = verdict.afterMs ?? 0;
      if (asked > longestMs) throw error;
      await sleep(clock, Math.max(asked, options.pause?.(tried) ?? backoff(tried, { baseMs, capMs, random: options.random })), options.signal);
    }
  }
}
