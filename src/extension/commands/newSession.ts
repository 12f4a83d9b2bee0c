import os from 'node:os';
import * as vscode from 'vscode';
import type { Connection } from '../../core/fleet/connection.ts';
import { refusalOf } from '../../core/fleet/dormant.ts';
import type { Places, SpawnOptions } from '../../core/model/backend.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Machine, Session, SessionControls } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { Given } from '../accounts/system.ts';
import { UNTRUSTED } from '../connections.ts';
import type { Services } from '../services.ts';
import type { TreeNode } from '../tree/model.ts';
import { shortFolder } from '../tree/model.ts';
import { age, oneLine, pickText } from '../tree/text.ts';
import { givenOf } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import { pickRemoteFolder } from './folderPicker.ts';
import { connectionFor, homesOf } from './pick.ts';
import { confirm, progress } from './progress.ts';
import { defaultMode, machinesToPick, recentFolders } from './remotePlaces.ts';

type Group = Extract<TreeNode, { kind: 'group' }>;

/** New Session…: where, with which agent, in which folder. Arguments `{connectionId, machineId, folder, agent, title, mode, model, prompt}` answer the questions that they name. */
export async function newSession(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const { connection, options } = await chooseStart(services, target);
  const session = await startSession(services, connection, options);
  const key = sessionKey(session);
  services.panels.open(key);
  const { prompt } = given;
  if (typeof prompt !== 'string' || prompt === '') return;
  const runtime = await services.fleet.open(key);
  try {
    await runtime.send({ text: prompt, attachments: [] }, 'send');
  } finally {
    runtime.release();
  }
}

/** Asks what the arguments leave open: which connection, machine, agent and folder, and what the session begins with. */
export async function chooseStart(services: Services, target: unknown): Promise<{ readonly connection: Connection; readonly options: SpawnOptions }> {
  const given = givenOf(target);
  const node = typeof target === 'string' ? services.tree.node(target) : null;
  const group = node?.kind === 'group' ? node : null;
  await progress('Looking for agents…', () => services.ready.then(() => services.fleet.settled()));
  const all = services.fleet.connections();
  if (all.length > 0 && all.every((each) => each.dormant)) throw refusalOf(UNTRUSTED);
  const here = (each: Connection): boolean => group === null || group.machineId === null || services.fleet.machinesOf(each.connectionId).some((machine) => machine.id === group.machineId);
  const connection = await connectionFor(services, group?.connectionId ?? target, 'Which agent?', (each) => each.traits.spawn && each.state.status === 'ready' && here(each));
  const { places } = services.fleet.backend(connection.connectionId);
  const options = places === undefined ? await localOptions(services, connection, given, group) : await remoteOptions(services, connection, places, given, group);
  return { connection, options };
}

