import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../model/context.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { canonicalJson, isJsonObject } from '../../model/json.ts';
import { invalid } from './errors.ts';
import { scrubbed } from './scrub.ts';

/** Types of events that the server knows; it takes others, and stores them nowhere (observed). */
export const EventType = {
  SESSION_START: 'session_start', SESSION_END: 'session_end', MESSAGE: 'message', TOOL_CALL: 'tool_call', TOOL_RESULT: 'tool_result', THINKING: 'thinking', ERROR: 'error',
} as const;
export type EventType = (typeof EventType)[keyof typeof EventType];

/** An event as a caller gives it. */
export interface CollectorEvent {
  readonly type: EventType;
  /** With the wire's own names. */
  readonly data: JsonObject;
  /** When it was: a Date, milliseconds since the epoch, or ISO 8601 (UTC where it names no zone); now by default. */
  readonly emittedAt?: Date | number | string | undefined;
  readonly observedAt?: Date | number | string | undefined;
  /** 1 to 32 characters; what has it already is not stored again. By default it is made of session, type, time and data. */
  readonly eventHash?: string | undefined;
}
/** An event as it is sent. */
export interface WireEvent extends JsonObject {
  readonly type: string;
  readonly emitted_at: string;
  readonly observed_at: string;
  readonly event_hash: string;
  readonly data: JsonObject;
}

const text = z.string().nullish();
const whole = z.int();
const some = z.record(z.string(), z.unknown()).nullish();
/** The server's rules (observed): it fails with 500 on a role that it does not know, and refuses the other faults with the whole batch. */
const rules: Readonly<Record<EventType, z.ZodType>> = {
  session_start: z.looseObject({
    agent_type: z.string().min(1), agent_version: text, working_directory: text, git_branch: text, parent_session_id: text, slug: text, context_semantics: some,
    summaries: z.array(z.record(z.string(), z.unknown())).nullish(), compaction_events: z.array(z.record(z.string(), z.unknown())).nullish(),
  }),
  session_end: z.looseObject({ outcome: z.string().min(1), summary: text, total_messages: whole.nullish(), total_tool_calls: whole.nullish(), plans: z.array(z.unknown()).nullish(), files_touched: z.array(z.string()).nullish() }),
  message: z.looseObject({
    author_role: z.enum(['human', 'caller', 'assistant', 'agent', 'tool', 'system']), message_type: z.enum(['prompt', 'response', 'tool_call', 'tool_result', 'plan', 'summary', 'context', 'error']),
    content: text, model: text, token_usage: z.record(z.string(), whole).nullish(), thinking_content: text, thinking_metadata: some, stop_reason: text, raw_data: some,
  }),
  tool_call: z.looseObject({ tool_name: z.string(), tool_use_id: z.string(), parameters: some }),
  tool_result: z.looseObject({ tool_use_id: z.string(), success: z.boolean().nullish(), result: text, error_message: text }),
  thinking: z.looseObject({ content: text, thinking_id: text }),
  error: z.looseObject({ error_type: text, message: text }),
};
/** Characters that the server has room for (observed: more is a 500). */
const SHORT = 50;

/** Makes what is sent of what callers give, for one session: times in UTC that never fall on one another, our own hash, secrets taken out. */
export class EventMaker {
  readonly #session: string;
  readonly #clock: Clock;
  /** The last time that was given, and the last that was sent. */
  #given = 0;
  #last = 0;

  constructor(session: string, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  /** Throws `invalid_argument`, which names the field; `label` says which event. */
  make(event: CollectorEvent, label = 'The event'): WireEvent {
    const { type, data } = checked(event, label);
    const now = this.#clock.now();
    const given = event.emittedAt === undefined ? null : timeOf(event.emittedAt, `${label}.emittedAt`);
    // The server sorts by time alone, so that two of one time would have no order. What is given as earlier than the one before stays so.
    const at = given === null || (given >= this.#given && given <= this.#last) ? Math.max(given ?? now, this.#last + 1) : given;
    this.#given = given ?? at;
    this.#last = at;
    const clean = scrubbed(data);
    return {
      type, emitted_at: new Date(at).toISOString(), observed_at: new Date(event.observedAt === undefined ? now : timeOf(event.observedAt, `${label}.observedAt`)).toISOString(),
      event_hash: event.eventHash ?? hashOf([this.#session, type, given ?? at, canonicalJson(clean)]), data: shortened(type, clean),
    };
  }
}

/** 32 hexadecimal characters (the server takes no more) of SHA-256 over what tells one event from every other one of a session. */
export function hashOf(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

function checked(event: CollectorEvent, label: string): { readonly type: EventType; readonly data: JsonObject } {
  if (!isJsonObject(event)) throw invalid(`${label} is not an object.`);
  const { type, data, eventHash } = event as Partial<CollectorEvent>;
  if (typeof type !== 'string' || !Object.hasOwn(rules, type)) throw invalid(`${label}.type is none of ${Object.keys(rules).join(', ')}.`);
  if (!isJsonObject(data)) throw invalid(`${label}.data is not an object.`);
  if (eventHash !== undefined && (typeof eventHash !== 'string' || eventHash === '' || eventHash.length > 32)) throw invalid(`${label}.eventHash must be a text of 1 to 32 characters.`);
  const own = asJson(data, label);
  const result = rules[type].safeParse(own);
  const [issue] = result.error?.issues ?? [];
  if (issue !== undefined) throw invalid(`${label}.data${issue.path.map((part) => `.${String(part)}`).join('')}: ${issue.message}`);
  return { type, data: own };
}

/** A copy as JSON carries it. */
function asJson(data: JsonObject, label: string): JsonObject {
  try {
    const copy = JSON.parse(JSON.stringify(data)) as JsonValue;
    if (isJsonObject(copy)) return copy;
  } catch {
    // Told below: what it holds may be anything.
  }
  throw invalid(`${label}.data cannot be told as JSON.`);
}

function timeOf(value: Date | number | string, label: string): number {
  const iso = typeof value === 'string' && /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?$/.test(value.trim()) ? `${value.trim().replace(' ', 'T')}Z` : value;
  const at = typeof iso === 'number' ? iso : iso instanceof Date ? iso.getTime() : typeof iso === 'string' ? Date.parse(iso) : Number.NaN;
  // Beyond them a time has no four digits for its year, which the server wants.
  if (!Number.isFinite(at) || at < 0 || at > 253_402_300_799_000) throw invalid(`${label} is no time.`);
  return Math.floor(at);
}

function shortened(type: EventType, data: JsonObject): JsonObject {
  if (type !== 'session_start') return data;
  const cut = (name: string): JsonObject => (typeof data[name] === 'string' ? { [name]: data[name].slice(0, SHORT) } : {});
  return { ...data, ...cut('agent_type'), ...cut('agent_version') };
}
