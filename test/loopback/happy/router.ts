import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';

/** An HTTP request, whole. */
export interface HttpRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** With it, as in the request line. */
  readonly url: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** An answer: JSON, text or bytes. */
export interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a route's handler gets. `accountId` is '' on routes without authentication. */
export interface Call<Body, Query> {
  readonly accountId: string;
  readonly params: Readonly<Record<string, string>>;
  readonly body: Body;
  readonly query: Query;
  readonly request: HttpRequest;
}

interface RouteOptions<Body, Query> {
  /** Only with a token: the default. */
  readonly open?: boolean;
  readonly body?: z.ZodType<Body>;
  readonly query?: z.ZodType<Query>;
  readonly run: (call: Call<Body, Query>) => Reply | Promise<Reply>;
}

interface Route {
  readonly method: string;
  readonly names: readonly string[];
  readonly pattern: RegExp;
  readonly handle: (request: HttpRequest, params: Readonly<Record<string, string>>) => Reply | Promise<Reply>;
}

/** An answer other than 200 from anywhere below a route. */
export class Refusal extends Error {
  readonly reply: Reply;

  constructor(status: number, body: unknown) {
    super(`HTTP ${status}`);
    this.reply = { status, body };
  }
}

export function ok(body: unknown): Reply {
  return { status: 200, body };
}

/** Refuses with `{error}`. */
export function refuse(status: number, error: string): never {
  throw new Refusal(status, { error });
}

/** The routes of the server. Checks body and query first, then the token, then runs the handler: the order, words and codes of the real one. */
export class Router {
  readonly #routes: Route[] = [];
  readonly #accountOf: (token: string) => string | null;

  /** `accountOf` finds a token's account. */
  constructor(accountOf: (token: string) => string | null) {
    this.#accountOf = accountOf;
  }

  /** Adds a route; `:name` in the path is a parameter. */
  on<Body = unknown, Query = unknown>(method: string, path: string, options: RouteOptions<Body, Query>): void {
    const names: string[] = [];
    const pattern = path.replaceAll(/[.]/g, '\\.').replaceAll(/:([a-zA-Z]+)/g, (_, name: string) => {
      names.push(name);
      return '([^/]+)';
    });
    this.#routes.push({
      method, names, pattern: new RegExp(`^${pattern}/?$`),
      handle: (request, params) => {
        const body = options.body === undefined ? (undefined as Body) : checked(options.body, jsonOf(request), 'body');
        const query = options.query === undefined ? (undefined as Query) : checked(options.query, request.query, 'querystring');
        const accountId = options.open === true ? '' : this.#authenticate(request);
        return options.run({ accountId, params, body, query, request });
      },
    });
  }

  /** Answers a request. `known` tells whether any route was there for it. Never throws. */
  async handle(request: HttpRequest): Promise<{ readonly reply: Reply; readonly known: boolean }> {
    for (const route of this.#routes) {
      const found = route.method === request.method ? route.pattern.exec(request.path) : null;
      if (found === null) continue;
      try {
        const params = Object.fromEntries(route.names.map((name, index) => [name, decodeURIComponent(found[index + 1] ?? '')]));
        return { known: true, reply: await route.handle(request, params) };
      } catch (error) {
        const reply = error instanceof Refusal ? error.reply : { status: 500, body: { error: 'Internal Server Error', message: 'An unexpected error occurred', statusCode: 500 } };
        return { known: true, reply };
      }
    }
    return { known: false, reply: { status: 404, body: { error: 'Not found', path: request.url, method: request.method } } };
  }

  /** The account of a request's token, or '' where there is none: for the log. */
  accountOf(request: HttpRequest): string {
    try {
      return this.#authenticate(request);
    } catch {
      return '';
    }
  }

  #authenticate(request: HttpRequest): string {
    const header = request.headers.authorization;
    if (header === undefined || !header.startsWith('Bearer ')) return refuse(401, 'Missing authorization header');
    let accountId: string | null = null;
    try {
      accountId = this.#accountOf(header.slice(7));
    } catch {
      // A token that cannot even be read is an invalid one.
    }
    return accountId ?? refuse(401, 'Invalid token');
  }
}

/** The JSON in a body; null when there is none. Refuses text that is no JSON as Fastify does. */
function jsonOf(request: HttpRequest): unknown {
  const isJson = request.headers['content-type']?.startsWith('application/json') === true;
  if (request.body.length === 0) {
    if (isJson) badRequest('FastifyError', "Body cannot be empty when content-type is set to 'application/json'");
    return null;
  }
  if (!isJson) throw new Refusal(415, { error: 'FastifyError', message: `Unsupported Media Type: ${request.headers['content-type'] ?? ''}`, statusCode: 415 });
  try {
    return JSON.parse(request.body.toString('utf8')) as unknown;
  } catch (error) {
    return badRequest('SyntaxError', error instanceof Error ? error.message : 'Unexpected token');
  }
}

function checked<Value>(schema: z.ZodType<Value>, value: unknown, where: 'body' | 'querystring'): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  return badRequest('Error', parsed.error.issues.map((issue) => `${where}/${issue.path.join('/')} ${issue.message}`).join(', '));
}

function badRequest(error: string, message: string): never {
  throw new Refusal(400, { error, message, statusCode: 400 });
}
