import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { JsonValue } from '../../../src/core/model/json.ts';
import type { Row, TextRow, ToolRow } from '../../../src/core/model/row.ts';
import { cutOutput } from '../../../src/core/session/cut.ts';
import { GrowingTexts } from '../../../src/core/session/findPart.ts';
import type { Looking } from '../../../src/core/session/findRow.ts';
import { matchesIn, nthMatch } from '../../../src/core/session/findRow.ts';
import { MatchCounter } from '../../../src/core/session/matchCounter.ts';
import { PIECE, plainPieces } from '../../../src/core/session/plain.ts';
import { plainInline } from '../../../src/core/session/plainInline.ts';
import { jsonHead, outputPieces, patchPieces, textPieces } from '../../../src/core/session/textPieces.ts';
import { Slicer } from '../../../src/core/transport/slices.ts';
import { findPattern, findReach } from '../../../src/protocol/find.ts';

function wantedOf(text: string, wholeWord = false) {
  const query = { text, matchCase: false, wholeWord };
  const pattern = findPattern(query);
  if (pattern === null) throw new Error('nothing to look for');
  return { pattern, reach: findReach(query) };
}
const prose = (key: string, text: string, streaming = false): TextRow => ({ kind: 'text', key, at: null, turn: null, text, streaming });
const tool = (output: string, more: Partial<ToolRow> = {}): ToolRow => ({
  kind: 'tool', key: 't', at: null, turn: null, name: 'Bash', verb: 'execute', title: 'make', status: 'ok', input: null, command: 'make', cwd: null, locations: [], diffs: [], ...cutOutput(output),
  exitCode: 0, durationMs: 1, attachments: [], children: [], ...more,
});
function lookingFor(text: string, output: string | null = null): Looking & { readonly asked: string[] } {
  const wanted = wantedOf(text);
  const asked: string[] = [];
  return { ...wanted, thinking: true, output: (key) => Promise.resolve(asked.push(key) > 0 ? output : null), growing: new GrowingTexts(wanted), counted: new WeakMap(), asked };
}
/** A slicer whose every step is a slice of its own, and how many there were. */
function counting() {
  const seen = { steps: 0 };
  const slicer = new Slicer({ pace: { spent: () => Number.POSITIVE_INFINITY, rest: () => Promise.resolve((seen.steps += 1)) } });
  return { slicer, seen };
}
/** Words, marks and white space of which texts are made, so that what is looked for is in them. */
const scraps = fc.array(fc.constantFrom('a', 'b', 'needle', 'NEEDLE', 'é', '😀', ' ', '\n', '  ', '**', '`', '```\n', '[', '](x)', '|', '- ', '\\', '_'), { maxLength: 60 }).map((all) => all.join(''));

describe('a text that comes in pieces', () => {
  it('has the matches that it has at once, wherever it is cut', () => {
    fc.assert(fc.property(scraps, fc.constantFrom('a', 'needle', 'a b', ' a', 'b ', 'needle a', '😀', 'aa'), fc.boolean(), fc.array(fc.nat(9), { maxLength: 80 }), (text, words, wholeWord, sizes) => {
      const wanted = wantedOf(words, wholeWord);
      const at: [number, number][] = [];
      const counter = new MatchCounter(wanted, (...place) => at.push(place));
      let from = 0;
      for (const size of sizes) {
        counter.push(text.slice(from, from + size));
        from += size;
      }
      counter.push(text.slice(from));
      wanted.pattern.lastIndex = 0;
      const whole = [...text.matchAll(wanted.pattern)].map((match) => [match.index, match.index + match[0].length]);
      expect([counter.end(), at]).toEqual([whole.length, whole]);
    }), { numRuns: 500 });
  });

  it('is held no longer than the longest match', () => {
    const counter = new MatchCounter(wantedOf('needle'));
    for (let piece = 0; piece < 1_000; piece += 1) counter.push('words and words ');
    expect(counter.length).toBe(16_000);
    expect((counter as unknown as { rest: string }).rest.length).toBeLessThan(40);
  });
});