/** A folder that is missing is made where the person agrees. */
export async function startSession(services: Services, connection: Connection, options: SpawnOptions): Promise<Session> {
  const spawn = (more: Partial<SpawnOptions> = {}): Promise<Session> => progress(`Starting ${oneLine(connection.name, 60)}…`, () => services.fleet.spawn(connection.connectionId, { ...options, ...more }));
  try {
    return await spawn();
  } catch (error) {
    if (!(error instanceof PilothouseError) || error.code !== 'folder_missing' || options.createFolder === true || services.fleet.backend(connection.connectionId).places === undefined) throw error;
    const machine = services.fleet.machinesOf(connection.connectionId).find((each) => each.id === options.machineId);
    await confirm(`Create the folder ${oneLine(options.folder, 200)}?`, `It is not there on ${oneLine(machine?.name ?? 'that machine', 60)}. It is made, and the session starts in it.`, 'Create Folder');
    return spawn({ createFolder: true });
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

async function askedFor(connection: Connection, folder: string, mode: string): Promise<void> {
  // Whoever can run commands could otherwise start an agent that asks for nothing.
  await confirm(`Start ${oneLine(connection.name, 60)} in the permission mode “${oneLine(mode, 60)}”?`, `In ${oneLine(folder, 200)}.`, 'Start');
}

async function localOptions(services: Services, connection: Connection, given: Given, group: Group | null): Promise<SpawnOptions> {
  const folder = textOf(given['folder']) ?? group?.folder ?? (await pickFolder(services, connection.connectionId));
  const [title, model, mode] = [textOf(given['title']), textOf(given['model']), textOf(given['mode'])];
  if (mode !== undefined) await askedFor(connection, folder, mode);
  const [machine] = services.fleet.machinesOf(connection.connectionId);
  return { machineId: machine?.id ?? '', folder, ...(title === undefined ? {} : { title }), ...(model === undefined ? {} : { model }), ...(mode === undefined ? {} : { mode }) };
}

async function remoteOptions(services: Services, connection: Connection, places: Places, given: Given, group: Group | null): Promise<SpawnOptions> {
  const { fleet } = services;
  const machine = await remoteMachine(services, connection, textOf(given['machineId']) ?? group?.machineId ?? null);
  const agents = textOf(given['agent']) === undefined ? await progress(`Asking ${oneLine(machine.name, 60)} for its agents…`, () => places.agents(machine.id, { signal: AbortSignal.timeout(60_000) })) : [];
  const agent = textOf(given['agent']) ?? (await pickAgent(agents, machine));
  const sessions = fleet.sessions().filter((session) => session.connectionId === connection.connectionId);
  const folder = textOf(given['folder']) ?? group?.folder ?? (await pickRemoteFolder(places, machine, recentFolders(sessions, machine.id)));
  // Pickers that could not be had are no reason not to start: the agent has its own defaults.
  const controls = await fleet.controls(connection.connectionId, { folder, machineId: machine.id, ...(agent === undefined ? {} : { agent }) }).catch(() => null);
  const chosen: Choices = { title: textOf(given['title']) ?? '', mode: textOf(given['mode']) ?? (controls === null ? null : defaultMode(controls)), model: textOf(given['model']) ?? null };
  const settled = textOf(given['folder']) === undefined ? await review(`${oneLine(shortFolder(folder, machine.home === null ? [] : [machine.home]), 100)} on ${oneLine(machine.name, 60)}`, controls, chosen) : chosen;
  if (typeof given['mode'] === 'string') await askedFor(connection, folder, given['mode']);
  return {
    machineId: machine.id, folder, ...(agent === undefined ? {} : { agent }), ...(settled.title === '' ? {} : { title: settled.title }),
    ...(settled.mode === null ? {} : { mode: settled.mode }), ...(settled.model === null ? {} : { model: settled.model }),
  };
}

async function remoteMachine(services: Services, connection: Connection, named: string | null): Promise<Machine> {
  const machines = machinesToPick(services.fleet.machinesOf(connection.connectionId));
  const known = machines.find((machine) => machine.id === named);
  const [only] = machines;
  if (only === undefined) throw new PilothouseError('no_machine', `No machine is known to ${oneLine(connection.name, 60)} yet. Set the agent up on one, then refresh the connection.`, { personMustAct: true });
  if (named !== null && known === undefined) throw new PilothouseError('machine_not_found', 'This machine is not known any more. Refresh the connection.');
  const machine = known ?? (machines.length === 1 ? only : await pickMachine(machines));
  if (machine.state === 'offline') throw new PilothouseError('machine_offline', `${oneLine(machine.name, 60)} is offline. Start it, or what runs agents on it, then try again.`, { personMustAct: true });
  return machine;
}

async function pickMachine(machines: readonly Machine[]): Promise<Machine> {
  const now = Date.now();
  const seen = (machine: Machine): string => (machine.seenAt === null ? '' : ` · seen ${age(machine.seenAt, now)} ago`);
  const picked = await vscode.window.showQuickPick(machines.map((machine) => ({
    label: pickText(machine.name), description: machine.state === 'online' ? '' : `${machine.state === 'offline' ? 'offline' : 'no contact'}${seen(machine)}`, iconPath: new vscode.ThemeIcon(machine.state === 'online' ? 'vm' : 'vm-outline'), machine,
  })), { placeHolder: 'On which machine?', matchOnDescription: true });
  if (picked === undefined) throw new Dismissed();
  return picked.machine;
}

async function pickAgent(agents: readonly { readonly id: string; readonly label: string; readonly description: string | null }[], machine: Machine): Promise<string | undefined> {
  if (agents.length < 2) return agents[0]?.id;
  const picked = await vscode.window.showQuickPick(agents.map((agent) => ({ label: pickText(agent.label), description: pickText(agent.description ?? ''), id: agent.id })), { placeHolder: `Which agent of ${oneLine(machine.name, 60)}?` });
  if (picked === undefined) throw new Dismissed();
  return picked.id;
}

interface Choices {
  readonly title: string;
  readonly mode: string | null;
  readonly model: string | null;
}

/** The name, then permission mode and model, each of which may stay as it is: Enter goes on, and starts the session. */
async function review(where: string, controls: SessionControls | null, given: Choices): Promise<Choices> {
  const begin = { ...given, title: given.title === '' ? await askName('') : given.title };
  if (controls === null || controls.modes.length + controls.models.length === 0) return begin;
  const label = (list: SessionControls['modes'], id: string | null): string => list.find((choice) => choice.id === id)?.label ?? id ?? 'the agent’s own';
  for (let now = begin; ; ) {
    const items = [
      { label: 'Start Session', description: pickText(where, 200), icon: 'play', what: 'start' as const },
      { label: 'Name…', description: pickText(now.title) || 'given by the agent', icon: 'edit', what: 'title' as const },
      ...(controls.modes.length === 0 ? [] : [{ label: 'Permission Mode…', description: pickText(label(controls.modes, now.mode)), icon: 'shield', what: 'mode' as const }]),
      ...(controls.models.length === 0 ? [] : [{ label: 'Model…', description: pickText(label(controls.models, now.model ?? controls.model)), icon: 'chip', what: 'model' as const }]),
    ];
    const picked = await vscode.window.showQuickPick(items.map((item) => ({ ...item, iconPath: new vscode.ThemeIcon(item.icon) })), { title: 'New Session', placeHolder: 'Enter starts the session' });
    if (picked === undefined) throw new Dismissed();
    if (picked.what === 'start') return now;
    if (picked.what === 'title') {
      now = { ...now, title: await askName(now.title) };
    } else {
      const list = picked.what === 'mode' ? controls.modes : controls.models;
      const choice = await vscode.window.showQuickPick(list.map((each) => ({ label: pickText(each.label), ...(each.description === null ? {} : { detail: pickText(each.description, 200) }), id: each.id })), { placeHolder: picked.what === 'mode' ? 'Permission Mode' : 'Model' });
      if (choice !== undefined) now = picked.what === 'mode' ? { ...now, mode: choice.id } : { ...now, model: choice.id };
    }
  }
}

async function askName(value: string): Promise<string> {
  const name = await vscode.window.showInputBox({
    title: 'New Session: name (optional)', value, prompt: 'Leave it empty to let the agent name it.', ignoreFocusOut: true, validateInput: (text) => (text.trim().length > 200 ? 'At most 200 characters.' : null),
  });
  if (name === undefined) throw new Dismissed();
  return name.trim();
}

/** A workspace folder, one that recent sessions used, or any other. */
async function pickFolder(services: Services, connectionId: string): Promise<string> {
  const workspace = (vscode.workspace.workspaceFolders ?? []).filter((folder) => folder.uri.scheme === 'file' || folder.uri.scheme === 'vscode-remote').map((folder) => folder.uri.fsPath);
  const own = new Set(services.fleet.connections().filter((each) => each.connectionId === connectionId || each.system === 'local').map((each) => each.connectionId));
  const recent = [...new Set(services.fleet.sessions().filter((session) => own.has(session.connectionId)).map((session) => session.folder))]
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
