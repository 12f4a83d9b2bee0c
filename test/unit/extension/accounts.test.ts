import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRecord, writeRecord } from '../../../src/extension/accounts/record.ts';
import { agreedServer, hostOf, isPlain, serverProblem } from '../../../src/extension/accounts/server.ts';
import { FleetWorld } from '../fleet/fleetWorld.ts';
import { until } from '../store/support.ts';
import { AccountsWorld, FakeSecrets, PLAIN, Script, secret } from './accountsWorld.ts';
import { sessionRow } from './sessionRow.ts';

const HERE = { serverUrl: 'https://one.example', allowPlainHttp: false } as const;
const RECORD = { connectionId: 'clawdforge-1', system: 'clawdforge', name: 'One', serverUrl: 'https://one.example', allowPlainHttp: false, identity: 'ada', signedOut: false, createdAt: 1 } as const;

let world: AccountsWorld;
beforeEach(() => {
  world = new AccountsWorld();
});
afterEach(() => world.close());

describe('records', () => {
  it('are read back as written, and nothing else is', () => {
    expect(readRecord(writeRecord(RECORD))).toEqual(RECORD);
    const broken = ['', '{', '[]', 'null', JSON.stringify({ ...RECORD, serverUrl: 'ftp://x' }), JSON.stringify({ ...RECORD, serverUrl: 'javascript:1' }), JSON.stringify({ ...RECORD, system: 'local' }), JSON.stringify({ ...RECORD, connectionId: '../x' }), JSON.stringify({ ...RECORD, name: ' ' })];
    expect(broken.map(readRecord)).toEqual(broken.map(() => null));
    expect(() => writeRecord({ ...RECORD, serverUrl: 'nonsense' })).toThrow();
  });

  it('hold no secret, are for the person alone, and those of others are left as they are', async () => {
    const accounts = world.window();
    mkdirSync(world.records, { recursive: true });
    writeFileSync(path.join(world.records, 'strange'), 'not a record');
    const { record, kept } = await accounts.add({ system: PLAIN, ...HERE, secret: secret('ada', 'very-secret') });
    expect(kept).toBe(true);
    const text = readFileSync(path.join(world.records, record.connectionId), 'utf8');
    expect(text).not.toContain('very-secret');
    expect(world.secrets.values).toEqual(new Map([[`pilothouse.connection.${record.connectionId}`, JSON.stringify(secret('ada', 'very-secret'))]]));
    expect(accounts.records()).toEqual([record]);
    expect(readdirSync(world.records).sort()).toEqual([record.connectionId, 'strange'].sort());
  });
});

