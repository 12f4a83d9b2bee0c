import { describe, expect, it } from 'vitest';
import { KeptDraft } from '../../../src/extension/chat/kept.ts';
import { below, lineMark, rankPaths } from '../../../src/extension/chat/score.ts';

const picture = { name: 'dot.png', mediaType: 'image/png', size: 3, data: 'AAAA', path: null };

describe('what @ offers', () => {
  it('begins with files whose name begins with what was typed, then the shorter ones', () => {
    expect(rankPaths(['docs/report-guide.md', 'src/report.ts', 'a/very/long/path/rept.ts', 'src/other.ts', 'lib/my-report.ts'], 'rep')).toEqual(['src/report.ts', 'docs/report-guide.md', 'a/very/long/path/rept.ts', 'lib/my-report.ts']);
    expect(rankPaths(Array.from({ length: 100 }, (_, place) => `file${place}.ts`), '')).toHaveLength(30);
  });

  it('names paths relative to the session’s folder, and none outside of it', () => {
    expect(below('/work/a', '/work/a/src/x.ts')).toBe('src/x.ts');
    expect(below('/work/a', '/work/a')).toBe('');
    for (const [folder, file] of [['/work/a', '/work/ab/x.ts'], ['/work/a', '/work/x.ts'], ['', '/x.ts'], ['/work/a', '']] as const) expect(below(folder, file)).toBeNull();
    expect(below('/work/a', '/work/a/..x.ts')).toBe('..x.ts');
    expect([lineMark(5, 5), lineMark(5, 10)]).toEqual(['#L5', '#L5-10']);
  });
});

describe('a draft that is kept', () => {
  function keep(values: Map<string, string>): ConstructorParameters<typeof KeptDraft>[0] {
    return {
      get: (key) => Promise.resolve(values.get(key) ?? null),
      set: (key, value) => Promise.resolve(void (value === null ? values.delete(key) : values.set(key, value))),
      list: () => Promise.resolve(new Map()),
    };
  }

  it('brings its text and its files back', async () => {
    const values = new Map<string, string>();
    const one = new KeptDraft(keep(values), 'k');
    await one.save('half a sent', [picture]);
    await one.save('half a sentence', undefined);
    const other = new KeptDraft(keep(values), 'k');
    await other.load();
    expect([other.text, other.files]).toEqual(['half a sentence', [picture]]);
    await other.save('', []);
    expect(values.size).toBe(0);
  });

  it('has no files where what was kept is none of ours, and keeps what was written while it was read', async () => {
    const values = new Map([['k', 'kept'], ['k\u0000files', '[{"name":7}]']]);
    const draft = new KeptDraft(keep(values), 'k');
    const loading = draft.load();
    void draft.save('written meanwhile', undefined);
    await loading;
    expect([draft.text, draft.files]).toEqual(['written meanwhile', []]);
    values.set('k\u0000files', 'no json');
    const other = new KeptDraft(keep(values), 'k');
    await other.load();
    expect(other.files).toEqual([]);
  });

  it('is there for a chat that is closed before it was read, until it is emptied', async () => {
    const values = new Map([['k', 'half a sentence']]);
    expect(await new KeptDraft(keep(values), 'k').isWritten()).toBe(true);
    const emptied = new KeptDraft(keep(values), 'k');
    await emptied.load();
    await emptied.save('', undefined);
    expect(await emptied.isWritten()).toBe(false);
    expect(await new KeptDraft(keep(new Map([['k\u0000files', JSON.stringify([picture])]])), 'k').isWritten()).toBe(true);
  });

  it('lives without its store', async () => {
    const draft = new KeptDraft({ get: () => Promise.reject(new Error('gone')), set: () => Promise.reject(new Error('gone')), list: () => Promise.reject(new Error('gone')) }, 'k');
    await draft.load();
    await draft.save('text', [picture]);
    expect(draft.text).toBe('text');
  });
});
