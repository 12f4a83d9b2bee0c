import type { CallOptions } from '../../model/backend.ts';
import type { Logger } from '../../model/context.ts';
import type { JsonObject } from '../../model/json.ts';
import { Emitter } from '../../transport/emitter.ts';
import { silentLogger } from '../../transport/logger.ts';
import { inSlices } from '../../transport/slices.ts';
import type { Cipher } from './crypto/cipher.ts';
import type { Keyring } from './crypto/keyring.ts';
import type { SessionsPage } from './http.ts';
import { PAGE, PageSize } from './http.ts';
import { Looks } from './looks.ts';
import type { Mirrored, MirrorChange, MirroredMachine, MirroredSession, MirrorSource, Readable, Sealed } from './mirrored.ts';
import { changedAt, keyed, newer, objectOf, readableOf, same } from './mirrored.ts';
import type { MachineRow, SessionRow } from './wire/bodies.ts';
import type { Ephemeral, Update, UpdateBody } from './wire/pushes.ts';

/** Requests at a time, for sessions that a list lacks. */
const ASKED_AT_ONCE = 6;
/** How far before the last list what changed since is asked for, as rows that were being written then bear an earlier time, milliseconds; and most pages of it. */
const OVERLAP_MS = 5_000;
const MOST_PAGES = 5;

interface Held<T> {
  row: T;
  /** What `row` was decrypted from, kept for a key that comes later. */
  readonly sealed: { metadata: string; other: string | null };
}

/**
 * The account as one state: all sessions and machines, whatever order lists and pushes come in. A version never goes back (P7); a row that cannot be read is there all the
 * same and says so; what a list has no more is asked for by its id and is gone after `load` when the server does not know it; presence is unknown without contact.
 */
export class Mirror {
  readonly onChange: Emitter<MirrorChange>;
  readonly #source: MirrorSource;
  readonly #log: Logger;
  #keyring: Keyring;
  readonly #sessions = new Map<string, Held<MirroredSession>>();
  readonly #machines = new Map<string, Held<MirroredMachine>>();
  /** Deleted while a list was being read, which may still have them. Ids are never used again. */
  readonly #deleted = new Set<string>();
  /** Heard of by push while a list was being read, which may not have them yet. */
  readonly #fresh = new Set<string>();
  readonly #looks: Looks;
  /** The latest change of what was listed, on the server's clock. */
  #listedAt = 0;
  #online = false;
  #loading: AbortController | null = null;
  #version = 0;

