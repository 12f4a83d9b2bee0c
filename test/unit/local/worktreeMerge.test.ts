import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WorktreeWorld } from './worktreeWorld.ts';

let world: WorktreeWorld;
beforeEach(() => {
  world = new WorktreeWorld();
});
afterEach(() => world.close());

const refusal = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'done', (error: unknown) => (error instanceof Error && 'code' in error ? [error.code, error.message] : error));
const read = (file: string): string => readFileSync(path.join(world.repository, file), 'utf8');

describe('a merge overwrites nothing that only the person has', () => {
  it.each([['the branch moves forward', false], ['there are commits on both', true]])('what git ignores in their folder, where %s', async (_, both) => {
    const { worktree } = await world.worktrees.make(world.repository, 'env');
    world.write('.gitignore', 'build/\n', worktree.path);
    world.write('.env', 'of the agent\n', worktree.path);
    const theirs = world.commit('commit .env', worktree.path);
    world.write('.env', 'SECRET=1\n');
    if (both) {
      world.write('c.txt', 'c\n');
      world.commit('c');
    }
    const before = world.git(world.repository, 'rev-parse', 'HEAD');
    expect(await refusal(world.worktrees.merge(worktree, null))).toEqual(['base_not_clean', expect.stringContaining('.env')]);
    expect([read('.env'), world.git(world.repository, 'rev-parse', 'HEAD'), world.git(world.repository, 'status', '--porcelain')]).toEqual(['SECRET=1\n', before, '']);
    rmSync(path.join(world.repository, '.env'));
    await world.worktrees.merge(worktree, null);
    expect([read('.env'), world.git(world.repository, 'merge-base', '--is-ancestor', theirs, 'main')]).toEqual(['of the agent\n', '']);
  });

  it('a file, a link or a folder of theirs where a folder or a file comes', async () => {
    world.write('.gitignore', 'mine\nlinked\nbuild\n');
    world.commit('ignore');
    const { worktree } = await world.worktrees.make(world.repository, 'folders');
    for (const file of ['mine/x.txt', 'linked/y.txt', 'build', 'packages/z.txt']) {
      world.write(file, 'of the agent\n', worktree.path);
      world.git(worktree.path, 'add', '--force', file);
    }
    world.git(worktree.path, 'commit', '--quiet', '--message', 'folders');
    world.write('mine', 'mine\n');
    mkdirSync(path.join(world.home, 'away'));
    symlinkSync(path.join(world.home, 'away'), path.join(world.repository, 'linked'));
    world.write('build/out.bin', 'built\n');
    mkdirSync(path.join(world.repository, 'packages'));
    const [code, message] = (await refusal(world.worktrees.merge(worktree, null))) as readonly string[];
    expect(code).toBe('base_not_clean');
    for (const name of ['mine', 'linked', 'build/out.bin']) expect(message).toContain(name);
    expect(message).not.toContain('packages');
    expect([read('mine'), read('build/out.bin'), existsSync(path.join(world.home, 'away', 'y.txt'))]).toEqual(['mine\n', 'built\n', false]);
  });

  it('but brings what takes the place of committed files', async () => {
    world.write('lib/a.txt', 'a\n');
    world.commit('a folder');
    const { worktree } = await world.worktrees.make(world.repository, 'moves');
    world.git(worktree.path, 'mv', 'a.txt', 'b.txt');
    rmSync(path.join(worktree.path, 'lib'), { recursive: true });
    world.write('lib', 'a file\n', worktree.path);
    await world.worktrees.merge(worktree, 'Move');
    expect([read('b.txt'), read('lib'), existsSync(path.join(world.repository, 'a.txt'))]).toEqual(['one\n', 'a file\n', false]);
  });
});

describe('a branch that the person is at', () => {
  it('is not moved while it is rebased or bisected, in any folder of the repository', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'meanwhile');
    world.write('b.txt', 'b\n', worktree.path);
    world.commit('b', worktree.path);
    world.git(world.repository, 'branch', 'upstream');
    world.write('a.txt', 'two\n');
    const tip = world.commit('two');
    world.git(world.repository, 'checkout', '--quiet', 'upstream');
    world.write('a.txt', 'three\n');
    world.commit('three');
    const linked = path.join(world.home, 'linked');
    world.git(world.repository, 'worktree', 'add', '--quiet', linked, 'main');
    for (const backend of ['--merge', '--apply']) {
      expect(() => world.git(linked, 'rebase', '--quiet', backend, 'upstream')).toThrow();
      expect(await refusal(world.worktrees.merge(worktree, null))).toEqual(['base_not_clean', expect.stringContaining(`main is being rebased in ${linked}`)]);
      world.git(linked, 'rebase', '--abort');
    }
    world.git(world.repository, 'worktree', 'remove', linked);
    world.git(world.repository, 'checkout', '--quiet', 'main');
    world.git(world.repository, 'bisect', 'start', 'HEAD', 'HEAD~1');
    world.git(world.repository, 'checkout', '--quiet', '--detach');
    expect(await refusal(world.worktrees.merge(worktree, null))).toEqual(['base_not_clean', expect.stringContaining(`main is being bisected in ${world.repository}`)]);
    expect(world.git(world.repository, 'rev-parse', 'main')).toBe(tip);
    world.git(world.repository, 'bisect', 'reset');
    expect(await world.worktrees.merge(worktree, null)).toEqual({ into: 'main', commits: 1 });
  });

  it('is known by its name also where tags have it, and what is merged is the worktree’s own commit', async () => {
    world.git(world.repository, 'tag', 'main');
    const { worktree } = await world.worktrees.make(world.repository, 'tagged');
    expect(worktree.base).toBe('main');
    world.git(world.repository, 'tag', worktree.branch);
    world.write('b.txt', 'b\n', worktree.path);
    world.commit('b', worktree.path);
    world.write('c.txt', 'c\n');
    world.commit('c');
    expect((await world.worktrees.state(worktree)).branch).toBe('pilothouse/tagged');
    expect(await world.worktrees.merge(worktree, null)).toEqual({ into: 'main', commits: 1 });
    expect([read('b.txt'), world.git(world.repository, 'log', '-1', '--format=%s')]).toEqual(['b\n', "Merge branch 'pilothouse/tagged'"]);
  });
});

describe('committing', () => {
  it('is done in the worktree’s own repository, also where its link to that is gone and another is around it', async () => {
    world.git(world.home, 'init', '--quiet');
    const { worktree } = await world.worktrees.make(world.repository, 'unlinked');
    world.write('b.txt', 'b\n', worktree.path);
    rmSync(path.join(worktree.path, '.git'));
    await world.worktrees.commit(worktree, 'Add b');
    expect(() => world.git(world.home, 'rev-parse', '--verify', '--quiet', 'HEAD')).toThrow();
    expect([world.git(world.home, 'diff', '--cached', '--name-only'), world.git(world.repository, 'log', '-1', '--format=%s', worktree.branch)]).toEqual(['', 'Add b']);
  });

  it('is refused where git forgot the worktree', async () => {
    world.git(world.home, 'init', '--quiet');
    const { worktree } = await world.worktrees.make(world.repository, 'forgotten');
    world.write('b.txt', 'b\n', worktree.path);
    rmSync(worktree.gitDir ?? '', { recursive: true });
    rmSync(path.join(worktree.path, '.git'));
    expect(await refusal(world.worktrees.commit(worktree, 'Add b'))).toEqual(['worktree_unknown', expect.stringContaining('Remove it')]);
    expect(world.git(world.home, 'diff', '--cached', '--name-only')).toBe('');
  });
});
