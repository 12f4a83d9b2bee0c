import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../src/core/model/context.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import type { Exchange, SeenRequest } from '../server.ts';
import { listen, sendJson, silence } from '../server.ts';
import type { HebingFault } from './faults.ts';
import { HebingFaults } from './faults.ts';
import type { TestAgent, TestCapability, TestJob } from './kernel.ts';
import { Kernel, Refusal } from './kernel.ts';
import { SignIns } from './signIn.ts';

const base = '/api/v1';
const mostWaitSeconds = 30;

export interface HebingTestOptions {
  /** Time of leases, sign-ins and long-polls; the computer's own by default. */
  readonly clock?: Clock;
  /** Milliseconds; 30,000 by default. */
  readonly leaseMs?: number;
  /** Runs of a job after which it is given up; 3 by default. */
  readonly attempts?: number;
  readonly capabilities?: readonly TestCapability[];
}
export interface HebingTestServer {
  /** The base URL, `http://127.0.0.1:PORT/api/v1`. */
  readonly url: string;
  readonly kernel: Kernel;
  readonly signIns: SignIns;
  readonly faults: HebingFaults;
  /** Forms that the contract leaves open. */
  readonly forms: { errors: 'plain' | 'fastapi'; lists: 'bare' | 'items' };
  readonly requests: readonly SeenRequest[];
  /** Bytes that are served at `/files/NAME`, to whoever asks. */
  readonly files: Map<string, { readonly type: string; readonly bytes: Uint8Array }>;
  fileUrl(name: string): string;
  /** A key, and who has it. */
  newAgent(more?: { readonly balanceNc?: number; readonly mayWork?: boolean }): TestAgent;
  /** How often a path below the base URL was asked for. */
  count(method: string, path: string | RegExp): number;
  /** Approves a sign-in by the code that the person was shown, and gives the agent that it made; `null` denies. */
  approve(userCode: string): TestAgent;
  deny(userCode: string): void;
  seen(method: string, path: string | RegExp, timeoutMs?: number): Promise<SeenRequest>;
  close(): Promise<void>;
}

/** The capabilities that a server has unless others are given. */
export const sampleCapabilities: readonly TestCapability[] = [
  {
    key: 'media.echo.v1', name: 'Echo', description: 'Gives back the text.',
    inputSchema: { type: 'object', properties: { text: { type: 'string', minLength: 1, description: 'What to say.' } }, required: ['text'], additionalProperties: false },
    outputSchema: { type: 'object', properties: { echo: { type: 'string' } }, required: ['echo'] },
  },
  {
    key: 'media.image.campaign', name: 'Image campaign', description: 'Pictures for a campaign.', priceNc: 5,
    inputSchema: {
      type: 'object', required: ['prompt'], properties: { prompt: { type: 'string' }, count: { type: 'integer', minimum: 1, maximum: 4 }, style: { type: 'string', enum: ['photo', 'drawing'] }, layout: { type: 'object', properties: { columns: { type: 'integer' } } } },
    },
  },
  { key: 'test.echo.v1', name: 'Test echo' },
];

interface Reply {
  readonly status: number;
  readonly body: unknown;
}
interface Call {
  readonly exchange: Exchange;
  readonly agent: TestAgent;
  readonly id: string;
  readonly body: JsonObject;
}

