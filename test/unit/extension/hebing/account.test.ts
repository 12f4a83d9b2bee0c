import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HEBING_URL } from '../../../../src/core/systems/hebing/index.ts';
import { systemClock } from '../../../../src/core/transport/clock.ts';
import type { AccountRecord } from '../../../../src/extension/accounts/record.ts';
import { hebingAccounts, hebingWays } from '../../../../src/extension/accounts/hebing.ts';
import { signInSomewhere } from '../../../../src/extension/accounts/somewhere.ts';
import { linkHtml, problemOf } from '../../../../src/extension/accounts/linkHtml.ts';
import { HebingAccess } from '../../../../src/extension/hebing/access.ts';
import { HebingBoards } from '../../../../src/extension/hebing/boards.ts';
import type { HebingTestServer } from '../../../loopback/hebing/server.ts';
import { startHebingServer } from '../../../loopback/hebing/server.ts';
import { FleetWorld } from '../../fleet/fleetWorld.ts';
import { recordingLog, until } from '../../store/support.ts';
import { AccountsWorld, Script } from '../accountsWorld.ts';

let world: AccountsWorld;
let hebing: HebingTestServer;
let env: Record<string, string>;
beforeEach(async () => {
  world = new AccountsWorld();
  hebing = await startHebingServer();
  hebing.signIns.times = { expiresIn: 900, interval: 1 };
  env = { HOME: world.folder };
});
afterEach(async () => {
  world.close();
  await hebing.close();
});

const server = () => ({ serverUrl: hebing.url, allowPlainHttp: false });

function writeCredentials(value: unknown): string {
  const file = path.join(world.folder, '.chaojiyuyan', 'credentials');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(value), { mode: 0o600 });
  return file;
}

