import type { ResultEntry, ToolVerb } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { ForgeEvent } from '../types.ts';

// The contract names `tool_call` and leaves open what it carries. What is read here are the names that agents and ACP give such fields, in the event or in its `content`; all of the event is the
// input where there is none.

interface ReadTool {
  readonly callId: string | null;
  readonly name: string;
  readonly verb: ToolVerb;
  readonly title: string;
  readonly input: JsonValue;
  readonly command: string | null;
  readonly path: string | null;
  /** How it went, where the call itself says so. */
  readonly ended: { readonly status: ResultEntry['status']; readonly output: string } | null;
}

const verbs: readonly (readonly [RegExp, ToolVerb])[] = [
  [/bash|shell|exec|terminal|command/, 'execute'], [/edit|write|patch|create|replace/, 'edit'], [/delete|remove/, 'delete'], [/move|rename/, 'move'], [/grep|glob|search|find|list|^ls$/, 'search'],
  [/fetch|http|browse/, 'fetch'], [/read|view|open|cat/, 'read'], [/todo|plan/, 'todo'], [/task|agent/, 'agent'], [/think/, 'think'],
];
const idNames = ['tool_call_id', 'toolCallId', 'call_id', 'tool_use_id', 'id'];
const resultTypes: ReadonlySet<string> = new Set(['tool_result', 'tool_call_result', 'tool_output', 'tool_call_update']);

/** A `tool_call` event. */
export function readTool(event: ForgeEvent): ReadTool {
  const parts = partsOf(event);
  const content = event['content'] ?? null;
  const input = valueIn(parts, ['input', 'raw_input', 'rawInput', 'arguments', 'args', 'params', 'parameters']) ?? content;
  const name = textIn(parts, ['name', 'tool', 'tool_name', 'toolName', 'kind']) ?? (typeof content === 'string' ? (/^[\w.-]{1,60}/.exec(content.trim())?.[0] ?? 'tool') : 'tool');
  const fields = isJsonObject(input) ? [input] : [];
  const command = textIn(fields, ['command', 'cmd']);
  const path = textIn(fields, ['file_path', 'path', 'filename', 'notebook_path']);
  const said = textIn(parts, ['title', 'description', 'summary']) ?? command ?? path ?? textIn(fields, ['pattern', 'query', 'url', 'prompt']) ?? (typeof content === 'string' && content.trim() !== '' ? content : name);
  const status = statusOf(textIn(parts, ['status']));
  return {
    callId: textIn(parts, idNames), name, verb: verbs.find(([words]) => words.test(name.toLowerCase()))?.[1] ?? 'other', title: said.replaceAll(/\s+/g, ' ').trim().slice(0, 300), input, command, path,
    ended: status === null ? null : { status, output: plain(valueIn(parts, ['output', 'result', 'raw_output', 'rawOutput']) ?? '') },
  };
}

/** What a call gave, where the event is about that; `callId` null where it does not say of which. Null: the call goes on, or it is another event. */
export function readResult(event: ForgeEvent): { readonly callId: string | null; readonly status: ResultEntry['status']; readonly output: string } | null {
  if (!resultTypes.has(event.type)) return null;
  const parts = partsOf(event);
  const failed = parts.some((part) => part['is_error'] === true || part['isError'] === true || part['ok'] === false);
  const status = statusOf(textIn(parts, ['status']));
  if (status === null && event.type === 'tool_call_update') return null;
  const output = valueIn(parts, ['output', 'result', 'raw_output', 'rawOutput', 'text']) ?? event['content'] ?? '';
  return { callId: textIn(parts, idNames), status: failed ? 'error' : (status ?? 'ok'), output: plain(output) };
}

function statusOf(word: string | null): ResultEntry['status'] | null {
  if (word === null) return null;
  if (/^(completed|complete|done|success|succeeded|ok)$/i.test(word)) return 'ok';
  if (/^(failed|error|failure)$/i.test(word)) return 'error';
  if (/^(cancelled|canceled|aborted)$/i.test(word)) return 'cancelled';
  return /^(denied|rejected)$/i.test(word) ? 'denied' : null;
}

function partsOf(event: ForgeEvent): readonly JsonObject[] {
  const content = event['content'] ?? null;
  return isJsonObject(content) ? [event, content] : [event];
}

function textIn(parts: readonly JsonObject[], names: readonly string[]): string | null {
  const value = valueIn(parts, names, (one) => typeof one === 'string' && one.trim() !== '');
  return typeof value === 'string' ? value : null;
}

function valueIn(parts: readonly JsonObject[], names: readonly string[], fits: (value: JsonValue) => boolean = (value) => value !== null): JsonValue | null {
  for (const part of parts) {
    for (const name of names) {
      const value = part[name];
      if (value !== undefined && fits(value)) return value;
    }
  }
  return null;
}

function plain(value: JsonValue): string {
  if (typeof value === 'string') return value;
  if (isJsonObject(value) && typeof value['text'] === 'string') return value['text'];
  if (Array.isArray(value)) return value.map((each: JsonValue) => plain(each)).join('\n');
  return value === null ? '' : JSON.stringify(value, null, 2);
}
