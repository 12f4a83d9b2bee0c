import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { JsonValue } from '../../core/model/json.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import { HebingAccess, loadHebing } from '../hebing/access.ts';
import type { AskPerson, PickItem } from './ask.ts';
import { OtherServer } from './ask.ts';
import { hostOf } from './server.ts';
import type { AccountSystem, Given, Server } from './system.ts';

/** As the core has it (HEBING_URL), which is loaded when an account is opened or added. */
const OWN_SERVER = 'https://pic.chaojiyuyan.com/api/v1';
/** The name under which the page of a sign-in shows this program. */
const CLIENT = 'Pilothouse for VS Code';

const secretSchema = z.strictObject({ apiKey: z.string().regex(/^[\x21-\x7e]+$/).max(5_000) });

type HebingWay = 'device' | 'environment' | 'file' | 'paste';

/** The ways to sign in that there are here. Of keys that this computer has, nothing but where they lie is looked at. */
export async function hebingWays(env: NodeJS.ProcessEnv): Promise<readonly PickItem<HebingWay>[]> {
  const { credentialsFile } = await loadHebing();
  const ways: PickItem<HebingWay>[] = [{
    label: 'Sign in with the browser', description: 'a code and a page', icon: 'link-external', value: 'device', detail: 'Approve the code on hebing’s page. This VS Code gets a key of its own.',
  }];
  const variable = KEY_VARIABLES.find((name) => (env[name] ?? '').trim() !== '');
  if (variable !== undefined) ways.push({ label: 'Use the environment', description: variable, icon: 'terminal', detail: 'Copies the key into the secret storage of this VS Code.', value: 'environment' });
  const file = credentialsFile(env);
  if (existsSync(file)) ways.push({ label: 'Use the credentials of this computer', description: file, icon: 'file', detail: 'Copies the key into the secret storage of this VS Code. The file stays as it is.', value: 'file' });
  ways.push({ label: 'Paste a key', description: 'nxt_ag_…', icon: 'clippy', value: 'paste' });
  return ways;
}

const ANOTHER_SERVER = { label: 'Use another server…', icon: 'server', value: 'server' } as const;
const KEY_VARIABLES = ['CHAOJIYUYAN_API_KEY', 'HEBING_API_KEY', 'NEXUS_API_KEY'] as const;

/** Accounts of hebing. `env` is that of this process, but in tests; `proxy` tells the proxies on the way to their servers. */
export function hebingAccounts(env: NodeJS.ProcessEnv = process.env, proxy?: ProxySource): AccountSystem {
  const known = new Map<string, HebingAccess>();
  /** One for each key and server, however often its record is read: all of a window see the same state. */
  const accessOf = (apiKey: string, server: Server): HebingAccess => {
    const print = createHash('sha256').update(JSON.stringify([apiKey, server.serverUrl, server.allowPlainHttp])).digest('hex');
    const access = known.get(print) ?? new HebingAccess(apiKey, server, proxy);
    known.set(print, access);
    return access;
  };
  return {
    system: 'hebing',
    label: 'hebing account…',
    about: 'a market of jobs: call what others offer, or work for others; calls may cost',
    name: 'hebing',
    example: OWN_SERVER,
    ownServer: true,
    inClear: 'The key that signs you in, what you ask for and what comes back can be read by anybody on the way, who can then act, and spend, as you.',
    defaultServer: () => (env['HEBING_BASE_URL'] ?? '').trim() || OWN_SERVER,
    open: (secret, server) => {
      const parsed = secretSchema.safeParse(secret);
      return Promise.resolve(parsed.success ? accessOf(parsed.data.apiKey, server) : null);
    },
    async signIn(ask, server, given): Promise<JsonValue> {
      const apiKey = await keyFor(ask, server, given, env, proxy);
      await check(accessOf(apiKey, server));
      return { apiKey };
    },
  };
}

/** A key that hebing refuses is not kept; one that it can't be asked about is, and its connection says what is the matter. */
async function check(access: HebingAccess): Promise<void> {
  const state = await access.look({ signal: AbortSignal.timeout(15_000) }).catch(() => null);
  if (state?.status === 'needs-sign-in') throw new PilothouseError('key_refused', 'hebing does not accept this key. Was it copied whole, and is it one of this server?', { personMustAct: true });
}

async function keyFor(ask: AskPerson, server: Server, given: Given, env: NodeJS.ProcessEnv, proxy: ProxySource | undefined): Promise<string> {
  const ways = await hebingWays(env);
  const title = `Sign in to hebing on ${hostOf(server.serverUrl)}`;
  const how = ways.find((each) => each.value === given['how'])?.value ?? (typeof given['apiKey'] === 'string' ? 'paste' : await ask.pick<HebingWay | 'server'>(title, [...ways, ANOTHER_SERVER]));
  switch (how) {
    case 'server':
      throw new OtherServer();
    case 'device':
      return device(ask, server, env, proxy);
    case 'paste':
      return (typeof given['apiKey'] === 'string' ? given['apiKey'] : await ask.text({ title, prompt: 'Key of an agent, as CHAOJIYUYAN_API_KEY has it.', hidden: true, check: keyProblem })).trim();
    case 'environment':
      return found(ask, server, env);
    case 'file':
      return found(ask, server, Object.fromEntries(Object.entries(env).filter(([name]) => !KEY_VARIABLES.some((variable) => variable === name))));
  }
}

/** A key that this computer has; the person is asked before it goes to a server that it is not used with here. */
async function found(ask: AskPerson, server: Server, env: NodeJS.ProcessEnv): Promise<string> {
  const { findCredentials } = await loadHebing();
  const { apiKey, baseUrl } = findCredentials({ env, allowPlainHttp: true });
  if (baseUrl !== server.serverUrl) await ask.confirm(`Send this key to ${hostOf(server.serverUrl)}?`, `On this computer it is used with ${hostOf(baseUrl)}. Whoever runs the other server can act, and spend, as you.`, 'Send It There');
  return apiKey;
}

function keyProblem(text: string): string | null {
  const key = text.trim();
  if (key === '') return 'A key is needed.';
  return secretSchema.safeParse({ apiKey: key }).success ? null : 'This holds characters that no key has. Copy it again.';
}

async function device(ask: AskPerson, server: Server, env: NodeJS.ProcessEnv, proxy: ProxySource | undefined): Promise<string> {
  const { deviceLogin } = await loadHebing();
  return ask.elsewhere({
    title: 'Sign in to hebing',
    server: hostOf(server.serverUrl),
    steps: ['Open hebing’s page in a browser, and sign in there.', 'Compare the code there with this one, and approve it if it is the same.'],
    about: 'Approve only a sign-in that you began yourself. This VS Code gets a key of its own, which is kept in its secret storage and can be revoked on hebing’s page.',
    run: async (onCode, signal) => {
      const { apiKey } = await deviceLogin({
        clientName: CLIENT, baseUrl: server.serverUrl, allowPlainHttp: server.allowPlainHttp, env, signal, ...(proxy === undefined ? {} : { proxy }),
        onPrompt: ({ userCode, verificationUri, verificationUriComplete, expiresAt }) => onCode({ link: verificationUriComplete ?? verificationUri, qr: null, expiresAt, typed: { code: userCode, page: verificationUri } }),
      });
      return apiKey;
    },
  });
}
