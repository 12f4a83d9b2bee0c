import { homedir, hostname } from 'node:os';
import type { Machine } from '../../model/session.ts';

/** Id of the one machine that local connections have. */
export const thisComputerId = 'this-computer';

/** This computer as a machine: it is always there. `now` in milliseconds since the epoch. */
export function thisComputer(connectionId: string, now: number): Machine {
  return { id: thisComputerId, connectionId, name: 'This computer', state: 'online', seenAt: now, home: homedir() };
}

/** The name of this computer on its network, for details. */
export function computerName(): string {
  return hostname();
}
