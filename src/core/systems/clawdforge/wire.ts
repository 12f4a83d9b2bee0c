import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import type { ForgeEvent } from './types.ts';

// Shapes of the answers (clawdforge.md). All are loose: fields that are not named here stay in the value, and come out in camelCase as the others do.

/** A time as the server writes it: seconds, milliseconds, or ISO text; see `timeOf`. */
const time = z.union([z.string(), z.number()]).nullish().catch(null).transform((value) => value ?? null);
const words = z.string().nullish().catch(null).transform((value) => value ?? null);
const count = z.number().nullish().catch(null);
/** Not looked into: what a model answered is handed on whatever it is, and however deep. */
const json = z.unknown().optional().transform((value) => (value ?? null) as JsonValue);
/** Yes or no, as JSON has it or as SQLite keeps it. */
const flag = (otherwise: boolean) => z.union([z.boolean(), z.number().transform((value) => value !== 0)]).nullish().catch(null).transform((value) => value ?? otherwise);
const agent = words.transform((name) => name ?? 'claude');
/** An object that says one of these at least: the JSON of another program is not taken for an answer. */
const saying = (...fields: readonly string[]) => z.custom<Record<string, unknown>>((value) => isJsonObject(value) && fields.some((field) => Object.hasOwn(value, field)));

export const healthAnswer = z.looseObject({ ok: z.boolean(), claude_present: flag(false), claude_version: words });
// An answer that was paid for is not lost for what stands beside it.
export const runAnswer = saying('ok', 'result', 'stop_reason', 'duration_ms').pipe(z.looseObject({ ok: flag(true), result: json, duration_ms: count.transform((value) => value ?? 0), stop_reason: words }));
export const fileAnswer = z.looseObject({ file_token: z.string().min(1), ttl_secs: z.number(), size: z.number() });
export const createdAnswer = z.looseObject({ session_id: z.string().min(1), agent, created_at: time, meta: json });
export const sessionRow = z.looseObject({
  session_id: z.string().min(1), agent, cwd: words, created_at: time, last_turn_at: time, turn_count: count.transform((value) => value ?? 0), closed_at: time,
  live: z.union([z.boolean(), z.number().transform((value) => value !== 0)]).nullish().catch(null).transform((value) => value ?? null), meta: json,
});
/** Rows of a list, bare or named. They are looked at one by one: a bad one costs itself only. */
export const sessionsAnswer = z.union([z.array(z.unknown()), z.looseObject({ sessions: z.array(z.unknown()) }).transform(({ sessions }) => sessions)]);
/** The fields of a turn's answer beside its events: all of a whole one, or the item that closes a stream. */
export const turnAnswer = saying('ok', 'turn_index', 'stop_reason', 'duration_ms', 'events').pipe(z.looseObject({
  ok: flag(true), session_id: words, turn_index: count.transform((value) => value ?? null), events: z.array(z.unknown()).nullish().transform((value) => value ?? []), stop_reason: words,
  duration_ms: count.transform((value) => value ?? 0),
}));
/** An answer without a body says that it is done. */
export const closeAnswer = z.union([z.null().transform(() => ({})), z.looseObject({})]).pipe(z.looseObject({ ok: flag(true), already_closed: flag(false) }));
export const tokenRow = z.looseObject({
  name: z.string(), token: z.string().nullish().transform((value) => value ?? undefined),
  /** An array where it was just made, a comma-joined text in the list. */
  ip_cidrs: z.union([z.array(z.string()), z.string()]).nullish().transform((value) => (typeof value === 'string' ? value.split(',') : (value ?? [])).map((each) => each.trim()).filter((each) => each !== '')),
  created_at: time, last_used: time, enabled: flag(true),
});
export const tokensAnswer = z.union([z.array(z.unknown()), z.looseObject({ tokens: z.array(z.unknown()) }).transform(({ tokens }) => tokens)]);
/** Whatever it is. */
export const anything = z.unknown();

/** `a_b_c` → `aBC`, letter by letter. */
type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;
/** The named fields of a value in camelCase; those that no schema names are there as well. */
export type CamelFields<T> = { readonly [Key in keyof T as string extends Key ? never : Key extends string ? Camel<Key> : never]: T[Key] };

/** The fields of an object in camelCase. What lies within them stays as it is. Of two names that become one the first counts: a schema's own fields come before all others. */
export function camelFields<T extends object>(value: T): CamelFields<T> {
  const named = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value)) {
    const camel = key.replaceAll(/(?<=[^_])_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (!named.has(camel)) named.set(camel, field);
  }
  return Object.fromEntries(named) as unknown as CamelFields<T>;
}

/** Milliseconds since the epoch of a time as the server writes it; null for none. Text without a zone is UTC, as Python's and SQLite's is. */
export function timeOf(value: string | number | null | undefined): number | null {
  if (typeof value === 'number') {
    const at = Math.round(value < 1e11 ? value * 1_000 : value);
    // Beyond that there are no dates.
    return Math.abs(at) <= 8.64e15 ? at : null;
  }
  if (value === null || value === undefined || value.trim() === '') return null;
  const text = value.trim().replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T');
  if (/^\d+(\.\d+)?$/.test(text)) return timeOf(Number(text));
  const zoned = /[zZ]$|[+-]\d{2}:?\d{2}$/.test(text) || !text.includes('T') ? text : `${text}Z`;
  const at = Date.parse(zoned);
  return Number.isNaN(at) ? null : at;
}

/** Levels of an event at most: what is nested deeper can be read, and neither written nor shown, and would take all of its turn with it. */
const DEEPEST = 500;

function isDeep(value: JsonValue): boolean {
  let level: readonly JsonValue[] = [value];
  for (let depth = 0; depth <= DEEPEST; depth += 1) {
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? (Object.values(one) as readonly JsonValue[]).filter((inner) => typeof inner === 'object' && inner !== null) : []));
    if (level.length === 0) return false;
  }
  return true;
}

/** What stands among the events, as an event: what has no type has the one that its stream names, else `unknown`, and what is no object at all is its content. */
export function eventOf(value: unknown, name = 'unknown'): ForgeEvent {
  const item = value as JsonValue;
  if (isDeep(item)) return { type: 'unknown', content: `[an event of more than ${DEEPEST} levels]` };
  if (!isJsonObject(item)) return { type: 'unknown', content: item };
  return typeof item['type'] === 'string' ? { ...item, type: item['type'] } : { ...item, type: name };
}

/**
 * Whether an item of a stream closes it: it carries the answer's other fields in place of a type. One that has a type is an event, unless it also says how the turn went and which it was.
 */
export function closesStream(item: JsonValue): item is JsonObject {
  if (!isJsonObject(item)) return false;
  if (typeof item['type'] === 'string') return typeof item['ok'] === 'boolean' && typeof item['turn_index'] === 'number';
  return ['ok', 'turn_index', 'stop_reason', 'duration_ms'].some((field) => Object.hasOwn(item, field));
}
