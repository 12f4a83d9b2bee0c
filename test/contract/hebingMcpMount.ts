import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { KernelServer } from '../../src/cli/mcp/server.ts';

interface Mount extends AsyncDisposable {
  readonly url: string;
  /** Sessions that were begun. */
  readonly sessions: number;
}

/** The MCP server over streamable HTTP on loopback, one server object of the product's own factory a session: the conformance suite speaks no stdio. */
export async function mountKernelServer(factory: () => KernelServer): Promise<Mount> {
  const open = new Map<string, { readonly transport: StreamableHTTPServerTransport; readonly server: KernelServer }>();
  let sessions = 0;
  let port = 0;

  const begin = async (): Promise<StreamableHTTPServerTransport> => {
    const server = factory();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(), enableDnsRebindingProtection: true,
      allowedHosts: [`127.0.0.1:${port}`, `localhost:${port}`], allowedOrigins: [`http://127.0.0.1:${port}`, `http://localhost:${port}`],
      onsessioninitialized: (id) => {
        sessions += 1;
        open.set(id, { transport, server });
      },
    });
    await server.mcp.connect(transport);
    return transport;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? open.get(id) : undefined;
    await (known?.transport ?? (await begin())).handleRequest(request, response);
  };
  const http = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => void http.listen(0, '127.0.0.1', resolve));
  ({ port } = http.address() as AddressInfo);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    get sessions() {
      return sessions;
    },
    async [Symbol.asyncDispose]() {
      for (const { server } of open.values()) await server[Symbol.asyncDispose]();
      http.closeAllConnections();
      await new Promise((resolve) => void http.close(resolve));
    },
  };
}
