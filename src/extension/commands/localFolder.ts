import os from 'node:os';
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { shortFolder } from '../tree/model.ts';
import { oneLine, pickText } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import { homesOf } from './pick.ts';
import type { BACK, Step } from './steps.ts';
import { inputStep, pickStep } from './steps.ts';

interface Folders {
  readonly workspace: readonly string[];
  readonly recent: readonly string[];
  /** Of the workspace's folders, those of which a worktree can be made, each with the branch that is checked out: null for none. */
  readonly repositories: ReadonlyMap<string, string | null>;
}

/** Where a session is to work; in a worktree of that folder, where so. */
interface Place {
  readonly folder: string;
  readonly worktree: boolean;
}

/** Git that takes longer keeps nobody from a session. */
const LOOK_MS = 3_000;

/**
 * Folders of this window, and those of other sessions of this computer, the one that was used last first. Worktrees are offered, where `worktrees`, of this window's folders alone: what a repository
 * makes git run is covered by the trust in them. Folders of worktrees are not offered: one session has each.
 */
export async function foldersHere(services: Services, connectionId: string, worktrees: boolean): Promise<Folders> {
  const workspace = (vscode.workspace.workspaceFolders ?? []).filter((folder) => folder.uri.scheme === 'file' || folder.uri.scheme === 'vscode-remote').map((folder) => folder.uri.fsPath);
  const own = new Set(services.fleet.connections().filter((each) => each.connectionId === connectionId || each.system === 'local').map((each) => each.connectionId));
  const recent = [...new Set(services.fleet.sessions().filter((session) => own.has(session.connectionId)).map((session) => session.folder))]
    .filter((folder) => folder !== '' && !workspace.includes(folder) && !services.worktrees.isOurs(folder)).slice(0, 12);
  const signal = AbortSignal.timeout(LOOK_MS);
  const found = worktrees ? await Promise.all(workspace.map((folder) => services.worktrees.repository(folder, signal).then(({ branch }) => [[folder, branch] as const], () => []))) : [];
  return { workspace, recent, repositories: new Map(found.flat()) };
}

/** The only folder that it can be; null where the person has to say which. */
export function onlyFolder({ workspace, recent, repositories }: Folders): string | null {
  return workspace.length === 1 && recent.length === 0 && repositories.size === 0 ? (workspace[0] ?? null) : null;
}

/** A workspace folder, a worktree of one, one that recent sessions used, or any other. */
export async function pickLocalFolder(services: Services, { workspace, recent, repositories }: Folders, step: Step): Promise<Place | typeof BACK> {
  const homes = homesOf(services);
  const item = (folder: string, icon: string, worktree = false) => {
    const branch = repositories.get(folder);
    const description = worktree ? 'a branch of its own' : branch === undefined || branch === null ? '' : `on ${pickText(branch, 60)}`;
    return { label: `${worktree ? 'Worktree of ' : ''}${pickText(shortFolder(folder, homes), 300)}`, description, iconPath: new vscode.ThemeIcon(icon), folder, worktree };
  };
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator, folder: null, worktree: false });
  const items = [
    ...(workspace.length === 0 ? [] : [separator('This window')]),
    ...workspace.flatMap((folder) => [item(folder, 'folder-active'), ...(repositories.has(folder) ? [item(folder, 'git-branch', true)] : [])]),
    ...(recent.length === 0 ? [] : [separator('Recent')]),
    ...recent.map((folder) => item(folder, 'folder')),
    separator(''),
    { label: 'Choose another folder…', iconPath: new vscode.ThemeIcon('folder-opened'), folder: null, worktree: false },
  ];
  const picked = await pickStep(step, 'In which folder?', items);
  if (typeof picked === 'symbol') return picked;
  if (picked.folder !== null) return { folder: picked.folder, worktree: picked.worktree };
  const chosen = await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true, canSelectMany: false, defaultUri: vscode.Uri.file(workspace[0] ?? os.homedir()), openLabel: 'Use Folder' });
  const [uri] = chosen ?? [];
  if (uri === undefined) throw new Dismissed();
  return { folder: uri.fsPath, worktree: false };
}

/** What the session is about, after which its branch is named: may be left empty. */
export async function nameWorktree(services: Services, folder: string, step: Step): Promise<string | typeof BACK> {
  const [{ branch }, branchFor] = await Promise.all([services.worktrees.repository(folder), services.worktrees.naming(folder)]);
  const from = branch === null ? 'the commit that is checked out' : `the last commit on ${oneLine(branch, 60)}`;
  return await inputStep(step, 'What is it about? May be left empty', (text) => ({
    prompt: `Branch ${branchFor(text)}, from ${from}. What is not committed, and what git ignores, such as .env, is not in it.`, problem: text.trim().length > 200 ? 'At most 200 characters.' : null,
  }));
}
