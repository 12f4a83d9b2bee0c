import type { Order } from '../../model/entry.ts';
import { compareOrder } from '../../model/entry.ts';
import type { SessionKey } from '../../model/session.ts';
import { BLOCK_ENTRIES } from './blocks.ts';
import type { SearchIndex, Stretch } from './blocks.ts';
import { GramFilter } from './grams.ts';
import { Memo } from './memo.ts';
import { folded, holdsAll, parseQuery } from './query.ts';
import type { SearchQuery } from './query.ts';
import type { StoredRow, StoredSession, StoreReader } from './reader.ts';
import { plainRow } from './rowPlain.ts';
import { snippetOf } from './snippet.ts';
import type { SearchHit, SearchRequest, SearchUpdate } from './wire.ts';

/** Entries whose places are read at once. */
const CHUNK = 256;
/** How often is told what was found, in milliseconds. */
const TELL_MS = 40;

/** What one search needs of whoever runs it. */
interface SearchTask {
  readonly request: SearchRequest;
  readonly tell: (update: SearchUpdate) => void;
  /** True when nobody waits for it any more: it ends within one row. */
  readonly cancelled: () => boolean;
}

/**
 * Looks through stored sessions, the newest first, and each from its newest entry on. What a stretch of entries may hold is remembered (blocks.ts), so that the next search passes over those that
 * hold none of its words; what grows, as a query that is typed does, is looked for among what was found.
 */
export class Scanner {
  private readonly reader: StoreReader;
  private readonly index: SearchIndex;
  private memo: Memo | null = null;

  constructor(reader: StoreReader, index: SearchIndex) {
    this.reader = reader;
    this.index = index;
  }

  /** Runs one search to its end; one for nothing only reads what it would have to. True unless it was cancelled. */
  run(task: SearchTask): boolean {
    const query = parseQuery(task.request.text);
    const sessions = this.reader.sessions(task.request.connections, task.request.archived);
    const search = new Search(task, sessions.length);
    if (query !== null) {
      this.memo = Memo.after(this.memo, query, task.request.thinking);
      for (const session of sessions) search.addTitle(session, query);
      search.tellSoon(true);
    }
    for (const session of sessions) {
      if (search.isOver) break;
      if (query === null) this.prepare(session, search);
      else this.session(session, query, search, this.memo);
      if (!search.isOver) search.done += 1;
    }
    return search.end();
  }

  /** Remembers what a session may hold, where that is not known yet. */
  private prepare(session: StoredSession, search: Search): void {
    const rows = new SessionRows(this.reader, session, null, search);
    for (const stretch of this.index.of(session.key).stretches(session.newest)) if (stretch.block === null && rows.goesOn) this.stretch(session, stretch, rows);
  }

  private session(session: StoredSession, query: SearchQuery, search: Search, memo: Memo | null): void {
    if (session.newest === 0) return;
    const rows = new SessionRows(this.reader, session, query, search);
    const known = memo?.rowsOf(session.key, session.newest) ?? null;
    if (known !== null) {
      for (const row of known) if (rows.goesOn) rows.look(row, null, session.newest);
    } else {
      for (const stretch of this.index.of(session.key).stretches(session.newest)) {
        if (!rows.goesOn) break;
        if (stretch.block === null || stretch.block.filter.mayHold(query.words)) this.stretch(session, stretch, rows);
      }
    }
    if (!rows.goesOn) return;
    memo?.keep(session.key, session.newest, rows.found);
    if (rows.found.length > search.request.mostOfSession) search.more(session.key, rows.found.length);
  }

  /** Looks through a stretch of a session's entries, and remembers what it may hold where that is not known. */
  private stretch(session: StoredSession, { from, to, block }: Stretch, rows: SessionRows): void {
    let filter = block === null ? new GramFilter() : null;
    let top = to;
    let count = 0;
    let next = to;
    const close = (lowest: number): void => {
      if (filter !== null && count > 0) this.index.add(session.key, { from: lowest, to: top, count, filter });
      filter = block === null ? new GramFilter() : null;
      top = lowest - 1;
      count = 0;
      rows.seen.clear();
    };
    for (;;) {
      const places = this.reader.places(session.n, from, next, CHUNK);
      for (const { n, row } of places) {
        if (!rows.goesOn) {
          close(next + 1);
          return;
        }
        if (row !== null) rows.look(row, filter, top);
        count += 1;
        next = n - 1;
        if (filter !== null && (count >= BLOCK_ENTRIES || filter.isFull)) close(n);
      }
      if (places.length < CHUNK) break;
    }
    close(from);
  }
}

