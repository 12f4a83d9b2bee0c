import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CollectorClient } from '../../../src/core/systems/catsyphon/client.ts';
import { CredentialStore } from '../../../src/core/systems/catsyphon/credentials.ts';
import { CatsyphonNotFoundError, CatsyphonTransportError, CatsyphonValidationError, CredentialError } from '../../../src/core/systems/catsyphon/errors.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { failure, message } from './rig.ts';

let home: string;
let file: string;
let store: CredentialStore;
let server: CatsyphonTestServer;
beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'pilothouse-catsyphon-'));
  file = path.join(home, '.catsyphon', 'credentials.json');
  store = new CredentialStore(undefined, { HOME: home });
  server = await startCatsyphonServer();
});
afterEach(async () => {
  await server.close();
  rmSync(home, { recursive: true, force: true });
});
const KEY = 'cs_live_abcdefghijklmnopqrstuvwxyz';
const one = { serverUrl: 'https://cat.example.org/api', workspaceId: 'w1', collectorId: 'c1', apiKey: KEY };
const kept = (): Record<string, Record<string, unknown>> => JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>;
const entry = (more: object = {}): object => ({ server_url: 'https://cat.example.org/api', workspace_id: 'w1', collector_id: 'c1', api_key: KEY, api_key_prefix: 'cs_live_abcd', profile: 'default', created_at: '2026-01-01T00:00:00', ...more });
function plant(value: unknown, mode = 0o600): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value), { mode });
  chmodSync(file, mode);
}

