import * as vscode from 'vscode';
import type { Connection } from '../../core/fleet/connection.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { CommandName } from '../contributions.ts';
import { joinArguments, splitArguments } from '../arguments.ts';
import type { Services } from '../services.ts';
import type { AgentSetting } from '../settings.ts';
import { noticeText, oneLine, pickText } from '../tree/text.ts';
import { addAccount, editAccount, givenOf, removeAccount, systemOf } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { connectionFor } from './pick.ts';
import { signIn } from './signIn.ts';

async function ask(options: vscode.InputBoxOptions): Promise<string> {
  const value = await vscode.window.showInputBox(options);
  if (value === undefined) throw new Dismissed();
  return value.trim();
}

const needed = (what: string) => (value: string): string | null => (value.trim() === '' ? `${what} is needed.` : null);

async function askAgent(services: Services, before: AgentSetting | null): Promise<Omit<AgentSetting, 'id'>> {
  const others = services.settings.get('local.agents').filter((agent) => agent.name !== before?.name).map((agent) => agent.name);
  const name = await ask({
    title: 'Agent (1/2): name', prompt: 'Name shown for the connection.', value: before?.name ?? '',
    validateInput: (value) => needed('A name')(value) ?? (others.includes(value.trim()) ? 'There is a connection of that name.' : null),
  });
  const line = await ask({
    title: 'Agent (2/2): command', prompt: 'Command that speaks the Agent Client Protocol on its standard input and output, such as “gemini --acp”. It is run without a shell.',
    value: before === null ? '' : joinArguments([before.command, ...before.args]), validateInput: needed('A command'),
  });
  const [command, ...args] = splitArguments(line);
  if (command === undefined) throw new PilothouseError('invalid_argument', 'A command is needed.');
  return { name, command, args, protocol: 'acp' };
}

async function addConnection(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const named = systemOf(services, given);
  if (named !== null) {
    await addAccount(services, named, given);
    return;
  }
  const removed = services.connections.removed();
  const items = [
    ...removed.map((each) => ({ label: pickText(each.name), description: 'removed before', add: () => Promise.resolve(services.connections.show(each.connectionId)) })),
    ...services.accounts.systems.map((system) => ({ label: system.label, description: system.about, add: async () => void (await addAccount(services, system, given)) })),
    { label: 'Agent of this computer (ACP)…', description: 'a program that speaks the Agent Client Protocol', add: async () => services.connections.addAgent(await askAgent(services, null)) },
  ];
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Connect to what?' });
  if (picked === undefined) throw new Dismissed();
  await picked.add();
}

async function editConnection(services: Services, target: unknown): Promise<void> {
  const connection = await connectionFor(services, target, 'Edit which connection?', () => true);
  const account = services.accounts.record(connection.connectionId);
  const given = givenOf(target);
  if (account !== null && (typeof given['name'] === 'string' || typeof given['serverUrl'] === 'string')) return editAccount(services, account, given);
  const agent = services.connections.agentOf(connection.connectionId);
  const editable = account !== null || connection.system === 'local';
  const { state } = connection;
  if (state.message !== null && state.status !== 'ready') {
    const copy = 'Copy Command';
    const edit = agent === null && account === null ? 'Set Path…' : 'Edit…';
    const { text = '', command = null } = state.remedy ?? {};
    const detail = [oneLine(text, 400), oneLine(command ?? '', 400)].filter((line) => line !== '').join('\n\n');
    const signInLabel = 'Sign In…';
    const choice = await vscode.window.showInformationMessage(`${oneLine(connection.name, 60)}: ${noticeText(state.message)}`, { detail, modal: true }, ...(connection.canSignIn ? [signInLabel] : []), ...(command === null ? [] : [copy]), ...(editable ? [edit] : []), 'Try Again');
    if (choice === copy && command !== null) await vscode.env.clipboard.writeText(command);
    if (choice === signInLabel) await signIn(services, connection.connectionId);
    if (choice === 'Try Again') await services.fleet.refresh(connection.connectionId);
    if (choice !== edit) return;
  }
  if (!editable) throw new PilothouseError('not_editable', `There is nothing to edit in “${oneLine(connection.name, 60)}”: npm start makes it. Leave it out with npm start -- --no-demo-fleet.`);
  if (account !== null) return editAccount(services, account, given);
  if (agent !== null) {
    const changed = await askAgent(services, agent);
    await services.connections.setAgent(connection.connectionId, changed);
    return;
  }
  const setting = connection.connectionId === 'local-codex' ? 'local.codexPath' : 'local.claudePath';
  const path = await ask({ title: `Path of ${connection.name}`, prompt: 'Absolute path of the program. Leave it empty to use the one on PATH.', value: services.settings.get(setting) });
  await services.settings.set(setting, path);
}

async function removeConnection(services: Services, target: unknown): Promise<void> {
  const connection = await connectionFor(services, target, 'Remove which connection?', () => true);
  const account = services.accounts.record(connection.connectionId);
  if (account === null) await removeLocal(services, connection);
  else await removeAccount(services, account);
  services.shipping.forget(connection.connectionId);
}

async function removeLocal(services: Services, connection: Connection): Promise<void> {
  const agent = services.connections.agentOf(connection.connectionId);
  const detail = agent === null
    ? 'Its sessions leave the list; nothing of the agent is touched. Add Connection… brings it back.'
    : 'Its sessions leave the list and its command is removed from the settings; nothing of the agent is touched.';
  if ((await vscode.window.showWarningMessage(`Remove the connection “${oneLine(connection.name, 60)}”?`, { modal: true, detail }, 'Remove')) !== 'Remove') throw new Dismissed();
  if (agent === null) services.connections.hide(connection.connectionId);
  else await services.connections.setAgent(connection.connectionId, null);
}

export const connectionCommands = {
  addConnection,
  editConnection,
  removeConnection,
  signIn,
  refresh: async (services, target) => {
    const id = typeof target === 'string' && services.fleet.connections().some((each) => each.connectionId === target) ? target : undefined;
    await vscode.window.withProgress({ location: { viewId: 'pilothouse.sessions' } }, () => Promise.all([services.fleet.refresh(id), services.boards.refresh()]));
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
