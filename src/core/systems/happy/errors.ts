import { PilothouseError } from '../../model/errors.ts';
import { HttpError } from '../../transport/http.ts';

interface Options {
  readonly cause?: unknown;
  readonly personMustAct?: boolean;
}

/**
 * Root of every error of the Happy system. Codes of its own: `invalid_argument` (refused here, nothing was sent), `machine_not_found`,
 * `session_stopped`, `session_unreachable`, `still_running`, `already_answered`, `not_confirmed`, `too_large`, `rpc_failed` (the other side's handler refused), `request_refused` (4xx),
 * `server_error` (5xx), `rate_limited`, `bad_answer`, `plain_http_refused`, `upload_failed`, `download_failed` (the store of attachments), `closed`, and those of ProxyError.
 */
export class HappyError extends PilothouseError {}

/** Credentials are missing (`credentials_missing`), malformed (`credentials_malformed`), or not taken by the server (`authentication_failed`); a link ran out (`link_expired`). */
export class AuthenticationError extends HappyError {
  constructor(code: 'credentials_missing' | 'credentials_malformed' | 'authentication_failed' | 'link_expired', message: string, options: Options = {}) {
    super(code, message, { personMustAct: true, ...options });
  }
}

/** The machine, or its daemon, is not connected to the server: `machine_offline`. `message` in place of its own where more is to be said. */
export class MachineOfflineError extends HappyError {
  readonly machineId: string;
  constructor(machineId: string, { message, ...options }: Options & { readonly message?: string } = {}) {
    super('machine_offline', message ?? `Machine ${machineId} is offline, or its Happy daemon is not running. Start it there with: happy daemon start`, options);
    this.machineId = machineId;
  }
}

/** No session with that id in this account: `session_not_found`. */
export class SessionNotFound extends HappyError {
  readonly sessionId: string;
  constructor(sessionId: string, options: Options = {}) {
    super('session_not_found', `There is no session ${sessionId} in this Happy account.`, options);
    this.sessionId = sessionId;
  }
}

/**
 * A session was not made: `spawn_failed` (the machine said why), `folder_missing` (it must be allowed to create it: `createDir`), `spawn_unknown` (it may exist, as one of
 * `candidates` or unseen: look before you repeat), `spawn_unnamed` (it exists, as `sessionId`, but has not got its name).
 */
export class SpawnError extends HappyError {
  readonly machineId: string;
  readonly directory: string;
  readonly sessionId: string | null;
  /** Ids of sessions that may be the one that was asked for, or somebody else's. */
  readonly candidates: readonly string[];
  constructor(
    code: 'spawn_failed' | 'folder_missing' | 'spawn_unknown' | 'spawn_unnamed', message: string,
    more: { readonly machineId: string; readonly directory: string; readonly sessionId?: string; readonly candidates?: readonly string[] } & Options,
  ) {
    super(code, message, more);
    this.machineId = more.machineId;
    this.directory = more.directory;
    this.sessionId = more.sessionId ?? null;
    this.candidates = more.candidates ?? [];
  }
}

/** A wait or a call took longer than it may: `timeout`. What became of the call is not known. */
export class TimeoutError extends HappyError {
  constructor(message: string, options: Options = {}) {
    super('timeout', message, options);
  }
}

/** Something could not be encrypted or decrypted with these keys: `encryption_failed`. */
export class EncryptionError extends HappyError {
  constructor(message: string, options: Options = {}) {
    super('encryption_failed', message, options);
  }
}

/** The server cannot be reached, or the connection was lost: `connection_failed`. */
export class ConnectionError extends HappyError {
  constructor(message: string, options: Options = {}) {
    super('connection_failed', message, options);
  }
}

/** The server refused a change of metadata, or its answer made no sense: `metadata_refused`. */
export class MetadataUpdateError extends HappyError {
  readonly sessionId: string;
  constructor(sessionId: string, message: string, options: Options = {}) {
    super('metadata_refused', message, options);
    this.sessionId = sessionId;
  }
}

/** A change of metadata lost to others too often: `metadata_conflict`. Nothing was overwritten; try again. */
export class MetadataConflictError extends HappyError {
  readonly sessionId: string;
  readonly tries: number;
  constructor(sessionId: string, tries: number, options: Options = {}) {
    super('metadata_conflict', `Session ${sessionId} was changed by others ${tries} times while its metadata was to be written. Try again.`, options);
    this.sessionId = sessionId;
    this.tries = tries;
  }
}

/** An `invalid_argument` of the root class: refused here, before anything is sent. */
export function invalid(message: string): HappyError {
  return new HappyError('invalid_argument', message);
}

/** Throws `invalid_argument` unless `text` has something in it besides white space. */
export function requireText(text: unknown, what: string): void {
  if (typeof text !== 'string' || text.trim() === '') throw invalid(`${what} is empty.`);
}

/** What a failed request to the Happy server means. What is no failure of HTTP (an abort, a HappyError) stays what it is. */
export function happyError(error: unknown): Error {
  if (!(error instanceof Error)) return new HappyError('bad_answer', String(error));
  if (!(error instanceof HttpError)) return error;
  const options = { cause: error };
  switch (error.failure) {
    case 'network':
      return new ConnectionError('The Happy server cannot be reached.', options);
    case 'timeout':
      return new TimeoutError('The Happy server did not answer in time.', options);
    case 'invalid':
      return new HappyError('invalid_argument', error.message, options);
    case 'proxy':
      return new HappyError(error.code, error.cause instanceof Error ? error.cause.message : error.message, { ...options, personMustAct: error.personMustAct });
    case 'plain_http':
      return new HappyError('plain_http_refused', error.message, { ...options, personMustAct: true });
    case 'bad_json':
    case 'too_large':
      return new HappyError('bad_answer', error.message, options);
    case 'status':
      if (error.status === 401 || error.status === 403) return new AuthenticationError('authentication_failed', 'The Happy server does not accept this token. Sign in again.', options);
      if (error.status === 429) return new HappyError('rate_limited', 'The Happy server asks to slow down. Try again in a minute.', options);
      return new HappyError((error.status ?? 0) >= 500 ? 'server_error' : 'request_refused', `The Happy server answered with ${error.status}.`, options);
    default:
      return error;
  }
}

/** The HTTP status that lies beneath an error, or null. */
export function statusOf(error: unknown): number | null {
  if (error instanceof HttpError) return error.status;
  return error instanceof Error && error.cause instanceof HttpError ? error.cause.status : null;
}
