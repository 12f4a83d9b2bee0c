import type { RetryOptions } from '../../transport/retry.ts';
import { CatsyphonAPIError, CatsyphonTransportError, invalid } from './errors.ts';

/** How failed requests are sent again. Seconds. A `Retry-After` of the server counts where it is longer. */
export interface RetryConfig {
  /** After the first try; 3 by default. */
  readonly maxRetries?: number | undefined;
  /** Before the second try; 0.5 by default. */
  readonly initialDelay?: number | undefined;
  /** Between two tries at most, less up to a quarter that chance adds; 30 by default. */
  readonly maxDelay?: number | undefined;
  /** By what each wait is longer than the one before; 2 by default. */
  readonly exponentialBase?: number | undefined;
}

/** A checked RetryConfig. */
export interface RetryPlan {
  readonly maxRetries: number;
  /** Milliseconds before try `tried + 1`. */
  readonly pause: (tried: number) => number;
}

const AGAIN: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
/** Statuses of who stands before the server and cannot say what it did. */
const UNKNOWN: ReadonlySet<number> = new Set([408, 502, 504]);

/** Throws `invalid_argument`. `random` in [0, 1), as Math.random. */
export function retryPlan(config: RetryConfig = {}, random: () => number = Math.random): RetryPlan {
  const { maxRetries = 3, initialDelay = 0.5, maxDelay = 30, exponentialBase = 2 } = config;
  if (!Number.isInteger(maxRetries) || maxRetries < 0 || maxRetries > 100) throw invalid('retry.maxRetries must be a whole number from 0 to 100.');
  for (const [name, value] of Object.entries({ initialDelay, maxDelay })) if (!Number.isFinite(value) || value < 0) throw invalid(`retry.${name} must be a number of seconds, 0 or more.`);
  if (!Number.isFinite(exponentialBase) || exponentialBase < 1) throw invalid('retry.exponentialBase must be a number, 1 or more.');
  return { maxRetries, pause: (tried) => 1_000 * Math.min(maxDelay, initialDelay * exponentialBase ** (tried - 1)) * (1 + random() / 4) };
}

/** True for failures where another try may bring what this one did not: the network's, 408, 429 and the passing ones of 5xx. */
function isPassing(error: unknown): boolean {
  if (error instanceof CatsyphonTransportError) return !error.personMustAct;
  return error instanceof CatsyphonAPIError && AGAIN.has(error.status);
}

/** True where the request may be at work, or done, although it failed here; an abort too. */
export function isUnknown(error: unknown): boolean {
  if (error instanceof CatsyphonTransportError) return !error.unsent;
  return !(error instanceof CatsyphonAPIError) || UNKNOWN.has(error.status);
}

/** For `RetryOptions`. `not`: a status that another try does not mend here. */
export function classify(not: number | null = null): RetryOptions['classify'] {
  return (error) => {
    if (!isPassing(error) || (error instanceof CatsyphonAPIError && error.status === not)) return { retry: false };
    return { retry: true, afterMs: error instanceof CatsyphonAPIError ? error.retryAfterMs : null };
  };
}
