import { randomBytes, randomInt } from 'node:crypto';

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
const keyLetters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function pick(alphabet: string, count: number): string {
  return Array.from({ length: count }, () => alphabet[randomInt(alphabet.length)]).join('');
}

/** Makes ids as the real server's database does (25 characters: time, counter, process, chance), so that ids sort as their rows were made. */
export class Ids {
  #counter = 0;
  #last = 0;
  readonly #process = pick(letters, 4);

  next(now: number): string {
    // A clock that goes back, or more than 36⁴ rows in a millisecond, must not turn the order around.
    if (now > this.#last) this.#last = now;
    this.#counter = (this.#counter + 1) % 36 ** 4;
    if (this.#counter === 0) this.#last += 1;
    return `c${this.#last.toString(36)}${this.#counter.toString(36).padStart(4, '0')}${this.#process}${pick(letters, 8)}`;
  }
}

/** The id of one update: 12 letters and digits. */
export function updateId(): string {
  return pick(keyLetters, 12);
}

/** 32 random bytes as base64: the seed that signs tokens. */
export function randomSeed(): string {
  return randomBytes(32).toString('base64');
}
