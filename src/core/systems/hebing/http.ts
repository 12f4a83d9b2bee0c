import { inspect } from 'node:util';
import type { Clock } from '../../model/context.ts';
import type { JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { HttpClient, isLoopback, retryAfter, serverAddress } from '../../transport/http.ts';
import type { HttpMethod, ServerOptions } from '../../transport/http.ts';
import { proxyFromEnv } from '../../transport/proxy.ts';
import { redact } from '../../transport/redact.ts';
import type { RetryOptions } from '../../transport/retry.ts';
import { withRetry } from '../../transport/retry.ts';
import { systemClock } from '../../transport/clock.ts';
import { HebingAPIError, HebingError, HebingTransportError, invalid, transportError } from './errors.ts';

/** How hebing is reached; the same for callers, workers and sign-ins. */
export interface HebingHttpOptions extends ServerOptions {
  /** http or https, with its path (`…/api/v1`). */
  readonly baseUrl: string;
  /** How often and how fast failed requests are sent again. */
  readonly retry?: Pick<RetryOptions, 'tries' | 'baseMs' | 'capMs' | 'random'> | undefined;
}

export interface HebingRequest {
  readonly method: HttpMethod;
  /** Of `paths`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: JsonValue;
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A second request does no second thing, by nature or by an idempotency key: it is sent again when it failed on the way, and after 408, 425, 429, 500, 502, 503 and 504. */
  readonly idempotent: boolean;
}
interface HebingAnswer {
  /** 200 to 299. */
  readonly status: number;
  /** Null for an empty body. */
  readonly body: JsonValue;
  /** Milliseconds since the epoch by the server's clock (`Date`, whole seconds); null where it does not tell. */
  readonly serverTime: number | null;
}

/** A file's bytes, and what the server calls their type. */
export interface HebingFile {
  readonly bytes: Uint8Array;
  readonly contentType: string | null;
}

const REDIRECTS = 5;
/** Milliseconds for a file, whose size nobody knows. */
const FILE_MS = 300_000;
const AGAIN: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Authorised JSON requests to hebing. The key is in the header of requests to the base URL and nowhere else: redirects are not followed. Rejections are HebingAPIError (a status other
 * than 2xx), HebingTransportError, HebingError, or the signal's reason.
 */
export class HebingHttp implements AsyncDisposable {
  readonly baseUrl: string;
  readonly #http: HttpClient;
  /** For files elsewhere: nothing of ours travels there, so that plain http may. */
  readonly #others: HttpClient;
  readonly #key: string | null;
  readonly #clock: Clock;
  readonly #retry: NonNullable<HebingHttpOptions['retry']>;

  /** `key` null: for signing in, where there is none yet. Throws `plain_http_refused`, `invalid_argument`, `credentials_malformed`. */
  constructor(key: string | null, options: HebingHttpOptions) {
    this.baseUrl = hebingAddress(options.baseUrl, options);
    this.#key = key === null ? null : keyOf(key);
    this.#clock = options.clock ?? systemClock;
    this.#retry = options.retry ?? {};
    const shared = {
      clock: this.#clock, proxy: options.proxy ?? (() => proxyFromEnv(options.env ?? process.env)),
      ...(options.dispatcher === undefined ? {} : { dispatcher: options.dispatcher }), ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
    };
    this.#http = new HttpClient({ ...shared, allowPlainHttp: options.allowPlainHttp === true });
    this.#others = new HttpClient({ ...shared, allowPlainHttp: true });
  }

  async request(request: HebingRequest): Promise<HebingAnswer> {
    const { tries = 3, ...pace } = this.#retry;
    return withRetry(() => this.#once(request), { ...pace, tries: request.idempotent ? tries : 1, signal: request.signal, clock: this.#clock, classify: mendable });
  }

  /**
   * A file that a job names: an http or https address, or one below the base URL's origin. The key goes to that origin alone, also after redirects (5 at most); nothing of this computer is asked
   * for on behalf of a server elsewhere. Rejects as `request` does; `invalid_argument` for other addresses, `bad_answer` for more bytes than `maxBytes` (64 MiB by default).
   */
  async download(address: string, options: { readonly signal?: AbortSignal | undefined; readonly maxBytes?: number; readonly onBytes?: (bytes: number) => void } = {}): Promise<HebingFile> {
    const { tries = 3, ...pace } = this.#retry;
    const again = { ...pace, tries, signal: options.signal, clock: this.#clock, classify: mendable };
    let url = fileAddress(address, this.baseUrl);
    for (let hop = 0; hop <= REDIRECTS; hop += 1) {
      const answer = await withRetry(() => this.#file(url, options), again);
      const next = answer.headers.get('location');
      if (answer.status < 300 && answer.status >= 200) return { bytes: answer.body, contentType: answer.headers.get('content-type') ?? null };
      if (next === undefined || answer.status < 300 || answer.status > 399) throw apiError(answer.status, null, retryAfter(answer.headers.get('retry-after'), this.#clock.now()));
      url = fileAddress(next, this.baseUrl, url);
    }
    throw new HebingError('bad_answer', `${new URL(address, this.baseUrl).host} sends from one address to another without end.`);
  }

  async #file(url: string, { signal, maxBytes, onBytes }: { readonly signal?: AbortSignal | undefined; readonly maxBytes?: number; readonly onBytes?: (bytes: number) => void }) {
    const own = new URL(url).origin === new URL(this.baseUrl).origin;
    try {
      const answer = await (own ? this.#http : this.#others).exchange({
        method: 'GET', url, signal, deadlineMs: FILE_MS, onBytes, headers: own && this.#key !== null ? { authorization: `Bearer ${this.#key}` } : {}, ...(maxBytes === undefined ? {} : { maxBodyBytes: maxBytes }),
      });
      if (AGAIN.has(answer.status)) throw apiError(answer.status, null, retryAfter(answer.headers.get('retry-after'), this.#clock.now()));
      return answer;
    } catch (error) {
      throw transportError(error);
    }
  }

  async #once(request: HebingRequest): Promise<HebingAnswer> {
    const query = new URLSearchParams(request.query).toString();
    let answer;
    try {
      answer = await this.#http.exchange({
        method: request.method, url: `${this.baseUrl}${request.path}${query === '' ? '' : `?${query}`}`, json: request.json, signal: request.signal,
        headers: { accept: 'application/json', ...(this.#key === null ? {} : { authorization: `Bearer ${this.#key}` }) },
        ...(request.deadlineMs === undefined ? {} : { deadlineMs: request.deadlineMs }),
      });
    } catch (error) {
      throw transportError(error);
    }
    const text = this.#without(new TextDecoder().decode(answer.body));
    const body = parsed(text);
    if (answer.status < 200 || answer.status > 299) throw apiError(answer.status, body === undefined ? text : this.#withoutEscaped(body), retryAfter(answer.headers.get('retry-after'), this.#clock.now()));
    if (body === undefined) throw new HebingError('bad_answer', `${this.baseUrl} answered with something that is not JSON. Is it the address of hebing?`);
    const serverTime = Date.parse(answer.headers.get('date') ?? '');
    return { status: answer.status, body, serverTime: Number.isNaN(serverTime) ? null : serverTime };
  }

  /** A server that sends the key back must not bring it into an error or a log. */
  #without(text: string): string {
    return this.#key === null ? text : text.replaceAll(this.#key, '[redacted]');
  }

  /** The same of a body whose JSON wrote the key in another way. */
  #withoutEscaped(body: JsonValue): JsonValue {
    if (this.#key === null) return body;
    try {
      return JSON.parse(JSON.stringify(body).replaceAll(JSON.stringify(this.#key).slice(1, -1), '[redacted]')) as JsonValue;
    } catch {
      // Deeper than can be written: nothing of it is looked at.
      return null;
    }
  }

  toJSON(): { readonly baseUrl: string } {
    return { baseUrl: this.baseUrl };
  }
  [inspect.custom](): string {
    return `HebingHttp { baseUrl: ${JSON.stringify(this.baseUrl)} }`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#http[Symbol.asyncDispose](), this.#others[Symbol.asyncDispose]()]);
  }
}

/** The base URL as it is used: http or https, no user, query or slash at the end. Throws `invalid_argument`, `plain_http_refused`. */
export function hebingAddress(text: string, options: { readonly allowPlainHttp?: boolean | undefined } = {}): string {
  try {
    return serverAddress(text.trim(), { allowPlainHttp: options.allowPlainHttp === true });
  } catch (error) {
    throw transportError(error);
  }
}

/** The address of a file as it is fetched. Throws `invalid_argument`. */
function fileAddress(text: string, baseUrl: string, from = baseUrl): string {
  const url = URL.canParse(text, from) ? new URL(text, from) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '' || url.password !== '') throw invalid('The file is at no http or https address.');
  if (isHere(url.hostname) && !isHere(new URL(baseUrl).hostname)) throw invalid('hebing names a file of this computer. It was not fetched.');
  url.hash = '';
  return url.href;
}

/** True for addresses that lead to this computer: those of loopback, the unspecified ones, which the system takes for it, and either within IPv6. `hostname` as URLs have it. */
function isHere(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  const [, high, low] = /^::(?:ffff:(?:0:)?)?([\da-f]{1,4}):([\da-f]{1,4})$/.exec(host) ?? [];
  if (high !== undefined && low !== undefined) return isHere([high, low].flatMap((part) => [Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 255]).join('.'));
  return isLoopback(host) || host === '::' || /^0\.\d+\.\d+\.\d+$/.test(host);
}

/** A key as a header can carry it. Throws `credentials_missing`, `credentials_malformed`; neither quotes it. */
export function keyOf(text: string): string {
  if (typeof text !== 'string') throw invalid('apiKey is not a text.');
  const key = text.trim();
  if (key === '') throw new HebingError('credentials_missing', 'The hebing key is empty.', { personMustAct: true });
  if (!/^[\x21-\x7e]+$/.test(key)) throw new HebingError('credentials_malformed', 'The hebing key holds characters that no key has. Copy it again.', { personMustAct: true });
  return key;
}

/** True for failures where another try may bring what this one did not: the network's, 429 and the passing ones of 5xx. */
export function isPassing(error: unknown): boolean {
  if (error instanceof HebingTransportError) return !error.personMustAct;
  return error instanceof HebingAPIError && AGAIN.has(error.status);
}

function mendable(error: unknown): { readonly retry: true; readonly afterMs: number | null } | { readonly retry: false } {
  if (!isPassing(error)) return { retry: false };
  return { retry: true, afterMs: error instanceof HebingAPIError ? error.retryAfterMs : null };
}

/** Undefined where it is no JSON; null where it is empty. */
function parsed(text: string): JsonValue | undefined {
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

const STATUS_CODES: Readonly<Record<number, string>> = {
  400: 'bad_request', 401: 'unauthorized', 402: 'payment_required', 403: 'forbidden', 404: 'not_found', 408: 'request_timeout', 409: 'conflict', 410: 'gone', 413: 'too_large',
  422: 'validation_failed', 428: 'precondition_required', 429: 'rate_limited',
};

/**
 * Bodies of both forms, `{code, detail}` and FastAPI's `{detail: {code, message}}`, and of those that stand before hebing: `{detail: text}`, FastAPI's list of what is wrong with a
 * body, OAuth's `{error, error_description}`, `{message}`.
 */
export function apiError(status: number, body: JsonValue, retryAfterMs: number | null = null): HebingAPIError {
  const own = isJsonObject(body) ? body : {};
  const inner = isJsonObject(own['detail']) ? own['detail'] : isJsonObject(own['error']) ? own['error'] : {};
  const code = [own['code'], inner['code'], own['error']].find((one): one is string => typeof one === 'string' && /^[\w.-]{1,64}$/.test(one));
  const said = [own['detail'], inner['message'], inner['detail'], own['error_description'], own['message'], own['error']].map(wordsOf).find((one) => one !== '' && one !== code) ?? '';
  return new HebingAPIError(status, code ?? STATUS_CODES[status] ?? (status >= 500 ? 'server_error' : status < 400 ? 'redirected' : 'request_refused'), said, { body, retryAfterMs });
}

/** One line of at most 500 characters; '' for what has no words. */
function wordsOf(value: JsonValue | undefined): string {
  const text = typeof value === 'string' ? value : Array.isArray(value) ? value.map(complaint).filter((one) => one !== '').join('; ') : '';
  return redact(text).replaceAll(/\p{C}+|\s+/gu, ' ').trim().slice(0, 500);
}

/** One of FastAPI's list: `{loc: ['body', 'input_payload', 'prompt'], msg}`. */
function complaint(value: JsonValue): string {
  if (!isJsonObject(value) || typeof value['msg'] !== 'string') return typeof value === 'string' ? value : '';
  const place = Array.isArray(value['loc']) ? (value['loc'] as readonly JsonValue[]).filter((one) => typeof one === 'string' || typeof one === 'number').join('.') : '';
  return place === '' ? value['msg'] : `${place}: ${value['msg']}`;
}
