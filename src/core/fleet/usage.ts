import type { Session, SessionKey } from '../model/session.ts';
import { parseSessionKey } from '../model/session.ts';
import type { PlanLimit, UsageDay, UsageLine, UsageRange, UsageReport, UsageTotals } from '../model/usage.ts';
import { localDay } from '../model/usage.ts';
import type { UsageRow } from '../session/store-api.ts';

/** What names what was used. */
export interface UsageNames {
  readonly session: (key: SessionKey) => Session | null;
  readonly title: (session: Session) => string;
  readonly agent: (session: Session) => string;
  /** Null for a connection that is not there any more. */
  readonly connection: (connectionId: string) => string | null;
}

const NOTHING: UsageTotals = { turns: 0, input: null, output: null, cached: null, written: null, cost: null, costTurns: 0 };
const REMOVED = { session: 'Removed session', agent: 'Agent not known', connection: 'Removed connection' } as const;

/** The first moment of the range, milliseconds since the epoch: midnight of its oldest day on this computer's clock. */
export function usageFrom(range: UsageRange, now: number): number {
  const today = new Date(now);
  return new Date(today.getFullYear(), today.getMonth(), today.getDate() - range + 1).getTime();
}

/** What was used in the last days, the running one among them, by day, agent, connection and session. */
export function usageReport(rows: readonly UsageRow[], names: UsageNames, limits: readonly PlanLimit[], range: UsageRange, now: number): UsageReport {
  const days = new Map(daysOf(range, now).map((day): [string, UsageTotals] => [day, NOTHING]));
  const agents = new Map<string, UsageLine>();
  const connections = new Map<string, UsageLine>();
  const sessions = new Map<string, UsageLine>();
  let total = NOTHING;
  for (const row of rows) {
    const held = days.get(row.day);
    if (held === undefined) continue;
    days.set(row.day, sum(held, row));
    total = sum(total, row);
    const session = names.session(row.session);
    const connectionId = parseSessionKey(row.session)?.connectionId ?? '';
    const agent = session === null ? REMOVED.agent : names.agent(session);
    const connection = names.connection(connectionId) ?? REMOVED.connection;
    put(agents, agent, row, { label: agent, detail: '', opens: false });
    put(connections, connectionId, row, { label: connection, detail: '', opens: false });
    put(sessions, row.session, row, { label: session === null ? REMOVED.session : names.title(session), detail: session === null ? connection : `${agent} · ${connection}`, opens: session !== null });
  }
  return {
    range, total, limits, days: [...days].map(([day, totals]): UsageDay => ({ day, ...totals })), agents: ranked(agents), connections: ranked(connections), sessions: ranked(sessions),
  };
}

/** As RFC 4180 has it: one line a session and day, with its header; what a spreadsheet would take for a formula is text. */
export function usageCsv(rows: readonly UsageRow[], names: UsageNames): string {
  const lines = rows.toSorted((a, b) => (a.day === b.day ? (a.session < b.session ? -1 : 1) : a.day < b.day ? -1 : 1)).map((row) => {
    const session = names.session(row.session);
    const ref = parseSessionKey(row.session);
    return [
      row.day, session === null ? '' : names.agent(session), names.connection(ref?.connectionId ?? '') ?? '', session === null ? '' : names.title(session), ref?.id ?? '',
      row.turns, row.input, row.cached, row.written, row.output, row.cost, row.cost === null ? null : row.costTurns,
    ];
  });
  const head = ['day', 'agent', 'connection', 'session', 'session_id', 'turns', 'input_tokens', 'cache_read_tokens', 'cache_write_tokens', 'output_tokens', 'cost_usd', 'turns_with_cost'];
  return [head, ...lines].map((line) => `${line.map(field).join(',')}\r\n`).join('');
}

function field(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  // A quote before them is what spreadsheets take as "text"; white space before it does not make it harmless.
  const safe = /^\s*[=+\-@\t\r]/u.test(value) ? `'${value}` : value;
  return /[",\r\n]/u.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function daysOf(range: UsageRange, now: number): string[] {
  const first = new Date(usageFrom(range, now));
  return Array.from({ length: range }, (_, index) => localDay(new Date(first.getFullYear(), first.getMonth(), first.getDate() + index).getTime()));
}

function put(lines: Map<string, UsageLine>, key: string, row: UsageTotals, name: Pick<UsageLine, 'label' | 'detail' | 'opens'>): void {
  lines.set(key, { ...name, key, ...sum(lines.get(key) ?? NOTHING, row) });
}

function sum(a: UsageTotals, b: UsageTotals): UsageTotals {
  const both = (one: number | null, other: number | null): number | null => (one === null ? other : other === null ? one : one + other);
  return {
    turns: a.turns + b.turns, input: both(a.input, b.input), output: both(a.output, b.output), cached: both(a.cached, b.cached), written: both(a.written, b.written), cost: both(a.cost, b.cost), costTurns: a.costTurns + b.costTurns,
  };
}

function ranked(lines: ReadonlyMap<string, UsageLine>): UsageLine[] {
  const tokens = ({ input, output }: UsageLine): number => (input ?? 0) + (output ?? 0);
  return [...lines.values()].sort((a, b) => (b.cost ?? 0) - (a.cost ?? 0) || tokens(b) - tokens(a) || a.label.localeCompare(b.label));
}
