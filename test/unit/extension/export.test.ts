import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import * as esbuild from 'esbuild';
import MarkdownIt from 'markdown-it';
import { describe, expect, it, vi } from 'vitest';
import { bundles } from '../../../scripts/build/bundles.mjs';
import type { Row, ToolRow } from '../../../src/core/model/row.ts';
import { exportJson, exportMarkdown, markdownFormat, rowMarkdown, rowsMarkdown } from '../../../src/core/session/export.ts';
import { turnItem } from '../../../src/extension/commands/turnItem.ts';
import { collectDocument } from '../../../src/extension/export/collect.ts';
import { htmlFormat } from '../../../src/extension/export/html.ts';
import type { DocumentKind } from '../../../src/extension/export/writing.ts';
import { WritingThread } from '../../../src/extension/export/writingThread.ts';

const head = { title: 'A <b>title</b>', agent: 'Claude Code', machine: 'here', folder: '/home/me', exportedAt: 0 };
const base = (key: string) => ({ key, at: 0, turn: null });
const prompt = (text: string): Row => ({ ...base('p'), kind: 'prompt', text, attachments: [], clientId: null });
const text = (value: string): Row => ({ ...base('t'), kind: 'text', text: value, streaming: false });
const tool = (more: Partial<ToolRow> = {}): ToolRow => ({
  ...base('c'), kind: 'tool', name: 'Bash', verb: 'execute', title: 'npm test', status: 'ok', input: null, command: null, cwd: null, locations: [], diffs: [], output: '', outputOmitted: 0, exitCode: 0, durationMs: 1,
  attachments: [], children: [], ...more,
});
const everyKind = (words: string): Row[] => [
  { ...base('p'), kind: 'prompt', text: words, attachments: [{ name: words, mediaType: words, size: 1, data: null, path: words }], clientId: null },
  text(words), { ...base('h'), kind: 'thinking', text: words, streaming: false },
  tool({ name: words, title: words, command: words, output: words, diffs: [{ path: words, change: 'modify', oldPath: null, patch: `@@ -1 +1 @@\n+${words}\n-${words}`, added: 1, removed: 1, before: null, after: null }], children: [text(words), tool({ title: words })], attachments: [{ name: words, mediaType: 'image/svg+xml', size: 1, data: 'PHN2Zz4=', path: null }] }),
  { ...base('q'), kind: 'permission', requestId: 'r', ask: 'plan', tool: words, title: words, reason: words, input: null, command: words, cwd: words, diffs: [], plan: words, questions: [], options: [], takesReason: true, outcome: 'denied', answerReason: words, answers: { a: [words] } },
  { ...base('d'), kind: 'todo', items: [{ text: words, status: 'running' }] },
  { ...base('f'), kind: 'file', file: { name: words, mediaType: 'image/png', size: 1, data: `"><script>${words}`, path: null } },
  { ...base('n'), kind: 'notice', level: 'error', code: 'c', text: words, remedy: words },
  { ...base('e'), kind: 'turn', state: 'failed', durationMs: 2_000, figures: null, filesChanged: [words], error: words },
  { ...base('u'), kind: 'unknown', source: words, raw: { words } },
];
const html = (rows: readonly Row[]): string => [htmlFormat.head(head), ...rows.map((row, index) => htmlFormat.row(row, index === 0)), htmlFormat.tail()].join('');

