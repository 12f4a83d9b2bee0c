import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clearCredentials, credentialsFile, findAddress, findCredentials, maskKey, saveCredentials } from '../../../src/core/systems/hebing/credentials.ts';
import { HebingError } from '../../../src/core/systems/hebing/errors.ts';
import { HEBING_URL } from '../../../src/core/systems/hebing/paths.ts';

let home: string;
let env: NodeJS.ProcessEnv;
let file: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'pilothouse-hebing-keys-'));
  env = { HOME: home };
  file = path.join(home, '.chaojiyuyan', 'credentials');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));
const key = (name: string): string => `nxt_ag_${name}_0123456789abcdef`;
function write(value: unknown): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
}
function failure(work: () => unknown): HebingError {
  try {
    work();
  } catch (error) {
    if (error instanceof HebingError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
const rejection = async (work: Promise<unknown>): Promise<HebingError> => {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  return failure(() => {
    throw error;
  });
};

describe('the key', () => {
  it('is the given one, else the first of the variables, else that of the file', () => {
    expect(credentialsFile(env)).toBe(file);
    write({ api_key: key('file') });
    const order = [['NEXUS_API_KEY', 'nexus'], ['HEBING_API_KEY', 'hebing'], ['CHAOJIYUYAN_API_KEY', 'own']] as const;
    expect(findCredentials({ env })).toMatchObject({ apiKey: key('file'), source: file, baseUrl: HEBING_URL });
    for (const [name, value] of order) {
      env[name] = ` ${key(value)} `;
      expect(findCredentials({ env })).toMatchObject({ apiKey: key(value), source: name });
    }
    expect(findCredentials({ env, apiKey: key('given') })).toMatchObject({ apiKey: key('given'), source: 'argument' });
    expect(findCredentials({ env: { HOME: home, CHAOJIYUYAN_API_KEY: '  ' } })).toMatchObject({ source: file });
    expect(failure(() => findCredentials({ env, apiKey: ' ' }))).toMatchObject({ code: 'credentials_missing' });
  });

  it('goes to the given address, else that of the environment, else that of the file, else the default', () => {
    expect(findAddress({ env })).toBe(HEBING_URL);
    write({ api_key: key('file'), base_url: 'https://file.example.org/api/v1/' });
    expect(findCredentials({ env }).baseUrl).toBe('https://file.example.org/api/v1');
    expect(findCredentials({ env: { ...env, NEXUS_API_KEY: key('x') } }).baseUrl).toBe('https://file.example.org/api/v1');
    env['HEBING_BASE_URL'] = 'https://env.example.org';
    expect(findCredentials({ env }).baseUrl).toBe('https://env.example.org');
    expect(findCredentials({ env, baseUrl: 'https://given.example.org' }).baseUrl).toBe('https://given.example.org');
    expect(failure(() => findCredentials({ env, baseUrl: 'http://given.example.org' }))).toMatchObject({ code: 'plain_http_refused' });
    expect(findCredentials({ env, baseUrl: 'http://given.example.org', allowPlainHttp: true }).baseUrl).toBe('http://given.example.org');
  });

  it('that is nowhere is credentials_missing, which says where it was looked for and what to do', () => {
    expect(failure(() => findCredentials({ env }))).toMatchObject({ code: 'credentials_missing', personMustAct: true, message: expect.stringMatching(/CHAOJIYUYAN_API_KEY.*credentials.*hebing connect/) as string });
  });

  it('never shows when it is printed', () => {
    const found = findCredentials({ env, apiKey: key('secret') });
    expect(`${inspect(found, { showHidden: true, depth: 9, getters: true })}${JSON.stringify(found)}`).not.toContain('secret');
    expect(found.masked).toBe('nxt_ag_…cdef');
    expect([maskKey('nxt_ag_short'), maskKey('plain'), maskKey('a-long-key-of-another-kind')]).toEqual(['nxt_ag_…', '…', '…kind']);
  });
});

describe('the credentials file', () => {
  it('is written whole, for its owner alone, without the default address, and read again', async () => {
    const umask = process.umask(0);
    try {
      expect(await saveCredentials({ apiKey: key('a'), baseUrl: HEBING_URL }, env)).toBe(file);
    } finally {
      process.umask(umask);
    }
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ api_key: key('a') });
    expect([statSync(file).mode & 0o777, statSync(path.dirname(file)).mode & 0o777]).toEqual([0o600, 0o700]);
    await saveCredentials({ apiKey: key('b'), baseUrl: 'https://own.example.org/v1' }, env);
    expect(findCredentials({ env })).toMatchObject({ apiKey: key('b'), baseUrl: 'https://own.example.org/v1' });
    expect(readdirSync(path.dirname(file))).toEqual(['credentials']);
  });

  it('is not left behind by a process that was killed while it kept it; one that writes now is let be', async () => {
    for (const leave of [() => saveCredentials({ apiKey: key('b'), baseUrl: HEBING_URL }, env), () => clearCredentials(env)]) {
      write({ api_key: key('a') });
      const [left, fresh] = ['7.0123abcd.part', '8.0123abcd.part'].map((name) => `${file}.${name}`);
      for (const part of [left, fresh]) writeFileSync(part ?? '', key('a'));
      utimesSync(left ?? '', 0, 0);
      writeFileSync(`${file}.mine.part`, 'of somebody else');
      await leave();
      expect(readdirSync(path.dirname(file)).filter((name) => name.endsWith('.part'))).toEqual(['credentials.8.0123abcd.part', 'credentials.mine.part']);
    }
  });

  it('keeps the fields of others, mends its mode, and stays a link where it is one', async () => {
    const real = path.join(home, 'elsewhere');
    writeFileSync(real, JSON.stringify({ api_key: key('a'), base_url: 'https://old.example.org', theirs: { x: [1] } }));
    chmodSync(real, 0o644);
    mkdirSync(path.dirname(file));
    symlinkSync(real, file);
    await saveCredentials({ apiKey: key('b'), baseUrl: HEBING_URL }, env);
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(JSON.parse(readFileSync(real, 'utf8'))).toEqual({ theirs: { x: [1] }, api_key: key('b') });
    expect(statSync(real).mode & 0o777).toBe(0o600);
    expect(await clearCredentials(env)).toBe(true);
    expect([existsSync(real), readdirSync(path.dirname(file))]).toEqual([false, []]);
    expect(await clearCredentials(env)).toBe(false);
  });

  it.each([['no JSON', '{"api_key": "nxt_ag_top_secret"'], ['no object', ['nxt_ag_top_secret']], ['no key', { apiKey: 'nxt_ag_top_secret' }], ['an odd key', { api_key: 5 }], ['an odd address', { api_key: 'nxt_ag_top_secret', base_url: 5 }], ['nothing', '']])(
    'that holds %s is refused, not quoted, and left alone', async (_, content) => {
      write(content);
      const before = readFileSync(file);
      const errors = [failure(() => findCredentials({ env })), await rejection(saveCredentials({ apiKey: key('a'), baseUrl: HEBING_URL }, env)), await rejection(clearCredentials(env))];
      for (const error of errors) {
        expect(error).toMatchObject({ code: 'credentials_malformed', personMustAct: true });
        expect(inspect(error, { depth: 9 })).not.toContain('top_secret');
      }
      expect(readFileSync(file)).toEqual(before);
      expect(findCredentials({ env: { ...env, HEBING_API_KEY: key('x') } })).toMatchObject({ apiKey: key('x'), baseUrl: HEBING_URL });
    });

  it('that cannot be written is not_saved, and leaves nothing behind', async () => {
    writeFileSync(path.dirname(file), 'a file in the place of the folder');
    expect(await rejection(saveCredentials({ apiKey: key('a'), baseUrl: HEBING_URL }, env))).toMatchObject({ code: 'not_saved' });
    expect(readdirSync(home)).toEqual(['.chaojiyuyan']);
  });

  it('is not made for a key that no header can carry', async () => {
    expect(await rejection(saveCredentials({ apiKey: 'a b', baseUrl: HEBING_URL }, env))).toMatchObject({ code: 'credentials_malformed' });
    expect(existsSync(file)).toBe(false);
  });
});
