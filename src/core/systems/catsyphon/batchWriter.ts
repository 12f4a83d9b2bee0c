import type { CallOptions } from '../../model/backend.ts';
import type { JsonObject } from '../../model/json.ts';
import { keepAlive } from '../../transport/wait.ts';
import type { CollectorClient } from './client.ts';
import type { DeliveryReport, ParkedEvent } from './delivery.ts';
import type { EventBuffer } from './eventBuffer.ts';
import type { CollectorEvent, EventType, WireEvent } from './events.ts';

export interface BatchWriterOptions {
  /** Events after which they are sent; 10 by default. More than 50 go in several requests. */
  readonly batchSize?: number;
  /** Seconds after which they are sent; 5 by default. */
  readonly flushInterval?: number;
}

/** Events of one session, sent in batches. A flush that fails keeps its events; what the server will never take is in `parked`. */
export class BatchWriter implements AsyncDisposable {
  readonly sessionId: string;
  readonly #buffer: EventBuffer;

  /** Throws `invalid_argument`. */
  constructor(client: CollectorClient, sessionId: string, { batchSize = 10, flushInterval = 5 }: BatchWriterOptions = {}) {
    this.#buffer = client.buffer(sessionId, { size: batchSize, interval: flushInterval });
    this.sessionId = sessionId;
  }

  /** Events that the server does not have yet. */
  get pending(): readonly WireEvent[] {
    return this.#buffer.pending;
  }
  get parked(): readonly ParkedEvent[] {
    return this.#buffer.parked;
  }
  /** Why the last sending failed; null after one that did not. */
  get trouble(): Error | null {
    return this.#buffer.trouble;
  }

  /** Rejects with `invalid_argument`, `closed`; never with what became of the sending. */
  add(event: CollectorEvent): Promise<void> {
    return keepAlive(this.#buffer.add(event));
  }

  addRaw(type: EventType, data: JsonObject): Promise<void> {
    return this.add({ type, data });
  }

  /** Null where nothing was held. Rejects with what stopped it; the events stay. */
  flush(options: CallOptions = {}): Promise<DeliveryReport | null> {
    return keepAlive(this.#buffer.flush(options.signal));
  }

  /** Sends what is held and takes no more. Rejects with what stopped it: the events are in `pending`, and a flush tries again. */
  async close(options: CallOptions = {}): Promise<void> {
    this.#buffer.close();
    await this.flush(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
