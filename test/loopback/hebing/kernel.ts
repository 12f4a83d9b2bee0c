import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Clock } from '../../../src/core/model/context.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';

/** An answer that is an error, in the words of the contract. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, code: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export interface TestCapability {
  readonly key: string;
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: JsonObject;
  /** What a worker's output is held against. */
  readonly outputSchema?: JsonObject;
  /** What a call costs, and what a worker is paid at most. */
  readonly priceNc?: number;
}
export interface TestAgent {
  readonly id: string;
  readonly key: string;
  balanceNc: number;
  readonly registered: Set<string>;
  /** False: the platform lets it do no work, whatever it registers. */
  mayWork: boolean;
}
export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'expired';
export interface TestEvent {
  readonly seq: number;
  readonly type: string;
  readonly created_at: string;
  readonly data: JsonObject;
}
interface Run {
  readonly id: string;
  readonly agentId: string;
  leaseUntil: number;
  /** `lapsed`: its lease is over and nobody has the job; `gone`: another run has it, or it is over. */
  state: 'held' | 'lapsed' | 'gone';
}
export interface TestJob {
  readonly id: string;
  readonly capability: TestCapability;
  readonly owner: string;
  readonly input: JsonObject;
  readonly idempotencyKey: string | null;
  status: JobStatus;
  output: JsonValue;
  error: JsonValue;
  artifacts: readonly JsonObject[];
  readonly createdAt: number;
  updatedAt: number;
  readonly events: TestEvent[];
  readonly runs: Run[];
  refused: number;
}

export interface KernelTimes {
  /** Milliseconds that a lease lasts. */
  readonly leaseMs: number;
  /** Runs of a job, and outputs that fail its schema, after which it is given up. */
  readonly attempts: number;
}

/** The kernel's state and rules: agents, capabilities, jobs, bids, leases. */
export class Kernel {
  readonly clock: Clock;
  readonly times: KernelTimes;
  readonly capabilities = new Map<string, TestCapability>();
  readonly agents = new Map<string, TestAgent>();
  readonly jobs = new Map<string, TestJob>();
  readonly #watchers = new Set<() => void>();

  constructor(clock: Clock, times: KernelTimes) {
    this.clock = clock;
    this.times = times;
  }

