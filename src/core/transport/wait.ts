import type { Clock } from '../model/context.ts';
import { abortReason, systemClock } from './clock.ts';

interface WaitOptions {
  readonly clock?: Clock;
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What to reject with when the time is over. */
  readonly onTimeout: () => Error;
}

/** `promise`, but no longer than `timeoutMs` and not past `signal`, whose reason it then rejects with. The promise itself goes on; its late rejection is swallowed. */
export function waitFor<T>(promise: Promise<T>, options: WaitOptions): Promise<T> {
  const { signal } = options;
  return new Promise<T>((resolve, reject) => {
    const finish = (act: () => void): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const onAbort = (): void => finish(() => reject(abortReason(signal)));
    const timer = (options.clock ?? systemClock).setTimeout(() => finish(() => reject(options.onTimeout())), options.timeoutMs);
    promise.then((value) => finish(() => resolve(value)), (error: unknown) => finish(() => reject(error instanceof Error ? error : new Error(String(error)))));
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Keeps this process alive until `work` is settled: the clock's timers and idle connections do not, and a script that waits for an answer must not end before it. */
export async function keepAlive<T>(work: Promise<T>): Promise<T> {
  const handle = setInterval(() => undefined, 1_000_000_000);
  try {
    return await work;
  } finally {
    clearInterval(handle);
  }
}
