import type { Clock } from '../../../src/core/model/context.ts';

/** A clock that stands until a test moves it. Timers fire in the order of their times. */
export class HandClock implements Clock {
  #now = 1_000_000;
  #count = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly call: () => void }>();
  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  setTimeout(call: () => void, ms: number): { cancel(): void } {
    this.#count += 1;
    const id = this.#count;
    this.#timers.set(id, { at: this.#now + ms, call });
    return { cancel: () => void this.#timers.delete(id) };
  }
  get waiting(): number {
    return this.#timers.size;
  }
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = Array.from(this.#timers).filter(([, timer]) => timer.at <= until).sort(([, one], [, other]) => one.at - other.at)[0];
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].call();
    }
    this.#now = until;
  }
}
