import { stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { PilothouseError } from '../../core/model/errors.ts';
import { oneLine } from '../tree/text.ts';

/** Something on this computer's disk that can be shown. */
interface Place {
  readonly kind: 'file' | 'folder';
  /** Absolute. */
  readonly path: string;
}

/**
 * Where a path that an agent wrote leads: absolute, from `home` with `~/`, else from the session's folder. Rejects with `not_found` where nothing is,
 * and with `invalid_argument` for what is no file to read (a device, a pipe) and for the shares of other computers, which to look at would sign in there.
 */
export async function placeOf(written: string, folder: string, home: string = os.homedir()): Promise<Place> {
  const expanded = /^~[/\\]/.test(written) ? path.join(home, written.slice(2)) : written;
  if (/^[/\\]{2}/.test(expanded)) throw new PilothouseError('invalid_argument', 'Files of other computers are not opened from a chat.');
  if (!path.isAbsolute(expanded) && folder === '') throw new PilothouseError('not_found', 'The folder of this session is not known, so that this path leads nowhere.');
  const absolute = path.resolve(folder, expanded);
  const found = await stat(absolute).catch((error: unknown) => {
    throw new PilothouseError('not_found', `There is no file ${oneLine(written, 200)}.`, { cause: error });
  });
  if (found.isDirectory()) return { kind: 'folder', path: absolute };
  if (!found.isFile()) throw new PilothouseError('invalid_argument', `${oneLine(written, 200)} is no regular file.`);
  return { kind: 'file', path: absolute };
}

/** A name for a file of ours with the contents of an attachment: its own letters, digits, dots and hyphens, ending as it does, at most 100 characters. */
export function attachmentName(name: string): string {
  const base = name.split(/[\\/]/).at(-1) ?? '';
  return base.replaceAll(/[^\w.-]/g, '_').replace(/^\.+/, '').slice(-100) || 'file';
}
