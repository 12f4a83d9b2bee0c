import { homedir, hostname } from 'node:os';
import type { Machine } from '../../model/session.ts';

/** Id of the one machine that local connections have. */
export const thisComputerId = 'this-computer';

/** This computer as a machine: it is always there; its name on the network is a detail. `now` in milliseconds since the epoch. */
export function thisComputer(connectionId: string, now: number): Machine {
  return { id: thisComputerId, connectionId, name: 'This computer', state: 'online', seenAt: now, home: homedir(), detail: hostname() };
}
