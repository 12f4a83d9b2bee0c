import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/main.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { World } from './happyWorld.ts';

let server: ForgeTestServer;
let env: NodeJS.ProcessEnv;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilothouse-cli-forge-'));
  server = await new ForgeTestServer().start();
  env = { CLAWDFORGE_URL: `${server.url}/`, CLAWDFORGE_TOKEN: server.token('cli') };
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

async function forge(args: readonly string[], more: NodeJS.ProcessEnv = {}, stdin = ''): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const world = new World({ ...env, ...more });
  world.stdin.end(stdin);
  const code = await run(['clawdforge', ...args], world);
  return { code, stdout: world.stdout, stderr: world.stderr };
}
const json = async (...args: readonly string[]): Promise<unknown> => JSON.parse((await forge([...args, '--json'])).stdout);

describe('a run whose answer nobody has', () => {
  it('says in one line that it may cost again', async () => {
    server.faults.push({ method: 'POST', path: /run/ });
    const lost = await forge(['run', 'x']);
    expect([lost.code, lost.stdout]).toEqual([1, '']);
    expect(lost.stderr).toMatch(/^connection_failed: [^\n]*another one costs tokens again[^\n]*\n$/);
    const away = await forge(['run', 'x', '--server', 'http://127.0.0.1:9']);
    expect(away.stderr).toMatch(/^connection_failed: (?![^\n]*tokens)[^\n]*\n$/);
  });

  it('says so too where Ctrl+C left it', async () => {
    server.script = () => ({ events: [{ content: 'late' }], stepMs: 1_500 });
    const world = new World(env);
    const ended = run(['clawdforge', 'run', 'x'], world);
    await expect.poll(() => server.count('POST', /run/)).toBe(1);
    world.interrupt();
    expect([await ended, world.stdout]).toEqual([1, '']);
    expect(world.stderr).toMatch(/^cancelled: [^\n]*each run costs tokens\.\n$/);
  });
});

describe('usage', () => {
  it('help is there for the system and for every verb', async () => {
    for (const argv of [['--help'], ['clawdforge', '--help'], ['clawdforge', 'help']]) {
      const world = new World({});
      expect(await run(argv, world)).toBe(0);
      for (const verb of ['health', 'run', 'upload', 'sessions', 'chat', 'close', 'tokens']) expect(world.stdout).toContain(`pilothouse clawdforge ${verb}`);
    }
    const world = new World({});
    expect(await run(['clawdforge', 'run', '-h'], world)).toBe(0);
    expect(world.stdout).toMatch(/^pilothouse clawdforge run PROMPT/);
  });

  it.each([
    [], ['frob'], ['toString'], ['health', 'x'], ['run'], ['run', ' '], ['run', 'a', 'b'], ['run', 'x', '--timeout', 'soon'], ['run', 'x', '--timeout', '0'], ['run', 'x', '--frob'], ['upload'], ['upload', 'a', 'b'], ['upload', 'a', '--ttl', '1.5'],
    ['sessions', 'x'], ['close'], ['close', ' '], ['chat', 'x'], ['chat', '--timeout', '-1'], ['tokens', 'frob'], ['tokens', 'list', 'x'], ['tokens', 'create'], ['tokens', 'revoke'], ['tokens', 'revoke', 'x', '--ip', '1.2.3.4/32'],
    ['health', '--server', 'nowhere'],
  ])('%s %s %s %s: one line and exit 2, and nothing is sent', async (...argv) => {
    const { code, stdout, stderr } = await forge(argv.filter((one) => one !== undefined));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    if (argv.length > 0) expect(stderr).toMatch(/^invalid_argument: [^\n]+\n$/);
    expect(server.requests).toEqual([]);
  });

  it('without an address or a token says which is missing', async () => {
    for (const [more, named] of [[{ CLAWDFORGE_TOKEN: '' }, 'Set CLAWDFORGE_TOKEN [^:]*: an app token [^:]*'], [{ CLAWDFORGE_URL: ' ' }, 'Set CLAWDFORGE_URL (?!.*TOKEN).*--server.*8800\\.'], [{ CLAWDFORGE_URL: undefined, CLAWDFORGE_TOKEN: undefined }, 'Set CLAWDFORGE_URL .*--server.* Set CLAWDFORGE_TOKEN .*']] as const) {
      const { code, stderr } = await forge(['health'], more);
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`^credentials_missing: ${named}\\n$`));
    }
  });
});

