import { describe, expect, it } from 'vitest';
import type { ProxyRules } from '../../../src/core/transport/proxy.ts';
import { proxyFromEnv, proxyRefusal, proxyUnreachable, routeKey, routeTo } from '../../../src/core/transport/proxy.ts';
import { proxyRules } from '../../../src/extension/proxyRules.ts';

const PASSWORD = 'p@ss:word/1';
const server = { url: 'http://proxy.example:3128', named: 'http.proxy' };
const rules = (more: Partial<ProxyRules> = {}): ProxyRules => ({ http: server, https: server, noProxy: [], authorization: null, strictTls: true, remedy: 'Sign in.', ...more });
const code = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return (error as { readonly code?: unknown }).code;
  }
};

describe('the way to a server', () => {
  it('leads through the proxy of its scheme, sockets too', () => {
    const both = rules({ http: { url: 'http://plain:1', named: 'HTTP_PROXY' }, https: { url: 'https://secure', named: 'HTTPS_PROXY' } });
    expect(routeTo('http://a.example/x', both)?.url.href).toBe('http://plain:1/');
    expect(routeTo('ws://a.example', both)?.named).toBe('HTTP_PROXY');
    expect(routeTo('https://a.example', both)?.url.href).toBe('https://secure/');
    expect(routeTo('wss://a.example', both)?.named).toBe('HTTPS_PROXY');
    expect(routeTo('https://a.example', rules({ https: null }))).toBeNull();
    expect(routeTo('https://a.example', null)).toBeNull();
  });

  it.each(['localhost', '127.0.0.1', '[::1]', 'a.localhost'])('to %s never does, unless told', (host) => {
    expect(routeTo(`http://${host}:3005`, rules())).toBeNull();
    expect(routeTo(`http://${host}:3005`, rules({ noProxy: ['<-loopback>'] }))?.url.host).toBe('proxy.example:3128');
  });

  it.each([
    ['example.org', 'https://example.org', true], ['example.org', 'https://a.example.org', true], ['.example.org', 'https://example.org', true], ['*.example.org', 'https://a.example.org', true],
    ['*.example.org', 'https://example.org', false], ['example.org', 'https://notexample.org', false], ['EXAMPLE.org.', 'https://example.ORG', true], ['*', 'https://x.y', true], ['', 'https://x.y', false],
    ['example.org:443', 'https://example.org', true], ['example.org:8443', 'https://example.org', false], ['example.org:80', 'http://example.org', true], ['10.0.0.7', 'http://10.0.0.7:3005', true],
    ['[fd00::1]:443', 'https://[fd00::1]', true], ['fd00::1', 'https://[fd00::1]:8443', true], ['[fd00::1]:80', 'https://[fd00::1]', false],
  ])('is direct by the exception %j of %s: %s', (entry, url, direct) => {
    expect(routeTo(url, rules({ noProxy: ['other.example', entry] })) === null).toBe(direct);
  });

  it('signs in with what the address holds, or with the header that is set in its place', () => {
    const url = `http://ann:${encodeURIComponent(PASSWORD)}@proxy.example`;
    const route = routeTo('https://a.example', rules({ https: { url, named: 'http.proxy' } }));
    expect(Buffer.from((route?.authorization ?? '').slice('Basic '.length), 'base64').toString()).toBe(`ann:${PASSWORD}`);
    expect(route?.url.href).toBe('http://proxy.example/');
    expect(routeTo('https://a.example', rules({ https: { url, named: 'http.proxy' }, authorization: 'Negotiate x' }))?.authorization).toBe('Negotiate x');
    expect(routeKey(route)).not.toBe(routeKey(routeTo('https://a.example', rules())));
    expect(routeKey(null)).toBe('');
  });

  it('is refused with a code, and without the address, where that is none', () => {
    expect(routeTo('https://a.example', rules({ https: { url: 'proxy.example:3128', named: 'HTTPS_PROXY' } }))?.url.host).toBe('proxy.example:3128');
    for (const url of ['http://', `http://ann:${PASSWORD}@[`, 'socks5://proxy.example:1080']) {
      const work = (): unknown => routeTo('https://a.example', rules({ https: { url, named: 'http.proxy' } }));
      expect(code(work)).toBe('proxy_invalid');
      expect(work).toThrow(/^http\.proxy /);
      expect(work).not.toThrow(/word/);
    }
  });

  it('that a proxy refuses says which setting to change', () => {
    const route = routeTo('https://a.example', rules({ https: { url: `http://ann:secret@proxy.example`, named: 'http.proxy' }, remedy: 'Set http.proxyAuthorization.' }));
    if (route === null) throw new Error('no route');
    expect(proxyRefusal(route, 407)).toMatchObject({ code: 'proxy_auth_required', personMustAct: true, message: 'The proxy proxy.example of http.proxy wants a sign-in (407). Set http.proxyAuthorization.' });
    expect(proxyRefusal(route, 403)).toMatchObject({ code: 'proxy_failed', personMustAct: false, message: expect.stringMatching(/http\.proxy.*403/) as string });
    expect(proxyUnreachable(route, 'ECONNREFUSED')).toMatchObject({ code: 'proxy_failed', message: expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/) as string });
  });
});

