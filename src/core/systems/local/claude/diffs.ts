import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { structuredPatch } from 'diff';
import type { FileDiff } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { list, num, str } from './wire.ts';

/** Characters of the largest whole text that a diff carries, and of the largest that is compared here. */
const maxWhole = 512 * 1024;

interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly lines: readonly string[];
}

function whole(text: string | null): string | null {
  return text !== null && text.length <= maxWhole ? text : null;
}

function fromHunks(file: string, hunks: readonly Hunk[], before: string | null, after: string | null, existed: boolean): FileDiff {
  let added = 0;
  let removed = 0;
  const text: string[] = [];
  for (const hunk of hunks) {
    // A side without lines is named by the line before it.
    const [oldStart, newStart] = [hunk.oldLines === 0 ? hunk.oldStart - 1 : hunk.oldStart, hunk.newLines === 0 ? hunk.newStart - 1 : hunk.newStart];
    text.push(`@@ -${oldStart},${hunk.oldLines} +${newStart},${hunk.newLines} @@`);
    for (const line of hunk.lines) {
      if (line.startsWith('+')) added += 1;
      if (line.startsWith('-')) removed += 1;
      text.push(line);
    }
  }
  return {
    path: file, change: existed ? 'modify' : 'create', oldPath: null, patch: text.length === 0 ? '' : `${text.join('\n')}\n`, added, removed,
    before: existed ? whole(before) : null, after: whole(after),
  };
}

/** The change from one text to another; `before` null: the file did not exist. */
export function diffOf(file: string, before: string | null, after: string): FileDiff {
  if ((before?.length ?? 0) > maxWhole || after.length > maxWhole) return fromHunks(file, [], before, after, before !== null);
  const patch = structuredPatch(file, file, before ?? '', after, undefined, undefined, { context: 3 });
  return fromHunks(file, patch.hunks, before, after, before !== null);
}

function hunksOf(detail: JsonObject): readonly Hunk[] {
  return list(detail, 'structuredPatch').filter(isJsonObject).map((hunk) => ({
    oldStart: num(hunk, 'oldStart') ?? 0, oldLines: num(hunk, 'oldLines') ?? 0, newStart: num(hunk, 'newStart') ?? 0, newLines: num(hunk, 'newLines') ?? 0,
    lines: list(hunk, 'lines').filter((line) => typeof line === 'string'),
  }));
}

interface Replacement {
  readonly from: string;
  readonly to: string;
  readonly all: boolean;
}

function replacements(input: JsonObject): readonly Replacement[] | null {
  const one = (edit: JsonObject): Replacement | null => {
    const from = str(edit, 'old_string') ?? str(edit, 'oldString');
    const to = str(edit, 'new_string') ?? str(edit, 'newString');
    return from === null || to === null ? null : { from, to, all: edit['replace_all'] === true || edit['replaceAll'] === true };
  };
  const edits = Array.isArray(input['edits']) ? list(input, 'edits').filter(isJsonObject).map(one) : [one(input)];
  const found = edits.filter((edit) => edit !== null);
  return found.length === edits.length && found.length > 0 ? found : null;
}

/** The text after the replacements; null when one of them does not fit. */
function applied(text: string, edits: readonly Replacement[]): string | null {
  let result = text;
  for (const { from, to, all } of edits) {
    if (from === '' && result === '') result = to;
    else if (from === '' || !result.includes(from)) return null;
    else result = all ? result.replaceAll(from, () => to) : result.replace(from, () => to);
  }
  return result;
}

/**
 * What a tool changed, from its result's detail (`filePath`, `structuredPatch`, `originalFile`; Edit, MultiEdit and Write, from 2.0 on).
 * Empty where the result tells of no file.
 */
export function resultDiffs(detail: JsonValue): readonly FileDiff[] {
  if (!isJsonObject(detail)) return [];
  const file = str(detail, 'filePath');
  if (file === null || !Array.isArray(detail['structuredPatch'])) return [];
  const before = str(detail, 'originalFile');
  const content = str(detail, 'content');
  const existed = str(detail, 'type') !== 'create' && before !== null;
  const hunks = hunksOf(detail);
  const edits = replacements(detail);
  const after = content ?? (before !== null && edits !== null ? applied(before, edits) : null);
  if (hunks.length === 0 && after !== null) return [diffOf(file, existed ? before : null, after)];
  return [fromHunks(file, hunks, before, after, existed)];
}

/** What a call of Edit, MultiEdit or Write would change, as far as its input alone tells (its line numbers count within the replaced text). */
export function inputDiffs(tool: string, input: JsonObject): readonly FileDiff[] {
  const file = str(input, 'file_path');
  if (file === null) return [];
  const content = str(input, 'content');
  if (tool === 'Write' && content !== null) return [diffOf(file, null, content)];
  const edits = tool === 'Edit' || tool === 'MultiEdit' ? replacements(input) : null;
  if (edits === null) return [];
  // What is replaced is seldom a whole file: its end is no end of a file.
  const ended = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);
  return edits.map(({ from, to }) => ({ ...diffOf(file, ended(from), ended(to)), change: 'modify', before: null, after: null }));
}

/** The same against the file as it is now, so that line numbers and whole texts are true; falls back to the input alone. */
export async function previewDiffs(tool: string, input: JsonObject, folder: string): Promise<readonly FileDiff[]> {
  const named = str(input, 'file_path');
  const bare = inputDiffs(tool, input);
  if (named === null || bare.length === 0) return bare;
  const file = path.resolve(folder, named);
  const size = await stat(file).then((found) => (found.isFile() ? found.size : -1), () => null);
  if (size === null && tool === 'Write') return bare;
  if (size === null || size < 0 || size > 4 * maxWhole) return bare;
  const before = await readFile(file, 'utf8').catch(() => null);
  if (before === null) return bare;
  const edits = replacements(input);
  const after = tool === 'Write' ? str(input, 'content') : edits === null ? null : applied(before, edits);
  return after === null ? bare : [diffOf(named, before, after)];
}
