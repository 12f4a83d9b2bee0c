import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { isJsonObject } from '../../model/json.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { serverAddress } from '../../transport/http.ts';
import { fromBase64, fromBase64Url, toBase64 } from './crypto/base64.ts';
import { AuthenticationError, happyError } from './errors.ts';

/** Where credentials came from; the file's path where it was one. */
export interface CredentialSource {
  readonly kind: 'explicit' | 'environment' | 'file' | 'link';
  readonly files: readonly string[];
}

export interface CredentialParts {
  readonly serverUrl: string;
  readonly token: string;
  readonly master: Uint8Array | null;
  readonly machineKey: Uint8Array | null;
  readonly knownKeys: ReadonlyMap<string, Uint8Array>;
  readonly source: CredentialSource;
  /** True where one secret was given that may be either: it is tried as the master first, then as a data key. */
  readonly ambiguous?: boolean;
  /** What was left out, and why. */
  readonly remarks?: readonly string[];
}

/** The keys to one Happy account on one server. Nothing of them shows when it is printed, inspected or turned into JSON. */
export class Credentials {
  readonly serverUrl: string;
  readonly source: CredentialSource;
  readonly remarks: readonly string[];
  readonly #parts: CredentialParts;

  constructor(parts: CredentialParts) {
    this.serverUrl = parts.serverUrl;
    this.source = parts.source;
    this.remarks = parts.remarks ?? [];
    this.#parts = parts;
  }

