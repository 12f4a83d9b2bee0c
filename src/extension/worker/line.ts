import type { WorkerState } from '../../core/fleet/worker.ts';
import type { JobStep } from '../../core/fleet/workerJob.ts';
import { oneLine } from '../tree/text.ts';
import type { ShownWorker } from './workers.ts';

/** What a worker does now: `2 jobs`, `waiting for jobs`, why it can't work. */
export function workerLine({ status, jobs, trouble }: WorkerState): string {
  const count = jobs.length === 0 ? '' : jobs.length === 1 ? '1 job' : `${jobs.length} jobs`;
  if (status === 'ended') return 'stopped';
  if (status === 'stopping') return count === '' ? 'stopping' : `stopping after ${count}`;
  if (status === 'working') return count;
  if (trouble !== null) return oneLine(trouble, 200);
  return status === 'standby' ? 'another window works' : 'waiting for jobs';
}

/** What is done with a job now. */
export function stepText(step: JobStep): string {
  return { starting: 'starting', working: 'in work', review: 'waits for your review', submitting: 'being submitted' }[step];
}

/** What a worker has done: `3 submitted · 1 not`; empty where nothing. */
export function workerCounts({ submitted, others }: WorkerState): string {
  return [submitted === 0 ? '' : `${submitted} submitted`, others === 0 ? '' : `${others} not`].filter((word) => word !== '').join(' · ');
}

/** What the status bar says of this window's workers and of answers that wait; null where there is nothing. */
export function statusOf(workers: readonly ShownWorker[], answers: number): { readonly icon: string; readonly text: string; readonly waits: boolean } | null {
  if (answers > 0) return { icon: 'eye', text: answers === 1 ? '1 answer to review' : `${answers} answers to review`, waits: true };
  const [only] = workers;
  if (only === undefined) return null;
  const jobs = workers.reduce((sum, { state }) => sum + state.jobs.length, 0);
  if (jobs > 0) return { icon: 'loading~spin', text: `Worker: ${jobs === 1 ? '1 job' : `${jobs} jobs`}`, waits: false };
  const troubled = workers.find(({ state }) => state.trouble !== null);
  if (workers.length > 1) return { icon: troubled === undefined ? 'briefcase' : 'warning', text: `${workers.length} workers`, waits: false };
  return { icon: troubled === undefined ? 'briefcase' : 'warning', text: `Worker: ${oneLine(workerLine(only.state), 40)}`, waits: false };
}

/** `14:05`: until when an answer waits. */
export function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}
