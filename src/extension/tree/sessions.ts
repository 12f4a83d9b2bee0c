import * as vscode from 'vscode';
import type { FleetChange } from '../../core/fleet/change.ts';
import type { Fleet } from '../../core/fleet/fleet.ts';
import { hostsSessions } from '../../core/fleet/sessionless.ts';
import type { Session } from '../../core/model/session.ts';
import { commandId, VIEWS } from '../contributions.ts';
import type { Settings } from '../settings.ts';
import type { TreeModel, TreeNode } from './model.ts';
import { buildTree, contextValue, waitingFor } from './model.ts';
import { sessionLine, titleOf } from './line.ts';
import { age, agentName, asOfLine, belowFolder, describeSession, machineAway, oneLine, stateWord } from './text.ts';

/** The Sessions view: VS Code's own tree over the fleet's state. */
export class SessionsTree implements vscode.TreeDataProvider<string>, vscode.Disposable {
  readonly view: vscode.TreeView<string>;
  private readonly fleet: Fleet;
  private readonly settings: Settings;
  private readonly changed = new vscode.EventEmitter<string[] | undefined>();
  private readonly disposables: { dispose(): unknown }[] = [];
  private model: TreeModel;
  private stale = false;

  readonly onDidChangeTreeData = this.changed.event;

  constructor(fleet: Fleet, settings: Settings) {
    this.fleet = fleet;
    this.settings = settings;
    this.model = this.build();
    this.view = vscode.window.createTreeView(VIEWS.sessions, { treeDataProvider: this, showCollapseAll: true });
    this.disposables.push(
      vscode.window.registerFileDecorationProvider({ provideFileDecoration: ({ scheme }) => (scheme === OFFLINE ? { color: new vscode.ThemeColor('disabledForeground') } : undefined) }),
      this.view,
      this.changed,
      fleet.onChange((change) => this.onFleetChange(change)),
      settings.onChange((name) => {
        if (name === 'sessions.groupBy' || name === 'sessions.showArchived') this.rebuild();
      }),
      this.view.onDidChangeVisibility(() => {
        if (this.view.visible && this.stale) this.rebuild();
      }),
    );
    // Ages grow without any event; a visible tree tells them once a minute.
    const timer = setInterval(() => {
      if (this.view.visible) this.rebuild();
    }, 60_000);
    this.disposables.push({ dispose: () => clearInterval(timer) });
    this.badge();
    this.tell();
  }

  node(id: string): TreeNode | null {
    return this.model.node(id);
  }

  getParent(id: string): string | null {
    return this.model.parent(id)?.id ?? null;
  }

  getChildren(id?: string): string[] {
    return (id === undefined ? this.model.roots : this.model.children(id)).map((node) => node.id);
  }

  getTreeItem(id: string): vscode.TreeItem {
    const node = this.model.node(id);
    if (node === null) return new vscode.TreeItem('');
    const item = this.item(node);
    item.id = id;
    return item;
  }

  dispose(): void {
    for (const each of this.disposables.reverse()) each.dispose();
  }