it('tells the health', async () => {
  expect(await forge(['health'])).toEqual({ code: 0, stdout: 'ok: Claude Code 2.1.3\n', stderr: '' });
  expect(await json('health')).toEqual({ ok: true, claudePresent: true, claudeVersion: '2.1.3' });
  expect((await forge(['health'], { CLAWDFORGE_TOKEN: 'cf_wrong_token_1' })).stderr).toMatch(/^authentication_failed: [^\n]*401[^\n]*\n$/);
});

describe('run', () => {
  it('prints text as it is, and JSON so that one can read it', async () => {
    server.script = ({ prompt }) => ({ events: [{ content: prompt }] });
    expect(await forge(['run', 'plain \u001B[31mtext'])).toMatchObject({ code: 0, stdout: 'plain text\n', stderr: '' });
    expect((await forge(['run', '{"hello":"world"}'])).stdout).toBe('{\n  "hello": "world"\n}\n');
    expect(await json('run', '{"hello":"world"}')).toMatchObject({ ok: true, result: { hello: 'world' } });
    expect((await forge(['run', '-'], {}, 'from stdin')).stdout).toBe('from stdin\n');
  });

  it('sends what it is told, uploads what it is given, and passes failures on, once', async () => {
    const file = path.join(folder, 'notes.txt');
    await writeFile(file, 'one\ntwo\n');
    await forge(['run', 'Read', '--model', 'opus', '--system', 'Be brief.', '--upload', file, '--timeout', '30']);
    expect(server.uploads).toEqual([expect.objectContaining({ filename: 'notes.txt', size: 8 })]);
    expect(server.requests.at(-1)?.body).toEqual({ prompt: 'Read', model: 'opus', system: 'Be brief.', files: ['ff_1'], timeout_secs: 30 });
    server.script = () => ({ events: [], refuse: { status: 502, body: { error: 'claude failed', stderr: 'no credit' } } });
    const { code, stderr } = await forge(['run', 'x']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^run_failed: [^\n]*claude failed[^\n]*no credit[^\n]*\n$/);
    expect(server.count('POST', /^\/run$/)).toBe(2);
    server.script = () => ({ events: [{ content: 'half' }], ok: false, stopReason: 'timeout' });
    expect(await forge(['run', 'x'])).toEqual({ code: 1, stdout: 'half\n', stderr: 'The run did not end well: timeout.\n' });
  });
});

it('uploads a file and prints its token', async () => {
  const file = path.join(folder, 'notes.txt');
  await writeFile(file, 'one\ntwo\n');
  expect((await forge(['upload', file, '--ttl', '60', '--name', 'other.md', '--type', 'text/markdown'])).stdout).toBe('ff_1\t8 bytes\tkept for 60 s\n');
  expect(server.uploads[0]).toMatchObject({ filename: 'other.md', contentType: 'text/markdown' });
  expect((await forge(['upload', file, '--ttl', '59'])).stderr).toMatch(/^request_refused: /);
  expect((await forge(['upload', path.join(folder, 'none')])).stderr).toMatch(/^file_not_readable: /);
});

