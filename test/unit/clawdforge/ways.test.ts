import { Agent, MockAgent } from 'undici';
import type { Dispatcher } from 'undici';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { proxyTrouble } from '../../../src/core/transport/dispatchers.ts';
import type { ProxyRules } from '../../../src/core/transport/proxy.ts';
import { routeTo } from '../../../src/core/transport/proxy.ts';
import { startConnectProxy } from '../../loopback/connectProxy.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { rejection } from '../../contract/helpers.ts';

let server: ForgeTestServer;
beforeEach(async () => {
  server = await new ForgeTestServer().start();
});
afterEach(() => server.close());

const rules = (url: string): ProxyRules => ({ http: { url, named: 'HTTP_PROXY' }, https: null, noProxy: [], authorization: null, strictTls: true, remedy: 'Sign in to the proxy.' });

it('goes through the proxy that is named, also with what is streamed; one that lets nothing through was told nothing', async () => {
  const proxy = await startConnectProxy();
  // Not this computer's own name, so that a proxy is asked at all.
  const baseUrl = `http://forge.test:${new URL(server.url).port}`;
  const forge = new Forge({ baseUrl, token: server.token(), proxy: () => rules(proxy.url) });
  const session = await forge.createSession();
  expect((await session.turn('Hello')).text()).toContain('Hello');
  expect((await forge.uploadFile(new Uint8Array(100_000))).size).toBe(100_000);
  expect(proxy.opened.length).toBeGreaterThan(0);
  await forge.close();
  await proxy.close();
  const refusing = await startConnectProxy({ refuse: 403 });
  const kept = new Forge({ baseUrl, token: server.token(), proxy: () => rules(refusing.url) });
  expect(await rejection(kept.run({ prompt: 'x' }))).toMatchObject({ name: 'ForgeTransportError', code: 'proxy_failed', reached: 'unsent', message: expect.stringContaining('HTTP_PROXY') as string });
  await kept.close();
  await refusing.close();
  expect(server.count('POST', /run/)).toBe(0);
});

it('takes the connections of its caller, and leaves them open', async () => {
  let used = 0;
  const agent = new Agent().compose((dispatch) => (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => {
    used += 1;
    return dispatch(options, handler);
  });
  const forge = new Forge({ baseUrl: server.url, token: server.token(), dispatcher: agent });
  expect((await forge.healthz()).ok).toBe(true);
  await forge.close();
  const other = new Forge({ baseUrl: server.url, token: server.token(), dispatcher: agent });
  expect((await other.healthz()).ok).toBe(true);
  expect(used).toBe(2);
  await other.close();
  await agent.close();
});

it('a turn whose open connection ends as if there had been none is not held for unsent: it may be done, and would be paid for twice', async () => {
  const ended = (syscall: string, code: string): Error => Object.assign(new Error(`${syscall} ${code}`), { syscall, code });
  for (const [syscall, reached] of [['read', 'unanswered'], ['write', 'unanswered'], ['connect', 'unsent']] as const) {
    const agent = new MockAgent();
    agent.disableNetConnect();
    agent.get('http://forge.test').intercept({ path: '/sessions/s/turn', method: 'POST' }).replyWithError(ended(syscall, 'EHOSTUNREACH'));
    const forge = new Forge({ baseUrl: 'http://forge.test', token: 'cf_x', dispatcher: agent });
    expect(await rejection(forge.attach('s').turn('x')), syscall).toMatchObject({ name: 'ForgeTransportError', reached });
    await forge.close();
    await agent.close();
  }
  const route = routeTo('http://forge.test', rules('http://proxy.test:3128'));
  expect(['read', 'write', 'connect'].map((syscall) => proxyTrouble(ended(syscall, 'ETIMEDOUT'), route)?.code)).toEqual([undefined, undefined, 'proxy_failed']);
});
