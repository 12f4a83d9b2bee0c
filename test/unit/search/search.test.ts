import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SearchUpdate } from '../../../src/core/session/search/wire.ts';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import { runs } from '../session/properties.ts';
import { sessions } from '../session/sessions.ts';
import { inFolder, KEY, openAt, sessionRecord, textEntry } from '../store/support.ts';
import { naiveRows, outcomeOf, requestFor, rowsFound, searchAt } from './support.ts';

const keyOf = (id: string): string => `local-claude\u0000${id}`;

/** A store with sessions of so many texts each, the last session the newest. */
async function fill(store: OwnedStore, count: number, texts: number, text: (session: number, entry: number) => string): Promise<void> {
  await store.saveSessions(Array.from({ length: count }, (_, session) => sessionRecord(`s${session}`, { updatedAt: session + 1 })));
  for (let session = 0; session < count; session += 1) {
    await store.put(keyOf(`s${session}`), Array.from({ length: texts }, (_, entry) => textEntry(`e${entry}`, [entry], { text: text(session, entry), at: 1_000 * entry })));
  }
}

test('what is found is what a look at every row finds, however often it is asked and whatever was written in between', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    let run = 0;
    const words = fc.constantFrom('hello', 'world', 'quick', 'a', 'fox jumps', 'line of', 'script', 'no such', 'ts', '😀', 'shot.png', 'hello world');
    await fc.assert(fc.asyncProperty(fc.array(sessions, { minLength: 1, maxLength: 3 }), fc.array(words, { minLength: 1, maxLength: 3 }), fc.boolean(), fc.nat(100), async (all, asked, thinking, cut) => {
      run += 1;
      const own = all.map((entries, place) => ({ entries, id: `r${run}s${place}`, part: entries.slice(0, Math.floor((entries.length * cut) / 100)) }));
      // Those of runs before are archived, so that they are not searched.
      await store.saveSessions(own.map(({ id }) => sessionRecord(id)));
      for (const { id, part } of own) await store.put(keyOf(id), part);
      for (const word of asked) await outcomeOf(search, `"${word}"`, { archived: false });
      for (const { id, entries } of own) await store.put(keyOf(id), entries);
      for (const word of asked) {
        const found = rowsFound(await outcomeOf(search, `"${word}"`, { archived: false, thinking }));
        expect(found).toEqual(own.flatMap(({ id, entries }) => naiveRows(keyOf(id), entries, [word], thinking)).sort());
      }
      await store.saveSessions(own.map(({ id }) => sessionRecord(id, { archived: true })));
    }), { numRuns: runs(60, 600) });
  });
});

test('all words must be there, without case and accents; a phrase goes over ends of lines and no further', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    const texts = ['The **Café** in Zürich\n  opens at nine', 'a cafe elsewhere', 'ZURICH has cafés', 'opens', '東京の天気は晴れ'];
    await fill(store, 1, texts.length, (_, entry) => texts[entry] ?? '');
    const found = async (text: string): Promise<string[]> => rowsFound(await outcomeOf(search, text)).map((row) => row.split(' ')[1] ?? '');
    expect(await found('cafe')).toEqual(['e0', 'e1', 'e2']);
    expect(await found('CAFÉ zurich')).toEqual(['e0', 'e2']);
    expect(await found('"zurich opens"')).toEqual(['e0']);
    expect(await found('"opens zurich"')).toEqual([]);
    expect(await found('天気')).toEqual(['e4']);
    expect(await found('""')).toEqual([]);
  });
});

test('a hit tells where its words are in what it shows', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    await fill(store, 1, 1, () => `${'before '.repeat(30)}the Äpfel\u202E\n\tand PEARS ${'behind '.repeat(60)}`);
    const [hit] = (await outcomeOf(search, 'apfel pears')).hits;
    expect(hit).toMatchObject({ session: keyOf('s0'), row: 'e0', kind: 'text', at: 0 });
    expect(hit?.snippet.ranges.map(([start, end]) => hit.snippet.text.slice(start, end))).toEqual(['Äpfel', 'PEARS']);
    expect(hit?.snippet.text).toMatch(/^…(before )+the Äpfel and PEARS (behind )+.*…$/);
  });
});

