import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { expect } from 'vitest';
import { kernelServer } from '../../../src/cli/mcp/server.ts';
import type { KernelServer } from '../../../src/cli/mcp/server.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { HebingClient } from '../../../src/core/systems/hebing/client.ts';
import { HebingHttp } from '../../../src/core/systems/hebing/http.ts';
import { HttpWorkerApi } from '../../../src/core/systems/hebing/workerApi.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import type { TestAgent } from '../../loopback/hebing/kernel.ts';
import type { HebingTestServer } from '../../loopback/hebing/server.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';

/** An MCP client of the SDK's, our server, and a hebing that both callers and workers use. */
export interface McpWorld extends AsyncDisposable {
  readonly hebing: HebingTestServer;
  readonly agent: TestAgent;
  /** Another agent, which calls. */
  readonly caller: HebingClient;
  readonly client: Client;
  readonly server: KernelServer;
  /** What a tool gives; its text and its structured content are the same. */
  call(name: string, args?: JsonObject): Promise<{ readonly failed: boolean; readonly value: JsonObject }>;
}

export async function mcpWorld(options: { readonly leaseMs?: number } = {}): Promise<McpWorld> {
  const hebing = await startHebingServer(options);
  const agent = hebing.newAgent();
  const caller = new HebingClient({ apiKey: hebing.newAgent().key, baseUrl: hebing.url });
  const own = new HebingClient({ apiKey: agent.key, baseUrl: hebing.url, retry: { baseMs: 1, capMs: 5 } });
  const http = new HebingHttp(agent.key, { baseUrl: hebing.url });
  const server = kernelServer({ client: own, api: new HttpWorkerApi(http, systemClock), version: '1.2.3' });
  const [near, far] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: 'test', version: '0' });
  await server.mcp.connect(far);
  await client.connect(near);
  return {
    hebing, agent, caller, client, server,
    async call(name, args) {
      const { content, structuredContent, isError } = await client.callTool({ name, arguments: args });
      const [text] = content as readonly { readonly type: string; readonly text: string }[];
      expect(JSON.parse(text?.text ?? '')).toEqual(structuredContent);
      return { failed: isError === true, value: structuredContent as JsonObject };
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await server[Symbol.asyncDispose]();
      for (const one of [caller, own, http]) await one[Symbol.asyncDispose]();
      await hebing.close();
    },
  };
}