  constructor(source: MirrorSource, keyring: Keyring, log: Logger = silentLogger, options: CallOptions = {}) {
    this.#source = source;
    this.#keyring = keyring;
    this.#log = log;
    this.#looks = new Looks(log, options);
    this.onChange = new Emitter((error) => log.error('a listener of the account failed', { error }));
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }
  get online(): boolean {
    return this.#online;
  }
  sessions(): readonly MirroredSession[] {
    return Array.from(this.#sessions.values(), ({ row }) => row);
  }
  machines(): readonly MirroredMachine[] {
    return Array.from(this.#machines.values(), ({ row }) => row);
  }
  session(id: string): MirroredSession | null {
    return this.#sessions.get(id)?.row ?? null;
  }
  machine(id: string): MirroredMachine | null {
    return this.#machines.get(id)?.row ?? null;
  }

  /** The key of a session that is here; null where these credentials do not reach it. */
  cipher(sessionId: string): Cipher | null {
    const held = this.#sessions.get(sessionId);
    return held === undefined ? null : this.#cipherOf(held.row, held.sealed.metadata);
  }

  /** Contact came or went. While it is away nothing is known of what is active or thinking. */
  setOnline(online: boolean): void {
    if (this.#online === online) return;
    this.#online = online;
    if (!online) {
      for (const held of this.#sessions.values()) held.row = { ...held.row, active: null, thinking: null };
      for (const held of this.#machines.values()) held.row = { ...held.row, active: null };
    }
    this.#tell({ type: 'presence', online });
  }

  /**
   * Reads every list to its end: what is in them is taken in, what we have and they have not is asked for one by one and removed when the server says that it is gone. To be called after each contact, pushes going to `apply` meanwhile.
   * A call ends one that runs, which rejects as aborted: what that one read may be older than the contact. Rejects as the source does; nothing is removed then.
   */
  async load(options: CallOptions = {}): Promise<void> {
    this.#loading?.abort();
    const stop = new AbortController();
    this.#loading = stop;
    await this.#load(options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]));
  }

  /**
   * Reads the sessions that changed since they were listed last, and takes them in; what was deleted is not told so. True where something of them was not known. Rejects as the source does.
   */
  async refresh(options: CallOptions = {}): Promise<boolean> {
    const [before, changedSince] = [this.#version, this.#listedAt - OVERLAP_MS];
    // Before the lists were read all of it is new, and on its way.
    for (let cursor: string | null = null, pages = changedSince > 0 ? 0 : MOST_PAGES; pages < MOST_PAGES; pages += 1) {
      const page: SessionsPage = await this.#source.sessions({ ...options, cursor, changedSince });
      for (const row of page.rows) this.takeSession(row);
      this.#listed(page.rows);
      if (page.next === null) break;
      cursor = page.next;
    }
    return this.#version !== before;
  }

  /** One pushed update; messages are not looked at but for their seq. Unknown sessions and machines are fetched. */
  apply(update: Update): void {
    if (update.kind === 'known') this.#applyBody(update.body, update.createdAt);
  }

  applyEphemeral(event: Ephemeral): void {
    if (event.type === 'activity') {
      const held = this.#sessions.get(event.id);
      if (held === undefined) return this.#fetchSession(event.id);
      // Older than what we know: out of order.
      if (held.row.active !== null && event.activeAt < held.row.activeAt) return;
      this.#putSession(held, { ...held.row, active: event.active, activeAt: event.activeAt, thinking: event.active && event.thinking === true });
    } else if (event.type === 'machine-activity') {
      const held = this.#machines.get(event.id);
      if (held === undefined) return this.#fetchMachine(event.id);
      if (held.row.active !== null && event.activeAt < held.row.activeAt) return;
      this.#putMachine(held, { ...held.row, active: event.active, activeAt: event.activeAt });
    }
  }

  /** Takes a row that was read elsewhere, a single one. */
  takeSession(row: SessionRow): MirroredSession {
    return this.#takeSession(row, this.#keyring.cipherFor({ id: row.id, dataEncryptionKey: row.dataEncryptionKey, sample: row.metadata }));
  }
  /** Its last message, the one of that seq, is from then (milliseconds since the epoch). A later change stands. */
  said(id: string, seq: number, at: number): void {
    const held = this.#sessions.get(id);
    if (held?.row.seq === seq) this.#putSession(held, { ...held.row, updatedAt: Math.max(held.row.createdAt, at) });
  }
  takeMachine(row: MachineRow): MirroredMachine {
    return this.#takeMachine(row, this.#keyring.cipherFor({ id: row.id, dataEncryptionKey: row.dataEncryptionKey, sample: row.metadata }));
  }

  /** Other keys: every row that could not be read is tried again. */
  async rekey(keyring: Keyring, options: CallOptions = {}): Promise<void> {
    this.#keyring = keyring;
    const { signal } = options;
    await inSlices(Array.from(this.#sessions.values()), (held) => {
      if (held.row.readable === 'yes') return;
      const opened = this.#openBoth(held.row, held.sealed);
      this.#putSession(held, { ...held.row, metadata: opened.metadata, agentState: opened.other, readable: opened.readable });
    }, { signal });
    await inSlices(Array.from(this.#machines.values()), (held) => {
      if (held.row.readable === 'yes') return;
      const opened = this.#openBoth(held.row, held.sealed);
      this.#putMachine(held, { ...held.row, metadata: opened.metadata, daemonState: opened.other, readable: opened.readable });
    }, { signal });
  }

  async #load(signal: AbortSignal): Promise<void> {
    const options = { signal };
    this.#deleted.clear();
    this.#fresh.clear();
    const known = { sessions: new Set(this.#sessions.keys()), machines: new Set(this.#machines.keys()) };
    const machines = await this.#source.machines(options);
    const keys = await this.#keyring.unwrapAll(machines.rows.map(keyed), { signal });
    for (const row of machines.rows) this.#takeMachine(row, keys.get(row.id) ?? null);
    // An empty list is what a server in trouble answers too: each machine is asked for before it is forgotten.
    const gone = Array.from(known.machines).filter((id) => !machines.rows.some((row) => row.id === id) && !this.#fresh.has(id));
    for (const id of gone) if (machines.bad === 0 && (machines.rows.length > 0 || (await this.#source.machine(id, options)) === null)) this.#removeMachine(id);

    const listed = new Set<string>();
    let bad = 0;
    const size = new PageSize(PAGE.sessions, 100);
    for (let cursor: string | null = null; ;) {
      const page: SessionsPage = await this.#source.sessions({ ...options, cursor, limit: size.limit });
      size.learn(page.rows.length, page.rows.reduce((sum, row) => sum + row.metadata.length + (row.agentState?.length ?? 0), 0));
      bad += page.bad;
      const ciphers = await this.#keyring.unwrapAll(page.rows.map(keyed), { signal });
      await inSlices(page.rows, (row) => {
        listed.add(row.id);
        this.#takeSession(row, ciphers.get(row.id) ?? null);
      }, { signal });
      this.#listed(page.rows);
      if (page.next === null || page.next === cursor) break;
      cursor = page.next;
    }
    // A row without a shape may be any session: then nothing is known to be gone.
    if (bad === 0) await this.#removeGone(Array.from(known.sessions).filter((id) => !listed.has(id)), signal);
    if (bad > 0) this.#log.warn('the server listed sessions without a readable shape', { count: bad });
    this.#tell({ type: 'loaded' });
  }

  #listed(rows: readonly SessionRow[]): void {
    for (const { updatedAt } of rows) this.#listedAt = Math.max(this.#listedAt, updatedAt);
  }

  /** A list may be cut short, by a page that is lost or a row that moved between pages, and what follows a removal cannot be undone: each session is asked for. */
  async #removeGone(missing: readonly string[], signal: AbortSignal): Promise<void> {
    const left = missing.filter((id) => this.#sessions.has(id) && !this.#fresh.has(id));
    const gone: string[] = [];
    const ask = async (): Promise<void> => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) {
        const row = await this.#source.session(id, { signal });
        signal.throwIfAborted();
        if (row === null) gone.push(id);
        else if (row.id === id && this.#sessions.has(id)) this.takeSession(row);
      }
    };
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
    await inSlices(gone, (id) => {
      if (!this.#fresh.has(id)) this.#removeSession(id);
    }, { signal });
  }

  #applyBody(body: UpdateBody, at: number | null): void {
    switch (body.t) {
      case 'new-session':
        this.#fresh.add(body.id);
        this.takeSession(body);
        break;
      case 'update-session': {
        this.#fresh.add(body.id);
        const held = this.#sessions.get(body.id);
        if (held === undefined) return this.#fetchSession(body.id);
        this.#changeSession(held, body.metadata, body.agentState, at);
        break;
      }
      case 'delete-session':
        this.#forget(body.sid);
        this.#removeSession(body.sid);
        break;
      case 'new-message': {
        const held = this.#sessions.get(body.sid);
        if (held === undefined) return this.#fetchSession(body.sid);
        if (body.message.seq > held.row.seq) this.#putSession(held, { ...held.row, seq: body.message.seq, updatedAt: Math.max(held.row.updatedAt, body.message.createdAt) });
        break;
      }
      case 'new-machine':
        this.#fresh.add(body.machineId);
        this.takeMachine({ ...body, id: body.machineId });
        break;
      case 'update-machine': {
        this.#fresh.add(body.machineId);
        const held = this.#machines.get(body.machineId);
        if (held === undefined) return this.#fetchMachine(body.machineId);
        this.#changeMachine(held, body.metadata, body.daemonState, { active: body.active ?? null, activeAt: body.activeAt ?? null });
        break;
      }
      case 'delete-machine':
        this.#forget(body.machineId);
        this.#removeMachine(body.machineId);
        break;
      default:
        break;
    }
  }

  #takeSession(row: SessionRow, cipher: Cipher | null): MirroredSession {
    const held = this.#sessions.get(row.id);
    if (held === undefined) {
      const metadata = objectOf(cipher, row.metadata);
      const session: MirroredSession = {
        id: row.id, seq: row.seq, createdAt: row.createdAt, updatedAt: row.updatedAt, active: this.#online ? row.active : null, activeAt: row.activeAt, thinking: null,
        metadata, metadataVersion: row.metadataVersion, agentState: objectOf(cipher, row.agentState), agentStateVersion: row.agentStateVersion,
        readable: readableOf(cipher, metadata), dataEncryptionKey: row.dataEncryptionKey,
      };
      // A list that was asked for before the deletion still has it.
      if (this.#deleted.has(row.id)) return session;
      const made: Held<MirroredSession> = { row: session, sealed: { metadata: row.metadata, other: row.agentState } };
      this.#sessions.set(row.id, made);
      this.#tell({ type: 'session', session });
      return session;
    }
    const late = held.row.active !== null && row.activeAt < held.row.activeAt;
    const updatedAt = changedAt(held.row, row);
    const presence = !this.#online || late ? {} : { active: row.active, activeAt: row.activeAt, ...(row.active ? {} : { thinking: false }) };
    this.#putSession(held, { ...held.row, seq: Math.max(held.row.seq, row.seq), updatedAt, createdAt: row.createdAt, dataEncryptionKey: row.dataEncryptionKey ?? held.row.dataEncryptionKey, ...presence });
    this.#changeSession(held, { value: row.metadata, version: row.metadataVersion }, { value: row.agentState, version: row.agentStateVersion }, null);
    return held.row;
  }

  #takeMachine(row: MachineRow, cipher: Cipher | null): MirroredMachine {
    const held = this.#machines.get(row.id);
    if (held === undefined) {
      const metadata = objectOf(cipher, row.metadata);
      const machine: MirroredMachine = {
        id: row.id, createdAt: row.createdAt, updatedAt: row.updatedAt, active: this.#online ? row.active : null, activeAt: row.activeAt, metadata, metadataVersion: row.metadataVersion,
        daemonState: objectOf(cipher, row.daemonState), daemonStateVersion: row.daemonStateVersion, readable: readableOf(cipher, metadata), dataEncryptionKey: row.dataEncryptionKey,
      };
      if (this.#deleted.has(row.id)) return machine;
      this.#machines.set(row.id, { row: machine, sealed: { metadata: row.metadata, other: row.daemonState } });
      this.#tell({ type: 'machine', machine });
      return machine;
    }
    this.#putMachine(held, { ...held.row, updatedAt: Math.max(held.row.updatedAt, row.updatedAt), dataEncryptionKey: row.dataEncryptionKey ?? held.row.dataEncryptionKey });
    this.#changeMachine(held, { value: row.metadata, version: row.metadataVersion }, { value: row.daemonState, version: row.daemonStateVersion }, { active: row.active, activeAt: row.activeAt });
    return held.row;
  }

  /** Newer versions only, each of the two for itself. */
  #changeSession(held: Held<MirroredSession>, metadata: Sealed, agentState: Sealed, at: number | null): void {
    let { row } = held;
    if (newer(metadata, row.metadataVersion) && metadata.value !== null) {
      held.sealed.metadata = metadata.value;
      row = { ...row, ...this.#opened(row, metadata.value), metadataVersion: metadata.version };
    }
    if (newer(agentState, row.agentStateVersion)) {
      // One that cannot be read says nothing of what was open: what was read last stays.
      held.sealed.other = agentState.value;
      row = { ...row, agentState: objectOf(this.#cipherOf(row, held.sealed.metadata), agentState.value) ?? (agentState.value === null ? null : row.agentState), agentStateVersion: agentState.version };
    }
    if (row !== held.row && at !== null) row = { ...row, updatedAt: Math.max(row.updatedAt, at) };
    this.#putSession(held, row);
  }

  #changeMachine(held: Held<MirroredMachine>, metadata: Sealed, daemonState: Sealed, presence: { readonly active: boolean | null; readonly activeAt: number | null }): void {
    let { row } = held;
    if (newer(metadata, row.metadataVersion) && metadata.value !== null) {
      held.sealed.metadata = metadata.value;
      row = { ...row, ...this.#opened(row, metadata.value), metadataVersion: metadata.version };
    }
    if (newer(daemonState, row.daemonStateVersion)) {
      held.sealed.other = daemonState.value;
      row = { ...row, daemonState: objectOf(this.#cipherOf(row, held.sealed.metadata), daemonState.value), daemonStateVersion: daemonState.version };
    }
    const at = presence.activeAt ?? row.activeAt;
    if (this.#online && presence.active !== null && (row.active === null || at >= row.activeAt)) row = { ...row, active: presence.active, activeAt: at };
    this.#putMachine(held, row);
  }

  #cipherOf(row: Mirrored, sample: string): Cipher | null {
    return this.#keyring.cipherFor({ id: row.id, dataEncryptionKey: row.dataEncryptionKey, sample });
  }

  #opened(row: Mirrored, text: string): { readonly metadata: JsonObject | null; readonly readable: Readable } {
    const cipher = this.#cipherOf(row, text);
    const metadata = objectOf(cipher, text);
    return { metadata, readable: readableOf(cipher, metadata) };
  }

  #openBoth(row: Mirrored, sealed: { readonly metadata: string; readonly other: string | null }): { readonly metadata: JsonObject | null; readonly other: JsonObject | null; readonly readable: Readable } {
    const cipher = this.#cipherOf(row, sealed.metadata);
    const metadata = objectOf(cipher, sealed.metadata);
    return { metadata, other: objectOf(cipher, sealed.other), readable: readableOf(cipher, metadata) };
  }

  #putSession(held: Held<MirroredSession>, row: MirroredSession): void {
    if (same(held.row, row)) return;
    held.row = row;
    this.#tell({ type: 'session', session: row });
  }

  #putMachine(held: Held<MirroredMachine>, row: MirroredMachine): void {
    if (same(held.row, row)) return;
    held.row = row;
    this.#tell({ type: 'machine', machine: row });
  }

  #removeSession(id: string): void {
    if (this.#sessions.delete(id)) this.#tell({ type: 'session-removed', sessionId: id });
  }

  #removeMachine(id: string): void {
    if (this.#machines.delete(id)) this.#tell({ type: 'machine-removed', machineId: id });
  }

  /** Deleted, by push: neither a list nor a look that is under way brings it back. */
  #forget(id: string): void {
    this.#deleted.add(id);
    this.#looks.gone(id);
  }

  /** A push named a row that we do not have. A list that is being read brings it anyway. */
  #fetchSession(id: string): void {
    if (!this.#deleted.has(id) && this.#online) this.#looks.at(id, (options) => this.#source.session(id, options), (row) => this.takeSession(row));
  }

  #fetchMachine(id: string): void {
    if (!this.#deleted.has(id) && this.#online) this.#looks.at(id, (options) => this.#source.machine(id, options), (row) => this.takeMachine(row));
  }

  #tell(change: MirrorChange): void {
    this.#version += 1;
    this.onChange.emit(change);
  }
}
