import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeyContext } from '../../../src/extension/storeKey.ts';
import { storeKey, usableKey } from '../../../src/extension/storeKey.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'pilothouse-key-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A context whose secret storage keeps what it gets, drops it, or rejects. */
function contextOf(storage: 'keeps' | 'drops' | 'rejects') {
  const secrets = new Map<string, string>();
  const state = new Map<string, unknown>();
  const locked = (): Promise<never> => Promise.reject(new Error('the keyring is locked'));
  const context: KeyContext = {
    globalStorageUri: { fsPath: folder },
    secrets: {
      get: (name) => (storage === 'rejects' ? locked() : Promise.resolve(secrets.get(name))),
      store: (name, value) => {
        if (storage === 'rejects') return locked();
        if (storage === 'keeps') secrets.set(name, value);
        return Promise.resolve();
      },
    },
    globalState: {
      get: (name) => state.get(name),
      update: (name, value) => Promise.resolve(void state.set(name, value)),
    },
  };
  return { context, secrets };
}

describe('the key of the store', () => {
  it('is the same again where secrets are kept', async () => {
    const { context } = contextOf('keeps');
    const first = await storeKey(context);
    expect(first).toMatchObject({ keptIn: 'secret-storage', warning: null });
    expect(await storeKey(context)).toEqual(first);
  });

  for (const storage of ['drops', 'rejects'] as const) {
    it(`is in a file of mode 600 where the secret storage ${storage} it, told once`, async () => {
      const { context } = contextOf(storage);
      const first = await storeKey(context);
      expect(first.keptIn).toBe('file');
      expect(first.warning).not.toBeNull();
      expect((await stat(path.join(folder, 'store.key'))).mode & 0o777).toBe(0o600);
      expect(await storeKey(context)).toEqual({ ...first, warning: null });
    });
  }

  it('moves to a file where secrets that were kept are lost', async () => {
    const { context, secrets } = contextOf('keeps');
    const first = await storeKey(context);
    secrets.clear();
    const second = await storeKey(context);
    expect(second.keptIn).toBe('file');
    expect(second.warning).toContain('did not keep');
    expect(second.key).not.toEqual(first.key);
  });

  it('is one of this run only where its file is damaged, and the file stays', async () => {
    const { context } = contextOf('drops');
    await writeFile(path.join(folder, 'store.key'), 'not a key', { mode: 0o600 });
    const usable = await usableKey(context, path.join(folder, 'store'));
    expect(usable).toMatchObject({ temporary: true, warning: expect.stringContaining('Sessions work') as string });
    expect(usable.directory).not.toBe(path.join(folder, 'store'));
    expect(await readFile(path.join(folder, 'store.key'), 'utf8')).toBe('not a key');
    await rm(usable.directory, { recursive: true });
  });
});
