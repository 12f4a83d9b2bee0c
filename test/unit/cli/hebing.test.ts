import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/main.ts';
import type { TestAgent } from '../../loopback/hebing/kernel.ts';
import type { HebingTestServer } from '../../loopback/hebing/server.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';
import { World } from './happyWorld.ts';

let server: HebingTestServer;
let agent: TestAgent;
let home: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'pilothouse-cli-hebing-'));
  server = await startHebingServer();
  agent = server.newAgent();
  env = { HOME: home, HEBING_BASE_URL: server.url };
});
afterEach(async () => {
  await server.close();
  rmSync(home, { recursive: true, force: true });
});
interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
async function hebing(args: readonly string[], more: { readonly env?: NodeJS.ProcessEnv; readonly stdin?: string; readonly interactive?: boolean } = {}): Promise<Ended> {
  const world = new World({ ...env, ...more.env }, more.interactive ?? false);
  world.stdin.end(more.stdin ?? '');
  const code = await run(['hebing', ...args], world);
  return { code, stdout: world.stdout, stderr: world.stderr };
}
const withKey = (args: readonly string[], stdin = ''): Promise<Ended> => hebing(args, { env: { CHAOJIYUYAN_API_KEY: agent.key }, stdin });
const at = (...parts: readonly string[]): string => path.join(home, ...parts);
const read = (...parts: readonly string[]): unknown => JSON.parse(readFileSync(at(...parts), 'utf8'));
const oneLine = /^[^\n]+\n$/;

