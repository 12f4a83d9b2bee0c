import * as vscode from 'vscode';
import type { SettingName } from './contributions.ts';
import { SETTINGS } from './contributions.ts';

export interface AgentSetting {
  readonly id?: string;
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly protocol: 'acp';
}

interface SettingTypes {
  'local.agents': readonly AgentSetting[];
  'local.claudePath': string;
  'local.codexPath': string;
  'sessions.groupBy': 'machine' | 'folder' | 'status' | 'connection';
  'sessions.showArchived': boolean;
  'sessions.autoArchiveDays': number;
  'notifications': 'all' | 'attention' | 'none';
  'chat.enterKey': 'send' | 'newline';
  'chat.thinking': 'collapsed' | 'expanded' | 'hidden';
  'store.keepDays': number;
}

/** Settings by name, typed and checked: a value of another type in a settings file counts as the default. */
export class Settings implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<SettingName>();
  private readonly watch: vscode.Disposable;
  readonly onChange = this.changed.event;

  constructor() {
    this.watch = vscode.workspace.onDidChangeConfiguration((event) => {
      for (const name of Object.keys(SETTINGS) as SettingName[]) if (event.affectsConfiguration(`pilothouse.${name}`)) this.changed.fire(name);
    });
  }

  get<N extends SettingName>(name: N): SettingTypes[N] {
    const value: unknown = vscode.workspace.getConfiguration('pilothouse').get(name);
    const checked = name === 'local.agents' ? readAgents(value) : accepts(name, value) ? value : SETTINGS[name].default;
    return checked as SettingTypes[N];
  }

  async set<N extends SettingName>(name: N, value: SettingTypes[N]): Promise<void> {
    await vscode.workspace.getConfiguration('pilothouse').update(name, value, vscode.ConfigurationTarget.Global);
  }

  dispose(): void {
    this.watch.dispose();
    this.changed.dispose();
  }
}

function accepts(name: SettingName, value: unknown): boolean {
  const schema: { readonly type: string; readonly enum?: readonly string[]; readonly minimum?: number } = SETTINGS[name];
  switch (schema.type) {
    case 'string': return typeof value === 'string' && (schema.enum === undefined || schema.enum.includes(value));
    case 'boolean': return typeof value === 'boolean';
    case 'integer': return typeof value === 'number' && Number.isInteger(value) && value >= (schema.minimum ?? Number.NEGATIVE_INFINITY);
    default: return false;
  }
}

const AGENT_ID = new RegExp(SETTINGS['local.agents'].items.properties.id.pattern);

function readAgents(value: unknown): readonly AgentSetting[] {
  if (!Array.isArray(value)) return [];
  const agents: AgentSetting[] = [];
  for (const each of value as readonly unknown[]) {
    if (typeof each !== 'object' || each === null) continue;
    const { id, name, command, args } = each as Record<string, unknown>;
    if (typeof name !== 'string' || name.trim() === '' || typeof command !== 'string' || command.trim() === '') continue;
    const list = Array.isArray(args) ? (args as readonly unknown[]).filter((arg) => typeof arg === 'string') : [];
    agents.push({ ...(typeof id === 'string' && AGENT_ID.test(id) ? { id } : {}), name: name.trim(), command: command.trim(), args: list, protocol: 'acp' });
  }
  return agents;
}
