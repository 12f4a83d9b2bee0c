import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeTarget, findPaths, linkTarget } from '../../../webview-ui/src/markdown/links.ts';
import { parseAnsi, stripAnsi } from '../../../webview-ui/src/text/ansi.ts';
import { diffLines } from '../../../webview-ui/src/text/patch.ts';
import { amid } from '../../../webview-ui/src/model/place.ts';
import { activityLine, ago, bytes, clock, count, duration, groupLine, money } from '../../../webview-ui/src/model/words.ts';
import type { ToolRow } from '../../../webview-ui/src/types.ts';

const ESC = '\u001B';

it('names this computer amid a sentence without a capital', () => {
  expect(['This computer', 'studio', ''].map(amid)).toEqual(['this computer', 'studio', '']);
});

describe('terminal output', () => {
  it.each([
    ['plain', 'plain'], [`${ESC}[31mred${ESC}[0m done`, 'red done'], ['10%\r50%\r100%', '100%'], ['long line\rshort', 'shortline'], [`long line\r${ESC}[Kshort`, 'short'], ['ab\bc', 'ac'], ['a\tb', 'a       b'],
    [`${ESC}]0;title\u0007text`, 'text'], [`${ESC}]8;;https://evil.example${ESC}\\link${ESC}]8;;${ESC}\\`, 'link'], [`${ESC}(Bx${ESC}=y`, 'xy'], [`${ESC}[2J${ESC}[Hx`, 'x'], [`${ESC}[?25lx`, 'x'], ['a\r\nb', 'a\nb'], [`${ESC}Pq#data${ESC}\\x`, 'x'],
    [`${ESC}[1;3`, ''], [ESC, ''], ['\u009b31mx', 'x'],
  ])('%j shows %j', (raw, shown) => {
    expect(stripAnsi(raw)).toBe(shown);
  });

  it('keeps colours and emphasis as class names', () => {
    expect(parseAnsi(`${ESC}[1;31mE${ESC}[22m r${ESC}[39m p ${ESC}[38;5;196mx${ESC}[48;2;0;0;250my${ESC}[0;7mz`)[0]).toEqual([
      { text: 'E', style: 'fg-red bold' }, { text: ' r', style: 'fg-red' }, { text: ' p ', style: '' }, { text: 'x', style: 'fg-red' }, { text: 'y', style: 'fg-red bg-blue' }, { text: 'z', style: 'fg-inverse bg-inverse' },
    ]);
  });

  it('lets no control character out and loses no printable text of plain lines', () => {
    const part = fc.oneof(fc.string(), fc.constantFrom(ESC, '[', ']', '31m', '\u009b', '\u0007', '\r', '\n', '\b', 'K', '2J', ';', '\\', 'P', '38;5;300m', '999999999C', '5G'));
    fc.assert(fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
      const lines = parseAnsi(parts.join(''));
      for (const run of lines.flat()) {
        for (const char of run.text) expect((char.codePointAt(0) ?? 0) >= 32 && !((char.codePointAt(0) ?? 0) >= 127 && (char.codePointAt(0) ?? 0) < 160)).toBe(true);
        expect(run.style).toMatch(/^[a-z -]*$/);
      }
    }), { numRuns: 1_000 });
    fc.assert(fc.property(fc.array(fc.stringMatching(/^[ -~]*$/), { maxLength: 5 }), (lines) => {
      expect(stripAnsi(lines.join('\n'))).toBe(lines.join('\n'));
    }));
  });
});

