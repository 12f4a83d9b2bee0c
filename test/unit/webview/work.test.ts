import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FrameQueue } from '../../../webview-ui/src/code/frameQueue.ts';
import { FrameWork } from '../../../webview-ui/src/transcript/work.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const takes = (ms: number): void => void vi.advanceTimersByTime(ms);

test('what came between frames is done in one, in its order, as far as the time goes', () => {
  const done: string[] = [];
  let asked = 0;
  const queue = new FrameQueue(() => (asked += 1));
  for (const name of ['a', 'b', 'c']) {
    queue.add(() => {
      done.push(name);
      takes(3);
    });
  }
  expect(asked).toBe(3);
  expect(done).toEqual([]);
  expect(queue.run(performance.now() + 4)).toBe(true);
  expect(done).toEqual(['a', 'b']);
  expect(queue.run(performance.now() + 4)).toBe(false);
  expect(done).toEqual(['a', 'b', 'c']);
});

test('a frame without any time left does one piece: what waits ends', () => {
  const done: string[] = [];
  const queue = new FrameQueue(() => undefined);
  queue.add(() => done.push('a'));
  queue.add(() => done.push('b'));
  expect(queue.run(performance.now() - 1)).toBe(true);
  expect(queue.run(performance.now() - 1)).toBe(false);
  expect(done).toEqual(['a', 'b']);
  expect(queue.run(performance.now() - 1)).toBe(false);
});

test('rows that fall behind get more of the frame, and what came for them is done after the rows', () => {
  const work = new FrameWork();
  const deadlines: number[] = [];
  work.begin(100);
  const view = {
    work: (deadline: number) => {
      deadlines.push(deadline);
      return deadlines.length < 2;
    },
  };
  expect(work.run([view, {}], (deadline) => {
    deadlines.push(deadline);
    return false;
  })).toBe(false);
  expect(deadlines).toEqual([104, 109, 104]);
});

test('after a slow frame rows go on once in each, and what came for them waits, until frames are quick again', () => {
  const work = new FrameWork();
  const done: string[] = [];
  const view = { work: () => done.push('row') > 0 };
  const rest = (): boolean => {
    done.push('rest');
    return false;
  };
  work.begin(0);
  work.end(3);
  expect(work.slow).toBe(false);
  work.begin(16);
  work.end(30);
  expect(work.slow).toBe(true);
  work.begin(33);
  expect(work.run([view], rest)).toBe(true);
  expect(done.splice(0)).toEqual(['row']);
  expect(work.run([{ work: () => false }], rest)).toBe(false);
  expect(done.splice(0)).toEqual(['rest']);
  work.end(36);
  expect(work.slow).toBe(false);
  work.begin(50);
  expect(work.run([view], rest)).toBe(true);
  expect(done).toEqual(['row', 'row', 'rest']);
});
