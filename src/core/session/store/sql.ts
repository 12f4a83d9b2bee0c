import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { PilothouseError } from '../../model/errors.ts';

export type SqlRow = Readonly<Record<string, SQLOutputValue>>;

/** One open database: prepared statements by their text, and transactions. Calls block, so it lives in a worker thread. */
export class Sql {
  private readonly db: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  exec(sql: string): void {
    this.db.exec(sql);
  }

  get(sql: string, ...values: SQLInputValue[]): SqlRow | undefined {
    return this.prepare(sql).get(...values);
  }

  all(sql: string, ...values: SQLInputValue[]): SqlRow[] {
    return this.prepare(sql).all(...values);
  }

  /** Row by row, for results that need not be in memory at once. */
  each(sql: string, ...values: SQLInputValue[]): Iterable<SqlRow> {
    return this.prepare(sql).iterate(...values);
  }

  /** Number of rows that it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.prepare(sql).run(...values).changes);
  }

  /** Row id of the inserted row. */
  insert(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.prepare(sql).run(...values).lastInsertRowid);
  }

  /** All of `work` is committed, or nothing of it. Takes the write lock at once, so that it cannot fail half way for want of it. */
  write<T>(work: () => T): T {
    return this.transaction('BEGIN IMMEDIATE', work);
  }

  /** `work` sees one state of the database. */
  read<T>(work: () => T): T {
    return this.transaction('BEGIN', work);
  }

  close(): void {
    this.statements.clear();
    this.db.close();
  }

  private transaction<T>(begin: string, work: () => T): T {
    this.exec(begin);
    try {
      const result = work();
      this.exec('COMMIT');
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** SQLite ends a transaction by itself on some errors; the first error is the one that matters. */
  private rollback(): void {
    try {
      this.exec('ROLLBACK');
    } catch {
      return;
    }
  }

  private prepare(sql: string): StatementSync {
    const known = this.statements.get(sql);
    if (known !== undefined) return known;
    const made = this.db.prepare(sql);
    this.statements.set(sql, made);
    return made;
  }
}

/** A column that holds a number; anything else is damage. */
export function num(value: SQLOutputValue | undefined): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  throw damaged('a number');
}

/** A column that holds bytes; anything else is damage. */
export function bytes(value: SQLOutputValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw damaged('bytes');
}

export function bytesOrNull(value: SQLOutputValue | undefined): Uint8Array | null {
  return value === null || value === undefined ? null : bytes(value);
}

/** Bytes whatever the column holds, for what a seal tells good from bad anyway: one damaged value must not cost the whole database. */
export function anyBytes(value: SQLOutputValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : new Uint8Array(0);
}

function damaged(expected: string): PilothouseError {
  return new PilothouseError('store_damaged', `the file is damaged: a column does not hold ${expected}`);
}
