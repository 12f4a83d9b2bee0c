import type { StopReport } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import type { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { Session, SessionControls } from '../../../model/session.ts';
import type { Claims } from '../claims.ts';
import type { ProcessLedger } from '../ledger.ts';
import type { ProcessExit } from '../process.ts';
import type { RpcId } from '../rpc.ts';
import type { Link } from './link.ts';
import type { Records, SessionRecord } from './records.ts';

/** What the agent tells of a session in `session/list` (schema v1, SessionInfo). */
export interface ListedSession {
  readonly id: string;
  readonly folder: string;
  readonly title: string | null;
  /** Milliseconds since the epoch. */
  readonly updatedAt: number | null;
}

/** A session as the connection sees it: where the wire's messages for it go. */
export interface Routed {
  readonly id: string;
  /** Where it is loaded; null where it is not. */
  readonly link: Link | null;
  readonly running: boolean;
  onUpdate(update: JsonValue | undefined): void;
  onRequest(method: string, params: JsonObject, rpcId: RpcId, link: Link): void;
  /** The agent takes a request back. */
  onWithdrawn(rpcId: RpcId, link: Link): void;
  /** The agent's program has ended. */
  onExit(exit: ProcessExit, link: Link): void;
}

/** What a session needs of the connection that it belongs to. */
export interface SessionHost {
  readonly context: BackendContext;
  readonly claims: Claims;
  /** The agent's name, as the person configured it. */
  readonly label: string;
  readonly env: NodeJS.ProcessEnv;
  readonly ledger: ProcessLedger;
  readonly records: Records;
  /** The running agent, started where none runs. Joins a start that is under way. */
  connectLink(): Promise<Link>;
  /** Updates and requests for the agent's session `agentId` go to `session`. */
  route(agentId: string, session: Routed): void;
  unroute(agentId: string): void;
  /** Looks in the agent's own list, where it has one. */
  listed(id: string): Promise<ListedSession | null>;
  changed(session: Routed): void;
  gone(session: Routed): void;
  /** A session with the same past, in the same program. */
  fork(record: SessionRecord, link: Link, signal: AbortSignal | undefined): Promise<Session>;
  rememberControls(controls: SessionControls): void;
  /** Other sessions that the running agent has loaded, and whether one of them has a running turn. */
  others(session: Routed): { readonly loaded: number; readonly running: boolean };
  /** Ends the agent's program; resolves when it is dead. `onKill`: it does not end by itself. */
  endLink(onKill?: () => void): Promise<StopReport>;
  /** Something happened: the agent is not idle. */
  touch(): void;
  /** The agent starts something that must not outlive it. */
  noteChildren(): void;
  /** The agent wants the person to sign in: tells the connection's state, in its own words, and gives the error to reject with. */
  needsSignIn(error: unknown): PilothouseError;
  signedIn(): void;
}
