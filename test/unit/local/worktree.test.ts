import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { branchFor, slugOf } from '../../../src/core/systems/local/worktree/names.ts';
import { printOf } from '../../../src/core/systems/local/worktree/state.ts';
import { WorktreeWorld } from './worktreeWorld.ts';

let world: WorktreeWorld;
beforeEach(() => {
  world = new WorktreeWorld();
});
afterEach(() => world.close());

const code = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'done', (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error));

describe('the branch of a session', () => {
  it('is named after it, in letters that every ref may have', () => {
    for (const name of ['Fix the login!', '..', 'a.lock', '@{1}', '-x', 'Über größe', 'ログイン', '~^:?*[\\', 'x'.repeat(300), 'A\u0000B\u202e', '/', 'HEAD', '🙂']) {
      const branch = branchFor(name, [], world.now);
      expect(world.git(world.repository, 'check-ref-format', '--branch', branch)).toBe(branch);
    }
    expect(branchFor('Fix the login!', [], 0)).toBe('pilothouse/fix-the-login');
    expect(slugOf('Über größe')).toBe('über-größe');
    expect(branchFor('🙂', [], world.now)).toMatch(/^pilothouse\/session-\d{4}-\d{4}$/);
  });

  it('is never one that is there, or in the way of one', () => {
    expect(branchFor('x', ['pilothouse/X', 'pilothouse/x-2/deep'], 0)).toBe('pilothouse/x-3');
    expect(branchFor('x', ['pilothouse'], 0)).toBe('pilothouse-x');
  });
});