  get token(): string {
    return this.#parts.token;
  }
  /** 32 bytes that read everything of the account, or null. */
  get master(): Uint8Array | null {
    return this.#parts.master;
  }
  /** 32 bytes: the data key of one machine (`access.key` V2), or null. */
  get machineKey(): Uint8Array | null {
    return this.#parts.machineKey;
  }
  /** Data keys of single sessions, by id. */
  get knownKeys(): ReadonlyMap<string, Uint8Array> {
    return this.#parts.knownKeys;
  }
  /** Base64 of the master, else of the machine's key: what `new HappyClient({secret})` takes. */
  get secret(): string {
    return toBase64(this.#parts.master ?? this.#parts.machineKey ?? new Uint8Array());
  }
  /** The account's id as the token names it; null where the token is none that can be read. For telling accounts apart, never for trust. */
  get accountId(): string | null {
    return accountOf(this.#parts.token);
  }

  /** One or two sentences for the person: what these keys can read, and what not. */
  describe(): string {
    const { master, machineKey, knownKeys, ambiguous } = this.#parts;
    const some = knownKeys.size === 0 ? '' : ` and ${knownKeys.size === 1 ? 'one session' : `${knownKeys.size} sessions`} of it`;
    const reach =
      ambiguous === true ? 'This secret is tried as the account\'s own, which reads everything, and as a machine\'s key, which reads that machine only.'
      : master !== null ? 'Reads and writes every machine and session of the account.'
      : machineKey !== null ? `Reads the machine it came from${some} only: an access.key of this kind does not hold the account's secret. Sign in by link to read the rest.`
      : knownKeys.size > 0 ? `Reads ${knownKeys.size === 1 ? 'one session' : `${knownKeys.size} sessions`} only. Sign in by link to read the rest.`
      : 'Reads no content: there is no key beside the token.';
    return [reach, ...this.remarks].join(' ');
  }

  toJSON(): JsonObject {
    return { serverUrl: this.serverUrl, source: this.source.kind };
  }

  /** What util.inspect prints: it would call the getters where it is asked to. */
  [inspect.custom](): string {
    return `Credentials { serverUrl: ${JSON.stringify(this.serverUrl)}, source: '${this.source.kind}' }`;
  }
}

/** What the search for credentials looks at. */
export interface CredentialPlaces {
  readonly env?: NodeJS.ProcessEnv;
  /** `HAPPY_HOME_DIR`, else `~/.happy`. */
  readonly happyHome?: string;
  readonly serverUrl?: string | undefined;
  readonly allowPlainHttp?: boolean;
}

/** Happy's own folder: `HAPPY_HOME_DIR` (a leading `~` is the home folder), else `~/.happy`. */
export function happyHomeOf(env: NodeJS.ProcessEnv): string {
  const own = env['HAPPY_HOME_DIR'];
  return own === undefined || own === '' ? path.join(os.homedir(), '.happy') : own.replace(/^~(?=$|[\\/])/, os.homedir());
}

/** Token and secret as given, for the given server, else `HAPPY_SERVER_URL`. Throws `credentials_missing`, `credentials_malformed`, or what a bad server address brings. */
export function explicitCredentials(given: { readonly token: string; readonly secret: string }, places: CredentialPlaces = {}, source: CredentialSource = { kind: 'explicit', files: [] }): Credentials {
  const secret = keyOf(given.secret);
  if (secret === null) throw new AuthenticationError('credentials_malformed', 'The Happy secret is not base64 of 32 bytes. Copy it again.');
  return new Credentials({ serverUrl: serverOf(places), token: tokenOf(given.token), master: secret, machineKey: secret, knownKeys: new Map(), source, ambiguous: true });
}

/** `HAPPY_TOKEN`, `HAPPY_SECRET` and `HAPPY_SERVER_URL` (which `serverUrl` replaces). A missing one is `credentials_missing` and named. */
export function credentialsFromEnv(places: CredentialPlaces = {}): Credentials {
  const env = places.env ?? process.env;
  const missing = ['HAPPY_TOKEN', 'HAPPY_SECRET', ...(places.serverUrl === undefined ? ['HAPPY_SERVER_URL'] : [])].filter((name) => (env[name] ?? '').trim() === '');
  if (missing.length > 0) throw new AuthenticationError('credentials_missing', `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not set in the environment.`);
  return explicitCredentials({ token: env['HAPPY_TOKEN'] ?? '', secret: env['HAPPY_SECRET'] ?? '' }, places, { kind: 'environment', files: [] });
}

/** One key file: `access.key` of either kind (with the session keys of the `sessions.json` beside it), or `agent.key`. */
export function credentialsFromFile(file: string, places: CredentialPlaces = {}): Credentials {
  const found = readKeyFile(file.replace(/^~(?=$|[\\/])/, os.homedir()));
  if (found === null) throw new AuthenticationError('credentials_missing', `There is no key file ${file}. Sign in by link, or run: happy auth login`);
  return joined([found], places);
}

/** The address of Happy's own server, which its clients begin with: slopus/happy, packages/happy-agent/src/config.ts. */
export const HAPPY_SERVER = 'https://api.cluster-fluster.com';

/** `access.key` and `agent.key` of Happy's folder together: the second reads what the first can't. Throws `credentials_missing` where there is neither. */
export function credentialsFromHome(places: CredentialPlaces = {}): Credentials {
  const home = places.happyHome ?? happyHomeOf(places.env ?? process.env);
  const remarks: string[] = [];
  const found: KeyFile[] = [];
  for (const name of ['access.key', 'agent.key']) {
    try {
      const one = readKeyFile(path.join(home, name));
      if (one !== null) found.push(one);
    } catch (error) {
      if (!(error instanceof AuthenticationError)) throw error;
      remarks.push(error.message);
    }
  }
  if (found.length === 0) {
    throw new AuthenticationError(remarks.length === 0 ? 'credentials_missing' : 'credentials_malformed', remarks.length === 0 ? `There is no access.key and no agent.key in ${home}. Sign in by link, or run: happy auth login` : remarks.join(' '));
  }
  return joined(found, { ...places, happyHome: home }, remarks);
}

interface KeyFile {
  readonly file: string;
  readonly token: string;
  readonly master: Uint8Array | null;
  readonly machineKey: Uint8Array | null;
  readonly knownKeys: ReadonlyMap<string, Uint8Array>;
  /** The server that the token is for, where the file says it (ours does, Happy's own does not). */
  readonly serverUrl: string | null;
}

/** Null where there is no such file. Throws `credentials_malformed` for one that is no key file; its content is not quoted. */
function readKeyFile(file: string): KeyFile | null {
  const value = readJson(file);
  if (value === undefined) return null;
  if (!isJsonObject(value) || typeof value['token'] !== 'string' || value['token'] === '') throw malformed(file);
  const encryption = value['encryption'];
  const master = typeof value['secret'] === 'string' ? keyOf(value['secret']) : null;
  const machineKey = isJsonObject(encryption) && typeof encryption['machineKey'] === 'string' ? keyOf(encryption['machineKey']) : null;
  if (master === null && machineKey === null) throw malformed(file);
  const serverUrl = typeof value['serverUrl'] === 'string' ? value['serverUrl'] : null;
  return { file, token: tokenOf(value['token']), master, machineKey, knownKeys: sessionKeys(path.join(path.dirname(file), 'sessions.json')), serverUrl };
}

/** The data keys that the CLI of this machine keeps in clear beside its key, `{sessions: {id: {encryptionKey, encryptionVariant}}}`; none where the file is missing or broken. */
function sessionKeys(file: string): ReadonlyMap<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>();
  let value: JsonValue | undefined;
  try {
    value = readJson(file);
  } catch (error) {
    if (!(error instanceof AuthenticationError)) throw error;
  }
  const sessions = isJsonObject(value) ? value['sessions'] : undefined;
  for (const [id, entry] of Object.entries(isJsonObject(sessions) ? sessions : {})) {
    const key = isJsonObject(entry) && typeof entry['encryptionKey'] === 'string' ? keyOf(entry['encryptionKey']) : null;
    if (key !== null) keys.set(id, key);
  }
  return keys;
}

/** The keys of one account on one server, of all these files. The first file that can be used says which; what belongs elsewhere is left out and said. */
function joined(found: readonly KeyFile[], places: CredentialPlaces, remarks: readonly string[] = []): Credentials {
  const usable: { readonly one: KeyFile; readonly serverUrl: string }[] = [];
  const refused: Error[] = [];
  for (const one of found) {
    try {
      usable.push({ one, serverUrl: serverOfFile(one, { ...places, happyHome: places.happyHome ?? path.dirname(one.file) }) });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      refused.push(error);
    }
  }
  const [first] = usable;
  if (first === undefined) throw refused[0] ?? new AuthenticationError('credentials_missing', 'There is no Happy key file.');
  const account = accountOf(first.one.token);
  const left: string[] = refused.map((error) => error.message);
  const same: KeyFile[] = [];
  for (const { one, serverUrl } of usable) {
    const theirs = accountOf(one.token);
    if (account !== null && theirs !== null && theirs !== account) left.push(`${one.file} belongs to another account and was left out.`);
    else if (serverUrl !== first.serverUrl) left.push(`${one.file} is for the server ${serverUrl}, not for ${first.serverUrl}, and was left out.`);
    else same.push(one);
  }
  return new Credentials({
    serverUrl: first.serverUrl, token: first.one.token,
    master: same.find((one) => one.master !== null)?.master ?? null, machineKey: same.find((one) => one.machineKey !== null)?.machineKey ?? null,
    knownKeys: new Map(same.flatMap((one) => Array.from(one.knownKeys))),
    source: { kind: 'file', files: same.map((one) => one.file) },
    remarks: [...remarks, ...left],
  });
}

/**
 * The server that a key file is for. One that the file names binds its token: another that is given is refused (`credentials_malformed`), and the environment does not count. For a
 * file that names none it is the given one, else `HAPPY_SERVER_URL`, else `serverUrl` of Happy's own settings.json. Never a guess: the token would go there.
 */
function serverOfFile({ file, serverUrl: own }: KeyFile, places: CredentialPlaces): string {
  const given = (places.serverUrl ?? '').trim();
  if (own === null || own.trim() === '') return addressOf(given !== '' ? given : (serverOfEnv(places) ?? serverOfSettings(places.happyHome ?? happyHomeOf(places.env ?? process.env))), places);
  const bound = addressOf(own, places);
  if (given !== '' && addressOf(given, places) !== bound) {
    throw new AuthenticationError('credentials_malformed', `${file} is for the Happy server ${bound}, not for ${addressOf(given, places)}: its token is not sent there. Give the other server, or sign in to this one.`);
  }
  return bound;
}

/** The given address, else `HAPPY_SERVER_URL`. */
function serverOf(places: CredentialPlaces): string {
  const given = (places.serverUrl ?? '').trim();
  return addressOf(given === '' ? serverOfEnv(places) : given, places);
}

function serverOfEnv({ env = process.env }: CredentialPlaces): string | null {
  return (env['HAPPY_SERVER_URL'] ?? '').trim() || null;
}

function addressOf(text: string | null, { allowPlainHttp = false }: CredentialPlaces): string {
  if (text === null) throw new AuthenticationError('credentials_missing', 'No Happy server is known. Give serverUrl or set HAPPY_SERVER_URL.');
  try {
    return serverAddress(text.trim(), { allowPlainHttp });
  } catch (error) {
    throw happyError(error);
  }
}

function serverOfSettings(home: string): string | null {
  try {
    const settings = readJson(path.join(home, 'settings.json'));
    const url = isJsonObject(settings) ? settings['serverUrl'] : undefined;
    return typeof url === 'string' && url.trim() !== '' ? url : null;
  } catch {
    return null;
  }
}

/** Undefined where the file is missing. */
function readJson(file: string): JsonValue | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new AuthenticationError('credentials_malformed', `${file} cannot be read (${String(code)}).`);
  }
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw malformed(file);
  }
}

