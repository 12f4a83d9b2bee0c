import { PilothouseError } from '../../../model/errors.ts';
import { heldBy, inTheWay } from './base.ts';
import type { Git } from './git.ts';
import { lastWords } from './git.ts';
import type { WorktreeRecord } from './records.ts';
import { folderOfBranch } from './repository.ts';
import { gitDirOf, isBusy, statusPaths } from './state.ts';
import type { WorktreeState } from './state.ts';

const MERGE_MS = 180_000;
const words = (files: readonly string[]): string => `${files.slice(0, 5).join(', ')}${files.length > 5 ? ` and ${files.length - 5} more` : ''}`;
const refused = (code: string, message: string): PilothouseError => new PilothouseError(code, message, { personMustAct: true });

/** Commits all that git does not ignore on what is checked out in the worktree, as the person, with the repository's hooks. */
export async function commitAll(git: Git, record: WorktreeRecord, message: string): Promise<void> {
  const at = record.path;
  const gitDir = await gitDirOf(record);
  if (gitDir === null) throw refused('worktree_unknown', 'Git does not know this worktree any more, so nothing can be committed in it. Remove it: its files stay in the trash for thirty days.');
  // Without it git would look further up, where a repository of the person's may be around. Hooks see what git itself tells them in a linked worktree, and no more.
  const env = { GIT_DIR: gitDir };
  await git.need(at, ['add', '--all', '--', '.'], { env, hooks: true, timeoutMs: MERGE_MS });
  // A repository within this one would be committed as a mere mention of it.
  const inner = (await git.need(at, ['diff', '--cached', '--raw', '-z', '--no-renames'], { env })).split('\0');
  const mentioned = inner.flatMap((each, place) => (each.startsWith(':000000 160000 ') ? [inner[place + 1] ?? ''] : []));
  if (mentioned.length > 0) {
    await git.need(at, ['reset', '--quiet', '--', ...mentioned], { env });
    throw refused('inner_repository', `There is a repository of its own in ${words(mentioned)}. Move it out of the worktree, or commit by hand in a terminal, then try again.`);
  }
  if ((await git.run(at, ['diff', '--cached', '--quiet'], { env })).code === 0) return;
  const done = await git.run(at, ['commit', '--quiet', '--message', message], { env, hooks: true, timeoutMs: MERGE_MS });
  if (done.code !== 0) throw refused('commit_refused', `Git did not commit: ${lastWords(done.stderr, done.stdout)} Nothing was merged or removed.`);
}

/**
 * Merges what the worktree has checked out into the branch that it came from: where that is checked out, if nothing is uncommitted there; else without any working tree. Nothing is changed where the two
 * are in conflict. Rejects, with what to do, and leaves everything as it was.
 */
export async function mergeWorktree(git: Git, record: WorktreeRecord, state: WorktreeState): Promise<{ readonly into: string; readonly commits: number }> {
  const { base } = record;
  const common = [`--git-dir=${record.repository}`];
  if (base === null) throw refused('no_base', 'The worktree came from a commit that was on no branch, so there is none to merge it into. Keep its branch instead.');
  if (state.head === null) throw refused('nothing_to_merge', 'The worktree has no commit that could be merged.');
  if (state.operation) throw refused('operation_open', 'A merge or a rebase is half done in the worktree. Let it be finished there first.');
  if (state.uncommitted.length > 0) throw refused('uncommitted', `Not committed yet in the worktree: ${words(state.uncommitted)}. Nothing was merged.`);
  const tip = await git.run(record.repository, [...common, 'rev-parse', '--verify', '--quiet', `refs/heads/${base}^{commit}`]);
  if (tip.code !== 0) throw refused('base_gone', `The branch ${base} is not there any more. Keep the worktree’s branch instead, and merge it where you want it.`);
  const before = tip.stdout.trim();
  const holds = async (): Promise<boolean> => (await git.run(record.repository, [...common, 'merge-base', '--is-ancestor', state.head ?? '', `refs/heads/${base}`])).code === 0;
  if (await holds()) return { into: base, commits: 0 };
  const commits = Number(await git.need(record.repository, [...common, 'rev-list', '--count', state.head, '--not', before]));
  const where = await folderOfBranch(git, record.repository, base);
  const tree = await mergedTree(git, record, before, state.head);
  const held = await heldBy(record.repository, base);
  if (held !== null) throw refused('base_not_clean', `The branch ${base} is being ${held.doing} in ${held.folder}. Finish or abort that, then finish again. Nothing was merged.`);
  const name = state.branch ?? state.head;
  if (where !== null) await mergeIn(git, where, { base, head: state.head, what: state.branch === null ? 'commit' : 'branch', name, tree });
  else if (tree === null) throw refused('base_elsewhere', `The branch ${base} is checked out nowhere, and this version of git can merge only where it is. Check it out, then try again.`);
  else await mergeAside(git, record, { base, before, head: state.head, name, tree });
  if (!(await holds())) throw refused('merge_failed', `Git ended the merge, but ${base} does not have the worktree’s commits. Nothing was removed: merge by hand.`);
  return { into: base, commits };
}

