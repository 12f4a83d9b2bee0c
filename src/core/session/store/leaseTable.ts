import { randomUUID } from 'node:crypto';
import { encodeText, prefixEnd } from './codec.ts';
import type { ProcessIdentity } from './processes.ts';
import { stateOf, thisProcess } from './processes.ts';
import type { Sql, SqlRow } from './sql.ts';
import { num } from './sql.ts';

/** Behind this the process is looked for, and a dead one's leases are free. */
const LATE_MS = 10_000;
/** Behind this the owner does not run any more, whatever its pid tells. */
const LOST_MS = 60_000;
const FORGOTTEN_MS = 86_400_000;

/** `suspect`: the owner's process may live but its heartbeat stopped; ask again in a while with that beat, and it is taken when it has not moved. */
export type Acquired = 'yes' | 'no' | { readonly suspect: number };

/** Registers this process among the store's owners; the number tells its writes and leases from those of others. */
export function registerOwner(sql: Sql, now: number): number {
  const me: ProcessIdentity = thisProcess();
  return sql.write(() => {
    sql.run('DELETE FROM owner WHERE beat < ? AND n NOT IN (SELECT owner FROM lease)', now - FORGOTTEN_MS);
    return sql.insert('INSERT INTO owner (run, pid, host, started, beat) VALUES (?, ?, ?, ?, ?)', randomUUID(), me.pid, me.host, me.started, now);
  });
}

/** Exclusive names over processes that share the database. */
export class LeaseTable {
  private readonly sql: Sql;
  private readonly me: number;
  /** Names that were acquired and not released. */
  readonly held = new Set<string>();

  constructor(sql: Sql, me: number) {
    this.sql = sql;
    this.me = me;
  }

  /** Atomic over processes. `suspect` is the beat that an earlier call answered. */
  acquire(name: string, suspect: number | null, now: number): Acquired {
    const key = encodeText(name);
    return this.sql.write(() => {
      const owner = this.owner(key);
      if (owner !== null && num(owner['n']) !== this.me) {
        const beat = num(owner['beat']);
        const verdict = judge(owner, now);
        if (verdict === 'live') return 'no';
        if (verdict === 'silent' && suspect !== beat) return { suspect: beat };
      }
      this.sql.run('INSERT INTO lease (name, owner) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET owner = ?2', key, this.me);
      this.beat(now);
      this.held.add(name);
      return 'yes';
    });
  }

  release(name: string): void {
    this.held.delete(name);
    this.sql.run('DELETE FROM lease WHERE name = ? AND owner = ?', encodeText(name), this.me);
  }

  holder(name: string, now: number): 'this' | 'other' | 'nobody' {
    const owner = this.owner(encodeText(name));
    if (owner === null) return 'nobody';
    if (num(owner['n']) === this.me) return 'this';
    return judge(owner, now) === 'dead' ? 'nobody' : 'other';
  }

  /** Whether anybody who lives holds a name that begins so. */
  heldUnder(prefix: string, now: number): boolean {
    const from = encodeText(prefix);
    const to = prefixEnd(from);
    if (to === null) return false;
    const owners = this.sql.all('SELECT o.n, o.pid, o.host, o.started, o.beat FROM lease AS l JOIN owner AS o ON o.n = l.owner WHERE l.name >= ? AND l.name < ?', from, to);
    return owners.some((owner) => num(owner['n']) === this.me || judge(owner, now) !== 'dead');
  }

  beat(now: number): void {
    if (this.sql.run('UPDATE owner SET beat = ? WHERE n = ?', now, this.me) > 0) return;
    // Others forget an owner that held nothing for a day.
    const me = thisProcess();
    this.sql.run('INSERT INTO owner (n, run, pid, host, started, beat) VALUES (?, ?, ?, ?, ?, ?)', this.me, randomUUID(), me.pid, me.host, me.started, now);
  }

  /** Frees everything that this process holds and forgets it. */
  leave(): void {
    this.held.clear();
    this.sql.write(() => {
      this.sql.run('DELETE FROM lease WHERE owner = ?', this.me);
      this.sql.run('DELETE FROM owner WHERE n = ?', this.me);
    });
  }

  private owner(name: Uint8Array): SqlRow | null {
    const lease = this.sql.get('SELECT owner FROM lease WHERE name = ?', name);
    if (lease === undefined) return null;
    return this.sql.get('SELECT n, pid, host, started, beat FROM owner WHERE n = ?', num(lease['owner'])) ?? null;
  }
}

/**
 * `dead`: late, and its process is gone. `silent`: no heartbeat for so long that it can't be at work; told apart from `dead` because after a sleep of
 * the computer every owner looks so for a moment.
 */
function judge(owner: SqlRow, now: number): 'live' | 'dead' | 'silent' {
  const beat = num(owner['beat']);
  // A beat in the future tells of a clock that was set back.
  if (Math.abs(now - beat) <= LATE_MS) return 'live';
  const state = stateOf({ pid: num(owner['pid']), host: String(owner['host']), started: String(owner['started']) });
  if (state === 'dead') return 'dead';
  return now - beat > LOST_MS ? 'silent' : 'live';
}
