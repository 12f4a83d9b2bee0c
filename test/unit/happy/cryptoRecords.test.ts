import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { format, inspect } from 'node:util';
import fc from 'fast-check';
import nacl from 'tweetnacl';
import { describe, expect, it } from 'vitest';
import { HappyError } from '../../../src/core/systems/happy/errors.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { aesKey, gcmSeal } from '../../../src/core/systems/happy/crypto/aes.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { sealBlobWith } from '../../../src/core/systems/happy/crypto/blob.ts';
import type { Cipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { dataKeyCipher, legacyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { secretboxSeal } from '../../../src/core/systems/happy/crypto/nacl.ts';
import { bytes, flipped, happy, hex, LONG } from './cryptoSupport.ts';

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const text = new TextEncoder();
const ciphers: Readonly<Record<Cipher['kind'], (key: Uint8Array) => Cipher>> = { dataKey: dataKeyCipher, legacy: legacyCipher };
const kinds = ['dataKey', 'legacy'] as const;

/** Happy's own reading of a record, from its documented layout, with nothing of ours. */
function peerOpens(kind: Cipher['kind'], key: Uint8Array, record: Uint8Array): unknown {
  if (kind === 'legacy') return JSON.parse(Buffer.from(nacl.secretbox.open(record.slice(24), record.slice(0, 24), key) ?? []).toString('utf8'));
  const decipher = createDecipheriv('aes-256-gcm', key, record.slice(1, 13)).setAuthTag(record.slice(-16));
  return JSON.parse(Buffer.concat([decipher.update(record.slice(13, -16)), decipher.final()]).toString('utf8'));
}

describe('records of the real Happy', () => {
  it('open to what was sealed, and come out the same under the same nonce', () => {
    const [data, legacy] = [dataKeyCipher(bytes(happy.dataKey.key)), legacyCipher(bytes(happy.legacy.key))];
    const sealed = happy.dataKey.cases.filter((each) => each.nonce !== undefined);
    expect([sealed.length, happy.legacy.cases.length]).toEqual([6, 6]);
    for (const each of sealed) {
      expect(data.open(each.ciphertext)).toEqual(each.plaintext);
      const nonce = bytes(each.nonce ?? '');
      expect(toBase64(Buffer.concat([Buffer.from([0]), nonce, gcmSeal(aesKey(bytes(happy.dataKey.key)), nonce, text.encode(JSON.stringify(each.plaintext)))]))).toBe(each.ciphertext);
    }
    for (const each of happy.legacy.cases) {
      expect(legacy.open(each.ciphertext)).toEqual(each.plaintext);
      const nonce = bytes(each.nonce);
      expect(toBase64(Buffer.concat([nonce, secretboxSeal(text.encode(JSON.stringify(each.plaintext)), nonce, bytes(happy.legacy.key))]))).toBe(each.ciphertext);
    }
  });

  it('that do not open are undefined; the empty answer of an RPC is no JSON, but no failure either', () => {
    const data = dataKeyCipher(bytes(happy.dataKey.key));
    expect(happy.dataKey.invalid).toHaveLength(4);
    for (const each of happy.dataKey.invalid) {
      expect(data.open(each.ciphertext), each.why).toBeUndefined();
      expect(data.openBytes(bytes(each.ciphertext)), each.why).toBeNull();
    }
    const empty = happy.dataKey.cases.find((each) => each.plaintextBytes === '');
    expect(data.open(empty?.ciphertext ?? '')).toBeUndefined();
    expect(data.openBytes(bytes(empty?.ciphertext ?? ''))).toEqual(new Uint8Array());
  });

  it('that are attachments open, in both directions and for both kinds', async () => {
    const cipher = dataKeyCipher(bytes(happy.blob.sessionDataKey));
    expect(hex(await cipher.openBlob(bytes(happy.blob.encrypted)))).toBe(hex(bytes(happy.blob.plain)));
    expect(toBase64(await sealBlobWith(bytes(happy.blob.blobKey), bytes(happy.blob.plain), {}, bytes(happy.blob.nonce)))).toBe(happy.blob.encrypted);
    const blob = await legacyCipher(bytes(happy.derivation.masterSecret)).sealBlob(bytes(happy.blob.plain));
    expect(hex(nacl.secretbox.open(blob.slice(24), blob.slice(0, 24), bytes(happy.derivation.blobKeyLegacy_HappyBlobs_master)))).toBe(hex(bytes(happy.blob.plain)));
    expect(await cipher.openBlob(blob)).toBeNull();
  });
});

describe.each(kinds)('%s records', (kind) => {
  const key = random(32);
  const cipher = ciphers[kind](key);
  const overhead = kind === 'dataKey' ? 29 : 40;

  it('carry any JSON to Happy and back', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const json = JSON.parse(JSON.stringify(value)) as JsonValue;
      const sealed = cipher.seal(json);
      expect(cipher.open(sealed)).toEqual(json);
      expect(peerOpens(kind, key, bytes(sealed))).toEqual(json);
      expect(bytes(sealed)).toHaveLength(text.encode(JSON.stringify(json)).length + overhead);
    }), { numRuns: LONG ? 2_000 : 200 });
    const odd = { text: 'lone \ud800 surrogate, \u0000, \u2028, 🙂', ['__proto__']: { polluted: true } };
    expect(cipher.open(cipher.seal(odd))).toEqual(odd);
  });

  it('carry raw bytes, none too', () => {
    for (const length of [0, 1, 15, 16, 17, 1_000, 100_000]) {
      const data = random(length);
      const sealed = cipher.sealBytes(data);
      expect(sealed).toHaveLength(length + overhead);
      expect(hex(cipher.openBytes(sealed))).toBe(hex(data));
      expect(cipher.openBytes(sealed)).not.toBeInstanceOf(Buffer);
    }
  });

  it('fail closed when cut at any byte, and with any bit of any byte turned', () => {
    const sealed = cipher.sealBytes(text.encode(JSON.stringify({ role: 'user', content: { type: 'text', text: 'héllo ✓' } })));
    for (let at = 0; at < sealed.length; at += 1) {
      for (const cut of [sealed.subarray(0, at), sealed.subarray(sealed.length - at), Buffer.concat([sealed.subarray(0, at), sealed.subarray(at + 1)])]) {
        expect(cipher.openBytes(cut), `cut at ${at}`).toBeNull();
        expect(cipher.open(toBase64(cut)), `cut at ${at}`).toBeUndefined();
      }
      for (let bit = 0; bit < 8; bit += 1) {
        expect(cipher.openBytes(flipped(sealed, at, bit)), `bit ${bit} of byte ${at}`).toBeNull();
        expect(cipher.open(toBase64(flipped(sealed, at, bit)))).toBeUndefined();
      }
    }
    expect(cipher.openBytes(Buffer.concat([sealed, Buffer.from([0])]))).toBeNull();
  });

  it('of 0 to 40 bytes, of other versions, of another key and texts that are no base64 do not open', () => {
    for (let length = 0; length <= 40; length += 1) {
      for (const fill of [0, 1, 255]) expect(cipher.openBytes(new Uint8Array(length).fill(fill))).toBeNull();
      expect(cipher.open(toBase64(random(length)))).toBeUndefined();
    }
    const sealed = cipher.sealBytes(text.encode('{"a":1}'));
    if (kind === 'dataKey') for (let version = 1; version < 256; version += 1) expect(cipher.openBytes(Uint8Array.from([version, ...sealed.subarray(1)]))).toBeNull();
    expect(ciphers[kind](random(32)).openBytes(sealed)).toBeNull();
    expect(ciphers[kind === 'dataKey' ? 'legacy' : 'dataKey'](key).openBytes(sealed)).toBeNull();
    for (const wrong of ['', '!', toBase64(sealed).slice(0, -1), ` ${toBase64(sealed)}`, toBase64(sealed).replace('A', '-'), '[object Object]', '\u{1F642}'.repeat(4)]) {
      if (wrong !== toBase64(sealed)) expect(cipher.open(wrong)).toBeUndefined();
    }
  });

  it('of something else than JSON are undefined, and a broken character costs itself only', () => {
    for (const inside of ['', '{', 'undefined', 'NaN', '{"a":1}x']) expect(cipher.open(toBase64(cipher.sealBytes(text.encode(inside))))).toBeUndefined();
    expect(cipher.open(toBase64(cipher.sealBytes(Buffer.concat([text.encode('{"a":"'), Buffer.from([0xff]), text.encode('b"}')]))))).toEqual({ a: '\ufffdb' });
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    expect(() => cipher.open(toBase64(cipher.sealBytes(text.encode(deep))))).not.toThrow();
  });

  it(`never use a nonce twice in ${LONG ? '1,000,000' : '100,000'} seals`, () => {
    const [from, to] = kind === 'dataKey' ? [1, 13] : [0, 24];
    const seals = LONG ? 1_000_000 : 100_000;
    const seen = new Set<string>();
    const data = text.encode('{}');
    for (let round = 0; round < seals; round += 1) seen.add(Buffer.from(cipher.sealBytes(data).subarray(from, to)).toString('latin1'));
    expect(seen.size).toBe(seals);
  }, 180_000);

  it('show nothing of their key, and keep to the key that they were made with', () => {
    const own = random(32);
    const made = ciphers[kind](own);
    const sealed = made.seal({ a: 1 });
    const shown = [inspect(made, { depth: 20, showHidden: true, getters: true, showProxy: true }), JSON.stringify(made), format('%s %o %j', made, made, made), inspect(Object.entries(made)), JSON.stringify(structuredClone({ ...made }))].join('\n');
    for (const form of [Buffer.from(own).toString('base64').slice(0, 10), Buffer.from(own).toString('hex').slice(0, 10), [...own.subarray(0, 3)].join(','), [...own.subarray(0, 3)].join(', '), inspect(Buffer.from(own)).slice(8, 20)]) expect(shown).not.toContain(form);
    expect(shown).toContain(kind);
    own.fill(0);
    expect(made.open(sealed)).toEqual({ a: 1 });
    for (const length of [0, 31, 33]) {
      const wrong = random(length);
      expect(() => ciphers[kind](wrong)).toThrow(HappyError);
      expect(() => ciphers[kind](wrong)).toThrow(new RegExp(`must be 32 bytes long, not ${length}\\.`));
    }
  });
});

it('the peer of these tests is a judge: it refuses what was changed', () => {
  const key = random(32);
  const cipher = createCipheriv('aes-256-gcm', key, random(12));
  expect(() => peerOpens('dataKey', key, Buffer.concat([Buffer.alloc(13), cipher.update('{}'), cipher.final(), cipher.getAuthTag()]))).toThrow();
});
