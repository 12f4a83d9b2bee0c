import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/** The code of an error of Node's file system; '' for other ones. */
export function fileCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : '';
}

/** Where a file really is: links are followed, so that what replaces it takes the place of their target and they stay. A link that leads nowhere is an ENOENT. */
export async function targetOf(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    if (fileCode(error) !== 'ENOENT') throw error;
    const itself = await lstat(file).catch(() => null);
    if (itself?.isSymbolicLink() === true) throw error;
    return file;
  }
}

/** Puts `text` in the place of a file (not of a link: see `targetOf`), whole or not at all, readable by its owner alone. Folders that are missing are made, mode 700. Rejects with what the file system says. */
export async function replaceFile(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  await removeParts(file);
  const part = `${file}.${process.pid}.${randomBytes(4).toString('hex')}.part`;
  try {
    const handle = await open(part, 'wx', 0o600);
    try {
      // The mode of `open` is less what the process's umask takes.
      await handle.chmod(0o600);
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Milliseconds after which nobody writes on at a part. */
const ABANDONED_MS = 60_000;

/** Deletes what processes that were killed in mid-writing left beside `file`: it may hold what the file held, such as a key. Never rejects. */
export async function removeParts(file: string): Promise<void> {
  const folder = path.dirname(file);
  const names = await readdir(folder).catch(() => []);
  const own = names.filter((name) => name.startsWith(`${path.basename(file)}.`) && /^\d+\.[\da-f]{8}\.part$/.test(name.slice(path.basename(file).length + 1)));
  await Promise.all(own.map(async (name) => {
    const part = path.join(folder, name);
    const found = await lstat(part).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(part, { force: true }).catch(() => undefined);
  }));
}
