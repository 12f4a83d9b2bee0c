import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { ForgeAPIError, ForgeAuthError, ForgeError, ForgeTransportError } from '../../../src/core/systems/clawdforge/errors.ts';
import { describeError, isAbort } from '../../../src/core/model/errors.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { rejection } from '../../contract/helpers.ts';

let server: ForgeTestServer;
let forge: Forge;
beforeEach(async () => {
  server = await new ForgeTestServer().start();
  forge = new Forge({ baseUrl: server.url, token: server.token('mine'), retryBaseMs: 1 });
});
afterEach(async () => {
  await forge.close();
  await server.close();
});

/** Every request, what it goes to, and whether it may be tried again. */
const calls: readonly { readonly name: string; readonly method: string; readonly path: RegExp; readonly again: boolean; readonly work: () => Promise<unknown> }[] = [
  { name: 'health', method: 'GET', path: /healthz/, again: true, work: () => forge.healthz() },
  { name: 'list', method: 'GET', path: /^\/sessions$/, again: true, work: () => forge.listSessions() },
  { name: 'state', method: 'GET', path: /^\/sessions\/x$/, again: true, work: () => forge.getSession('x') },
  { name: 'tokens', method: 'GET', path: /admin/, again: true, work: () => forge.listTokens() },
  { name: 'close', method: 'DELETE', path: /^\/sessions\/x$/, again: true, work: () => forge.attach('x').close() },
  { name: 'run', method: 'POST', path: /^\/run$/, again: false, work: () => forge.run({ prompt: 'x' }) },
  { name: 'upload', method: 'POST', path: /^\/files$/, again: false, work: () => forge.uploadFile(new Uint8Array(3)) },
  { name: 'create', method: 'POST', path: /^\/sessions$/, again: false, work: () => forge.createSession() },
  { name: 'turn', method: 'POST', path: /turn$/, again: false, work: () => forge.attach('x').turn('x') },
  { name: 'make a token', method: 'POST', path: /admin/, again: false, work: () => forge.createToken('x') },
  { name: 'revoke a token', method: 'DELETE', path: /admin/, again: false, work: () => forge.revokeToken('x') },
];

describe.each(calls)('$name', ({ method, path, again, work }) => {
  it.each([408, 429, 500, 502, 503, 504])('with %d: what costs tokens or makes something is sent once, what reads up to three times', async (status) => {
    server.faults.push({ method, path, status, body: { error: 'scripted words' }, times: 99 });
    const error = await rejection(work());
    expect(error).toBeInstanceOf(ForgeAPIError);
    expect(error).not.toBeInstanceOf(ForgeAuthError);
    expect(error).toMatchObject({ status, body: { error: 'scripted words' } });
    expect(describeError(error)).toContain('scripted words');
    expect(server.count(method, path)).toBe(again ? 3 : 1);
  });

  it.each([400, 404, 409, 410, 422])('with %d: an API error, once', async (status) => {
    server.faults.push({ method, path, status, body: { detail: [{ loc: ['body'], msg: 'not so' }] }, times: 99 });
    const closed = method === 'DELETE' && status === 410 && path.test('/sessions/x');
    if (closed) await work();
    else expect(await rejection(work())).toMatchObject({ status, name: 'ForgeAPIError' });
    expect(server.count(method, path)).toBe(1);
  });

  it.each([401, 403])('with %d: an auth error, once, that the person must act on', async (status) => {
    server.faults.push({ method, path, status, times: 99 });
    const error = await rejection(work());
    expect(error).toBeInstanceOf(ForgeAuthError);
    expect(error).toMatchObject({ status, code: 'authentication_failed', personMustAct: true });
    expect(server.count(method, path)).toBe(1);
  });

  it('with a connection that breaks: a transport error; nobody can say whether the server has it', async () => {
    server.faults.push({ method, path, times: 99 });
    const error = await rejection(work());
    expect(error).toBeInstanceOf(ForgeTransportError);
    expect(error).not.toBeInstanceOf(ForgeAPIError);
    expect(error).toMatchObject({ code: 'connection_failed', reached: 'unanswered' });
    expect(server.count(method, path)).toBe(again ? 3 : 1);
  });
});

// Whatever a revoking is answered with, it is revoked.
it.each(calls.filter(({ name }) => name !== 'revoke a token'))('$name, answered by another program: it says so', async ({ method, path, work }) => {
  server.faults.push({ method, path, status: 200, body: 'hello', times: 99 });
  expect(await rejection(work())).toMatchObject({ code: 'bad_answer', name: 'ForgeError' });
  expect(server.count(method, path)).toBe(1);
});

