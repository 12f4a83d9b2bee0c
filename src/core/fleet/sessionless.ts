import type { BackendEvent, CallOptions, ConnectionState, Disposable, Page } from '../model/backend.ts';
import type { Clock } from '../model/context.ts';
import type { Session, SystemId } from '../model/session.ts';
import type { ConnectionSpec } from './connection.ts';
import { DormantBackend } from './dormant.ts';

const SESSIONLESS: ReadonlySet<SystemId> = new Set(['hebing', 'catsyphon']);

/** True for systems whose connections have machines and sessions; the others are shown among the connections only. */
export function hostsSessions(system: SystemId): boolean {
  return !SESSIONLESS.has(system);
}

/** How the account of a connection without sessions stands. */
interface Presence {
  /** Asks the server. Never rejects but for an abort. */
  look(options: CallOptions): Promise<ConnectionState>;
  /** Told whenever a call of anybody showed another state, until disposed of. */
  onState(listener: (state: ConnectionState) => void): Disposable;
  /** Lets go of connections to the server. */
  close(): Promise<void>;
}

/** The connection of a system that hosts no sessions: it has a state, no machines, no sessions, and refuses to make any. */
export class SessionlessBackend extends DormantBackend {
  private readonly presence: Presence;

  constructor(spec: Pick<ConnectionSpec, 'connectionId' | 'name' | 'system'>, presence: Presence, clock: Clock) {
    super(spec, { code: 'unsupported', message: spec.system === 'catsyphon' ? `${spec.name} takes sessions and has none to open.` : `${spec.name} has jobs, not sessions. Look at the Jobs view.` }, clock);
    this.presence = presence;
  }

  override connect(options: CallOptions = {}): Promise<ConnectionState> {
    return this.presence.look(options);
  }
  override sessions(): Promise<Page<Session>> {
    return Promise.resolve({ items: [], next: null });
  }
  override watch(listener?: (event: BackendEvent) => void): Disposable {
    return this.presence.onState((state) => listener?.({ type: 'connection', state }));
  }
  override [Symbol.asyncDispose](): Promise<void> {
    return this.presence.close();
  }
}
