import * as vscode from 'vscode';
import type { SessionBackend, SignInMethod } from '../../core/model/backend.ts';
import { isAbort, PilothouseError } from '../../core/model/errors.ts';
import { remedyLine } from '../../core/model/remedy.ts';
import type { Services } from '../services.ts';
import { noticeText, oneLine, pickText } from '../tree/text.ts';
import { givenOf, signInAccount } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import { connectionFor } from './pick.ts';

/** Signs in to a connection: to its account, or by one of the ways that an agent offers, which does it itself or by its own command in a terminal. */
export async function signIn(services: Services, target: unknown): Promise<void> {
  const { connectionId, name, state } = await connectionFor(services, target, 'Sign in to which connection?', (each) => each.canSignIn || services.accounts.record(each.connectionId) !== null);
  const account = services.accounts.record(connectionId);
  if (account !== null) return signInAccount(services, account, givenOf(target));
  const backend = services.fleet.backend(connectionId);
  const methods = (await backend.signInMethods?.({ signal: AbortSignal.timeout(60_000) })) ?? [];
  const method = await pickMethod(methods);
  if (method === null) {
    const remedy = state.remedy === null ? 'Sign in with its own program, then refresh the connection.' : remedyLine(state.remedy);
    throw new PilothouseError('unsupported', `${oneLine(name, 60)} offers no sign-in from here. ${remedy}`, { personMustAct: true });
  }
  const title = `Sign in to ${oneLine(name, 60)}`;
  if (method.terminal !== null && (await runInTerminal(title, method.terminal)) !== 0) {
    // The person closed it, or read there why it failed.
    await services.fleet.refresh(connectionId);
    return;
  }
  await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: `${title}…`, cancellable: true }, (_progress, token) => complete(backend, method, token));
  await services.fleet.refresh(connectionId);
  const now = services.fleet.connections().find((each) => each.connectionId === connectionId)?.state;
  if (now?.status === 'ready') vscode.window.setStatusBarMessage(`Pilothouse: signed in to ${oneLine(name, 60)}`, 5_000);
  else if (now !== undefined && now.message !== null) await vscode.window.showWarningMessage(`${oneLine(name, 60)}: ${noticeText(now.message)}`);
}

async function pickMethod(methods: readonly SignInMethod[]): Promise<SignInMethod | null> {
  const [only] = methods;
  if (only === undefined || methods.length === 1) return only ?? null;
  const picked = await vscode.window.showQuickPick(methods.map((method) => ({ label: pickText(method.name) || pickText(method.id), description: method.terminal === null ? '' : 'in a terminal', method })), { placeHolder: 'Sign in how?' });
  if (picked === undefined) throw new Dismissed();
  return picked.method;
}

async function complete(backend: SessionBackend, method: SignInMethod, token: vscode.CancellationToken): Promise<void> {
  const abort = new AbortController();
  const cancelling = token.onCancellationRequested(() => abort.abort());
  try {
    await backend.signIn?.(method.id, { signal: abort.signal });
  } catch (error) {
    throw isAbort(error) || abort.signal.aborted ? new Dismissed() : error;
  } finally {
    cancelling.dispose();
  }
}

/** The exit code of the command; undefined when the terminal was closed before it ended. */
function runInTerminal(name: string, { program, args, env }: NonNullable<SignInMethod['terminal']>): Promise<number | undefined> {
  const terminal = vscode.window.createTerminal({ name, shellPath: program, shellArgs: [...args], env: { ...env }, iconPath: new vscode.ThemeIcon('key'), isTransient: true });
  const ended = new Promise<number | undefined>((resolve) => {
    const watching = vscode.window.onDidCloseTerminal((closed) => {
      if (closed !== terminal) return;
      watching.dispose();
      resolve(closed.exitStatus?.code);
    });
  });
  terminal.show();
  return ended;
}
