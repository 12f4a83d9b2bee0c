import { expect, test } from 'vitest';
import { isLeaving } from '../../../webview-ui/src/transcript/leaving.ts';

const view = 600;

test('down, or not at all, is no leaving', () => {
  expect(isLeaving({ top: 400, height: 1_000 }, { top: 500, height: 1_200, view }, true)).toBe(false);
  expect(isLeaving({ top: 400, height: 1_000 }, { top: 399.5, height: 1_000, view }, true)).toBe(false);
});

test('up on what did not change is the person, or what reads for them', () => {
  expect(isLeaving({ top: 400, height: 1_000 }, { top: 380, height: 1_000, view }, false)).toBe(true);
});

test('up while what came took the place of what was higher is the browser, unless the person did something to the log', () => {
  const before = { top: 9_400, height: 10_000 };
  expect(isLeaving(before, { top: 9_100, height: 9_700, view }, false)).toBe(false);
  expect(isLeaving(before, { top: 9_100, height: 10_400, view }, false)).toBe(false);
  expect(isLeaving(before, { top: 9_100, height: 10_400, view }, true)).toBe(true);
});

test('up by more than the browser can have done is no work of its own', () => {
  expect(isLeaving({ top: 9_400, height: 10_000 }, { top: 0, height: 10_400, view }, false)).toBe(true);
  expect(isLeaving({ top: 9_400, height: 10_000 }, { top: 4_400, height: 5_000, view }, false)).toBe(false);
  expect(isLeaving({ top: 9_400, height: 10_000 }, { top: 3_700, height: 5_000, view }, false)).toBe(true);
});
