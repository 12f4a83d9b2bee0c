import * as vscode from 'vscode';
import { PilothouseError } from '../../core/model/errors.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import { belowFolder } from '../tree/text.ts';
import type { Handler } from './handler.ts';
import { pickSession, sessionFor } from './pick.ts';

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
  sendSelection,
  manageTrust: async () => {
    await vscode.commands.executeCommand('workbench.trust.manage');
  },
  showLog: (services) => {
    services.channel.show();
    return Promise.resolve();
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
