import type { Location, Question, TodoEntry, ToolEntry, ToolVerb } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { scriptOf, shellScript } from '../../../model/shell.ts';
import { blockDiffs, diffsOf } from './diffs.ts';
import { firstLine, list, num, obj, objects, oneLine, said, str, texts } from './read.ts';

const verbs: ReadonlyMap<string, ToolVerb> = new Map<string, ToolVerb>([
  ...(['Read', 'NotebookRead', 'ReadMcpResource', 'ListMcpResources', 'read', 'read_file', 'read_many_files', 'view_image'] as const).map((name) => [name, 'read'] as const),
  ...(['Grep', 'Glob', 'LS', 'LSP', 'ToolSearch', 'search', 'search_file_content', 'glob', 'list_directory', 'grep'] as const).map((name) => [name, 'search'] as const),
  ...(['Edit', 'Write', 'MultiEdit', 'NotebookEdit', 'CodexPatch', 'CodexDiff', 'GeminiPatch', 'GeminiDiff', 'edit', 'replace', 'write_file', 'write', 'file-edit', 'apply_patch'] as const).map((name) => [name, 'edit'] as const),
  ...(['Bash', 'PowerShell', 'BashOutput', 'KillShell', 'KillBash', 'Monitor', 'TaskOutput', 'TaskStop', 'CodexBash', 'GeminiBash', 'shell', 'execute', 'run_shell_command', 'exec_command'] as const).map((name) => [name, 'execute'] as const),
  ...(['WebFetch', 'WebSearch', 'fetch', 'web_fetch', 'web_search', 'google_web_search'] as const).map((name) => [name, 'fetch'] as const),
  ...(['Task', 'Agent', 'CodexSubagent'] as const).map((name) => [name, 'agent'] as const),
  ...(['TodoWrite', 'TaskCreate', 'TaskUpdate', 'TaskList', 'TaskGet', 'update_plan', 'write_todos'] as const).map((name) => [name, 'todo'] as const),
  ...(['EnterPlanMode', 'enter_plan_mode', 'ExitPlanMode', 'exit_plan_mode', 'CodexReasoning', 'GeminiReasoning', 'think'] as const).map((name) => [name, 'think'] as const),
  ['delete', 'delete'], ['move', 'move'],
]);

export function verbOf(tool: string): ToolVerb {
  return verbs.get(tool) ?? 'other';
}

/** True for the tools that ask the person to agree to a plan. */
export function isPlanTool(tool: string): boolean {
  return tool === 'ExitPlanMode' || tool === 'exit_plan_mode';
}

/** Path as a person in `folder` writes it; both are paths of the session's machine, with either kind of slash. */
function shortPath(file: string, folder: string): string {
  const base = folder.replace(/[\\/]+$/, '');
  const next = file.charAt(base.length);
  return base !== '' && file.startsWith(base) && (next === '/' || next === '\\') ? file.slice(base.length + 1) : file;
}

/** A command as one text; of `bash -lc "…"` only what it runs. */
function commandText(value: JsonValue | undefined): string | null {
  if (typeof value === 'string') return value.trim() === '' ? null : (shellScript(value) ?? value);
  if (!Array.isArray(value)) return null;
  const words = (value as readonly JsonValue[]).filter((one) => typeof one === 'string');
  const [only] = words;
  if (words.length === 1 && only !== undefined) return commandText(only);
  return words.length === 0 ? null : (scriptOf(words) ?? words.join(' '));
}

function commandOf(tool: string, input: JsonObject): string | null {
  return verbOf(tool) === 'execute' ? (commandText(input['command']) ?? commandText(input['cmd'])) : null;
}

type Facts = Pick<ToolEntry, 'verb' | 'title' | 'command' | 'cwd' | 'locations' | 'diffs'>;

/** What a call is about, from its name and arguments. `title`: how Happy's command line names it, used where the arguments tell less. */
export function toolFacts(tool: string, input: JsonValue, folder: string, title: string | null): Facts {
  const fields: JsonObject = isJsonObject(input) ? input : {};
  const verb = verbOf(tool);
  const blocks = Array.isArray(input) ? (input as readonly JsonValue[]) : list(fields, 'items');
  const diffs = [...diffsOf(tool, fields), ...blockDiffs(blocks)];
  const command = commandOf(tool, fields);
  const files = diffs.length > 0 ? [...new Set(diffs.map((diff) => diff.path))] : [fileOf(fields)].filter((file) => file !== null);
  const line = verb === 'read' ? num(fields, 'offset') : null;
  const locations: Location[] = command === null ? files.map((path) => ({ path, line })) : [];
  const cwd = str(fields, 'cwd') ?? (folder === '' ? null : folder);
  return { verb, command, cwd, diffs, locations, title: oneLine(titleOf(tool, fields, folder, command, files, title ?? blockText(blocks))) };
}

