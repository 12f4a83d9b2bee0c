import type { Readable } from 'node:stream';
import type { Dispatcher, FormData } from 'undici';
import type { Clock } from '../model/context.ts';
import { PilothouseError } from '../model/errors.ts';
import type { JsonValue } from '../model/json.ts';
import { abortReason, systemClock } from './clock.ts';
import { Dispatchers, proxyTrouble } from './dispatchers.ts';
import { isLoopback } from './loopback.ts';
import type { ProxyRoute, ProxySource } from './proxy.ts';
import { ProxyError } from './proxy.ts';
import { isUnconnected, whyUnreachable } from './reason.ts';
import { redact } from './redact.ts';
import { Slicer } from './slices.ts';

export { isLoopback } from './loopback.ts';

export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface HttpRequest {
  readonly method: HttpMethod;
  /** Absolute, http or https, without a user or a password. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, with its content type. */
  readonly json?: JsonValue | undefined;
  /** Sent as it is, a stream as it comes; not together with `json`. A form is one of undici's own class: it takes no other. */
  readonly body?: Uint8Array | FormData | Readable;
  /** Milliseconds for all of it, the body included; the client's own by default. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the answer that are taken at most; the client's own by default. */
  readonly maxBodyBytes?: number;
  /** Told how many bytes of the answer's body have come. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

interface HttpHead {
  readonly status: number;
  /** Names in lower case; repeated ones joined with a comma. */
  readonly headers: ReadonlyMap<string, string>;
}
interface HttpAnswer extends HttpHead {
  readonly body: Uint8Array;
}
/** An answer whose body is read as it comes. */
interface HttpStream extends HttpHead {
  readonly body: AsyncIterable<Uint8Array>;
}

type HttpFailure = 'network' | 'timeout' | 'status' | 'bad_json' | 'too_large' | 'plain_http' | 'invalid' | 'proxy';

const CODES: Readonly<Record<HttpFailure, string>> = {
  network: 'http_network', timeout: 'http_timeout', status: 'http_status', bad_json: 'http_bad_json', too_large: 'http_too_large', plain_http: 'plain_http_refused', invalid: 'invalid_argument',
  proxy: 'proxy_failed',
};

/**
 * A request that brought no usable answer. Codes: `http_network`, `http_timeout`, `http_status`, `http_bad_json`, `http_too_large`, `plain_http_refused`,
 * `invalid_argument`, and those of ProxyError, which is its cause then. `excerpt` is the beginning of the answer's body with the request's own secrets taken out; `retryAfterMs` is what the server asked for.
 */
export class HttpError extends PilothouseError {
  readonly failure: HttpFailure;
  readonly status: number | null;
  readonly excerpt: string;
  readonly retryAfterMs: number | null;
  /** Of `network`: why, in words for a person, where that is known. */
  readonly why: string | null;
  /** True: certainly nothing of the request has reached the server, for there was no connection to it. False: it may have. */
  readonly unsent: boolean;
  constructor(failure: HttpFailure, message: string, more: { readonly cause?: unknown; readonly status?: number; readonly excerpt?: string; readonly retryAfterMs?: number | null; readonly why?: string | null; readonly unsent?: boolean } = {}) {
    const proxy = more.cause instanceof ProxyError ? more.cause : null;
    super(proxy?.code ?? CODES[failure], message, { cause: more.cause, personMustAct: proxy?.personMustAct ?? failure === 'plain_http' });
    this.failure = failure;
    this.status = more.status ?? null;
    this.excerpt = more.excerpt ?? '';
    this.retryAfterMs = more.retryAfterMs ?? null;
    this.why = more.why ?? null;
    this.unsent = more.unsent ?? (failure === 'proxy' || failure === 'invalid' || failure === 'plain_http');
  }
}

interface HttpOptions {
  /** Connections of a caller, such as a test's. It is not closed by us, and no proxy is looked for. */
  readonly dispatcher?: Dispatcher;
  /** The proxies between us and servers; none by default. */
  readonly proxy?: ProxySource | undefined;
  /** Plain http beyond loopback, which shows every token to the network, only when the person said so. */
  readonly allowPlainHttp?: boolean;
  readonly clock?: Clock;
  /** Milliseconds; 30,000 by default. */
  readonly deadlineMs?: number;
  /** Bytes; 64 MiB by default. */
  readonly maxBodyBytes?: number;
}

