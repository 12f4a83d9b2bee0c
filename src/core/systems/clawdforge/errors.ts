import { PilothouseError } from '../../model/errors.ts';
import type { JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { HttpError } from '../../transport/http.ts';
import { redact } from '../../transport/redact.ts';

interface Options {
  readonly cause?: unknown;
  readonly personMustAct?: boolean;
}

/**
 * Root of every error of the clawdforge system. Codes of its own: `invalid_argument` (refused here, nothing was sent), `turn_running`, `file_not_readable` and `file_changed` (a file to
 * upload), `bad_answer` (not what a clawdforge server sends), `closed` (this client is).
 */
export class ForgeError extends PilothouseError {}

/** How far a request came that brought no answer: nothing of it was sent; it may have reached the server, which never answered; its answer began and broke off. */
export type Reached = 'unsent' | 'unanswered' | 'cut';

/** The server never answered, or not to the end: `connection_failed`, `connection_lost`, `timeout`, and the codes of ProxyError. */
export class ForgeTransportError extends ForgeError {
  readonly reached: Reached;
  constructor(code: string, message: string, reached: Reached, options: Options = {}) {
    super(code, message, options);
    this.reached = reached;
  }
}

/** What the person did not give the server: which of its paths a refusal is about. */
export type Asked = 'run' | 'upload' | 'session' | 'turn' | 'sessions' | 'admin' | 'token' | 'health';

interface Answer {
  readonly status: number;
  /** Parsed where it is JSON, else the text; null where there is none. */
  readonly body: JsonValue;
  readonly retryAfterMs: number | null;
}

/**
 * The server answered with 4xx or 5xx. Codes: `session_not_found` (404: none of this token), `session_closed` (410), `turn_running` (409), `token_not_found`, `not_found`, `run_failed` (502 of a
 * run), `rate_limited`, `request_refused` (other 4xx), `server_error` (other 5xx).
 */
export class ForgeAPIError extends ForgeError {
  readonly status: number;
  readonly body: JsonValue;
  readonly retryAfterMs: number | null;
  constructor(code: string, message: string, { status, body, retryAfterMs }: Answer, options: Options = {}) {
    super(code, message, options);
    this.status = status;
    this.body = body;
    this.retryAfterMs = retryAfterMs;
  }
}

/** 401 or 403: `authentication_failed`. */
export class ForgeAuthError extends ForgeAPIError {
  constructor(message: string, answer: Answer) {
    super('authentication_failed', message, answer, { personMustAct: true });
  }
}

/** An `invalid_argument` of the root class: refused here, before anything is sent. */
export function invalid(message: string): ForgeError {
  return new ForgeError('invalid_argument', message);
}

/** Gives the text; throws `invalid_argument` where there is nothing in it besides white space. */
export function requireText(text: unknown, what: string): string {
  if (typeof text !== 'string' || text.trim() === '') throw invalid(`${what} is empty.`);
  return text;
}

/** Gives the number; throws `invalid_argument` unless it is whole and positive. Which range it must be in is the server's to say. */
export function requireSeconds(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value <= 0) throw invalid(`${what} is not a whole, positive number of seconds.`);
  return value;
}

const LONGEST = 600;
/** Objects within objects that are looked into for words. */
const DEEPEST = 5;

/** What the server says of its refusal, on one line: `error`, `detail` (FastAPI's lists too) or `message` of its body, or the text. */
function wordsOf(body: JsonValue, depth = 0): string {
  const { error, detail, message } = isJsonObject(body) ? body : { error: body, detail: null, message: null };
  for (const said of [error, detail, message]) {
    if (typeof said === 'string' && said.trim() !== '') return line(said);
    if (Array.isArray(said)) {
      const texts = said.flatMap((one: JsonValue) => (isJsonObject(one) && typeof one['msg'] === 'string' ? [one['msg']] : []));
      if (texts.length > 0) return line(texts.join('; '));
    }
    if (depth < DEEPEST && isJsonObject(said ?? null)) return wordsOf(said ?? null, depth + 1);
  }
  return '';
}

