import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { keyFromFile } from '../../../src/core/session/store/key.ts';
import { inFolder, startChild } from './support.ts';

const unix = process.platform !== 'win32';

describe('a key file', () => {
  it('is made once, with mode 600 in a folder of mode 700, and read from then on', async () => {
    await inFolder(async (folder) => {
      const file = path.join(folder, 'state', 'store.key');
      const key = await keyFromFile(file);
      expect(key.length).toBe(32);
      expect(await keyFromFile(file)).toEqual(key);
      expect(new Uint8Array(readFileSync(file))).toEqual(key);
      if (unix) {
        expect(statSync(file).mode & 0o777).toBe(0o600);
        expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
      }
      expect(readdirSync(path.dirname(file))).toEqual(['store.key']);
      expect(await keyFromFile(path.join(folder, 'other.key'))).not.toEqual(key);
    });
  });

  it('is the same for all that make it at once', async () => {
    await inFolder(async (folder) => {
      const file = path.join(folder, 'store.key');
      const here = Array.from({ length: 8 }, () => keyFromFile(file));
      const children = [startChild(['key', file]), startChild(['key', file]), startChild(['key', file])];
      const keys = new Set((await Promise.all(here)).map((key) => Buffer.from(key).toString('hex')));
      for (const child of children) keys.add((await child.line('key')).slice('key '.length));
      expect(keys.size).toBe(1);
      expect(readdirSync(folder)).toEqual(['store.key']);
      await Promise.all(children.map((child) => child.ended()));
    });
  });

  it('that others can read is refused, and told how to mend', { skip: !unix }, async () => {
    await inFolder(async (folder) => {
      const file = path.join(folder, 'store.key');
      await keyFromFile(file);
      for (const mode of [0o640, 0o604, 0o660, 0o644]) {
        chmodSync(file, mode);
        await expect(keyFromFile(file)).rejects.toMatchObject({ code: 'key_exposed', personMustAct: true, message: expect.stringContaining('chmod 600') });
      }
      chmodSync(file, 0o600);
      await expect(keyFromFile(file)).resolves.toHaveLength(32);
    });
  });

  it('that is no key is refused and never overwritten', async () => {
    await inFolder(async (folder) => {
      const file = path.join(folder, 'store.key');
      for (const bytes of [33, 31, 0]) {
        writeFileSync(file, Buffer.alloc(bytes, 1), { mode: 0o600 });
        await expect(keyFromFile(file)).rejects.toMatchObject({ code: 'key_damaged' });
        expect(readFileSync(file)).toEqual(Buffer.alloc(bytes, 1));
      }
      const link = path.join(folder, 'link.key');
      symlinkSync(file, link);
      await expect(keyFromFile(link)).rejects.toMatchObject({ code: 'key_damaged' });
      mkdirSync(path.join(folder, 'folder.key'));
      await expect(keyFromFile(path.join(folder, 'folder.key'))).rejects.toMatchObject({ code: 'key_damaged' });
      await expect(keyFromFile(path.join(file, 'below.key'))).rejects.toMatchObject({ code: 'key_unusable' });
    });
  });
});
