import { createHash, randomUUID } from 'node:crypto';
import type { ConnectionSpec } from '../../core/fleet/connection.ts';
import type { Disposable } from '../../core/model/backend.ts';
import type { Logger } from '../../core/model/context.ts';
import { describeError, PilothouseError } from '../../core/model/errors.ts';
import type { JsonValue } from '../../core/model/json.ts';
import { Emitter } from '../../core/transport/emitter.ts';
import { WatchedFolder } from '../watchedFolder.ts';
import type { Secrets } from './ask.ts';
import type { AccountRecord } from './record.ts';
import { readRecord, writeRecord } from './record.ts';
import type { Absence } from './signedOut.ts';
import { signedOutConnection } from './signedOut.ts';
import type { AccountSystem, OpenAccount, Server } from './system.ts';

const PREFIX = 'pilothouse.connection.';
/** For how long a secret that another window stores may be on its way to this one. */
const ON_ITS_WAY_MS = 2_000;

interface AccountsOptions {
  /** Where the records are, a file a connection; every window watches it. */
  readonly folder: string;
  readonly secrets: Secrets;
  readonly systems: readonly AccountSystem[];
  readonly log: Logger;
  readonly now?: () => number;
}

/** An account as it is added. */
interface NewAccount extends Server {
  readonly system: AccountSystem;
  /** Absent: the system's own, with a number where that is taken. */
  readonly name?: string;
  readonly secret: JsonValue;
}

type Standing = OpenAccount | Absence;

/**
 * The remote connections of this person: records in global storage, which all windows see change, and a secret each in SecretStorage. A connection whose secret is
 * not there stays, with its sessions, and needs a sign-in.
 */
export class Accounts implements Disposable {
  /** Systems whose accounts can be added, in the order in which they are offered. */
  readonly systems: readonly AccountSystem[];
  private readonly options: AccountsOptions;
  private readonly folder: WatchedFolder;
  private readonly changed: Emitter<void>;
  private readonly watching: Disposable;
  private standings: ReadonlyMap<string, Standing> = new Map();
  /** Secrets that SecretStorage did not take: they last as long as this window. */
  private readonly held = new Map<string, JsonValue>();
  private reading: Promise<void> = Promise.resolve();
  private disposed = false;

  constructor(options: AccountsOptions) {
    this.options = options;
    this.systems = options.systems;
    this.changed = new Emitter((error) => options.log.error('a listener of the accounts failed', { error: describeError(error) }));
    this.folder = new WatchedFolder({ folder: options.folder, what: 'connections', code: 'not_saved', log: options.log, changed: () => void this.load() });
    this.watching = options.secrets.onDidChange(({ key }) => {
      if (key.startsWith(PREFIX)) void this.load();
    });
  }

  /** Told whenever this window or another one changed an account or its secret. */
  onChange(listener: () => void): Disposable {
    return this.changed.on(listener);
  }

  records(): readonly AccountRecord[] {
    return [...this.folder.entries()].flatMap(([name, text]) => {
      const record = readRecord(text);
      return record !== null && record.connectionId === name && this.systemOf(record) !== null ? [record] : [];
    }).sort((a, b) => a.createdAt - b.createdAt || (a.connectionId < b.connectionId ? -1 : 1));
  }

  record(connectionId: string): AccountRecord | null {
    return this.records().find((record) => record.connectionId === connectionId) ?? null;
  }

  /** The account of a connection that somebody is signed in to; null for others, and while its secret is being read. */
  access(connectionId: string): OpenAccount | null {
    const standing = this.standings.get(connectionId) ?? 'unread';
    return typeof standing === 'string' || this.record(connectionId) === null ? null : standing;
  }

  systemOf(record: Pick<AccountRecord, 'system'>): AccountSystem | null {
    return this.systems.find((system) => system.system === record.system) ?? null;
  }

  /** The connections for the fleet, in the order in which they were added. */
  connections(): readonly ConnectionSpec[] {
    return this.records().map((record) => {
      const standing = this.standings.get(record.connectionId) ?? 'unread';
      return { ...(typeof standing === 'string' ? signedOutConnection(record, record.signedOut ? 'signed-out' : standing) : standing.connection(record)), account: true };
    });
  }

