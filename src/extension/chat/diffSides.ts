import { applyPatch, parsePatch, reversePatch } from 'diff';
import type { FileDiff } from '../../core/model/entry.ts';

/** Both sides of a change: the whole texts where they are known or follow from the patch, else the hunks' lines alone. */
export function diffSides(diff: FileDiff): { before: string; after: string } {
  if (diff.change === 'create' && diff.after !== null) return { before: '', after: diff.after };
  if (diff.change === 'delete' && diff.before !== null) return { before: diff.before, after: '' };
  if (diff.before !== null && diff.after !== null) return { before: diff.before, after: diff.after };
  const headed = `--- a\n+++ b\n${diff.patch.endsWith('\n') ? diff.patch : `${diff.patch}\n`}`;
  try {
    if (diff.before !== null) {
      const after = applyPatch(diff.before, headed);
      if (after !== false) return { before: diff.before, after };
    }
    const [parsed] = parsePatch(headed);
    if (diff.after !== null && parsed !== undefined) {
      const before = applyPatch(diff.after, reversePatch(parsed));
      if (before !== false) return { before, after: diff.after };
    }
  } catch {
    // A patch that jsdiff does not read is shown line by line below.
  }
  const before: string[] = [];
  const after: string[] = [];
  for (const line of diff.patch.split('\n')) {
    if (line.startsWith('@@') || line.startsWith('\\')) continue;
    if (line.startsWith('-')) before.push(line.slice(1));
    else if (line.startsWith('+')) after.push(line.slice(1));
    else {
      before.push(line.slice(1));
      after.push(line.slice(1));
    }
  }
  return { before: before.join('\n'), after: after.join('\n') };
}