function line(text: string): string {
  return redact(text.slice(0, 4 * LONGEST)).replaceAll(/\p{C}+|\s+/gu, ' ').trim().slice(0, LONGEST);
}

/** What an answer of 4xx or 5xx means; `asked` is what it answers. */
export function apiError(asked: Asked, answer: Answer): ForgeAPIError {
  const { status, body } = answer;
  const words = wordsOf(body);
  const said = words === '' ? '' : ` It says: ${words}`;
  if (status === 401 || status === 403) {
    const why = asked === 'admin' || asked === 'token' ? 'Tokens are managed with the admin bootstrap token.' : status === 401 ? 'Check it, or have another one made.' : 'Is this computer within the token’s IP ranges?';
    return new ForgeAuthError(`The clawdforge server does not accept this token (${status}). ${why}${said}`, answer);
  }
  if (asked === 'session' || asked === 'turn') {
    if (status === 404) return new ForgeAPIError('session_not_found', 'The clawdforge server has no such session for this token (404): it belongs to another token, or the server has forgotten it.', answer, { personMustAct: true });
    if (status === 410) return new ForgeAPIError('session_closed', 'The clawdforge server has closed this session (410): its time was over, or somebody closed it. Start a fresh one.', answer, { personMustAct: true });
    if (status === 409) return new ForgeAPIError('turn_running', `The clawdforge server still works on another turn of this session (409).${said}`, answer);
  }
  if (asked === 'run' && status === 502) return new ForgeAPIError('run_failed', runFailure(body), answer);
  if (status === 404 && asked === 'token') return new ForgeAPIError('token_not_found', 'The clawdforge server has no token of this name (404).', answer);
  if (status === 404) return new ForgeAPIError('not_found', `The server does not know this address (404). Is it a clawdforge server?${said}`, answer);
  if (status === 429) return new ForgeAPIError('rate_limited', `The clawdforge server asks to slow down (429). Try again in a minute.${said}`, answer);
  return new ForgeAPIError(status >= 500 ? 'server_error' : 'request_refused', `The clawdforge server answered with ${status}.${said}`, answer);
}

/** Both of what a failed run says: its `error` and its `stderr`. */
function runFailure(body: JsonValue): string {
  const stderr = isJsonObject(body) && typeof body['stderr'] === 'string' ? line(body['stderr']) : '';
  const words = wordsOf(body);
  return `The run failed on the clawdforge server (502)${words === '' ? '.' : `: ${words}`}${stderr === '' || stderr === words ? '' : ` (stderr: ${stderr})`}`;
}

/** What a failed request means. `cut`: its answer had begun. What is no failure of HTTP (an abort, a ForgeError) stays what it is. */
export function forgeError(error: unknown, cut: boolean): Error {
  if (!(error instanceof Error)) return new ForgeError('bad_answer', String(error));
  if (!(error instanceof HttpError)) return error;
  const options = { cause: error, personMustAct: error.personMustAct };
  const reached: Reached = cut ? 'cut' : error.unsent ? 'unsent' : 'unanswered';
  switch (error.failure) {
    case 'network':
      if (cut) return new ForgeTransportError('connection_lost', 'The connection to the clawdforge server was lost while it answered.', reached, options);
      return new ForgeTransportError('connection_failed', error.unsent ? `The clawdforge server cannot be reached${error.why === null ? '' : `: ${error.why}`}.` : 'The clawdforge server did not answer: the connection was lost.', reached, options);
    case 'timeout':
      return new ForgeTransportError('timeout', 'The clawdforge server did not answer in time.', reached, options);
    case 'proxy':
      return new ForgeTransportError(error.code, error.cause instanceof Error ? error.cause.message : error.message, reached, options);
    case 'invalid':
    case 'plain_http':
      return new ForgeError(error.code, error.message, options);
    case 'bad_json':
    case 'too_large':
    case 'status':
      return new ForgeError('bad_answer', error.message, options);
    default:
      return error;
  }
}
