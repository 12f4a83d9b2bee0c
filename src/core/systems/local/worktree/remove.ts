import { randomBytes } from 'node:crypto';
import { access, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { PilothouseError } from '../../../model/errors.ts';
import { moveToTrash } from '../trash.ts';
import type { Git } from './git.ts';
import { keepWork } from './keep.ts';
import type { WorktreeRecord } from './records.ts';
import { folderOfBranch } from './repository.ts';
import { aloneOf, gitDirOf, inPlace, statusPaths } from './state.ts';

/** What is left of a worktree that was removed. */
export interface Removed {
  /** Refs in the repository that hold what nothing else does. */
  readonly refs: readonly string[];
  /** The folder in our trash that holds its files as they were, for thirty days; null where git has every byte of them. */
  readonly trash: string | null;
  /** Its branch is there still. */
  readonly branchStays: boolean;
}

interface Removal {
  readonly git: Git;
  readonly record: WorktreeRecord;
  /** Folder of ours that has the trash in it. */
  readonly root: string;
  readonly keepBranch: boolean;
  readonly now: number;
}

/** Of `ls-files -v -s`: `H 100644 <sha> 0<tab>file`. */
const ENTRY = /^(?<tag>\S) (?<mode>\d+) (?<sha>[0-9a-f]+) \d\t(?<file>.*)$/s;
/** Every file is read once. */
const HASH_MS = 300_000;
const exists = (file: string): Promise<boolean> => access(file).then(() => true, () => false);

/**
 * Takes a worktree away: first what only it holds goes into a ref, then its folder into our trash, then what git keeps for it, then its branch. Each step begins where an earlier run ended, and
 * before each all that was there is there still or kept. Files leave the trash at once only when git has every byte of all of them. The caller sees to it that nothing works in it and that the person agreed.
 */
export async function removeWorktree({ git, record, root, keepBranch, now }: Removal): Promise<Removed> {
  const id = `${path.basename(record.path)}-${randomBytes(3).toString('hex')}`;
  const stamp = `${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${randomBytes(3).toString('hex')}`;
  const gitDir = await gitDirOf(record);
  const folder = (await exists(record.path)) ? record.path : null;
  if (!(await exists(record.repository))) return { refs: [], trash: folder === null ? null : await moveToTrash([folder], root, id, now), branchStays: false };
  const before = await keepWork(git, { record, folder, gitDir, keepBranch, stamp });
  let [trash, after] = [null as string | null, before];
  if (folder !== null) {
    trash = await moveToTrash([folder], root, id, now);
    const moved = path.join(trash, path.basename(folder));
    // What was written between the first look and the move.
    if (gitDir !== null) after = await keepWork(git, { record, folder: moved, gitDir, keepBranch, stamp: `${stamp}-2` });
    if (after !== null && after.tree === before?.tree && after.ref !== before.ref) {
      await git.need(record.repository, [`--git-dir=${record.repository}`, 'update-ref', '-d', after.ref]);
      after = before;
    }
    if (gitDir !== null && after === null && (await allCommitted(git, gitDir, moved))) {
      await rm(trash, { recursive: true, force: true });
      trash = null;
    }
  }
  if (gitDir !== null) {
    if (trash === null && folder !== null) await rm(gitDir, { recursive: true, force: true });
    else await moveToTrash([gitDir], root, id, now);
  }
  const branchStays = keepBranch || !(await branchRemoved(git, record));
  // Ours, and empty after the last worktree of its repository.
  await rmdir(path.dirname(record.path)).catch(() => undefined);
  return { refs: [...new Set([before, after].flatMap((kept) => (kept === null ? [] : [kept.ref])))], trash, branchStays };
}

/** True only where no byte of the folder is outside of git: nothing ignored, nothing that git was told not to look at, no repository within it, and no file that is committed otherwise than it is there. */
async function allCommitted(git: Git, gitDir: string, folder: string): Promise<boolean> {
  const env = inPlace(gitDir, folder);
  const { uncommitted, ignored } = statusPaths(await git.need(folder, ['status', '--porcelain=v1', '-z', '--untracked-files=normal', '--ignored=traditional'], { env, timeoutMs: 120_000 }));
  if (uncommitted.length > 0 || ignored.length > 0 || (await exists(path.join(gitDir, 'modules')))) return false;
  const entries = (await git.need(folder, ['ls-files', '-v', '-s', '-z'], { env })).split('\0').filter((each) => each !== '').map((each) => ENTRY.exec(each)?.groups ?? {});
  if (entries.some(({ tag, mode }) => tag !== 'H' || mode === '160000')) return false;
  // Links have no filters. Of the files, what a filter, `ident`, an encoding or line ends changed on the way to git is there alone.
  const files = entries.filter(({ mode }) => mode !== '120000').map(({ file = '', sha = '' }) => ({ file, sha }));
  if (files.some(({ file }) => /^"|[\r\n]/.test(file))) return false;
  const hashed = await git.run(folder, ['hash-object', '--no-filters', '--stdin-paths'], { env, input: files.map(({ file }) => `${file}\n`).join(''), timeoutMs: HASH_MS });
  return hashed.code === 0 && hashed.stdout === files.map(({ sha }) => `${sha}\n`).join('');
}

/** Whether its own branch is gone: it goes only as it was looked at, when nothing has it checked out and a ref holds all that is on it. */
async function branchRemoved(git: Git, record: WorktreeRecord): Promise<boolean> {
  const common = [`--git-dir=${record.repository}`];
  const ref = `refs/heads/${record.branch}`;
  const tip = await git.run(record.repository, [...common, 'rev-parse', '--verify', '--quiet', ref]);
  if (tip.code !== 0) return true;
  const sha = tip.stdout.trim();
  if ((await folderOfBranch(git, record.repository, record.branch)) !== null || (await aloneOf(git, record, [sha])).length > 0) return false;
  if ((await git.run(record.repository, [...common, 'update-ref', '-d', ref, sha])).code !== 0) return false;
  await git.run(record.repository, [...common, 'config', '--remove-section', `branch.${record.branch}`]);
  return true;
}

/** That what the person agreed to is not what is there. */
export function hasWork(): PilothouseError {
  return new PilothouseError('worktree_has_work', 'Something was done in the worktree meanwhile. Nothing was removed: look at what there is now, then choose again.', { personMustAct: true });
}
