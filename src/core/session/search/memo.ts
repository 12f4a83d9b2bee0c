import { refines } from './query.ts';
import type { SearchQuery } from './query.ts';

/** Rows that are remembered at most, of all sessions. */
const MOST_ROWS = 200_000;

interface Found {
  readonly newest: number;
  readonly rows: readonly number[];
}

/** What a search found, for one that asks for more of the same: of each session that was looked through, the rows among which its own are. */
export class Memo {
  private readonly query: SearchQuery;
  private readonly thinking: boolean;
  private readonly sessions = new Map<string, Found>();
  private held = 0;

  private constructor(query: SearchQuery, thinking: boolean) {
    this.query = query;
    this.thinking = thinking;
  }

  /** What is known for a query once `before` was found. */
  static after(before: Memo | null, query: SearchQuery, thinking: boolean): Memo {
    const memo = new Memo(query, thinking);
    if (before === null || before.thinking !== thinking || !refines(query, before.query)) return memo;
    for (const [session, found] of before.sessions) memo.sessions.set(session, found);
    memo.held = before.held;
    return memo;
  }

  /** Numbers of the rows among which those of a session are; null where that is not known for the session as it is, whose newest entry is `newest`. */
  rowsOf(session: string, newest: number): readonly number[] | null {
    const found = this.sessions.get(session);
    return found?.newest === newest ? found.rows : null;
  }

  keep(session: string, newest: number, rows: readonly number[]): void {
    const before = this.sessions.get(session)?.rows.length ?? 0;
    if (this.held - before + rows.length > MOST_ROWS) return;
    this.held += rows.length - before;
    this.sessions.set(session, { newest, rows });
  }
}
