import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Row, TextRow, ToolRow } from '../../../src/core/model/row.ts';
import type { FindPlace, FindStatus } from '../../../src/core/session/find.ts';
import { TranscriptFind } from '../../../src/core/session/find.ts';
import { matchesIn, nthMatch } from '../../../src/core/session/findRow.ts';
import { GrowingTexts } from '../../../src/core/session/findPart.ts';
import type { Looking } from '../../../src/core/session/findRow.ts';
import { markdownPieces } from '../../../src/core/session/textPieces.ts';
import { Slicer } from '../../../src/core/transport/slices.ts';
import type { RowOp } from '../../../src/core/session/transcript-api.ts';
import { findPattern } from '../../../src/protocol/find.ts';

const text = (key: string, value: string): TextRow => ({ kind: 'text', key, at: null, turn: null, text: value, streaming: false });
const tool = (key: string, more: Partial<ToolRow> = {}): ToolRow => ({
  kind: 'tool', key, at: null, turn: null, name: 'Bash', verb: 'execute', title: 'npm test', status: 'ok', input: null, command: null, cwd: null, locations: [], diffs: [], output: '', outputOmitted: 0,
  exitCode: 0, durationMs: 1, attachments: [], children: [], ...more,
});
function pattern(words: string, more: { matchCase?: boolean; wholeWord?: boolean } = {}): RegExp {
  const made = findPattern({ text: words, matchCase: more.matchCase ?? false, wholeWord: more.wholeWord ?? false });
  if (made === null) throw new Error('nothing to look for');
  return made;
}

const REACH = 200;
const plainMarkdown = (source: string): string => [...markdownPieces(source)].join('');
function lookingFor(words: string, thinking = true): Looking {
  const wanted = { pattern: pattern(words), reach: REACH };
  return { ...wanted, thinking, output: () => Promise.resolve(null), growing: new GrowingTexts(wanted), counted: new WeakMap() };
}
const found = (row: Row, words: string, thinking = true): Promise<number> => matchesIn(row, lookingFor(words, thinking), new Slicer());

/** Rows that the test changes by hand, with a wait before each page as a store has. */
class Rows {
  rowsNow: Row[];
  pages: [number, number][] = [];
  fails: (start: number) => boolean = () => false;
  before: () => void = () => undefined;
  private readonly listeners = new Set<(ops: readonly RowOp[]) => void>();
  constructor(rows: readonly Row[]) {
    this.rowsNow = [...rows];
  }
  get total(): number {
    return this.rowsNow.length;
  }
  async rows(start: number, end: number): Promise<{ start: number; rows: readonly Row[] }> {
    this.pages.push([start, end]);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.fails(start)) throw new Error('the store is gone');
    const rows = this.rowsNow.slice(start, end);
    this.before();
    return { start, rows };
  }
  onChange(listener: (ops: readonly RowOp[]) => void) {
    this.listeners.add(listener);
    return { dispose: () => void this.listeners.delete(listener) };
  }
  output(): Promise<null> {
    return Promise.resolve(null);
  }
  get watched(): boolean {
    return this.listeners.size > 0;
  }
  change(...ops: RowOp[]): void {
    for (const op of ops) {
      if (op.op === 'splice') this.rowsNow.splice(op.at, op.remove, ...op.rows);
      else if (op.op === 'update') this.rowsNow[op.at] = op.row;
      else {
        const row = this.rowsNow[op.at];
        if (row?.kind === 'text') this.rowsNow[op.at] = { ...row, text: row.text + op.text };
      }
    }
    for (const listener of this.listeners) listener(ops);
  }
}

const open: TranscriptFind[] = [];
afterEach(() => {
  for (const find of open.splice(0)) find.dispose();
});
function start(rows: Rows, words: string, from: number) {
  const seen: FindStatus[] = [];
  const places: FindPlace[] = [];
  const find = new TranscriptFind({ transcript: rows, pattern: pattern(words), reach: REACH, thinking: true, from, onStatus: (status) => seen.push(status), onPlace: (place) => places.push(place) });
  open.push(find);
  const until = async (fits: (status: FindStatus) => boolean): Promise<FindStatus> => {
    for (let wait = 0; wait < 2_000; wait += 1) {
      const last = seen.at(-1);
      if (last !== undefined && fits(last)) return last;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error(`it did not come: ${JSON.stringify(seen.at(-1))}`);
  };
  return { find, seen, places, until, done: () => until((status) => !status.searching) };
}

describe('what is looked for', () => {
  it('is taken as it is written, in any case, over the ends of lines', () => {
    expect('a.b A.B axb'.match(pattern('a.b'))).toEqual(['a.b', 'A.B']);
    expect('one\n  two'.match(pattern('one two'))).toEqual(['one\n  two']);
    expect('Größe GRÖSSE größe'.match(pattern('größe'))).toEqual(['Größe', 'größe']);
    expect('(x) [y] {z}|^$\\/-?*+'.match(pattern('{z}|^$\\/-?*+'))).toHaveLength(1);
    expect('ab AB'.match(pattern('AB', { matchCase: true }))).toEqual(['AB']);
    expect('cat concat cat_ «cat»'.match(pattern('cat', { wholeWord: true }))).toEqual(['cat', 'cat']);
    expect('f(x) of(x)'.match(pattern('(x)', { wholeWord: true }))).toHaveLength(2);
    for (const nothing of ['', '  \n ']) expect(findPattern({ text: nothing, matchCase: false, wholeWord: false })).toBeNull();
  });

  it('makes a pattern of whatever is typed, that finds itself', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 30 }), fc.boolean(), (typed, matchCase) => {
      const made = findPattern({ text: typed, matchCase, wholeWord: false });
      if (made === null) return typed.trim() === '';
      return made.test(`before ${typed} behind`);
    }));
  });
});

