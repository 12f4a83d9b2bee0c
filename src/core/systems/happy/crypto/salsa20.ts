import { hsalsa20 } from './nacl.ts';

const BLOCK = 64;
const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** The XSalsa20 key stream from any block of it on, which tweetnacl gives from the start and in one go only. */
export class XSalsa20 {
  readonly #input = new Uint32Array(16);
  readonly #words = new Uint32Array(16);

  /** Key of 32 bytes, nonce of 24. */
  constructor(key: Uint8Array, nonce: Uint8Array) {
    const derived = wordsOf(hsalsa20(key, nonce.subarray(0, 16)));
    const rest = wordsOf(nonce.subarray(16, 24));
    this.#input.set([SIGMA[0], ...derived.slice(0, 4), SIGMA[1], ...rest, 0, 0, SIGMA[2], ...derived.slice(4), SIGMA[3]]);
  }

  /** Turns `data` from `from` (a multiple of 64) up to `to` into itself XOR the stream, whose byte 0 belongs to `data[0]`. */
  xor(data: Uint8Array, from: number, to: number): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let at = from; at < to; at += BLOCK) {
      this.#block(at / BLOCK);
      const words = this.#words;
      if (to - at >= BLOCK) {
        for (let word = 0; word < 16; word += 1) view.setUint32(at + 4 * word, view.getUint32(at + 4 * word, true) ^ (words[word] ?? 0), true);
      } else {
        for (let byte = at; byte < to; byte += 1) view.setUint8(byte, view.getUint8(byte) ^ ((words[(byte - at) >> 2] ?? 0) >>> (8 * ((byte - at) & 3))));
      }
    }
  }

  #block(counter: number): void {
    const input = this.#input;
    const x = this.#words;
    input[8] = counter;
    input[9] = Math.floor(counter / 2 ** 32);
    x.set(input);
    for (let round = 0; round < 10; round += 1) {
      quarter(x, 0, 4, 8, 12);
      quarter(x, 5, 9, 13, 1);
      quarter(x, 10, 14, 2, 6);
      quarter(x, 15, 3, 7, 11);
      quarter(x, 0, 1, 2, 3);
      quarter(x, 5, 6, 7, 4);
      quarter(x, 10, 11, 8, 9);
      quarter(x, 15, 12, 13, 14);
    }
    for (let word = 0; word < 16; word += 1) x[word] = (x[word] ?? 0) + (input[word] ?? 0);
  }
}

function quarter(x: Uint32Array, ia: number, ib: number, ic: number, id: number): void {
  let a = x[ia] ?? 0;
  let b = x[ib] ?? 0;
  let c = x[ic] ?? 0;
  let d = x[id] ?? 0;
  b ^= rotated(a + d, 7);
  c ^= rotated(b + a, 9);
  d ^= rotated(c + b, 13);
  a ^= rotated(d + c, 18);
  x[ia] = a;
  x[ib] = b;
  x[ic] = c;
  x[id] = d;
}

function rotated(value: number, bits: number): number {
  const word = value | 0;
  return (word << bits) | (word >>> (32 - bits));
}

function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_word, index) => view.getUint32(4 * index, true));
}
