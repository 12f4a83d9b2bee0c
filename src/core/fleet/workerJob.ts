import type { Clock } from '../model/context.ts';
import { describeError, PilothouseError } from '../model/errors.ts';
import type { JsonValue } from '../model/json.ts';
import type { SessionKey } from '../model/session.ts';
import type { HeldJob } from '../systems/hebing/heldJob.ts';
import { LeaseExpired, SubmitValidationFailed, TaskRunNotFound } from '../systems/hebing/workerErrors.ts';
import { waitFor } from '../transport/wait.ts';
import { outputOf } from './workerAnswer.ts';
import { refusalPrompt, renderTemplate } from './workerTemplate.ts';

/** The session that does a job. */
export interface JobSession {
  readonly key: SessionKey;
  /** Hands a prompt over and gives what the agent said last in its turn. Rejects with `turn_failed`, `turn_stopped`, `no_answer`, what kept the prompt from being taken, the signal's reason. */
  ask(prompt: string, signal: AbortSignal): Promise<string>;
  /** A line of ours in its transcript. */
  say(level: 'info' | 'warning' | 'error', text: string): void;
  /** Interrupts what runs, then stops the agent. Never rejects; gives why it could not be stopped, in a line. */
  end(): Promise<string | null>;
}
export interface JobAgents {
  /** A session for one job, with nothing said in it. What is made after the signal is ended again by whoever made it. */
  begin(job: Pick<HeldJob['task'], 'jobId' | 'capabilityKey'>, signal: AbortSignal): Promise<JobSession>;
}

/** An answer that the person looks at before it goes out. */
export interface Review {
  readonly jobId: string;
  readonly capabilityKey: string;
  readonly session: SessionKey;
  readonly output: JsonValue;
  /** Milliseconds since the epoch at which it counts as discarded. */
  readonly until: number;
  /** Why hebing did not take what the person wrote before, in its words; null where it was not asked. */
  readonly refusal: string | null;
}
export type Verdict =
  | { readonly do: 'submit'; readonly output: JsonValue; readonly edited: boolean }
  | { readonly do: 'ask'; readonly prompt: string }
  | { readonly do: 'discard' };
/** Asks the person. Rejects with the signal's reason when there is nothing to decide any more. */
export type Reviewer = (review: Review, signal: AbortSignal) => Promise<Verdict>;

export type JobStep = 'starting' | 'working' | 'review' | 'submitting';
/** `unknown`: the output was sent, and nothing tells whether it was taken. */
export interface JobEnd {
  readonly how: 'submitted' | 'lost' | 'failed' | 'discarded' | 'given-up' | 'unknown';
  readonly error: string | null;
}

export interface JobOptions {
  readonly clock: Clock;
  readonly agents: JobAgents;
  readonly template: string;
  /** Whether the capability promises an object. */
  readonly wantsObject: boolean;
  /** How often a refused output goes back to the session. */
  readonly refusals: number;
  /** Milliseconds for one turn, the person's answers to permissions in it. */
  readonly turnMs: number;
  readonly reviewer: Reviewer | null;
  /** Milliseconds for one look of the person. */
  readonly reviewMs: number;
  /** Why no session may be begun now; null where it may. */
  readonly refuses: () => Promise<string | null>;
  readonly onStep: (step: JobStep, session: SessionKey | null) => void;
  /** The worker is stopped, or its window closes: the job is given up. */
  readonly signal: AbortSignal;
}

type Held = Pick<HeldJob, 'task' | 'signal' | 'submit'> & Disposable;

/** Milliseconds that an agent has to start. */
const BEGIN_MS = 120_000;

/**
 * Does one won job in a session of its own, and submits what the person and hebing agree to. Once the lease is lost or the signal has fired, nothing more is asked and nothing is submitted. The
 * session is ended whatever happens, then the lease is given back. Never rejects.
 */
export async function doJob(held: Held, options: JobOptions): Promise<JobEnd> {
  using own = held;
  const job = new Job(own, options);
  let end: JobEnd;
  try {
    end = await job.run();
  } catch (error) {
    end = endOf(error, own, options.signal);
  }
  await job.close(end);
  return end;
}

class Job {
  readonly #held: Held;
  readonly #options: JobOptions;
  /** Fires when the job is not to be worked on any more. */
  readonly #signal: AbortSignal;
  #session: JobSession | null = null;
  #refused = 0;

  constructor(held: Held, options: JobOptions) {
    this.#held = held;
    this.#options = options;
    this.#signal = AbortSignal.any([held.signal, options.signal]);
  }

