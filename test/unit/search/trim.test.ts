import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { SearchIndex } from '../../../src/core/session/search/blocks.ts';
import { GramFilter } from '../../../src/core/session/search/grams.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import { inFolder, openAt, sessionRecord, textEntry, until } from '../store/support.ts';
import { outcomeOf, rowsFound, searchAt } from './support.ts';

const key = (id: string): string => sessionKey({ connectionId: 'local-claude', id });
const ALL = { before: Number.MAX_SAFE_INTEGER, spare: [], known: ['local-claude'] };

it('what is remembered of a transcript goes with it, in memory and on disk, and what comes anew is found', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await store.saveSessions([sessionRecord('a'), sessionRecord('b')]);
    const words = (id: string) => Array.from({ length: 3_000 }, (_, index) => textEntry(`e${index}`, [index], { text: `${id} harbour ${(index * 7919).toString(36)}` }));
    await store.put(key('a'), words('a'));
    await store.put(key('b'), words('b'));
    {
      await using search = searchAt(folder);
      expect(rowsFound(await outcomeOf(search, 'harbour'))).toHaveLength(6_000);
    }
    const file = path.join(folder, readdirSync(folder).find((name) => name.endsWith('.idx')) ?? '');
    const before = { size: statSync(file).size, bytes: readFileSync(file) };
    await store.forget(key('a'), ALL);
    await using search = searchAt(folder);
    search.trim();
    await until(() => statSync(file).size < before.size * 0.7);
    expect(statSync(file).size).toBeGreaterThan(before.size * 0.3);
    expect(rowsFound(await outcomeOf(search, 'harbour')).every((row) => row.startsWith(key('b')))).toBe(true);
    await store.put(key('a'), words('a').slice(0, 5));
    expect(rowsFound(await outcomeOf(search, 'harbour'))).toHaveLength(3_005);
  });
});

it('a window that never searched has nothing to trim', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await store.saveSessions([sessionRecord('a')]);
    await using search = searchAt(folder);
    search.trim();
    expect(readdirSync(folder).filter((name) => name.startsWith('search-'))).toEqual([]);
  });
});

it('of a session that is read anew only what tells of its entries stays', () => {
  const index = new SearchIndex(1_000_000);
  const block = (from: number, to: number) => ({ from, to, count: 10, filter: new GramFilter(new Uint8Array(64)) });
  for (const [from, to] of [[21, 30], [11, 20], [1, 10]] as const) index.add('a', block(from, to));
  index.keepOnly(new Map([['a', 15]]));
  expect(index.of('a').blocks.map(({ from }) => from)).toEqual([21, 11]);
  index.keepOnly(new Map());
  expect(index.bytes).toBe(0);
});
