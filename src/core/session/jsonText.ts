import { canonicalJson } from '../model/json.ts';

/** Nesting that is kept as it is; what lies deeper can overflow the stack of JSON.stringify and of structured clone. */
const MAX_DEPTH = 200;
/** Bound for the text of a value that is too deep, which may also be circular. */
const MAX_TEXT = 8 * 1024 * 1024;

/** canonicalJson for any value: one that is too deep for it is written without recursion. */
export function canonicalText(value: unknown): string {
  try {
    return canonicalJson(value) ?? 'null';
  } catch {
    return deepText(value);
  }
}

/** True when JSON can carry the value and it is nested no deeper than MAX_DEPTH. Undefined fields count as absent. */
export function isPlainJson(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth >= MAX_DEPTH) return false;
  if (Array.isArray(value)) return value.every((inner) => isPlainJson(inner, depth + 1));
  return Object.values(value).every((inner) => inner === undefined || isPlainJson(inner, depth + 1));
}

/** JSON text with sorted keys, made without recursion; cut at 8 MiB. Values that JSON can't carry are written as null. */
export function deepText(value: unknown): string {
  const parts: string[] = [];
  let length = 0;
  /** Strings are written as they are; wrapped values are yet to be written. */
  const rest: (string | { readonly value: unknown })[] = [{ value }];
  while (rest.length > 0 && length < MAX_TEXT) {
    const next = rest.pop();
    if (next === undefined) break;
    const text = typeof next === 'string' ? next : leafText(next.value);
    if (text !== null) {
      parts.push(text);
      length += text.length;
      continue;
    }
    const inner = (next as { readonly value: object }).value;
    const steps: (string | { readonly value: unknown })[] = [];
    if (Array.isArray(inner)) {
      steps.push('[');
      inner.forEach((item: unknown, index) => steps.push(index === 0 ? '' : ',', { value: item }));
      steps.push(']');
    } else {
      steps.push('{');
      Object.keys(inner).sort().forEach((key, index) => {
        steps.push(`${index === 0 ? '' : ','}${JSON.stringify(key)}:`, { value: (inner as Record<string, unknown>)[key] });
      });
      steps.push('}');
    }
    for (const step of steps.reverse()) rest.push(step);
  }
  return parts.join('');
}

function leafText(value: unknown): string | null {
  if (typeof value === 'object' && value !== null) return null;
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol' || value === undefined) return 'null';
  return JSON.stringify(value);
}
