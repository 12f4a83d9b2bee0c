import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { cachePath, cacheRoot, ensureInCache, installed } from '../../../scripts/setup/cache.mjs';
import { adviceFor } from '../../../scripts/setup/failure.mjs';
import { withLock } from '../../../scripts/setup/lock.mjs';
import { endTree, processTree } from '../../../scripts/setup/processes.mjs';
import { writeProfileSettings } from '../../../scripts/setup/profile.mjs';
import { cleanEnv, runLogged } from '../../../scripts/setup/run.mjs';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pilothouse-setup-'));
  vi.stubEnv('PILOTHOUSE_CACHE', join(folder, 'cache'));
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

/** Installs a thing of one file, and counts how often it was asked to. */
function thing(key: string, install: (place: string) => void = () => undefined) {
  const calls = { count: 0 };
  const ensure = () => ensureInCache({
    name: 'thing', key, line: 'thing: installing', intact: (place) => existsSync(join(place, 'file')),
    install: (place) => {
      calls.count += 1;
      install(place);
      writeFileSync(join(place, 'file'), key);
    },
  });
  return { calls, ensure };
}

describe('the cache', () => {
  test('is the folder that the environment names', () => {
    expect(cacheRoot()).toBe(join(folder, 'cache'));
    vi.stubEnv('PILOTHOUSE_CACHE', '');
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'xdg'));
    expect(cacheRoot()).toBe(join(folder, 'xdg', 'pilothouse'));
  });

  test('installs once, and again when what was installed is damaged', async () => {
    const { calls, ensure } = thing('1');
    const place = await ensure();
    expect(await ensure()).toBe(place);
    expect(calls.count).toBe(1);
    rmSync(join(place, 'file'));
    expect(await ensure()).toBe(place);
    expect(calls.count).toBe(2);
    expect(readFileSync(join(place, 'file'), 'utf8')).toBe('1');
  });

  test('keeps two versions apart', async () => {
    expect(await thing('1').ensure()).not.toBe(await thing('2').ensure());
  });

  test('takes an install that was cut off for none, and leaves nothing of it', async () => {
    const failing = thing('1', () => { throw new Error('the network is gone'); });
    await expect(failing.ensure()).rejects.toThrow('the network is gone');
    expect(installed('thing', '1')).toBeUndefined();
    mkdirSync(cachePath('installing', 'thing@999999'));
    mkdirSync(join(cacheRoot(), 'thing-1'));
    const place = await thing('1').ensure();
    expect(readFileSync(join(place, 'file'), 'utf8')).toBe('1');
    expect(readdirSync(join(cacheRoot(), 'installing'))).toEqual([]);
  });

  test('refuses an install that does not give what was asked for', async () => {
    await expect(ensureInCache({ name: 'thing', key: '1', line: '', intact: () => false, install: () => undefined })).rejects.toThrow('does not work as expected');
    expect(installed('thing', '1')).toBeUndefined();
  });

  test('installs once for many that ask at the same time', async () => {
    const { calls, ensure } = thing('1');
    await Promise.all([ensure(), ensure(), ensure()]);
    expect(calls.count).toBe(1);
  });
});

