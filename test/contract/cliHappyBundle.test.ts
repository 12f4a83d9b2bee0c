import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundles } from '../../scripts/build/bundles.mjs';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import type { Animation } from '../loopback/happy/animate.ts';
import { animateFleet } from '../loopback/happy/animate.ts';
import type { Fleet } from '../loopback/happy/fleet.ts';
import { seedFleet } from '../loopback/happy/fleet.ts';
import { Phone } from '../loopback/happy/phone.ts';
import type { HappyTestServer } from '../loopback/happy/server.ts';
import { startHappyServer } from '../loopback/happy/server.ts';

/** The package as it is published, in a folder without any other: bundles, types, package.json. */
const root = fileURLToPath(new URL('../..', import.meta.url));
let place = '';
/** What each bundle asks for from outside. */
const outside: Record<string, readonly string[]> = {};
let server: HappyTestServer;
let fleet: Fleet;
let animation: Animation;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  place = await mkdtemp(path.join(tmpdir(), 'pilothouse-bundle-'));
  const own = path.join(place, 'node_modules', 'pilothouse');
  await mkdir(path.join(own, 'dist'), { recursive: true });
  await copyFile(path.join(root, 'package.json'), path.join(own, 'package.json'));
  const all = bundles({ root, dist: path.join(own, 'dist') });
  for (const name of ['core', 'cli', 'extension']) {
    const { metafile } = await build({ ...all[name], metafile: true });
    outside[name] = [...new Set(Object.values(metafile.outputs).flatMap((output) => output.imports.flatMap((one) => (one.external === true ? [one.path] : []))))];
  }
  // Native helpers of a socket that stand about, built for another Node: they must do no harm.
  for (const name of ['bufferutil', 'utf-8-validate']) {
    await mkdir(path.join(place, 'node_modules', name));
    await writeFile(path.join(place, 'node_modules', name, 'index.js'), `throw new Error('${name} was built for another Node');`);
  }
  server = await startHappyServer();
  fleet = seedFleet(server, { sessions: 14 });
  animation = await animateFleet(server.url, fleet, { stepMs: 30, beatMs: 300 });
  env = { PATH: process.env['PATH'], HOME: place, HAPPY_HOME_DIR: path.join(place, '.happy'), HAPPY_SERVER_URL: server.url, HAPPY_TOKEN: fleet.token, HAPPY_SECRET: toBase64(fleet.master) };
}, 120_000);
afterAll(async () => {
  animation.close();
  await server.close();
  await rm(place, { recursive: true, force: true });
});

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
/** Runs Node in the folder of the package; `seen` is told all that was printed, whenever more is. */
function node(args: readonly string[], own: NodeJS.ProcessEnv = env, seen: (printed: string) => void = () => undefined): { readonly child: ChildProcess; readonly done: Promise<Ran> } {
  const child = spawn(process.execPath, args, { cwd: place, env: own, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    stdout += part;
    seen(stdout + stderr);
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr += part;
    seen(stdout + stderr);
  });
  return { child, done: new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr }))) };
}
const happy = (args: readonly string[], ...more: readonly [NodeJS.ProcessEnv?, ((printed: string) => void)?]): ReturnType<typeof node> => node([path.join(place, 'node_modules', 'pilothouse', 'dist', 'cli.js'), 'happy', ...args], ...more);
const cli = (...given: Parameters<typeof happy>): Promise<Ran> => happy(...given).done;

describe('pilothouse happy, as a process', () => {
  test('signs in by link, and runs a task with the key that it kept', async () => {
    const { HAPPY_TOKEN: _token, HAPPY_SECRET: _secret, HAPPY_SERVER_URL: _url, ...bare } = env;
    const phone = await Phone.signIn(server.url, fleet.master);
    let approved = false;
    const signedIn = await cli(['login', '--server', server.url], bare, (printed) => {
      const code = /^happy:\/\/\/account\?[\w-]+$/m.exec(printed)?.[0];
      if (code === undefined || approved) return;
      approved = true;
      void phone.approve(code);
    });
    phone.close();
    expect(signedIn).toMatchObject({ code: 0, stdout: expect.stringContaining(`Signed in to ${server.url}.`) as string });
    const ran = await cli(['run-task', '--machine', 'studio', '--directory', '~/work/api', 'What is here?', '--json'], bare);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toMatchObject({ sessionId: expect.any(String) as string, answer: expect.stringMatching(/^I am an agent of the demo/) as string });
  });

  test('exits with 0, 1 and 2, and prints no stack', async () => {
    const listed = await cli(['sessions', '--json']);
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect((JSON.parse(listed.stdout) as readonly { readonly id: string }[]).length).toBeGreaterThanOrEqual(14);
    expect(await cli(['get', 'nothing'])).toEqual({ code: 1, stdout: '', stderr: 'session_not_found: There is no session nothing in this Happy account.\n' });
    expect(await cli(['get'])).toEqual({ code: 2, stdout: '', stderr: 'invalid_argument: The session\'s id is missing.\n' });
  });

  test.runIf(process.platform !== 'win32')('Ctrl+C ends a task and what it spawned', async () => {
    const before = new Set(animation.sessions);
    const own = (): readonly string[] => animation.sessions.filter((id) => !before.has(id));
    const { child, done } = happy(['run-task', '--machine', 'studio', '--directory', '~/work/api', 'something long']);
    await expect.poll(own, { timeout: 20_000 }).toHaveLength(1);
    child.kill('SIGINT');
    expect(await done).toEqual({ code: 1, stdout: '', stderr: 'Cancelled.\n' });
    expect(own()).toEqual([]);
  });
});