describe('white space', () => {
  it('at the ends of what is looked for is one character, within it a run of bounded length: no text takes the square of its length', () => {
    expect('a   x\n\t x'.match(pattern(' x'))).toEqual([' x', ' x']);
    expect(`a${' '.repeat(100)}b a${' '.repeat(101)}b`.match(pattern('a b'))).toHaveLength(1);
  });

  it('is taken off cells as it stands', () => {
    expect(plainMarkdown(`|a \t|  |b| `)).toBe(' a  b ');
    expect(plainMarkdown(`|a${' '.repeat(20_000)}b|c`)).toHaveLength(20_005);
  });
});

describe('markdown as it is read', () => {
  it('is without its marks', () => {
    const read = (source: string): string => plainMarkdown(source);
    expect(read('a **bold word** and *it* and ~~no~~ `code *x*` [a link](http://x.y/z "t")')).toBe('a bold word and it and no code *x* a link');
    expect(read('# Title\n> quoted **words**\n- [x] done\n2) two')).toBe('Title\nquoted words\ndone\ntwo');
    expect(read('| a | b |\n|---|---|\n| 1 | 2 |')).toBe(' a b \n\n 1 2 ');
    expect(read('```ts\nconst **a** = `b`;\n```\nafter **it**')).toBe('const **a** = `b`;\nafter it');
    expect(read('snake_case_name 2 * 3 * 4 _private foo**bar**baz \\*star')).toBe('snake_case_name 2 * 3 * 4 _private foobarbaz *star');
  });

  // A pattern that took the square of the length would be at it for minutes: the test's deadline ends that.
  it('keeps every letter of marks that lead nowhere, a hundred thousand in a line', () => {
    const many = 40_000;
    for (const text of ['*a ', '[', '[a](', '_x', '~~a ', 'a* ', '![', '<a ', 'a|', '_a ']) expect(plainMarkdown(text.repeat(many)), text).toBe(text.repeat(many));
    // Within one piece; the ends of longer ones part what stands there.
    for (const [text, letter] of [['**a', 'a'], ['`a', 'a'], ['\\!', '!'], ['|', ' ']] as const) expect(plainMarkdown(text.repeat(10_000)).trim(), text).toBe(letter.repeat(10_000).trim());
    for (const nothing of ['`', '> ', '---']) expect(plainMarkdown(nothing.repeat(10_000)), nothing).toBe('');
  });
});

