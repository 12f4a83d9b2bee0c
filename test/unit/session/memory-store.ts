import type { Disposable } from '../../../src/core/model/backend.ts';
import type { Keep, Leases } from '../../../src/core/model/context.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import type { Session, SessionKey } from '../../../src/core/model/session.ts';
import type { Arrangement } from '../../../src/core/session/arrange.ts';
import { arrange } from '../../../src/core/session/arrange.ts';
import { compareVersions } from '../../../src/core/session/merge.ts';
import { entryFromJson } from '../../../src/core/session/normalise.ts';
import type { RowFacts } from '../../../src/core/session/order.ts';
import { factsOf } from '../../../src/core/session/order.ts';
import type { MailItem, OutboxItem, Store, StoreChange, StoredRows, StoreHealth } from '../../../src/core/session/store-api.ts';
import { groupByRow } from '../../../src/core/session/view.ts';

interface Kept {
  readonly text: string;
  readonly mark: number;
  readonly writer: string;
}
interface SessionData {
  readonly entries: Map<string, Kept>;
  shape: { rows: Map<string, Entry[]>; arrangement: Arrangement } | null;
}

/** Databases that several stores share, as windows do. */
export class MemoryDatabase {
  readonly sessions = new Map<SessionKey, SessionData>();
  readonly records = new Map<SessionKey, Session>();
  readonly outbox = new Map<string, OutboxItem>();
  readonly keeps = new Map<string, Map<string, string>>();
  readonly leases = new Map<string, string>();
  readonly listeners = new Set<{ readonly writer: string; readonly tell: (change: StoreChange) => void }>();
  mail: MailItem[] = [];
  marks = 0;
}

/**
 * A Store in memory that keeps the contract of store-api.ts: entries live as JSON text, merged by version and arranged by the whole-set rule of arrange.ts, not
 * by the one that a transcript works out bit by bit. `fail` makes calls of that method reject; `ticks` is how many microtasks every call takes.
 */
export class MemoryStore implements Store {
  readonly health: StoreHealth = { status: 'durable' };
  readonly calls = { put: 0, rows: 0, entriesOf: 0, rowsRead: 0, entriesPut: 0, entriesRead: 0 };
  readonly leases: Leases;
  fail: (method: keyof Store) => boolean = () => false;
  ticks: () => number = () => 1;
  private readonly database: MemoryDatabase;
  private readonly writer: string;

  /** As others see who holds a lease. */
  get name(): string {
    return this.writer;
  }

  constructor(database = new MemoryDatabase(), writer = 'this') {
    this.database = database;
    this.writer = writer;
    const { leases } = database;
    this.leases = {
      acquire: async (name) => {
        if (leases.has(name) && leases.get(name) !== writer) return false;
        leases.set(name, writer);
        return true;
      },
      release: async (name) => void (leases.get(name) === writer && leases.delete(name)),
      holder: async (name) => {
        const holder = leases.get(name);
        if (holder === undefined) return 'nobody';
        return holder === writer ? 'this' : 'other';
      },
    };
  }

  /** Every entry of a session, for tests to look at. */
  dump(session: SessionKey): Entry[] {
    return [...this.data(session).entries.values()].map(({ text }) => read(text));
  }

  async put(session: SessionKey, entries: readonly Entry[]): Promise<void> {
    const texts = entries.map((entry) => JSON.stringify(entry));
    await this.turn('put');
    this.calls.put += 1;
    this.calls.entriesPut += entries.length;
    const data = this.data(session);
    let changed = false;
    for (const text of texts) {
      const entry = read(text);
      const held = data.entries.get(entry.id);
      if (held !== undefined && compareVersions(entry, read(held.text)) <= 0) continue;
      this.database.marks += 1;
      data.entries.set(entry.id, { text, mark: this.database.marks, writer: this.writer });
      changed = true;
    }
    if (!changed) return;
    data.shape = null;
    this.tell({ kind: 'entries', session });
  }

  async count(session: SessionKey): Promise<number> {
    await this.turn('count');
    return this.shape(session).arrangement.tops.length;
  }

  async rows(session: SessionKey, start: number, limit: number): Promise<StoredRows> {
    await this.turn('rows');
    this.calls.rows += 1;
    const { rows, arrangement } = this.shape(session);
    const total = arrangement.tops.length;
    const from = start < 0 ? Math.max(0, total + start) : Math.min(start, total);
    const keys = arrangement.tops.slice(from, from + limit);
    this.calls.rowsRead += keys.length;
    const shown = [...keys];
    for (let index = 0; index < shown.length; index += 1) for (const child of arrangement.children.get(shown[index] ?? '') ?? []) shown.push(child);
    return { start: from, total, entries: this.copy(shown.flatMap((key) => rows.get(key) ?? [])) };
  }