describe('an exported transcript', () => {
  it('is the same as markdown and as JSON, a row at a time or at once', () => {
    const rows = everyKind('words');
    expect(JSON.parse(exportJson(head, rows))).toEqual({ ...head, exportedAt: '1970-01-01T00:00:00.000Z', rows });
    expect(JSON.parse(exportJson(head, []))).toMatchObject({ rows: [] });
    expect(exportJson(head, rows)).toContain('\n    {\n      "key": "p",');
    const document = exportMarkdown(head, [prompt('Hello'), text('It is **so**.'), tool({ command: 'ls', output: 'a\n```\nb\n' })]);
    expect(document).toContain('# A <b>title</b>\n\nClaude Code on here in `/home/me`');
    expect(document).toContain('\n## Prompt\n\nHello\n\nIt is **so**.\n\n### Bash: npm test\n\nok, exit 0\n\n```sh\nls\n```\n\n````\na\n```\nb\n````\n');
  });

  it('says what a call was given, and what was to run or change, also where it was only asked for', () => {
    const asked: Row = { ...everyKind('w')[4], plan: null, command: 'rm -rf <dist>', answers: {} } as Row;
    const change: Row = { ...asked, command: null, diffs: [{ path: 'a.ts', change: 'modify', oldPath: null, patch: '@@ -1 +1 @@\n-one\n+two', added: 1, removed: 1, before: null, after: null }] } as Row;
    const rows = [tool({ name: 'WebSearch', input: { query: 'tide <tables>' } }), tool({ name: 'Empty', input: {} }), asked, change];
    const [markdown, page] = [exportMarkdown(head, rows), html(rows)];
    for (const part of ['"query": "tide <tables>"', 'rm -rf <dist>', '-one\n+two']) expect(markdown).toContain(part);
    for (const part of ['&quot;query&quot;: &quot;tide &lt;tables&gt;&quot;', 'rm -rf &lt;dist&gt;', '-one\n</span>']) expect(page).toContain(part);
    expect([...markdown.matchAll(/```json/g)]).toHaveLength(1);
  });

  it('says what is left out of an output', () => {
    for (const format of [markdownFormat, htmlFormat]) expect(format.row(tool({ output: 'a', outputOmitted: 90_000 }), true)).toContain('90000 characters of the output are left out.');
  });

  it('is copied as it was said', () => {
    expect(rowMarkdown(prompt('Do **it**'))).toBe('Do **it**');
    expect(rowMarkdown({ ...base('h'), kind: 'thinking', text: 'Hm.', streaming: false })).toBe('Hm.');
    expect(rowsMarkdown([prompt('Do it'), text('Done.')])).toBe('## Prompt\n\nDo it\n\nDone.');
  });
});

describe('an HTML document', () => {
  it('shows what was said, with markdown, folds and figures', () => {
    const document = html([prompt('Raise it <now>'), text('It is **15 %**, see [the docs](https://example.org/a?b=1&c=2).\n\n| a |\n|--:|\n| 1 |'), tool({ title: 'src/fees.ts', output: '\u001B[31mred\u001B[0m', diffs: [] })]);
    expect(document).toContain('<div class="said" dir="auto">Raise it &lt;now&gt;</div>');
    expect(document).toContain('<h2>Prompt <time datetime="1970-01-01T00:00:00.000Z">1970-01-01 00:00 UTC</time></h2>');
    expect(document).toContain('<strong>15 %</strong>');
    expect(document).toContain('<a rel="noopener noreferrer" href="https://example.org/a?b=1&amp;c=2">the docs</a>');
    expect(document).toContain('<summary>Bash <span class="mono" dir="auto">src/fees.ts</span>');
    expect(document).toContain('<pre dir="ltr">red</pre>');
    expect(document).toMatch(/prefers-color-scheme: dark/);
  });

  it('needs nothing else and lets nothing else in', () => {
    const document = html(everyKind('x'));
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(document)?.[1] ?? '';
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; img-src data:; form-action 'none'; base-uri 'none'$/);
    expect(document).not.toMatch(/ style="|unsafe|<link|<script|src="http/);
  });

  it.each([
    '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '"><svg onload=alert(1)>', "' onmouseover='alert(1)", '[x](javascript:alert(1))', '[x](data:text/html,<script>alert(1)</script>)',
    '![x](https://example.org/leak.png)', '![x](javascript:alert(1))', '<https://example.org/"onclick=alert(1)>', '[x](<https://example.org/ "onclick=alert(1)>)', '```html"><script>\n<script>alert(1)</script>\n```', '<!--', '</style><script>alert(1)</script>',
    '</pre></details></main><iframe srcdoc="<script>alert(1)</script>">', '&lt;script&gt;', '<a href="https://x" onclick="alert(1)">x</a>', '[a]: javascript:alert(1)\n\n[a]', '\u0000<script>', 'https://example.org/<script>', '<meta http-equiv=refresh content=0>',
  ])('stays text whatever is in it: %s', (words) => {
    const document = html(everyKind(words)).replace(/<style>[^]*?<\/style>/, '');
    const tags = document.match(/<[a-zA-Z!/][^>]*>/g) ?? [];
    const own = /^<\/?(?:!DOCTYPE|html|head|meta|title|style|body|header|main|section|h[1-6]|p|code|time|div|span|pre|details|summary|ul|ol|li|a|img|strong|em|s|del|blockquote|table|thead|tbody|tr|th|td|hr|br)\b/i;
    for (const tag of tags) {
      expect(tag).toMatch(own);
      expect(tag.replaceAll(/"[^"]*"/g, '""')).not.toMatch(/\son\w+\s*=|\sstyle\s*=|\ssrcdoc|http-equiv=""[^>]*refresh/i);
      expect(/(?:href|src)="([^"]*)"/.exec(tag)?.[1] ?? 'https://').toMatch(tag.startsWith('<img') ? /^data:image\/(?:png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/=]+$/ : /^(?:https?:\/\/|mailto:)/);
    }
    expect(tags.filter((tag) => tag.startsWith('<img'))).toEqual([]);
    expect(tags.filter((tag) => tag.startsWith('<meta'))).toHaveLength(5);
  });

  it('shows pictures that cannot act', () => {
    const picture = (mediaType: string, data: string): Row => ({ ...base('f'), kind: 'file', file: { name: 'a "b"', mediaType, size: 1, data, path: null } });
    expect(html([picture('image/png', 'iVBORw0KGgo=')])).toContain('<img alt="a &quot;b&quot;" src="data:image/png;base64,iVBORw0KGgo=">');
    for (const row of [picture('image/svg+xml', 'PHN2Zz4='), picture('image/png', '"onload=')]) expect(html([row])).not.toContain('<img');
  });
});

describe('a document of a whole session', () => {
  const transcript = (rows: readonly Row[]) => ({ total: rows.length, rows: (start: number, end: number) => Promise.resolve({ start, rows: rows.slice(start, end) }), output: (key: string) => Promise.resolve(key === 'long' ? 'whole output' : null) });
  const collect = async (rows: readonly Row[], kind: DocumentKind = 'json', signal = new AbortController().signal): Promise<{ text: string; seen: [number, number][] }> => {
    const seen: [number, number][] = [];
    const document = await collectDocument({ transcript: transcript(rows), kind, head, signal, onProgress: (...at) => seen.push(at) });
    return { text: Buffer.from(document).toString('utf8'), seen };
  };

  it('has every row, and tells how far it is', async () => {
    const rows = Array.from({ length: 250 }, (_, index) => text(`row ${index}`));
    const { text: json, seen } = await collect(rows);
    expect((JSON.parse(json) as { rows: unknown[] }).rows).toEqual(rows);
    expect(seen).toEqual([[100, 250], [200, 250], [250, 250]]);
  });

  it('has outputs whole, also within a subagent', async () => {
    const cut = tool({ key: 'long', output: 'wh', outputOmitted: 10 });
    const { text: json } = await collect([tool({ key: 'agent', children: [text('a'), cut] }), tool({ key: 'gone', output: 'x', outputOmitted: 3 })]);
    expect((JSON.parse(json) as { rows: unknown[] }).rows).toMatchObject([{ children: [{ kind: 'text' }, { output: 'whole output', outputOmitted: 0 }] }, { output: 'x', outputOmitted: 3 }]);
  });

  it('is written in a thread of its own: nothing is rendered in this one', async () => {
    const render = vi.spyOn(MarkdownIt.prototype, 'parse');
    const rows = [prompt('Hello'), text('It is **so**.\n\n'.repeat(60_000)), text('a **bold that never ends '.repeat(1_000))];
    const { text: document } = await collect(rows, 'html');
    expect(render).not.toHaveBeenCalled();
    render.mockRestore();
    expect(document === html(rows)).toBe(true);
    expect((await collect(rows, 'markdown')).text === exportMarkdown(head, rows)).toBe(true);
  });

  it('is written by the bundles as they are shipped, too', async () => {
    const dist = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-export-'));
    try {
      const all = bundles({ root: process.cwd(), dist });
      const file = path.join(dist, 'collect.cjs');
      await Promise.all([esbuild.build(all['export-worker'] ?? {}), esbuild.build({ ...all['extension'], entryPoints: ['src/extension/export/collect.ts'], outfile: file })]);
      const made = createRequire(file)(file) as { readonly collectDocument: typeof collectDocument };
      const rows = [prompt('Hello'), text('It is **so**.')];
      const document = await made.collectDocument({ transcript: transcript(rows), kind: 'html', head, signal: new AbortController().signal, onProgress: () => undefined });
      expect(Buffer.from(document).toString('utf8')).toBe(html(rows));
    } finally {
      rmSync(dist, { recursive: true, force: true });
    }
  });

  it('says so when the thread fails, and what to do', async () => {
    await using thread = new WritingThread(new URL('data:text/javascript,setTimeout(()=>{throw new Error("no memory")},20)'));
    await expect(thread.ask('page', new AbortController().signal)).rejects.toMatchObject({ code: 'export_failed', message: 'The document could not be written. Try again, or export as another kind of file.' });
  });

  it('ends while it is written, when it is broken off', async () => {
    const abort = new AbortController();
    await using thread = new WritingThread();
    thread.tell({ ask: 'begin', kind: 'html', head });
    const asked = thread.ask('page', abort.signal);
    abort.abort();
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('ends when it is broken off', async () => {
    await expect(collect([text('a')], 'json', AbortSignal.abort())).rejects.toThrow();
  });
});

describe('a turn in the list of turns', () => {
  it('is the first line of its prompt, with how it went', () => {
    expect(turnItem({ text: '\n Raise the discount\nto 15 %', at: 0, state: 'completed', filesChanged: 2 }, 3 * 3_600_000)).toEqual({ label: 'Raise the discount', description: '2 files changed · 3 h' });
    expect(turnItem({ text: 'x $(trash) [y](command:z)', at: null, state: 'failed', filesChanged: 1 }, 0)).toEqual({ label: 'x \\$(trash) [y](command:z)', description: 'failed · 1 file changed' });
    expect(turnItem({ text: '  ', at: null, state: null, filesChanged: 0 }, 0)).toEqual({ label: 'A prompt without words', description: '' });
  });
});