/** How a system's client reaches its server; each adds the name of its address. */
export interface ServerOptions {
  /** Plain http beyond loopback shows the key, and all that is sent, to the network. */
  readonly allowPlainHttp?: boolean | undefined;
  /** Connections of a caller, such as a test's. It is not closed by us, and no proxy is looked for. */
  readonly dispatcher?: Dispatcher | undefined;
  /** The proxies on the way; those of the environment by default. */
  readonly proxy?: ProxySource | undefined;
  /** In place of the process's own. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly clock?: Clock | undefined;
  /** Milliseconds for one request; 30,000 by default. */
  readonly deadlineMs?: number | undefined;
}

const EXCERPT = 300;
/** The longest time that timers take: one that is set to more is over at once. */
const LONGEST_MS = 2_147_483_647;

/**
 * The address of a server as it is used from then on: http or https, no user, query or fragment, no slash at its end.
 * Throws `invalid_argument`, with `example` for one that is none, or `plain_http_refused` for plain http beyond loopback that nobody allowed.
 */
export function serverAddress(text: string, options: { readonly allowPlainHttp?: boolean; readonly example?: string } = {}): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new HttpError('invalid', `The server address is not an http or https URL. Give one such as ${options.example ?? 'https://happy.example.org'}.`);
  }
  if (url.username !== '' || url.password !== '') throw new HttpError('invalid', 'The server address holds a user or a password. Give it without.');
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && options.allowPlainHttp !== true) {
    throw new HttpError('plain_http', `${url.origin} is plain http: the token would travel in clear. Use https, or allow plain http for this server (allowPlainHttp, --allow-http).`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/**
 * HTTP over undici with a deadline, an abort signal and a bound on what is read. Redirects are not followed: a token must not travel to another host.
 * Every failure is an HttpError, save an abort, which rejects with the signal's reason. Nothing is retried here (retry.ts).
 */
export class HttpClient implements AsyncDisposable {
  readonly #options: HttpOptions;
  readonly #clock: Clock;
  readonly #own: Dispatchers;
  #closed = false;

  constructor(options: HttpOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#own = new Dispatchers(options.proxy ?? null);
  }

  /** Any answer of status 200 to 299; other ones are HttpErrors of failure `status`, redirects too. */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.exchange(request);
    if (answer.status >= 200 && answer.status < 300) return answer;
    const excerpt = excerptOf(answer.body, request);
    const retryAfterMs = retryAfter(answer.headers.get('retry-after'), this.#clock.now());
    throw new HttpError('status', `${label(request)} was answered with ${answer.status}${excerpt === '' ? '' : `: ${excerpt}`}`, { status: answer.status, excerpt, retryAfterMs });
  }

  /** The answer's body as JSON; null for an empty one. */
  async json(request: HttpRequest): Promise<JsonValue> {
    const answer = await this.request(request);
    const slicer = new Slicer({ signal: request.signal });
    if (slicer.due()) await slicer.rest();
    const text = new TextDecoder().decode(answer.body);
    if (text.trim() === '') return null;
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      // The parser's own message quotes the text, secrets and all.
      throw new HttpError('bad_json', `${label(request)} was answered with something that is not JSON. Is this the address of the right server?`, { status: answer.status, excerpt: excerptOf(answer.body, request) });
    }
  }

  /** Whatever the server answers, of any status. */
  async exchange(request: HttpRequest): Promise<HttpAnswer> {
    const most = request.maxBodyBytes ?? this.#options.maxBodyBytes ?? 64 * 1024 * 1024;
    return this.streamed(request, async ({ status, headers, body }) => ({ status, headers, body: await bounded(body, most, request) }));
  }

  /**
   * Whatever the server answers, of any status: `read` is given its body as it comes, within the request's deadline, and what it gives or throws is the call's own. The bound on the body
   * is the reader's to keep.
   */
  async streamed<T>(request: HttpRequest, read: (answer: HttpStream) => Promise<T>): Promise<T> {
    if (request.signal?.aborted === true) throw abortReason(request.signal);
    if (this.#closed) throw new HttpError('network', `${label(request)} was not sent: this connection is closed.`);
    const url = `${serverAddress(withoutQuery(request.url), this.#options)}${queryOf(request.url)}`;
    const json = request.json === undefined ? undefined : written(request.json, request);
    const stop = new AbortController();
    const wanted = (): boolean => request.signal?.aborted !== true;
    const deadlineMs = Math.min(request.deadlineMs ?? this.#options.deadlineMs ?? 30_000, LONGEST_MS);
    const late = new AbortController();
    const timer = this.#clock.setTimeout(() => {
      late.abort();
      stop.abort();
    }, deadlineMs);
    const onAbort = (): void => stop.abort();
    request.signal?.addEventListener('abort', onAbort, { once: true });
    let route: ProxyRoute | null = null;
    try {
      // Loaded with the first request: whoever needs an address checked, as the extension does when it starts, does not wait for it.
      const undici = await import('undici');
      if (stop.signal.aborted) throw abortReason(stop.signal);
      if (this.#closed) throw new HttpError('network', `${label(request)} was not sent: this connection is closed.`);
      const way = this.#options.dispatcher === undefined ? this.#own.to(undici, url) : { route: null, dispatcher: this.#options.dispatcher };
      ({ route } = way);
      const answer = await undici.request(url, {
        dispatcher: way.dispatcher, method: request.method, signal: stop.signal, headersTimeout: deadlineMs, bodyTimeout: deadlineMs,
        headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...request.headers },
        body: json ?? request.body ?? null,
      });
      const headers = new Map(Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.join(', ') : (value ?? '')]));
      return await read({ status: answer.statusCode, headers, body: answer.body });
    } catch (error) {
      // Whatever is left of the answer is not waited for.
      stop.abort();
      if (!wanted()) throw abortReason(request.signal);
      if (error instanceof PilothouseError && !(error instanceof ProxyError)) throw error;
      const refusal = proxyTrouble(error, route);
      if (refusal !== null) throw new HttpError('proxy', `${label(request)} failed. ${refusal.message}`, { cause: refusal });
      if (late.signal.aborted || isTimeout(error)) {
        throw new HttpError('timeout', `${label(request)} took longer than ${Math.round(deadlineMs / 100) / 10} s. Is the server reachable?`);
      }
      throw new HttpError('network', `${label(request)} failed: ${reasonOf(error)}. Is the server reachable?`, { why: whyUnreachable(error, new URL(request.url).host), unsent: isUnconnected(error) });
    } finally {
      timer.cancel();
      request.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Drops every open connection: after a sleep or a change of network they are dead, and nothing would say so before the deadline. Requests under way fail. */
  reset(): void {
    this.#own.destroy().catch(() => undefined);
  }

  /** Ends every connection. Requests after it are refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#own.destroy();
  }
}

/** Types do not keep every caller from giving what JSON cannot carry: that is no failure of the network, and nothing was sent. */
function written(value: JsonValue, request: HttpRequest): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new HttpError('invalid', `${label(request)} was not sent: what it is given cannot be written as JSON. Give plain objects, lists, texts and numbers.`, { cause });
  }
}

