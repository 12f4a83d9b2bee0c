import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { Credentials } from '../../../src/core/systems/happy/index.ts';
import { whyUnreachable } from '../../../src/core/transport/reason.ts';
import type { SignInElsewhere } from '../../../src/extension/accounts/ask.ts';
import { OtherServer } from '../../../src/extension/accounts/ask.ts';
import { happyAccounts, happySecret, happyWays, readHappySecret } from '../../../src/extension/accounts/happy.ts';
import { linkHtml, qrImage } from '../../../src/extension/accounts/linkHtml.ts';
import { accountSystems } from '../../../src/extension/accounts/registry.ts';
import { signInSomewhere } from '../../../src/extension/accounts/somewhere.ts';
import type { AccountSystem } from '../../../src/extension/accounts/system.ts';
import { Phone } from '../../loopback/happy/phone.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import { AccountsWorld, Script } from './accountsWorld.ts';

const SERVER = { serverUrl: 'https://happy.example', allowPlainHttp: false } as const;
const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const base64 = (fill: number): string => Buffer.from(bytes(fill)).toString('base64');
const tokenOf = (user: string): string => `x.${Buffer.from(JSON.stringify({ user })).toString('base64url')}.y`;

let world: AccountsWorld;
let env: NodeJS.ProcessEnv;
beforeEach(() => {
  world = new AccountsWorld();
  env = { HAPPY_HOME_DIR: path.join(world.folder, 'happy') };
});
afterEach(() => world.close());

function keyFiles(): void {
  mkdirSync(path.join(world.folder, 'happy'));
  writeFileSync(path.join(world.folder, 'happy', 'access.key'), JSON.stringify({ token: tokenOf('ada'), encryption: { publicKey: base64(9), machineKey: base64(2) } }));
}

describe('the secret of a Happy account', () => {
  it('is stored whole and read back, for the server of its record', async () => {
    const credentials = new Credentials({ serverUrl: 'https://old.example', token: tokenOf('ada'), master: bytes(1), machineKey: bytes(2), knownKeys: new Map([['s1', bytes(3)]]), source: { kind: 'file', files: ['x'] } });
    const read = await readHappySecret(JSON.parse(JSON.stringify(happySecret(credentials))) as JsonValue, 'https://happy.example');
    expect([read?.serverUrl, read?.token, read?.accountId]).toEqual(['https://happy.example', tokenOf('ada'), 'ada']);
    expect([read?.master, read?.machineKey, read?.knownKeys]).toEqual([bytes(1), bytes(2), new Map([['s1', bytes(3)]])]);
    expect(read?.describe()).toBe(credentials.describe());
    expect(JSON.stringify(read)).not.toContain(base64(1));
  });

  it.each([
    null, 'text', {}, { token: 'a b', master: null, machineKey: null, knownKeys: {} }, { token: 't', master: 'AAAA', machineKey: null, knownKeys: {} }, { token: 't', master: null, machineKey: null },
    { token: 't', master: null, machineKey: null, knownKeys: {}, more: 1 }, { token: 't', master: null, machineKey: null, knownKeys: { s: 'x' } },
  ] as JsonValue[])('of another form is none: %j', async (value) => {
    expect(await readHappySecret(value, SERVER.serverUrl)).toBeNull();
    expect(await happyAccounts(env).open(value, SERVER)).toBeNull();
  });

  it('tells whose it is by the account of the token, else by its public key, else not at all', async () => {
    const identity = async (token: string, master: number | null, machineKey: number | null): Promise<string | null | undefined> =>
      (await happyAccounts(env).open({ token, master: master === null ? null : base64(master), machineKey: machineKey === null ? null : base64(machineKey), knownKeys: {} }, SERVER))?.identity;
    expect(await identity(tokenOf('ada'), 1, null)).toBe('ada');
    expect(await identity('opaque', 1, null)).toMatch(/^key:[0-9a-f]{32}$/);
    expect(await identity('opaque', 1, null)).toBe(await identity('other', 1, 2));
    expect(await identity('opaque', 1, null)).not.toBe(await identity('opaque', 2, null));
    expect([await identity('opaque', null, 2), await identity('opaque', 2, 2)]).toEqual([null, null]);
  });
});

