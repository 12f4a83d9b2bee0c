import type { SessionKey } from '../../model/session.ts';
import type { StoreChange } from '../store-api.ts';
import { decodeText, encodeText } from './codec.ts';
import type { Sealer } from './seal.ts';
import type { Sql } from './sql.ts';
import { bytes, num } from './sql.ts';

/** What the engine tells the log of: codes, ids and counts, no content. */
export interface Report {
  readonly level: 'warn' | 'error';
  readonly message: string;
  readonly data: Readonly<Record<string, string | number | null>>;
}

/** What the tables of one open database share. */
export interface Base {
  readonly sql: Sql;
  readonly sealer: Sealer;
  /** Number of this process's owner row; tells its own writes from those of others. */
  readonly writer: number;
  readonly report: (report: Report) => void;
}

export interface SessionRef {
  readonly n: number;
  readonly key: Uint8Array;
  readonly topRows: number;
  readonly ringed: boolean;
}

/** The session's place, or null when nothing of it is stored. */
export function findSession(base: Base, session: SessionKey): SessionRef | null {
  const key = encodeText(session);
  const found = base.sql.get('SELECT n, top_rows, ringed FROM session WHERE key = ?', key);
  return found === undefined ? null : { n: num(found['n']), key, topRows: num(found['top_rows']), ringed: num(found['ringed']) === 1 };
}

/** The session's place, made where it is missing. Within a write transaction only. */
export function needSession(base: Base, session: SessionKey): SessionRef {
  const found = findSession(base, session);
  if (found !== null) return found;
  const key = encodeText(session);
  const cut = session.indexOf('\u0000');
  const connection = encodeText(cut < 0 ? '' : session.slice(0, cut));
  return { n: base.sql.insert('INSERT INTO session (key, connection) VALUES (?, ?)', key, connection), key, topRows: 0, ringed: false };
}

const KINDS: readonly StoreChange['kind'][] = ['entries', 'session', 'outbox', 'mail', 'marks'];
/** Changes kept for followers; one that is further behind is told that everything may have changed. */
const CHANGES_KEPT = 4096;

/** Notes a change for other processes, within the transaction that makes it. */
export function noteChange(base: Base, kind: StoreChange['kind'], session: Uint8Array): void {
  const n = base.sql.insert('INSERT INTO change (kind, session, writer) VALUES (?, ?, ?)', KINDS.indexOf(kind), session, base.writer);
  if (n % 256 === 0) base.sql.run('DELETE FROM change WHERE n <= ?', n - CHANGES_KEPT);
}

/** Follows what other processes write; `poll` costs one read of a counter when nothing happened. */
export class Follower {
  private readonly base: Base;
  private version = -1;
  private seen = 0;

  constructor(base: Base) {
    this.base = base;
  }

  /** Changes from now on. */
  start(): void {
    this.version = this.dataVersion();
    this.seen = this.newest();
  }

  poll(): StoreChange[] {
    const version = this.dataVersion();
    if (version === this.version) return [];
    return this.base.sql.read(() => {
      // Read again inside: a commit between the two reads would otherwise be told of now and looked for again at the next poll.
      this.version = this.dataVersion();
      const from = this.seen;
      this.seen = this.newest();
      const oldest = num(this.base.sql.get('SELECT coalesce(min(n), 0) AS n FROM change')?.['n']);
      if (oldest > from + 1 && this.seen > from) return this.everything();
      const rows = this.base.sql.all('SELECT DISTINCT kind, session FROM change WHERE n > ? AND writer <> ?', from, this.base.writer);
      return rows.flatMap((row) => {
        const kind = KINDS[num(row['kind'])];
        return kind === undefined ? [] : [{ kind, session: decodeText(bytes(row['session'])) }];
      });
    });
  }

  private everything(): StoreChange[] {
    const sessions = this.base.sql.all('SELECT key FROM session').map((row) => decodeText(bytes(row['key'])));
    return sessions.flatMap((session) => KINDS.map((kind) => ({ kind, session })));
  }

  private newest(): number {
    return num(this.base.sql.get('SELECT coalesce(max(n), 0) AS n FROM change')?.['n']);
  }

  private dataVersion(): number {
    return num(this.base.sql.get('PRAGMA data_version')?.['data_version']);
  }
}