/** A hebing on loopback, written from the contract: it refuses what the contract refuses. */
export async function startHebingServer(options: HebingTestOptions = {}): Promise<HebingTestServer> {
  const clock = options.clock ?? systemClock;
  const kernel = new Kernel(clock, { leaseMs: options.leaseMs ?? 30_000, attempts: options.attempts ?? 3 });
  for (const capability of options.capabilities ?? sampleCapabilities) kernel.capabilities.set(capability.key, capability);
  const signIns = new SignIns(clock);
  const faults = new HebingFaults();
  const forms: HebingTestServer['forms'] = { errors: 'plain', lists: 'bare' };
  const files: HebingTestServer['files'] = new Map();

  const listOf = (rows: readonly unknown[]): unknown => (forms.lists === 'bare' ? rows : { items: rows, next_cursor: null });
  const errorOf = ({ code, message }: Refusal): unknown => (forms.errors === 'plain' ? { code, detail: message } : { detail: { code, message } });

  const routes: readonly (readonly [method: string, path: RegExp, answer: (call: Call) => Reply | Promise<Reply>])[] = [
    ['GET', /^\/capability-specs$/, () => ({ status: 200, body: listOf([...kernel.capabilities.values()].map(specOf)) })],
    ['POST', /^\/kernel-jobs$/, ({ agent, body }) => {
      const { capability_key: key, input_payload: input, idempotency_key: idempotency = null } = body;
      if (typeof key !== 'string' || !isJsonObject(input) || (idempotency !== null && typeof idempotency !== 'string')) throw new Refusal(422, 'validation_failed', 'capability_key and input_payload are needed.');
      const { job, fresh } = kernel.create(agent, key, input, idempotency);
      return { status: fresh ? 201 : 200, body: jobOf(job) };
    }],
    ['GET', /^\/kernel-jobs$/, ({ agent }) => ({ status: 200, body: listOf(kernel.ownAll(agent).map(jobOf)) })],
    ['GET', /^\/kernel-jobs\/available$/, async ({ agent, exchange }) => ({ status: 200, body: (await longPoll(kernel, agent, exchange)).map(offerOf) })],
    ['GET', /^\/kernel-jobs\/([^/]+)$/, ({ agent, id }) => ({ status: 200, body: jobOf(kernel.own(agent, id)) })],
    ['GET', /^\/kernel-jobs\/([^/]+)\/events$/, ({ agent, id }) => ({ status: 200, body: listOf(kernel.own(agent, id).events) })],
    ['POST', /^\/kernel-agents\/me\/capabilities$/, ({ agent, body }) => {
      const keys = body['capability_keys'];
      if (!Array.isArray(keys) || keys.length === 0 || !keys.every((key) => typeof key === 'string')) throw new Refusal(422, 'validation_failed', 'capability_keys is needed.');
      return { status: 200, body: { capability_keys: kernel.register(agent, keys) } };
    }],
    ['POST', /^\/kernel-jobs\/([^/]+)\/bid$/, ({ agent, id }) => {
      const won = kernel.bid(agent, id);
      if (typeof won === 'string') return { status: 200, body: { accepted: false, reason: won } };
      const { job, run } = won;
      return { status: 200, body: { accepted: true, task_run_id: run.id, input_envelope: { input: job.input, capability_key: job.capability.key }, lease_expires_at: iso(run.leaseUntil) } };
    }],
    ['POST', /^\/kernel-jobs\/([^/]+)\/heartbeat$/, ({ agent, id, body }) => ({ status: 200, body: { lease_expires_at: iso(kernel.heartbeat(agent, id, runIn(body)).leaseUntil) } })],
    ['POST', /^\/kernel-jobs\/([^/]+)\/submit$/, ({ agent, id, body }) => {
      if (!Object.hasOwn(body, 'output')) throw new Refusal(422, 'validation_failed', 'output is needed.');
      return { status: 200, body: { settled: true, job: jobOf(kernel.submit(agent, id, runIn(body), body['output'] ?? null)) } };
    }],
  ];

  const answer = async (exchange: Exchange, path: string): Promise<Reply> => {
    const { seen } = exchange;
    const body = isJsonObject(seen.body) ? seen.body : {};
    if (seen.method === 'POST' && path === '/oauth/device/authorize') {
      if (typeof body['client_name'] !== 'string') throw new Refusal(422, 'validation_failed', 'client_name is needed.');
      return { status: 200, body: signIns.begin(body['client_name'], origin()) };
    }
    if (seen.method === 'POST' && path === '/oauth/device/token') {
      if (typeof body['device_code'] !== 'string') throw new Refusal(422, 'validation_failed', 'device_code is needed.');
      return { status: 200, body: signIns.poll(body['device_code']) };
    }
    const agent = kernel.agent(/^Bearer (\S+)$/.exec(seen.headers.authorization ?? '')?.[1] ?? '');
    for (const [method, pattern, work] of routes) {
      const found = method === seen.method ? pattern.exec(path) : null;
      if (found !== null) return work({ exchange, agent, id: decodeURIComponent(found[1] ?? ''), body });
    }
    throw new Refusal(404, 'not_found', 'There is nothing at this address.');
  };

  const server = await listen(async (exchange) => {
    const { seen, response } = exchange;
    const date = { date: new Date(clock.now()).toUTCString() };
    const file = files.get(decodeURIComponent(seen.path.replace(/^\/files\//, '')));
    if (seen.path.startsWith('/files/') && file !== undefined) {
      response.writeHead(200, { ...date, 'content-type': file.type });
      return void response.end(file.bytes);
    }
    const path = seen.path.startsWith(base) ? seen.path.slice(base.length) : '';
    const fault = faults.take(seen.method, path);
    if (fault !== null && !afterwards(fault)) return strike(fault, exchange);
    let reply: Reply;
    let headers: Readonly<Record<string, string>> = {};
    try {
      reply = await answer(exchange, path);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      ({ headers } = error);
      reply = { status: error.status, body: errorOf(error) };
    }
    if (fault !== null) return strike(fault, exchange);
    sendJson(response, reply.status, reply.body, { ...date, ...headers });
  });
  const origin = (): string => server.url;

  const fits = (method: string, path: string | RegExp) => (request: SeenRequest): boolean =>
    request.method === method && (typeof path === 'string' ? request.path === `${base}${path}` : path.test(request.path.slice(base.length)));
  const newAgent: HebingTestServer['newAgent'] = ({ balanceNc = 100, mayWork = true } = {}) => {
    const agent: TestAgent = { id: `agent_${kernel.agents.size + 1}`, key: `nxt_ag_${randomUUID().replaceAll('-', '')}`, balanceNc, registered: new Set(), mayWork };
    kernel.agents.set(agent.key, agent);
    return agent;
  };
  return {
    url: `${server.url}${base}`, kernel, signIns, faults, forms, files, requests: server.requests, newAgent,
    fileUrl: (name) => `${server.url}/files/${encodeURIComponent(name)}`,
    count: (method, path) => server.requests.filter(fits(method, path)).length,
    approve: (userCode) => {
      const agent = newAgent();
      signIns.decide(userCode, agent.key);
      return agent;
    },
    deny: (userCode) => signIns.decide(userCode, null),
    seen: (method, path, timeoutMs) => server.seen(fits(method, path), timeoutMs),
    close: () => server.close(),
  };
}

/** The jobs that may be bid for, as soon as there is one; none when the time is over. */
async function longPoll(kernel: Kernel, agent: TestAgent, { seen, signal }: Exchange): Promise<readonly TestJob[]> {
  const query = new URLSearchParams(seen.query);
  const keys = (query.get('capability_keys') ?? '').split(',').filter((key) => key !== '');
  const wait = Number(query.get('wait') ?? '0');
  if (keys.length === 0 || !Number.isFinite(wait) || wait < 0 || wait > mostWaitSeconds) throw new Refusal(422, 'validation_failed', 'capability_keys is needed, and wait is 0 to 30.');
  const found = kernel.available(agent, keys);
  if (found.length > 0 || wait === 0) return found;
  const { promise, resolve } = Promise.withResolvers<readonly TestJob[]>();
  const timer = kernel.clock.setTimeout(() => resolve([]), wait * 1_000);
  const watch = kernel.watch(() => {
    const jobs = kernel.available(agent, keys);
    if (jobs.length > 0) resolve(jobs);
  });
  const onAbort = (): void => resolve([]);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await promise;
  } finally {
    timer.cancel();
    watch.dispose();
    signal.removeEventListener('abort', onAbort);
  }
}

function afterwards(fault: HebingFault): boolean {
  return (fault.kind === 'status' && fault.applied === true) || ((fault.kind === 'drop' || fault.kind === 'silence') && fault.when === 'after');
}

async function strike(fault: HebingFault, exchange: Exchange): Promise<void> {
  const { response, signal } = exchange;
  switch (fault.kind) {
    case 'drop':
      exchange.mark({ end: 'broken' });
      response.destroy();
      return;
    case 'silence':
      return silence(signal);
    case 'status':
      return sendJson(response, fault.status, fault.body ?? { detail: `injected ${fault.status}` }, { ...fault.headers });
    case 'html':
      response.writeHead(fault.status ?? 200, { 'content-type': 'text/html' });
      response.end('<!doctype html><title>Sign in to the network</title>');
      return;
    default:
      fault satisfies never;
  }
}

function runIn(body: JsonObject): string {
  const run = body['task_run_id'];
  if (typeof run !== 'string') throw new Refusal(422, 'validation_failed', 'task_run_id is needed.');
  return run;
}

const iso = (ms: number): string => new Date(ms).toISOString();

function specOf({ key, name, description, inputSchema, priceNc }: TestCapability): JsonObject {
  return { capability_key: key, name, ...(description === undefined ? {} : { description }), ...(inputSchema === undefined ? {} : { input_schema: inputSchema }), ...(priceNc === undefined ? {} : { price_nc: priceNc }) };
}

function jobOf(job: TestJob): JsonObject {
  return {
    id: job.id, capability_key: job.capability.key, status: job.status, input_payload: job.input, output: job.output, error: job.error, artifacts: job.artifacts,
    created_at: iso(job.createdAt), updated_at: iso(job.updatedAt),
  };
}

function offerOf(job: TestJob): JsonObject {
  return { id: job.id, capability_key: job.capability.key, max_budget_nc: job.capability.priceNc ?? 0 };
}
