import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emptyTrash, moveToTrash } from '../../../src/core/systems/local/trash.ts';
import { tempFolder } from './processScripts.ts';

let temp: Awaited<ReturnType<typeof tempFolder>>;
beforeEach(async () => {
  temp = await tempFolder();
});
afterEach(async () => temp.remove());

describe('the trash', () => {
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
