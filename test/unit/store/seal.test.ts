import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundTo, Sealer } from '../../../src/core/session/store/seal.ts';
import { KEY, LONG } from './support.ts';

const sealer = new Sealer(KEY);
const place = Buffer.from('session');
const bound = boundTo('entry', place, Buffer.from('id'));

describe('the seal', () => {
  it('opens what it sealed, any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(sealer.open(sealer.seal(text, bound), bound)).toBe(text);
    }));
  });

  it('does not open with one bit flipped anywhere, nor cut anywhere', () => {
    const sealed = Buffer.from(sealer.seal('a secret of 24 characters', bound));
    for (let at = 0; at < sealed.length; at += 1) {
      const flipped = Buffer.from(sealed);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      expect(sealer.open(flipped, bound)).toBeNull();
      expect(sealer.open(sealed.subarray(0, at), bound)).toBeNull();
    }
  });

  it('does not open in another column, session or row, under another key, or where the parts are cut otherwise', () => {
    const sealed = sealer.seal('text', bound);
    expect(sealer.open(sealed, boundTo('outbox', place, Buffer.from('id')))).toBeNull();
    expect(sealer.open(sealed, boundTo('entry', Buffer.from('other'), Buffer.from('id')))).toBeNull();
    expect(sealer.open(sealed, boundTo('entry', place, Buffer.from('other')))).toBeNull();
    expect(sealer.open(sealed, boundTo('entry', Buffer.from('sessioni'), Buffer.from('d')))).toBeNull();
    expect(new Sealer(randomBytes(32)).open(sealed, bound)).toBeNull();
  });

  it('never uses a nonce twice', () => {
    const seen = new Set<string>();
    const seals = LONG ? 1_000_000 : 20_000;
    for (let count = 0; count < seals; count += 1) seen.add(Buffer.from(sealer.seal('', bound)).subarray(1, 13).toString('latin1'));
    expect(seen.size).toBe(seals);
  }, 60_000);
});
