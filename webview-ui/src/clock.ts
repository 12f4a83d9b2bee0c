import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

interface Tick {
  readonly now: Signal<number>;
  watchers: number;
  timer: number;
}
const ticks = new Map<number, Tick>();

/** The time in ms since the epoch, anew every `period` ms while something on the page shows it; nothing ticks otherwise. */
export function useClock(period: number, active: boolean): number {
  let tick = ticks.get(period);
  if (tick === undefined) {
    tick = { now: signal(Date.now()), watchers: 0, timer: 0 };
    ticks.set(period, tick);
  }
  const { now } = tick;
  const held = tick;
  useEffect(() => {
    if (!active) return undefined;
    held.watchers += 1;
    now.value = Date.now();
    if (held.watchers === 1) {
      held.timer = window.setInterval(() => {
        now.value = Date.now();
      }, period);
    }
    return () => {
      held.watchers -= 1;
      if (held.watchers === 0) window.clearInterval(held.timer);
    };
  }, [active]);
  return now.value;
}
