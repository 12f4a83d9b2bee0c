import * as vscode from 'vscode';
import { hostsSessions } from '../../core/fleet/sessionless.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { AccountRecord } from '../accounts/record.ts';
import { hostOf } from '../accounts/server.ts';
import type { CommandName } from '../contributions.ts';
import { commandId } from '../contributions.ts';
import type { Services } from '../services.ts';
import { offText, resultText, whatTravels, whatTravelsOnce } from '../shipping/words.ts';
import { titleOf } from '../tree/line.ts';
import { noticeText, oneLine, pickText } from '../tree/text.ts';
import { addAccount, givenOf, signInAccount } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { NoAccount } from './noAccount.ts';
import { connectionFor, sessionFor } from './pick.ts';
import { cancellable, confirm } from './progress.ts';

const PARKED = 'Show What Is Parked';

/** The CatSyphon that a command is about: the one that is named, the only one that somebody is signed in to, or one picked. Rejects with `needs_sign_in`. */
async function accountFor(services: Services, named: unknown): Promise<AccountRecord> {
  // Just after the start of a window its sign-ins are still being read.
  await services.ready;
  const all = services.shipping.accounts();
  const some = all.filter(({ connectionId }) => typeof named !== 'string' || connectionId === named);
  const fitting = some.filter(({ connectionId }) => services.accounts.access(connectionId) !== null);
  const [only] = fitting;
  if (only === undefined) throw new NoAccount('catsyphon', some);
  if (fitting.length === 1) return only;
  const picked = await vscode.window.showQuickPick(fitting.map((record) => ({ label: pickText(record.name), description: hostOf(record.serverUrl), record })), { placeHolder: 'Ship to which CatSyphon?' });
  if (picked === undefined) throw new Dismissed();
  return picked.record;
}

async function shipSessions(services: Services, target: unknown): Promise<void> {
  await services.ready;
  const connection = await connectionFor(services, target, 'Ship the sessions of which connection?', (each) => hostsSessions(each.system) && services.shipping.target(each.connectionId) === null);
  if (!hostsSessions(connection.system)) throw new PilothouseError('unsupported', `“${oneLine(connection.name, 60)}” has no sessions that could be shipped.`);
  const account = await accountFor(services, givenOf(target)['account']);
  await confirm(`Ship the sessions of “${oneLine(connection.name, 60)}” to ${hostOf(account.serverUrl)}?`, whatTravels(account), 'Ship Sessions');
  services.shipping.turnOn(connection.connectionId, account.connectionId);
}

async function stopShipping(services: Services, target: unknown): Promise<void> {
  const connection = await connectionFor(services, target, 'Stop shipping the sessions of which connection?', (each) => services.shipping.target(each.connectionId) !== null);
  if (services.shipping.target(connection.connectionId) === null) throw new PilothouseError('not_shipped', `The sessions of “${oneLine(connection.name, 60)}” are not shipped.`);
  const unsent = await services.shipping.turnOff(connection.connectionId);
  void vscode.window.showInformationMessage(`${noticeText(connection.name, 60)}: ${offText(unsent)}`);
}

async function shipSession(services: Services, target: unknown): Promise<void> {
  const { key, session } = await sessionFor(services, target, 'Ship which session?');
  const account = await accountFor(services, givenOf(target)['account']);
  const title = titleOf(session, 60);
  await confirm(`Ship “${title}” to ${hostOf(account.serverUrl)}?`, whatTravelsOnce(account), 'Ship Session');
  const left = { first: null as number | null, now: 0 };
  const report = await cancellable(`Shipping “${noticeText(title, 60)}”`, async (signal, tell) => {
    const sending = services.shipping.shipOne(key, account.connectionId, { signal, onWaiting: (waiting) => {
      left.first ??= waiting;
      left.now = waiting;
      tell(`${waiting} of ${left.first} events to go`);
    } });
    return sending.catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return null;
    });
  });
  if (report === null) {
    void vscode.window.showInformationMessage(`Cancelled: ${(left.first ?? 0) - left.now} of ${left.first ?? 0} events of “${noticeText(title, 60)}” were sent. Ship it again to go on: nothing is stored twice.`);
    return;
  }
  const choice = await vscode.window.showInformationMessage(noticeText(resultText(title, account, report), 400), ...(report.parked > 0 ? [PARKED] : []));
  if (choice === PARKED) await showParked(services, { account: account.connectionId });
}

/** What servers will never take, each with why, and the session that it is in. */
async function showParked(services: Services, target: unknown): Promise<void> {
  const named = typeof target === 'string' ? (services.shipping.target(target) ?? target) : givenOf(target)['account'];
  const accounts = services.shipping.accounts().filter(({ connectionId }) => typeof named !== 'string' || connectionId === named);
  const found = (await Promise.all(accounts.map(async ({ connectionId }) => services.shipping.parked(connectionId)))).flat();
  const items = found.flatMap(({ session, parked }) => parked.map((one) => ({
    label: pickText(one.type.replaceAll('_', ' ')), description: pickText(titleOf(services.fleet.session(session) ?? { title: 'a session that is not listed' })),
    detail: pickText(`${one.at.replace('T', ' ').slice(0, 19)} · ${one.status === null ? 'not sent' : `answered with ${one.status}`}${one.detail === '' ? '' : `: ${one.detail}`}`, 300), session,
  })));
  if (items.length === 0) throw new PilothouseError('nothing_parked', 'Nothing is parked: the servers took all that was sent.');
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'What CatSyphon will never take. It is in its session still.', matchOnDescription: true, matchOnDetail: true });
  if (picked === undefined) throw new Dismissed();
  if (services.fleet.session(picked.session) !== null) await vscode.commands.executeCommand(commandId('openSession'), { key: picked.session });
}

/** Registers anew for the connection that is named, else for one that is added by it. */
async function registerWithCatsyphon(services: Services, target: unknown): Promise<void> {
  const given = { ...givenOf(target), how: 'register' };
  const id = typeof target === 'string' ? target : givenOf(target)['connectionId'];
  const record = services.shipping.accounts().find(({ connectionId }) => connectionId === id);
  const system = services.accounts.systems.find((each) => each.system === 'catsyphon');
  if (record !== undefined) await signInAccount(services, record, given);
  else if (system !== undefined) await addAccount(services, system, given);
}

export const shippingCommands = { shipSessions, stopShipping, shipSession, showParked, registerWithCatsyphon } as const satisfies Partial<Record<CommandName, Handler>>;
