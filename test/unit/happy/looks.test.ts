import { expect, it } from 'vitest';
import { Looks } from '../../../src/core/systems/happy/looks.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';

it('a look is made once however often its row is named, forgets what was deleted meanwhile, and ends with its account', async () => {
  const end = new AbortController();
  const looks = new Looks(silentLogger, { signal: end.signal });
  const [reads, taken] = [[] as ((row: string | null) => void)[], [] as string[]];
  const look = (id: string): void => looks.at(id, ({ signal }) => new Promise<string | null>((resolve, reject) => {
    reads.push(resolve);
    signal?.addEventListener('abort', () => reject(new Error('ended')), { once: true });
  }), (row) => taken.push(row));
  const settled = (): Promise<void> => new Promise((resolve) => {
    setImmediate(resolve);
  });
  look('a');
  look('a');
  expect(reads).toHaveLength(1);
  reads[0]?.('row a');
  await settled();
  expect(taken).toEqual(['row a']);
  look('a');
  expect(reads).toHaveLength(2);
  looks.gone('a');
  reads[1]?.('row a, as it was');
  look('b');
  end.abort();
  reads[2]?.('row b');
  await settled();
  expect(taken).toEqual(['row a']);
  // What was being looked at is over: it may be looked at again.
  look('b');
  expect(reads).toHaveLength(4);
});
