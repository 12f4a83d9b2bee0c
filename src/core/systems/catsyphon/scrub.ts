import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { redact } from '../../transport/redact.ts';

const MARK = '[redacted]';
const SAMPLE = 'Abcd1234Efgh5678';
/** Fields of the wire whose names sound like a secret's and are none. */
const PLAIN: ReadonlySet<string> = new Set(['token_usage']);
/** Names that were asked about; a transcript has few. */
const names = new Map<string, boolean>();

/**
 * The data of an event without what looks like a credential, in texts as `redact` finds it, in values whose name tells of one, after flags in lists of arguments and in pairs of name and
 * value; and without what a server on PostgreSQL fails on (observed): NUL goes, halves of surrogate pairs become U+FFFD. Twice changes nothing more.
 */
export function scrubbed(data: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [sound(name), within(name, value, false)]));
}

function within(name: string, value: JsonValue, secret: boolean): JsonValue {
  if (PLAIN.has(name)) return value;
  const hidden = secret || isSecretName(name);
  if (typeof value === 'string') return hidden && value !== '' ? MARK : redact(sound(value));
  if (typeof value === 'number') return hidden && redact(JSON.stringify({ [name]: value })).includes(MARK) ? MARK : value;
  if (Array.isArray(value)) return listed(name, value as readonly JsonValue[], hidden);
  if (!isJsonObject(value)) return value;
  const pair = [value['name'], value['key']].some((one) => typeof one === 'string' && isSecretName(one));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [sound(key), within(key, inner, hidden || (pair && key === 'value'))]));
}

function listed(name: string, list: readonly JsonValue[], hidden: boolean): JsonValue {
  return list.map((one, index) => {
    const before = list[index - 1];
    const follows = typeof one === 'string' && typeof before === 'string' && /^-{1,2}[\w-]+$/.test(before) && isSecretName(before.replace(/^-+/, ''));
    return follows ? MARK : within(hidden ? name : '', one, hidden);
  });
}

/** What the redactor says of a value of that name. */
function isSecretName(name: string): boolean {
  if (name === '' || name.length > 100) return false;
  const known = names.get(name);
  if (known !== undefined) return known;
  const found = redact(JSON.stringify({ [name]: SAMPLE })).includes(MARK);
  if (names.size > 10_000) names.clear();
  names.set(name, found);
  return found;
}

function sound(text: string): string {
  return text.replaceAll('\u0000', '').replaceAll(/\p{Surrogate}/gu, '\uFFFD');
}
