import { createHash, createHmac, createPublicKey, randomBytes, verify } from 'node:crypto';
import nacl from 'tweetnacl';
import { HappyError } from '../errors.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { hsalsa20, KEY_BYTES, NONCE_BYTES, secretboxOpen, secretboxSeal, TAG_BYTES } from './nacl.ts';
import { agreementOf } from './x25519.ts';

/** Raw keys. An X25519 secret key is 32 bytes, an Ed25519 one 64 (seed, then public key); public keys are 32. */
interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** What the terminal's side of a link receives: V1 hands over the account's master, V2 its content public key alone. */
type LinkAnswer =
  | { readonly kind: 'master'; readonly master: Uint8Array }
  | { readonly kind: 'contentKey'; readonly contentPublicKey: Uint8Array };

const BOX_HEAD = KEY_BYTES + NONCE_BYTES;
const WRAP_VERSION = 0;
// RFC 8410: everything before the 32 raw bytes of an Ed25519 public key in DER.
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const LINK_V2 = 0;

/** Throws `bad_key` when a key does not have `length` bytes. The message says whose key it is, never what is in it. */
export function requireKey(key: Uint8Array, whose: string, length: number = KEY_BYTES): void {
  if (key.length === length) return;
  throw new HappyError('bad_key', `${whose} must be ${length} bytes long, not ${key.length}. Sign in to Happy again, or import its credentials again.`, { personMustAct: true });
}

/** HMAC-SHA512: 64 bytes. */
export function hmacSha512(key: Uint8Array, data: Uint8Array): Uint8Array {
  return Uint8Array.from(createHmac('sha512', key).update(data).digest());
}

/**
 * Happy's key tree: HMAC-SHA512 keyed with "<usage> Master Seed" over the master gives key and chain code (32 bytes each);
 * each index of the path is HMAC-SHA512 keyed with the chain code over 0x00 and the index. Answers 32 bytes.
 */
export function deriveKey(master: Uint8Array, usage: string, path: readonly string[]): Uint8Array {
  const text = new TextEncoder();
  let node = hmacSha512(text.encode(`${usage} Master Seed`), master);
  for (const index of path) node = hmacSha512(node.subarray(32), text.encode(`\0${index}`));
  return node.slice(0, 32);
}

/** The account's X25519 pair, to whose public key every data key is wrapped; from the master of 32 bytes, seeded as libsodium's `crypto_box_seed_keypair` does. */
export function contentKeyPair(master: Uint8Array): KeyPair {
  return nacl.box.keyPair.fromSecretKey(contentSecretKey(master));
}

/** The secret half of `contentKeyPair`, which costs a hundredth of the pair: enough to unwrap. */
export function contentSecretKey(master: Uint8Array): Uint8Array {
  requireKey(master, 'The Happy account secret');
  const seed = deriveKey(master, 'Happy EnCoder', ['content']);
  return Uint8Array.from(createHash('sha512').update(seed).digest().subarray(0, KEY_BYTES));
}

/** The account's Ed25519 pair, by which the server knows it: the master of 32 bytes is the seed. */
export function signingKeyPair(master: Uint8Array): KeyPair {
  requireKey(master, 'The Happy account secret');
  return nacl.sign.keyPair.fromSeed(master);
}

/** A pair for one link by code. */
export function linkKeyPair(): KeyPair {
  return nacl.box.keyPair.fromSecretKey(Uint8Array.from(randomBytes(KEY_BYTES)));
}

/** The key of attachments: of a session with a data key, or (`legacy`) of an account whose records lie under the master (happy.md B11). */
export function blobKey(key: Uint8Array, kind: 'dataKey' | 'legacy'): Uint8Array {
  return deriveKey(key, 'Happy Blobs', [kind === 'dataKey' ? 'session' : 'master']);
}

/** The body of `POST /v1/auth`, all base64: a challenge of 32 random bytes (the client picks it), its Ed25519 signature, the public key. */
export function answerChallenge(master: Uint8Array): { challenge: string; signature: string; publicKey: string } {
  const pair = signingKeyPair(master);
  const challenge = Uint8Array.from(randomBytes(32));
  return { challenge: toBase64(challenge), signature: toBase64(nacl.sign.detached(challenge, pair.secretKey)), publicKey: toBase64(pair.publicKey) };
}

/** Whether an Ed25519 signature (64 bytes) is that of the public key's owner; anything malformed is false. Stricter than tweetnacl: it refuses a second form of a signature. */
export function verifySignature(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  if (publicKey.length !== KEY_BYTES || signature.length !== 64) return false;
  try {
    return verify(null, message, createPublicKey({ key: Buffer.concat([ED25519_SPKI, publicKey]), format: 'der', type: 'spki' }), signature);
  } catch {
    return false;
  }
}

