import type { Order } from '../../../model/entry.ts';

/** When something came: order of its row and the time that is shown. */
export interface Stamp {
  readonly order: Order;
  /** Milliseconds since the epoch; null in a replay, which has no times. */
  readonly at: number | null;
}

/**
 * Gives each row of a session its place: [milliseconds, ordinal]. The milliseconds never go back, whatever the clock does, so that what
 * came later stands later. `replay` counts from [0, 0]: what an agent replays is older than everything that was seen live.
 */
export function createStamps(replay = false): (now: number) => Stamp {
  let last = 0;
  let ordinal = 0;
  return (now) => {
    ordinal += 1;
    if (replay) return { order: [0, ordinal], at: null };
    last = Math.max(last, now);
    return { order: [last, ordinal], at: now };
  };
}
