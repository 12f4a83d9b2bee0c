import * as vscode from 'vscode';
import type { AccountRecord } from '../accounts/record.ts';
import { hostOf } from '../accounts/server.ts';
import { Dismissed } from '../commands/dismissed.ts';
import { NoAccount } from '../commands/noAccount.ts';
import type { Services } from '../services.ts';
import { pickText } from '../tree/text.ts';
import { ForgeAccess } from './access.ts';

/** A connection to a clawdforge server that somebody is signed in to. */
export interface ForgeAccount {
  readonly record: AccountRecord;
  readonly access: ForgeAccess;
}

/** The connection that a command is about: the one that its argument names (a tree item's id, `{connectionId}`), the only one, or one picked. Rejects with `needs_sign_in`. */
export async function forgeFor(services: Services, target: unknown): Promise<ForgeAccount> {
  const records = services.accounts.records().filter(({ system }) => system === 'clawdforge');
  const id = typeof target === 'object' && target !== null && 'connectionId' in target ? target.connectionId : target;
  const named = records.find(({ connectionId }) => connectionId === id);
  const fitting = (named === undefined ? records : [named]).flatMap((record) => {
    const access = services.accounts.access(record.connectionId);
    return access instanceof ForgeAccess ? [{ record, access }] : [];
  });
  const [only] = fitting;
  if (only === undefined) throw new NoAccount('clawdforge', named === undefined ? records : [named]);
  if (fitting.length === 1) return only;
  const picked = await vscode.window.showQuickPick(fitting.map((account) => ({ label: pickText(account.record.name), description: pickText(hostOf(account.record.serverUrl)), account })), { placeHolder: 'On which server?' });
  if (picked === undefined) throw new Dismissed();
  return picked.account;
}
