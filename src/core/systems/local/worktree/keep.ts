import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Git } from './git.ts';
import type { WorktreeRecord } from './records.ts';
import { aloneOf, inPlace } from './state.ts';

/** Whose commit it is, so that it needs nobody's name. */
const IDENTITY = { GIT_AUTHOR_NAME: 'Pilothouse', GIT_AUTHOR_EMAIL: 'pilothouse@localhost', GIT_COMMITTER_NAME: 'Pilothouse', GIT_COMMITTER_EMAIL: 'pilothouse@localhost' };
const PSEUDO = ['HEAD', 'ORIG_HEAD', 'MERGE_HEAD', 'CHERRY_PICK_HEAD', 'REVERT_HEAD', 'REBASE_HEAD', 'AUTO_MERGE', 'MERGE_AUTOSTASH', 'rebase-merge/autostash', 'rebase-apply/autostash', 'rebase-merge/orig-head', 'rebase-apply/orig-head', 'rebase-merge/onto'];
const SHA = /^[0-9a-f]{40,64}$/;
const MOST_PARENTS = 400;

interface Keeping {
  readonly record: WorktreeRecord;
  /** Where its files are now; null where they are gone. */
  readonly folder: string | null;
  /** What git keeps for it, where that is there. */
  readonly gitDir: string | null;
  /** Its branch stays, and so does what is on it. */
  readonly keepBranch: boolean;
  /** Part of the ref's name, unlike any before. */
  readonly stamp: string;
}

/**
 * Keeps in a ref what a worktree holds and nothing else does: a commit of its files (those that git ignores are left out), with HEAD, a commit of what is staged, and every commit that its reflogs
 * and half-done operations name as parents. Nothing in the worktree is touched. Null when all of it is kept elsewhere.
 */
export async function keepWork(git: Git, { record, folder, gitDir, keepBranch, stamp }: Keeping): Promise<{ readonly ref: string; readonly tree: string } | null> {
  const common = [`--git-dir=${record.repository}`];
  const tips = await commitsOf(git, record, gitDir);
  const [head = null] = tips;
  const alone = await tipsOf(git, record, tips, keepBranch);
  const trees = gitDir === null ? null : await treesOf(git, { gitDir, folder, head });
  const headTree = head === null ? null : (await git.need(record.repository, [...common, 'rev-parse', `${head}^{tree}`])).trim();
  const changed = trees !== null && (trees.files !== headTree || trees.staged !== headTree);
  if (alone.length === 0 && !changed) return null;
  const commit = async (tree: string, parents: readonly string[], message: string): Promise<string> =>
    (await git.need(record.repository, [...common, 'commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-m', message], { env: IDENTITY })).trim();
  const staged = trees === null || trees.staged === headTree || trees.staged === trees.files ? [] : [await commit(trees.staged, head === null ? [] : [head], `What was staged on ${record.branch}`)];
  const parents = [...new Set([...(head === null ? [] : [head]), ...staged, ...alone])].slice(0, MOST_PARENTS);
  const tree = trees?.files ?? headTree ?? (await git.need(record.repository, [...common, 'hash-object', '-t', 'tree', '-w', '--stdin'])).trim();
  const kept = await commit(tree, parents, `What the worktree of ${record.branch} held when it was removed`);
  const ref = `refs/pilothouse/kept/${record.branch.replaceAll('/', '-')}-${stamp}`;
  await git.need(record.repository, [...common, 'update-ref', ref, kept, '0'.repeat(kept.length)]);
  return { ref, tree };
}

/** Every commit that the worktree knows of, HEAD first; those that are gone are left out. */
async function commitsOf(git: Git, record: WorktreeRecord, gitDir: string | null): Promise<readonly string[]> {
  const found: string[] = [];
  if (gitDir !== null) {
    const env = inPlace(gitDir, gitDir);
    for (const name of PSEUDO) {
      const resolved = await git.run(gitDir, ['rev-parse', '--verify', '--quiet', `${name}^{commit}`], { env });
      const sha = resolved.code === 0 ? resolved.stdout.trim() : (await readFile(path.join(gitDir, name), 'utf8').catch(() => '')).trim();
      if (SHA.test(sha)) found.push(sha);
    }
    const [reflog, refs] = [await git.run(gitDir, ['reflog', 'show', '--format=%H', 'HEAD'], { env }), await git.run(gitDir, ['for-each-ref', '--format=%(objectname)', 'refs/worktree', 'refs/bisect', 'refs/rewritten'], { env })];
    found.push(...reflog.stdout.split('\n'), ...refs.stdout.split('\n'));
  }
  const common = [`--git-dir=${record.repository}`];
  const [own, log] = [await git.run(record.repository, [...common, 'rev-parse', '--verify', '--quiet', `refs/heads/${record.branch}^{commit}`]), await git.run(record.repository, [...common, 'reflog', 'show', '--format=%H', `refs/heads/${record.branch}`])];
  found.push(own.stdout.trim(), ...log.stdout.split('\n'));
  const asked = [...new Set(found.filter((sha) => SHA.test(sha)))];
  if (asked.length === 0) return [];
  const checked = await git.need(record.repository, [...common, 'cat-file', '--batch-check'], { input: `${asked.join('\n')}\n` });
  const there = new Set(checked.split('\n').filter((each) => each.split(' ')[1] === 'commit').map((each) => each.split(' ')[0]));
  return asked.filter((sha) => there.has(sha));
}

