import { createCipheriv, createHash } from 'node:crypto';
import nacl from 'tweetnacl';
import { describe, expect, it } from 'vitest';
import { openBlobWith, sealBlobWith } from '../../../src/core/systems/happy/crypto/blob.ts';
import { Poly1305 } from '../../../src/core/systems/happy/crypto/poly1305.ts';

/** Bytes that are the same in every run: AES-CTR over zeros. */
function stream(seed: string): (length: number) => Uint8Array {
  const cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16));
  return (length) => Uint8Array.from(cipher.update(Buffer.alloc(length)));
}

describe('blobs', () => {
  it('400 of them, of 0 to 200 KB and with extreme keys and nonces, are those of tweetnacl byte for byte, and open', { timeout: 60_000 }, async () => {
    const random = stream('blobs');
    const number = (): number => new DataView(random(4).buffer).getUint32(0);
    for (let index = 0; index < 400; index += 1) {
      const length = index < 200 ? index : index % 40 === 0 ? 200_000 : number() % 5_000;
      const key = index % 7 === 0 ? new Uint8Array(32).fill(255) : random(32);
      const nonce = index % 5 === 0 ? new Uint8Array(24).fill(255) : random(24);
      const plain = index % 3 === 0 ? new Uint8Array(length).fill(255) : random(length);
      const sealed = await sealBlobWith(key, plain, {}, nonce);
      const theirs = Buffer.concat([nonce, nacl.secretbox(plain, nonce, key)]);
      expect(Buffer.compare(sealed, theirs), `blob ${index} of ${length} bytes`).toBe(0);
      const opened = await openBlobWith(key, theirs);
      expect(opened !== null && Buffer.compare(opened, plain) === 0, `blob ${index} opens`).toBe(true);
      const bent = Uint8Array.from(theirs);
      const at = number() % bent.length;
      bent[at] = (bent[at] ?? 0) ^ (1 << (index % 8));
      expect(await openBlobWith(key, bent)).toBeNull();
    }
  });
});

/** Poly1305 as RFC 8439 writes it down. */
function referenceTag(key: Uint8Array, message: Uint8Array): Uint8Array {
  const number = (bytes: Uint8Array): bigint => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    sum = ((sum + number(block) + (1n << BigInt(8 * block.length))) * r) % ((1n << 130n) - 5n);
  }
  const tag = sum + number(key.subarray(16, 32));
  return Uint8Array.from({ length: 16 }, (_byte, index) => Number((tag >> BigInt(8 * index)) & 0xffn));
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_byte, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

describe('tags', () => {
  it('3,000 of them, with extreme r and sums, are those of a reference in big integers', { timeout: 60_000 }, () => {
    const random = stream('tags');
    const extremes = [new Uint8Array(16), new Uint8Array(16).fill(255), littleEndian(1n), littleEndian(2n), littleEndian(4n), littleEndian((1n << 124n) - 4n)];
    const half = (index: number): Uint8Array => extremes[index] ?? random(16);
    for (let index = 0; index < 3_000; index += 1) {
      const key = Buffer.concat([half(index % 8), half((index >> 3) % 8)]);
      const length = index % 130;
      const message = index % 3 === 0 ? random(length) : new Uint8Array(length).fill(index % 3 === 1 ? 255 : 0);
      const tag = new Poly1305(key);
      const cut = 16 * (index % 5);
      tag.update(message.subarray(0, cut));
      tag.update(message.subarray(cut));
      expect(Buffer.compare(tag.digest(), referenceTag(key, message)), `tag ${index}`).toBe(0);
    }
  });

  it('of sums around the prime are reduced', () => {
    const prime = (1n << 130n) - 5n;
    for (let off = -6n; off <= 6n; off += 1n) {
      // With r = 1 the three blocks, each with its bit of 2^128, are the sum.
      const [one, two] = [1n << 127n, 1n << 126n];
      const message = Buffer.concat([one, two, prime + off - 3n * (1n << 128n) - one - two].map(littleEndian));
      const key = Buffer.concat([littleEndian(1n), littleEndian((1n << 128n) - 1n)]);
      const tag = new Poly1305(key);
      tag.update(message);
      expect(Buffer.compare(tag.digest(), referenceTag(key, message)), `prime ${off}`).toBe(0);
    }
  });
});
