import type { Clock } from '../../model/context.ts';
import { CatsyphonAuthError, CatsyphonError, invalid } from './errors.ts';
import type { CollectorEvent, WireEvent } from './events.ts';
import { EventMaker } from './events.ts';
import type { Delivery, DeliveryReport, ParkedEvent } from './delivery.ts';

interface EventBufferOptions {
  readonly session: string;
  readonly delivery: Delivery;
  readonly clock: Clock;
  /** Events after which they are sent. */
  readonly size: number;
  /** Seconds after which they are sent. */
  readonly interval: number;
}

/**
 * Events of one session until the server has them. It sends them by itself at so many events or after so many seconds; what could not be sent stays, in its order, for the next time. What
 * fails while it sends by itself is told by `trouble`, and to whoever asks for a flush then.
 */
export class EventBuffer {
  readonly parked: ParkedEvent[] = [];
  readonly #options: EventBufferOptions;
  readonly #maker: EventMaker;
  readonly #events = new Set<WireEvent>();
  #timer: { cancel(): void } | null = null;
  #sending: Promise<unknown> = Promise.resolve();
  /** Events at which it sends by itself; further off after a failure, which the interval mends. */
  #due: number;
  #trouble: Error | null = null;
  #closed = false;

  constructor(options: EventBufferOptions) {
    if (!Number.isInteger(options.size) || options.size < 1) throw invalid('batchSize must be a whole number above 0.');
    if (!Number.isFinite(options.interval) || options.interval <= 0) throw invalid('flushInterval must be a number of seconds above 0.');
    this.#options = options;
    this.#maker = new EventMaker(options.session, options.clock);
    this.#due = options.size;
  }

  /** Events that the server does not have. */
  get pending(): readonly WireEvent[] {
    return [...this.#events];
  }

  /** Why the last sending failed; null after one that did not. */
  get trouble(): Error | null {
    return this.#trouble;
  }

  /** Resolves when the event is held, and, where it was the last of a batch, when that was sent or failed. Rejects with `invalid_argument`, `closed`. */
  async add(event: CollectorEvent): Promise<void> {
    if (this.#closed) throw new CatsyphonError('closed', 'This session takes no more events: it is completed or closed.');
    this.#events.add(this.#maker.make(event));
    if (this.#events.size >= this.#due) await this.#byItself();
    else this.#arm();
  }

  /** Sends what is held; null where nothing was. What fails stays. */
  async flush(signal?: AbortSignal): Promise<DeliveryReport | null> {
    const mine = this.#sending.then(() => this.#send(signal));
    this.#sending = mine.catch(() => undefined);
    return mine;
  }

  /** Takes no more, and sends nothing by itself any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #send(signal: AbortSignal | undefined): Promise<DeliveryReport | null> {
    const events = [...this.#events];
    if (events.length === 0) return null;
    this.#timer?.cancel();
    this.#timer = null;
    const { session, delivery, size } = this.#options;
    try {
      const onDone = (done: readonly WireEvent[]): void => done.forEach((event) => this.#events.delete(event));
      const report = await delivery.deliver(session, events, { signal, onDone });
      this.parked.push(...report.parked);
      this.#trouble = null;
      this.#due = size;
      return report;
    } catch (error) {
      this.#trouble = error instanceof Error ? error : new Error(String(error));
      this.#due = this.#events.size + size;
      throw error;
    } finally {
      this.#arm();
    }
  }

  async #byItself(): Promise<void> {
    await this.flush().catch(() => undefined);
  }

  #arm(): void {
    // With a key that the server does not accept, nothing goes out until somebody asks for it.
    if (this.#closed || this.#timer !== null || this.#events.size === 0 || this.#trouble instanceof CatsyphonAuthError) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = null;
      void this.#byItself();
    }, this.#options.interval * 1_000);
  }
}
