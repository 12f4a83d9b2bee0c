import os from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Row } from '../../core/model/row.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { ExportHead } from '../../core/session/export.ts';
import { exportJson, exportMarkdown } from '../../core/session/export.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import { agentName, belowFolder } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { pickSession, sessionFor } from './pick.ts';

const PAGE = 400;

/** Every row, read page by page, once the agent's own record has been read: older rows come in before the ones that are here. */
async function allRows(runtime: SessionRuntime, token: vscode.CancellationToken): Promise<readonly Row[]> {
  const { transcript } = runtime;
  await runtime.historyRead();
  const rows: Row[] = [];
  while (rows.length < transcript.total) {
    if (token.isCancellationRequested) throw new Dismissed();
    const page = await transcript.rows(rows.length, Math.min(transcript.total, rows.length + PAGE));
    if (page.rows.length === 0) break;
    rows.push(...page.rows);
  }
  return rows;
}

async function exportTranscript(services: Services, target: unknown): Promise<void> {
  const { key, session } = await sessionFor(services, target, 'Export which session?');
  const uri = await vscode.window.showSaveDialog({
    title: 'Export Transcript', filters: { 'Markdown': ['md'], 'JSON': ['json'] },
    defaultUri: vscode.Uri.file(path.join(session.folder === '' || services.fleet.backend(session.connectionId).system !== 'local' ? os.homedir() : session.folder, `${session.title.replaceAll(/[^\p{L}\p{N} _.-]/gu, '').trim().slice(0, 60) || 'session'}.md`)),
  });
  if (uri === undefined) throw new Dismissed();
  await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: 'Exporting the transcript…', cancellable: true }, async (_progress, token) => {
    const runtime = await services.fleet.open(key);
    try {
      const rows = await allRows(runtime, token);
      const connection = services.fleet.connections().find((each) => each.connectionId === session.connectionId);
      const machine = services.fleet.machines().find((each) => each.id === session.machineId);
      const head: ExportHead = { title: session.title, agent: agentName(session, connection), machine: machine?.name ?? session.machineId, folder: session.folder, exportedAt: Date.now() };
      await vscode.workspace.fs.writeFile(uri, Buffer.from(uri.path.endsWith('.json') ? exportJson(head, rows) : exportMarkdown(head, rows)));
    } finally {
      runtime.release();
    }
  });
  const choice = await vscode.window.showInformationMessage(`Transcript exported to ${path.basename(uri.path)}.`, 'Open');
  if (choice === 'Open') await vscode.commands.executeCommand('vscode.open', uri);
}

/** `src/a.ts:3-9`, as read from the session's folder, and the lines themselves in a fence, ready to be asked about. */
function selectionText(document: vscode.TextDocument, selection: vscode.Selection, folder: string): string {
  const text = document.getText(selection.isEmpty ? undefined : selection);
  const last = selection.end.character === 0 && selection.end.line > selection.start.line ? selection.end.line : selection.end.line + 1;
  const place = `${belowFolder(document.uri.fsPath, folder)}${selection.isEmpty ? '' : `:${selection.start.line + 1}${last > selection.start.line + 1 ? `-${last}` : ''}`}`;
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((match) => match[0].length));
  const mark = '`'.repeat(longest + 1);
  return `${place}\n${mark}${document.languageId}\n${text.replace(/\n$/, '')}\n${mark}\n`;
}

async function sendSelection(services: Services, target: unknown): Promise<void> {
  // While a chat or a picker has the focus VS Code names none.
  const editor = vscode.window.activeTextEditor ?? services.lastEditor.get();
  if (editor === undefined) throw new PilothouseError('no_editor', 'Open a file and select what you want to send first.');
  const recent = services.panels.recent();
  const named = typeof target === 'object' && target !== null && ('key' in target || 'sessionId' in target);
  // The editor's menu passes a Uri, which names no session: the chat that was used last is meant, else one is picked.
  const key = named ? (await sessionFor(services, target, 'Send to which session?')).key : (recent?.key ?? sessionKey(await pickSession(services, 'Send to which session?', (session) => !session.archived)));
  const panel = services.panels.open(key, { beside: true });
  panel.insert(selectionText(editor.document, editor.selection, services.fleet.session(key)?.folder ?? ''));
}

export const contentCommands = {
  exportTranscript,
  sendSelection,
  manageTrust: async () => {
    await vscode.commands.executeCommand('workbench.trust.manage');
  },
  showLog: (services) => {
    services.channel.show();
    return Promise.resolve();
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