test('titles and folders come first, then rows of the newest session; sessions of other connections and archived ones only where they are wanted', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    await fill(store, 3, 2, (session, entry) => `needle ${session} ${entry}`);
    await store.saveSessions([sessionRecord('old', { title: 'A needle', updatedAt: 0 }), sessionRecord('kept', { folder: '/home/ann/needles', archived: true }), sessionRecord('other', { connectionId: 'gone', title: 'needle' })]);
    const told = async (archived: boolean): Promise<string[]> => (await outcomeOf(search, 'needle', { archived })).hits.map(({ session, row }) => `${session.split('\u0000')[1] ?? ''}/${row ?? ''}`);
    expect(await told(false)).toEqual(['old/', 's2/e1', 's2/e0', 's1/e1', 's1/e0', 's0/e1', 's0/e0']);
    expect(await told(true)).toEqual(['kept/', 'old/', 's2/e1', 's2/e0', 's1/e1', 's1/e0', 's0/e1', 's0/e0']);
  });
});

test('it stops at as many hits as are wanted, and says of which sessions there are more', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    await fill(store, 4, 5, () => 'everywhere');
    const few = await outcomeOf(search, 'everywhere', { mostOfSession: 2, most: 5 });
    expect(rowsFound(few)).toHaveLength(5);
    expect(few.last?.ended).toBe('full');
    expect(few.updates.flatMap(({ more }) => more)).toEqual([{ session: keyOf('s3'), rows: 5 }, { session: keyOf('s2'), rows: 5 }]);
    const all = await outcomeOf(search, 'everywhere');
    expect(rowsFound(all)).toHaveLength(20);
    expect(all.last).toMatchObject({ ended: 'whole', done: 4, all: 4 });
  });
});

test('the rows that stand last count, also where a past was read backwards', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    await store.saveSessions([sessionRecord('s0')]);
    for (const page of [2, 1, 0]) await store.put(keyOf('s0'), Array.from({ length: 10 }, (_, place) => textEntry(`e${page}${place}`, [page * 10 + place], { text: 'everywhere' })));
    const { hits, updates } = await outcomeOf(search, 'everywhere', { mostOfSession: 3, most: 100 });
    expect([...hits].sort((a, b) => (b.order[0] ?? 0) - (a.order[0] ?? 0)).slice(0, 3).map(({ row }) => row)).toEqual(['e29', 'e28', 'e27']);
    expect(updates.flatMap(({ more }) => more)).toEqual([{ session: keyOf('s0'), rows: 30 }]);
    expect(updates.at(-1)?.ended).toBe('whole');
  });
});

test('what is typed further is looked for among what was found, and what came since is found too', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    await fill(store, 3, 400, (session, entry) => `word${entry} of ${session}`);
    for (const [typed, count] of [['wo', 1_200], ['word', 1_200], ['word3', 333], ['word39', 33], ['word399', 3], ['word399 of', 3]] as const) expect(rowsFound(await outcomeOf(search, typed))).toHaveLength(count);
    await store.put(keyOf('s0'), [textEntry('late', [999], { text: 'word399 of the last hour' }), textEntry('e399', [399], { text: 'changed', rev: 2 })]);
    expect(rowsFound(await outcomeOf(search, 'word399 of'))).toEqual([`${keyOf('s0')} late`, `${keyOf('s1')} e399`, `${keyOf('s2')} e399`]);
    await store.removeSession(keyOf('s1'));
    expect(rowsFound(await outcomeOf(search, 'word399 of'))).toEqual([`${keyOf('s0')} late`, `${keyOf('s2')} e399`]);
  });
});

