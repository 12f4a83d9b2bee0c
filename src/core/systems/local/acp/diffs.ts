import { structuredPatch } from 'diff';
import type { FileDiff } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import { obj, str } from './read.ts';

/** Characters of a whole text that travels with a diff. */
const maxWhole = 512 * 1024;

/** A text that is all added or all removed, as one hunk. */
function oneSided(sign: '+' | '-', text: string): { readonly patch: string; readonly lines: number } {
  if (text === '') return { patch: '', lines: 0 };
  const cut = text.endsWith('\n') ? text.slice(0, -1) : text;
  const lines = cut.split('\n');
  const range = sign === '+' ? `@@ -0,0 +1,${lines.length} @@` : `@@ -1,${lines.length} +0,0 @@`;
  const body = lines.map((line) => sign + line).join('\n');
  return { patch: `${range}\n${body}${text.endsWith('\n') ? '' : '\n\\ No newline at end of file'}`, lines: lines.length };
}

/**
 * What changed between two texts of a file, as unified hunks with three lines of context. `before: null` means that the file was not there.
 * Texts that differ too much to be compared within 200 ms are shown as one hunk that replaces the whole.
 */
export function diffTexts(path: string, before: string | null, after: string | null): FileDiff {
  const whole = (text: string | null): string | null => (text === null || text.length > maxWhole ? null : text);
  const change = before === null ? 'create' : after === null ? 'delete' : 'modify';
  const base = { path, change, oldPath: null, before: whole(before), after: whole(after) } as const;
  if (before === null || after === null || before === '' || after === '') {
    const gone = oneSided('-', before ?? '');
    const come = oneSided('+', after ?? '');
    return { ...base, patch: [gone.patch, come.patch].filter((part) => part !== '').join('\n'), added: come.lines, removed: gone.lines };
  }
  const patch = structuredPatch(path, path, before, after, undefined, undefined, { context: 3, timeout: 200 });
  if (patch === undefined) {
    const gone = oneSided('-', before);
    const come = oneSided('+', after);
    const body = (text: string): string => text.slice(text.indexOf('\n') + 1);
    return { ...base, patch: `@@ -1,${gone.lines} +1,${come.lines} @@\n${body(gone.patch)}\n${body(come.patch)}`, added: come.lines, removed: gone.lines };
  }
  const lines = patch.hunks.flatMap((hunk) => [`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`, ...hunk.lines]);
  const count = (sign: string): number => patch.hunks.reduce((sum, hunk) => sum + hunk.lines.filter((line) => line.startsWith(sign)).length, 0);
  return { ...base, patch: lines.join('\n'), added: count('+'), removed: count('-') };
}

/**
 * From ACP's `{type:"diff", path, oldText, newText}` (schema v1, Diff). `_meta.kind` of codex-acp 2.6 (`add`, `update`, `delete`) tells a deletion,
 * which the schema itself cannot. Null where there is no path or text.
 */
export function diffOf(content: JsonObject): FileDiff | null {
  const path = str(content, 'path');
  const after = str(content, 'newText');
  if (path === null || after === null) return null;
  const kind = str(obj(content, '_meta') ?? {}, 'kind');
  return diffTexts(path, kind === 'add' ? null : str(content, 'oldText'), kind === 'delete' ? null : after);
}
