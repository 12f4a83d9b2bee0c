import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kernelServer } from '../../src/cli/mcp/server.ts';
import { HebingClient } from '../../src/core/systems/hebing/client.ts';
import { HebingHttp } from '../../src/core/systems/hebing/http.ts';
import { HttpWorkerApi } from '../../src/core/systems/hebing/workerApi.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import type { HebingTestServer } from '../loopback/hebing/server.ts';
import { startHebingServer } from '../loopback/hebing/server.ts';
import { mountKernelServer } from './hebingMcpMount.ts';

/** Server scenarios of the suite that a server with tools of its own can meet. `dns-rebinding-protection` and `server-sse-multiple-streams` are met by the transport that only this test mounts. */
const applies = ['server-initialize', 'ping', 'tools-list', 'server-sse-multiple-streams', 'dns-rebinding-protection'];
/** The others, by what they need and this server does not have. They are run all the same: the suite's baseline of expected failures fails where one of them is met. */
const others: readonly { readonly needs: string; readonly scenarios: readonly string[] }[] = [
  {
    needs: 'tools of the suite\'s own (test_simple_text, test_image_content, test_error_handling, json_schema_2020_12_tool, …)',
    scenarios: ['tools-call-simple-text', 'tools-call-image', 'tools-call-audio', 'tools-call-embedded-resource', 'tools-call-mixed-content', 'tools-call-error', 'tools-call-with-progress', 'json-schema-2020-12'],
  },
  { needs: 'a tool of the suite\'s own that logs, and the logging capability', scenarios: ['logging-set-level', 'tools-call-with-logging'] },
  { needs: 'a tool of the suite\'s own that samples or elicits', scenarios: ['tools-call-sampling', 'tools-call-elicitation', 'elicitation-sep1034-defaults', 'elicitation-sep1330-enums'] },
  { needs: 'resources', scenarios: ['resources-list', 'resources-read-text', 'resources-read-binary', 'resources-templates-read', 'resources-subscribe', 'resources-unsubscribe'] },
  { needs: 'prompts', scenarios: ['prompts-list', 'prompts-get-simple', 'prompts-get-with-args', 'prompts-get-embedded-resource', 'prompts-get-with-image'] },
  { needs: 'completions', scenarios: ['completion-complete'] },
  { needs: 'a tool of the suite\'s own (test_reconnection), and HTTP streams that can be resumed, which stdio has not', scenarios: ['server-sse-polling'] },
];

const suite = path.join(path.dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json')), 'dist', 'index.js');
let hebing: HebingTestServer;
let folder = '';
beforeAll(async () => {
  hebing = await startHebingServer();
  folder = await mkdtemp(path.join(tmpdir(), 'pilothouse-conformance-'));
});
afterAll(async () => {
  await hebing.close();
  await rm(folder, { recursive: true, force: true });
});

function conformance(args: readonly string[]): Promise<{ readonly code: number | null; readonly printed: string }> {
  const child = spawn(process.execPath, [suite, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (printed += part));
  return new Promise((resolve) => void child.on('close', (code) => resolve({ code, printed })));
}

interface Check {
  readonly id: string;
  readonly status: string;
}

test('the suite has the server scenarios that are known here, and no other', async () => {
  const { printed } = await conformance(['list']);
  const server = printed.slice(printed.indexOf('Server scenarios'), printed.indexOf('Client scenarios'));
  const listed = [...server.matchAll(/^ {2}- (\S+)/gm)].map(([, name]) => name);
  expect(new Set(listed)).toEqual(new Set([...applies, ...others.flatMap((other) => other.scenarios)]));
});

test('every scenario that applies is met, and none else', { timeout: 120_000 }, async () => {
  const { key } = hebing.newAgent();
  await using client = new HebingClient({ apiKey: key, baseUrl: hebing.url });
  await using http = new HebingHttp(key, { baseUrl: hebing.url });
  const api = new HttpWorkerApi(http, systemClock);
  await using mount = await mountKernelServer(() => kernelServer({ client, api, version: '0.0.0' }));
  const baseline = path.join(folder, 'baseline.yml');
  await writeFile(baseline, `server:\n${others.flatMap((other) => other.scenarios).map((name) => `  - ${name}\n`).join('')}`);
  const { code, printed } = await conformance(['server', '--url', mount.url, '--suite', 'all', '--expected-failures', baseline, '--output-dir', path.join(folder, 'results')]);
  expect({ code, summary: code === 0 ? '' : printed.slice(printed.indexOf('=== SUMMARY')) }).toEqual({ code: 0, summary: '' });
  const results = await readdir(path.join(folder, 'results'));
  for (const name of applies) {
    const own = results.find((one) => new RegExp(`^server-${name}-\\d{4}-`).test(one)) ?? name;
    const checks = JSON.parse(await readFile(path.join(folder, 'results', own, 'checks.json'), 'utf8')) as readonly Check[];
    expect(checks.filter((check) => check.status === 'SUCCESS').length, name).toBeGreaterThan(0);
    expect(checks.filter((check) => !['SUCCESS', 'INFO'].includes(check.status)), name).toEqual([]);
  }
  expect(mount.sessions).toBeGreaterThanOrEqual(applies.length);
});