describe('accounts', () => {
  it('are several at once, on several servers, with names and ids of their own', async () => {
    const accounts = world.window();
    await accounts.add({ system: PLAIN, ...HERE, secret: secret('ada') });
    await accounts.add({ system: PLAIN, ...HERE, secret: secret('bob') });
    await accounts.add({ system: PLAIN, serverUrl: 'https://two.example', allowPlainHttp: false, secret: secret('ada') });
    expect(accounts.connections().map(({ name, revision, account }) => [name, revision, account])).toEqual([
      ['Plain', 'https://one.example k1', true], ['Plain 2', 'https://one.example k1', true], ['Plain 3', 'https://two.example k1', true],
    ]);
    expect(new Set(accounts.records().map((record) => record.connectionId)).size).toBe(3);
  });

  it('are refused twice, with what to do', async () => {
    const accounts = world.window();
    await accounts.add({ system: PLAIN, ...HERE, name: 'Work', secret: secret('ada', 'old') });
    await expect(accounts.add({ system: PLAIN, ...HERE, secret: secret('ada', 'new') })).rejects.toMatchObject({ code: 'account_known', message: expect.stringContaining('“Work”') as string });
    await expect(accounts.add({ system: PLAIN, ...HERE, secret: 'no secret' })).rejects.toMatchObject({ code: 'secret_malformed' });
    const { record } = await accounts.add({ system: PLAIN, serverUrl: 'https://two.example', allowPlainHttp: false, secret: secret('ada') });
    await expect(accounts.edit(record.connectionId, { serverUrl: HERE.serverUrl })).rejects.toMatchObject({ code: 'account_known' });
    expect(accounts.records()).toHaveLength(2);
    expect([...world.secrets.values.values()].map((text) => (JSON.parse(text) as { key: string }).key)).toEqual(['old', 'k1']);
  });

  it('of which nothing tells whose they are can stand beside each other', async () => {
    const accounts = world.window();
    await accounts.add({ system: PLAIN, ...HERE, secret: secret('') });
    await accounts.add({ system: PLAIN, ...HERE, secret: secret('') });
    expect(accounts.records()).toHaveLength(2);
  });

  it('are seen by other windows as they come, change and go', async () => {
    const [one, two] = [world.window(), world.window()];
    const { record } = await one.add({ system: PLAIN, ...HERE, secret: secret('ada') });
    await until(() => two.connections()[0]?.revision === 'https://one.example k1');
    await two.edit(record.connectionId, { name: 'Renamed' });
    await until(() => one.record(record.connectionId)?.name === 'Renamed');
    await two.signIn(record.connectionId, secret('ada', 'k2'));
    await until(() => one.connections()[0]?.revision === 'https://one.example k2');
    await one.remove(record.connectionId);
    await until(() => two.connections().length === 0);
    expect(world.secrets.values.size).toBe(0);
  });

  it('removed and added again find their stored sessions again', async () => {
    const accounts = world.window();
    const { record } = await accounts.add({ system: PLAIN, ...HERE, secret: secret('ada') });
    await accounts.remove(record.connectionId);
    expect((await accounts.add({ system: PLAIN, ...HERE, secret: secret('ada', 'other') })).record.connectionId).toBe(record.connectionId);
  });

  it('keep their id when signed out and in again, and are not exchanged for others', async () => {
    const accounts = world.window();
    const { record } = await accounts.add({ system: PLAIN, ...HERE, secret: secret('ada') });
    await accounts.signOut(record.connectionId);
    expect(world.secrets.values.size).toBe(0);
    expect(accounts.record(record.connectionId)).toEqual({ ...record, signedOut: true });
    await expect(accounts.signIn(record.connectionId, secret('bob'))).rejects.toMatchObject({ code: 'other_account' });
    await accounts.signIn(record.connectionId, secret('ada', 'k2'));
    expect(accounts.record(record.connectionId)).toEqual(record);
    expect(accounts.connections()).toMatchObject([{ connectionId: record.connectionId, revision: 'https://one.example k2' }]);
  });

  it('that cannot be written down leave no secret behind', async () => {
    const accounts = world.window();
    await accounts.load();
    await expect(accounts.add({ system: PLAIN, ...HERE, name: 'x'.repeat(300), secret: secret('ada') })).rejects.toThrow();
    expect(world.secrets.values.size).toBe(0);
  });
});

