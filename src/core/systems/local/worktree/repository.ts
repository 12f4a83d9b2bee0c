import path from 'node:path';
import { PilothouseError } from '../../../model/errors.ts';
import type { Git } from './git.ts';

/** The repository of a folder, where a worktree can be made of it. */
export interface Repository {
  /** Top of the working tree that the folder is in, absolute. */
  readonly top: string;
  /** Its common folder (`.git`), absolute: the same for all its worktrees. */
  readonly common: string;
  /** From the top to the folder: empty, or ending in `/`. */
  readonly prefix: string;
  /** The branch that is checked out, in short; null for none (detached). */
  readonly branch: string | null;
  readonly commit: string;
}

const line = (text: string): string => text.replace(/\r?\n$/, '');

/** Rejects with `no_repository` where the folder is in no working tree (a bare repository has none), with `no_commit` where there is nothing yet to begin from. */
export async function repositoryOf(git: Git, folder: string, signal?: AbortSignal): Promise<Repository> {
  const options = { signal };
  const found = await git.run(folder, ['rev-parse', '--show-toplevel', '--git-common-dir', '--show-prefix'], options);
  const [top = '', common = '', prefix = ''] = found.stdout.split(/\r?\n/);
  if (found.code !== 0 || top === '' || common === '') throw new PilothouseError('no_repository', 'This folder is in no git repository with a working tree: a worktree can’t be made of it. Start the session in the folder itself.');
  const head = await git.run(folder, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], options);
  if (head.code !== 0) throw new PilothouseError('no_commit', 'This repository has no commit yet, so a worktree has nothing to begin from. Commit something first, or start the session in the folder itself.');
  const branch = await branchOf(git, folder, options);
  return { top: path.resolve(folder, top), common: path.resolve(folder, common), prefix, branch, commit: line(head.stdout) };
}

/** The branch that is checked out there, in short, also where a tag has its name; null for none. */
export async function branchOf(git: Git, folder: string, options?: Parameters<Git['run']>[2]): Promise<string | null> {
  const { code, stdout } = await git.run(folder, ['symbolic-ref', '--quiet', 'HEAD'], options);
  const ref = line(stdout);
  return code === 0 && ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null;
}

/** All branches, in short. */
export async function branchesOf(git: Git, folder: string): Promise<readonly string[]> {
  return (await git.need(folder, ['for-each-ref', '--format=%(refname)', 'refs/heads'])).split('\n').flatMap((ref) => (ref.startsWith('refs/heads/') ? [ref.slice('refs/heads/'.length)] : []));
}

/** Where a branch is checked out; null where nowhere. */
export async function folderOfBranch(git: Git, common: string, branch: string): Promise<string | null> {
  const listed = await git.need(common, [`--git-dir=${common}`, 'worktree', 'list', '--porcelain']);
  for (const block of listed.split('\n\n')) {
    const lines = block.split('\n');
    if (lines.includes(`branch refs/heads/${branch}`) && !lines.some((each) => each.startsWith('prunable'))) return lines[0]?.replace(/^worktree /, '') ?? null;
  }
  return null;
}
