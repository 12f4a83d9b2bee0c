import { describe, expect, it } from 'vitest';
import type { Row, ToolRow } from '../../../src/core/model/row.ts';
import { readableRow } from '../../../src/core/session/readable.ts';
import { TranscriptSlice } from '../../../src/extension/chat/transcriptText.ts';

const base = (key: string) => ({ key, at: null, turn: null });
const prompt = (key: string, text: string): Row => ({ ...base(key), kind: 'prompt', text, attachments: [], clientId: null });
const text = (key: string, words: string): Row => ({ ...base(key), kind: 'text', text: words, streaming: false });
const tool = (more: Partial<ToolRow>): ToolRow => ({
  ...base('t'), kind: 'tool', name: 'Bash', verb: 'execute', title: 'npm test', status: 'ok', input: null, command: 'npm test', cwd: null, locations: [], diffs: [], output: '', outputOmitted: 0, exitCode: 0, durationMs: 1, attachments: [], children: [], ...more,
});

/** A transcript of these rows, which counts what is read of it. */
function transcript(rows: Row[]) {
  const read: number[] = [];
  return {
    read, push: (...more: Row[]) => rows.push(...more), replace: (index: number, row: Row) => void (rows[index] = row),
    view: {
      get total() {
        return rows.length;
      },
      rows: (start: number, end: number) => {
        read.push(end - start);
        return Promise.resolve({ start, rows: rows.slice(start, end) });
      },
    },
  };
}

describe('a row as plain text', () => {
  it('says what it is, how it ended, and what it holds, without control characters', () => {
    expect(readableRow(tool({ output: '\u001B[31mred\u001B[0m\r\n\u202Eliat\u0007\n', exitCode: 1, status: 'error' }), 'Codex')).toEqual({ head: 'Bash: npm test, exit 1', body: 'red\nliat' });
    const diff = { path: 'src/a.ts', change: 'modify', oldPath: null, patch: '@@ -1 +1 @@\n-a\n+b', added: 1, removed: 1, before: null, after: null } as const;
    expect(readableRow(tool({ name: 'Edit', command: null, title: 'src/a.ts', exitCode: null, diffs: [diff] }), 'Codex').head).toBe('Edit: src/a.ts, src/a.ts 1 added 1 removed');
    expect(readableRow(tool({ children: [text('c', 'within\n\nit')] }), 'Codex').body).toBe('  Codex\n  within\n\n  it');
    expect(readableRow({ ...base('e'), kind: 'turn', state: 'cancelled', durationMs: 2_000, figures: null, filesChanged: ['a.ts'], error: null }, 'Codex')).toEqual({ head: 'Turn stopped after 2 s', body: 'changed a.ts' });
  });

  it('of any length is cut, and says so', () => {
    const { body } = readableRow(text('a', 'x'.repeat(5_000_000)), 'Codex');
    expect(body.length).toBeLessThan(70_000);
    expect(body).toContain('(4940000 characters are left out here.)');
  });
});

describe('a transcript as a document', () => {
  it('is the last rows, with where each stands', async () => {
    const { view } = transcript([prompt('p', 'Go on'), text('a', 'one\ntwo')]);
    const made = await new TranscriptSlice(view).read(['The title', 'Codex on here'], 'Codex');
    expect(made.text).toBe('The title\nCodex on here\n\nYou\nGo on\n\nCodex\none\ntwo\n');
    expect(made.sections).toEqual([{ head: 'You', prompt: true, line: 3, lastLine: 4 }, { head: 'Codex', prompt: false, line: 6, lastLine: 8 }]);
    expect(made.earlierLine).toBeNull();
  });

  it('reads a bounded part of a session of any length, and more when it is asked to', async () => {
    const { view, read } = transcript(Array.from({ length: 100_000 }, (_, index) => text(`r${index}`, `row ${index}`)));
    const slice = new TranscriptSlice(view);
    const first = await slice.read([], 'Codex');
    expect(read).toEqual([400]);
    expect(first.sections).toHaveLength(400);
    expect(first.earlier).toBe(99_600);
    expect(first.text.split('\n')[first.earlierLine ?? -1]).toBe(`${(99_600).toLocaleString()} earlier rows are not here. Show Earlier Rows`);
    slice.more();
    expect((await slice.read([], 'Codex')).sections).toHaveLength(800);
    // However much each of them holds.
    const large = transcript(Array.from({ length: 300 }, (_, index) => text(`r${index}`, 'y'.repeat(50_000))));
    const made = await new TranscriptSlice(large.view).read([], 'Codex');
    expect(made.text.length).toBeLessThan(500_000);
    expect(made.earlier + made.sections.length).toBe(300);
  });

  it('follows: what is added stands behind what is there, word for word', async () => {
    const session = transcript([prompt('p', 'Go on'), text('a', 'one')]);
    const slice = new TranscriptSlice(session.view);
    const before = await slice.read([], 'Codex');
    session.replace(1, text('a', 'one two'));
    session.push(text('b', 'three'));
    const after = await slice.read([], 'Codex');
    expect(after.text.startsWith(before.text.trimEnd())).toBe(true);
    expect(after.text).toContain('one two\n\nCodex\nthree');
  });
});
