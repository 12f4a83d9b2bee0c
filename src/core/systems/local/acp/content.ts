import { fileURLToPath } from 'node:url';
import type { Attachment, FileDiff } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { diffOf } from './diffs.ts';
import { num, obj, str } from './read.ts';

/** Characters of base64 that an attachment carries along; a larger one is named only. */
const maxData = 8 * 1024 * 1024;

/** What a content block is for us: text that flows on, a file that stands for itself, or nothing that this build knows. */
type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'file'; readonly file: Attachment }
  | { readonly type: 'unknown' };

function pathOf(uri: string | null): string | null {
  if (uri === null || !uri.startsWith('file:')) return null;
  try {
    return fileURLToPath(uri);
  } catch {
    return null;
  }
}

function lastPart(uri: string | null): string | null {
  const part = uri?.split(/[/\\]/).findLast((one) => one !== '') ?? null;
  return part === null || part.startsWith('data:') ? null : part;
}

function media(block: JsonObject, fallback: string, name: string): Block {
  const data = str(block, 'data');
  const uri = str(block, 'uri');
  const size = data === null ? null : Math.floor((data.length * 3) / 4) - (data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0);
  const file: Attachment = {
    name: lastPart(uri) ?? name, mediaType: str(block, 'mimeType') ?? fallback, size, path: pathOf(uri),
    data: data !== null && data.length <= maxData ? data : null,
  };
  return { type: 'file', file };
}

/** Reads one content block (schema v1, ContentBlock: text, image, audio, resource_link, resource). */
export function blockOf(value: JsonValue | undefined): Block {
  if (!isJsonObject(value)) return { type: 'unknown' };
  switch (value['type']) {
    case 'text': {
      const text = str(value, 'text');
      return text === null ? { type: 'unknown' } : { type: 'text', text };
    }
    case 'image':
      return str(value, 'data') === null && str(value, 'uri') === null ? { type: 'unknown' } : media(value, 'image/png', 'image');
    case 'audio':
      return str(value, 'data') === null ? { type: 'unknown' } : media(value, 'audio/wav', 'audio');
    case 'resource_link': {
      const uri = str(value, 'uri');
      if (uri === null) return { type: 'unknown' };
      const file = { name: str(value, 'title') ?? str(value, 'name') ?? lastPart(uri) ?? uri, mediaType: str(value, 'mimeType') ?? 'application/octet-stream', size: num(value, 'size'), data: null, path: pathOf(uri) };
      return { type: 'file', file };
    }
    case 'resource':
      return resource(obj(value, 'resource'));
    default:
      return { type: 'unknown' };
  }
}

function resource(source: JsonObject | null): Block {
  if (source === null) return { type: 'unknown' };
  const uri = str(source, 'uri');
  const text = str(source, 'text');
  const data = text === null ? str(source, 'blob') : Buffer.from(text, 'utf8').toString('base64');
  if (data === null) return { type: 'unknown' };
  return media({ data, mimeType: source['mimeType'] ?? (text === null ? 'application/octet-stream' : 'text/plain'), ...(uri === null ? {} : { uri }) }, 'application/octet-stream', 'resource');
}

/** What a tool call shows: text, files, diffs, and the terminals whose output belongs to it. */
export interface ToolContent {
  readonly text: string;
  readonly files: readonly Attachment[];
  readonly diffs: readonly FileDiff[];
  readonly terminals: readonly string[];
  /** Items that this build does not know. */
  readonly unknown: readonly JsonValue[];
}
export const noContent: ToolContent = { text: '', files: [], diffs: [], terminals: [], unknown: [] };

/**
 * A text that is one fenced block and nothing else, without its fence: claude-agent-acp 0.100 wraps every tool's output in one, and the output
 * of a tool is shown as it is, not as markdown.
 */
function unfence(text: string): string {
  const match = /^(`{3,}|~{3,})[^\n`]*\n([\s\S]*?)\n?\1\s*$/.exec(text);
  const [, fence, body] = match ?? [];
  return fence === undefined || body === undefined || body.includes(`\n${fence}`) ? text : body;
}

/** Reads the content list of a tool call (schema v1, ToolCallContent: content, diff, terminal). */
export function toolContentOf(items: readonly JsonValue[]): ToolContent {
  const texts: string[] = [];
  const files: Attachment[] = [];
  const diffs: FileDiff[] = [];
  const terminals: string[] = [];
  const unknown: JsonValue[] = [];
  for (const item of items) {
    if (!isJsonObject(item)) {
      unknown.push(item);
      continue;
    }
    const terminal = item['type'] === 'terminal' ? str(item, 'terminalId') : null;
    const diff = item['type'] === 'diff' ? diffOf(item) : null;
    const block = item['type'] === 'content' ? blockOf(item['content']) : null;
    if (terminal !== null) terminals.push(terminal);
    else if (diff !== null) diffs.push(diff);
    else if (block?.type === 'text') texts.push(unfence(block.text));
    else if (block?.type === 'file') files.push(block.file);
    else unknown.push(item);
  }
  return { text: texts.join('\n'), files, diffs, terminals, unknown };
}
