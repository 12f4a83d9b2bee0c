import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findReferences, renderMarkdown } from '../../../webview-ui/src/markdown/parser.ts';
import { setFiles } from '../../../webview-ui/src/model/place.ts';
import { cutDocument, MarkdownStream } from '../../../webview-ui/src/markdown/stream.ts';
import type { Settled } from '../../../webview-ui/src/markdown/stream.ts';

const line = fc.oneof(
  fc.constantFrom(
    '', '', '', '# Head', 'Setext', '===', '---', '***', '- a', '- b', '  - nested', '    still', '1. one', '2. two', '7) seven', '> quote', '> > deep', 'lazy', '```', '```ts', '````', '~~~', '~~~ py',
    '  ```', '    indented', '\tcode', '| a | b |', '|---|:-:|', '| 1 | 2 |', 'a | b', '-- | --', '- [ ] open', '- [x] done', 'text with `code` and **bold**', 'a [link](https://a.example) b',
    '[x](javascript:alert(1))', '<div>html</div>', '<!-- c -->', 'line  ', 'back\\', '![i](https://a.example/i.png)', '* * *', '+', '-', '`', '``', 'see src/a.ts:12 now', '&amp; <b>', '**open', '`open',
    '- ```js', '  code', '  ```', '> ```', '> code', '10. ten', '   para in list', '\u05d0\u05d1', 'trailing\\',
  ),
  fc.string({ maxLength: 12 }),
);
const ending = fc.constantFrom('\n', '\n', '\n', '\n', '\r\n', '\r', '\n\n');
const document = fc.array(fc.tuple(line, ending), { maxLength: 30 }).map((lines) => lines.map(([text, end]) => text + end).join(''));
const chunks = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 20 });

function pieces(text: string, sizes: readonly number[]): string[] {
  const result: string[] = [];
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    result.push(text.slice(at, at + size));
    at += size;
  }
  return result;
}
const html = (settled: readonly Settled[]): string => settled.map((part) => renderMarkdown(part.source)).join('');
const normal = (text: string): string => text.replace(/\r\n?/g, '\n').replaceAll('\0', '\uFFFD');

describe('markdown that streams in', () => {
  it('comes out as the whole document would, whatever the pieces', () => {
    fc.assert(fc.property(document, chunks, (text, sizes) => {
      fc.pre(findReferences(normal(text)) === null);
      const stream = new MarkdownStream();
      const settled: Settled[] = [];
      for (const piece of pieces(text, sizes)) settled.push(...stream.push(piece));
      settled.push(...stream.end());
      expect(settled.map((part) => part.source).join('')).toBe(normal(text));
      expect(html(settled)).toBe(renderMarkdown(text));
    }), { numRuns: 1_500 });
  });

  it('shows at every moment what the document so far would show', () => {
    fc.assert(fc.property(document, chunks, (text, sizes) => {
      fc.pre(findReferences(normal(text)) === null);
      const stream = new MarkdownStream();
      const settled: Settled[] = [];
      let sent = '';
      for (const piece of pieces(normal(text), sizes)) {
        settled.push(...stream.push(piece));
        sent += piece;
        expect(html(settled) + renderMarkdown(stream.tail)).toBe(renderMarkdown(sent));
      }
    }), { numRuns: 400 });
  });

  it('never takes back a line of an open fence', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom('code', '``', '`', ' ```x', '    ```', '', '  '), { maxLength: 12 }), chunks, (body, sizes) => {
      const stream = new MarkdownStream();
      let shown = '';
      let code: string | null = null;
      for (const piece of pieces(`\`\`\`ts\n${body.join('\n')}\n\`\`\`\nafter`, sizes)) {
        const settled = stream.push(piece);
        code ??= settled.find((part) => part.fence !== null)?.fence?.code ?? null;
        if (code === null) shown += stream.takeFenceText();
      }
      expect(code).toBe(`${body.join('\n')}\n`);
      expect(code?.startsWith(shown)).toBe(true);
    }), { numRuns: 500 });
  });

  it('cuts a whole document where its blocks end', () => {
    fc.assert(fc.property(document, fc.integer({ min: 1, max: 60 }), (text, size) => {
      fc.pre(findReferences(normal(text)) === null);
      const parts = cutDocument(text, size);
      expect(parts.map((part) => part.source).join('')).toBe(normal(text));
      expect(html(parts)).toBe(renderMarkdown(text));
    }), { numRuns: 1_000 });
  });

  it('renders links by reference once their definitions are known', () => {
    const text = 'See [the docs][d].\n\n> quote\n\n[d]: https://a.example/docs "Docs"\n';
    const references = findReferences(text);
    expect(references).not.toBeNull();
    const stream = new MarkdownStream();
    const settled = [...stream.push(text), ...stream.end()];
    expect(settled.length).toBeGreaterThan(1);
    expect(settled.map((part) => renderMarkdown(part.source, references ?? {})).join('')).toBe(renderMarkdown(text));
  });

  it('keeps a definition with the text that may still become its title', () => {
    const stream = new MarkdownStream();
    const settled: Settled[] = [];
    for (const piece of ['para\n\n', '[a]: /url\n', "'title", ' goes on\nand', " ends'\n", '\nnext\n\n', 'last\n']) settled.push(...stream.push(piece));
    settled.push(...stream.end());
    const whole = settled.map((part) => part.source).join('');
    expect(findReferences(whole)?.['A']?.title).toBe('title goes on\nand ends');
    expect(html(settled)).toBe(renderMarkdown(whole));
  });

  it('cuts a long list between its items, and goes on counting', () => {
    const text = `intro\n\n${Array.from({ length: 900 }, (_, place) => `${place % 2 === 0 ? 1 : 7}. item ${place} with some words\n`).join('\n')}\nend\n`;
    const stream = new MarkdownStream();
    const settled: Settled[] = [];
    for (const piece of pieces(text, [700])) {
      settled.push(...stream.push(piece));
      expect(stream.tail.length).toBeLessThan(12_000);
    }
    settled.push(...stream.end());
    for (const parts of [settled, cutDocument(text, 6_000)]) {
      expect(parts.map((part) => part.source).join('')).toBe(text);
      const continued = parts.filter((part) => part.start !== null);
      expect(continued.length).toBeGreaterThan(2);
      for (const part of continued) expect(part.start).toBe(1 + Number(/item (\d+)/.exec(part.source)?.[1]));
    }
  });

  it('parses a long open fence once', () => {
    const stream = new MarkdownStream();
    stream.push('```\n');
    const start = performance.now();
    for (let each = 0; each < 16_000; each += 1) stream.push('const value = compute(another, value);\n'.repeat(2));
    expect(stream.takeFenceText().length).toBe(16_000 * 2 * 39);
    expect(performance.now() - start).toBeLessThan(2_500);
  });
});

