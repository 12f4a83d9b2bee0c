import type { Clock } from '../../../src/core/model/context.ts';

/** A clock that stands until it is moved by hand. */
export class HandClock implements Clock {
  private time = 0;
  private readonly timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return 1_700_000_000_000 + this.time;
  }
  monotonic(): number {
    return this.time;
  }
  setTimeout(callback: () => void, ms: number): { cancel(): void } {
    const timer = { at: this.time + ms, callback };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }
  /** Timers that are set. */
  get pending(): number {
    return this.timers.size;
  }
  /** Moves on and runs what is due, in order. */
  advance(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const [next] = [...this.timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = until;
  }
}

/** Lets promises that are ready run. */
export async function settle(ticks = 50): Promise<void> {
  for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
}