describe('the proxies of the environment', () => {
  it('are those that curl reads', () => {
    expect(proxyFromEnv({})).toBeNull();
    expect(proxyFromEnv({ HTTPS_PROXY: ' ', NO_PROXY: 'x' })).toBeNull();
    expect(proxyFromEnv({ HTTP_PROXY: 'http://one', https_proxy: 'http://two', HTTPS_PROXY: 'http://three', NO_PROXY: 'a.example, .b.example' })).toMatchObject({
      http: { url: 'http://one', named: 'HTTP_PROXY' }, https: { url: 'http://two', named: 'https_proxy' }, noProxy: ['a.example', '.b.example'], strictTls: true,
    });
    expect(proxyFromEnv({ http_proxy: 'http://one', no_proxy: '', NO_PROXY: 'x' })).toMatchObject({ https: { named: 'http_proxy' }, noProxy: [] });
    expect(proxyFromEnv({ HTTPS_PROXY: 'http://one' })?.http).toBeNull();
  });
});

describe('the proxies of VS Code', () => {
  const off = { proxy: '', noProxy: [], proxyAuthorization: null, proxyStrictSSL: true, proxySupport: 'override' };
  const env = { HTTPS_PROXY: 'http://env.example', NO_PROXY: 'not.example' };
  it('are those of its settings before those of the environment', () => {
    expect(proxyRules(off, {})).toBeNull();
    expect(proxyRules(off, env)).toMatchObject({ http: null, https: { named: 'HTTPS_PROXY' }, noProxy: ['not.example'] });
    expect(proxyRules({ ...off, proxy: 'http://set.example' }, env)).toMatchObject({ http: { url: 'http://set.example', named: 'http.proxy' }, https: { named: 'http.proxy' }, noProxy: ['not.example'] });
    expect(proxyRules({ ...off, proxy: 'http://set.example', noProxy: ['own.example', 7] }, env)?.noProxy).toEqual(['own.example']);
    expect(proxyRules({ ...off, proxy: 'http://set.example' }, { NO_PROXY: 'alone.example' })?.noProxy).toEqual(['alone.example']);
  });

  it('are none where their support is off, and checked or not as set', () => {
    expect(proxyRules({ ...off, proxy: 'http://set.example', proxySupport: 'off' }, env)).toBeNull();
    expect(proxyRules({ ...off, proxy: 'http://set.example', proxyStrictSSL: false, proxyAuthorization: 'Basic abc' }, {})).toMatchObject({ strictTls: false, authorization: 'Basic abc' });
    expect(proxyRules({ proxy: 7, noProxy: 'x', proxyAuthorization: 1, proxyStrictSSL: 'no', proxySupport: undefined }, env)).toMatchObject({ strictTls: true, authorization: null, noProxy: ['not.example'] });
    expect(proxyRules(off, env)?.remedy).toMatch(/HTTPS_PROXY.*http\.proxyAuthorization/);
  });
});
