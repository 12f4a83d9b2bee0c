import { structuredPatch } from 'diff';
import type { FileDiff } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { has, list, obj, objects, raw, str } from './read.ts';

/** Characters of the largest whole text that a diff carries. */
const maxWhole = 512 * 1024;
/** Characters of the largest text that is compared line by line. */
const maxCompared = 256 * 1024;

function whole(text: string | null): string | null {
  return text !== null && text.length <= maxWhole ? text : null;
}

/** A text that is all added or all removed, as one hunk. */
function oneSided(sign: '+' | '-', text: string): { readonly patch: string; readonly lines: number } {
  if (text === '') return { patch: '', lines: 0 };
  const ended = text.endsWith('\n');
  const lines = (ended ? text.slice(0, -1) : text).split('\n');
  const range = sign === '+' ? `@@ -0,0 +1,${lines.length} @@` : `@@ -1,${lines.length} +0,0 @@`;
  return { patch: `${range}\n${lines.map((line) => sign + line).join('\n')}${ended ? '' : '\n\\ No newline at end of file'}`, lines: lines.length };
}

function created(path: string, text: string): FileDiff {
  const side = oneSided('+', text);
  return { path, change: 'create', oldPath: null, patch: side.patch, added: side.lines, removed: 0, before: null, after: whole(text) };
}
function deleted(path: string, text: string): FileDiff {
  const side = oneSided('-', text);
  return { path, change: 'delete', oldPath: null, patch: side.patch, added: 0, removed: side.lines, before: whole(text), after: null };
}

function counted(path: string, oldPath: string | null, patch: string): FileDiff {
  let [added, removed] = [0, 0];
  for (const line of patch.split('\n')) {
    if (line.startsWith('+')) added += 1;
    else if (line.startsWith('-')) removed += 1;
  }
  return { path, change: oldPath === null ? 'modify' : 'rename', oldPath, patch, added, removed, before: null, after: null };
}

/** What replacing one text by another in a file changes; its line numbers count within the replaced text. `all`: both are the whole file. */
function replaced(path: string, from: string, to: string, all: boolean): FileDiff {
  // What is replaced is seldom a whole file: its end is no end of a file.
  const ended = (text: string): string => (all || text === '' || text.endsWith('\n') ? text : `${text}\n`);
  const [before, after] = [ended(from), ended(to)];
  const patch = before.length + after.length > maxCompared ? undefined : structuredPatch(path, path, before, after, undefined, undefined, { context: 3, timeout: 200 });
  const bodies = { before: all ? whole(from) : null, after: all ? whole(to) : null };
  if (patch === undefined) {
    const [gone, come] = [oneSided('-', before), oneSided('+', after)];
    const body = (text: string): string => text.slice(text.indexOf('\n') + 1);
    const lines = [gone, come].filter((side) => side.lines > 0).map((side) => body(side.patch)).join('\n');
    return { path, change: 'modify', oldPath: null, patch: `@@ -1,${gone.lines} +1,${come.lines} @@\n${lines}`, added: come.lines, removed: gone.lines, ...bodies };
  }
  const hunks = patch.hunks.map((hunk) => {
    // A side without lines is named by the line before it.
    const [oldStart, newStart] = [hunk.oldLines === 0 ? hunk.oldStart - 1 : hunk.oldStart, hunk.newLines === 0 ? hunk.newStart - 1 : hunk.newStart];
    return [`@@ -${oldStart},${hunk.oldLines} +${newStart},${hunk.newLines} @@`, ...hunk.lines].join('\n');
  });
  return { ...counted(path, null, hunks.join('\n')), ...bodies };
}

/** Only the hunks of a unified diff of one file, without file headers. */
function hunksOf(diff: string): string {
  if (diff.startsWith('@@')) return diff.replace(/\n$/, '');
  const start = diff.indexOf('\n@@');
  return start < 0 ? '' : diff.slice(start + 1).replace(/\n$/, '');
}

