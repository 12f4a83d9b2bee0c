import { diffieHellman, createPrivateKey, createPublicKey } from 'node:crypto';
import nacl from 'tweetnacl';
import { describe, expect, it } from 'vitest';
import { aesKey, gcmOpen, gcmSeal } from '../../../src/core/systems/happy/crypto/aes.ts';
import { openBlobWith, sealBlobWith } from '../../../src/core/systems/happy/crypto/blob.ts';
import { boxKeyBetween, hmacSha512, openBox, sealBoxFrom, signingKeyPair, verifySignature } from '../../../src/core/systems/happy/crypto/keys.ts';
import { secretboxOpen, secretboxSeal } from '../../../src/core/systems/happy/crypto/nacl.ts';
import { agreementOf, hasNativeX25519, nativeAgreement, portableAgreement } from '../../../src/core/systems/happy/crypto/x25519.ts';
import { bytes, flipped, hex, unhex, vectors } from './cryptoSupport.ts';

interface Aead { readonly tcId: number; readonly key: string; readonly iv: string; readonly aad: string; readonly msg: string; readonly ct: string; readonly tag: string; readonly result: 'valid' | 'invalid' }
interface Mac { readonly tcId: number; readonly key: string; readonly msg: string; readonly tag: string; readonly tagSize: number; readonly result: 'valid' | 'invalid' }
interface Exchange { readonly tcId: number; readonly public: string; readonly private: string; readonly shared: string; readonly result: 'valid' | 'acceptable' }
interface Signature { readonly tcId: number; readonly pk: string; readonly msg: string; readonly sig: string; readonly result: 'valid' | 'invalid' }
type Boxed = readonly [first: string, second: string, message: string, box: string];

const files = {
  aes: vectors('wycheproof-aes-256-gcm.json') as readonly Aead[], hmac: vectors('wycheproof-hmac-sha512.json') as readonly Mac[], x25519: vectors('wycheproof-x25519.json') as readonly Exchange[],
  ed25519: vectors('wycheproof-ed25519.json') as readonly Signature[], secretbox: vectors('tweetnacl-secretbox.json') as readonly Boxed[], box: vectors('tweetnacl-box.json') as readonly Boxed[],
};
const ZERO = '00'.repeat(32);

