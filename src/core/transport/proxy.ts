import { PilothouseError } from '../model/errors.ts';
import { isLoopback } from './loopback.ts';

/** A proxy as somebody named it: its address, which may hold a user and a password, and what names it (`http.proxy`, `HTTPS_PROXY`). */
interface NamedProxy {
  readonly url: string;
  readonly named: string;
}

/** Which way leads to which server. Nothing of it is shown: addresses of proxies hold passwords. */
export interface ProxyRules {
  /** For servers of plain http and of https; null: directly. */
  readonly http: NamedProxy | null;
  readonly https: NamedProxy | null;
  /** Hosts that are reached directly: `example.org` and `.example.org` with what is below, `*.example.org` only that, each with `:port` or without; `*` all. `<-loopback>`: this computer is not among them. */
  readonly noProxy: readonly string[];
  /** Value of the `Proxy-Authorization` header, in place of the user and password of the address. */
  readonly authorization: string | null;
  /** False: certificates are not checked on ways through a proxy, as the person chose. */
  readonly strictTls: boolean;
  /** What the person changes to sign in to a proxy. */
  readonly remedy: string;
}

/** Asked anew for every connection: a setting that changed counts for the next one. Null: no proxies at all. */
export type ProxySource = () => ProxyRules | null;

/** The way through one proxy. */
export interface ProxyRoute {
  /** http or https, without user and password. */
  readonly url: URL;
  /** Value of the `Proxy-Authorization` header. */
  readonly authorization: string | null;
  readonly strictTls: boolean;
  readonly named: string;
  readonly remedy: string;
}

/** A proxy that does not let through: `proxy_auth_required` (it wants a sign-in), `proxy_invalid` (its address can't be used), `proxy_failed` (all else). The message names what to change, and no secret. */
export class ProxyError extends PilothouseError {
  constructor(code: 'proxy_auth_required' | 'proxy_invalid' | 'proxy_failed', message: string, options: { readonly cause?: unknown } = {}) {
    super(code, message, { ...options, personMustAct: code !== 'proxy_failed' });
  }
}

/** The proxy between us and `target` (an absolute http, https, ws or wss address); null where it is reached directly, as this computer always is unless told. Throws `proxy_invalid`. */
export function routeTo(target: string, rules: ProxyRules | null): ProxyRoute | null {
  if (rules === null) return null;
  const { hostname, port, protocol } = new URL(target);
  const secure = protocol === 'https:' || protocol === 'wss:';
  const proxy = secure ? rules.https : rules.http;
  const host = hostname.toLowerCase().replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (proxy === null || (isLoopback(host) && !rules.noProxy.includes('<-loopback>'))) return null;
  if (rules.noProxy.some((entry) => covers(entry, host, port === '' ? (secure ? '443' : '80') : port))) return null;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy.url) ? proxy.url : `http://${proxy.url}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  // The address itself is not told: it may hold a password.
  if (url === null || url.hostname === '') throw new ProxyError('proxy_invalid', `${proxy.named} is no address of a proxy. Give one such as http://proxy.example.org:3128.`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new ProxyError('proxy_invalid', `${proxy.named} names a proxy of ${url.protocol.slice(0, -1)}, which is not supported. Give one of http or https.`);
  const authorization = rules.authorization ?? (url.username === '' ? null : `Basic ${Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`).toString('base64')}`);
  return { url: new URL(url.origin), authorization, strictTls: rules.strictTls, named: proxy.named, remedy: rules.remedy };
}

/** Two routes with the same key are the same way. It is a secret, for comparing only. */
export function routeKey(route: ProxyRoute | null): string {
  return route === null ? '' : JSON.stringify([route.url.origin, route.authorization, route.strictTls, route.named]);
}

/** What a proxy's refusal means; `status` is what it answered to the request for a way through. */
export function proxyRefusal(route: ProxyRoute, status: number): ProxyError {
  const proxy = `The proxy ${route.url.host} of ${route.named}`;
  if (status === 407) return new ProxyError('proxy_auth_required', `${proxy} wants a sign-in (407). ${route.remedy}`);
  return new ProxyError('proxy_failed', `${proxy} lets nothing through to this server (${status}). Check ${route.named}, or except the server from it.`);
}

/** A proxy that can't be spoken to; `reason` is a code such as ECONNREFUSED. */
export function proxyUnreachable(route: ProxyRoute, reason: string): ProxyError {
  return new ProxyError('proxy_failed', `The proxy ${route.url.host} of ${route.named} cannot be reached (${reason}). Check ${route.named}, and the network.`);
}

/** The proxies that the environment names, as curl and others read it (lower case first; https falls back to HTTP_PROXY). Null where there are none. */
export function proxyFromEnv(env: Readonly<Record<string, string | undefined>>): ProxyRules | null {
  const find = (...names: readonly string[]): NamedProxy | null => {
    const name = names.find((each) => (env[each] ?? '').trim() !== '');
    return name === undefined ? null : { url: (env[name] ?? '').trim(), named: name };
  };
  const http = find('http_proxy', 'HTTP_PROXY');
  const https = find('https_proxy', 'HTTPS_PROXY') ?? http;
  if (http === null && https === null) return null;
  const named = (https ?? http)?.named ?? '';
  return {
    http, https, noProxy: exceptionsOf(env), authorization: null, strictTls: true,
    remedy: `Put the user and the password into ${named}: http://user:password@host:port.`,
  };
}

/** Hosts that NO_PROXY excepts, separated by commas or spaces. */
export function exceptionsOf(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return (env['no_proxy'] ?? env['NO_PROXY'] ?? '').split(/[,\s]+/).filter((entry) => entry !== '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether an entry of a list of exceptions is about that host and port. */
function covers(entry: string, host: string, port: string): boolean {
  const text = entry.trim().toLowerCase();
  // [::1]:443 and host:443 name a port; a bare IPv6 address has colons of its own.
  const [, bracketed, bracketedPort] = /^\[(.+)\](?::(\d+))?$/.exec(text) ?? [];
  const [, plain, plainPort] = /^([^:]+)(?::(\d+))?$/.exec(text) ?? [];
  const name = (bracketed ?? plain ?? text).replace(/\.$/, '');
  const only = bracketedPort ?? plainPort;
  if (name === '' || name === '<-loopback>' || (only !== undefined && only !== port)) return false;
  if (name === '*') return true;
  const domain = name.replace(/^\*?\./, '');
  return (!name.startsWith('*') && host === domain) || host.endsWith(`.${domain}`);
}
