import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Keep } from '../../core/model/context.ts';
import type { JsonObject } from '../../core/model/json.ts';
import type { Capability, Job } from '../../core/systems/hebing/index.ts';
import { sameInput } from './artifact.ts';
import { loadHebing } from './access.ts';

/** A call that was sent and of which it is not known whether it made a job. */
export interface PendingCall {
  readonly connectionId: string;
  readonly capabilityKey: string;
  readonly input: JsonObject;
  readonly idempotencyKey: string;
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
}
/** Sends a call: an account. */
interface Caller {
  ask<T>(work: (client: { call(key: string, input: JsonObject, options: { readonly idempotencyKey: string; readonly signal?: AbortSignal }): Promise<Job> }) => Promise<T>): Promise<T>;
}

const PREFIX = 'call/';
/** How long hebing is trusted to know an idempotency key. */
const LASTS_MS = 24 * 3_600_000;

const schema = z.object({
  connectionId: z.string(), capabilityKey: z.string(), input: z.record(z.string(), z.json()), idempotencyKey: z.string().min(1), sentAt: z.number(),
});

/**
 * Calls with their idempotency keys, kept before they are sent and until their outcome is known: whatever ends this window or the way to hebing in between, the same call sent again
 * makes no second job.
 */
export class PendingCalls {
  private readonly keep: Keep;
  private readonly now: () => number;

  constructor(keep: Keep, now: () => number = Date.now) {
    this.keep = keep;
    this.now = now;
  }

  /** Those of a connection whose outcome is not known, newest first. */
  async of(connectionId: string): Promise<readonly PendingCall[]> {
    const kept = [...(await this.keep.list(`${PREFIX}${connectionId}/`))];
    const calls: PendingCall[] = [];
    for (const [key, text] of kept) {
      const call = read(text);
      if (call !== null && this.now() - call.sentAt < LASTS_MS) calls.push(call);
      else await this.keep.set(key, null);
    }
    return calls.sort((a, b) => b.sentAt - a.sentAt);
  }

  /**
   * Sends a call. One of the same input whose outcome is not known goes under its key again. Rejects as the client does: after a refusal the call is forgotten; after a failure of the
   * network, a time-out or a passing 5xx it is kept, and `outcomeUnknown` is true for the error.
   */
  async send(caller: Caller, call: { readonly connectionId: string; readonly capability: Pick<Capability, 'capabilityKey'>; readonly input: JsonObject; readonly signal?: AbortSignal }): Promise<Job> {
    const { connectionId, input, signal } = call;
    const { capabilityKey } = call.capability;
    const known = (await this.of(connectionId)).find((each) => each.capabilityKey === capabilityKey && sameInput(each.input, input));
    const pending: PendingCall = known ?? { connectionId, capabilityKey, input, idempotencyKey: randomUUID(), sentAt: this.now() };
    await this.keep.set(place(pending), JSON.stringify(pending));
    try {
      const job = await caller.ask((client) => client.call(capabilityKey, input, { idempotencyKey: pending.idempotencyKey, ...(signal === undefined ? {} : { signal }) }));
      await this.keep.set(place(pending), null);
      return job;
    } catch (error) {
      if (!(await outcomeUnknown(error))) await this.keep.set(place(pending), null);
      throw error;
    }
  }
}

/** True where a call may have made a job although it failed: everything but a refusal by hebing itself. A key that is not taken may have been, when the call was sent before. */
export async function outcomeUnknown(error: unknown): Promise<boolean> {
  const { HebingAPIError, HebingError } = await loadHebing();
  if (error instanceof HebingAPIError) return error.status >= 500 || error.status === 401 || error.status === 408 || error.status === 429;
  return !(error instanceof HebingError) || !['invalid_argument', 'plain_http_refused', 'credentials_missing', 'credentials_malformed'].includes(error.code);
}

const place = ({ connectionId, idempotencyKey }: PendingCall): string => `${PREFIX}${connectionId}/${idempotencyKey}`;

function read(text: string): PendingCall | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
