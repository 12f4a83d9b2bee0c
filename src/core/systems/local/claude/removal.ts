import { open, stat } from 'node:fs/promises';
import type { TranscriptFile } from './files.ts';
import { sideFolder } from './transcript.ts';

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