test('progress is told while it runs; one that is ended or replaced ends at once, and the next one is whole', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    await fill(store, 30, 400, (session, entry) => `row ${entry} of ${session}: ${'some words of a text '.repeat(20)}`);
    const abort = new AbortController();
    const seen: SearchUpdate[] = [];
    await expect(async () => {
      for await (const update of search.search(requestFor('nowhere'), abort.signal)) {
        seen.push(update);
        if (update.done > 0) abort.abort();
      }
    }).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(seen.at(-1)?.done).toBeLessThan(30);
    const replaced = search.search(requestFor('nowhere'), new AbortController().signal);
    const first = replaced.next();
    const other = outcomeOf(search, '"row 7 of 3:"');
    await expect(first).rejects.toMatchObject({ code: 'search_replaced' });
    expect(rowsFound(await other)).toEqual([`${keyOf('s3')} e7`]);
    const { updates } = await outcomeOf(search, 'nowhere at all');
    expect(updates.map(({ done }) => done)).toEqual(updates.map(({ done }) => done).sort((a, b) => a - b));
    expect(updates.at(-1)).toMatchObject({ done: 30, all: 30, ended: 'whole' });
  });
});

test('nothing readable is on the disk, and what is remembered of a store counts for no other', async () => {
  await inFolder(async (folder) => {
    const secret = 'Rumpelstilzchen';
    {
      await using store = await openAt(folder);
      await using search = searchAt(folder);
      await fill(store, 2, 40, (session, entry) => (session === 0 && entry === 3 ? `the name is ${secret}` : 'nothing else'));
      expect(rowsFound(await outcomeOf(search, secret))).toEqual([`${keyOf('s0')} e3`]);
    }
    const files = readdirSync(folder);
    expect(files).toContain(`search-${storePrint(files)}.idx`);
    for (const file of files) {
      const bytes = readFileSync(path.join(folder, file)).toString('latin1').toLowerCase();
      for (const words of [secret, 'nothing else', 'Title of', '/home/ann', Buffer.from(secret).toString('base64')]) expect(bytes, file).not.toContain(words.toLowerCase());
      expect(statSync(path.join(folder, file)).mode & 0o077, file).toBe(0);
    }
    // Another store under the same key, which has the same sessions with other contents: numbers begin anew.
    for (const file of files) if (file.startsWith('store-')) rmSync(path.join(folder, file));
    await using store = await openAt(folder);
    await using search = searchAt(folder);
    await fill(store, 2, 40, (session, entry) => (session === 1 && entry === 5 ? `the name is ${secret}` : 'nothing else'));
    expect(rowsFound(await outcomeOf(search, secret))).toEqual([`${keyOf('s1')} e5`]);
  });
});

test('what is remembered spares the next window the reading; damage to it costs nothing but time', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await fill(store, 5, 300, (session, entry) => `row ${entry} of ${session}`);
    {
      await using search = searchAt(folder);
      // A search for nothing makes ready.
      expect((await outcomeOf(search, '')).last).toMatchObject({ done: 5, ended: 'whole' });
    }
    const file = path.join(folder, readdirSync(folder).find((name) => name.endsWith('.idx')) ?? '');
    const whole = readFileSync(file);
    for (const bytes of [whole, whole.subarray(0, 100), Buffer.from(whole).fill(1, 20, 60), Buffer.alloc(3)]) {
      const { writeFileSync } = await import('node:fs');
      writeFileSync(file, bytes);
      await using search = searchAt(folder);
      expect(rowsFound(await outcomeOf(search, '"row 250 of"'))).toHaveLength(5);
    }
  });
});

test('without a store’s file it says so', async () => {
  await inFolder(async (folder) => {
    await using search = searchAt(folder);
    await expect(outcomeOf(search, 'word')).rejects.toMatchObject({ code: 'search_unavailable' });
  });
});

function storePrint(files: readonly string[]): string {
  expect(KEY).toHaveLength(32);
  return /^store-([0-9a-f]{8})\.db$/.exec(files.find((file) => file.endsWith('.db')) ?? '')?.[1] ?? '';
}
