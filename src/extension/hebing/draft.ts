import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import { isJsonObject } from '../../core/model/json.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import { pretty } from './artifact.ts';

/** What an input that is edited as JSON is for. */
interface DraftTarget {
  readonly connectionId: string;
  readonly capabilityKey: string;
}

/** Scheme of the schemas that drafts name, by which VS Code's JSON editor helps and checks. */
export const SCHEMA_SCHEME = 'pilothouse-capability';
const NAMED = new RegExp(String.raw`"\$schema"\s*:\s*"${SCHEMA_SCHEME}:/([a-z0-9-]+)/([^"/]+)/input\.json"`);

/** A draft's text: the input, and before it the address of its schema, which says what the draft is for and is not sent. */
export function draftText(target: DraftTarget, input: JsonObject): string {
  return pretty({ $schema: schemaAddress(target), ...input });
}

/** An address without percent signs, which VS Code would decode on the way. */
export function schemaAddress({ connectionId, capabilityKey }: DraftTarget): string {
  return `${SCHEMA_SCHEME}:/${connectionId}/${encodeURIComponent(capabilityKey).replaceAll('~', '%7E').replaceAll('%', '~')}/input.json`;
}

/** What a text is a draft for; null for any other. */
export function targetOfDraft(text: string): DraftTarget | null {
  const [, connectionId, key] = NAMED.exec(text.slice(0, 4_000)) ?? [];
  return connectionId === undefined || key === undefined ? null : targetAt(`/${connectionId}/${key}/input.json`);
}

/** The capability that the path of a schema's address names; null for none. */
export function targetAt(path: string): DraftTarget | null {
  const [, connectionId = '', key = ''] = path.split('/');
  try {
    return connectionId === '' || key === '' ? null : { connectionId, capabilityKey: decodeURIComponent(key.replaceAll('~', '%')) };
  } catch {
    return null;
  }
}

/** The input that a draft holds. Throws `invalid_argument`, which says where it is no JSON. */
export function inputOfDraft(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new PilothouseError('invalid_argument', `This is not valid JSON: ${error instanceof Error ? error.message : 'it can’t be read.'}`, { personMustAct: true });
  }
  if (!isJsonObject(value)) throw new PilothouseError('invalid_argument', 'The input must be a JSON object.', { personMustAct: true });
  const { $schema: _, ...input } = value;
  return input;
}

/** A capability's schema as the editor of a draft uses it: with the draft's own `$schema` member allowed. */
export function editorSchema(schema: JsonValue): JsonObject {
  if (!isJsonObject(schema)) return { type: 'object' };
  const properties = isJsonObject(schema['properties']) ? schema['properties'] : {};
  return { ...schema, properties: { ...properties, $schema: { type: 'string', description: 'Which capability this is the input of. It is not sent.' } } };
}

/** An input to begin with: defaults, and a place for everything that is needed. */
export function skeleton(schema: JsonValue, depth = 0): JsonObject {
  if (!isJsonObject(schema) || !isJsonObject(schema['properties'])) return {};
  const required: readonly JsonValue[] = Array.isArray(schema['required']) ? (schema['required'] as readonly JsonValue[]) : [];
  return Object.fromEntries(Object.entries(schema['properties']).flatMap(([name, inner]): [string, JsonValue][] => {
    if (!isJsonObject(inner)) return [];
    if (inner['default'] !== undefined) return [[name, inner['default']]];
    return required.includes(name) ? [[name, emptyOf(inner, depth)]] : [];
  }));
}

function emptyOf(schema: JsonObject, depth: number): JsonValue {
  const [choice] = Array.isArray(schema['enum']) ? (schema['enum'] as readonly JsonValue[]) : [];
  if (schema['const'] !== undefined) return schema['const'];
  if (choice !== undefined) return choice;
  switch ([schema['type'] ?? []].flat()[0]) {
    case 'object': return depth < 4 ? skeleton(schema, depth + 1) : {};
    case 'array': return [];
    case 'integer':
    case 'number': return typeof schema['minimum'] === 'number' ? schema['minimum'] : 0;
    case 'boolean': return false;
    case 'null': return null;
    default: return '';
  }
}
