import type { BackendContext } from '../../../model/context.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { Session } from '../../../model/session.ts';
import type { Claims } from '../claims.ts';
import type { ProcessLedger } from '../ledger.ts';
import type { FactsCache } from './files.ts';
import type { Program } from './launch.ts';
import type { Records, SessionRecord } from './records.ts';
import type { Runner } from './runners.ts';
import type { Initialized } from './wire.ts';

/** What the sessions of one connection share. */
export interface Desk {
  readonly context: BackendContext;
  readonly env: NodeJS.ProcessEnv;
  readonly configDir: string;
  readonly ledger: ProcessLedger;
  readonly claims: Claims;
  readonly facts: FactsCache;
  readonly records: Records;
  /** How long a process without work stays, in milliseconds. */
  readonly idleMs: number;
  /** The agent's program; rejects with `not_installed`. */
  program(signal?: AbortSignal): Promise<Program>;
  /** Who says to run sessions, as of now. */
  runners(): Promise<ReadonlyMap<string, Runner>>;
  /** What an agent said at `initialize`, for pickers of sessions that do not run. */
  readonly lastInitialized: Initialized | null;
  initialized(known: Initialized): void;
  /** The handle of another session of the connection. */
  session(id: string): SessionParts;
  /** Something that the list shows of the session changed. */
  changed(id: string): void;
  removed(id: string): void;
  loginFailed(words: string): void;
  signedIn(): void;
}

/** What a session needs of another one that it makes. */
interface SessionParts {
  readonly life: { ensure(signal?: AbortSignal): Promise<unknown> };
  adopt(record: SessionRecord): Promise<void>;
  describe(known: { readonly file: null; readonly runners: ReadonlyMap<string, Runner> }): Promise<Session | null>;
}

/** Name of the lease over a session's process. */
export function leaseOf(id: string): string {
  return `session:${id}`;
}

export function notFound(): PilothouseError {
  return new PilothouseError('session_not_found', 'This session is not there any more. Refresh the list.');
}

/** For work that nobody waits for: what goes wrong with it is only logged. */
export async function quietly(desk: Desk, session: string, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    desk.context.log.debug('a side task of a session failed', { session, error: describeError(error) });
  }
}
