import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { CallToolRequestSchema, ErrorCode, ListToolsRequestSchema, McpError } from '@modelcontextprotocol/sdk/types.js';
import type { Clock } from '../../core/model/context.ts';
import { systemClock } from '../../core/transport/clock.ts';
import type { HebingClient } from '../../core/systems/hebing/client.ts';
import type { WorkerApi } from '../../core/systems/hebing/workerApi.ts';
import { Claims } from './claims.ts';
import { kernelTools } from './tools.ts';

interface KernelServerOptions {
  readonly client: HebingClient;
  readonly api: WorkerApi;
  /** How the server presents itself. */
  readonly version: string;
  readonly clock?: Clock | undefined;
}

/** hebing's tools for one MCP client. */
export interface KernelServer extends AsyncDisposable {
  /** To be connected to a transport. */
  readonly mcp: McpServer;
  /** Resolves when no call is under way, or after `ms`. */
  idle(ms: number): Promise<void>;
}

const INSTRUCTIONS = 'hebing is a platform of capabilities. As a caller: kernel_list_capabilities, kernel_create_job, kernel_wait_for_job. As a worker: kernel_register_capability_handler, kernel_claim_job, do the job, kernel_submit_job. Errors of tools are JSON with a stable code.';

/** The server object with the eight tools. Disposing of it ends its calls, lets its jobs go and closes its connection; `client` and `api` stay their owner's. */
export function kernelServer({ client, api, version, clock = systemClock }: KernelServerOptions): KernelServer {
  const mcp = new McpServer({ name: 'chaojiyuyan', title: 'hebing', version }, { instructions: INSTRUCTIONS });
  const claims = new Claims(api, clock);
  const ending = new AbortController();
  const running = new Set<Promise<unknown>>();
  const tools = new Map(kernelTools({ client, api, claims, registered: new Set() }).map((tool) => [tool.listed.name, tool]));

  mcp.server.registerCapabilities({ tools: {} });
  mcp.server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [...tools.values()].map((tool) => tool.listed) }));
  mcp.server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = tools.get(params.name);
    if (tool === undefined) throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
    const token = extra._meta?.progressToken;
    let steps = 0;
    const progress = (message: string): void => {
      if (token === undefined) return;
      steps += 1;
      // A client that went away needs no progress.
      extra.sendNotification({ method: 'notifications/progress', params: { progressToken: token, progress: steps, message } }).catch(() => undefined);
    };
    const work = tool.call(params.arguments, { signal: AbortSignal.any([extra.signal, ending.signal]), progress });
    running.add(work);
    try {
      return await work;
    } finally {
      running.delete(work);
    }
  });
  return {
    mcp,
    async idle(ms) {
      const late = Promise.withResolvers<null>();
      const timer = clock.setTimeout(() => late.resolve(null), ms);
      await Promise.race([Promise.all(running), late.promise]);
      timer.cancel();
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      claims[Symbol.dispose]();
      await mcp.close();
    },
  };
}
