import type { Clock } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import { CatsyphonAPIError, CatsyphonAuthError } from '../systems/catsyphon/errors.ts';
import { backoff } from '../transport/retry.ts';
import type { ShipClient } from './shipperSession.ts';

interface WayOptions {
  readonly clock: Clock;
  /** In [0, 1), as Math.random. */
  readonly random: (() => number) | undefined;
  /** It may be tried again. */
  readonly open: () => void;
}

/** Milliseconds between two tries of an account. */
const AGAIN = { baseMs: 5_000, capMs: 300_000 } as const;

/** Where the sending to one account stands: open, waiting before it is tried again, or refused until somebody signs in. */
export class ShipWay {
  readonly #options: WayOptions;
  #client: ShipClient | null = null;
  #failures = 0;
  #error: string | null = null;
  #pause: { cancel(): void } | null = null;
  #refused = false;

  constructor(options: WayOptions) {
    this.#options = options;
  }

  /** Why nothing goes out, in one line. */
  get error(): string | null {
    return this.#error;
  }

  /** The client to send with now; another one than before begins anew, since its key is another. */
  use(client: ShipClient | null): ShipClient | null {
    if (client !== this.#client) {
      this.begin();
      this.#client = client;
    }
    return this.#refused || this.#pause !== null ? null : client;
  }

  /** Nothing is known against it any more. */
  begin(): void {
    this.#pause?.cancel();
    this.#pause = null;
    this.#failures = 0;
    this.#error = null;
    this.#refused = false;
  }

  /** A sending went well, whatever another one waits for. */
  worked(): void {
    this.#failures = 0;
    if (this.#pause === null && !this.#refused) this.#error = null;
  }

  /** True where the server does not take the key: nothing goes out until somebody signs in. Else it is tried again after a while. */
  failed(error: unknown): boolean {
    this.#error = describeError(error);
    this.#pause?.cancel();
    this.#pause = null;
    this.#refused = error instanceof CatsyphonAuthError;
    if (this.#refused) return true;
    this.#failures += 1;
    const asked = error instanceof CatsyphonAPIError ? (error.retryAfterMs ?? 0) : 0;
    this.#pause = this.#options.clock.setTimeout(() => {
      this.#pause = null;
      this.#options.open();
    }, Math.max(asked, backoff(this.#failures, { ...AGAIN, random: this.#options.random })));
    return false;
  }
}
