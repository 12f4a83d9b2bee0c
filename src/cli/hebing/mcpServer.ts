import { Readable, Writable } from 'node:stream';
import { systemClock } from '../../core/transport/clock.ts';
import { HebingClient } from '../../core/systems/hebing/client.ts';
import { findCredentials } from '../../core/systems/hebing/credentials.ts';
import { HebingHttp } from '../../core/systems/hebing/http.ts';
import { HttpWorkerApi } from '../../core/systems/hebing/workerApi.ts';
import { flag, parsed } from '../args.ts';
import type { CliIo } from '../io.ts';
import { exitOk, plainLine } from '../io.ts';

/** Milliseconds that calls under way have to be answered after the client has closed its end. */
const LAST_CALLS_MS = 1_500;
/** Bytes of one message. */
const LARGEST = 64 * 1024 * 1024;

/**
 * `pilothouse hebing mcp-server`: hebing's tools for the MCP client that started this process, on stdin and stdout, until stdin ends. Nothing else is written to stdout. Rejects with
 * `credentials_missing`, `credentials_malformed`, `plain_http_refused`, before anything is read.
 */
export async function mcpServer(args: readonly string[], io: CliIo, version: string): Promise<number> {
  const { values } = parsed(args, { json: flag, 'allow-http': flag }, 0);
  const places = { env: io.env, allowPlainHttp: values['allow-http'] === true };
  const { apiKey, baseUrl } = findCredentials(places);
  await using client = new HebingClient({ ...places, apiKey, baseUrl });
  await using http = new HebingHttp(apiKey, { ...places, baseUrl });
  const over = ended(io);
  // Loaded for this verb alone: no other command waits for it.
  const [{ StdioServerTransport }, { kernelServer }] = await Promise.all([import('@modelcontextprotocol/sdk/server/stdio.js'), import('../mcp/server.ts')]);
  const server = kernelServer({ client, api: new HttpWorkerApi(http, systemClock), version });
  const closed = Promise.withResolvers<null>();
  Object.assign(server.mcp.server, { onerror: (error: Error) => io.err(`${plainLine(error.message)}\n`), onclose: () => closed.resolve(null) });
  try {
    const stdin = io.stdin instanceof Readable ? io.stdin : Readable.from(io.stdin);
    await server.mcp.connect(new StdioServerTransport(stdin, stdoutOf(io), { maxBufferSize: LARGEST }));
    await Promise.race([closed.promise, over]);
    if (!io.ending.aborted) await server.idle(LAST_CALLS_MS);
  } finally {
    await server[Symbol.asyncDispose]();
  }
  return exitOk;
}

/** Resolves when the client has closed its end, and when the process is to end. */
function ended(io: CliIo): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['end', 'close', 'error']) io.stdin.once(event, () => resolve());
    if (io.ending.aborted) resolve();
    else io.ending.addEventListener('abort', () => resolve(), { once: true });
    io.onInterrupt(() => resolve());
  });
}

function stdoutOf(io: CliIo): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _encoding, done) {
      io.out(typeof chunk === 'string' ? chunk : chunk.toString('utf8'));
      done();
    },
  });
}
