import * as vscode from 'vscode';
import type { FleetChange } from '../../core/fleet/change.ts';
import type { Connection } from '../../core/fleet/connection.ts';
import type { AttentionItem } from '../../core/fleet/attention.ts';
import type { AttentionQueue } from '../../core/fleet/attentionQueue.ts';
import type { Fleet } from '../../core/fleet/fleet.ts';
import { hostsSessions } from '../../core/fleet/sessionless.ts';
import { canonicalJson } from '../../core/model/json.ts';
import type { SessionKey } from '../../core/model/session.ts';
import type { Store } from '../../core/session/store-api.ts';
import { needsWords } from '../attentionBar.ts';
import { VIEWS } from '../contributions.ts';
import type { Settings } from '../settings.ts';
import { buildTree, MORE } from './build.ts';
import { changesBetween } from './changes.ts';
import { SessionDrag } from './drag.ts';
import type { SessionFilter } from './filter.ts';
import { parseFilter } from './filter.ts';
import { hoverLines, lastPrompt } from './hover.ts';
import { itemOf, lineOf, OFFLINE } from './items.ts';
import { titleOf } from './line.ts';
import type { TreeModel, TreeNode } from './model.ts';
import { oneLine } from './text.ts';

/** What comes in faster than this is shown together. */
const PAINT_MS = 100;

/** The Sessions view: VS Code's own tree over the fleet's state. It asks VS Code to paint what changed and nothing else, and does nothing while it is hidden. */
export class SessionsTree implements vscode.TreeDataProvider<string>, vscode.Disposable {
  readonly view: vscode.TreeView<string>;
  private readonly fleet: Fleet;
  private readonly attention: AttentionQueue;
  private readonly settings: Settings;
  private readonly store: Pick<Store, 'rows'>;
  private readonly changed = new vscode.EventEmitter<string[] | undefined>();
  private readonly disposables: { dispose(): unknown }[] = [];
  private readonly older = new Map<string, number>();
  private readonly ranks = new Map<string, number>();
  /** Groups whose children VS Code has, and what it shows beside sessions. */
  private readonly fetched = new Set<string>();
  private readonly lines = new Map<string, string>();
  private connections: ReadonlyMap<string, Connection> = new Map();
  private connectionsLook = '';
  private filter: SessionFilter | null = null;
  private filterText = '';
  private model: TreeModel;
  private stale = false;
  private pending: { shape: boolean; needs: boolean; readonly keys: Set<SessionKey> } | null = null;
  private timer: NodeJS.Timeout | null = null;
  private paintedAt = 0;
  private needed: readonly AttentionItem[] = [];

  readonly onDidChangeTreeData = this.changed.event;

  constructor(fleet: Fleet, attention: AttentionQueue, settings: Settings, store: Pick<Store, 'rows'>) {
    this.fleet = fleet;
    this.attention = attention;
    this.settings = settings;
    this.store = store;
    this.model = this.build();
    this.view = vscode.window.createTreeView(VIEWS.sessions, { treeDataProvider: this, showCollapseAll: true, canSelectMany: true, dragAndDropController: new SessionDrag((id) => this.node(id)) });
    this.disposables.push(
      vscode.window.registerFileDecorationProvider({ provideFileDecoration: ({ scheme }) => (scheme === OFFLINE ? { color: new vscode.ThemeColor('disabledForeground') } : undefined) }),
      this.view,
      this.changed,
      fleet.onChange((change) => this.onFleetChange(change)),
      attention.onChange(() => this.onAttentionChange()),
      settings.onChange((name) => {
        if (name === 'sessions.groupBy' || name === 'sessions.showArchived') this.sortAnew();
      }),
      this.view.onDidChangeVisibility(() => {
        if (this.view.visible && this.stale) this.sortAnew();
      }),
      // Nobody's mouse is over the tree then.
      vscode.window.onDidChangeWindowState(({ focused }) => {
        if (!focused && this.view.visible) this.settle();
      }),
    );
    // Ages grow without any event; a visible tree tells them once a minute.
    const timer = setInterval(() => {
      if (this.view.visible) this.tellAges();
    }, 60_000);
    this.disposables.push({ dispose: () => clearInterval(timer) }, { dispose: () => clearTimeout(this.timer ?? undefined) });
    this.badge();
    this.tell();
  }

