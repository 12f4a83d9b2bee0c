import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';

/**
 * What Codex's app-server sends, as far as this client reads it (types of 0.169.0 by `codex app-server generate-ts`; recordings of 0.73 to 0.169).
 * Every schema is tolerant: a field that is missing or has another type is null, empty or false, and nothing throws.
 */
export const optText = z.string().nullable().catch(null);
export const optNumber = z.number().nullable().catch(null);
export const text = z.string().catch('');
export const flag = z.boolean().catch(false);
export const json = z.unknown().transform((value) => (value ?? null) as JsonValue).catch(null);
export const texts = z.array(z.string()).catch([]);
/** A list of what fits; the rest of it is left out. */
export function listOf<T extends z.ZodType>(item: T): z.ZodType<z.output<T>[]> {
  return z.array(z.unknown()).catch([]).transform((values) => values.flatMap((value) => {
    const parsed = item.safeParse(value);
    return parsed.success ? [parsed.data] : [];
  }));
}

export const errorSchema = z.looseObject({ message: text, codexErrorInfo: json, additionalDetails: optText });
export type WireError = z.output<typeof errorSchema>;

export const turnSchema = z.looseObject({
  id: z.string(),
  status: text,
  error: errorSchema.nullable().catch(null),
  /** Seconds since the epoch. */
  startedAt: optNumber,
  completedAt: optNumber,
  durationMs: optNumber,
});

const statusSchema = z.looseObject({ type: text, activeFlags: texts });
const gitSchema = z.looseObject({ branch: optText });
const threadSchema = z.looseObject({
  id: z.string(),
  preview: text,
  name: optText,
  cwd: text,
  path: optText,
  model: optText,
  /** Seconds since the epoch. */
  createdAt: optNumber,
  updatedAt: optNumber,
  parentThreadId: optText,
  ephemeral: flag,
  historyMode: optText,
  status: statusSchema.nullable().catch(null),
  gitInfo: gitSchema.nullable().catch(null),
});

/** Answer of thread/start, thread/resume and thread/fork. */
export const threadAnswerSchema = z.looseObject({
  thread: threadSchema,
  model: optText,
  reasoningEffort: optText,
  approvalPolicy: json,
  sandbox: json,
});
export type ThreadAnswer = z.output<typeof threadAnswerSchema>;

const tokensSchema = z.looseObject({
  totalTokens: optNumber, inputTokens: optNumber, cachedInputTokens: optNumber, outputTokens: optNumber,
});
export type WireTokens = z.output<typeof tokensSchema>;
export const tokenUsageSchema = z.looseObject({
  total: tokensSchema, last: tokensSchema.nullable().catch(null), modelContextWindow: optNumber,
});
export type WireTokenUsage = z.output<typeof tokenUsageSchema>;

const rateWindow = z.looseObject({ usedPercent: optNumber, windowDurationMins: optNumber, resetsAt: optNumber }).nullable().catch(null);
export const rateLimitsSchema = z.looseObject({
  rateLimits: z.looseObject({ primary: rateWindow, secondary: rateWindow, rateLimitReachedType: json }),
});

export const planSchema = z.looseObject({
  explanation: optText,
  plan: listOf(z.looseObject({ step: text, status: text })),
});

const modelSchema = z.looseObject({
  id: z.string(),
  displayName: optText,
  description: optText,
  hidden: flag,
  isDefault: flag,
  defaultReasoningEffort: optText,
  supportedReasoningEfforts: listOf(z.looseObject({ reasoningEffort: z.string(), description: optText })),
});
export type WireModel = z.output<typeof modelSchema>;
export const modelListSchema = z.looseObject({ data: listOf(modelSchema), nextCursor: optText });

export const accountSchema = z.looseObject({ account: json, requiresOpenaiAuth: z.boolean().nullable().catch(null) });

/** Fields that all notifications and requests of a thread share. */
export const placeSchema = z.looseObject({
  threadId: optText, turnId: optText, itemId: optText, startedAtMs: optNumber, completedAtMs: optNumber,
});

export const commandRequestSchema = z.looseObject({
  kind: optText, itemId: text, startedAtMs: optNumber, approvalId: optText, reason: optText, command: optText, cwd: optText,
  proposedExecpolicyAmendment: z.array(z.string()).nullable().catch(null),
  additionalPermissions: json, networkApprovalContext: json,
});
export const fileRequestSchema = z.looseObject({ itemId: text, startedAtMs: optNumber, reason: optText, grantRoot: optText });
export const permissionsRequestSchema = z.looseObject({ itemId: text, startedAtMs: optNumber, reason: optText, cwd: optText, permissions: json });
export const inputRequestSchema = z.looseObject({
  itemId: text,
  questions: listOf(z.looseObject({
    id: z.string(), header: optText, question: text, isOther: flag, isSecret: flag,
    options: listOf(z.looseObject({ label: z.string(), description: optText })),
  })),
});
export const elicitationSchema = z.looseObject({ serverName: text, mode: text, message: optText, title: optText, description: optText, url: optText, requestedSchema: json });

/** The value's fields by a schema; what is no object reads as an empty one. */
export function read<T extends z.ZodType>(schema: T, value: JsonValue): z.output<T> | null {
  const parsed = schema.safeParse(isJsonObject(value) ? value : {});
  return parsed.success ? parsed.data : null;
}

/** A word of the wire without case and underscores: `in_progress`, `inProgress` and `InProgress` are one. */
export function word(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value.replaceAll('_', '').toLowerCase() : '';
}

/** What an error is about: the name of `codexErrorInfo` (a word, or the only key of an object) and the HTTP status within, where there is one. */
export function errorKind(info: JsonValue): { readonly kind: string; readonly status: number | null } {
  if (typeof info === 'string') return { kind: word(info), status: null };
  if (!isJsonObject(info)) return { kind: '', status: null };
  const [name, inner] = Object.entries(info)[0] ?? ['', null];
  const fields: JsonObject = isJsonObject(inner) ? inner : {};
  const status = fields['httpStatusCode'] ?? fields['http_status_code'] ?? null;
  return { kind: word(name), status: typeof status === 'number' ? status : null };
}

/** A model's error as one line for a person: endpoints answer with JSON, Codex hands it on as text. */
export function errorText(message: string): string {
  const trimmed = message.trim();
  if (!trimmed.startsWith('{')) return trimmed;
  try {
    const parsed = JSON.parse(trimmed) as JsonValue;
    const inner = isJsonObject(parsed) ? (parsed['error'] ?? parsed) : null;
    const found = isJsonObject(inner) ? inner['message'] : inner;
    return typeof found === 'string' && found !== '' ? found : trimmed;
  } catch {
    return trimmed;
  }
}
