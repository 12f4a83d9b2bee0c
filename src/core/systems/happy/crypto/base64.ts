import type { SliceOptions } from '../../../transport/slices.ts';
import { Slicer } from '../../../transport/slices.ts';

/** Characters between two looks at the clock: under 1 ms of work, and whole groups of four. */
const PIECE = 262_144;

/** Bytes as standard base64 with padding, as every field of Happy's wire has it. */
export function toBase64(bytes: Uint8Array): string {
  return view(bytes).toString('base64');
}

/** Bytes as base64url without padding, as the link codes have it (`happy://terminal?…`, `happy:///account?…`). */
export function toBase64Url(bytes: Uint8Array): string {
  return view(bytes).toString('base64url');
}

/**
 * The bytes of a standard base64 text with its padding, or null for anything else: another alphabet, white space, wrong or missing padding,
 * bits left over. One byte string so has exactly one text, and two texts are the same bytes only when they are the same text.
 */
export function fromBase64(text: string): Uint8Array | null {
  return decode(text, 'base64');
}

/** The same for large texts, in slices: 10 MiB hold the event loop for 13 ms in one go. Rejects with the signal's reason when it is aborted. */
export async function fromLongBase64(text: string, options: SliceOptions = {}): Promise<Uint8Array | null> {
  const slicer = new Slicer(options);
  const bytes = new Uint8Array(Math.ceil(text.length / 4) * 3);
  let length = 0;
  for (let at = 0; at < text.length; at += PIECE) {
    if (slicer.due()) await slicer.rest();
    const piece = fromBase64(text.slice(at, at + PIECE));
    // Padding stands at the end only.
    if (piece === null || (at + PIECE < text.length && piece.length < (PIECE / 4) * 3)) return null;
    bytes.set(piece, length);
    length += piece.length;
  }
  return bytes.subarray(0, length);
}

/** The bytes of a base64url text without padding, or null for anything else. */
export function fromBase64Url(text: string): Uint8Array | null {
  return decode(text, 'base64url');
}

/** Node's decoder passes over whatever it does not know; what does not come out again as it went in was no such text. */
function decode(text: string, encoding: 'base64' | 'base64url'): Uint8Array | null {
  const decoded = Buffer.from(text, encoding);
  // A copy: small buffers of Node share their memory with each other.
  return decoded.toString(encoding) === text ? new Uint8Array(decoded) : null;
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