  async entriesOf(session: SessionKey, rows: readonly string[]): Promise<readonly Entry[]> {
    await this.turn('entriesOf');
    this.calls.entriesOf += 1;
    const shape = this.shape(session);
    return this.copy([...new Set(rows)].flatMap((row) => shape.rows.get(row) ?? []));
  }

  async entriesSince(session: SessionKey, after: number, limit: number, { own = false } = {}): Promise<{ entries: readonly Entry[]; mark: number }> {
    await this.turn('entriesSince');
    const found = [...this.data(session).entries.values()].filter((kept) => kept.mark > after && (own || kept.writer !== this.writer)).sort((a, b) => a.mark - b.mark).slice(0, limit);
    return { entries: found.map((kept) => read(kept.text)), mark: found.at(-1)?.mark ?? after };
  }

  async mark(session: SessionKey): Promise<number> {
    await this.turn('mark');
    return Math.max(0, ...[...this.data(session).entries.values()].map((kept) => kept.mark));
  }

  async saveSessions(sessions: readonly Session[]): Promise<void> {
    await this.turn('saveSessions');
    for (const session of sessions) this.database.records.set(`${session.connectionId}\u0000${session.id}`, session);
  }
  async sessions(connectionId: string, most = Number.POSITIVE_INFINITY): Promise<readonly Session[]> {
    await this.turn('sessions');
    return [...this.database.records.values()].filter((session) => session.connectionId === connectionId).sort((a, b) => b.updatedAt - a.updatedAt).slice(0, most);
  }
  async removeSession(session: SessionKey): Promise<void> {
    await this.turn('removeSession');
    this.database.sessions.delete(session);
    this.database.records.delete(session);
    this.database.mail = this.database.mail.filter((item) => item.session !== session);
    for (const item of this.database.outbox.values()) if (item.session === session) this.database.outbox.delete(item.clientId);
  }

  async outbox(session?: SessionKey): Promise<readonly OutboxItem[]> {
    await this.turn('outbox');
    return [...this.database.outbox.values()].filter((item) => session === undefined || item.session === session).sort((a, b) => a.position - b.position);
  }
  async saveOutbox(item: OutboxItem): Promise<void> {
    await this.turn('saveOutbox');
    this.database.outbox.set(item.clientId, item);
    this.tell({ kind: 'outbox', session: item.session });
  }
  async removeOutbox(clientId: string): Promise<void> {
    await this.turn('removeOutbox');
    this.database.outbox.delete(clientId);
  }

  async post(mail: MailItem): Promise<void> {
    await this.turn('post');
    this.database.mail.push(mail);
    this.tell({ kind: 'mail', session: mail.session });
  }
  async takeMail(session: SessionKey): Promise<readonly MailItem[]> {
    await this.turn('takeMail');
    const taken = this.database.mail.filter((item) => item.session === session);
    this.database.mail = this.database.mail.filter((item) => item.session !== session);
    return taken;
  }

  keep(scope: string): Keep {
    const values = this.database.keeps.get(scope) ?? new Map<string, string>();
    this.database.keeps.set(scope, values);
    return {
      get: async (key) => values.get(key) ?? null,
      set: async (key, value) => void (value === null ? values.delete(key) : values.set(key, value)),
      list: async (prefix) => new Map([...values].filter(([key]) => key.startsWith(prefix))),
    };
  }

  watch(listener: (change: StoreChange) => void): Disposable {
    const own = { writer: this.writer, tell: listener };
    this.database.listeners.add(own);
    return { dispose: () => void this.database.listeners.delete(own) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.turn('count');
  }

  protected async turn(method: keyof Store): Promise<void> {
    for (let tick = this.ticks(); tick > 0; tick -= 1) await Promise.resolve();
    if (this.fail(method)) throw new PilothouseError('store_failed', `the store fails at ${String(method)} because the test says so`);
  }

  private tell(change: StoreChange): void {
    for (const listener of this.database.listeners) if (listener.writer !== this.writer) listener.tell(change);
  }

  private data(session: SessionKey): SessionData {
    const known = this.database.sessions.get(session);
    if (known !== undefined) return known;
    const made: SessionData = { entries: new Map(), shape: null };
    this.database.sessions.set(session, made);
    return made;
  }

  private shape(session: SessionKey): { rows: Map<string, Entry[]>; arrangement: Arrangement } {
    const data = this.data(session);
    if (data.shape === null) {
      const rows = groupByRow([...data.entries.values()].map(({ text }) => read(text)));
      const facts = new Map<string, RowFacts>();
      for (const [key, entries] of rows) {
        const own = factsOf(entries);
        if (own !== null) facts.set(key, own);
      }
      data.shape = { rows, arrangement: arrange(facts) };
    }
    return data.shape;
  }

  private copy(entries: readonly Entry[]): Entry[] {
    this.calls.entriesRead += entries.length;
    return entries.map((entry) => read(JSON.stringify(entry)));
  }
}

function read(text: string): Entry {
  return entryFromJson(JSON.parse(text) as JsonValue);
}