describe('a worktree', () => {
  it('stands outside of the repository, at the same place within, from the last commit', async () => {
    world.write('packages/api/index.ts', 'export {};\n');
    const commit = world.commit('a package');
    world.write('a.txt', 'not committed\n');
    const { worktree, folder } = await world.worktrees.make(path.join(world.repository, 'packages', 'api'), 'Fix login');
    expect(folder).toBe(path.join(worktree.path, 'packages', 'api'));
    expect(folder.startsWith(world.root)).toBe(true);
    expect(readFileSync(path.join(worktree.path, 'a.txt'), 'utf8')).toBe('one\n');
    expect([worktree.branch, worktree.base, worktree.commit]).toEqual(['pilothouse/fix-login', 'main', commit]);
    expect(world.git(world.repository, 'status', '--porcelain')).toBe('M a.txt');
    expect(world.window().of(path.join(folder, 'index.ts'))?.id).toBe(worktree.id);
    expect(world.worktrees.of(`${worktree.path}-other`)).toBeNull();
    const second = await world.worktrees.make(world.repository, 'Fix login');
    expect(second.worktree.branch).toBe('pilothouse/fix-login-2');
  });

  it('is not made where there is nothing to make it of', async () => {
    const plain = path.join(world.home, 'plain');
    mkdirSync(plain);
    expect(await code(world.worktrees.make(plain, 'x'))).toBe('no_repository');
    world.git(plain, 'init', '--quiet');
    expect(await code(world.worktrees.make(plain, 'x'))).toBe('no_commit');
    world.git(world.home, 'clone', '--quiet', '--bare', world.repository, 'bare.git');
    expect(await code(world.worktrees.make(path.join(world.home, 'bare.git'), 'x'))).toBe('no_repository');
    expect(await code(world.worktrees.make(path.join(world.repository, '.git'), 'x'))).toBe('no_repository');
    expect(world.worktrees.all()).toEqual([]);
  });

  it('leaves nothing when git does not make it, and does not mind a hook that fails', async () => {
    const hook = path.join(world.repository, '.git', 'hooks', 'post-checkout');
    writeFileSync(hook, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    const { worktree } = await world.worktrees.make(world.repository, 'hooked');
    expect(existsSync(path.join(worktree.path, 'a.txt'))).toBe(true);
    rmSync(hook);
    const aborted = new AbortController();
    const making = world.worktrees.make(world.repository, 'ended', aborted.signal);
    aborted.abort();
    await expect(making).rejects.toMatchObject({ name: 'AbortError' });
    expect(world.worktrees.all().map((each) => each.branch)).toEqual(['pilothouse/hooked']);
    expect(world.branches()).toEqual(['main', 'pilothouse/hooked']);
  });

  it('is made of a linked worktree of a bare repository, of a submodule and of a detached HEAD', async () => {
    world.git(world.home, 'clone', '--quiet', '--bare', world.repository, 'bare.git');
    world.git(path.join(world.home, 'bare.git'), 'worktree', 'add', '--quiet', path.join(world.home, 'linked'), 'main');
    const linked = await world.worktrees.make(path.join(world.home, 'linked'), 'of linked');
    world.write('b.txt', 'b\n', linked.worktree.path);
    await world.worktrees.merge(linked.worktree, 'Add b');
    expect(readFileSync(path.join(world.home, 'linked', 'b.txt'), 'utf8')).toBe('b\n');

    world.git(world.repository, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', path.join(world.home, 'bare.git'), 'sub');
    world.commit('a submodule');
    const sub = await world.worktrees.make(path.join(world.repository, 'sub'), 'in sub');
    world.write('c.txt', 'c\n', sub.worktree.path);
    await world.worktrees.merge(sub.worktree, 'Add c');
    expect(readFileSync(path.join(world.repository, 'sub', 'c.txt'), 'utf8')).toBe('c\n');
    await world.worktrees.remove(sub.worktree, { keepBranch: false, agreed: null });

    world.git(world.repository, 'checkout', '--quiet', '--detach');
    const detached = await world.worktrees.make(world.repository, 'detached');
    expect(detached.worktree.base).toBeNull();
    expect(await code(world.worktrees.merge(detached.worktree, null))).toBe('no_base');
  });
});

describe('merging', () => {
  it('brings what was done into the branch where that is checked out, and lets go of the rest', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'done');
    world.write('b.txt', 'b\n', worktree.path);
    expect(await code(world.worktrees.merge(worktree, null))).toBe('uncommitted');
    world.write('unrelated.txt', 'mine\n');
    expect(await world.worktrees.merge(worktree, 'Add b')).toEqual({ into: 'main', commits: 1 });
    expect(readFileSync(path.join(world.repository, 'b.txt'), 'utf8')).toBe('b\n');
    expect(world.git(world.repository, 'log', '-1', '--format=%s %an')).toBe('Add b Ada');
    expect(await world.worktrees.remove(worktree, { keepBranch: false, agreed: null })).toEqual({ refs: [], trash: null, branchStays: false });
    expect([world.branches(), existsSync(worktree.path), world.worktrees.all(), world.git(world.repository, 'worktree', 'list').split('\n').length]).toEqual([['main'], false, [], 1]);
  });

  it('is refused whole where files are in conflict, or where something is not committed', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'clash');
    world.write('a.txt', 'theirs\n', worktree.path);
    world.commit('theirs', worktree.path);
    world.write('a.txt', 'ours\n');
    const other = await world.worktrees.make(world.repository, 'no clash');
    world.write('b.txt', 'b\n', other.worktree.path);
    world.commit('b', other.worktree.path);
    expect(await code(world.worktrees.merge(other.worktree, null))).toBe('base_not_clean');
    const mine = world.commit('mine');
    expect(await code(world.worktrees.merge(worktree, null))).toBe('merge_conflict');
    await expect(world.worktrees.merge(worktree, null)).rejects.toThrow('a.txt');
    expect(world.git(world.repository, 'rev-parse', 'HEAD')).toBe(mine);
    expect(world.git(world.repository, 'status', '--porcelain')).toBe('');
    expect(world.git(worktree.path, 'status', '--porcelain')).toBe('');
  });

  it('moves a branch that is checked out nowhere, by itself or with a merge', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'aside');
    world.git(world.repository, 'checkout', '--quiet', '-b', 'elsewhere');
    world.write('b.txt', 'b\n', worktree.path);
    const tip = world.commit('b', worktree.path);
    await world.worktrees.merge(worktree, null);
    expect(world.git(world.repository, 'rev-parse', 'main')).toBe(tip);
    world.git(world.repository, 'checkout', '--quiet', 'main');
    world.write('c.txt', 'c\n');
    world.commit('c');
    world.git(world.repository, 'checkout', '--quiet', 'elsewhere');
    world.write('d.txt', 'd\n', worktree.path);
    world.commit('d', worktree.path);
    await world.worktrees.merge(worktree, null);
    expect(world.git(world.repository, 'ls-tree', '--name-only', 'main').split('\n')).toEqual(['.gitignore', 'a.txt', 'b.txt', 'c.txt', 'd.txt']);
    expect(await world.worktrees.merge(worktree, null)).toEqual({ into: 'main', commits: 0 });
  });

  it('commits no repository that is within the worktree, and tells when a hook refuses', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'inner');
    mkdirSync(path.join(worktree.path, 'inner'));
    world.git(path.join(worktree.path, 'inner'), 'init', '--quiet');
    world.write('inner/x.txt', 'x\n', worktree.path);
    world.commit('in inner', path.join(worktree.path, 'inner'));
    expect(await code(world.worktrees.merge(worktree, 'all'))).toBe('inner_repository');
    rmSync(path.join(worktree.path, 'inner'), { recursive: true });
    world.write('b.txt', 'b\n', worktree.path);
    const hook = path.join(world.repository, '.git', 'hooks', 'pre-commit');
    writeFileSync(hook, '#!/bin/sh\necho no tests >&2\nexit 1\n', { mode: 0o755 });
    await expect(world.worktrees.merge(worktree, 'all')).rejects.toThrow('no tests');
    rmSync(hook);
    expect(world.git(world.repository, 'log', '--format=%s')).toBe('first');
  });
});

