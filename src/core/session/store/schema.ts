import { PilothouseError } from '../../model/errors.ts';
import type { Sql } from './sql.ts';
import { num } from './sql.ts';

/**
 * Schema 1. Keys and ids are CESU-8 and orders sortable doubles (codec.ts), all as BLOB; `sealed` and `record` are sealed (seal.ts).
 * `entry.n` grows with every write, a replaced entry takes a place at the end: it is the mark by which other processes follow.
 * `transcript_row.top` is 1 for rows shown at the top level, which `session.top_rows` counts; its `shows` is 0 where nothing of it is shown (an
 * answer without its permission), that of an entry its share in that (shareOf in order.ts); `lead_*` is the entry that gives the row its parent;
 * `ringed` tells that parents may lead back to themselves.
 */
const SCHEMA_1 = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE session (
  n INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, connection BLOB NOT NULL, top_rows INTEGER NOT NULL DEFAULT 0,
  ringed INTEGER NOT NULL DEFAULT 0, updated REAL NOT NULL DEFAULT 0, touched REAL NOT NULL DEFAULT 0, record BLOB);
CREATE INDEX session_connection ON session (connection) WHERE record IS NOT NULL;
CREATE TABLE transcript_row (
  n INTEGER PRIMARY KEY, session INTEGER NOT NULL, top INTEGER NOT NULL, shows INTEGER NOT NULL, ord BLOB NOT NULL,
  key BLOB NOT NULL, parent BLOB, lead_ord BLOB, lead_id BLOB);
CREATE UNIQUE INDEX row_key ON transcript_row (session, key);
CREATE INDEX row_view ON transcript_row (session, ord, key) WHERE top = 1;
CREATE INDEX row_parent ON transcript_row (session, parent) WHERE parent IS NOT NULL;
CREATE TABLE entry (
  n INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER NOT NULL, writer INTEGER NOT NULL, row_n INTEGER, shows INTEGER NOT NULL, rev REAL NOT NULL,
  ord BLOB NOT NULL, id BLOB NOT NULL, parent BLOB, sealed BLOB NOT NULL);
CREATE UNIQUE INDEX entry_id ON entry (session, id);
CREATE INDEX entry_session ON entry (session);
CREATE INDEX entry_row ON entry (row_n) WHERE row_n IS NOT NULL;
CREATE TABLE outbox (
  n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, session INTEGER NOT NULL, position REAL NOT NULL, created REAL NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX outbox_session ON outbox (session);
CREATE TABLE mail (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, session INTEGER NOT NULL, created REAL NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX mail_session ON mail (session);
CREATE TABLE keep (scope BLOB NOT NULL, key BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE TABLE change (n INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, session BLOB NOT NULL, writer INTEGER NOT NULL);
CREATE TABLE owner (
  n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL, started TEXT NOT NULL, beat REAL NOT NULL);
CREATE TABLE lease (name BLOB PRIMARY KEY, owner INTEGER NOT NULL) WITHOUT ROWID;
`;

/** Schema 2: what turns used, by session key, so that it outlives session and transcript. `whole` is 1 for what the cost of a whole session grew by on one day. */
const SCHEMA_2 = `
CREATE TABLE usage (
  session BLOB NOT NULL, turn BLOB NOT NULL, whole INTEGER NOT NULL, at REAL NOT NULL, input REAL, output REAL, cached REAL, written REAL, cost REAL,
  PRIMARY KEY (session, turn)) WITHOUT ROWID;
CREATE INDEX usage_at ON usage (at);
`;

/** Each step leads from the version that is its index to the next one. */
const MIGRATIONS: readonly string[] = [SCHEMA_1, SCHEMA_2];

const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings the database to this build's schema. Throws `store_newer` for one that a later build wrote, which stays untouched. */
export function migrate(sql: Sql): void {
  const known = knownVersion(sql);
  // Only while there is no table yet, and before the journal is one that keeps it from being set.
  if (known === 0) sql.exec('PRAGMA auto_vacuum = INCREMENTAL');
  sql.exec('PRAGMA journal_mode = WAL');
  if (known === SCHEMA_VERSION) return;
  sql.write(() => {
    // Read again under the lock: another process may have done it in between.
    for (const step of MIGRATIONS.slice(knownVersion(sql))) sql.exec(step);
    sql.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
}

function knownVersion(sql: Sql): number {
  const version = num(sql.get('PRAGMA user_version')?.['user_version']);
  if (version <= SCHEMA_VERSION) return version;
  throw new PilothouseError('store_newer', 'a later version of Pilothouse wrote the file: update Pilothouse in every window, then reload');
}
