import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

interface ConnectProxyOptions {
  /** Value that `Proxy-Authorization` must have; others are answered with 407. */
  readonly authorization?: string;
  /** Refuses every way with this status. */
  readonly refuse?: number;
  /** Never answers. */
  readonly silent?: boolean;
  /** Speaks TLS itself with this certificate. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** A proxy on loopback that opens ways by CONNECT alone. Every host is this computer, so that servers can be named `happy.test`. */
export interface ConnectProxy {
  readonly url: string;
  /** `host:port` of the ways that were opened, in order. */
  readonly opened: readonly string[];
  /** What `Proxy-Authorization` said, of every request for a way. */
  readonly said: readonly (string | undefined)[];
  /** Requests that were not for a way: none is let through. */
  readonly others: readonly string[];
  /** Closes the ways that are open. */
  drop(): void;
  close(): Promise<void>;
}

export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const [opened, said, others] = [[] as string[], [] as (string | undefined)[], [] as string[]];
  const sockets = new Set<Socket>();
  const server: Server = options.tls === undefined ? createServer() : createTlsServer({ key: options.tls.key, cert: options.tls.cert });
  server.on('request', (request, response) => {
    others.push(`${request.method} ${request.url}`);
    response.writeHead(405).end();
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  server.on('connect', (request, client: Socket) => {
    client.on('error', () => undefined);
    said.push(request.headers['proxy-authorization']);
    if (options.silent === true) return;
    const status = options.refuse ?? (options.authorization !== undefined && request.headers['proxy-authorization'] !== options.authorization ? 407 : 200);
    if (status !== 200) {
      client.end(`HTTP/1.1 ${status} No\r\n${status === 407 ? 'Proxy-Authenticate: Basic realm="lab"\r\n' : ''}Content-Length: 2\r\n\r\nno`);
      return;
    }
    const target = request.url ?? '';
    opened.push(target);
    const up = connect(Number(target.slice(target.lastIndexOf(':') + 1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      up.pipe(client).pipe(up);
    });
    sockets.add(up);
    up.on('error', () => client.destroy()).on('close', () => {
      sockets.delete(up);
      client.destroy();
    });
    client.on('close', () => up.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`, opened, said, others, drop,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      drop();
      await closed;
    },
  };
}
