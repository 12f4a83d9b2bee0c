import type { Clock } from '../../../model/context.ts';
import type { SessionState } from '../../../model/session.ts';
import type { Ephemeral } from '../wire/pushes.ts';

/** The server does not pass on what a session says of itself for a minute after it was stopped (happy.md B7). */
const DEAF_MS = 75_000;
/** A session's process tells every 2 s that it lives: three of these in a row do not go missing. Milliseconds. */
const LIFE_MS = 6_000;

interface Risen {
  readonly at: number;
  restsSince: number | null;
}

/** What was heard of sessions and machines through this contact, and what follows for the processes of sessions. */
export class Signs {
  readonly #clock: Clock;
  /** When each was heard of last in this contact, on this computer's clock. */
  readonly #heard = new Map<string, number>();
  /** When each session last said that it lives, in this contact; monotonic milliseconds. */
  readonly #alive = new Map<string, number>();
  /** Sessions whose process is known to live although the server is deaf to it, and since when it rests; monotonic milliseconds. */
  readonly #risen = new Map<string, Risen>();
  #contactAt = Number.NEGATIVE_INFINITY;
  readonly #stopped = new Set<string>();
  readonly #fresh = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since the epoch on this computer's clock; null for none in this contact. */
  heardAt(id: string): number | null {
    return this.#heard.get(id) ?? null;
  }

  /** Whether a sign of life of the session came in a moment ago, or its process was heard otherwise. */
  lives(id: string): boolean {
    return this.risen(id) !== null || this.#clock.monotonic() - (this.#alive.get(id) ?? Number.NEGATIVE_INFINITY) <= LIFE_MS;
  }

  /** Whether this contact is old enough that every process that lives was heard. */
  get complete(): boolean {
    return this.#clock.monotonic() - this.#contactAt > LIFE_MS;
  }

  /** Since when a process lives to which the server is deaf, and since when it rests; null for others. */
  risen(id: string): Readonly<Risen> | null {
    const risen = this.#risen.get(id);
    if (risen === undefined || this.#clock.monotonic() - risen.at <= DEAF_MS) return risen ?? null;
    this.#risen.delete(id);
    return null;
  }

  /** Whether the session's process began a while ago and was not seen to take a prompt up since: it may still skip what it reads. */
  fresh(id: string): boolean {
    return this.#fresh.has(id);
  }

  /** Its process was started by us, and answers. */
  rose(id: string): void {
    this.#risen.set(id, { at: this.#clock.monotonic(), restsSince: null });
    this.#fresh.add(id);
  }

  /** Its process was seen to take a prompt up: it skips nothing any more. */
  worked(id: string): void {
    this.#fresh.delete(id);
  }

  /** The session is shown so. One that comes back from its end has another process, whoever started that. */
  shown(id: string, state: SessionState): void {
    if (state === 'stopped') {
      this.#stopped.add(id);
      this.#fresh.delete(id);
    } else if (state !== 'unknown' && this.#stopped.delete(id)) this.#fresh.add(id);
  }

  /** Takes what was pushed; answers the session of which it tells something, null where it tells of none. */
  take(event: Ephemeral): string | null {
    if (event.type === 'session-event') {
      if (event.kind !== 'done') return null;
      const risen = this.#risen.get(event.sessionId);
      if (risen !== undefined) risen.restsSince = this.#clock.monotonic();
      return event.sessionId;
    }
    if (event.type === 'usage') return null;
    this.#heard.set(event.id, this.#clock.now());
    if (event.type === 'machine-activity') return null;
    // It speaks for itself again, or has ended again.
    this.#risen.delete(event.id);
    if (event.active) this.#alive.set(event.id, this.#clock.monotonic());
    else this.#alive.delete(event.id);
    if (event.active && event.thinking === true) this.#fresh.delete(event.id);
    return event.id;
  }

  /** Contact came or went: what was heard through the last one is old. */
  contact(): void {
    this.#contactAt = this.#clock.monotonic();
    this.#heard.clear();
    this.#alive.clear();
  }

  forget(id: string): void {
    for (const each of [this.#heard, this.#alive, this.#risen]) each.delete(id);
    this.#stopped.delete(id);
    this.#fresh.delete(id);
  }
}
