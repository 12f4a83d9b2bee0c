import { loggedOf } from '../../model/context.ts';
import type { SessionKey } from '../../model/session.ts';
import { parseSessionKey } from '../../model/session.ts';
import type { KeptFor, RetentionRule, RetentionSurvey } from '../store-api.ts';
import { MARK_SCOPES, openName, SESSION_SCOPES } from '../store-api.ts';
import { decodeText, encodeText, prefixEnd } from './codec.ts';
import type { LeaseTable } from './leaseTable.ts';
import { boundTo } from './seal.ts';
import type { SqlRow } from './sql.ts';
import { bytes, bytesOrNull, num } from './sql.ts';
import type { Base } from './tables.ts';
import { noteChange } from './tables.ts';

/** Free pages that are given back to the file system at once: a few milliseconds. */
const PAGES = 1_000;
const STORED = 'SELECT n, key FROM session AS s WHERE max(updated, touched) < ? AND EXISTS (SELECT 1 FROM entry WHERE entry.session = s.n)';

/** Forgets transcripts: entries and their rows. Records, prompts, drafts and marks stay. */
export class RetentionTable {
  private readonly base: Base;
  private readonly leases: LeaseTable;

  constructor(base: Base, leases: LeaseTable) {
    this.base = base;
    this.leases = leases;
  }

  /** Which sessions' transcripts may be forgotten, and how many stay for what. `now` in milliseconds since the epoch. */
  survey(rule: RetentionRule, now: number): RetentionSurvey {
    const { sql } = this.base;
    return sql.read(() => {
      const sessions: SessionKey[] = [];
      const kept: Record<KeptFor, number> = { open: 0, prompts: 0, draft: 0, pinned: 0, onlyHere: 0, gone: 0 };
      for (const row of sql.all(STORED, rule.before)) {
        if (this.openedAt(bytes(row['key'])) >= rule.before) continue;
        const why = this.keptFor(row, rule, now);
        if (why === null) sessions.push(decodeText(bytes(row['key'])));
        else kept[why] += 1;
      }
      return { sessions, kept, bytes: this.size() };
    });
  }

  /** Forgets one transcript; false where it is to be kept (by now). */
  forget(session: SessionKey, rule: RetentionRule, now: number): boolean {
    const { sql } = this.base;
    return sql.write(() => {
      const row = sql.get(`${STORED} AND s.key = ?`, rule.before, encodeText(session));
      if (row === undefined || this.openedAt(bytes(row['key'])) >= rule.before || this.keptFor(row, rule, now) !== null) return false;
      const n = num(row['n']);
      for (const table of ['entry', 'transcript_row']) sql.run(`DELETE FROM ${table} WHERE session = ?`, n);
      sql.run('UPDATE session SET top_rows = 0, ringed = 0 WHERE n = ?', n);
      // How far its system's record was read: it is to be read again from its end to its beginning.
      for (const scope of [SESSION_SCOPES.history, SESSION_SCOPES.opened]) sql.run('DELETE FROM keep WHERE scope = ? AND key = ?', encodeText(scope), bytes(row['key']));
      noteChange(this.base, 'entries', bytes(row['key']));
      return true;
    });
  }

  /** Gives some free pages back to the file system; true while there are more. */
  shrink(): boolean {
    const { sql } = this.base;
    sql.all(`PRAGMA incremental_vacuum(${PAGES})`);
    if (num(sql.get('PRAGMA freelist_count')?.['freelist_count']) > 0) return true;
    sql.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return false;
  }

  private size(): number {
    const value = (name: string): number => num(this.base.sql.get(`PRAGMA ${name}`)?.[name]);
    return value('page_count') * value('page_size');
  }

  /** When somebody opened the session last, milliseconds since the epoch; 0 where that is not known. */
  private openedAt(key: Uint8Array): number {
    const scope = encodeText(SESSION_SCOPES.opened);
    const sealed = bytesOrNull(this.base.sql.get('SELECT sealed FROM keep WHERE scope = ? AND key = ?', scope, key)?.['sealed']);
    return sealed === null ? 0 : Number(this.base.sealer.open(sealed, boundTo('keep', scope, key)) ?? 0);
  }

  /** Why the transcript stays; null where it may go. */
  private keptFor(row: SqlRow, { spare, known }: RetentionRule, now: number): KeptFor | null {
    const key = bytes(row['key']);
    const ref = parseSessionKey(decodeText(key));
    if (this.leases.heldUnder(ref === null ? '' : `${ref.connectionId}/${openName(ref.id)}`, now)) return 'open';
    if (this.base.sql.get('SELECT 1 AS found FROM outbox WHERE session = ?', num(row['n'])) !== undefined) return 'prompts';
    if (this.has(SESSION_SCOPES.drafts, key) || this.keeps(SESSION_SCOPES.drafts, Buffer.concat([key, encodeText('\u0000')]))) return 'draft';
    if (this.has(MARK_SCOPES.pins, key)) return 'pinned';
    if (ref !== null && !known.includes(ref.connectionId)) return 'gone';
    if (ref === null || spare.includes(ref.connectionId) || this.keeps(`backend:${ref.connectionId}`, encodeText(loggedOf(ref.id)))) return 'onlyHere';
    return null;
  }

  private has(scope: string, key: Uint8Array): boolean {
    return this.base.sql.get('SELECT 1 AS found FROM keep WHERE scope = ? AND key = ?', encodeText(scope), key) !== undefined;
  }

  /** Whether something is kept whose key begins so. */
  private keeps(scope: string, from: Uint8Array): boolean {
    const to = prefixEnd(from);
    return to !== null && this.base.sql.get('SELECT 1 AS found FROM keep WHERE scope = ? AND key >= ? AND key < ? LIMIT 1', encodeText(scope), from, to) !== undefined;
  }
}
