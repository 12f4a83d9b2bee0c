import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

let code: VSCode;
let window: VSCodeWindow;

const git = (...args: readonly string[]): string => execFileSync('git', [...args], { cwd: code.folder, encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: code.home } }).trim();
/** Folders of worktrees that are there: two levels below ours. */
const worktrees = (): readonly string[] => {
  const root = join(code.home, '.local', 'share', 'pilothouse', 'worktrees');
  return readdirSync(root).filter((name) => name !== 'records' && name !== 'trash').flatMap((name) => readdirSync(join(root, name)).map((leaf) => join(root, name, leaf)));
};
const session = async (title: string) => (await window.openView('Sessions')).item(title, { under: 'This computer' });

/** A session in a worktree of its own, whose agent has written a file there. */
async function begin(title: string, file: string): Promise<string> {
  await (await window.openView('Sessions')).titleAction('New Session…');
  await window.quickInput.wait('In which folder?');
  await window.quickInput.pick(/^Worktree of /);
  await window.quickInput.wait('What is it about? May be left empty');
  await window.quickInput.type(title);
  const branch = `pilothouse/${title.toLowerCase().replaceAll(' ', '-')}`;
  await until('the name of its branch', async () => (await window.quickInput.state())?.message.includes(`Branch ${branch}, from the last commit on main.`));
  await window.screenshot(`worktree-name-${file}`);
  await window.quickInput.accept();
  const chat = await Chat.of(window, title);
  await chat.say(`create file ${file}: from the worktree`);
  await chat.answer('Allow');
  await chat.idle();
  const [folder = ''] = worktrees().filter((each) => existsSync(join(each, file)));
  expect(readFileSync(join(folder, file), 'utf8')).toContain('from the worktree');
  expect(existsSync(join(code.folder, file))).toBe(false);
  await chat.frame.getByTitle(`Branch: ${branch}`).waitFor();
  await (await session(title)).waitUntil((row) => row.description.includes(branch.replace('pilothouse/', '')));
  return folder;
}

beforeAll(async () => {
  code = await launchVSCode({ agents: ['demo'] });
  ({ window } = code);
  git('init', '--quiet', '--initial-branch=main');
  git('config', 'user.name', 'Ada');
  git('config', 'user.email', 'ada@localhost');
  writeFileSync(join(code.folder, '.gitignore'), '.env\n');
  git('add', '--all');
  git('commit', '--quiet', '--message', 'first');
});
afterAll(async () => {
  await code?.close();
});

test('a session works in a worktree of its own, and what it did is merged from the tree', async () => {
  const folder = await begin('Add notes', 'notes.txt');
  await window.screenshot('worktree-chat');
  await (await session('Add notes')).contextMenu('Finish Worktree…');
  const asked = await window.quickInput.wait('What becomes of it?');
  expect(asked.items.map((item) => item.label)).toEqual(['Merge into main', 'Keep the Branch', 'Remove']);
  await window.screenshot('worktree-finish');
  await window.quickInput.pick('Merge into main');
  expect((await window.quickInput.wait('Commit message')).value).toBe('Add notes');
  await window.quickInput.accept();
  await window.notifications.wait(/1 commit of pilothouse\/add-notes merged into main/);
  await window.screenshot('worktree-merged');
  expect(readFileSync(join(code.folder, 'notes.txt'), 'utf8')).toContain('from the worktree');
  expect([existsSync(folder), git('log', '-1', '--format=%s'), git('branch', '--format=%(refname:short)'), git('status', '--porcelain')]).toEqual([false, 'Add notes', 'main', '']);
  await (await session('Add notes')).waitUntil((row) => /^(?:stopped|idle)/.test(row.description));
});

test('deleting a session asks what becomes of its worktree, and what is removed with it can be had back', async () => {
  const folder = await begin('Throw away', 'draft.txt');
  const remove = async (): Promise<void> => {
    await (await session('Throw away')).contextMenu('Delete Session…');
    const asked = await window.quickInput.wait('What becomes of it?');
    expect(asked.items.map((item) => item.label)).toEqual(['Merge into main', 'Keep the Branch', 'Remove', 'Leave the Worktree']);
    await window.quickInput.pick('Remove');
    const dialog = await window.dialogs.wait(/Remove the worktree “pilothouse\/throw-away”/);
    expect(JSON.stringify(dialog)).toContain('draft.txt');
  };
  await remove();
  await window.screenshot('worktree-asked');
  await window.dialogs.press('Cancel');
  expect(existsSync(join(folder, 'draft.txt'))).toBe(true);
  await (await session('Throw away')).row();

  await remove();
  await window.dialogs.press('Remove Worktree');
  await window.dialogs.wait(/Delete “Throw away”/);
  await window.dialogs.press('Delete Session');
  await window.notifications.wait(/The worktree pilothouse\/throw-away was removed\. What was in it alone is kept/);
  const [ref = ''] = git('for-each-ref', '--format=%(refname)', 'refs/pilothouse').split('\n');
  expect(git('show', `${ref}:draft.txt`)).toContain('from the worktree');
  expect([existsSync(folder), git('branch', '--format=%(refname:short)'), git('worktree', 'list').split('\n').length]).toEqual([false, 'main', 1]);
  const view = await window.openView('Sessions');
  await until('the session to be gone', async () => (await view.lookUp('Throw away')) === undefined);
});
