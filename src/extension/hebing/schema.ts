import { Validator } from '@cfworker/json-schema';
import type { SchemaDraft } from '@cfworker/json-schema';
import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import { isJsonObject } from '../../core/model/json.ts';

/** One thing that is wrong with an input: where, as `layout.columns` (empty: the whole of it), and what. */
interface Complaint {
  readonly field: string;
  readonly text: string;
}

/** Holds an input against a capability's schema; every complaint, the deepest places only. A schema that makes no sense complains of nothing: hebing has the last word. */
export function complaints(schema: JsonValue, input: JsonValue): readonly Complaint[] {
  if (!isJsonObject(schema)) return [];
  let errors;
  try {
    errors = new Validator(structuredClone(schema), draftOf(schema), false).validate(input).errors;
  } catch {
    return [];
  }
  const found = errors.filter(({ keyword }) => !SUMMARIES.has(keyword)).map(({ instanceLocation, keyword, error }) => complaint(fieldOf(instanceLocation), keyword, error));
  const rest = found.length > 0 ? found : errors.map(({ instanceLocation, error }) => ({ field: fieldOf(instanceLocation), text: error }));
  return rest.filter((each, at) => rest.findIndex((other) => other.field === each.field && other.text === each.text) === at);
}

/** A complaint as a sentence that names its field. */
export function complaintLine({ field, text }: Complaint): string {
  return field === '' ? text : `${field}: ${text}`;
}

/** Keywords whose errors say no more than that something beneath them is wrong. */
const SUMMARIES: ReadonlySet<string> = new Set(['properties', 'items', 'prefixItems', 'allOf', 'anyOf', 'oneOf', '$ref', 'patternProperties', 'additionalItems', 'dependentSchemas', 'then', 'else', 'if', 'contains', 'additionalProperties', 'unevaluatedProperties']);

function complaint(field: string, keyword: string, error: string): Complaint {
  const missing = keyword === 'required' ? /required property "((?:[^"\\]|\\.)*)"/.exec(error)?.[1] : undefined;
  if (missing !== undefined) return { field: field === '' ? missing : `${field}.${missing}`, text: 'It is needed.' };
  return { field, text: plainWords(keyword, error) };
}

const KINDS: Readonly<Record<string, string>> = { string: 'a text', number: 'a number', integer: 'a whole number', boolean: 'true or false', object: 'an object', array: 'a list', null: 'null' };

/** The validator's words as a person reads them. */
function plainWords(keyword: string, error: string): string {
  const numbers = error.match(/-?\d+(?:\.\d+)?/g) ?? [];
  const limit = numbers.at(-1) ?? '';
  switch (keyword) {
    case 'false': return 'The capability takes no such field.';
    case 'type': return `It must be ${(error.split('Expected')[1] ?? '').match(/\w+/g)?.map((kind) => KINDS[kind] ?? kind).join(' or ') ?? 'of another type'}.`;
    case 'minLength': return limit === '1' ? 'It is needed.' : `At least ${limit} characters.`;
    case 'maxLength': return `At most ${limit} characters.`;
    case 'minimum': return `At least ${limit}.`;
    case 'maximum': return `At most ${limit}.`;
    case 'enum': return `One of ${/\[(.*)\]/s.exec(error)?.[1]?.replaceAll(',', ', ') ?? 'the values that the capability lists'}.`;
    default: return error;
  }
}

/** `#/layout/columns` → `layout.columns`. */
function fieldOf(pointer: string): string {
  return pointer.replace(/^#\/?/, '').split('/').map((part) => safeDecode(part).replaceAll('~1', '/').replaceAll('~0', '~')).join('.');
}

function safeDecode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function draftOf(schema: JsonObject): SchemaDraft {
  const named = typeof schema['$schema'] === 'string' ? schema['$schema'] : '';
  if (/draft-0?4\b/.test(named)) return '4';
  if (/draft-0?[67]\b/.test(named)) return '7';
  return named.includes('2019-09') ? '2019-09' : '2020-12';
}
