import type { Order } from '../../model/entry.ts';

const ELEMENT_BYTES = 8;
/** Stands before every element, as an order without elements stands before every other. */
const EMPTY_ORDER = Buffer.from([0]);
const SIGN = 0x80;

/**
 * An order key as bytes that sort with memcmp (SQLite's order of BLOBs) as compareOrder sorts the key: one big-endian double an element, its sign
 * bit flipped, and all other bits too where it was negative. Elements that are not finite become the lowest, as in compareOrder.
 */
export function encodeOrder(order: Order): Uint8Array {
  if (order.length === 0) return EMPTY_ORDER;
  const bytes = Buffer.allocUnsafe(order.length * ELEMENT_BYTES);
  order.forEach((element, index) => {
    const at = index * ELEMENT_BYTES;
    // `+ 0` makes the negative zero, which compares equal to zero, the same bytes too. JSON turns what is not finite into null.
    bytes.writeDoubleBE(Number.isFinite(element) ? element + 0 : Number.NEGATIVE_INFINITY, at);
    flip(bytes, at, ((bytes[at] ?? 0) & SIGN) !== 0);
  });
  return bytes;
}

/** The order key of bytes made by encodeOrder; a trailing part of an element is left out. */
export function decodeOrder(bytes: Uint8Array): Order {
  const copy = Buffer.from(bytes);
  const order: number[] = [];
  for (let at = 0; at + ELEMENT_BYTES <= copy.length; at += ELEMENT_BYTES) {
    flip(copy, at, ((copy[at] ?? 0) & SIGN) === 0);
    order.push(copy.readDoubleBE(at));
  }
  return order;
}

function flip(bytes: Buffer, at: number, all: boolean): void {
  if (!all) {
    bytes[at] = (bytes[at] ?? 0) ^ SIGN;
    return;
  }
  for (let index = at; index < at + ELEMENT_BYTES; index += 1) bytes[index] = (bytes[index] ?? 0) ^ 0xff;
}

/**
 * Text as CESU-8: every UTF-16 code unit by itself, in UTF-8's form. It sorts with memcmp as JavaScript sorts strings (UTF-8 does not: it puts what
 * lies beyond the basic plane last), and keeps lone surrogates. Kept as BLOB: node:sqlite of Node 22 cuts TEXT at U+0000, which session keys hold.
 */
export function encodeText(text: string): Uint8Array {
  if (isAscii(text)) return Buffer.from(text, 'latin1');
  const bytes = Buffer.allocUnsafe(text.length * 3);
  let at = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) {
      bytes[at++] = unit;
    } else if (unit < 0x800) {
      bytes[at++] = 0xc0 | (unit >> 6);
      bytes[at++] = 0x80 | (unit & 0x3f);
    } else {
      bytes[at++] = 0xe0 | (unit >> 12);
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[at++] = 0x80 | (unit & 0x3f);
    }
  }
  return bytes.subarray(0, at);
}

/** The text of bytes made by encodeText. */
export function decodeText(bytes: Uint8Array): string {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (whole.every((byte) => byte < 0x80)) return whole.toString('latin1');
  const units: string[] = [];
  for (let at = 0; at < whole.length;) {
    const first = whole[at] ?? 0;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : 3;
    const second = (whole[at + 1] ?? 0) & 0x3f;
    const third = (whole[at + 2] ?? 0) & 0x3f;
    const unit = length === 1 ? first : length === 2 ? ((first & 0x1f) << 6) | second : ((first & 0x0f) << 12) | (second << 6) | third;
    units.push(String.fromCharCode(unit));
    at += length;
  }
  return units.join('');
}

/** The bytes that stand behind every text that begins with `prefix`, and before every other that is greater; null for an empty prefix. */
export function prefixEnd(prefix: Uint8Array): Uint8Array | null {
  if (prefix.length === 0) return null;
  const end = Buffer.from(prefix);
  // CESU-8 has no byte 0xff, so the last one can always grow.
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return end;
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) >= 0x80) return false;
  return true;
}
