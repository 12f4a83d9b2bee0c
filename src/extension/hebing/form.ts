import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import { isJsonObject } from '../../core/model/json.ts';
import { complaints } from './schema.ts';

/** One value that a form asks for. */
export interface FormField {
  readonly name: string;
  /** Shown in place of the name. */
  readonly title: string;
  readonly about: string;
  readonly kind: 'text' | 'number' | 'integer' | 'boolean' | 'choice';
  readonly required: boolean;
  /** What it has before the person says otherwise. */
  readonly initial: JsonValue | undefined;
  /** Of a choice. */
  readonly choices: readonly JsonValue[];
  readonly schema: JsonObject;
}

const PLAIN_KEYWORDS: ReadonlySet<string> = new Set([
  '$schema', '$id', '$comment', 'type', 'title', 'description', 'properties', 'required', 'additionalProperties', 'examples', 'default', 'minProperties', 'maxProperties', 'deprecated',
]);
/** More fields than a person goes through one by one. */
const MOST = 30;

/**
 * The fields of a flat schema, those that are needed first; null for one that takes more than texts, numbers, booleans and choices, or ties fields to each other: that is edited as JSON.
 */
export function formOf(schema: JsonValue): readonly FormField[] | null {
  if (!isJsonObject(schema) || (schema['type'] ?? 'object') !== 'object' || Object.keys(schema).some((keyword) => !PLAIN_KEYWORDS.has(keyword))) return null;
  const properties = schema['properties'] ?? {};
  if (!isJsonObject(properties)) return null;
  // Fields of any name can't be asked for one by one; that there may be others does not matter.
  if (isJsonObject(schema['additionalProperties']) && Object.keys(properties).length === 0) return null;
  const listed = Array.isArray(schema['required']) ? (schema['required'] as readonly JsonValue[]) : [];
  if (listed.some((name) => typeof name !== 'string' || !Object.hasOwn(properties, name))) return null;
  const required = new Set(listed);
  const fields = Object.entries(properties).map(([name, inner]) => fieldOf(name, inner, required.has(name)));
  if (fields.length > MOST || (fields.length === 0 && schema['properties'] === undefined)) return null;
  const whole = fields.filter((field): field is FormField => field !== null);
  return whole.length < fields.length ? null : [...whole.filter((field) => field.required), ...whole.filter((field) => !field.required)];
}

function fieldOf(name: string, schema: JsonValue, required: boolean): FormField | null {
  if (!isJsonObject(schema)) return null;
  const kind = kindOf(schema);
  if (kind === null) return null;
  const choices = 'const' in schema ? [schema['const'] ?? null] : Array.isArray(schema['enum']) ? (schema['enum'] as readonly JsonValue[]) : [];
  const initial = schema['default'] ?? (required && 'const' in schema ? schema['const'] : undefined);
  return {
    name, kind, required, choices, schema, title: text(schema['title']) || name, about: text(schema['description']),
    initial: initial !== undefined && complaints(schema, initial).length === 0 ? initial : undefined,
  };
}

/** Null for what no single box asks for. */
function kindOf(schema: JsonObject): FormField['kind'] | null {
  if (['$ref', 'oneOf', 'anyOf', 'allOf', 'not', 'if'].some((keyword) => keyword in schema)) return null;
  if ('const' in schema || Array.isArray(schema['enum'])) return [schema['const'] ?? schema['enum']].flat().every((value) => typeof value !== 'object' || value === null) ? 'choice' : null;
  const types = [schema['type'] ?? []].flat().filter((type) => type !== 'null');
  const [type] = types;
  if (types.length !== 1) return null;
  switch (type) {
    case 'string': return 'text';
    case 'number':
    case 'integer':
    case 'boolean':
      return type;
    default: return null;
  }
}

/** What the fields have to begin with. */
export function initialValues(fields: readonly FormField[]): JsonObject {
  return Object.fromEntries(fields.flatMap(({ name, initial }) => (initial === undefined ? [] : [[name, initial] as const])));
}

/** What the person typed as the field's value; undefined for nothing. A number that is none stays a text, of which the schema complains. */
export function typed(field: FormField, value: string): JsonValue | undefined {
  if (field.kind === 'text') return value === '' ? undefined : value;
  const trimmed = value.trim();
  if (trimmed === '') return undefined;
  const number = Number(trimmed);
  return Number.isFinite(number) ? number : trimmed;
}

/** What is wrong with a typed value, in one line; null where nothing is. */
export function typedProblem(field: FormField, value: string): string | null {
  const given = typed(field, value);
  if (given === undefined) {
    const empty = field.kind === 'text' && complaints(field.schema, '').length === 0;
    return field.required && !empty ? `${field.title} is needed.` : null;
  }
  return complaints(field.schema, given)[0]?.text ?? null;
}

/** A value as one short line. */
export function valueText(value: JsonValue | undefined): string {
  return value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
