import * as vscode from 'vscode';

const MAX = 30;
const IGNORED = '**/{node_modules,.git,dist,out,build,target,.venv,__pycache__}/**';

/** Paths below `folder` (relative, with `/`) whose path contains the letters of `query` in order; shorter and nearer to the name's start first. */
export async function findFiles(folder: string, query: string): Promise<readonly string[]> {
  if (folder === '') return [];
  const letters = [...query.toLowerCase().replaceAll(/[^\p{L}\p{N}._/-]/gu, '')];
  const glob = letters.length === 0 ? '**/*' : `**/*${letters.filter((letter) => letter !== '/').slice(0, 3).map((letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`).join('*')}*`;
  const uris = await vscode.workspace.findFiles(new vscode.RelativePattern(vscode.Uri.file(folder), letters.includes('/') ? '**/*' : glob), IGNORED, 2_000);
  const base = folder.replaceAll('\\', '/').replace(/\/$/, '');
  const found = uris.map((uri) => uri.fsPath.replaceAll('\\', '/').slice(base.length + 1));
  return found.map((path) => ({ path, score: score(path, letters.join('')) })).filter((each) => each.score > 0).sort((a, b) => b.score - a.score || a.path.length - b.path.length || (a.path < b.path ? -1 : 1)).slice(0, MAX).map((each) => each.path);
}

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
