import process from 'node:process';
import { PilothouseError } from '../../model/errors.ts';
import { EntryTable } from './entries.ts';
import { LeaseTable, registerOwner } from './leaseTable.ts';
import { RecordTables } from './records.ts';
import { RetentionTable } from './retention.ts';
import { migrate } from './schema.ts';
import { boundTo, Sealer } from './seal.ts';
import { bytesOrNull, Sql } from './sql.ts';
import type { Base, Report } from './tables.ts';
import { Follower } from './tables.ts';
import { UsageTable } from './usage.ts';

interface EngineOptions {
  /** Path of the file, or `:memory:`. */
  readonly file: string;
  readonly key: Uint8Array;
  /** Milliseconds that a call waits for another process's lock. */
  readonly busyMs: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly report: (report: Report) => void;
}

const CHECK = 'pilothouse';

/** Everything over one open database. Calls block. */
export class Engine {
  readonly sql: Sql;
  readonly entries: EntryTable;
  readonly records: RecordTables;
  readonly leases: LeaseTable;
  readonly retention: RetentionTable;
  readonly follower: Follower;
  readonly usage: UsageTable;

  private constructor(base: Base) {
    this.sql = base.sql;
    this.usage = new UsageTable(base);
    this.entries = new EntryTable(base, this.usage);
    this.records = new RecordTables(base);
    this.leases = new LeaseTable(base.sql, base.writer);
    this.retention = new RetentionTable(base, this.leases);
    this.follower = new Follower(base);
  }

  /** Opens the file, makes it where it is missing, and sees that it is usable. Throws SQLite's errors and PilothouseErrors `store_*`. */
  static open(options: EngineOptions): Engine {
    const sqlite = process.getBuiltinModule?.('node:sqlite');
    if (sqlite === undefined) throw new PilothouseError('store_unavailable', 'The store needs Node 22.13 or later. Update Node.');
    const sql = new Sql(new sqlite.DatabaseSync(options.file));
    try {
      sql.exec(`PRAGMA busy_timeout = ${Math.round(options.busyMs)}`);
      migrate(sql);
      sql.exec('PRAGMA synchronous = NORMAL');
      // 8 MiB: a session of 100,000 entries is merged again in less time than with the default of 2.
      sql.exec('PRAGMA cache_size = -8192');
      const sealer = new Sealer(options.key);
      checkKey(sql, sealer);
      return new Engine({ sql, sealer, writer: registerOwner(sql, options.now), report: options.report });
    } catch (error) {
      sql.close();
      throw error;
    }
  }

  close(): void {
    this.sql.close();
  }
}

/** The file's name tells its key only in part; a value sealed at its making tells it whole. Throws `store_other_key`. */
function checkKey(sql: Sql, sealer: Sealer): void {
  const bound = boundTo('check');
  const held = bytesOrNull(sql.get("SELECT value FROM meta WHERE name = 'check'")?.['value']);
  if (held !== null && sealer.open(held, bound) === CHECK) return;
  if (held !== null && !opensAnything(sql, sealer)) {
    throw new PilothouseError('store_other_key', 'the file was written under another key');
  }
  sql.run("INSERT INTO meta (name, value) VALUES ('check', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1", sealer.seal(CHECK, bound));
}

/** True when the key opens something that is stored: then it is the check that was damaged. */
function opensAnything(sql: Sql, sealer: Sealer): boolean {
  const samples = sql.all(
    'SELECT s.key, e.id, e.sealed FROM (SELECT session, id, sealed FROM entry ORDER BY n DESC LIMIT 20) AS e JOIN session AS s ON s.n = e.session');
  return samples.some((row) => {
    const [key, id, sealed] = [bytesOrNull(row['key']), bytesOrNull(row['id']), bytesOrNull(row['sealed'])];
    return key !== null && id !== null && sealed !== null && sealer.open(sealed, boundTo('entry', key, id)) !== null;
  });
}
