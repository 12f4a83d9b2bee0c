import type { KeyObject } from 'node:crypto';
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomFillSync } from 'node:crypto';

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + NONCE_BYTES;
const NONCE_POOL = 512;

/** Which column a value belongs to; a part of what the seal binds. */
export type SealedColumn = 'check' | 'entry' | 'session' | 'outbox' | 'mail' | 'keep' | 'search';

/**
 * Seals texts with AES-256-GCM under a key derived (HKDF-SHA256) from the store's: version byte, random nonce, ciphertext, tag. What it binds besides
 * (column, session or scope, id) makes a value that was moved to another place unreadable there.
 */
export class Sealer {
  /** As a KeyObject, which Node need not read anew for each value: that took longer than the sealing. */
  private readonly key: KeyObject;
  private readonly nonces = Buffer.alloc(NONCE_BYTES * NONCE_POOL);
  private nextNonce = NONCE_POOL;

  constructor(key: Uint8Array) {
    this.key = createSecretKey(Buffer.from(hkdfSync('sha256', key, new Uint8Array(0), 'pilothouse store 1', 32)));
  }

  seal(text: string, bound: Uint8Array): Uint8Array {
    const nonce = this.nonce();
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce);
    cipher.setAAD(bound);
    const body = cipher.update(text, 'utf8');
    cipher.final();
    return Buffer.concat([Buffer.from([VERSION]), nonce, body, cipher.getAuthTag()]);
  }

  /** The text, or null when it was altered, moved, cut, or sealed under another key. */
  open(sealed: Uint8Array, bound: Uint8Array): string | null {
    if (sealed.length < HEAD_BYTES + TAG_BYTES || sealed[0] !== VERSION) return null;
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', this.key, sealed.subarray(1, HEAD_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(bound);
    decipher.setAuthTag(sealed.subarray(end));
    try {
      const text = decipher.update(sealed.subarray(HEAD_BYTES, end));
      decipher.final();
      return text.toString('utf8');
    } catch {
      return null;
    }
  }

  private nonce(): Buffer {
    if (this.nextNonce === NONCE_POOL) {
      randomFillSync(this.nonces);
      this.nextNonce = 0;
    }
    const at = this.nextNonce * NONCE_BYTES;
    this.nextNonce += 1;
    return Buffer.from(this.nonces.subarray(at, at + NONCE_BYTES));
  }
}

const NONE = new Uint8Array(0);

/** What a seal binds: the column, the session's key (or the scope) with its length, and the id. */
export function boundTo(column: SealedColumn, place: Uint8Array = NONE, id: Uint8Array = NONE): Uint8Array {
  const name = Buffer.from(column, 'latin1');
  const bytes = Buffer.allocUnsafe(1 + name.length + 4 + place.length + id.length);
  bytes[0] = name.length;
  bytes.set(name, 1);
  bytes.writeUInt32BE(place.length, 1 + name.length);
  bytes.set(place, 5 + name.length);
  bytes.set(id, 5 + name.length + place.length);
  return bytes;
}
