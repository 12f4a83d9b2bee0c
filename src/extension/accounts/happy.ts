import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { JsonValue } from '../../core/model/json.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Credentials } from '../../core/systems/happy/index.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import type { AskPerson, PickItem } from './ask.ts';
import { hostOf } from './server.ts';
import type { AccountSystem, Given, OpenAccount, Server } from './system.ts';

/** Happy's own clients begin with it: slopus/happy, packages/happy-agent/src/config.ts. */
const OWN_SERVER = 'https://api.cluster-fluster.com';
const KEY_BYTES = 32;

/** Loaded when an account is opened or added: every start of the extension would wait for the modules that Happy needs. */
const loadHappy = () => import('../../core/systems/happy/index.ts');
type Happy = Awaited<ReturnType<typeof loadHappy>>;

const key = z.base64().refine((text) => Buffer.from(text, 'base64').length === KEY_BYTES);
const secretSchema = z.strictObject({
  /** A header carries printable ASCII only. */
  token: z.string().regex(/^[\x21-\x7e]+$/).max(20_000),
  master: key.nullable(),
  machineKey: key.nullable(),
  knownKeys: z.record(z.string().max(200), key),
});

/** Credentials as they are stored: the server is told by the record. */
export function happySecret(credentials: Credentials): JsonValue {
  const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('base64'));
  const { token, master, machineKey, knownKeys } = credentials;
  return { token, master: text(master), machineKey: text(machineKey), knownKeys: Object.fromEntries([...knownKeys].map(([id, bytes]) => [id, Buffer.from(bytes).toString('base64')])) };
}

/** Credentials as `happySecret` wrote them, for that server; null for anything else. */
export async function readHappySecret(secret: JsonValue, serverUrl: string): Promise<Credentials | null> {
  const parsed = secretSchema.safeParse(secret);
  if (!parsed.success) return null;
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
  const { token, master, machineKey, knownKeys } = parsed.data;
  const happy = await loadHappy();
  return new happy.Credentials({
    serverUrl, token, master: master === null ? null : bytes(master), machineKey: machineKey === null ? null : bytes(machineKey),
    knownKeys: new Map(Object.entries(knownKeys).map(([id, text]) => [id, bytes(text)])), source: { kind: 'explicit', files: [] },
    // One secret that may be either is held as both.
    ambiguous: master !== null && master === machineKey,
  });
}

/** The account that the token names, else a print of its public key; null where there is neither. */
async function identityOf({ accountId, master, machineKey }: Credentials): Promise<string | null> {
  if (accountId !== null) return accountId;
  if (master === null || (machineKey !== null && Buffer.from(master).equals(machineKey))) return null;
  const { signingKeyPair } = await import('../../core/systems/happy/crypto/keys.ts');
  return `key:${createHash('sha256').update(signingKeyPair(master).publicKey).digest('hex').slice(0, 32)}`;
}

type HappyWay = 'link' | 'files' | 'environment' | 'paste';

/** The ways to sign in that there are here, the one that reads most first. Files are looked at only to say what they can read. */
export async function happyWays(server: Server, env: NodeJS.ProcessEnv): Promise<readonly PickItem<HappyWay>[]> {
  const { credentialsFromEnv, credentialsFromHome, happyHomeOf } = await loadHappy();
  const ways: PickItem<HappyWay>[] = [{
    label: 'Link with the Happy app', description: 'a QR code and a link', icon: 'device-mobile', value: 'link',
    detail: 'Confirm it on a device that is signed in. Reads and writes every machine and session of the account.',
  }];
  const home = happyHomeOf(env);
  if (['access.key', 'agent.key'].some((name) => existsSync(path.join(home, name)))) {
    ways.push({ label: 'Use the credentials of this computer', description: home, icon: 'key', detail: reachOf(() => credentialsFromHome({ ...places(server), env })), value: 'files' });
  }
  if ([env['HAPPY_TOKEN'], env['HAPPY_SECRET']].every((text) => (text ?? '').trim() !== '')) {
    ways.push({ label: 'Use the environment', description: 'HAPPY_TOKEN and HAPPY_SECRET', icon: 'terminal', detail: reachOf(() => credentialsFromEnv({ ...places(server), env })), value: 'environment' });
  }
  ways.push({ label: 'Paste a token and a secret', icon: 'clippy', detail: 'The secret is the account’s own, which reads everything, or the key of one machine, which reads that machine.', value: 'paste' });
  return ways;
}

