import type { FileDiff } from '../../../model/entry.ts';
import type { WireChange } from './item.ts';
import { word } from './wire.ts';

/** Characters of a whole text that travels with a diff. */
const maxWhole = 512 * 1024;

function whole(text: string): string | null {
  return text.length > maxWhole ? null : text;
}

/** A text that is all added or all removed, as one hunk. */
function oneSided(sign: '+' | '-', text: string): { readonly patch: string; readonly lines: number } {
  if (text === '') return { patch: '', lines: 0 };
  const ended = text.endsWith('\n');
  const lines = (ended ? text.slice(0, -1) : text).split('\n');
  const range = sign === '+' ? `@@ -0,0 +1,${lines.length} @@` : `@@ -1,${lines.length} +0,0 @@`;
  return { patch: `${range}\n${lines.map((line) => sign + line).join('\n')}${ended ? '' : '\n\\ No newline at end of file'}`, lines: lines.length };
}

/** Only the hunks of a unified diff: no file headers, and not the `Moved to:` that Codex 0.169 puts after those of a moved file. */
function hunks(diff: string): string {
  const start = diff.startsWith('@@') ? 0 : diff.indexOf('\n@@') + 1;
  if (start === 0 && !diff.startsWith('@@')) return '';
  return diff.slice(start).replace(/\n+Moved to: [^\n]*\n?$/, '').replace(/\n$/, '');
}

/**
 * From a change of a `fileChange` item. Of an added or deleted file Codex gives the text, of another one the hunks; a file that is added over one
 * that is there is told as added too.
 */
export function diffOf(change: WireChange): FileDiff {
  const kind = word(change.kind.type);
  if (kind === 'add') {
    const side = oneSided('+', change.diff);
    return { path: change.path, change: 'create', oldPath: null, patch: side.patch, added: side.lines, removed: 0, before: null, after: whole(change.diff) };
  }
  if (kind === 'delete') {
    const side = oneSided('-', change.diff);
    return { path: change.path, change: 'delete', oldPath: null, patch: side.patch, added: 0, removed: side.lines, before: whole(change.diff), after: null };
  }
  const patch = hunks(change.diff);
  const lines = patch.split('\n');
  const target = change.kind.move_path;
  const moved = target !== null && target !== '' && target !== change.path;
  return {
    path: moved ? target : change.path, change: moved ? 'rename' : 'modify', oldPath: moved ? change.path : null, patch,
    added: lines.filter((line) => line.startsWith('+')).length, removed: lines.filter((line) => line.startsWith('-')).length, before: null, after: null,
  };
}