  async run(): Promise<JobEnd> {
    const { agents, template, refuses } = this.#options;
    const { task } = this.#held;
    this.#step('starting');
    let prompt = renderTemplate(template, task);
    const refusal = await refuses();
    if (refusal !== null) throw new PilothouseError('worker_refused', refusal, { personMustAct: true });
    const session = await this.#limited(BEGIN_MS, 'The agent did not start in time.', async (signal) => agents.begin(task, signal));
    this.#session = session;
    for (;;) {
      this.#step('working');
      const asked = prompt;
      const answer = await this.#limited(this.#options.turnMs, 'The turn took longer than the worker allows.', async (signal) => session.ask(asked, signal));
      const next = await this.#settle(outputOf(answer, this.#options.wantsObject || this.#refused > 0), session.key);
      if (typeof next !== 'string') return next;
      prompt = next;
    }
  }

  /** Ends the session, and says in it what became of the job. */
  async close(end: JobEnd): Promise<void> {
    const session = this.#session;
    if (session === null) return;
    const left = await session.end();
    session.say(end.how === 'submitted' ? 'info' : end.how === 'failed' ? 'error' : 'warning', sentenceOf(end));
    if (left !== null) session.say('error', left);
  }

  /** How the job ended, or the prompt that goes to the session next. */
  async #settle(output: JsonValue, session: SessionKey): Promise<JobEnd | string> {
    let verdict: Verdict = { do: 'submit', output, edited: false };
    let refusal: string | null = null;
    for (;;) {
      if (this.#options.reviewer !== null) verdict = await this.#review(verdict.output, session, refusal);
      if (verdict.do === 'discard') return { how: 'discarded', error: null };
      if (verdict.do === 'ask') return verdict.prompt;
      try {
        await this.#submit(verdict.output);
        return { how: 'submitted', error: null };
      } catch (error) {
        if (!(error instanceof SubmitValidationFailed)) throw error;
        this.#refused += 1;
        refusal = error.detail === '' ? error.message : error.detail;
        // What the person wrote is the person's to mend.
        if (verdict.edited) continue;
        if (this.#refused > this.#options.refusals) throw error;
        return refusalPrompt(error.detail);
      }
    }
  }

  async #submit(output: JsonValue): Promise<void> {
    this.#signal.throwIfAborted();
    this.#step('submitting');
    try {
      await this.#held.submit(output, { signal: this.#options.signal });
    } catch (error) {
      if (!this.#options.signal.aborted || this.#held.signal.aborted) throw error;
      throw new PilothouseError('submit_unknown', 'The worker was stopped while the answer was on its way: hebing may have taken it. It is not sent again.', { cause: error });
    }
  }

  #review(output: JsonValue, session: SessionKey, refusal: string | null): Promise<Verdict> {
    const { clock, reviewer, reviewMs } = this.#options;
    const { jobId, capabilityKey } = this.#held.task;
    this.#step('review');
    return this.#limited(reviewMs, 'Nobody looked at the answer in time.', async (signal) => {
      if (reviewer === null) throw new PilothouseError('invalid_argument', 'Nobody reviews here.');
      return reviewer({ jobId, capabilityKey, session, output, until: clock.now() + reviewMs, refusal }, signal);
    });
  }

  /** Not for longer, not beyond the lease, and not one that does not listen to either. */
  async #limited<T>(timeoutMs: number, late: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const over = new AbortController();
    try {
      return await waitFor(work(AbortSignal.any([this.#signal, over.signal])), { clock: this.#options.clock, timeoutMs, signal: this.#signal, onTimeout: () => new PilothouseError('job_timeout', late) });
    } finally {
      over.abort();
    }
  }

  #step(step: JobStep): void {
    this.#options.onStep(step, this.#session?.key ?? null);
  }
}

function endOf(error: unknown, held: Held, signal: AbortSignal): JobEnd {
  if (held.signal.aborted || error instanceof LeaseExpired || error instanceof TaskRunNotFound) return { how: 'lost', error: describeError(held.signal.aborted ? held.signal.reason : error) };
  if (error instanceof PilothouseError && error.code === 'submit_unknown') return { how: 'unknown', error: error.message };
  if (signal.aborted) return { how: 'given-up', error: null };
  return { how: 'failed', error: describeError(error) };
}

/** What became of a job, as its transcript and notices say it. */
export function sentenceOf({ how, error }: JobEnd): string {
  switch (how) {
    case 'submitted': return 'The answer was submitted to hebing, and taken.';
    case 'lost': return 'The job was lost: its lease is over. The work was stopped, and nothing was submitted.';
    case 'discarded': return 'The answer was discarded: nothing was submitted.';
    case 'given-up': return 'The worker was stopped: the job was given up, and nothing was submitted.';
    case 'unknown': return error ?? 'hebing did not confirm the answer. It is not sent again.';
    case 'failed': return `Nothing was submitted.${error === null ? '' : ` ${error}`}`;
  }
}
