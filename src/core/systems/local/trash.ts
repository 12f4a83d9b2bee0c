import { cp, lstat, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';

const keptMs = 30 * 24 * 3_600_000;

/**
 * Moves files and folders to `<stateDir>/trash/<time>-<id>`, also over the borders of file systems: there each is copied with its times and modes, and
 * removed once its copy is whole. Gives that folder. What cannot be moved stays where it is, and rejects with the system's error. `move` stands for `rename`.
 */
export async function moveToTrash(files: readonly string[], stateDir: string, id: string, now: number, move: (from: string, to: string) => Promise<void> = rename): Promise<string> {
  const folder = path.join(stateDir, 'trash', `${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}-${id}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const file of files) {
    const target = await freeName(folder, path.basename(file));
    try {
      await move(file, target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      await copyOver(file, target);
    }
  }
  await utimes(folder, now / 1000, now / 1000);
  return folder;
}

/** Files of one name from several folders do not take each other's place. */
async function freeName(folder: string, name: string): Promise<string> {
  for (let count = 1; ; count += 1) {
    const target = path.join(folder, count === 1 ? name : `${count}-${name}`);
    if ((await lstat(target).catch(() => null)) === null) return target;
  }
}

async function copyOver(file: string, target: string): Promise<void> {
  try {
    await cp(file, target, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true, errorOnExist: true, force: false });
  } catch (error) {
    await rm(target, { recursive: true, force: true });
    throw error;
  }
  await rm(file, { recursive: true });
}

/** Empties what has been in the trash for thirty days. */
export async function emptyTrash(stateDir: string, now: number): Promise<void> {
  const root = path.join(stateDir, 'trash');
  for (const name of await readdir(root).catch(() => [])) {
    const folder = path.join(root, name);
    const found = await stat(folder).catch(() => null);
    if (found !== null && now - found.mtimeMs > keptMs) await rm(folder, { recursive: true, force: true });
  }
}
