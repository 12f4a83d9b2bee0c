import type { Entry, UsageFigures } from '../../model/entry.ts';
import { parseSessionKey } from '../../model/session.ts';
import { localDay } from '../../model/usage.ts';
import type { UsageRow } from '../store-api.ts';
import { decodeText, encodeText } from './codec.ts';
import type { SqlRow } from './sql.ts';
import { bytes, num } from './sql.ts';
import type { Base } from './tables.ts';

/** What an entry tells of usage: of its turn, or of all of its session. Null where it tells none. */
interface Told {
  readonly turn: string;
  readonly whole: boolean;
  readonly at: number | null;
  readonly figures: UsageFigures;
}

/**
 * Tokens and cost, one small row a turn. Of what is told of one turn, again or in another order, the greatest counts: figures of a turn only grow. Some agents tell the cost of the whole session
 * alone: what it grew by is a row of its own, which counts where no turn tells a cost. Rows outlive their transcripts and sessions: what was spent was spent.
 */
export class UsageTable {
  private readonly base: Base;

  constructor(base: Base) {
    this.base = base;
  }

  /** Takes what entries (as JSON was parsed) tell. Within a write transaction. `now` stands in where an entry has no time. */
  take(session: Uint8Array, entries: readonly Entry[], now: number): void {
    for (const entry of entries) {
      const told = toldBy(entry);
      if (told === null) continue;
      if (told.whole) this.grow(session, told, now);
      else this.raise(session, told, now);
    }
  }

  /** Sums of each session and day of this computer's time zone, of turns in `[from, to)`, milliseconds since the epoch. */
  report(from: number, to: number): UsageRow[] {
    const days = new Map<string, { -readonly [K in keyof UsageRow]: UsageRow[K] }>();
    const seen = new Set<string>();
    const own = new Set(this.base.sql.all('SELECT DISTINCT session FROM usage WHERE whole = 0 AND cost IS NOT NULL').map((row) => decodeText(bytes(row['session']))));
    for (const row of this.base.sql.all('SELECT session, turn, at, whole, input, output, cached, written, cost FROM usage WHERE at >= ? AND at < ? ORDER BY session, turn', from, to)) {
      const session = decodeText(bytes(row['session']));
      const whole = num(row['whole']) === 1;
      if (whole && own.has(session)) continue;
      if (!whole) {
        // A fork has the turns of what it was forked from, under their ids and times: they were paid for once, and stand with one of the two.
        const turn = JSON.stringify([parseSessionKey(session)?.connectionId, decodeText(bytes(row['turn'])), row['at'], row['input'], row['output']]);
        if (seen.has(turn)) continue;
        seen.add(turn);
      }
      const day = localDay(num(row['at']));
      const sum = days.get(`${day}${session}`) ?? { session, day, turns: 0, input: null, output: null, cached: null, written: null, cost: null, costTurns: 0 };
      days.set(`${day}${session}`, sum);
      for (const name of ['input', 'output', 'cached', 'written', 'cost'] as const) sum[name] = added(sum[name], row, name);
      if (whole) {
        // The cost of a session covers every turn of it.
        sum.costTurns = Number.POSITIVE_INFINITY;
      } else {
        sum.turns += 1;
        if (row['cost'] !== null) sum.costTurns += 1;
      }
    }
    return [...days.values()].map((sum) => ({ ...sum, costTurns: Math.min(sum.costTurns, sum.turns) }));
  }

  private raise(session: Uint8Array, { turn, at, figures }: Told, now: number): void {
    this.base.sql.run(
      `INSERT INTO usage (session, turn, whole, at, input, output, cached, written, cost) VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (session, turn) DO UPDATE SET at = CASE WHEN ?9 = 1 THEN max(at, ?3) ELSE at END, input = max(coalesce(input, ?4), coalesce(?4, input)), output = max(coalesce(output, ?5), coalesce(?5, output)),
          cached = max(coalesce(cached, ?6), coalesce(?6, cached)), written = max(coalesce(written, ?7), coalesce(?7, written)), cost = max(coalesce(cost, ?8), coalesce(?8, cost))`,
      session, encodeText(turn), at ?? now, figures.inputTokens, figures.outputTokens, figures.cachedTokens, figures.cacheWriteTokens ?? null, figures.costUsd, at === null ? 0 : 1);
  }

  private grow(session: Uint8Array, { at, figures }: Told, now: number): void {
    const known = num(this.base.sql.get('SELECT coalesce(sum(cost), 0) AS cost FROM usage WHERE session = ? AND whole = 1', session)?.['cost']);
    const more = (figures.costUsd ?? 0) - known;
    if (more <= known * Number.EPSILON * 8 || more <= 0) return;
    const moment = at ?? now;
    this.base.sql.run(
      'INSERT INTO usage (session, turn, whole, at, cost) VALUES (?1, ?2, 1, ?3, ?4) ON CONFLICT (session, turn) DO UPDATE SET cost = cost + ?4', session, encodeText(`\u0000${localDay(moment)}`), moment, more);
  }
}

function added(sum: number | null, row: SqlRow, name: string): number | null {
  const value = row[name];
  return typeof value === 'number' ? (sum ?? 0) + value : sum;
}

function toldBy(entry: Entry): Told | null {
  if (entry.kind === 'turn' && entry.phase === 'end') return entry.figures === null || saysNothing(entry.figures) ? null : { turn: entry.turn, whole: false, at: entry.at, figures: entry.figures };
  if (entry.kind !== 'usage') return null;
  const { figures, scope, turn, id, at } = entry;
  if (scope === 'session') return figures.costUsd === null || figures.costUsd <= 0 ? null : { turn: '', whole: true, at, figures };
  return saysNothing(figures) ? null : { turn: turn ?? id, whole: false, at, figures };
}

function saysNothing({ inputTokens, outputTokens, cachedTokens, costUsd }: UsageFigures): boolean {
  return inputTokens === null && outputTokens === null && cachedTokens === null && costUsd === null;
}
