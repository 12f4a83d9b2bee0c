import type { Clock, Logger } from '../model/context.ts';
import type { Session, SessionKey } from '../model/session.ts';
import type { Store } from '../session/store-api.ts';

/** What changed since the last event; `structure` means that sessions came, went or moved in the tree. */
export interface FleetChange {
  readonly connections: boolean;
  readonly machines: boolean;
  readonly structure: boolean;
  readonly sessions: ReadonlySet<SessionKey>;
}

export interface FleetOptions {
  readonly store: Store;
  readonly log: Logger;
  readonly clock: Clock;
  /** Folder of ours, mode 700; one folder a connection is made below it. */
  readonly stateDir: string;
  /** Adds to a session what is known of it here; never stored. The same object for the same session and knowledge. */
  readonly dress?: (session: Session) => Session;
}
