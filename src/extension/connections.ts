import * as vscode from 'vscode';
import type { ConnectionSpec, Dormant } from '../core/fleet/connection.ts';
import type { Fleet } from '../core/fleet/fleet.ts';
import type { Logger } from '../core/model/context.ts';
import { PilothouseError } from '../core/model/errors.ts';
import { localConnections } from '../core/systems/local/index.ts';
import type { Accounts } from './accounts/accounts.ts';
import { withAgent, withChange } from './agents.ts';
import { demoFleet } from './demoFleet.ts';
import { RemovedConnections } from './removed.ts';
import type { AgentSetting, Settings } from './settings.ts';

/** Agents of this computer do not run in a workspace that is not trusted: its files could tell them what to do. */
export const UNTRUSTED: Dormant = { code: 'untrusted_workspace', message: 'This workspace is not trusted: agents do not run here.' };

/** Which connections there are: those of this computer by settings and the demo fleet of `npm start`, less the ones that the person removed, and those of accounts. */
export class Connections implements vscode.Disposable {
  private readonly fleet: Fleet;
  private readonly settings: Settings;
  private readonly hidden: RemovedConnections;
  private readonly accounts: Pick<Accounts, 'connections' | 'onChange' | 'refresh'>;
  private demo: readonly ConnectionSpec[] = [];
  private readonly demoRead: Promise<void>;
  private readonly disposables: { dispose(): unknown }[] = [];

  /** `folder`: where it is kept which connections were removed. */
  constructor(fleet: Fleet, settings: Settings, accounts: Pick<Accounts, 'connections' | 'onChange' | 'refresh'>, folder: string, log: Logger) {
    this.fleet = fleet;
    this.accounts = accounts;
    this.settings = settings;
    this.demoRead = this.readDemo(log);
    this.hidden = new RemovedConnections(folder, log, () => void this.apply());
    this.disposables.push(
      settings.onChange((name) => {
        if (name.startsWith('local.')) void this.apply();
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.apply()),
      vscode.window.onDidChangeWindowState((state) => {
        if (!state.focused) return;
        this.hidden.refresh();
        accounts.refresh();
      }),
      accounts.onChange(() => void this.apply()),
      this.hidden,
    );
  }

  /** Makes the fleet's connections those of the settings and accounts. In an untrusted workspace no agent of this computer is run: what is stored of them is shown. */
  async apply(): Promise<void> {
    await this.demoRead;
    const shown = (spec: ConnectionSpec): boolean => !this.hidden.has(spec.connectionId);
    const specs = this.all().filter(shown);
    await this.fleet.setConnections([...(vscode.workspace.isTrusted ? specs : specs.map((spec) => ({ ...spec, dormant: UNTRUSTED }))), ...this.demo.filter(shown), ...this.accounts.connections()]);
  }

  /** Connections that were removed and can be added again. */
  removed(): readonly { readonly connectionId: string; readonly name: string }[] {
    return [...this.all(), ...this.demo].filter((spec) => this.hidden.has(spec.connectionId));
  }

  /** Takes a connection that needs no setting off the list, in every window. Throws `not_removed`. */
  hide(connectionId: string): void {
    this.hidden.add(connectionId);
  }

  show(connectionId: string): void {
    this.hidden.delete(connectionId);
  }

  /** The setting behind a connection of a configured agent; null for Claude Code and Codex. */
  agentOf(connectionId: string): AgentSetting | null {
    const place = this.placeOf(connectionId);
    return place < 0 ? null : (this.settings.get('local.agents')[place] ?? null);
  }

  /** Adds an agent to the settings. */
  async addAgent(agent: Omit<AgentSetting, 'id'>): Promise<void> {
    await this.settings.set('local.agents', withAgent(this.settings.get('local.agents'), agent));
  }

  /** Puts another agent in the place of the one behind a connection, which keeps its id and its sessions, or takes it out of the settings. */
  async setAgent(connectionId: string, agent: Omit<AgentSetting, 'id'> | null): Promise<void> {
    const place = this.placeOf(connectionId);
    if (place < 0) throw new PilothouseError('connection_gone', 'This connection is not in the settings any more. Refresh the Connections view.');
    await this.settings.set('local.agents', withChange(this.settings.get('local.agents'), place, agent));
  }

  dispose(): void {
    for (const each of this.disposables) each.dispose();
  }

  private async readDemo(log: Logger): Promise<void> {
    this.demo = await demoFleet(process.env, log);
  }

  private all(): ReturnType<typeof localConnections> {
    const claudePath = this.settings.get('local.claudePath');
    const codexPath = this.settings.get('local.codexPath');
    return localConnections({
      ...(claudePath === '' ? {} : { claudePath }),
      ...(codexPath === '' ? {} : { codexPath }),
      agents: this.settings.get('local.agents'),
      env: process.env,
      program: 'a VS Code window',
    });
  }

  /** Where the setting of a connection stands in the list: names may be those of others, or twice there. -1 for Claude Code and Codex. */
  private placeOf(connectionId: string): number {
    const specs = this.all();
    const before = specs.length - this.settings.get('local.agents').length;
    return Math.max(-1, specs.findIndex((spec) => spec.connectionId === connectionId) - before);
  }
}
