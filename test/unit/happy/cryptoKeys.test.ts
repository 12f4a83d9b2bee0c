import { createPrivateKey, randomBytes, sign } from 'node:crypto';
import nacl from 'tweetnacl';
import { describe, expect, it } from 'vitest';
import { HappyError } from '../../../src/core/systems/happy/errors.ts';
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from '../../../src/core/systems/happy/crypto/base64.ts';
import {
  answerChallenge, blobKey, boxKeyBetween, boxOpener, contentKeyPair, deriveKey, linkKeyPair, openBox, openLinkAnswer, sealBox, sealBoxFrom, sealLinkAnswer, signingKeyPair, unwrapKey, verifyChallenge, wrapKey,
} from '../../../src/core/systems/happy/crypto/keys.ts';
import { portableAgreement } from '../../../src/core/systems/happy/crypto/x25519.ts';
import { bytes, flipped, happy, hex, LONG } from './cryptoSupport.ts';

const master = bytes(happy.derivation.masterSecret);
const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));

describe('derived keys', () => {
  it('are those of the real Happy', () => {
    expect(happy.derivation.extra).toHaveLength(5);
    for (const { usage, path, key } of happy.derivation.extra) expect(toBase64(deriveKey(master, usage, path))).toBe(key);
    expect(toBase64(deriveKey(master, 'Happy EnCoder', ['content']))).toBe(happy.derivation.contentSeed);
    expect(toBase64(blobKey(master, 'legacy'))).toBe(happy.derivation.blobKeyLegacy_HappyBlobs_master);
    expect(toBase64(blobKey(bytes(happy.blob.sessionDataKey), 'dataKey'))).toBe(happy.blob.blobKey);
  });

  it("match the values that Happy's own tests expect", () => {
    const seed = new TextEncoder().encode('test seed');
    expect(hex(deriveKey(seed, 'test usage', []))).toBe('e6e55652456f9fe47d6ff46ca3614e85b499f77e7b340fbbb1553307cedc1e74');
    expect(hex(deriveKey(seed, 'test usage', ['child1', 'child2']))).toBe('1011c097d2105d27362b987a631496bbf68b836124d1d072e9d1613c6028cf75');
  });

  it('give the content and signing pairs of both recorded accounts', () => {
    for (const account of Object.values(happy.accounts)) {
      const content = contentKeyPair(bytes(account.masterSecret));
      expect([toBase64(content.publicKey), toBase64(content.secretKey)]).toEqual([account.contentPublicKey, account.contentSecretKey]);
      expect(toBase64(signingKeyPair(bytes(account.masterSecret)).publicKey)).toBe(account.signPublicKey);
    }
  });
});

describe('the challenge', () => {
  it('is signed as the recorded one was', () => {
    const { seed, requestBody } = happy.authChallenge;
    expect(verifyChallenge(requestBody)).toBe(true);
    expect(toBase64(nacl.sign.detached(bytes(requestBody.challenge), signingKeyPair(bytes(seed)).secretKey))).toBe(requestBody.signature);
  });

  it('is random, of the right lengths, and the same signature that node:crypto makes', () => {
    const key = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), master]), format: 'der', type: 'pkcs8' });
    const answers = Array.from({ length: 5 }, () => answerChallenge(master));
    expect(new Set(answers.map((answer) => answer.challenge)).size).toBe(5);
    for (const answer of answers) {
      expect([bytes(answer.challenge).length, bytes(answer.signature).length, bytes(answer.publicKey).length]).toEqual([32, 64, 32]);
      expect(answer.signature).toBe(sign(null, bytes(answer.challenge), key).toString('base64'));
      expect(nacl.sign.detached.verify(bytes(answer.challenge), bytes(answer.signature), bytes(answer.publicKey))).toBe(true);
      expect(verifyChallenge(answer)).toBe(true);
      expect(verifyChallenge({ ...answer, challenge: answers[0]?.challenge === answer.challenge ? toBase64(random(32)) : (answers[0]?.challenge ?? '') })).toBe(false);
      expect(verifyChallenge({ ...answer, publicKey: toBase64(random(32)) })).toBe(false);
      expect(verifyChallenge({ ...answer, signature: 'AAAA' })).toBe(false);
    }
  });
});

