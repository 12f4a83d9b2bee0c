import { opendir, stat } from 'node:fs/promises';
import path from 'node:path';

/** Time and size of every file below a folder, by its path relative to it. */
type Snapshot = ReadonlyMap<string, string>;

/** Folders that are looked at at once. */
const width = 32;

/**
 * Every file below `folder`, nothing left out. A link to a file counts as the file; a link to a folder is not followed, so that nothing is counted
 * twice and no circle is walked. What vanishes or may not be read meanwhile is not there.
 */
export async function takeSnapshot(folder: string): Promise<Snapshot> {
  const found = new Map<string, string>();
  for (let level = ['']; level.length > 0; ) {
    const deeper: string[] = [];
    for (let from = 0; from < level.length; from += width) await Promise.all(level.slice(from, from + width).map((relative) => walk(folder, relative, deeper, found)));
    level = deeper;
  }
  return found;
}

async function walk(root: string, relative: string, folders: string[], found: Map<string, string>): Promise<void> {
  const entries = await opendir(path.join(root, relative)).catch(() => null);
  if (entries === null) return;
  for await (const entry of entries) {
    const name = relative === '' ? entry.name : `${relative}/${entry.name}`;
    if (entry.isDirectory()) {
      folders.push(name);
      continue;
    }
    const facts = await stat(path.join(root, name), { bigint: true }).catch(() => null);
    if (facts?.isFile() === true) found.set(name, `${facts.mtimeNs}:${facts.size}`);
  }
}

/** What is new and what is another one, each sorted. */
export function compareSnapshots(before: Snapshot, after: Snapshot): { readonly created: readonly string[]; readonly modified: readonly string[] } {
  const created: string[] = [];
  const modified: string[] = [];
  for (const [name, mark] of after) {
    const known = before.get(name);
    if (known === undefined) created.push(name);
    else if (known !== mark) modified.push(name);
  }
  return { created: created.sort(), modified: modified.sort() };
}
