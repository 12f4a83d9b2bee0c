/** Most bits of a filter, and fewest; powers of two. */
const MOST_BITS = 1 << 16;
const LEAST_BITS = 1 << 9;
/** The share of bits that may be set: of what is not there, a filter then lets a word of five letters pass once in some two hundred times. */
const FULL = 0.3;
const SPACE = 0x20;

/**
 * Tells of a word whether it may be in the texts that were added: one bit for each pair and each triple of neighbouring characters, by a hash. What it says no to is not there;
 * what it says yes to mostly is. Words of one character always may.
 */
export class GramFilter {
  private bits: Uint8Array;
  private set: number;

  constructor(bits: Uint8Array = new Uint8Array(MOST_BITS / 8)) {
    this.bits = bits;
    this.set = bits.reduce((sum, byte) => sum + ones(byte), 0);
  }

  get bytes(): Uint8Array {
    return this.bits;
  }

  /** True when it should take no more. */
  get isFull(): boolean {
    return this.set >= this.bits.length * 8 * FULL;
  }

  /** Adds a folded text. Neighbours are never told over white space, as words hold none. */
  add(text: string): void {
    const mask = this.bits.length * 8 - 1;
    let a = SPACE;
    let b = SPACE;
    for (let at = 0; at < text.length; at += 1) {
      const c = text.charCodeAt(at);
      if (c > SPACE && b > SPACE) {
        this.mark(pairHash(b, c) & mask);
        if (a > SPACE) this.mark(tripleHash(a, b, c) & mask);
      }
      a = b;
      b = c;
    }
  }

  /** False where one of the words is certainly in none of the texts. A phrase is looked up word by word. */
  mayHold(words: readonly string[]): boolean {
    return words.every((word) => word.split(' ').every((single) => this.mayHoldWord(single)));
  }

  /** The filter in as little room as it needs, when nothing is added any more: its halves are laid over each other. */
  shrink(): void {
    while (this.bits.length * 8 > LEAST_BITS && this.set * 2 < this.bits.length * 8 * FULL) {
      const half = this.bits.length / 2;
      const { bits } = this;
      const smaller = bits.slice(0, half);
      for (let at = 0; at < half; at += 1) smaller[at] = (smaller[at] ?? 0) | (bits[half + at] ?? 0);
      this.become(smaller);
    }
  }

  private mayHoldWord(word: string): boolean {
    const mask = this.bits.length * 8 - 1;
    for (let at = 1; at < word.length; at += 1) {
      const [a, b, c] = [at > 1 ? word.charCodeAt(at - 2) : SPACE, word.charCodeAt(at - 1), word.charCodeAt(at)];
      if (b <= SPACE || c <= SPACE) continue;
      if (!this.has(pairHash(b, c) & mask) || (a > SPACE && !this.has(tripleHash(a, b, c) & mask))) return false;
    }
    return true;
  }

  private has(bit: number): boolean {
    return ((this.bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  private mark(bit: number): void {
    const byte = this.bits[bit >> 3] ?? 0;
    const one = 1 << (bit & 7);
    if ((byte & one) !== 0) return;
    this.bits[bit >> 3] = byte | one;
    this.set += 1;
  }

  private become(bits: Uint8Array): void {
    this.bits = bits;
    this.set = bits.reduce((sum, byte) => sum + ones(byte), 0);
  }
}

// The upper half of a product by 2^32 divided by the golden ratio is spread well; its lowest bits are kept where a filter is small.
function pairHash(a: number, b: number): number {
  return Math.imul(Math.imul(a, 0x01000193) ^ b, 0x9e3779b1) >>> 16;
}

function tripleHash(a: number, b: number, c: number): number {
  return Math.imul(Math.imul(Math.imul(a, 0x01000193) ^ b, 0x01000193) ^ c ^ 0x5bd1e995, 0x9e3779b1) >>> 16;
}

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