/** undici's own deadlines, by the codes that it documents. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'UND_ERR_HEADERS_TIMEOUT' || error.code === 'UND_ERR_BODY_TIMEOUT');
}

async function bounded(body: AsyncIterable<Uint8Array>, most: number, request: HttpRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > most) throw new HttpError('too_large', `${label(request)} was answered with more than ${most} bytes.`);
    chunks.push(chunk);
    request.onBytes?.(size);
  }
  return Buffer.concat(chunks);
}

/** Method, host and path: the query may hold what is nobody's business. */
function label(request: HttpRequest): string {
  const url = URL.canParse(request.url) ? new URL(request.url) : null;
  return `${request.method} ${url === null ? 'a bad address' : `${url.host}${url.pathname}`}`;
}

function withoutQuery(url: string): string {
  return url.split(/[?#]/, 1)[0] ?? '';
}

function queryOf(url: string): string {
  const at = url.indexOf('?');
  return at < 0 ? '' : (url.slice(at).split('#', 1)[0] ?? '');
}

/** The beginning of an answer with control characters, and every secret that the request carried, taken out. */
function excerptOf(body: Uint8Array, request: HttpRequest): string {
  let text = new TextDecoder().decode(body.subarray(0, 4 * EXCERPT));
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (!/authorization|key|token|secret|cookie/i.test(name)) continue;
    for (const secret of [value, value.replace(/^\S+\s+/, '')]) if (secret.length >= 4) text = text.replaceAll(secret, '[redacted]');
  }
  return redact(text).replaceAll(/\p{C}+|\s+/gu, ' ').trim().slice(0, EXCERPT);
}

/** undici's message or code, without its chain: for names and addresses it is enough, and nothing of the request is in it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown reason';
  const code = (error as { code?: unknown }).code;
  return redact(error.message === '' ? (typeof code === 'string' ? code : error.name) : error.message);
}

/** Milliseconds until the time that a `Retry-After` header names, in seconds or as a date; null without a valid one. */
export function retryAfter(header: string | undefined, now: number): number | null {
  if (header === undefined) return null;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const at = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
