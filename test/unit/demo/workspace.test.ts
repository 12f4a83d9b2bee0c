import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCommand } from '../../demo/shell.ts';
import { story } from '../../demo/story.ts';
import { Workspace } from '../../demo/workspace.ts';
import { dies, makeFolder, pidIn } from './client.ts';

let folder: Awaited<ReturnType<typeof makeFolder>>;
let workspace: Workspace;
beforeEach(async () => {
  folder = await makeFolder();
  workspace = await Workspace.open(folder.root);
});
afterEach(() => folder.dispose());
const never = new AbortController().signal;

describe('paths', () => {
  it.each(['..', '../x', '/etc/passwd', 'src/../../x', '../ferry-other/x'])('refuse %s', async (path) => {
    await expect(workspace.within(path)).rejects.toMatchObject({ code: 'outside' });
    await expect(workspace.read(path)).rejects.toMatchObject({ code: 'outside' });
    await expect(workspace.write(path, null, 'x')).rejects.toMatchObject({ code: 'outside' });
  });

  it('refuse links that lead out, for reading and for writing, broken ones too', async () => {
    await mkdir(join(folder.state, 'elsewhere'), { recursive: true });
    await writeFile(join(folder.state, 'secret'), 'secret');
    await symlink(join(folder.state, 'secret'), join(folder.root, 'leak'));
    await symlink(join(folder.state, 'elsewhere'), join(folder.root, 'away'));
    await symlink(join(folder.state, 'not-there'), join(folder.root, 'broken'));
    await expect(workspace.read('leak')).rejects.toMatchObject({ code: 'outside' });
    await expect(workspace.write('away/x', null, 'x')).rejects.toMatchObject({ code: 'outside' });
    await expect(workspace.write('broken', null, 'x')).rejects.toMatchObject({ code: 'outside' });
    expect(await workspace.files()).not.toContain('leak');
  });

  it('within are brought to one form', async () => {
    expect(await workspace.within('./src/../src/time.ts')).toBe('src/time.ts');
    expect(await workspace.within(join(workspace.root, 'src'))).toBe('src');
    expect(await workspace.within('not/there/yet.ts')).toBe('not/there/yet.ts');
  });
});

describe('files', () => {
  it('are found by their path, the end of it, or their name', async () => {
    expect(await workspace.files()).toEqual(['README.md', 'package.json', 'src/pad.ts', 'src/time.ts']);
    expect(await Promise.all(['src/time.ts', 'time.ts', 'Time', 'readme'].map((said) => workspace.find(said)))).toEqual(['src/time.ts', 'src/time.ts', 'src/time.ts', 'README.md']);
    await expect(workspace.find('src')).rejects.toMatchObject({ code: 'is_folder' });
    await expect(workspace.find('tim')).rejects.toMatchObject({ code: 'missing', message: expect.stringContaining('src/time.ts') as string });
    await writeFile(join(folder.root, 'time.md'), '');
    await expect(workspace.find('time')).rejects.toMatchObject({ code: 'ambiguous' });
  });

  it('that are no text, too large or gone are refused', async () => {
    await writeFile(join(folder.root, 'bin'), Buffer.from([1, 0, 2]));
    await writeFile(join(folder.root, 'big'), 'x'.repeat(1024 * 1024 + 1));
    await expect(workspace.read('bin')).rejects.toMatchObject({ code: 'not_text' });
    await expect(workspace.read('big')).rejects.toMatchObject({ code: 'too_large' });
    await expect(workspace.read('gone')).rejects.toMatchObject({ code: 'missing' });
    await expect(Workspace.open('relative')).rejects.toMatchObject({ code: 'missing' });
    await expect(Workspace.open(join(folder.root, 'README.md'))).rejects.toMatchObject({ code: 'missing' });
  });

  it('are written only over what was read', async () => {
    await writeFile(join(folder.root, 'a.txt'), 'theirs');
    await expect(workspace.write('a.txt', 'mine', 'x')).rejects.toMatchObject({ code: 'changed' });
    await expect(workspace.write('a.txt', null, 'x')).rejects.toMatchObject({ code: 'exists' });
    await expect(workspace.remove('a.txt', 'mine')).rejects.toMatchObject({ code: 'changed' });
    await workspace.write('a.txt', 'theirs', 'ours');
    await workspace.write('new/deep/b.txt', null, 'b');
    expect(await readFile(join(folder.root, 'a.txt'), 'utf8')).toBe('ours');
    expect(await readFile(join(folder.root, 'new/deep/b.txt'), 'utf8')).toBe('b');
    await workspace.remove('a.txt', 'ours');
    await expect(workspace.read('a.txt')).rejects.toMatchObject({ code: 'missing' });
  });

  it('are searched, hidden ones and dependencies left out', async () => {
    expect((await workspace.search('CLOCK', 10, never)).hits).toEqual([]);
    expect((await workspace.search('clock', 10, never)).hits).toEqual([{ path: 'src/time.ts', line: 4, text: 'export function clock(minutes: number): string {' }]);
    expect(await workspace.search('e', 3, never)).toMatchObject({ more: true, hits: [{}, {}, {}] });
  });
});

describe('story', () => {
  it('has as many words as asked for, and closes its fences', async () => {
    for (const words of [1, 7, 60, 95, 120, 400, 3000]) {
      const text = await story(workspace, words, never);
      const fences = text.match(/^`{3,}/gm)?.length ?? 0;
      expect(fences % 2).toBe(0);
      expect(Math.abs((text.match(/\S+/g)?.length ?? 0) - words)).toBeLessThanOrEqual(1);
    }
  });

  it('of an empty workspace is filler, and says so', async () => {
    await rm(folder.root, { recursive: true });
    await mkdir(folder.root);
    expect(await story(workspace, 200, never)).toContain('What follows is filler');
  });
});

describe('commands', () => {
  it('stream what they write, without the control sequences of terminals', async () => {
    const seen: string[] = [];
    const done = await runCommand("printf '\\033[31mred\\033[0m\\n'; sleep 0.3; echo two >&2; exit 3", folder.root, never, (output) => seen.push(output));
    expect(done).toEqual({ output: 'red\ntwo\n', exitCode: 3, ended: 'itself' });
    expect(seen).toEqual(['red\n', 'red\ntwo\n']);
  });

  it('are ended with all that they started', async () => {
    const stop = new AbortController();
    const pids = join(folder.root, 'pids');
    const running = runCommand(`trap '' TERM; sh -c 'echo $$ > ${pids}; while :; do sleep 0.1; done'; echo over`, folder.root, stop.signal, () => undefined);
    const pid = await pidIn(pids);
    expect(() => process.kill(pid, 0)).not.toThrow();
    stop.abort();
    expect((await running).ended).toBe('cancelled');
    expect(await dies(pid)).toBe(true);
  });

  it('that cannot start, or leave something behind, end all the same', async () => {
    expect((await runCommand('no-such-command-at-all', folder.root, never, () => undefined)).exitCode).toBe(127);
    expect((await runCommand('true', join(folder.root, 'gone'), never, () => undefined)).exitCode).toBe(127);
    const started = performance.now();
    expect((await runCommand('sleep 3 & echo off', folder.root, never, () => undefined)).output).toBe('off\n');
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
