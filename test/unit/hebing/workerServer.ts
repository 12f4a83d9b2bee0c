import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { Worker } from '../../../src/core/systems/hebing/worker.ts';

export type Step = 'register' | 'available' | 'bid' | 'heartbeat' | 'submit';
/** An answer, or a connection that is cut: before the server did anything (`cut`). */
export type Reply = { readonly status: number; readonly body?: JsonValue; readonly headers?: Readonly<Record<string, string>> } | 'cut' | 'silence';
interface Seen {
  readonly step: Step;
  readonly path: string;
  readonly key: string;
  readonly body: JsonValue;
  readonly at: number;
}

/** A server that answers each step of a worker as a test says, and keeps what was asked. */
export interface WorkerServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly Seen[];
  count(step: Step): number;
  /** Answers of that step from now on, in order; the last one stays. */
  answer(step: Step, ...replies: readonly (Reply | (() => Reply))[]): void;
}

const stepOf = (method: string, path: string): Step => {
  if (path === '/kernel-agents/me/capabilities') return 'register';
  if (method === 'GET') return 'available';
  return path.slice(path.lastIndexOf('/') + 1) as Step;
};

/** A lease of `ms` from now. */
export const leaseOf = (ms = 30_000): string => new Date(Date.now() + ms).toISOString();
export const job = (id = 'j1', more: Record<string, JsonValue> = {}): JsonValue => ({ id, capability_key: 'test.echo.v1', max_budget_nc: 5, ...more });
export const won = (ms?: number): Reply => ({ status: 200, body: { accepted: true, task_run_id: 'run-1', input_envelope: { input_payload: { text: 'hi' } }, lease_expires_at: leaseOf(ms) } });

/** As it comes, it has one job, once, and takes whatever is done with it. */
export async function startWorkerServer(): Promise<WorkerServer> {
  const seen: Seen[] = [];
  const plan = new Map<Step, (Reply | (() => Reply))[]>([
    ['register', [{ status: 200, body: {} }]],
    ['available', [{ status: 200, body: [job()] }, { status: 200, body: [] }]],
    ['bid', [() => won()]],
    ['heartbeat', [() => ({ status: 200, body: { lease_expires_at: leaseOf() } })]],
    ['submit', [{ status: 200, body: { status: 'succeeded' } }]],
  ]);
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const path = (request.url ?? '').replace('/api/v1', '');
      const step = stepOf(request.method ?? '', path);
      const text = Buffer.concat(parts).toString('utf8');
      seen.push({ step, path, key: request.headers.authorization ?? '', body: text === '' ? null : (JSON.parse(text) as JsonValue), at: Date.now() });
      const replies = plan.get(step) ?? [];
      const next = replies.length > 1 ? replies.shift() : replies[0];
      const reply = typeof next === 'function' ? next() : next;
      if (reply === 'silence') return;
      if (reply === undefined || reply === 'cut') {
        request.socket.destroy();
        return;
      }
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
      response.end(reply.body === undefined ? '' : JSON.stringify(reply.body));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`,
    seen,
    count: (step) => seen.filter((one) => one.step === step).length,
    answer: (step, ...replies) => void plan.set(step, [...replies]),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

export const KEY = 'nxt_ag_0123456789abcdef';

/** A worker that echoes, and whatever it told of errors. */
export function echoWorker(server: WorkerServer): { readonly worker: Worker; readonly errors: Error[]; readonly onError: (error: Error) => void } {
  const worker = new Worker({ apiKey: KEY, baseUrl: server.url, retry: { random: () => 0 } });
  worker.handler('test.echo.v1', (task) => ({ echo: (task.input as { readonly text: string }).text }));
  const errors: Error[] = [];
  return { worker, errors, onError: (error) => void errors.push(error) };
}
