import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { HebingError } from './errors.ts';
import { hebingAddress, keyOf } from './http.ts';
import { HEBING_URL } from './paths.ts';
import { fileCode, removeParts, replaceFile, targetOf } from '../../transport/safeFile.ts';

/** Variables that may hold the key, the first that is set counts. */
export const KEY_VARIABLES: readonly string[] = ['CHAOJIYUYAN_API_KEY', 'HEBING_API_KEY', 'NEXUS_API_KEY'];

/** What is given, and where the rest is looked for. */
export interface HebingPlaces {
  readonly apiKey?: string | undefined;
  readonly baseUrl?: string | undefined;
  /** The process's own by default; `HOME` in it says where the credentials file is. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly allowPlainHttp?: boolean | undefined;
}

/** A key and where it counts. The key does not show when it is printed, inspected or turned into JSON. */
export class HebingCredentials {
  readonly baseUrl: string;
  /** Where the key is from: `argument`, the name of a variable, or the path of the file. */
  readonly source: string;
  readonly #apiKey: string;

  constructor(apiKey: string, baseUrl: string, source: string) {
    this.#apiKey = keyOf(apiKey);
    this.baseUrl = baseUrl;
    this.source = source;
  }
  get apiKey(): string {
    return this.#apiKey;
  }
  /** The key with all but its kind and its last characters hidden. */
  get masked(): string {
    return maskKey(this.#apiKey);
  }
  toJSON(): JsonObject {
    return { baseUrl: this.baseUrl, source: this.source, key: this.masked };
  }
  [inspect.custom](): string {
    return `HebingCredentials ${JSON.stringify(this.toJSON())}`;
  }
}

/** `nxt_ag_…c3f9`: enough to tell keys apart, and of short ones nothing. */
export function maskKey(key: string): string {
  const kind = /^nxt_[a-z]+_/.exec(key)?.[0] ?? '';
  return `${kind}…${key.length - kind.length >= 12 ? key.slice(-4) : ''}`;
}

/** `~/.chaojiyuyan/credentials`. */
export function credentialsFile(env: NodeJS.ProcessEnv = process.env): string {
  return path.join(homeOf(env), '.chaojiyuyan', 'credentials');
}

/** The person's home folder, as the environment names it. */
export function homeOf(env: NodeJS.ProcessEnv): string {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? '';
  return home === '' ? os.homedir() : home;
}

/**
 * The key: as given, else of `CHAOJIYUYAN_API_KEY`, `HEBING_API_KEY`, `NEXUS_API_KEY`, else of the credentials file. The address: as given, else of `HEBING_BASE_URL`, else of the file,
 * else the default. Throws `credentials_missing`, `credentials_malformed`, `plain_http_refused`, `invalid_argument`.
 */
export function findCredentials(places: HebingPlaces = {}): HebingCredentials {
  const { env = process.env } = places;
  const file = credentialsFile(env);
  const name = KEY_VARIABLES.find((one) => (env[one] ?? '').trim() !== '');
  if (places.apiKey !== undefined) return new HebingCredentials(places.apiKey, findAddress(places), 'argument');
  if (name !== undefined) return new HebingCredentials(env[name] ?? '', findAddress(places), name);
  const kept = readKept(file);
  if (kept === null) {
    throw new HebingError('credentials_missing', `There is no hebing key: ${KEY_VARIABLES[0]} is not set, and ${file} is not there. Sign in with: pilothouse hebing connect`, { personMustAct: true });
  }
  return new HebingCredentials(kept.apiKey, findAddress(places), file);
}

/** The address alone, for who has no key yet. A file that cannot be read counts for nothing here: whoever needs its key is told. */
export function findAddress(places: HebingPlaces = {}): string {
  const { env = process.env } = places;
  const given = [places.baseUrl, env['HEBING_BASE_URL']].find((one) => (one ?? '').trim() !== '') ?? addressKept(credentialsFile(env)) ?? HEBING_URL;
  return hebingAddress(given, places);
}

function addressKept(file: string): string | null {
  try {
    return readKept(file)?.baseUrl ?? null;
  } catch {
    return null;
  }
}

interface Kept {
  readonly apiKey: string;
  readonly baseUrl: string | null;
  readonly all: JsonObject;
}

/** Null where there is no file. Throws `credentials_malformed`, which does not quote it. */
function readKept(file: string): Kept | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = fileCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw malformed(`${file} cannot be read (${code}).`);
  }
  const all = parsed(text);
  const key = isJsonObject(all) ? all['api_key'] : undefined;
  const baseUrl = isJsonObject(all) ? (all['base_url'] ?? null) : null;
  if (!isJsonObject(all) || typeof key !== 'string' || key.trim() === '' || (baseUrl !== null && typeof baseUrl !== 'string')) {
    throw malformed(`${file} is no credentials file of hebing. It was left as it is: mend it or move it away, then sign in again.`);
  }
  return { apiKey: keyOf(key), baseUrl: (baseUrl ?? '').trim() === '' ? null : baseUrl, all };
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')) as JsonValue;
  } catch {
    return null;
  }
}

function malformed(message: string): HebingError {
  return new HebingError('credentials_malformed', message, { personMustAct: true });
}

/**
 * Keeps a key in the credentials file, whole or not at all, mode 600; fields that are not ours stay. The address is kept where it is not the default. Gives the file's path. Rejects with
 * `credentials_malformed` for a file that is there and makes no sense, which stays, and `not_saved`.
 */
export async function saveCredentials(given: { readonly apiKey: string; readonly baseUrl: string }, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const file = credentialsFile(env);
  const apiKey = keyOf(given.apiKey);
  const { base_url: _, ...others } = readKept(file)?.all ?? {};
  const text = JSON.stringify({ ...others, api_key: apiKey, ...(given.baseUrl === HEBING_URL ? {} : { base_url: given.baseUrl }) }, null, 2);
  try {
    await replaceFile(await targetOf(file), `${text}\n`);
  } catch (error) {
    throw new HebingError('not_saved', `The key could not be kept in ${file} (${fileCode(error)}). Is its folder writable?`, { personMustAct: true });
  }
  return file;
}

/** Deletes the credentials file. False where there was none. Rejects with `not_saved`, and `credentials_malformed` for a file that makes no sense, which stays. */
export async function clearCredentials(env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const file = credentialsFile(env);
  const real = await targetOf(file).catch(() => file);
  await removeParts(real);
  if (readKept(file) === null) return false;
  try {
    // Of a link, what it leads to as well: the key is in there.
    await rm(real);
    await rm(file, { force: true });
  } catch (error) {
    throw new HebingError('not_saved', `${file} could not be deleted (${fileCode(error)}).`, { personMustAct: true });
  }
  return true;
}

