import { mkdir, readFile, realpath, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import { num, str } from './read.ts';

/** Bytes of the largest file that is handed over. */
const maxFile = 32 * 1024 * 1024;

/** The real path of the nearest part of `file` that is there, with the rest behind it: what a write to `file` would really touch. */
async function settle(file: string): Promise<string> {
  let head = file;
  const tail: string[] = [];
  for (;;) {
    try {
      return path.join(await realpath(head), ...tail);
    } catch (error) {
      const parent = path.dirname(head);
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === head) throw error;
      tail.unshift(path.basename(head));
      head = parent;
    }
  }
}

/**
 * The path that the agent named, with every link resolved, if it is in the session's folder. Otherwise rejects with `outside_folder`: the client's
 * file methods are an opening to this host, not to the whole computer.
 */
export async function inFolder(folder: string, file: string | null): Promise<string> {
  if (file === null || file.includes('\0') || !path.isAbsolute(file)) throw new PilothouseError('invalid_argument', 'The path must be absolute.');
  const root = await realpath(folder);
  const real = await settle(path.normalize(file));
  const relative = path.relative(root, real);
  if (relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative)) {
    throw new PilothouseError('outside_folder', `${file} is outside of the session's folder.`);
  }
  return real;
}

/** `fs/read_text_file` (schema v1): `line` is 1-based, `limit` counts lines. */
export async function readTextFile(folder: string, params: JsonObject): Promise<{ readonly content: string }> {
  const file = await inFolder(folder, str(params, 'path'));
  const about = await stat(file).catch(() => null);
  if (about === null) throw new PilothouseError('file_not_found', `${file} is not there.`);
  if (!about.isFile()) throw new PilothouseError('not_a_file', `${file} is not a file.`);
  if (about.size > maxFile) throw new PilothouseError('file_too_large', `${file} has more than ${maxFile} bytes.`);
  const content = await readFile(file, 'utf8');
  const line = num(params, 'line');
  const limit = num(params, 'limit');
  if (line === null && limit === null) return { content };
  const from = Math.max(0, Math.floor(line ?? 1) - 1);
  const lines = content.split('\n');
  return { content: lines.slice(from, limit === null ? undefined : from + Math.max(0, Math.floor(limit))).join('\n') };
}

/** `fs/write_text_file` (schema v1): whole or not at all. Gives the path that was written. */
export async function writeTextFile(folder: string, params: JsonObject): Promise<string> {
  const content = str(params, 'content');
  if (content === null) throw new PilothouseError('invalid_argument', 'There is no content to write.');
  const file = await inFolder(folder, str(params, 'path'));
  const about = await stat(file).catch(() => null);
  if (about !== null && !about.isFile()) throw new PilothouseError('not_a_file', `${file} is not a file.`);
  await mkdir(path.dirname(file), { recursive: true });
  const part = path.join(path.dirname(file), `.${path.basename(file)}.${randomUUID()}.part`);
  try {
    await writeFile(part, content, about === null ? {} : { mode: about.mode });
    await rename(part, file);
  } catch (error) {
    await unlink(part).catch(() => undefined);
    throw error;
  }
  return file;
}
