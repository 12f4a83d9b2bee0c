import type { CallOptions } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import type { Forge } from '../client.ts';
import type { ForgeSessionState } from '../types.ts';
import type { Journal } from './journal.ts';
import type { ForgeRecord, Records } from './records.ts';

/** What the sessions of one server share. */
export interface ForgeDesk {
  readonly context: BackendContext;
  readonly machineId: string;
  readonly forge: Forge;
  readonly records: Records;
  readonly journal: Journal;
  /** Seconds that the server may take for a turn. */
  readonly turnSecs: number;
  /** The server's row of one of its sessions, as last read; null where it lists none. */
  row(forgeId: string): ForgeSessionState | null;
  /** Reads the state of one of the server's sessions; null where it has none of ours by that id (404). What else keeps it away rejects, and is the connection's state. */
  read(forgeId: string, options: CallOptions): Promise<ForgeSessionState | null>;
  /** What we know of a session; one that only the server lists gets a record of ours. Rejects with `session_not_found`. */
  need(id: string, options?: CallOptions): Promise<ForgeRecord>;
  /** The session is to be shown otherwise. */
  changed(id: string): void;
  /** It was removed. */
  gone(id: string): void;
  /** A request failed: what that says of the connection. */
  judge(error: unknown): void;
}

/** The key of the lease by which one window at a time works on a session. */
export function leaseOf(id: string): string {
  return `session:${id}`;
}
