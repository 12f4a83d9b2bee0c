import { stat } from 'node:fs/promises';
import type { Clock } from '../../../model/context.ts';
import type { Entry } from '../../../model/entry.ts';
import type { CodexDisk } from './disk.ts';
import { beginsTurn } from './disk.ts';
import { RolloutLog } from './rollout.ts';
import { cutLines, linesBackwards, openRollout } from './rolloutFiles.ts';

const pollMs = 700;
/** Bytes that are taken at once. */
const stepBytes = 4 * 1024 * 1024;

export interface FollowOptions {
  readonly disk: CodexDisk;
  readonly id: string;
  readonly clock: Clock;
  /** False while somebody else tells of the thread: this window's own app-server, or another window through the store. */
  readonly wanted: () => Promise<boolean>;
  readonly entries: (entries: readonly Entry[]) => void;
  /** The file grew, or stopped growing. */
  readonly changed: () => void;
}

/** Follows the file of a thread that another program runs: what it writes shows up within a second. Reads only what was added. */
export class RolloutFollower {
  readonly #options: FollowOptions;
  #timer: { cancel(): void } | null = null;
  #log: RolloutLog | null = null;
  #offset = 0;
  #size = -1;
  #disposed = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** A turn is open in the file. */
  get running(): boolean {
    return this.#log?.running ?? false;
  }

  dispose(): void {
    this.#disposed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    if (this.#disposed) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      void this.#poll().catch(() => undefined).finally(() => this.#schedule());
    }, pollMs);
  }

  async #poll(): Promise<void> {
    const { disk, id } = this.#options;
    const file = await disk.find(id);
    if (file === null || file.packed) return;
    const size = (await stat(file.path).catch(() => null))?.size ?? -1;
    if (this.#size < 0) this.#size = size;
    const grown = size !== this.#size;
    if (!grown) return;
    this.#size = size;
    if (!(await this.#options.wanted())) {
      this.#log = null;
      return;
    }
    const source = await openRollout(file);
    try {
      if (this.#log === null || this.#offset > source.size) {
        this.#log = new RolloutLog({ paginated: (await disk.head(file))?.paginated ?? false });
        this.#offset = await lastTurn(source);
      }
      const bytes = await source.read(this.#offset, Math.min(source.size, this.#offset + stepBytes));
      const whole = bytes.lastIndexOf(10) + 1;
      const entries: Entry[] = [];
      for (const { line, offset } of cutLines(bytes.subarray(0, whole), this.#offset)) entries.push(...this.#log.push(line, offset));
      this.#offset += whole;
      // What is left of a large piece comes with the next poll.
      if (this.#offset < source.size && whole > 0) this.#size = this.#offset;
      if (this.#disposed) return;
      if (entries.length > 0) this.#options.entries(entries);
      this.#options.changed();
    } finally {
      await source.close();
    }
  }
}

/** Where the last turn of the file begins. */
async function lastTurn(source: Parameters<typeof linesBackwards>[0]): Promise<number> {
  let read = 0;
  for await (const batch of linesBackwards(source, source.size)) {
    for (const line of [...batch].reverse()) {
      if (beginsTurn(line.line)) return line.offset;
      read += line.line.length;
      if (read > 2 * stepBytes) return line.offset;
    }
  }
  return 0;
}
