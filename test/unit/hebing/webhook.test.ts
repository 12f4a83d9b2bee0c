import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyWebhookSignature } from '../../../src/core/systems/hebing/webhook.ts';

const sign = (secret: string, body: string | Uint8Array): string => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
const now = Date.parse('2026-06-01T12:00:00Z');

describe('a webhook\'s signature', () => {
  it('is the one of RFC 4231, for example', () => {
    expect(verifyWebhookSignature('sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843', 'what do ya want for nothing?', { currentSecret: 'Jefe' })).toBe(true);
  });

  it('is of the bytes that came, as text or not', () => {
    const body = '{"job":"j","text":"ä 🦊"}';
    const header = sign('s', body);
    for (const bytes of [body, Buffer.from(body), new TextEncoder().encode(body)]) expect(verifyWebhookSignature(header, bytes, { currentSecret: 's' })).toBe(true);
    expect(verifyWebhookSignature(header, JSON.stringify(JSON.parse(body), null, 1), { currentSecret: 's' })).toBe(false);
  });

  it.each([
    ['2026-06-01T12:00:01Z', true], ['2026-06-01T12:00:00Z', false], ['2026-06-01T11:59:59Z', false], ['2026-06-01T12:00:01', true], ['2026-06-01T12:00:00.5', true], ['2026-06-01T11:00:00', false],
    ['2026-06-01T14:00:01+02:00', true], ['2026-06-01T13:59:59+02:00', false], [new Date(now + 1), true], [new Date(now), false], ['soon', false], [new Date(Number.NaN), false], ['', false], [undefined, false], [null, false],
  ])('under the previous secret is good until %s: %s', (previousSecretExpiresAt, good) => {
    const secrets = { currentSecret: 'new', previousSecret: 'old', previousSecretExpiresAt, now };
    expect(verifyWebhookSignature(sign('old', 'body'), 'body', secrets)).toBe(good);
    expect(verifyWebhookSignature(sign('new', 'body'), 'body', secrets)).toBe(true);
  });

  it('without a secret is good for nothing', () => {
    const secrets = { currentSecret: '', previousSecret: '', previousSecretExpiresAt: new Date(now + 1_000), now };
    expect(verifyWebhookSignature(sign('', 'body'), 'body', secrets)).toBe(false);
  });
});

/** Anything that may come in the place of a value. */
const anything = fc.oneof(fc.anything(), fc.string(), fc.uint8Array(), fc.constantFrom(undefined, null, '', 'sha256=', `sha256=${'0'.repeat(64)}`, `sha256=${'é'.repeat(64)}`));
type Loose = (header: unknown, body: unknown, secrets: unknown) => unknown;

describe('P9: verification of webhooks', () => {
  // HMAC fills keys up with zeros: those at the end of a secret make no other one.
  const bare = (text: string): string => text.replace(/\0+$/, '');
  const secret = fc.string({ minLength: 1, unit: 'binary' });
  const body = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' }).map((text) => new TextEncoder().encode(text)));

  it('passes the exact bytes under the current, or the unexpired previous, secret and nothing else, 10,000 times', () => {
    const change = fc.constantFrom('none', 'body', 'longer', 'shorter', 'digest', 'case', 'prefix', 'space', 'cut', 'secret');
    let passed = 0;
    fc.assert(fc.property(secret, secret, secret, body, fc.constantFrom('current', 'previous'), change, fc.nat(), fc.integer({ min: -1_000, max: 1_000 }), (current, previous, other, bytes, signer, what, place, leftMs) => {
      fc.pre(new Set([current, previous, other].map(bare)).size === 3);
      const key = signer === 'current' ? current : previous;
      let header = sign(what === 'secret' ? other : key, bytes);
      let sent = bytes;
      const at = bytes.length === 0 ? -1 : place % bytes.length;
      if (what === 'body') sent = at < 0 ? Uint8Array.of(0) : bytes.map((byte, index) => (index === at ? byte ^ (1 << (place % 8)) : byte));
      if (what === 'longer') sent = Uint8Array.from([...bytes, place % 256]);
      if (what === 'shorter') sent = at < 0 ? Uint8Array.of(1) : bytes.subarray(0, at);
      const digit = 7 + (place % 64);
      if (what === 'digest') header = `${header.slice(0, digit)}${header[digit] === '0' ? '1' : '0'}${header.slice(digit + 1)}`;
      if (what === 'case') header = header.toUpperCase();
      if (what === 'prefix') header = header.slice(7);
      if (what === 'space') header = ` ${header}`;
      if (what === 'cut') header = header.slice(0, 7 + (place % 64));
      const good = what === 'none' && (signer === 'current' || leftMs > 0);
      passed += good ? 1 : 0;
      expect(verifyWebhookSignature(header, sent, { currentSecret: current, previousSecret: previous, previousSecretExpiresAt: new Date(now + leftMs), now })).toBe(good);
    }), { numRuns: 10_000 });
    expect(passed).toBeGreaterThan(100);
  });

  it('never throws, and is false for whatever is malformed, 10,000 times', () => {
    const verify = verifyWebhookSignature as Loose;
    fc.assert(fc.property(anything, anything, fc.oneof(anything, fc.record({ currentSecret: anything, previousSecret: anything, previousSecretExpiresAt: anything })), (header, raw, secrets) => verify(header, raw, secrets) === false), { numRuns: 10_000 });
  });
});
