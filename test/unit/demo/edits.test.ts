import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { append, comment, rename, testFor, tidy, todo } from '../../demo/edits.ts';
import { imageSize } from '../../demo/images.ts';
import { outline } from '../../demo/language.ts';
import { fence } from '../../demo/turn.ts';

describe('edits', () => {
  it('tidy mends spaces, the last line break and misspelt words, and says what', () => {
    const found = tidy('a.ts', '// Teh lenght \r\nlet a;\t\r\nlet b;');
    expect(found?.edit.after).toBe('// The length\r\nlet a;\r\nlet b;\r\n');
    expect(found?.done).toEqual(['spaces at the ends of 2 lines', 'no line break at the end of the file', 'misspelt: Teh, lenght']);
    expect(tidy('a.ts', 'fine\n')).toBeNull();
  });

  it('tidy leaves the two spaces that break a line of markdown', () => {
    expect(tidy('a.md', 'one  \ntwo \nthree\n')?.edit.after).toBe('one  \ntwo\nthree\n');
  });

  it('tidy has nothing left to do after it was done', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('a', ' ', '\t', '\n', 'teh ', 'x') }), fc.constantFrom('a.ts', 'a.md'), (text, path) => {
      const once = tidy(path, text);
      if (once !== null) expect(tidy(path, once.edit.after ?? '')).toBeNull();
    }));
  });

  it('rename takes names as whole words and other texts as they are', () => {
    expect(rename('a.ts', 'fee fees $fee fee', 'fee', 'price')).toMatchObject({ count: 2, edit: { after: 'price fees $fee price', line: 1 } });
    expect(rename('a.ts', 'a <= b\nc <= d', '<=', '$&')).toMatchObject({ count: 2, edit: { after: 'a $& b\nc $& d' } });
    expect(rename('a.ts', 'nothing', 'x', 'y')).toBeNull();
  });

  it('comment and todo speak the language of the file', () => {
    expect(comment('a.py', '#!/usr/bin/python\nx = 1\n', 'hello')?.after).toBe('#!/usr/bin/python\n# hello\nx = 1\n');
    expect(comment('a.ts', 'export function f() {}\n', null)?.after).toBe('// a.ts: gives f.\nexport function f() {}\n');
    expect(todo('a.md', 'text', 'more')?.after).toBe('text\n\n<!-- TODO: more -->\n');
    expect(comment('a.json', '{}', 'no')).toBeNull();
    expect(append('a.txt', 'one', 'two')?.after).toBe('one\ntwo\n');
  });

  it('a test imports what is exported, types left out', () => {
    const edit = testFor('src/a.ts', 'export type T = 1;\nexport function f() {}\nexport const c = 1;\nfunction hidden() {}\n');
    expect(edit).toMatchObject({ path: 'src/a.test.ts', before: null });
    expect(edit?.after).toContain("import { f, c } from './a.ts';");
    expect(testFor('a.py', 'def f(): pass')).toBeNull();
    expect(testFor('a.ts', 'const a = 1;')).toBeNull();
  });
});

describe('outline', () => {
  it('of a module: what it says, imports, defines and leaves to do', () => {
    const text = "/**\n * Counts boats.\n */\nimport a from './a.ts';\nconst b = require('b');\n// Adds up. And more.\nexport const sum = (x: number): number => x;\nexport class Boat {}\ninterface Deck {}\n// FIXME: later */\n";
    expect(outline('x.ts', text)).toEqual({
      language: 'TypeScript', lines: 10, opening: 'Counts boats.', imports: ['./a.ts', 'b'], headings: [], cases: 0, todos: [{ line: 10, text: 'later' }],
      definitions: [
        { kind: 'function', name: 'sum', line: 7, exported: true, says: 'Adds up.' }, { kind: 'class', name: 'Boat', line: 8, exported: true, says: null }, { kind: 'interface', name: 'Deck', line: 9, exported: false, says: null },
      ],
    });
  });

  it('of markdown: headings outside of code, and the first paragraph', () => {
    expect(outline('x.md', '# Title\n\nWhat it\nis.\n\n```\n# not a heading\n```\n## Use\n')).toMatchObject({ headings: ['Title', 'Use'], opening: 'What it is.', definitions: [] });
    expect(outline('x.py', 'import os\nfrom a.b import c\ndef test_x():\n  pass\n')).toMatchObject({ imports: ['os', 'a.b'], cases: 1 });
    expect(outline('empty', '')).toMatchObject({ lines: 0, opening: null });
  });
});

it('images tell their size, and broken ones do not hurt', () => {
  const png = Buffer.alloc(24);
  png.write('\u0089PNG\r\n\u001a\n', 'latin1');
  png.writeUInt32BE(640, 16);
  png.writeUInt32BE(480, 20);
  expect(imageSize(png)).toEqual({ width: 640, height: 480 });
  const gif = Buffer.from('GIF89a\u0003\u0000\u0002\u0000', 'latin1');
  expect(imageSize(gif)).toEqual({ width: 3, height: 2 });
  const jpeg = Buffer.from('ffd8ffe000040000ffc0000b080010002003', 'hex');
  expect(imageSize(jpeg)).toEqual({ width: 32, height: 16 });
  fc.assert(fc.property(fc.constantFrom('', 'RIFF0000WEBPVP8 ', 'RIFF0000WEBPVP8L', 'RIFF0000WEBPVP8X', '\u00ff\u00d8\u00ff', 'GIF89a'), fc.uint8Array({ maxLength: 60 }), (head, rest) => {
    expect(() => imageSize(Buffer.concat([Buffer.from(head, 'latin1'), rest]))).not.toThrow();
  }));
});

it('a fence is longer than any run of backticks within', () => {
  expect(fence('a ```` b\n', 'ts')).toBe('`````ts\na ```` b\n`````');
});
