import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { forgeAccounts, forgeWays } from '../../../src/extension/accounts/clawdforge.ts';
import { agreedServer } from '../../../src/extension/accounts/server.ts';
import { ForgeAccess } from '../../../src/extension/clawdforge/access.ts';
import { Dismissed } from '../../../src/extension/commands/dismissed.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { AccountsWorld, Script } from './accountsWorld.ts';

let world: AccountsWorld;
let server: ForgeTestServer;
let where: { readonly serverUrl: string; readonly allowPlainHttp: boolean };
beforeEach(async () => {
  world = new AccountsWorld();
  server = await new ForgeTestServer().start();
  where = { serverUrl: server.url, allowPlainHttp: false };
});
afterEach(async () => {
  world.close();
  await server.close();
});

async function opened(secret: JsonValue): Promise<ForgeAccess> {
  const access = await forgeAccounts({}).open(secret, where);
  if (!(access instanceof ForgeAccess)) throw new Error('not opened');
  return access;
}

describe('a token of a clawdforge server', () => {
  it('is asked about before it is kept, and asked for again as long as the server refuses it', async () => {
    const token = server.token('mine');
    const script = new Script('paste', 'cf_of_nobody', token);
    expect(await forgeAccounts({}).signIn(script, where, {})).toEqual({ token, adminToken: null });
    expect(server.count('GET', /^\/sessions$/)).toBe(2);
    expect(script.asked).toHaveLength(3);
    expect(script.asked.join(' ')).not.toContain('cf_');
    await expect(forgeAccounts({}).signIn(new Script('paste', 'with space'), where, {})).rejects.toThrow('no token has');
    await expect(forgeAccounts({}).signIn(new Script(), where, { token: 'cf_of_nobody' })).rejects.toMatchObject({ code: 'authentication_failed' });
    expect(await forgeAccounts({}).signIn(new Script(), where, { token: ` ${token} ` })).toEqual({ token, adminToken: null });
  });

  it('is kept unchecked only where the person says so, when the server cannot be asked', async () => {
    const away = { serverUrl: 'http://127.0.0.1:9', allowPlainHttp: false };
    const script = new Script('paste', 'cf_x', true);
    expect(await forgeAccounts({}).signIn(script, away, {})).toEqual({ token: 'cf_x', adminToken: null });
    expect(script.asked.at(-1)).toMatch(/Keep this token unchecked\? 127\.0\.0\.1:9 cannot be asked about it: nothing answers at 127\.0\.0\.1:9\./);
    await expect(forgeAccounts({}).signIn(new Script('paste', 'cf_x', false), away, {})).rejects.toThrow(Dismissed);
  });

  it('comes from the environment only when that was chosen, and goes to no other server unasked', async () => {
    const env = { CLAWDFORGE_URL: `${server.url}/`, CLAWDFORGE_TOKEN: server.token('env') };
    expect(forgeWays({}).map(({ value }) => value)).toEqual(['paste', 'admin']);
    expect(forgeWays(env).map(({ value }) => value)).toEqual(['environment', 'paste', 'admin']);
    expect(JSON.stringify(forgeWays(env))).not.toContain(env.CLAWDFORGE_TOKEN);
    const system = forgeAccounts(env);
    expect(system.defaultServer()).toBe(`${server.url}/`);
    expect(forgeAccounts({}).defaultServer()).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await system.signIn(new Script('environment'), where, {})).toEqual({ token: env.CLAWDFORGE_TOKEN, adminToken: null });
    const other = forgeAccounts({ ...env, CLAWDFORGE_URL: 'http://192.168.0.5:8800' });
    const script = new Script('environment', false);
    await expect(other.signIn(script, where, {})).rejects.toThrow(Dismissed);
    expect(script.asked.at(-1)).toContain('it is used with 192.168.0.5:8800');
    expect(server.count('GET', /./)).toBe(1);
  });

  it('is made with the admin token, and both are kept', async () => {
    const script = new Script('admin', server.admin, 'pilothouse-here');
    const secret = await forgeAccounts({}).signIn(script, where, {});
    expect(secret).toEqual({ token: expect.stringMatching(/^cf_pilothouse-here/) as string, adminToken: server.admin });
    const access = await opened(secret);
    expect(access.manages).toBe(true);
    expect((await access.manage((forge) => forge.listTokens())).map(({ name }) => name)).toEqual(['pilothouse-here']);
    await expect(forgeAccounts({}).signIn(new Script('admin', server.token('app'), 'x'), where, {})).rejects.toMatchObject({ code: 'authentication_failed' });
    await expect((await opened({ token: 'cf_x', adminToken: null })).manage((forge) => forge.listTokens())).rejects.toMatchObject({ code: 'needs_admin_token', personMustAct: true });
  });

  it('of another one signs in again to the same connection, which keeps its id and the admin token', async () => {
    const system = forgeAccounts({});
    const accounts = world.window([system]);
    const first = server.token('first');
    const { record } = await accounts.add({ system, ...where, secret: { token: first, adminToken: server.admin } });
    expect(accounts.connections()).toMatchObject([{ system: 'clawdforge', name: 'clawdforge', account: true }]);
    await expect(accounts.add({ system, ...where, secret: { token: first, adminToken: null } })).rejects.toMatchObject({ code: 'account_known' });
    const second = server.token('second');
    await accounts.signIn(record.connectionId, { token: second, adminToken: null });
    expect(JSON.parse(world.secrets.values.get(`pilothouse.connection.${record.connectionId}`) ?? '')).toEqual({ token: second, adminToken: server.admin });
    expect(accounts.records()).toHaveLength(1);
    expect(accounts.record(record.connectionId)?.identity).not.toBe(record.identity);
    // The one that it began with, added again after it was removed, finds its stored sessions.
    await accounts.remove(record.connectionId);
    expect((await accounts.add({ system, ...where, secret: { token: first, adminToken: null } })).record.connectionId).toBe(record.connectionId);
  });

  it('goes over plain http beyond loopback once the person agreed to what travels in clear, and else not', async () => {
    const system = forgeAccounts({});
    const script = new Script(true);
    expect(await agreedServer(script, system, 'http://192.168.0.5:8800/')).toEqual({ serverUrl: 'http://192.168.0.5:8800', allowPlainHttp: true });
    expect(script.asked[0]).toMatch(/192\.168\.0\.5:8800.*token.*files.*answers can be read/);
    await expect(agreedServer(new Script(false), system, 'http://192.168.0.5:8800/')).rejects.toThrow(Dismissed);
    const secret = { token: 'cf_x', adminToken: null };
    expect(await system.open(secret, { serverUrl: 'http://192.168.0.5:8800', allowPlainHttp: false })).toBeNull();
    expect(await system.open(secret, { serverUrl: 'http://192.168.0.5:8800', allowPlainHttp: true })).not.toBeNull();
  });

  it('is shown by nothing', async () => {
    const access = await opened({ token: 'cf_secret', adminToken: 'admin_secret' });
    expect(`${JSON.stringify(access)} ${inspect(access)} ${access.identity}`).not.toContain('secret');
  });

  it.each([null, 'text', {}, { token: 'cf_x' }, { token: '', adminToken: null }, { token: 'a b', adminToken: null }, { token: 'cf_x', adminToken: '' }, { token: 'cf_x', adminToken: null, more: 1 }] as JsonValue[])('of another form is none: %j', async (value) => {
    expect(await forgeAccounts({}).open(value, where)).toBeNull();
  });
});
