import path from 'node:path';
import * as vscode from 'vscode';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import type { Mention } from '../../protocol/chat.ts';
import { mentionOf } from '../../protocol/mention.ts';
import type { Services } from '../services.ts';
import { oneLine } from '../tree/text.ts';
import { findFiles } from './files.ts';
import { below, lineMark, rankPaths } from './score.ts';

const MAX_SYMBOLS = 10;
/** A list that comes later is of no use to somebody who types; language servers may take longer to begin. */
const SYMBOLS_MS = 1_500;
const MIN_LETTERS = 2;

/**
 * What `@` offers: files of the session's folder; where that is open in this window, what is selected in the editor, and symbols by name. Files of another machine are asked of it.
 * `folder` is the session's, absolute, empty where it is not known.
 */
export async function mentionsFor(services: Services, runtime: SessionRuntime, folder: string, query: string): Promise<readonly Mention[]> {
  if (runtime.system !== 'local') return rankPaths(await runtime.reach.findFiles(query), query).map(fileMention);
  const here = vscode.workspace.workspaceFolders?.some(({ uri }) => uri.scheme === 'file' && (below(uri.fsPath, folder) !== null || below(folder, uri.fsPath) !== null)) === true;
  const [files, symbols] = await Promise.all([findFiles(folder, query), here ? findSymbols(folder, query) : []]);
  return [...(here ? selectionMention(services.lastEditor.get(), folder, query) : []), ...files.map(fileMention), ...symbols];
}

function fileMention(file: string): Mention {
  const cut = file.lastIndexOf('/') + 1;
  return { kind: 'file', insert: `${mentionOf(file)} `, label: file.slice(cut), detail: file.slice(0, Math.max(0, cut - 1)) };
}

/** The lines that are selected, by the name that agents understand: `@src/a.ts#L5-10`. */
function selectionMention(editor: vscode.TextEditor | undefined, folder: string, query: string): Mention[] {
  if (editor === undefined || editor.selection.isEmpty || editor.document.uri.scheme !== 'file') return [];
  const file = below(folder, editor.document.uri.fsPath);
  if (file === null || !`selection ${file}`.toLowerCase().includes(query.toLowerCase())) return [];
  const { start, end } = editor.selection;
  // A selection that ends before the first letter of a line does not hold that line.
  const mark = lineMark(start.line + 1, end.character === 0 && end.line > start.line ? end.line : end.line + 1);
  return [{ kind: 'selection', insert: `${mentionOf(file, mark)} `, label: 'Selection', detail: `${file}${mark}` }];
}

async function findSymbols(folder: string, query: string): Promise<Mention[]> {
  if (query.length < MIN_LETTERS || query.includes('/')) return [];
  const ask = Promise.resolve(vscode.commands.executeCommand<readonly vscode.SymbolInformation[] | undefined>('vscode.executeWorkspaceSymbolProvider', query)).catch(() => []);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly vscode.SymbolInformation[]>((resolve) => {
    timer = setTimeout(() => resolve([]), SYMBOLS_MS);
  });
  const found = (await Promise.race([ask, late]).finally(() => clearTimeout(timer))) ?? [];
  const letters = query.toLowerCase();
  const mentions: Mention[] = [];
  for (const { name, containerName, location } of found) {
    const file = location.uri.scheme === 'file' ? below(folder, location.uri.fsPath) : null;
    if (file === null || file.includes('node_modules/') || !name.toLowerCase().includes(letters)) continue;
    const mark = lineMark(location.range.start.line + 1, location.range.end.line + 1);
    mentions.push({ kind: 'symbol', insert: `${mentionOf(file, mark)} `, label: oneLine(name, 80), detail: oneLine(containerName === '' ? path.posix.basename(file) : `${containerName} · ${path.posix.basename(file)}`, 120) });
  }
  // What begins with the letters is likelier meant.
  return mentions.toSorted((one, other) => rank(one, letters) - rank(other, letters)).slice(0, MAX_SYMBOLS);
}

function rank({ label }: Mention, letters: string): number {
  return (label.toLowerCase().startsWith(letters) ? 0 : 1_000) + label.length;
}
