import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mcpServer } from '../../../src/cli/hebing/mcpServer.ts';
import type { HebingTestServer } from '../../loopback/hebing/server.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';
import { World } from './happyWorld.ts';

let hebing: HebingTestServer;
let io: World;
beforeEach(async () => {
  hebing = await startHebingServer();
  io = new World({ HOME: '/nowhere', CHAOJIYUYAN_API_KEY: hebing.newAgent().key, HEBING_BASE_URL: hebing.url });
});
afterEach(async () => {
  await hebing.close();
});

const line = (id: number, method: string, params: object = {}): string => `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
const initialize = line(1, 'initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '0' } });
const answers = (): readonly { readonly id: number; readonly result: Record<string, unknown> }[] => io.stdout.split('\n').filter((one) => one !== '').map((one) => JSON.parse(one) as { id: number; result: Record<string, unknown> });

describe('pilothouse hebing mcp-server', () => {
  test('answers what was asked before stdin ended, a line each, and ends', async () => {
    const running = mcpServer([], io, '1.2.3');
    io.stdin.end(initialize + line(2, 'tools/list') + line(3, 'tools/call', { name: 'kernel_list_capabilities', arguments: {} }));
    expect(await running).toBe(0);
    expect(answers().map((one) => one.id)).toEqual([1, 2, 3]);
    expect(answers()[0]?.result).toMatchObject({ serverInfo: { name: 'chaojiyuyan', version: '1.2.3' }, protocolVersion: '2025-06-18' });
    expect(answers()[2]?.result).toMatchObject({ structuredContent: { capabilities: [{}, {}, {}] } });
    expect(io.stderr).toBe('');
  });

  test('does not wait for a call that waits, when stdin has ended', async () => {
    const running = mcpServer([], io, '0');
    hebing.faults.add('GET', '/capability-specs', { kind: 'silence', when: 'before' });
    io.stdin.write(initialize);
    io.stdin.write(line(2, 'tools/call', { name: 'kernel_list_capabilities' }));
    await hebing.seen('GET', '/capability-specs');
    const began = Date.now();
    io.stdin.end();
    expect(await running).toBe(0);
    expect(Date.now() - began).toBeLessThan(10_000);
  });

  test('goes on after a line that makes no sense, which is told on stderr alone', async () => {
    const running = mcpServer([], io, '0');
    io.stdin.end(`nonsense\n${initialize}`);
    expect(await running).toBe(0);
    expect(answers().map((one) => one.id)).toEqual([1]);
    expect(io.stderr).toMatch(/^[^\n]+\n$/);
  });

  test('ends with the process', async () => {
    const running = mcpServer([], io, '0');
    io.stdin.write(initialize);
    await io.printed(/"id":1/);
    io.terminate();
    expect(await running).toBe(0);
    const interrupted = new World(io.env);
    const other = mcpServer([], interrupted, '0');
    interrupted.interrupt();
    expect(await other).toBe(0);
  });

  test('needs a key, and https beyond this computer', async () => {
    await expect(mcpServer([], new World({ HOME: '/nowhere' }), '0')).rejects.toMatchObject({ code: 'credentials_missing' });
    await expect(mcpServer([], new World({ ...io.env, HEBING_BASE_URL: 'http://hebing.example.org' }), '0')).rejects.toMatchObject({ code: 'plain_http_refused' });
    await expect(mcpServer(['more'], io, '0')).rejects.toMatchObject({ message: expect.stringContaining('argument') as string });
  });
});
