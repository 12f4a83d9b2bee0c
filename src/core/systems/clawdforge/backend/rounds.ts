import type { Clock } from '../../../model/context.ts';

/** Milliseconds between two rounds: while the person works with us, sees us, or does neither. */
const BETWEEN = { near: 10_000, far: 30_000, away: 120_000 } as const;
/** Rounds that failed one after the other make the wait longer, up to this, in milliseconds. */
const LONGEST = 300_000;

/** Asks again and again, one round at a time. */
export class Rounds {
  readonly #clock: Clock;
  readonly #round: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #looks: keyof typeof BETWEEN = 'far';
  #timer: { cancel(): void } | null = null;
  #started = false;
  #running = false;
  #disposed = false;
  #failures = 0;

  constructor(clock: Clock, round: () => Promise<void>, failed: (error: unknown) => void) {
    this.#clock = clock;
    this.#round = round;
    this.#failed = failed;
  }

  start(): void {
    this.#started = true;
    this.#next();
  }

  /** Whoever looks again after a while does not wait for the next round. */
  look(looks: keyof typeof BETWEEN): void {
    if (this.#looks === looks) return;
    const sooner = BETWEEN[looks] < BETWEEN[this.#looks];
    this.#looks = looks;
    if (!sooner) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#next(1_000);
  }

  dispose(): void {
    this.#disposed = true;
    this.#timer?.cancel();
  }

  #next(most = LONGEST): void {
    if (!this.#started || this.#disposed || this.#running || this.#timer !== null) return;
    const wait = Math.min(most, LONGEST, BETWEEN[this.#looks] * 2 ** Math.min(this.#failures, 5));
    this.#timer = this.#clock.setTimeout(() => void this.#work(), wait);
  }

  async #work(): Promise<void> {
    this.#timer = null;
    this.#running = true;
    try {
      await this.#round();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      if (!this.#disposed) this.#failed(error);
    } finally {
      this.#running = false;
      this.#next();
    }
  }
}
