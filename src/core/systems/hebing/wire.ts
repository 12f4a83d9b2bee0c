import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { HebingError } from './errors.ts';

/** Fields that the contract does not name come along under their camelCase names. */
interface More {
  readonly [field: string]: JsonValue | undefined;
}
type Time = string | number | null;

/** Something that hebing can do (`GET /capability-specs`). */
export interface Capability extends More {
  readonly capabilityKey: string;
  readonly name: string;
  readonly description: string | null;
  /** JSON schema of the input, as it came; null where there is none. */
  readonly inputSchema: JsonValue;
}
/** A piece of work (`/kernel-jobs`). What is in `inputPayload`, `output`, `error` and `artifacts` is as it came. */
export interface Job extends More {
  readonly id: string;
  /** '' where a server's list leaves it out. */
  readonly capabilityKey: string;
  /** `succeeded`, `failed`, `cancelled` and `expired` are the last ones; others may come. */
  readonly status: string;
  readonly inputPayload: JsonValue;
  readonly output: JsonValue;
  readonly error: JsonValue;
  readonly artifacts: readonly JsonObject[];
  readonly createdAt: Time;
  readonly updatedAt: Time;
}
export interface JobEvent extends More {
  readonly seq: number | null;
  readonly type: string;
  readonly createdAt: Time;
  readonly data: JsonValue;
}
/** A job that may be bid for (`GET /kernel-jobs/available`). */
export interface AvailableJob extends More {
  readonly id: string;
  readonly capabilityKey: string;
  readonly maxBudgetNc: number | null;
}
/** Answer to a bid of status 200. */
export interface Bid extends More {
  readonly accepted: boolean;
  readonly reason: string | null;
  readonly taskRunId: string | null;
  readonly inputEnvelope: JsonValue;
  readonly leaseExpiresAt: Time;
}
/** Answer to a heartbeat. */
export interface Lease extends More {
  readonly leaseExpiresAt: Time;
}
/** Answer to `POST /oauth/device/authorize` (RFC 8628, 3.2). `deviceCode` is a secret. */
interface DeviceAuthorization extends More {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | null;
  /** Seconds; null where the server does not tell. */
  readonly expiresIn: number | null;
  readonly interval: number | null;
}

const id = z.union([z.string().min(1), z.number()]).transform(String);
// What stands beside makes no answer worthless: a job that was made, or won, is not lost for it.
const time = z.union([z.string(), z.number()]).nullish().catch(null).transform((value) => value ?? null);
const json = z.unknown().optional().transform((value) => (value ?? null) as JsonValue);
const text = z.string().nullish().catch(null).transform((value) => value ?? null);
const amount = z.union([z.number(), z.string().regex(/^-?\d+(?:\.\d+)?$/).transform(Number)]).nullish().catch(null).transform((value) => value ?? null);

const shapes = {
  capability: z.looseObject({ capabilityKey: z.string().min(1), name: text, description: text, inputSchema: json }).transform((one) => ({ ...one, name: one.name ?? one.capabilityKey })),
  job: z.looseObject({
    id, capabilityKey: text.transform((key) => key ?? ''), status: z.string().min(1), inputPayload: json, output: json, error: json,
    artifacts: z.array(z.unknown()).nullish().catch(null).transform((list) => (list ?? []).filter((one): one is JsonObject => isJsonObject(one as JsonValue))), createdAt: time, updatedAt: time,
  }),
  event: z.looseObject({ seq: amount, type: z.string(), createdAt: time, data: json }),
  available: z.looseObject({ id, capabilityKey: z.string().min(1), maxBudgetNc: amount }),
  bid: z.looseObject({ accepted: z.boolean(), reason: text, taskRunId: z.union([id, z.null()]).optional().transform((value) => value ?? null), inputEnvelope: json, leaseExpiresAt: time }),
  lease: z.looseObject({ leaseExpiresAt: time }),
  device: z.looseObject({
    deviceCode: z.string().min(1), userCode: z.string().min(1), verificationUri: z.string().min(1), verificationUriComplete: text, expiresIn: amount, interval: amount,
  }),
};

export const readCapability = (value: JsonValue): Capability => read(shapes.capability, value, 'a capability') as Capability;
export const readJob = (value: JsonValue): Job => read(shapes.job, value, 'a job') as Job;
export const readEvent = (value: JsonValue): JobEvent => read(shapes.event, value, 'an event of a job') as JobEvent;
export const readAvailable = (value: JsonValue): AvailableJob => read(shapes.available, value, 'a job that is to be done') as AvailableJob;
export const readBid = (value: JsonValue): Bid => read(shapes.bid, value, 'an answer to a bid') as Bid;
export const readLease = (value: JsonValue): Lease => read(shapes.lease, value, 'a lease') as Lease;
export const readDevice = (value: JsonValue): DeviceAuthorization => read(shapes.device, value, 'a device authorization') as DeviceAuthorization;

/**
 * The rows of a list, bare or under `items`; null (an answer without a body, as of a long-poll that saw nothing) is an empty one. A row that cannot be read costs itself only. Throws `bad_answer` for
 * what is no list, and for one of which nothing can be read.
 */
export function readList<T>(value: JsonValue, one: (row: JsonValue) => T): T[] {
  const rows = isJsonObject(value) ? value['items'] : (value ?? []);
  if (!Array.isArray(rows)) throw bad('a list');
  const troubles: unknown[] = [];
  const read = (rows as readonly JsonValue[]).flatMap((row) => {
    try {
      return [one(row)];
    } catch (error) {
      troubles.push(error);
      return [];
    }
  });
  if (read.length === 0 && troubles.length > 0) throw troubles[0];
  return read;
}

/** snake_case → camelCase for the names of one object; what is in it stays as it is. Where both forms are there, the contract's own wins. */
export function camelCase(value: JsonObject): JsonObject {
  const result = new Map<string, JsonValue>();
  for (const [name, inner] of Object.entries(value)) {
    const camel = name.replaceAll(/(?<=[a-zA-Z0-9])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (camel !== name || !result.has(camel)) result.set(camel, inner);
  }
  return Object.fromEntries(result);
}

function read(shape: z.ZodType, value: JsonValue, what: string): unknown {
  const result = isJsonObject(value) ? shape.safeParse(camelCase(value)) : null;
  if (result?.success !== true) throw bad(what, result?.error.issues[0]?.path.join('.'));
  return result.data;
}

function bad(what: string, field?: string): HebingError {
  return new HebingError('bad_answer', `hebing answered with something that is not ${what}${field === undefined || field === '' ? '' : ` (${field})`}. Is this its address?`);
}
