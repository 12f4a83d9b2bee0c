import type { ConnectionState, SessionBackend } from '../model/backend.ts';
import type { BackendContext } from '../model/context.ts';
import type { Machine, SystemId, Traits } from '../model/session.ts';

/** Why nothing of a connection is run in this window, such as an untrusted workspace. */
export interface Dormant {
  /** Code of the error by which everything is refused that would run or change something. */
  readonly code: string;
  /** One line for the person. */
  readonly message: string;
}

/** One configured connection and how to make its backend. What a system's `…Connections()` gives, and all that the fleet knows of a system. */
export interface ConnectionSpec {
  readonly connectionId: string;
  readonly name: string;
  readonly system: SystemId;
  /** Changes when the configuration does: the backend is then made again. */
  readonly revision: string;
  create(context: BackendContext): SessionBackend;
  /** Machines that are known without asking anybody, such as this computer. `now` in milliseconds since the epoch. */
  machines?(now: number): readonly Machine[];
  /** The person signs in to it with an account that is kept outside of its backend: while it needs a sign-in, that can be offered, and prompts wait for it. */
  readonly account?: true;
  /** Set: nothing of it is run here and no backend is made. What is stored of it is shown, and nothing can be done to it. */
  readonly dormant?: Dormant;
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
  /** True: it needs a sign-in, and offers ways to it. */
  readonly canSignIn: boolean;
  /** True: nothing of it is run in this window, what is stored is shown. */
  readonly dormant: boolean;
  /** When there was contact last, in milliseconds since the epoch. Null or absent while there is contact, and where that is not known. */
  readonly lastContactAt?: number | null;
}

export const CONNECTING: ConnectionState = { status: 'connecting', message: null, remedy: null, version: null };

/** True where what runs by `running` is what is wanted. */
export function sameSpec(wanted: ConnectionSpec | undefined, running: ConnectionSpec): boolean {
  return wanted !== undefined && wanted.revision === running.revision && wanted.dormant?.code === running.dormant?.code;
}
