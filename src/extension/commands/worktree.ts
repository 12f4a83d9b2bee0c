import * as vscode from 'vscode';
import type { Connection } from '../../core/fleet/connection.ts';
import { refusalOf } from '../../core/fleet/dormant.ts';
import type { SpawnOptions } from '../../core/model/backend.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Session } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { Removed } from '../../core/systems/local/worktree/remove.ts';
import type { WorktreeState } from '../../core/systems/local/worktree/state.ts';
import { printOf } from '../../core/systems/local/worktree/state.ts';
import type { Worktree } from '../../core/systems/local/worktree/worktrees.ts';
import { holdsWork } from '../../core/systems/local/worktree/worktrees.ts';
import { UNTRUSTED } from '../connections.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import { titleOf } from '../tree/line.ts';
import { isAlive, shortFolder } from '../tree/model.ts';
import { age, noticeText, oneLine, ownerWord, pickText } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { homesOf, keyOf } from './pick.ts';
import { cancellable, confirm, progress } from './progress.ts';
import { withRuntime } from './withRuntime.ts';

/** How a worktree ends: merged into the branch it came from, its branch kept, removed with it; or it stays as it is. */
type End = 'merge' | 'keep' | 'remove' | 'leave';

/** A repository may name programs that git runs: no worktree is made or ended before the person trusts the workspace. */
function requireTrust(): void {
  if (!vscode.workspace.isTrusted) throw refusalOf(UNTRUSTED);
}

/** Makes the worktree, then the session in it. What came to nothing leaves no worktree behind, unless something was done in it. */
export async function startInWorktree(services: Services, { connection, options, name }: { readonly connection: Connection; readonly options: SpawnOptions; readonly name: string }, start: (connection: Connection, options: SpawnOptions) => Promise<Session>): Promise<Session> {
  requireTrust();
  const { worktree, folder } = await cancellable('Making a worktree…', (signal) => services.worktrees.make(options.folder, name, signal));
  try {
    return await start(connection, { ...options, folder, ...(options.title === undefined && name !== '' ? { title: name } : {}) });
  } catch (error) {
    await services.worktrees.forget(worktree);
    throw error;
  }
}

/** Finish Worktree…: of a session, of the chat that has the focus, or one picked. Arguments `{key, how, message}` answer the questions that they name, save what would be lost. */
async function finishWorktree(services: Services, target: unknown): Promise<void> {
  requireTrust();
  const worktree = await worktreeFor(services, target);
  const given = typeof target === 'object' && target !== null ? target : {};
  const how = 'how' in given ? given.how : undefined;
  const message = 'message' in given && typeof given.message === 'string' ? given.message : null;
  const finish = await planEnd(services, worktree, { leaves: false, how: how === 'merge' || how === 'keep' || how === 'remove' ? how : null, message });
  await finish();
}

/**
 * What becomes of the worktree of a session that is about to be deleted: asked at once, done by calling what is given, before the session goes. Null when none ends with it (`endingWith`).
 */
export async function worktreeEnd(services: Services, session: Session): Promise<(() => Promise<void>) | null> {
  const worktree = services.worktrees.endingWith(session);
  return worktree === null ? null : await planEnd(services, worktree, { leaves: true, how: null, message: null });
}

async function worktreeFor(services: Services, target: unknown): Promise<Worktree> {
  const { worktrees, fleet } = services;
  const key = keyOf(services, target) ?? (target === undefined ? (services.panels.active()?.key ?? null) : null);
  const session = key === null ? null : fleet.session(key);
  const own = session === null ? null : worktrees.ofSession(session);
  if (own !== null && own.endedAt === undefined) return own;
  if (key !== null && target !== undefined) throw new PilothouseError('no_worktree', 'This session works in no worktree of its own, or in one that is finished.');
  const all = worktrees.all();
  if (all.length === 0) throw new PilothouseError('no_worktree', 'There is no worktree to finish. New Session… makes one where a folder is in a git repository.');
  const now = Date.now();
  const homes = homesOf(services);
  const items = all.map((worktree) => {
    const sessions = worktrees.sessionsIn(worktree.id);
    return {
      label: pickText(worktree.branch), description: `${pickText(shortFolder(worktree.source, homes), 60)} · ${age(worktree.createdAt, now)}`,
      detail: sessions.length === 0 ? 'no session' : pickText(sessions.map((each) => titleOf(each, 60)).join(', '), 200), iconPath: new vscode.ThemeIcon('git-branch'), worktree,
    };
  });
  const picked = await vscode.window.showQuickPick(items, { title: 'Finish Worktree', placeHolder: 'Which worktree?', matchOnDescription: true, matchOnDetail: true });
  if (picked === undefined) throw new Dismissed();
  return picked.worktree;
}

