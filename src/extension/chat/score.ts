import path from 'node:path';

/** 0 when the letters are not in the path in order; more when they stand together and in the file's name. */
export function score(path: string, query: string): number {
  if (query === '') return 1;
  const lower = path.toLowerCase();
  const name = lower.slice(lower.lastIndexOf('/') + 1);
  if (name.startsWith(query)) return 5;
  if (name.includes(query)) return 4;
  if (lower.includes(query)) return 3;
  let from = 0;
  for (const letter of query) {
    const at = lower.indexOf(letter, from);
    if (at < 0) return 0;
    from = at + 1;
  }
  return 2;
}

/** Most paths that are offered at once. */
const MAX_OFFERED = 30;

/** The paths that fit what was typed, the likeliest first: those whose name begins with it, then shorter ones. */
export function rankPaths(paths: readonly string[], query: string): readonly string[] {
  const letters = query.toLowerCase();
  const fitting = paths.map((path) => ({ path, score: score(path, letters) })).filter((each) => each.score > 0);
  fitting.sort((a, b) => b.score - a.score || a.path.length - b.path.length || (a.path < b.path ? -1 : 1));
  return fitting.slice(0, MAX_OFFERED).map((each) => each.path);
}

/** A path relative to a folder, with `/`; empty for the folder itself, null for what is not below it. Both absolute and of one computer. */
export function below(folder: string, file: string): string | null {
  if (folder === '' || file === '') return null;
  const relative = path.relative(folder, file);
  return relative === '..' || relative.startsWith(`..${path.sep}`) || path.isAbsolute(relative) ? null : relative.replaceAll('\\', '/');
}

/** How agents are told of lines of a file: `#L5`, `#L5-10`. */
export function lineMark(first: number, last: number): string {
  return last > first ? `#L${first}-${last}` : `#L${first}`;
}