describe('a secret storage that keeps nothing', () => {
  it('leaves the connection, which needs a sign-in then, and is told of once it is sure', async () => {
    const { record } = await world.window().add({ system: PLAIN, ...HERE, secret: secret('ada') });
    const later = world.window([PLAIN], new FakeSecrets());
    await later.load();
    const [spec] = later.connections();
    expect(spec).toMatchObject({ connectionId: record.connectionId, name: 'Plain', account: true });
    expect(await later.lost(10)).toEqual([record]);
    const fleet = new FleetWorld();
    try {
      const window = await fleet.window();
      if (spec === undefined) throw new Error('there is no connection');
      await window.store.saveSessions([sessionRow({ connectionId: record.connectionId })]);
      await window.fleet.setConnections([spec]);
      expect(window.fleet.connections()).toMatchObject([{ canSignIn: true, state: { status: 'needs-sign-in', message: expect.stringContaining('does not hold') as string } }]);
      expect(window.fleet.sessions()).toMatchObject([{ title: 'Stored', state: 'unknown' }]);
    } finally {
      await fleet[Symbol.asyncDispose]();
    }
    await later.signIn(record.connectionId, secret('ada', 'k9'));
    expect(await later.lost(10)).toEqual([]);
    expect(later.connections()).toMatchObject([{ revision: 'https://one.example k9' }]);
  });

  it('is not blamed for what only comes a little later, nor for whom signed out', async () => {
    const { record } = await world.window().add({ system: PLAIN, ...HERE, secret: secret('ada') });
    const late = new FakeSecrets();
    const other = world.window([PLAIN], late);
    await other.load();
    const asked = other.lost(100);
    await late.store(`pilothouse.connection.${record.connectionId}`, JSON.stringify(secret('ada')));
    expect(await asked).toEqual([]);
    await other.signOut(record.connectionId);
    expect(await other.lost(10)).toEqual([]);
  });

  it('or takes nothing lets the person work until the window closes, and says so', async () => {
    world.secrets.takes = false;
    const accounts = world.window();
    const { kept } = await accounts.add({ system: PLAIN, ...HERE, secret: secret('ada') });
    expect(kept).toBe(false);
    expect(accounts.connections()).toMatchObject([{ revision: 'https://one.example k1' }]);
    world.secrets.breaks = true;
    await accounts.load();
    expect(accounts.connections()).toMatchObject([{ revision: 'https://one.example k1' }]);
  });

  it('that is damaged says so, and that it could not be emptied', async () => {
    const accounts = world.window();
    const { record } = await accounts.add({ system: PLAIN, ...HERE, secret: secret('ada') });
    await world.secrets.store(`pilothouse.connection.${record.connectionId}`, '{"who":1}');
    await accounts.load();
    expect(accounts.connections()[0]?.revision).not.toBe('https://one.example k1');
    expect(await accounts.lost(10)).toEqual([]);
    world.secrets.breaks = true;
    await expect(accounts.signOut(record.connectionId)).rejects.toMatchObject({ code: 'secret_not_forgotten' });
  });
});

describe('servers', () => {
  it('are checked as they are typed', () => {
    expect([serverProblem('https://x.example', 'http://192.168.0.5:8800'), serverProblem(' http://10.0.0.1:3005 ', 'http://192.168.0.5:8800')]).toEqual([null, null]);
    expect(['x.example', 'ftp://x', 'https://user:pw@x.example'].map((text) => serverProblem(text, 'http://192.168.0.5:8800') === null)).toEqual([false, false, false]);
    expect(serverProblem('frob', 'http://192.168.0.5:8800')).toContain('such as http://192.168.0.5:8800.');
    expect(hostOf('https://x.example:8443/relay')).toBe('x.example:8443/relay');
    expect(['http://127.0.0.1:3005', 'http://localhost', 'https://x.example', 'http://10.0.0.1'].map(isPlain)).toEqual([false, false, false, true]);
  });

  it('of plain http beyond loopback are asked about, with what would travel in clear', async () => {
    const yes = new Script(true);
    expect(await agreedServer(yes, PLAIN, 'http://10.0.0.1:3005/')).toEqual({ serverUrl: 'http://10.0.0.1:3005', allowPlainHttp: true });
    expect(yes.asked).toEqual(['confirm Use 10.0.0.1:3005 over plain http? The way to this server is not encrypted. Everything.']);
    const no = new Script();
    await expect(agreedServer(no, PLAIN, 'http://10.0.0.1')).rejects.toThrow();
    const none = new Script();
    expect(await agreedServer(none, PLAIN, 'http://127.0.0.1:3005')).toEqual({ serverUrl: 'http://127.0.0.1:3005', allowPlainHttp: false });
    expect(none.asked).toEqual([]);
  });
});
