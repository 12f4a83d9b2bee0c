import { abortReason } from './clock.ts';

/** How long work may hold the event loop, and how it lets go of it; tests put their own in place. */
export interface Pace {
  /** Milliseconds for which the event loop was held by what works in slices. */
  spent(): number;
  /** Resolves when the event loop has had its turn. */
  rest(): Promise<unknown>;
}

/** `signal` ends the work: the call rejects with its reason. */
export interface SliceOptions {
  readonly signal?: AbortSignal | undefined;
  readonly pace?: Pace | undefined;
}

/** Well under the 16 ms that nothing may exceed: what is left is for the last step of a slice and for what else the loop has to do. */
export const SLICE_MS = 5;

/** Turns that who waits leaves to others. */
const MOST_PASSED = 4;

/**
 * The turns of this thread's event loop: whatever works in slices shares one slice a turn, so that two pieces of work, or one piece after the other, hold the loop no longer than one does. Who
 * waits goes on one in a turn, in the order in which they came.
 */
class LoopTurns implements Pace {
  #began: number | null = null;
  #ending = false;
  #passed = 0;
  readonly #waiting: (() => void)[] = [];

  spent(): number {
    const now = performance.now();
    this.#began ??= now;
    this.#endSoon();
    return now - this.#began;
  }

  rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#endSoon();
    });
  }

  #endSoon(): void {
    if (this.#ending) return;
    this.#ending = true;
    setImmediate(() => {
      const worked = this.#began !== null;
      this.#ending = false;
      this.#began = null;
      if (this.#waiting.length === 0) return;
      // Whoever waits goes on in a turn in which nothing has been done yet, and does not wait for ever where there is none.
      this.#passed = worked ? this.#passed + 1 : MOST_PASSED;
      if (this.#passed >= MOST_PASSED) {
        this.#passed = 0;
        this.#began = performance.now();
        this.#waiting.shift()?.();
      }
      this.#endSoon();
    });
  }
}

const turns = new LoopTurns();

/** Divides one piece of work into slices of at most SLICE_MS plus one step. The work asks before each step; an abort is seen between slices. */
export class Slicer {
  readonly #signal: AbortSignal | undefined;
  readonly #pace: Pace;

  /** Throws the signal's reason when it is aborted already. */
  constructor(options: SliceOptions = {}) {
    this.#signal = options.signal;
    this.#pace = options.pace ?? turns;
    this.#refuseAborted();
    this.#pace.spent();
  }

  /** True when the slice is used up; or, for a heavy step, when it was begun. Then `rest` comes before the step. */
  due(heavy = false): boolean {
    const spent = this.#pace.spent();
    return spent >= SLICE_MS || (heavy && spent > 0);
  }

  /** Lets the event loop have its turn and begins a slice. Rejects with the signal's reason when it was aborted. */
  async rest(): Promise<void> {
    await this.#pace.rest();
    this.#refuseAborted();
  }

  #refuseAborted(): void {
    if (this.#signal?.aborted === true) throw abortReason(this.#signal);
  }
}

/** Works through `items` in order, in slices. `heavy` says which items get a slice of their own. What `work` throws rejects the call: it is for work that does not throw. */
export async function inSlices<T>(items: readonly T[], work: (item: T, index: number) => void, options: SliceOptions & { readonly heavy?: (item: T) => boolean } = {}): Promise<void> {
  const slicer = new Slicer(options);
  for (const [index, item] of items.entries()) {
    if (slicer.due(options.heavy?.(item))) await slicer.rest();
    work(item, index);
  }
}
