import type { CallOptions } from '../../../model/backend.ts';
import type { HappyAccount } from '../account.ts';
import type { MachineRow } from '../wire/bodies.ts';
import { quoted, requireShell, runOn } from './machine.ts';

/** Most paths, and most bytes of them, of one answer: far under what a frame carries (happy.md A, "Limits"). */
const MOST_PATHS = 2_000;
const MOST_BYTES = 200_000;
/** How deep a folder is walked that git knows nothing of. */
const DEPTH = 8;

/**
 * Paths of files below a folder of a machine (relative, with `/`) that have the letters of `query` in order, in any case: what git would list, else what stands there, less what is
 * made by tools. One command; rejects as `requireShell` and `runOn` do.
 */
export async function findFilesOn(account: HappyAccount, machine: MachineRow, folder: string, query: string, options: CallOptions): Promise<readonly string[]> {
  requireShell(account, machine);
  const letters = Array.from(query).filter((letter) => /[\p{L}\p{N}._/-]/u.test(letter)).slice(0, 100);
  const pattern = letters.map((letter) => (letter === '.' ? String.raw`\.` : letter)).join('.*');
  const made = ['node_modules', '.git', 'dist', 'out', 'build', 'target', '.venv', '__pycache__'].map((name) => `-name ${quoted(name)}`).join(' -o ');
  const walk = `find . -maxdepth ${DEPTH} -type d \\( ${made} \\) -prune -o -type f -print 2>/dev/null | cut -c 3-`;
  const list = `if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then git -c core.quotepath=off ls-files -co --exclude-standard; else ${walk}; fi`;
  const found = await runOn(account, machine, `cd ${quoted(folder)} && { ${list}; } | grep -iE -e ${quoted(pattern)} | head -n ${MOST_PATHS} | head -c ${MOST_BYTES} || true`, options);
  const lines = found.split('\n');
  // The last one may have been cut.
  if (Buffer.byteLength(found) >= MOST_BYTES) lines.pop();
  return lines.filter((line) => line !== '');
}