describe('chat', () => {
  it('takes a line a turn, streams what is said, remembers, and closes its session at the end', async () => {
    const { code, stdout, stderr } = await forge(['chat', '--agent', 'codex'], {}, 'The password is lighthouse.\n\nrun: echo tide\nWhat is it?\n');
    expect(code).toBe(0);
    expect(stdout).toContain('You said so: The password is lighthouse.\nI run it. ');
    expect(stdout).toMatch(/You told me: The password is lighthouse\.[^\n]*\n$/);
    expect(stderr).toMatch(/^Session sess_\d+\n\n?\[tool_call Bash\]\n\[tool_result tide\]\n$/);
    expect([...server.sessions.values()]).toEqual([expect.objectContaining({ agent: 'codex', turns: 3, closedAt: expect.any(String) as string })]);
  });

  it('goes on with a session that is named, and leaves it open', async () => {
    await forge(['chat', '--keep'], {}, 'The password is lighthouse.\n');
    const [id = ''] = server.sessions.keys();
    expect(server.sessions.get(id)?.closedAt).toBeNull();
    const lines = (await forge(['chat', '--session', id, '--json'], {}, 'What is it?\n/quit\nnever\n')).stdout.trim().split('\n').map((line) => JSON.parse(line) as { text: string; turnIndex: number });
    expect(lines).toEqual([expect.objectContaining({ turnIndex: 2, stopReason: 'end_turn', text: expect.stringContaining('lighthouse') as string })]);
    expect(server.sessions.get(id)?.closedAt).toBeNull();
    server.expire(id);
    const closed = await forge(['chat', '--session', id], {}, 'Hello?\nHello??\n');
    expect(closed.code).toBe(1);
    expect(closed.stderr).toMatch(/\nsession_closed: [^\n]*410[^\n]*\n$/);
    expect((await forge(['chat', '--session', 'sess_0'], {}, 'Hello?\n')).stderr).toMatch(/^session_not_found: [^\n]*another token[^\n]*\n$/);
    expect(server.prompts()).not.toContain('Hello??');
  });

  it('leaves a turn at Ctrl+C, and ends at the next; a turn that failed makes the exit code', async () => {
    const world = new World(env);
    const running = run(['clawdforge', 'chat'], world);
    world.stdin.write('slowly\n');
    await world.printed(/The sea is wide/);
    world.interrupt();
    await world.printed(/Not waited for any more/);
    world.interrupt();
    expect(await running).toBe(1);
    expect([...server.sessions.values()][0]?.closedAt).not.toBeNull();
    server.script = () => ({ events: [], ok: false, stopReason: 'timeout' });
    expect(await forge(['chat'], {}, 'x\n')).toMatchObject({ code: 1, stderr: expect.stringContaining('time for the turn was over') as string });
  });

  it('ends what it began when the process is to end', async () => {
    const world = new World(env);
    const running = run(['clawdforge', 'chat'], world);
    world.stdin.write('slowly\n');
    await world.printed(/The sea/);
    world.terminate();
    expect(await running).toBe(1);
    expect([...server.sessions.values()][0]?.closedAt).not.toBeNull();
  });
});

it('lists and closes sessions', async () => {
  await forge(['chat', '--keep'], {}, 'Hello\n');
  const [id = ''] = server.sessions.keys();
  expect((await forge(['sessions'])).stdout).toMatch(new RegExp(`^${id}\topen\tclaude\t1 turn\t[^\\t]+\t/srv/clawdforge/work\n$`));
  expect(await forge(['close', id])).toEqual({ code: 0, stdout: 'closed\n', stderr: '' });
  expect(await json('close', id)).toEqual({ ok: true, sessionId: id });
  expect((await forge(['sessions', '--open'])).stdout).toBe('No sessions.\n');
  expect(await json('sessions')).toEqual([expect.objectContaining({ sessionId: id, turnCount: 1 })]);
  expect((await forge(['close', 'sess_0'])).stderr).toMatch(/^session_not_found: /);
});

it('manages tokens with the admin token; a token is told once', async () => {
  const admin = { CLAWDFORGE_TOKEN: server.admin };
  const made = await forge(['tokens', 'create', 'cauldron', '--ip', '172.24.0.0/16', '--ip', '10.0.0.0/8'], admin);
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cf_cauldron_\d+\n$/) as string, stderr: expect.stringContaining('only time') as string });
  const list = await forge(['tokens'], admin);
  expect(list.stdout).toContain('cauldron\tenabled\tfrom 172.24.0.0/16, 10.0.0.0/8\tnever used\n');
  expect(list.stdout).not.toContain(made.stdout.trim());
  expect((await forge(['tokens', 'revoke', 'cauldron'], admin)).stdout).toBe('revoked\n');
  expect((await forge(['tokens', 'revoke', 'cauldron'], admin)).stderr).toMatch(/^token_not_found: /);
  expect((await forge(['tokens', 'list'])).stderr).toMatch(/^authentication_failed: [^\n]*admin bootstrap token/);
});
