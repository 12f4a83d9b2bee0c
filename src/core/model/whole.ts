import type { PermissionRequest } from './entry.ts';
import type { JsonValue } from './json.ts';
import { isJsonObject } from './json.ts';
import type { WaitingPermission } from './session.ts';

/** Characters that a line must stay below for a person to take it in at a glance. */
const LIMIT = 200;
/** What the input of a command has beside it that changes nothing of what is run, or is looked at by itself. */
const BESIDE_COMMANDS = new Set(['command', 'cmd', 'description', 'timeout', 'timeout_ms', 'cwd', 'workdir', 'parsed_cmd', 'call_id']);
const PATHS = new Set(['file_path', 'notebook_path', 'path', 'abs_path']);
// What could hide or reorder a part of the line, and white space that a label would fold.
const HIDES = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\s{2}/u;

/** A request as the fleet lists it. `folder`: that of its session. `askedAt` in milliseconds since the epoch. */
export function waitingOf(request: PermissionRequest, folder: string, askedAt: number): WaitingPermission {
  const whole = wholeOf(request, folder);
  return { requestId: request.requestId, tool: request.tool, title: request.title, ask: request.ask, askedAt, ...(whole === null ? {} : { whole }) };
}

/**
 * All that an agent asks to do, as one line that can be judged without opening the request: a command, or a tool with everything that it is given. Null where that does not fit in one line of less than
 * 200 characters, where it is more than a line can say (changes of files, lists, questions, plans), and where the agent does not tell what it would do.
 */
function wholeOf(request: PermissionRequest, folder: string): string | null {
  const { ask, command, input, options, diffs } = request;
  if (ask !== 'tool' || diffs.length > 0) return null;
  if (options.length > 0 && !(options.some((option) => option.scope === 'once') && options.some((option) => option.scope === 'reject'))) return null;
  const line = command === null ? toolLine(request, folder) : commandLine(command, request.cwd ?? folder, folder, input);
  return line === null || line === '' || HIDES.test(line) || line !== line.trim() || Array.from(line).length >= LIMIT ? null : line;
}

function commandLine(command: string, cwd: string, folder: string, input: JsonValue): string | null {
  // Anything else that is set, such as to run it outside of the sandbox, must be seen.
  if (isJsonObject(input) && Object.entries(input).some(([name, value]) => !BESIDE_COMMANDS.has(name) && value !== null && value !== false)) return null;
  const places = isJsonObject(input) ? [input['cwd'], input['workdir']].filter((place) => typeof place === 'string') : [];
  const elsewhere = [...new Set([cwd, ...places].filter((place) => place !== '' && place !== folder))];
  if (elsewhere.length > 1) return null;
  return elsewhere[0] === undefined ? command : `${command} (in ${elsewhere[0]})`;
}

function toolLine({ tool, input }: PermissionRequest, folder: string): string | null {
  if (!isJsonObject(input)) return null;
  const given = Object.entries(input).filter(([, value]) => value !== null);
  if (given.some(([, value]) => typeof value === 'object')) return null;
  const [only] = given;
  if (only !== undefined && given.length === 1) return `${tool} ${shown(only, folder)}`;
  return [tool, given.map((each) => `${each[0]}: ${shown(each, folder)}`).join(', ')].filter((part) => part !== '').join(' ');
}

function shown([name, value]: readonly [string, JsonValue], folder: string): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const base = folder.endsWith('/') ? folder : `${folder}/`;
  return PATHS.has(name) && folder !== '' && text.startsWith(base) && text.length > base.length ? text.slice(base.length) : text;
}