/** The tree that a merge would give; null where git can't tell beforehand (before 2.38). Rejects with `merge_conflict`. */
async function mergedTree(git: Git, record: WorktreeRecord, ours: string, theirs: string): Promise<string | null> {
  const tried = await git.run(record.repository, [`--git-dir=${record.repository}`, 'merge-tree', '--write-tree', '--name-only', '--no-messages', '-z', ours, theirs], { timeoutMs: MERGE_MS });
  const [tree = '', ...files] = tried.stdout.split('\0').filter((each) => each !== '');
  if (tried.code === 1) throw conflict(record.base ?? '', files);
  return tried.code === 0 && tree !== '' ? tree.trim() : null;
}

function conflict(base: string, files: readonly string[]): PilothouseError {
  return refused('merge_conflict', `It was not merged: ${files.length === 0 ? 'files' : words(files)} changed both here and on ${base}. Nothing was touched. Ask the agent to merge ${base} into its branch, then finish again.`);
}

interface Within {
  readonly base: string;
  readonly head: string;
  /** What is merged, for the message: the branch `name`, or `head` alone. */
  readonly what: 'branch' | 'commit';
  readonly name: string;
  readonly tree: string | null;
}

/** Merges the very commit that was looked at, whatever else has the branch's name. */
async function mergeIn(git: Git, where: string, { base, head, what, name, tree }: Within): Promise<void> {
  const gitDir = (await git.need(where, ['rev-parse', '--absolute-git-dir'])).trim();
  const { uncommitted } = statusPaths(await git.need(where, ['status', '--porcelain=v1', '-z', '--untracked-files=no'], { timeoutMs: 60_000 }));
  if (uncommitted.length > 0 || (await isBusy(gitDir))) throw refused('base_not_clean', `The folder ${where} has ${base} checked out, and something is not committed there${uncommitted.length === 0 ? '' : `: ${words(uncommitted)}`}. Commit or stash it, then finish again. Nothing was merged.`);
  const tip = async (): Promise<string> => (await git.need(where, ['rev-parse', 'HEAD'])).trim();
  const before = await tip();
  const lost = await inTheWay(git, where, before, tree ?? head);
  if (lost.length > 0) throw refused('base_not_clean', `The merge would overwrite files in ${where} that are in no commit: ${words(lost)}. Move them away, then finish again. Nothing was merged.`);
  const message = (await git.need(where, ['fmt-merge-msg', '--no-log'], { input: `${head}\t\t${what} '${name}' of .\n` })).trim();
  const abort = async (): Promise<void> => {
    if ((await isBusy(gitDir)) && (await tip()) === before) await git.need(where, ['merge', '--abort']);
  };
  try {
    const merged = await git.run(where, ['merge', '--no-edit', '--no-squash', '--commit', '--no-autostash', '--no-overwrite-ignore', '--quiet', '-m', message, head], { hooks: true, timeoutMs: MERGE_MS });
    if (merged.code === 0) return;
    const files = (await git.run(where, ['diff', '--name-only', '--diff-filter=U', '-z'])).stdout.split('\0').filter((each) => each !== '');
    await abort();
    throw files.length > 0 ? conflict(base, files) : refused('merge_refused', `Git did not merge: ${lastWords(merged.stderr, merged.stdout)} Nothing was changed.`);
  } catch (error) {
    if (!(error instanceof PilothouseError) || error.code === 'git_timed_out') await abort();
    throw error;
  }
}

interface Aside {
  readonly base: string;
  readonly before: string;
  readonly head: string;
  readonly name: string;
  readonly tree: string;
}

/** The branch moves on, from what it was looked at as, without a working tree. */
async function mergeAside(git: Git, record: WorktreeRecord, { base, before, head, name, tree }: Aside): Promise<void> {
  const common = [`--git-dir=${record.repository}`];
  const forward = (await git.run(record.repository, [...common, 'merge-base', '--is-ancestor', before, head])).code === 0;
  const to = forward ? head : (await git.need(record.repository, [...common, 'commit-tree', tree, '-p', before, '-p', head, '-m', `Merge branch '${name}' into ${base}`])).trim();
  await git.need(record.repository, [...common, 'update-ref', '-m', `merge ${name}`, `refs/heads/${base}`, to, before]);
}
