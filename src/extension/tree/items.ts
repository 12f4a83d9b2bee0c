import * as vscode from 'vscode';
import type { AttentionKind } from '../../core/fleet/attention.ts';
import { answersAtOnce } from '../../core/fleet/attention.ts';
import type { Connection } from '../../core/fleet/connection.ts';
import type { Session } from '../../core/model/session.ts';
import { commandId } from '../contributions.ts';
import { askedLine, noticeOf } from '../notices.ts';
import { sessionLine, titleOf } from './line.ts';
import type { GroupNode, TreeNode } from './model.ts';
import { contextValue } from './model.ts';
import { age, describeSession, oneLine } from './text.ts';

/** Scheme of what is dimmed: a tree takes the colour of a label from a file's decoration only. */
export const OFFLINE = 'pilothouse-offline';
const GROUP_ICONS = { 'connection': 'plug', 'machine': 'vm', 'machine-offline': 'vm-outline', 'folder': 'folder', 'status': 'list-filter', 'pinned': 'pinned', 'archived': 'archive' } as const;
const PERMISSION_WORDS = { tool: 'Permission', question: 'Question', plan: 'Plan approval' } as const;
const ATTENTION_WORDS: Readonly<Record<AttentionKind, { readonly text: string; readonly icon: string }>> = {
  permission: { text: 'asks', icon: 'shield' }, question: { text: 'asks', icon: 'question' }, plan: { text: 'plan', icon: 'checklist' }, 'sign-in': { text: 'signed out', icon: 'key' },
  undelivered: { text: 'not delivered', icon: 'mail' }, failed: { text: 'failed', icon: 'error' }, finished: { text: 'done', icon: 'circle-filled' },
};
const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;

/** What a node looks like; `connection` is that of its session. Tooltips of sessions are made when they are asked for (hover.ts). */
export function itemOf(node: TreeNode, connection: Connection | undefined, now: number): vscode.TreeItem {
  const item = made(node, connection, now);
  item.id = node.id;
  return item;
}

function made(node: TreeNode, connection: Connection | undefined, now: number): vscode.TreeItem {
  switch (node.kind) {
    case 'needs': {
      const item = new vscode.TreeItem('Needs You', Expanded);
      item.description = String(node.count);
      item.iconPath = new vscode.ThemeIcon('bell-dot', new vscode.ThemeColor('list.warningForeground'));
      item.contextValue = 'needs';
      return item;
    }
    case 'group': return groupItem(node);
    case 'older': {
      const item = new vscode.TreeItem(node.label, None);
      item.description = node.description;
      item.command = { command: commandId('showOlderSessions'), title: node.label, arguments: [node.id] };
      item.iconPath = new vscode.ThemeIcon('ellipsis');
      return item;
    }
    case 'more': {
      const item = new vscode.TreeItem(node.label, None);
      item.command = { command: commandId('loadMoreSessions'), title: node.label, arguments: [node.connectionId] };
      item.iconPath = new vscode.ThemeIcon('ellipsis');
      return item;
    }
    case 'permission': return permissionItem(node, connection, now);
    case 'attention': return attentionItem(node, now);
    case 'session': return sessionItem(node, connection, now);
  }
}

function groupItem(node: GroupNode): vscode.TreeItem {
  const item = new vscode.TreeItem(oneLine(node.label), node.empty ? None : node.open ? Expanded : Collapsed);
  item.description = oneLine(node.description);
  const offline = node.group === 'machine-offline';
  item.iconPath = new vscode.ThemeIcon(GROUP_ICONS[node.group], offline ? new vscode.ThemeColor('disabledForeground') : undefined);
  item.contextValue = offline ? 'offline' : node.group;
  if (offline) item.resourceUri = vscode.Uri.from({ scheme: OFFLINE, path: `/${node.machineId ?? ''}` });
  if (node.folder === '') {
    item.tooltip = 'The folder of these sessions is not known.';
    item.accessibilityInformation = { label: 'No folder' };
  } else if (node.folder !== null) item.tooltip = node.folder;
  else if (node.detail !== null) item.tooltip = [oneLine(node.label), oneLine(node.detail)].join('\n');
  return item;
}

