import nacl from 'tweetnacl';

/** The one function below tweetnacl's typed surface that we need: HSalsa20, by which `crypto_box` turns a shared secret into a key. */
type HSalsa20 = (out: Uint8Array, input: Uint8Array, key: Uint8Array, constant: Uint8Array) => void;
const lowlevel = (nacl as typeof nacl & { readonly lowlevel: { readonly crypto_core_hsalsa20: HSalsa20 } }).lowlevel;

const SIGMA = new TextEncoder().encode('expand 32-byte k');
const ZERO = new Uint8Array(16);

export const KEY_BYTES = 32;
export const NONCE_BYTES = 24;
export const TAG_BYTES = 16;

/** HSalsa20: a key of 32 bytes from one of 32 and an input of 16. With no input it is the key of `crypto_box` (`crypto_box_beforenm`) from an X25519 shared secret. */
export function hsalsa20(secret: Uint8Array, input: Uint8Array = ZERO): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  lowlevel.crypto_core_hsalsa20(key, input, secret, SIGMA);
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
