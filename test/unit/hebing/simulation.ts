import type { Clock } from '../../../src/core/model/context.ts';

/** Simulated time for programs that wait on promises as well as on timers: whatever is due runs in order, and what it set going is let run before the next. */
export class Simulation implements Clock {
  #at = 0;
  #timers: { readonly at: number; readonly call: () => void }[] = [];
  readonly #epoch = Date.UTC(2026, 0, 1);

  now(): number {
    return this.#epoch + this.#at;
  }
  monotonic(): number {
    return this.#at;
  }
  setTimeout(call: () => void, ms: number): { cancel(): void } {
    const timer = { at: this.#at + Math.max(0, ms), call };
    const before = this.#timers.findIndex((one) => one.at > timer.at);
    this.#timers.splice(before < 0 ? this.#timers.length : before, 0, timer);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index >= 0) this.#timers.splice(index, 1);
      },
    };
  }

  /** The same time on a computer whose clock is `skewMs` ahead and that was started `upMs` ago. */
  seenFrom(skewMs: number, upMs: number): Clock {
    return { now: () => this.now() + skewMs, monotonic: () => this.monotonic() + upMs, setTimeout: (call, ms) => this.setTimeout(call, ms) };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.setTimeout(resolve, ms));
  }

  /** Runs until `done`, or until `ms` have passed. */
  async run(ms: number, done: () => boolean = () => false): Promise<void> {
    const until = this.#at + ms;
    await settle();
    while (!done()) {
      const [next] = this.#timers;
      if (next === undefined || next.at > until) break;
      this.#timers.shift();
      this.#at = next.at;
      next.call();
      await settle();
    }
    if (!done()) this.#at = until;
  }
}

/** Lets every promise that can go on do so. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => void setImmediate(resolve));
}

/** Random numbers in [0, 1) by a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
