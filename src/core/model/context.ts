/** Six methods of a logger. Texts carry no secret and no content of a session; `data` holds ids, codes, counts and durations only. */
export interface Logger {
  trace(message: string, data?: Readonly<Record<string, unknown>>): void;
  debug(message: string, data?: Readonly<Record<string, unknown>>): void;
  info(message: string, data?: Readonly<Record<string, unknown>>): void;
  warn(message: string, data?: Readonly<Record<string, unknown>>): void;
  error(message: string, data?: Readonly<Record<string, unknown>>): void;
  child(topic: string): Logger;
}

/** Time as the core sees it; tests put a simulated one in its place. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds on a clock that never jumps. */
  monotonic(): number;
  setTimeout(callback: () => void, ms: number): { cancel(): void };
}

/** Small durable values of one backend: titles that are ours, archive marks, ids of processes. */
export interface Keep {
  get(key: string): Promise<string | null>;
  set(key: string, value: string | null): Promise<void>;
  /** Every key with that beginning, with its value. */
  list(prefix: string): Promise<ReadonlyMap<string, string>>;
}

/**
 * Beginning of the keys by which a backend keeps what was said in a session of a system that keeps none of it; of all of them for null. What stands there exists nowhere else: it outlives a power cut,
 * and keeps the transcript of the session where transcripts are forgotten by age.
 */
export function loggedOf(session: string | null): string {
  return session === null ? 'log:' : `log:${session.replaceAll(':', '%3A')}:`;
}

/** Exclusive ownership over windows and processes (design: "Several windows, one person"). */
export interface Leases {
  /** Takes `name` if it is free, ours, or its owner is dead; false when another live owner holds it. */
  acquire(name: string): Promise<boolean>;
  release(name: string): Promise<void>;
  /** Who holds it: this process, another live one, or nobody. */
  holder(name: string): Promise<'this' | 'other' | 'nobody'>;
}

/** What the fleet hands to a backend: all of its outside world but the system itself. */
export interface BackendContext {
  readonly connectionId: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly keep: Keep;
  readonly leases: Leases;
  /** Folder of ours for files such as pid files and trash, one a connection, mode 700. */
  readonly stateDir: string;
}
