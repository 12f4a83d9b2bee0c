import type { Clock } from '../model/context.ts';
import { PilothouseError } from '../model/errors.ts';

/** The promise, but not for longer than `ms`, nor beyond `signal`: then it rejects with `store_slow` or the signal's reason, and a later outcome is ignored. */
export function within<T>(clock: Clock, ms: number, what: string, promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => end(() => reject(reasonOf(signal)));
    const timer = clock.setTimeout(() => end(() => reject(new PilothouseError('store_slow', `${what} took longer than ${Math.round(ms / 1000)} s. Try again; if it stays so, reload the window.`))), ms);
    const end = (finish: () => void): void => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      finish();
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    promise.then((value) => end(() => resolve(value)), (error: unknown) => end(() => reject(error instanceof Error ? error : new Error(String(error)))));
  });
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new DOMException('aborted', 'AbortError');
}
