import type { Dispatcher } from 'undici';
import type { CallOptions } from '../../model/backend.ts';
import type { Clock } from '../../model/context.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { HttpClient, serverAddress } from '../../transport/http.ts';
import type { ProxySource } from '../../transport/proxy.ts';
import { proxyFromEnv } from '../../transport/proxy.ts';
import { ForgeError, forgeError, invalid, requireSeconds, requireText } from './errors.ts';
import { ForgeHttp } from './http.ts';
import { paths } from './paths.ts';
import type { ForgeTurnOptions, SessionCalls } from './session.ts';
import { ForgeSession } from './session.ts';
import { multipart } from './upload.ts';
import type { AppToken, FileToken, ForgeHealth, ForgeSessionState, RunResult, TurnResult } from './types.ts';
import type { UploadSource } from './upload.ts';
import type { CamelFields } from './wire.ts';
import { anything, camelFields, closeAnswer, createdAnswer, fileAnswer, healthAnswer, runAnswer, sessionRow, sessionsAnswer, tokenRow, tokensAnswer } from './wire.ts';
import type { z } from 'zod';

export interface ForgeOptions {
  /** `http://host:port`; a slash at its end does not count. Plain http is taken: clawdforge is a service of the local network. */
  readonly baseUrl: string;
  /** An app token (`cf_…`), or the admin bootstrap token for tokens. */
  readonly token: string;
  readonly defaultModel?: string;
  readonly defaultTimeoutSecs?: number;
  /** Seconds beyond what the server may work that are waited for its answer. */
  readonly httpTimeoutMargin?: number;
  /** Connections of the caller, which are not closed with this client. */
  readonly dispatcher?: Dispatcher;
  /** The proxies on the way; those that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name by default. */
  readonly proxy?: ProxySource | undefined;
  readonly clock?: Clock;
  /** Milliseconds before a read is tried for the second time; 250 by default. */
  readonly retryBaseMs?: number;
}

export interface RunRequest extends CallOptions {
  readonly prompt: string;
  readonly model?: string;
  /** The system text. */
  readonly system?: string;
  /** Tokens of uploaded files. */
  readonly files?: readonly string[];
  /** Seconds that the server may work, 5 to 600. */
  readonly timeoutSecs?: number;
}
export interface UploadOptions extends CallOptions {
  /** Seconds that the server keeps the file, 60 to 86,400; an hour by default. */
  readonly ttlSecs?: number;
  readonly filename?: string;
  readonly contentType?: string;
  /** Told after each piece how many bytes were handed over, of how many. */
  readonly onProgress?: (sent: number, total: number) => void;
}
export interface ForgeSessionOptions extends CallOptions {
  readonly agent?: string;
  readonly meta?: JsonObject;
}

/** An upload that goes slower than this, in bytes a second, is given up. */
const SLOWEST = 64 * 1024;

/**
 * A clawdforge server (clawdforge.md). Runs, turns, uploads and whatever makes something are sent once and never again; reads are tried up to three times. Deadlines are longer than what the
 * server may take, so that it is never left while it still works. Every rejection is a ForgeError, save an abort, which rejects with the signal's reason.
 */
export class Forge implements AsyncDisposable {
  readonly baseUrl: string;
  readonly #client: HttpClient;
  readonly #http: ForgeHttp;
  readonly #model: string;
  readonly #timeoutSecs: number;
  readonly #marginMs: number;
  readonly #calls: SessionCalls;

