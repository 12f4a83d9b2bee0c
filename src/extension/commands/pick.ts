import * as vscode from 'vscode';
import type { Connection } from '../../core/fleet/connection.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Session, SessionKey } from '../../core/model/session.ts';
import { parseSessionKey, sessionKey } from '../../core/model/session.ts';
import type { Services } from '../services.ts';
import { titleOf } from '../tree/line.ts';
import { age, pickText, stateWord } from '../tree/text.ts';
import { shortFolder } from '../tree/model.ts';
import { statusWord } from '../tree/connections.ts';
import { Dismissed } from './dismissed.ts';

/** The key that a command was called with: a tree item's id, `{key}` or `{connectionId, sessionId}`; null when with none. */
export function keyOf(services: Services, target: unknown): SessionKey | null {
  if (typeof target === 'string') {
    const node = services.tree.node(target);
    return node !== null && (node.kind === 'session' || node.kind === 'permission') ? node.key : null;
  }
  if (typeof target !== 'object' || target === null) return null;
  if ('key' in target && typeof target.key === 'string') return target.key;
  if ('connectionId' in target && 'sessionId' in target && typeof target.connectionId === 'string' && typeof target.sessionId === 'string') {
    return sessionKey({ connectionId: target.connectionId, id: target.sessionId });
  }
  return null;
}

/**
 * The session that a command is about: its argument, else the chat that has the focus, else one picked from those that `fits` accepts.
 * Throws when it was named and is not known any more.
 */
export async function sessionFor(services: Services, target: unknown, placeHolder: string, fits: (session: Session) => boolean = () => true): Promise<{ key: SessionKey; session: Session }> {
  const named = keyOf(services, target) ?? (target === undefined ? (services.panels.active()?.key ?? null) : null);
  if (named !== null) {
    const session = services.fleet.session(named);
    if (session === null) throw new PilothouseError('session_not_found', 'This session is not known any more. Refresh the Sessions view.');
    return { key: named, session };
  }
  const session = await pickSession(services, placeHolder, fits);
  return { key: sessionKey(session), session };
}

/** The connection of a session; null when it is not there (any more). */
export function connectionOf(services: Services, session: Pick<Session, 'connectionId'>): Connection | null {
  return services.fleet.connections().find((each) => each.connectionId === session.connectionId) ?? null;
}

/** Home folders of the machines, for folders to be shown with `~`. */
export function homesOf(services: Services): readonly string[] {
  return services.fleet.machines().map((machine) => machine.home).filter((home) => home !== null);
}

export async function pickSession(services: Services, placeHolder: string, fits: (session: Session) => boolean): Promise<Session> {
  const sessions = services.fleet.sessions().filter(fits);
  if (sessions.length === 0) throw new PilothouseError('no_session', 'There is no session that this applies to.');
  const now = Date.now();
  const homes = homesOf(services);
  const items = sessions.map((session) => ({
    label: pickText(titleOf(session)), description: `${stateWord(session)} · ${pickText(session.agent, 30)} · ${age(session.updatedAt, now)}`, detail: pickText(shortFolder(session.folder, homes), 200), session,
  }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder, matchOnDescription: true, matchOnDetail: true });
  if (picked === undefined) throw new Dismissed();
  return picked.session;
}

/** The connection that `{connectionId}` or `{key}`, a session's key, names. */
function connectionIdOf(target: unknown): string | null {
  if (typeof target !== 'object' || target === null) return null;
  if ('connectionId' in target && typeof target.connectionId === 'string') return target.connectionId;
  return 'key' in target && typeof target.key === 'string' ? (parseSessionKey(target.key)?.connectionId ?? null) : null;
}

/** The connection that a command is about: its argument (a tree item's id, `{connectionId}` or `{key}`), the only one that fits, or one picked. */
export async function connectionFor(services: Services, target: unknown, placeHolder: string, fits: (connection: Connection) => boolean): Promise<Connection> {
  const id = typeof target === 'string' ? target : connectionIdOf(target);
  const all = services.fleet.connections();
  const named = all.find((connection) => connection.connectionId === id);
  if (named !== undefined) return named;
  const fitting = all.filter(fits);
  const [only] = fitting;
  if (only === undefined) throw new PilothouseError('no_connection', 'There is no connection that can do this. Use Add Connection…, or open the Connections view to see what each one needs.');
  if (fitting.length === 1) return only;
  const items = fitting.map((connection) => ({
    label: pickText(connection.name), description: [statusWord(connection), pickText(connection.state.version ?? '', 40)].filter((word) => word !== '').join(' · '), connection,
  }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder });
  if (picked === undefined) throw new Dismissed();
  return picked.connection;
}
