import type { Entry } from '../model/entry.ts';
import { canonicalText } from './jsonText.ts';

/**
 * Which of two versions of one entry holds: the higher `rev`, then the greater canonical JSON (by code units). Positive when `a` does, 0 when they are
 * the same.
 */
export function compareVersions(a: Entry, b: Entry): number {
  if (a === b) return 0;
  if (a.rev !== b.rev) return a.rev < b.rev ? -1 : 1;
  if (plainlySame(a, b)) return 0;
  const left = canonicalText(a);
  const right = canonicalText(b);
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** The version of every entry that holds, by id. The result depends on the set of entries alone. */
export function mergeEntries(entries: Iterable<Entry>): Map<string, Entry> {
  const merged = new Map<string, Entry>();
  for (const entry of entries) {
    const known = merged.get(entry.id);
    if (known === undefined || compareVersions(entry, known) > 0) merged.set(entry.id, entry);
  }
  return merged;
}

/** Entries that come again mostly come with their keys in the same order: telling so costs a fraction of sorting the keys. */
function plainlySame(a: Entry, b: Entry): boolean {
  try {
    return JSON.stringify(a) === JSON.stringify(b);
  } catch {
    return false;
  }
}
