import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { CallOptions } from '../../model/backend.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import type { HttpClient, HttpMethod } from '../../transport/http.ts';
import { retryAfter } from '../../transport/http.ts';
import type { RetryOptions } from '../../transport/retry.ts';
import { withRetry } from '../../transport/retry.ts';
import { keepAlive } from '../../transport/wait.ts';
import { apiError, ForgeAPIError, ForgeError, forgeError, ForgeTransportError } from './errors.ts';
import type { Asked } from './errors.ts';
import { formOf, readStream } from './stream.ts';
import { eventOf, turnAnswer } from './wire.ts';
import type { ForgeEvent } from './types.ts';

interface Call extends CallOptions {
  readonly method: HttpMethod;
  readonly path: string;
  /** What is asked for, for the words of a refusal. */
  readonly asked: Asked;
  readonly json?: JsonValue;
  /** In place of `json`: a form that is sent as it is made. */
  readonly form?: { readonly body: Readable; readonly headers: Readonly<Record<string, string>> };
  /** Milliseconds; the client's own by default. */
  readonly deadlineMs?: number;
  /** A second request does no second thing and costs nothing: it may be tried again. */
  readonly repeatable: boolean;
}

/** A turn's request. */
interface TurnCall extends CallOptions {
  readonly path: string;
  readonly json: JsonObject;
  readonly deadlineMs: number;
  /** Told each event once, in order, as it arrives. */
  readonly onEvent: (event: ForgeEvent) => void;
  /** The server has taken the turn: its answer has begun, as a stream or to come in one piece. */
  readonly onOpen?: ((streams: boolean) => void) | undefined;
}

/** The tries of what may be tried again: short, for somebody waits. */
const TRIES = { tries: 3, baseMs: 250, capMs: 2_000, longestMs: 5_000 } as const;
const AGAIN: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Bytes of a refusal's body that are read. */
const REFUSAL = 1024 * 1024;
/** Bytes of an answer, in one piece or streamed. */
const LARGEST = 64 * 1024 * 1024;

/**
 * Requests to one clawdforge server with one token. Rejections are ForgeErrors, save an abort, which rejects with the signal's reason. What costs tokens or makes something is never sent twice.
 */
export class ForgeHttp {
  readonly #http: HttpClient;
  readonly #baseUrl: string;
  readonly #token: string;
  readonly #retry: Pick<RetryOptions, 'clock' | 'random' | 'baseMs'>;

  constructor(http: HttpClient, baseUrl: string, token: string, retry: Pick<RetryOptions, 'clock' | 'random' | 'baseMs'> = {}) {
    this.#http = http;
    this.#baseUrl = baseUrl;
    this.#token = token;
    this.#retry = retry;
  }

  /** The answer as `schema` reads it. Rejects with `bad_answer` where it does not. */
  call<T>(schema: z.ZodType<T>, call: Call): Promise<T> {
    const once = async (): Promise<T> => {
      const answer = await this.#answer(call);
      const parsed = schema.safeParse(answer);
      if (!parsed.success) throw notForge(call.path);
      return parsed.data;
    };
    if (!call.repeatable) return once();
    return keepAlive(withRetry(once, { ...TRIES, ...this.#retry, classify: verdict, signal: call.signal }));
  }

  /** A turn, once. Rejects with `connection_lost` where its answer broke off, or a stream ended without the item that closes it. */
  async turn(call: TurnCall): Promise<z.infer<typeof turnAnswer>> {
    let opened = false;
    const told: ForgeEvent[] = [];
    const tell = (event: ForgeEvent): void => {
      told.push(event);
      call.onEvent(event);
    };
    try {
      return await this.#http.streamed({
        method: 'POST', url: this.#baseUrl + call.path, headers: this.#headers('text/event-stream, application/json'), json: call.json, deadlineMs: call.deadlineMs, signal: call.signal,
      }, async ({ status, headers, body }) => {
        if (status < 200 || status > 299) throw apiError('turn', { status, body: this.#bodyOf(await bounded(body, REFUSAL)), retryAfterMs: null });
        opened = true;
        const form = formOf(headers.get('content-type'));
        call.onOpen?.(form !== 'whole');
        const closing = form === 'whole' ? jsonOf(await bounded(body, LARGEST)) : await readStream(form, within(body, LARGEST), tell);
        if (closing === null) throw new ForgeTransportError('connection_lost', 'The clawdforge server ended its answer before the turn was over.', 'cut');
        const parsed = turnAnswer.safeParse(closing);
        if (!parsed.success) throw notForge(call.path);
        // Where events were told one by one, those that the last item repeats are none.
        if (told.length === 0) for (const event of parsed.data.events) tell(eventOf(event));
        return { ...parsed.data, events: told };
      });
    } catch (error) {
      throw forgeError(error, opened);
    }
  }

  async #answer(call: Call): Promise<JsonValue> {
    let opened = false;
    try {
      return await this.#http.streamed({
        method: call.method, url: this.#baseUrl + call.path, headers: { ...this.#headers('application/json'), ...call.form?.headers }, json: call.json, signal: call.signal,
        ...(call.form === undefined ? {} : { body: call.form.body }), ...(call.deadlineMs === undefined ? {} : { deadlineMs: call.deadlineMs }),
      }, async ({ status, headers, body }) => {
        opened = true;
        if (status >= 200 && status <= 299) return jsonOf(await bounded(body, LARGEST));
        const refusal = await bounded(body, REFUSAL).catch(() => '');
        throw apiError(call.asked, { status, body: this.#bodyOf(refusal), retryAfterMs: retryAfter(headers.get('retry-after'), Date.now()) });
      });
    } catch (error) {
      throw forgeError(error, opened);
    }
  }

  #headers(accept: string): Readonly<Record<string, string>> {
    return { authorization: `Bearer ${this.#token}`, accept };
  }

  /** The body of a refusal, with our token out of it wherever the server repeats it, however it writes it. */
  #bodyOf(text: string): JsonValue {
    const clean = text.replaceAll(this.#token, '[redacted]');
    if (clean.trim() === '') return null;
    try {
      const plain = JSON.stringify(JSON.parse(clean)).replaceAll(JSON.stringify(this.#token).slice(1, -1), '[redacted]');
      return JSON.parse(plain) as JsonValue;
    } catch {
      return clean;
    }
  }
}

function verdict(error: unknown): { readonly retry: false } | { readonly retry: true; readonly afterMs?: number | null } {
  if (error instanceof ForgeTransportError) return error.personMustAct ? { retry: false } : { retry: true };
  return error instanceof ForgeAPIError && AGAIN.has(error.status) ? { retry: true, afterMs: error.retryAfterMs } : { retry: false };
}

function notForge(path: string): ForgeError {
  return new ForgeError('bad_answer', `${path} was answered with something else than a clawdforge server sends. Is this the address of the right server?`);
}

function jsonOf(text: string): JsonValue {
  if (text.trim() === '') return null;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new ForgeError('bad_answer', 'The server answered with something that is not JSON. Is this the address of a clawdforge server?');
  }
}

async function bounded(body: AsyncIterable<Uint8Array>, most: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of within(body, most)) chunks.push(chunk);
  return new TextDecoder().decode(Buffer.concat(chunks));
}

async function* within(body: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > most) throw new ForgeError('bad_answer', `The clawdforge server answered with more than ${most} bytes. Its answer was given up.`);
    yield chunk;
  }
}
