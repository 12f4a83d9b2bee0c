import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { CatsyphonError } from './errors.ts';

/** Answer to a batch. `accepted` and `lastSequence` count again what the server stores nowhere (session_start, session_end): they are hints, nothing to reckon with. */
export interface BatchAnswer {
  readonly accepted: number;
  readonly lastSequence: number | null;
  readonly conversationId: string;
  readonly warnings: readonly JsonValue[];
}
export interface SessionStatus {
  readonly sessionId: string;
  readonly conversationId: string;
  readonly lastSequence: number | null;
  /** Stored messages. */
  readonly eventCount: number;
  /** ISO 8601 in UTC. */
  readonly firstEventAt: string | null;
  /** When the server got the last one. */
  readonly lastEventAt: string | null;
  /** `active` or `completed`. */
  readonly status: string;
}
export interface Completion {
  readonly sessionId: string;
  readonly conversationId: string;
  readonly status: string;
  readonly totalEvents: number | null;
}
/** Answer to a registration. The key is told once. */
export interface Registration {
  readonly collectorId: string;
  readonly apiKey: string;
  readonly apiKeyPrefix: string | null;
  readonly createdAt: string | null;
}

const id = z.string().min(1);
const count = z.number().nullish().transform((value) => value ?? null);
/** The server tells times without a zone, which are UTC (observed). */
const time = z.string().nullish().transform((value) => (value === undefined || value === null ? null : /(?:Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`));

const batch = z.object({ accepted: z.number(), last_sequence: count, conversation_id: id, warnings: z.array(z.unknown()).nullish() })
  .transform((one): BatchAnswer => ({ accepted: one.accepted, lastSequence: one.last_sequence, conversationId: one.conversation_id, warnings: (one.warnings ?? []) as JsonValue[] }));
const status = z.object({ session_id: id, conversation_id: id, last_sequence: count, event_count: z.number(), first_event_at: time, last_event_at: time, status: z.string() })
  .transform((one): SessionStatus => ({
    sessionId: one.session_id, conversationId: one.conversation_id, lastSequence: one.last_sequence, eventCount: one.event_count, firstEventAt: one.first_event_at, lastEventAt: one.last_event_at, status: one.status,
  }));
const completion = z.object({ session_id: id, conversation_id: id, status: z.string(), total_events: count })
  .transform((one): Completion => ({ sessionId: one.session_id, conversationId: one.conversation_id, status: one.status, totalEvents: one.total_events }));
const registration = z.object({ collector_id: id, api_key: id, api_key_prefix: z.string().nullish(), created_at: time })
  .transform((one): Registration => ({ collectorId: one.collector_id, apiKey: one.api_key, apiKeyPrefix: one.api_key_prefix ?? null, createdAt: one.created_at }));

export const readBatchAnswer = (value: JsonObject): BatchAnswer => read(batch, value, 'an answer to events');
export const readStatus = (value: JsonObject): SessionStatus => read(status, value, 'the status of a session');
export const readCompletion = (value: JsonObject): Completion => read(completion, value, 'a completed session');
export const readRegistration = (value: JsonObject): Registration => read(registration, value, 'a registration');

function read<T>(shape: z.ZodType<T>, value: JsonObject, what: string): T {
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  throw new CatsyphonError('bad_answer', `The server answered with something that is not ${what} (${result.error.issues[0]?.path.join('.') ?? ''}). Is this the address of a CatSyphon?`);
}
