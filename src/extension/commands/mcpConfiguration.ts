import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import * as vscode from 'vscode';
import { PilothouseError } from '../../core/model/errors.ts';
import type { CommandName } from '../contributions.ts';
import { loadHebing } from '../hebing/access.ts';
import type { SignedIn } from '../hebing/calling.ts';
import type { Services } from '../services.ts';
import { noticeText, oneLine, pickText } from '../tree/text.ts';
import { givenOf } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { accountFor } from './hebingAccount.ts';
import { progress } from './progress.ts';

/** Node's version that the command takes. */
const NODE_MAJOR = 22;

/** Writes hebing's MCP server into the configuration of other programs, once the person has seen what changes. `{connectionId, target}` from code. */
async function writeMcpConfiguration(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const account = await accountFor(services, given['connectionId']);
  const file = typeof given['target'] === 'string' ? given['target'] : await pickFile();
  const { cliPlace, keepCli, mcpEntry, planMcpEntry, writeMcpPlan } = await loadHebing();
  const { node, more } = await progress('Looking for Node…', nodeFor);
  const plan = await planMcpEntry(file, mcpEntry({ node, cli: cliPlace(process.env), apiKey: account.access.apiKey, baseUrl: account.record.serverUrl, allowPlainHttp: account.record.allowPlainHttp, env: more }));
  if (plan.what === 'nothing') {
    await writeMcpPlan(plan);
    await keepCli(path.join(services.extensionUri.fsPath, 'dist', 'cli.js'), process.env);
    vscode.window.setStatusBarMessage(`Pilothouse: ${oneLine(shortHome(file), 100)} has it already.`, 6_000);
    return;
  }
  await agreed(services, account, file, plan.shown);
  // The copy first: an entry that leads nowhere helps nobody.
  await keepCli(path.join(services.extensionUri.fsPath, 'dist', 'cli.js'), process.env);
  const backup = await writeMcpPlan(plan);
  void vscode.window.showInformationMessage(`hebing’s MCP server stands in ${noticeText(shortHome(file))} now, with the account’s key.${backup === null ? '' : ` The file as it was is kept as ${noticeText(path.basename(backup))}.`}`);
}

/** Shows both sides with every secret hidden, and asks. Throws Dismissed. */
async function agreed(services: Services, { record }: SignedIn, file: string, { before, after }: { readonly before: string; readonly after: string }): Promise<void> {
  const name = path.basename(file).endsWith('.json') ? path.basename(file) : `${path.basename(file)}.json`;
  const [left, right] = [services.documents.add(name, before), services.documents.add(name, after)];
  await vscode.commands.executeCommand('vscode.diff', left, right, `${oneLine(shortHome(file), 60)}: hebing’s MCP server`, { preview: true });
  try {
    const question = `Write this to ${noticeText(shortHome(file))}? The key of “${noticeText(record.name, 60)}”, masked here, is written whole; only you can read the file then.${before === '' ? '' : ' A copy of the file as it is is kept beside it.'}`;
    if ((await vscode.window.showInformationMessage(question, 'Write', 'Cancel')) !== 'Write') throw new Dismissed();
  } finally {
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs).filter(({ input }) => input instanceof vscode.TabInputTextDiff && input.modified.toString() === right.toString());
    await vscode.window.tabGroups.close(tabs);
  }
}

async function pickFile(): Promise<string> {
  const { mcpTargets } = await loadHebing();
  const items = [
    ...mcpTargets(process.env).map(({ file, about }) => ({ label: pickText(shortHome(file)), detail: pickText(about, 200), file: file as string | null })),
    { label: 'Another file…', detail: 'any JSON file that holds mcpServers', file: null },
  ];
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Write hebing’s MCP server into which file?' });
  if (picked === undefined) throw new Dismissed();
  if (picked.file !== null) return picked.file;
  const chosen = await vscode.window.showSaveDialog({ title: 'MCP Configuration', saveLabel: 'Choose', defaultUri: vscode.Uri.file(path.join(os.homedir(), 'mcp.json')), filters: { JSON: ['json'] } });
  if (chosen === undefined) throw new Dismissed();
  if (chosen.scheme !== 'file') throw new PilothouseError('invalid_argument', 'The file must be one of this computer.', { personMustAct: true });
  return chosen.fsPath;
}

/** A Node that stays where it is when VS Code is updated, from PATH; else the one that VS Code runs on, and what makes it one. */
async function nodeFor(): Promise<{ readonly node: string; readonly more: Readonly<Record<string, string>> }> {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const file = path.join(folder, name);
    if (path.isAbsolute(file) && isProgram(file) && (await majorOf(file)) >= NODE_MAJOR) return { node: file, more: {} };
  }
  return { node: process.execPath, more: process.versions['electron'] === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' } };
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function majorOf(file: string): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)(file, ['--version'], { timeout: 5_000 });
    return Number(/^v(\d+)/.exec(stdout)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function shortHome(file: string): string {
  const home = os.homedir();
  return file.startsWith(`${home}${path.sep}`) ? `~${file.slice(home.length)}` : file;
}

export const mcpCommands = { writeMcpConfiguration } as const satisfies Partial<Record<CommandName, Handler>>;
