import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { foldRow } from '../../../src/core/session/fold.ts';
import { createLogger } from '../../../src/core/transport/logger.ts';
import { HandClock, settle } from './hand-clock.ts';
import { MemoryDatabase, MemoryStore } from './memory-store.ts';
import { applyOps, partitioned, randomFrom, runs, SESSION } from './properties.ts';
import { base, bench, call, many, piece, text } from './transcripts.ts';

describe('opening', () => {
  it('reads the last rows only, however long the session is', async () => {
    const { store, view } = await bench();
    view.add(many(6_000));
    await view.flush();
    const before = { ...store.calls };
    const { view: again } = await bench({ store, tailRows: 50 });
    expect(store.calls.rows - before.rows).toBe(1);
    expect(store.calls.rowsRead - before.rowsRead).toBe(50);
    expect([again.total, again.start, again.tail.length]).toEqual([6_000, 5_950, 50]);
    expect((await again.rows(10, 12)).rows.map((row) => row.key)).toEqual(['row10', 'row11']);
    expect((await again.rows(5_948, 5_952)).rows.map((row) => row.key)).toEqual(['row5948', 'row5949', 'row5950', 'row5951']);
  });

  it('gives an empty view that works where the store fails, and writes as soon as it does not', async () => {
    const store = new MemoryStore();
    store.fail = () => true;
    const { view, clock } = await bench({ store });
    view.add([text('a', 1, 'x')]);
    expect(view.tail).toMatchObject([{ key: 'a' }]);
    await view.flush();
    expect(store.dump(SESSION)).toEqual([]);
    store.fail = () => false;
    clock.advance(60_000);
    await settle();
    expect(store.dump(SESSION)).toMatchObject([{ id: 'a' }]);
  });
});

describe('streaming', () => {
  it('appends to the row, and leaves every other row the same object', async () => {
    const { view, seen } = await bench();
    view.add([text('a', 1, 'first'), piece('b', 2, 0, 'one')]);
    const [other] = view.tail;
    seen();
    view.add([piece('b', 2, 1, ' two')]);
    view.add([piece('b', 2, 2, ' three'), piece('b', 2, 3, '!')]);
    expect(seen()).toEqual([
      { op: 'append', at: 1, key: 'b', field: 'text', from: 3, text: ' two' },
      { op: 'append', at: 1, key: 'b', field: 'text', from: 7, text: ' three!' },
    ]);
    expect(view.tail[0]).toBe(other);
    expect(view.tail[1]).toMatchObject({ text: 'one two three!', streaming: true });
  });

  it('tells nothing of pieces that come again or too late', async () => {
    const { view, seen, clock } = await bench();
    view.add([piece('b', 2, 0, 'one'), piece('b', 2, 1, 'two')]);
    seen();
    view.add([piece('b', 2, 0, 'one')]);
    clock.advance(250);
    await settle();
    view.add([piece('b', 2, 1, 'two')]);
    view.add([text('b', 2, 'onetwo!', { id: 'whole' })]);
    expect(seen()).toEqual([{ op: 'update', at: 0, row: expect.objectContaining({ text: 'onetwo!', streaming: false }) }]);
    view.add([piece('b', 2, 2, '!')]);
    expect(seen()).toEqual([]);
  });

  it('is the same as folding, for every field and wherever a character is cut', () => {
    const letters = fc.array(fc.constantFrom('a', 'bc', '😀', '\ud83d', '\ude00', 'x'.repeat(3_000), '😀'.repeat(1_700)), { minLength: 1, maxLength: 24 });
    return fc.assert(
      fc.asyncProperty(letters, fc.constantFrom('text' as const, 'thinking' as const, 'input' as const, 'output' as const), fc.nat(), async (texts, channel, seed) => {
        const { view } = await bench();
        const mirror: Row[] = [];
        view.onChange((ops) => applyOps(mirror, ops));
        const pieces = texts.map((value, part) => piece('r', 1, part, value, channel));
        let added: Entry[] = [];
        for (const batch of partitioned(pieces, randomFrom(seed))) {
          view.add(batch);
          added = [...added, ...batch];
          expect(view.tail).toEqual([foldRow('r', added, [])]);
          const [row] = view.tail;
          const [shown] = mirror;
          // The list of the page is built from appended text; for a cut output the row is sent whole.
          expect(shown).toEqual(row);
        }
        await view[Symbol.asyncDispose]();
      }),
      { numRuns: runs(100, 1_000) },
    );
  });

  it('within an agent updates the agent', async () => {
    const { view, seen } = await bench();
    view.add([call('agent', 1), { ...piece('in', 2, 0, 'a'), parent: 'agent' }]);
    seen();
    view.add([{ ...piece('in', 2, 1, 'b'), parent: 'agent' }]);
    expect(seen()).toMatchObject([{ op: 'update', at: 0, row: { key: 'agent', children: [{ key: 'in', text: 'ab' }] } }]);
  });
});

