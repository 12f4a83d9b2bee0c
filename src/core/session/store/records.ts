import type { Session, SessionKey } from '../../model/session.ts';
import { sessionKey } from '../../model/session.ts';
import { loggedOf } from '../../model/context.ts';
import { MARK_SCOPES, SESSION_SCOPES } from '../store-api.ts';
import type { MailItem, OutboxItem } from '../store-api.ts';
import { decodeText, encodeText, prefixEnd } from './codec.ts';
import type { SealedColumn } from './seal.ts';
import { boundTo } from './seal.ts';
import { anyBytes, bytes, num } from './sql.ts';
import type { Base, SessionRef } from './tables.ts';
import { findSession, needSession, noteChange } from './tables.ts';

const MARKS: readonly string[] = Object.values(MARK_SCOPES);
const UNREADABLE_PROMPT = 'This prompt is stored on this computer but can’t be read: it was altered or damaged on disk. Drop it and write it again.';

/** Session records, the outbox, mail and kept values: small sealed things by their ids. */
export class RecordTables {
  private readonly base: Base;

  constructor(base: Base) {
    this.base = base;
  }

  saveSessions(sessions: readonly Session[]): void {
    const { sql } = this.base;
    sql.write(() => {
      for (const session of sessions) {
        const ref = needSession(this.base, sessionKey(session));
        const text = JSON.stringify(session);
        const held = sql.get('SELECT record FROM session WHERE n = ?', ref.n)?.['record'];
        if (held instanceof Uint8Array && this.open('session', ref.key, undefined, held) === text) continue;
        sql.run('UPDATE session SET record = ?, updated = ? WHERE n = ?', this.seal('session', ref.key, undefined, text), finite(session.updatedAt), ref.n);
        noteChange(this.base, 'session', ref.key);
      }
    });
  }

  /** Newest first; a record that can't be read is left out. */
  sessions(connectionId: string, most = -1): Session[] {
    const rows = this.base.sql.all('SELECT key, record FROM session WHERE connection = ? AND record IS NOT NULL ORDER BY updated DESC LIMIT ?', encodeText(connectionId), most);
    return rows.flatMap((row) => {
      const text = this.open('session', bytes(row['key']), undefined, anyBytes(row['record']));
      if (text !== null) return [JSON.parse(text) as Session];
      this.unreadable('a stored session record', bytes(row['key']));
      return [];
    });
  }

  removeSession(session: SessionKey): void {
    const { sql } = this.base;
    sql.write(() => {
      const ref = findSession(this.base, session);
      if (ref !== null) this.forget(ref);
      for (const scope of MARKS) sql.run('DELETE FROM keep WHERE scope = ? AND key = ?', encodeText(scope), encodeText(session));
    });
  }

  outbox(session: SessionKey | null): OutboxItem[] {
    const select = 'SELECT o.id, o.position, o.created, o.sealed, s.key FROM outbox AS o JOIN session AS s ON s.n = o.session';
    const rows = session === null
      ? this.base.sql.all(`${select} ORDER BY o.session, o.position, o.n`)
      : this.base.sql.all(`${select} WHERE s.key = ? ORDER BY o.position, o.n`, encodeText(session));
    return rows.map((row) => {
      const text = this.open('outbox', bytes(row['key']), bytes(row['id']), anyBytes(row['sealed']));
      if (text !== null) return JSON.parse(text) as OutboxItem;
      this.unreadable('a stored prompt', bytes(row['key']));
      return {
        clientId: decodeText(bytes(row['id'])), session: decodeText(bytes(row['key'])), text: '', attachments: [], delivery: 'failed', attempts: 0,
        position: num(row['position']), createdAt: num(row['created']), error: UNREADABLE_PROMPT, steer: false,
      };
    });
  }

  saveOutbox(item: OutboxItem): void {
    const { sql } = this.base;
    this.durably(() => sql.write(() => {
      const ref = needSession(this.base, item.session);
      const id = encodeText(item.clientId);
      sql.run(
        `INSERT INTO outbox (id, session, position, created, sealed) VALUES (?1, ?2, ?3, ?4, ?5)
          ON CONFLICT (id) DO UPDATE SET session = ?2, position = ?3, created = ?4, sealed = ?5`,
        id, ref.n, finite(item.position), finite(item.createdAt), this.seal('outbox', ref.key, id, JSON.stringify(item)));
      noteChange(this.base, 'outbox', ref.key);
    }));
  }

  removeOutbox(clientId: string): void {
    const { sql } = this.base;
    sql.write(() => {
      const id = encodeText(clientId);
      const row = sql.get('SELECT s.key FROM outbox AS o JOIN session AS s ON s.n = o.session WHERE o.id = ?', id);
      if (row === undefined) return;
      sql.run('DELETE FROM outbox WHERE id = ?', id);
      noteChange(this.base, 'outbox', bytes(row['key']));
    });
  }

  post(mail: MailItem): void {
    const { sql } = this.base;
    sql.write(() => {
      const ref = needSession(this.base, mail.session);
      const id = encodeText(mail.id);
      sql.run(
        'INSERT INTO mail (id, session, created, sealed) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
        id, ref.n, finite(mail.createdAt), this.seal('mail', ref.key, id, JSON.stringify(mail)));
      noteChange(this.base, 'mail', ref.key);
    });
  }

