import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';

/*
 * Lines of Claude Code: those of its stdout (`--output-format stream-json`, snake case) and those of its transcripts on disk (camel case), seen with
 * 1.0.123 to 2.1.329. Both spellings are brought to one shape. A field of the wrong type counts as absent; a line without what it needs is no line.
 */
const anyJson = z.custom<JsonValue>((value) => value !== undefined);
const text = z.string().nullish().transform((value) => value ?? null).catch(null);
const number = z.number().nullish().transform((value) => value ?? null).catch(null);
const flag = z.boolean().nullish().transform((value) => value === true).catch(false);
const maybe = anyJson.nullish().transform((value) => value ?? null).catch(null);
const object = z.custom<JsonObject>(isJsonObject).nullish().transform((value) => value ?? null).catch(null);

/** One block of a message, as the wire has it; read through `str` and friends. */
export type Block = JsonObject & { readonly type: string };
function isBlock(value: unknown): value is Block {
  return isJsonObject(value) && typeof value['type'] === 'string';
}
const blocks = z.array(anyJson).transform((values) => values.filter(isBlock));

const usageSchema = z.looseObject({
  input_tokens: number, output_tokens: number, cache_read_input_tokens: number, cache_creation_input_tokens: number,
});
export type Usage = z.output<typeof usageSchema>;
const usage = usageSchema.nullish().transform((value) => value ?? null).catch(null);

const assistantSchema = z.looseObject({
  type: z.literal('assistant'), uuid: text, timestamp: text, parent_tool_use_id: text, isSidechain: flag, parentUuid: text,
  message: z.looseObject({ id: z.string(), model: text, content: z.union([z.string().transform((value): Block[] => [{ type: 'text', text: value }]), blocks]), stop_reason: text, usage }),
  error: maybe, is_api_error_message: flag, isApiErrorMessage: flag, apiBlockIndex: number, local_command_source: text,
});
const userSchema = z.looseObject({
  type: z.literal('user'), uuid: text, timestamp: text, parent_tool_use_id: text, isSidechain: flag, parentUuid: text,
  message: z.looseObject({ content: z.union([z.string(), blocks]) }),
  tool_use_result: maybe, toolUseResult: maybe, tool_result_meta: maybe, permissionDecision: object, toolDenialKind: text,
  isMeta: flag, isSynthetic: flag, isReplay: flag, isCompactSummary: flag, isVisibleInTranscriptOnly: flag, entrypoint: text, promptSource: text,
});

/** What the agent says about a tool's result beside its content. */
export interface ResultFacts {
  /** `tool_use_result` (stdout) or `toolUseResult` (disk). */
  readonly detail: JsonValue;
  /** Why it was not run: `permission-rule` (denied), `user-rejected` (refused or interrupted) … */
  readonly refusal: string | null;
}
export interface AssistantLine {
  readonly kind: 'assistant';
  readonly uuid: string | null;
  /** Milliseconds since the epoch; stdout tells it from 2.1 on, and then it is the same as on disk. */
  readonly at: number | null;
  readonly parentToolId: string | null;
  readonly sidechain: boolean;
  readonly parentUuid: string | null;
  readonly messageId: string;
  readonly model: string | null;
  readonly content: readonly Block[];
  readonly usage: Usage | null;
  readonly stopReason: string | null;
  /** Index of its block in the message, where the line tells it. */
  readonly blockIndex: number | null;
  /** The agent's word for a failure that this message stands for, such as `authentication_failed`. */
  readonly failure: string | null;
  /** True for the output of a slash command that ran without the model. */
  readonly local: boolean;
}
export interface UserLine {
  readonly kind: 'user';
  readonly uuid: string | null;
  readonly at: number | null;
  readonly parentToolId: string | null;
  readonly sidechain: boolean;
  readonly parentUuid: string | null;
  readonly content: readonly Block[];
  readonly facts: (toolId: string) => ResultFacts;
  readonly hidden: boolean;
  readonly replay: boolean;
  readonly entrypoint: string | null;
}

export function str(value: JsonObject | null | undefined, key: string): string | null {
  const found = value?.[key];
  return typeof found === 'string' ? found : null;
}
export function num(value: JsonObject | null | undefined, key: string): number | null {
  const found = value?.[key];
  return typeof found === 'number' && Number.isFinite(found) ? found : null;
}
export function obj(value: JsonObject | null | undefined, key: string): JsonObject | null {
  const found = value?.[key];
  return isJsonObject(found) ? found : null;
}
export function list(value: JsonObject | null | undefined, key: string): readonly JsonValue[] {
  const found = value?.[key];
  return Array.isArray(found) ? (found as readonly JsonValue[]) : [];
}

/** Milliseconds since the epoch of an ISO time; null when it is none. */
export function timeOf(iso: string | null): number | null {
  if (iso === null) return null;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}