  /** Throws `invalid_argument`. */
  constructor(options: ForgeOptions) {
    const { token, defaultModel = 'sonnet', defaultTimeoutSecs = 120, httpTimeoutMargin = 30, clock, dispatcher } = options;
    this.baseUrl = addressOf(options.baseUrl);
    if (!/^[\x21-\x7e]+$/.test(requireText(token, 'The token'))) throw invalid('The token holds characters that no token has.');
    if (typeof httpTimeoutMargin !== 'number' || !(httpTimeoutMargin >= 0 && httpTimeoutMargin <= 86_400)) throw invalid('The margin of the HTTP deadline is not a number of seconds.');
    this.#model = requireText(defaultModel, 'The default model');
    this.#timeoutSecs = requireSeconds(defaultTimeoutSecs, 'The default timeout');
    this.#marginMs = httpTimeoutMargin * 1_000;
    this.#client = new HttpClient({
      allowPlainHttp: true, proxy: options.proxy ?? (() => proxyFromEnv(process.env)), ...(clock === undefined ? {} : { clock }), ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    this.#http = new ForgeHttp(this.#client, this.baseUrl, token, { ...(clock === undefined ? {} : { clock }), ...(options.retryBaseMs === undefined ? {} : { baseMs: options.retryBaseMs }) });
    this.#calls = {
      turn: (id, prompt, turn) => this.#turn(id, prompt, turn),
      state: (id, call) => this.getSession(id, call),
      close: (id, call) => this.#close(id, call),
    };
  }

  async healthz(options: CallOptions = {}): Promise<ForgeHealth> {
    return camelFields(await this.#http.call(healthAnswer, { method: 'GET', path: paths.health, asked: 'health', repeatable: true, ...only(options) }));
  }

  /** One prompt without a session. Rejects with `run_failed` (502), which says the server's `error` and `stderr`. */
  async run(request: RunRequest): Promise<RunResult> {
    const prompt = requireText(request.prompt, 'The prompt');
    const { secs, deadlineMs } = this.#deadline(request.timeoutSecs);
    const { files, system } = request;
    if (files !== undefined && !areTexts(files)) throw invalid('The files are not a list of file tokens.');
    const json = { prompt, model: request.model === undefined ? this.#model : requireText(request.model, 'The model'), ...(system === undefined ? {} : { system }), ...(files === undefined ? {} : { files }), timeout_secs: secs };
    return camelFields(await this.#http.call(runAnswer, { method: 'POST', path: paths.run, asked: 'run', json, deadlineMs, repeatable: false, ...only(request) }));
  }

  /** Sends a file as it is read, for the runs that name its token. The server refuses a `ttlSecs` that is not within 60 to 86,400 (400). */
  async uploadFile(source: UploadSource, options: UploadOptions = {}): Promise<FileToken> {
    const ttlSecs = requireSeconds(options.ttlSecs ?? 3_600, 'The time to keep the file');
    options.signal?.throwIfAborted();
    const { body, headers, size } = await multipart(source, { ttlSecs, filename: options.filename, contentType: options.contentType, onProgress: options.onProgress });
    const deadlineMs = 30_000 + this.#marginMs + (size / SLOWEST) * 1_000;
    try {
      return camelFields(await this.#http.call(fileAnswer, { method: 'POST', path: paths.files, asked: 'upload', form: { body, headers }, deadlineMs, repeatable: false, ...only(options) }));
    } finally {
      body.destroy();
    }
  }

  /** Makes a session, which `await using` closes. */
  session(options: ForgeSessionOptions = {}): Promise<ForgeSession> {
    return this.createSession(options);
  }

  /** Makes a session that lives until the caller closes it, or its time on the server is over. */
  async createSession(options: ForgeSessionOptions = {}): Promise<ForgeSession> {
    const agent = requireText(options.agent ?? 'claude', 'The agent');
    const json = { agent, ...(options.meta === undefined ? {} : { meta: options.meta }) };
    const made = camelFields(await this.#http.call(createdAnswer, { method: 'POST', path: paths.sessions, asked: 'sessions', json, repeatable: false, ...only(options) }));
    return new ForgeSession(this.#calls, made);
  }

  /** A session that is there already, by its id. Nothing is asked of the server. Throws `invalid_argument`. */
  attach(sessionId: string, known: { readonly agent?: string; readonly meta?: JsonValue } = {}): ForgeSession {
    return new ForgeSession(this.#calls, { sessionId: requireText(sessionId, 'The session\'s id'), agent: known.agent ?? 'claude', createdAt: null, meta: known.meta ?? null });
  }

  /** The sessions of this token, newest first. Rows that cannot be read are left out. */
  async listSessions(options: { readonly includeClosed?: boolean } & CallOptions = {}): Promise<readonly ForgeSessionState[]> {
    const path = options.includeClosed === false ? `${paths.sessions}?include_closed=false` : paths.sessions;
    const rows = await this.#http.call(sessionsAnswer, { method: 'GET', path, asked: 'sessions', repeatable: true, ...only(options) });
    return readable(sessionRow, rows);
  }

  /** Rejects with `session_not_found` where there is none of this token. */
  async getSession(id: string, options: CallOptions = {}): Promise<ForgeSessionState> {
    return camelFields(await this.#http.call(sessionRow, { method: 'GET', path: paths.session(requireText(id, 'The session\'s id')), asked: 'session', repeatable: true, ...only(options) }));
  }

  /** Admin: makes an app token; an empty list of ranges lets every address use it. */
  async createToken(name: string, options: { readonly ipCidrs?: readonly string[] } & CallOptions = {}): Promise<AppToken> {
    const { ipCidrs = [] } = options;
    // A text in place of a list might be taken for no ranges at all: the token would be good from anywhere.
    if (!areTexts(ipCidrs)) throw invalid('The IP ranges are not a list of ranges such as 10.0.0.0/8.');
    const json = { name: requireText(name, 'The token\'s name'), ip_cidrs: ipCidrs };
    return camelFields(await this.#http.call(tokenRow, { method: 'POST', path: paths.tokens, asked: 'admin', json, repeatable: false, ...only(options) }));
  }

  /** Admin: the app tokens, without the tokens themselves. */
  async listTokens(options: CallOptions = {}): Promise<readonly AppToken[]> {
    return readable(tokenRow, await this.#http.call(tokensAnswer, { method: 'GET', path: paths.tokens, asked: 'admin', repeatable: true, ...only(options) }));
  }

  /** Admin: gives true when the token is revoked. Rejects with `token_not_found` where there is none of that name. It is sent once: a second one would be refused for the success of the first. */
  async revokeToken(name: string, options: CallOptions = {}): Promise<true> {
    await this.#http.call(anything, { method: 'DELETE', path: paths.token(requireText(name, 'The token\'s name')), asked: 'token', repeatable: false, ...only(options) });
    return true;
  }

  /** Ends every connection; requests after it are refused. */
  async close(): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #turn(id: string, prompt: string, options: ForgeTurnOptions): Promise<TurnResult> {
    const text = requireText(prompt, 'The prompt');
    const path = paths.turn(requireText(id, 'The session\'s id'));
    const { secs, deadlineMs } = this.#deadline(options.timeoutSecs);
    let thrown: { readonly error: unknown } | null = null;
    const answer = await this.#http.turn({
      path, json: { prompt: text, timeout_secs: secs }, deadlineMs, onOpen: options.onOpen, ...only(options),
      onEvent: (event) => {
        try {
          options.onEvent?.(event);
        } catch (error) {
          thrown ??= { error };
        }
      },
    });
    // What was paid for is not broken off for a listener's fault.
    const fault = thrown as { readonly error: unknown } | null;
    if (fault !== null) throw fault.error instanceof Error ? fault.error : new ForgeError('listener_failed', 'What listened to the events of the turn failed.', { cause: fault.error });
    const fields = camelFields(answer);
    const events = answer.events as TurnResult['events'];
    return {
      ...fields, sessionId: fields.sessionId ?? id, events,
      text: () => events.flatMap((event) => (event.type === 'text' && typeof event['content'] === 'string' ? [event['content']] : [])).join(''),
    };
  }

  /** A second one is answered like the first (`already_closed`), so that it may be tried again. */
  async #close(id: string, options: CallOptions): Promise<{ readonly alreadyClosed: boolean }> {
    return camelFields(await this.#http.call(closeAnswer, { method: 'DELETE', path: paths.session(requireText(id, 'The session\'s id')), asked: 'session', repeatable: true, ...only(options) }));
  }

  #deadline(timeoutSecs: number | undefined): { readonly secs: number; readonly deadlineMs: number } {
    const secs = timeoutSecs === undefined ? this.#timeoutSecs : requireSeconds(timeoutSecs, 'The timeout');
    return { secs, deadlineMs: secs * 1_000 + this.#marginMs };
  }
}

function addressOf(baseUrl: string): string {
  try {
    return serverAddress(baseUrl, { allowPlainHttp: true, example: 'http://192.168.0.5:8800' });
  } catch (error) {
    throw forgeError(error, false);
  }
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string' && each.trim() !== '');
}

function only({ signal }: CallOptions): CallOptions {
  return signal === undefined ? {} : { signal };
}

function readable<T extends object>(schema: z.ZodType<T>, rows: readonly unknown[]): readonly CamelFields<T>[] {
  return rows.flatMap((row) => {
    const parsed = schema.safeParse(row);
    return parsed.success ? [camelFields(parsed.data)] : [];
  });
}