/** Of the commits that no ref holds, those that no other one of them comes from. */
async function tipsOf(git: Git, record: WorktreeRecord, tips: readonly string[], keepBranch: boolean): Promise<readonly string[]> {
  const alone = await aloneOf(git, record, tips, keepBranch);
  if (alone.length === 0) return [];
  const parents = await git.need(record.repository, [`--git-dir=${record.repository}`, 'rev-list', '--no-walk', '--parents', '--stdin'], { input: `${alone.join('\n')}\n` });
  const inner = new Set(parents.split('\n').flatMap((each) => each.split(' ').slice(1)));
  return alone.filter((sha) => !inner.has(sha));
}

/** Trees of its files and of what is staged, made through an index of their own. */
async function treesOf(git: Git, { gitDir, folder, head }: { readonly gitDir: string; readonly folder: string | null; readonly head: string | null }): Promise<{ readonly files: string; readonly staged: string }> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), 'pilothouse-index-'));
  try {
    const index = path.join(scratch, 'index');
    const own = inPlace(gitDir, folder ?? gitDir);
    const at = folder ?? gitDir;
    const env = { ...own, GIT_INDEX_FILE: index };
    const copied = await copyFile(path.join(gitDir, 'index'), index).then(() => true, () => false);
    if (!copied && head !== null) await git.need(at, ['read-tree', head], { env });
    const staged = await stagedTree(git, at, own, env, scratch);
    if (folder === null) return { files: staged, staged };
    // What git was told to take as unchanged is looked at all the same.
    const tagged = (await git.need(at, ['ls-files', '-v', '-z'], { env })).split('\0').filter((each) => /^(?:[a-z]|S) /.test(each));
    const unflag = async (flag: string, paths: readonly string[]): Promise<void> => {
      if (paths.length > 0) await git.need(at, ['update-index', flag, '-z', '--stdin'], { env, input: `${paths.join('\0')}\0` });
    };
    await unflag('--no-assume-unchanged', tagged.filter((each) => !each.startsWith('S')).map((each) => each.slice(2)));
    // Of those that a sparse checkout leaves out, only the ones that are there.
    await unflag('--no-skip-worktree', tagged.filter((each) => /^[Ss]/.test(each) && existsSync(path.join(at, each.slice(2)))).map((each) => each.slice(2)));
    // What can't be read stays where it is: the folder itself is kept as well.
    await git.run(at, ['-c', 'core.safecrlf=false', 'add', '--all', '--ignore-errors', '--', '.'], { env, timeoutMs: 300_000 });
    return { files: (await git.need(at, ['write-tree'], { env })).trim(), staged };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The index as a tree; of one with conflicts, each side of every file under a folder of its own. */
async function stagedTree(git: Git, at: string, own: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>, scratch: string): Promise<string> {
  const plain = await git.run(at, ['write-tree'], { env });
  if (plain.code === 0) return plain.stdout.trim();
  const entries = (await git.need(at, ['ls-files', '--stage', '-z'], { env: { ...own, GIT_INDEX_FILE: env['GIT_INDEX_FILE'] ?? '' } })).split('\0').filter((each) => each !== '');
  const apart = { ...own, GIT_INDEX_FILE: path.join(scratch, 'apart') };
  const lines = entries.map((each) => each.replace(/^(\d+ [0-9a-f]+) (\d)\t/, '$1 0\tstage-$2/'));
  await git.need(at, ['update-index', '-z', '--index-info'], { env: apart, input: `${lines.join('\0')}\0` });
  return (await git.need(at, ['write-tree'], { env: apart })).trim();
}
