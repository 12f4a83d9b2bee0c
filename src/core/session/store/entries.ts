import type { Entry } from '../../model/entry.ts';
import { PilothouseError } from '../../model/errors.ts';
import type { SessionKey } from '../../model/session.ts';
import { canonicalText } from '../jsonText.ts';
import { shareOf } from '../order.ts';
import { decodeOrder, decodeText, encodeOrder, encodeText } from './codec.ts';
import type { Share } from './rowIndex.ts';
import { RowIndex } from './rowIndex.ts';
import { boundTo } from './seal.ts';
import type { SqlRow } from './sql.ts';
import { anyBytes, num } from './sql.ts';
import type { Base, SessionRef } from './tables.ts';
import { findSession, needSession, noteChange } from './tables.ts';
import type { UsageTable } from './usage.ts';

/** A page of entries as one JSON array, which the caller's thread parses faster than it would take over objects. */
export interface EntryPage {
  readonly start: number;
  readonly total: number;
  readonly json: string;
}

/** What the store needs to know of an entry to place it. */
interface Placed extends Share {
  readonly entry: Entry;
  readonly row: Uint8Array | null;
  readonly rev: number;
}

/** No process has it for its number. */
const NOBODY = -1;
const COLUMNS = 'e.n, e.id, e.ord, e.parent, e.sealed, r.key AS row_key';

/** Entries of all sessions, merged by id, and the places of their rows. */
export class EntryTable {
  private readonly base: Base;
  private readonly usage: UsageTable;

  constructor(base: Base, usage: UsageTable) {
    this.base = base;
    this.usage = usage;
  }

  /** Merges entries (each as JSON) in; all of them or, when one is no entry, none. Gives how many changed something. */
  put(session: SessionKey, texts: readonly string[], now: number): number {
    const placed = texts.map(place);
    const { sql } = this.base;
    return sql.write(() => {
      const ref = needSession(this.base, session);
      const rows = new RowIndex(sql, ref);
      let changed = 0;
      placed.forEach((entry, index) => {
        if (this.merge(ref, rows, entry, texts[index] ?? '')) changed += 1;
      });
      // Also what is stored already: it may have come before usage was counted.
      this.usage.take(ref.key, placed.map(({ entry }) => entry), now);
      if (changed === 0) return 0;
      rows.settle();
      sql.run('UPDATE session SET top_rows = ?, ringed = ?, touched = ? WHERE n = ?', rows.topRows, rows.ringed ? 1 : 0, now, ref.n);
      noteChange(this.base, 'entries', ref.key);
      return changed;
    });
  }

  count(session: SessionKey): number {
    return findSession(this.base, session)?.topRows ?? 0;
  }

  rows(session: SessionKey, start: number, limit: number): EntryPage {
    const { sql } = this.base;
    return sql.read(() => {
      const ref = findSession(this.base, session);
      const total = ref?.topRows ?? 0;
      const from = Math.min(total, start < 0 ? Math.max(0, total + start) : start);
      const size = Math.min(limit, total - from);
      if (ref === null || size <= 0) return { start: from, total, json: '[]' };
      // Whichever end is nearer: what OFFSET steps over is what a page in the middle costs.
      const behind = total - from - size;
      const [order, skip] = from <= behind ? ['ord, key', from] : ['ord DESC, key DESC', behind];
      // CROSS JOIN fixes the order of the loops: SQLite's own choice scans every entry of the database.
      const found = sql.each(
        `WITH RECURSIVE shown (n, key) AS (
          SELECT n, key FROM (SELECT n, key FROM transcript_row WHERE session = ?1 AND top = 1 ORDER BY ${order} LIMIT ?2 OFFSET ?3)
          UNION SELECT child.n, child.key FROM shown CROSS JOIN transcript_row AS child ON child.session = ?1 AND child.parent = shown.key AND child.shows = 1)
        SELECT ${COLUMNS} FROM shown AS r CROSS JOIN entry AS e ON e.row_n = r.n`, ref.n, size, skip);
      return { start: from, total, json: this.texts(session, ref, found).json };
    });
  }

  entriesOf(session: SessionKey, rows: readonly string[]): string {
    const { sql } = this.base;
    return sql.read(() => {
      const ref = findSession(this.base, session);
      if (ref === null) return '[]';
      const found = [...new Set(rows)].flatMap((row) => sql.all(
        `SELECT ${COLUMNS} FROM transcript_row AS r CROSS JOIN entry AS e ON e.row_n = r.n WHERE r.session = ? AND r.key = ?`, ref.n, encodeText(row)));
      return this.texts(session, ref, found).json;
    });
  }

  /** `own`: what this process wrote, too. */
  since(session: SessionKey, after: number, limit: number, own = false): { json: string; mark: number } {
    const { sql, writer } = this.base;
    return sql.read(() => {
      const ref = findSession(this.base, session);
      if (ref === null) return { json: '[]', mark: after };
      const newest = this.newest(ref);
      const found = sql.each(
        `SELECT ${COLUMNS} FROM entry AS e LEFT JOIN transcript_row AS r ON r.n = e.row_n
          WHERE e.session = ? AND e.n > ? AND e.writer <> ? ORDER BY e.n LIMIT ?`, ref.n, after, own ? NOBODY : writer, limit);
      const { json, count, last } = this.texts(session, ref, found);
      return { json, mark: count < limit ? Math.max(after, newest) : last };
    });
  }