describe('the public vectors', () => {
  it('are 1,933', () => {
    const counts = Object.fromEntries(Object.entries(files).map(([name, tests]) => [name, tests.length]));
    expect(counts).toEqual({ aes: 66, hmac: 174, x25519: 518, ed25519: 151, secretbox: 768, box: 256 });
    expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(1_933);
  });

  it('Wycheproof AES-256-GCM: 66, of which 27 must be refused', () => {
    let refused = 0;
    for (const test of files.aes) {
      const key = aesKey(unhex(test.key));
      const [iv, aad, msg] = [unhex(test.iv), unhex(test.aad), unhex(test.msg)];
      const opened = gcmOpen(key, iv, unhex(test.ct + test.tag), aad);
      if (test.result === 'invalid') refused += 1;
      expect(hex(opened), `test ${test.tcId}`).toBe(test.result === 'valid' ? test.msg : null);
      expect(hex(gcmSeal(key, iv, msg, aad)) === test.ct + test.tag, `test ${test.tcId}`).toBe(test.result === 'valid');
      // Without additional data is how Happy's records are: the same bytes, and the other data is not taken for none.
      if (test.aad === '') expect(hex(gcmOpen(key, iv, unhex(test.ct + test.tag)))).toBe(hex(opened));
      else expect(gcmOpen(key, iv, unhex(test.ct + test.tag))).toBeNull();
    }
    expect(refused).toBe(27);
  });

  it('Wycheproof HMAC-SHA512: 174, of which 108 carry a wrong tag', () => {
    let wrong = 0;
    for (const test of files.hmac) {
      const tag = hex(hmacSha512(unhex(test.key), unhex(test.msg)))?.slice(0, test.tagSize / 4);
      if (test.result === 'invalid') wrong += 1;
      expect(tag === test.tag, `test ${test.tcId}`).toBe(test.result === 'valid');
    }
    expect(wrong).toBe(108);
  });

  it('Wycheproof X25519: 518, by node:crypto and by tweetnacl; a shared secret of zeros is null, never a throw', () => {
    expect(hasNativeX25519()).toBe(true);
    let zeros = 0;
    for (const test of files.x25519) {
      const [secret, theirs] = [unhex(test.private), unhex(test.public)];
      const expected = test.shared === ZERO ? null : test.shared;
      if (expected === null) zeros += 1;
      expect(hex(nativeAgreement(secret)(theirs)), `test ${test.tcId}`).toBe(expected);
      expect(hex(portableAgreement(secret)(theirs)), `test ${test.tcId}`).toBe(expected);
      expect(hex(agreementOf(secret)(theirs)), `test ${test.tcId}`).toBe(expected);
      expect(hex(boxKeyBetween(theirs, secret)), `test ${test.tcId}`).toBe(expected === null ? null : hex(nacl.box.before(theirs, secret)));
    }
    expect(zeros).toBeGreaterThan(0);
  });

  it('node:crypto throws where the shared secret is all zeros, which is why it is asked with care', () => {
    const privateKey = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), Buffer.alloc(32, 7)]), format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b656e032100', 'hex'), Buffer.alloc(32)]), format: 'der', type: 'spki' });
    expect(() => diffieHellman({ privateKey, publicKey })).toThrow();
    expect(agreementOf(Buffer.alloc(32, 7))(new Uint8Array(32))).toBeNull();
    for (const length of [0, 31, 33]) expect(agreementOf(Buffer.alloc(32, 7))(new Uint8Array(length).fill(9))).toBeNull();
  });

  it('Wycheproof Ed25519: 151, and what we sign stands up to the same judge', () => {
    const valid = files.ed25519.filter((test) => test.result === 'valid');
    for (const test of files.ed25519) expect(verifySignature(unhex(test.msg), unhex(test.sig), unhex(test.pk)), `test ${test.tcId}`).toBe(test.result === 'valid');
    expect(valid.length).toBeGreaterThan(50);
    for (const [index, test] of valid.slice(0, 40).entries()) {
      const pair = signingKeyPair(new Uint8Array(32).fill(index + 1));
      const signature = nacl.sign.detached(unhex(test.msg), pair.secretKey);
      expect(verifySignature(unhex(test.msg), signature, pair.publicKey)).toBe(true);
      expect(verifySignature(unhex(test.msg), flipped(signature, index), pair.publicKey)).toBe(false);
    }
    expect(verifySignature(new Uint8Array(), new Uint8Array(63), new Uint8Array(32))).toBe(false);
    expect(verifySignature(new Uint8Array(), new Uint8Array(64), new Uint8Array(31))).toBe(false);
  });

  it('tweetnacl-js secretbox: 768, sealed and opened, as records and as attachments', async () => {
    for (const [key, nonce, message, box] of files.secretbox) {
      const blob = Buffer.concat([bytes(nonce), bytes(box)]);
      expect(hex(await sealBlobWith(bytes(key), bytes(message), {}, bytes(nonce)))).toBe(hex(blob));
      expect(hex(await openBlobWith(bytes(key), blob))).toBe(hex(bytes(message)));
      expect(hex(secretboxSeal(bytes(message), bytes(nonce), bytes(key)))).toBe(hex(bytes(box)));
      expect(hex(secretboxOpen(bytes(box), bytes(nonce), bytes(key)))).toBe(hex(bytes(message)));
    }
  });

  it('tweetnacl-js box: 256, by X25519 of node:crypto and HSalsa20', () => {
    const nonce = new Uint8Array(24);
    for (const [publicKey, secretKey, message, box] of files.box) {
      const key = boxKeyBetween(bytes(publicKey), bytes(secretKey));
      expect(key === null ? null : hex(secretboxSeal(bytes(message), nonce, key))).toBe(hex(bytes(box)));
      const own = nacl.box.keyPair.fromSecretKey(bytes(secretKey));
      const bundle = sealBoxFrom(own, nonce, bytes(message), bytes(publicKey));
      expect(hex(bundle)).toBe(`${hex(own.publicKey) ?? ''}${hex(nonce) ?? ''}${hex(bytes(box)) ?? ''}`);
      // The same key from the other end: a box to oneself opens with the same secret.
      expect(hex(openBox(sealBoxFrom(own, nonce, bytes(message), own.publicKey), bytes(secretKey)))).toBe(hex(bytes(message)));
    }
  });
});
