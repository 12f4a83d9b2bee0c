import type { Entry, Order } from '../../../model/entry.ts';

/** Place of a row in its session: what all versions of its entries share. */
export type Base = Pick<Entry, 'order' | 'at' | 'turn' | 'parent'>;

/** Hands out names and places for what a session's wire brings: names by turn and ordinal, places by [milliseconds, ordinal]. */
export class Places {
  /** The turn that runs or ran last. */
  turn: string | null = null;
  private readonly scope: string;
  private readonly replay: boolean;
  private readonly versions = new Map<string, number>();
  private readonly kept = new Map<string, Base>();
  private word = 0;
  private row = 0;
  private last = 0;

  /**
   * `scope` names what belongs to no turn. A replay has no times: its rows count from [0, 0], which is before all that was seen live.
   */
  constructor(scope: string, replay: boolean) {
    this.scope = scope;
    this.replay = replay;
  }

  get home(): string {
    return this.turn ?? this.scope;
  }

  begin(turn: string): void {
    this.turn = turn;
    this.word = 0;
  }

  /** A place of its own. The milliseconds never go back, whatever the clock does, so that what came later stands later. */
  next(now: number, parent: string | null = null): Base {
    this.row += 1;
    this.last = Math.max(this.last, now);
    const order: Order = [this.replay ? 0 : this.last, this.row];
    return { order, at: this.replay ? null : now, turn: this.turn, parent };
  }

  /** The place that `next` would give now; nothing is taken. */
  peek(now: number): Base {
    return { order: [this.replay ? 0 : Math.max(this.last, now), this.row + 1], at: this.replay ? null : now, turn: this.turn, parent: null };
  }

  /** The place of a thing that has versions: the same each time. */
  keep(id: string, now: number, parent: string | null = null): Base {
    const known = this.kept.get(id) ?? this.next(now, parent);
    this.kept.set(id, known);
    return known;
  }

  /** A name that was not given before in this turn. */
  name(word: string): string {
    this.word += 1;
    return `${this.home}/${word}/${this.word}`;
  }

  /** 0, 1, 2 … for each call with the same id. */
  version(id: string): number {
    const next = (this.versions.get(id) ?? -1) + 1;
    this.versions.set(id, next);
    return next;
  }
}