/** Words that an ACP agent puts with its call. */
function blockText(blocks: readonly JsonValue[]): string | null {
  return blocks.map((block) => said(obj(block, 'content'), 'text')).find((text) => text !== null) ?? null;
}

function fileOf(input: JsonObject): string | null {
  const [place] = objects(input, 'locations');
  return said(input, 'file_path') ?? said(input, 'notebook_path') ?? said(input, 'filePath') ?? said(place, 'path');
}

function titleOf(tool: string, input: JsonObject, folder: string, command: string | null, files: readonly string[], given: string | null): string {
  if (command !== null) return firstLine(command);
  const [first] = files;
  if (first !== undefined) return files.length === 1 ? shortPath(first, folder) : `${shortPath(first, folder)} and ${files.length - 1} more`;
  const pattern = said(input, 'pattern');
  if (pattern !== null) {
    const where = said(input, 'path');
    return where === null ? pattern : `${pattern} in ${shortPath(where, folder)}`;
  }
  switch (tool) {
    case 'AskUserQuestion': return said(objects(input, 'questions')[0], 'question') ?? 'Question';
    case 'TodoWrite':
    case 'update_plan':
    case 'write_todos':
      return 'To-do list';
    case 'ExitPlanMode':
    case 'exit_plan_mode':
      return 'Plan';
    case 'EnterPlanMode':
    case 'enter_plan_mode':
      return 'Plan mode';
    default: break;
  }
  // `Bash call` and the like say no more than the name.
  if (given !== null && given.trim() !== '' && given !== `${tool} call`) return firstLine(given);
  if (tool.startsWith('mcp__')) {
    const [, server, ...name] = tool.split('__');
    const what = said(input, 'title') ?? said(input, 'query');
    return `${server ?? 'mcp'}: ${name.join('__')}${what === null ? '' : ` (${firstLine(what)})`}`;
  }
  for (const key of ['description', 'subject', 'title', 'url', 'query', 'path', 'skill', 'prompt', 'command']) {
    const value = said(input, key);
    if (value !== null) return firstLine(value);
  }
  return tool;
}

/** Questions of AskUserQuestion. Answers are told by the question's text, so that is the id; an answer of one's own is always allowed. */
export function questionsOf(input: JsonValue): readonly Question[] {
  return objects(input, 'questions').map((question) => {
    const text = str(question, 'question') ?? '';
    return {
      id: text, header: said(question, 'header'), text, multiple: question['multiSelect'] === true, free: true,
      options: objects(question, 'options').map((option) => ({ label: str(option, 'label') ?? '', description: said(option, 'description') })),
    };
  });
}

const todoStates: ReadonlyMap<string, TodoEntry['items'][number]['status']> = new Map([
  ['pending', 'pending'], ['in_progress', 'running'], ['inProgress', 'running'], ['completed', 'done'], ['cancelled', 'cancelled'],
]);

/** The list that a call replaces the one before with; null when it is none. */
export function todosOf(tool: string, input: JsonValue): TodoEntry['items'] | null {
  const key = tool === 'TodoWrite' || tool === 'write_todos' ? 'todos' : tool === 'update_plan' ? 'plan' : null;
  if (key === null || !isJsonObject(input) || !Array.isArray(input[key])) return null;
  return objects(input, key).map((todo) => ({ text: str(todo, 'content') ?? str(todo, 'step') ?? str(todo, 'description') ?? '', status: todoStates.get(str(todo, 'status') ?? '') ?? 'pending' }));
}

/** Subagents that a call has to do with, by Happy's ids. */
export function subagentsOf(input: JsonValue): readonly string[] {
  const one = said(input, 'sessionSubagent');
  return [...new Set([...(one === null ? [] : [one]), ...texts(input, 'sessionSubagents')])].filter((id) => id.trim() !== '');
}

