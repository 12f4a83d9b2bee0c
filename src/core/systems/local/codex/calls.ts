import type { ResultEntry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { scriptOf } from '../../../model/shell.ts';
import { plain } from './entries.ts';

/** A bare call of the model as a rollout keeps it (`response_item`): what is known of a call that has no item. */
export interface Call {
  readonly id: string;
  readonly name: string;
  readonly input: JsonValue;
  /** Of a shell. */
  readonly command: string | null;
  readonly cwd: string | null;
  /** Files that a patch names. */
  readonly files: readonly string[];
}

const shells = new Set(['exec_command', 'shell', 'shell_command', 'local_shell', 'container.exec']);
/** Calls that show no row of their own: they feed another one, or are shown as a question. */
export const rowless: ReadonlySet<string> = new Set(['write_stdin', 'request_user_input', 'update_plan', 'collaboration.spawn_agent']);

/** A call of the tools for subagents (Codex 0.169: `collaboration`) as the item that the wire has of it; null for any other call. */
export function agentCall(call: Call, status: 'inProgress' | 'completed'): JsonObject | null {
  const tool = /^collaboration\.([a-z_]+)$/.exec(call.name)?.[1];
  if (tool === undefined) return null;
  const name = tool === 'wait_agent' ? 'wait' : tool.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return { type: 'collabAgentToolCall', id: call.id, tool: name, status, prompt: isJsonObject(call.input) ? (str(call.input['message']) ?? null) : null, model: null, receiverThreadIds: [], agentsStates: {} };
}

/** True for calls whose item has the call's own id, so that the bare call may stand in for an item that never ended. */
export function hasItem(call: Call): boolean {
  return shells.has(call.name) || call.name === 'apply_patch';
}
export function isShell(call: Call): boolean {
  return shells.has(call.name);
}

/** From `function_call`, `custom_tool_call` and `local_shell_call`; null for anything else. */
export function callOf(payload: JsonObject): Call | null {
  const { type, name, call_id: id, input } = payload;
  if (typeof id !== 'string') return null;
  if (type === 'custom_tool_call') {
    const text = typeof input === 'string' ? input : '';
    return { id, name: str(name) ?? 'tool', input: { input: text }, command: null, cwd: null, files: patchFiles(text) };
  }
  if (type === 'local_shell_call') {
    const action: JsonObject = isJsonObject(payload['action']) ? payload['action'] : {};
    return { id, name: 'local_shell', input: action, command: words(action['command']), cwd: str(action['working_directory']), files: [] };
  }
  if (type !== 'function_call') return null;
  const space = str(payload['namespace']);
  const args = parsed(payload['arguments']);
  const fields: JsonObject = isJsonObject(args) ? args : {};
  const patch = str(fields['input']) ?? str(fields['patch']) ?? '';
  return { id, name: `${space === null ? '' : `${space}.`}${str(name) ?? 'tool'}`, input: args, command: words(fields['cmd'] ?? fields['command']), cwd: str(fields['workdir']), files: patchFiles(patch) };
}

/** Id and text of a call's output (`function_call_output`, `custom_tool_call_output`); null for anything else. */
export function outputOf(payload: JsonObject): { readonly id: string; readonly text: string } | null {
  const { type, call_id: id } = payload;
  if (typeof id !== 'string' || (type !== 'function_call_output' && type !== 'custom_tool_call_output')) return null;
  return { id, text: plain(payload['output'] ?? null) };
}

/** What a shell or patch call came to, from the text that the model was given (Codex 0.73 to 0.169). */
export function outcomeOf(text: string): Pick<ResultEntry, 'status' | 'output' | 'exitCode' | 'durationMs'> {
  if (/\brejected by user\b/i.test(text)) return { status: 'denied', output: '', exitCode: null, durationMs: null };
  if (/\baborted by user\b/.test(text.slice(-40))) return { status: 'cancelled', output: '', exitCode: null, durationMs: null };
  const json = parsed(text);
  if (isJsonObject(json) && typeof json['output'] === 'string') {
    const metadata: JsonObject = isJsonObject(json['metadata']) ? json['metadata'] : {};
    const code = metadata['exit_code'];
    const seconds = metadata['duration_seconds'];
    return { status: code === 0 || code === undefined ? 'ok' : 'error', output: json['output'], exitCode: typeof code === 'number' ? code : null, durationMs: typeof seconds === 'number' ? Math.round(seconds * 1000) : null };
  }
  const cut = /^((?:[^\n]*\n){0,6}?)Output:\n/.exec(text);
  if (cut === null) return { status: 'ok', output: text, exitCode: null, durationMs: null };
  const [whole, header = ''] = cut;
  const code = /(?:Process exited with code|Exit code:) (-?\d+)/.exec(header)?.[1];
  const seconds = /Wall time: ([\d.]+) seconds/.exec(header)?.[1];
  const exitCode = code === undefined ? null : Number(code);
  return { status: exitCode === null || exitCode === 0 ? 'ok' : 'error', output: text.slice(whole.length), exitCode, durationMs: seconds === undefined ? null : Math.round(Number(seconds) * 1000) };
}

function str(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
function words(value: JsonValue | undefined): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const list = value.filter((one: JsonValue): one is string => typeof one === 'string');
  return scriptOf(list) ?? list.join(' ');
}
function parsed(value: JsonValue | undefined): JsonValue {
  if (typeof value !== 'string') return value ?? null;
  try {
    return JSON.parse(value) as JsonValue;
  } catch {
    return value;
  }
}
function patchFiles(patch: string): string[] {
  return [...patch.matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+)$/gm)].flatMap(([, path]) => (path === undefined ? [] : [path.trim()]));
}
