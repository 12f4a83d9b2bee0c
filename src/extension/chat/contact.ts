import type { ConnectionState } from '../../core/model/backend.ts';
import type { Connection } from '../../core/fleet/connection.ts';
import type { Machine, Session, SessionState } from '../../core/model/session.ts';
import type { ChatState } from '../../protocol/chat.ts';
import { machineAway } from '../tree/text.ts';

/**
 * Whether we are in touch with a session, in one word, and what is away since when: the connection to its server, or its machine behind it. A session that is heard on a machine whose
 * daemon is away is in touch. `now` in milliseconds since the epoch.
 */
export function contactOf(connection: ConnectionState | undefined, machine: Pick<Machine, 'name' | 'state' | 'seenAt'> | undefined, session: SessionState, now: number): Pick<ChatState, 'connection' | 'connectionDetail' | 'machineAway'> {
  const status = connection?.status ?? 'offline';
  if (status !== 'ready') return { connection: status === 'connecting' ? 'reconnecting' : 'offline', connectionDetail: connection?.message ?? null, machineAway: null };
  const away = machine === undefined ? null : machineAway(machine, now);
  if (machine === undefined || away === null) return { connection: 'online', connectionDetail: connection?.message ?? null, machineAway: null };
  if (session !== 'unknown' && session !== 'stopped') return { connection: 'online', connectionDetail: `Connection online, ${away}; the session itself answers.`, machineAway: null };
  return { connection: machine.state === 'offline' ? 'offline' : 'reconnecting', connectionDetail: `Connection online, ${away}.`, machineAway: `${away.charAt(0).toUpperCase()}${away.slice(1)}.` };
}

/** What keeps the session from being used, the most important of it: its connection, that no key opens it, its own failure; null for nothing. */
export function problemOf(connection: Pick<Connection, 'state' | 'canSignIn' | 'dormant'> | undefined, session: Pick<Session, 'locked' | 'state' | 'error'> | null): ChatState['problem'] {
  const dormant = connection?.dormant ?? false;
  const status = connection?.state.status ?? 'offline';
  if (!dormant && status !== 'ready' && status !== 'connecting') return { message: connection?.state.message ?? 'This connection is not available.', remedy: connection?.state.remedy ?? null, signIn: connection?.canSignIn ?? false };
  if (!dormant && session?.locked !== undefined) return { message: session.locked, remedy: null, signIn: true };
  return session?.state === 'failed' && session.error !== null ? { message: session.error, remedy: null } : null;
}
