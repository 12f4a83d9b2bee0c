import { randomBytes } from 'node:crypto';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HappyClient } from '../../../src/core/systems/happy/client.ts';
import { Credentials, credentialsFromEnv, credentialsFromFile, credentialsFromHome, explicitCredentials, happyHomeOf } from '../../../src/core/systems/happy/credentials.ts';
import { AuthenticationError } from '../../../src/core/systems/happy/errors.ts';

const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64');
const jwt = (user: string): string => `e30.${Buffer.from(JSON.stringify({ user })).toString('base64url')}.c2ln`;
const url = 'https://happy.example.org';
let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-happy-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));
const write = (name: string, value: unknown): string => {
  const file = path.join(home, name);
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
};
const V2 = { encryption: { publicKey: key(9), machineKey: key(2) }, token: jwt('me') };
const V1 = { secret: key(1), token: jwt('me') };
const sessions = { sessions: { s1: { encryptionKey: key(5), encryptionVariant: 'dataKey', seq: 3 }, s2: { encryptionKey: 'short' }, s3: null } };
function failure(work: () => unknown): AuthenticationError {
  try {
    work();
  } catch (error) {
    if (error instanceof AuthenticationError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
const env = (): NodeJS.ProcessEnv => ({ HAPPY_HOME_DIR: home, HAPPY_SERVER_URL: url });

describe('key files', () => {
  it('reads access.key V2 with the session keys beside it, and says that this is not all', () => {
    write('sessions.json', sessions);
    const found = credentialsFromFile(write('access.key', V2), { env: env() });
    expect(found).toMatchObject({ serverUrl: url, token: V2.token, master: null, accountId: 'me' });
    expect(found.machineKey).toEqual(Uint8Array.from(Buffer.alloc(32, 2)));
    expect(Array.from(found.knownKeys.keys())).toEqual(['s1']);
    expect(found.describe()).toBe('Reads the machine it came from and one session of it only: an access.key of this kind does not hold the account\'s secret. Sign in by link to read the rest.');
  });

  it('reads access.key V1 and agent.key, which read everything', () => {
    for (const name of ['access.key', 'agent.key']) {
      const found = credentialsFromFile(write(name, V1), { env: env() });
      expect(found.master).toEqual(Uint8Array.from(Buffer.alloc(32, 1)));
      expect(found.describe()).toBe('Reads and writes every machine and session of the account.');
    }
  });

  it('sends the token of a file that names its server nowhere else: not where the environment, nor where an argument says', () => {
    const own = { HAPPY_HOME_DIR: home };
    write('agent.key', { ...V1, serverUrl: 'https://ours.example.org' });
    write('settings.json', { serverUrl: 'https://settings.example.org' });
    expect(credentialsFromHome({ env: own }).serverUrl).toBe('https://ours.example.org');
    expect(credentialsFromHome({ env: env() }).serverUrl).toBe('https://ours.example.org');
    expect(credentialsFromHome({ env: own, serverUrl: 'https://ours.example.org/' }).serverUrl).toBe('https://ours.example.org');
    const refused = failure(() => credentialsFromHome({ env: own, serverUrl: 'https://given.example.org' }));
    expect(refused).toMatchObject({ code: 'credentials_malformed', message: expect.stringMatching(/ours\.example\.org.*given\.example\.org/) as string });
    expect(failure(() => credentialsFromFile(path.join(home, 'agent.key'), { env: own, serverUrl: 'https://given.example.org' }))).toMatchObject({ code: 'credentials_malformed' });
    // The token is that of the first file: another file's server is not for it.
    write('access.key', V2);
    expect(credentialsFromHome({ env: own }).serverUrl).toBe('https://settings.example.org');
    write('agent.key', V1);
    rmSync(path.join(home, 'access.key'));
    expect(credentialsFromHome({ env: own }).serverUrl).toBe('https://settings.example.org');
  });

  it('never joins files of different servers', () => {
    write('access.key', V2);
    write('agent.key', { ...V1, serverUrl: 'https://ours.example.org' });
    const first = credentialsFromHome({ env: env() });
    expect(first).toMatchObject({ serverUrl: url, master: null });
    expect(first.describe()).toContain('agent.key is for the server https://ours.example.org, not for https://happy.example.org');
    const given = credentialsFromHome({ env: env(), serverUrl: 'https://ours.example.org' });
    expect([given.serverUrl, given.source.files.length]).toEqual(['https://ours.example.org', 2]);
    // The one without a server is of no use where none is known.
    const second = credentialsFromHome({ env: { HAPPY_HOME_DIR: home } });
    expect(second).toMatchObject({ serverUrl: 'https://ours.example.org', machineKey: null, source: { files: [path.join(home, 'agent.key')] } });
  });

  it('joins both files of one account, and leaves out another\'s', () => {
    write('access.key', V2);
    write('agent.key', V1);
    const both = credentialsFromHome({ env: env() });
    expect(both.machineKey).not.toBeNull();
    expect(both.master).not.toBeNull();
    expect(both.source).toEqual({ kind: 'file', files: [path.join(home, 'access.key'), path.join(home, 'agent.key')] });
    write('agent.key', { ...V1, token: jwt('somebody else') });
    const one = credentialsFromHome({ env: env() });
    expect(one.master).toBeNull();
    expect(one.describe()).toContain('belongs to another account');
  });

  it('goes on with the file that is whole, and quotes nothing of the one that is not', () => {
    write('access.key', `{"token": "${jwt('secret-token')}", `);
    write('agent.key', V1);
    const found = credentialsFromHome({ env: env() });
    expect(found.master).not.toBeNull();
    expect(found.describe()).toContain('access.key is no key file of Happy');
    expect(found.describe()).not.toContain('c2ln');
    rmSync(path.join(home, 'agent.key'));
    expect(failure(() => credentialsFromHome({ env: env() }))).toMatchObject({ code: 'credentials_malformed', personMustAct: true });
  });

  it.each([['{}'], ['[]'], ['null'], [JSON.stringify({ token: 'x' })], [JSON.stringify({ token: 'x', secret: 'AAAA' })], [JSON.stringify({ token: '', secret: key(1) })], [JSON.stringify({ token: 'a b', secret: key(1) })], ['']])('refuses %s', (text) => {
    expect(failure(() => credentialsFromFile(write('access.key', text), { env: env() }))).toMatchObject({ code: 'credentials_malformed' });
  });

  it('says that there is no file, and that one cannot be read', () => {
    expect(failure(() => credentialsFromHome({ env: env() }))).toMatchObject({ code: 'credentials_missing', message: expect.stringContaining(home) as string });
    expect(failure(() => credentialsFromFile(path.join(home, 'none'), { env: env() }))).toMatchObject({ code: 'credentials_missing' });
    mkdirSync(path.join(home, 'access.key'));
    expect(failure(() => credentialsFromFile(path.join(home, 'access.key'), { env: env() }))).toMatchObject({ code: 'credentials_malformed' });
  });

  it('finds Happy\'s folder', () => {
    expect(happyHomeOf({})).toBe(path.join(os.homedir(), '.happy'));
    expect(happyHomeOf({ HAPPY_HOME_DIR: '~/other' })).toBe(path.join(os.homedir(), 'other'));
    expect(happyHomeOf({ HAPPY_HOME_DIR: home })).toBe(home);
  });
});

describe('servers', () => {
  it('takes the given one before the variable', () => {
    write('agent.key', V1);
    expect(credentialsFromHome({ env: env(), serverUrl: 'https://given.example.org/' }).serverUrl).toBe('https://given.example.org');
  });
  it('reads the settings file, and refuses where nothing is known', () => {
    write('agent.key', V1);
    expect(failure(() => credentialsFromHome({ env: { HAPPY_HOME_DIR: home } }))).toMatchObject({ code: 'credentials_missing', message: expect.stringContaining('HAPPY_SERVER_URL') as string });
    write('settings.json', { serverUrl: 'https://settings.example.org' });
    expect(credentialsFromHome({ env: { HAPPY_HOME_DIR: home } }).serverUrl).toBe('https://settings.example.org');
    expect(credentialsFromHome({ env: env() }).serverUrl).toBe(url);
  });
  it('refuses plain http beyond loopback unless it is allowed', () => {
    const given = { token: 'x', secret: key(1) };
    expect(() => explicitCredentials(given, { serverUrl: 'http://happy.example.org', env: {} })).toThrowError(expect.objectContaining({ code: 'plain_http_refused' }) as Error);
    expect(explicitCredentials(given, { serverUrl: 'http://happy.example.org', env: {}, allowPlainHttp: true }).serverUrl).toBe('http://happy.example.org');
    expect(explicitCredentials(given, { serverUrl: 'http://127.0.0.1:1', env: {} }).serverUrl).toBe('http://127.0.0.1:1');
    expect(() => explicitCredentials(given, { serverUrl: 'happy', env: {} })).toThrowError(expect.objectContaining({ code: 'invalid_argument' }) as Error);
  });
});

describe('environment and arguments', () => {
  it('names every variable that is missing', () => {
    expect(failure(() => HappyClient.fromEnv({ env: {} })).message).toBe('HAPPY_TOKEN and HAPPY_SECRET and HAPPY_SERVER_URL are not set in the environment.');
    expect(failure(() => credentialsFromEnv({ env: { HAPPY_TOKEN: 'x', HAPPY_SECRET: key(1) } })).message).toBe('HAPPY_SERVER_URL is not set in the environment.');
    expect(failure(() => credentialsFromEnv({ env: { HAPPY_TOKEN: 'x', HAPPY_SECRET: ' ' }, serverUrl: url })).message).toBe('HAPPY_SECRET is not set in the environment.');
  });

  it('takes one secret for either key, with or without padding, and says so', () => {
    for (const secret of [key(7), key(7).replace('=', ''), Buffer.alloc(32, 7).toString('base64url'), ` ${key(7)}\n`]) {
      const found = credentialsFromEnv({ env: { HAPPY_TOKEN: 'x', HAPPY_SECRET: secret, HAPPY_SERVER_URL: url } });
      expect(found.master).toEqual(found.machineKey);
      expect(found.describe()).toContain('tried as');
      expect(found.secret).toBe(key(7));
    }
    for (const secret of ['AAAA', 'not base64!', `${key(7)}AAAA`]) expect(failure(() => explicitCredentials({ token: 'x', secret }, { serverUrl: url })).message).not.toContain(secret);
  });

  it('prefers token and secret to a path, a path to Happy\'s folder, and refuses half of a pair', async () => {
    const file = write('other.key', { ...V1, token: 'from-path' });
    write('agent.key', { ...V1, token: 'from-home' });
    const tokenOf = async (options: ConstructorParameters<typeof HappyClient>[0]): Promise<string> => {
      await using client = new HappyClient({ env: env(), ...options });
      return client.account.credentials.token;
    };
    expect(await tokenOf({ token: 'given', secret: key(3), credentialsPath: file })).toBe('given');
    expect(await tokenOf({ credentialsPath: file })).toBe('from-path');
    expect(await tokenOf({})).toBe('from-home');
    expect(failure(() => new HappyClient({ env: env(), token: 'x' }))).toMatchObject({ code: 'credentials_missing', message: expect.stringContaining('secret is missing') as string });
  });

  it('takes no server of Happy\'s settings for a token that is given', () => {
    write('settings.json', { serverUrl: 'https://settings.example.org' });
    expect(failure(() => explicitCredentials({ token: 'x', secret: key(1) }, { env: { HAPPY_HOME_DIR: home }, happyHome: home }))).toMatchObject({ code: 'credentials_missing' });
    expect(explicitCredentials({ token: 'x', secret: key(1) }, { env: env() }).serverUrl).toBe(url);
  });

  it('shows nothing of its keys in any print', () => {
    const secret = Uint8Array.from(randomBytes(32));
    const token = 'tok-0123456789abcdef';
    const held = new Credentials({ serverUrl: url, token, master: secret, machineKey: secret, knownKeys: new Map([['s', secret]]), source: { kind: 'explicit', files: [] } });
    for (const text of [JSON.stringify(held), inspect(held, { depth: 9, showHidden: true }), inspect({ held }, { depth: 9, showHidden: true, getters: true }), held.describe(), JSON.stringify({ held }), Object.keys(held).join(' ')]) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(Buffer.from(secret).toString('base64'));
      expect(text).not.toContain(Array.from(secret).join(', '));
    }
  });
});
