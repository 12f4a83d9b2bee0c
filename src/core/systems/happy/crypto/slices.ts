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

/** Well under the 16 ms that nothing may exceed: what is left is for the last step of a slice and for what else the loop has to do. */
export const SLICE_MS = 6;

const systemPace: Pace = { monotonic: () => performance.now(), rest: () => nextTurn() };

/** Divides one piece of work into slices of at most SLICE_MS plus one step. The work asks before each step; an abort is seen between slices. */
export class Slicer {
  readonly #signal: AbortSignal | undefined;
  readonly #pace: Pace;
  #started: number;

  /** Throws the signal's reason when it is aborted already. */
  constructor(options: SliceOptions) {
    this.#signal = options.signal;
    this.#pace = options.pace ?? systemPace;
    this.#refuseAborted();
    this.#started = this.#pace.monotonic();
  }

  /** True when the slice is used up; or, for a heavy step, when it was begun. Then `rest` comes before the step. */
  due(heavy = false): boolean {
    const spent = this.#pace.monotonic() - this.#started;
    return spent >= SLICE_MS || (heavy && spent > 0);
  }

  /** Lets the event loop have its turn and begins a slice. Rejects with the signal's reason when it was aborted. */
  async rest(): Promise<void> {
    await this.#pace.rest();
    this.#refuseAborted();
    this.#started = this.#pace.monotonic();
  }

  #refuseAborted(): void {
    if (this.#signal?.aborted === true) throw abortReason(this.#signal);
  }
}

/** Works through `items` in order, in slices. `heavy` says which items get a slice of their own. What `work` throws rejects the call: it is for work that does not throw. */
export async function inSlices<T>(items: readonly T[], work: (item: T, index: number) => void, options: SliceOptions & { readonly heavy?: (item: T) => boolean }): Promise<void> {
  const slicer = new Slicer(options);
  for (const [index, item] of items.entries()) {
    if (slicer.due(options.heavy?.(item))) await slicer.rest();
    work(item, index);
  }
}