describe('pilothouse hebing without a key', () => {
  it.each([[['status']], [['status', 'job_1']], [['capabilities']], [['call', 'media.echo.v1', '--input', '{}']], [['mcp-server']], [['worker', 'media.echo.v1', '--yes']]])('%j is one line and exit code 1', async (args) => {
    const { code, stdout, stderr } = await hebing(args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(oneLine);
    expect(stderr).toMatch(/^credentials_missing: .*hebing connect/);
  });

  it('says its version, its usage, and what is wrong with a command line', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
    expect(await hebing(['version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    expect(JSON.parse((await hebing(['version', '--json'])).stdout)).toEqual({ version });
    const { stdout } = await hebing(['--help']);
    for (const verb of ['connect', 'disconnect', 'status', 'capabilities', 'call', 'worker', 'mcp-server', 'version']) expect(stdout).toMatch(new RegExp(`^pilothouse hebing ${verb}`, 'm'));
    for (const args of [[], ['frob'], ['call'], ['call', 'a'], ['call', 'a', '--input', '{'], ['call', 'a', '--input', '[]'], ['call', 'a', '--input', '{}', '--timeout', '5'], ['call', 'a', '--input', '{}', '--wait', '--timeout', '-1'], ['connect', '--nope'], ['connect'], ['connect', '--yes', '--target', ' ']]) {
      const ended = await hebing(args, { env: { CHAOJIYUYAN_API_KEY: agent.key } });
      expect([ended.code, ended.stdout], args.join(' ')).toEqual([2, '']);
    }
    expect(server.requests).toEqual([]);
  });

  it('looks at the input before it looks for a key', async () => {
    expect(await hebing(['call', 'media.echo.v1', '--input', '{bad'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^invalid_argument: --input is not valid JSON/) as string });
  });
});

describe('pilothouse hebing, of jobs', () => {
  it('lists capabilities', async () => {
    expect((await withKey(['capabilities'])).stdout).toContain('media.echo.v1\tEcho\tGives back the text.\n');
    expect(JSON.parse((await withKey(['capabilities', '--json'])).stdout)).toMatchObject([{ capabilityKey: 'media.echo.v1' }, {}, {}]);
  });

  it('makes a job, tells of it, and waits for its end', async () => {
    const made = JSON.parse((await withKey(['call', 'media.echo.v1', '--input', '{"text":"hi"}', '--json'])).stdout) as { id: string; status: string };
    expect(made.status).toBe('queued');
    expect((await withKey(['status', made.id])).stdout).toBe(`job\t${made.id}\nstatus\tqueued\ncapability\tmedia.echo.v1\n`);
    const waiting = withKey(['call', 'media.echo.v1', '--input', '-', '--wait'], '{"text":"waits"}');
    await expect.poll(() => server.kernel.jobs.size).toBe(2);
    const id = [...server.kernel.jobs.keys()].at(-1) ?? '';
    server.kernel.end(id, { status: 'succeeded', output: { echo: '\u001B[31mred' }, artifacts: [{ url: server.fileUrl('a') }] });
    const done = await waiting;
    expect([done.code, done.stdout]).toEqual([0, `job\t${id}\nstatus\tsucceeded\ncapability\tmedia.echo.v1\noutput\t{"echo":"\\u001b[31mred"}\nartifact\t{"url":"${server.fileUrl('a')}"}\n`]);
  });

  it('ends with 1 for a job that failed, and says how to find one that is not over', async () => {
    const failing = withKey(['call', 'media.echo.v1', '--input', '{"text":"x"}', '--wait', '--json']);
    await expect.poll(() => server.kernel.jobs.size).toBe(1);
    server.kernel.end([...server.kernel.jobs.keys()][0] ?? '', { status: 'failed', error: { code: 'broken' } });
    const failed = await failing;
    expect([failed.code, JSON.parse(failed.stdout)]).toMatchObject([1, { status: 'failed', error: { code: 'broken' } }]);
    const late = await withKey(['call', 'media.echo.v1', '--input', '{"text":"x"}', '--wait', '--timeout', '0.2']);
    expect([late.code, late.stdout]).toEqual([1, '']);
    expect(late.stderr).toMatch(/^job_timeout: Job job_\S+ did not end within 0\.2 s \(queued\)/m);
  });

  it('makes one job under one key, and gives the key where it is not known whether there is one', async () => {
    const args = ['call', 'media.echo.v1', '--input', '{"text":"x"}', '--json', '--idempotency-key', 'k'];
    const ids = [await withKey(args), await withKey(args)].map(({ stdout }) => (JSON.parse(stdout) as { id: string }).id);
    expect([new Set(ids).size, server.kernel.jobs.size]).toEqual([1, 1]);
    server.faults.add('POST', '/kernel-jobs', { kind: 'drop', when: 'after' }, 3);
    const lost = await withKey(args.slice(0, 5));
    expect(lost.code).toBe(1);
    expect(lost.stderr).toMatch(oneLine);
    const [, key = ''] = /^connection_failed: .*--idempotency-key (\S+) it is made once/.exec(lost.stderr) ?? [];
    expect((await withKey([...args.slice(0, 6), key])).code).toBe(0);
    expect(server.kernel.jobs.size).toBe(2);
  });

  it('gives the key too where a server in trouble, another program or Ctrl+C came between', async () => {
    const args = ['call', 'media.echo.v1', '--input', '{"text":"x"}'];
    const keyOf = ({ code, stderr }: Pick<Ended, 'code' | 'stderr'>): string => {
      expect(code).toBe(1);
      return /--idempotency-key (\S+) it is made once/.exec(stderr)?.[1] ?? '';
    };
    server.faults.add('POST', '/kernel-jobs', { kind: 'status', status: 502, applied: true }, 3);
    const keys = [keyOf(await withKey(args))];
    server.faults.add('POST', '/kernel-jobs', { kind: 'html' });
    keys.push(keyOf(await withKey(args)));
    server.faults.add('POST', '/kernel-jobs', { kind: 'silence', when: 'after' });
    const world = new World({ ...env, CHAOJIYUYAN_API_KEY: agent.key }, false);
    const ended = run(['hebing', ...args], world);
    await expect.poll(() => server.kernel.jobs.size).toBe(2);
    world.interrupt();
    keys.push(keyOf({ code: await ended, stderr: world.stderr }));
    for (const key of keys) expect((await withKey([...args, '--idempotency-key', key])).code).toBe(0);
    expect([new Set(keys).size, server.kernel.jobs.size]).toEqual([3, 3]);
  });

  it('tells errors in one line with their codes', async () => {
    for (const [args, line] of [[['status', 'none'], /^not_found: /], [['call', 'no.such', '--input', '{}'], /^unknown_capability: /], [['call', 'media.echo.v1', '--input', '{}'], /^invalid_input: .*text/]] as const) {
      const { code, stdout, stderr } = await withKey(args);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(oneLine);
      expect(stderr).toMatch(line);
    }
    const refused = await hebing(['status'], { env: { HEBING_BASE_URL: 'http://hebing.example.org', NEXUS_API_KEY: agent.key } });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^plain_http_refused: .*--allow-http/) as string });
    expect((await hebing(['status', '--allow-http', '--json'], { env: { HEBING_BASE_URL: 'http://hebing.example.org', NEXUS_API_KEY: agent.key } })).stdout).toBe(`{"key":"nxt_ag_…${agent.key.slice(-4)}","baseUrl":"http://hebing.example.org","source":"NEXUS_API_KEY"}\n`);
  });
});

