import { shows, SHOWS } from '../order.ts';
import { cutRings } from './rings.ts';
import type { Sql, SqlRow } from './sql.ts';
import { bytes, bytesOrNull, num } from './sql.ts';
import type { SessionRef } from './tables.ts';

/** An entry's share in the place of its row. */
export interface Share {
  readonly id: Uint8Array;
  readonly order: Uint8Array;
  readonly parent: Uint8Array | null;
  /** What it adds to the question whether the row shows (shareOf in order.ts). */
  readonly shows: number;
}

interface RowPlace {
  readonly n: number;
  readonly key: Uint8Array;
  order: Uint8Array;
  parent: Uint8Array | null;
  /** Order and id of the entry that gives the row its parent; null where none does. */
  lead: { readonly order: Uint8Array; readonly id: Uint8Array } | null;
  shows: boolean;
  top: boolean;
  /** What it was before the batch. */
  readonly showed: boolean;
  changed: boolean;
  recount: boolean;
  gone: boolean;
}

/** Parents that a walk follows before it leaves the search for a ring to the sweep over the whole session. */
const WALK_LIMIT = 200;

/**
 * Places of a session's rows while a batch is merged in, by the rules of the view: a row stands at the smallest order over its entries and within the
 * parent of its first entry that has one; a row of which no entry shows counts as absent; a row whose parent is absent stands at the top; of a ring of
 * parents the row that stands first does. `settle` writes what changed; `topRows` and `ringed` then hold.
 */
export class RowIndex {
  private readonly sql: Sql;
  private readonly session: number;
  private readonly byKey = new Map<string, RowPlace>();
  private readonly byNumber = new Map<number, RowPlace>();
  topRows: number;
  ringed: boolean;

  constructor(sql: Sql, session: SessionRef) {
    this.sql = sql;
    this.session = session.n;
    this.topRows = session.topRows;
    this.ringed = session.ringed;
  }

  /** The number of the row with that key, made where it is missing, once `share` is counted in. */
  take(key: Uint8Array, share: Share): number {
    const row = this.find(key);
    if (row === null) return this.make(key, share);
    if (Buffer.compare(share.order, row.order) < 0) {
      row.order = share.order;
      row.changed = true;
    }
    if (share.parent !== null && (row.lead === null || compareShares(share, row.lead) < 0)) {
      row.parent = share.parent;
      row.lead = share;
      row.changed = true;
    }
    // What shows by itself keeps the row shown; pieces and what takes their place may make it come or go, which all entries tell together.
    if ((share.shows & SHOWS) === 0) {
      if (share.shows !== 0 && shows(share.shows) !== row.shows) row.recount = true;
    } else if (!row.shows) {
      row.shows = true;
      row.changed = true;
    }
    return row.n;
  }

  /** An entry left the row or has another place now: where the row stands must be found anew. */
  recount(n: number): void {
    const row = this.byNumber.get(n) ?? this.load(this.sql.get('SELECT * FROM transcript_row WHERE n = ?', n));
    if (row !== null) row.recount = true;
  }

  settle(): void {
    for (const row of this.byNumber.values()) if (row.recount) this.recounted(row);
    for (const row of this.byNumber.values()) if (row.shows !== row.showed) this.loadChildren(row.key);
    for (const row of this.byNumber.values()) this.write(row);
    if (this.ringed) {
      const { rings, tops } = cutRings(this.sql, this.session);
      this.topRows += tops;
      this.ringed = rings > 0;
    }
  }

