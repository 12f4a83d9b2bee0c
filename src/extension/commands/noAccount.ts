import * as vscode from 'vscode';
import { PilothouseError } from '../../core/model/errors.ts';
import type { AccountRecord, RemoteSystem } from '../accounts/record.ts';
import { commandId } from '../contributions.ts';

const WITHOUT: Readonly<Record<RemoteSystem, string>> = {
  happy: 'This needs an account of Happy.', hebing: 'This needs an account of hebing, a market of jobs.', clawdforge: 'This needs a clawdforge server, which runs Claude Code.',
  catsyphon: 'This needs a CatSyphon, a place that sessions are shipped to.',
};

/** A command needs an account that is not there, or that nobody is signed in to: `needs_sign_in`. No failure: the person is told what to do first, with a button for it. */
export class NoAccount extends PilothouseError {
  private readonly system: RemoteSystem;
  private readonly records: readonly AccountRecord[];

  /** `records`: the accounts that there are, nobody signed in to any of them. */
  constructor(system: RemoteSystem, records: readonly AccountRecord[]) {
    super('needs_sign_in', records.length > 0 ? `Nobody is signed in to ${system}.` : WITHOUT[system], { personMustAct: true });
    this.system = system;
    this.records = records;
  }

  /** Tells it, and does what the person chooses. */
  async tell(): Promise<void> {
    const { system, records } = this;
    const action = records.length > 0 ? 'Sign In…' : system === 'hebing' ? 'Sign In to hebing…' : 'Add Connection…';
    if ((await vscode.window.showInformationMessage(this.message, action)) !== action) return;
    if (records.length === 0) await vscode.commands.executeCommand(commandId('addConnection'), { system });
    // Of several the person picks one.
    else await vscode.commands.executeCommand(commandId('signIn'), records.length === 1 ? records[0]?.connectionId : undefined);
  }
}
