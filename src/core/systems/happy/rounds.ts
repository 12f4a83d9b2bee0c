import type { Disposable } from '../../model/backend.ts';
import type { Clock } from '../../model/context.ts';

/** The least time between two questions to one endpoint, and the most while its answers bring nothing; the most while it fails. Milliseconds. */
const LEAST_MS = 5_000;
const MOST_MS = 10_000;
const MOST_FAILING_MS = 60_000;

/** What is asked in rounds; each resolves with true where the answer brought something that was not known. */
interface Asked {
  list(signal: AbortSignal): Promise<boolean>;
  session(id: string, signal: AbortSignal): Promise<boolean>;
}

interface Round {
  delay: number;
  askedAt: number;
  timer: { cancel(): void } | null;
  asking: boolean;
}

/**
 * The truth over HTTP, asked while somebody looks: a push that was lost shows in ten seconds though nothing follows it. One question at a time and one an interval for each endpoint, less often while
 * nothing is new; none while nobody looks.
 */
export class Rounds implements Disposable {
  readonly #clock: Clock;
  readonly #asked: Asked;
  readonly #failed: (error: unknown) => void;
  /** By session; the list's is ''. */
  readonly #rounds = new Map<string, Round>();
  readonly #end = new AbortController();
  #wanted: ReadonlySet<string> = new Set();

  constructor(clock: Clock, asked: Asked, failed: (error: unknown) => void) {
    this.#clock = clock;
    this.#asked = asked;
    this.#failed = failed;
  }

  /** Everything was just read anew: the next questions have their whole interval. */
  read(): void {
    for (const round of this.#rounds.values()) {
      round.askedAt = this.#clock.monotonic();
      round.delay = LEAST_MS;
    }
  }

  /** What is looked at now: the list and these sessions; null for nothing. What is looked at again is asked for at once, where its interval is over; what is looked at first was just read. */
  look(sessions: readonly string[] | null): void {
    if (this.#end.signal.aborted) return;
    this.#wanted = new Set(sessions === null ? [] : ['', ...sessions]);
    for (const [id, round] of this.#rounds) {
      if (this.#wanted.has(id)) continue;
      round.timer?.cancel();
      round.timer = null;
      // Kept for its interval: who looks away and back asks no more often.
      if (!round.asking && this.#clock.monotonic() - round.askedAt >= MOST_FAILING_MS) this.#rounds.delete(id);
    }
    for (const id of this.#wanted) {
      const round = this.#rounds.get(id) ?? { delay: LEAST_MS, askedAt: this.#clock.monotonic(), timer: null, asking: false };
      this.#rounds.set(id, round);
      if (round.timer === null && !round.asking) this.#later(id, round, round.askedAt + Math.max(LEAST_MS, round.delay) - this.#clock.monotonic());
    }
  }

  /** A push of a session came: what lies before it is read where it is missing, so that its next question may wait. */
  heard(id: string): void {
    const round = this.#rounds.get(id);
    if (round === undefined || round.asking || !this.#wanted.has(id)) return;
    round.delay = LEAST_MS;
    this.#later(id, round, LEAST_MS);
  }

  dispose(): void {
    this.#end.abort();
    for (const round of this.#rounds.values()) round.timer?.cancel();
    this.#rounds.clear();
  }

  #later(id: string, round: Round, ms: number): void {
    round.timer?.cancel();
    round.timer = this.#clock.setTimeout(() => {
      round.timer = null;
      void this.#ask(id, round);
    }, Math.max(1, ms));
  }

  async #ask(id: string, round: Round): Promise<void> {
    const { signal } = this.#end;
    round.asking = true;
    round.askedAt = this.#clock.monotonic();
    try {
      const brought = await (id === '' ? this.#asked.list(signal) : this.#asked.session(id, signal));
      round.delay = brought ? LEAST_MS : Math.min(MOST_MS, round.delay * 1.5);
    } catch (error) {
      round.delay = Math.min(MOST_FAILING_MS, round.delay * 2);
      if (!signal.aborted) this.#failed(error);
    } finally {
      round.asking = false;
    }
    if (!signal.aborted && this.#wanted.has(id)) this.#later(id, round, round.delay);
  }
}
