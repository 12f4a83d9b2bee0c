import type { Order } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { Activity } from '../../../model/session.ts';
import { stallOverWords, stallWords } from '../stall.ts';
import type { Sheet } from './sheet.ts';
import { num } from './wire.ts';

/** Silence of the model after which a turn counts as stalled, in milliseconds. */
const stallAfterMs = 20_000;

/**
 * What a running turn is doing, and the notices about a model that is silent or must be asked again. Claude itself says nothing for about 305 s when the
 * model sends headers and then no more.
 */
export class Pulse {
  readonly #sheet: Sheet;
  #activity: Activity | null = null;
  #lastHeard = 0;
  #count = 0;
  #retry: { readonly id: string; readonly order: Order } | null = null;
  #stall: { readonly id: string; readonly order: Order; readonly since: number } | null = null;

  constructor(sheet: Sheet) {
    this.#sheet = sheet;
  }

  get activity(): Activity | null {
    return this.#activity;
  }

  set(phase: Activity['phase'], at: number, detail: string | null = null, until: number | null = null): void {
    const same = this.#activity?.phase === phase && this.#activity.detail === detail && this.#activity.until === until;
    if (!same) this.#activity = { phase, since: at, detail, until };
  }

  /** The turn is over. */
  rest(): void {
    this.#activity = null;
    this.#retry = null;
    this.#stall = null;
  }

  /** A sign of life. */
  heard(at: number): void {
    if (this.#stall !== null) {
      const { id, order, since } = this.#stall;
      this.#sheet.notice(id, 'info', 'stalled', stallOverWords(at - since), at, { order });
      this.#stall = null;
      this.set('thinking', at);
    }
    this.#lastHeard = at;
  }

  /** The model has begun to answer. */
  answers(at: number): void {
    this.#retry = null;
    this.set('thinking', at);
  }

  /** Time went by while only the model could do something. True when it has just become silent for too long. */
  tick(at: number): boolean {
    const excused = this.#activity?.phase === 'retrying' || this.#activity?.phase === 'compacting';
    if (excused || at - this.#lastHeard < stallAfterMs || this.#stall !== null) return false;
    this.#count += 1;
    const stall = { id: `stall:${this.#lastHeard}:${this.#count}`, order: this.#sheet.place(at).order, since: this.#lastHeard };
    this.#stall = stall;
    this.#sheet.notice(stall.id, 'warning', 'stalled', stallWords(at - this.#lastHeard), at, { order: stall.order });
    this.#activity = { phase: 'stalled', since: this.#lastHeard, detail: null, until: null };
    return true;
  }

  /** `system/api_retry`: one notice for all attempts of one request. */
  retrying(value: JsonObject, at: number): void {
    const attempt = num(value, 'attempt') ?? 1;
    const delay = num(value, 'retry_delay_ms') ?? 0;
    const why = reason(num(value, 'error_status'));
    this.#count += 1;
    this.#retry ??= { id: `retry:${at}:${this.#count}`, order: this.#sheet.place(at).order };
    const text = `${why}. Attempt ${attempt} of ${num(value, 'max_retries') ?? attempt} follows in ${delay < 90_000 ? `${(delay / 1000).toFixed(1)} s` : `${Math.round(delay / 60_000)} min`}.`;
    this.#sheet.notice(this.#retry.id, 'warning', 'retrying', text, at, { order: this.#retry.order });
    this.set('retrying', at, why, at + delay);
  }
}

function reason(status: number | null): string {
  if (status === null) return 'The model cannot be reached';
  if (status === 529) return 'The model is overloaded (529)';
  if (status === 429) return 'The rate limit is reached (429)';
  return `The model answered with error ${status}`;
}
