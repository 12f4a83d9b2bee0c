import { describe, expect, it } from 'vitest';
import { describeError } from '../../../src/core/model/errors.ts';

describe('an error in one line', () => {
  it('goes from a message to its causes: after a full stop by a space, else by a colon', () => {
    expect(describeError(new Error('It cannot be reached.', { cause: new Error('connect refused') }))).toBe('It cannot be reached. connect refused');
    expect(describeError(new Error('not read', { cause: new Error('no such file', { cause: 'ENOENT' }) }))).toBe('not read: no such file: ENOENT');
    expect(describeError(new Error('Said twice.', { cause: new Error('Said twice.') }))).toBe('Said twice.');
    expect([describeError('as text'), describeError(undefined), describeError({})]).toEqual(['as text', '', 'unknown error']);
  });
});
