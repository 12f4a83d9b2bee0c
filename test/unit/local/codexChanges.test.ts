import { createTwoFilesPatch } from 'diff';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TurnFiles } from '../../../src/core/systems/local/codex/changes.ts';
import type { WireChange } from '../../../src/core/systems/local/codex/item.ts';

/** Only the hunks, as Codex gives them. */
function hunks(before: string, after: string): string {
  const patch = createTwoFilesPatch('a', 'a', before, after);
  return patch.slice(patch.indexOf('@@'));
}
const change = (path: string, type: string, diff: string, move: string | null = null): WireChange => ({ path, kind: { type, move_path: move }, diff });
const update = (path: string, before: string, after: string): WireChange => change(path, 'update', hunks(before, after));
const filesOf = (...changes: readonly WireChange[]): readonly string[] => {
  const files = new TurnFiles();
  for (const one of changes) files.apply([one]);
  return files.paths;
};

describe('the files that a turn has changed', () => {
  const [one, two, three] = ['a\nb\nc\nd\n', 'a\nB\nc\nd\n', 'a\nB\nc\nD\n'];

  it('are those of its patches, but for what was undone or came and went', () => {
    expect(filesOf(update('/w/b', one, two), change('/w/a', 'add', 'x\n'))).toEqual(['/w/a', '/w/b']);
    expect(filesOf(update('/w/b', one, two), update('/w/b', two, one))).toEqual([]);
    expect(filesOf(update('/w/b', one, two), update('/w/b', two, three), update('/w/b', three, two), update('/w/b', two, one))).toEqual([]);
    expect(filesOf(update('/w/b', one, two), update('/w/b', two, three), update('/w/b', three, two))).toEqual(['/w/b']);
    expect(filesOf(change('/w/a', 'add', one), update('/w/a', one, two), change('/w/a', 'delete', two))).toEqual([]);
    expect(filesOf(change('/w/a', 'delete', one), change('/w/a', 'add', one))).toEqual([]);
    expect(filesOf(change('/w/a', 'delete', one), change('/w/a', 'add', two))).toEqual(['/w/a']);
    expect(filesOf(change('/w/a', 'update', '', '/w/z'))).toEqual(['/w/z']);
    expect(filesOf(change('/w/a', 'update', '', '/w/z'), change('/w/z', 'update', '', '/w/a'))).toEqual([]);
  });

  it("are no more than Codex's own sum has, where that came after the last patch", () => {
    const files = new TurnFiles();
    files.apply([update('/w/a b.txt', one, three), update('/w/made.txt', one, two), change('/w/sub/ü.txt', 'add', 'x')]);
    files.sum('');
    expect(files.paths).toEqual([]);
    files.sum('diff --git a/made.txt b/made.txt\nindex 1..2\n--- a/made.txt\n+++ b/made.txt\n@@ -1 +1 @@\n-a\n+b\ndiff --git a/a b.txt b/a b.txt\n--- a/a b.txt\n+++ b/a b.txt\n');
    expect(files.paths).toEqual(['/w/a b.txt', '/w/made.txt']);
    files.sum('diff --git "a/sub/\\303\\274.txt" "b/sub/\\303\\274.txt"\nnew file mode 100644\n');
    expect(files.paths).toHaveLength(3);
    files.sum('');
    files.apply([change('/w/last', 'add', 'x')]);
    expect(files.paths).toContain('/w/last');
  });

  it('never lack one that is another at the end than it was before', () => {
    const texts = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 5 }).map((lines) => lines.map((line) => `${line}\n`).join(''));
    const step = fc.record({ path: fc.constantFrom('/w/x', '/w/y', '/w/z'), what: fc.constantFrom('write', 'delete', 'move', 'undo'), text: texts, to: fc.constantFrom('/w/x', '/w/y', '/w/z') });
    fc.assert(fc.property(fc.dictionary(fc.constantFrom('/w/x', '/w/y', '/w/z'), texts), fc.array(step, { maxLength: 12 }), (before, steps) => {
      const disk = new Map(Object.entries(before));
      const past: (readonly [string, string])[] = [];
      const files = new TurnFiles();
      const write = (path: string, text: string): void => {
        const old = disk.get(path);
        if (old === text) return;
        files.apply([old === undefined ? change(path, 'add', text) : update(path, old, text)]);
        if (old !== undefined) past.push([path, old]);
        disk.set(path, text);
      };
      for (const { path, what, text, to } of steps) {
        const old = disk.get(path);
        if (what === 'write') write(path, text);
        else if (what === 'undo') {
          const last = past.pop();
          if (last !== undefined && disk.has(last[0])) write(...last);
        } else if (old !== undefined && what === 'delete') {
          files.apply([change(path, 'delete', old)]);
          disk.delete(path);
        } else if (old !== undefined && !disk.has(to)) {
          files.apply([change(path, 'update', old === text ? '' : hunks(old, text), to)]);
          disk.delete(path);
          disk.set(to, text);
        }
      }
      for (const [path, text] of disk) if (before[path] !== text) expect(files.paths, JSON.stringify({ before, steps })).toContain(path);
    }), { numRuns: 2000 });
  });
});
