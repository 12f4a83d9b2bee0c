import type { Clock, Keep, Logger } from '../../../model/context.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError } from '../../../model/errors.ts';

/** At most this much of a running turn is lost when this program is killed. */
const delayMs = 500;
const maxLength = 2 * 1024 * 1024;

/**
 * What would close a running turn, kept beside the session while it runs: when this program is closed or killed in the middle, nobody else can tell
 * how far it came, and its rows would look as if they still ran. History hands these entries out until the next turn ends.
 */
export class Unfinished {
  private readonly key: string;
  private readonly keep: Keep;
  private readonly clock: Clock;
  private readonly log: Logger;
  private timer: { cancel(): void } | null = null;
  private writing: Promise<void> = Promise.resolve();

  constructor(id: string, keep: Keep, clock: Clock, log: Logger) {
    this.key = `unfinished:${id}`;
    this.keep = keep;
    this.clock = clock;
    this.log = log;
  }

  /** The turn went on: `compute` is asked soon. */
  later(compute: () => readonly Entry[]): void {
    this.timer ??= this.clock.setTimeout(() => {
      this.timer = null;
      this.write(compute());
    }, delayMs);
  }

  now(entries: readonly Entry[]): void {
    this.timer?.cancel();
    this.timer = null;
    this.write(entries);
  }

  async read(): Promise<readonly Entry[]> {
    await this.writing;
    const text = await this.keep.get(this.key);
    if (text === null) return [];
    try {
      const value: unknown = JSON.parse(text);
      return Array.isArray(value) ? (value as readonly Entry[]) : [];
    } catch {
      return [];
    }
  }

  /** Resolves when the last write is kept. */
  async flush(): Promise<void> {
    await this.writing;
  }

  private write(entries: readonly Entry[]): void {
    const text = entries.length === 0 ? null : JSON.stringify(entries);
    if (text !== null && text.length > maxLength) return;
    this.writing = this.writing
      .then(() => this.keep.set(this.key, text))
      .catch((error: unknown) => this.log.warn('the state of a running turn could not be kept', { error: describeError(error) }));
  }
}
