import type { UsageTotals } from '../../src/protocol/usage.ts';

/** In place of what nobody told. */
const UNTOLD = '—';

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });

export function tokens(value: number | null): string {
  return value === null ? UNTOLD : whole.format(value);
}

/** `1.2M` */
export function short(value: number | null): string {
  return value === null ? UNTOLD : compact.format(value);
}

/** `$0.04`; small amounts with the digits that tell them from nothing. */
export function money(value: number | null): string {
  if (value === null) return UNTOLD;
  return `$${value.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: value > 0 && value < 0.1 ? 4 : 2 })}`;
}

/** Which part of the turns a cost is of, where it is not all of them; empty otherwise. */
export function costNote({ cost, costTurns, turns }: UsageTotals): string {
  return cost === null || costTurns >= turns ? '' : `of ${whole.format(costTurns)} of ${whole.format(turns)} turns`;
}

/** `Wed 5 Aug` of `2026-08-05`. */
export function dayWords(day: string): string {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date).toLocaleDateString(undefined, { weekday: 'short', day: 'numeric', month: 'short' });
}

/** A round number at or above the greatest value of a chart. */
export function ceiling(greatest: number): number {
  if (greatest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(greatest));
  return ([1, 2, 2.5, 5, 10].find((step) => step * power >= greatest) ?? 10) * power;
}

/** `today, 14:05`; on another day with that. */
export function moment(at: number, now: number): string {
  const date = new Date(at);
  const time = date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  return date.toDateString() === new Date(now).toDateString() ? `today, ${time}` : `${date.toLocaleDateString(undefined, { weekday: 'short', day: 'numeric', month: 'short' })}, ${time}`;
}
