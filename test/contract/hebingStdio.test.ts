import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bundles } from '../../scripts/build/bundles.mjs';
import { HebingClient } from '../../src/core/systems/hebing/client.ts';
import type { HebingTestServer } from '../loopback/hebing/server.ts';
import { startHebingServer } from '../loopback/hebing/server.ts';

/** The command and the library as they are published, alone in a folder, as processes of their own. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const echo = 'media.echo.v1';
let place = '';
let hebing: HebingTestServer;
let env: Record<string, string>;
let caller: HebingClient;

beforeAll(async () => {
  place = await mkdtemp(path.join(tmpdir(), 'pilothouse-hebing-'));
  const all = bundles({ root, dist: place });
  for (const name of ['core', 'cli']) await build({ ...all[name] });
  await writeFile(path.join(place, 'package.json'), '{"type":"module"}');
  hebing = await startHebingServer({ leaseMs: 3_000 });
  env = { PATH: process.env['PATH'] ?? '', HOME: place, HEBING_BASE_URL: hebing.url, CHAOJIYUYAN_API_KEY: hebing.newAgent().key };
  caller = new HebingClient({ apiKey: hebing.newAgent().key, baseUrl: hebing.url });
}, 120_000);
afterAll(async () => {
  await caller[Symbol.asyncDispose]();
  await hebing.close();
  await rm(place, { recursive: true, force: true });
});

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
});

const cli = (): string => path.join(place, 'cli.js');
function run(args: readonly string[], own: NodeJS.ProcessEnv, input: string | null = ''): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [...args], { cwd: place, env: own, stdio: ['pipe', 'pipe', 'pipe'] });
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (part: string) => (printed[name] += part));
  if (input !== null) child.stdin.end(input);
  return new Promise((resolve) => void child.on('close', (code) => resolve({ code, ...printed })));
}

describe('pilothouse hebing mcp-server, as a process', () => {
  test('works with the SDK\'s own client: a job is claimed, held and submitted', async () => {
    const transport = new StdioClientTransport({ command: process.execPath, args: [cli(), 'hebing', 'mcp-server'], env, cwd: place, stderr: 'pipe' });
    const errors: unknown[] = [];
    let said = '';
    transport.stderr?.on('data', (part: Buffer) => (said += part.toString('utf8')));
    const client = new Client({ name: 'test', version: '0' });
    Object.assign(client, { onerror: (error: unknown) => void errors.push(error) });
    await client.connect(transport);
    expect((await client.listTools()).tools).toHaveLength(8);
    const { id } = await caller.call(echo, { text: 'hi' });
    await client.callTool({ name: 'kernel_register_capability_handler', arguments: { capability_keys: [echo] } });
    expect((await client.callTool({ name: 'kernel_claim_job', arguments: { wait_seconds: 5 } })).structuredContent).toMatchObject({ claimed: true, job_id: id });
    // Longer than the lease: the heartbeats of the process hold it.
    await expect.poll(() => hebing.count('POST', /\/heartbeat$/), { timeout: 15_000 }).toBeGreaterThanOrEqual(4);
    expect((await client.callTool({ name: 'kernel_submit_job', arguments: { job_id: id, output: { echo: 'hi' } } })).isError).toBeUndefined();
    expect((await caller.getJob(id)).status).toBe('succeeded');
    const { pid } = transport;
    await client.close();
    // What is no JSON on stdout would be an error of the client's.
    expect([errors, said]).toEqual([[], '']);
    expect(() => process.kill(pid ?? 0, 0)).toThrow('ESRCH');
  });

  test('ends with stdin, with exit code 0 and without a word', async () => {
    expect(await run([cli(), 'hebing', 'mcp-server'], env)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('without a key: one line on stderr, exit code 1', async () => {
    const { CHAOJIYUYAN_API_KEY: _, ...bare } = env;
    const ran = await run([cli(), 'hebing', 'mcp-server'], bare, null);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^credentials_missing: [^\n]+\n$/);
  });

  test.runIf(process.platform !== 'win32')('ends with SIGTERM, and the jobs that it holds are let go', async () => {
    const child = spawn(process.execPath, [cli(), 'hebing', 'mcp-server'], { cwd: place, env, stdio: ['pipe', 'pipe', 'inherit'] });
    started.push(child);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (said += part));
    const { id } = await caller.call(echo, { text: 'hi' });
    const call = (at: number, method: string, params: object): void => void child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: at, method, params })}\n`);
    call(1, 'initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '0' } });
    await expect.poll(() => said, { timeout: 15_000 }).toContain('"id":1');
    child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    call(2, 'tools/call', { name: 'kernel_register_capability_handler', arguments: { capability_keys: [echo] } });
    await expect.poll(() => said, { timeout: 15_000 }).toContain('"id":2');
    call(3, 'tools/call', { name: 'kernel_claim_job', arguments: { job_id: id } });
    await expect.poll(() => said, { timeout: 15_000 }).toMatch(/"claimed":true/);
    expect(hebing.kernel.jobs.get(id)?.status).toBe('running');
    child.kill('SIGTERM');
    const code = await new Promise<number | null>((resolve) => void child.on('close', resolve));
    expect(code).toBe(143);
    await expect.poll(() => hebing.kernel.jobs.get(id)?.status, { timeout: 15_000 }).toBe('queued');
    hebing.kernel.end(id, { status: 'cancelled' });
  });
});

describe('the worker', () => {
  test.runIf(process.platform !== 'win32')('of the command line does jobs until Ctrl+C', async () => {
    const { id } = await caller.call(echo, { text: 'from a process' });
    const child = spawn(process.execPath, [cli(), 'hebing', 'worker', echo, '--yes'], { cwd: place, env, stdio: ['ignore', 'pipe', 'pipe'] });
    started.push(child);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
    await expect.poll(() => stdout, { timeout: 15_000 }).toBe(`${id}: submitted\n`);
    child.kill('SIGINT');
    expect(await new Promise((resolve) => void child.on('close', resolve))).toBe(0);
    expect((await caller.getJob(id)).output).toEqual({ echo: 'from a process' });
  });

  test('of the library does one in eight lines', async () => {
    const { id } = await caller.call(echo, { text: 'from a script' });
    await writeFile(path.join(place, 'script.mjs'), `
import { Worker, WorkerError, HebingError, BidRejected, CapabilityNotRegistered, LeaseExpired, SubmitValidationFailed, TaskRunNotFound, WorkerNotEnabled } from './core.js';
for (const one of [BidRejected, CapabilityNotRegistered, LeaseExpired, SubmitValidationFailed, TaskRunNotFound, WorkerNotEnabled]) if (!(one.prototype instanceof WorkerError && one.prototype instanceof HebingError)) throw new Error(one.name);
const worker = Worker.fromEnv();
worker.handler('${echo}', async (task, { signal }) => ({ echo: task.input.text + ', ' + signal.aborted }));
await worker.run({ once: true, heartbeatInterval: 1000 });
`);
    expect(await run(['script.mjs'], env)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await caller.getJob(id)).output).toEqual({ echo: 'from a script, false' });
  });
});
