import type { JsonObject } from '../../model/json.ts';
import type { UsageLimit } from '../../model/session.ts';

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
  const hours = last.windowDurationMins === null ? null : Math.round(last.windowDurationMins / 60);
  const name = hours === null ? 'The usage limit' : hours === 168 ? 'The weekly limit' : hours >= 48 ? `The ${Math.round(hours / 24)}-day limit` : `The ${hours}-hour limit`;
  return { text: `${name} of your plan is reached.`, until: moment(last.resetsAt) };
}

function moment(seconds: unknown): number | null {
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? Math.round(seconds * 1000) : null;
}