describe('ways to sign in to Happy', () => {
  it('are a link and pasting, and those of this computer only where there is something', async () => {
    expect((await happyWays(SERVER, env)).map((way) => way.value)).toEqual(['link', 'paste']);
    keyFiles();
    const all = await happyWays(SERVER, { ...env, HAPPY_TOKEN: tokenOf('ada'), HAPPY_SECRET: base64(1) });
    expect(all.map((way) => way.value)).toEqual(['link', 'files', 'environment', 'paste']);
    expect(all[1]?.detail).toContain('Reads the machine it came from only');
    writeFileSync(path.join(world.folder, 'happy', 'agent.key'), JSON.stringify({ token: tokenOf('ada'), secret: base64(1) }));
    expect((await happyWays(SERVER, env))[1]?.detail).toContain('every machine and session');
    writeFileSync(path.join(world.folder, 'happy', 'agent.key'), 'no json');
    expect((await happyWays(SERVER, env))[1]?.detail).toContain('is no key file');
  });

  it('begin with the server that is configured, else with the one of Happy\'s own clients', () => {
    expect(happyAccounts(env).defaultServer()).toBe('https://api.cluster-fluster.com');
    expect(happyAccounts({ ...env, HAPPY_SERVER_URL: ' http://127.0.0.1:3005 ' }).defaultServer()).toBe('http://127.0.0.1:3005');
  });

  it('take files and environment only when they were chosen', async () => {
    keyFiles();
    const system = happyAccounts({ ...env, HAPPY_TOKEN: tokenOf('bob'), HAPPY_SECRET: base64(7) });
    const files = await system.signIn(new Script('files'), SERVER, {});
    expect(files).toMatchObject({ token: tokenOf('ada'), master: null, machineKey: base64(2) });
    expect(await system.signIn(new Script('environment'), SERVER, {})).toMatchObject({ token: tokenOf('bob'), master: base64(7) });
    expect(await system.signIn(new Script(), SERVER, { how: 'files' })).toEqual(files);
    await expect(happyAccounts(env).signIn(new Script('environment'), SERVER, {})).rejects.toThrow('not offered');
  });

  it('send the token of a file that names its server to no server that the form says', async () => {
    keyFiles();
    rmSync(path.join(world.folder, 'happy', 'access.key'), { force: true });
    writeFileSync(path.join(world.folder, 'happy', 'agent.key'), JSON.stringify({ token: tokenOf('ada'), secret: base64(1), serverUrl: 'https://other.example' }));
    expect((await happyWays(SERVER, env))[1]?.detail).toMatch(/other\.example.*happy\.example/);
    await expect(happyAccounts(env).signIn(new Script('files'), SERVER, {})).rejects.toMatchObject({ code: 'credentials_malformed' });
    expect(await happyAccounts(env).signIn(new Script('files'), { ...SERVER, serverUrl: 'https://other.example' }, {})).toMatchObject({ token: tokenOf('ada') });
  });

  it('check what is pasted, take it from code too, and say nothing of it', async () => {
    const system = happyAccounts(env);
    const script = new Script('paste', tokenOf('ada'), base64(5));
    expect(await system.signIn(script, SERVER, {})).toMatchObject({ token: tokenOf('ada'), master: base64(5), machineKey: base64(5) });
    expect(script.asked.join(' ')).not.toContain(base64(5));
    await expect(system.signIn(new Script('paste', 'with space', base64(5)), SERVER, {})).rejects.toThrow('token');
    await expect(system.signIn(new Script('paste', tokenOf('ada'), 'short'), SERVER, {})).rejects.toThrow('32 bytes');
    expect(await system.signIn(new Script(), SERVER, { token: 't', secret: base64(1) })).toMatchObject({ token: 't' });
  });

  it('by link bring an account that is then a connection, refused a second time', async () => {
    const server = await startHappyServer();
    const phone = await Phone.signIn(server.url);
    try {
      const system = happyAccounts(env);
      const script = new Script('link');
      script.elsewhere = async <T>(signIn: SignInElsewhere<T>): Promise<T> => {
        expect([signIn.title, signIn.server]).toEqual(['Sign in to Happy', server.url.replace('http://', '')]);
        return signIn.run((code) => void phone.approve(code.link), AbortSignal.timeout(20_000));
      };
      const where = { serverUrl: server.url, allowPlainHttp: false };
      const secret = await system.signIn(script, where, {});
      const accounts = world.window(accountSystems());
      const { record } = await accounts.add({ system, ...where, secret });
      expect(record).toMatchObject({ system: 'happy', name: 'Happy', serverUrl: server.url });
      expect(record.identity).not.toBeNull();
      expect(accounts.connections()).toMatchObject([{ connectionId: record.connectionId, system: 'happy', name: 'Happy', account: true }]);
      await expect(accounts.add({ system, ...where, secret })).rejects.toMatchObject({ code: 'account_known' });
    } finally {
      phone.close();
      await server.close();
    }
  });
});

