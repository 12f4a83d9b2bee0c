import { expect, it } from 'vitest';
import { Presses } from '../../../src/extension/presses.ts';

it('the second press of a double click does not count, the next one does', () => {
  const presses = new Presses();
  expect([0, 200, 699, 700, 1_000, 1_500].map((now) => presses.take(now))).toEqual([true, false, false, true, false, true]);
});