  private make(key: Uint8Array, share: Share): number {
    const lead = share.parent === null ? null : { order: share.order, id: share.id };
    const shown = shows(share.shows);
    const top = shown && share.parent === null;
    const n = this.sql.insert(
      'INSERT INTO transcript_row (session, top, shows, ord, key, parent, lead_ord, lead_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      this.session, top ? 1 : 0, shown ? 1 : 0, share.order, key, share.parent, lead?.order ?? null, lead?.id ?? null);
    if (top) this.topRows += 1;
    this.remember({ n, key, order: share.order, parent: share.parent, lead, shows: shown, top, showed: false, changed: lead !== null, recount: false, gone: false });
    return n;
  }

  /** Reads the row's facts from its entries. */
  private recounted(row: RowPlace): void {
    row.changed = true;
    const order = bytesOrNull(this.sql.get('SELECT min(ord) AS ord FROM entry WHERE row_n = ?', row.n)?.['ord']);
    if (order === null) {
      row.gone = true;
      row.shows = false;
      return;
    }
    const lead = this.sql.get('SELECT ord, id, parent FROM entry WHERE row_n = ? AND parent IS NOT NULL ORDER BY ord, id LIMIT 1', row.n);
    row.order = order;
    row.shows = shows(this.sql.all('SELECT DISTINCT shows FROM entry WHERE row_n = ?', row.n).reduce((shares, found) => shares | num(found['shows']), 0));
    row.parent = lead === undefined ? null : bytes(lead['parent']);
    row.lead = lead === undefined ? null : { order: bytes(lead['ord']), id: bytes(lead['id']) };
  }

  /** Rows within a row that came or went may stand elsewhere now. */
  private loadChildren(key: Uint8Array): void {
    for (const child of this.sql.all('SELECT * FROM transcript_row WHERE session = ? AND parent = ?', this.session, key)) {
      const row = this.byNumber.get(num(child['n'])) ?? this.load(child);
      if (row !== null) row.changed = true;
    }
  }

  private write(row: RowPlace): void {
    if (!row.changed) return;
    const within = row.shows && row.parent !== null && this.shows(row.parent);
    if (within) this.lookForRing(row);
    const top = row.shows && !within;
    if (top !== row.top) this.topRows += top ? 1 : -1;
    row.top = top;
    if (row.gone) {
      this.sql.run('DELETE FROM transcript_row WHERE n = ?', row.n);
      return;
    }
    this.sql.run(
      'UPDATE transcript_row SET ord = ?, parent = ?, lead_ord = ?, lead_id = ?, shows = ?, top = ? WHERE n = ?',
      row.order, row.parent, row.lead?.order ?? null, row.lead?.id ?? null, row.shows ? 1 : 0, top ? 1 : 0, row.n);
  }

  private lookForRing(row: RowPlace): void {
    let parent = row.parent;
    for (let steps = 0; parent !== null && !this.ringed; steps += 1) {
      if (steps === WALK_LIMIT || Buffer.compare(parent, row.key) === 0) this.ringed = true;
      const above = this.find(parent);
      parent = above?.shows === true ? above.parent : null;
    }
  }

  private shows(key: Uint8Array): boolean {
    return this.find(key)?.shows === true;
  }

  private find(key: Uint8Array): RowPlace | null {
    return this.byKey.get(nameOf(key)) ?? this.load(this.sql.get('SELECT * FROM transcript_row WHERE session = ? AND key = ?', this.session, key));
  }

  private load(row: SqlRow | undefined): RowPlace | null {
    if (row === undefined) return null;
    const leadOrder = bytesOrNull(row['lead_ord']);
    const leadId = bytesOrNull(row['lead_id']);
    const shows = num(row['shows']) === 1;
    return this.remember({
      n: num(row['n']), key: bytes(row['key']), order: bytes(row['ord']), parent: bytesOrNull(row['parent']),
      lead: leadOrder === null || leadId === null ? null : { order: leadOrder, id: leadId },
      shows, top: num(row['top']) === 1, showed: shows, changed: false, recount: false, gone: false,
    });
  }

  private remember(row: RowPlace): RowPlace {
    this.byKey.set(nameOf(row.key), row);
    this.byNumber.set(row.n, row);
    return row;
  }
}

function compareShares(a: { readonly order: Uint8Array; readonly id: Uint8Array }, b: { readonly order: Uint8Array; readonly id: Uint8Array }): number {
  return Buffer.compare(a.order, b.order) || Buffer.compare(a.id, b.id);
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