  /** Reads every secret; joins behind a reading under way. Never rejects. */
  load(): Promise<void> {
    this.reading = this.reading.then(() => this.read()).catch((error: unknown) => {
      this.options.log.error('accounts could not be read', { error: describeError(error) });
    });
    return this.reading;
  }

  /** Accounts that somebody is signed in to, but whose secret this window's storage has not, once what may be on its way has come. */
  async lost(waitMs = ON_ITS_WAY_MS): Promise<readonly AccountRecord[]> {
    const gone = (): readonly AccountRecord[] => this.records().filter((record) => !record.signedOut && this.standings.get(record.connectionId) === 'lost');
    await this.reading;
    if (gone().length === 0) return [];
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await this.load();
    return this.disposed ? [] : gone();
  }

  /**
   * Adds an account; gives its record, and whether its secret outlives this window. The same one, added again, has the id and so the stored sessions that it
   * had. Rejects with `account_known`, `secret_malformed`, `not_saved`.
   */
  async add(account: NewAccount): Promise<{ readonly record: AccountRecord; readonly kept: boolean }> {
    const { system, secret, serverUrl, allowPlainHttp } = account;
    const { identity } = await this.opened(system, secret, account);
    const records = this.records();
    const known = records.find((record) => isSame(record, system, serverUrl, identity));
    if (known !== undefined) throw new PilothouseError('account_known', `This account is connected already, as “${known.name}”. To renew its sign-in, use Sign In… on that connection.`, { personMustAct: true });
    const record: AccountRecord = {
      connectionId: this.freeId(system, serverUrl, identity), system: system.system, name: account.name ?? freeName(system.name, records), serverUrl, allowPlainHttp, identity, signedOut: false,
      createdAt: this.options.now?.() ?? Date.now(),
    };
    return { record, kept: await this.keep(record, secret) };
  }

  /**
   * Signs in again to the account of a connection, which keeps its id, its sessions and what waits to be sent. Rejects with `other_account` when the secret is of
   * another one, `secret_malformed`, `not_saved`, `connection_gone`; gives whether the secret outlives this window.
   */
  async signIn(connectionId: string, secret: JsonValue): Promise<boolean> {
    const before = this.need(connectionId);
    const stored = before.system.renewed?.(secret, this.access(connectionId), before.record.identity) ?? secret;
    const { identity } = await this.opened(before.system, stored, before.record);
    const { record, system } = this.need(connectionId);
    if (system.renewed === undefined && record.identity !== null && identity !== null && record.identity !== identity) {
      throw new PilothouseError('other_account', `This is another account than the one of “${record.name}”. Sign in with that one, or add this one with Add Connection….`, { personMustAct: true });
    }
    const other = this.records().find((each) => each.connectionId !== connectionId && isSame(each, system, record.serverUrl, identity));
    if (other !== undefined) throw new PilothouseError('account_known', `This account is connected already, as “${other.name}”. Use that connection, and remove “${record.name}”.`, { personMustAct: true });
    return this.keep({ ...record, identity: identity ?? record.identity, signedOut: false }, stored);
  }

  /** Forgets the secret and keeps the rest. */
  async signOut(connectionId: string): Promise<void> {
    const { record } = this.need(connectionId);
    this.folder.set(connectionId, writeRecord({ ...record, signedOut: true }));
    await this.forget(connectionId);
    await this.load();
  }

  /** Renames a connection or tells where its server is now. */
  async edit(connectionId: string, change: Partial<Pick<AccountRecord, 'name' | 'serverUrl' | 'allowPlainHttp'>>): Promise<void> {
    const { record, system } = this.need(connectionId);
    const edited = { ...record, ...change };
    const other = this.records().find((each) => each.connectionId !== connectionId && isSame(each, system, edited.serverUrl, edited.identity));
    if (other !== undefined) throw new PilothouseError('account_known', `This account is connected on that server already, as “${other.name}”.`, { personMustAct: true });
    this.folder.set(connectionId, writeRecord(edited));
    await this.load();
  }

  /** Takes a connection off the list, in every window, and forgets its secret. What is stored of its sessions stays. */
  async remove(connectionId: string): Promise<void> {
    this.need(connectionId);
    this.folder.delete(connectionId);
    await this.forget(connectionId);
    await this.load();
  }

