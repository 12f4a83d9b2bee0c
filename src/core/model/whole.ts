import type { PermissionRequest } from './entry.ts';
import type { JsonValue } from './json.ts';
import { isJsonObject } from './json.ts';
import type { WaitingPermission } from './session.ts';

/** Characters that a line must stay below for a person to take it in at a glance. */
const LIMIT = 200;
/** What the input of a command has beside it that changes nothing of what is run, or is looked at by itself. */
const BESIDE_COMMANDS = new Set(['command', 'cmd', 'description', 'timeout', 'timeout_ms', 'cwd', 'workdir', 'parsed_cmd', 'call_id']);
const PATHS = new Set(['file_path', 'notebook_path', 'path', 'abs_path']);
// What could hide or reorder a part of the line, what is blank and no white space (fillers, variation selectors, the blank of braille), and white space that a label would fold.
const HIDES = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|\s{2}/u;
/** How a line says where a command runs. */
const PLACE = /\(in\s/i;

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
  // Nobody here knows which of two commands would be run.
  if (isJsonObject(input) && isSet(input['command']) && isSet(input['cmd'])) return null;
  const places = isJsonObject(input) ? [input['cwd'], input['workdir']].filter((place) => typeof place === 'string') : [];
  const elsewhere = [...new Set([cwd, ...places].filter((place) => place !== '' && place !== folder))];
  // A command or a folder that says so itself could name another place than the one where it runs.
  if (elsewhere.length > 1 || elsewhere.some((place) => PLACE.test(place)) || (PLACE.test(command) && command.endsWith(')'))) return null;
  return elsewhere[0] === undefined ? command : `${command} (in ${elsewhere[0]})`;
}

function isSet(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== null;
}

function toolLine({ tool, title, input }: PermissionRequest, folder: string): string | null {
  // Agents of which it is not known what their tool is called have it as “tool”.
  if (!isJsonObject(input) || tool === '' || tool === 'tool') return null;
  const given = Object.entries(input).filter(([, value]) => value !== null);
  if (given.some(([, value]) => typeof value === 'object')) return null;
  // An agent may say in the title alone what its tool would do.
  if (given.length === 0 && !wordsOf(title).every((word) => wordsOf(tool).includes(word))) return null;
  const [only] = given;
  if (only !== undefined && given.length === 1) return `${tool} ${shown(only, folder)}`;
  return [tool, ...(given.length === 0 ? [] : [given.map((each) => `${each[0]}: ${shown(each, folder)}`).join(', ')])].join(' ');
}

/** The words of a name or a title: `mcp__notes__listAll` has those of “Notes: list all”. */
function wordsOf(text: string): readonly string[] {
  return text.replaceAll(/([\p{Ll}\p{N}])(?=\p{Lu})/gu, '$1 ').toLowerCase().split(/[\s_\-.:/()]+/u).filter((word) => word !== '');
}

function shown([name, value]: readonly [string, JsonValue], folder: string): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const base = folder.endsWith('/') ? folder : `${folder}/`;
  return PATHS.has(name) && folder !== '' && text.startsWith(base) && text.length > base.length ? text.slice(base.length) : text;
}