it('aborted before it began: the signal’s reason, and nothing is sent', async () => {
  const reason = new DOMException('enough', 'AbortError');
  const signal = AbortSignal.abort(reason);
  const aborted = [() => forge.healthz({ signal }), () => forge.run({ prompt: 'x', signal }), () => forge.uploadFile(new Uint8Array(1), { signal }), () => forge.attach('x').turn('x', { signal }), () => forge.createSession({ signal })];
  for (const each of aborted) expect(await rejection(each())).toBe(reason);
  expect(server.requests).toEqual([]);
});

it('a server that is not there: nothing was sent', async () => {
  const { url } = server;
  await server.close();
  const away = new Forge({ baseUrl: url, token: 'cf_x', retryBaseMs: 1 });
  for (const work of [() => away.run({ prompt: 'x' }), () => away.healthz(), () => away.attach('x').turn('x'), () => away.uploadFile(new Uint8Array(1))]) {
    expect(await rejection(work())).toMatchObject({ code: 'connection_failed', reached: 'unsent', name: 'ForgeTransportError', message: `The clawdforge server cannot be reached: nothing answers at ${new URL(url).host}.` });
  }
  await away.close();
  await server.start();
});

it('an address that is none', () => {
  expect(() => new Forge({ baseUrl: 'frob', token: 'cf_x' })).toThrow('such as http://192.168.0.5:8800.');
});

it('a server that is silent: the deadline is what it may take and the margin', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  const waits: number[] = [];
  const slow = new Forge({
    baseUrl: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`, token: 'cf_x', httpTimeoutMargin: 4,
    clock: {
      now: () => Date.now(), monotonic: () => performance.now(),
      setTimeout: (callback, ms) => {
        waits.push(ms);
        const timer = setTimeout(callback, 20);
        return { cancel: () => clearTimeout(timer) };
      },
    },
  });
  expect(await rejection(slow.run({ prompt: 'x', timeoutSecs: 60 }))).toMatchObject({ code: 'timeout', reached: 'unanswered' });
  expect(await rejection(slow.attach('x').turn('x'))).toMatchObject({ code: 'timeout', name: 'ForgeTransportError' });
  expect(waits).toEqual([64_000, 124_000]);
  await slow.close();
  silent.close();
});

it('a failed run shows what the server says of it, error and stderr, and keeps all of it', async () => {
  const body = { error: 'claude exited with 1', stderr: 'rate limit\nreached', duration_ms: 5, stop_reason: 'error' };
  server.script = () => ({ events: [], refuse: { status: 502, body } });
  const error = await rejection(forge.run({ prompt: 'x' }));
  expect(error).toMatchObject({ status: 502, code: 'run_failed', body });
  expect((error as Error).message).toContain('claude exited with 1');
  expect((error as Error).message).toContain('rate limit reached');
});

it('a token shows nowhere in an error, also where the server repeats it', async () => {
  const token = 'cf_unknown_1234567890';
  const other = new Forge({ baseUrl: server.url, token });
  const error = await rejection(other.healthz());
  expect(error).toBeInstanceOf(ForgeAuthError);
  expect(JSON.stringify([describeError(error), error, (error as ForgeAPIError).body])).not.toContain(token);
  await other.close();
});

it('a token from an address that is not in its ranges says that it may be that', async () => {
  const other = new Forge({ baseUrl: server.url, token: server.token('far', ['10.0.0.0/8']) });
  expect(await rejection(other.healthz())).toMatchObject({ status: 403, message: expect.stringContaining('IP ranges') as string });
  expect(await rejection(forge.listTokens())).toMatchObject({ status: 403, message: expect.stringContaining('admin bootstrap token') as string });
  await other.close();
});

it('a read waits as long as the server asks, but not for long', async () => {
  server.faults.push({ method: 'GET', path: /healthz/, status: 429, headers: { 'retry-after': '3600' } });
  expect(await rejection(forge.healthz())).toMatchObject({ code: 'rate_limited', retryAfterMs: 3_600_000 });
  expect(server.count('GET', /healthz/)).toBe(1);
});

it('a closed client refuses, and an abort while it waits ends the tries', async () => {
  const closed = new Forge({ baseUrl: server.url, token: 'cf_x' });
  await closed.close();
  expect(await rejection(closed.run({ prompt: 'x' }))).toBeInstanceOf(ForgeError);
  const patient = new Forge({ baseUrl: server.url, token: server.token(), retryBaseMs: 60_000 });
  server.faults.push({ method: 'GET', path: /healthz/, status: 503, times: 9 });
  const abort = new AbortController();
  const waiting = rejection(patient.healthz({ signal: abort.signal }));
  await expect.poll(() => server.count('GET', /healthz/)).toBe(1);
  abort.abort();
  expect(isAbort(await waiting)).toBe(true);
  await patient.close();
});
