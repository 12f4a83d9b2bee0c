import type { Session } from '../../../src/core/model/session.ts';

/** A session, whole but for what a test sets. */
export function sessionRow(over: Partial<Session> = {}): Session {
  return {
    id: 's1', connectionId: 'happy-1', machineId: 'm1', folder: '/srv/web', agent: 'claude', title: 'Stored', state: 'idle', createdAt: 1, updatedAt: 1, archived: false, owner: 'nobody', ownerName: null, branch: null, activity: null,
    usage: null, model: null, waiting: [], error: null, ...over,
  };
}
