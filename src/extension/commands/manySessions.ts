import * as vscode from 'vscode';
import type { Session } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { Services } from '../services.ts';
import { titleOf } from '../tree/line.ts';
import { failureText, noticeText, pickText } from '../tree/text.ts';
import { cancellable } from './progress.ts';

/** So many sessions are asked at once. */
const AT_ONCE = 4;

interface Failure {
  readonly session: Session;
  readonly reason: string;
}

/** Sessions that a command is about when these are several: the selection that it was called in, or `{keys}` from code; null when it is about one, or none is named. Those that are gone are left out. */
export function manyOf(services: Services, target: unknown, selection: unknown): readonly Session[] | null {
  const keys = keysOf(target) ?? keysOfNodes(services, selection);
  if (keys === null) return null;
  return [...new Set(keys)].map((key) => services.fleet.session(key)).filter((session) => session !== null);
}

function keysOf(target: unknown): readonly string[] | null {
  if (typeof target !== 'object' || target === null || !('keys' in target) || !Array.isArray(target.keys)) return null;
  return (target.keys as readonly unknown[]).filter((key) => typeof key === 'string');
}

function keysOfNodes(services: Services, selection: unknown): readonly string[] | null {
  if (!Array.isArray(selection)) return null;
  const nodes = (selection as readonly unknown[]).map((id) => (typeof id === 'string' ? services.tree.node(id) : null));
  const keys = nodes.flatMap((node) => (node?.kind === 'session' ? [node.key] : []));
  return keys.length > 1 ? keys : null;
}

/** `5 sessions`, or the title of the only one. */
export function countOf(sessions: readonly Session[]): string {
  const [first] = sessions;
  return sessions.length === 1 && first !== undefined ? `“${titleOf(first, 80)}”` : `${sessions.length} sessions`;
}

/** Whether an agent is at it, or waits for the person. */
export function works({ state }: Pick<Session, 'state'>): boolean {
  return state === 'running' || state === 'waiting' || state === 'starting';
}

/**
 * Does something to each of several sessions, a few at a time; one that fails keeps none of the others from it. What takes long is shown, and can be cancelled: those that are begun are finished.
 * What failed is told once, each with its reason. `doing`: “Archiving”; `done`: “archived”. Gives those to which it was done.
 */
export async function toEach(services: Services, { doing, done }: { readonly doing: string; readonly done: string }, sessions: readonly Session[], work: (key: string, session: Session) => Promise<unknown>): Promise<readonly Session[]> {
  const succeeded: Session[] = [];
  const failures: Failure[] = [];
  await cancellable(`${doing} ${countOf(sessions)}…`, async (signal, report) => {
    const rest = [...sessions];
    const worker = async (): Promise<void> => {
      for (let session = rest.shift(); session !== undefined && !signal.aborted; session = rest.shift()) {
        try {
          await work(sessionKey(session), session);
          succeeded.push(session);
        } catch (error) {
          failures.push({ session, reason: failureText(error, 300) });
        }
        report(`${succeeded.length + failures.length} of ${sessions.length}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  });
  const left = sessions.length - succeeded.length - failures.length;
  if (failures.length === 0) {
    if (sessions.length > 1) vscode.window.setStatusBarMessage(`Pilothouse: ${left === 0 ? `${succeeded.length} sessions ${done}` : `${succeeded.length} of ${sessions.length} sessions ${done}, ${left} left as they were`}`, 5_000);
  } else void tellFailures(services, { done, all: sessions.length, failures });
  return succeeded;
}

async function tellFailures(services: Services, { done, all, failures }: { readonly done: string; readonly all: number; readonly failures: readonly Failure[] }): Promise<void> {
  for (const { reason } of failures) services.log.warn(`a session was not ${done}`, { reason });
  const named = failures.slice(0, 2).map(({ session, reason }) => `“${noticeText(titleOf(session), 60)}”: ${reason}`).join(' ');
  const each = failures.length > 2 ? ['Show All'] : [];
  const head = all === 1 ? `Not ${done}:` : `${failures.length} of ${all} sessions were not ${done}.`;
  const choice = await vscode.window.showErrorMessage(`${head} ${named}`, ...each, 'Show Log');
  if (choice === 'Show Log') services.channel.show();
  if (choice !== 'Show All') return;
  const items = failures.map(({ session, reason }) => ({ label: pickText(titleOf(session)), detail: pickText(reason, 300), session }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder: `Not ${done}, and why; Enter opens the session`, matchOnDetail: true });
  if (picked !== undefined) services.panels.open(sessionKey(picked.session));
}
