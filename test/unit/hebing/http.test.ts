import { inspect } from 'node:util';
import { MockAgent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HebingAPIError, HebingError, HebingTransportError } from '../../../src/core/systems/hebing/errors.ts';
import type { HebingHttpOptions } from '../../../src/core/systems/hebing/http.ts';
import { apiError, hebingAddress, HebingHttp, isPassing, keyOf } from '../../../src/core/systems/hebing/http.ts';
import { paths } from '../../../src/core/systems/hebing/paths.ts';
import { startConnectProxy } from '../../loopback/connectProxy.ts';
import type { Loopback } from '../../loopback/server.ts';
import { listen, sendJson, silence } from '../../loopback/server.ts';

const KEY = 'nxt_ag_0123456789';
type Answer = readonly [status: number, body: unknown, headers?: Record<string, string>] | 'drop' | 'silence' | 'html';
let answers: Answer[];
let server: Loopback;
beforeEach(async () => {
  answers = [];
  server = await listen(async ({ response, signal }) => {
    const answer = answers.shift() ?? [200, { ok: true }];
    if (answer === 'drop') response.destroy();
    else if (answer === 'silence') await silence(signal);
    else if (answer === 'html') response.end('<!doctype html>');
    else sendJson(response, answer[0], answer[1], answer[2]);
  });
});
afterEach(() => server.close());

const fast = { baseMs: 1, capMs: 2 };
function client(more: Partial<HebingHttpOptions> = {}, key: string | null = KEY): HebingHttp {
  return new HebingHttp(key, { baseUrl: `${server.url}/api/v1`, retry: fast, ...more });
}
async function failure(work: Promise<unknown>): Promise<HebingError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HebingError)) throw new Error(`no HebingError but ${String(error)}`, { cause: error });
  return error;
}
const get = { method: 'GET', path: paths.jobs, idempotent: true } as const;

