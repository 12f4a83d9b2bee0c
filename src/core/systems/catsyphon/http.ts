import { inspect } from 'node:util';
import type { Clock } from '../../model/context.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import type { ServerOptions } from '../../transport/http.ts';
import { HttpClient, retryAfter, serverAddress } from '../../transport/http.ts';
import { proxyFromEnv } from '../../transport/proxy.ts';
import { redact } from '../../transport/redact.ts';
import { systemClock } from '../../transport/clock.ts';
import { apiError, CatsyphonError, invalid, transportError } from './errors.ts';

/** How a CatSyphon is reached; the same for collectors and for registration. */
export interface CatsyphonHttpOptions extends ServerOptions {
  /** http or https, with its path (`…/api` behind the project's own nginx). */
  readonly serverUrl: string;
}
interface Credentials {
  readonly collectorId: string;
  readonly apiKey: string;
}
interface Request {
  readonly method: 'GET' | 'POST';
  /** Of `paths`. */
  readonly path: string;
  readonly json?: JsonValue;
  readonly signal?: AbortSignal | undefined;
}

/**
 * JSON requests to a CatSyphon, each sent once. The key is in the header of requests to the base URL and nowhere else: redirects are not followed. Rejections are CatsyphonAPIError (a status
 * other than 2xx), CatsyphonTransportError, CatsyphonError, or the signal's reason.
 */
export class CatsyphonHttp implements AsyncDisposable {
  readonly serverUrl: string;
  readonly clock: Clock;
  readonly #http: HttpClient;
  readonly #credentials: Credentials | null;

  /** `credentials` null: for registering, where there are none yet. Throws `plain_http_refused`, `invalid_argument`. */
  constructor(credentials: Credentials | null, options: CatsyphonHttpOptions) {
    this.serverUrl = catsyphonAddress(options.serverUrl, options);
    this.clock = options.clock ?? systemClock;
    this.#credentials = credentials === null ? null : { collectorId: headerOf(credentials.collectorId, 'collectorId'), apiKey: headerOf(credentials.apiKey, 'apiKey') };
    this.#http = new HttpClient({
      clock: this.clock, proxy: options.proxy ?? (() => proxyFromEnv(options.env ?? process.env)), allowPlainHttp: options.allowPlainHttp === true,
      ...(options.dispatcher === undefined ? {} : { dispatcher: options.dispatcher }), ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
    });
  }

  async request(request: Request): Promise<JsonObject> {
    const own = this.#credentials;
    let answer;
    try {
      answer = await this.#http.exchange({
        method: request.method, url: `${this.serverUrl}${request.path}`, json: request.json, signal: request.signal,
        // The scheme is matched by case (observed).
        headers: { accept: 'application/json', ...(own === null ? {} : { authorization: `Bearer ${own.apiKey}`, 'x-collector-id': own.collectorId }) },
      });
    } catch (error) {
      throw transportError(error);
    }
    const text = new TextDecoder().decode(answer.body);
    const body = parsed(own === null ? text : text.replaceAll(own.apiKey, '[redacted]'));
    if (answer.status < 200 || answer.status > 299) {
      const detail = isJsonObject(body) ? (body['detail'] ?? null) : null;
      throw apiError(answer.status, { detail: answer.status >= 500 ? '' : wordsOf(detail), refused: answer.status === 422 ? refusedOf(detail) : [], retryAfterMs: retryAfter(answer.headers.get('retry-after'), this.clock.now()) });
    }
    if (!isJsonObject(body)) throw new CatsyphonError('bad_answer', `${this.serverUrl} answered with something that CatSyphon does not send. Is it the right address?`);
    return body;
  }

  toJSON(): { readonly serverUrl: string } {
    return { serverUrl: this.serverUrl };
  }
  [inspect.custom](): string {
    return `CatsyphonHttp { serverUrl: ${JSON.stringify(this.serverUrl)} }`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }
}

/** The base URL as it is used: http or https, no user, query or slash at the end. Throws `invalid_argument`, `plain_http_refused`. */
export function catsyphonAddress(text: string, options: { readonly allowPlainHttp?: boolean | undefined } = {}): string {
  if (typeof text !== 'string') throw invalid('serverUrl is not a text.');
  try {
    return serverAddress(text.trim(), { allowPlainHttp: options.allowPlainHttp === true });
  } catch (error) {
    throw transportError(error);
  }
}

/** What a header can carry. Throws `invalid_argument`, which does not quote it. */
function headerOf(text: string, name: string): string {
  const value = typeof text === 'string' ? text.trim() : '';
  if (!/^[\x21-\x7e]+$/.test(value)) throw invalid(`${name} is empty or holds characters that none has.`);
  return value;
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return null;
  }
}

/** One line of at most 500 characters; '' for what has no words. What the server echoes of a request (`input`, `ctx`) stays out. */
function wordsOf(value: JsonValue): string {
  const text = typeof value === 'string' ? value : Array.isArray(value) ? value.map(complaint).filter((one) => one !== '').join('; ') : '';
  return redact(text).replaceAll(/\p{C}+|\s+/gu, ' ').trim().slice(0, 500);
}

/** One of pydantic's list: `{loc: ['body', 'events', 0, 'data', 'author_role'], msg}`. */
function complaint(value: JsonValue): string {
  if (!isJsonObject(value) || typeof value['msg'] !== 'string') return '';
  const place = Array.isArray(value['loc']) ? (value['loc'] as readonly JsonValue[]).filter((one) => typeof one === 'string' || typeof one === 'number').join('.') : '';
  return place === '' ? value['msg'] : `${place}: ${value['msg']}`;
}

function refusedOf(detail: JsonValue): readonly number[] {
  if (!Array.isArray(detail)) return [];
  const named = (detail as readonly JsonValue[]).map((one) => (isJsonObject(one) && Array.isArray(one['loc']) ? (one['loc'] as readonly JsonValue[]) : []));
  return [...new Set(named.flatMap((loc) => (loc[0] === 'body' && loc[1] === 'events' && typeof loc[2] === 'number' ? [loc[2]] : [])))];
}
