import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { playTurn } from './play.ts';
import type { ForgeScript } from './script.ts';
import { plainScript } from './script.ts';
import type { SeenUpload } from './uploads.ts';
import { readUpload } from './uploads.ts';

/** A request as it came; `body` is its JSON, null where it had none. */
export interface ForgeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly authorization: string;
  readonly accept: string;
  readonly body: unknown;
}
/** What the next fitting request gets instead of its answer: a status, or a connection that is reset. `times` is 1 by default. */
export interface ForgeFault {
  readonly method: string;
  readonly path: RegExp;
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  times?: number;
}
export interface HostedSession {
  readonly id: string;
  readonly token: string;
  readonly agent: string;
  readonly meta: unknown;
  readonly createdAt: string;
  readonly prompts: string[];
  lastTurnAt: string | null;
  turns: number;
  closedAt: string | null;
  busy: boolean;
}
interface AppTokenRow {
  readonly name: string;
  readonly token: string;
  readonly ipCidrs: readonly string[];
}

/** What an answer is: a status and a value as JSON. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: unknown;
  constructor(status: number, body: unknown) {
    super(`refused with ${status}`);
    this.status = status;
    this.body = body;
  }
}

export interface ForgeServerOptions {
  readonly script?: ForgeScript;
  /** How turns are answered where the client takes streams. */
  readonly form?: 'events' | 'lines' | 'whole';
  readonly cwd?: string;
  readonly claudeVersion?: string | null;
}

/** A clawdforge server of the contract (clawdforge.md), which refuses what the contract refuses. Times are ISO text without a zone, as its own are. */
export class ForgeTestServer {
  readonly requests: ForgeRequest[] = [];
  readonly faults: ForgeFault[] = [];
  readonly uploads: SeenUpload[] = [];
  readonly sessions = new Map<string, HostedSession>();
  readonly admin = 'bootstrap-for-tests-only';
  script: ForgeScript;
  form: 'events' | 'lines' | 'whole';
  claudeVersion: string | null;
  /** Resolves when uploads may be read on. */
  uploadGate: () => Promise<void> = () => Promise.resolve();
  url = '';
  readonly cwd: string;
  readonly #tokens = new Map<string, AppTokenRow>();
  readonly #server;
  readonly #sockets = new Set<Socket>();
  #ids = 0;

