/** What is looked for. */
export interface Wanted {
  /** Global. */
  readonly pattern: RegExp;
  /** Characters of its longest match. */
  readonly reach: number;
}

/** Called with where a match begins and ends in the text, in characters. */
type OnMatch = (start: number, end: number) => void;

/**
 * Counts the matches in a text that comes in pieces, as if it were one: what could be the beginning of a match at the end of a piece is looked at again with the next one. It holds no more than the
 * last piece and the longest match. Matches must not depend on more than one character before and behind them.
 */
export class MatchCounter {
  private readonly wanted: Wanted;
  private readonly onMatch: OnMatch | null;
  private found = 0;
  /** The text's end as far as it is looked at again; in the text it begins at `base`, and the next match at `from` or later. */
  private rest = '';
  private base = 0;
  private from = 0;

  constructor(wanted: Wanted, onMatch: OnMatch | null = null) {
    this.wanted = wanted;
    this.onMatch = onMatch;
  }

  /** Characters of the text so far. */
  get length(): number {
    return this.base + this.rest.length;
  }

  push(piece: string): void {
    this.rest += piece;
    // A match that begins before this place is in the text with the character behind it.
    const sure = Math.max(this.base, this.length - this.wanted.reach - 2);
    this.look(sure);
    this.from = Math.max(this.from, sure);
    // A letter of two characters may stand before the next match.
    const kept = Math.max(0, this.from - this.base - 2);
    this.rest = this.rest.slice(kept);
    this.base += kept;
  }

  /** How many there are in the text, which ends here. */
  end(): number {
    this.look(Number.POSITIVE_INFINITY);
    return this.found;
  }

  /** One that stands where this one stands, and goes on by itself. */
  fork(): MatchCounter {
    const { wanted, onMatch, found, rest, base, from } = this;
    return Object.assign(new MatchCounter(wanted, onMatch), { found, rest, base, from });
  }

  private look(sure: number): void {
    const { pattern } = this.wanted;
    pattern.lastIndex = this.from - this.base;
    for (let match = pattern.exec(this.rest); match !== null && this.base + match.index < sure; match = pattern.exec(this.rest)) {
      this.found += 1;
      this.from = this.base + match.index + match[0].length;
      this.onMatch?.(this.base + match.index, this.from);
    }
  }
}