function reachOf(read: () => Credentials): string {
  try {
    return read().describe();
  } catch (error) {
    return error instanceof PilothouseError ? error.message : 'They can’t be read.';
  }
}

const places = ({ serverUrl, allowPlainHttp }: Server): { readonly serverUrl: string; readonly allowPlainHttp: boolean } => ({ serverUrl, allowPlainHttp });

/** Accounts of Happy. `env` is that of this process, but in tests; `proxy` tells the proxies on the way to their servers. */
export function happyAccounts(env: NodeJS.ProcessEnv = process.env, proxy?: ProxySource): AccountSystem {
  return {
    system: 'happy',
    label: 'Happy account…',
    about: 'every machine and session of it, end-to-end encrypted',
    name: 'Happy',
    example: 'https://happy.example.org',
    inClear: 'What is said in sessions stays encrypted. The token that signs you in does not: who reads it on the way can see which machines and sessions there are and when they work, and can stop and delete them.',
    defaultServer: () => (env['HAPPY_SERVER_URL'] ?? '').trim() || OWN_SERVER,
    async open(secret, { serverUrl }): Promise<OpenAccount | null> {
      const credentials = await readHappySecret(secret, serverUrl);
      if (credentials === null) return null;
      const [identity, { happyConnection }] = await Promise.all([identityOf(credentials), loadHappy()]);
      return {
        identity,
        connection: ({ connectionId, name, allowPlainHttp }) => happyConnection({ connectionId, name, serverUrl, credentials, allowPlainHttp, proxy }),
      };
    },
    signIn: async (ask, server, given) => happySecret(await signInToHappy(ask, server, given, env, proxy)),
  };
}

async function signInToHappy(ask: AskPerson, server: Server, given: Given, env: NodeJS.ProcessEnv, proxy: ProxySource | undefined): Promise<Credentials> {
  const [ways, happy] = await Promise.all([happyWays(server, env), loadHappy()]);
  const way = ways.find((each) => each.value === given['how'])?.value ?? (typeof given['token'] === 'string' ? 'paste' : await ask.pick(`Sign in to Happy on ${hostOf(server.serverUrl)}`, ways));
  switch (way) {
    case 'link':
      return link(happy, ask, server, proxy);
    case 'files':
      return happy.credentialsFromHome({ ...places(server), env });
    case 'environment':
      return happy.credentialsFromEnv({ ...places(server), env });
    case 'paste':
      return paste(happy, ask, server, given);
  }
}

async function paste(happy: Happy, ask: AskPerson, server: Server, given: Given): Promise<Credentials> {
  const read = (token: string, secret: string): Credentials => happy.explicitCredentials({ token, secret }, places(server));
  const placeholder = Buffer.alloc(KEY_BYTES).toString('base64');
  const title = `Happy on ${hostOf(server.serverUrl)}`;
  const token = typeof given['token'] === 'string' ? given['token'] : await ask.text({ title: `${title} (1/2)`, prompt: 'Token, as HAPPY_TOKEN or a key file has it.', hidden: true, check: (value) => problem(() => read(value, placeholder)) });
  const secret = typeof given['secret'] === 'string' ? given['secret'] : await ask.text({ title: `${title} (2/2)`, prompt: 'Secret: base64 of 32 bytes, as HAPPY_SECRET or a key file has it.', hidden: true, check: (value) => problem(() => read('x', value)) });
  return read(token, secret);
}

function problem(read: () => Credentials): string | null {
  try {
    read();
    return null;
  } catch (error) {
    return error instanceof PilothouseError ? error.message : 'This can’t be used.';
  }
}

function link(happy: Happy, ask: AskPerson, server: Server, proxy: ProxySource | undefined): Promise<Credentials> {
  return ask.elsewhere({
    title: 'Sign in to Happy',
    server: hostOf(server.serverUrl),
    steps: ['Open the Happy app on a device that is signed in to the account.', 'Choose Settings, Account, Link New Device.', 'Scan this code, or paste the link below it.'],
    about: 'The app gives this computer the account’s own key, encrypted for this code alone. It is kept in the secret storage of VS Code.',
    run: (onCode, signal) => happy.login({ ...places(server), client: 'pilothouse-vscode/0', proxy, onCode, signal }),
  });
}
