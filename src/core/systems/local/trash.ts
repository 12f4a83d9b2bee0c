import { cp, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';

const keptMs = 30 * 24 * 3_600_000;

/** Moves files to `<stateDir>/trash/<time>-<id>`, also over the borders of file systems. */
export async function moveToTrash(files: readonly string[], stateDir: string, id: string, now: number): Promise<void> {
  const folder = path.join(stateDir, 'trash', `${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}-${id}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const file of files) {
    const target = path.join(folder, path.basename(file));
    try {
      await rename(file, target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      await cp(file, target, { recursive: true, preserveTimestamps: true });
      await rm(file, { recursive: true });
    }
  }
  await utimes(folder, now / 1000, now / 1000);
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