  private item(node: TreeNode): vscode.TreeItem {
    const { Expanded, None } = vscode.TreeItemCollapsibleState;
    switch (node.kind) {
      case 'needs': {
        const item = new vscode.TreeItem('Needs You', Expanded);
        item.description = String(node.count);
        item.iconPath = new vscode.ThemeIcon('bell-dot', new vscode.ThemeColor('list.warningForeground'));
        item.contextValue = 'needs';
        return item;
      }
      case 'group': {
        const item = new vscode.TreeItem(oneLine(node.label), this.model.children(node.id).length === 0 ? None : Expanded);
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
      case 'more': {
        const item = new vscode.TreeItem(node.label, None);
        item.command = { command: commandId('loadMoreSessions'), title: node.label, arguments: [node.connectionId] };
        item.iconPath = new vscode.ThemeIcon('ellipsis');
        return item;
      }
      case 'permission': {
        const asked = oneLine(belowFolder(node.permission.title, node.session.folder), 200);
        const line = node.inNeeds ? { label: titleOf(node.session), description: asked } : { label: asked, description: PERMISSION_WORDS[node.permission.ask] };
        const item = new vscode.TreeItem(line.label, None);
        item.description = line.description;
        item.iconPath = new vscode.ThemeIcon(node.permission.ask === 'question' ? 'question' : 'shield', new vscode.ThemeColor('list.warningForeground'));
        item.tooltip = [titleOf(node.session, 300), `${PERMISSION_WORDS[node.permission.ask]}: ${oneLine(node.permission.title, 900)}`, `asked ${age(node.permission.askedAt, Date.now())} ago`].join('\n');
        const quick = this.fleet.connections().some((each) => each.connectionId === node.session.connectionId && !each.dormant) && node.permission.ask === 'tool' && node.permission.title.length <= 200 && !node.permission.title.includes('\n');
        item.contextValue = `permission:${node.permission.ask}${quick ? ':allow:deny' : ''}`;
        item.command = { command: commandId('openSession'), title: 'Open Session', arguments: [node.id] };
        item.accessibilityInformation = { label: `${PERMISSION_WORDS[node.permission.ask]}: ${asked}, session ${titleOf(node.session)}` };
        return item;
      }
      case 'session':
        return this.sessionItem(node.session, node.id);
    }
  }

  private sessionItem(session: Session, id: string): vscode.TreeItem {
    const { Collapsed, None } = vscode.TreeItemCollapsibleState;
    const connection = this.fleet.connections().find((each) => each.connectionId === session.connectionId);
    const agent = agentName(session, connection);
    const title = titleOf(session);
    const now = Date.now();
    const dormant = connection?.dormant ?? false;
    const machine = dormant || connection?.system === 'local' ? undefined : this.fleet.machines().find((each) => each.id === session.machineId);
    const away = connection?.state.status !== 'ready' && session.state === 'unknown' ? asOfLine(connection?.lastContactAt, now) : machine === undefined ? null : machineAway(machine, now);
    const line = sessionLine(session, { now, dormant, agent: session.agent });
    // What it asks stands under Needs You already: here it is a child that opens.
    const item = new vscode.TreeItem(line.label, session.waiting.length > 0 ? Collapsed : None);
    item.description = line.description;
    item.iconPath = dormant && session.state === 'unknown' ? new vscode.ThemeIcon('history', new vscode.ThemeColor('disabledForeground')) : sessionIcon(session);
    item.contextValue = connection === undefined ? 'session' : contextValue(session, connection);
    item.command = { command: commandId('openSession'), title: 'Open Session', arguments: [id] };
    const tooltip = new vscode.MarkdownString();
    tooltip.appendText(title);
    tooltip.appendMarkdown('\n\n');
    tooltip.appendText([
      dormant ? agent : `${agent} · ${stateWord(session)}`, session.folder, session.branch === null ? '' : `branch ${session.branch}`, session.model ?? '', session.error ?? '',
      away ?? '', `changed ${age(session.updatedAt, now)} ago`,
    ].filter((line) => line !== '').map((line) => oneLine(line, 300)).join('\n'));
    item.tooltip = tooltip;
    item.accessibilityInformation = { label: `${title}, ${describeSession(session, session.agent, now, dormant)}` };
    return item;
  }

  private onFleetChange(change: FleetChange): void {
    this.badge();
    this.tell();
    if (!this.view.visible) {
      this.stale = true;
      return;
    }
    const before = this.model;
    this.model = this.build();
    if (change.structure || change.machines || change.connections || this.shapeChanged(before)) this.changed.fire(undefined);
    else {
      const ids = [...change.sessions].map((key) => this.nodeOf(key)).filter((id) => id !== null);
      if (ids.length > 0) this.changed.fire(ids);
    }
  }

  /** Permissions that came or went change the children of "Needs You" and of their sessions; status groups move sessions. */
  private shapeChanged(before: TreeModel): boolean {
    const count = (model: TreeModel): string => model.roots.map((root) => `${root.id}:${model.children(root.id).length}`).join('|');
    if (count(before) !== count(this.model)) return true;
    const needs = (model: TreeModel): string => model.children('needs').map((node) => node.id).join('|');
    return needs(before) !== needs(this.model) || this.settings.get('sessions.groupBy') === 'status';
  }

  private nodeOf(key: string): string | null {
    const session = this.fleet.session(key);
    if (session === null) return null;
    const suffix = `/session/${key}`;
    const search = (ids: readonly TreeNode[]): string | null => {
      for (const node of ids) {
        if (node.id.endsWith(suffix)) return node.id;
        if (node.kind === 'group') {
          const inside = search(this.model.children(node.id));
          if (inside !== null) return inside;
        }
      }
      return null;
    };
    return search(this.model.roots);
  }

  private rebuild(): void {
    this.stale = false;
    this.model = this.build();
    this.changed.fire(undefined);
  }

  private build(): TreeModel {
    return buildTree({
      connections: this.fleet.connections().filter(({ system }) => hostsSessions(system)), machines: this.fleet.machines(), sessions: this.fleet.sessions(),
      groupBy: this.settings.get('sessions.groupBy'), showArchived: this.settings.get('sessions.showArchived'),
    });
  }

  /** One plain line over sessions that are only shown. */
  private tell(): void {
    const message = this.fleet.sessions().length > 0 ? (this.fleet.connections().find((each) => each.dormant)?.state.message ?? '') : '';
    if ((this.view.message ?? '') !== message) this.view.message = message;
  }

  private badge(): void {
    const count = waitingFor(this.fleet.sessions());
    const before = this.view.badge?.value ?? 0;
    if (before === count) return;
    this.view.badge = count === 0 ? undefined : { value: count, tooltip: count === 1 ? '1 request waits for you' : `${count} requests wait for you` };
  }
}

/** Scheme of what is dimmed: a tree takes the colour of a label from a file's decoration only. */
const OFFLINE = 'pilothouse-offline';
const GROUP_ICONS = { 'connection': 'plug', 'machine': 'vm', 'machine-offline': 'vm-outline', 'folder': 'folder', 'status': 'list-filter' } as const;
const PERMISSION_WORDS = { tool: 'Permission', question: 'Question', plan: 'Plan approval' } as const;

function sessionIcon(session: Session): vscode.ThemeIcon {
  switch (session.state) {
    case 'starting':
    case 'running':
      return session.activity?.phase === 'stalled' ? new vscode.ThemeIcon('watch', new vscode.ThemeColor('list.warningForeground')) : new vscode.ThemeIcon('loading~spin', new vscode.ThemeColor('progressBar.background'));
    case 'waiting': return new vscode.ThemeIcon('shield', new vscode.ThemeColor('list.warningForeground'));
    case 'idle': return new vscode.ThemeIcon('circle-small');
    case 'failed': return new vscode.ThemeIcon('error', new vscode.ThemeColor('list.errorForeground'));
    case 'stopped': return new vscode.ThemeIcon('circle-slash', new vscode.ThemeColor('disabledForeground'));
    case 'unknown': return new vscode.ThemeIcon('question', new vscode.ThemeColor('disabledForeground'));
  }
}
