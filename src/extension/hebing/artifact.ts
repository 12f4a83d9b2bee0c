import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import { canonicalJson, isJsonObject } from '../../core/model/json.ts';
import { oneLine } from '../tree/text.ts';

/** What a job made, as its record tells. The contract names no field of an artifact: the usual ones are looked for. */
export interface Artifact {
  readonly name: string;
  /** Media type; null where it is not told. */
  readonly type: string | null;
  /** Bytes; null where it is not told. */
  readonly size: number | null;
  /** Where its contents are: an http or https address, the contents themselves, or nothing but the record. */
  readonly from: { readonly url: string } | { readonly bytes: Uint8Array } | { readonly record: JsonObject };
}

const ENDINGS: Readonly<Record<string, string>> = {
  'image/png': '.png', 'image/jpeg': '.jpg', 'image/gif': '.gif', 'image/webp': '.webp', 'image/avif': '.avif', 'image/svg+xml': '.svg', 'application/json': '.json', 'text/plain': '.txt', 'text/markdown': '.md',
  'text/html': '.html', 'text/csv': '.csv', 'application/pdf': '.pdf', 'video/mp4': '.mp4', 'audio/mpeg': '.mp3', 'application/zip': '.zip',
};

/** Reads an artifact's record; `index` names one that has no name. Never throws. */
export function artifactOf(record: JsonObject, index: number): Artifact {
  const url = first(record, ['url', 'download_url', 'href', 'uri', 'signed_url']);
  const type = first(record, ['content_type', 'mime_type', 'media_type', 'mime', 'contentType', 'mimeType'])?.split(';')[0]?.trim().toLowerCase() ?? null;
  const size = ['size', 'size_bytes', 'bytes', 'length'].map((name) => record[name]).find((value): value is number => typeof value === 'number' && value >= 0) ?? null;
  const from = contentsOf(record, url);
  const bytes = 'bytes' in from ? from.bytes.length : size;
  return { name: nameOf(record, index, url, type, from), type, size: bytes, from };
}

function contentsOf(record: JsonObject, url: string | null): Artifact['from'] {
  if (url !== null) {
    const data = /^data:[^,]*?(;base64)?,(.*)$/s.exec(url);
    if (data !== null) return { bytes: data[1] === undefined ? Buffer.from(decoded(data[2] ?? '')) : Buffer.from(data[2] ?? '', 'base64') };
    if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return { url };
  }
  const base64 = first(record, ['base64', 'data_base64', 'content_base64']);
  if (base64 !== null) return { bytes: Buffer.from(base64, 'base64') };
  const inner = ['content', 'text', 'data', 'value', 'body', 'json'].map((name) => record[name]).find((value) => value !== undefined && value !== null);
  if (typeof inner === 'string') return { bytes: record['encoding'] === 'base64' ? Buffer.from(inner, 'base64') : Buffer.from(inner) };
  return inner === undefined ? { record } : { bytes: Buffer.from(pretty(inner)) };
}

function nameOf(record: JsonObject, index: number, url: string | null, type: string | null, from: Artifact['from']): string {
  const given = first(record, ['filename', 'file_name', 'name', 'title', 'path', 'key']) ?? (url !== null && 'url' in from ? decoded(new URL(url).pathname.split('/').at(-1) ?? '') : null);
  const plain = oneLine((given ?? '').split(/[\\/]/).at(-1) ?? '', 120).replaceAll(/[:*?"<>|#%]/g, '_').replace(/^\.+$/, '');
  const name = plain === '' ? `artifact ${index + 1}` : plain;
  if (/\.[A-Za-z0-9]{1,8}$/.test(name)) return name;
  const ending = 'record' in from ? '.json' : (ENDINGS[type ?? ''] ?? (isJsonText(from) ? '.json' : ''));
  return `${name}${ending}`;
}

function isJsonText(from: Artifact['from']): boolean {
  if (!('bytes' in from)) return false;
  try {
    return isJsonObject(JSON.parse(Buffer.from(from.bytes).toString('utf8')));
  } catch {
    return false;
  }
}

/** JSON as it is shown: two spaces a level. */
export function pretty(value: JsonValue): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** A result as a document: JSON pretty, also where it came as a text that holds JSON; other texts as they are. */
export function resultDocument(name: string, value: JsonValue): { readonly name: string; readonly text: string } {
  if (typeof value !== 'string') return { name: `${name}.json`, text: pretty(value) };
  try {
    const inner = JSON.parse(value) as JsonValue;
    if (typeof inner === 'object' && inner !== null) return { name: `${name}.json`, text: pretty(inner) };
  } catch {
    // A text that is no JSON is shown as it is.
  }
  return { name: `${name}.md`, text: value };
}

/** True for two inputs that are the same to hebing. */
export function sameInput(a: JsonValue, b: JsonValue): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

function first(record: JsonObject, names: readonly string[]): string | null {
  return names.map((name) => record[name]).find((value): value is string => typeof value === 'string' && value.trim() !== '') ?? null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