describe('what a screen reader and another script ask of markdown', () => {
  it('goes right to left by whole blocks: a list, a quote and a table with all that they hold', () => {
    expect(renderMarkdown('1. שלום\n   - עוד')).toMatch(/^<ol dir="auto">\s*<li>שלום\s*<ul>\s*<li>/);
    expect(renderMarkdown('> שלום')).toMatch(/^<blockquote dir="auto">\s*<p>/);
    expect(renderMarkdown('|א|\n|---|\n|ב|')).toContain('<table dir="auto">');
    expect(renderMarkdown('שלום')).toBe('<p dir="auto">שלום</p>\n');
  });

  it('has headings of one level, which look as they were written', () => {
    expect(renderMarkdown('## Two\n\n#### Four')).toBe('<h3 class="md-h2" dir="auto">Two</h3>\n<h3 class="md-h4" dir="auto">Four</h3>\n');
  });
});

describe('what markdown may not do', () => {
  it.each([
    ['[x](javascript:alert(1))', /data-href|href=/], ['[x](data:text/html,<script>)', /data-href/], ['<img src=x onerror=alert(1)>', /<img/], ['[x](vscode://a)', /data-href/], ['[x](command:a)', /data-path|data-href/],
    ['![a](https://a.example/x.png)', /<img/], ['<script>alert(1)</script>', /<script/], ['[a](//evil.example/x)', /data-/], ['| a |\n|:-:|\n| b |', /style=/],
  ])('%s', (text, forbidden) => {
    expect(renderMarkdown(text)).not.toMatch(forbidden);
  });

  it('has no href at all, whatever the text', () => {
    fc.assert(fc.property(document, (text) => {
      expect(renderMarkdown(text)).not.toMatch(/<[^>]*\s(?:href|src|style|on\w+)=/i);
    }), { numRuns: 500 });
  });
});

describe('paths of a machine whose files do not open from here', () => {
  it('are no links, and links to the web stay', () => {
    const text = 'see src/a.ts:12 and `src/b.ts`, [this](src/c.ts), ![i](d.png) and [web](https://a.example)';
    const links = (): number => [...renderMarkdown(text).matchAll(/data-path=/g)].length;
    expect(links()).toBe(4);
    setFiles(false);
    try {
      expect(links()).toBe(0);
      expect(renderMarkdown(text)).toContain('data-href="https://a.example"');
      expect(renderMarkdown(text).replaceAll(/<[^>]*>/g, '').trim()).toBe('see src/a.ts:12 and src/b.ts, this, i and web');
    } finally {
      setFiles(true);
    }
    expect(links()).toBe(4);
  });
});
