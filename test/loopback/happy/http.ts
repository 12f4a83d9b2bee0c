import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpFault } from './faults.ts';
import type { HttpRequest, Reply, Router } from './router.ts';
import type { World } from './world.ts';

const mostBytes = 100 * 1024 * 1024;

/** A request as the server's log has it. */
export interface SeenCall {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** '' where no valid token came. */
  readonly accountId: string;
  /** `X-Happy-Client`, else the user agent. */
  readonly client: string;
  /** The parsed JSON, its text when it is none, null when there was nothing. Bytes of attachments are a count. */
  readonly body: unknown;
  /** What it was answered with; null until then, and when it never was. */
  readonly status: number | null;
  /** Whether a route was there for it. */
  readonly known: boolean;
  readonly fault: HttpFault['kind'] | null;
  readonly at: number;
}

/**
 * Serves the routes, with faults where they are asked for. `told` gets every request as it comes and again each time that more is known of it.
 * While `frozen` answers a promise, a request waits for it, as if it had not come yet.
 */
export function createHttp(world: World, router: Router, frozen: () => Promise<void> | undefined, told: (call: SeenCall, last: SeenCall | null) => void): Server {
  return createServer((request, response) => {
    Promise.resolve(frozen()).then(() => serve(world, router, told, request, response)).catch(() => response.destroy());
  });
}

async function serve(world: World, router: Router, told: (call: SeenCall, last: SeenCall | null) => void, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const request = await read(incoming);
  let call: SeenCall = {
    method: request.method, path: request.path, query: request.query, accountId: router.accountOf(request), body: readable(request), status: null, known: true, fault: null,
    client: text(request.headers['x-happy-client']) ?? text(request.headers['user-agent']) ?? '', at: world.database.now(),
  };
  const tell = (more: Partial<SeenCall>): void => {
    const last = call;
    call = { ...call, ...more };
    told(call, last);
  };
  told(call, null);
  const fault = world.faults.forRequest(request.method, request.path, call.client);
  if (fault !== undefined) tell({ fault: fault.kind });

  if (fault?.kind === 'drop' && fault.when === 'before') return void response.destroy();
  if (fault?.kind === 'delay' && fault.when !== 'after') await sleep(fault.ms, undefined, { signal: world.closing });
  if (fault?.kind === 'status' && fault.applied !== true) {
    tell({ status: fault.status });
    return send(response, statusReply(fault));
  }
  if (fault?.kind === 'duplicate' && fault.what === 'request') await router.handle(request);
  const { reply, known } = await router.handle(request);
  if (!known) tell({ known });
  if (fault?.kind === 'drop') return void response.destroy();
  if (fault?.kind === 'delay' && fault.when === 'after') await sleep(fault.ms, undefined, { signal: world.closing });
  const answer = fault?.kind === 'status' ? statusReply(fault) : fault?.kind === 'garbage' ? { status: 200, body: fault.text ?? '<!doctype html><title>Sign in to the network</title>' } : reply;
  tell({ status: answer.status });
  if (fault?.kind === 'cut' || fault?.kind === 'stall') return sendPart(response, answer, fault);
  if (fault?.kind === 'duplicate' && fault.what === 'response') return sendTwice(response, answer);
  return send(response, answer);
}

function statusReply(fault: Extract<HttpFault, { kind: 'status' }>): Reply {
  return { status: fault.status, body: fault.body ?? { error: `Injected ${fault.status}` }, ...(fault.headers === undefined ? {} : { headers: fault.headers }) };
}

function payload(reply: Reply): { readonly bytes: Buffer; readonly headers: Record<string, string> } {
  const { body } = reply;
  const [bytes, type] = Buffer.isBuffer(body) ? [body, 'application/octet-stream']
    : typeof body === 'string' ? [Buffer.from(body), body.startsWith('<') ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8']
      : [Buffer.from(JSON.stringify(body)), 'application/json; charset=utf-8'];
  return { bytes, headers: { 'content-type': type, 'content-length': String(bytes.length), 'access-control-allow-origin': '*', ...reply.headers } };
}

function send(response: ServerResponse, reply: Reply): void {
  const { bytes, headers } = payload(reply);
  response.writeHead(reply.status, headers);
  response.end(bytes);
}

async function sendPart(response: ServerResponse, reply: Reply, fault: { readonly kind: 'cut' | 'stall'; readonly bytes?: number }): Promise<void> {
  const { bytes, headers } = payload(reply);
  response.writeHead(reply.status, headers);
  response.write(bytes.subarray(0, fault.bytes ?? Math.floor(bytes.length / 2)));
  if (fault.kind === 'stall') return;
  // What was written must be on its way before the connection goes.
  await sleep(20);
  response.destroy();
}

async function sendTwice(response: ServerResponse, reply: Reply): Promise<void> {
  const { bytes, headers } = payload(reply);
  const { socket } = response;
  send(response, reply);
  if (!response.writableFinished) await once(response, 'finish');
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket?.write(Buffer.concat([Buffer.from(`HTTP/1.1 ${reply.status} OK\r\n${head}\r\n`), bytes]));
}

async function read(incoming: IncomingMessage): Promise<HttpRequest> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.length;
    if (size > mostBytes) throw new Error(`A request of more than ${mostBytes} bytes.`);
    chunks.push(bytes);
  }
  const url = incoming.url ?? '/';
  const target = new URL(url, 'http://127.0.0.1');
  return { method: incoming.method ?? 'GET', path: target.pathname, url, query: Object.fromEntries(target.searchParams), headers: incoming.headers, body: Buffer.concat(chunks) };
}

function readable(request: HttpRequest): unknown {
  if (request.body.length === 0) return null;
  if (request.headers['content-type']?.startsWith('application/json') !== true) return `${request.body.length} bytes`;
  const body = request.body.toString('utf8');
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return body;
  }
}

function text(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
