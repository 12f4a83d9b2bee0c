import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createServer } from 'node:tls';
import net, { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { io } from 'socket.io-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HappyAccount } from '../../../src/core/systems/happy/account.ts';
import { HappyClient } from '../../../src/core/systems/happy/client.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { createLogger } from '../../../src/core/transport/logger.ts';
import type { ProxyRules } from '../../../src/core/transport/proxy.ts';
import { routeTo } from '../../../src/core/transport/proxy.ts';
import { proxyErrorOf, routedWebSocket } from '../../../src/core/transport/tunnel.ts';
import { proxyRules } from '../../../src/extension/proxyRules.ts';
import type { ConnectProxy } from '../../loopback/connectProxy.ts';
import { startConnectProxy } from '../../loopback/connectProxy.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { code, rejection } from '../../contract/helpers.ts';
import { until } from '../store/support.ts';

const tlsPair = { key: readFileSync(new URL('../../fixtures/tls/happy.test.key.pem', import.meta.url), 'utf8'), cert: readFileSync(new URL('../../fixtures/tls/happy.test.cert.pem', import.meta.url), 'utf8') };
const PASSWORD = 'Kx9-canary-word';
const BASIC = `Basic ${Buffer.from(`ann:${PASSWORD}`).toString('base64')}`;
const off = { proxy: '', noProxy: [], proxyAuthorization: null, proxyStrictSSL: true, proxySupport: 'override' };

let server: HappyTestServer;
let token: string;
let named: string;
const master = Uint8Array.from(randomBytes(32));
const closers: (() => unknown)[] = [];
beforeEach(async () => {
  server = await startHappyServer();
  ({ token } = server.tokenFor(master));
  named = `happy.test:${new URL(server.url).port}`;
  closers.push(() => server.close());
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function proxy(options: Parameters<typeof startConnectProxy>[0] = {}): Promise<ConnectProxy> {
  const started = await startConnectProxy(options);
  closers.push(() => started.close());
  return started;
}

/** An account on `happy.test`, a name that only the proxy of a test knows, with a log of all that it says. */
function account(rules: () => ProxyRules | null, serverUrl = `http://${named}`): { readonly account: HappyAccount; readonly lines: string[] } {
  const lines: string[] = [];
  const log = createLogger((_level, line) => lines.push(line));
  const credentials = explicitCredentials({ token, secret: toBase64(master) }, { serverUrl, allowPlainHttp: true });
  const made = new HappyAccount({ credentials, allowPlainHttp: true, proxy: rules, log, timing: { firstDelay: 30, lastDelay: 60, lastVisibleDelay: 60 } });
  closers.push(() => made[Symbol.asyncDispose]());
  return { account: made, lines };
}

describe('a proxy that drops every packet', () => {
  it('is given up, its connection too, though that never came about', async () => {
    const made: net.Socket[] = [];
    // As Node does where no answer comes to the first packet.
    const connecting = vi.spyOn(net, 'connect').mockImplementation((...args: unknown[]) => {
      const { timeout } = args[0] as { readonly timeout?: number };
      const socket = Object.assign(new net.Socket(), { connecting: true });
      if (timeout !== undefined) socket.setTimeout(timeout);
      made.push(socket);
      return socket;
    });
    closers.push(() => connecting.mockRestore());
    const rules = proxyRules({ ...off, proxy: 'http://proxy.example:3128' }, {});
    const socket = io('http://happy.test', { transports: [routedWebSocket((url) => routeTo(url, rules), 100)], reconnection: false, forceNew: true, autoConnect: false });
    closers.push(() => socket.disconnect());
    const failed = new Promise<Error>((resolve) => {
      socket.once('connect_error', resolve);
    });
    socket.connect();
    expect(proxyErrorOf(await failed)?.message).toMatch(/proxy\.example:3128 of http\.proxy did not answer/);
    expect(made.map(({ destroyed }) => destroyed)).toEqual([true]);
  });
});

describe('an account behind a proxy', () => {
  it('sends its requests and its socket through it, with its sign-in, and none of that is logged', async () => {
    const through = await proxy({ authorization: BASIC });
    const { account: happy, lines } = account(() => proxyRules({ ...off, proxy: through.url.replace('//', `//ann:${PASSWORD}@`) }, {}));
    const using = happy.use();
    await happy.socket.online({ timeoutMs: 5_000 });
    expect(through.opened).toEqual([named]);
    expect((await happy.api.sessions()).rows).toEqual([]);
    expect(through.opened).toEqual([named, named]);
    expect(new Set(through.said)).toEqual(new Set([BASIC]));
    expect(through.others).toEqual([]);
    expect(server.sockets()).toHaveLength(1);
    using.dispose();
    expect(lines.join('\n')).not.toContain(PASSWORD);
  });

  it('does so where every request gets another agent, as in VS Code’s extension host', async () => {
    const { request } = http;
    const patched = ((...given: readonly unknown[]) => {
      const options = given.find((each): each is http.RequestOptions => typeof each === 'object' && each !== null && !(each instanceof URL)) ?? {};
      const host = options.hostname ?? options.host;
      return request({ ...options, ...(host === 'localhost' || host === '127.0.0.1' ? {} : { agent: new http.Agent() }) });
    }) as typeof http.request;
    http.request = patched;
    closers.push(() => (http.request = request));
    const through = await proxy({ authorization: BASIC });
    const { account: happy } = account(() => proxyRules({ ...off, proxy: through.url.replace('127.0.0.1', 'localhost'), proxyAuthorization: BASIC }, {}));
    await happy.socket.online({ timeoutMs: 5_000 });
    expect(through.opened).toEqual([named]);
    expect(server.sockets()).toHaveLength(1);
  });

  it('signs in by http.proxyAuthorization', async () => {
    const through = await proxy({ authorization: BASIC });
    const { account: happy } = account(() => proxyRules({ ...off, proxy: through.url, proxyAuthorization: BASIC }, {}));
    await Promise.all([happy.socket.online({ timeoutMs: 5_000 }), happy.api.probe()]);
    expect(through.opened).toEqual([named, named]);
  });

  it('that wants a sign-in (407) says which setting to change, for requests and for the socket, and nothing secret', async () => {
    const through = await proxy({ authorization: 'Basic other' });
    const { account: happy, lines } = account(() => proxyRules({ ...off, proxy: through.url.replace('//', `//ann:${PASSWORD}@`) }, {}));
    const wanted = { code: 'proxy_auth_required', personMustAct: true, message: expect.stringMatching(/^The proxy 127\.0\.0\.1:\d+ of http\.proxy wants a sign-in \(407\)\..*http\.proxyAuthorization/) as string };
    for (const work of [() => happy.api.sessions(), () => happy.socket.online({ timeoutMs: 5_000 })]) {
      const error = await rejection(work());
      expect(error).toMatchObject(wanted);
      expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(PASSWORD);
    }
    expect(happy.socket.state).toMatchObject({ status: 'reconnecting', proxy: wanted });
    expect(lines.join('\n')).not.toContain(PASSWORD);
  });

  it.each([403, 502])('that lets nothing through (%s) is named', async (refuse) => {
    const through = await proxy({ refuse });
    const { account: happy } = account(() => proxyRules({ ...off, proxy: through.url }, {}));
    await expect(happy.api.probe()).rejects.toMatchObject({ code: 'proxy_failed', message: expect.stringMatching(new RegExp(`http\\.proxy.*\\(${refuse}\\)`)) as string });
    happy.socket.start();
    await until(() => happy.socket.state.proxy?.code === 'proxy_failed');
  });

  it('that is away is named too', async () => {
    const gone = await startConnectProxy();
    await gone.close();
    const { account: happy } = account(() => proxyRules(off, { HTTP_PROXY: gone.url }));
    await expect(happy.api.probe()).rejects.toMatchObject({ code: 'proxy_failed', message: expect.stringMatching(/of HTTP_PROXY cannot be reached \(ECONNREFUSED\)/) as string });
    await expect(happy.socket.online({ timeoutMs: 400 })).rejects.toMatchObject({ code: 'connection_failed', message: expect.stringMatching(/of HTTP_PROXY cannot be reached/) as string });
  });

  it('takes another proxy with the next connection, without being made anew', async () => {
    const [first, second] = [await proxy(), await proxy()];
    let url = 'http://[';
    const { account: happy } = account(() => proxyRules({ ...off, proxy: url }, {}));
    const using = happy.use();
    expect(await code(happy.api.probe())).toBe('proxy_invalid');
    await until(() => happy.socket.state.proxy?.code === 'proxy_invalid');
    ({ url } = first);
    await happy.socket.online({ timeoutMs: 5_000 }).catch(() => undefined);
    await until(() => happy.socket.state.status === 'online');
    await happy.api.probe();
    expect(first.opened).toEqual([named, named]);
    ({ url } = second);
    await happy.api.probe();
    expect(second.opened).toEqual([named]);
    first.drop();
    await until(() => second.opened.length === 2 && happy.socket.state.status === 'online');
    expect(first.opened).toHaveLength(2);
    using.dispose();
  });

  it('on this computer is reached directly, unless told otherwise', async () => {
    const through = await proxy();
    const direct = account(() => proxyRules({ ...off, proxy: through.url }, {}), server.url).account;
    await Promise.all([direct.socket.online({ timeoutMs: 5_000 }), direct.api.probe()]);
    expect(through.opened).toEqual([]);
    const told = account(() => proxyRules({ ...off, proxy: through.url, noProxy: ['<-loopback>'] }, {}), server.url).account;
    await Promise.all([told.socket.online({ timeoutMs: 5_000 }), told.api.probe()]);
    expect(through.opened).toEqual([new URL(server.url).host, new URL(server.url).host]);
  });

  it('of the environment is found by a client of the library', async () => {
    const through = await proxy();
    await using client = new HappyClient({ serverUrl: `http://${named}`, allowPlainHttp: true, token, secret: toBase64(master), env: { HTTP_PROXY: through.url } });
    expect(await client.listSessions()).toEqual([]);
    expect(through.opened).toEqual([named]);
  });
});

describe('https behind a proxy', () => {
  /** TLS in front of the server. */
  async function secure(): Promise<string> {
    const front = createServer(tlsPair, (socket) => {
      const up = connect(Number(new URL(server.url).port), '127.0.0.1');
      socket.on('error', () => up.destroy()).on('close', () => up.destroy());
      up.on('error', () => socket.destroy()).on('close', () => socket.destroy());
      up.pipe(socket).pipe(up);
    });
    front.listen(0, '127.0.0.1');
    await new Promise((resolve) => {
      front.once('listening', resolve);
    });
    closers.push(() => front.close());
    return `happy.test:${(front.address() as AddressInfo).port}`;
  }

  it('is checked end to end, and not where the person has switched that off for proxies', async () => {
    const through = await proxy({ tls: tlsPair });
    const host = await secure();
    const strict = account(() => proxyRules({ ...off, proxy: through.url }, {}), `https://${host}`).account;
    strict.socket.start();
    expect(await code(strict.api.probe())).toMatch(/^(?:proxy_failed|connection_failed)$/);
    expect(through.opened).toEqual([]);
    const loose = account(() => proxyRules({ ...off, proxy: through.url, proxyStrictSSL: false }, {}), `https://${host}`).account;
    await Promise.all([loose.socket.online({ timeoutMs: 5_000 }), loose.api.probe()]);
    expect(through.opened).toEqual([host, host]);
    expect(strict.socket.state.status).toBe('reconnecting');
  });

  it('whose own certificate is not known is not spoken to, although its proxy is', async () => {
    const through = await proxy();
    const host = await secure();
    const strict = account(() => proxyRules({ ...off, proxy: through.url }, {}), `https://${host}`).account;
    expect(await code(strict.api.probe())).toBe('connection_failed');
    expect(await code(strict.socket.online({ timeoutMs: 500 }))).toBe('connection_failed');
    expect(through.opened.length).toBeGreaterThan(1);
    expect(server.sockets()).toHaveLength(0);
  });
});
