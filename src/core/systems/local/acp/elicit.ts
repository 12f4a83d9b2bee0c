import type { Question } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { list, obj, objects, oneLine, readable, str } from './read.ts';

type Kind = 'text' | 'number' | 'boolean' | 'choice' | 'choices';
interface Field {
  readonly question: Question;
  readonly kind: Kind;
  /** Label → the value that the agent wants. */
  readonly values: ReadonlyMap<string, JsonValue>;
}
export interface Form {
  readonly message: string;
  readonly callId: string | null;
  readonly questions: readonly Question[];
  /** Content of the answer, from labels or text by question. */
  contentOf(answers: Readonly<Record<string, readonly string[]>>): JsonObject;
}

function titled(options: readonly JsonObject[]): [string, JsonValue, string | null][] {
  return options.flatMap((one): [string, JsonValue, string | null][] => {
    const value = one['const'];
    return value === undefined ? [] : [[oneLine(str(one, 'title') ?? readable(value), 120), value, str(one, 'description')]];
  });
}

function choicesOf(schema: JsonObject): [string, JsonValue, string | null][] {
  const named = titled([...objects(schema, 'oneOf'), ...objects(schema, 'anyOf')]);
  if (named.length > 0) return named;
  return list(schema, 'enum').flatMap((value): [string, JsonValue, string | null][] => (typeof value === 'string' || typeof value === 'number' ? [[oneLine(String(value), 120), value, null]] : []));
}

function fieldOf(id: string, schema: JsonObject): Field {
  const type = str(schema, 'type');
  const many = type === 'array';
  const choices = type === 'boolean' ? [['Yes', true, null] as [string, JsonValue, string | null], ['No', false, null] as [string, JsonValue, string | null]] : choicesOf(many ? (obj(schema, 'items') ?? {}) : schema);
  const kind: Kind = type === 'boolean' ? 'boolean' : many ? 'choices' : choices.length > 0 ? 'choice' : type === 'number' || type === 'integer' ? 'number' : 'text';
  const title = str(schema, 'title');
  const description = str(schema, 'description');
  const question: Question = {
    id, header: description === null ? null : title, text: description ?? title ?? id, multiple: many, free: kind === 'text' || kind === 'number',
    options: choices.map(([label, , about]) => ({ label, description: about })),
  };
  return { question, kind, values: new Map(choices.map(([label, value]) => [label, value])) };
}

function valueOf(field: Field, given: readonly string[]): JsonValue | undefined {
  const first = given[0];
  if (field.kind === 'choices') return given.map((label) => field.values.get(label) ?? label);
  if (first === undefined) return undefined;
  if (field.kind === 'number') {
    const number = Number(first);
    return first.trim() !== '' && Number.isFinite(number) ? number : undefined;
  }
  return field.values.get(first) ?? first;
}

/**
 * Reads `elicitation/create` in form mode (schema v1, ElicitationFormMode: an object schema of flat properties: strings, numbers, booleans, enums, and
 * lists of enums). Null for anything else, such as url mode: we do not declare that.
 */
export function readForm(params: JsonValue): Form | null {
  if (!isJsonObject(params) || params['mode'] !== 'form') return null;
  const properties = obj(obj(params, 'requestedSchema') ?? {}, 'properties');
  if (properties === null) return null;
  const fields = Object.entries(properties).flatMap(([id, schema]) => (isJsonObject(schema) ? [fieldOf(id, schema)] : []));
  if (fields.length === 0) return null;
  return {
    message: str(params, 'message') ?? '',
    callId: str(params, 'toolCallId'),
    questions: fields.map((field) => field.question),
    contentOf: (answers) => Object.fromEntries(fields.flatMap((field): [string, JsonValue][] => {
      const value = valueOf(field, answers[field.question.id] ?? []);
      return value === undefined ? [] : [[field.question.id, value]];
    })),
  };
}