describe('links', () => {
  it.each([
    ['https://a.example/x', 'web'], ['HTTP://A.example', 'web'], ['mailto:a@b.example', 'web'], ['src/a.ts', 'file'], ['./a.ts:12', 'file'], ['/abs/a.ts#L4', 'file'], ['C:\\x\\a.ts', 'file'], ['file:///tmp/a%20b.ts', 'file'], ['~/a.md', 'file'],
    ['javascript:alert(1)', null], ['JaVaScRiPt:alert(1)', null], ['data:text/html,x', null], ['vscode://file/x', null], ['command:workbench.action', null], ['vbscript:x', null], ['//host/x', null], ['#top', null], ['', null], ['java\nscript:x', null],
    ['\\\\server\\share', null], ['blob:https://x', null], ['https:', null], ['ftp://a/b', null], ['file://server/share', null],
  ])('%j is %s', (address, kind) => {
    expect(linkTarget(address)?.kind ?? null).toBe(kind);
  });

  it('reads paths and lines', () => {
    expect(linkTarget('src/a%20b.ts:12:3')).toEqual({ kind: 'file', path: 'src/a b.ts', line: 12 });
    expect(linkTarget('src/a.ts#L7-L9')).toEqual({ kind: 'file', path: 'src/a.ts', line: 7 });
    expect(codeTarget('package.json')).toEqual({ kind: 'file', path: 'package.json', line: null });
    expect(codeTarget('src/core/a.test.ts:9')).toEqual({ kind: 'file', path: 'src/core/a.test.ts', line: 9 });
    for (const code of ['Array.from', 'foo.bar.baz', 'foo()', 'npm test', '--flag=x.ts', '*.ts', 'example.com/a.html', '$HOME/x.ts', 'git@github.com:a/b.git', '3.14', 'e.g.', '@scope/pkg.ts']) expect(codeTarget(code)).toBeNull();
  });

  it('finds paths in running text only where it is sure', () => {
    expect(findPaths('See src/a.ts:12:4, test/b.spec.tsx and main.py:7. Not e.g. this/that, 1.5, a.b or https://x.example/y.html').map((found) => [found.path, found.line])).toEqual([
      ['src/a.ts', 12], ['test/b.spec.tsx', null], ['main.py', 7],
    ]);
    expect(findPaths(`${'a'.repeat(9_000)}/${'b.'.repeat(5_000)}`)).toEqual([]);
  });

  it('never takes long on any text', () => {
    const started = performance.now();
    for (const piece of ['a/', 'a.', './', 'a', ':1', '.a/', '@a/.', '../']) findPaths(piece.repeat(Math.floor(19_900 / piece.length)));
    expect(performance.now() - started).toBeLessThan(1_500);
  });
});

describe('diffs', () => {
  it('shows changes, little about them, and where the next place is', () => {
    const patch = '@@ -1,5 +1,5 @@\n one\n two\n-three\n+drei\n four\n five\n@@ -40,2 +40,3 @@\n x\n+y\n\\ No newline at end of file\n';
    expect(diffLines(patch, 1).map((line) => `${line.kind}:${line.text}`)).toEqual(['same:two', 'remove:three', 'add:drei', 'same:four', 'fold:', 'same:x', 'add:y']);
    expect(diffLines(patch, 0).map((line) => line.kind)).toEqual(['remove', 'add', 'fold', 'add']);
    expect(diffLines('', 1)).toEqual([]);
  });
});

describe('words', () => {
  it('says durations, figures and times shortly', () => {
    expect([80, 400, 4_000, 59_600, 72_000, 3_600_000, 7_500_000].map(duration)).toEqual(['0.1 s', '0.4 s', '4 s', '1 m', '1 m 12 s', '1 h', '2 h 5 m']);
    expect([0, 840, 1_000, 18_234, 99_960, 999_499, 999_600, 1_420_000].map(count)).toEqual(['0', '840', '1k', '18.2k', '100k', '999k', '1M', '1.4M']);
    expect([0, 0.004, 0.14, 12].map(money)).toEqual(['$0.00', '<$0.01', '$0.14', '$12.00']);
    expect([420, 12_288, 3_565_158].map(bytes)).toEqual(['420 B', '12 KB', '3.4 MB']);
    const now = new Date(2026, 5, 1, 14, 2).getTime();
    expect([3_000, 25_000, 240_000].map((past) => ago(now - past, now))).toEqual(['just now', '20 s ago', '4 m ago']);
    expect(clock(now, now)).toBe('14:02');
    expect(clock(now - 86_400_000, now)).toContain('14:02');
  });

  it('says what a turn is doing', () => {
    const now = 1_000_000;
    const say = (activity: object): string | null => activityLine({ state: 'running', activity: { since: now - 12_000, detail: null, until: null, phase: 'thinking', ...activity } as never }, now);
    expect(say({})).toBe('Thinking · 12 s');
    expect(say({ phase: 'retrying', until: now + 5_000, detail: '529' })).toBe('Retrying in 5 s (529)');
    expect(say({ phase: 'retrying', until: now + 5_400_000, detail: '529' })).toMatch(/^Retrying at .*\d\d:\d\d \(529\)$/);
    expect(say({ phase: 'stalled' })).toMatch(/^No answer from the model since \d\d:\d\d$/);
    expect(activityLine({ state: 'idle', activity: null }, now)).toBeNull();
  });

  it('counts what a group of quiet tools did', () => {
    const row = (verb: string, path: string, status = 'ok'): ToolRow => ({ kind: 'tool', verb, status, title: path, locations: [{ path, line: null }] }) as unknown as ToolRow;
    expect(groupLine([row('read', 'a'), row('read', 'b'), row('read', 'a'), row('search', 'x'), row('search', 'y', 'error')])).toBe('Read 2 files, searched 2 times · 1 failed');
    expect(groupLine([row('search', 'x'), row('fetch', 'u')])).toBe('Searched once, fetched 1 page');
  });
});
