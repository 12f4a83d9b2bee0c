import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import type { HebingClient } from '../../core/systems/hebing/client.ts';
import { HebingError } from '../../core/systems/hebing/errors.ts';
import type { HeldJob } from '../../core/systems/hebing/heldJob.ts';
import type { Job } from '../../core/systems/hebing/wire.ts';
import type { WorkerApi } from '../../core/systems/hebing/workerApi.ts';
import { BidRejected } from '../../core/systems/hebing/workerErrors.ts';
import type { Claims } from './claims.ts';
import type { KernelTool, ToolCall } from './tool.ts';
import { kernelTool, snakeCase, ToolFailure } from './tool.ts';

/** What the tools stand on. */
interface Kernel {
  readonly client: HebingClient;
  readonly api: WorkerApi;
  readonly claims: Claims;
  /** What was registered by these tools: the default of what is claimed. */
  readonly registered: Set<string>;
}

const jobId = z.string().min(1).describe('Id of the job.');
const capabilityKey = z.string().min(1).regex(/^[^,]+$/, 'a key has no comma');
const reads = { readOnlyHint: true } as const;
const makes = { readOnlyHint: false, destructiveHint: false } as const;

/** The eight tools of the MCP server (hebing.md). */
export function kernelTools(kernel: Kernel): readonly KernelTool[] {
  return [...callerTools(kernel), ...workerTools(kernel)];
}

function callerTools({ client }: Kernel): readonly KernelTool[] {
  return [
    kernelTool({
      name: 'kernel_list_capabilities', title: 'List capabilities', annotations: reads,
      description: 'What hebing can do: the key, name, description and input schema of each capability.',
      input: z.strictObject({ query: z.string().optional().describe('Only those whose key, name or description has this text.') }),
    }, async ({ query }, { signal }) => {
      const wanted = (query ?? '').trim().toLowerCase();
      const all = await client.capabilities({ signal });
      const fitting = all.filter((one) => [one.capabilityKey, one.name, one.description ?? ''].some((text) => text.toLowerCase().includes(wanted)));
      return { capabilities: fitting.map((one) => snakeCase(one)) };
    }),
    kernelTool({
      name: 'kernel_create_job', title: 'Create job', annotations: { ...makes, idempotentHint: true },
      description: 'Calls a capability: creates a job and returns it at once. Follow it with kernel_wait_for_job or kernel_get_job.',
      input: z.strictObject({
        capability_key: capabilityKey.describe('A key of kernel_list_capabilities.'),
        input_payload: z.record(z.string(), z.unknown()).describe('The input, as the input schema of the capability wants it.'),
        idempotency_key: z.string().min(1).optional().describe('Calls with the same key are the same job. Repeat a call that failed with the key that its error names.'),
      }),
    }, async ({ capability_key: key, input_payload: input, idempotency_key: given }, { signal }) => {
      const idempotencyKey = given ?? randomUUID();
      try {
        return { job: jobOf(await client.call(key, input as JsonObject, { idempotencyKey, signal })), idempotency_key: idempotencyKey };
      } catch (error) {
        throw new ToolFailure(error, { idempotency_key: idempotencyKey });
      }
    }),
    kernelTool({
      name: 'kernel_get_job', title: 'Get job', annotations: reads, description: 'One of your jobs as it is now: status, output, error, artifacts.', input: z.strictObject({ job_id: jobId }),
    }, async ({ job_id: id }, { signal }) => ({ job: jobOf(await client.getJob(id, { signal })) })),
    kernelTool({
      name: 'kernel_wait_for_job', title: 'Wait for job', annotations: reads,
      description: 'Waits until a job is over and returns it. Look at its status: succeeded, failed, cancelled or expired. After the time-out the error has the code job_timeout, and the job goes on.',
      input: z.strictObject({ job_id: jobId, timeout: z.number().positive().max(3_600).default(300).describe('Seconds to wait at most.') }),
    }, async ({ job_id: id, timeout }, { signal, progress }) => ({ job: jobOf(await client.wait(id, { timeout, signal, onJob: (job) => progress(job.status) })) })),
    kernelTool({
      name: 'kernel_list_artifacts', title: 'List artifacts', annotations: reads, description: 'The artifacts of one of your jobs.', input: z.strictObject({ job_id: jobId }),
    }, async ({ job_id: id }, { signal }) => {
      const { artifacts, status } = await client.getJob(id, { signal });
      return { job_id: id, status, artifacts };
    }),
  ];
}

