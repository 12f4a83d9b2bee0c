import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ids, randomSeed } from './ids.ts';
import type { AccessKeyRow, AccountRow, ArtifactRow, KvRow, LinkRow, MachineRow, MessageRow, PushTokenRow, Rows, SessionRow, UsageRow } from './rows.ts';

/** What the file of a kept database holds. */
interface Kept {
  readonly seed: string;
  readonly revoked: readonly string[];
  readonly rows: Omit<Rows, 'blobs'> & { readonly blobs: readonly { readonly ref: string; readonly base64: string }[] };
}

const fileName = 'happy-server.json';
const flushAfter = 200;

/**
 * The rows in memory. With a folder, they are read from it at the start and written to it at most 200 ms after a change (say each change with
 * `changed`), so that a server that starts again has its data and knows its tokens.
 */
export class Database {
  readonly accounts = new Map<string, AccountRow>();
  readonly sessions = new Map<string, SessionRow>();
  /** By session, ascending seq. */
  readonly #messages = new Map<string, MessageRow[]>();
  readonly #localIds = new Map<string, MessageRow>();
  readonly #tags = new Map<string, SessionRow>();
  /** By account and id: two accounts may use one machine id. */
  readonly machines = new Map<string, MachineRow>();
  readonly artifacts = new Map<string, ArtifactRow>();
  readonly links = new Map<string, LinkRow>();
  readonly accessKeys = new Map<string, AccessKeyRow>();
  readonly kv = new Map<string, KvRow>();
  readonly pushTokens = new Map<string, PushTokenRow>();
  readonly usage = new Map<string, UsageRow>();
  readonly blobs = new Map<string, Uint8Array>();
  readonly revoked = new Set<string>();
  readonly now: () => number;
  #seed = randomSeed();
  readonly #ids = new Ids();
  readonly #folder: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { readonly folder?: string | undefined; readonly now?: (() => number) | undefined } = {}) {
    this.now = options.now ?? Date.now;
    this.#folder = options.folder;
    if (this.#folder !== undefined) this.#read(this.#folder);
  }

  /** The secret that signs tokens, base64. */
  get seed(): string {
    return this.#seed;
  }

  newId(): string {
    return this.#ids.next(this.now());
  }

  machine(accountId: string, id: string): MachineRow | undefined {
    return this.machines.get(`${accountId} ${id}`);
  }

  addMachine(row: MachineRow): void {
    this.machines.set(`${row.accountId} ${row.id}`, row);
  }

  removeMachine(row: MachineRow): void {
    this.machines.delete(`${row.accountId} ${row.id}`);
    for (const [key, access] of this.accessKeys) if (access.accountId === row.accountId && access.machineId === row.id) this.accessKeys.delete(key);
  }

  /** A session of this account, or undefined: to a stranger it is as if it were not there. */
  session(accountId: string, id: string): SessionRow | undefined {
    const row = this.sessions.get(id);
    return row?.accountId === accountId ? row : undefined;
  }

  sessionByTag(accountId: string, tag: string): SessionRow | undefined {
    return this.#tags.get(`${accountId} ${tag}`);
  }

  addSession(row: SessionRow): void {
    this.sessions.set(row.id, row);
    this.#tags.set(`${row.accountId} ${row.tag}`, row);
    this.#messages.set(row.id, []);
  }

  /** Removes a session with everything that hangs on it. */
  removeSession(row: SessionRow): void {
    for (const message of this.messages(row.id)) this.#localIds.delete(`${row.id} ${message.localId}`);
    this.#messages.delete(row.id);
    this.sessions.delete(row.id);
    this.#tags.delete(`${row.accountId} ${row.tag}`);
    for (const [key, report] of this.usage) if (report.sessionId === row.id) this.usage.delete(key);
    for (const [key, access] of this.accessKeys) if (access.sessionId === row.id) this.accessKeys.delete(key);
    for (const ref of this.blobs.keys()) if (ref.startsWith(`sessions/${row.id}/`)) this.blobs.delete(ref);
  }

  /** The messages of a session, ascending seq. */
  messages(sessionId: string): readonly MessageRow[] {
    return this.#messages.get(sessionId) ?? [];
  }

  messageByLocalId(sessionId: string, localId: string): MessageRow | undefined {
    return this.#localIds.get(`${sessionId} ${localId}`);
  }

  /** Keeps a message whose seq is already taken from the session's counter. */
  addMessage(row: MessageRow): void {
    this.#messages.get(row.sessionId)?.push(row);
    if (row.localId !== null) this.#localIds.set(`${row.sessionId} ${row.localId}`, row);
  }

  /** Every row, copied. */
  rows(): Rows {
    const copies = <Row extends object>(map: ReadonlyMap<string, Row>): Row[] => [...map.values()].map((row) => ({ ...row }));
    return {
      accounts: copies(this.accounts), sessions: copies(this.sessions), messages: [...this.#messages.values()].flat(), machines: copies(this.machines),
      artifacts: copies(this.artifacts), links: copies(this.links), accessKeys: copies(this.accessKeys), kv: copies(this.kv),
      pushTokens: copies(this.pushTokens), usage: copies(this.usage), blobs: [...this.blobs].map(([ref, bytes]) => ({ ref, bytes })),
    };
  }

  /** Says that something changed. */
  changed(): void {
    if (this.#folder === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.flush(), flushAfter);
    this.#timer.unref();
  }

  /** Writes what is not written yet. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#folder === undefined) return;
    const { blobs, ...rows } = this.rows();
    const kept: Kept = {
      seed: this.#seed, revoked: [...this.revoked],
      rows: { ...rows, blobs: blobs.map(({ ref, bytes }) => ({ ref, base64: Buffer.from(bytes).toString('base64') })) },
    };
    mkdirSync(this.#folder, { recursive: true });
    const target = join(this.#folder, fileName);
    writeFileSync(`${target}.part`, JSON.stringify(kept), { mode: 0o600 });
    renameSync(`${target}.part`, target);
  }

  #read(folder: string): void {
    let text: string;
    try {
      text = readFileSync(join(folder, fileName), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    const kept = JSON.parse(text) as Kept;
    this.#seed = kept.seed;
    for (const token of kept.revoked) this.revoked.add(token);
    for (const row of kept.rows.accounts) this.accounts.set(row.id, { ...row });
    for (const row of kept.rows.sessions) this.addSession({ ...row });
    for (const row of kept.rows.messages) this.addMessage({ ...row });
    for (const row of kept.rows.machines) this.addMachine({ ...row });
    for (const row of kept.rows.artifacts) this.artifacts.set(row.id, { ...row });
    for (const row of kept.rows.links) this.links.set(linkKey(row.kind, row.publicKey), { ...row });
    for (const row of kept.rows.accessKeys) this.accessKeys.set(accessKey(row.accountId, row.machineId, row.sessionId), { ...row });
    for (const row of kept.rows.kv) this.kv.set(`${row.accountId} ${row.key}`, { ...row });
    for (const row of kept.rows.pushTokens) this.pushTokens.set(`${row.accountId} ${row.token}`, { ...row });
    for (const row of kept.rows.usage) this.usage.set(`${row.accountId} ${row.sessionId} ${row.key}`, { ...row });
    for (const { ref, base64 } of kept.rows.blobs) this.blobs.set(ref, Uint8Array.from(Buffer.from(base64, 'base64')));
  }
}

export function linkKey(kind: LinkRow['kind'], publicKey: string): string {
  return `${kind} ${publicKey}`;
}

export function accessKey(accountId: string, machineId: string, sessionId: string): string {
  return `${accountId} ${machineId} ${sessionId}`;
}