describe('the lock', () => {
  test('lets one process of several in at a time', async () => {
    const log = join(folder, 'log');
    const module = join(import.meta.dirname, '..', '..', '..', 'scripts', 'setup', 'lock.mjs');
    const script = `import { appendFileSync } from 'node:fs'; import { withLock } from ${JSON.stringify(module)};
      await withLock(${JSON.stringify(join(folder, 'lock'))}, 'a test', async () => {
        appendFileSync(${JSON.stringify(log)}, 'in '); await new Promise((done) => setTimeout(done, 100)); appendFileSync(${JSON.stringify(log)}, 'out ');
      });`;
    const codes = await Promise.all([1, 2, 3].map(() => new Promise((done) => {
      spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' }).on('close', done);
    })));
    expect(codes).toEqual([0, 0, 0]);
    expect(readFileSync(log, 'utf8').trim()).toBe('in out in out in out');
  });

  test('of a process that is dead, or whose id another process has now, is taken over', async () => {
    const lock = join(folder, 'lock');
    for (const left of ['999999999 1 x\n', `${process.pid} 1 x\n`, '']) {
      writeFileSync(lock, left);
      expect(await withLock(lock, 'a test', () => Promise.resolve('done'))).toBe('done');
      expect(existsSync(lock)).toBe(false);
    }
  });

  test('is given back when the work fails', async () => {
    const lock = join(folder, 'lock');
    await expect(withLock(lock, 'a test', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(existsSync(lock)).toBe(false);
  });
});

describe('programs', () => {
  test('run without what npm adds for its own package', () => {
    vi.stubEnv('npm_package_name', 'pilothouse');
    vi.stubEnv('npm_config_registry', 'http://127.0.0.1:9');
    vi.stubEnv('PATH', [join(folder, 'node_modules', '.bin'), '/bin'].join(delimiter));
    const env = cleanEnv({ first: '/first', add: { MORE: '1' } });
    expect(env['npm_package_name']).toBeUndefined();
    expect(env['npm_config_registry']).toBe('http://127.0.0.1:9');
    expect(env['PATH']).toBe(['/first', '/bin'].join(delimiter));
    expect(env['MORE']).toBe('1');
  });

  test('that fail are told with the end of what they said and with advice', async () => {
    const script = 'console.error("npm error code ENOTFOUND"); process.exit(3)';
    await expect(runLogged({ label: 'The install', log: 'x', command: process.execPath, args: ['-e', script], cwd: folder })).rejects.toThrow(/The install failed \(exit code 3\)[\s\S]*ENOTFOUND[\s\S]*registry could not be reached/);
    await expect(runLogged({ label: 'The install', log: 'x', command: 'no-such-program-here', args: [], cwd: folder })).rejects.toThrow('no-such-program-here is not on PATH');
  });

  test('that are ended take those with them that left them', async () => {
    const marker = `PILOTHOUSE_TEST_RUN=${folder}`;
    const env = { ...process.env, PILOTHOUSE_TEST_RUN: folder };
    const grandchild = 'setInterval(() => 0, 1000)';
    const child = spawn(process.execPath, ['-e', `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], { detached: true, stdio: 'ignore' }).unref()`], { env, stdio: 'ignore' });
    await new Promise((done) => child.on('close', done));
    expect(processTree(child.pid ?? 0, marker).map((one) => one.command.includes(grandchild))).toEqual([true]);
    await endTree(child.pid ?? 0, { marker });
    expect(processTree(child.pid ?? 0, marker)).toEqual([]);
  });
});

test.each([
  ['npm error code EUSAGE', /npm install/],
  ['ENOSPC: no space left on device', /disk is full/],
  ['npm error code E404', /does not have that version/],
  ['gyp ERR! find Python', /python3/],
  ['something else', /^$/],
])('the advice for %s', (output, advice) => {
  expect(adviceFor(output)).toMatch(advice);
});

test('a profile keeps what the person changed, and gets the demo agent once', () => {
  const data = join(folder, 'data');
  writeProfileSettings('browser', data, '/one/node');
  const user = join(data, 'User', 'settings.json');
  const machine = join(data, 'Machine', 'settings.json');
  writeFileSync(user, JSON.stringify({ 'workbench.startupEditor': 'readme' }));
  writeFileSync(machine, JSON.stringify({ 'pilothouse.local.agents': [{ name: 'Mine', command: 'mine' }, { name: 'Demo Agent', command: 'gone' }] }));
  writeProfileSettings('browser', data, '/two/node');
  expect(JSON.parse(readFileSync(user, 'utf8'))).toMatchObject({ 'workbench.startupEditor': 'readme', 'chat.disableAIFeatures': true });
  expect(JSON.parse(readFileSync(machine, 'utf8'))).toMatchObject({ 'pilothouse.local.agents': [{ name: 'Mine' }, { name: 'Demo Agent', command: '/two/node', protocol: 'acp' }] });
  writeFileSync(user, '{ "a": 1, // a comment\n}');
  writeProfileSettings('browser', data, '/two/node');
  expect(readFileSync(user, 'utf8')).toContain('a comment');
});