  constructor({ script = plainScript, form = 'events', cwd = '/srv/clawdforge/work', claudeVersion = '2.1.3' }: ForgeServerOptions = {}) {
    this.script = script;
    this.form = form;
    this.cwd = cwd;
    this.claudeVersion = claudeVersion;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else if (error instanceof Refusal) answer(response, error.status, error.body);
        else answer(response, 500, { error: String(error) });
      });
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  async start(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    this.url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    return this;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** A token of an application. */
  token(name = `app-${this.#tokens.size + 1}`, ipCidrs: readonly string[] = []): string {
    const token = `cf_${name}_${(this.#ids += 1)}`;
    this.#tokens.set(name, { name, token, ipCidrs });
    return token;
  }

  /** The time of a session is over. */
  expire(id: string): void {
    const session = this.sessions.get(id);
    if (session !== undefined) session.closedAt ??= stamp();
  }

  /** How many requests fit. */
  count(method: string, path: RegExp): number {
    return this.requests.filter((request) => request.method === method && path.test(request.path)).length;
  }

  /** Prompts that turns were asked with, oldest first. */
  prompts(): readonly string[] {
    return this.requests.flatMap(({ path, body }) => (path.endsWith('/turn') ? [(body as { prompt: string }).prompt] : []));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = new URL(request.url ?? '/', 'http://127.0.0.1');
    const method = request.method ?? 'GET';
    const isUpload = (request.headers['content-type'] ?? '').startsWith('multipart/');
    const text = isUpload ? '' : await read(request);
    const authorization = request.headers.authorization ?? '';
    const body: unknown = text === '' ? null : JSON.parse(text);
    this.requests.push({ method, path: target.pathname, query: target.search.slice(1), authorization, accept: request.headers.accept ?? '', body });
    const fault = this.faults.find((one) => one.method === method && one.path.test(target.pathname) && one.times !== 0);
    if (fault !== undefined) {
      fault.times = (fault.times ?? 1) - 1;
      if (fault.status === undefined) request.socket.destroy();
      else answer(response, fault.status, fault.body ?? { error: 'scripted' }, fault.headers);
      return;
    }
    const owner = this.#caller(authorization.replace(/^Bearer /, ''));
    const [, first = '', id = '', verb = ''] = target.pathname.split('/').map((part) => decodeURIComponent(part));
    const key = `${method} /${first}${id === '' ? '' : '/:id'}${verb === '' ? '' : `/${verb}`}`;
    if (first === 'admin') {
      answer(response, 200, this.#manage(method, id, verb, body, owner));
      return;
    }
    switch (key) {
      case 'GET /healthz':
        answer(response, 200, { ok: true, claude_present: this.claudeVersion !== null, claude_version: this.claudeVersion });
        return;
      case 'POST /run':
        answer(response, 200, await this.#run(body));
        return;
      case 'POST /files': {
        const upload = await readUpload(request, this.uploadGate);
        const ttl = Number(upload?.fields['ttl_secs']);
        if (upload === null || !(ttl >= 60 && ttl <= 86_400)) throw new Refusal(400, { error: 'ttl_secs must be within 60 and 86400' });
        this.uploads.push(upload);
        answer(response, 200, { file_token: `ff_${this.uploads.length}`, ttl_secs: ttl, size: upload.size });
        return;
      }
      case 'POST /sessions':
        answer(response, 200, this.#create(body, owner));
        return;
      case 'GET /sessions': {
        const closed = target.searchParams.get('include_closed') !== 'false';
        const mine = [...this.sessions.values()].filter((session) => session.token === owner && (closed || session.closedAt === null));
        answer(response, 200, { sessions: mine.reverse().map((session) => this.#row(session)) });
        return;
      }
      case 'GET /sessions/:id':
        answer(response, 200, this.#row(this.#find(id, owner)));
        return;
      case 'DELETE /sessions/:id': {
        const session = this.#find(id, owner);
        const already = session.closedAt !== null;
        session.closedAt ??= stamp();
        answer(response, 200, already ? { ok: true, already_closed: true } : { ok: true });
        return;
      }
      case 'POST /sessions/:id/turn':
        await this.#turn(this.#find(id, owner), body, request, response);
        return;
      default:
        throw new Refusal(404, { error: 'no such path' });
    }
  }

  async #turn(session: HostedSession, body: unknown, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { prompt, timeoutSecs } = asked(body);
    if (session.closedAt !== null) throw new Refusal(410, { error: 'session closed' });
    if (session.busy) throw new Refusal(409, { error: 'a turn is running' });
    const play = this.script({ prompt, before: [...session.prompts], agent: session.agent, timeoutSecs });
    if (play.refuse !== undefined) throw new Refusal(play.refuse.status, play.refuse.body);
    session.busy = true;
    try {
      const form = (request.headers.accept ?? '').includes('text/event-stream') ? this.form : 'whole';
      const done = await playTurn(play, form, response, () => {
        session.turns += 1;
        session.prompts.push(prompt);
        session.lastTurnAt = stamp();
        return { session_id: session.id, turn_index: session.turns };
      });
      if (!done) response.destroy();
    } finally {
      session.busy = false;
    }
  }

  async #run(body: unknown): Promise<unknown> {
    const { prompt, timeoutSecs } = asked(body);
    const { model, files = [] } = body as { model?: string; files?: string[] };
    if (files.some((file) => !this.uploads.some((_, index) => `ff_${index + 1}` === file))) throw new Refusal(400, { error: 'unknown file token' });
    const play = this.script({ prompt, before: [], agent: model ?? 'sonnet', timeoutSecs });
    if (play.refuse !== undefined) throw new Refusal(play.refuse.status, play.refuse.body);
    if (play.stepMs !== undefined) await sleep(play.stepMs * play.events.length);
    const text = play.events.map((event) => (event as { content?: unknown }).content).join('');
    let result: unknown = text;
    try {
      result = JSON.parse(text);
    } catch {
      // Not JSON: the text is the result.
    }
    return { ok: play.ok ?? true, result, duration_ms: 12, stop_reason: play.stopReason ?? 'end_turn' };
  }

  #create(body: unknown, token: string): unknown {
    const { agent, meta = {} } = (body ?? {}) as { agent?: unknown; meta?: unknown };
    if (typeof agent !== 'string' || agent === '') throw new Refusal(422, { detail: [{ loc: ['body', 'agent'], msg: 'Field required' }] });
    const session: HostedSession = { id: `sess_${(this.#ids += 1)}`, token, agent, meta, createdAt: stamp(), prompts: [], lastTurnAt: null, turns: 0, closedAt: null, busy: false };
    this.sessions.set(session.id, session);
    return { session_id: session.id, agent, created_at: session.createdAt, meta };
  }

  #manage(method: string, what: string, name: string, body: unknown, owner: string): unknown {
    if (owner !== this.admin) throw new Refusal(403, { error: 'admin only' });
    if (what !== 'tokens') throw new Refusal(404, { error: 'no such path' });
    if (method === 'POST') {
      const { name: wanted, ip_cidrs: cidrs = [] } = (body ?? {}) as { name?: string; ip_cidrs?: string[] };
      if (typeof wanted !== 'string' || wanted === '') throw new Refusal(400, { error: 'name is missing' });
      return { name: wanted, token: this.token(wanted, cidrs), ip_cidrs: cidrs, created_at: stamp(), enabled: true };
    }
    if (method === 'DELETE') {
      if (!this.#tokens.delete(name)) throw new Refusal(404, { error: 'no such token' });
      return { ok: true };
    }
    return [...this.#tokens.values()].map((row) => ({ name: row.name, ip_cidrs: row.ipCidrs.join(','), created_at: stamp(), last_used: null, enabled: true, note: 'kept' }));
  }

  #caller(token: string): string {
    if (token === this.admin) return token;
    const row = [...this.#tokens.values()].find((one) => one.token === token);
    if (row === undefined) throw new Refusal(401, { error: `unknown token ${token}` });
    // All that comes here comes from 127.0.0.1.
    if (row.ipCidrs.length > 0 && !row.ipCidrs.some((cidr) => cidr.startsWith('127.'))) throw new Refusal(403, { error: 'ip not allowed' });
    return token;
  }

  #find(id: string, token: string): HostedSession {
    const session = this.sessions.get(id);
    if (session === undefined || session.token !== token) throw new Refusal(404, { error: 'no such session' });
    return session;
  }

  #row(session: HostedSession): unknown {
    const { id, agent, createdAt, lastTurnAt, turns, closedAt, meta } = session;
    return { session_id: id, agent, cwd: this.cwd, created_at: createdAt, last_turn_at: lastTurnAt, turn_count: turns, closed_at: closedAt, live: closedAt === null, meta, region: 'kept' };
  }
}

function asked(body: unknown): { readonly prompt: string; readonly timeoutSecs: number } {
  const { prompt, timeout_secs: timeoutSecs = 120 } = (body ?? {}) as { prompt?: unknown; timeout_secs?: number };
  if (typeof prompt !== 'string' || prompt.trim() === '') throw new Refusal(400, { error: 'prompt is empty' });
  if (!(timeoutSecs >= 5 && timeoutSecs <= 600)) throw new Refusal(400, { error: 'timeout_secs must be within 5 and 600' });
  return { prompt, timeoutSecs };
}

function stamp(): string {
  return new Date().toISOString().replace('Z', '');
}

function answer(response: ServerResponse, status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
