import type { GramFilter } from './grams.ts';

/** Stored entries of one session by their numbers (`entry.n`), `[from, to]`, and what may be in the rows that they belong to. */
interface Block {
  readonly from: number;
  to: number;
  /** How many entries it tells of. */
  readonly count: number;
  readonly filter: GramFilter;
}

/** A stretch of a session's entries that is to be looked through, `[from, to]`; `block` tells of it, where one does. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly block: Block | null;
}

/** Entries that one block tells of at most: to look through one costs some twenty milliseconds. */
export const BLOCK_ENTRIES = 1_024;
/** One that tells of fewer is made anew together with what came behind it. */
const SMALL = BLOCK_ENTRIES / 2;

/** What is known of a session's entries without opening them: blocks that do not overlap, the newest first. */
class SessionBlocks {
  readonly blocks: Block[] = [];

  get bytes(): number {
    return this.blocks.reduce((sum, block) => sum + block.filter.bytes.length, 0);
  }

  /** Everything up to the entry `newest`, newest first: blocks, and the gaps between them. */
  stretches(newest: number): Stretch[] {
    const all: Stretch[] = [];
    let to = newest;
    for (const block of this.blocks) {
      const grown = block.to < to;
      if (grown && block.count < SMALL) {
        all.push({ from: block.from, to, block: null });
      } else {
        if (grown) all.push({ from: block.to + 1, to, block: null });
        all.push({ from: block.from, to: block.to, block });
      }
      to = block.from - 1;
    }
    if (to > 0) all.push({ from: 1, to, block: null });
    return all;
  }

  /** Forgets the blocks that tell only of what stands before the entry `oldest`. */
  forgetBefore(oldest: number): void {
    const kept = this.blocks.filter((each) => each.to >= oldest);
    this.blocks.splice(0, this.blocks.length, ...kept);
  }

  /** Adds a block that tells of a stretch that had none, or of the newest part of one; it takes the place of those within it. */
  add(block: Block): void {
    const kept = this.blocks.filter((each) => each.from < block.from || each.to > block.to);
    // The oldest part of what was begun to be made anew.
    for (const each of kept) if (each.to >= block.from && each.from < block.from) each.to = block.from - 1;
    const at = kept.findIndex((each) => each.to < block.from);
    kept.splice(at < 0 ? kept.length : at, 0, block);
    this.blocks.splice(0, this.blocks.length, ...kept);
  }
}

/** Blocks of all sessions by the sessions' keys, within a bound of memory: beyond it, sessions are looked through whenever they are searched. */
export class SearchIndex {
  private readonly sessions = new Map<string, SessionBlocks>();
  private readonly most: number;
  private held = 0;
  /** Entries that were taken in since it was written to disk. */
  unsaved = 0;

  /** `most`: bytes of filters. */
  constructor(most: number) {
    this.most = most;
  }

  get bytes(): number {
    return this.held;
  }

  of(session: string): SessionBlocks {
    return this.sessions.get(session) ?? new SessionBlocks();
  }

  /** Adds a block of a session, unless there is no room for it. */
  add(session: string, block: Block): void {
    block.filter.shrink();
    let blocks = this.sessions.get(session);
    if (this.held + block.filter.bytes.length > this.most) return;
    if (blocks === undefined) {
      blocks = new SessionBlocks();
      this.sessions.set(session, blocks);
    }
    const before = blocks.bytes;
    blocks.add(block);
    this.held += blocks.bytes - before;
    this.unsaved += block.count;
  }

  /** Forgets what tells of entries that are not stored any more. `stored`: sessions that are, with the numbers of their oldest entries. */
  keepOnly(stored: ReadonlyMap<string, number>): void {
    for (const [session, blocks] of this.sessions) {
      const before = blocks.bytes;
      blocks.forgetBefore(stored.get(session) ?? Number.POSITIVE_INFINITY);
      if (blocks.blocks.length === 0) this.sessions.delete(session);
      this.held -= before - blocks.bytes;
    }
  }

  [Symbol.iterator](): IterableIterator<[string, SessionBlocks]> {
    return this.sessions.entries();
  }
}
