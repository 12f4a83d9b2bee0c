import type { ConnectionState } from '../../core/model/backend.ts';
import type { Machine, SessionState } from '../../core/model/session.ts';
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
