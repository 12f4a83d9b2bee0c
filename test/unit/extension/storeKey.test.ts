import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeyContext, KeyWaits, StoreKey } from '../../../src/extension/storeKey.ts';
import { offerKey, storeKey, usableKey } from '../../../src/extension/storeKey.ts';
import { recordingLog } from '../store/support.ts';

const SHORT: KeyWaits = { decisionMs: 400, secretMs: 60, handOverMs: 300 };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'pilothouse-key-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A context whose secret storage keeps what it gets, drops it, or rejects. */
function contextOf(storage: 'keeps' | 'drops' | 'rejects') {
  const secrets = new Map<string, string>();
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
    const second = await storeKey(context, SHORT);
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

/**
 * A window that starts on the shared folder. Its secret storage reads and writes `secrets` after a while, as one that asks another process; with `own`, as
 * the one of a browser's tab, it sees what it stored itself and nothing else.
 */
function host(secrets: Map<string, string>, options: { readonly own?: boolean; readonly takes?: boolean; readonly slowMs?: number } = {}) {
  const mine = options.own === true ? new Map(secrets) : secrets;
  const late = (ms: number): Promise<void> => wait(Math.random() * ms);
  const context: KeyContext = {
    globalStorageUri: { fsPath: folder },
    secrets: {
      get: async (name) => {
        await late(5);
        return mine.get(name);
      },
      store: async (name, value) => {
        await (options.slowMs === undefined ? late(5) : wait(options.slowMs));
        if (options.takes !== false) mine.set(name, value);
      },
    },
  };
  return context;
}

describe('windows that start at once on the same storage', () => {
  const offers: { dispose(): void }[] = [];
  afterEach(() => {
    for (const offer of offers.splice(0)) offer.dispose();
  });
  const start = async (context: KeyContext, waits: KeyWaits = SHORT): Promise<StoreKey> => {
    await wait(Math.random() * 4);
    const found = await storeKey(context, waits);
    offers.push(offerKey(context, found, recordingLog().log));
    return found;
  };
  const keysOf = (found: readonly StoreKey[]): readonly string[] => [...new Set(found.map((each) => Buffer.from(each.key).toString('hex')))];

  it('settle on one key, and keep it', async () => {
    for (let round = 0; round < 40; round += 1) {
      await rm(folder, { recursive: true });
      await mkdir(folder);
      const secrets = new Map<string, string>();
      const found = await Promise.all(Array.from({ length: 2 + (round % 3) }, () => start(host(secrets))));
      const later = await start(host(secrets));
      expect(keysOf([...found, later])).toHaveLength(1);
      expect(found.every((each) => each.keptIn === 'secret-storage' && each.warning === null)).toBe(true);
    }
  });

  it('settle on one key where each sees its own secrets only: it is handed over in the file', async () => {
    const secrets = new Map<string, string>();
    const found = await Promise.all([start(host(secrets, { own: true })), start(host(secrets, { own: true })), start(host(secrets, { own: true }))]);
    expect(keysOf(found)).toHaveLength(1);
    expect(found.filter((each) => each.keptIn === 'file').every((each) => each.warning?.includes('does not hold'))).toBe(true);
    expect((await stat(path.join(folder, 'store.key'))).mode & 0o777).toBe(0o600);
    expect(keysOf([...found, await start(host(secrets, { own: true }))])).toHaveLength(1);
  });

  it('settle on one key where only some storages take it', async () => {
    for (let round = 0; round < 10; round += 1) {
      await rm(folder, { recursive: true });
      await mkdir(folder);
      const found = await Promise.all([start(host(new Map(), { takes: false })), start(host(new Map(), { own: true })), start(host(new Map(), { takes: false }))]);
      expect(keysOf(found)).toHaveLength(1);
    }
  });

  it('do not wait for ever for one whose storage hangs, and are followed by it', async () => {
    const secrets = new Map<string, string>();
    const slow = start(host(secrets, { slowMs: 900 }));
    await wait(60);
    const [second, third] = await Promise.all([start(host(secrets)), start(host(secrets))]);
    expect([second.keptIn, third.keptIn]).toEqual(['file', 'file']);
    expect(keysOf([await slow, second, third])).toHaveLength(1);
  });

  it('go on from a claim whose window died before or after it stored the key', async () => {
    await writeFile(path.join(folder, 'store.key.claim'), '');
    const found = await Promise.all([start(host(new Map())), start(host(new Map()))]);
    expect(keysOf(found)).toHaveLength(1);
    await rm(folder, { recursive: true });
    await mkdir(folder);
    const secrets = new Map<string, string>();
    const { key } = await storeKey(host(secrets), SHORT);
    await rename(path.join(folder, 'store.key.kept'), path.join(folder, 'store.key.claim'));
    const again = await storeKey(host(secrets), SHORT);
    expect(again).toEqual({ key, keptIn: 'secret-storage', warning: null });
  });

  it('keep the key that the storage has where the window of the claim died before it said so', async () => {
    const secrets = new Map([['pilothouse.storeKey', Buffer.alloc(32, 7).toString('base64')]]);
    await writeFile(path.join(folder, 'store.key.claim'), '');
    const found = await Promise.all([start(host(secrets)), start(host(secrets))]);
    for (const each of found) expect(each).toEqual({ key: new Uint8Array(32).fill(7), keptIn: 'file', warning: null });
    // One that died in between the two steps of the decision.
    await rm(path.join(folder, 'store.key'));
    expect((await start(host(secrets))).key).toEqual(new Uint8Array(32).fill(7));
  });

  it('are told when the file that came meanwhile holds another key than the storage', async () => {
    const secrets = new Map([['pilothouse.storeKey', Buffer.alloc(32, 7).toString('base64')]]);
    await writeFile(path.join(folder, 'store.key.claim'), '');
    const found = storeKey(host(secrets), SHORT);
    await wait(100);
    await writeFile(path.join(folder, 'store.key'), Buffer.alloc(32, 8), { mode: 0o600 });
    expect(await found).toMatchObject({ key: new Uint8Array(32).fill(8), keptIn: 'file', warning: expect.stringContaining('does not hold') as string });
    expect(await storeKey(host(secrets), SHORT)).toMatchObject({ warning: null });
  });
});
