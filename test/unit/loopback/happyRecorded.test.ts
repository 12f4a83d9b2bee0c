import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { happyTimes } from '../../loopback/happy/times.ts';
import { request, soon, startLab, type Account, type Lab } from './happyClient.ts';

interface Recorded {
  readonly http: readonly { readonly method: string; readonly path: string; readonly req: unknown; readonly status: number; readonly res: unknown; readonly auth: string | null }[];
  readonly shapes: Readonly<Record<string, unknown>>;
}
/** What the real server answered and pushed. */
const recorded = JSON.parse(readFileSync(new URL('../../fixtures/happy-server/recorded.json', import.meta.url), 'utf8')) as Recorded;

let lab: Lab;
let account: Account;
beforeEach(async () => {
  lab = await startLab({ times: happyTimes(100) });
  account = lab.account();
});
afterEach(() => lab.close());

/** A value without what differs from run to run: ids, times, addresses, tokens, amounts; null fits any type. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null).map(([key, each]) => [key, shapeOf(each)]));
  return typeof value;
}

/** Names of fields whose value may be null. */
function nulls(value: unknown): string[] {
  if (Array.isArray(value)) return nulls(value[0]);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => (each === null ? [key] : nulls(each)));
}

function same(mine: unknown, theirs: unknown): void {
  const either = new Set([...nulls(mine), ...nulls(theirs)]);
  const without = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.slice(0, 1).map(without);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, either.has(key) ? 'any' : without(each)]));
  };
  expect(shapeOf(without(mine))).toEqual(shapeOf(without(theirs)));
}

describe('the words of the real server', () => {
  it.each(recorded.http.map((each) => [`${each.method} ${each.path} ${JSON.stringify(each.req)?.slice(0, 60)} → ${each.status}`, each] as const))('%s', async (_, { method, path, req, status, res, auth }) => {
    const { body } = await account.http('POST', '/v1/sessions', { tag: 't', metadata: 'bQ==' });
    const { id } = (body as { session: { id: string } }).session;
    const stranger = lab.account();
    // A 404 of a row is that of somebody else's, or of one that was deleted; all other paths name a session of one's own.
    const who = status === 404 ? stranger : path.startsWith('/v1/kv') || path.includes(':session') ? account : lab.account();
    if (path === '/v1/kv') await who.http('POST', path, req);
    const authorization = auth === null ? undefined : auth === 'Bearer test-token' ? `Bearer ${who.token}` : auth === 'test-token' ? who.token : auth;
    const answer = await request(lab.server.url, method, path.replaceAll(':session', id).replaceAll(':machine', 'no-such'), req ?? undefined, authorization);
    const text = (value: unknown): string => JSON.stringify(value).replaceAll(id, ':session');
    expect(answer.status).toBe(status);
    const varies = (key: string, value: unknown): unknown => (['token', 'timestamp', 'id'].includes(key) ? key : value);
    expect(JSON.parse(text(answer.body), varies)).toEqual(JSON.parse(JSON.stringify(res), varies));
  });
});

