import path from 'node:path';
import type { Attachment, Location, Question, ToolVerb } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { list, num, obj, str } from './wire.ts';

const verbs: Readonly<Record<string, ToolVerb>> = {
  Read: 'read', NotebookRead: 'read', ReadMcpResource: 'read', ListMcpResources: 'read', Grep: 'search', Glob: 'search', LS: 'search', LSP: 'search', ToolSearch: 'search',
  Edit: 'edit', Write: 'edit', MultiEdit: 'edit', NotebookEdit: 'edit', Bash: 'execute', PowerShell: 'execute', BashOutput: 'execute', KillShell: 'execute', KillBash: 'execute', Monitor: 'execute',
  TaskOutput: 'execute', TaskStop: 'execute', WebFetch: 'fetch', WebSearch: 'fetch', Task: 'agent', Agent: 'agent', TodoWrite: 'todo', TaskCreate: 'todo', TaskUpdate: 'todo', TaskList: 'todo',
  TaskGet: 'todo', EnterPlanMode: 'think', ExitPlanMode: 'think', exit_plan_mode: 'think',
};

/** True for a block of a message that calls a tool, the agent's own or one of the model's server. */
export function isToolUse(type: string | null): boolean {
  return type === 'tool_use' || type === 'server_tool_use' || type === 'mcp_tool_use';
}

function verbOf(tool: string): ToolVerb {
  return verbs[tool] ?? 'other';
}

/** Path as a person in `folder` writes it. */
function shortPath(file: string, folder: string): string {
  const relative = path.relative(folder, file);
  return relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}

export function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.trim() ?? '';
}

/** What a tool call is about, from its input. */
export interface ToolFacts {
  readonly verb: ToolVerb;
  readonly title: string;
  readonly command: string | null;
  readonly locations: readonly Location[];
}

export function toolFacts(tool: string, input: JsonObject, folder: string): ToolFacts {
  const file = str(input, 'file_path') ?? str(input, 'notebook_path');
  const command = tool === 'Bash' || tool === 'PowerShell' ? str(input, 'command') : null;
  return {
    verb: verbOf(tool), command, title: titleOf(tool, input, folder, file),
    locations: file === null ? [] : [{ path: file, line: tool === 'Read' ? num(input, 'offset') : null }],
  };
}

function titleOf(tool: string, input: JsonObject, folder: string, file: string | null): string {
  if (file !== null) return shortPath(file, folder);
  switch (tool) {
    case 'Bash':
    case 'PowerShell':
      return firstLine(str(input, 'command') ?? '') || tool;
    case 'Grep':
    case 'Glob': {
      const where = str(input, 'path');
      const pattern = str(input, 'pattern') ?? tool;
      return where === null ? pattern : `${pattern} in ${shortPath(where, folder)}`;
    }
    case 'AskUserQuestion': {
      const first = list(input, 'questions').find(isJsonObject);
      return str(first, 'question') ?? 'Question';
    }
    case 'TodoWrite':
    case 'TaskList':
      return 'To-do list';
    case 'TaskUpdate':
    case 'TaskGet':
      return taskTitle(input);
    case 'ExitPlanMode':
    case 'exit_plan_mode':
      return 'Plan';
    default:
      break;
  }
  if (tool.startsWith('mcp__')) {
    const [, server, ...name] = tool.split('__');
    return `${server ?? 'mcp'}: ${name.join('__')}`;
  }
  for (const key of ['description', 'subject', 'url', 'query', 'path', 'pattern', 'command', 'skill', 'prompt']) {
    const value = str(input, key);
    if (value !== null && value.trim() !== '') return firstLine(value);
  }
  return tool;
}

/** What is done with a task of the to-do list. */
function taskTitle(input: JsonObject): string {
  const id = input['taskId'];
  const task = typeof id === 'string' || typeof id === 'number' ? `Task ${id}` : 'Task';
  const change = str(input, 'subject') ?? str(input, 'status')?.replaceAll('_', ' ') ?? null;
  return change === null ? task : `${task}: ${firstLine(change)}`;
}

/** The file that a call changes when it succeeds; null for other tools. */
export function editedFile(tool: string, input: JsonValue): string | null {
  return verbOf(tool) === 'edit' && isJsonObject(input) ? (str(input, 'file_path') ?? str(input, 'notebook_path')) : null;
}

/** Questions of AskUserQuestion. The agent takes answers by the question's text, so that is the id; an answer of one's own is always allowed. */
export function questionsOf(input: JsonObject): readonly Question[] {
  return list(input, 'questions').filter(isJsonObject).map((question) => {
    const text = str(question, 'question') ?? '';
    return {
      id: text, header: str(question, 'header'), text, multiple: question['multiSelect'] === true, free: true,
      options: list(question, 'options').filter(isJsonObject).map((option) => ({ label: str(option, 'label') ?? '', description: str(option, 'description') })),
    };
  });
}

/** Largest base64 text that an entry carries, in characters. */
const maxCarried = 700_000;

/** An image or document block as an attachment; null when it is none. */
export function attachmentOf(block: JsonObject, index: number): Attachment | null {
  const type = str(block, 'type');
  if (type !== 'image' && type !== 'document') return null;
  const source = obj(block, 'source');
  const data = str(source, 'data');
  const mediaType = str(source, 'media_type') ?? (type === 'image' ? 'image/png' : 'application/pdf');
  const base64 = str(source, 'type') === 'base64';
  return {
    name: str(block, 'title') ?? `${type} ${index + 1}`, mediaType, path: null,
    size: data === null || !base64 ? null : Math.floor((data.replace(/=+$/, '').length * 3) / 4),
    data: base64 && data !== null && data.length <= maxCarried ? data : null,
  };
}

/** Text and attachments of a tool result's `content` (a text, or blocks). */
export function contentOf(content: JsonValue | undefined): { readonly text: string; readonly attachments: readonly Attachment[] } {
  if (typeof content === 'string') return { text: content, attachments: [] };
  if (!Array.isArray(content)) return { text: '', attachments: [] };
  const texts: string[] = [];
  const attachments: Attachment[] = [];
  for (const block of (content as readonly JsonValue[]).filter(isJsonObject)) {
    const attachment = attachmentOf(block, attachments.length);
    if (attachment !== null) attachments.push(attachment);
    else if (typeof block['text'] === 'string') texts.push(block['text']);
    else if (block['type'] === 'tool_reference') texts.push(str(block, 'tool_name') ?? '');
  }
  return { text: texts.join('\n'), attachments };
}
