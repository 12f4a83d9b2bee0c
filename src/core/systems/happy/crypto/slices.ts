import { setImmediate as nextTurn } from 'node:timers/promises';
import { abortReason } from '../../../transport/clock.ts';

/** How long work may hold the event loop, and how it lets go of it; tests put their own in place. */
export interface Pace {
  /** Milliseconds on a clock that never jumps. */
  monotonic(): number;
  /** Resolves when the event loop has had its turn. */
  rest(): Promise<unknown>;
}

/** `signal` ends the work: the call rejects with its reason. */
export interface SliceOptions {
  readonly signal?: AbortSignal | undefined;
  readonly pace?: Pace | undefined;
}

/** Half of the 16 ms that nothing may exceed: the rest is for the last item of a slice and for what else the loop has to do. */
export const SLICE_MS = 8;

const systemPace: Pace = { monotonic: () => performance.now(), rest: () => nextTurn() };

/**
 * Works through `items` in order, in slices of at most SLICE_MS plus one item. `heavy` says which items get a slice of their own.
 * An abort is seen between slices. What `work` throws rejects the call: it is for work that does not throw.
 */
export async function inSlices<T>(items: readonly T[], work: (item: T, index: number) => void, options: SliceOptions & { readonly heavy?: (item: T) => boolean }): Promise<void> {
  const { signal, pace = systemPace, heavy } = options;
  refuseAborted(signal);
  let started = pace.monotonic();
  for (const [index, item] of items.entries()) {
    const spent = pace.monotonic() - started;
    if (spent >= SLICE_MS || (spent > 0 && heavy?.(item) === true)) {
      await pace.rest();
      refuseAborted(signal);
      started = pace.monotonic();
    }
    work(item, index);
  }
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortReason(signal);
}