describe('the texts of a row', () => {
  it('are what it shows, each once', async () => {
    const diff = { path: 'src/fees.ts', change: 'modify', oldPath: null, patch: '@@ -1 +1 @@ fees\n-const fees = 1\n+const fees = 2\n', added: 1, removed: 1, before: 'fees fees', after: 'fees' } as const;
    expect(await found(tool('t', { command: 'npm test', output: 'npm \u001B[31mte\u001B[0mst npm test' }), 'npm test')).toBe(3);
    expect(await found(tool('t', { verb: 'edit', title: 'Edit fees', input: { text: 'fees' }, diffs: [diff] }), 'fees')).toBe(3);
    expect(await found(tool('t', { verb: 'other', name: 'lookup', title: 'lookup', input: { query: 'fees' } }), 'fees')).toBe(1);
    // The plan is read in what is asked about it.
    expect(await found(tool('t', { verb: 'think', name: 'ExitPlanMode', title: 'Plan', input: { plan: '# Fees' } }), 'fees')).toBe(0);
    expect(await found(tool('t', { verb: 'other', name: 'subscribe', title: 'subscribe', input: { plan: 'fees' } }), 'fees')).toBe(1);
    expect(await found({ kind: 'thinking', key: 'h', at: null, turn: null, text: 'hm hm', streaming: false }, 'hm')).toBe(2);
    expect(await found({ kind: 'thinking', key: 'h', at: null, turn: null, text: 'hm hm', streaming: false }, 'hm', false)).toBe(0);
  });

  it('tell where a match is, also within a subagent', async () => {
    const row = tool('agent', { verb: 'agent', title: 'Look', children: [text('c1', 'nothing'), tool('c2', { command: 'ls', output: 'a needle\nneedle' })] });
    expect(await nthMatch(row, lookingFor('needle'), new Slicer(), 1)).toEqual({ path: ['agent', 'c2'], part: 'output', ordinal: 1, of: 2, hiddenLine: null, nth: 1 });
    expect(await nthMatch(row, lookingFor('needle'), new Slicer(), 9)).toMatchObject({ ordinal: 1, nth: 1 });
    expect(await nthMatch(row, lookingFor('absent'), new Slicer(), 0)).toBeNull();
  });

  it('are there for every kind, whatever it holds', async () => {
    const rows: Row[] = [
      { kind: 'prompt', key: 'p', at: 1, turn: null, text: 'word', attachments: [{ name: 'word.png', mediaType: 'image/png', size: 1, data: null, path: null }], clientId: null },
      { kind: 'permission', key: 'q', at: 1, turn: null, requestId: 'r', ask: 'question', tool: 'Ask', title: 'title', reason: null, input: null, command: null, cwd: null, diffs: [], plan: 'the **word**', questions: [{ id: 'a', header: null, text: 'which word', multiple: false, free: false, options: [{ label: 'word', description: null }] }], options: [], takesReason: false, outcome: null, answerReason: null, answers: {} },
      { kind: 'todo', key: 'd', at: 1, turn: null, items: [{ text: 'word', status: 'done' }] },
      { kind: 'file', key: 'f', at: 1, turn: null, file: { name: 'word.txt', mediaType: 'text/plain', size: null, data: null, path: null } },
      { kind: 'notice', key: 'n', at: 1, turn: null, level: 'error', code: 'c', text: 'word', remedy: 'word' },
      { kind: 'turn', key: 'e', at: 1, turn: null, state: 'failed', durationMs: 1, figures: null, filesChanged: ['word.ts'], error: 'word' },
      { kind: 'unknown', key: 'u', at: 1, turn: null, source: 'x', raw: { word: 1 } },
    ];
    expect(await Promise.all(rows.map(async (row) => [row.kind, await found(row, 'word')]))).toEqual([['prompt', 2], ['permission', 3], ['todo', 1], ['file', 1], ['notice', 2], ['turn', 2], ['unknown', 1]]);
  });
});