  /** Looks again at what other windows changed, where the folder can't be watched. */
  refresh(): void {
    this.folder.refresh();
  }

  dispose(): void {
    this.disposed = true;
    this.watching.dispose();
    this.folder.dispose();
    this.changed.clear();
    this.held.clear();
  }

  private async read(): Promise<void> {
    if (this.disposed) return;
    const records = this.records();
    this.standings = new Map(await Promise.all(records.map(async (record) => [record.connectionId, await this.standing(record)] as const)));
    if (!this.disposed) this.changed.emit();
  }

  private async standing(record: AccountRecord): Promise<Standing> {
    if (record.signedOut) return 'signed-out';
    const text = await this.secretText(record.connectionId);
    const secret = text === null ? this.held.get(record.connectionId) : parse(text);
    if (secret === undefined) return text === null ? 'lost' : 'damaged';
    return (await this.systemOf(record)?.open(secret, record)) ?? 'damaged';
  }

  /** A storage that can't be read keeps nothing: the connection needs a sign-in, and everything else goes on. */
  private async secretText(connectionId: string): Promise<string | null> {
    try {
      return (await this.options.secrets.get(PREFIX + connectionId)) ?? null;
    } catch (error) {
      this.options.log.warn('the secret of a connection could not be read', { connection: connectionId, error: describeError(error) });
      return null;
    }
  }

  /** The secret first: a window that sees the record finds it. */
  private async keep(record: AccountRecord, secret: JsonValue): Promise<boolean> {
    const { connectionId } = record;
    const text = JSON.stringify(secret);
    await Promise.resolve(this.options.secrets.store(PREFIX + connectionId, text)).catch((error: unknown) => {
      this.options.log.warn('the secret of a connection could not be stored', { connection: connectionId, error: describeError(error) });
    });
    const kept = (await this.secretText(connectionId)) === text;
    if (kept) this.held.delete(connectionId);
    else this.held.set(connectionId, secret);
    try {
      this.folder.set(connectionId, writeRecord(record));
    } catch (error) {
      if (this.record(connectionId) === null) await this.forget(connectionId);
      throw error;
    }
    await this.load();
    return kept;
  }

  private async forget(connectionId: string): Promise<void> {
    this.held.delete(connectionId);
    try {
      await this.options.secrets.delete(PREFIX + connectionId);
    } catch (error) {
      throw new PilothouseError('secret_not_forgotten', 'The secret storage of this VS Code could not be changed: the sign-in may still be in it. Unlock it, then try again.', { cause: error, personMustAct: true });
    }
  }

  private async opened(system: AccountSystem, secret: JsonValue, server: Server): Promise<OpenAccount> {
    const account = await system.open(secret, server);
    if (account === null) throw new PilothouseError('secret_malformed', 'This sign-in is not whole. Start it again.', { personMustAct: true });
    return account;
  }

  private need(connectionId: string): { readonly record: AccountRecord; readonly system: AccountSystem } {
    const record = this.record(connectionId);
    const system = record === null ? null : this.systemOf(record);
    if (record === null || system === null) throw new PilothouseError('connection_gone', 'This connection is not there any more. Refresh the Connections view.');
    return { record, system };
  }

  private freeId({ system }: AccountSystem, serverUrl: string, identity: string | null): string {
    const print = identity === null ? null : createHash('sha256').update(`${serverUrl}\n${identity}`).digest('hex').slice(0, 16);
    const wanted = `${system}-${print ?? randomUUID().slice(0, 18)}`;
    return this.folder.entries().has(wanted) ? `${system}-${randomUUID().slice(0, 18)}` : wanted;
  }
}

function isSame(record: AccountRecord, { system }: AccountSystem, serverUrl: string, identity: string | null): boolean {
  return record.system === system && record.serverUrl === serverUrl && identity !== null && record.identity === identity;
}

function freeName(wanted: string, records: readonly AccountRecord[]): string {
  const taken = new Set(records.map((record) => record.name));
  let free = wanted;
  for (let count = 2; taken.has(free); count += 1) free = `${wanted} ${count}`;
  return free;
}

/** Undefined for what is no JSON. */
function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}
