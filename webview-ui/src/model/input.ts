import type { Json, PermissionRow, ToolRow } from '../types.ts';

/** What the input of a command has that changes nothing of what is run. */
const IDLE = new Set(['description', 'timeout', 'timeout_ms', 'parsed_cmd', 'call_id']);
const COMMANDS = new Set(['command', 'cmd']);
const FOLDERS = new Set(['cwd', 'workdir']);

/** True while the JSON of a call is still on its way: then its input is a text that is no JSON yet, which nobody can read. */
export function isStreaming(row: Pick<ToolRow, 'input' | 'status'>): boolean {
  return row.status === 'running' && typeof row.input === 'string' && /^\s*["[{]/.test(row.input);
}

/** What a tool was called with, where there is something to show; else null. */
export function shownInput(row: Pick<ToolRow, 'input' | 'status'>): Exclude<Json, null> | null {
  const { input } = row;
  if (input === null || input === '' || isStreaming(row)) return null;
  return typeof input === 'object' && Object.keys(input).length === 0 ? null : input;
}

/** What is asked along with a command, such as to run it outside of the sandbox or with more permissions; null for nothing. */
export function besideCommand({ command, cwd, input }: Pick<PermissionRow, 'command' | 'cwd' | 'input'>): Exclude<Json, null> | null {
  if (command === null || input === null || typeof input !== 'object' || Array.isArray(input)) return null;
  const set = Object.entries(input).filter(([name, value]) => !IDLE.has(name) && value !== null && value !== false);
  // Of two commands one is shown, and who knows which of them is run.
  const commands = set.filter(([name]) => COMMANDS.has(name));
  const rest = set.filter(([name, value]) => (COMMANDS.has(name) ? commands.length > 1 : !FOLDERS.has(name) || (value !== '' && value !== cwd)));
  return rest.length === 0 ? null : Object.fromEntries(rest);
}