function workerTools(kernel: Kernel): readonly KernelTool[] {
  const { api, claims, registered } = kernel;
  return [
    kernelTool({
      name: 'kernel_register_capability_handler', title: 'Register capability handler', annotations: { ...makes, idempotentHint: true },
      description: 'Tells hebing that you do the jobs of these capabilities. Needed before kernel_claim_job.',
      input: z.strictObject({ capability_keys: z.array(capabilityKey).min(1).describe('Keys of the capabilities.') }),
    }, async ({ capability_keys: keys }, { signal }) => {
      await api.register(keys, { signal });
      for (const key of keys) registered.add(key);
      return { registered: [...registered] };
    }),
    kernelTool({
      name: 'kernel_claim_job', title: 'Claim job', annotations: makes,
      description: 'Bids for one available job and holds its lease in the background. Do the job and submit its output with kernel_submit_job before hold_until. claimed is false where there is none.',
      input: z.strictObject({
        job_id: jobId.optional().describe('This job and no other.'),
        capability_keys: z.array(capabilityKey).min(1).optional().describe('Of which capabilities; those that were registered here by default.'),
        wait_seconds: z.number().int().min(0).max(25).default(0).describe('How long to wait for a job.'),
        max_hold_seconds: z.number().positive().max(3_600).default(600).describe('After so long the job is let go, whether it is done or not.'),
      }),
    }, async ({ job_id: id, capability_keys: keys, wait_seconds: waitSeconds, max_hold_seconds: holdSeconds }, { signal }) => {
      if (id !== undefined) return claimed(await claims.claim({ id, capabilityKey: '', maxBudgetNc: null }, holdSeconds, { signal }), holdSeconds);
      return claimAny(kernel, { keys: keys ?? [...registered], waitSeconds, holdSeconds, signal });
    }),
    kernelTool({
      name: 'kernel_submit_job', title: 'Submit job', annotations: makes,
      description: 'Submits the output of a job that kernel_claim_job holds. After submit_validation_failed the job is held still: submit a better output.',
      input: z.strictObject({ job_id: jobId, output: z.unknown().refine((value) => value !== undefined, 'is missing').describe('What the capability promises: any JSON, an object as a rule.') }),
    }, async ({ job_id: id, output }, { signal }) => ({ submitted: true, job_id: id, result: await claims.submit(id, output as JsonValue, { signal }) })),
  ];
}

/** The first of the available jobs that can be had; another worker may be faster at each of them. */
async function claimAny({ api, claims }: Kernel, how: { readonly keys: readonly string[]; readonly waitSeconds: number; readonly holdSeconds: number } & Pick<ToolCall, 'signal'>): Promise<JsonObject> {
  const { keys, waitSeconds, holdSeconds, signal } = how;
  if (keys.length === 0) throw new HebingError('bad_arguments', 'Nothing was registered here: register with kernel_register_capability_handler first, or name capability_keys.');
  const jobs = await api.available(keys, { waitSeconds, signal });
  for (const job of jobs) {
    try {
      return claimed(await claims.claim(job, holdSeconds, { signal }), holdSeconds);
    } catch (error) {
      if (!(error instanceof BidRejected)) throw error;
    }
  }
  return { claimed: false, reason: jobs.length === 0 ? 'none_available' : 'others_were_first' };
}

function claimed({ task }: HeldJob, holdSeconds: number): JsonObject {
  const { capabilityKey: key, ...rest } = task;
  return { claimed: true, ...snakeCase({ ...rest, ...(key === '' ? {} : { capabilityKey: key }) }), max_hold_seconds: holdSeconds, hold_until: new Date(Date.now() + holdSeconds * 1_000).toISOString() };
}

function jobOf(job: Job): JsonObject {
  return snakeCase(job);
}