interface Asking {
  /** Deleting the session may leave the worktree as it is. */
  readonly leaves: boolean;
  /** Answered beforehand. */
  readonly how: End | null;
  readonly message: string | null;
}

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** Asks all that has to be asked, changes nothing; gives what does it. */
async function planEnd(services: Services, worktree: Worktree, asking: Asking): Promise<() => Promise<void>> {
  const state = await progress('Looking at the worktree…', () => services.worktrees.state(worktree));
  const how = asking.how ?? (await pickEnd(worktree, state, asking.leaves));
  if (how === 'leave') return () => Promise.resolve();
  const commits = how !== 'remove' && state.uncommitted.length > 0;
  const message = commits ? (asking.message ?? (await askMessage(services, worktree, state))) : null;
  if (how === 'remove' && holdsWork(state, false)) await confirm(`Remove the worktree “${oneLine(worktree.branch, 80)}” with all that is in it?`, lossOf(state), 'Remove Worktree');
  return async () => {
    await stopSessions(services, worktree);
    if (how === 'merge') {
      const { into, commits: merged } = await progress('Merging…', () => services.worktrees.merge(worktree, message));
      await remove(services, worktree, { keepBranch: false, agreed: null }, merged === 0 ? `${into} has all of ${worktree.branch} already` : `${plural(merged, 'commit')} of ${worktree.branch} merged into ${into}`);
    } else if (how === 'keep') {
      if (message !== null) await progress('Committing…', () => services.worktrees.commit(worktree, message));
      await remove(services, worktree, { keepBranch: true, agreed: null }, `The branch ${worktree.branch} is kept, its worktree was removed`);
    } else await remove(services, worktree, { keepBranch: false, agreed: holdsWork(state, false) ? printOf(state) : null }, `The worktree ${worktree.branch} was removed`);
  };
}

async function pickEnd(worktree: Worktree, state: WorktreeState, leaves: boolean): Promise<End> {
  const branch = pickText(worktree.branch, 80);
  const first = state.uncommitted.length === 0 ? '' : `${plural(state.uncommitted.length, 'file is', 'files are')} committed first. `;
  const item = (how: End, icon: string, label: string, description: string, detail: string) => ({ how, label, description, detail, iconPath: new vscode.ThemeIcon(icon) });
  // Half of a merge is not to be committed.
  const whole = !state.operation && state.known;
  const items = [
    ...(worktree.base === null || !whole ? [] : [item('merge', 'git-merge', `Merge into ${pickText(worktree.base, 80)}`, state.ahead === 0 ? '' : plural(state.ahead, 'commit'), `${first}Then its folder and branch are removed.`)]),
    ...(state.branch === null || !whole ? [] : [item('keep', 'git-branch', 'Keep the Branch', '', `${first}Its folder is removed, ${pickText(state.branch, 80)} stays.`)]),
    item('remove', 'trash', 'Remove', '', holdsWork(state, false) ? 'It has work that is nowhere else: you are asked again.' : 'Its folder and branch are removed: all that is in them is elsewhere too.'),
    ...(leaves ? [item('leave', 'folder', 'Leave the Worktree', '', 'Only the session is deleted. Finish Worktree… ends the worktree later.')] : []),
  ];
  const picked = await vscode.window.showQuickPick(items, { title: `Worktree ${branch}`, placeHolder: state.operation ? 'A merge or a rebase is half done in it: finish that first, or remove it' : 'What becomes of it?', ignoreFocusOut: true });
  if (picked === undefined) throw new Dismissed();
  return picked.how;
}

