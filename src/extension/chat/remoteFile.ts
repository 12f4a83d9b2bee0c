import { PilothouseError } from '../../core/model/errors.ts';
import { childOf, isAbsolutePath, typedPath } from '../commands/remotePlaces.ts';

/** The path on its machine of what an agent wrote there: absolute, from the home folder with `~/`, else from the session's folder. Throws `not_found` where that is not known. */
export function remotePath(written: string, folder: string, home: string | null): string {
  if (written.includes('\u0000')) throw new PilothouseError('invalid_argument', 'This is no path.');
  if (isAbsolutePath(written)) return written;
  const path = typedPath(written, home) ?? (written.startsWith('~') || folder === '' ? null : childOf(folder, written.replace(/^\.[\\/]/, '')));
  if (path === null) throw new PilothouseError('not_found', 'The folder of this session is not known, so that this path leads nowhere.');
  return path;
}

/** The last part of a path of any machine. */
export function fileName(path: string): string {
  return path.split(/[\\/]/).findLast((part) => part !== '') ?? path;
}
