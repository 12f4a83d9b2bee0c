import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';

/*
 * Careful access to decrypted JSON: what is missing or of another type is null or empty, and nothing throws.
 */
type Source = JsonValue | undefined;

function field(source: Source, key: string): JsonValue | undefined {
  return isJsonObject(source) && Object.hasOwn(source, key) ? source[key] : undefined;
}
export function str(source: Source, key: string): string | null {
  const value = field(source, key);
  return typeof value === 'string' ? value : null;
}
/** A text that says something: null when it is missing or blank. */
export function said(source: Source, key: string): string | null {
  const value = str(source, key);
  return value === null || value.trim() === '' ? null : value;
}
/** A finite number. */
export function num(source: Source, key: string): number | null {
  const value = field(source, key);
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
export function bool(source: Source, key: string): boolean | null {
  const value = field(source, key);
  return typeof value === 'boolean' ? value : null;
}
export function obj(source: Source, key: string): JsonObject | null {
  const value = field(source, key);
  return isJsonObject(value) ? value : null;
}
export function list(source: Source, key: string): readonly JsonValue[] {
  const value = field(source, key);
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}
export function objects(source: Source, key: string): readonly JsonObject[] {
  return list(source, key).filter(isJsonObject);
}
export function texts(source: Source, key: string): readonly string[] {
  return list(source, key).filter((one) => typeof one === 'string');
}
export function has(source: Source, key: string): boolean {
  return field(source, key) !== undefined;
}
export function raw(source: Source, key: string): JsonValue {
  return field(source, key) ?? null;
}

const maxTitle = 200;

/** Untrusted text on one line, cut to what a title may take. */
export function oneLine(value: string): string {
  const line = value.replaceAll(/\s+/g, ' ').trim();
  return line.length > maxTitle ? `${line.slice(0, maxTitle - 1)}…` : line;
}

/** The first line that says something. */
export function firstLine(value: string): string {
  return oneLine(value.trimStart().split('\n', 1)[0] ?? '');
}

/** Any JSON as a person reads it: a text as it is, texts of content blocks joined, everything else as JSON. */
export function plain(value: JsonValue): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) {
    const parts = (value as readonly JsonValue[]).map((one) => (isJsonObject(one) && typeof one['text'] === 'string' ? one['text'] : null));
    if (parts.length > 0 && parts.every((part) => part !== null)) return parts.join('\n');
  }
  return JSON.stringify(value, null, 1);
}
