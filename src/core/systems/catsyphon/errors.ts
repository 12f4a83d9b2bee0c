import { PilothouseError } from '../../model/errors.ts';
import { HttpError } from '../../transport/http.ts';

interface Options {
  readonly cause?: unknown;
  readonly personMustAct?: boolean;
}

/**
 * Root of every error of the catsyphon system. Codes of its own: `invalid_argument` (refused here, nothing was sent), `plain_http_refused`, `bad_answer` (of a server that is no CatSyphon),
 * `unsettled` (it cannot be told what became of a request), `session_completed`, `closed`.
 */
export class CatsyphonError extends PilothouseError {}

/** No answer came, or only part of one: `connection_failed`, `timeout`, and the codes of ProxyError. */
export class CatsyphonTransportError extends CatsyphonError {
  /** True: certainly nothing of the request has reached the server. */
  readonly unsent: boolean;
  constructor(code: string, message: string, options: { readonly unsent?: boolean } & Options = {}) {
    super(code, message, options);
    this.unsent = options.unsent ?? false;
  }
}

/** What the server said of a request that it answered with another status than 2xx. */
interface Said {
  /** On one line, at most 500 characters; '' where it had none, and for 5xx, whose words may quote what is stored. */
  readonly detail: string;
  /** Indices of the events of the batch that a 422 names. */
  readonly refused?: readonly number[];
  /** Milliseconds that the server asks to wait; null where it does not. */
  readonly retryAfterMs?: number | null;
}

/** The server answered with a status other than 2xx. Codes: `unauthorized`, `forbidden`, `not_found`, `validation_failed`, `too_large`, `rate_limited`, `server_error`, `redirected`, `request_refused`. */
export class CatsyphonAPIError extends CatsyphonError {
  readonly status: number;
  readonly detail: string;
  readonly refused: readonly number[];
  readonly retryAfterMs: number | null;
  constructor(status: number, said: Said, options: Options = {}) {
    super(CODES[status] ?? (status >= 500 ? 'server_error' : status < 400 ? 'redirected' : 'request_refused'), `${ANSWERS[status] ?? `CatSyphon answered with ${status}.`}${said.detail === '' ? '' : ` ${said.detail}`}`, {
      personMustAct: status === 401 || status === 403, ...options,
    });
    this.status = status;
    this.detail = said.detail;
    this.refused = said.refused ?? [];
    this.retryAfterMs = said.retryAfterMs ?? null;
  }
}

/** 401 and 403: nothing more is taken from this collector, or this session is another one's. */
export class CatsyphonAuthError extends CatsyphonAPIError {}
/** 404: the server never got an event of that session, or has no such workspace. */
export class CatsyphonNotFoundError extends CatsyphonAPIError {}
/** 422: the request is not as the server wants it. `refused` says which events, where it is their fault. */
export class CatsyphonValidationError extends CatsyphonAPIError {}

/**
 * The credentials file: `credentials_missing`, `credentials_malformed` (left as it is), `credentials_exposed` (others can read it), `server_mismatch` (kept for another address),
 * `profile_taken`, `credentials_busy`, `not_saved`.
 */
export class CredentialError extends CatsyphonError {
  constructor(code: string, message: string, options: Options = {}) {
    super(code, message, { personMustAct: true, ...options });
  }
}

const CODES: Readonly<Record<number, string>> = { 401: 'unauthorized', 403: 'forbidden', 404: 'not_found', 413: 'too_large', 422: 'validation_failed', 429: 'rate_limited' };
const ANSWERS: Readonly<Record<number, string>> = {
  401: 'CatSyphon does not accept this collector (401). Register again.', 403: 'CatSyphon does not allow this (403).', 404: 'CatSyphon has no such thing (404).',
  413: 'This is more than the server takes at once (413).', 422: 'CatSyphon refuses what was sent (422).', 429: 'CatSyphon asks to slow down (429). Try again in a minute.', 500: 'CatSyphon failed (500).',
};

/** The class for a status. */
export function apiError(status: number, said: Said): CatsyphonAPIError {
  if (status === 401 || status === 403) return new CatsyphonAuthError(status, said);
  if (status === 404) return new CatsyphonNotFoundError(status, said);
  return status === 422 ? new CatsyphonValidationError(status, said) : new CatsyphonAPIError(status, said);
}

/** An `invalid_argument` of the root class: refused here, before anything is sent. */
export function invalid(message: string): CatsyphonError {
  return new CatsyphonError('invalid_argument', message);
}

/** What a request that brought no answer means. What is no failure of HTTP (an abort, a CatsyphonError) stays what it is. */
export function transportError(error: unknown): Error {
  if (!(error instanceof HttpError)) return error instanceof Error ? error : new CatsyphonError('bad_answer', String(error));
  const options = { cause: error, unsent: error.unsent };
  switch (error.failure) {
    case 'network':
      return new CatsyphonTransportError('connection_failed', `CatSyphon cannot be reached${error.why === null ? '' : `: ${error.why}`}.`, options);
    case 'timeout':
      return new CatsyphonTransportError('timeout', 'CatSyphon did not answer in time.', options);
    case 'proxy':
      return new CatsyphonTransportError(error.code, error.cause instanceof Error ? error.cause.message : error.message, { ...options, personMustAct: error.personMustAct });
    case 'plain_http':
      return new CatsyphonError('plain_http_refused', error.message, { cause: error, personMustAct: true });
    case 'invalid':
      return new CatsyphonError('invalid_argument', error.message, { cause: error });
    case 'bad_json':
    case 'too_large':
    case 'status':
      return new CatsyphonError('bad_answer', error.message, { cause: error });
    default:
      return error;
  }
}
