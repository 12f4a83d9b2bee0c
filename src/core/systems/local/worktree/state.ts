import { createHash } from 'node:crypto';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Git } from './git.ts';
import type { WorktreeRecord } from './records.ts';
import { branchOf } from './repository.ts';

/** What a worktree holds now. */
export interface WorktreeState {
  /** Its folder is there. */
  readonly folder: boolean;
  /** Git knows it as a worktree. */
  readonly known: boolean;
  /** The branch that is checked out in it, in short; null for none. */
  readonly branch: string | null;
  readonly head: string | null;
  /** Changed, staged and untracked paths; a folder of untracked ones is one, ending in `/`. */
  readonly uncommitted: readonly string[];
  /** Paths that git ignores, likewise. */
  readonly ignored: readonly string[];
  /** A merge, a rebase or the like is half done in it. */
  readonly operation: boolean;
  /** Commits that are on its base no longer or not yet: what a merge would bring. */
  readonly ahead: number;
  /** Commits that are on no other branch, tag or remote. */
  readonly alone: number;
}

const exists = (file: string): Promise<boolean> => access(file).then(() => true, () => false);
const text = (code: number | null, stdout: string): string | null => (code === 0 ? stdout.trim() : null);

/** Of all worktrees, by what git keeps for this one. It holds wherever its folder is moved. */
export const inPlace = (gitDir: string, folder: string): Readonly<Record<string, string>> => ({ GIT_DIR: gitDir, GIT_WORK_TREE: folder });

/** What git keeps for a worktree, where that is there; of one whose making was cut short, its folder tells. */
export async function gitDirOf(record: WorktreeRecord): Promise<string | null> {
  const dir = record.gitDir ?? /^gitdir: (.+?)\r?\n?$/.exec(await readFile(path.join(record.path, '.git'), 'utf8').catch(() => ''))?.[1] ?? null;
  return dir !== null && (await exists(path.join(dir, 'HEAD'))) ? dir : null;
}

const OPERATIONS = ['MERGE_HEAD', 'CHERRY_PICK_HEAD', 'REVERT_HEAD', 'rebase-merge', 'rebase-apply', 'BISECT_LOG'];

/** Whether a merge, a rebase or the like is half done there. */
export async function isBusy(gitDir: string): Promise<boolean> {
  return (await Promise.all(OPERATIONS.map((name) => exists(path.join(gitDir, name))))).includes(true);
}

/** Paths of `git status`, from its NUL-separated form: `XY path`, where a rename is followed by what it was called. */
export function statusPaths(status: string): { readonly uncommitted: readonly string[]; readonly ignored: readonly string[] } {
  const [uncommitted, ignored]: [string[], string[]] = [[], []];
  const parts = status.split('\0');
  for (let at = 0; at < parts.length; at += 1) {
    const part = parts[at] ?? '';
    if (part.length < 4) continue;
    (part.startsWith('!!') ? ignored : uncommitted).push(part.slice(3));
    if (/^(?:R|C|.R|.C)/.test(part)) at += 1;
  }
  return { uncommitted, ignored };
}

export async function stateOf(git: Git, record: WorktreeRecord): Promise<WorktreeState> {
  const folder = (await stat(record.path).catch(() => null))?.isDirectory() === true;
  const gitDir = await gitDirOf(record);
  const [tips, branch, head] = [[] as string[], null as string | null, null as string | null];
  const seen = { branch, head, uncommitted: [] as readonly string[], ignored: [] as readonly string[], operation: false };
  if (gitDir !== null) {
    const env = inPlace(gitDir, folder ? record.path : gitDir);
    const at = folder ? record.path : gitDir;
    const [branchThere, commit] = await Promise.all([branchOf(git, at, { env }), git.run(at, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], { env })]);
    seen.branch = branchThere;
    seen.head = text(commit.code, commit.stdout);
    seen.operation = await isBusy(gitDir);
    if (folder) Object.assign(seen, statusPaths(await git.need(record.path, ['status', '--porcelain=v1', '-z', '--untracked-files=normal', '--ignored=traditional'], { env, timeoutMs: 120_000 })));
  } else if (folder) {
    // Git forgot it: nothing tells any more what of it is committed.
    seen.uncommitted = await readdir(record.path);
  }
  // The whole repository is gone: what there is, is in the folder.
  if (!(await exists(record.repository))) return { folder, known: false, ...seen, ahead: 0, alone: 0 };
  if (seen.head !== null) tips.push(seen.head);
  const own = await git.run(record.repository, [`--git-dir=${record.repository}`, 'rev-parse', '--verify', '--quiet', `refs/heads/${record.branch}^{commit}`]);
  if (own.code === 0) tips.push(own.stdout.trim());
  return { folder, known: gitDir !== null, ...seen, ahead: await countOf(git, record, tips, record.base === null ? record.commit : `refs/heads/${record.base}`), alone: (await aloneOf(git, record, tips)).length };
}

async function countOf(git: Git, record: WorktreeRecord, tips: readonly string[], base: string): Promise<number> {
  if (tips.length === 0) return 0;
  const counted = await git.run(record.repository, [`--git-dir=${record.repository}`, 'rev-list', '--count', ...tips, '--not', base]);
  return counted.code === 0 ? Number(counted.stdout) : 0;
}

/** Commits that can be reached from `tips` and, but for the worktree's own branch, from no ref; newest first. */
export async function aloneOf(git: Git, record: WorktreeRecord, tips: readonly string[], keepBranch = false): Promise<readonly string[]> {
  if (tips.length === 0) return [];
  const but = keepBranch ? [] : [`--exclude=refs/heads/${record.branch}`];
  const listed = await git.need(record.repository, [`--git-dir=${record.repository}`, 'rev-list', '--stdin', '--not', ...but, '--glob=refs/*'], { input: `${tips.join('\n')}\n`, timeoutMs: 60_000 });
  return listed.split('\n').filter((sha) => sha !== '');
}

/** Stands for what the person was shown: another one, when more was done since. */
export function printOf(state: WorktreeState): string {
  return createHash('sha256').update(JSON.stringify([state.folder, state.known, state.branch, state.head, state.uncommitted, state.operation, state.ahead, state.alone])).digest('hex').slice(0, 16);
}