describe('writing behind', () => {
  it('gathers entries for a quarter of a second', async () => {
    const { view, store, clock } = await bench();
    for (let part = 0; part < 100; part += 1) view.add([piece('b', 2, part, 'x')]);
    view.add([text('a', 1, 'y')]);
    clock.advance(249);
    await settle();
    expect(store.calls.put).toBe(0);
    clock.advance(1);
    await settle();
    expect([store.calls.put, store.calls.entriesPut]).toEqual([1, 2]);
    expect(clock.pending).toBe(0);
  });

  it('loses the last quarter of a second of a text at most when the host dies, and the whole text takes its place', async () => {
    const store = new MemoryStore();
    const { view, clock } = await bench({ store });
    view.add([piece('b', 2, 0, 'kept'), piece('b', 2, 1, ' too')]);
    clock.advance(250);
    await settle();
    view.add([piece('b', 2, 2, ' lost')]);
    const after = await bench({ store });
    expect(after.view.tail).toMatchObject([{ key: 'b', text: 'kept too', streaming: true }]);
    after.view.add([piece('b', 2, 1, ' too'), piece('b', 2, 2, ' lost'), piece('b', 2, 3, '.')]);
    expect(after.view.tail).toMatchObject([{ text: 'kept too lost.', streaming: true }]);
    after.view.add([text('b', 2, 'kept too lost. End.')]);
    await after.view.flush();
    const { view: third } = await bench({ store });
    expect(third.tail).toMatchObject([{ text: 'kept too lost. End.', streaming: false }]);
    // The pieces take no room any more.
    expect(store.dump(SESSION).filter((entry) => entry.kind === 'delta' && entry.text !== '')).toEqual([]);
  });

  it('writes a long stream in segments, so that what is written grows with it and not with its square', async () => {
    const { view, store, clock } = await bench();
    const written: number[] = [];
    const put = store.put.bind(store);
    store.put = (session, entries) => {
      written.push(JSON.stringify(entries).length);
      return put(session, entries);
    };
    const line = 'x'.repeat(1_000);
    for (let part = 0; part < 2_000; part += 1) {
      view.add([piece('b', 2, part, line, 'output')]);
      if (part % 20 === 19) {
        clock.advance(250);
        await settle();
      }
    }
    expect(await view.output('b')).toBe(line.repeat(2_000));
    expect(Math.max(...written)).toBeLessThan(100_000);
    expect(written.reduce((sum, size) => sum + size, 0)).toBeLessThan(6_000_000);
    const { view: again } = await bench({ store });
    expect(await again.output('b')).toBe(line.repeat(2_000));
  });

  it('goes on when the store fails, tries again later and later, and says so once', async () => {
    const warnings: string[] = [];
    const store = new MemoryStore();
    const clock = new HandClock();
    const { view } = await bench({ store, clock, log: createLogger((level, line) => void (level === 'warn' && warnings.push(line))) });
    store.fail = (method) => method === 'put';
    let tries = 0;
    const put = store.put.bind(store);
    store.put = (session, entries) => {
      tries += 1;
      return put(session, entries);
    };
    view.add([text('a', 1, 'x')]);
    for (let second = 0; second < 60; second += 1) {
      clock.advance(1_000);
      await settle();
      view.add([text(`a${second}`, 2 + second, 'y')]);
    }
    expect(view.total).toBe(61);
    expect(tries).toBeGreaterThan(4);
    expect(tries).toBeLessThan(12);
    expect(warnings).toHaveLength(1);
    store.fail = () => false;
    await view.flush();
    expect(store.dump(SESSION)).toHaveLength(61);
  });

  it('does not wait for ever for a store that never answers', async () => {
    const store = new MemoryStore();
    const { view, clock } = await bench({ store });
    const put = store.put.bind(store);
    store.put = () => new Promise(() => undefined);
    view.add([text('a', 1, 'x')]);
    const flushed = view.flush();
    await settle();
    clock.advance(30_000);
    await flushed;
    expect(store.dump(SESSION)).toHaveLength(0);
    store.put = put;
    const again = view.flush();
    await settle();
    clock.advance(30_000);
    await again;
    expect(store.dump(SESSION)).toHaveLength(1);
  });

  it('writes nothing that came out of the store', async () => {
    const { view, store } = await bench();
    view.add(many(10), { stored: true });
    await view.flush();
    expect(store.calls.put).toBe(0);
    expect(view.total).toBe(10);
  });

  it('keeps an answer for the permission that comes after a restart', async () => {
    const store = new MemoryStore();
    const { view } = await bench({ store });
    view.add([{ ...base('ask', 2, { id: 'ask/answer' }), kind: 'answer', requestId: 'p', outcome: 'denied', by: 'person', reason: 'no', answers: {} }]);
    await view.flush();
    expect(view.total).toBe(0);
    const { view: again } = await bench({ store });
    again.add([{
      ...base('ask', 1), kind: 'permission', requestId: 'p', callId: null, ask: 'tool', tool: 'Bash', title: 'ls', reason: null, input: null, command: null, cwd: null, diffs: [], plan: null,
      questions: [], options: [], takesReason: false,
    }]);
    await again.flush();
    expect(again.tail).toMatchObject([{ kind: 'permission', outcome: 'denied', answerReason: 'no' }]);
  });

  it('ends with everything written and no timer, and then takes nothing more', async () => {
    const { view, store, clock } = await bench();
    view.add(many(3));
    await view[Symbol.asyncDispose]();
    expect(store.dump(SESSION)).toHaveLength(3);
    view.add(many(3, 10));
    expect([view.total, clock.pending]).toEqual([3, 0]);
  });
});

describe('a window that follows', () => {
  it('shows what the other one streams as text at the end of its row', async () => {
    const database = new MemoryDatabase();
    const owner = await bench({ store: new MemoryStore(database, 'owner') });
    const follower = await bench({ store: new MemoryStore(database, 'follower') });
    let mark = 0;
    const follow = async (): Promise<void> => {
      owner.clock.advance(250);
      await settle();
      const found = await follower.store.entriesSince(SESSION, mark, 100);
      mark = found.mark;
      follower.view.add(found.entries, { stored: true });
    };
    owner.view.add([piece('b', 1, 0, 'one')]);
    await follow();
    follower.seen();
    owner.view.add([piece('b', 1, 1, ' two')]);
    await follow();
    expect(follower.seen()).toEqual([{ op: 'append', at: 0, key: 'b', field: 'text', from: 3, text: ' two' }]);
    owner.view.add([text('b', 1, 'one two three')]);
    await follow();
    expect(follower.view.tail).toMatchObject([{ text: 'one two three', streaming: false }]);
    await follower.view.flush();
    expect(follower.store.calls.put).toBe(0);
  });
});
