import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { catsyphonAccounts, catsyphonWays } from '../../../src/extension/accounts/catsyphon.ts';
import { agreedServer } from '../../../src/extension/accounts/server.ts';
import { Dismissed } from '../../../src/extension/commands/dismissed.ts';
import { CatsyphonAccess } from '../../../src/extension/shipping/access.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { AccountsWorld, Script } from './accountsWorld.ts';

const WORKSPACE = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';
let world: AccountsWorld;
let server: CatsyphonTestServer;
let home: string;
let where: { readonly serverUrl: string; readonly allowPlainHttp: boolean };
beforeEach(async () => {
  world = new AccountsWorld();
  server = await startCatsyphonServer();
  home = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-catsyphon-'));
  where = { serverUrl: server.url, allowPlainHttp: false };
});
afterEach(async () => {
  world.close();
  await server.close();
  rmSync(home, { recursive: true, force: true });
});
const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({ HOME: home, ...more });
const secretOf = (collector: { readonly id: string; readonly key: string }, workspaceId: string | null = null): JsonValue => ({ collectorId: collector.id, apiKey: collector.key, workspaceId });

function writeCredentials(entries: readonly { readonly profile: string; readonly serverUrl: string; readonly id: string; readonly key: string }[]): string {
  mkdirSync(path.join(home, '.catsyphon'), { mode: 0o700 });
  const file = path.join(home, '.catsyphon', 'credentials.json');
  const all = entries.map(({ profile, serverUrl, id, key }) => [`${profile}:${new URL(serverUrl).host}:${WORKSPACE}`, { server_url: serverUrl, workspace_id: WORKSPACE, collector_id: id, api_key: key, api_key_prefix: key.slice(0, 12), profile, created_at: null }]);
  writeFileSync(file, JSON.stringify(Object.fromEntries(all)), { mode: 0o600 });
  return file;
}