function malformed(file: string): AuthenticationError {
  return new AuthenticationError('credentials_malformed', `${file} is no key file of Happy. Sign in by link, or run: happy auth login`);
}

function tokenOf(text: string): string {
  const token = text.trim();
  if (token === '') throw new AuthenticationError('credentials_missing', 'The Happy token is empty.');
  // A header carries printable ASCII only; anything else would fail later, with a message that quotes it.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new AuthenticationError('credentials_malformed', 'The Happy token holds characters that no token has. Copy it again.');
  return token;
}

/** 32 bytes of standard base64, with or without padding, or of base64url; null for anything else. */
function keyOf(text: string): Uint8Array | null {
  const bare = text.trim().replace(/=+$/, '');
  const bytes = fromBase64(bare.padEnd(Math.ceil(bare.length / 4) * 4, '=')) ?? fromBase64Url(bare);
  return bytes?.length === 32 ? bytes : null;
}

function accountOf(token: string): string | null {
  const payload = fromBase64Url(token.split('.')[1] ?? '');
  if (payload === null || payload.length === 0) return null;
  try {
    const claims = JSON.parse(new TextDecoder().decode(payload)) as JsonValue;
    const user = isJsonObject(claims) ? (claims['user'] ?? claims['sub']) : null;
    return typeof user === 'string' ? user : null;
  } catch {
    return null;
  }
}
