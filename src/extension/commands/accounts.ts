import * as vscode from 'vscode';
import { sessionKey } from '../../core/model/session.ts';
import type { AccountRecord } from '../accounts/record.ts';
import { agreedServer, hostOf, serverProblem } from '../accounts/server.ts';
import { signInSomewhere } from '../accounts/somewhere.ts';
import type { AccountSystem, Given } from '../accounts/system.ts';
import { vscodeAsk } from '../accounts/vscodeAsk.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import { noticeText, oneLine } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { connectionFor } from './pick.ts';

/** What a command was called with from code. */
export function givenOf(target: unknown): Given {
  return typeof target === 'object' && target !== null ? (target as Given) : {};
}

/** The system whose account a command is to add, as its argument names it: `{system: 'happy'}`. */
export function systemOf({ accounts }: Pick<Services, 'accounts'>, given: Given): AccountSystem | null {
  return accounts.systems.find((each) => each.system === given['system']) ?? null;
}

/** Asks for a server and how to sign in to it, and adds the account. Gives its connection's id. */
export async function addAccount(services: Services, system: AccountSystem, given: Given): Promise<string> {
  const ask = vscodeAsk(services.signIns);
  const { serverUrl, name } = given;
  const known = typeof serverUrl === 'string' ? await agreedServer(ask, system, serverUrl) : null;
  const { server, secret } = await signInSomewhere(ask, system, known, given);
  const { record, kept } = await services.accounts.add({ system, ...server, secret, ...(typeof name === 'string' && name.trim() !== '' ? { name: name.trim() } : {}) });
  tellKept(record, kept);
  return record.connectionId;
}

/** Renames the connection and tells where its server is. */
export async function editAccount(services: Services, record: AccountRecord, given: Given): Promise<void> {
  const ask = vscodeAsk(services.signIns);
  const system = services.accounts.systemOf(record);
  if (system === null) return;
  const both = typeof given['name'] === 'string' || typeof given['serverUrl'] === 'string';
  const name = typeof given['name'] === 'string' ? given['name'].trim() : both ? record.name : await ask.text({
    title: 'Edit Connection (1/2): name', prompt: 'Name shown for the connection.', value: record.name, check: (value) => (value.trim() === '' ? 'A name is needed.' : value.trim().length > 200 ? 'At most 200 characters.' : null),
  });
  const address = typeof given['serverUrl'] === 'string' ? given['serverUrl'] : both ? record.serverUrl : await ask.text({
    title: 'Edit Connection (2/2): server', prompt: 'Address of its server. The sign-in of this connection is sent there from then on.', value: record.serverUrl, check: (text) => serverProblem(text, system.example),
  });
  const server = address.trim() === record.serverUrl ? record : await agreedServer(ask, system, address);
  await services.accounts.edit(record.connectionId, { name: name === '' ? record.name : name, serverUrl: server.serverUrl, allowPlainHttp: server.allowPlainHttp });
}

const ONLY_COPY = 'A clawdforge server keeps no transcripts: those on this computer are the only copy. They stay';

/** Forgets the sign-in; what is stored of the sessions goes only when the person says so. */
export async function removeAccount(services: Services, record: AccountRecord): Promise<void> {
  const [remove, all] = ['Remove', 'Remove With Transcripts'] as const;
  const question = `Remove the connection “${oneLine(record.name, 60)}”?`;
  const choice = record.system === 'catsyphon' ? await vscode.window.showWarningMessage(question, {
    modal: true, detail: `Its key is forgotten in this VS Code, and sessions are not shipped to it any more. What is on ${hostOf(record.serverUrl)} stays there.`,
  }, remove) : await vscode.window.showWarningMessage(question, {
    modal: true,
    detail: `Its sign-in is forgotten in this VS Code and its sessions leave the list. Nothing on ${hostOf(record.serverUrl)} or its machines is touched.\n\n${record.system === 'clawdforge' ? ONLY_COPY : 'Transcripts that are stored on this computer stay'}, and are there again when the same account is added again, unless you remove them too.`,
  }, remove, all);
  if (choice === undefined) throw new Dismissed();
  await services.accounts.remove(record.connectionId);
  if (choice !== all) return;
  await services.connections.apply();
  for (const { connectionId, id } of await services.store.sessions(record.connectionId)) await services.store.removeSession(sessionKey({ connectionId, id }));
}

/** Asks how to sign in again to the account of a connection, which keeps its sessions and what waits to be sent. */
export async function signInAccount(services: Services, record: AccountRecord, given: Given): Promise<void> {
  const system = services.accounts.systemOf(record);
  if (system === null) return;
  const { server, secret } = await signInSomewhere(vscodeAsk(services.signIns), system, record, given);
  if (server !== record) await services.accounts.edit(record.connectionId, { name: record.name, serverUrl: server.serverUrl, allowPlainHttp: server.allowPlainHttp });
  tellKept(record, await services.accounts.signIn(record.connectionId, secret));
  await services.lostSecrets.forget(record.connectionId);
}

async function signOut(services: Services, target: unknown): Promise<void> {
  const connection = await connectionFor(services, target, 'Sign out of which connection?', (each) => services.accounts.record(each.connectionId)?.signedOut === false);
  const record = services.accounts.record(connection.connectionId);
  if (record === null || record.signedOut) return;
  const detail = 'Its keys are forgotten in this VS Code. The connection, its stored sessions and what waits to be sent stay, and go on when you sign in again.';
  if ((await vscode.window.showWarningMessage(`Sign out of “${oneLine(record.name, 60)}”?`, { modal: true, detail }, 'Sign Out')) !== 'Sign Out') throw new Dismissed();
  await services.accounts.signOut(record.connectionId);
}

function tellKept(record: AccountRecord, kept: boolean): void {
  if (kept) return;
  void vscode.window.showWarningMessage(`This VS Code has no secret storage that can be used: you are signed in to “${noticeText(record.name, 60)}” until this window closes.`);
}

export const accountCommands = {
  signOut,
  copySignInLink: (services, target) => services.signIns.step(target, 'copy'),
  openSignInLink: (services, target) => services.signIns.step(target, 'open'),
  newSignInCode: (services, target) => services.signIns.step(target, 'again'),
  changeSignInServer: (services, target) => services.signIns.step(target, 'server'),
  cancelSignIn: (services, target) => services.signIns.step(target, 'cancel'),
} as const satisfies Partial<Record<CommandName, Handler>>;
