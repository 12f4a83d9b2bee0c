import * as vscode from 'vscode';
import type { Session } from '../../core/model/session.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import { isAlive, isRemovable } from '../tree/model.ts';
import { oneLine } from '../tree/text.ts';
import type { Handler } from './handler.ts';
import { countOf, manyOf, toEach, works } from './manySessions.ts';
import { connectionOf, sessionFor } from './pick.ts';
import { confirm, progress } from './progress.ts';
import { withRuntime } from './withRuntime.ts';
import { worktreeEnd } from './worktree.ts';

const traitsOf = (services: Services, session: Session) => connectionOf(services, session)?.traits ?? null;
const alive = (services: Services) => (session: Session): boolean => isAlive(session, connectionOf(services, session)?.system ?? 'local');
/** One that its server closes for good, and keeps nothing of. */
const isFresh = (services: Services) => (session: Session): boolean => traitsOf(services, session)?.goesOnFresh === true;
const tell = (text: string): void => void vscode.window.showInformationMessage(text);
const isConfirmed = (target: unknown): boolean => typeof target === 'object' && target !== null && 'confirmed' in target && target.confirmed === true;

async function stopMany(services: Services, sessions: readonly Session[], confirmed: boolean): Promise<void> {
  if (sessions.length === 0) return tell('None of the selected sessions runs: there is nothing to stop.');
  if (sessions.some(works) && !confirmed) await confirm(`Stop ${countOf(sessions)}?`, stopOf(services, sessions), 'Stop Sessions');
  await toEach(services, { doing: 'Stopping', done: 'stopped' }, sessions, (key) => withRuntime(services, key, (runtime) => runtime.stop()));
}

/** What becomes of sessions of which some work: by whether they go on as they were. */
function stopOf(services: Services, sessions: readonly Session[]): string {
  const closed = sessions.filter(isFresh(services)).length;
  const turns = sessions.filter((session) => works(session) && !isFresh(services)(session)).length;
  return [
    turns === 0 ? '' : turns === 1 ? 'One of them works: its turn ends.' : `${turns} of them work: their turns end.`,
    closed === 0 ? '' : `${closed === 1 ? 'One is' : `${closed} are`} closed on the server, and no answer of ${closed === 1 ? 'it' : 'them'} is waited for any more.`,
    closed === 0 ? 'All can be resumed.' : closed === sessions.length ? '' : 'The others can be resumed.',
  ].filter((line) => line !== '').join(' ');
}

async function stopOne(services: Services, target: unknown): Promise<void> {
  const { key, session } = await sessionFor(services, target, 'Stop which session?', alive(services));
  if (!isConfirmed(target) && (session.state === 'running' || session.state === 'waiting')) {
    const what = isFresh(services)(session) ? 'Its answer is not waited for any more, and the session is closed on the server.' : 'Its turn ends and its agent process is stopped. The session can be resumed.';
    await confirm(`Stop “${oneLine(session.title, 80)}”?`, what, 'Stop Session');
  }
  const report = await progress('Stopping the agent…', () => withRuntime(services, key, (runtime) => runtime.stop()));
  vscode.window.setStatusBarMessage(`Pilothouse: ${report.message}`, 5_000);
}

/** What is lost, once for all: by where it is kept. */
function removalOf(services: Services, sessions: readonly Session[], kept: number): string {
  const closed = sessions.filter(isFresh(services)).length;
  const others = sessions.filter((session) => !isFresh(services)(session));
  const lives = others.filter(alive(services)).length;
  const remote = others.filter((session) => (connectionOf(services, session)?.system ?? 'local') !== 'local').length;
  const local = others.length - remote;
  const alone = others.filter((session) => traitsOf(services, session)?.onlyHere === true).length;
  const trees = sessions.filter(({ worktree }) => worktree !== undefined && worktree.finished === undefined).length;
  return [
    lives === 0 ? '' : lives === 1 ? 'The agent of one is stopped first.' : `The agents of ${lives} are stopped first.`,
    remote === 0 ? '' : `${remote} ${remote === 1 ? 'is' : 'are'} deleted from the account, on every device.`,
    local === 0 ? '' : `Of ${local} on this computer, the agent’s files move to the trash.`,
    closed === 0 ? '' : `${closed} ${closed === 1 ? 'is' : 'are'} closed on the server, which keeps nothing of what was said: that is removed from this computer, for good.`,
    others.length === 0 ? '' : `${closed === 0 ? 'Their' : 'The others’'} stored transcripts are removed from this computer.`,
    alone === 0 ? '' : `What was said in ${alone} may be kept nowhere else.`,
    trees === 0 ? '' : trees === 1 ? 'The worktree of one stays: Finish Worktree… ends it.' : `The worktrees of ${trees} stay: Finish Worktree… ends them.`,
    kept === 0 ? '' : `${kept} of the selected cannot be deleted from here and ${kept === 1 ? 'stays' : 'stay'}.`,
  ].filter((line) => line !== '').join('\n\n');
}

async function deleteMany(services: Services, selected: readonly Session[]): Promise<void> {
  const sessions = selected.filter((session) => isRemovable(session, traitsOf(services, session) ?? { remove: false }));
  if (sessions.length === 0) return tell('None of the selected sessions can be deleted from here: another program works with them, or their system does not let them be deleted.');
  await confirm(`Delete ${countOf(sessions)}?`, removalOf(services, sessions, selected.length - sessions.length), 'Delete Sessions');
  await toEach(services, { doing: 'Deleting', done: 'deleted' }, sessions, async (key) => {
    await services.fleet.remove(key);
    services.panels.get(key)?.dispose();
  });
}

async function deleteOne(services: Services, target: unknown): Promise<void> {
  const { key, session } = await sessionFor(services, target, 'Delete which session?', (each) => isRemovable(each, traitsOf(services, each) ?? { remove: false }));
  const connection = connectionOf(services, session);
  const remote = connection !== null && connection.system !== 'local';
  const files = await services.fleet.removalPreview(key);
  const detail = isFresh(services)(session) ? 'It is closed on the server, which keeps nothing of what was said: that is removed from this computer, for good.' : [
    alive(services)(session) ? 'Its agent is stopped first.' : '',
    remote ? `It is deleted from “${oneLine(connection?.name ?? 'its account', 60)}”, on every device, and its stored transcript from this computer.` : files.length === 0 ? 'Its stored transcript is removed from this computer.' : `These files of the agent move to the trash:\n${files.slice(0, 10).map((file) => oneLine(file, 200)).join('\n')}${files.length > 10 ? `\nand ${files.length - 10} more` : ''}`,
    traitsOf(services, session)?.onlyHere === true ? 'What was said in it may be kept nowhere else.' : '',
  ].filter((line) => line !== '').join('\n\n');
  const endWorktree = await worktreeEnd(services, session);
  await confirm(`Delete “${oneLine(session.title, 80)}”?`, detail, 'Delete Session');
  await endWorktree?.();
  await progress('Deleting the session…', () => services.fleet.remove(key));
  services.panels.get(key)?.dispose();
}

export const endCommands = {
  stopSession: async (services, target, selection) => {
    const sessions = manyOf(services, target, selection);
    await (sessions === null ? stopOne(services, target) : stopMany(services, sessions.filter(alive(services)), isConfirmed(target)));
  },
  deleteSession: async (services, target, selection) => {
    const sessions = manyOf(services, target, selection);
    await (sessions === null ? deleteOne(services, target) : deleteMany(services, sessions));
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
