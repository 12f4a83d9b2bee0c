import type { Clock } from '../../../model/context.ts';
import type { Activity } from '../../../model/session.ts';
import type { TurnLog } from './turnLog.ts';

/** A server that was sent a prompt and did not refuse it within this time works on it: where answers come in one piece, nothing else says so. */
const GRACE_MS = 1_500;

/** One turn that the server works on. */
export class RunningTurn {
  readonly log: TurnLog;
  readonly part: number;
  readonly stop = new AbortController();
  /** Resolves when the server has the prompt; rejects when it certainly has not. */
  readonly taken: Promise<void>;
  /** Resolves when the turn is over, however it ended. */
  readonly over: Promise<void>;
  /** Why it is broken off: by the person, or because the window closes. */
  broken: 'interrupted' | 'closing' | null = null;
  activity: Activity;
  /** The answer comes piece by piece. */
  streams = false;
  #taken = false;
  #grace: { cancel(): void } | null;
  readonly #onTaken: () => void;
  readonly #take = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<void>();

  constructor(log: TurnLog, part: number, clock: Clock, onTaken: () => void) {
    this.log = log;
    this.part = part;
    this.#onTaken = onTaken;
    this.taken = this.#take.promise;
    this.taken.catch(() => undefined);
    this.over = this.#over.promise;
    this.activity = { phase: 'starting', since: clock.now(), detail: null, until: null };
    this.#grace = clock.setTimeout(() => this.take(), GRACE_MS);
  }

  get isTaken(): boolean {
    return this.#taken;
  }

  /** The answer begins. */
  open(streams: boolean): void {
    this.streams = streams;
    this.take();
  }

  take(): void {
    if (this.#taken) return;
    this.#taken = true;
    this.#grace?.cancel();
    this.#grace = null;
    this.#onTaken();
    this.#take.resolve();
  }

  refuse(error: Error): void {
    this.#grace?.cancel();
    this.#grace = null;
    this.#take.reject(error);
  }

  end(): void {
    this.#grace?.cancel();
    this.#grace = null;
    this.#over.resolve();
  }
}
