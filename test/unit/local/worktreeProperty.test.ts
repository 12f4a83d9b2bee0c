import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Git } from '../../../src/core/systems/local/worktree/git.ts';
import { createGit } from '../../../src/core/systems/local/worktree/git.ts';
import { printOf } from '../../../src/core/systems/local/worktree/state.ts';
import { WorktreeWorld } from './worktreeWorld.ts';

const FILES = ['a.txt', 'b.txt', 'deep/c d.txt', '.env', 'build/out.bin', 'inner/x.txt', 'ünïcode\n.txt'];
const file = fc.constantFrom(...FILES);
/** What an agent may do in its worktree, in any order; what git refuses is not done. */
const steps = fc.array(fc.oneof(
  fc.record({ do: fc.constant('write' as const), file, text: fc.string({ maxLength: 8 }) }),
  fc.record({ do: fc.constantFrom('add' as const, 'delete' as const, 'assume' as const, 'skip' as const, 'intend' as const), file }),
  fc.record({ do: fc.constantFrom('commit' as const, 'commit-all' as const, 'reset' as const, 'soft' as const, 'amend' as const, 'stash' as const, 'detach' as const, 'branch' as const, 'back' as const, 'clash' as const, 'pick' as const, 'inner' as const, 'orphan' as const) }),
), { minLength: 4, maxLength: 20 });
type Step = typeof steps extends fc.Arbitrary<readonly (infer T)[]> ? T : never;

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'commit': ['commit', '--quiet', '--message', 'staged'], 'commit-all': ['commit', '--quiet', '--all', '--message', 'all'], 'reset': ['reset', '--quiet', '--hard', 'HEAD~1'], 'soft': ['reset', '--quiet', '--soft', 'HEAD~1'],
  'amend': ['commit', '--quiet', '--amend', '--message', 'amended'], 'stash': ['stash', '--quiet'], 'detach': ['checkout', '--quiet', '--detach'], 'branch': ['checkout', '--quiet', '-B', 'of-the-agent'],
  'back': ['checkout', '--quiet', 'pilothouse/random'], 'clash': ['merge', '--quiet', 'main'], 'pick': ['cherry-pick', 'main'], 'orphan': ['checkout', '--quiet', '--orphan', 'alone'],
};

function apply(world: WorktreeWorld, at: string, step: Step): void {
  const git = (...args: readonly string[]): void => {
    try {
      world.git(at, ...args);
    } catch {
      // Refused, or left half done: both are states to remove from.
    }
  };
  if (step.do === 'write') world.write(step.file, step.text, at);
  else if (step.do === 'inner') {
    mkdirSync(path.join(at, 'inner'), { recursive: true });
    execFileSync('git', ['init', '--quiet'], { cwd: path.join(at, 'inner'), env: world.env });
  } else if ('file' in step) {
    if (step.do === 'delete') rmSync(path.join(at, step.file), { force: true });
    else git(...{ 'add': ['add', '--force'], 'assume': ['update-index', '--assume-unchanged'], 'skip': ['update-index', '--skip-worktree'], 'intend': ['add', '--intent-to-add', '--force'] }[step.do], '--', step.file);
  } else git(...(COMMANDS[step.do] ?? []));
}

const blobOf = (bytes: Uint8Array): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** The contents of every file below, as git names them; without what git itself keeps. */
function bytesBelow(folder: string): ReadonlySet<string> {
  if (!existsSync(folder)) return new Set();
  const inside = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => !name.split(path.sep).includes('.git') && lstatSync(path.join(folder, name)).isFile());
  return new Set(inside.map((name) => blobOf(readFileSync(path.join(folder, name)))));
}

function held(world: WorktreeWorld): ReadonlySet<string> {
  const objects = world.git(world.repository, 'rev-list', '--objects', '--glob=refs/*').split('\n').map((line) => line.slice(0, 40));
  return new Set([...objects, ...bytesBelow(path.join(world.root, 'trash'))]);
}

/** All that the worktree knows: contents of files, staged contents, and every commit of its reflog. */
function known(world: WorktreeWorld, at: string): readonly string[] {
  const tried = (...args: readonly string[]): readonly string[] => {
    try {
      return world.git(at, ...args).split('\n');
    } catch {
      return [];
    }
  };
  const staged = tried('ls-files', '--stage').flatMap((line) => (line.startsWith('160000') ? [] : [line.split(' ')[1] ?? '']));
  return [...bytesBelow(at), ...staged, ...tried('rev-parse', '--verify', 'HEAD'), ...tried('reflog', 'show', '--format=%H', 'HEAD')].filter((sha) => /^[0-9a-f]{40}$/.test(sha) && !sha.startsWith('e69de29bb2d1d6434b'));
}

/** Dies with its window at the n-th call. */
function dying(git: Git, calls: number): Git {
  let left = calls;
  const spend = (): void => {
    left -= 1;
    if (left < 0) throw new Error('the window died');
  };
  return {
    run: async (...args) => {
      spend();
      return await git.run(...args);
    },
    need: async (...args) => {
      spend();
      return await git.need(...args);
    },
  };
}

test('no removal loses a byte that cannot be had back, wherever it is cut short', { timeout: 240_000 }, async () => {
  await fc.assert(fc.asyncProperty(steps, fc.boolean(), fc.integer({ min: 0, max: 45 }), async (doing, keepBranch, calls) => {
    const world = new WorktreeWorld();
    try {
      const { worktree } = await world.worktrees.make(world.repository, 'random');
      world.write('a.txt', 'main goes on\n');
      world.commit('on main');
      for (const step of doing) apply(world, worktree.path, step);
      const before = known(world, worktree.path);
      const remove = async (git?: Git): Promise<unknown> => {
        const window = world.window(git);
        return await window.remove(worktree, { keepBranch, agreed: printOf(await world.worktrees.state(worktree)) });
      };
      const cut = await remove(dying(createGit(world.env), calls)).then(() => false, () => true);
      if (cut) {
        expect(world.worktrees.all().map((each) => each.id)).toEqual([worktree.id]);
        const there = new Set([...held(world), ...bytesBelow(worktree.path)]);
        const reached = existsSync(worktree.path) && existsSync(worktree.gitDir ?? '') ? known(world, worktree.path) : [];
        expect(before.filter((sha) => !there.has(sha) && !reached.includes(sha))).toEqual([]);
        await remove();
      }
      const after = held(world);
      expect(before.filter((sha) => !after.has(sha))).toEqual([]);
      expect([existsSync(worktree.path), existsSync(worktree.gitDir ?? ''), world.worktrees.all()]).toEqual([false, false, []]);
      expect(world.git(world.repository, 'status', '--porcelain')).toBe('');
      expect(world.branches().includes(worktree.branch)).toBe(keepBranch);
    } finally {
      world.close();
    }
  }), { numRuns: Number(process.env['WORKTREE_RUNS'] ?? 12) });
});
