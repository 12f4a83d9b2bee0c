import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { UsageDay } from '../../src/protocol/usage.ts';
import { ceiling, dayWords, money, short } from './words.ts';

export type Measure = 'tokens' | 'cost';

/** What a bar is as high as; null where nothing was told of that day. */
export function valueOf(day: UsageDay, measure: Measure): number | null {
  if (measure === 'cost') return day.cost;
  return day.input === null && day.output === null ? null : (day.input ?? 0) + (day.output ?? 0);
}

const WIDTH = 720;
/** Room for one day's name. */
const NAME = 92;
const HEIGHT = 150;
const FOOT = 20;
const LEFT = 44;

/** A bar for each day. The table says the same in words, so screen readers are spared it. */
export function Chart({ days, measure }: { readonly days: readonly UsageDay[]; readonly measure: Measure }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  // As wide as it is shown, so that its words are as large as all others.
  const room = useSignal(WIDTH);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const watch = new ResizeObserver(() => (room.value = Math.max(200, element.clientWidth)));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  const width = room.value;
  const words = measure === 'cost' ? money : short;
  const values = days.map((day) => valueOf(day, measure) ?? 0);
  const top = ceiling(Math.max(0, ...values));
  const step = (width - LEFT) / days.length;
  const bar = Math.min(36, step * 0.72);
  const y = (value: number): number => (HEIGHT - FOOT) - (value / top) * (HEIGHT - FOOT - 10);
  const every = Math.max(1, Math.ceil((days.length * NAME) / (width - LEFT)));
  return (
    <div class="chart" ref={box}>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} width={width} height={HEIGHT} aria-hidden="true">
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line class="rule" x1={LEFT} x2={width} y1={y(top * part)} y2={y(top * part)} />
            <text class="axis" x={LEFT - 8} y={y(top * part) + 4} text-anchor="end">{part === 0 ? '0' : words(top * part)}</text>
          </g>
        ))}
        {days.map((day, index) => {
          const value = values[index] ?? 0;
          const x = LEFT + index * step + (step - bar) / 2;
          const height = value <= 0 ? 0 : Math.max(1.5, y(0) - y(value));
          return (
            <g key={day.day}>
              <rect class="bar" x={x} y={y(0) - height} width={bar} height={height} rx={Math.min(2, height / 2)}><title>{`${dayWords(day.day)}: ${words(valueOf(day, measure))}`}</title></rect>
              {(days.length - 1 - index) % every === 0 ? <text class="axis" x={Math.min(x + bar / 2, width - 24)} y={HEIGHT - 4} text-anchor="middle">{shortDay(day.day)}</text> : null}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function shortDay(day: string): string {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date).toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}