describe('removing', () => {
  it('is refused while there is work, and agreed to only as it was shown', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'work');
    world.write('b.txt', 'b\n', worktree.path);
    expect(await code(world.worktrees.remove(worktree, { keepBranch: false, agreed: null }))).toBe('worktree_has_work');
    const shown = printOf(await world.worktrees.state(worktree));
    world.write('c.txt', 'c\n', worktree.path);
    expect(await code(world.worktrees.remove(worktree, { keepBranch: false, agreed: shown }))).toBe('worktree_has_work');
    const { refs, trash } = await world.worktrees.remove(worktree, { keepBranch: false, agreed: printOf(await world.worktrees.state(worktree)) });
    expect(world.git(world.repository, 'show', `${refs[0]}:b.txt`)).toBe('b');
    expect(readFileSync(path.join(trash ?? '', 'work', 'c.txt'), 'utf8')).toBe('c\n');
    expect([existsSync(worktree.path), world.worktrees.all(), world.branches()]).toEqual([false, [], ['main']]);
  });

  it('keeps commits that are nowhere else, also those that were reset or left behind on no branch', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'lost');
    world.write('b.txt', 'b\n', worktree.path);
    const reset = world.commit('reset', worktree.path);
    world.git(worktree.path, 'reset', '--quiet', '--hard', 'HEAD~1');
    world.git(worktree.path, 'checkout', '--quiet', '--detach');
    const gone = world.commit('only in the log of where it was', worktree.path);
    world.git(worktree.path, 'checkout', '--quiet', worktree.branch);
    world.git(worktree.path, 'checkout', '--quiet', '--detach');
    const left = world.commit('left behind', worktree.path);
    const state = await world.worktrees.state(worktree);
    expect(state.alone).toBe(1);
    const { refs } = await world.worktrees.remove(worktree, { keepBranch: false, agreed: printOf(state) });
    const kept = world.git(world.repository, 'rev-list', ...refs).split('\n');
    expect(kept).toEqual(expect.arrayContaining([reset, gone, left]));
  });

  it('moves what git ignores to the trash, and takes a worktree of committed files alone away at once', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'env');
    world.write('.env', 'KEY=1\n', worktree.path);
    const { trash } = await world.worktrees.remove(worktree, { keepBranch: true, agreed: null });
    expect(readFileSync(path.join(trash ?? '', 'env', '.env'), 'utf8')).toBe('KEY=1\n');
    expect(world.branches()).toEqual(['main', 'pilothouse/env']);
    world.now += 31 * 86_400_000;
    await world.worktrees.sweep();
    expect(readdirSync(path.join(world.root, 'trash'))).toEqual([]);
  });

  it.each([
    ['a filter', '*.ipynb filter=strip', 'secret output\n'], ['ident', '*.ipynb ident', '$Id: mine $\n'], ['an encoding', '*.ipynb working-tree-encoding=UTF-16LE', Buffer.from('text\n', 'utf16le').toString('latin1')], ['line ends', '*.ipynb text', 'one\r\ntwo\n'],
  ])('keeps the folder where %s changed files on their way to git', async (_, attributes, text) => {
    world.git(world.repository, 'config', 'filter.strip.clean', 'sed s/secret.*//');
    world.write('.gitattributes', `${attributes}\n`);
    world.commit('attributes');
    const { worktree } = await world.worktrees.make(world.repository, 'notes');
    writeFileSync(path.join(worktree.path, 'a.ipynb'), text, 'latin1');
    world.commit('a notebook', worktree.path);
    await world.worktrees.merge(worktree, null);
    const { trash } = await world.worktrees.remove(worktree, { keepBranch: false, agreed: null });
    expect(readFileSync(path.join(trash ?? '', 'notes', 'a.ipynb'), 'latin1')).toBe(text);
  });

  it('can be undone by hand: both folders move back', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'undo');
    world.write('a.txt', 'staged\n', worktree.path);
    world.git(worktree.path, 'add', 'a.txt');
    world.write('a.txt', 'and changed\n', worktree.path);
    const before = world.git(worktree.path, 'status', '--porcelain');
    const { trash, refs } = await world.worktrees.remove(worktree, { keepBranch: false, agreed: printOf(await world.worktrees.state(worktree)) });
    expect(world.git(world.repository, 'show', `${refs[0]}^2:a.txt`)).toBe('staged');
    const git = readdirSync(trash ?? '').find((name) => existsSync(path.join(trash ?? '', name, 'HEAD'))) ?? '';
    mkdirSync(path.dirname(worktree.path), { recursive: true });
    mkdirSync(path.dirname(worktree.gitDir ?? ''), { recursive: true });
    renameSync(path.join(trash ?? '', git), worktree.gitDir ?? '');
    renameSync(path.join(trash ?? '', readdirSync(trash ?? '')[0] ?? ''), worktree.path);
    world.git(world.repository, 'branch', worktree.branch, 'main');
    expect(world.git(worktree.path, 'status', '--porcelain')).toBe(before);
  });

  it('goes on where it was cut short, and finishes one that somebody removed by hand', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'cut');
    world.write('b.txt', 'b\n', worktree.path);
    const tip = world.commit('b', worktree.path);
    renameSync(worktree.path, path.join(world.home, 'moved'));
    const state = await world.window().state(worktree);
    expect([state.folder, state.known, state.alone]).toEqual([false, true, 1]);
    const { refs } = await world.window().remove(worktree, { keepBranch: false, agreed: printOf(state) });
    expect(world.git(world.repository, 'rev-list', ...refs)).toContain(tip);
    expect(world.worktrees.all()).toEqual([]);

    const gone = await world.worktrees.make(world.repository, 'by hand');
    world.git(world.repository, 'worktree', 'remove', gone.worktree.path);
    await world.worktrees.remove(gone.worktree, { keepBranch: false, agreed: null });
    expect([world.worktrees.all(), world.branches()]).toEqual([[], ['main']]);
  });

  it('leaves a locked one, one that another window is at, and a record that is of no use', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'locked');
    world.git(world.repository, 'worktree', 'lock', worktree.path);
    expect(await code(world.worktrees.remove(worktree, { keepBranch: false, agreed: null }))).toBe('worktree_locked');
    world.git(world.repository, 'worktree', 'unlock', worktree.path);
    world.held.add(`worktree:${worktree.id}`);
    expect(await code(world.worktrees.remove(worktree, { keepBranch: false, agreed: null }))).toBe('worktree_busy');
    world.records.set('broken', '{');
    expect(world.worktrees.all().map((each) => each.id)).toEqual([worktree.id]);
  });

  it('ends also where the whole repository is gone: the files go to the trash', async () => {
    const { worktree } = await world.worktrees.make(world.repository, 'orphaned');
    world.write('b.txt', 'b\n', worktree.path);
    rmSync(world.repository, { recursive: true });
    const state = await world.worktrees.state(worktree);
    expect(state.uncommitted).toContain('b.txt');
    const { trash } = await world.worktrees.remove(worktree, { keepBranch: false, agreed: printOf(state) });
    expect(readFileSync(path.join(trash ?? '', 'orphaned', 'b.txt'), 'utf8')).toBe('b\n');
    expect(world.worktrees.all()).toEqual([]);
  });

  it('a session that came to nothing leaves no worktree, one in which something was done does', async () => {
    const [empty, used] = [(await world.worktrees.make(world.repository, 'empty')).worktree, (await world.worktrees.make(world.repository, 'used')).worktree];
    world.write('.env', 'KEY=1\n', used.path);
    await world.worktrees.forget(empty);
    await world.worktrees.forget(used);
    expect(world.worktrees.all().map((each) => each.id)).toEqual([used.id]);
  });
});
