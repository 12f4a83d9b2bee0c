import type { Clock } from '../../../model/context.ts';
import type { Entry } from '../../../model/entry.ts';
import { Follower } from './follow.ts';

/** How often a transcript that we do not write is looked at while somebody listens, in milliseconds. */
const followMs = 700;
/** For how long a reading of the history counts to which nobody has listened on, in milliseconds. */
const readForMs = 60_000;

interface FollowingOptions {
  readonly clock: Clock;
  /** The transcript as it is now, its size asked first of all; null when there is none. */
  readonly find: () => Promise<{ readonly path: string; readonly size: number; readonly folder: string } | null>;
  /** True while a process of ours runs, or starts: it tells itself what it does. */
  readonly ours: () => boolean;
  /** True while another window runs the session, which tells of it through the store. */
  readonly theirs: () => Promise<boolean>;
  readonly tell: (entries: readonly Entry[]) => void;
  /** The transcript is not as long any more as it was at the last look. */
  readonly changed: () => void;
  /** Runs what nobody waits for; never rejects. */
  readonly quietly: (work: Promise<unknown>) => Promise<void>;
}

/**
 * Tells of what others add to a session's transcript while our own process does not run. It knows up to where the transcript has been told (by a reading of
 * the history, by our own process, by a look), so that nothing falls between two of them; what is told twice is one entry all the same.
 */
export class Following {
  readonly #options: FollowingOptions;
  #listening = false;
  #closed = false;
  /** Size up to which the transcript has been told; null: nobody has asked for it. A follower knows better while there is one. */
  #told: number | null = null;
  #toldAt = 0;
  #follower: Follower | null = null;
  #timer: { cancel(): void } | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(options: FollowingOptions) {
    this.#options = options;
  }

  /** Somebody listens: the first look comes at once. */
  listen(): void {
    if (!this.#listening && this.#options.clock.monotonic() - this.#toldAt > readForMs) this.#told = null;
    this.#listening = true;
    this.#schedule(0);
  }

  /** Nobody listens any more. */
  rest(): void {
    this.#listening = false;
    this.#timer?.cancel();
    this.#timer = null;
    this.#drop();
  }

  close(): void {
    this.#closed = true;
    this.rest();
  }

  /** A reading of the newest history begins, of a transcript of that size (0: there is none). */
  reads(size: number): void {
    if (this.#follower !== null) return;
    this.#tellTo(this.#listening && this.#told !== null ? Math.min(this.#told, size) : size);
  }

  /** Our own process has ended and left the transcript with that size; what stands in it was told. */
  left(size: number): void {
    this.#follower = null;
    if (this.#listening) this.#tellTo(size);
  }

  /** The transcript was deleted. */
  forget(): void {
    this.#follower = null;
    this.#told = null;
  }

  /** Our own process is about to start: tells the last that others wrote. */
  async catchUp(): Promise<void> {
    if (!this.#listening) return;
    await this.#look(true);
    this.#drop();
  }

  #tellTo(size: number): void {
    this.#told = size;
    this.#toldAt = this.#options.clock.monotonic();
  }

  #drop(): void {
    if (this.#follower !== null) this.#tellTo(this.#follower.offset);
    this.#follower = null;
  }

  #schedule(after: number): void {
    if (this.#closed || !this.#listening || this.#timer !== null) return;
    const timer = this.#options.clock.setTimeout(() => {
      void this.#options.quietly(this.#look(false)).then(() => this.#again(timer));
    }, after);
    this.#timer = timer;
  }

  /** The look of that timer is over; the next one comes unless somebody else's has been set since. */
  #again(timer: { cancel(): void }): void {
    if (this.#timer !== timer) return;
    this.#timer = null;
    this.#schedule(followMs);
  }

  /** One look after the other: two would read the same lines. */
  #look(last: boolean): Promise<void> {
    const look = this.#reading.then(() => this.#readOn(last));
    this.#reading = look.catch(() => undefined);
    return look;
  }

  /** `last`: our own process starts. */
  async #readOn(last: boolean): Promise<void> {
    const skipped = (): boolean => this.#closed || !this.#listening || (!last && this.#options.ours());
    if (skipped()) return;
    const found = await this.#options.find();
    if (skipped()) return;
    if (found === null) {
      // What will stand in it then comes from its beginning.
      this.#told ??= 0;
      return;
    }
    if (this.#follower !== null && this.#follower.file !== found.path) {
      this.#follower = null;
      this.#told = 0;
    }
    const follower = (this.#follower ??= new Follower(found.path, found.folder, this.#told ?? found.size));
    if (found.size === follower.offset && !follower.working) return;
    let told = found.size !== follower.offset;
    await follower.read(await this.#options.theirs(), (entries) => {
      told = true;
      if (this.#listening) this.#options.tell(entries);
    });
    if (told) this.#options.changed();
  }
}