describe('pieces', () => {
  const joined = (pieces: Iterable<string>): string => [...pieces].join('');

  it('are bounded, and the text when they are put together', () => {
    for (const text of ['short', 'line\n'.repeat(30_000), 'word '.repeat(30_000), 'x'.repeat(150_000), '😀'.repeat(60_000), '\u001B[31mred\u001B[0m'.repeat(9_000)]) {
      for (const make of [textPieces, outputPieces, patchPieces, (source: string) => Array.from(plainPieces(source), (piece) => piece.text)]) {
        const lengths = Array.from(make(text), (piece) => piece.length);
        expect(Math.max(...lengths)).toBeLessThanOrEqual(PIECE + 200);
      }
      expect(joined(textPieces(text))).toBe(text);
    }
    expect(joined(outputPieces('\u001B[31mred\u001B[0m'.repeat(9_000)))).toBe('red'.repeat(9_000));
    expect(joined(patchPieces(`@@ -1 +1 @@ f\n-${'-'.repeat(70_000)}\n+b\n`))).toBe(`\n${'-'.repeat(70_000)}\nb\n`);
  });

  it('of a markdown text are the same whether it came at once or grew', () => {
    fc.assert(fc.property(fc.array(scraps, { maxLength: 12 }), fc.integer({ min: 300, max: 2_000 }), (parts, times) => {
      const source = parts.join('').repeat(times).slice(0, 200_000);
      const pieces = [...plainPieces(source)];
      const place = pieces.findLast((piece) => piece.settled)?.next;
      if (place === undefined) return;
      const again = [...plainPieces(`${source} and more\n`, place)].map((piece) => piece.text).join('');
      expect([...plainPieces(`${source} and more\n`)].map((piece) => piece.text).join('').endsWith(again)).toBe(true);
    }), { numRuns: 40 });
  });

  it('of a JSON are its first characters, without the rest being written', () => {
    fc.assert(fc.property(fc.jsonValue(), fc.nat(200), (value, most) => {
      expect(jsonHead(value as JsonValue, most)).toBe(JSON.stringify(value, null, 2).slice(0, most));
    }));
    let read = 0;
    const wide = new Proxy(Array.from({ length: 100_000 }, () => 'word'), { get: (target, name, receiver) => ((read += 1), Reflect.get(target, name, receiver) as unknown) });
    expect(jsonHead(wide, 1_000)).toHaveLength(1_000);
    expect(read).toBeLessThan(1_000);
  });
});

describe('marks within a line', () => {
  it.each([
    ['**a** _b_ ~~c~~ `d`', 'a b c d'], ['***a*** **b*', 'a *b'], ['a*b*c snake_case_x', 'abc snake_case_x'], ['*a _b* c_', 'a _b c_'], ['[`a`](b.ts) ![c](d "e")', 'a c'], ['[a] (b) [c](d e)', '[a] (b) [c](d e)'],
    ['`` a ` b `` `c', ' a ` b  `c'], ['\\*a\\* \\q', '*a* \\q'], ['**`a`** 2 * 3', 'a 2 * 3'], ['a || b | c', 'a || b | c'], ['[**a** b](x_y_z)', 'a b'], ['**中文**字', '中文字'],
  ])('%s', (source, text) => {
    expect(plainInline(source)).toBe(text);
  });

  it('without a partner are looked at once, and not once for each other mark', () => {
    const tried = vi.spyOn(RegExp.prototype, 'exec');
    try {
      for (const [unit, each] of [['**a ', 3], ['*a _b ', 6], ['[a](', 4], ['`a``b```c ', 8]] as const) {
        tried.mockClear();
        plainInline(unit.repeat(2_000));
        expect(tried.mock.calls.length, unit).toBeGreaterThan(2_000);
        expect(tried.mock.calls.length, unit).toBeLessThanOrEqual(2_000 * each + 10);
      }
    } finally {
      tried.mockRestore();
    }
  });
});