  node(id: string): TreeNode | null {
    return this.model.node(id);
  }

  /** What the person filters by, as it was typed; empty for nothing. */
  get filtered(): string {
    return this.filterText;
  }

  /** Shows only sessions that a text matches (filter.ts); all for an empty one. */
  filterBy(text: string): void {
    if (text === this.filterText) return;
    this.filterText = text;
    this.older.clear();
    this.sortAnew();
  }

  /** Shows more rows of the group that a node of the kind `older` stands in. */
  showOlder(id: string): void {
    const node = this.model.node(id);
    if (node?.kind !== 'older') return;
    this.older.set(node.groupId, (this.older.get(node.groupId) ?? 0) + MORE);
    this.repaint();
  }

  getParent(id: string): string | null {
    return this.model.parent(id)?.id ?? null;
  }

  getChildren(id?: string): string[] {
    if (id !== undefined) this.fetched.add(id);
    return (id === undefined ? this.model.roots : this.model.children(id)).map((node) => node.id);
  }

  getTreeItem(id: string): vscode.TreeItem {
    const node = this.model.node(id);
    if (node === null) return new vscode.TreeItem('');
    const connection = this.connectionOf(node);
    const now = Date.now();
    if (node.kind === 'session') this.lines.set(id, lineOf(node, connection, now).description);
    return itemOf(node, connection, now);
  }

  async resolveTreeItem(item: vscode.TreeItem, id: string, token: vscode.CancellationToken): Promise<vscode.TreeItem> {
    const node = this.model.node(id);
    if (node?.kind !== 'session') return item;
    const prompt = await lastPrompt(this.store, node.key);
    if (token.isCancellationRequested) return item;
    const session = this.fleet.session(node.key) ?? node.session;
    const machine = this.fleet.machines().find((each) => each.id === session.machineId);
    // Untrusted text all of it: nothing in it is read as markdown.
    const hover = new vscode.MarkdownString();
    hover.appendText(titleOf(session, 300));
    hover.appendMarkdown('\n\n');
    hover.appendText(hoverLines(session, prompt, { connection: this.connectionOf(node), machine, now: Date.now() }).join('\n'));
    item.tooltip = hover;
    return item;
  }

  /** Everything where it belongs by now: what is in sight stays in its place else. */
  settle(): void {
    this.ranks.clear();
    this.repaint();
  }

  dispose(): void {
    for (const each of this.disposables.reverse()) each.dispose();
  }

  private connectionOf(node: TreeNode): Connection | undefined {
    return node.kind === 'session' || node.kind === 'permission' ? this.connections.get(node.session.connectionId) : undefined;
  }

  private onFleetChange(change: FleetChange): void {
    const pending = this.soon();
    pending.shape ||= change.structure || change.machines || change.connections;
    for (const key of change.sessions) pending.keys.add(key);
    this.paintSoon();
  }

  /** What is to be painted next. */
  private soon(): NonNullable<SessionsTree['pending']> {
    this.pending ??= { shape: false, needs: false, keys: new Set() };
    return this.pending;
  }

  private paintSoon(): void {
    if (this.timer !== null) return;
    const wait = this.paintedAt + PAINT_MS - performance.now();
    if (wait <= 0) this.paint();
    else this.timer = setTimeout(() => this.paint(), wait);
  }

  /** What needs the person is a group of its own. What is only to be read is a mark of its session, which the fleet tells of. */
  private onAttentionChange(): void {
    const needs = this.attention.needs();
    if (needs === this.needed) return;
    this.needed = needs;
    this.soon().needs = true;
    this.paintSoon();
  }

