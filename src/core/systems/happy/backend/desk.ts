import type { BackendContext } from '../../../model/context.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { Machine, Session } from '../../../model/session.ts';
import type { HappyAccount } from '../account.ts';
import type { MirroredSession } from '../mirrored.ts';
import type { NormaliseContext } from '../normalise/index.ts';
import { flavourOf, plainContext } from '../normalise/index.ts';
import { str } from '../normalise/read.ts';
import type { Marks } from './marks.ts';
import type { Signs } from './signs.ts';

/** What the sessions of one connection share. */
export interface HappyDesk {
  readonly account: HappyAccount;
  readonly context: BackendContext;
  readonly marks: Marks;
  /** The session as the fleet shows it; null where it is gone or is shown in no list. */
  describe(id: string): Session | null;
  machine(id: string): Machine | null;
  /** What was heard of each through this contact. The server's own flag outlives a process that was killed. */
  readonly signs: Signs;
  /** Something of the session is otherwise: the fleet is told soon. */
  changed(id: string): void;
  /** A session that a call of ours just made there: read, and in the list from now on. Rejects with SpawnError `spawn_unknown` where it cannot be read in time: it runs all the same. */
  adopt(id: string, where: { readonly machineId: string; readonly directory: string }, options: { readonly signal?: AbortSignal }): Promise<Session>;
  /** The call with its rejection looked at: a token that is not taken any more changes the connection's state. */
  watched<T>(call: Promise<T>): Promise<T>;
}

/** A record as the normaliser wants it: undefined where it could not be read. */
export function told(value: JsonObject | null): JsonValue | undefined {
  return value ?? undefined;
}

/** What the normaliser needs to know of a session, save the lag of its machine's clock. */
export function contextOf(session: MirroredSession | null, clockLagMs = 0): NormaliseContext {
  const metadata = told(session?.metadata ?? null);
  return { ...plainContext, folder: str(metadata, 'path') ?? '', agent: flavourOf(metadata), clockLagMs };
}
