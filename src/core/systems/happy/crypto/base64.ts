const STANDARD = /^[A-Za-z0-9+/]*={0,2}$/;
const URL_SAFE = /^[A-Za-z0-9_-]*$/;

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
  if (text.length % 4 !== 0 || !STANDARD.test(text)) return null;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return decode(text, text.length - padding);
}

/** The bytes of a base64url text without padding, or null for anything else. */
export function fromBase64Url(text: string): Uint8Array | null {
  if (text.length % 4 === 1 || !URL_SAFE.test(text)) return null;
  return decode(text, text.length);
}

/** Both alphabets: the decoder of Node takes either, the callers let through one. */
function decode(text: string, digits: number): Uint8Array | null {
  const bytes = new Uint8Array(Math.floor((digits * 3) / 4));
  if (view(bytes).write(text, 'base64') !== bytes.length) return null;
  const spare = digits % 4;
  if (spare === 0) return bytes;
  // The last character carries 2 or 4 bits too many, which an encoder leaves at zero.
  const last = digitOf(text.charCodeAt(digits - 1));
  return (last & (spare === 2 ? 0b1111 : 0b11)) === 0 ? bytes : null;
}

function digitOf(code: number): number {
  if (code >= 97) return code - 71;
  if (code === 95) return 63;
  if (code >= 65) return code - 65;
  if (code >= 48) return code + 4;
  return code === 43 || code === 45 ? 62 : 63;
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