describe('signing in to hebing', () => {
  const labels = async (): Promise<readonly string[]> => (await hebingWays(env)).map(({ value, description }) => `${value} ${description ?? ''}`);

  it('offers what there is here, and begins with its own server unless the environment names another', async () => {
    expect(await labels()).toEqual(['device a code and a page', 'paste nxt_ag_…']);
    const file = writeCredentials({ api_key: 'nxt_ag_x' });
    env['HEBING_API_KEY'] = 'nxt_ag_y';
    expect(await labels()).toEqual(['device a code and a page', 'environment HEBING_API_KEY', `file ${file}`, 'paste nxt_ag_…']);
    expect(hebingAccounts(env).defaultServer()).toBe(HEBING_URL);
    expect(hebingAccounts({ ...env, HEBING_BASE_URL: 'https://other.example/v1' }).defaultServer()).toBe('https://other.example/v1');
  });

  it('by device shows the code with its page, and has a key once it is approved there', async () => {
    const script = new Script('device');
    script.elsewhere = (signIn) => signIn.run((code) => {
      expect(code.typed?.page).toMatch(/\/activate$/);
      expect(code.link).toBe(`${code.typed?.page}?code=${code.typed?.code}`);
      expect(hebing.signIns.nameOf(code.typed?.code ?? '')).toBe('Pilothouse for VS Code');
      hebing.approve(code.typed?.code ?? '');
    }, AbortSignal.timeout(10_000));
    const secret = await hebingAccounts(env).signIn(script, server(), {});
    expect(hebing.kernel.agents.has((secret as { apiKey: string }).apiKey)).toBe(true);
  });

  it('by device says plainly that it was denied, and stops at once when it is cancelled', async () => {
    const script = new Script('device', 'device');
    script.elsewhere = (signIn) => signIn.run((code) => hebing.deny(code.typed?.code ?? ''), AbortSignal.timeout(10_000));
    await expect(hebingAccounts(env).signIn(script, server(), {})).rejects.toMatchObject({ code: 'access_denied', message: expect.stringContaining('was denied') as string });
    const stop = new AbortController();
    script.elsewhere = (signIn) => signIn.run(() => stop.abort(), stop.signal);
    const polls = hebing.count('POST', '/oauth/device/token');
    await expect(hebingAccounts(env).signIn(script, server(), {})).rejects.toThrow();
    expect(hebing.count('POST', '/oauth/device/token')).toBe(polls);
  });

  it('goes to its own server, and asks for the address of another one only where that is chosen', async () => {
    const { key } = hebing.newAgent();
    const system = hebingAccounts({ ...env, HEBING_BASE_URL: hebing.url });
    const script = new Script('paste', key);
    expect(await signInSomewhere(script, system, null, {})).toEqual({ server: server(), secret: { apiKey: key } });
    expect(script.asked.some((question) => question.includes(': server'))).toBe(false);
    const other = new Script('server', hebing.url, 'paste', key);
    expect(await signInSomewhere(other, hebingAccounts({ ...env, HEBING_BASE_URL: 'http://127.0.0.1:1/api/v1' }), null, {})).toEqual({ server: server(), secret: { apiKey: key } });
    expect(other.asked[1]).toContain('hebing: server');
    // What the environment says is no address: the person gives one.
    expect(await signInSomewhere(new Script(hebing.url, 'paste', key), hebingAccounts({ ...env, HEBING_BASE_URL: 'frob' }), null, {})).toMatchObject({ server: server() });
  });

  it('says once why nobody answers, and where', async () => {
    const script = new Script('device');
    script.elsewhere = (signIn) => signIn.run(() => undefined, AbortSignal.timeout(10_000));
    const error = await hebingAccounts(env).signIn(script, { serverUrl: 'http://127.0.0.1:9/api/v1', allowPlainHttp: false }, {}).catch((failed: unknown) => failed);
    expect(problemOf(error)).toEqual({ text: 'hebing cannot be reached: nothing answers at 127.0.0.1:9.', expired: false });
    const access = new HebingAccess('nxt_ag_x', { serverUrl: 'http://127.0.0.1:9/api/v1', allowPlainHttp: false });
    expect(await access.look()).toMatchObject({ status: 'offline', message: 'hebing cannot be reached: nothing answers at 127.0.0.1:9.' });
    await access.close();
  });

  it('takes a pasted key that hebing takes, and refuses others before they are kept', async () => {
    const { key } = hebing.newAgent();
    const system = hebingAccounts(env);
    expect(await system.signIn(new Script('paste', ` ${key} `), server(), {})).toEqual({ apiKey: key });
    expect(await system.signIn(new Script(), server(), { apiKey: key })).toEqual({ apiKey: key });
    await expect(system.signIn(new Script('paste', 'nxt_ag_wrong'), server(), {})).rejects.toMatchObject({ code: 'key_refused' });
    await expect(system.signIn(new Script('paste', 'not a key'), server(), {})).rejects.toThrow('characters that no key has');
    await expect(system.signIn(new Script('paste', ' '), server(), {})).rejects.toThrow('A key is needed');
  });

  it('keeps a key that nobody could be asked about', async () => {
    const away = { serverUrl: 'http://127.0.0.1:1/api/v1', allowPlainHttp: false };
    expect(await hebingAccounts(env).signIn(new Script(), away, { apiKey: 'nxt_ag_x' })).toEqual({ apiKey: 'nxt_ag_x' });
  });

  it('takes the key of the environment or of the file, and asks before it goes to a server that it is not used with here', async () => {
    const [one, other] = [hebing.newAgent(), hebing.newAgent()];
    writeCredentials({ api_key: other.key, base_url: hebing.url });
    env['NEXUS_API_KEY'] = one.key;
    const system = hebingAccounts(env);
    expect(await system.signIn(new Script('environment'), server(), {})).toEqual({ apiKey: one.key });
    expect(await system.signIn(new Script('file'), server(), {})).toEqual({ apiKey: other.key });
    writeCredentials({ api_key: other.key });
    const before = hebing.requests.length;
    const no = new Script('file', false);
    await expect(system.signIn(no, server(), {})).rejects.toThrow();
    expect(no.asked.at(-1)).toContain('it is used with pic.chaojiyuyan.com');
    expect(hebing.requests.length).toBe(before);
    expect(await system.signIn(new Script('file', true), server(), {})).toEqual({ apiKey: other.key });
  });

  it('shows the code to compare, both ways to the page, and no picture', () => {
    const commands = { copy: 'command:a', open: 'command:b', again: 'command:c', server: 'command:d', cancel: 'command:e' };
    const html = linkHtml({ title: 'Sign in', server: 's', steps: [], about: '', problem: null, commands, code: { link: 'https://x.example/activate?code=AB<', qr: null, expiresAt: 900_000, typed: { code: 'AB<-CD', page: 'https://x.example/activate' } } }, { styleUri: 's', cspSource: 'c' }, 0);
    expect(html).toContain('<code>AB&lt;-CD</code>');
    expect(html).toContain('>https://x.example/activate</code>');
    expect([...html.matchAll(/href="(command:[^"]*)">([^<]*)/g)].map(([, address, label]) => `${label} ${address}`)).toEqual(['Copy Code and Open Page command:b', 'Copy Code command:a', 'Cancel command:e']);
    expect(html).not.toMatch(/<img|<script/);
  });
});

describe('a hebing account', () => {
  const RECORD: AccountRecord = { connectionId: 'hebing-1', system: 'hebing', name: 'hebing', serverUrl: '', allowPlainHttp: false, identity: null, signedOut: false, createdAt: 1 };

  it('is a connection with its state, without a machine, a session or a way to make one', async () => {
    const { key } = hebing.newAgent();
    const fleetWorld = new FleetWorld();
    const { fleet } = await fleetWorld.window();
    try {
      const access = new HebingAccess(key, server());
      await fleet.setConnections([{ ...access.connection({ ...RECORD, serverUrl: hebing.url }), account: true }]);
      await fleet.settled();
      expect(fleet.connections()).toMatchObject([{ system: 'hebing', state: { status: 'ready' }, canSignIn: false, traits: { spawn: false } }]);
      expect([fleet.machines(), fleet.sessions()]).toEqual([[], []]);
      hebing.kernel.agents.delete(key);
      await expect(access.jobs()).rejects.toMatchObject({ status: 401 });
      expect(fleet.connections()).toMatchObject([{ state: { status: 'needs-sign-in' }, canSignIn: true }]);
      expect(access.rejected).toBe(true);
    } finally {
      await fleetWorld[Symbol.asyncDispose]();
    }
  });

  it('shows neither in a log nor as JSON what its key is, and another key is another revision', () => {
    const access = new HebingAccess('nxt_ag_secret', server());
    const text = [inspect(access, { depth: 9 }), JSON.stringify(access), JSON.stringify(access.connection(RECORD))].join();
    expect(text).not.toContain('nxt_ag_secret');
    expect(access.connection(RECORD).revision).not.toBe(new HebingAccess('nxt_ag_other', server()).connection(RECORD).revision);
  });

  it('goes on after a new sign-in as it was, with another key', async () => {
    const accounts = world.window([hebingAccounts(env)]);
    const [system] = accounts.systems;
    if (system === undefined) throw new Error('no system');
    const one = hebing.newAgent();
    const { record } = await accounts.add({ system, ...server(), secret: { apiKey: one.key } });
    const boards = new HebingBoards(accounts, systemClock, recordingLog().log);
    const board = boards.get(record.connectionId)?.board;
    try {
      const job = hebing.kernel.create(one, 'media.echo.v1', { text: 'hi' }, null).job;
      boards.setVisible(true);
      await until(() => board?.state.jobs.length === 1);
      hebing.kernel.agents.delete(one.key);
      await board?.refresh();
      expect(board?.state).toMatchObject({ access: 'rejected', jobs: [{ id: job.id }] });
      // The same account under another key.
      const again = { ...one, key: 'nxt_ag_again' };
      hebing.kernel.agents.set(again.key, again);
      await accounts.signIn(record.connectionId, { apiKey: again.key });
      expect(accounts.records()).toEqual([record]);
      await until(() => board?.state.access === 'in' && board.state.problem === null && board.state.loaded);
      expect(board?.state.jobs).toMatchObject([{ id: job.id }]);
      await accounts.signOut(record.connectionId);
      expect(boards.get(record.connectionId)).toMatchObject({ access: null, board: { state: { access: 'out', jobs: [] } } });
    } finally {
      boards.dispose();
    }
  });
});
