import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, readlink, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emptyTrash, moveToTrash } from '../../../src/core/systems/local/trash.ts';
import { tempFolder } from './processScripts.ts';

let temp: Awaited<ReturnType<typeof tempFolder>>;
beforeEach(async () => {
  temp = await tempFolder();
});
afterEach(async () => temp.remove());

const crossing = (): Promise<void> => Promise.reject(Object.assign(new Error('EXDEV: cross-device link not permitted'), { code: 'EXDEV' }));

/** A folder on another file system than the temporary one, where this computer has one that may be written. */
async function elsewhere(): Promise<string | null> {
  const here = (await stat(temp.path)).dev;
  for (const place of ['/dev/shm', `/run/user/${process.getuid?.() ?? 0}`, path.dirname(fileURLToPath(import.meta.url))]) {
    const facts = await stat(place).catch(() => null);
    if (facts === null || facts.dev === here) continue;
    const made = await mkdtemp(path.join(place, 'pilothouse-trash-')).catch(() => null);
    if (made !== null) return made;
  }
  return null;
}

describe('over the border of a file system', () => {
  let source = '';
  let foreign: string | null = null;
  beforeEach(async () => {
    foreign = await elsewhere();
    source = foreign ?? path.join(temp.path, 'source');
    await mkdir(path.join(source, 'agents', 'deep'), { recursive: true });
    await writeFile(path.join(source, 'a.jsonl'), 'lines', { mode: 0o600 });
    await writeFile(path.join(source, 'agents', 'deep', 'inner'), 'more', { mode: 0o640 });
    await symlink('deep/inner', path.join(source, 'agents', 'link'));
    await utimes(path.join(source, 'a.jsonl'), 1000, 1_700_000_000);
  });
  afterEach(async () => {
    if (foreign !== null) await rm(foreign, { recursive: true, force: true });
  });
  const state = (): string => path.join(temp.path, 'state');
  const trashed = async (): Promise<string> => path.join(state(), 'trash', (await readdir(path.join(state(), 'trash')))[0] ?? '');

  it.each(['by itself', 'told so'])('files and folders are copied with times, modes and links, and are gone then (%s)', async (how) => {
    // Where this computer has one file system only, the border is told in both cases.
    const move = how === 'by itself' && foreign !== null ? rename : crossing;
    await moveToTrash([path.join(source, 'a.jsonl'), path.join(source, 'agents')], state(), 'id1', Date.now(), move);
    const folder = await trashed();
    expect(await readFile(path.join(folder, 'a.jsonl'), 'utf8')).toBe('lines');
    const facts = await stat(path.join(folder, 'a.jsonl'));
    expect([facts.mode & 0o777, facts.mtimeMs]).toEqual([0o600, 1_700_000_000_000]);
    expect((await stat(path.join(folder, 'agents', 'deep', 'inner'))).mode & 0o777).toBe(0o640);
    expect(await readlink(path.join(folder, 'agents', 'link'))).toBe('deep/inner');
    expect(await readFile(path.join(folder, 'agents', 'link'), 'utf8')).toBe('more');
    expect(await readdir(source)).toEqual([]);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('what cannot be copied whole stays, and leaves no half of itself', async () => {
    await mkdir(path.join(source, 'agents', 'later'));
    // A pipe cannot be copied.
    await new Promise<void>((resolve, reject) => {
      execFile('mkfifo', [path.join(source, 'agents', 'later', 'pipe')], (error) => (error === null ? resolve() : reject(error)));
    });
    await expect(moveToTrash([path.join(source, 'agents')], state(), 'id1', Date.now(), crossing)).rejects.toMatchObject({ code: 'ERR_FS_CP_FIFO_PIPE' });
    expect(await readFile(path.join(source, 'agents', 'deep', 'inner'), 'utf8')).toBe('more');
    expect(await readdir(await trashed())).toEqual([]);
  });

  it('any other failure is told as it is, and nothing is copied', async () => {
    const refused = (): Promise<void> => Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }));
    await expect(moveToTrash([path.join(source, 'a.jsonl')], state(), 'id1', Date.now(), refused)).rejects.toMatchObject({ code: 'EACCES' });
    expect(await readFile(path.join(source, 'a.jsonl'), 'utf8')).toBe('lines');
    expect(await readdir(await trashed())).toEqual([]);
  });
});

describe('the trash', () => {
  it('keeps files of one name apart', async () => {
    for (const name of ['one', 'two']) {
      await mkdir(path.join(temp.path, name));
      await writeFile(path.join(temp.path, name, 'a.jsonl'), name);
    }
    const state = path.join(temp.path, 'state');
    await moveToTrash([path.join(temp.path, 'one', 'a.jsonl'), path.join(temp.path, 'two', 'a.jsonl')], state, 'id1', Date.now());
    const [name = ''] = await readdir(path.join(state, 'trash'));
    const texts = await Promise.all((await readdir(path.join(state, 'trash', name))).map((file) => readFile(path.join(state, 'trash', name, file), 'utf8')));
    expect(texts.sort()).toEqual(['one', 'two']);
  });

  it('takes files and folders, and is emptied of them after thirty days', async () => {
    const file = path.join(temp.path, 'a.jsonl');
    const folder = path.join(temp.path, 'a');
    await writeFile(file, 'lines');
    await mkdir(folder);
    await writeFile(path.join(folder, 'inner'), 'more');
    const state = path.join(temp.path, 'state');
    const now = Date.UTC(2026, 10, 21);
    await moveToTrash([file, folder], state, 'id1', now);
    const [name = ''] = await readdir(path.join(state, 'trash'));
    expect(name).toBe('2026-11-21T00-00-00-000Z-id1');
    expect(await readFile(path.join(state, 'trash', name, 'a.jsonl'), 'utf8')).toBe('lines');
    expect(await readFile(path.join(state, 'trash', name, 'a', 'inner'), 'utf8')).toBe('more');
    for (const gone of [file, folder]) await expect(stat(gone)).rejects.toMatchObject({ code: 'ENOENT' });
    const day = 24 * 3_600_000;
    await emptyTrash(state, now + 29 * day);
    expect(await readdir(path.join(state, 'trash'))).toEqual([name]);
    await emptyTrash(state, now + 31 * day);
    expect(await readdir(path.join(state, 'trash'))).toEqual([]);
  });
});