describe('the shapes of the real server', () => {
  it('are those of every recorded answer and push', async () => {
    const mine: Record<string, unknown> = {};
    const take = (key: string, value: unknown): void => { mine[key] ??= value; };
    const http = async (method: string, path: string, body?: unknown, key = path): Promise<Record<string, unknown>> => {
      const answer = await account.http(method, path, body);
      expect(answer.status, `${method} ${path}`).toBe(200);
      take(`http ${method} ${key.split('?')[0]}`, answer.body);
      return answer.body as Record<string, unknown>;
    };
    const phone = await account.socket({ clientType: 'user-scoped', appState: 'background' });
    const other = await account.socket();
    const machineId = '2c7bd1a8-0000-4000-8000-000000000001';
    await http('POST', '/v1/machines', { id: machineId, metadata: 'bQ==', daemonState: 'ZA==', dataEncryptionKey: 'aw==' });
    const daemon = await account.socket({ clientType: 'machine-scoped', machineId });
    const { session } = (await http('POST', '/v1/sessions', { tag: 'tag', metadata: 'bQ==', agentState: 'cw==', dataEncryptionKey: 'aw==' })) as { session: { id: string } };
    const { id } = session;
    const agent = await account.socket({ clientType: 'session-scoped', sessionId: id });
    const acked = async (who: typeof phone, event: string, data: unknown, timeoutMs?: number): Promise<void> => {
      const answer = await who.ask(event, data, timeoutMs);
      take(`ack ${event} ${event === 'rpc-call' ? `(${answer['ok'] === true ? 'True' : 'False'}, ${answer['error'] === undefined ? 'None' : `'${answer['error'] as string}'`})` : answer['result'] as string | undefined ?? 'None'}`, answer);
    };

    await acked(daemon, 'machine-update-state', { machineId, daemonState: 'ZA==', expectedVersion: 1 });
    await acked(daemon, 'machine-update-metadata', { machineId, metadata: 'bQ==', expectedVersion: 1 });
    await acked(phone, 'machine-update-metadata', { machineId, metadata: 'bQ==', expectedVersion: 1 });
    await acked(phone, 'machine-update-metadata', { machineId: 'no-such', metadata: 'bQ==', expectedVersion: 1 });
    for (const expectedVersion of [0, 0]) await acked(agent, 'update-metadata', { sid: id, metadata: 'bQ==', expectedVersion });
    for (const expectedVersion of [0, 0]) await acked(agent, 'update-state', { sid: id, agentState: 'cw==', expectedVersion });
    await acked(phone, 'update-metadata', { sid: id });
    await acked(phone, 'update-state', { sid: 'no-such', agentState: 'cw==', expectedVersion: 0 });
    await acked(phone, 'ping', undefined);
    daemon.socket.emit('machine-alive', { machineId, time: Date.now() });
    agent.socket.emit('session-alive', { sid: id, time: Date.now(), thinking: false, mode: 'remote' });
    agent.socket.emit('usage-report', { key: 'claude-session', sessionId: id, tokens: { total: 3, input: 1, output: 2, cache_creation: 0, cache_read: 0 }, cost: { total: 1, input: 1, output: 0 } });

    daemon.socket.on('rpc-registered', (what) => take('rpc-registered ', what));
    daemon.socket.on('rpc-request', (what: { method: string }, answer: (result: string) => void) => {
      take('rpc-request ', what);
      if (what.method.endsWith(':bash')) answer('cmVzdWx0');
      if (what.method.endsWith(':gone')) daemon.socket.disconnect();
    });
    for (const method of ['bash', 'silent', 'gone']) daemon.socket.emit('rpc-register', { method: `${machineId}:${method}` });
    await soon(() => mine['rpc-registered ']);
    await acked(phone, 'rpc-call', { method: `${machineId}:bash`, params: 'cA==' });
    await acked(phone, 'rpc-call', { method: `${machineId}:silent`, params: 'cA==' });
    await acked(phone, 'rpc-call', { method: `${machineId}:nothing`, params: 'cA==' });
    await acked(phone, 'rpc-call', {});
    await acked(phone, 'rpc-call', { method: `${machineId}:gone`, params: 'cA==' });

    await http('POST', `/v3/sessions/${id}/messages`, { messages: [{ content: 'Yw==', localId: 'l1' }] }, '/v3/sessions/:id/messages');
    await http('GET', `/v3/sessions/${id}/messages`, undefined, '/v3/sessions/:id/messages');
    await http('GET', `/v1/sessions/${id}/messages`, undefined, '/v1/sessions/:id/messages');
    await http('GET', '/v1/machines');
    await http('GET', '/v1/sessions');
    await http('GET', '/v2/sessions');
    await http('GET', '/v2/sessions/active');
    await http('POST', `/v1/sessions/${id}/push-event`, { kind: 'done', title: 'It is ready', body: 'p1' }, '/v1/sessions/:id/push-event');
    const { uploadUrl, ref } = (await http('POST', `/v1/sessions/${id}/attachments/request-upload`, { filename: 'dot.png', size: 3 }, '/v1/sessions/:id/attachments/request-upload')) as { uploadUrl: string; ref: string };
    const put = await fetch(uploadUrl, { method: 'PUT', body: new Uint8Array([1, 2, 3]), headers: { authorization: `Bearer ${account.token}`, 'content-type': 'application/octet-stream' } });
    take('http PUT /v1/sessions/:id/attachments/:id', await put.json());
    const { downloadUrl } = (await http('POST', `/v1/sessions/${id}/attachments/request-download`, { ref }, '/v1/sessions/:id/attachments/request-download')) as { downloadUrl: string };
    const got = await fetch(downloadUrl, { headers: { authorization: `Bearer ${account.token}` } });
    expect([...new Uint8Array(await got.arrayBuffer())]).toEqual([1, 2, 3]);
    await http('POST', '/v1/usage/query', { groupBy: 'day' });
    await http('POST', '/v1/kv', { mutations: [{ key: 'lab.x', value: 'dg==', version: -1 }] });
    await http('GET', '/v1/kv/lab.x');
    await http('GET', '/v1/kv?prefix=lab.');
    await http('POST', '/v1/account/settings', { settings: 'ZW5j', expectedVersion: 0 });
    await http('GET', '/v1/push-tokens');
    await http('GET', '/health');
    await http('POST', `/v1/sessions/${id}/archive`, {}, '/v1/sessions/:id/archive');
    await http('DELETE', `/v1/sessions/${id}`, undefined, '/v1/sessions/:id');

    await soon(() => other.updates.some(({ body }) => body.t === 'delete-session'));
    for (const update of other.updates) {
      const { body } = update;
      const part = ['metadata', 'agentState', 'daemonState'].filter((field) => field in body).join('+');
      take(`update ${body.t}${['update-session', 'update-machine'].includes(body.t) ? ` ${part}` : ''}`, update);
    }
    for (const ephemeral of other.ephemerals) take(`ephemeral ${ephemeral.type}`, ephemeral);
    const missing = Object.keys(recorded.shapes).filter((key) => !(key in mine));
    expect(missing).toEqual([]);
    for (const [key, theirs] of Object.entries(recorded.shapes)) {
      try {
        same(mine[key], theirs);
      } catch (error) {
        throw new Error(`${key}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
    expect(lab.server.unknown).toEqual([]);
  }, 20_000);
});