  mark(session: SessionKey): number {
    const ref = findSession(this.base, session);
    return ref === null ? 0 : this.newest(ref);
  }

  /** The newest entries of a session as JSON texts, as far as they can be read; stops at the first damage. */
  *readable(session: SessionKey, limit: number): Iterable<string> {
    const key = encodeText(session);
    const found = this.base.sql.get('SELECT n FROM session WHERE key = ?', key);
    if (found === undefined) return;
    for (const row of this.base.sql.each('SELECT id, sealed FROM entry WHERE session = ? ORDER BY n DESC LIMIT ?', num(found['n']), limit)) {
      const text = this.open({ key }, row);
      if (text !== null) yield text;
    }
  }

  private newest(ref: SessionRef): number {
    return num(this.base.sql.get('SELECT coalesce(max(n), 0) AS n FROM entry WHERE session = ?', ref.n)?.['n']);
  }

  private merge(ref: SessionRef, rows: RowIndex, entry: Placed, text: string): boolean {
    const { sql, sealer, writer } = this.base;
    const held = sql.get('SELECT n, row_n, shows, rev, ord, id, parent, sealed FROM entry WHERE session = ? AND id = ?', ref.n, entry.id);
    if (held !== undefined) {
      if (!this.wins(ref, entry, text, held)) return false;
      sql.run('DELETE FROM entry WHERE n = ?', num(held['n']));
    }
    const row = entry.row === null ? null : rows.take(entry.row, entry);
    if (held !== undefined && held['row_n'] !== null) {
      const same = held['row_n'] === row && num(held['shows']) === entry.shows && equal(anyBytes(held['ord']), entry.order) && equal(orNull(held['parent']), entry.parent);
      if (!same) rows.recount(num(held['row_n']));
    }
    sql.run(
      'INSERT INTO entry (session, writer, row_n, shows, rev, ord, id, parent, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ref.n, writer, row, entry.shows, entry.rev, entry.order, entry.id, entry.parent, sealer.seal(text, boundTo('entry', ref.key, entry.id)));
    return true;
  }

  /** The merge rule: the higher `rev`, then the greater canonical JSON. What can't be read gives way to anything that is not older. */
  private wins(ref: SessionRef, entry: Placed, text: string, held: SqlRow): boolean {
    const { rev } = held;
    if (typeof rev === 'number' && entry.rev !== rev) return entry.rev > rev;
    const heldText = this.open(ref, held);
    if (heldText === null) return true;
    return heldText !== text && canonicalText(JSON.parse(text)) > canonicalText(JSON.parse(heldText));
  }

  private open(ref: Pick<SessionRef, 'key'>, row: SqlRow): string | null {
    return this.base.sealer.open(anyBytes(row['sealed']), boundTo('entry', ref.key, anyBytes(row['id'])));
  }

  private texts(session: SessionKey, ref: SessionRef, rows: Iterable<SqlRow>): { json: string; count: number; last: number } {
    const texts: string[] = [];
    let unreadable = 0;
    let last = 0;
    for (const row of rows) {
      last = num(row['n']);
      const text = this.open(ref, row);
      if (text === null) unreadable += 1;
      texts.push(text ?? JSON.stringify(placeholder(row)));
    }
    if (unreadable > 0) this.base.report({ level: 'warn', message: 'stored entries could not be read', data: { session, count: unreadable } });
    return { json: `[${texts.join(',')}]`, count: texts.length, last };
  }
}

/** Stands in the place of an entry whose seal is broken. Every real version of the entry is newer, so the system's own copy takes its place. */
function placeholder(row: SqlRow): Entry {
  const rowKey = orNull(row['row_key']);
  const parent = orNull(row['parent']);
  return {
    kind: 'unknown', source: 'store', id: decodeText(anyBytes(row['id'])), row: rowKey === null ? null : decodeText(rowKey),
    order: decodeOrder(anyBytes(row['ord'])), rev: Number.MIN_SAFE_INTEGER, at: null, turn: null, parent: parent === null ? null : decodeText(parent),
    raw: { code: 'store_unreadable', message: 'This entry is stored on this computer but can\u2019t be read: it was altered or damaged on disk.' },
  };
}

function place(text: string): Placed {
  const entry = JSON.parse(text) as Partial<Record<keyof Entry, unknown>> | null;
  const order: unknown = entry?.order;
  if (typeof entry?.id !== 'string' || !isKey(entry.row) || !isKey(entry.parent) || !Array.isArray(order)) {
    throw new PilothouseError('store_invalid_entry', 'An entry without id, row, parent or order can’t be stored. Report this with the log.');
  }
  return {
    entry: entry as Entry,
    id: encodeText(entry.id),
    row: entry.row === null ? null : encodeText(entry.row),
    // A row within itself is within nothing.
    parent: entry.parent === null || entry.parent === entry.row ? null : encodeText(entry.parent),
    shows: shareOf(entry as Entry),
    order: encodeOrder(order as readonly number[]),
    rev: typeof entry.rev === 'number' ? entry.rev : Number.NEGATIVE_INFINITY,
  };
}

function orNull(value: SqlRow[string] | undefined): Uint8Array | null {
  return value === null || value === undefined ? null : anyBytes(value);
}

function isKey(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function equal(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return Buffer.compare(a, b) === 0;
}
