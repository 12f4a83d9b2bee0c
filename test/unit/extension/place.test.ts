import { mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { AttachmentFiles } from '../../../src/extension/chat/attachments.ts';
import { attachmentName, placeOf } from '../../../src/extension/chat/place.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'pilothouse-place-'));
  await mkdir(path.join(folder, 'src'));
  await writeFile(path.join(folder, 'src', 'a.ts'), 'x');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a path that an agent wrote', () => {
  it('is read from the session’s folder, from home, or as it stands', async () => {
    const file = path.join(folder, 'src', 'a.ts');
    expect(await placeOf('src/a.ts', folder)).toEqual({ kind: 'file', path: file });
    expect(await placeOf('./src/../src/a.ts', folder)).toEqual({ kind: 'file', path: file });
    expect(await placeOf(file, '')).toEqual({ kind: 'file', path: file });
    expect(await placeOf('~/src/a.ts', '', folder)).toEqual({ kind: 'file', path: file });
    expect(await placeOf('src', folder)).toEqual({ kind: 'folder', path: path.join(folder, 'src') });
  });

  it('leads to no device, to no other computer, and from an unknown folder nowhere', async () => {
    await expect(placeOf('/dev/null', folder)).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(placeOf('//evil.example/share/a', folder)).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(placeOf(String.raw`\\evil.example\share`, folder)).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(placeOf('src/a.ts', '')).rejects.toMatchObject({ code: 'not_found' });
    await expect(placeOf('src/b.ts', folder)).rejects.toMatchObject({ code: 'not_found', message: 'There is no file src/b.ts.' });
  });
});

describe('copies of attachments', () => {
  it('have names of our own making', () => {
    expect(attachmentName('../../.bashrc')).toBe('bashrc');
    expect(attachmentName(String.raw`C:\x\shot 1.png`)).toBe('shot_1.png');
    expect(attachmentName('..')).toBe('file');
    expect(attachmentName(`${'a'.repeat(400)}.png`)).toMatch(/^a{96}\.png$/);
  });

  it('are for the person alone, and go with the window', async () => {
    const root = path.join(folder, 'attachments');
    const files = new AttachmentFiles(root, silentLogger);
    const file = await files.write('shot.png', Buffer.from('picture').toString('base64'));
    const again = await files.write('shot.png', Buffer.from('another').toString('base64'));
    expect(await readFile(file, 'utf8')).toBe('picture');
    expect(await readFile(again, 'utf8')).toBe('another');
    expect((await stat(file)).mode & 0o077).toBe(0);
    expect((await stat(path.dirname(file))).mode & 0o077).toBe(0);
    files.dispose();
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('that a killed window left go a day later, and no others', async () => {
    const root = path.join(folder, 'attachments');
    const [left, other, own] = [new AttachmentFiles(root, silentLogger), new AttachmentFiles(root, silentLogger), new AttachmentFiles(root, silentLogger)];
    const files = await Promise.all([left, other, own].map((each) => each.write('a.txt', 'YQ==')));
    const [old = ''] = files;
    const dayAgo = (Date.now() - 25 * 3_600_000) / 1000;
    await utimes(path.dirname(path.dirname(old)), dayAgo, dayAgo);
    await own.sweep(Date.now());
    expect(await Promise.all(files.map((file) => stat(file).then(() => true, () => false)))).toEqual([false, true, true]);
    await new AttachmentFiles(path.join(folder, 'none'), silentLogger).sweep(Date.now());
  });
});
