import * as vscode from 'vscode';
import type { Connection } from '../../core/fleet/connection.ts';
import type { Fleet } from '../../core/fleet/fleet.ts';
import { hostsSessions } from '../../core/fleet/sessionless.ts';
import type { ShipStanding } from '../../core/fleet/shipper.ts';
import { remedyLine } from '../../core/model/remedy.ts';
import type { Accounts } from '../accounts/accounts.ts';
import { commandId, VIEWS } from '../contributions.ts';
import { hostOf } from '../accounts/server.ts';
import type { Shipping } from '../shipping/shipping.ts';
import { standingInShort, standingLine } from '../shipping/words.ts';
import { oneLine } from './text.ts';

/** The Connections view: each with its state, and what to do where it needs the person. */
export class ConnectionsTree implements vscode.TreeDataProvider<string>, vscode.Disposable {
  readonly view: vscode.TreeView<string>;
  private readonly fleet: Fleet;
  private readonly accounts: Pick<Accounts, 'record'>;
  private readonly shipping: Shipping;
  private readonly editable: (connectionId: string) => boolean;
  private readonly changed = new vscode.EventEmitter<undefined>();
  private readonly disposables: { dispose(): unknown }[] = [];
  readonly onDidChangeTreeData = this.changed.event;

  constructor(fleet: Fleet, accounts: Pick<Accounts, 'record'>, shipping: Shipping, editable: (connectionId: string) => boolean) {
    this.shipping = shipping;
    this.fleet = fleet;
    this.accounts = accounts;
    this.editable = editable;
    this.view = vscode.window.createTreeView(VIEWS.connections, { treeDataProvider: this });
    this.disposables.push(this.view, this.changed, fleet.onChange((change) => change.connections && this.changed.fire(undefined)), shipping.onChange(() => this.view.visible && this.changed.fire(undefined)));
  }

  getChildren(id?: string): string[] {
    return id === undefined ? this.fleet.connections().map((connection) => connection.connectionId) : [];
  }

  getParent(): null {
    return null;
  }

  getTreeItem(id: string): vscode.TreeItem {
    const connection = this.fleet.connections().find((each) => each.connectionId === id);
    const item = new vscode.TreeItem(connection === undefined ? '' : oneLine(connection.name));
    if (connection === undefined) return item;
    const { state } = connection;
    item.id = id;
    const account = this.accounts.record(id);
    const ships = this.shipping.standing(id);
    item.description = [statusWord(connection), account === null ? '' : hostOf(account.serverUrl), ships === null ? '' : standingInShort(ships), state.version ?? ''].filter((word) => word !== '').join(' · ');
    item.iconPath = statusIcon(connection);
    const verbs = ['refresh', 'remove', ...(connection.canSignIn ? ['signin'] : []), ...(account?.signedOut === false ? ['signout'] : []), ...(this.editable(id) ? ['edit'] : []), ...(connection.system === 'clawdforge' && account?.signedOut === false ? ['forge'] : []), ...this.shippingVerbs(connection, ships), ...(connection.traits.spawn && state.status === 'ready' ? ['new'] : [])];
    item.contextValue = `connection:${state.status}:${verbs.join(':')}`;
    const tooltip = new vscode.MarkdownString();
    const shipping = ships === null ? '' : standingLine(ships, this.accounts.record(ships.account));
    const [machine = null, ...more] = account === null ? [] : this.fleet.machinesOf(id);
    tooltip.appendText([connection.name, statusWord(connection), state.message ?? '', more.length > 0 ? '' : (machine?.detail ?? ''), shipping].filter((line) => line !== '').map((line) => oneLine(line, 400)).join('\n'));
    if (state.remedy !== null) {
      tooltip.appendMarkdown('\n\n');
      tooltip.appendText(oneLine(state.remedy.text, 400));
      if (state.remedy.command !== null) tooltip.appendCodeblock(oneLine(state.remedy.command, 400), 'shellscript');
    }
    item.tooltip = tooltip;
    item.accessibilityInformation = { label: `${oneLine(connection.name)}, ${[statusWord(connection), state.message ?? '', state.remedy === null ? '' : oneLine(remedyLine(state.remedy), 400), shipping].filter((word) => word !== '').join(', ')}` };
    if (connection.dormant) item.command = { command: commandId('manageTrust'), title: 'Manage Workspace Trust' };
    else if (connection.canSignIn) item.command = { command: commandId('signIn'), title: 'Sign In', arguments: [id] };
    else if (state.status !== 'ready' && state.status !== 'connecting') item.command = { command: commandId('editConnection'), title: 'What to do', arguments: [id] };
    return item;
  }

  private shippingVerbs({ system }: Connection, ships: ShipStanding | null): readonly string[] {
    if (!hostsSessions(system)) return system === 'catsyphon' ? ['collector'] : [];
    return ships === null ? (this.shipping.accounts().length > 0 ? ['ship'] : []) : ['unship', ...(ships.parked > 0 ? ['parked'] : [])];
  }

  dispose(): void {
    for (const each of this.disposables.reverse()) each.dispose();
  }
}

const STATUS_WORDS = {
  'ready': '', 'connecting': 'connecting', 'offline': 'offline', 'needs-sign-in': 'needs sign-in', 'not-installed': 'not installed', 'failed': 'failed',
} as const;

/** What a connection's state reads as; empty for one that is ready. */
export function statusWord(connection: Connection): string {
  return connection.dormant ? 'not run here' : STATUS_WORDS[connection.state.status];
}

function statusIcon(connection: Connection): vscode.ThemeIcon {
  if (connection.dormant) return new vscode.ThemeIcon('workspace-untrusted', new vscode.ThemeColor('disabledForeground'));
  switch (connection.state.status) {
    case 'ready': return new vscode.ThemeIcon('plug');
    case 'connecting': return new vscode.ThemeIcon('loading~spin');
    case 'offline': return new vscode.ThemeIcon('debug-disconnect', new vscode.ThemeColor('disabledForeground'));
    case 'not-installed': return new vscode.ThemeIcon('circle-slash', new vscode.ThemeColor('disabledForeground'));
    case 'needs-sign-in': return new vscode.ThemeIcon('key', new vscode.ThemeColor('list.warningForeground'));
    case 'failed': return new vscode.ThemeIcon('error', new vscode.ThemeColor('list.errorForeground'));
  }
}
