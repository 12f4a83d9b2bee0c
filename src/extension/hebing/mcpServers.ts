import path from 'node:path';
import * as vscode from 'vscode';
import { MCP_PROVIDER } from '../contributions.ts';
import type { HebingAccount, HebingBoards } from './boards.ts';

const KEY_VARIABLE = 'CHAOJIYUYAN_API_KEY';

/** Names the account's connection in a definition, until it is resolved; the server itself does not read it. */
const CONNECTION_VARIABLE = 'PILOTHOUSE_CONNECTION';

/**
 * hebing's tools for VS Code's own agents: a stdio server for each account that somebody is signed in to, run by this VS Code's Node. The key is put into its environment when it is started, and
 * into no file. A VS Code that has no MCP gets nothing.
 */
export class HebingMcpServers implements vscode.McpServerDefinitionProvider<vscode.McpStdioServerDefinition>, vscode.Disposable {
  private readonly boards: HebingBoards;
  private readonly cli: string;
  private readonly version: string;
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly disposables: { dispose(): unknown }[];
  private told: string;
  readonly onDidChangeMcpServerDefinitions = this.changed.event;

  constructor(boards: HebingBoards, extension: Pick<vscode.Extension<unknown>, 'extensionPath' | 'packageJSON'>) {
    this.boards = boards;
    this.cli = path.join(extension.extensionPath, 'dist', 'cli.js');
    this.version = versionOf(extension.packageJSON);
    this.told = this.print();
    this.disposables = [boards.onChange(() => this.tell()), this.changed];
    if (canOffer(vscode.lm)) this.disposables.push(vscode.lm.registerMcpServerDefinitionProvider(MCP_PROVIDER, this));
  }

  provideMcpServerDefinitions(): vscode.McpStdioServerDefinition[] {
    const accounts = this.offered();
    return accounts.map(({ record }) => new vscode.McpStdioServerDefinition(
      accounts.length === 1 ? 'hebing' : `hebing: ${record.name}`, process.execPath, [this.cli, 'hebing', 'mcp-server', ...(record.allowPlainHttp ? ['--allow-http'] : [])],
      { HEBING_BASE_URL: record.serverUrl, [CONNECTION_VARIABLE]: record.connectionId, ...(process.versions['electron'] === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' }) }, this.version,
    ));
  }

  /** At the start of a server. Undefined, and so no start, for one whose account nobody is signed in to any more. */
  resolveMcpServerDefinition(server: vscode.McpStdioServerDefinition): vscode.McpStdioServerDefinition | undefined {
    const access = this.boards.get(String(server.env[CONNECTION_VARIABLE] ?? ''))?.access ?? null;
    if (access === null) return undefined;
    const { [CONNECTION_VARIABLE]: _, ...env } = server.env;
    server.env = { ...env, [KEY_VARIABLE]: access.apiKey };
    return server;
  }

  dispose(): void {
    for (const each of this.disposables) each.dispose();
  }

  private offered(): readonly HebingAccount[] {
    return this.boards.all().filter(({ access }) => access !== null);
  }

  private print(): string {
    return JSON.stringify(this.offered().map(({ record }) => [record.connectionId, record.name, record.serverUrl, record.allowPlainHttp]));
  }

  private tell(): void {
    const print = this.print();
    if (print === this.told) return;
    this.told = print;
    this.changed.fire();
  }
}

/** Older VS Codes, and some that are made from it, have no MCP. */
function canOffer(lm: Partial<Pick<typeof vscode.lm, 'registerMcpServerDefinitionProvider'>> | undefined): boolean {
  return typeof lm?.registerMcpServerDefinitionProvider === 'function';
}

function versionOf(manifest: unknown): string {
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest && typeof manifest.version === 'string' ? manifest.version : '0';
}