describe('the credentials file', () => {
  it('is written as the Python SDK has it: its keys, its fields, mode 600 in a folder of mode 700', async () => {
    const made = await store.store(one);
    expect(store.path).toBe(file);
    expect(kept()).toEqual({ 'default:cat.example.org:w1': entry({ created_at: made.createdAt }) });
    expect([statSync(file).mode & 0o777, statSync(path.dirname(file)).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(readdirSync(path.dirname(file))).toEqual(['credentials.json']);
    await store.store({ ...one, serverUrl: 'http://127.0.0.1:8000', profile: 'work', collectorId: 'c2' });
    expect(Object.keys(kept())).toEqual(['default:cat.example.org:w1', 'work:127.0.0.1:8000:w1']);
    expect((await store.listProfiles()).map((each) => [each.profile, each.apiKeyPrefix, each.serverUrl])).toEqual([['default', 'cs_live_abcd', 'https://cat.example.org/api'], ['work', 'cs_live_abcd', 'http://127.0.0.1:8000']]);
    expect((await store.get('http://127.0.0.1:8000/', 'w1', { profile: 'work' }))?.collectorId).toBe('c2');
    expect(await store.get('https://cat.example.org/api', 'w2')).toBeNull();
  });

  it('keeps what is not ours, and gives back one entry at a time', async () => {
    plant({ 'default:cat.example.org:w1': entry({ note: 'mine' }), 'other:x:y': { odd: true } });
    await store.store({ ...one, collectorId: 'c9' });
    expect(kept()).toMatchObject({ 'default:cat.example.org:w1': { collector_id: 'c9', note: 'mine' }, 'other:x:y': { odd: true } });
    expect(await store.delete('https://cat.example.org/api', 'w1')).toBe(true);
    expect(await store.delete('https://cat.example.org/api', 'w1')).toBe(false);
    expect(kept()).toEqual({ 'other:x:y': { odd: true } });
    expect(await store.listProfiles()).toEqual([]);
  });

  it('never shows its keys', async () => {
    await store.store(one);
    const found = await store.get(one.serverUrl, 'w1');
    expect(found?.apiKey).toBe(KEY);
    expect(`${inspect(found, { depth: 9, showHidden: true })}${JSON.stringify(found)}`).not.toContain(KEY);
  });

  it.each([['{'], ['[]'], ['null'], ['"x"'], ['']])('that makes no sense (%j) is refused and left as it is', async (text) => {
    plant(text);
    for (const work of [() => store.listProfiles(), () => store.get(one.serverUrl, 'w1'), () => store.store(one), () => store.delete(one.serverUrl, 'w1')]) expect(await failure(work())).toMatchObject({ code: 'credentials_malformed', personMustAct: true });
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('that others can read is refused and left as it is', async () => {
    for (const mode of [0o640, 0o604, 0o644]) {
      plant({ 'default:cat.example.org:w1': entry() }, mode);
      const error = await failure(store.get(one.serverUrl, 'w1'));
      expect(error).toBeInstanceOf(CredentialError);
      expect(error).toMatchObject({ code: 'credentials_exposed', message: expect.stringContaining(`chmod 600 ${file}`) as string });
      expect(await failure(store.store(one))).toMatchObject({ code: 'credentials_exposed' });
      expect(statSync(file).mode & 0o777).toBe(mode);
    }
  });

  it.each([['http://cat.example.org/api'], ['https://cat.example.org'], ['https://cat.example.org/other'], ['https://cat.example.org/api/v2']])('has one place for addresses of one host: %s is not the one', async (serverUrl) => {
    await store.store(one);
    expect(await failure(store.get(serverUrl, 'w1'))).toMatchObject({ code: 'server_mismatch' });
    expect(await failure(store.store({ ...one, serverUrl }))).toMatchObject({ code: 'profile_taken' });
    expect(await failure(store.delete(serverUrl, 'w1'))).toMatchObject({ code: 'server_mismatch' });
    expect(kept()).toMatchObject({ 'default:cat.example.org:w1': { server_url: 'https://cat.example.org/api' } });
  });

  it('is a link still where it was one', async () => {
    const real = path.join(home, 'real.json');
    writeFileSync(real, '{}', { mode: 0o600 });
    mkdirSync(path.dirname(file));
    symlinkSync(real, file);
    await store.store(one);
    expect(JSON.parse(readFileSync(real, 'utf8'))).toHaveProperty(['default:cat.example.org:w1']);
    expect(existsSync(file) && readFileSync(file, 'utf8')).toBe(readFileSync(real, 'utf8'));
  });

  it('loses nothing when many write at once, in one process and in several', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, index) => new CredentialStore(file).store({ ...one, profile: `p${index}` })));
    const source = fileURLToPath(new URL('../../../src/core/systems/catsyphon/credentials.ts', import.meta.url));
    const code = `import { CredentialStore } from ${JSON.stringify(source)};\nfor (let i = 0; i < 5; i += 1) await new CredentialStore(${JSON.stringify(file)}).store({ ...${JSON.stringify(one)}, profile: process.argv[1] + i });`;
    await Promise.all(['a', 'b', 'c'].map((name) => promisify(execFile)(process.execPath, ['--input-type=module', '-e', code, name])));
    expect(Object.keys(kept())).toHaveLength(8 + 15);
    expect(readdirSync(path.dirname(file))).toEqual(['credentials.json']);
  });

  it('is had again after a program that died with it, and not while one lives that has it', async () => {
    mkdirSync(path.dirname(file));
    const { pid } = await new Promise<{ pid: number }>((resolve) => {
      const child = execFile(process.execPath, ['-e', ''], () => resolve({ pid: child.pid ?? 0 }));
    });
    const { hostname } = await import('node:os');
    const note = path.join(path.dirname(file), 'credentials.json.dead.lock');
    writeFileSync(note, JSON.stringify({ pid, computer: hostname() }));
    await store.store(one);
    expect(existsSync(note)).toBe(false);
    writeFileSync(note, JSON.stringify({ pid: process.pid, computer: hostname() }));
    const blocked = store.store({ ...one, profile: 'later' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(Object.keys(kept())).toHaveLength(1);
    rmSync(note);
    await blocked;
    expect(Object.keys(kept())).toHaveLength(2);
  });
});

describe('a registration', () => {
  const given = () => ({ serverUrl: server.url, workspaceId: server.workspace, collectorType: 'pilothouse', store });

  it('makes a collector, keeps it, and is found again', async () => {
    await using client = await CollectorClient.register({ ...given(), collectorVersion: '2', hostname: 'desk', metadata: { a: 1 } });
    const [collector] = server.kernel.collectors;
    expect(collector?.registration).toEqual({ collector_type: 'pilothouse', collector_version: '2', hostname: 'desk', workspace_id: server.workspace, metadata: { a: 1 } });
    expect(client.collectorId).toBe(collector?.id);
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
    expect(`${inspect(client, { depth: 9, showHidden: true })}${JSON.stringify(client)}`).not.toContain(collector?.key);
    await using again = await CollectorClient.fromStored(given());
    expect((await again.sendEvents('s', [message('a')])).accepted).toBe(1);
    expect((await store.listProfiles())[0]).toMatchObject({ apiKeyPrefix: collector?.key.slice(0, 12), createdAt: '2026-02-24T10:00:00.123456Z' });
  });

  it.each([[503], [500], [429]])('is never sent again after %i', async (status) => {
    server.faults.add(/collectors$/, { kind: 'status', status });
    expect(await failure(CollectorClient.register(given()))).toMatchObject({ status });
    expect(server.requests).toHaveLength(1);
  });

  it('is never sent again when nobody answers, and says that a collector may be there', async () => {
    server.faults.add(/collectors$/, { kind: 'drop', when: 'after' });
    const error = await failure(CollectorClient.register(given()));
    expect(error).toBeInstanceOf(CatsyphonTransportError);
    expect(error.message).toContain('may have been made');
    expect(server.requests).toHaveLength(1);
  });

  it('of a workspace that is not there, or none, is an error of its own', async () => {
    expect(await failure(CollectorClient.register({ ...given(), workspaceId: '00000000-0000-4000-8000-000000000000' }))).toBeInstanceOf(CatsyphonNotFoundError);
    const error = await failure(CollectorClient.register({ ...given(), workspaceId: 'nope' }));
    expect(error).toBeInstanceOf(CatsyphonValidationError);
    expect(error).toMatchObject({ detail: expect.stringContaining('body.workspace_id') as string });
    expect((await store.listProfiles())).toEqual([]);
  });

  it('makes no key that could not be kept', async () => {
    plant('{', 0o600);
    expect(await failure(CollectorClient.register(given()))).toMatchObject({ code: 'credentials_malformed' });
    writeFileSync(path.join(home, 'file'), '');
    expect(await failure(CollectorClient.register({ ...given(), store: new CredentialStore(path.join(home, 'file', 'x', 'c.json')) }))).toMatchObject({ code: 'not_saved' });
    expect(server.requests).toEqual([]);
  });

  it('and what is stored is refused beyond loopback in plain http, and elsewhere than it was made for', async () => {
    expect(await failure(CollectorClient.register({ ...given(), serverUrl: 'http://cat.example.org' }))).toMatchObject({ code: 'plain_http_refused' });
    expect(await failure(CollectorClient.fromStored({ ...given(), serverUrl: 'http://cat.example.org' }))).toMatchObject({ code: 'plain_http_refused' });
    expect(() => new CollectorClient({ serverUrl: 'http://cat.example.org', collectorId: 'c', apiKey: KEY })).toThrow(expect.objectContaining({ code: 'plain_http_refused', personMustAct: true }) as Error);
    await store.store(one);
    expect(await failure(CollectorClient.fromStored({ serverUrl: 'https://cat.example.org', workspaceId: 'w1', store }))).toMatchObject({ code: 'server_mismatch' });
    const missing = await failure(CollectorClient.fromStored({ serverUrl: 'https://cat.example.org/api', workspaceId: 'w2', store }));
    expect(missing).toMatchObject({ code: 'credentials_missing', message: expect.stringContaining('catsyphon register') as string });
  });

  it('refuses what makes no sense before anything is sent', async () => {
    for (const more of [{ collectorType: ' ' }, { workspaceId: '' }, { serverUrl: 'frob' }, { retry: { maxRetries: -1 } }, { retry: { initialDelay: Number.NaN } }, { retry: { exponentialBase: 0 } }]) {
      if ('retry' in more) expect(() => new CollectorClient({ serverUrl: server.url, collectorId: 'c', apiKey: 'k', ...more })).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
      else expect(await failure(CollectorClient.register({ ...given(), ...more }))).toMatchObject({ code: 'invalid_argument' });
    }
    for (const bad of [{ collectorId: '', apiKey: 'k' }, { collectorId: 'c', apiKey: 'a\nb' }]) expect(() => new CollectorClient({ serverUrl: server.url, ...bad })).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
    expect(server.requests).toEqual([]);
  });
});
