import type { Clock } from '../../../model/context.ts';
import type { Entry } from '../../../model/entry.ts';
import type { PilothouseError } from '../../../model/errors.ts';
import type { SentPrompt } from './normalise.ts';

/** Milliseconds of silence after which a turn counts as stalled. */
export const stallMs = 20_000;
/** An agent that says nothing, but did not refuse the prompt within this time, has it. */
const graceMs = 1500;

/** One running turn: whether the agent has taken its prompt, and whether it is silent. */
export class Turn {
  readonly prompt: SentPrompt;
  readonly startedAt: number;
  /** Resolves when the agent has the prompt; rejects when it certainly has not. */
  readonly taken: Promise<void>;
  /** Resolves when the turn is over, however it ended. */
  readonly over: Promise<void>;
  /** The person interrupted it. */
  interrupted = false;
  /** When the silence began that was told of; null while the agent is heard. */
  silentSince: number | null = null;
  stalls = 0;
  private readonly clock: Clock;
  private readonly onTaken: (held: readonly Entry[]) => void;
  private readonly onStall: () => void;
  private held: readonly Entry[] | null;
  private resolveTaken: () => void = () => undefined;
  private rejectTaken: (error: PilothouseError) => void = () => undefined;
  private resolveOver: () => void = () => undefined;
  private grace: { cancel(): void } | null;
  private stall: { cancel(): void } | null = null;
  private heardAt: number;

  constructor(prompt: SentPrompt, held: readonly Entry[], clock: Clock, on: { readonly taken: (held: readonly Entry[]) => void; readonly stall: () => void }) {
    this.prompt = prompt;
    this.held = held;
    this.clock = clock;
    this.onTaken = on.taken;
    this.onStall = on.stall;
    this.startedAt = clock.now();
    this.heardAt = clock.monotonic();
    this.taken = new Promise((resolve, reject) => {
      this.resolveTaken = resolve;
      this.rejectTaken = reject;
    });
    this.taken.catch(() => undefined);
    this.over = new Promise((resolve) => {
      this.resolveOver = resolve;
    });
    this.grace = clock.setTimeout(() => this.take(), graceMs);
    this.watch(stallMs);
  }

  get isTaken(): boolean {
    return this.held === null;
  }

  /** The agent has the prompt: what was held back is shown. */
  take(): void {
    const { held } = this;
    if (held === null) return;
    this.held = null;
    this.grace?.cancel();
    this.grace = null;
    this.onTaken(held);
    this.resolveTaken();
  }

  /** The agent refused the prompt. */
  refuse(error: PilothouseError): void {
    this.end();
    this.rejectTaken(error);
  }

  /** Something came from the agent. */
  heard(): void {
    this.heardAt = this.clock.monotonic();
  }

  end(): void {
    this.grace?.cancel();
    this.stall?.cancel();
    this.grace = null;
    this.stall = null;
    this.resolveOver();
  }

  /** One timer for the whole turn: it looks how long the silence is when it fires, so that each piece of text costs nothing. */
  private watch(ms: number): void {
    this.stall = this.clock.setTimeout(() => {
      const silent = this.clock.monotonic() - this.heardAt;
      if (silent >= stallMs && this.silentSince === null) this.onStall();
      this.watch(silent >= stallMs ? stallMs : stallMs - silent);
    }, Math.max(50, ms));
  }
}
