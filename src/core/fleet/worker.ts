import type { Clock, Leases, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { SessionKey } from '../model/session.ts';
import { claimJob } from '../systems/hebing/heldJob.ts';
import { HebingAPIError } from '../systems/hebing/errors.ts';
import type { AvailableJob } from '../systems/hebing/wire.ts';
import type { WorkerApi } from '../systems/hebing/workerApi.ts';
import { endsWorker, isUnanswered } from '../systems/hebing/workerErrors.ts';
import { sleep } from '../transport/clock.ts';
import { backoff } from '../transport/retry.ts';
import type { JobAgents, JobEnd, JobStep, Reviewer } from './workerJob.ts';
import { doJob } from './workerJob.ts';

/** What the person allows a worker. */
export interface WorkerRules {
  readonly capabilityKey: string;
  readonly template: string;
  /** Jobs whose `max_budget_nc` is above it, or that name none, are left to others; null: any job. */
  readonly ceilingNc: number | null;
  /** Jobs at once. */
  readonly concurrency: number;
  /** Whether the capability promises an object. */
  readonly wantsObject: boolean;
}

export interface AgentWorkerOptions {
  readonly api: WorkerApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** Of the store: one window of one person works for an account and a capability. */
  readonly leases: Leases;
  /** `worker:<account>:<capability>`. */
  readonly leaseName: string;
  readonly rules: WorkerRules;
  readonly agents: JobAgents;
  /** Shows answers before they go out; null: they go out at once. */
  readonly reviewer: Reviewer | null;
  /** Why nothing may be begun now, such as a folder that is not within the workspace; null where it may. */
  readonly refuses: () => Promise<string | null>;
  /** This window leads: what a dead one left is ended before the first bid. */
  readonly onLead?: () => Promise<void>;
  readonly onChange: () => void;
  readonly onEnd: (job: WorkerJob, end: JobEnd) => void;
  /** Milliseconds. */
  readonly times?: Partial<WorkerTimes>;
  readonly random?: (() => number) | undefined;
}
interface WorkerTimes {
  readonly heartbeatMs: number;
  readonly turnMs: number;
  readonly reviewMs: number;
}

/** A job in work. */
export interface WorkerJob {
  readonly jobId: string;
  readonly capabilityKey: string;
  readonly step: JobStep;
  readonly session: SessionKey | null;
  /** Milliseconds since the epoch. */
  readonly since: number;
}
export interface WorkerState {
  /** `standby`: another window works. */
  readonly status: 'standby' | 'waiting' | 'working' | 'stopping' | 'ended';
  readonly jobs: readonly WorkerJob[];
  readonly submitted: number;
  /** Jobs that ended otherwise. */
  readonly others: number;
  /** What keeps it from working now, in a line; null where nothing does. */
  readonly trouble: string | null;
}

const TIMES: WorkerTimes = { heartbeatMs: 10_000, turnMs: 2 * 3_600_000, reviewMs: 30 * 60_000 };
/** How often an output that hebing refuses goes back to its session. */
const REFUSALS = 2;
const LOOK_AGAIN_MS = 5_000;
const REFUSED_MS = 30_000;
/** From one poll to the next, where the server does not make us wait and nothing was to be done. */
const PACE_MS = 1_000;
const PACE = { baseMs: PACE_MS, capMs: 15_000 } as const;
const POLL_AGAIN = { baseMs: 500, capMs: 30_000 } as const;
const BID_AGAIN = { baseMs: 1_000, capMs: 60_000 } as const;

/**
 * Lets agent sessions do the jobs of one capability. Holds the worker's lease in the store, so that of all windows one works; polls only while it has a hand free, bids for what the rules allow,
 * and does each job that it won in a session of its own (`doJob`).
 */
export class AgentWorker {
  readonly #options: AgentWorkerOptions;
  readonly #times: WorkerTimes;
  readonly #jobs = new Map<string, WorkerJob>();
  readonly #running = new Set<Promise<void>>();
  /** No more jobs. */
  readonly #stopping = new AbortController();
  /** Nothing at all: what runs is given up. */
  readonly #ending = new AbortController();
  readonly #waiting: AbortSignal;
  /** Jobs that were not to be had: how often, and until when (monotonic) they are left alone. */
  readonly #refused = new Map<string, { readonly times: number; readonly until: number }>();
  #freed = Promise.withResolvers<void>();
  #leads = false;
  #registered = false;
  #failures = 0;
  #idle = 0;
  #ended = false;
  #counts = { submitted: 0, others: 0 };
  #trouble: string | null = null;

  constructor(options: AgentWorkerOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
    this.#waiting = AbortSignal.any([this.#stopping.signal, this.#ending.signal]);
  }

  get state(): WorkerState {
    const status = this.#ended ? 'ended' : this.#waiting.aborted ? 'stopping' : this.#jobs.size > 0 ? 'working' : this.#leads ? 'waiting' : 'standby';
    return { status, jobs: [...this.#jobs.values()], ...this.#counts, trouble: this.#trouble };
  }

  /**
   * Works until `stop` or `giveUp`; what is under way has then ended, and the lease is free. Rejects, after that, with what only the person can mend: WorkerNotEnabled, CapabilityNotRegistered,
   * 401, and other refusals of the registration or the poll. Call it once.
   */
  async run(): Promise<void> {
    try {
      await this.#work();
    } catch (error) {
      if (!this.#waiting.aborted) throw error;
    } finally {
      this.#stopping.abort();
      await Promise.all(this.#running);
      await this.#options.leases.release(this.#options.leaseName).catch((error: unknown) => this.#options.log.warn('the lease of a worker could not be given back', { error: describeError(error) }));
      this.#ended = true;
      this.#options.onChange();
    }
  }

  /** Takes no more jobs; those in work are done. */
  stop(): void {
    this.#stopping.abort();
    this.#options.onChange();
  }

  /** Gives up what is in work and submits nothing more. */
  giveUp(): void {
    this.#ending.abort();
    this.#options.onChange();
  }

  async #work(): Promise<void> {
    for (;;) {
      this.#waiting.throwIfAborted();
      if (!(await this.#lead())) await sleep(this.#options.clock, LOOK_AGAIN_MS, this.#waiting);
      else if (this.#jobs.size >= this.#options.rules.concurrency) await this.#hand();
      else await this.#cycle();
    }
  }

  /** True while this window is the one that works. Asked before every poll and every bid: a computer that slept may have lost it. */
  async #lead(): Promise<boolean> {
    const { leases, leaseName, log, onLead } = this.#options;
    let leads = false;
    try {
      leads = await leases.acquire(leaseName);
      if (leads && !this.#leads) await onLead?.();
    } catch (error) {
      this.#waiting.throwIfAborted();
      log.warn('the lease of a worker could not be taken', { error: describeError(error) });
      leads = false;
    }
    if (leads !== this.#leads) {
      this.#leads = leads;
      this.#options.onChange();
    }
    return leads;
  }

  /** Resolves when a job has ended. */
  async #hand(): Promise<void> {
    const stopped = Promise.withResolvers<never>();
    const onAbort = (): void => stopped.reject(this.#waiting.reason);
    this.#waiting.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#freed.promise, stopped.promise]);
    } finally {
      this.#waiting.removeEventListener('abort', onAbort);
    }
  }

  async #cycle(): Promise<void> {
    const { clock, refuses } = this.#options;
    const began = clock.monotonic();
    const refusal = await refuses();
    if (refusal !== null) {
      this.#tell(refusal);
      return sleep(clock, REFUSED_MS, this.#waiting);
    }
    const jobs = await this.#poll();
    if (jobs === null) return;
    if (await this.#takeSome(jobs)) {
      this.#idle = 0;
      return;
    }
    const passed = clock.monotonic() - began;
    // Jobs that stay listed and are none for us end every long-poll at once.
    this.#idle = passed < PACE_MS ? this.#idle + 1 : 0;
    const pace = backoff(Math.max(1, this.#idle), { ...PACE, random: this.#options.random });
    if (passed < pace) await sleep(clock, pace - passed, this.#waiting);
  }

  /** The jobs that there are; null after an outage, which it has waited for. */
  async #poll(): Promise<readonly AvailableJob[] | null> {
    const { api, rules } = this.#options;
    const call = { signal: this.#waiting };
    try {
      if (!this.#registered) await api.register([rules.capabilityKey], call);
      this.#registered = true;
      const jobs = await api.available([rules.capabilityKey], call);
      this.#failures = 0;
      return jobs.filter((job) => job.capabilityKey === rules.capabilityKey);
    } catch (error) {
      this.#waiting.throwIfAborted();
      if (!isUnanswered(error)) throw error;
      await this.#outage(error);
      return null;
    }
  }

  async #outage(error: Error): Promise<void> {
    const { clock, random } = this.#options;
    this.#failures += 1;
    this.#tell(describeError(error));
    const asked = error instanceof HebingAPIError ? Math.min(error.retryAfterMs ?? 0, 300_000) : 0;
    await sleep(clock, Math.max(asked, backoff(this.#failures, { ...POLL_AGAIN, random })), this.#waiting);
  }

  /** True where a job was won: what was listed is stale then. */
  async #takeSome(jobs: readonly AvailableJob[]): Promise<boolean> {
    const { clock, rules } = this.#options;
    const within = jobs.filter((job) => withinCeiling(job, rules.ceilingNc));
    const beyond = jobs.length - within.length;
    this.#tell(beyond === 0 ? null : `${beyond === 1 ? 'One job is' : `${beyond} jobs are`} left to others: above ${rules.ceilingNc ?? 0} NC, or without a budget.`);
    for (const job of within) {
      this.#waiting.throwIfAborted();
      if (this.#jobs.has(job.id)) continue;
      const refused = this.#refused.get(job.id);
      if (refused !== undefined && refused.until > clock.monotonic()) continue;
      if (!(await this.#lead())) return false;
      if (await this.#take(job)) return true;
    }
    return false;
  }

  /** Bids for a job and begins it. False where it is not to be had. */
  async #take(job: AvailableJob): Promise<boolean> {
    const { api, clock, random, log } = this.#options;
    try {
      const held = await claimJob(api, job, { clock, heartbeatMs: this.#times.heartbeatMs, random, signal: this.#waiting });
      this.#refused.delete(job.id);
      this.#begin(job, held);
      return true;
    } catch (error) {
      this.#waiting.throwIfAborted();
      if (endsWorker(error)) throw error;
      this.#leaveAlone(job.id);
      log.info('a bid was not accepted', { job: job.id, error: describeError(error) });
      if (error instanceof Error && isUnanswered(error)) {
        await this.#outage(error);
        return true;
      }
      return false;
    }
  }

  #begin(job: AvailableJob, held: Awaited<ReturnType<typeof claimJob>>): void {
    const { clock, agents, rules, reviewer, refuses, onChange } = this.#options;
    const entry: WorkerJob = { jobId: job.id, capabilityKey: job.capabilityKey, step: 'starting', session: null, since: clock.now() };
    this.#jobs.set(job.id, entry);
    onChange();
    const work = doJob(held, {
      clock, agents, template: rules.template, wantsObject: rules.wantsObject, refusals: REFUSALS, turnMs: this.#times.turnMs, reviewMs: this.#times.reviewMs, reviewer, refuses, signal: this.#ending.signal,
      onStep: (step, session) => {
        this.#jobs.set(job.id, { ...entry, step, session });
        onChange();
      },
    });
    const running = this.#await(entry, work);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Never rejects. */
  async #await(entry: WorkerJob, work: Promise<JobEnd>): Promise<void> {
    const { onChange, onEnd, log } = this.#options;
    const end = await work;
    const last = this.#jobs.get(entry.jobId) ?? entry;
    log.info('a job ended', { job: entry.jobId, how: end.how });
    this.#jobs.delete(entry.jobId);
    this.#counts = end.how === 'submitted' ? { ...this.#counts, submitted: this.#counts.submitted + 1 } : { ...this.#counts, others: this.#counts.others + 1 };
    // A lost one may come again. What this agent or the person could not do they are not asked again, though hebing lists it still: every try costs.
    if (end.how === 'lost') this.#leaveAlone(entry.jobId);
    else this.#refused.set(entry.jobId, { times: 1, until: Infinity });
    const freed = this.#freed;
    this.#freed = Promise.withResolvers();
    freed.resolve();
    try {
      onEnd(last, end);
      onChange();
    } catch (error) {
      log.error('a listener of a worker failed', { error: describeError(error) });
    }
  }

  #leaveAlone(jobId: string): void {
    const { clock, random } = this.#options;
    const now = clock.monotonic();
    if (this.#refused.size > 1_000) for (const [id, { until }] of this.#refused) if (until <= now) this.#refused.delete(id);
    const times = (this.#refused.get(jobId)?.times ?? 0) + 1;
    this.#refused.set(jobId, { times, until: now + backoff(times, { ...BID_AGAIN, random }) });
  }

  #tell(trouble: string | null): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#options.onChange();
  }
}

/** What a job may cost at most is its caller's to say: one that does not say it is within no ceiling. */
function withinCeiling(job: Pick<AvailableJob, 'maxBudgetNc'>, ceilingNc: number | null): boolean {
  return ceilingNc === null || (job.maxBudgetNc !== null && job.maxBudgetNc <= ceilingNc);
}
