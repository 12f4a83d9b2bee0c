import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundles } from '../../../scripts/build/bundles.mjs';
import type { HebingTestServer } from '../../loopback/hebing/server.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const node = path.join(root, 'node_modules', '.bin', 'node');
let home: string;
let server: HebingTestServer;
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'pilothouse-kept-'));
  server = await startHebingServer();
});
afterAll(async () => {
  await server.close();
  rmSync(home, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}
/** Runs a program with nothing in its environment but what is given, until it ends or has said what `enough` waits for. */
async function runs(command: string, args: readonly string[], env: Readonly<Record<string, string>>, stdin = '', enough?: RegExp): Promise<Ended> {
  const child = spawn(command, [...args], { env: { ...env }, cwd: home, timeout: 20_000 });
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString('utf8');
    if (enough?.test(out) === true) child.stdin.end();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString('utf8');
  });
  child.stdin.write(stdin);
  if (enough === undefined) child.stdin.end();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

describe('the command that an MCP client starts', () => {
  it('is there, with its Node and its key, when the extension that wrote its entry is gone', async () => {
    const extension = path.join(home, 'extension-0.1');
    await esbuild.build({ ...bundles({ root, dist: path.join(extension, 'dist') })['cli'], metafile: false });
    const agent = server.newAgent();
    const env = { HOME: home, HEBING_BASE_URL: server.url };
    const connected = await runs(node, [path.join(extension, 'dist', 'cli.js'), 'hebing', 'connect', '--api-key', '-', '--yes'], env, `${agent.key}\n`);
    expect(connected).toMatchObject({ code: 0, err: '' });
    rmSync(extension, { recursive: true });
    const file = JSON.parse(readFileSync(path.join(home, '.claude', 'mcp.json'), 'utf8')) as { mcpServers: { chaojiyuyan: { command: string; args: string[]; env: Record<string, string> } } };
    const { chaojiyuyan: entry } = file.mcpServers;
    expect([path.isAbsolute(entry.command), entry.args[0]]).toEqual([true, path.join(home, '.local', 'share', 'pilothouse', 'cli.mjs')]);
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
    expect(await runs(entry.command, [entry.args[0] ?? '', 'hebing', 'version'], {})).toEqual({ code: 0, out: `${version}\n`, err: '' });
    const lines = [
      { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a test', version: '1' } } }, { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'kernel_list_capabilities', arguments: {} } },
    ].map((line) => `${JSON.stringify(line)}\n`).join('');
    const spoken = await runs(entry.command, entry.args, entry.env, lines, /"id":2/);
    expect([spoken.code, spoken.err]).toEqual([0, '']);
    expect(spoken.out).toContain('media.echo.v1');
    expect(server.requests.at(-1)?.headers.authorization).toBe(`Bearer ${agent.key}`);
    expect(await runs(entry.command, entry.args, { HOME: path.join(home, 'nobody') })).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/^credentials_missing: [^\n]*\n$/) as string });
  }, 60_000);
});
