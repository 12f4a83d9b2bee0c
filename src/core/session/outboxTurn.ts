import type { Clock } from '../model/context.ts';

/** A turn is expected to begin this long after a prompt was delivered. */
const EXPECTED_MS = 10_000;

/**
 * Whether a turn runs, as an outbox needs to know it: what is told of the session lags behind a prompt that was just delivered, so a turn is expected from
 * when a prompt goes out until one begins, the prompt fails, or none has begun in time.
 */
export class TurnWatch {
  private readonly clock: Clock;
  private readonly onIdle: () => void;
  private told: boolean | null = null;
  private expecting = false;
  private timer: { cancel(): void } | null = null;

  constructor(clock: Clock, onIdle: () => void) {
    this.clock = clock;
    this.onIdle = onIdle;
  }

  /** No turn runs, and none is expected. False as long as nothing is known. */
  get idle(): boolean {
    return this.told === false && !this.expecting;
  }

  /** A turn runs or is expected. */
  get busy(): boolean {
    return this.told === true || this.expecting;
  }

  tell(running: boolean): void {
    const before = this.told;
    this.told = running;
    if (running || before === true) this.unexpect();
    if (!running && before !== false) this.onIdle();
  }

  /** A prompt is going out. */
  expect(): void {
    if (this.told === true) return;
    this.unexpect();
    this.expecting = true;
  }

  /** It was delivered: from now on a turn should begin in time. */
  delivered(): void {
    if (!this.expecting) return;
    this.timer = this.clock.setTimeout(() => {
      this.unexpect();
      this.told ??= false;
      this.onIdle();
    }, EXPECTED_MS);
  }

  unexpect(): void {
    this.expecting = false;
    this.timer?.cancel();
    this.timer = null;
  }
}
