import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/main.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { Phone } from '../../loopback/happy/phone.ts';
import { World } from './happyWorld.ts';

let server: HappyTestServer;
let phone: Phone;
let home = '';
beforeEach(async () => {
  home = path.join(await mkdtemp(path.join(tmpdir(), 'pilothouse-cli-login-')), '.happy');
  server = await startHappyServer();
  phone = await Phone.signIn(server.url);
});
afterEach(async () => {
  phone.close();
  await server.close();
  await rm(path.dirname(home), { recursive: true, force: true });
});
const worldOf = (env: NodeJS.ProcessEnv = {}, interactive = false): World => new World({ HAPPY_HOME_DIR: home, ...env }, interactive);
const link = /^(happy:\/\/\/account\?[\w-]+)$/m;

describe('login', () => {
  it('shows a link and a QR code, says what it keeps, and keeps it where every other verb finds it, server and all', async () => {
    const world = worldOf();
    const signing = run(['happy', 'login', '--server', server.url, '--json'], world);
    const [, code = ''] = await world.printed(link);
    expect(world.stderr).toContain(`will be kept in ${path.join(home, 'agent.key')}, readable by you alone`);
    expect(world.stderr).not.toContain('takes the place');
    expect(world.stderr).toMatch(/[█▀▄]{20}/);
    expect(world.stderr).not.toContain('\u001B');
    expect(await readdir(path.dirname(home))).toEqual([]);
    await phone.approve(code);
    expect(await signing).toBe(0);
    expect(JSON.parse(world.stdout)).toEqual({ serverUrl: server.url, accountId: server.tokenFor(phone.master).accountId, file: path.join(home, 'agent.key'), reads: 'Reads and writes every machine and session of the account.' });
    expect((await stat(path.join(home, 'agent.key'))).mode & 0o777).toBe(0o600);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    expect(JSON.parse(await readFile(path.join(home, 'agent.key'), 'utf8'))).toEqual({ token: expect.any(String) as string, secret: Buffer.from(phone.master).toString('base64'), serverUrl: server.url });
    expect(await readdir(home)).toEqual(['agent.key']);
    expect(world.stdout + world.stderr).not.toContain(Buffer.from(phone.master).toString('base64'));
    const list = worldOf();
    expect(await run(['happy', 'machines'], list)).toBe(0);
    expect(list.stdout).toBe('No machines.\n');
  });

  it('is light on dark in a terminal, and says so before it takes the place of another key', async () => {
    await mkdir(home);
    await writeFile(path.join(home, 'agent.key'), '{"token":"x"}', { mode: 0o644 });
    const world = worldOf({ HAPPY_SERVER_URL: server.url }, true);
    const signing = run(['happy', 'login'], world);
    const [, code = ''] = await world.printed(link);
    expect(world.stderr).toContain('\u001B[97;40m');
    expect(world.stderr).toContain('It takes the place of the key that is there.');
    await phone.approve(code);
    expect(await signing).toBe(0);
    expect(world.stdout).toBe(`Signed in to ${server.url}. Reads and writes every machine and session of the account.\n`);
    expect((await stat(path.join(home, 'agent.key'))).mode & 0o777).toBe(0o600);
  });

  it('says what goes before the key that it keeps', async () => {
    await mkdir(home);
    const jwt = `e30.${Buffer.from('{"user":"somebody"}').toString('base64url')}.c2ln`;
    await writeFile(path.join(home, 'access.key'), JSON.stringify({ token: jwt, encryption: { publicKey: Buffer.alloc(32, 1).toString('base64'), machineKey: Buffer.alloc(32, 2).toString('base64') } }));
    const world = worldOf({ HAPPY_TOKEN: 'x' });
    const signing = run(['happy', 'login', '--server', server.url], world);
    const [, code = ''] = await world.printed(link);
    await phone.approve(code);
    expect(await signing).toBe(0);
    expect(world.stderr).toContain('HAPPY_TOKEN of the environment goes before this key.');
    expect(world.stderr).toMatch(/agent\.key belongs to another account and was left out\. .*move the access\.key/);
  });

  it('keeps nothing when nobody confirms, when it is given up, and when the server is none', async () => {
    const late = worldOf();
    expect(await run(['happy', 'login', '--server', server.url, '--timeout', '1.2'], late)).toBe(1);
    expect(late.stderr.trimEnd().split('\n').at(-1)).toBe('link_expired: Nobody confirmed the link in time. Start the sign-in again.');
    const stopped = worldOf();
    const signing = run(['happy', 'login', '--server', server.url], stopped);
    await stopped.printed(link);
    stopped.interrupt();
    expect(await signing).toBe(1);
    expect(stopped.stderr).toMatch(/\nCancelled\.\n$/);
    for (const [url, error] of [['http://127.0.0.1:9', /^connection_failed: [^\n]*\n$/], ['http://happy.example.org', /^plain_http_refused: [^\n]*--allow-http[^\n]*\n$/], ['frob', /^invalid_argument: [^\n]*\n$/]] as const) {
      const refused = worldOf();
      expect(await run(['happy', 'login', '--server', url], refused), url).toBe(url === 'frob' ? 2 : 1);
      expect(refused.stderr).toMatch(error);
    }
    expect(await readdir(path.dirname(home))).toEqual([]);
  }, 20_000);

  it('says where it could not keep the key', async () => {
    await writeFile(home, 'a file in the place of the folder');
    const world = worldOf();
    const signing = run(['happy', 'login', '--server', server.url], world);
    const [, code = ''] = await world.printed(link);
    await phone.approve(code);
    expect(await signing).toBe(1);
    expect(world.stderr).toMatch(/\nnot_saved: You are signed in, but the key could not be kept in [^\n]*\n$/);
    expect(await readFile(home, 'utf8')).toBe('a file in the place of the folder');
  });
});
