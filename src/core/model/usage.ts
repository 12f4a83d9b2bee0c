/** What turns used. Sums of what agents tell: null where none of them tells it. */
export interface UsageTotals {
  readonly turns: number;
  /** Tokens; those read from and written to a cache are part of the input. */
  readonly input: number | null;
  readonly output: number | null;
  readonly cached: number | null;
  readonly written: number | null;
  /** In US dollars, of `costTurns` of the turns. */
  readonly cost: number | null;
  readonly costTurns: number;
}
/** The day of a moment, `2026-08-05`, as this computer's clock has it. `at` in milliseconds since the epoch. */
export function localDay(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')}`;
}

export interface UsageDay extends UsageTotals {
  /** `2026-08-05` */
  readonly day: string;
}
/** One agent, connection or session. */
export interface UsageLine extends UsageTotals {
  readonly key: string;
  readonly label: string;
  /** More of what it is, such as a session's agent. */
  readonly detail: string;
  /** A session that is still there: it can be opened. */
  readonly opens: boolean;
}
/** A limit of the person's plan, as an agent tells it. */
export interface PlanLimit {
  /** Whose it is and which, in a few words. */
  readonly label: string;
  /** How much of it is used, 0 to 100; null where that is not told. */
  readonly usedPercent: number | null;
  /** When it starts anew, milliseconds since the epoch; null where that is not told. */
  readonly until: number | null;
}
export type UsageRange = 7 | 30 | 90;
export interface UsageReport {
  readonly range: UsageRange;
  readonly total: UsageTotals;
  /** Every day of the range, the oldest first. */
  readonly days: readonly UsageDay[];
  /** What used most stands first. */
  readonly agents: readonly UsageLine[];
  readonly connections: readonly UsageLine[];
  readonly sessions: readonly UsageLine[];
  readonly limits: readonly PlanLimit[];
}
