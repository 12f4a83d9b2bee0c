import type { SpawnOptions, StopReport } from '../../../model/backend.ts';
import type { BackendContext } from '../../../model/context.ts';
import type { Session } from '../../../model/session.ts';
import type { Claims } from '../claims.ts';
import type { CodexDisk } from './disk.ts';
import type { CodexServer } from './server.ts';
import type { ThreadAnswer, WireModel } from './wire.ts';

/** What a session needs of the connection that it belongs to. */
export interface CodexHost {
  readonly context: BackendContext;
  readonly claims: Claims;
  readonly disk: CodexDisk;
  readonly server: CodexServer;
  /** Models as last told by the server; empty before. */
  models(): readonly WireModel[];
  /** Reads the models where they are not known. */
  needModels(signal: AbortSignal | undefined): Promise<void>;
  /** Other sessions that the server has loaded. */
  others(id: string): { readonly loaded: number; readonly running: boolean; readonly runningIn: (folder: string) => boolean };
  /** The session is another one than it was; the list is told. */
  changed(id: string): void;
  gone(id: string): void;
  /** Makes another session. */
  spawn(options: SpawnOptions): Promise<Session>;
  /** A thread that the server has made of this one. */
  adopt(answer: ThreadAnswer): Promise<Session>;
  /** Ends the server; resolves when it is dead. */
  endServer(): Promise<StopReport>;
  needsSignIn(message: string): void;
}