/** What a server asks of the body of `POST /v1/auth`: true when its signature is the key owner's. */
export function verifyChallenge(answer: { readonly challenge: string; readonly signature: string; readonly publicKey: string }): boolean {
  const [challenge, signature, publicKey] = [fromBase64(answer.challenge), fromBase64(answer.signature), fromBase64(answer.publicKey)];
  return challenge !== null && signature !== null && publicKey !== null && verifySignature(challenge, signature, publicKey);
}

/** The key that two sides share: X25519, then HSalsa20; null for a public key of another length or of low order. Equals `crypto_box_beforenm` byte for byte otherwise. */
export function boxKeyBetween(publicKey: Uint8Array, secretKey: Uint8Array): Uint8Array | null {
  const shared = agreementOf(secretKey)(publicKey);
  return shared === null ? null : hsalsa20(shared);
}

/** Bytes boxed to a public key from a pair made for this one box: that pair's public key (32), nonce (24), box (16 more than the bytes). Throws `bad_key` for a public key that is none. */
export function sealBox(plain: Uint8Array, publicKey: Uint8Array): Uint8Array {
  return sealBoxFrom(linkKeyPair(), Uint8Array.from(randomBytes(NONCE_BYTES)), plain, publicKey);
}

/** `sealBox` from a given pair under a given nonce of 24 bytes, neither of which may serve twice: for vectors. */
export function sealBoxFrom(own: KeyPair, nonce: Uint8Array, plain: Uint8Array, publicKey: Uint8Array): Uint8Array {
  requireKey(publicKey, 'The public key of the other side');
  const key = boxKeyBetween(publicKey, own.secretKey);
  if (key === null) throw new HappyError('bad_key', 'The public key of the other side is not usable. Start the sign-in again there.', { personMustAct: true });
  const box = secretboxSeal(plain, nonce, key);
  const bundle = new Uint8Array(BOX_HEAD + box.length);
  bundle.set(own.publicKey, 0);
  bundle.set(nonce, KEY_BYTES);
  bundle.set(box, BOX_HEAD);
  return bundle;
}

/** Opens many boxes with one secret key of 32 bytes; each answers the bytes, or null for whatever does not open. Nothing throws. */
export function boxOpener(secretKey: Uint8Array): (bundle: Uint8Array) => Uint8Array | null {
  requireKey(secretKey, 'A Happy secret key');
  const agree = agreementOf(secretKey);
  return (bundle) => {
    if (bundle.length < BOX_HEAD + TAG_BYTES) return null;
    const shared = agree(bundle.subarray(0, KEY_BYTES));
    return shared === null ? null : secretboxOpen(bundle.subarray(BOX_HEAD), bundle.subarray(KEY_BYTES, BOX_HEAD), hsalsa20(shared));
  };
}

/** The bytes of one box made by `sealBox` or by any Happy client, or null. */
export function openBox(bundle: Uint8Array, secretKey: Uint8Array): Uint8Array | null {
  return boxOpener(secretKey)(bundle);
}

/** A data key as a row's `dataEncryptionKey` carries it: version byte 0, then a box to the content public key. */
export function wrapKey(key: Uint8Array, publicKey: Uint8Array): Uint8Array {
  requireKey(key, 'A Happy data key');
  const box = sealBox(key, publicKey);
  const wrapped = new Uint8Array(1 + box.length);
  wrapped[0] = WRAP_VERSION;
  wrapped.set(box, 1);
  return wrapped;
}

/** Unwraps many data keys with one content secret key; null for another version, a box that does not open, or a key that is not 32 bytes. */
export function keyUnwrapper(secretKey: Uint8Array): (wrapped: Uint8Array) => Uint8Array | null {
  const open = boxOpener(secretKey);
  return (wrapped) => {
    if (wrapped[0] !== WRAP_VERSION) return null;
    const key = open(wrapped.subarray(1));
    return key?.length === KEY_BYTES ? key : null;
  };
}

/** The data key in one wrapped key, or null. */
export function unwrapKey(wrapped: Uint8Array, secretKey: Uint8Array): Uint8Array | null {
  return keyUnwrapper(secretKey)(wrapped);
}

/** The answer to a link by code: a box without a version byte around the master (32 bytes: V1 and account links) or around 0x00 and the content public key (V2). */
export function openLinkAnswer(bundle: Uint8Array, secretKey: Uint8Array): LinkAnswer | null {
  const plain = openBox(bundle, secretKey);
  if (plain === null) return null;
  if (plain.length === KEY_BYTES) return { kind: 'master', master: plain };
  return plain.length === 1 + KEY_BYTES && plain[0] === LINK_V2 ? { kind: 'contentKey', contentPublicKey: plain.slice(1) } : null;
}

/** What the signed-in side answers to a link by code; the counterpart of `openLinkAnswer`. */
export function sealLinkAnswer(answer: LinkAnswer, publicKey: Uint8Array): Uint8Array {
  if (answer.kind === 'master') return sealBox(answer.master, publicKey);
  const plain = new Uint8Array(1 + KEY_BYTES);
  plain[0] = LINK_V2;
  plain.set(answer.contentPublicKey, 1);
  return sealBox(plain, publicKey);
}