  takeMail(session: SessionKey): MailItem[] {
    const { sql } = this.base;
    const waiting = findSession(this.base, session);
    if (waiting === null || sql.get('SELECT 1 AS found FROM mail WHERE session = ?', waiting.n) === undefined) return [];
    return sql.write(() => {
      const rows = sql.all('SELECT id, sealed FROM mail WHERE session = ? ORDER BY created, n', waiting.n);
      sql.run('DELETE FROM mail WHERE session = ?', waiting.n);
      return rows.flatMap((row) => {
        const text = this.open('mail', waiting.key, bytes(row['id']), anyBytes(row['sealed']));
        if (text !== null) return [JSON.parse(text) as MailItem];
        this.unreadable('a stored request of another window', waiting.key);
        return [];
      });
    });
  }

  keepGet(scope: string, key: string): string | null {
    const [place, id] = [encodeText(scope), encodeText(key)];
    const row = this.base.sql.get('SELECT sealed FROM keep WHERE scope = ? AND key = ?', place, id);
    return row === undefined ? null : this.kept(place, id, anyBytes(row['sealed']));
  }

  keepSet(scope: string, key: string, value: string | null): void {
    const { sql } = this.base;
    const [place, id] = [encodeText(scope), encodeText(key)];
    if (MARKS.includes(scope)) {
      sql.write(() => {
        this.keepAt(place, id, value);
        noteChange(this.base, 'marks', id);
      });
    } else if (value !== null && key.startsWith(loggedOf(null))) this.durably(() => this.keepAt(place, id, value));
    else this.keepAt(place, id, value);
  }

  private keepAt(place: Uint8Array, id: Uint8Array, value: string | null): void {
    const { sql } = this.base;
    if (value === null) {
      sql.run('DELETE FROM keep WHERE scope = ? AND key = ?', place, id);
      return;
    }
    const sealed = this.seal('keep', place, id, value);
    sql.run('INSERT INTO keep (scope, key, sealed) VALUES (?1, ?2, ?3) ON CONFLICT (scope, key) DO UPDATE SET sealed = ?3', place, id, sealed);
  }

  keepList(scope: string, prefix: string): [string, string][] {
    const place = encodeText(scope);
    const from = encodeText(prefix);
    const to = prefixEnd(from);
    const rows = to === null
      ? this.base.sql.all('SELECT key, sealed FROM keep WHERE scope = ? ORDER BY key', place)
      : this.base.sql.all('SELECT key, sealed FROM keep WHERE scope = ? AND key >= ? AND key < ? ORDER BY key', place, from, to);
    return rows.flatMap((row): [string, string][] => {
      const value = this.kept(place, bytes(row['key']), anyBytes(row['sealed']));
      return value === null ? [] : [[decodeText(bytes(row['key'])), value]];
    });
  }

  /** Every kept value that can be read, for the move into memory. */
  keepAll(): [string, string, string][] {
    return this.base.sql.all('SELECT scope, key, sealed FROM keep').flatMap((row): [string, string, string][] => {
      const value = this.kept(bytes(row['scope']), bytes(row['key']), anyBytes(row['sealed']));
      return value === null ? [] : [[decodeText(bytes(row['scope'])), decodeText(bytes(row['key'])), value]];
    });
  }

  /** Every session record that can be read, for the move into memory. */
  allSessions(): Session[] {
    return this.base.sql.all('SELECT key, record FROM session WHERE record IS NOT NULL').flatMap((row) => {
      const text = this.open('session', bytes(row['key']), undefined, anyBytes(row['record']));
      return text === null ? [] : [JSON.parse(text) as Session];
    });
  }

  private kept(scope: Uint8Array, key: Uint8Array, sealed: Uint8Array): string | null {
    const value = this.open('keep', scope, key, sealed);
    if (value === null) this.unreadable('a kept value', scope);
    return value;
  }

  private forget(ref: Pick<SessionRef, 'n' | 'key'>): void {
    const { sql } = this.base;
    for (const table of ['entry', 'transcript_row', 'outbox', 'mail']) sql.run(`DELETE FROM ${table} WHERE session = ?`, ref.n);
    for (const scope of [SESSION_SCOPES.history, SESSION_SCOPES.opened]) sql.run('DELETE FROM keep WHERE scope = ? AND key = ?', encodeText(scope), ref.key);
    sql.run('DELETE FROM session WHERE n = ?', ref.n);
    noteChange(this.base, 'session', ref.key);
  }

  /** Writes what exists nowhere else, such as a prompt or an answer that its system does not keep: it must outlive a power cut too. */
  private durably(write: () => void): void {
    const { sql } = this.base;
    sql.exec('PRAGMA synchronous = FULL');
    try {
      write();
    } finally {
      sql.exec('PRAGMA synchronous = NORMAL');
    }
  }

  private seal(column: SealedColumn, place: Uint8Array, id: Uint8Array | undefined, text: string): Uint8Array {
    return this.base.sealer.seal(text, boundTo(column, place, id));
  }

  private open(column: SealedColumn, place: Uint8Array, id: Uint8Array | undefined, sealed: Uint8Array): string | null {
    return this.base.sealer.open(sealed, boundTo(column, place, id));
  }

  private unreadable(what: string, place: Uint8Array): void {
    this.base.report({ level: 'warn', message: `${what} could not be read`, data: { of: decodeText(place) } });
  }
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
