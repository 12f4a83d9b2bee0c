import { stat } from 'node:fs/promises';
import type { Clock } from '../../../model/context.ts';
import type { Entry } from '../../../model/entry.ts';
import type { CodexDisk } from './disk.ts';
import { beginsTurn } from './disk.ts';
import { RolloutLog } from './rollout.ts';
import { cutLines, linesBackwards, openRollout } from './rolloutFiles.ts';
import { SubagentFollower, wholeLines } from './subagents.ts';

const pollMs = 700;
/** What was written this long before the following began may be behind the reading of the history that it follows on, in milliseconds. */
const readMs = 5000;
/** Bytes that are taken at once. A line that is longer is taken whole. */
const stepBytes = 4 * 1024 * 1024;

interface FollowOptions {
  readonly disk: CodexDisk;
  readonly id: string;
  readonly clock: Clock;
  /** False while somebody else tells of the thread: this window's own app-server, or another window through the store. */
  readonly wanted: () => Promise<boolean>;
  readonly entries: (entries: readonly Entry[]) => void;
  /** The file grew, or stopped growing. */
  readonly changed: () => void;
}

/**
 * Follows the file of a thread that another program runs: what it writes shows up within a second. Reads only what was added; at first the last turn, where
 * the file was written since the history was read (what is told twice is one entry all the same).
 */
export class RolloutFollower {
  readonly #options: FollowOptions;
  #timer: { cancel(): void } | null = null;
  #log: RolloutLog | null = null;
  #agents: SubagentFollower;
  #offset = 0;
  #size = -1;
  #disposed = false;
  readonly #began: number;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#agents = new SubagentFollower(options.disk);
    this.#began = options.clock.now();
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
    const facts = await stat(file.path).catch(() => null);
    if (facts === null) return;
    if (facts.size === this.#size) {
      // While one of its subagents is at it, the thread itself may write nothing.
      if (this.#log !== null && this.#log.subagents.size > 0 && (await this.#options.wanted())) this.#tell(await this.#agents.read(this.#log.subagents));
      return;
    }
    const unseen = this.#size >= 0 || facts.mtimeMs >= this.#began - readMs;
    if (!unseen || !(await this.#options.wanted())) {
      this.#size = facts.size;
      this.#log = null;
      return;
    }
    const source = await openRollout(file);
    try {
      if (this.#log === null || this.#offset > source.size) {
        this.#log = new RolloutLog({ paginated: (await disk.head(file))?.paginated ?? false });
        this.#agents = new SubagentFollower(disk);
        this.#offset = await lastTurn(source);
      }
      const bytes = await wholeLines(source, this.#offset, stepBytes);
      const entries: Entry[] = [];
      for (const { line, offset } of cutLines(bytes, this.#offset)) entries.push(...this.#log.push(line, offset));
      this.#offset += bytes.length;
      // What is left of a large piece comes with the next poll.
      this.#size = this.#offset < source.size && bytes.length > 0 ? this.#offset : facts.size;
      this.#tell(entries);
      this.#tell(await this.#agents.read(this.#log.subagents));
      if (!this.#disposed) this.#options.changed();
    } finally {
      await source.close();
    }
  }

  #tell(entries: readonly Entry[]): void {
    if (entries.length > 0 && !this.#disposed) this.#options.entries(entries);
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