describe('a request to hebing', () => {
  it('goes to the path below the base URL, with the key, JSON and the query', async () => {
    await using http = client();
    answers.push([201, { id: 'j' }]);
    expect(await http.request({ method: 'POST', path: paths.bid('a/b c'), query: { wait: '25', capability_keys: 'a,b' }, json: { x: 1 }, idempotent: false })).toMatchObject({ status: 201, body: { id: 'j' } });
    expect(server.requests[0]).toMatchObject({ method: 'POST', path: '/api/v1/kernel-jobs/a%2Fb%20c/bid', query: 'wait=25&capability_keys=a%2Cb', body: { x: 1 }, headers: { authorization: `Bearer ${KEY}` } });
    await using nobody = client({}, null);
    await nobody.request(get);
    expect(server.requests[1]?.headers.authorization).toBeUndefined();
  });

  it('keeps the key to itself: printed, in JSON, in errors that send it back, and beyond a redirect', async () => {
    await using http = client();
    expect(`${inspect(http)}${inspect(http, { depth: 9, showHidden: true })}${JSON.stringify(http)}`).not.toContain(KEY);
    answers.push([400, { code: 'bad_arguments', detail: `your key ${KEY} is odd`, more: [KEY] }]);
    const error = await failure(http.request(get));
    expect(inspect(error, { depth: 9 })).not.toContain(KEY);
    const other = await listen(({ response }) => Promise.resolve(sendJson(response, 200, {})));
    answers.push([307, {}, { location: `${other.url}/kernel-jobs` }]);
    expect(await failure(http.request(get))).toMatchObject({ status: 307, code: 'redirected' });
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it.each([[408], [425], [429], [500], [502], [503], [504]])('is sent again after %i, where a second one does no second thing', async (status) => {
    await using http = client();
    answers.push([status, {}], [status, {}]);
    expect((await http.request(get)).body).toEqual({ ok: true });
    expect(server.requests).toHaveLength(3);
    answers.push([status, {}]);
    expect(await failure(http.request({ ...get, idempotent: false }))).toMatchObject({ status });
    expect(server.requests).toHaveLength(4);
  });

  it.each([[400], [401], [402], [403], [404], [409], [410], [422], [501]])('is never sent again after %i', async (status) => {
    await using http = client();
    answers.push([status, {}]);
    expect(await failure(http.request(get))).toMatchObject({ status });
    expect(server.requests).toHaveLength(1);
  });

  it('is sent again when the connection broke, and then fails as the network\'s', async () => {
    await using http = client();
    answers.push('drop');
    expect((await http.request(get)).status).toBe(200);
    answers.push('drop', 'drop', 'drop');
    const error = await failure(http.request(get));
    expect(error).toBeInstanceOf(HebingTransportError);
    expect(error).not.toBeInstanceOf(HebingAPIError);
    expect(error).toMatchObject({ code: 'connection_failed', personMustAct: false });
    expect(server.requests).toHaveLength(5);
    answers.push('silence');
    expect(await failure(http.request({ ...get, idempotent: false, deadlineMs: 60 }))).toMatchObject({ code: 'timeout' });
  });

  it('waits as long as the server asks, and ends at once with its signal', async () => {
    await using http = client();
    answers.push([429, {}, { 'retry-after': '3600' }]);
    expect(await failure(http.request(get))).toMatchObject({ code: 'rate_limited', retryAfterMs: 3_600_000 });
    expect(server.requests).toHaveLength(1);
    const stop = new AbortController();
    const reason = new Error('enough');
    answers.push('silence');
    const running = http.request({ ...get, signal: stop.signal });
    await server.seen((request) => request === server.requests[1]);
    stop.abort(reason);
    await expect(running).rejects.toBe(reason);
  });

  it('that is answered with something else than JSON is bad_answer', async () => {
    await using http = client();
    answers.push('html');
    expect(await failure(http.request(get))).toMatchObject({ code: 'bad_answer' });
  });

  it('is refused before it is sent: plain http beyond loopback, bad addresses, bad keys, ids that lead elsewhere', async () => {
    expect(() => hebingAddress('http://hebing.example.org/api')).toThrow(expect.objectContaining({ code: 'plain_http_refused', personMustAct: true }) as Error);
    expect(hebingAddress(' http://hebing.example.org/api/ ', { allowPlainHttp: true })).toBe('http://hebing.example.org/api');
    for (const url of ['', 'frob', 'ftp://x', 'https://user:pw@x']) expect(() => client({ baseUrl: url })).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
    expect(keyOf(` ${KEY}\n`)).toBe(KEY);
    expect(() => keyOf('  ')).toThrow(expect.objectContaining({ code: 'credentials_missing' }) as Error);
    for (const key of ['a b', 'ключ', 'a\r\nb']) expect(() => keyOf(key)).toThrow(expect.objectContaining({ code: 'credentials_malformed', message: expect.not.stringContaining(key) as string }) as Error);
    for (const id of ['', ' ', '.', '..', 'available']) expect(() => paths.job(id)).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
  });

  it('goes through the proxy that it is given, and through a dispatcher in place of all that', async () => {
    const proxy = await startConnectProxy();
    await using http = new HebingHttp(KEY, {
      baseUrl: `${server.url}/api/v1`,
      proxy: () => ({ http: { url: proxy.url, named: 'HTTP_PROXY' }, https: null, noProxy: ['<-loopback>'], authorization: null, strictTls: true, remedy: '' }),
    });
    expect((await http.request(get)).body).toEqual({ ok: true });
    expect(proxy.opened).toEqual([new URL(server.url).host]);
    const mock = new MockAgent();
    mock.disableNetConnect();
    mock.get('https://hebing.example.org').intercept({ path: '/api/v1/kernel-jobs', headers: { authorization: `Bearer ${KEY}` } }).reply(200, { from: 'mock' });
    await using mocked = new HebingHttp(KEY, { baseUrl: 'https://hebing.example.org/api/v1', dispatcher: mock });
    expect((await mocked.request(get)).body).toEqual({ from: 'mock' });
    await mock.close();
    await proxy.close();
  });
});

describe('an answer that is an error', () => {
  it('has the server\'s code and words in either form, and else a code made from its status', () => {
    const seen = (status: number, body: Parameters<typeof apiError>[1]): unknown[] => {
      const error = apiError(status, body);
      return [error.code, error.detail];
    };
    expect(seen(400, { code: 'unknown_capability', detail: 'No such capability' })).toEqual(['unknown_capability', 'No such capability']);
    expect(seen(402, { detail: { code: 'insufficient_balance', message: 'Top up' } })).toEqual(['insufficient_balance', 'Top up']);
    expect(seen(404, { detail: 'Not Found' })).toEqual(['not_found', 'Not Found']);
    expect(seen(422, { detail: [{ loc: ['body', 'input_payload', 'n'], msg: 'must be a number' }, { msg: 'x' }] })).toEqual(['validation_failed', 'body.input_payload.n: must be a number; x']);
    expect(seen(400, { error: 'authorization_pending', error_description: 'Wait' })).toEqual(['authorization_pending', 'Wait']);
    expect(seen(500, { error: { code: 'broken', message: 'Sorry' } })).toEqual(['broken', 'Sorry']);
    expect(seen(503, null)).toEqual(['server_error', '']);
    expect(seen(418, 'a\u0007 \n pot')).toEqual(['request_refused', '']);
    expect(seen(403, { code: 'not a code!', detail: '' })).toEqual(['forbidden', '']);
    expect(apiError(400, { code: 'x', detail: 'y', extra: [1] })).toMatchObject({ status: 400, statusCode: 400, body: { code: 'x', detail: 'y', extra: [1] } });
  });

  it('says when nothing but the person can mend it, and whether another try may', () => {
    expect(apiError(401, null).personMustAct).toBe(true);
    expect(apiError(400, { code: 'insufficient_balance' }).personMustAct).toBe(true);
    expect(apiError(404, null).personMustAct).toBe(false);
    expect([apiError(503, null), apiError(429, null), new HebingTransportError('timeout', '')].map(isPassing)).toEqual([true, true, true]);
    expect([apiError(404, null), new HebingError('bad_answer', ''), new HebingTransportError('proxy_auth_required', '', { personMustAct: true }), null].map(isPassing)).toEqual([false, false, false, false]);
  });
});