async function askMessage(services: Services, worktree: Worktree, state: WorktreeState): Promise<string> {
  const [session] = services.worktrees.sessionsIn(worktree.id);
  const message = await vscode.window.showInputBox({
    title: `Commit ${plural(state.uncommitted.length, 'file')} on ${pickText(worktree.branch, 80)}`, prompt: pickText(noticeText(state.uncommitted.slice(0, 8).join(', '), 200), 200), value: session === undefined ? '' : titleOf(session), ignoreFocusOut: true,
    placeHolder: 'Commit message', validateInput: (text) => (text.trim() === '' ? 'A commit needs a message.' : null),
  });
  if (message === undefined) throw new Dismissed();
  return message.trim();
}

/** What would be gone from where it is, and where it is to be had then. */
function lossOf(state: WorktreeState): string {
  const files = state.uncommitted.slice(0, 10).map((file) => oneLine(file, 200)).join('\n');
  return [
    state.uncommitted.length === 0 ? '' : `Not committed:\n${files}${state.uncommitted.length > 10 ? `\nand ${state.uncommitted.length - 10} more` : ''}`,
    state.alone === 0 ? '' : `${plural(state.alone, 'commit is', 'commits are')} on no other branch.`,
    state.operation ? 'A merge or a rebase is half done in it.' : '',
    'It can be had back: the repository keeps it under a ref that you are told, and its files stay in the trash for thirty days.',
  ].filter((part) => part !== '').join('\n\n');
}

/** Nothing works in it any more, in this window or another; what another program runs has to be ended there. */
async function stopSessions(services: Services, worktree: Worktree): Promise<void> {
  const sessions = services.worktrees.sessionsIn(worktree.id);
  const systems = new Map(services.fleet.connections().map(({ connectionId, system }) => [connectionId, system]));
  const hosted = services.worktrees.hostedIn(worktree.id).find((session) => isAlive(session, systems.get(session.connectionId) ?? 'happy'));
  if (hosted !== undefined) throw new PilothouseError('session_runs_elsewhere', `“${oneLine(hosted.title, 80)}” works in this worktree. Stop it first, then try again.`, { personMustAct: true });
  const foreign = sessions.find((session) => session.owner === 'foreign');
  if (foreign !== undefined) throw new PilothouseError('session_runs_elsewhere', `“${oneLine(foreign.title, 80)}” works in this worktree and is ${ownerWord(foreign)}. End it there first.`, { personMustAct: true });
  const alive = sessions.filter((session) => isAlive(session, 'local'));
  for (const session of alive) await progress('Stopping the agent…', () => withRuntime(services, sessionKey(session), (runtime) => runtime.stop()));
}

async function remove(services: Services, worktree: Worktree, how: { readonly keepBranch: boolean; readonly agreed: string | null }, done: string): Promise<void> {
  const removed = await progress('Removing the worktree…', () => services.worktrees.remove(worktree, how));
  void tellRemoved(services, removed, done).catch((error: unknown) => services.log.warn('the end of a worktree could not be told', { error: String(error) }));
}

async function tellRemoved(services: Services, { refs, trash }: Removed, done: string): Promise<void> {
  const [ref] = refs;
  const kept = ref === undefined ? '' : ` What was in it alone is kept in the repository as ${ref}.`;
  const files = trash === null ? '' : ` Its folder as it was is in ${shortFolder(trash, homesOf(services))} for thirty days.`;
  const text = noticeText(`${done}.${kept}${files}`, 900);
  if (ref === undefined) return void (await vscode.window.showInformationMessage(text));
  if ((await vscode.window.showInformationMessage(text, 'Copy Ref')) === 'Copy Ref') await vscode.env.clipboard.writeText(ref);
}

export const worktreeCommands = { finishWorktree } as const satisfies Partial<Record<CommandName, Handler>>;