  /** Calls `listener` after each change of a job, until disposed of. */
  watch(listener: () => void): { dispose(): void } {
    const own = (): void => listener();
    this.#watchers.add(own);
    return { dispose: () => void this.#watchers.delete(own) };
  }

  agent(key: string): TestAgent {
    const agent = this.agents.get(key);
    if (agent === undefined) throw new Refusal(401, 'invalid_api_key', 'This key is not known.');
    return agent;
  }

  /** The job, and whether it was there already. */
  create(agent: TestAgent, capabilityKey: string, input: JsonObject, idempotencyKey: string | null): { readonly job: TestJob; readonly fresh: boolean } {
    const known = idempotencyKey === null ? undefined : [...this.jobs.values()].find((job) => job.owner === agent.id && job.idempotencyKey === idempotencyKey);
    if (known !== undefined) {
      if (known.capability.key !== capabilityKey || !isDeepStrictEqual(known.input, input)) throw new Refusal(409, 'idempotency_conflict', 'This idempotency key was used for another job.');
      return { job: known, fresh: false };
    }
    const capability = this.capabilities.get(capabilityKey);
    if (capability === undefined) throw new Refusal(400, 'unknown_capability', `There is no capability ${capabilityKey}.`);
    hold(input, capability.inputSchema, 'invalid_input');
    const price = capability.priceNc ?? 0;
    if (agent.balanceNc < price) throw new Refusal(402, 'insufficient_balance', `This costs ${price} NC, and there are ${agent.balanceNc}.`);
    agent.balanceNc -= price;
    const now = this.clock.now();
    const job: TestJob = {
      id: `job_${randomUUID()}`, capability, owner: agent.id, input, idempotencyKey, status: 'queued', output: null, error: null, artifacts: [], createdAt: now, updatedAt: now, events: [], runs: [], refused: 0,
    };
    this.jobs.set(job.id, job);
    this.#tell(job, 'job_created', { capability_key: capabilityKey });
    return { job, fresh: true };
  }

  /** A job of this agent; another's is not there. */
  own(agent: TestAgent, id: string): TestJob {
    const job = this.jobs.get(id);
    if (job === undefined || job.owner !== agent.id) throw new Refusal(404, 'not_found', 'There is no such job.');
    return job;
  }

  ownAll(agent: TestAgent): readonly TestJob[] {
    return [...this.jobs.values()].filter((job) => job.owner === agent.id);
  }

  /** Ends a job by hand, as the platform or its owner does. */
  end(id: string, end: { readonly status: Exclude<JobStatus, 'queued' | 'running'>; readonly output?: JsonValue; readonly error?: JsonValue; readonly artifacts?: readonly JsonObject[] }): void {
    const job = this.jobs.get(id);
    if (job === undefined) throw new Error(`there is no job ${id}`);
    this.#settle(job, end);
  }

  /** The platform itself begins with a job, so that no worker gets it. */
  begin(id: string): void {
    const job = this.jobs.get(id);
    if (job === undefined) throw new Error(`there is no job ${id}`);
    job.status = 'running';
    this.#tell(job, 'job_started', {});
  }

  register(agent: TestAgent, keys: readonly string[]): readonly string[] {
    if (!agent.mayWork) throw new Refusal(403, 'worker_not_enabled', 'This agent may do no work.');
    for (const key of keys) if (!this.capabilities.has(key)) throw new Refusal(400, 'unknown_capability', `There is no capability ${key}.`);
    for (const key of keys) agent.registered.add(key);
    return [...agent.registered];
  }

  available(agent: TestAgent, keys: readonly string[]): readonly TestJob[] {
    for (const key of keys) this.#mayDo(agent, key);
    this.lapse();
    return [...this.jobs.values()].filter((job) => job.status === 'queued' && keys.includes(job.capability.key));
  }

  /** The run of a bid that won; what it says where another was first. */
  bid(agent: TestAgent, id: string): { readonly job: TestJob; readonly run: Run } | string {
    this.#enabled(agent);
    const job = this.jobs.get(id);
    if (job === undefined) throw new Refusal(404, 'not_found', 'There is no such job.');
    this.#mayDo(agent, job.capability.key);
    this.lapse();
    if (job.status !== 'queued' && job.status !== 'running') throw new Refusal(410, 'bid_window_closed', `The job is over (${job.status}).`);
    if (job.status === 'running') return 'already_claimed';
    for (const run of job.runs) run.state = 'gone';
    const run: Run = { id: `run_${randomUUID()}`, agentId: agent.id, leaseUntil: this.clock.now() + this.times.leaseMs, state: 'held' };
    job.runs.push(run);
    job.status = 'running';
    this.#watchLease(run);
    this.#tell(job, 'bid_accepted', { task_run_id: run.id, agent_id: agent.id });
    return { job, run };
  }

  heartbeat(agent: TestAgent, id: string, runId: string): Run {
    const { job, run } = this.#held(agent, id, runId);
    run.leaseUntil = this.clock.now() + this.times.leaseMs;
    this.#watchLease(run);
    this.#tell(job, 'lease_renewed', { task_run_id: run.id });
    return run;
  }

  submit(agent: TestAgent, id: string, runId: string, output: JsonValue): TestJob {
    const { job, run } = this.#held(agent, id, runId);
    try {
      hold(output, job.capability.outputSchema, 'submit_validation_failed');
    } catch (error) {
      job.refused += 1;
      this.#tell(job, 'output_refused', { task_run_id: run.id, attempts_left: this.times.attempts - job.refused });
      if (job.refused >= this.times.attempts) this.#settle(job, { status: 'failed', error: { code: 'submit_validation_failed' } });
      throw error;
    }
    const { priceNc = 0 } = job.capability;
    agent.balanceNc += priceNc;
    this.#settle(job, { status: 'succeeded', output });
    return job;
  }

  /** Takes jobs back whose lease is over. */
  lapse(): void {
    for (const job of this.jobs.values()) {
      const run = job.runs.at(-1);
      if (job.status !== 'running' || run === undefined || run.state !== 'held' || run.leaseUntil > this.clock.now()) continue;
      run.state = 'lapsed';
      if (job.runs.length >= this.times.attempts) {
        this.#settle(job, { status: 'expired', error: { code: 'attempts_exhausted' } });
        run.state = 'lapsed';
      } else {
        job.status = 'queued';
        this.#tell(job, 'lease_expired', { task_run_id: run.id });
      }
    }
  }

  #watchLease(run: Run): void {
    this.clock.setTimeout(() => this.lapse(), Math.max(0, run.leaseUntil - this.clock.now()));
  }

  #held(agent: TestAgent, id: string, runId: string): { readonly job: TestJob; readonly run: Run } {
    this.#enabled(agent);
    this.lapse();
    const job = this.jobs.get(id);
    const run = job?.runs.find((one) => one.id === runId && one.agentId === agent.id);
    if (job === undefined || run === undefined || run.state === 'gone') throw new Refusal(404, 'task_run_not_found', 'There is no such task run.');
    if (run.state === 'lapsed') throw new Refusal(410, 'lease_expired', 'The lease of this task run is over.');
    return { job, run };
  }

  #enabled(agent: TestAgent): void {
    if (!agent.mayWork || agent.registered.size === 0) throw new Refusal(403, 'worker_not_enabled', 'This agent has registered no capability.');
  }

  #mayDo(agent: TestAgent, key: string): void {
    this.#enabled(agent);
    if (!agent.registered.has(key)) throw new Refusal(403, 'capability_not_registered', `This agent has not registered ${key}.`);
  }

  #settle(job: TestJob, end: { readonly status: JobStatus; readonly output?: JsonValue; readonly error?: JsonValue; readonly artifacts?: readonly JsonObject[] }): void {
    job.status = end.status;
    job.output = end.output ?? null;
    job.error = end.error ?? null;
    job.artifacts = end.artifacts ?? [];
    for (const run of job.runs) run.state = 'gone';
    this.#tell(job, `job_${end.status}`, {});
  }

  #tell(job: TestJob, type: string, data: JsonObject): void {
    job.updatedAt = this.clock.now();
    job.events.push({ seq: job.events.length + 1, type, created_at: new Date(job.updatedAt).toISOString(), data });
    for (const watcher of this.#watchers) watcher();
  }
}

/** Throws a Refusal unless the value is as the JSON schema wants it. */
function hold(value: JsonValue, schema: JsonObject | undefined, code: string): void {
  if (schema === undefined) return;
  const result = z.fromJSONSchema(schema).safeParse(value);
  if (result.success) return;
  throw new Refusal(422, code, result.error.issues.map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`).join('; '));
}
