import { createHash } from 'node:crypto';
import { access, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Leases, Logger } from '../../../model/context.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import { emptyTrash } from '../trash.ts';
import type { Git } from './git.ts';
import { createGit, lastWords } from './git.ts';
import { commitAll, mergeWorktree } from './merge.ts';
import { branchFor, slugOf } from './names.ts';
import type { Records, WorktreeRecord } from './records.ts';
import { readRecords } from './records.ts';
import type { Removed } from './remove.ts';
import { hasWork, removeWorktree } from './remove.ts';
import type { Repository } from './repository.ts';
import { branchesOf, repositoryOf } from './repository.ts';
import type { WorktreeState } from './state.ts';
import { printOf, stateOf } from './state.ts';

interface WorktreesOptions {
  /** Folder of ours that worktrees stand in. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** Stands for the git of `env`. */
  readonly git?: Git;
  readonly records: Records;
  /** One window at a time ends a worktree. */
  readonly leases: Leases;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface Worktree extends WorktreeRecord {
  readonly id: string;
}

const REMEMBERED_MS = 365 * 24 * 3_600_000;
/** A large repository takes its time to be checked out. */
const CHECKOUT_MS = 600_000;

/** Where the worktrees of this person stand: outside of every repository, so that neither their searches nor their neighbours are cluttered. */
export function worktreesRoot(env: NodeJS.ProcessEnv): string {
  return path.join(env['HOME'] ?? env['USERPROFILE'] ?? homedir(), '.local', 'share', 'pilothouse', 'worktrees');
}

/**
 * Git worktrees of sessions of this computer. Each has a record from before it is made until after it is removed, so that whatever is cut short is listed, and can be finished; a session belongs to
 * the worktree that its folder is in.
 */
export class Worktrees {
  private readonly options: WorktreesOptions;
  private readonly git: Git;
  private readonly busy = new Set<string>();
  /** Records by their texts: each is read once, however many sessions ask. */
  private readonly read = new Map<string, WorktreeRecord | null>();

  constructor(options: WorktreesOptions) {
    this.options = options;
    this.git = options.git ?? createGit(options.env);
  }

  /** All that are not finished, the newest first. */
  all(): readonly Worktree[] {
    return this.known().filter(({ endedAt }) => endedAt === undefined).sort((one, other) => other.createdAt - one.createdAt);
  }

  /** Whether a folder is where worktrees of ours stand, also one that is finished. */
  isOurs(folder: string): boolean {
    return folder.startsWith(`${this.options.root}${path.sep}`);
  }

  /** The one that a folder is or was in, also when it is finished; null for any other folder. */
  of(folder: string): Worktree | null {
    if (!this.isOurs(folder)) return null;
    return this.known().find(({ path: top }) => folder === top || folder.startsWith(`${top}${path.sep}`)) ?? null;
  }

  /** The repository of a folder; rejects as `repositoryOf` does. */
  repository(folder: string, signal?: AbortSignal): Promise<Repository> {
    return repositoryOf(this.git, folder, signal);
  }

  /** Tells for a name which branch `make` would give. */
  async naming(folder: string): Promise<(name: string) => string> {
    const taken = await branchesOf(this.git, folder);
    return (name) => branchFor(name, taken, this.options.now());
  }

  /** Makes a worktree from the commit that is checked out in `folder`, on a branch of its own that is named after `name`. `folder` of the result is the same place within it. */
  async make(folder: string, name: string, signal?: AbortSignal): Promise<{ readonly worktree: Worktree; readonly folder: string }> {
    const repository = await this.repository(folder, signal);
    const { records, now, root } = this.options;
    const home = path.join(root, `${slugOf(path.basename(repository.top)) || 'repository'}-${hashOf(repository.common)}`);
    await mkdir(home, { recursive: true, mode: 0o700 });
    const taken = await branchesOf(this.git, folder);
    let branch = branchFor(name, taken, now());
    // A folder of that name may be left from a worktree whose branch was kept or renamed.
    while ((await exists(path.join(home, leafOf(branch)))) || records.entries().has(idOf(home, branch))) branch = branchFor(name, [...taken, branch], now());
    const id = idOf(home, branch);
    const record: WorktreeRecord = {
      version: 1, path: path.join(home, leafOf(branch)), repository: repository.common, source: folder, gitDir: null, branch, base: repository.branch, commit: repository.commit, createdAt: now(),
    };
    const save = (made: WorktreeRecord): void => records.set(id, JSON.stringify(made));
    save(record);
    try {
      await this.checkOut(repository, record, signal);
      const gitDir = (await this.git.need(record.path, ['rev-parse', '--absolute-git-dir'])).trim();
      save({ ...record, gitDir });
      const inside = path.join(record.path, repository.prefix);
      await mkdir(inside, { recursive: true });
      return { worktree: { ...record, gitDir, id }, folder: inside.replace(/[/\\]+$/, '') };
    } catch (error) {
      await this.forget({ ...record, id });
      throw error;
    }
  }