describe('pilothouse hebing connect', () => {
  it('keeps a key and writes the entry, backed up and for its owner alone, and disconnect takes back only that', async () => {
    mkdirSync(at('.claude'));
    const others = '{\n  "mcpServers": {\n    "git": {\n      "command": "git-mcp"\n    }\n  },\n  "x": [1,  2]\n}\n';
    writeFileSync(at('.claude', 'mcp.json'), others);
    const connected = await hebing(['connect', '--api-key', agent.key, '--yes', '--json']);
    expect(connected).toMatchObject({ code: 0, stderr: '' });
    expect(connected.stdout).not.toContain(agent.key);
    const told = JSON.parse(connected.stdout) as { backup: string };
    expect(told).toMatchObject({ target: at('.claude', 'mcp.json'), what: 'add', credentials: at('.chaojiyuyan', 'credentials'), key: `nxt_ag_…${agent.key.slice(-4)}`, baseUrl: server.url });
    expect(read('.chaojiyuyan', 'credentials')).toEqual({ api_key: agent.key, base_url: server.url });
    const entry = (read('.claude', 'mcp.json') as { mcpServers: { chaojiyuyan: { command: string; args: string[]; env: object } } }).mcpServers.chaojiyuyan;
    expect(entry).toEqual({ command: process.execPath, args: [expect.stringMatching(/^\/.*main\.ts$/) as string, 'hebing', 'mcp-server'], env: { CHAOJIYUYAN_API_KEY: agent.key, HEBING_BASE_URL: server.url } });
    for (const file of [at('.claude', 'mcp.json'), told.backup, at('.chaojiyuyan', 'credentials')]) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(told.backup, 'utf8')).toBe(others);
    expect((await hebing(['status'])).stdout).toBe(`key\tnxt_ag_…${agent.key.slice(-4)}\naddress\t${server.url}\nfrom\t${at('.chaojiyuyan', 'credentials')}\n`);
    expect((await hebing(['capabilities'], { env: { HEBING_BASE_URL: '' } })).code).toBe(0);
    const gone = await hebing(['disconnect']);
    expect(gone.code).toBe(0);
    expect(gone.stdout).toContain('was taken out of');
    expect(readFileSync(at('.claude', 'mcp.json'), 'utf8')).toBe(others);
    expect(existsSync(at('.chaojiyuyan', 'credentials'))).toBe(false);
    expect(await hebing(['disconnect'])).toEqual({ code: 0, stdout: 'Nothing was connected.\n', stderr: '' });
  });

  it('with --dry-run prints the diff with the key masked, and writes nothing and asks nobody', async () => {
    writeFileSync(at('.claude.json'), '{"mcpServers": {}}');
    for (const args of [['--api-key', agent.key], []]) {
      const { code, stdout, stderr } = await hebing(['connect', '--dry-run', '--target', '~/.claude.json', ...args]);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^\+.*mcp-server/m);
      expect(stdout.split('\n')[0]).toMatch(/^The key (?:nxt_ag_….{4}|that a sign-in brings) for \S+ would be kept in \S+credentials\.$/);
      expect(stdout).not.toContain(agent.key);
    }
    expect((await hebing(['connect', '--dry-run', '--api-key', 'nx_1234567890123'])).stderr).toMatch(/^This key does not begin with nxt_ag_,[^\n]*\n$/);
    expect([readdirSync(home), readFileSync(at('.claude.json'), 'utf8'), server.requests]).toEqual([['.claude.json'], '{"mcpServers": {}}', []]);
  });

  it('shows the diff and asks a person, and leaves the file alone for anything but yes', async () => {
    const no = await hebing(['connect', '--api-key', '-'], { stdin: `${agent.key}\n`, interactive: true });
    expect(no.code).toBe(0);
    expect(no.stderr).toMatch(/\+.*"CHAOJIYUYAN_API_KEY": "nxt_ag_….{4}"/);
    expect(no.stdout).toContain('was not changed');
    expect([existsSync(at('.claude')), read('.chaojiyuyan', 'credentials')]).toEqual([false, { api_key: agent.key, base_url: server.url }]);
    const yes = await hebing(['connect', '--api-key', '-', '--target', path.join(home, 'own.json')], { stdin: `${agent.key}\ny\n`, interactive: true });
    expect(yes.code).toBe(0);
    expect(read('own.json')).toHaveProperty('mcpServers.chaojiyuyan.env.CHAOJIYUYAN_API_KEY', agent.key);
    expect(yes.stdout + yes.stderr).not.toContain(agent.key);
  });

  it('signs in by device flow where no key is given, and never shows it', async () => {
    server.signIns.times = { expiresIn: 30, interval: 1 };
    const world = new World(env);
    const connecting = run(['hebing', 'connect', '--yes'], world);
    const [, code = ''] = await world.printed(/enter it at \S+: (\S+)$/m);
    expect([server.signIns.nameOf(code), existsSync(at('.chaojiyuyan'))]).toEqual(['pilothouse', false]);
    const made = server.approve(code);
    expect(await connecting).toBe(0);
    expect(read('.chaojiyuyan', 'credentials')).toEqual({ api_key: made.key, base_url: server.url });
    expect(read('.claude', 'mcp.json')).toHaveProperty('mcpServers.chaojiyuyan.env.CHAOJIYUYAN_API_KEY', made.key);
    expect(world.stdout + world.stderr).not.toContain(made.key);
    expect(world.stdout).toContain(`--target ${at('.claude.json')}`);
  });

  it('keeps nothing when it is given up, denied, or the file cannot take the entry', async () => {
    server.signIns.times = { expiresIn: 30, interval: 1 };
    const world = new World(env);
    const connecting = run(['hebing', 'connect', '--yes'], world);
    await world.printed(/Waiting for approval/);
    world.interrupt();
    expect(await connecting).toBe(1);
    expect(world.stderr).toMatch(/\nCancelled\.\n$/);
    const denied = new World(env);
    const asking = run(['hebing', 'connect', '--yes'], denied);
    const [, code = ''] = await denied.printed(/enter it at \S+: (\S+)$/m);
    server.deny(code);
    expect(await asking).toBe(1);
    expect(denied.stderr).toMatch(/\naccess_denied: [^\n]*\n$/);
    expect(readdirSync(home)).toEqual([]);
    writeFileSync(at('broken.json'), '{"mcpServers": ');
    const before = server.requests.length;
    const broken = await hebing(['connect', '--yes', '--target', at('broken.json')]);
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringMatching(/^mcp_json_invalid: [^\n]*\n$/) as string });
    expect([readFileSync(at('broken.json'), 'utf8'), readdirSync(home), server.requests.length]).toEqual(['{"mcpServers": ', ['broken.json'], before]);
  });

  it('leaves credentials that make no sense as they are, and disconnect does the rest all the same', async () => {
    await hebing(['connect', '--api-key', agent.key, '--yes']);
    writeFileSync(at('.chaojiyuyan', 'credentials'), 'not json');
    const again = await hebing(['connect', '--api-key', agent.key, '--yes']);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/^credentials_malformed: [^\n]*\n$/) as string });
    const gone = await hebing(['disconnect']);
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringMatching(/^credentials_malformed: [^\n]*\n$/) as string });
    expect([readFileSync(at('.chaojiyuyan', 'credentials'), 'utf8'), read('.claude', 'mcp.json')]).toEqual(['not json', { mcpServers: {} }]);
  });
});
