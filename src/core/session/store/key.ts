import { randomBytes, randomUUID } from 'node:crypto';
import { link, lstat, mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { PilothouseError } from '../../model/errors.ts';

const KEY_BYTES = 32;
const OTHERS = 0o077;
const RETRIES = 10;
const RETRY_MS = 30;

/**
 * The 32 bytes of a key file, made with mode 600 where it is missing, of `fresh` (at random without it); two processes that make it at once get the same. It is never overwritten.
 * Rejects with `key_exposed` where others may read the file, `key_damaged` where it is no key, `key_unusable` where it can't be read or made.
 */
export async function keyFromFile(file: string, fresh: Uint8Array = randomBytes(KEY_BYTES)): Promise<Uint8Array> {
  try {
    return (await existing(file)) ?? (await make(file, fresh));
  } catch (error) {
    if (error instanceof PilothouseError) throw error;
    throw new PilothouseError('key_unusable', `The key file ${file} can’t be read or made. See to the rights of its folder.`, { cause: error, personMustAct: true });
  }
}

async function existing(file: string): Promise<Uint8Array | null> {
  for (let attempt = 0; ; attempt += 1) {
    const found = await lstat(file).catch((error: unknown) => {
      if (isCode(error, 'ENOENT')) return null;
      throw error;
    });
    if (found === null) return null;
    if (!found.isFile()) throw new PilothouseError('key_damaged', `${file} is no regular file. Move it away; a key file is then made.`, { personMustAct: true });
    if (process.platform !== 'win32' && (found.mode & OTHERS) !== 0) {
      throw new PilothouseError('key_exposed', `Others can read the key file ${file}. Run: chmod 600 '${file}'`, { personMustAct: true });
    }
    const key = await readFile(file);
    if (key.length === KEY_BYTES) return new Uint8Array(key);
    // Where links are not known, another process may be writing it just now.
    if (key.length > KEY_BYTES || attempt >= RETRIES) {
      throw new PilothouseError('key_damaged', `The key file ${file} does not hold 32 bytes. Restore it, or move it away: what it sealed stays unreadable without it.`, { personMustAct: true });
    }
    await wait(RETRY_MS);
  }
}

/** The file appears whole or not at all, and whoever comes first makes the key of all. */
async function make(file: string, key: Uint8Array): Promise<Uint8Array> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  try {
    await write(draft, key);
    await link(draft, file).catch(async (error: unknown) => {
      if (isCode(error, 'EEXIST')) return;
      // Some file systems have no links.
      await write(file, key).catch((inner: unknown) => {
        if (!isCode(inner, 'EEXIST')) throw inner;
      });
    });
  } finally {
    await rm(draft, { force: true });
  }
  const made = await existing(file);
  if (made === null) throw new PilothouseError('key_unusable', `The key file ${file} vanished while it was made. Try again.`);
  return made;
}

async function write(file: string, key: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(key);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
