import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpClient, HttpError, isLoopback, retryAfter, serverAddress } from '../../../src/core/transport/http.ts';
import { backoff, classifyHttp, withRetry } from '../../../src/core/transport/retry.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closers.push(() => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
function client(options: ConstructorParameters<typeof HttpClient>[0] = {}): HttpClient {
  const made = new HttpClient(options);
  closers.push(() => made[Symbol.asyncDispose]());
  return made;
}
async function failure(work: Promise<unknown>): Promise<HttpError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HttpError)) throw new Error('no HttpError', { cause: error });
  return error;
}

describe('requests', () => {
  it('sends JSON and headers and reads JSON', async () => {
    const url = await serve((request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ method: request.method, url: request.url, type: request.headers['content-type'], token: request.headers.authorization, body: JSON.parse(Buffer.concat(chunks).toString()) as unknown }));
      })();
    });
    expect(await client().json({ method: 'POST', url: `${url}/a?b=c`, headers: { authorization: 'Bearer x' }, json: { ü: 1 } }))
      .toEqual({ method: 'POST', url: '/a?b=c', type: 'application/json', token: 'Bearer x', body: { ü: 1 } });
  });

  it('hands on what comes while it comes, and passes on what its reader throws', async () => {
    let go: () => void = () => undefined;
    let ended = false;
    const url = await serve((_request, response) => {
      response.on('close', () => (ended = true));
      response.write('one');
      go = () => void response.write('two');
    });
    const heard: string[] = [];
    const reading = client().streamed({ method: 'GET', url }, async ({ status, body }) => {
      for await (const chunk of body) {
        heard.push(Buffer.from(chunk).toString());
        if (heard.length === 1) go();
        else throw new RangeError(`enough of ${status}`);
      }
    });
    // Another's error is no error of ours to reword beyond its kind.
    expect(await failure(reading)).toMatchObject({ code: 'http_network' });
    expect(heard).toEqual(['one', 'two']);
    await expect.poll(() => ended).toBe(true);
    const own = client().streamed({ method: 'GET', url }, () => Promise.reject(new HttpError('bad_json', 'mine')));
    expect((await failure(own)).message).toBe('mine');
  });

  it('says that the address of a proxy cannot be used as it says all else', async () => {
    const named = { url: 'socks5://proxy.example:1', named: 'http.proxy' };
    const over = new HttpClient({ proxy: () => ({ http: named, https: named, noProxy: [], authorization: null, strictTls: true, remedy: '' }) });
    expect(await failure(over.request({ method: 'GET', url: 'https://a.example/x' }))).toMatchObject({ failure: 'proxy', code: 'proxy_invalid', personMustAct: true });
  });

  it('gives null for an empty body', async () => {
    const url = await serve((_request, response) => response.end());
    expect(await client().json({ method: 'GET', url })).toBeNull();
  });

  it('says status and body, and none of the secrets of the request', async () => {
    const token = 'super-secret-token-1234567890';
    const url = await serve((request, response) => {
      response.statusCode = 503;
      response.setHeader('retry-after', '7');
      response.end(`no: ${request.headers.authorization} key=sk-abcdefghijklmnop\n\u001b[31m red`);
    });
    const error = await failure(client().json({ method: 'GET', url: `${url}/x?publicKey=hidden`, headers: { authorization: `Bearer ${token}` } }));
    expect(error).toMatchObject({ code: 'http_status', status: 503, retryAfterMs: 7_000 });
    for (const text of [error.message, error.excerpt, error.stack ?? '', JSON.stringify(error)]) {
      expect(text).not.toContain(token);
      expect(text).not.toContain('sk-abc');
      expect(text).not.toContain('hidden');
      expect(text).not.toContain('\u001b');
    }
    expect(error.message).toContain('[redacted]');
  });

  it('does not follow a redirect, which would carry the token away', async () => {
    let asked = 0;
    const other = await serve((_request, response) => {
      asked += 1;
      response.end('{}');
    });
    const url = await serve((_request, response) => {
      response.writeHead(302, { location: other }).end();
    });
    expect((await failure(client().json({ method: 'GET', url }))).status).toBe(302);
    expect(asked).toBe(0);
  });

  it('says that an answer is no JSON without quoting it in the cause', async () => {
    const url = await serve((_request, response) => response.end('<html>token=abcdefgh</html>'));
    const error = await failure(client().json({ method: 'GET', url }));
    expect(error.code).toBe('http_bad_json');
    expect(error.excerpt).not.toContain('abcdefgh');
    expect(error.cause).toBeUndefined();
  });

  it.each([['before the headers', false], ['in the middle of the body', true]])('ends at its deadline %s', async (_name, begun) => {
    const url = await serve((_request, response) => {
      if (begun) {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{');
      }
    });
    const before = performance.now();
    expect((await failure(client().json({ method: 'GET', url, deadlineMs: 80 }))).code).toBe('http_timeout');
    expect(performance.now() - before).toBeLessThan(1_500);
  });

  it('rejects with the reason of its signal, before and during the request', async () => {
    const url = await serve(() => undefined);
    const reason = new Error('enough');
    await expect(client().json({ method: 'GET', url, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const stop = new AbortController();
    const running = client().json({ method: 'GET', url, signal: stop.signal });
    setTimeout(() => stop.abort(reason), 30);
    await expect(running).rejects.toBe(reason);
  });

  it('leaves no listener on its signal, however it ends', async () => {
    const url = await serve((request, response) => {
      response.statusCode = request.url === '/bad' ? 500 : 200;
      response.end('1');
    });
    const { signal } = new AbortController();
    expect(await client().json({ method: 'GET', url, signal })).toBe(1);
    await failure(client().json({ method: 'GET', url: `${url}/bad`, signal }));
    await failure(client({ maxBodyBytes: 0 }).json({ method: 'GET', url, signal }));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('stops reading at its bound', async () => {
    const url = await serve((_request, response) => response.end('x'.repeat(5_000)));
    expect((await failure(client({ maxBodyBytes: 1_000 }).request({ method: 'GET', url }))).code).toBe('http_too_large');
  });

  it('names a server that is not there, and one that hangs up', async () => {
    const gone = await serve(() => undefined);
    await closers.pop()?.();
    expect((await failure(client().json({ method: 'GET', url: gone }))).code).toBe('http_network');
    const rude = await serve((request) => request.socket.destroy());
    expect((await failure(client().json({ method: 'GET', url: rude }))).code).toBe('http_network');
  });

  it('goes on after a reset, and not after its end', async () => {
    const url = await serve((_request, response) => response.end('1'));
    const http = client();
    expect(await http.json({ method: 'GET', url })).toBe(1);
    http.reset();
    expect(await http.json({ method: 'GET', url })).toBe(1);
    await http[Symbol.asyncDispose]();
    expect((await failure(http.json({ method: 'GET', url }))).code).toBe('http_network');
  });
});

describe('addresses', () => {
  it.each(['localhost', 'a.localhost', '127.0.0.1', '127.9.9.9', '[::1]', 'LOCALHOST.'])('%s is this computer', (host) => expect(isLoopback(host)).toBe(true));
  it.each(['example.org', '10.0.0.1', '127.0.0.1.example.org', 'localhost.example.org', '[::2]', '0.0.0.0', '1270.0.0.1'])('%s is not', (host) => expect(isLoopback(host)).toBe(false));

  it('refuses plain http beyond loopback unless it is allowed', async () => {
    expect((await failure(client().json({ method: 'GET', url: 'http://example.org/a' }))).code).toBe('plain_http_refused');
    expect(() => serverAddress('http://example.org')).toThrowError(expect.objectContaining({ code: 'plain_http_refused', personMustAct: true }) as Error);
    expect(serverAddress('http://example.org/', { allowPlainHttp: true })).toBe('http://example.org');
    expect(serverAddress('http://127.0.0.1:8080/')).toBe('http://127.0.0.1:8080');
    expect(serverAddress('https://example.org/base//?x#y')).toBe('https://example.org/base');
  });

  it.each(['', 'example.org', 'ftp://example.org', 'javascript:alert(1)', 'https://user:pass@example.org', 'https://'])('refuses %s', (text) => {
    expect(() => serverAddress(text)).toThrowError(expect.objectContaining({ code: 'invalid_argument' }) as Error);
  });
});

describe('retries', () => {
  const at = (status: number, retryAfterMs: number | null = null): HttpError => new HttpError('status', 'x', { status, retryAfterMs });
  const fast = { baseMs: 1, capMs: 2 };
  async function count(error: Error, idempotent: boolean): Promise<number> {
    let asked = 0;
    const work = (): Promise<never> => {
      asked += 1;
      return Promise.reject(error);
    };
    await expect(withRetry(work, { ...fast, classify: classifyHttp(idempotent) })).rejects.toBe(error);
    return asked;
  }

  it.each([400, 401, 403, 404, 405, 409, 410, 413, 422, 501, 302])('never repeats after %i', async (status) => expect(await count(at(status), true)).toBe(1));
  it.each([408, 425, 429, 500, 502, 503, 504])('repeats after %i, and only what is idempotent', async (status) => {
    expect(await count(at(status), true)).toBe(4);
    expect(await count(at(status), false)).toBe(1);
  });
  it('repeats after a lost network and a deadline, not after bad JSON, a refused address or an error of our own', async () => {
    expect(await count(new HttpError('network', 'x'), true)).toBe(4);
    expect(await count(new HttpError('timeout', 'x'), true)).toBe(4);
    expect(await count(new HttpError('network', 'x'), false)).toBe(1);
    for (const failure of ['bad_json', 'plain_http', 'invalid', 'too_large'] as const) expect(await count(new HttpError(failure, 'x'), true)).toBe(1);
    expect(await count(new TypeError('x'), true)).toBe(1);
  });

  it('waits as long as the server asks, or gives up where that is too long', async () => {
    const waits: number[] = [];
    const clock = { now: () => 0, monotonic: () => 0, setTimeout: (call: () => void, ms: number) => {
      waits.push(ms);
      queueMicrotask(call);
      return { cancel: () => undefined };
    } };
    let asked = 0;
    const work = (ms: number) => (): Promise<never> => {
      asked += 1;
      return Promise.reject(at(429, ms));
    };
    await expect(withRetry(work(30_000), { classify: classifyHttp(true), clock, tries: 2 })).rejects.toMatchObject({ status: 429 });
    expect(waits).toEqual([30_000]);
    asked = 0;
    await expect(withRetry(work(120_000), { classify: classifyHttp(true), clock })).rejects.toMatchObject({ status: 429 });
    expect(asked).toBe(1);
  });

  it('waits between half and all of a doubling delay, up to its cap', () => {
    const shape = (random: number): number[] => [1, 2, 3, 4, 5, 50].map((n) => backoff(n, { baseMs: 1_000, capMs: 5_000, random: () => random }));
    expect(shape(0)).toEqual([500, 1_000, 2_000, 2_500, 2_500, 2_500]);
    expect(shape(0.999999).map(Math.round)).toEqual([1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
  });

  it('ends its wait with the signal', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const running = withRetry(() => Promise.reject(at(503)), { classify: classifyHttp(true), baseMs: 60_000, capMs: 60_000, signal: stop.signal });
    setTimeout(() => stop.abort(reason), 20);
    await expect(running).rejects.toBe(reason);
  });

  it('reads Retry-After as seconds or a date', () => {
    expect(retryAfter('3', 0)).toBe(3_000);
    expect(retryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 4_000)).toBe(6_000);
    expect(retryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 40_000)).toBe(0);
    for (const bad of ['-1', '1e9', 'soon', '']) expect(retryAfter(bad, 0)).toBeNull();
    expect(retryAfter(undefined, 0)).toBeNull();
  });
});
