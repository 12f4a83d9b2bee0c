import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Git } from './git.ts';

/**
 * Of the paths that a merge adds to what a folder has checked out, those where something of the person's is that git has not got: it would overwrite what is ignored without a word. Also a file or a
 * link in the place of a folder that it needs.
 */
export async function inTheWay(git: Git, folder: string, from: string, to: string): Promise<readonly string[]> {
  const added = split(await git.need(folder, ['diff', '--name-only', '-z', '--no-renames', '--diff-filter=A', from, to], { timeoutMs: 60_000 }));
  const kinds = new Map<string, Promise<Kind>>();
  const kindOf = (place: string): Promise<Kind> => {
    const known = kinds.get(place) ?? kindAt(path.join(folder, place));
    kinds.set(place, known);
    return known;
  };
  const there = new Set<string>();
  for (const file of added) {
    const place = await firstInPlace(file, kindOf);
    if (place !== null) there.add(place);
  }
  if (there.size === 0) return [];
  // Where letters of either case are one name, git may have it by the other.
  const either = (await git.run(folder, ['config', '--type=bool', 'core.ignorecase'])).stdout.trim() === 'true';
  const asked = [...there].map((place) => `:(top,literal${either ? ',icase' : ''})${place}`);
  const found: string[] = [];
  for (let at = 0; at < asked.length; at += 200) found.push(...split(await git.need(folder, ['ls-files', '--others', '-z', '--', ...asked.slice(at, at + 200)])));
  return found;
}

type Kind = 'none' | 'folder' | 'other';

const kindAt = (file: string): Promise<Kind> => lstat(file).then((found) => (found.isDirectory() ? 'folder' : 'other'), () => 'none');
const split = (text: string): readonly string[] => text.split('\0').filter((each) => each !== '');

/** What of a path is there and is no folder on the way to it: a parent, or its end; null where nothing is. */
async function firstInPlace(file: string, kindOf: (place: string) => Promise<Kind>): Promise<string | null> {
  const parts = file.split('/');
  for (let depth = 1; depth < parts.length; depth += 1) {
    const parent = parts.slice(0, depth).join('/');
    const kind = await kindOf(parent);
    if (kind !== 'folder') return kind === 'none' ? null : parent;
  }
  return (await kindOf(file)) === 'none' ? null : file;
}

/**
 * Where a branch is being rebased or bisected, in a folder of the repository, and which of the two; null where it is not. No folder has it checked out
 * meanwhile, and git moves it when that ends. Told by files of git's own: `head-name` and `update-refs` of git-rebase, `BISECT_START` of git-bisect.
 */
export async function heldBy(common: string, branch: string): Promise<{ readonly folder: string; readonly doing: 'rebased' | 'bisected' } | null> {
  const linked = await readdir(path.join(common, 'worktrees')).catch(() => []);
  const ref = `refs/heads/${branch}`;
  for (const gitDir of [common, ...linked.map((name) => path.join(common, 'worktrees', name))]) {
    const lines = async (file: string): Promise<readonly string[]> => (await readFile(path.join(gitDir, file), 'utf8').catch(() => '')).split(/\r?\n/);
    const rebased = [...(await lines('rebase-merge/head-name')), ...(await lines('rebase-apply/head-name')), ...(await lines('rebase-merge/update-refs'))].includes(ref);
    const bisected = (await lines('BISECT_START')).some((each) => each === branch || each === ref);
    if (!rebased && !bisected) continue;
    const [link = ''] = await lines('gitdir');
    return { folder: link === '' && path.basename(common) !== '.git' ? common : path.dirname(link === '' ? common : link), doing: rebased ? 'rebased' : 'bisected' };
  }
  return null;
}
