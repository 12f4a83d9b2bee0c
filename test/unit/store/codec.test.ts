import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareOrder } from '../../../src/core/model/entry.ts';
import { decodeOrder, decodeText, encodeOrder, encodeText, prefixEnd } from '../../../src/core/session/store/codec.ts';
import { LONG } from './support.ts';

const runs = { numRuns: LONG ? 20_000 : 2_000 };
const element = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.constantFrom(0, -0, 1, -1, Number.MAX_SAFE_INTEGER, 5e-324));
const order = fc.array(element, { maxLength: 4 });
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 }).map((units) => String.fromCharCode(...units)));

describe('order keys as bytes', () => {
  it('sort as compareOrder does', () => {
    fc.assert(fc.property(order, order, (a, b) => {
      expect(Math.sign(Buffer.compare(encodeOrder(a), encodeOrder(b)))).toBe(Math.sign(compareOrder(a, b)));
    }), runs);
  });

  it('sort a shared beginning by what follows', () => {
    fc.assert(fc.property(order, order, order, (shared, a, b) => {
      const [left, right] = [[...shared, ...a], [...shared, ...b]];
      expect(Math.sign(Buffer.compare(encodeOrder(left), encodeOrder(right)))).toBe(Math.sign(compareOrder(left, right)));
    }), runs);
  });

  it('come back as they were', () => {
    fc.assert(fc.property(order, (a) => {
      expect(decodeOrder(encodeOrder(a))).toEqual(a.map((each) => each + 0));
    }), runs);
  });

  it('take what JSON made of numbers that are none as the lowest', () => {
    const lost = JSON.parse('[null]') as number[];
    expect(Buffer.compare(encodeOrder(lost), encodeOrder([-Number.MAX_VALUE]))).toBe(-1);
    expect(Buffer.compare(encodeOrder([]), encodeOrder(lost))).toBe(-1);
    expect(encodeOrder([Number.NaN])).toEqual(encodeOrder(lost));
  });
});

describe('keys as bytes', () => {
  it('sort as strings do, by UTF-16 code units', () => {
    fc.assert(fc.property(text, text, (a, b) => {
      expect(Math.sign(Buffer.compare(encodeText(a), encodeText(b)))).toBe(a === b ? 0 : a < b ? -1 : 1);
    }), runs);
    // Where UTF-8 sorts otherwise.
    expect(Buffer.compare(encodeText('😀'), encodeText('\uffff'))).toBe(-1);
  });

  it('come back as they were, lone surrogates and U+0000 too', () => {
    fc.assert(fc.property(text, (a) => {
      expect(decodeText(encodeText(a))).toBe(a);
    }), runs);
  });

  it('bound exactly the texts with a prefix', () => {
    fc.assert(fc.property(text, text, (prefix, a) => {
      const end = prefixEnd(encodeText(prefix));
      const inside = Buffer.compare(encodeText(a), encodeText(prefix)) >= 0 && (end === null || Buffer.compare(encodeText(a), end) < 0);
      expect(inside).toBe(a.startsWith(prefix));
    }), runs);
  });
});