describe('pilothouse/core', () => {
  test('gives the whole Happy library to a plain script', async () => {
    await writeFile(path.join(place, 'script.mjs'), `
import { HappyClient, HappyError, SessionNotFound, HappyAccount, login, happyConnection, credentialsFromEnv, HAPPY_SERVER } from 'pilothouse/core';
for (const one of [HappyAccount, login, happyConnection, credentialsFromEnv]) if (typeof one !== 'function') throw new Error('not exported');
await using client = HappyClient.fromEnv();
const [machine] = await client.listMachines({ activeOnly: true });
const id = await client.spawnSession({ machineId: machine.id, directory: machine.metadata.homeDir + '/work/api', name: 'From a script' });
await client.sendMessage(id, 'What is here?');
await client.waitForTurnCompletion(id, { timeoutSeconds: 20 });
const messages = await client.getMessages(id);
await client.deleteSession(id);
const gone = await client.getSession(id).catch((error) => error);
console.log(JSON.stringify({ messages: messages.length, gone: [gone instanceof SessionNotFound, gone instanceof HappyError, gone.name, gone.code], server: HAPPY_SERVER }));
`);
    const ran = await node(['script.mjs']).done;
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const told = JSON.parse(ran.stdout) as { readonly messages: number };
    expect(told).toMatchObject({ gone: [true, true, 'SessionNotFound', 'session_not_found'], server: expect.stringMatching(/^https:/) as string });
    expect(told.messages).toBeGreaterThan(2);
  });

  test('has types that tell right from wrong', async () => {
    const own = path.join(place, 'node_modules', 'pilothouse');
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    const emitted = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.types.json', '--outDir', path.join(own, 'dist', 'types')], { cwd: root, encoding: 'utf8' });
    expect(emitted).toMatchObject({ status: 0, stdout: '' });
    await mkdir(path.join(place, 'node_modules', '@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types', 'undici', 'zod']) await symlink(path.join(root, 'node_modules', name), path.join(place, 'node_modules', name), 'junction');
    await writeFile(path.join(place, 'right.mts'), `
import { HappyClient, SpawnError } from 'pilothouse/core';
import type { HappySession, HappyMessage, LinkCode } from 'pilothouse/core';
const client = new HappyClient({ serverUrl: 'https://happy.example.org', token: 'x', secret: 'y' });
export const sessions: readonly HappySession[] = await client.listSessions({ activeOnly: true });
export const task: string = await client.runTask({ machineId: 'm', directory: '/d', prompt: 'p' });
export const messages: readonly HappyMessage[] = await client.getMessages(task);
export const shown = (code: LinkCode): string => code.link;
export const failed = (error: unknown): string | null => (error instanceof SpawnError ? error.sessionId : null);
`);
    await writeFile(path.join(place, 'wrong.mts'), `
import { HappyClient } from 'pilothouse/core';
const client = HappyClient.fromEnv();
export const id: number = await client.spawnSession({ machineId: 'm', directory: '/d' });
await client.sendMessage('s', 'text', { permissionmode: 'yolo' });
`);
    const checked = spawnSync(process.execPath, [tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,esnext.disposable', '--types', 'node', '--skipLibCheck', 'right.mts', 'wrong.mts'], { cwd: place, encoding: 'utf8' });
    expect(checked.stdout.split('\n').filter((line) => line.includes('error')).map((line) => line.replace(/:.*/, ''))).toEqual(['wrong.mts(4,14)', 'wrong.mts(5,41)']);
  });
});

test('the bundles need nothing beside Node (and the extension VS Code), and do without what speeds a socket up', () => {
  const asked = Object.fromEntries(Object.entries(outside).map(([name, modules]) => [name, modules.filter((one) => !isBuiltin(one)).sort()]));
  expect(asked).toEqual({ core: ['bufferutil', 'utf-8-validate'], cli: ['bufferutil', 'utf-8-validate'], extension: ['bufferutil', 'utf-8-validate', 'vscode'] });
});
