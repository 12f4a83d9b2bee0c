import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { flag, json, listOf, optNumber, optText, text, texts, word } from './wire.ts';

const inputPart = z.looseObject({ type: text, text: optText, url: optText, image_url: optText, path: optText, name: optText });
export type InputPart = z.output<typeof inputPart>;
const action = z.looseObject({ type: text, command: optText, cmd: optText, path: optText, name: optText, query: optText });
export type CommandAction = z.output<typeof action>;
const change = z.looseObject({ path: z.string(), kind: z.looseObject({ type: text, move_path: optText }), diff: text });
export type WireChange = z.output<typeof change>;
const shared = { id: z.string().min(1), startedAtMs: optNumber, completedAtMs: optNumber };
const status = z.unknown().transform((value) => word(value as JsonValue)).catch('');

/** A thread item, the same from the app-server and from a rollout file. Types that are not here are kept whole as `unknown`. */
const itemSchema = z.discriminatedUnion('type', [
  z.looseObject({ ...shared, type: z.literal('userMessage'), clientId: optText, content: listOf(inputPart) }),
  z.looseObject({ ...shared, type: z.literal('agentMessage'), text }),
  z.looseObject({ ...shared, type: z.literal('plan'), text }),
  z.looseObject({ ...shared, type: z.literal('reasoning'), summary: texts, content: texts }),
  z.looseObject({
    ...shared, type: z.literal('commandExecution'), command: text, cwd: text, status, commandActions: listOf(action), aggregatedOutput: optText, exitCode: optNumber, durationMs: optNumber,
  }),
  z.looseObject({ ...shared, type: z.literal('fileChange'), changes: listOf(change), status, stderr: optText }),
  z.looseObject({ ...shared, type: z.literal('mcpToolCall'), server: text, tool: text, status, arguments: json, result: json, error: json, durationMs: optNumber }),
  z.looseObject({ ...shared, type: z.literal('dynamicToolCall'), namespace: optText, tool: text, arguments: json, status, contentItems: json, success: z.boolean().nullable().catch(null), durationMs: optNumber }),
  z.looseObject({ ...shared, type: z.literal('collabAgentToolCall'), tool: text, status, prompt: optText, model: optText, receiverThreadIds: texts, agentsStates: json }),
  z.looseObject({ ...shared, type: z.literal('subAgentActivity'), kind: text, agentThreadId: text, agentPath: text }),
  z.looseObject({ ...shared, type: z.literal('webSearch'), query: text, action: json, results: json }),
  z.looseObject({ ...shared, type: z.literal('imageView'), path: text }),
  z.looseObject({ ...shared, type: z.literal('imageGeneration'), status, revisedPrompt: optText, savedPath: optText, result: optText, failure: json }),
  z.looseObject({ ...shared, type: z.literal('sleep'), durationMs: optNumber }),
  z.looseObject({ ...shared, type: z.literal('enteredReviewMode'), review: text }),
  z.looseObject({ ...shared, type: z.literal('exitedReviewMode'), review: text }),
  z.looseObject({ ...shared, type: z.literal('contextCompaction') }),
  z.looseObject({ ...shared, type: z.literal('hookPrompt'), fragments: json }),
  z.looseObject({ ...shared, type: z.literal('functionCallOutput'), name: text, namespace: optText, output: json, hidden: flag }),
]);
export type CodexItem = z.output<typeof itemSchema>;
export type ItemOf<T extends CodexItem['type']> = Extract<CodexItem, { type: T }>;
/** What this build does not know, with the id that it has. */
export interface UnknownItem {
  readonly type: 'unknown';
  readonly id: string | null;
  readonly raw: JsonValue;
}

/** An item of the app-server (`item/started`, `item/completed`, `turn.items`). Total: any JSON gives an item. */
export function readItem(raw: JsonValue): CodexItem | UnknownItem {
  const parsed = itemSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const id = isJsonObject(raw) ? raw['id'] : null;
  return { type: 'unknown', id: typeof id === 'string' && id !== '' ? id : null, raw };
}

/**
 * An item of a rollout's `item_completed` line, which spells the same things otherwise: `AgentMessage` with content parts, commands as argument
 * lists, folders as file URLs, changes as a map by path, durations as seconds and nanoseconds (Codex 0.169).
 */
export function readRolloutItem(raw: JsonValue): CodexItem | UnknownItem {
  if (!isJsonObject(raw)) return readItem(raw);
  const item: Record<string, JsonValue> = {};
  for (const [key, value] of Object.entries(raw)) item[camel(key)] = value;
  const type = typeof raw['type'] === 'string' ? raw['type'] : '';
  item['type'] = type.slice(0, 1).toLowerCase() + type.slice(1);
  if (item['type'] === 'agentMessage' && item['text'] === undefined) item['text'] = partsText(raw['content']);
  if (item['type'] === 'reasoning') {
    item['summary'] = raw['summary_text'] ?? [];
    item['content'] = raw['raw_content'] ?? [];
  }
  if (item['type'] === 'commandExecution') {
    const argv = raw['command'];
    item['command'] = Array.isArray(argv) ? joinWords(argv.filter((one): one is string => typeof one === 'string')) : (argv ?? '');
    item['cwd'] = folderOf(raw['cwd']);
    item['commandActions'] = raw['parsed_cmd'] ?? [];
  }
  if (item['type'] === 'fileChange' && isJsonObject(raw['changes'])) item['changes'] = Object.entries(raw['changes']).map(([path, value]) => readChange(path, value));
  const duration = raw['duration'];
  if (isJsonObject(duration)) item['durationMs'] = millis(duration);
  return readItem(item);
}

/** One change of a rollout: `{type:"add"|"delete",content}` or `{type:"update",unified_diff,move_path}`. */
export function readChange(path: string, value: JsonValue): JsonValue {
  const fields: JsonObject = isJsonObject(value) ? value : {};
  return { path, kind: { type: fields['type'] ?? '', move_path: fields['move_path'] ?? null }, diff: fields['unified_diff'] ?? fields['content'] ?? '' };
}

function camel(key: string): string {
  return key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
function millis(duration: JsonObject): number | null {
  const { secs, nanos } = duration;
  return typeof secs === 'number' ? secs * 1000 + Math.round((typeof nanos === 'number' ? nanos : 0) / 1e6) : null;
}
function partsText(content: JsonValue | undefined): string {
  if (!Array.isArray(content)) return '';
  return content.map((part: JsonValue) => (isJsonObject(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('');
}
function folderOf(value: JsonValue | undefined): string {
  if (typeof value !== 'string') return '';
  if (!value.startsWith('file:')) return value;
  try {
    return fileURLToPath(value);
  } catch {
    return value;
  }
}

/** Words as a shell would need them to be written. */
function joinWords(words: readonly string[]): string {
  return words.map((one) => (/^[\w@%+=:,./-]+$/.test(one) ? one : `'${one.replaceAll("'", "'\\''")}'`)).join(' ');
}
