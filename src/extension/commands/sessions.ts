import * as vscode from 'vscode';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Session } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import { Presses } from '../presses.ts';
import { isAlive } from '../tree/model.ts';
import { oneLine } from '../tree/text.ts';
import { placeOf } from '../chat/place.ts';
import { openRow } from '../search/openRow.ts';
import { answerRequest } from './answer.ts';
import { Dismissed } from './dismissed.ts';
import { goOnFresh } from './goOn.ts';
import type { Handler } from './handler.ts';
import { newSession } from './newSession.ts';
import { runTask } from './runTask.ts';
import { connectionFor, connectionOf, sessionFor } from './pick.ts';
import { progress } from './progress.ts';
import { withRuntime } from './withRuntime.ts';

const traitsOf = (services: Services, session: Session) => connectionOf(services, session)?.traits ?? null;
const alive = (services: Services) => (session: Session): boolean => isAlive(session, connectionOf(services, session)?.system ?? 'local');

const presses = new Presses();

async function answerFromTree(services: Services, target: unknown, outcome: 'allow' | 'deny'): Promise<void> {
  const node = typeof target === 'string' ? services.tree.node(target) : null;
  if (node === null || node.kind !== 'permission') throw new PilothouseError('already_answered', 'This request was answered or withdrawn already.');
  // The next request may stand by now where the one before was answered.
  if (!presses.take(performance.now())) {
    vscode.window.setStatusBarMessage('Pilothouse: another request stands there now; press again to answer it', 5_000);
    return;
  }
  await answerRequest(services, node.key, node.permission, outcome);
}

export const sessionCommands = {
  runTask,
  newSession,
  openSession: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Open which session?');
    if (typeof target === 'object' && target !== null && 'row' in target && typeof target.row === 'string') return openRow(services, key, target.row);
    const node = typeof target === 'string' ? services.tree.node(target) : null;
    const chat = services.panels.open(key);
    if (node?.kind === 'permission') chat.tell({ type: 'review', requestId: node.permission.requestId });
  },
  renameSession: async (services, target) => {
    const { key, session } = await sessionFor(services, target, 'Rename which session?');
    const given = typeof target === 'object' && target !== null && 'title' in target && typeof target.title === 'string' ? target.title : undefined;
    const title = given ?? (await vscode.window.showInputBox({
      title: 'Rename Session', value: session.title, validateInput: (value) => (value.trim() === '' ? 'A title needs at least one character.' : value.length > 200 ? 'At most 200 characters.' : null),
    }));
    if (title === undefined) throw new Dismissed();
    await services.fleet.rename(key, title.trim());
  },
  interruptTurn: async (services, target) => {
    const chat = target === undefined ? services.panels.active() : null;
    if (chat !== null) {
      // What becomes of it is said where the person looks.
      chat.tell({ type: 'do', what: 'stop' });
      return;
    }
    const { key } = await sessionFor(services, target, 'Interrupt which session?', (session) => session.state === 'running' || session.state === 'waiting');
    services.fleet.marks.breakOff(key);
    const report = await withRuntime(services, key, (runtime) => runtime.interrupt());
    vscode.window.setStatusBarMessage(`Pilothouse: ${report.message}`, 5_000);
  },
  resumeSession: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Resume which session?', (session) => !alive(services)(session) && session.owner !== 'foreign');
    await withRuntime(services, key, (runtime) => (runtime.traits.goesOnFresh === true ? goOnFresh(services, runtime) : progress('Starting the agent…', () => runtime.resume())));
    services.panels.open(key);
  },
  forkSession: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Fork which session?', (session) => traitsOf(services, session)?.fork === true);
    const forked = await progress('Forking the session…', () => withRuntime(services, key, (runtime) => runtime.fork()));
    services.fleet.adopt(forked);
    services.panels.open(sessionKey(forked));
  },
  openSessionFolder: async (services, target) => {
    const isHere = (each: Session): boolean => (connectionOf(services, each)?.system ?? 'local') === 'local';
    const { session } = await sessionFor(services, target, 'Open the folder of which session?', isHere);
    if (!isHere(session)) throw new PilothouseError('other_machine', 'The folder of this session is on another machine.');
    const place = session.folder === '' ? null : await placeOf(session.folder, '').catch(() => null);
    if (place?.kind !== 'folder') throw new PilothouseError('folder_missing', session.folder === '' ? 'The folder of this session is not known.' : `The folder ${oneLine(session.folder, 200)} is not there any more.`);
    const uri = vscode.Uri.file(place.path);
    if (vscode.workspace.getWorkspaceFolder(uri) !== undefined) await vscode.commands.executeCommand('revealInExplorer', uri);
    else await vscode.commands.executeCommand('vscode.openFolder', uri, { forceNewWindow: true });
  },
  allowPermission: (services, target) => answerFromTree(services, target, 'allow'),
  denyPermission: (services, target) => answerFromTree(services, target, 'deny'),
  loadMoreSessions: async (services, target) => {
    const connection = await connectionFor(services, target, 'Show more sessions of which connection?', (each) => each.more);
    await services.fleet.loadMore(connection.connectionId);
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
