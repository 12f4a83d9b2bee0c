import process from 'node:process';
import { createHash } from 'node:crypto';
import type { Entry, Order } from '../../model/entry.ts';
import { PilothouseError } from '../../model/errors.ts';
import type { Session } from '../../model/session.ts';
import { decodeOrder, decodeText, encodeText } from '../store/codec.ts';
import { boundTo, Sealer } from '../store/seal.ts';
import { anyBytes, bytes, bytesOrNull, num, Sql } from '../store/sql.ts';

/** A session that can be searched. */
export interface StoredSession {
  readonly n: number;
  readonly key: string;
  readonly record: Session;
  /** Number of its newest entry; 0 without any. */
  readonly newest: number;
}

/** A stored row with its entries. */
export interface StoredRow {
  /** Number of its newest entry. */
  readonly newest: number;
  readonly entries: readonly Entry[];
}

/** Milliseconds that a read waits for a window that holds the file's lock. */
const BUSY_MS = 2_000;

/** Reads the store's file, by a connection of its own that can write nothing. Opens sealed rows in memory. Calls block. */
export class StoreReader {
  private readonly sql: Sql;
  private readonly sealer: Sealer;
  /** Records as they were opened, by their seal: of ten thousand few change between two searches. */
  private readonly records = new Map<number, { readonly seal: string; readonly record: Session }>();

  /** Throws `search_unavailable` where the file can't be read. */
  constructor(file: string, key: Uint8Array) {
    const sqlite = process.getBuiltinModule?.('node:sqlite');
    if (sqlite === undefined) throw unavailable();
    try {
      this.sql = new Sql(new sqlite.DatabaseSync(file, { readOnly: true }));
    } catch (error) {
      throw unavailable(error);
    }
    this.sql.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    this.sealer = new Sealer(key);
  }

  /** Tells one store's file from every other, also one that took its place: what the store sealed when it made it. */
  identity(): string {
    const check = bytesOrNull(this.sql.get("SELECT value FROM meta WHERE name = 'check'")?.['value']);
    return check === null ? '' : createHash('sha256').update(check).digest('hex');
  }

  /** Keys of all sessions whose transcripts are stored, each with the number of its oldest entry. */
  keys(): Map<string, number> {
    const rows = this.sql.all('SELECT key, (SELECT min(n) FROM entry WHERE entry.session = session.n) AS oldest FROM session');
    return new Map(rows.flatMap((row): [string, number][] => (row['oldest'] === null ? [] : [[decodeText(bytes(row['key'])), num(row['oldest'])]])));
  }

  /** Sessions of these connections, the one that changed last first. */
  sessions(connections: readonly string[], archived: boolean): StoredSession[] {
    const found: StoredSession[] = [];
    for (const connection of connections) {
      const rows = this.sql.all(
        `SELECT n, key, record, (SELECT coalesce(max(n), 0) FROM entry WHERE entry.session = session.n) AS newest
          FROM session WHERE connection = ? AND record IS NOT NULL`, encodeText(connection));
      for (const row of rows) {
        const n = num(row['n']);
        const record = this.record(n, bytes(row['key']), anyBytes(row['record']));
        if (record === null || (record.archived && !archived)) continue;
        found.push({ n, key: decodeText(bytes(row['key'])), record, newest: num(row['newest']) });
      }
    }
    return found.sort((a, b) => b.record.updatedAt - a.record.updatedAt || b.newest - a.newest);
  }

  /** Numbers of at most `limit` of a session's entries in `[from, to]`, the newest first, with the rows that they belong to; null for those of none. */
  places(session: number, from: number, to: number, limit: number): { readonly n: number; readonly row: number | null }[] {
    return this.sql.all('SELECT n, row_n FROM entry WHERE session = ? AND n BETWEEN ? AND ? ORDER BY n DESC LIMIT ?', session, from, to, limit)
      .map((row) => ({ n: num(row['n']), row: row['row_n'] === null ? null : num(row['row_n']) }));
  }

  /** Number of the newest entry of a row; 0 where it is gone. */
  newestOf(row: number): number {
    return num(this.sql.get('SELECT coalesce(max(n), 0) AS n FROM entry WHERE row_n = ?', row)?.['n']);
  }

  /** What can be read of a row. */
  row(session: string, row: number): StoredRow {
    const key = encodeText(session);
    const entries: Entry[] = [];
    let newest = 0;
    for (const held of this.sql.all('SELECT n, id, sealed FROM entry WHERE row_n = ?', row)) {
      newest = Math.max(newest, num(held['n']));
      const text = this.sealer.open(anyBytes(held['sealed']), boundTo('entry', key, anyBytes(held['id'])));
      if (text !== null) entries.push(JSON.parse(text) as Entry);
    }
    return { newest, entries };
  }

  /** A row's key and place, and whether rows stand within it; null where it is gone. */
  nameOf(session: number, row: number): { readonly key: string; readonly order: Order; readonly holds: boolean } | null {
    const found = this.sql.get(
      `SELECT key, ord, EXISTS (SELECT 1 FROM transcript_row AS child WHERE child.session = ?1 AND child.parent = own.key AND child.shows = 1 AND child.top = 0) AS holds
        FROM transcript_row AS own WHERE n = ?2 AND session = ?1`, session, row);
    return found === undefined ? null : { key: decodeText(bytes(found['key'])), order: decodeOrder(anyBytes(found['ord'])), holds: num(found['holds']) === 1 };
  }

  /** Seals what is known of the store for a file beside it, and opens that. */
  seal(text: string, part: string): Uint8Array {
    return this.sealer.seal(text, boundTo('search', Buffer.from(this.identity()), Buffer.from(part)));
  }

  open(sealed: Uint8Array, part: string): string | null {
    return this.sealer.open(sealed, boundTo('search', Buffer.from(this.identity()), Buffer.from(part)));
  }

  close(): void {
    this.sql.close();
  }

  private record(n: number, key: Uint8Array, sealed: Uint8Array): Session | null {
    const seal = Buffer.from(sealed.subarray(0, 29)).toString('latin1');
    const known = this.records.get(n);
    if (known?.seal === seal) return known.record;
    const text = this.sealer.open(sealed, boundTo('session', key));
    if (text === null) return null;
    const record = JSON.parse(text) as Session;
    this.records.set(n, { seal, record });
    return record;
  }
}

function unavailable(cause?: unknown): PilothouseError {
  return new PilothouseError('search_unavailable', 'Stored transcripts can’t be read, so that only open chats can be searched, with Find in Chat. Reload the window.', { cause });
}
