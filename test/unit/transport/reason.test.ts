import { describe, expect, it } from 'vitest';
import { describeError } from '../../../src/core/model/errors.ts';
import { isUnconnected } from '../../../src/core/transport/reason.ts';

describe('an error in one line', () => {
  it('goes from a message to its causes: after a full stop by a space, else by a colon', () => {
    expect(describeError(new Error('It cannot be reached.', { cause: new Error('connect refused') }))).toBe('It cannot be reached. connect refused');
    expect(describeError(new Error('not read', { cause: new Error('no such file', { cause: 'ENOENT' }) }))).toBe('not read: no such file: ENOENT');
    expect(describeError(new Error('Said twice.', { cause: new Error('Said twice.') }))).toBe('Said twice.');
    expect([describeError('as text'), describeError(undefined), describeError({})]).toEqual(['as text', '', 'unknown error']);
  });
});

describe('whether there was a connection at all', () => {
  const coded = (code: string, cause?: unknown): Error => Object.assign(new Error(code, { cause }), { code });

  it('is told by the code beneath: nothing was sent without one', () => {
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT', 'CERT_HAS_EXPIRED']) expect(isUnconnected(new Error('fetch failed', { cause: coded(code) })), code).toBe(true);
    // An open connection may end so: the other side may have all of it.
    for (const code of ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT']) expect(isUnconnected(coded(code)), code).toBe(false);
    expect([isUnconnected(null), isUnconnected('ECONNREFUSED'), isUnconnected(new Error('?'))]).toEqual([false, false, false]);
  });

  it('is not told by the code alone where an open connection ended: the system gives it the codes of one that never was', () => {
    for (const code of ['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN']) {
      expect(isUnconnected(Object.assign(coded(code), { syscall: 'connect' })), code).toBe(true);
      for (const syscall of ['read', 'write']) expect(isUnconnected(new Error('fetch failed', { cause: Object.assign(coded(code), { syscall }) })), `${syscall} ${code}`).toBe(false);
    }
  });

  it('of several addresses, each must have failed so', () => {
    expect(isUnconnected(new AggregateError([coded('ECONNREFUSED'), coded('EHOSTUNREACH')]))).toBe(true);
    expect(isUnconnected(new AggregateError([coded('ECONNREFUSED'), coded('ECONNRESET')]))).toBe(false);
  });
});
