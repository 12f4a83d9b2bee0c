import { cp, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { TranscriptFile } from './files.ts';
import { sideFolder } from './pages.ts';

/** What is read of a transcript's end to see whether it holds a prompt, in bytes. */
const lookBytes = 4 * 1024 * 1024;

/** True when the end of a transcript holds a line with that uuid. */
export async function holdsUuid(file: TranscriptFile, uuid: string): Promise<boolean> {
  const handle = await open(file.path, 'r').catch(() => null);
  if (handle === null) return false;
  try {
    const from = Math.max(0, file.size - lookBytes);
    const buffer = Buffer.alloc(file.size - from);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
    const bytes = buffer.subarray(0, bytesRead);
    return bytes.includes(`"uuid":"${uuid}"`) || bytes.includes(`"source_uuid":"${uuid}"`);
  } finally {
    await handle.close();
  }
}

/** The transcript and the folder beside it, as far as they are there. */
export async function removalFiles(transcript: string): Promise<string[]> {
  const found: string[] = [];
  for (const file of [transcript, sideFolder(transcript)]) if ((await stat(file).catch(() => null)) !== null) found.push(file);
  return found;
}

/** Moves files to `<stateDir>/trash/<time>-<id>`, also over the borders of file systems. */
export async function toTrash(files: readonly string[], stateDir: string, id: string, now: number): Promise<void> {
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
    if (found !== null && now - found.mtimeMs > 30 * 24 * 3_600_000) await rm(folder, { recursive: true, force: true });
  }
}
