import { randomBytes, timingSafeEqual } from 'node:crypto';
import { NONCE_BYTES, TAG_BYTES } from './nacl.ts';
import { Poly1305 } from './poly1305.ts';
import { XSalsa20 } from './salsa20.ts';
import type { SliceOptions } from './slices.ts';
import { Slicer } from './slices.ts';

const HEAD = NONCE_BYTES + TAG_BYTES;
/** A secretbox spends the first 32 bytes of the key stream on the tag's key. */
const STREAM_HEAD = 32;
/** Bytes between two looks at the clock: under 1 ms of work, and whole blocks of both algorithms. */
const PIECE = 65_536;

/**
 * Bytes as an attachment is uploaded: nonce of 24 bytes, then the same secretbox that tweetnacl makes, in slices:
 * tweetnacl would hold the event loop for 100 ms with the 10 MiB that Happy allows. `nonce` is for vectors. Rejects when it is aborted.
 */
export async function sealBlobWith(key: Uint8Array, plain: Uint8Array, options: SliceOptions = {}, nonce: Uint8Array = randomBytes(NONCE_BYTES)): Promise<Uint8Array> {
  const slicer = new Slicer(options);
  const streamed = new Uint8Array(STREAM_HEAD + plain.length);
  const stream = new XSalsa20(key, nonce);
  await inPieces(streamed.length, slicer, (from, to) => {
    streamed.set(plain.subarray(Math.max(0, from - STREAM_HEAD), to - STREAM_HEAD), Math.max(from, STREAM_HEAD));
    stream.xor(streamed, from, to);
  });
  const tag = new Poly1305(streamed.subarray(0, STREAM_HEAD));
  const blob = new Uint8Array(HEAD + plain.length);
  await inPieces(plain.length, slicer, (from, to) => {
    const piece = streamed.subarray(STREAM_HEAD + from, STREAM_HEAD + to);
    tag.update(piece);
    blob.set(piece, HEAD + from);
  });
  blob.set(nonce, 0);
  blob.set(tag.digest(), NONCE_BYTES);
  return blob;
}

/** The bytes in an attachment, or null when it was cut, changed or sealed under another key. Works in slices; rejects when it is aborted. */
export async function openBlobWith(key: Uint8Array, blob: Uint8Array, options: SliceOptions = {}): Promise<Uint8Array | null> {
  const slicer = new Slicer(options);
  if (blob.length < HEAD) return null;
  const stream = new XSalsa20(key, blob.subarray(0, NONCE_BYTES));
  const first = new Uint8Array(STREAM_HEAD);
  stream.xor(first, 0, STREAM_HEAD);
  const tag = new Poly1305(first);
  const sealed = blob.subarray(HEAD);
  await inPieces(sealed.length, slicer, (from, to) => tag.update(sealed.subarray(from, to)));
  if (!timingSafeEqual(tag.digest(), blob.subarray(NONCE_BYTES, HEAD))) return null;
  const streamed = new Uint8Array(STREAM_HEAD + sealed.length);
  await inPieces(streamed.length, slicer, (from, to) => {
    streamed.set(sealed.subarray(Math.max(0, from - STREAM_HEAD), to - STREAM_HEAD), Math.max(from, STREAM_HEAD));
    stream.xor(streamed, from, to);
  });
  return streamed.subarray(STREAM_HEAD);
}

async function inPieces(length: number, slicer: Slicer, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < length; from += PIECE) {
    if (slicer.due()) await slicer.rest();
    work(from, Math.min(length, from + PIECE));
  }
}