describe('a collector of CatSyphon', () => {
  it('is pasted, asked about, and kept where the server takes it', async () => {
    const collector = server.newCollector();
    const script = new Script('paste', collector.id, ` ${collector.key} `, '');
    expect(await catsyphonAccounts(env()).signIn(script, where, {})).toEqual(secretOf(collector));
    expect(script.asked.join(' ')).not.toContain(collector.key);
    await expect(catsyphonAccounts(env()).signIn(new Script('paste', collector.id, 'cs_live_of_nobody', ''), where, {})).rejects.toMatchObject({ code: 'key_refused', personMustAct: true });
    await expect(catsyphonAccounts(env()).signIn(new Script('paste', 'no id'), where, {})).rejects.toThrow('reads like');
    await expect(catsyphonAccounts(env()).signIn(new Script(), where, { apiKey: 'a b', collectorId: collector.id })).rejects.toMatchObject({ code: 'secret_malformed' });
    expect(await catsyphonAccounts(env()).signIn(new Script('paste', collector.id, collector.key, WORKSPACE), where, {})).toEqual(secretOf(collector, WORKSPACE));
    await expect(catsyphonAccounts(env()).signIn(new Script('paste', collector.id, collector.key, 'mine'), where, {})).rejects.toThrow('reads like');
    // One that cannot be asked about is kept.
    expect(await catsyphonAccounts(env()).signIn(new Script('paste', collector.id, collector.key, ''), { serverUrl: 'http://127.0.0.1:9', allowPlainHttp: false }, {})).toEqual(secretOf(collector));
  }, 30_000);

  it('is registered only when the person agrees, once, with its workspace', async () => {
    const refused = new Script('register', server.workspace, false);
    await expect(catsyphonAccounts(env()).signIn(refused, where, {})).rejects.toThrow(Dismissed);
    expect(server.requests).toEqual([]);
    expect(refused.asked.at(-1)).toMatch(/It makes a collector in the workspace .* tells it the name of this computer .* Nothing is shipped by it/);
    const secret = await catsyphonAccounts(env()).signIn(new Script(true), where, { how: 'register', workspaceId: server.workspace });
    expect(server.kernel.collectors.length).toBe(1);
    expect(secret).toEqual(secretOf(server.kernel.collectors[0] ?? { id: '', key: '' }, server.workspace));
  });

  it('comes from the file of the SDK only when that was chosen, and only where it is kept for exactly this address', async () => {
    const [mine, second] = [server.newCollector(), server.newCollector()];
    expect(catsyphonWays(env()).map(({ value }) => value)).toEqual(['paste', 'register']);
    const file = writeCredentials([{ profile: 'default', serverUrl: server.url, ...mine }, { profile: 'other', serverUrl: server.url, ...second }, { profile: 'far', serverUrl: 'https://far.example', ...mine }]);
    const text = readFileSync(file, 'utf8');
    expect(catsyphonWays(env()).map(({ value }) => value)).toEqual(['file', 'paste', 'register']);
    expect(JSON.stringify(catsyphonWays(env()))).not.toContain(mine.key);
    class Second extends Script {
      override pick<T>(title: string, items: Parameters<Script['pick']>[1]): Promise<T> {
        return title === 'Which collector?' ? Promise.resolve(items[1]?.value as T) : super.pick(title, items);
      }
    }
    expect(await catsyphonAccounts(env()).signIn(new Second('file'), where, {})).toEqual(secretOf(second, WORKSPACE));
    await expect(catsyphonAccounts(env()).signIn(new Script('file'), { serverUrl: 'https://near.example', allowPlainHttp: false }, {})).rejects.toMatchObject({ code: 'credentials_missing', message: expect.stringContaining('far.example') as string });
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('comes from the environment only when that was chosen, and goes to no other server unasked', async () => {
    const collector = server.newCollector();
    const own = env({ CATSYPHON_COLLECTOR_ID: collector.id, CATSYPHON_API_KEY: collector.key, CATSYPHON_URL: `${server.url}/`, CATSYPHON_WORKSPACE_ID: WORKSPACE });
    expect(catsyphonAccounts(own).defaultServer()).toBe(`${server.url}/`);
    expect(await catsyphonAccounts(own).signIn(new Script('environment'), where, {})).toEqual(secretOf(collector, WORKSPACE));
    const script = new Script('environment', false);
    await expect(catsyphonAccounts({ ...own, CATSYPHON_URL: 'https://theirs.example' }).signIn(script, where, {})).rejects.toThrow(Dismissed);
    expect(script.asked.at(-1)).toContain('it is used with theirs.example');
  });

  it('is asked about once where its way is not encrypted, and is neither printed nor in a record', async () => {
    const system = catsyphonAccounts(env());
    const script = new Script(true);
    expect(await agreedServer(script, system, 'http://10.0.0.7:8000/')).toEqual({ serverUrl: 'http://10.0.0.7:8000', allowPlainHttp: true });
    expect(script.asked[0]).toContain('all that is said in the sessions that you ship');
    const collector = server.newCollector();
    const access = await system.open(secretOf(collector), where);
    expect(inspect(access) + JSON.stringify(access)).not.toContain(collector.key);
    const accounts = world.window([system]);
    const { record } = await accounts.add({ system, ...where, secret: secretOf(collector, WORKSPACE) });
    expect(JSON.stringify([record, accounts.connections()])).not.toContain(collector.key);
    expect(await system.open({ who: 'x' }, where)).toBeNull();
  });

  it('of the same workspace signs in again to the same connection; one of another workspace does not', async () => {
    const system = catsyphonAccounts(env());
    const accounts = world.window([system]);
    const { record } = await accounts.add({ system, ...where, secret: secretOf(server.newCollector(), WORKSPACE) });
    const second = server.newCollector();
    await accounts.signIn(record.connectionId, secretOf(second, WORKSPACE));
    // Its key alone is pasted anew: the workspace is known of it.
    await accounts.signIn(record.connectionId, secretOf(second));
    expect(accounts.records().map(({ connectionId, identity }) => [connectionId, identity])).toEqual([[record.connectionId, WORKSPACE]]);
    const others = [secretOf(server.newCollector(), OTHER), secretOf(server.newCollector())];
    for (const other of others) await expect(accounts.signIn(record.connectionId, other)).rejects.toMatchObject({ code: 'other_account', message: expect.stringMatching(/would go there unasked.*Add Connection…/) as string });
    await accounts.signOut(record.connectionId);
    for (const other of others) await expect(accounts.signIn(record.connectionId, other)).rejects.toMatchObject({ code: 'other_account' });
    expect(accounts.record(record.connectionId)).toMatchObject({ identity: WORKSPACE, signedOut: true });
    await accounts.signIn(record.connectionId, secretOf(server.newCollector(), WORKSPACE));
    expect(accounts.record(record.connectionId)).toMatchObject({ identity: WORKSPACE, signedOut: false });
  });

  it('of which no workspace was told is replaced by none, and may be told its workspace', async () => {
    const system = catsyphonAccounts(env());
    const accounts = world.window([system]);
    const collector = server.newCollector();
    const { record } = await accounts.add({ system, ...where, secret: secretOf(collector) });
    await accounts.signOut(record.connectionId);
    for (const other of [secretOf(server.newCollector()), secretOf(server.newCollector(), OTHER)]) await expect(accounts.signIn(record.connectionId, other)).rejects.toMatchObject({ code: 'other_account', personMustAct: true });
    await accounts.signIn(record.connectionId, secretOf(collector));
    await accounts.signIn(record.connectionId, secretOf(collector, WORKSPACE));
    expect(accounts.record(record.connectionId)).toMatchObject({ identity: WORKSPACE, signedOut: false });
    await accounts.signIn(record.connectionId, secretOf(server.newCollector(), WORKSPACE));
  });

  it('tells how it stands, as the last call showed', async () => {
    const collector = server.newCollector();
    const access = await catsyphonAccounts(env()).open(secretOf(collector), where);
    if (!(access instanceof CatsyphonAccess)) throw new Error('not opened');
    const states: string[] = [];
    access.onState(({ status }) => states.push(status));
    expect((await access.look()).status).toBe('ready');
    collector.disabled = true;
    expect((await access.look()).status).toBe('needs-sign-in');
    expect(access.rejected).toBe(true);
    collector.disabled = false;
    expect((await access.look()).status).toBe('ready');
    await server.close();
    expect((await access.look()).status).toBe('offline');
    expect(states).toEqual(['needs-sign-in', 'ready', 'offline']);
    await access.close();
  }, 30_000);
});
