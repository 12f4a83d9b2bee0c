import { mkdir, readFile, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { fileCode, replaceFile, targetOf } from '../../transport/safeFile.ts';
import { CredentialError, invalid } from './errors.ts';
import { withFileLock } from './fileLock.ts';
import { catsyphonAddress } from './http.ts';

interface ProfileOptions {
  /** `default` by default. */
  readonly profile?: string | undefined;
}
interface GivenCredentials extends ProfileOptions {
  readonly serverUrl: string;
  readonly workspaceId: string;
  readonly collectorId: string;
  readonly apiKey: string;
  readonly apiKeyPrefix?: string | undefined;
  /** ISO 8601; now by default. */
  readonly createdAt?: string | undefined;
}

/** A collector that the file has. The key does not show when it is printed, inspected or turned into JSON. */
export class StoredCredentials {
  readonly serverUrl: string;
  readonly workspaceId: string;
  readonly collectorId: string;
  readonly apiKeyPrefix: string;
  readonly profile: string;
  readonly createdAt: string | null;
  readonly #apiKey: string;

  constructor(given: { readonly [Field in 'serverUrl' | 'workspaceId' | 'collectorId' | 'apiKey' | 'apiKeyPrefix' | 'profile']: string } & { readonly createdAt: string | null }) {
    this.serverUrl = given.serverUrl;
    this.workspaceId = given.workspaceId;
    this.collectorId = given.collectorId;
    this.apiKeyPrefix = given.apiKeyPrefix;
    this.profile = given.profile;
    this.createdAt = given.createdAt;
    this.#apiKey = given.apiKey;
  }
  get apiKey(): string {
    return this.#apiKey;
  }
  toJSON(): JsonObject {
    const { serverUrl, workspaceId, collectorId, apiKeyPrefix, profile, createdAt } = this;
    return { serverUrl, workspaceId, collectorId, apiKeyPrefix, profile, createdAt };
  }
  [inspect.custom](): string {
    return `StoredCredentials ${JSON.stringify(this.toJSON())}`;
  }
}

/** Milliseconds that another program may have the file. */
const BUSY_MS = 10_000;

/**
 * The file of the Python SDK, `~/.catsyphon/credentials.json`: one object, keys `profile:host[:port]:workspace`. It is written whole or not at all, mode 600, by one program at a time; what is not
 * ours in it stays. A file that others can read, and one that makes no sense, is refused and left as it is (`credentials_exposed`, `credentials_malformed`).
 */
export class CredentialStore {
  readonly path: string;

  constructor(file?: string, env: NodeJS.ProcessEnv = process.env) {
    const home = env['HOME'] ?? env['USERPROFILE'] ?? '';
    this.path = file ?? path.join(home === '' ? os.homedir() : home, '.catsyphon', 'credentials.json');
  }

  /** What the file has, in its order; entries that are no credentials are passed over. */
  async listProfiles(): Promise<StoredCredentials[]> {
    return Object.values(await this.#read()).map(entryOf).filter((one) => one !== null);
  }

  /** Null where there is none. Rejects with `server_mismatch` where the entry was kept for another address: scheme and path are not in its key. */
  async get(serverUrl: string, workspaceId: string, { profile }: ProfileOptions = {}): Promise<StoredCredentials | null> {
    const address = catsyphonAddress(serverUrl, { allowPlainHttp: true });
    const key = keyOf(address, workspaceId, profile);
    const all = await this.#read();
    if (!Object.hasOwn(all, key)) return null;
    const found = entryOf(all[key] ?? null);
    if (found === null) throw new CredentialError('credentials_malformed', `The entry ${key} of ${this.path} is no collector. It was left as it is: mend it, or register with another profile.`);
    if (addressIn(found) !== address) throw mismatch(this.path, found, address);
    return found;
  }

  /** Keeps a collector in place of the one of that server, workspace and profile. Rejects with `profile_taken` where that one is another address's, `not_saved`, `credentials_busy`. */
  async store(given: GivenCredentials): Promise<StoredCredentials> {
    const { workspaceId, collectorId, apiKey, profile = 'default', createdAt = new Date().toISOString() } = given;
    const serverUrl = catsyphonAddress(given.serverUrl, { allowPlainHttp: true });
    const key = keyOf(serverUrl, workspaceId, profile);
    for (const [name, value] of Object.entries({ collectorId, apiKey })) if (typeof value !== 'string' || value.trim() === '') throw invalid(`${name} is empty.`);
    const entry = { serverUrl, workspaceId, collectorId, apiKey, apiKeyPrefix: given.apiKeyPrefix ?? apiKey.slice(0, 12), profile, createdAt };
    await this.#change((all) => {
      this.#free(all, key, serverUrl);
      const before = all[key];
      return { ...all, [key]: { ...(isJsonObject(before) ? before : {}), ...wireOf(entry) } };
    });
    return new StoredCredentials(entry);
  }

  /** False where there was none. The other entries stay. */
  async delete(serverUrl: string, workspaceId: string, { profile }: ProfileOptions = {}): Promise<boolean> {
    if ((await this.get(serverUrl, workspaceId, { profile })) === null) return false;
    const key = keyOf(catsyphonAddress(serverUrl, { allowPlainHttp: true }), workspaceId, profile);
    await this.#change((all) => Object.fromEntries(Object.entries(all).filter(([one]) => one !== key)));
    return true;
  }

  /** Rejects as `store` would, before there is a key that could be lost: it writes the file as it is. */
  async ready(serverUrl: string, workspaceId: string, { profile }: ProfileOptions = {}): Promise<void> {
    const address = catsyphonAddress(serverUrl, { allowPlainHttp: true });
    const key = keyOf(address, workspaceId, profile);
    await this.#change((all) => {
      this.#free(all, key, address);
      return all;
    });
  }

  #free(all: JsonObject, key: string, serverUrl: string): void {
    const kept = Object.hasOwn(all, key) ? entryOf(all[key] ?? null) : null;
    if (kept === null || addressIn(kept) === serverUrl) return;
    throw new CredentialError('profile_taken', `${this.path} has the key of ${kept.serverUrl} under this profile, and one place for both. Give another profile.`);
  }

  async #change(change: (all: JsonObject) => JsonObject): Promise<void> {
    try {
      await mkdir(path.dirname(this.path), { recursive: true, mode: 0o700 });
      const target = await targetOf(this.path);
      const busy = (): Error => new CredentialError('credentials_busy', `Another program is at ${this.path}. Try again in a moment.`, { personMustAct: false });
      await withFileLock(target, async () => {
        const before = await this.#read();
        await replaceFile(target, `${JSON.stringify(change(before), null, 2)}\n`);
      }, { mostMs: BUSY_MS, busy });
    } catch (error) {
      if (fileCode(error) === '' || error instanceof CredentialError) throw error;
      throw new CredentialError('not_saved', `${this.path} could not be written (${fileCode(error)}). Is its folder writable?`, { cause: error });
    }
  }

  async #read(): Promise<JsonObject> {
    let text: string;
    try {
      const { mode } = await stat(this.path);
      if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
        throw new CredentialError('credentials_exposed', `Others on this computer can read ${this.path}. It was not used: chmod 600 ${this.path}, and register again if it was open for long.`);
      }
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if (error instanceof CredentialError) throw error;
      if (fileCode(error) === 'ENOENT' || fileCode(error) === 'ENOTDIR') return {};
      throw new CredentialError('credentials_malformed', `${this.path} cannot be read (${fileCode(error)}).`);
    }
    const all = parsed(text);
    if (!isJsonObject(all)) throw new CredentialError('credentials_malformed', `${this.path} is no credentials file of CatSyphon. It was left as it is: mend it or move it away.`);
    return all;
  }
}