function permissionItem(node: Extract<TreeNode, { kind: 'permission' }>, connection: Connection | undefined, now: number): vscode.TreeItem {
  const { permission, session } = node;
  const quick = answersAtOnce(permission, connection ?? null);
  const asked = askedLine(permission, session.folder);
  const since = age(permission.askedAt, now);
  const line = node.inNeeds ? { label: titleOf(session), description: `${asked} · ${since}` } : { label: asked, description: `${PERMISSION_WORDS[permission.ask]} · ${since}` };
  const item = new vscode.TreeItem(line.label, None);
  item.description = line.description;
  item.iconPath = new vscode.ThemeIcon(permission.ask === 'question' ? 'question' : 'shield', new vscode.ThemeColor('list.warningForeground'));
  item.tooltip = [titleOf(session, 300), `${PERMISSION_WORDS[permission.ask]}: ${oneLine(permission.whole ?? permission.title, 900)}`, `asked ${since} ago`].join('\n');
  item.contextValue = `permission:${permission.ask}${quick ? ':allow:deny' : ''}`;
  item.command = { command: commandId('openSession'), title: 'Open Session', arguments: [node.id] };
  item.accessibilityInformation = { label: `${PERMISSION_WORDS[permission.ask]}: ${asked}, session ${titleOf(session)}` };
  return item;
}

/** A failed turn, prompts that were not delivered, a lost sign-in. */
function attentionItem({ item: waiting, session }: Extract<TreeNode, { kind: 'attention' }>, now: number): vscode.TreeItem {
  const { text, actions } = noticeOf(waiting, session);
  const label = session === null ? oneLine(waiting.name) : titleOf(session);
  const words = ATTENTION_WORDS[waiting.kind];
  const item = new vscode.TreeItem(label, None);
  const since = waiting.since === null ? [] : [age(waiting.since, now)];
  item.description = [words.text, ...since, ...(waiting.text === '' ? [] : [oneLine(waiting.text, 200)])].join(' · ');
  item.iconPath = new vscode.ThemeIcon(words.icon, new vscode.ThemeColor(waiting.kind === 'failed' ? 'list.errorForeground' : 'list.warningForeground'));
  item.tooltip = oneLine(text, 900);
  item.contextValue = `attention:${waiting.kind}`;
  item.command = waiting.key === null
    ? { command: commandId('signIn'), title: 'Sign In…', arguments: [{ connectionId: waiting.connectionId }] }
    : { command: commandId('openSession'), title: 'Open Session', arguments: [{ key: waiting.key }] };
  item.accessibilityInformation = { label: `${words.text}: ${label}, ${[...since, ...actions].join(', ')}` };
  return item;
}

function sessionItem(node: Extract<TreeNode, { kind: 'session' }>, connection: Connection | undefined, now: number): vscode.TreeItem {
  const { session } = node;
  const dormant = connection?.dormant ?? false;
  const line = lineOf(node, connection, now);
  // What it asks stands under Needs You already: here it is a child that opens.
  const item = new vscode.TreeItem(line.label, session.waiting.length > 0 ? Collapsed : None);
  item.description = line.description;
  item.iconPath = dormant && session.state === 'unknown' ? new vscode.ThemeIcon('history', new vscode.ThemeColor('disabledForeground')) : sessionIcon(session);
  item.contextValue = connection === undefined ? 'session' : contextValue(session, connection);
  item.command = { command: commandId('openSession'), title: 'Open Session', arguments: [node.id] };
  const marks = [session.unread === true ? 'unread' : '', session.pinned === true ? 'pinned' : '', session.shipped === true ? 'shipped' : ''].filter((word) => word !== '');
  item.accessibilityInformation = { label: [titleOf(session), ...marks, describeSession(session, session.agent, now, dormant), ...(node.place === null ? [] : [node.place])].join(', ') };
  return item;
}

/** Label and description of a session's row: what of it grows old. */
export function lineOf({ session, place }: Extract<TreeNode, { kind: 'session' }>, connection: Connection | undefined, now: number): { readonly label: string; readonly description: string } {
  const line = sessionLine(session, { now, dormant: connection?.dormant ?? false, agent: session.agent });
  return place === null ? line : { label: line.label, description: `${line.description} · ${oneLine(place)}` };
}

function sessionIcon(session: Session): vscode.ThemeIcon {
  // A turn ended that the person has not looked at: a dot, as on an open file.
  const unread = session.unread === true;
  switch (session.state) {
    case 'starting':
    case 'running':
      return session.activity?.phase === 'stalled' ? new vscode.ThemeIcon('watch', new vscode.ThemeColor('list.warningForeground')) : new vscode.ThemeIcon('loading~spin', new vscode.ThemeColor('progressBar.background'));
    case 'waiting': return new vscode.ThemeIcon('shield', new vscode.ThemeColor('list.warningForeground'));
    case 'failed': return new vscode.ThemeIcon('error', new vscode.ThemeColor('list.errorForeground'));
    case 'idle': return unread ? UNREAD : new vscode.ThemeIcon('circle-small');
    case 'stopped': return unread ? UNREAD : new vscode.ThemeIcon('circle-slash', new vscode.ThemeColor('disabledForeground'));
    case 'unknown': return unread ? UNREAD : new vscode.ThemeIcon('question', new vscode.ThemeColor('disabledForeground'));
  }
}

const UNREAD = new vscode.ThemeIcon('circle-filled', new vscode.ThemeColor('textLink.foreground'));
