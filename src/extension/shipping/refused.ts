import * as vscode from 'vscode';
import type { AccountRecord } from '../accounts/record.ts';
import { hostOf } from '../accounts/server.ts';
import { commandId } from '../contributions.ts';
import { noticeText } from '../tree/text.ts';

/** Says that a CatSyphon does not take its key any more, with a way to sign in. Not waited for. */
export function tellRefused(account: AccountRecord): void {
  const text = `“${noticeText(account.name, 60)}” on ${hostOf(account.serverUrl)} does not take its key any more. What is not shipped yet waits: nothing is lost.`;
  void Promise.resolve(vscode.window.showWarningMessage(text, 'Sign In…')).then((choice) => (choice === undefined ? undefined : vscode.commands.executeCommand(commandId('signIn'), account.connectionId)));
}