  private paint(): void {
    this.timer = null;
    this.paintedAt = performance.now();
    const { pending } = this;
    this.pending = null;
    if (pending === null) return;
    this.badge();
    if (!this.view.visible) {
      this.stale = true;
      return;
    }
    if (pending.shape) this.repaint();
    else this.repaintSessions(pending.keys, pending.needs);
  }

  /** One changed session is one painted row, beside what needs the person. */
  private repaintSessions(keys: ReadonlySet<SessionKey>, needs: boolean): void {
    const ids: string[] = [];
    for (const key of keys) {
      const session = this.fleet.session(key);
      const changed = session === null ? null : this.model.replace(session);
      if (changed === null) return this.repaint(ids);
      ids.push(...changed);
    }
    if (needs || this.needed.some(({ key }) => key !== null && keys.has(key))) {
      const changed = this.model.renewNeeds(this.needed, (key) => this.fleet.session(key));
      if (changed === null) {
        this.changed.fire(undefined);
        return;
      }
      ids.push(...changed);
    }
    this.fire(ids);
  }

  /** Builds the tree anew, and paints where it differs; `more`: what is to be painted anyway. */
  private repaint(more: readonly string[] = []): void {
    const before = this.model;
    const look = this.connectionsLook;
    this.model = this.build();
    this.tell();
    const changed = look === this.connectionsLook ? changesBetween(before, this.model, this.fetched) : null;
    if (changed === null) this.changed.fire(undefined);
    else this.fire([...new Set([...more, ...changed])]);
  }

  private fire(ids: readonly string[]): void {
    if (ids.length > 0) this.changed.fire([...ids]);
  }

  private sortAnew(): void {
    this.stale = false;
    this.ranks.clear();
    this.fetched.clear();
    this.lines.clear();
    this.model = this.build();
    this.tell();
    this.changed.fire(undefined);
  }

  private tellAges(): void {
    const now = Date.now();
    // How long what needs the person waits stands there.
    const grown: string[] = this.model.node('needs') === null ? [] : ['needs'];
    for (const [id, line] of this.lines) {
      const node = this.model.node(id);
      if (node?.kind !== 'session') this.lines.delete(id);
      else if (lineOf(node, this.connectionOf(node), now).description !== line) grown.push(id);
    }
    this.fire(grown);
  }

  private build(): TreeModel {
    const connections = this.fleet.connections().filter(({ system }) => hostsSessions(system));
    this.connections = new Map(connections.map((connection) => [connection.connectionId, connection]));
    this.connectionsLook = canonicalJson(connections.map(({ connectionId, system, dormant, traits }) => [connectionId, system, dormant, traits]));
    const machines = this.fleet.machines();
    const machineNames = new Map(machines.map(({ id, name }) => [id, name]));
    this.filter = parseFilter(this.filterText, { machine: (id) => machineNames.get(id) ?? '', connection: (id) => this.connections.get(id)?.name ?? '' });
    return buildTree({
      connections, machines, sessions: this.fleet.sessions(), needs: this.attention.needs(), filter: this.filter, older: this.older, ranks: this.ranks,
      groupBy: this.settings.get('sessions.groupBy'), showArchived: this.settings.get('sessions.showArchived'),
    });
  }

  /** One plain line over sessions that are filtered, or only shown. */
  private tell(): void {
    const words = [this.filter === null ? '' : this.filterLine(this.filter), this.fleet.sessions().length > 0 ? ([...this.connections.values()].find((each) => each.dormant)?.state.message ?? '') : ''];
    const message = words.filter((word) => word !== '').join(' ');
    if ((this.view.message ?? '') !== message) this.view.message = message;
  }

  private filterLine({ text }: SessionFilter): string {
    const { listed } = this.model;
    return `${listed === 0 ? 'No session matches' : listed === 1 ? '1 session matches' : `${listed.toLocaleString()} sessions match`} “${oneLine(text, 60)}”.`;
  }

  private badge(): void {
    const count = this.attention.needs().length;
    const before = this.view.badge?.value ?? 0;
    if (before === count) return;
    this.view.badge = count === 0 ? undefined : { value: count, tooltip: needsWords(count) };
  }
}
