import * as vscode from 'vscode';
import type { HebingAccount } from '../hebing/boards.ts';
import type { SignedIn } from '../hebing/calling.ts';
import type { Services } from '../services.ts';
import { pickText } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import { NoAccount } from './noAccount.ts';

/** The account of hebing that a command is about: the one that is named, the only one that somebody is signed in to, or one picked. Rejects with `needs_sign_in`. */
export async function accountFor(services: Services, connectionId: unknown): Promise<SignedIn> {
  const isIn = (account: HebingAccount): account is SignedIn => account.access !== null;
  // Just after the start of a window its sign-ins are still being read.
  await services.ready;
  const all = services.boards.all();
  const named = all.find(({ record }) => record.connectionId === connectionId);
  const fitting = (named === undefined ? all : [named]).filter(isIn);
  const [only] = fitting;
  if (only === undefined) throw new NoAccount('hebing', (named === undefined ? all : [named]).map(({ record }) => record));
  if (fitting.length === 1) return only;
  const picked = await vscode.window.showQuickPick(fitting.map((account) => ({ label: pickText(account.record.name), account })), { placeHolder: 'With which account?' });
  if (picked === undefined) throw new Dismissed();
  return picked.account;
}
