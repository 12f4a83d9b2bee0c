import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';

const optionalText = z.string().nullish();
const some = z.record(z.string(), z.unknown()).nullish();
const data: Readonly<Record<string, z.ZodType>> = {
  session_start: z.looseObject({
    agent_type: z.string(), agent_version: optionalText, working_directory: optionalText, git_branch: optionalText, parent_session_id: optionalText, slug: optionalText, context_semantics: some,
  }),
  // A role that the database does not know is found out when it is stored.
  message: z.looseObject({ author_role: z.string(), message_type: z.string(), content: optionalText, model: optionalText, token_usage: z.record(z.string(), z.int()).nullish(), thinking_content: optionalText, stop_reason: optionalText, raw_data: some }),
  tool_call: z.looseObject({ tool_name: z.string(), tool_use_id: z.string(), parameters: some }),
  tool_result: z.looseObject({ tool_use_id: z.string(), success: z.boolean().nullish(), result: optionalText, error_message: optionalText }),
  thinking: z.looseObject({ content: optionalText, thinking_id: optionalText }),
  error: z.looseObject({ error_type: optionalText, message: optionalText }),
  session_end: z.looseObject({ outcome: z.string(), summary: optionalText, total_messages: z.int().nullish(), total_tool_calls: z.int().nullish() }),
};
const time = z.union([z.number(), z.string().refine((text) => !Number.isNaN(Date.parse(text)))]);
const envelope = z.looseObject({ type: z.string(), emitted_at: time, observed_at: time, event_hash: z.string().max(32).nullish(), data: z.record(z.string(), z.unknown()) });
const batch = z.looseObject({ session_id: z.string(), events: z.array(envelope).min(1).max(50) });
const registration = z.looseObject({ collector_type: z.string(), collector_version: z.string(), hostname: z.string(), workspace_id: z.uuid(), metadata: some });
const completion = z.looseObject({ outcome: z.string(), event_count: z.int().nullish(), summary: optionalText });

export interface WireBatch {
  readonly session_id: string;
  readonly events: readonly { readonly type: string; readonly emitted_at: string | number; readonly observed_at: string | number; readonly event_hash?: string | null; readonly data: JsonObject }[];
}

/** pydantic's list of what is wrong, each with what was submitted. */
export type Complaints = readonly { readonly type: string; readonly loc: readonly (string | number)[]; readonly msg: string; readonly input: JsonValue }[];

export const batchFaults = (body: unknown): Complaints => {
  const outer = complaints(batch, body, ['body']);
  if (outer.length > 0) return outer;
  return (body as WireBatch).events.flatMap((event, index) => {
    const rule = data[event.type];
    return rule === undefined ? [] : complaints(rule, event.data, ['body', 'events', index, 'data']);
  });
};
export const registrationFaults = (body: unknown): Complaints => complaints(registration, body, ['body']);
export const completionFaults = (body: unknown): Complaints => complaints(completion, body, ['body']);

function complaints(shape: z.ZodType, value: unknown, at: readonly (string | number)[]): Complaints {
  const issues = shape.safeParse(value).error?.issues ?? [];
  return issues.map((issue) => ({
    type: issue.code === 'invalid_type' && issue.input === undefined ? 'missing' : issue.code, loc: [...at, ...issue.path.filter((part) => typeof part !== 'symbol')], msg: issue.message, input: (value ?? null) as JsonValue,
  }));
}