/** Null where it makes no sense; the text is never quoted. */
function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')) as JsonValue;
  } catch {
    return null;
  }
}

/** The SDK's key: neither scheme nor path is in it. */
function keyOf(address: string, workspaceId: string, profile = 'default'): string {
  for (const [name, value] of Object.entries({ workspaceId, profile })) if (typeof value !== 'string' || value.trim() === '') throw invalid(`${name} is empty.`);
  return `${profile}:${new URL(address).host}:${workspaceId}`;
}

function entryOf(value: JsonValue): StoredCredentials | null {
  if (!isJsonObject(value)) return null;
  const { server_url: serverUrl, workspace_id: workspaceId, collector_id: collectorId, api_key: apiKey, api_key_prefix: prefix, profile, created_at: createdAt } = value;
  if (typeof serverUrl !== 'string' || typeof workspaceId !== 'string' || typeof collectorId !== 'string' || typeof apiKey !== 'string' || apiKey === '') return null;
  return new StoredCredentials({
    serverUrl, workspaceId, collectorId, apiKey, apiKeyPrefix: typeof prefix === 'string' ? prefix : apiKey.slice(0, 12), profile: typeof profile === 'string' ? profile : 'default', createdAt: typeof createdAt === 'string' ? createdAt : null,
  });
}

function wireOf(entry: { readonly serverUrl: string; readonly workspaceId: string; readonly collectorId: string; readonly apiKey: string; readonly apiKeyPrefix: string; readonly profile: string; readonly createdAt: string }): JsonObject {
  return {
    server_url: entry.serverUrl, workspace_id: entry.workspaceId, collector_id: entry.collectorId, api_key: entry.apiKey, api_key_prefix: entry.apiKeyPrefix, profile: entry.profile, created_at: entry.createdAt,
  };
}

/** The address of an entry as ours are written; null for one that is none. */
function addressIn({ serverUrl }: StoredCredentials): string | null {
  try {
    return catsyphonAddress(serverUrl, { allowPlainHttp: true });
  } catch {
    return null;
  }
}

function mismatch(file: string, found: StoredCredentials, address: string): CredentialError {
  return new CredentialError('server_mismatch', `${file} has this collector for ${found.serverUrl}, not for ${address}. Its key was not sent: give the address that it was registered at, or register again.`);
}
