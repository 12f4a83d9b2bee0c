import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { JsonValue } from '../../core/model/json.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import { CatsyphonAccess, loadCatsyphon, readCollector } from '../shipping/access.ts';
import type { AskPerson, PickItem } from './ask.ts';
import { hostOf } from './server.ts';
import type { AccountSystem, Given, Server } from './system.ts';

type CatsyphonWay = 'environment' | 'file' | 'paste' | 'register';

const CHECK_MS = 15_000;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The ways to sign in that there are here. Of keys that this computer has, nothing but where they lie is looked at. */
export function catsyphonWays(env: NodeJS.ProcessEnv): readonly PickItem<CatsyphonWay>[] {
  const isSet = (name: string): boolean => (env[name] ?? '').trim() !== '';
  const file = credentialsFile(env);
  return [
    ...(isSet('CATSYPHON_COLLECTOR_ID') && isSet('CATSYPHON_API_KEY') ? [{ label: 'Use the environment', description: 'CATSYPHON_COLLECTOR_ID', icon: 'terminal', detail: 'Copies the key into the secret storage of this VS Code.', value: 'environment' as const }] : []),
    ...(existsSync(file) ? [{ label: 'Use the credentials of this computer', description: file, icon: 'file', detail: 'Copies the key into the secret storage of this VS Code. The file stays as it is.', value: 'file' as const }] : []),
    { label: 'Paste a collector and its key', description: 'cs_live_…', icon: 'clippy', value: 'paste' },
    { label: 'Register a new collector', description: 'in a workspace of that server', icon: 'add', detail: 'Makes one, with a key of its own. No collector can be removed from here again.', value: 'register' },
  ];
}

function credentialsFile(env: NodeJS.ProcessEnv): string {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? '';
  return path.join(home === '' ? os.homedir() : home, '.catsyphon', 'credentials.json');
}

/** Collectors of CatSyphon. `env` is that of this process, but in tests; `proxy` tells the proxies on the way to their servers. */
export function catsyphonAccounts(env: NodeJS.ProcessEnv = process.env, proxy?: ProxySource): AccountSystem {
  const known = new Map<string, CatsyphonAccess>();
  /** One for each key and server, however often its record is read: who ships with it goes on. */
  const accessOf = (secret: NonNullable<ReturnType<typeof readCollector>>, server: Server): CatsyphonAccess => {
    const print = createHash('sha256').update(JSON.stringify([secret.collectorId, secret.apiKey, secret.workspaceId, server.serverUrl, server.allowPlainHttp])).digest('hex');
    const access = known.get(print) ?? new CatsyphonAccess(secret, server, proxy);
    known.set(print, access);
    return access;
  };
  return {
    system: 'catsyphon',
    label: 'CatSyphon…',
    about: 'a place that sessions can be shipped to; none is before you say so',
    name: 'CatSyphon',
    example: 'https://catsyphon.example.org/api',
    inClear: 'The key, and all that is said in the sessions that you ship, can be read by anybody on the way.',
    defaultServer: () => (env['CATSYPHON_URL'] ?? '').trim() || 'http://localhost:8000',
    open: (secret, server) => {
      const read = readCollector(secret);
      return Promise.resolve(read === null ? null : accessOf(read, server));
    },
    async signIn(ask, server, given): Promise<JsonValue> {
      const secret = await collectorFor(ask, server, given, env, proxy);
      const read = readCollector(secret);
      if (read === null) throw new PilothouseError('secret_malformed', 'This holds characters that no collector’s id or key has. Copy it again.', { personMustAct: true });
      const state = await accessOf(read, server).look({ signal: AbortSignal.timeout(CHECK_MS) }).catch(() => null);
      // One that it can't be asked about is kept, and its connection says what is the matter.
      if (state?.status === 'needs-sign-in') throw new PilothouseError('key_refused', 'This CatSyphon does not accept that collector and key. Were they copied whole, and are they of this server?', { personMustAct: true });
      return secret;
    },
    /** What the person agreed to is shipped to a workspace: it is to be the same, or, where none was told, the same collector. No server tells it. */
    renewed(secret, before, identity) {
      const read = readCollector(secret);
      if (read === null) return secret;
      const told = read.workspaceId === null && before instanceof CatsyphonAccess && before.collectorId === read.collectorId ? { ...read, workspaceId: before.workspaceId } : read;
      if (identity !== null && identity !== (told.workspaceId ?? told.collectorId) && identity !== told.collectorId) throw otherWorkspace(told.workspaceId, identity);
      return told;
    },
  };
}

function otherWorkspace(workspaceId: string | null, identity: string): PilothouseError {
  const what = workspaceId === null ? 'It was not said which workspace this collector belongs to' : 'This collector belongs to another workspace or collector than that of this connection';
  const again = workspaceId === null ? ` Sign in with the collector that was used here or, where ${identity} is the id of its workspace, say that. ` : ' ';
  return new PilothouseError('other_account', `${what}, and sessions that are set to be shipped would go there unasked.${again}To ship to another workspace, use Add Connection… and turn shipping on there.`, { personMustAct: true });
}

