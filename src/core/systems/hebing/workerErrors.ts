import { HebingAPIError, HebingError, HebingTransportError } from './errors.ts';

interface More {
  readonly cause?: unknown;
  readonly personMustAct?: boolean;
}

/**
 * Root of what only a worker meets. Its own codes: `submit_unknown` (an output was sent, and nothing tells for certain whether it was taken; it is not sent again), `output_not_json`
 * (a handler gave what JSON cannot carry), `already_running` (a worker runs once at a time). `status` is that of the answer, null where there was none.
 */
export class WorkerError extends HebingError {
  readonly status: number | null;
  /** The server's words; '' where it had none. */
  readonly detail: string;
  constructor(code: string, message: string, options: More = {}) {
    super(code, message, options);
    const answer = options.cause instanceof HebingAPIError ? options.cause : null;
    this.status = answer?.status ?? null;
    this.detail = answer?.detail ?? '';
  }
}

/** 403 `worker_not_enabled`: this key has registered no capability. */
export class WorkerNotEnabled extends WorkerError {
  constructor(options: More = {}) {
    super('worker_not_enabled', 'hebing does not let this key work: register a capability with it first, or enable it as a worker in hebing.', { personMustAct: true, ...options });
  }
}

/** Any other 403 of a worker's request: the job's capability is none of this key's. */
export class CapabilityNotRegistered extends WorkerError {
  constructor(options: More = {}) {
    super('capability_not_registered', 'This key has not registered the capability of that job. Register it first.', { personMustAct: true, ...options });
  }
}

/** Another worker was first, or the job takes no bids any more (`accepted: false`, 410). */
export class BidRejected extends WorkerError {
  readonly jobId: string;
  /** Why, in the server's words; null where it does not tell. */
  readonly reason: string | null;
  constructor(jobId: string, reason: string | null, options: More = {}) {
    super('bid_rejected', `The bid for job ${jobId} was refused${reason === null ? '.' : `: ${reason}.`} Wait for another job.`, options);
    this.jobId = jobId;
    this.reason = reason;
  }
}

/** 404 on a heartbeat or a submission: the job was given to somebody else, or is over. */
export class TaskRunNotFound extends WorkerError {
  readonly jobId: string;
  constructor(jobId: string, options: More = {}) {
    super('task_run_not_found', `Job ${jobId} is not this worker's any more: it was given to another one, or is over. Nothing was submitted.`, options);
    this.jobId = jobId;
  }
}

/** The lease of a job is over (410), or could not be renewed in time. */
export class LeaseExpired extends WorkerError {
  readonly jobId: string;
  constructor(jobId: string, options: More = {}) {
    super('lease_expired', `The lease of job ${jobId} is over. Nothing was submitted; hebing gives the job to another worker.`, options);
    this.jobId = jobId;
  }
}

/** 422 on a submission: the output is not what the capability promises. */
export class SubmitValidationFailed extends WorkerError {
  readonly jobId: string;
  constructor(jobId: string, options: More = {}) {
    super('submit_validation_failed', `The output of job ${jobId} is not what its capability promises. Submit one that is.`, options);
    this.jobId = jobId;
  }
}

type Step = 'register' | 'available' | 'bid' | 'heartbeat' | 'submit';

/** What a refused request of a worker means (hebing.md, Worker). What is no answer of the API stays what it is. */
export function workerError(error: unknown, step: Step, jobId: string): Error {
  if (!(error instanceof HebingAPIError)) return error instanceof Error ? error : new WorkerError('bad_answer', String(error));
  const options = { cause: error };
  if (error.status === 403) return error.code === 'worker_not_enabled' ? new WorkerNotEnabled(options) : new CapabilityNotRegistered(options);
  if (step === 'bid' && error.status === 410) return new BidRejected(jobId, error.detail === '' ? error.code : error.detail.replace(/\.$/, ''), options);
  if (step !== 'heartbeat' && step !== 'submit') return error;
  if (error.status === 404) return new TaskRunNotFound(jobId, options);
  if (error.status === 410) return new LeaseExpired(jobId, options);
  return step === 'submit' && error.status === 422 ? new SubmitValidationFailed(jobId, options) : error;
}

/** True for what only the person can mend: whoever works on meets it at every job. */
export function endsWorker(error: unknown): boolean {
  return error instanceof WorkerNotEnabled || error instanceof CapabilityNotRegistered || (error instanceof HebingAPIError && error.status === 401);
}

/** True where the server said that the task run is over, whatever clocks say. */
export function endsLease(error: unknown): boolean {
  return error instanceof TaskRunNotFound || error instanceof LeaseExpired || endsWorker(error);
}

/** True where nobody knows what became of a request, and where it may pass by itself: no answer, one that is none of hebing's, and a server in trouble. */
export function isUnanswered(error: unknown): error is Error {
  if (error instanceof HebingAPIError) return error.status >= 500 || error.status === 408 || error.status === 425 || error.status === 429;
  return error instanceof HebingTransportError || (error instanceof HebingError && error.code === 'bad_answer');
}