describe('a huge row', () => {
  const huge = 'It is **so** and `so`.\n\n'.repeat(44_000);
  const count = async (row: Row, looking: Looking): Promise<{ readonly count: number; readonly steps: number }> => {
    const { slicer, seen } = counting();
    return { count: await matchesIn(row, looking, slicer), steps: seen.steps };
  };

  it('is looked through in steps of a piece each', async () => {
    const { count: found, steps } = await count(prose('a', huge), lookingFor('so and so'));
    expect(found).toBe(44_000);
    expect(steps).toBeGreaterThanOrEqual(huge.length / PIECE);
  });

  it('that grows is looked through from where it was left', async () => {
    const looking = lookingFor('so and so');
    expect((await count(prose('a', huge, true), looking)).steps).toBeGreaterThan(30);
    let text = huge;
    for (let turn = 1; turn <= 20; turn += 1) {
      text += 'And **so** and so on. ';
      const { count: found, steps } = await count(prose('a', text, true), looking);
      expect(found).toBe(44_000 + turn);
      expect(steps).toBeLessThanOrEqual(2);
    }
    // Another text under its name is looked through anew, and so is what has come to its end.
    expect((await count(prose('a', huge.replace('It', 'so and so'), true), looking)).count).toBe(44_001);
    expect((await count(prose('a', text), looking)).steps).toBeGreaterThan(30);
  });

  it('has the same matches however it grew', async () => {
    await fc.assert(fc.asyncProperty(fc.array(scraps, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 3_000 }), async (parts, times) => {
      const looking = lookingFor('needle');
      let text = '';
      for (const part of parts) {
        text += part.repeat(times).slice(0, 60_000);
        expect((await count(prose('a', text, true), looking)).count).toBe((await count(prose('b', text), lookingFor('needle'))).count);
      }
    }), { numRuns: 25 });
  });

  it('within a subagent is counted once while it stays as it is', async () => {
    const looking = lookingFor('so and so');
    const children = [prose('a', huge), prose('b', 'so and so')];
    const agent = tool('', { key: 'agent', verb: 'agent', children });
    expect((await count(agent, looking)).steps).toBeGreaterThan(30);
    const { count: found, steps } = await count({ ...agent, children: [...children, prose('c', 'so and so')] }, looking);
    expect([found, steps <= 3]).toEqual([44_002, true]);
  });
});

describe('an output that its row carries in part', () => {
  const lines = Array.from({ length: 8_000 }, (_, line) => `line ${line}: ${[3, 4_000, 4_001, 7_990].includes(line) ? 'a \u001B[1mneedle\u001B[0m' : 'nothing'}`);
  const whole = lines.join('\n');

  it('is found in whole: what is shown where it is, and what is not by its line', async () => {
    const looking = lookingFor('needle', whole);
    const row = tool(whole);
    expect(await matchesIn(row, looking, new Slicer())).toBe(4);
    const places = await Promise.all([0, 1, 2, 3].map((nth) => nthMatch(row, looking, new Slicer(), nth)));
    expect(places.map((place) => [place?.ordinal, place?.of, place?.hiddenLine])).toEqual([[0, 2, null], [1, 2, 4_001], [1, 2, 4_002], [1, 2, null]]);
    expect(places[1]).toMatchObject({ path: ['t'], part: 'output', nth: 1 });
  });

  it('is not asked for where the row has it all, while it runs, and where it is not kept', async () => {
    const looking = lookingFor('needle', whole);
    expect(await matchesIn(tool('a needle'), looking, new Slicer())).toBe(1);
    expect(await matchesIn(tool(whole, { status: 'running' }), looking, new Slicer())).toBe(2);
    expect(looking.asked).toEqual([]);
    expect(await matchesIn(tool(whole), lookingFor('needle', null), new Slicer())).toBe(2);
    expect(await matchesIn(tool(whole), lookingFor('needle', 'another needle'), new Slicer())).toBe(2);
  });

  it('is looked through in steps', async () => {
    const { slicer, seen } = counting();
    await nthMatch(tool(whole), lookingFor('needle', whole), slicer, 1);
    expect(seen.steps).toBeGreaterThan(whole.length / PIECE);
  });
});
