import os from 'node:os';
import * as vscode from 'vscode';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Session } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import { refusalOf } from '../../core/fleet/dormant.ts';
import { UNTRUSTED } from '../connections.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import { shortFolder } from '../tree/model.ts';
import { oneLine, pickText } from '../tree/text.ts';
import { placeOf } from '../chat/place.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { connectionFor, homesOf, sessionFor } from './pick.ts';

const traitsOf = (services: Services, session: Session) => services.fleet.connections().find((each) => each.connectionId === session.connectionId)?.traits ?? null;
const ours = (session: Session): boolean => session.owner === 'this' || session.owner === 'window';

/** Runs `work` on the session's runtime, held for as long as that takes. */
async function withRuntime<T>(services: Services, key: string, work: (runtime: SessionRuntime) => Promise<T>): Promise<T> {
  const runtime = await services.fleet.open(key);
  try {
    return await work(runtime);
  } finally {
    runtime.release();
  }
}

function progress<T>(title: string, work: () => Promise<T>): Promise<T> {
  return Promise.resolve(vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title }, work));
}

async function confirm(message: string, detail: string, action: string): Promise<void> {
  if ((await vscode.window.showWarningMessage(message, { modal: true, detail }, action)) !== action) throw new Dismissed();
}

async function newSession(services: Services, target: unknown): Promise<void> {
  const given = typeof target === 'object' && target !== null ? (target as Record<string, unknown>) : {};
  const node = typeof target === 'string' ? services.tree.node(target) : null;
  await progress('Looking for agents…', () => services.ready.then(() => services.fleet.settled()));
  const all = services.fleet.connections();
  if (all.length > 0 && all.every((each) => each.dormant)) throw refusalOf(UNTRUSTED);
  const connection = await connectionFor(services, target, 'Which agent?', (each) => each.traits.spawn && each.state.status === 'ready');
  const folder = typeof given['folder'] === 'string' ? given['folder'] : node?.kind === 'group' && node.folder !== null ? node.folder : await pickFolder(services, connection.connectionId);
  const { mode } = given;
  // Whoever can run commands could otherwise start an agent that asks for nothing.
  if (typeof mode === 'string') await confirm(`Start ${oneLine(connection.name, 60)} in the permission mode “${oneLine(mode, 60)}”?`, `In ${oneLine(folder, 200)}.`, 'Start');
  const machine = services.fleet.machines().find((each) => each.connectionId === connection.connectionId) ?? services.fleet.machines()[0];
  const session = await progress(`Starting ${connection.name}…`, () => services.fleet.spawn(connection.connectionId, {
    machineId: machine?.id ?? '', folder,
    ...(typeof given['title'] === 'string' ? { title: given['title'] } : {}),
    ...(typeof given['model'] === 'string' ? { model: given['model'] } : {}),
    ...(typeof mode === 'string' ? { mode } : {}),
  }));
  const key = sessionKey(session);
  services.panels.open(key);
  const prompt = given['prompt'];
  if (typeof prompt === 'string' && prompt !== '') await withRuntime(services, key, (runtime) => runtime.send({ text: prompt, attachments: [] }, 'send'));
}

/** A workspace folder, one that recent sessions used, or any other. */
async function pickFolder(services: Services, connectionId: string): Promise<string> {
  const workspace = (vscode.workspace.workspaceFolders ?? []).filter((folder) => folder.uri.scheme === 'file' || folder.uri.scheme === 'vscode-remote').map((folder) => folder.uri.fsPath);
  const recent = [...new Set(services.fleet.sessions().filter((session) => session.connectionId === connectionId || connectionId.startsWith('local')).map((session) => session.folder))]
    .filter((folder) => folder !== '' && !workspace.includes(folder)).slice(0, 12);
  const [first] = workspace;
  if (first !== undefined && workspace.length === 1 && recent.length === 0) return first;
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
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'In which folder?' });
  if (picked === undefined) throw new Dismissed();
  if (picked.folder !== null) return picked.folder;
  const chosen = await vscode.window.showOpenDialog({ canSelectFiles: false, canSelectFolders: true, canSelectMany: false, defaultUri: vscode.Uri.file(first ?? os.homedir()), openLabel: 'Use Folder' });
  const [uri] = chosen ?? [];
  if (uri === undefined) throw new Dismissed();
  return uri.fsPath;
}

async function answerFromTree(services: Services, target: unknown, outcome: 'allow' | 'deny'): Promise<void> {
  const node = typeof target === 'string' ? services.tree.node(target) : null;
  if (node === null || node.kind !== 'permission') throw new PilothouseError('already_answered', 'This request was answered or withdrawn already.');
  await withRuntime(services, node.key, (runtime) => runtime.answer(node.permission.requestId, { outcome }));
}

