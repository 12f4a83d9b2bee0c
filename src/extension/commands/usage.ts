import path from 'node:path';
import * as vscode from 'vscode';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import { showUsage } from '../usage/panel.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';

async function exportUsage({ usage }: Services): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const target = await vscode.window.showSaveDialog({
    title: 'Export Usage as CSV', filters: { 'Comma-separated values': ['csv'] }, ...(folder === undefined ? {} : { defaultUri: vscode.Uri.joinPath(folder, 'pilothouse-usage.csv') }),
  });
  if (target === undefined) throw new Dismissed();
  await vscode.workspace.fs.writeFile(target, Buffer.from(await usage.csv(), 'utf8'));
  vscode.window.setStatusBarMessage(`Pilothouse: saved ${path.posix.basename(target.path)}`, 5_000);
}

export const usageCommands = {
  showUsage: (services) => Promise.resolve(showUsage(services)),
  exportUsage,
} as const satisfies Partial<Record<CommandName, Handler>>;
