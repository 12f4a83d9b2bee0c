import { PilothouseError } from '../../model/errors.ts';
import type { JsonValue } from '../../model/json.ts';
import { HttpError } from '../../transport/http.ts';

interface Options {
  readonly cause?: unknown;
  readonly personMustAct?: boolean;
}

/**
 * Root of every error of the hebing system. Codes of its own: `invalid_argument` (refused here, nothing was sent), `plain_http_refused`, `credentials_missing`,
 * `credentials_malformed`, `not_saved`, `bad_answer` (of a server that is no hebing, or that broke the contract), `closed`.
 */
export class HebingError extends PilothouseError {}

/** The API answered with a status other than 2xx. `code` is the server's own (`unknown_capability`, `insufficient_balance`, …), else one made from the status (`not_found`, …). */
export class HebingAPIError extends HebingError {
  readonly status: number;
  /** The server's words, on one line; '' where it had none. */
  readonly detail: string;
  /** The whole answer as it came, the key taken out; its text where it is no JSON; null where it was empty. */
  readonly body: JsonValue;
  /** Milliseconds that the server asks to wait before another request; null where it does not. */
  readonly retryAfterMs: number | null;
  constructor(status: number, code: string, detail: string, more: { readonly body?: JsonValue; readonly retryAfterMs?: number | null; readonly message?: string } & Options = {}) {
    super(code, more.message ?? `${ANSWERS[status] ?? `hebing answered with ${status}.`}${detail === '' ? '' : ` ${detail}`}`, {
      cause: more.cause, personMustAct: more.personMustAct ?? (status === 401 || status === 402 || code === 'insufficient_balance'),
    });
    this.status = status;
    this.detail = detail;
    this.body = more.body ?? null;
    this.retryAfterMs = more.retryAfterMs ?? null;
  }

  /** The same as `status`, by the name that the Python SDK has for it. */
  get statusCode(): number {
    return this.status;
  }
}

/** No answer came, or only part of one: `connection_failed`, `timeout`, and the codes of ProxyError. What became of the request is not known. */
export class HebingTransportError extends HebingError {}

/** A device sign-in that is over: `access_denied`, `expired_token`, `device_flow_failed` (the server refused for another reason), `bad_answer`. Another one needs another code. */
export class DeviceFlowError extends HebingError {
  constructor(code: string, message: string, options: Options = {}) {
    super(code, message, { personMustAct: true, ...options });
  }
}

/** Nobody approved a device sign-in in the time that there was: `device_flow_timeout`. */
export class DeviceFlowTimeout extends HebingError {
  constructor(message = 'Nobody approved the sign-in in time. Start it again.', options: Options = {}) {
    super('device_flow_timeout', message, { personMustAct: true, ...options });
  }
}

/** A job did not end in the time of a wait: `job_timeout`. The job goes on. */
export class JobTimeout extends HebingError {
  readonly jobId: string;
  /** What it was doing when it was last seen; null where it never was. */
  readonly lastStatus: string | null;
  constructor(jobId: string, seconds: number, lastStatus: string | null, options: Options = {}) {
    super('job_timeout', `Job ${jobId} did not end within ${seconds} s${lastStatus === null ? '' : ` (${lastStatus})`}. It goes on: look again later.`, options);
    this.jobId = jobId;
    this.lastStatus = lastStatus;
  }
}

/** What the statuses that a person can act on mean. */
const ANSWERS: Readonly<Record<number, string>> = {
  401: 'hebing does not accept this key. Sign in again, or give another one.', 402: 'hebing wants to be paid for this first (402).', 403: 'hebing does not allow this with this key (403).',
  404: 'hebing has no such thing for this key (404).', 429: 'hebing asks to slow down (429). Try again in a minute.',
};

/** An `invalid_argument` of the root class: refused here, before anything is sent. */
export function invalid(message: string): HebingError {
  return new HebingError('invalid_argument', message);
}

/** What a request that brought no answer means. What is no failure of HTTP (an abort, a HebingError) stays what it is. */
export function transportError(error: unknown): Error {
  if (!(error instanceof HttpError)) return error instanceof Error ? error : new HebingError('bad_answer', String(error));
  const options = { cause: error };
  switch (error.failure) {
    case 'network':
      return new HebingTransportError('connection_failed', `hebing cannot be reached${error.why === null ? '' : `: ${error.why}`}.`, options);
    case 'timeout':
      return new HebingTransportError('timeout', 'hebing did not answer in time.', options);
    case 'proxy':
      return new HebingTransportError(error.code, error.cause instanceof Error ? error.cause.message : error.message, { ...options, personMustAct: error.personMustAct });
    case 'plain_http':
      return new HebingError('plain_http_refused', error.message, { ...options, personMustAct: true });
    case 'invalid':
      return new HebingError('invalid_argument', error.message, options);
    case 'bad_json':
    case 'too_large':
    case 'status':
      return new HebingError('bad_answer', error.message, options);
    default:
      return error;
  }
}

/** Throws `invalid_argument` unless it is a number above 0. */
export function requirePositive(value: unknown, name: string): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw invalid(`${name} must be a number above 0.`);
}
