import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';

const bodyLimit = 64 * 1024 * 1024;

/** One request that an endpoint got, and how it ended. `body` is the parsed JSON, null where there was none. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** `turn`: a model call of a turn; `side`: such as a title; `other`: all else; `unknown`: a path that the endpoint does not serve. */
  readonly kind: 'turn' | 'side' | 'other' | 'unknown';
  /** `open` until answered; `gone` when the client went before the end, as on an interrupt; `broken` when the script broke it off. */
  readonly end: 'open' | 'done' | 'gone' | 'broken';
}

/** A request on its way: what came, where the answer goes, and a signal that aborts when the client goes or the server closes. */
export interface Exchange {
  readonly seen: SeenRequest;
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
  /** Tells what the request is, or how it ended; those who wait for a request see it at once. */
  mark(what: { readonly kind?: SeenRequest['kind']; readonly end?: SeenRequest['end'] }): void;
}

export interface Loopback {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  /** Every request, oldest first. */
  readonly requests: readonly SeenRequest[];
  /** Waits for a request, past or to come, that fits. Rejects when none did in time. */
  seen(fits: (request: SeenRequest) => boolean, timeoutMs?: number): Promise<SeenRequest>;
  /** Destroys what is open and resolves when the port is free. */
  close(): Promise<void>;
}

/** Starts an HTTP server on a free port of 127.0.0.1. A handler that rejects gives a 500 that says why, unless its client has gone. */
export async function listen(handle: (exchange: Exchange) => Promise<void>): Promise<Loopback> {
  const requests: SeenRequest[] = [];
  const watchers = new Set<() => void>();
  const closing = new AbortController();
  const changed = (): void => {
    for (const watcher of watchers) watcher();
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const gone = new AbortController();
    const target = new URL(request.url ?? '/', 'http://127.0.0.1');
    const text = await readBody(request);
    const seen: { -readonly [Key in keyof SeenRequest]: SeenRequest[Key] } = {
      method: request.method ?? 'GET', path: target.pathname, query: target.search.slice(1), headers: request.headers,
      body: parse(text), at: Date.now(), kind: 'other', end: 'open',
    };
    response.on('close', () => {
      gone.abort();
      mark({ end: seen.end === 'open' ? (response.writableFinished ? 'done' : 'gone') : seen.end });
    });
    const mark: Exchange['mark'] = (what) => {
      Object.assign(seen, what);
      changed();
    };
    requests.push(seen);
    changed();
    const signal = AbortSignal.any([gone.signal, closing.signal]);
    try {
      await handle({ seen, response, signal, mark });
    } catch (error) {
      if (!signal.aborted) fail(response, error);
    }
  };

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The loopback server has no port.');

  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    seen: (fits, timeoutMs = 10_000) => new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        watchers.delete(look);
      };
      const look = (): void => {
        const found = requests.find(fits);
        if (found === undefined) return;
        finish();
        resolve(found);
      };
      const timer = setTimeout(() => {
        finish();
        const had = requests.map((request) => `${request.method} ${request.path} (${request.kind}, ${request.end})`).join(', ');
        reject(new Error(`No request that fits came within ${timeoutMs} ms; there were: ${had === '' ? 'none' : had}`));
      }, timeoutMs);
      watchers.add(look);
      look();
    }),
    close: async () => {
      closing.abort();
      const closed = server.listening ? once(server, 'close') : Promise.resolve();
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Waits for a disconnect; never resolves otherwise. Rejects with an AbortError. */
export async function silence(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

/** Writes server-sent events, no faster than the client reads them. */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;

  constructor(exchange: Exchange, headers: Record<string, string> = {}) {
    this.#response = exchange.response;
    this.#signal = exchange.signal;
    this.#response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', ...headers });
    this.#response.flushHeaders();
  }

  /** Sends one event; its name is the data's own `type`. Rejects when the client has gone. */
  async send(data: { readonly type: string } & Readonly<Record<string, unknown>>): Promise<void> {
    this.#signal.throwIfAborted();
    const more = this.#response.write(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
    if (!more) await once(this.#response, 'drain', { signal: this.#signal });
  }

  end(): void {
    this.#response.end();
  }

  /** Destroys the connection, as a broken network would. */
  cut(): void {
    this.#response.destroy();
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.length;
    if (size > bodyLimit) throw new Error(`A request of more than ${bodyLimit} bytes.`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function fail(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : 'unknown error';
  if (response.headersSent) response.destroy();
  else sendJson(response, 500, { type: 'error', error: { type: 'api_error', message: `loopback: ${message}` } });
}
