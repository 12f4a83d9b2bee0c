import os from 'node:os';
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { shortFolder } from '../tree/model.ts';
import { pickText } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import { homesOf } from './pick.ts';
import type { BACK, Step } from './steps.ts';
import { pickStep } from './steps.ts';

interface Folders {
  readonly workspace: readonly string[];
  readonly recent: readonly string[];
}

/** Folders of this window, and those of other sessions of this computer, the one that was used last first. */
export function foldersHere(services: Services, connectionId: string): Folders {
  const workspace = (vscode.workspace.workspaceFolders ?? []).filter((folder) => folder.uri.scheme === 'file' || folder.uri.scheme === 'vscode-remote').map((folder) => folder.uri.fsPath);
  const own = new Set(services.fleet.connections().filter((each) => each.connectionId === connectionId || each.system === 'local').map((each) => each.connectionId));
  const recent = [...new Set(services.fleet.sessions().filter((session) => own.has(session.connectionId)).map((session) => session.folder))]
    .filter((folder) => folder !== '' && !workspace.includes(folder)).slice(0, 12);
  return { workspace, recent };
}

/** The only folder that it can be; null where the person has to say which. */
export function onlyFolder({ workspace, recent }: Folders): string | null {
  return workspace.length === 1 && recent.length === 0 ? (workspace[0] ?? null) : null;
}

/** A workspace folder, one that recent sessions used, or any other. */
export async function pickLocalFolder(services: Services, { workspace, recent }: Folders, step: Step): Promise<string | typeof BACK> {
  const homes = homesOf(services);
  const item = (folder: string, icon: string) => ({ label: pickText(shortFolder(folder, homes), 300), iconPath: new vscode.ThemeIcon(icon), folder });
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator, folder: null });
  const items = [
    ...(workspace.length === 0 ? [] : [separator('This window')]),
    ...workspace.map((folder) => item(folder, 'folder-active')),
    ...(recent.length === 0 ? [] : [separator('Recent')]),
    ...recent.map((folder) => item(folder, 'folder')),
    separator(''),
    { label: 'Choose another folder…', iconPath: new vscode.ThemeIcon('folder-opened'), folder: null },
  ];
  const picked = await pickStep(step, 'In which folder?', items);
  if (typeof picked === 'symbol') return picked;
  if (picked.folder !== null) return picked.folder;
  const chosen = await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true, canSelectMany: false, defaultUri: vscode.Uri.file(workspace[0] ?? os.homedir()), openLabel: 'Use Folder' });
  const [uri] = chosen ?? [];
  if (uri === undefined) throw new Dismissed();
  return uri.fsPath;
}
