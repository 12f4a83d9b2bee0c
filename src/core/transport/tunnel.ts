import http from 'node:http';
import net from 'node:net';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { NodeWebSocket } from 'socket.io-client';
import type { ProxyRoute } from './proxy.ts';
import { ProxyError, proxyRefusal, proxyUnreachable } from './proxy.ts';

/** A proxy that has not answered by then does not. */
const TUNNEL_MS = 15_000;

/** The other end of a way. */
interface Target {
  readonly secure: boolean;
  /** Without the brackets of IPv6. */
  readonly host: string;
  readonly port: number;
}

/** A way through a proxy (CONNECT): the socket behind it. Rejects with ProxyError. */
function openTunnel(route: ProxyRoute, { host, port }: Target, tunnelMs: number): Promise<Socket> {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const { url, authorization, strictTls } = route;
  const proxy = targetOf(url);
  return new Promise((resolve, reject) => {
    // Not by `http.request`: VS Code's extension host patches it, and would look for a proxy on the way to the proxy.
    const request = new http.ClientRequest({
      host: proxy.host, port: proxy.port, method: 'CONNECT', path: target, headers: { host: target, ...(authorization === null ? {} : { 'proxy-authorization': authorization }) },
      createConnection: () => {
        // A request's own timeout begins with the connection, which a proxy that drops packets never lets come about.
        const to = { host: proxy.host, port: proxy.port, timeout: tunnelMs };
        return proxy.secure ? tls.connect({ ...to, ...(net.isIP(proxy.host) === 0 ? { servername: proxy.host } : {}), rejectUnauthorized: strictTls }) : net.connect(to);
      },
    });
    request.setTimeout(tunnelMs, () => request.destroy(new ProxyError('proxy_failed', `The proxy ${url.host} of ${route.named} did not answer. Check ${route.named}, and the network.`)));
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

/** An agent of node:http whose connections are ways through a proxy to one server, whatever address a request has; each fails with the error where there is no way. */
function tunnelAgent(route: ProxyRoute | Error, target: Target, tunnelMs: number): http.Agent {
  const agent = new http.Agent();
  // What node:https asks of an agent that is given to it.
  Object.assign(agent, { protocol: target.secure ? 'https:' : 'http:' });
  agent.createConnection = (_options, callback) => {
    const made = (error: Error | null, socket?: Socket): void => (callback as ((error: Error | null, socket?: Socket) => void) | undefined)?.(error, socket);
    if (route instanceof Error) {
      queueMicrotask(() => made(route));
      return undefined;
    }
    openTunnel(route, target, tunnelMs).then(
      (socket) => made(null, target.secure ? tls.connect({ socket, ...(net.isIP(target.host) === 0 ? { servername: target.host } : { host: target.host }), rejectUnauthorized: route.strictTls }) : socket),
      (error: unknown) => made(error instanceof Error ? error : new Error('no way')),
    );
    return undefined;
  };
  return agent;
}

/** What is thrown while a transport is made is lost by socket.io: it has to come later. */
function found(look: () => ProxyRoute | null): ProxyRoute | Error | null {
  try {
    return look();
  } catch (error) {
    return error instanceof Error ? error : new Error('no way');
  }
}

function targetOf({ hostname, port, protocol }: URL): Target {
  const secure = protocol === 'https:' || protocol === 'wss:';
  return { secure, host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? (secure ? 443 : 80) : Number(port) };
}

/**
 * socket.io's WebSocket transport, which asks `routeOf` at every connection for the proxy on the way (null: none). VS Code's extension host puts an agent of its own in the place of every
 * one that is given to a request, and that agent knows nothing of `http.proxyAuthorization`; requests to this computer it leaves to the agent they came with. So a socket that takes a
 * proxy is addressed to `localhost`, says whom it means in its `Host` header, and its agent goes where it is meant to. `tunnelMs`: milliseconds that a proxy has to answer.
 */
export function routedWebSocket(routeOf: (url: string) => ProxyRoute | null, tunnelMs = TUNNEL_MS): typeof NodeWebSocket {
  return class RoutedWebSocket extends NodeWebSocket {
    override createSocket(uri: string, protocols: string | string[] | undefined, options: Record<string, unknown>): unknown {
      const route = found(() => routeOf(uri));
      if (route === null) return super.createSocket(uri, protocols, options) as unknown;
      const url = new URL(uri);
      const target = targetOf(url);
      const headers = { ...(options['headers'] as Record<string, string> | undefined), host: url.host };
      url.hostname = 'localhost';
      return super.createSocket(url.href, protocols, { ...options, agent: tunnelAgent(route, target, tunnelMs), headers }) as unknown;
    }
  };
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
