import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import type { SessionKey } from '../../../src/core/model/session.ts';
import { entryFromJson } from '../../../src/core/session/normalise.ts';
import { Engine } from '../../../src/core/session/store/engine.ts';
import { EntryTable } from '../../../src/core/session/store/entries.ts';
import { Sealer } from '../../../src/core/session/store/seal.ts';
import { UsageTable } from '../../../src/core/session/store/usage.ts';
import type { StoredRows } from '../../../src/core/session/store-api.ts';
import { MemoryStore } from './memory-store.ts';

const KEY = new Uint8Array(32).fill(7);

/** A database of the real engine, in memory, that the stores of several windows share. Emptied rather than made anew for each run of a property. */
export class EngineDatabase {
  private readonly engine = Engine.open({ file: ':memory:', key: KEY, busyMs: 0, now: 0, report: () => undefined });
  private writers = 0;

  /** Entries as another process has them. */
  table(): EntryTable {
    this.writers += 1;
    const base = { sql: this.engine.sql, sealer: new Sealer(KEY), writer: this.writers, report: () => undefined };
    return new EntryTable(base, new UsageTable(base));
  }

  clear(): void {
    this.engine.sql.exec('DELETE FROM entry; DELETE FROM transcript_row; DELETE FROM session; DELETE FROM change; DELETE FROM usage;');
  }

  close(): void {
    this.engine.close();
  }
}

/** A MemoryStore whose entries the real engine keeps. */
export class EngineStore extends MemoryStore {
  private readonly shared: EngineDatabase;
  private readonly table: EntryTable;

  constructor(database: EngineDatabase) {
    super();
    this.shared = database;
    this.table = database.table();
  }

  override dump(session: SessionKey): Entry[] {
    return read(this.shared.table().since(session, 0, Number.MAX_SAFE_INTEGER).json);
  }

  override async put(session: SessionKey, entries: readonly Entry[]): Promise<void> {
    const texts = entries.map((entry) => JSON.stringify(entry));
    await this.turn('put');
    this.table.put(session, texts, 0);
  }

  override async count(session: SessionKey): Promise<number> {
    await this.turn('count');
    return this.table.count(session);
  }

  override async rows(session: SessionKey, start: number, limit: number): Promise<StoredRows> {
    await this.turn('rows');
    const { start: from, total, json } = this.table.rows(session, start, limit);
    return { start: from, total, entries: read(json) };
  }

  override async entriesOf(session: SessionKey, rows: readonly string[]): Promise<readonly Entry[]> {
    await this.turn('entriesOf');
    return read(this.table.entriesOf(session, rows));
  }

  override async entriesSince(session: SessionKey, after: number, limit: number): Promise<{ entries: readonly Entry[]; mark: number }> {
    await this.turn('entriesSince');
    const { json, mark } = this.table.since(session, after, limit);
    return { entries: read(json), mark };
  }

  override async mark(session: SessionKey): Promise<number> {
    await this.turn('mark');
    return this.table.mark(session);
  }
}

function read(json: string): Entry[] {
  return (JSON.parse(json) as JsonValue[]).map(entryFromJson);
}
