/** A double click takes less, as systems have it by default. */
const DOUBLE_CLICK_MS = 700;

/** Tells a press from the second one of a double click: what moves to where something was just pressed is not pressed by it. */
export class Presses {
  private last = Number.NEGATIVE_INFINITY;

  /** Whether a press counts; `now` in milliseconds on a clock that never jumps. */
  take(now: number): boolean {
    if (now - this.last < DOUBLE_CLICK_MS) return false;
    this.last = now;
    return true;
  }
}
