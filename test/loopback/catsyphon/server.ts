import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isJsonObject } from '../../../src/core/model/json.ts';
import type { Exchange, SeenRequest } from '../server.ts';
import { listen, sendJson, silence } from '../server.ts';
import { CatsyphonFaults } from './faults.ts';
import type { TestCollector } from './kernel.ts';
import { Kernel, Refusal } from './kernel.ts';
import type { WireBatch } from './schema.ts';
import { batchFaults, completionFaults, registrationFaults } from './schema.ts';

export interface CatsyphonTestServer {
  readonly url: string;
  readonly kernel: Kernel;
  readonly faults: CatsyphonFaults;
  readonly requests: readonly SeenRequest[];
  /** A workspace that there is. */
  readonly workspace: string;
  /** A collector with its key. */
  newCollector(): TestCollector;
  /** Bytes of a body that the proxy before the server takes. */
  mostBytes: number;
  /** True: every connection is destroyed, as while it is started again. What it stored stays. */
  down: boolean;
  /** How often `POST /collectors/events` and the like was asked for. */
  count(request: string | RegExp): number;
  close(): Promise<void>;
}
interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** A CatSyphon on a free port of 127.0.0.1, with the real one's observed behaviour. */
export async function startCatsyphonServer(): Promise<CatsyphonTestServer> {
  const kernel = new Kernel();
  const faults = new CatsyphonFaults();
  const workspace = randomUUID();
  kernel.workspaces.add(workspace);

  const answer = async ({ seen }: Exchange): Promise<Reply> => {
    const { method, path, body } = seen;
    if (Number(seen.headers['content-length'] ?? 0) > server.mostBytes) throw new Refusal(413, null);
    if (method === 'GET' && path === '/health') return { status: 200, body: { status: 'healthy', database: 'connected' } };
    if (method === 'POST' && path === '/collectors') {
      refuse(registrationFaults(body));
      const made = kernel.register(isJsonObject(body) ? body : {});
      return { status: 201, body: { collector_id: made.id, api_key: made.key, api_key_prefix: made.key.slice(0, 12), created_at: '2026-02-24T10:00:00.123456' } };
    }
    if (method === 'POST' && path === '/collectors/events') {
      refuse([...headerFaults(seen), ...batchFaults(body)]);
      const { accepted, conversation } = await kernel.ingest(collectorOf(kernel, seen), body as WireBatch);
      return { status: 202, body: { accepted, last_sequence: conversation.lastSequence, conversation_id: conversation.id, warnings: [] } };
    }
    const [, id = '', verb] = /^\/collectors\/sessions\/([^/]+)(\/complete)?$/.exec(path) ?? [];
    if (id === '' || method !== (verb === undefined ? 'GET' : 'POST')) throw new Refusal(404, 'Not Found');
    refuse([...headerFaults(seen), ...(verb === undefined ? [] : completionFaults(body))]);
    const session = kernel.own(collectorOf(kernel, seen), decodeURIComponent(id));
    if (verb === undefined) {
      return { status: 200, body: {
        session_id: session.session, conversation_id: session.id, last_sequence: session.lastSequence, event_count: session.rows.length, first_event_at: naive(session.firstAt), last_event_at: naive(session.lastAt), status: session.status,
      } };
    }
    session.status = 'completed';
    session.outcome = (body as { outcome: string }).outcome;
    session.summary = (body as { summary?: string }).summary ?? session.summary;
    return { status: 200, body: { session_id: session.session, conversation_id: session.id, status: 'completed', total_events: session.rows.length } };
  };

  const reply = async (exchange: Exchange): Promise<Reply> => answer(exchange).catch((error: unknown) => {
    if (!(error instanceof Refusal)) throw error;
    return { status: error.status, body: error.detail === null ? '<html>413</html>' : { detail: error.detail } };
  });

  const loopback = await listen(async (exchange) => {
    const { response, signal, seen } = exchange;
    const fault = server.down ? { kind: 'drop', when: 'before' } as const : faults.take(seen.method, seen.path);
    if (fault?.kind === 'slow') await pause(fault.ms);
    const applied = fault === null || fault.kind === 'slow' || (fault.kind === 'status' ? fault.applied === true : fault.when === 'after');
    const own = applied ? await reply(exchange) : null;
    if (fault?.kind === 'drop') response.destroy();
    else if (fault?.kind === 'silence') await silence(signal);
    else if (fault?.kind === 'status') sendJson(response, fault.status, fault.body ?? { detail: 'fault' }, fault.headers);
    else if (own !== null) sendJson(response, own.status, own.body);
  });
  const server: CatsyphonTestServer = {
    url: loopback.url, kernel, faults, workspace, requests: loopback.requests, mostBytes: Infinity, down: false,
    newCollector: () => kernel.register({ workspace_id: workspace }),
    count: (request) => loopback.requests.filter((one) => (typeof request === 'string' ? `${one.method} ${one.path}` === request : request.test(`${one.method} ${one.path}`))).length,
    close: () => loopback.close(),
  };
  return server;
}

function refuse(complaints: readonly unknown[]): void {
  if (complaints.length > 0) throw new Refusal(422, complaints);
}

function headerFaults(seen: SeenRequest): readonly unknown[] {
  return ['authorization', 'x-collector-id'].filter((name) => seen.headers[name] === undefined).map((name) => ({ type: 'missing', loc: ['header', name], msg: 'Field required', input: null }));
}

function collectorOf(kernel: Kernel, seen: SeenRequest): TestCollector {
  const authorization = seen.headers.authorization ?? '';
  const id = String(seen.headers['x-collector-id']);
  if (!authorization.startsWith('Bearer ')) throw new Refusal(401, 'Invalid authorization header format');
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) throw new Refusal(400, 'Invalid collector ID format');
  const collector = kernel.collectors.find((one) => one.id === id);
  if (collector === undefined) throw new Refusal(401, 'Collector not found');
  if (collector.key !== authorization.slice('Bearer '.length)) throw new Refusal(401, 'Invalid API key');
  if (collector.disabled) throw new Refusal(403, 'Collector is disabled');
  return collector;
}

/** Times are told without a zone. */
function naive(iso: string | null): string | null {
  return iso === null ? null : iso.replace(/Z$/, '');
}
