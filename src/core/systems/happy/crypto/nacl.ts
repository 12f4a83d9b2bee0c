import { randomBytes } from 'node:crypto';
import nacl from 'tweetnacl';

/** The one function below tweetnacl's typed surface that we need: HSalsa20, by which `crypto_box` turns a shared secret into a key. */
type HSalsa20 = (out: Uint8Array, input: Uint8Array, key: Uint8Array, constant: Uint8Array) => void;
const lowlevel = (nacl as typeof nacl & { readonly lowlevel: { readonly crypto_core_hsalsa20: HSalsa20 } }).lowlevel;

const SIGMA = new TextEncoder().encode('expand 32-byte k');
const ZERO = new Uint8Array(16);

export const KEY_BYTES = 32;
export const NONCE_BYTES = 24;
export const TAG_BYTES = 16;

/** HSalsa20 of 16 zeros: the key of `crypto_box` (`crypto_box_beforenm`) from an X25519 shared secret, both of 32 bytes. */
export function hsalsa20(secret: Uint8Array): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  lowlevel.crypto_core_hsalsa20(key, ZERO, secret, SIGMA);
  return key;
}

/** XSalsa20-Poly1305: 16 bytes of tag, then the ciphertext. Key of 32 bytes, nonce of 24. */
export function secretboxSeal(plain: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  return nacl.secretbox(plain, nonce, key);
}

/** The plaintext of what `secretboxSeal` gave, or null when key, nonce, length or tag do not fit. Never throws on bytes that came from outside. */
export function secretboxOpen(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | null {
  if (box.length < TAG_BYTES || nonce.length !== NONCE_BYTES || key.length !== KEY_BYTES) return null;
  return nacl.secretbox.open(box, nonce, key);
}

/** A nonce of 24 bytes, then the secretbox under it, as records under the master and all attachments are. `nonce` is for vectors. */
export function sealNonced(plain: Uint8Array, key: Uint8Array, nonce: Uint8Array = randomBytes(NONCE_BYTES)): Uint8Array {
  const box = secretboxSeal(plain, nonce, key);
  const sealed = new Uint8Array(NONCE_BYTES + box.length);
  sealed.set(nonce, 0);
  sealed.set(box, NONCE_BYTES);
  return sealed;
}

/** The plaintext of what `sealNonced` gave, or null. */
export function openNonced(sealed: Uint8Array, key: Uint8Array): Uint8Array | null {
  return secretboxOpen(sealed.subarray(NONCE_BYTES), sealed.subarray(0, NONCE_BYTES), key);
}