export const sessionCommands = {
  newSession,
  openSession: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Open which session?');
    services.panels.open(key);
  },
  renameSession: async (services, target) => {
    const { key, session } = await sessionFor(services, target, 'Rename which session?');
    const given = typeof target === 'object' && target !== null && 'title' in target && typeof target.title === 'string' ? target.title : undefined;
    const title = given ?? (await vscode.window.showInputBox({
      title: 'Rename Session', value: session.title, validateInput: (value) => (value.trim() === '' ? 'A title needs at least one character.' : value.length > 200 ? 'At most 200 characters.' : null),
    }));
    if (title === undefined) throw new Dismissed();
    await services.fleet.rename(key, title.trim());
  },
  interruptTurn: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Interrupt which session?', (session) => session.state === 'running' || session.state === 'waiting');
    const report = await withRuntime(services, key, (runtime) => runtime.interrupt());
    vscode.window.setStatusBarMessage(`Pilothouse: ${report.message}`, 5_000);
  },
  stopSession: async (services, target) => {
    const { key, session } = await sessionFor(services, target, 'Stop which session?', ours);
    const asked = typeof target === 'object' && target !== null && 'confirmed' in target && target.confirmed === true;
    if (!asked && (session.state === 'running' || session.state === 'waiting')) {
      await confirm(`Stop “${oneLine(session.title, 80)}”?`, 'Its turn ends and its agent process is stopped. The session can be resumed.', 'Stop Session');
    }
    const report = await progress('Stopping the agent…', () => withRuntime(services, key, (runtime) => runtime.stop()));
    vscode.window.setStatusBarMessage(`Pilothouse: ${report.message}`, 5_000);
  },
  resumeSession: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Resume which session?', (session) => !ours(session) && session.owner !== 'foreign');
    await progress('Starting the agent…', () => withRuntime(services, key, (runtime) => runtime.resume()));
    services.panels.open(key);
  },
  forkSession: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Fork which session?', (session) => traitsOf(services, session)?.fork === true);
    const forked = await progress('Forking the session…', () => withRuntime(services, key, (runtime) => runtime.fork()));
    services.fleet.adopt(forked);
    services.panels.open(sessionKey(forked));
  },
  archiveSession: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Archive which session?', (session) => !session.archived);
    await services.fleet.archive(key, true);
  },
  unarchiveSession: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Unarchive which session?', (session) => session.archived);
    await services.fleet.archive(key, false);
  },
  deleteSession: async (services, target) => {
    const { key, session } = await sessionFor(services, target, 'Delete which session?', (each) => each.owner !== 'foreign' && traitsOf(services, each)?.remove === true);
    const files = await services.fleet.removalPreview(key);
    const detail = [
      ours(session) ? 'Its agent is stopped first.' : '',
      files.length === 0 ? 'Its stored transcript is removed from this computer.' : `These files of the agent move to the trash:\n${files.slice(0, 10).map((file) => oneLine(file, 200)).join('\n')}${files.length > 10 ? `\nand ${files.length - 10} more` : ''}`,
    ].filter((line) => line !== '').join('\n\n');
    await confirm(`Delete “${oneLine(session.title, 80)}”?`, detail, 'Delete Session');
    await progress('Deleting the session…', () => services.fleet.remove(key));
    services.panels.get(key)?.dispose();
  },
  openSessionFolder: async (services, target) => {
    const { session } = await sessionFor(services, target, 'Open the folder of which session?');
    const place = session.folder === '' ? null : await placeOf(session.folder, '').catch(() => null);
    if (place?.kind !== 'folder') throw new PilothouseError('folder_missing', session.folder === '' ? 'The folder of this session is not known.' : `The folder ${oneLine(session.folder, 200)} is not there any more.`);
    const uri = vscode.Uri.file(place.path);
    if (vscode.workspace.getWorkspaceFolder(uri) !== undefined) await vscode.commands.executeCommand('revealInExplorer', uri);
    else await vscode.commands.executeCommand('vscode.openFolder', uri, { forceNewWindow: true });
  },
  allowPermission: (services, target) => answerFromTree(services, target, 'allow'),
  denyPermission: (services, target) => answerFromTree(services, target, 'deny'),
  loadMoreSessions: async (services, target) => {
    const connection = await connectionFor(services, target, 'Show more sessions of which connection?', (each) => each.more);
    await services.fleet.loadMore(connection.connectionId);
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