export function readAssistant(value: JsonValue): AssistantLine | null {
  const parsed = assistantSchema.safeParse(value);
  if (!parsed.success) return null;
  const line = parsed.data;
  const { message } = line;
  const said = typeof line.error === 'string' ? line.error : null;
  const marked = line.is_api_error_message || line.isApiErrorMessage;
  const first = message.content[0];
  const words = first?.type === 'text' ? (str(first, 'text') ?? '') : '';
  // 1.0 and 2.1.59 mark nothing on stdout: there the words must do.
  const worded = message.model === '<synthetic>' && /^(?:API Error|Failed to authenticate|Not logged in|Invalid API key|Credit balance|Claude AI usage limit)/i.test(words);
  return {
    kind: 'assistant', uuid: line.uuid, at: timeOf(line.timestamp), parentToolId: line.parent_tool_use_id, sidechain: line.isSidechain, parentUuid: line.parentUuid,
    messageId: message.id, model: message.model, content: message.content, usage: message.usage, stopReason: message.stop_reason, blockIndex: line.apiBlockIndex,
    failure: said ?? (marked || worded ? (/log ?in|authenticat|api key/i.test(words) ? 'authentication_failed' : 'unknown') : null),
    local: line.local_command_source !== null,
  };
}

export function readUser(value: JsonValue): UserLine | null {
  const parsed = userSchema.safeParse(value);
  if (!parsed.success) return null;
  const line = parsed.data;
  const { content } = line.message;
  const meta = (Array.isArray(line.tool_result_meta) ? line.tool_result_meta : []).filter(isJsonObject);
  return {
    kind: 'user', uuid: line.uuid, at: timeOf(line.timestamp), parentToolId: line.parent_tool_use_id, sidechain: line.isSidechain, parentUuid: line.parentUuid,
    content: typeof content === 'string' ? [{ type: 'text', text: content }] : content,
    facts(toolId) {
      const own = meta.find((one) => str(one, 'id') === toolId) ?? null;
      const rejected = str(obj(own, 'permission_decision') ?? line.permissionDecision, 'decision') === 'reject' ? 'permission-rule' : null;
      return { detail: line.tool_use_result ?? line.toolUseResult, refusal: str(own, 'non_execution_kind') ?? line.toolDenialKind ?? rejected };
    },
    hidden: line.isMeta || line.isSynthetic || line.isCompactSummary || line.isVisibleInTranscriptOnly,
    replay: line.isReplay, entrypoint: line.entrypoint,
  };
}

const resultSchema = z.looseObject({
  type: z.literal('result'), subtype: text, is_error: flag, duration_ms: number, total_cost_usd: number, usage, result: text, terminal_reason: text,
  errors: z.array(z.string()).nullish().transform((value) => value ?? []).catch([]), modelUsage: object, model_usage_since_last_result: object,
});
export type ResultLine = z.output<typeof resultSchema>;
export function readResult(value: JsonValue): ResultLine | null {
  const parsed = resultSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

const askSchema = z.looseObject({
  type: z.literal('control_request'), request_id: z.string(),
  request: z.looseObject({
    subtype: z.string(), tool_name: text, input: object, tool_use_id: text, description: text, decision_reason: text, blocked_path: text,
    permission_suggestions: z.array(z.custom<JsonObject>(isJsonObject)).nullish().transform((value) => value ?? []).catch([]),
  }),
});
/** A request of the agent to us; `can_use_tool` is its permission prompt. */
export type AskLine = z.output<typeof askSchema>;
export function readAsk(value: JsonValue): AskLine | null {
  const parsed = askSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

const modelSchema = z.looseObject({
  value: z.string(), displayName: text, description: text, supportsAutoMode: flag,
  supportedEffortLevels: z.array(z.string()).nullish().transform((value) => value ?? []).catch([]),
});
const commandSchema = z.looseObject({ name: z.string(), description: text, argumentHint: text });
function each<T extends z.ZodType>(schema: T): z.ZodType<z.output<T>[]> {
  return z.array(anyJson).nullish().catch([]).transform((values) => (values ?? []).flatMap((value) => {
    const parsed = schema.safeParse(value);
    return parsed.success ? [parsed.data] : [];
  }));
}
const initializeSchema = z.looseObject({
  models: each(modelSchema), commands: each(commandSchema), current_permission_mode: text, claude_code_version: text,
  capabilities: z.array(z.string()).nullish().transform((value) => value ?? []).catch([]),
});
/** Answer to the control request `initialize`. */
export type Initialized = z.output<typeof initializeSchema>;
export function readInitialized(value: JsonValue): Initialized {
  return initializeSchema.parse(isJsonObject(value) ? value : {});
}

/** Top-level types of stdout that tell nothing which the chat shows. */
export const ignoredTypes: ReadonlySet<string> = new Set([
  'keep_alive', 'prompt_suggestion', 'tool_progress', 'tool_use_summary', 'auth_status', 'streamlined_text', 'streamlined_tool_use_summary', 'control_response',
]);
/** Subtypes of `system` on stdout that tell nothing which the chat shows (or that a later line tells better). */
export const ignoredSystem: ReadonlySet<string> = new Set([
  'permission_denied', 'task_progress', 'task_updated', 'hook_started', 'hook_progress', 'hook_response', 'files_persisted', 'session_state_changed', 'commands_changed',
  'local_command_output', 'post_turn_summary', 'elicitation_complete', 'bridge_state', 'mcp_message', 'mirror_error', 'memory_recall', 'plugin_install', 'informational',
]);
