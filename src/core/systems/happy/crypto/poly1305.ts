const BITS = 22;
const LIMB = 2 ** BITS;
const MASK = LIMB - 1;
const PRIME = (1n << 130n) - 5n;

/**
 * Poly1305 in pieces, which tweetnacl gives in one go only. Numbers are six limbs of 22 bits. A limb of the sum stays under 2^23.1, so that
 * the largest limb of a product, 101 · 2^23.1 · 2^22, stays under 2^52: doubles are exact up to 2^53.
 */
export class Poly1305 {
  readonly #r: Float64Array;
  readonly #s: bigint;
  readonly #h = new Float64Array(6);
  readonly #product = new Float64Array(6);

  /** A key of 32 bytes, which serves one message only. */
  constructor(key: Uint8Array) {
    const r = numberOf(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
    this.#r = Float64Array.from({ length: 6 }, (_limb, index) => Number((r >> BigInt(BITS * index)) & BigInt(MASK)));
    this.#s = numberOf(key.subarray(16, 32));
  }

  /** Takes the next bytes. Every piece but the last must be a multiple of 16 bytes long. */
  update(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    for (; at + 16 <= bytes.length; at += 16) this.#absorb(view, at, 1);
    if (at === bytes.length) return;
    const last = new Uint8Array(16);
    last.set(bytes.subarray(at));
    last[bytes.length - at] = 1;
    this.#absorb(new DataView(last.buffer), 0, 0);
  }

  /** The tag of 16 bytes over all that came. */
  digest(): Uint8Array {
    let sum = 0n;
    for (const [index, limb] of this.#h.entries()) sum += BigInt(limb) << BigInt(BITS * index);
    let left = (sum % PRIME) + this.#s;
    const tag = new Uint8Array(16);
    for (let index = 0; index < 16; index += 1, left >>= 8n) tag[index] = Number(left & 0xffn);
    return tag;
  }

  #absorb(view: DataView, at: number, top: number): void {
    const h = this.#h;
    const r = this.#r;
    const product = this.#product;
    const w0 = view.getUint32(at, true);
    const w1 = view.getUint32(at + 4, true);
    const w2 = view.getUint32(at + 8, true);
    const w3 = view.getUint32(at + 12, true);
    h[0] = (h[0] ?? 0) + (w0 & MASK);
    h[1] = (h[1] ?? 0) + (((w0 >>> 22) | (w1 << 10)) & MASK);
    h[2] = (h[2] ?? 0) + (((w1 >>> 12) | (w2 << 20)) & MASK);
    h[3] = (h[3] ?? 0) + ((w2 >>> 2) & MASK);
    h[4] = (h[4] ?? 0) + (((w2 >>> 24) | (w3 << 8)) & MASK);
    h[5] = (h[5] ?? 0) + ((w3 >>> 14) | (top << 18));
    // 2^132 is 4 · 2^130, and so 20 modulo the prime: what lies above the sixth limb comes back in below, times 20.
    for (let limb = 0; limb < 6; limb += 1) {
      let sum = 0;
      let over = 0;
      for (let index = 0; index <= limb; index += 1) sum += (h[index] ?? 0) * (r[limb - index] ?? 0);
      for (let index = limb + 1; index < 6; index += 1) over += (h[index] ?? 0) * (r[limb + 6 - index] ?? 0);
      product[limb] = sum + 20 * over;
    }
    let carry = 0;
    for (let limb = 0; limb < 6; limb += 1) {
      const sum = (product[limb] ?? 0) + carry;
      carry = Math.floor(sum / LIMB);
      h[limb] = sum - carry * LIMB;
    }
    const first = (h[0] ?? 0) + 20 * carry;
    const second = Math.floor(first / LIMB);
    h[0] = first - second * LIMB;
    h[1] = (h[1] ?? 0) + second;
  }
}

function numberOf(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of Uint8Array.from(bytes).reverse()) value = (value << 8n) | BigInt(byte);
  return value;
}
