import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/main.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { World } from './happyWorld.ts';

let server: CatsyphonTestServer;
let home: string;
beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'pilothouse-cli-catsyphon-'));
  server = await startCatsyphonServer();
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
async function catsyphon(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const world = new World({ HOME: home, ...env });
  world.stdin.end();
  const code = await run(['catsyphon', ...args], world);
  return { code, stdout: world.stdout, stderr: world.stderr };
}
const register = (...more: readonly string[]): Promise<Ended> => catsyphon(['register', '--server', server.url, '--workspace', server.workspace, ...more]);
const file = (name = path.join('.catsyphon', 'credentials.json')): string => path.join(home, name);
const plant = (name: string, lines: readonly unknown[]): string => {
  writeFileSync(file(name), lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return file(name);
};
const message = (content: string, more: object = {}): object => ({ type: 'message', data: { author_role: 'human', message_type: 'prompt', content }, ...more });
const oneLine = /^[^\n]+\n$/;
const rows = (session: string): readonly unknown[] => server.kernel.rows(session).map((row) => row.data['content']);

describe('pilothouse catsyphon', () => {
  it('says its usage, and what is wrong with a command line', async () => {
    const { stdout } = await catsyphon(['--help']);
    for (const verb of ['register', 'profiles', 'ship', 'status']) expect(stdout).toMatch(new RegExp(`^pilothouse catsyphon ${verb}`, 'm'));
    for (const args of [[], ['frob'], ['register'], ['register', '--server', server.url], ['ship'], ['ship', 'x'], ['ship', 'x', '--session', 'a/b'], ['ship', 'x', '--session', 's', '--outcome', 'odd'], ['ship', 'x', 'y', '--session', 's'], ['status'], ['profiles', 'x'], ['register', '--server', 'frob', '--workspace', 'w']]) {
      const ended = await catsyphon(args);
      expect([ended.code, ended.stdout], args.join(' ')).toEqual([2, '']);
    }
    expect(server.requests).toEqual([]);
  });

  it('registers once, and again only when told to; the key shows nowhere', async () => {
    const made = await register('--json');
    const [collector] = server.kernel.collectors;
    expect([made.code, JSON.parse(made.stdout)]).toEqual([0, { collectorId: collector?.id, serverUrl: server.url, workspaceId: server.workspace, profile: 'default', file: file() }]);
    expect(collector?.registration).toMatchObject({ collector_type: 'pilothouse' });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    const second = await register();
    expect([second.code, second.stdout]).toEqual([1, '']);
    expect(second.stderr).toMatch(/^already_registered: .*--again/);
    expect((await register('--profile', 'work')).code).toBe(0);
    expect((await register('--again')).code).toBe(0);
    expect(server.kernel.collectors).toHaveLength(3);
    const { stdout } = await catsyphon(['profiles']);
    expect(stdout.trimEnd().split('\n').map((line) => line.split('\t').slice(0, 4))).toEqual([['default', server.url, server.workspace, server.kernel.collectors[2]?.id], ['work', server.url, server.workspace, server.kernel.collectors[1]?.id]]);
    const json = await catsyphon(['profiles', '--json']);
    for (const one of server.kernel.collectors) expect(`${made.stdout}${made.stderr}${stdout}${json.stdout}`).not.toContain(one.key);
  });

  it('fails in one line: no server, no such workspace, plain http, no collector, a file that others can read', async () => {
    const cases: [() => Promise<Ended>, RegExp][] = [
      [() => catsyphon(['register', '--server', 'http://127.0.0.1:9', '--workspace', 'w']), /^connection_failed: /],
      [() => catsyphon(['register', '--server', server.url, '--workspace', '00000000-0000-4000-8000-000000000000']), /^not_found: .*Workspace not found/],
      [() => catsyphon(['register', '--server', server.url, '--workspace', 'w']), /^validation_failed: .*workspace_id/],
      [() => catsyphon(['register', '--server', 'http://cat.example.org', '--workspace', 'w']), /^plain_http_refused: .*--allow-http/],
      [() => catsyphon(['status', 's']), /^credentials_missing: .*catsyphon register/],
      [() => catsyphon(['ship', 'nofile', '--session', 's']), /^transcript_missing: /],
      [() => catsyphon(['status', 's'], { CATSYPHON_API_KEY: 'k' }), /^credentials_missing: .*CATSYPHON_COLLECTOR_ID/],
    ];
    for (const [work, words] of cases) {
      const { code, stdout, stderr } = await work();
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(oneLine);
      expect(stderr).toMatch(words);
    }
    await register();
    chmodSync(file(), 0o644);
    expect(await catsyphon(['status', 's'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/^credentials_exposed: .*chmod 600/) as string });
  });

  it('finds its collector in the environment, else the one of the file that fits', async () => {
    const own = server.newCollector();
    const env = { CATSYPHON_URL: server.url, CATSYPHON_COLLECTOR_ID: own.id, CATSYPHON_API_KEY: own.key };
    const events = plant('events.jsonl', [message('a')]);
    expect((await catsyphon(['ship', events, '--session', 's'], env)).code).toBe(0);
    expect(server.kernel.sessions.get('s')?.owner).toBe(own.id);
    await register();
    await register('--profile', 'work');
    expect(await catsyphon(['ship', events, '--session', 't'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--profile') as string });
    expect((await catsyphon(['ship', events, '--session', 't', '--profile', 'work'])).code).toBe(0);
    expect(server.kernel.sessions.get('t')?.owner).toBe(server.kernel.collectors[2]?.id);
    expect((await catsyphon(['ship', events, '--session', 'u', '--server', server.url, '--workspace', server.workspace])).code).toBe(0);
    expect(server.kernel.sessions.get('u')?.owner).toBe(server.kernel.collectors[1]?.id);
  });

  it('tells what the server has of a session', async () => {
    await register();
    expect(await catsyphon(['status', 's'])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^not_found: .*never got an event/) as string });
    await catsyphon(['ship', plant('events.jsonl', [message('a', { emittedAt: '2026-02-24T10:00:00Z' })]), '--session', 's', '--outcome', 'partial']);
    expect((await catsyphon(['status', 's'])).stdout).toMatch(/^session\ts\nconversation\t\S+\nstatus\tcompleted\nevents\t1\nfirst\t2026-02-24T10:00:00\.000Z\nlast\t\S+Z\n$/);
    expect(JSON.parse((await catsyphon(['status', 's', '--json'])).stdout)).toMatchObject({ sessionId: 's', eventCount: 1, status: 'completed' });
    expect(server.kernel.sessions.get('s')?.outcome).toBe('partial');
  });
});

describe('pilothouse catsyphon ship', () => {
  beforeEach(async () => {
    await register();
  });

  it('sends JSON lines of events, each once however often, without secrets', async () => {
    const events = plant('events.jsonl', [message('a'), '', message('a'), message('key sk-ant-REDACTED1234567890', { emittedAt: 1_700_000_000_000 }), { ...message('wire'), emitted_at: '2026-02-24T10:00:00+01:00', event_hash: 'h' }]);
    expect(JSON.parse((await catsyphon(['ship', events, '--session', 's', '--json'])).stdout)).toEqual({ session: 's', format: 'events', sent: 4, accepted: 4, refused: [], completed: false });
    expect(JSON.parse((await catsyphon(['ship', events, '--session', 's', '--json'])).stdout)).toMatchObject({ sent: 4, accepted: 0 });
    expect(new Set(rows('s'))).toEqual(new Set(['a', 'key [redacted]', 'wire']));
    expect(rows('s')).toHaveLength(4);
    expect(server.kernel.rows('s').find((row) => row.hash === 'h')?.emittedAt).toBe('2026-02-24T09:00:00.000Z');
  });

  it('tells the lines that cannot be sent, sends the rest, and fails then', async () => {
    server.kernel.poison = (data) => data['content'] === 'poison';
    const events = plant('events.jsonl', [message('a'), 'no json', '', message('poison'), { type: 'message', data: { author_role: 'user', message_type: 'prompt' } }, message('b')]);
    const ended = await catsyphon(['ship', events, '--session', 's']);
    expect(ended.code).toBe(1);
    expect(ended.stdout).toContain('2 events of');
    expect(ended.stderr.split('\n').map((line) => /^line \d+ \(\w*\): (?:not sent|\d+)/.exec(line)?.[0])).toEqual(['line 2 (): not sent', 'line 5 (message): not sent', 'line 4 (message): 500', undefined]);
    expect(rows('s')).toEqual(['a', 'b']);
  });

  it('sends what Claude Code leaves on disk, subagents and all', async () => {
    const transcript = new URL('../../fixtures/claude/config/projects/-home-dev-project/0b1e5c1e-0000-4000-8000-00000000c1a0.jsonl', import.meta.url).pathname;
    const first = JSON.parse((await catsyphon(['ship', transcript, '--session', 'c', '--json'])).stdout) as { format: string; sent: number; refused: unknown[] };
    expect(first).toMatchObject({ format: 'claude', refused: [] });
    const stored = server.kernel.rows('c');
    expect(stored).toHaveLength(first.sent - 1);
    expect(server.kernel.sessions.get('c')?.agentType).toBe('claude-code');
    expect(stored[0]).toMatchObject({ type: 'message', data: { author_role: 'human', message_type: 'prompt', content: 'delegate it' } });
    const types = new Set(stored.map((row) => row.type));
    expect([...types]).toEqual(expect.arrayContaining(['message', 'tool_call', 'tool_result']));
    expect(stored.some((row) => typeof row.data['parent'] === 'string')).toBe(true);
    expect(new Set(stored.map((row) => row.hash)).size).toBe(stored.length);
    await catsyphon(['ship', transcript, '--session', 'c']);
    expect(server.kernel.rows('c')).toHaveLength(stored.length);
  });

  it.each([['rollout-legacy.jsonl'], ['rollout-paginated.jsonl']])('sends what Codex leaves on disk (%s), under any name', async (name) => {
    copyFileSync(new URL(`../../fixtures/codex/${name}`, import.meta.url), file('mine.jsonl'));
    const ended = await catsyphon(['ship', file('mine.jsonl'), '--session', 'x', '--json']);
    expect(JSON.parse(ended.stdout)).toMatchObject({ format: 'codex', refused: [] });
    expect(server.kernel.sessions.get('x')?.agentType).toBe('codex');
    expect(server.kernel.rows('x').length).toBeGreaterThan(3);
    expect(server.kernel.rows('x').map((row) => row.type)).toContain('tool_call');
  });

  it('refuses other files, and says how far it came when the server goes away', async () => {
    for (const [name, text] of [['empty', ''], ['words', 'hello\nworld\n'], ['other', '{"a":1}\n']] as const) {
      writeFileSync(file(name), text);
      expect(await catsyphon(['ship', file(name), '--session', 's'])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^unknown_format: /) as string });
    }
    expect(await catsyphon(['ship', file('none'), '--session', 's'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/^transcript_missing: /) as string });
    const events = plant('many.jsonl', Array.from({ length: 600 }, (_, index) => message(`${index}`)));
    server.faults.add(/^POST .*events$/, { kind: 'status', status: 202, applied: true, body: { accepted: 50, last_sequence: 1, conversation_id: 'c', warnings: [] } }, 10);
    server.faults.add(/^POST .*events$/, { kind: 'status', status: 401 });
    const ended = await catsyphon(['ship', events, '--session', 'm']);
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^500 events are sent\. .*\nunauthorized: .*Register again/) as string });
    await catsyphon(['ship', events, '--session', 'm']);
    expect(rows('m')).toHaveLength(600);
    expect(readFileSync(events, 'utf8').split('\n')).toHaveLength(600);
  });

  it('that is killed with a request on its way stores nothing twice when the file is shipped again', async () => {
    const words = Array.from({ length: 120 }, (_, index) => `${index}`);
    const events = plant('many.jsonl', words.map((word) => message(word)));
    server.faults.add(/^POST .*events$/, { kind: 'slow', ms: 0 });
    server.faults.add(/^POST .*events$/, { kind: 'slow', ms: 900 });
    const child = spawn(process.execPath, [fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url)), 'catsyphon', 'ship', events, '--session', 'k'], { env: { PATH: process.env['PATH'], HOME: home }, stdio: 'ignore' });
    const gone = once(child, 'exit');
    await expect.poll(() => server.count('POST /collectors/events'), { timeout: 20_000 }).toBe(2);
    child.kill('SIGKILL');
    await gone;
    // The second batch is at work still: sent again at once it would be stored twice.
    expect((await catsyphon(['ship', events, '--session', 'k'])).code).toBe(0);
    expect(new Set(rows('k'))).toEqual(new Set(words));
    expect(rows('k')).toHaveLength(120);
  });
});