describe('finding in a session', () => {
  const session = (total: number, at: Readonly<Record<number, string>>): Rows => new Rows(Array.from({ length: total }, (_, index) => text(`r${index}`, at[index] ?? `row ${index}`)));

  it('shows the match nearest to where the person looks first, and counts all', async () => {
    const rows = session(1_000, { 3: 'needle', 480: 'needle needle', 700: 'needle' });
    const { places, done } = start(rows, 'needle', 500);
    expect(await done()).toEqual({ total: 4, searching: false, position: 3, failed: false });
    expect(places).toEqual([{ index: 480, key: 'r480', path: ['r480'], part: 'text', ordinal: 1, of: 2, hiddenLine: null }]);
    expect(rows.pages[0]).toEqual([500, 600]);
  });

  it('goes on from match to match, around both ends', async () => {
    const { find, places, done } = start(session(300, { 3: 'needle', 80: 'needle needle', 200: 'needle' }), 'needle', 0);
    await done();
    for (let step = 0; step < 4; step += 1) await find.step(1);
    for (let step = 0; step < 2; step += 1) await find.step(-1);
    expect(places.map((place) => [place.index, place.ordinal])).toEqual([[3, 0], [80, 0], [80, 1], [200, 0], [3, 0], [200, 0], [80, 1]]);
  });

  it('goes on before everything was searched, counting what lies between', async () => {
    const { find, places, done } = start(session(5_000, { 10: 'needle', 4_000: 'needle' }), 'needle', 0);
    expect(await find.step(1)).toMatchObject({ index: 10 });
    expect(await find.step(1)).toMatchObject({ index: 4_000 });
    expect(await done()).toMatchObject({ total: 2, position: 2 });
    expect(places.map((place) => place.index)).toEqual([10, 4_000]);
  });

  it('says when there is nothing', async () => {
    const { find, places, done } = start(session(500, {}), 'needle', 499);
    expect(await done()).toEqual({ total: 0, searching: false, position: null, failed: false });
    expect(await find.step(1)).toBeNull();
    expect(places).toEqual([]);
  });

  it('tells how many there are so far, while it looks', async () => {
    const { seen, done } = start(session(40_000, Object.fromEntries(Array.from({ length: 400 }, (_, index) => [index * 100, 'needle']))), 'needle', 39_999);
    expect(await done()).toMatchObject({ total: 400, position: 400 });
    expect(seen.slice(0, -1).every((status) => status.searching)).toBe(true);
    expect(seen[0]?.position).toBeNull();
  });

  it('takes what comes and changes into the count, and stays where it is', async () => {
    const rows = session(300, { 200: 'needle' });
    const { places, done, until } = start(rows, 'needle', 299);
    await done();
    rows.change({ op: 'splice', at: 300, remove: 0, rows: [text('new', 'needle and')] });
    rows.change({ op: 'append', at: 300, key: 'new', field: 'text', from: 10, text: ' needle' });
    await until((status) => status.total === 3 && !status.searching);
    rows.change({ op: 'splice', at: 0, remove: 0, rows: [text('older', 'needle'), text('older2', '')] });
    expect(await until((status) => status.total === 4)).toMatchObject({ position: 2 });
    rows.change({ op: 'update', at: 302, row: text('new', 'gone') });
    await until((status) => status.total === 2);
    expect(places.map((place) => place.key)).toEqual(['r200']);
  });

  it('does not search again, nor take the view anywhere, for a row that grows', async () => {
    const rows = session(300, {});
    const { find, seen, places, done, until } = start(rows, 'needle', 100);
    await done();
    for (let grown = 1; grown <= 3; grown += 1) {
      rows.change({ op: 'append', at: 299, key: 'r299', field: 'text', from: 0, text: ' needle' });
      await until((status) => status.total === grown);
    }
    expect(seen.slice(seen.findIndex((status) => !status.searching)).every((status) => !status.searching && status.position === null)).toBe(true);
    expect(places).toEqual([]);
    expect(await find.step(1)).toMatchObject({ index: 299, ordinal: 0 });
    expect(seen.at(-1)?.position).toBe(1);
  });

  it('finds the same whatever moves while it looks', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(400), fc.nat(3), fc.array(fc.nat(2), { maxLength: 4 })), { maxLength: 12 }), fc.nat(300), async (changes, from) => {
      const rows = session(300, { 7: 'needle', 150: 'needle needle' });
      const waiting = [...changes];
      let serial = 0;
      rows.before = () => {
        const change = waiting.shift();
        if (change === undefined) return;
        const at = Math.min(change[0], rows.total);
        rows.change({ op: 'splice', at, remove: Math.min(change[1], rows.total - at), rows: change[2].map((count) => text(`n${serial += 1}`, 'needle '.repeat(count))) });
      };
      const { find, until } = start(rows, 'needle', from);
      const wanted = (): number => rows.rowsNow.reduce((sum, row) => sum + (row.kind === 'text' ? row.text.split('needle').length - 1 : 0), 0);
      await until((status) => {
        // Some changes ask for no row: the next one does not come by itself.
        if (!status.searching && waiting.length > 0) rows.before();
        return !status.searching && waiting.length === 0 && status.total === wanted();
      });
      const steps = new Set<string>();
      for (let step = 0; step < wanted(); step += 1) {
        const place = await find.step(1);
        steps.add(`${place?.key ?? ''}:${place?.ordinal ?? ''}`);
      }
      expect(steps.size).toBe(wanted());
      find.dispose();
    }), { numRuns: 25 });
  });

  it('goes on where rows can’t be read, and says so', async () => {
    const rows = session(500, { 10: 'needle', 450: 'needle' });
    rows.fails = (first) => first < 100;
    expect(await start(rows, 'needle', 499).done()).toEqual({ total: 1, searching: false, position: 1, failed: true });
  });

  it('lets everything else have its turn after each row that takes long', async () => {
    const rows = session(200, {});
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 20));
    let turns = 0;
    try {
      const { seen, done } = start(rows, 'needle', 0);
      const count = (): void => {
        if (seen.at(-1)?.searching === false) return;
        turns += 1;
        setImmediate(count);
      };
      setImmediate(count);
      expect(await done()).toMatchObject({ total: 0, failed: false });
    } finally {
      clock.mockRestore();
    }
    // Two pages of a hundred rows are counted side by side.
    expect(turns).toBeGreaterThanOrEqual(100);
  });

  it('lets go of the session when it is over', async () => {
    const rows = session(200, { 7: 'needle' });
    const { find, done, seen } = start(rows, 'needle', 0);
    await done();
    expect(rows.watched).toBe(true);
    find.dispose();
    expect(rows.watched).toBe(false);
    const told = seen.length;
    rows.change({ op: 'append', at: 7, key: 'r7', field: 'text', from: 6, text: ' needle' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(seen).toHaveLength(told);
  });
});
