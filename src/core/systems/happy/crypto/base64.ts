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