describe('boxes and wrapped keys', () => {
  it('are, with the same pair and nonce, the bytes that Happy made; and open', () => {
    const { recipientPublicKey, recipientSecretKey, ephemeralPublicKey, ephemeralSecretKey, nonce, dataKey, dataEncryptionKey } = happy.wrappedDataEncryptionKey;
    const own = { publicKey: bytes(ephemeralPublicKey), secretKey: bytes(ephemeralSecretKey) };
    const box = sealBoxFrom(own, bytes(nonce), bytes(dataKey), bytes(recipientPublicKey));
    expect(toBase64(Buffer.concat([Buffer.from([0]), box]))).toBe(dataEncryptionKey);
    expect(hex(unwrapKey(bytes(dataEncryptionKey), bytes(recipientSecretKey)))).toBe(hex(bytes(dataKey)));
  });

  it('of 16 real sessions and a machine unwrap to the recorded keys', () => {
    const wrapped = happy.wrapped.filter((row) => row.dataEncryptionKey !== null);
    expect(wrapped).toHaveLength(16);
    for (const row of wrapped) expect(hex(unwrapKey(bytes(row.dataEncryptionKey ?? ''), contentKeyPair(bytes(happy.accounts[row.account].masterSecret)).secretKey))).toBe(hex(bytes(row.key)));
  });

  it('of link codes open in every form, and the codes are base64url of the public key', () => {
    const secret = bytes(happy.qr.requesterSecretKey);
    expect(openLinkAnswer(bytes(happy.qr.terminalResponseV1_masterSecret), secret)).toEqual({ kind: 'master', master: bytes(happy.qr.terminalResponseV1_plain) });
    expect(openLinkAnswer(bytes(happy.qr.accountResponse_masterSecret), secret)).toEqual({ kind: 'master', master });
    expect(openLinkAnswer(bytes(happy.qr.terminalResponseV2_contentPublicKey), secret)).toEqual({ kind: 'contentKey', contentPublicKey: bytes(happy.accounts.A.contentPublicKey) });
    expect(`happy://terminal?${toBase64Url(bytes(happy.qr.requesterPublicKey))}`).toBe(happy.qr.terminalUrl);
    expect(fromBase64Url(happy.qr.accountUrl.split('?')[1] ?? '')).toEqual(bytes(happy.qr.requesterPublicKey));
  });

  it('of link codes go both ways, and anything else inside is no answer', () => {
    const pair = linkKeyPair();
    const contentPublicKey = random(32);
    expect(openLinkAnswer(sealLinkAnswer({ kind: 'master', master }, pair.publicKey), pair.secretKey)).toEqual({ kind: 'master', master });
    expect(openLinkAnswer(sealLinkAnswer({ kind: 'contentKey', contentPublicKey }, pair.publicKey), pair.secretKey)).toEqual({ kind: 'contentKey', contentPublicKey });
    for (const inside of [new Uint8Array(), random(31), random(34), Uint8Array.from([1, ...contentPublicKey])]) expect(openLinkAnswer(sealBox(inside, pair.publicKey), pair.secretKey)).toBeNull();
    expect(openLinkAnswer(sealLinkAnswer({ kind: 'master', master }, pair.publicKey), linkKeyPair().secretKey)).toBeNull();
  });

  it(`agree with nacl.box byte for byte over ${LONG ? '10,000' : '500'} random pairs, messages and nonces, both ways`, () => {
    for (let round = 0; round < (LONG ? 10_000 : 500); round += 1) {
      const [ours, theirs] = [nacl.box.keyPair(), nacl.box.keyPair()];
      const nonce = random(24);
      const message = random(round % 100);
      const expected = nacl.box(message, nonce, theirs.publicKey, ours.secretKey);
      expect(hex(sealBoxFrom(ours, nonce, message, theirs.publicKey).subarray(56))).toBe(hex(expected));
      expect(hex(openBox(Buffer.concat([ours.publicKey, nonce, expected]), theirs.secretKey))).toBe(hex(message));
      expect(hex(boxKeyBetween(ours.publicKey, theirs.secretKey))).toBe(hex(nacl.box.before(ours.publicKey, theirs.secretKey)));
      if (round % 10 === 0) {
        const shared = portableAgreement(ours.secretKey)(theirs.publicKey);
        expect(hex(shared)).toBe(hex(nacl.scalarMult(ours.secretKey, theirs.publicKey)));
        const wrapped = wrapKey(nonce.length === 24 ? ours.publicKey : master, theirs.publicKey);
        expect(hex(nacl.box.open(wrapped.slice(57), wrapped.slice(33, 57), wrapped.slice(1, 33), theirs.secretKey))).toBe(hex(ours.publicKey));
      }
    }
  }, 180_000);

  it('fail closed at every truncation, bit, version and length', () => {
    const pair = linkKeyPair();
    const key = random(32);
    const wrapped = wrapKey(key, pair.publicKey);
    const open = boxOpener(pair.secretKey);
    expect(wrapped).toHaveLength(105);
    expect(hex(unwrapKey(wrapped, pair.secretKey))).toBe(hex(key));
    for (let at = 0; at < wrapped.length; at += 1) {
      expect(unwrapKey(wrapped.subarray(0, at), pair.secretKey), `cut at ${at}`).toBeNull();
      expect(open(wrapped.subarray(1, at + 1).subarray(0, Math.max(0, at - 1))), `box cut at ${at}`).toBeNull();
      for (let bit = 0; bit < 8; bit += 1) {
        // X25519 ignores the top bit of a public key, as nacl does: the one bit of the 840 that changes nothing.
        const ignored = at === 32 && bit === 7;
        expect(hex(unwrapKey(flipped(wrapped, at, bit), pair.secretKey)), `bit ${bit} of byte ${at}`).toBe(ignored ? hex(key) : null);
      }
    }
    for (let version = 1; version < 256; version += 1) expect(unwrapKey(Uint8Array.from([version, ...wrapped.subarray(1)]), pair.secretKey)).toBeNull();
    for (const length of [0, 16, 31, 33, 64]) expect(unwrapKey(Uint8Array.from([0, ...sealBox(random(length), pair.publicKey)]), pair.secretKey)).toBeNull();
    expect(unwrapKey(Buffer.concat([wrapped, Buffer.from([0])]), pair.secretKey)).toBeNull();
    expect(hex(sealBox(new Uint8Array(), pair.publicKey).subarray(56))).toHaveLength(32);
    expect(openBox(sealBox(new Uint8Array(), pair.publicKey), pair.secretKey)).toEqual(new Uint8Array());
  });

  it('refuse an ephemeral key of low order, whose box anybody can make', () => {
    const pair = linkKeyPair();
    const nonce = random(24);
    const forged = nacl.box(random(32), nonce, new Uint8Array(32), random(32));
    expect(nacl.box.open(forged, nonce, new Uint8Array(32), pair.secretKey)).not.toBeNull();
    expect(openBox(Buffer.concat([new Uint8Array(32), nonce, forged]), pair.secretKey)).toBeNull();
    expect(unwrapKey(Buffer.concat([Buffer.from([0]), new Uint8Array(32), nonce, forged]), pair.secretKey)).toBeNull();
    expect(() => sealBox(random(3), new Uint8Array(32))).toThrow(expect.objectContaining({ code: 'bad_key' }));
  });

  it('refuse keys of another length with what to do next, and without the key', () => {
    const wrong = random(31);
    const calls = [() => contentKeyPair(wrong), () => signingKeyPair(wrong), () => answerChallenge(wrong), () => wrapKey(wrong, master), () => wrapKey(master, wrong), () => sealBox(master, wrong), () => openBox(master, wrong)];
    for (const call of calls) {
      let thrown: unknown;
      try {
        call();
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(HappyError);
      const text = `${String(thrown)} ${JSON.stringify(thrown)} ${thrown instanceof Error ? (thrown.stack ?? '') : ''}`;
      expect(text).toMatch(/must be 32 bytes long, not 31\. Sign in to Happy again/);
      for (const form of [Buffer.from(wrong).toString('base64').slice(0, 12), Buffer.from(wrong).toString('hex').slice(0, 12), [...wrong.subarray(0, 4)].join(',')]) expect(text).not.toContain(form);
    }
  });
});

describe('base64', () => {
  it('goes there and back at every length, in both alphabets', () => {
    for (let length = 0; length < 200; length += 1) {
      const data = random(length);
      expect(toBase64(data)).toBe(Buffer.from(data).toString('base64'));
      expect(fromBase64(toBase64(data))).toEqual(data);
      expect(toBase64Url(data)).not.toMatch(/[+/=]/);
      expect(fromBase64Url(toBase64Url(data))).toEqual(data);
    }
    const view = new Uint8Array(Uint8Array.from([9, 9, 251, 239, 190, 9]).buffer, 2, 3);
    expect([toBase64(view), toBase64Url(view)]).toEqual(['++++', '----']);
    expect([fromBase64('+/+/'), fromBase64Url('-_-_')]).toEqual([Uint8Array.from([0xfb, 0xff, 0xbf]), Uint8Array.from([0xfb, 0xff, 0xbf])]);
  });

  it('is strict: each byte string has one text', () => {
    for (const text of ['A', 'AA', 'AAA', 'AA=', 'A===', '====', 'AA==AA==', 'AAAA=', 'AA A', ' AAAA', 'AAAA\n', 'AA-_', 'AAA\u0100', 'AAÀA', 'AB==', 'AAB=', '=AAA', 'AA=A', 'Ā===']) expect(fromBase64(text), text).toBeNull();
    for (const text of ['A', 'AA==', 'AB', 'AAB', 'AA+/', 'AAAAA', 'AA A', 'AA\n', 'AAA\u0100']) expect(fromBase64Url(text), text).toBeNull();
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    let [two, one] = [0, 0];
    for (const digit of digits) {
      const [a, b] = [fromBase64(`A${digit}==`), fromBase64(`AA${digit}=`)];
      if (a !== null) two += 1;
      if (b !== null) one += 1;
      if (a !== null) expect(toBase64(a)).toBe(`A${digit}==`);
      if (b !== null) expect(toBase64(b)).toBe(`AA${digit}=`);
    }
    expect([two, one]).toEqual([4, 16]);
  });
});
