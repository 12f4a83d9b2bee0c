import { bytes } from '../model/words.ts';
import type { Attachment } from '../types.ts';

/** Most files of one message, and most bytes of one file and of all: the host refuses more. */
export const MAX_FILES = 20;
export const MAX_FILE = 8 * 1_024 * 1_024;
const MAX_TOTAL = 20 * 1_024 * 1_024;

/** Why a file can't be taken along, in words for the person; null when it can. */
export function refusal(file: { readonly name: string; readonly type: string; readonly size: number }, held: readonly Attachment[], images: boolean, agentName: string): string | null {
  if (file.type.startsWith('image/') && !images) return `${agentName} takes no pictures: ${file.name} was left out.`;
  if (file.size > MAX_FILE) return `${file.name} is ${bytes(file.size)}: files of up to ${bytes(MAX_FILE)} can be attached. Put it in the session's folder and mention it with @ instead.`;
  if (held.length >= MAX_FILES) return `A message takes ${MAX_FILES} files at most: ${file.name} was left out.`;
  const total = held.reduce((sum, each) => sum + (each.size ?? 0), file.size);
  return total > MAX_TOTAL ? `The files of one message may have ${bytes(MAX_TOTAL)} together: ${file.name} was left out.` : null;
}

/** Paths of files that were dragged from VS Code's own lists: they are mentioned, not copied. Relative where they stand under the session's folder. */
export function draggedPaths(uriList: string, folder: string): string[] {
  return uriList.split(/[\r\n]+/).filter((line) => /^(?:file|vscode-remote):\/\//.test(line)).map((line) => {
    let path = line.replace(/^[\w-]+:\/\/[^/]*/, '');
    try {
      path = decodeURIComponent(path);
    } catch {
      // Taken as it is written.
    }
    const base = folder.endsWith('/') ? folder : `${folder}/`;
    if (path.startsWith(base)) return path.slice(base.length);
    // The folder is shown with ~ for the home folder, whose path the page does not know.
    const tail = base.startsWith('~/') ? base.slice(1) : null;
    const cut = tail === null ? -1 : path.indexOf(tail);
    return cut < 0 || tail === null ? path : path.slice(cut + tail.length);
  });
}
