import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';

/** The string in a field; null where it is absent or of another kind. Wire content is never trusted to have the shape that its schema says. */
export function str(source: JsonObject, key: string): string | null {
  const value = source[key];
  return typeof value === 'string' ? value : null;
}

/** The finite number in a field, or null. */
export function num(source: JsonObject, key: string): number | null {
  const value = source[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** The object in a field, or null. */
export function obj(source: JsonObject, key: string): JsonObject | null {
  const value = source[key];
  return isJsonObject(value) ? value : null;
}

/** The array in a field; empty where there is none. */
export function list(source: JsonObject, key: string): readonly JsonValue[] {
  const value = source[key];
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

/** The objects of the array in a field. */
export function objects(source: JsonObject, key: string): readonly JsonObject[] {
  return list(source, key).filter(isJsonObject);
}

/** First line of a text, without control characters (an escape sequence of a terminal is one), at most `max` characters. */
export function oneLine(text: string, max = 300): string {
  const line = (text.trimStart().split(/[\r\n]/, 1)[0] ?? '').replaceAll(/\p{Cc}/gu, '').trim();
  return line.length > max ? `${line.slice(0, max - 1)}…` : line;
}

/** JSON of a value as a person reads it; a string stands as it is. */
export function readable(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}
