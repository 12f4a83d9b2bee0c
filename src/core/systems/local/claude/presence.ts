import type { SessionOwner } from '../../../model/session.ts';
import type { Desk } from './desk.ts';
import type { TranscriptFile } from './files.ts';
import type { Runner } from './runners.ts';

/** How long a transcript that grew without us counts as somebody else's, in milliseconds. Agents that leave no note of themselves are known by this alone. */
const growthMs = 120_000;
/** A process takes its note away before it has written its last lines, and a file and the notes are never looked at in the same moment: so long the growth is still its. */
const tailMs = 8_000;

export interface Presence {
  readonly owner: SessionOwner;
  readonly name: string | null;
  /** True while a process that is not ours works on it; null where that cannot be known. */
  readonly busy: boolean | null;
}

/**
 * Who runs a session: this window (`mine`), another one of ours or another program (the claims), a process that left a note (`<configDir>/sessions`), or one that makes its
 * transcript grow.
 */
export class PresenceWatch {
  readonly #desk: Desk;
  readonly #id: string;
  #size: number | null = null;
  #grewAt: number | null = null;
  #last: SessionOwner = 'nobody';
  /** When a process with a note of itself, or one of ours, was last seen to run it: what it wrote tells of nobody else. */
  #knownAt = Number.NEGATIVE_INFINITY;
  #lookedAt = Number.NaN;

  constructor(desk: Desk, id: string) {
    this.#desk = desk;
    this.#id = id;
  }

  /** The transcript is that long, and what it holds is ours. */
  ours(size: number | null): void {
    this.#size = size;
    this.#grewAt = null;
  }

  /** Looks anew. `runners` as listed just now. */
  async look(mine: boolean, file: TranscriptFile | null, runners: ReadonlyMap<string, Runner>): Promise<Presence> {
    const now = this.#desk.context.clock.now();
    // On a machine that is busy looks stand far apart: what grew since one that knew whose it is may be the last lines of that.
    const knownBefore = this.#lookedAt === this.#knownAt;
    this.#lookedAt = now;
    const size = file?.size ?? null;
    const runner = runners.get(this.#id);
    const other = mine ? null : await this.#desk.claims.other(this.#id);
    const grew = this.#size !== null && size !== null && size > this.#size;
    this.#size = size;
    if (mine || other !== null) {
      this.#grewAt = null;
      this.#knownAt = now;
      this.#last = other?.owner ?? 'this';
      return { owner: this.#last, name: other?.owner === 'foreign' ? other.name : null, busy: mine ? null : (runner?.busy ?? null) };
    }
    const first = this.#last === 'window' || this.#last === 'this';
    if (grew && !first && !knownBefore && now - this.#knownAt > tailMs) this.#grewAt = now;
    if (runner !== undefined) {
      this.#knownAt = now;
      this.#grewAt = null;
      this.#last = 'foreign';
      return { owner: 'foreign', name: runner.name, busy: runner.busy };
    }
    const foreign = this.#grewAt !== null && now - this.#grewAt < growthMs;
    this.#last = foreign ? 'foreign' : 'nobody';
    return { owner: this.#last, name: foreign ? 'another program' : null, busy: null };
  }
}
