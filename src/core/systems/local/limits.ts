import type { JsonObject } from '../../model/json.ts';
import type { JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import type { UsageLimit } from '../../model/session.ts';
import type { PlanLimit } from '../../model/usage.ts';

/** Claude's words for its limits (`rateLimitType`), as a person reads them. */
const CLAUDE_LIMITS: Readonly<Record<string, string>> = {
  five_hour: 'The five-hour limit', seven_day: 'The weekly limit', seven_day_opus: 'The weekly limit for Opus', seven_day_sonnet: 'The weekly limit for Sonnet', seven_day_overage_included: 'The weekly limit', overage: 'The limit for extra usage',
};

/**
 * The limit that `rate_limit_info` of Claude Code's `rate_limit_event` says is reached (seen in 2.1.329: `status` allowed, allowed_warning or rejected; `resetsAt` in
 * seconds since the epoch); null where work goes on, also where it goes on as extra usage.
 */
export function claudeLimit(info: JsonObject | null): UsageLimit | null {
  const extra = info?.['overageStatus'];
  if (info?.['status'] !== 'rejected' || extra === 'allowed' || extra === 'allowed_warning') return null;
  const kind = info['rateLimitType'];
  return { text: `${(typeof kind === 'string' ? CLAUDE_LIMITS[kind] : undefined) ?? 'The usage limit'} of your plan is reached.`, until: moment(info['resetsAt']) };
}

/**
 * The plan's limits as a `rate_limit_event` tells them: each of `unifiedWindows` (seen in 2.1.329: `utilization` is the part that is used, 1 for all of it; `resetsAt` in seconds since the epoch), and the one that it is
 * about. Empty where it tells of none.
 */
export function claudePlan(info: JsonObject | null): readonly PlanLimit[] {
  const windows: [string, JsonValue | undefined][] = isJsonObject(info?.['unifiedWindows']) ? Object.entries(info['unifiedWindows']) : [];
  const kind = info?.['rateLimitType'];
  const told: readonly [string, JsonValue | undefined][] = typeof kind === 'string' && !windows.some(([name]) => name === kind) ? [...windows, [kind, info ?? undefined]] : windows;
  return told.flatMap(([name, window]): PlanLimit[] => {
    const label = CLAUDE_LIMITS[name];
    if (label === undefined || !isJsonObject(window)) return [];
    const used = window['utilization'];
    return [{ label: label.replace(/^The (.)/, (_, first: string) => first.toUpperCase()), usedPercent: typeof used === 'number' ? percent(used * 100) : window['status'] === 'rejected' ? 100 : null, until: moment(window['resetsAt']) }];
  }).filter(({ usedPercent, until }) => usedPercent !== null || until !== null);
}

interface Window {
  readonly usedPercent: number | null;
  readonly windowDurationMins: number | null;
  /** Seconds since the epoch. */
  readonly resetsAt: number | null;
}

/** The limit that `account/rateLimits/updated` of Codex says is used up: of those, the one that starts anew last. Null where none is. */
export function codexLimit(windows: readonly (Window | null)[]): UsageLimit | null {
  const reached = windows.filter((window): window is Window => (window?.usedPercent ?? 0) >= 100).sort((a, b) => (b.resetsAt ?? 0) - (a.resetsAt ?? 0));
  const [last] = reached;
  if (last === undefined) return null;
  return { text: `The ${windowName(last)} of your plan is reached.`, until: moment(last.resetsAt) };
}

/** The plan's limits as `account/rateLimits/updated` of Codex tells them; those of which it tells nothing are left out. */
export function codexPlan(windows: readonly (Window | null)[]): readonly PlanLimit[] {
  return windows.flatMap((window): PlanLimit[] => {
    if (window === null || window.usedPercent === null) return [];
    const name = windowName(window);
    return [{ label: `${name.charAt(0).toUpperCase()}${name.slice(1)}`, usedPercent: percent(window.usedPercent), until: moment(window.resetsAt) }];
  });
}

function windowName({ windowDurationMins }: Window): string {
  const hours = windowDurationMins === null ? null : Math.round(windowDurationMins / 60);
  return hours === null ? 'usage limit' : hours === 168 ? 'weekly limit' : hours >= 48 ? `${Math.round(hours / 24)}-day limit` : `${hours}-hour limit`;
}

function percent(value: number): number {
  return Math.min(100, Math.max(0, value));
}

function moment(seconds: unknown): number | null {
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? Math.round(seconds * 1000) : null;
}
