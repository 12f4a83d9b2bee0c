import path from 'node:path';
import { expect, test } from 'vitest';
import type { DeltaEntry, ResultEntry, ToolEntry } from '../../../src/core/model/entry.ts';
import { SearchIndex } from '../../../src/core/session/search/blocks.ts';
import { StoreReader } from '../../../src/core/session/search/reader.ts';
import { Scanner } from '../../../src/core/session/search/scanner.ts';
import type { SearchHit } from '../../../src/core/session/search/wire.ts';
import { Engine } from '../../../src/core/session/store/engine.ts';
import { inFolder, KEY, sessionRecord, textEntry } from '../store/support.ts';
import { requestFor } from './support.ts';

const SESSION = 'local-claude\u0000s0';

const call: ToolEntry = {
  kind: 'tool', id: 'call', row: 'tool', order: [0], rev: 1, at: null, turn: null, parent: null, callId: 'c', name: 'Bash', verb: 'execute', title: 'look for the needle', input: null, command: 'grep needle', cwd: null, locations: [], diffs: [],
};
/** Written long after its call, so that its row is met twice. */
const piece: DeltaEntry = { kind: 'delta', id: 'piece', row: 'tool', order: [0, 1], rev: 1, at: null, turn: null, parent: null, channel: 'output', part: 0, text: 'hay' };
const result: ResultEntry = { kind: 'result', id: 'result', row: 'tool', order: [1], rev: 1, at: null, turn: null, parent: null, callId: 'c', status: 'ok', output: 'haystack', exitCode: 0, durationMs: 1, diffs: [], attachments: [] };

test('a row that grows while it is searched is found once, and what it grew by the next time', async () => {
  await inFolder((folder) => {
    const file = path.join(folder, 'store.db');
    const engine = Engine.open({ file, key: KEY, busyMs: 100, now: 0, report: () => undefined });
    const put = (...entries: readonly object[]): unknown => engine.entries.put(SESSION, entries.map((entry) => JSON.stringify(entry)), 0);
    engine.records.saveSessions([sessionRecord('s0')]);
    const texts = Array.from({ length: 3_000 }, (_, place) => textEntry(`e${place}`, [place + 2]));
    put(call, ...texts.slice(0, 1_500), piece, ...texts.slice(1_500), textEntry('last', [9_999], { text: 'a needle' }));
    const reader = new StoreReader(file, KEY);
    const index = new SearchIndex(1 << 20);
    const scanner = new Scanner(reader, index);
    const search = (text: string, meanwhile: () => void): string[] => {
      const hits: SearchHit[] = [];
      const tell = (update: { readonly hits: readonly SearchHit[] }): void => {
        if (hits.length === 0 && update.hits.length > 0) meanwhile();
        hits.push(...update.hits);
      };
      expect(scanner.run({ request: requestFor(text), tell, cancelled: () => false })).toBe(true);
      return hits.map(({ row }) => row ?? '');
    };
    // The newest row is found first, and the oldest one has its newest entry behind it by the time that it is looked at.
    expect(search('needle', () => put(result))).toEqual(['last', 'tool']);
    expect(search('haystack', () => undefined)).toEqual(['tool']);
    expect(search('needle haystack', () => undefined)).toEqual(['tool']);
    // Everything is known by now: only the blocks in which entries of the call were written are read for both words.
    const known = index.of(SESSION).stretches(reader.sessions(['local-claude'], true)[0]?.newest ?? 0);
    expect(known.every(({ block }) => block !== null)).toBe(true);
    expect(known.filter(({ block }) => block?.filter.mayHold(['needle', 'haystack']) === true)).toHaveLength(3);
    expect(known.length).toBeGreaterThan(3);
    reader.close();
    engine.close();
    return Promise.resolve();
  });
});

test('what is remembered keeps within its bound, and what has no room is looked through each time', async () => {
  await inFolder((folder) => {
    const file = path.join(folder, 'store.db');
    const engine = Engine.open({ file, key: KEY, busyMs: 100, now: 0, report: () => undefined });
    const ids = Array.from({ length: 40 }, (_, place) => `s${place}`);
    engine.records.saveSessions(ids.map((id) => sessionRecord(id)));
    for (const id of ids) engine.entries.put(`local-claude\u0000${id}`, Array.from({ length: 20 }, (_, place) => JSON.stringify(textEntry(`e${place}`, [place], { text: `${id} says ${place}` }))), 0);
    const reader = new StoreReader(file, KEY);
    const index = new SearchIndex(1_024);
    const scanner = new Scanner(reader, index);
    for (let round = 0; round < 2; round += 1) {
      const found: string[] = [];
      scanner.run({ request: requestFor('"says 7"'), tell: ({ hits }) => void found.push(...hits.map(({ session }) => session)), cancelled: () => false });
      expect(found.sort()).toEqual(ids.map((id) => `local-claude\u0000${id}`).sort());
      expect(index.bytes).toBeLessThanOrEqual(1_024);
      expect(index.bytes).toBeGreaterThan(0);
    }
    reader.close();
    engine.close();
    return Promise.resolve();
  });
});
