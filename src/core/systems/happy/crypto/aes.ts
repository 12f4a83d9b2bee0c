import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

const VERSION = 0;
const NONCE = 12;
const TAG = 16;
const OVERHEAD = 1 + NONCE + TAG;

/** A key of 32 bytes in a form that no inspection prints. */
export function aesKey(key: Uint8Array): KeyObject {
  return createSecretKey(key);
}

/** AES-256-GCM: ciphertext, then the tag of 16 bytes. Happy's wire carries no additional data; `aad` is there for the vectors. */
export function gcmSeal(key: KeyObject, nonce: Uint8Array, plain: Uint8Array, aad?: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  if (aad !== undefined) cipher.setAAD(aad);
  const sealed = new Uint8Array(plain.length + TAG);
  sealed.set(cipher.update(plain), 0);
  cipher.final();
  sealed.set(cipher.getAuthTag(), plain.length);
  return sealed;
}

/** The plaintext of what `gcmSeal` gave, or null when anything about it does not fit. Never throws on bytes that came from outside. */
export function gcmOpen(key: KeyObject, nonce: Uint8Array, sealed: Uint8Array, aad?: Uint8Array): Uint8Array | null {
  if (nonce.length !== NONCE || sealed.length < TAG) return null;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG });
    if (aad !== undefined) decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG));
    const plain = decipher.update(sealed.subarray(0, sealed.length - TAG));
    decipher.final();
    return new Uint8Array(plain.buffer, plain.byteOffset, plain.length);
  } catch {
    return null;
  }
}

/** A record as the wire has it: version byte 0, a random nonce of 12 bytes, ciphertext, tag of 16 bytes (happy.md B11). */
export function sealBundle(key: KeyObject, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE);
  const sealed = gcmSeal(key, nonce, plain);
  const bundle = new Uint8Array(plain.length + OVERHEAD);
  bundle[0] = VERSION;
  bundle.set(nonce, 1);
  bundle.set(sealed, 1 + NONCE);
  return bundle;
}

/** The plaintext of a record, or null: another version, cut short, changed, another key. */
export function openBundle(key: KeyObject, bundle: Uint8Array): Uint8Array | null {
  if (bundle.length < OVERHEAD || bundle[0] !== VERSION) return null;
  return gcmOpen(key, bundle.subarray(1, 1 + NONCE), bundle.subarray(1 + NONCE));
}
