import { createHash } from 'node:crypto';
import type { Entry, UnknownEntry } from '../model/entry.ts';
import type { JsonValue } from '../model/json.ts';
import { isJsonObject } from '../model/json.ts';
import { canonicalText, deepText, isPlainJson } from './jsonText.ts';
import { isNumber, isNumberOrNull, isText, isTextOrNull, jsonFields, kindShapes } from './shapes.ts';

/**
 * Any JSON as an entry: what fits one of the kinds is that entry, the same object where nothing had to be mended; everything else becomes an `unknown`
 * entry that keeps it whole. Never throws. For data that comes out of the store or from another process.
 */
export function entryFromJson(value: JsonValue): Entry {
  return soundEntry(value);
}

/** entryFromJson for values whose type only claims to be an entry: what a driver hands over is checked once before anything is built on it. */
export function soundEntry(value: unknown): Entry {
  if (!isJsonObject(value)) return unknownFrom(value);
  const fits = kindShapes.get(value['kind']);
  if (fits === undefined || !fits(value)) return unknownFrom(value);
  const mended = hasSoundBase(value) ? value : mendBase(value);
  if (mended === null) return unknownFrom(value);
  const field = jsonFields.get(value['kind']);
  if (field === undefined || isPlainJson(value[field])) return mended as unknown as Entry;
  return { ...mended, [field]: deepText(value[field]) } as unknown as Entry;
}

function hasSoundBase(value: Readonly<Record<string, unknown>>): boolean {
  const { id, row, order, parent } = value;
  return isText(id) && id !== '' && isTextOrNull(row) && Array.isArray(order) && order.every(isNumber) && isNumber(value['rev'])
    && isNumberOrNull(value['at']) && isTextOrNull(value['turn']) && isTextOrNull(parent) && (parent === null || parent !== row);
}

/** Numbers that are none (a date that could not be read, an order that JSON turned into null) cost the entry its place or time, not its content. */
function mendBase(value: Readonly<Record<string, unknown>>): Record<string, unknown> | null {
  const { id, row, order, rev, at, turn, parent } = value;
  if (!isText(id) || id === '' || !isTextOrNull(row) || !isTextOrNull(turn) || !isTextOrNull(parent) || !Array.isArray(order)) return null;
  if (!isNumberLike(rev) || !isNumberLike(at) || !order.every(isNumberLike)) return null;
  return {
    ...value,
    order: order.map((element: unknown) => (isNumber(element) ? element : -Number.MAX_VALUE)),
    rev: isNumber(rev) ? rev : 0,
    at: isNumber(at) ? at : null,
    parent: parent === row ? null : parent,
  };
}

function isNumberLike(value: unknown): boolean {
  return value === null || typeof value === 'number';
}

/** The entry that stands for a value that is none, at its place as far as that can be read from it. */
function unknownFrom(value: unknown): UnknownEntry {
  const base: Readonly<Record<string, unknown>> = isJsonObject(value) ? value : {};
  const { id, row, order, rev, at, turn, parent, kind } = base;
  const own = typeof id === 'string' && id !== '' ? id : `unknown:${createHash('sha256').update(canonicalText(value)).digest('hex').slice(0, 32)}`;
  const key = typeof row === 'string' ? row : `unknown:${own}`;
  return {
    kind: 'unknown',
    id: own,
    row: key,
    order: Array.isArray(order) && order.every(isNumber) ? (order as readonly number[]) : [],
    rev: isNumber(rev) ? (rev as number) : 0,
    at: isNumber(at) ? (at as number) : null,
    turn: typeof turn === 'string' ? turn : null,
    parent: typeof parent === 'string' && parent !== key ? parent : null,
    source: typeof kind === 'string' ? `entry of kind ${JSON.stringify(kind.slice(0, 40))}` : 'entry',
    raw: isPlainJson(value) ? (value as JsonValue) : deepText(value),
  };
}
