import type { ConnectionState, SessionBackend } from '../model/backend.ts';
import type { BackendContext } from '../model/context.ts';
import type { SystemId, Traits } from '../model/session.ts';

/** One configured connection and how to make its backend. What a system's `…Connections()` gives, and all that the fleet knows of a system. */
export interface ConnectionSpec {
  readonly connectionId: string;
  readonly name: string;
  readonly system: SystemId;
  /** Changes when the configuration does: the backend is then made again. */
  readonly revision: string;
  create(context: BackendContext): SessionBackend;
}

/** A connection as shown. */
export interface Connection {
  readonly connectionId: string;
  readonly name: string;
  readonly system: SystemId;
  readonly state: ConnectionState;
  readonly traits: Traits;
  /** True while the list of sessions has more pages than were read. */
  readonly more: boolean;
}

export const CONNECTING: ConnectionState = { status: 'connecting', message: null, remedy: null, version: null };