/** The diffs of a unified diff of any number of files. */
function unifiedDiffs(text: string): readonly FileDiff[] {
  const parts = text.split(/^(?=diff --git )/m).filter((part) => part.trim() !== '');
  const files = parts.some((part) => part.startsWith('diff --git ')) ? parts.filter((part) => part.startsWith('diff --git ')) : text.split(/^(?=--- )/m).filter((part) => part.startsWith('--- '));
  return files.flatMap((part) => {
    const head = part.slice(0, Math.max(0, part.indexOf('\n@@')));
    const name = (sign: string): string | null => new RegExp(`^${sign} (?:[ab]/)?(.+?)(?:\\t.*)?$`, 'm').exec(head)?.[1] ?? null;
    const [from, to] = [name('---'), name('\\+\\+\\+')];
    const hunks = hunksOf(part);
    const path = to === null || to === '/dev/null' ? from : to;
    if (path === null || path === '/dev/null') return [];
    const diff = counted(path, from !== null && to !== null && from !== '/dev/null' && to !== '/dev/null' && from !== to ? from : null, hunks);
    return [from === '/dev/null' ? { ...diff, change: 'create' as const, oldPath: null } : to === '/dev/null' ? { ...diff, change: 'delete' as const, oldPath: null } : diff];
  });
}

interface Replacement {
  readonly from: string;
  readonly to: string;
}
function replacement(edit: JsonObject): Replacement | null {
  const from = str(edit, 'old_string') ?? str(edit, 'oldString') ?? str(edit, 'oldText');
  const to = str(edit, 'new_string') ?? str(edit, 'newString') ?? str(edit, 'newText');
  return from === null || to === null ? null : { from, to };
}

/** One change of a patch: Codex' own forms (`add`, `update` with a unified diff, `delete`), those of its app-server (`kind` and `diff`), and whole texts. */
function changeDiff(path: string, change: JsonObject): FileDiff | null {
  const kind = str(change, 'type') ?? str(obj(change, 'kind'), 'type') ?? str(change, 'kind') ?? (has(change, 'add') ? 'add' : has(change, 'delete') ? 'delete' : 'update');
  const body = obj(change, kind) ?? obj(change, 'modify') ?? change;
  const moved = str(body, 'move_path') ?? str(obj(change, 'kind'), 'move_path');
  const text = str(body, 'content') ?? str(change, 'diff') ?? '';
  if (kind === 'add') return created(path, text);
  if (kind === 'delete') return deleted(path, text);
  const [from, to] = [str(body, 'old_content'), str(body, 'new_content')];
  if (from !== null && to !== null) return replaced(path, from, to, true);
  const unified = str(body, 'unified_diff') ?? str(change, 'diff');
  if (unified === null && moved === null) return null;
  const target = moved !== null && moved !== '' && moved !== path ? moved : null;
  return counted(target ?? path, target === null ? null : path, hunksOf(unified ?? ''));
}

function patchDiffs(changes: JsonValue): readonly FileDiff[] {
  const pairs: [string, JsonValue][] = Array.isArray(changes)
    ? (changes as readonly JsonValue[]).flatMap((one): [string, JsonValue][] => (str(one, 'path') === null ? [] : [[str(one, 'path') ?? '', one]]))
    : isJsonObject(changes) ? Object.entries(changes) : [];
  return pairs.flatMap(([path, change]) => (isJsonObject(change) ? (changeDiff(path, change) ?? []) : []));
}

/** What a call would change, as far as its arguments alone tell: edits of Claude, patches of Codex and Gemini, edits of other agents. */
export function diffsOf(tool: string, input: JsonObject): readonly FileDiff[] {
  if (has(input, 'changes')) return patchDiffs(raw(input, 'changes'));
  const unified = str(input, 'unified_diff');
  if (unified !== null) return unifiedDiffs(unified);
  const path = str(input, 'file_path') ?? str(input, 'filePath') ?? str(input, 'path');
  if (path === null) return [];
  const content = str(input, 'content');
  if (tool === 'Write' || tool === 'write_file' || tool === 'write') return content === null ? [] : [created(path, content)];
  if (tool === 'file-edit') {
    const [from, to, diff] = [str(input, 'oldContent'), str(input, 'newContent'), str(input, 'diff')];
    if (to !== null) return [from === null ? created(path, to) : replaced(path, from, to, true)];
    return diff === null ? [] : [counted(path, null, hunksOf(diff))];
  }
  const edits = list(input, 'edits').length > 0 ? objects(input, 'edits').map(replacement) : [replacement(input)];
  return edits.flatMap((edit) => (edit === null ? [] : [replaced(path, edit.from, edit.to, false)]));
}

/** Diffs among the content blocks of an ACP tool call: `{type: 'diff', path, oldText?, newText}`, whose texts are whole files. */
export function blockDiffs(blocks: readonly JsonValue[]): readonly FileDiff[] {
  return blocks.flatMap((block) => {
    const [path, from, to] = [str(block, 'path'), str(block, 'oldText'), str(block, 'newText')];
    if (str(block, 'type') !== 'diff' || path === null || to === null) return [];
    return [from === null ? created(path, to) : replaced(path, from, to, true)];
  });
}
