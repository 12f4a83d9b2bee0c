import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { ProxyRoute } from './proxy.ts';
import { ProxyError, proxyRefusal, proxyUnreachable } from './proxy.ts';

/** A proxy that has not answered by then does not. */
const TUNNEL_MS = 15_000;

/** A way through a proxy (CONNECT) to `host:port`: the socket behind it. Rejects with ProxyError. */
function openTunnel(route: ProxyRoute, host: string, port: number, timeoutMs = TUNNEL_MS): Promise<Socket> {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const { url, authorization, strictTls } = route;
  const options: https.RequestOptions = {
    host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port), method: 'CONNECT', path: target, agent: false,
    headers: { host: target, ...(authorization === null ? {} : { 'proxy-authorization': authorization }) }, rejectUnauthorized: strictTls,
  };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(options);
    request.setTimeout(timeoutMs, () => request.destroy(new ProxyError('proxy_failed', `The proxy ${url.host} of ${route.named} did not answer. Check ${route.named}, and the network.`)));
    request.once('error', (error: Error & { readonly code?: string }) => reject(error instanceof ProxyError ? error : proxyUnreachable(route, error.code ?? 'no reason given')));
    request.once('connect', (response, socket, head) => {
      request.setTimeout(0);
      if (response.statusCode === 200) {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
        return;
      }
      // A refusal may come with a page, which nobody reads.
      socket.on('error', () => undefined).destroy();
      reject(proxyRefusal(route, response.statusCode ?? 0));
    });
    request.end();
  });
}

/**
 * An agent of node:http for one server, which asks `routeOf` at every connection for the way there: through a proxy, or directly (null). For what speaks over node:http, as
 * WebSockets do. VS Code's extension host puts an agent of its own in the place of ours, unless `node:http` is imported under that name: see scripts/build/bundles.mjs.
 */
export function routedAgent(secure: boolean, routeOf: () => ProxyRoute | null): http.Agent {
  const agent = secure ? new https.Agent() : new http.Agent();
  const direct = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const made = (error: Error | null, socket?: Socket): void => (callback as ((error: Error | null, socket?: Socket) => void) | undefined)?.(error, socket);
    let route: ProxyRoute | null;
    try {
      route = routeOf();
    } catch (error) {
      queueMicrotask(() => made(error instanceof Error ? error : new Error('no way')));
      return undefined;
    }
    if (route === null) return direct(options, callback);
    const host = options.host ?? 'localhost';
    const { strictTls } = route;
    openTunnel(route, host, Number(options.port ?? (secure ? 443 : 80))).then(
      (socket) => made(null, secure ? tls.connect({ ...(options as tls.ConnectionOptions), socket, rejectUnauthorized: strictTls }) : socket),
      (error: unknown) => made(error instanceof Error ? error : new Error('no way')),
    );
    return undefined;
  };
  return agent;
}

/** The proxy's refusal behind an error of a socket of socket.io, which wraps it twice; null where no proxy is to blame. */
export function proxyErrorOf(error: unknown): ProxyError | null {
  for (let current: unknown = error, depth = 0; depth < 5 && typeof current === 'object' && current !== null; depth += 1) {
    if (current instanceof ProxyError) return current;
    const { description, error: inner, cause } = current as { readonly description?: unknown; readonly error?: unknown; readonly cause?: unknown };
    current = description ?? inner ?? cause;
  }
  return null;
}
