import * as vscode from 'vscode';
import { rankPaths } from './score.ts';

const IGNORED = '**/{node_modules,.git,dist,out,build,target,.venv,__pycache__}/**';

const DEADLINE_MS = 3_000;
let running: vscode.CancellationTokenSource | null = null;

/**
 * Paths below `folder` (relative, with `/`) whose path contains the letters of `query` in order; shorter and nearer to the name's start first. A search ends after three seconds, or when
 * the next one begins: a session may be in a home folder.
 */
export async function findFiles(folder: string, query: string): Promise<readonly string[]> {
  if (folder === '') return [];
  const letters = Array.from(query.toLowerCase().replaceAll(/[^\p{L}\p{N}._/-]/gu, ''));
  const glob = letters.length === 0 ? '**/*' : `**/*${letters.filter((letter) => letter !== '/').slice(0, 3).map((letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`).join('*')}*`;
  running?.cancel();
  const search = new vscode.CancellationTokenSource();
  running = search;
  const timer = setTimeout(() => search.cancel(), DEADLINE_MS);
  const pattern = new vscode.RelativePattern(vscode.Uri.file(folder), letters.includes('/') ? '**/*' : glob);
  const uris = await Promise.resolve(vscode.workspace.findFiles(pattern, IGNORED, 2_000, search.token)).finally(() => {
    clearTimeout(timer);
    if (running === search) running = null;
    search.dispose();
  });
  const base = folder.replaceAll('\\', '/').replace(/\/$/, '');
  return rankPaths(uris.map((uri) => uri.fsPath.replaceAll('\\', '/').slice(base.length + 1)), letters.join(''));
}