/** The rows of one session, as they are looked at one by one. */
class SessionRows {
  /** Rows that were looked at since the block began. */
  readonly seen = new Set<number>();
  /** Rows that hold all words. */
  readonly found: number[] = [];
  private readonly reader: StoreReader;
  private readonly session: StoredSession;
  private readonly query: SearchQuery | null;
  private readonly search: Search;
  private readonly evaluated = new Set<number>();
  /** Places of the rows that were told of and count, the last one first. */
  private readonly last: Order[] = [];

  constructor(reader: StoreReader, session: StoredSession, query: SearchQuery | null, search: Search) {
    this.reader = reader;
    this.session = session;
    this.query = query;
    this.search = search;
  }

  get goesOn(): boolean {
    return !this.search.isOver;
  }

  /**
   * Looks at a row, and adds what it shows to a filter. A row counts where its newest entry is, in the block that ends with the entry `top`: one whose newest entry is further up is
   * told there, unless that came after the search began.
   */
  look(n: number, filter: GramFilter | null, top: number): void {
    if (this.seen.has(n)) return;
    this.seen.add(n);
    const row = this.reader.row(this.session.key, n);
    const counts = (row.newest <= top || row.newest > this.session.newest) && !this.evaluated.has(n);
    if (!counts && filter === null) return;
    const plain = plainRow(row.entries, false);
    if (plain !== null) {
      const fold = folded(plain.text);
      filter?.add(fold);
      const shown = plain.kind !== 'thinking' || this.search.request.thinking;
      if (this.query !== null && counts && shown && holdsAll(fold, this.query)) this.hit(n, row, this.query);
    }
    if (row.newest > this.session.newest) this.evaluated.add(n);
    this.search.tellSoon(false);
  }

  private hit(n: number, row: StoredRow, query: SearchQuery): void {
    const name = this.reader.nameOf(this.session.n, n);
    const plain = name === null ? null : plainRow(row.entries, name.holds);
    if (name === null || plain === null || !holdsAll(folded(plain.text), query)) return;
    this.found.push(n);
    const most = this.search.request.mostOfSession;
    const place = this.last.findIndex((other) => compareOrder(other, name.order) < 0);
    if (place < 0 && this.last.length === most) return;
    const snippet = snippetOf(plain.text, query);
    if (snippet === null) return;
    this.last.splice(place < 0 ? this.last.length : place, 0, name.order);
    const counts = this.last.length <= most;
    if (!counts) this.last.pop();
    this.search.add({ session: this.session.key, row: name.key, kind: plain.kind, order: name.order, at: plain.at, snippet }, counts);
  }
}

/** One search: what is to be told of it. */
class Search {
  readonly request: SearchRequest;
  done = 0;
  private readonly task: SearchTask;
  private readonly all: number;
  private hits: SearchHit[] = [];
  private sessions: { readonly session: SessionKey; readonly rows: number }[] = [];
  private rows = 0;
  private full = false;
  private gone = false;
  private told = 0;
  private toldRows = false;

  constructor(task: SearchTask, all: number) {
    this.task = task;
    this.request = task.request;
    this.all = all;
  }

  get isOver(): boolean {
    this.gone ||= this.task.cancelled();
    return this.gone || this.full;
  }

  addTitle({ key, record }: StoredSession, query: SearchQuery): void {
    if (this.hits.length >= this.request.most || !holdsAll(folded(`${record.title}\u0000${record.folder}`), query)) return;
    const snippet = snippetOf(record.title, query) ?? snippetOf(record.folder, query);
    if (snippet !== null) this.hits.push({ session: key, row: null, kind: null, order: [], at: record.updatedAt, snippet });
  }

  /** `counts`: it takes no other's place among those that are wanted. */
  add(hit: SearchHit, counts: boolean): void {
    if (counts && this.rows === this.request.most) {
      this.full = true;
      return;
    }
    if (counts) this.rows += 1;
    this.hits.push(hit);
    if (!this.toldRows) this.tellSoon(true);
    this.toldRows = true;
  }

  more(session: SessionKey, rows: number): void {
    this.sessions.push({ session, rows });
  }

  /** Tells how it stands, now and then; `now`: where there is something to tell, at once. */
  tellSoon(now: boolean): void {
    const at = performance.now();
    if (now ? this.hits.length > 0 : at - this.told >= TELL_MS) this.tell(null);
  }

  /** True unless nobody waits for it. */
  end(): boolean {
    if (this.isOver && this.gone) return false;
    this.tell(this.full ? 'full' : 'whole');
    return true;
  }

  private tell(ended: SearchUpdate['ended']): void {
    if (this.gone) return;
    this.told = performance.now();
    const { hits, sessions: more } = this;
    this.hits = [];
    this.sessions = [];
    this.task.tell({ hits, done: this.done, all: this.all, ended, more });
  }
}
