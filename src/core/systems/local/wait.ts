import type { Clock } from '../../model/context.ts';
import { PilothouseError } from '../../model/errors.ts';
import { systemClock } from '../../transport/clock.ts';

interface WaitOptions {
  readonly clock?: Clock;
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What to reject with when the time is over. */
  readonly onTimeout: () => PilothouseError;
}

/** The rejection of an aborted call: `isAbort` is true for it. */
export function abortError(): Error {
  const error = new Error('The call was cancelled.');
  error.name = 'AbortError';
  return error;
}

/** Throws the abort error when `signal` is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError();
}

/** `promise`, but no longer than `timeoutMs` and not past `signal`. The promise itself goes on; its late rejection is swallowed. */
export function waitFor<T>(promise: Promise<T>, options: WaitOptions): Promise<T> {
  const { signal } = options;
  return new Promise<T>((resolve, reject) => {
    const finish = (act: () => void): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const onAbort = (): void => finish(() => reject(abortError()));
    const timer = (options.clock ?? systemClock).setTimeout(() => finish(() => reject(options.onTimeout())), options.timeoutMs);
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error instanceof Error ? error : new PilothouseError('unexpected', String(error)))),
    );
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Resolves after `ms` of real time. For waits on other processes: unlike the clock's timers it keeps this process alive meanwhile. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
