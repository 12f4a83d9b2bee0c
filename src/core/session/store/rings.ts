import type { Sql } from './sql.ts';
import { bytes, num } from './sql.ts';

interface Within {
  readonly n: number;
  readonly key: string;
  readonly parent: string;
  readonly order: Uint8Array;
  readonly top: boolean;
}

/**
 * Sets anew which rows with a parent stand at the top in a session that has, or may have, rings of parents (no honest system makes one): those whose parent
 * is absent and, of each ring, the row that stands first. Costs with the number of rows that have a parent. `tops` is how many more stand at the top.
 */
export function cutRings(sql: Sql, session: number): { rings: number; tops: number } {
  const rows = sql.all(
    `SELECT r.n, r.key, r.parent, r.ord, r.top, p.n IS NOT NULL AS within FROM transcript_row AS r
      LEFT JOIN transcript_row AS p ON p.session = r.session AND p.key = r.parent AND p.shows = 1
      WHERE r.session = ? AND r.parent IS NOT NULL AND r.shows = 1`, session);
  const within = new Map<string, Within>();
  for (const row of rows) {
    if (num(row['within']) === 0) continue;
    const key = nameOf(bytes(row['key']));
    within.set(key, { n: num(row['n']), key, parent: nameOf(bytes(row['parent'])), order: bytes(row['ord']), top: num(row['top']) === 1 });
  }
  const cut = ringHeads(within);
  let tops = 0;
  for (const row of within.values()) {
    const top = cut.has(row.key);
    if (top === row.top) continue;
    sql.run('UPDATE transcript_row SET top = ? WHERE n = ?', top ? 1 : 0, row.n);
    tops += top ? 1 : -1;
  }
  return { rings: cut.size, tops };
}

/** Of each ring, the key of the row that stands first. */
function ringHeads(rows: ReadonlyMap<string, Within>): Set<string> {
  const heads = new Set<string>();
  const met = new Map<string, Within>();
  for (const start of rows.values()) {
    let row: Within | undefined = start;
    while (row !== undefined && !met.has(row.key)) {
      met.set(row.key, start);
      row = rows.get(row.parent);
    }
    if (row === undefined || met.get(row.key) !== start) continue;
    let head = row;
    for (let next = rows.get(row.parent); next !== undefined && next.key !== row.key; next = rows.get(next.parent)) {
      if ((Buffer.compare(next.order, head.order) || compareNames(next.key, head.key)) < 0) head = next;
    }
    heads.add(head.key);
  }
  return heads;
}

/** Names hold one byte a character, so that they sort as the bytes do. */
function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