/** A collector and its key, as they are stored. */
async function collectorFor(ask: AskPerson, server: Server, given: Given, env: NodeJS.ProcessEnv, proxy: ProxySource | undefined): Promise<JsonValue> {
  const ways = catsyphonWays(env);
  const title = `Sign in to CatSyphon on ${hostOf(server.serverUrl)}`;
  const how = typeof given['apiKey'] === 'string' ? 'paste' : (ways.find(({ value }) => value === given['how'])?.value ?? (await ask.pick(title, ways)));
  switch (how) {
    case 'environment': return environment(ask, server, env);
    case 'file': return filed(ask, server, env);
    case 'paste': return pasted(ask, title, given);
    case 'register': return registered(ask, server, given, proxy);
  }
}

/** The collector of the environment; the person is asked before its key goes to a server that it is not used with here. */
async function environment(ask: AskPerson, server: Server, env: NodeJS.ProcessEnv): Promise<JsonValue> {
  const used = (env['CATSYPHON_URL'] ?? '').trim().replace(/\/+$/, '');
  if (used !== '' && used !== server.serverUrl) await ask.confirm(`Send this key to ${hostOf(server.serverUrl)}?`, `On this computer it is used with ${hostOf(used)}. Whoever runs the other server can ship as you.`, 'Send It There');
  return { collectorId: (env['CATSYPHON_COLLECTOR_ID'] ?? '').trim(), apiKey: (env['CATSYPHON_API_KEY'] ?? '').trim(), workspaceId: (env['CATSYPHON_WORKSPACE_ID'] ?? '').trim() || null };
}

/** A collector that the SDK's file has for exactly this address: its key goes nowhere else. */
async function filed(ask: AskPerson, server: Server, env: NodeJS.ProcessEnv): Promise<JsonValue> {
  const { CredentialStore } = await loadCatsyphon();
  const all = await new CredentialStore(undefined, env).listProfiles();
  const fitting = all.filter(({ serverUrl }) => serverUrl.trim().replace(/\/+$/, '') === server.serverUrl);
  const [only, ...more] = fitting;
  if (only === undefined) {
    const others = [...new Set(all.map(({ serverUrl }) => hostOf(serverUrl)))].slice(0, 5);
    throw new PilothouseError('credentials_missing', `The credentials file has no collector for ${server.serverUrl}.${others.length === 0 ? '' : ` It has some for ${others.join(', ')}.`}`, { personMustAct: true });
  }
  const { collectorId, apiKey, workspaceId } = more.length === 0 ? only : await ask.pick('Which collector?', fitting.map((one) => ({ label: one.profile, description: `workspace ${one.workspaceId}`, detail: `${one.apiKeyPrefix}…`, value: one })));
  return { collectorId, apiKey, workspaceId };
}

async function pasted(ask: AskPerson, title: string, given: Given): Promise<JsonValue> {
  const { collectorId, apiKey, workspaceId } = given;
  const id = typeof collectorId === 'string' ? collectorId : await ask.text({ title: `${title} (1/3)`, prompt: 'Id of the collector.', check: uuid('A collector’s id') });
  const key = typeof apiKey === 'string' ? apiKey : await ask.text({ title: `${title} (2/3)`, prompt: 'Its key, as it was told when it was registered.', hidden: true, check: (text) => (text.trim() === '' ? 'A key is needed.' : null) });
  const asked = typeof apiKey === 'string' || typeof workspaceId === 'string' ? workspaceId : await ask.text({
    title: `${title} (3/3)`, prompt: 'Id of the workspace that it belongs to. Left empty, no other collector can take its place in this connection later.', check: (text) => (text.trim() === '' ? null : uuid('A workspace’s id')(text)),
  });
  return { collectorId: id.trim(), apiKey: key.trim(), workspaceId: typeof asked === 'string' && asked.trim() !== '' ? asked.trim() : null };
}

/** Registers once: each time makes another collector, which nobody can take back. */
async function registered(ask: AskPerson, server: Server, given: Given, proxy: ProxySource | undefined): Promise<JsonValue> {
  const workspaceId = (typeof given['workspaceId'] === 'string' ? given['workspaceId'] : await ask.text({ title: `Register with CatSyphon on ${hostOf(server.serverUrl)}`, prompt: 'Id of the workspace that sessions are to be shipped to.', check: uuid('A workspace’s id') })).trim();
  await ask.confirm(`Register this VS Code with ${hostOf(server.serverUrl)}?`, `It makes a collector in the workspace ${workspaceId} and tells it the name of this computer (${os.hostname()}). Each registration makes another one, which cannot be removed from here. Nothing is shipped by it.`, 'Register');
  const { newCollector } = await loadCatsyphon();
  const { collectorId, apiKey } = await newCollector({
    serverUrl: server.serverUrl, allowPlainHttp: server.allowPlainHttp, workspaceId, collectorType: 'pilothouse', signal: AbortSignal.timeout(CHECK_MS * 2), ...(proxy === undefined ? {} : { proxy }),
  });
  return { collectorId, apiKey, workspaceId };
}

function uuid(what: string): (text: string) => string | null {
  return (text) => (UUID.test(text.trim()) ? null : `${what} reads like 123e4567-e89b-12d3-a456-426614174000.`);
}