describe('a server that is changed in the midst of a sign-in', () => {
  it('is asked for, with the one before as its beginning, as often as the person changes it', async () => {
    const system = { ...happyAccounts(env), signIn: vi.fn<AccountSystem['signIn']>().mockRejectedValueOnce(new OtherServer()).mockRejectedValueOnce(new OtherServer()).mockResolvedValueOnce('signed in') };
    const script = new Script('http://127.0.0.1:5', 'https://second.example');
    expect(await signInSomewhere(script, system, { serverUrl: 'https://first.example', allowPlainHttp: false }, {})).toEqual({ server: { serverUrl: 'https://second.example', allowPlainHttp: false }, secret: 'signed in' });
    expect(system.signIn.mock.calls.map(([, server]) => server.serverUrl)).toEqual(['https://first.example', 'http://127.0.0.1:5', 'https://second.example']);
    await expect(signInSomewhere(new Script(), { ...system, signIn: () => Promise.reject(new Error('refused')) }, { serverUrl: 'https://first.example', allowPlainHttp: false }, {})).rejects.toThrow('refused');
  });

  it('is told why it cannot be reached', async () => {
    const refused = await happyAccounts(env).signIn(new Script('link', undefined), { serverUrl: 'http://127.0.0.1:9', allowPlainHttp: false }, {}).catch((error: unknown) => error);
    expect(whyUnreachable(refused)).toBe('nothing answers at 127.0.0.1:9');
    expect([whyUnreachable(new Error('x', { cause: Object.assign(new Error('y'), { code: 'CERT_HAS_EXPIRED' }) })), whyUnreachable(new AggregateError([Object.assign(new Error('z'), { code: 'ENOTFOUND' })])), whyUnreachable(new Error('x')), whyUnreachable('x')])
      .toEqual(['its certificate has expired', 'there is no such host', null, null]);
  });
});

describe('the sign-in panel', () => {
  const commands = { copy: 'command:a?1', open: 'command:b', again: 'command:c', server: 'command:e', cancel: 'command:d' };
  const page = { title: 'Sign in', server: 'x"><script>1</script>', steps: ['One <b>', 'Two'], about: 'About', commands };
  const asset = { styleUri: 'https://res/sign-in.css', cspSource: 'https://res' };
  const buttons = (html: string): string[] => [...html.matchAll(/href="(command:[^"]*)">([^<]*)/g)].map(([, address = '', label = '']) => `${label} ${address}`);
  const rows = [[true, true, false], [false, true, true], [true, false, true]];

  it('runs nothing, loads nothing but its style and the code, and quotes what it is told', () => {
    const html = linkHtml({ ...page, code: { link: 'happy:///account?<k>', qr: rows, expiresAt: Date.UTC(2026, 1, 1, 10, 0, 0) }, problem: null }, asset, Date.UTC(2026, 1, 1, 9, 58, 0));
    expect(html).toContain(`content="default-src 'none'; style-src https://res; img-src data:; form-action 'none'; base-uri 'none'"`);
    expect(html).not.toMatch(/<script|<b>|javascript:|\son\w+=|style=|<k>/);
    expect([...html.matchAll(/href="([^"]*)"/g)].map((match) => match[1])).toEqual(['https://res/sign-in.css', 'command:a?1', 'command:b', 'command:d']);
    expect([...html.matchAll(/src="([^"]{0,26})/g)].map((match) => match[1])).toEqual(['data:image/svg+xml;base64,']);
    expect(html).toContain('<code>happy:///account?&lt;k&gt;</code>');
    expect(html).toContain('One &lt;b&gt;');
    expect(html).toContain('lasts 2 minutes');
  });

  it('says that it waits for a code, and why there is none', () => {
    expect(linkHtml({ ...page, code: null, problem: null }, asset, 0)).toContain('Asking the server for a code');
    const html = linkHtml({ ...page, code: null, problem: { text: 'Nobody confirmed it. & <i>', expired: true } }, asset, 0);
    expect(html).toContain('Nobody confirmed it. &amp; &lt;i&gt;');
    expect(buttons(html)).toEqual(['Show a New Code command:c', 'Cancel command:d']);
  });

  it('offers to try again and to change the server where it cannot be reached, and while it is asked', () => {
    expect(buttons(linkHtml({ ...page, code: null, problem: { text: 'It cannot be reached.', expired: false } }, asset, 0))).toEqual(['Try Again command:c', 'Change Server… command:e', 'Cancel command:d']);
    expect(buttons(linkHtml({ ...page, code: null, problem: null }, asset, 0))).toEqual(['Change Server… command:e', 'Cancel command:d']);
  });

  it('draws every dark module once, on white, with the quiet zone that readers need', () => {
    const svg = Buffer.from(qrImage(rows).split(',')[1] ?? '', 'base64').toString();
    expect(svg).toContain('viewBox="0 0 9 9"');
    expect(svg).toContain('<path fill="#fff" d="M0 0h9v9H0z"/>');
    const drawn = [...svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-/g)].flatMap(([, x, y, length]) => Array.from({ length: Number(length) }, (_, at) => `${Number(x) + at - 3},${Number(y) - 3}`));
    expect(drawn.sort()).toEqual(rows.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`${x},${y}`] : []))).sort());
  });
});
