import { lstat, readdir, rmdir } from 'node:fs/promises';
import path from 'node:path';

/**
 * Folders that Codex's sandbox puts over a working folder while a command runs. When the command is killed they stay behind, empty (seen with
 * Codex 0.169 and its bubblewrap).
 */
const names = ['.git', '.codex', '.agents', '.aws'] as const;

/** Which of them are there. */
export async function presentIn(folder: string): Promise<ReadonlySet<string>> {
  const present = new Set<string>();
  for (const name of names) {
    if ((await lstat(path.join(folder, name)).catch(() => null)) !== null) present.add(name);
  }
  return present;
}

/** Removes those that are empty folders and were not there `before`. Gives the names of what it removed. */
export async function removeLeftovers(folder: string, before: ReadonlySet<string>): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of names) {
    if (before.has(name)) continue;
    const place = path.join(folder, name);
    const facts = await lstat(place).catch(() => null);
    if (facts === null || !facts.isDirectory()) continue;
    const content = await readdir(place).catch(() => ['?']);
    if (content.length > 0) continue;
    // Fails on a folder that something has been put into meanwhile.
    if (await rmdir(place).then(() => true, () => false)) removed.push(name);
  }
  return removed;
}
