import * as vscode from 'vscode';
import { commandId } from '../contributions.ts';
import { noticeText } from '../tree/text.ts';
import type { Accounts } from './accounts.ts';

const KEY = 'pilothouse.lostSecrets';

/** Says once of each connection that this VS Code did not keep its sign-in. */
export class LostSecrets {
  private readonly memory: vscode.Memento;

  constructor(memory: vscode.Memento) {
    this.memory = memory;
  }

  async tell(accounts: Accounts): Promise<void> {
    const told = this.told();
    const fresh = (await accounts.lost()).filter((record) => !told.has(record.connectionId));
    const [first] = fresh;
    if (first === undefined) return;
    await this.memory.update(KEY, [...told, ...fresh.map((record) => record.connectionId)]);
    const names = fresh.map((record) => `“${noticeText(record.name, 60)}”`).join(', ');
    const choice = await vscode.window.showWarningMessage(
      `The secret storage of this VS Code did not keep the sign-in of ${names}. Nothing else is lost: sign in again to go on. Without a keyring it is kept only as long as VS Code runs.`, 'Sign In…',
    );
    if (choice !== undefined) await vscode.commands.executeCommand(commandId('signIn'), first.connectionId);
  }

  /** The person signed in again: should it be lost again, that is said again. */
  async forget(connectionId: string): Promise<void> {
    const told = this.told();
    if (told.delete(connectionId)) await this.memory.update(KEY, [...told]);
  }

  private told(): Set<string> {
    const value = this.memory.get<unknown>(KEY);
    return new Set(Array.isArray(value) ? value.filter((id): id is string => typeof id === 'string') : []);
  }
}