  state(worktree: WorktreeRecord): Promise<WorktreeState> {
    return stateOf(this.git, worktree);
  }

  /** Commits all that is not committed, if the person gave a message for it, then merges into the branch that it came from. The worktree stays. */
  merge(worktree: Worktree, message: string | null): Promise<{ readonly into: string; readonly commits: number }> {
    return this.alone(worktree, async () => {
      if (message !== null) await commitAll(this.git, worktree, message);
      return await mergeWorktree(this.git, worktree, await stateOf(this.git, worktree));
    });
  }

  /** Commits all that is not committed. */
  commit(worktree: Worktree, message: string): Promise<void> {
    return this.alone(worktree, () => commitAll(this.git, worktree, message));
  }

  /**
   * Removes a worktree, and its branch unless that is kept. What nothing else holds is kept in a ref, and files that are not committed in our trash. Rejects with `worktree_has_work` while there is any
   * of it, unless `agreed` is the print of what the person was shown.
   */
  remove(worktree: Worktree, { keepBranch, agreed }: { readonly keepBranch: boolean; readonly agreed: string | null }): Promise<Removed> {
    return this.alone(worktree, async () => {
      const state = await stateOf(this.git, worktree);
      if (agreed === null ? holdsWork(state, keepBranch) : agreed !== printOf(state)) throw hasWork();
      if (worktree.gitDir !== null && (await exists(path.join(worktree.gitDir, 'locked')))) {
        throw new PilothouseError('worktree_locked', 'This worktree is locked in git. Unlock it with “git worktree unlock”, then try again.', { personMustAct: true });
      }
      const removed = await removeWorktree({ git: this.git, record: worktree, root: this.options.root, keepBranch, now: this.options.now() });
      this.options.records.set(worktree.id, JSON.stringify({ ...worktree, endedAt: this.options.now() }));
      return removed;
    });
  }

  /** Removes it where nobody did anything in it: a session that came to nothing leaves none behind. Never rejects. */
  async forget(worktree: Worktree): Promise<void> {
    try {
      const state = await this.state(worktree);
      if (!holdsWork(state, false) && state.ignored.length === 0) await this.remove(worktree, { keepBranch: false, agreed: null });
      // Nothing tells of it.
      if (this.of(worktree.path)?.endedAt !== undefined) this.options.records.delete(worktree.id);
    } catch (error) {
      this.options.log.warn('a worktree that was not used stays', { error: describeError(error) });
    }
  }

  /** Empties what has been in the trash for thirty days, and forgets worktrees that were finished a year ago. */
  async sweep(): Promise<void> {
    const { records, root, now } = this.options;
    for (const { id, endedAt } of this.known()) if (endedAt !== undefined && now() - endedAt > REMEMBERED_MS) records.delete(id);
    await emptyTrash(root, now());
  }

  private known(): readonly Worktree[] {
    return [...readRecords(this.options.records, this.read)].map(([id, record]) => ({ ...record, id }));
  }

  private async checkOut({ top }: Repository, record: WorktreeRecord, signal?: AbortSignal): Promise<void> {
    const done = await this.git.run(top, ['worktree', 'add', '--quiet', '-b', record.branch, record.path, record.commit], { hooks: true, timeoutMs: CHECKOUT_MS, signal });
    if (done.code === 0) return;
    // A hook that fails afterwards is no reason: all is there then.
    const whole = (await exists(record.path)) && (await this.git.run(record.path, ['status', '--porcelain', '--untracked-files=no'])).stdout === '' && (await this.git.run(record.path, ['rev-parse', 'HEAD'])).stdout.trim() === record.commit;
    if (!whole) throw new PilothouseError('worktree_failed', `Git did not make the worktree: ${lastWords(done.stderr)}`);
  }

  private async alone<T>(worktree: Worktree, work: () => Promise<T>): Promise<T> {
    const { leases, log } = this.options;
    const name = `worktree:${worktree.id}`;
    if (this.busy.has(name) || !(await leases.acquire(name))) throw new PilothouseError('worktree_busy', 'This worktree is being finished already. Wait until that is done.');
    this.busy.add(name);
    try {
      return await work();
    } finally {
      this.busy.delete(name);
      await leases.release(name).catch((error: unknown) => log.warn('a lease could not be given back', { error: describeError(error) }));
    }
  }
}

/** Whether its removal would take something away that is nowhere else. */
export function holdsWork(state: WorktreeState, keepBranch: boolean): boolean {
  const detached = state.branch === null;
  return state.uncommitted.length > 0 || state.operation || (state.alone > 0 && (!keepBranch || detached));
}

const exists = (file: string): Promise<boolean> => access(file).then(() => true, () => false);
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 6);
/** `fix-login` of `pilothouse/fix-login`. */
const leafOf = (branch: string): string => branch.replace(/^pilothouse[-/]/, '');
/** Short, whatever letters the branch has: a file is named after it. */
const idOf = (home: string, branch: string): string => createHash('sha256').update(path.join(home, leafOf(branch))).digest('hex').slice(0, 16);
