import type { Clock, Leases } from '../../../src/core/model/context.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { abortReason } from '../../../src/core/transport/clock.ts';
import { HebingAPIError, HebingTransportError } from '../../../src/core/systems/hebing/errors.ts';
import { sentNow } from '../../../src/core/systems/hebing/lease.ts';
import type { AvailableJob } from '../../../src/core/systems/hebing/wire.ts';
import type { WorkerApi } from '../../../src/core/systems/hebing/workerApi.ts';
import { BidRejected, workerError } from '../../../src/core/systems/hebing/workerErrors.ts';
import type { JobAgents, JobSession } from '../../../src/core/fleet/workerJob.ts';

export const CAPABILITY = 'text.review.v1';
type Step = 'register' | 'available' | 'bid' | 'heartbeat' | 'submit';

/** hebing for one worker: jobs that may be had, leases of 30 s, and every request that came. What a step does can be set. */
export class FakeHebing implements WorkerApi {
  readonly requests: { readonly step: Step; readonly jobId: string; readonly at: number }[] = [];
  readonly submitted: { readonly jobId: string; readonly output: JsonValue }[] = [];
  readonly open = new Map<string, AvailableJob>();
  input: JsonValue = { text: 'hi' };
  /** In place of what a step does; a rejection is its answer. */
  readonly does: { [step in Step]?: (jobId: string) => void | Promise<void> } = {};
  readonly #clock: Clock;
  /** Set: an empty poll is answered after so long. */
  pollMs = 25_000;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(id: string, maxBudgetNc: number | null = 5, capabilityKey = CAPABILITY): void {
    this.open.set(id, { id, capabilityKey, maxBudgetNc });
  }

  count(step: Step): number {
    return this.requests.filter((request) => request.step === step).length;
  }

  async register(): Promise<JsonValue> {
    await this.#came('register');
    return null;
  }

  async available(_keys: readonly string[], { signal }: { readonly signal?: AbortSignal } = {}): Promise<readonly AvailableJob[]> {
    await this.#came('available');
    if (this.open.size === 0) await waiting(this.#clock, this.pollMs, signal);
    return [...this.open.values()];
  }

  async bid(jobId: string) {
    const sent = sentNow(this.#clock);
    await this.#came('bid', jobId);
    if (!this.open.delete(jobId)) throw new BidRejected(jobId, 'lost_race');
    return { taskRunId: `run of ${jobId}`, inputEnvelope: { input: this.input }, leaseExpiresAt: null, sent, lastsMs: 30_000 };
  }

  async heartbeat(jobId: string): Promise<number | null> {
    await this.#came('heartbeat', jobId);
    return 30_000;
  }

  async submit(jobId: string, _run: string, output: JsonValue): Promise<JsonValue> {
    await this.#came('submit', jobId);
    this.submitted.push({ jobId, output });
    return { settled: true };
  }

  async #came(step: Step, jobId = ''): Promise<void> {
    this.requests.push({ step, jobId, at: this.#clock.monotonic() });
    await this.does[step]?.(jobId);
  }
}

/** What hebing answers with. */
export const answers = {
  over: (jobId: string) => workerError(new HebingAPIError(404, 'not_found', 'gone'), 'heartbeat', jobId),
  lapsed: (jobId: string) => workerError(new HebingAPIError(410, 'lease_expired', 'late'), 'heartbeat', jobId),
  invalid: (jobId: string, detail = 'echo: expected string') => workerError(new HebingAPIError(422, 'invalid_output', detail), 'submit', jobId),
  silence: () => new HebingTransportError('network', 'no way to hebing'),
};

/** Resolves after a time; rejects with the signal's reason. */
export function waiting(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    const timer = clock.setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      timer.cancel();
      reject(abortReason(signal));
    }, { once: true });
  });
}

/** Agents whose sessions answer as a test says, and who keep what was done with them. */
export class FakeAgents implements JobAgents {
  /** `begin j1`, `ask j1: …` (its last line), `end j1`, `say j1: …`. */
  readonly acts: string[] = [];
  readonly prompts: string[] = [];
  alive = 0;
  beginning: (jobId: string, signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  answering: (prompt: string, signal: AbortSignal, jobId: string) => Promise<string> = () => Promise.resolve('{"echo":"hi"}');

  async begin({ jobId }: { readonly jobId: string }, signal: AbortSignal): Promise<JobSession> {
    this.acts.push(`begin ${jobId}`);
    await this.beginning(jobId, signal);
    this.alive += 1;
    let ended = false;
    const session: JobSession = {
      key: `fake\u0000${jobId}`,
      ask: (prompt, asked) => {
        this.prompts.push(prompt);
        this.acts.push(`ask ${jobId}: ${prompt.split('\n').at(-1) ?? ''}`);
        return this.answering(prompt, asked, jobId);
      },
      say: (_level, text) => void this.acts.push(`say ${jobId}: ${text}`),
      end: () => {
        if (!ended) this.alive -= 1;
        ended = true;
        this.acts.push(`end ${jobId}`);
        return Promise.resolve(null);
      },
    };
    // As agents do: what is made too late is ended by who made it.
    if (signal.aborted) {
      await session.end();
      throw abortReason(signal);
    }
    return session;
  }
}

/** Leases of the store as windows share it: a name has one owner. */
export class SharedLeases {
  readonly owners = new Map<string, string>();

  of(window: string): Leases {
    return {
      acquire: (name) => {
        const owner = this.owners.get(name) ?? window;
        this.owners.set(name, owner);
        return Promise.resolve(owner === window);
      },
      release: (name) => {
        if (this.owners.get(name) === window) this.owners.delete(name);
        return Promise.resolve();
      },
      holder: (name) => Promise.resolve(this.owners.get(name) === window ? 'this' : this.owners.has(name) ? 'other' : 'nobody'),
    };
  }
}
