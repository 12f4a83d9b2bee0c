import type { Job } from '../../core/systems/hebing/index.ts';

/** How jobs are grouped, in the order in which the groups stand. */
export const JOB_GROUPS = ['running', 'waiting', 'failed', 'succeeded', 'cancelled', 'expired'] as const;
export type JobGroup = (typeof JOB_GROUPS)[number];

export const GROUP_TITLES: Readonly<Record<JobGroup, string>> = { running: 'Running', waiting: 'Waiting', failed: 'Failed', succeeded: 'Succeeded', cancelled: 'Cancelled', expired: 'Expired' };

/** Words for a job that nobody works on yet. The contract names the last states only. */
const WAITING: ReadonlySet<string> = new Set(['queued', 'pending', 'created', 'submitted', 'open', 'available', 'bidding', 'waiting', 'scheduled']);

/** The group that a job stands in by its status; one that is not known is under way. */
export function groupOf({ status }: Pick<Job, 'status'>): JobGroup {
  switch (status) {
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'expired':
      return status;
    default:
      return WAITING.has(status) ? 'waiting' : 'running';
  }
}

/** True for a job that will not change any more. */
export function isOver(job: Pick<Job, 'status'>): boolean {
  const group = groupOf(job);
  return group !== 'running' && group !== 'waiting';
}

/** A time of hebing as milliseconds since the epoch; null for none. Numbers below 10^11 are seconds. */
export function timeOf(time: string | number | null): number | null {
  if (time === null) return null;
  const ms = typeof time === 'number' ? (time < 1e11 ? time * 1_000 : time) : Date.parse(time);
  return Number.isNaN(ms) ? null : ms;
}
