import type { Attachment, Entry, Location, Order, ResultEntry, ToolEntry, ToolVerb } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { shellScript } from '../../../model/shell.ts';
import { diffOf } from './diffs.ts';
import type { CodexItem, CommandAction, InputPart, ItemOf, UnknownItem } from './item.ts';
import { word } from './wire.ts';

/**
 * Versions of what one id names, by how much their source knows: `call` is a bare call of the model in a rollout, `begun` an item that has
 * started, `cut` what this client makes of an item that was broken off, `written` an item that has ended as a rollout holds it (with the time at which it
 * was written: behind what the item itself asked), `whole` an item that was seen to end.
 */
export const rev = { call: 1, begun: 2, cut: 3, written: 3.5, whole: 4 } as const;

/** Where an entry stands. */
export interface Place {
  readonly order: Order;
  /** Milliseconds since the epoch. */
  readonly at: number | null;
  readonly turn: string | null;
  readonly parent: string | null;
}
interface ItemStage {
  readonly ended: boolean;
  /** Its turn was interrupted before it ended: what failed was cancelled. */
  readonly aborted: boolean;
}

const maxTitle = 200;
/** Base64 characters of an image that travels with an entry. */
const maxImage = 4 * 1024 * 1024;

/** Untrusted text on one line. */
export function oneLine(value: string): string {
  const line = value.replaceAll(/\s+/g, ' ').trim();
  return line.length > maxTitle ? `${line.slice(0, maxTitle - 1)}…` : line;
}

/** Entries of an item that has started or ended; none for what shows no row. Their ids are the item's own, so that live and history are one. */
export function entriesOf(item: CodexItem | UnknownItem, place: Place, stage: ItemStage): Entry[] {
  if (item.type === 'unknown') {
    if (!stage.ended) return [];
    const id = item.id ?? `unknown@${place.order.join('.')}`;
    return [{ kind: 'unknown', id, row: id, ...place, rev: rev.whole, source: 'codex item', raw: item.raw }];
  }
  const base = { id: item.id, row: item.id, ...place, rev: rev.whole };
  switch (item.type) {
    case 'userMessage': return [promptEntry(item, place)];
    case 'agentMessage':
    case 'plan':
      return stage.ended && item.text !== '' ? [{ kind: 'text', ...base, text: item.text }] : [];
    case 'reasoning': {
      const thought = (item.summary.length > 0 ? item.summary : item.content).join('\n\n');
      return stage.ended && thought !== '' ? [{ kind: 'thinking', ...base, text: thought }] : [];
    }
    case 'contextCompaction':
      return stage.ended ? [notice(base, 'info', 'compacted', 'The conversation was compacted to make room.')] : [];
    case 'enteredReviewMode':
    case 'exitedReviewMode':
      return stage.ended ? [notice(base, 'info', 'review', item.type === 'enteredReviewMode' ? `Review began: ${oneLine(item.review)}` : 'Review ended.')] : [];
    case 'subAgentActivity': return stage.ended ? agentEntries(item, place) : [];
    case 'hookPrompt': return stage.ended ? [notice(base, 'info', 'hook', oneLine(`A hook added: ${plain(item.fragments)}`))] : [];
    default: return toolEntries(item, place, stage);
  }
}

function notice(base: Omit<Extract<Entry, { kind: 'notice' }>, 'kind' | 'level' | 'code' | 'text' | 'remedy'>, level: 'info' | 'warning', code: string, text: string): Entry {
  return { kind: 'notice', ...base, level, code, text, remedy: null };
}

/** The row of a subagent, by its thread: what the agent does, and the activities that tell of its beginning and its end, belong there. */
export function agentRow(thread: string): string {
  return `agent:${thread}`;
}
/** The threads of subagents that an item starts, each with the row within which it shows. */
export function startedBy(item: CodexItem | UnknownItem): readonly { readonly thread: string; readonly row: string }[] {
  if (item.type === 'subAgentActivity') return item.kind === 'started' && item.agentThreadId !== '' ? [{ thread: item.agentThreadId, row: agentRow(item.agentThreadId) }] : [];
  if (item.type !== 'collabAgentToolCall' || word(item.tool) !== 'spawnagent') return [];
  return item.receiverThreadIds.flatMap((thread) => (thread === '' ? [] : [{ thread, row: item.id }]));
}
function agentEntries(item: ItemOf<'subAgentActivity'>, place: Place): Entry[] {
  const row = agentRow(item.agentThreadId);
  const name = item.agentPath.split('/').at(-1) ?? '';
  if (item.kind === 'started') return [toolEntry(row, { name: 'agent', verb: 'agent', title: oneLine(name === '' ? 'Agent' : name), input: { agent: item.agentThreadId, path: item.agentPath } }, place, rev.whole)];
  if (item.kind === 'completed' || item.kind === 'interrupted') return [resultEntry(row, { status: item.kind === 'completed' ? 'ok' : 'cancelled', output: '' }, place, rev.whole)];
  return [];
}

/** Prompts are known by the id that their sender gave them, where one did (`clientUserMessageId`): both sides of a rollout keep that one. */
function promptEntry(item: ItemOf<'userMessage'>, place: Place): Entry {
  const id = item.clientId === null ? item.id : `prompt:${item.clientId}`;
  const said: string[] = [];
  const attachments: Attachment[] = [];
  for (const part of item.content) {
    const attachment = attachmentOf(part, attachments.length + 1);
    if (attachment !== null) attachments.push(attachment);
    else if (part.text !== null) said.push(part.text);
    else if (part.name !== null) said.push(`@${part.name}`);
  }
  return { kind: 'prompt', id, row: id, ...place, rev: rev.whole, text: said.join('\n'), attachments, clientId: item.clientId };
}

function attachmentOf(part: InputPart, number: number): Attachment | null {
  const kind = word(part.type);
  if (kind === 'localimage' && part.path !== null) return imageFile(part.path);
  const url = part.url ?? part.image_url;
  return kind === 'image' || kind === 'inputimage' ? imageUrl(url, number) : null;
}
const imageTypes: Readonly<Record<string, string>> = { png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', svg: 'image/svg+xml' };
function imageFile(path: string): Attachment {
  const name = path.split(/[\\/]/).at(-1) ?? path;
  return { name, mediaType: imageTypes[name.split('.').at(-1)?.toLowerCase() ?? ''] ?? 'image/*', size: null, data: null, path };
}
function imageUrl(url: string | null, number: number): Attachment {
  const match = /^data:([^;,]+);base64,([\s\S]*)$/.exec(url ?? '');
  const [, mediaType, data] = match ?? [];
  const name = `image-${number}${mediaType === undefined ? '' : `.${mediaType.split('/').at(-1)?.replace('jpeg', 'jpg') ?? ''}`}`;
  if (mediaType === undefined || data === undefined) return { name: url === null ? name : oneLine(url), mediaType: 'image/*', size: null, data: null, path: null };
  return { name, mediaType, size: Math.floor((data.length * 3) / 4), data: data.length > maxImage ? null : data, path: null };
}

type ToolItem = Exclude<CodexItem, { type: 'userMessage' | 'agentMessage' | 'plan' | 'reasoning' | 'contextCompaction' | 'enteredReviewMode' | 'exitedReviewMode' | 'hookPrompt' | 'subAgentActivity' }>;
type Facts = Pick<ToolEntry, 'name' | 'verb' | 'title' | 'input'> & Partial<Pick<ToolEntry, 'command' | 'cwd' | 'locations' | 'diffs'>>;
type Outcome = Pick<ResultEntry, 'status' | 'output'> & Partial<Pick<ResultEntry, 'exitCode' | 'durationMs' | 'attachments'>>;

/** The row of a call: what is called, and once it has ended how. */
export function toolEntry(id: string, facts: Facts, place: Place, version: number): Entry {
  return { kind: 'tool', id: `${id}/tool`, row: id, ...place, rev: version, callId: id, command: null, cwd: null, locations: [], diffs: [], ...facts };
}
export function resultEntry(id: string, outcome: Outcome, place: Place, version: number): Entry {
  return { kind: 'result', id: `${id}/result`, row: id, ...place, rev: version, callId: id, exitCode: null, durationMs: null, diffs: [], attachments: [], ...outcome };
}

function toolEntries(item: ToolItem, place: Place, stage: ItemStage): Entry[] {
  const call = toolEntry(item.id, factsOf(item), place, stage.ended ? rev.whole : rev.begun);
  if (!stage.ended) return [call];
  const outcome = outcomeOf(item);
  const status = stage.aborted && outcome.status === 'error' ? 'cancelled' : outcome.status;
  return [call, resultEntry(item.id, { ...outcome, status }, place, rev.whole)];
}

function factsOf(item: ToolItem): Facts {
  switch (item.type) {
    case 'commandExecution': return commandFacts(item.command, item.cwd, item.commandActions);
    case 'fileChange': {
      const diffs = item.changes.map(diffOf);
      const [first] = diffs;
      const verb = diffs.length > 0 && diffs.every((diff) => diff.change === 'delete') ? 'delete' : diffs.length > 0 && diffs.every((diff) => diff.change === 'rename') ? 'move' : 'edit';
      const title = first === undefined ? 'Change files' : diffs.length === 1 ? first.path : `${first.path} and ${diffs.length - 1} more`;
      return { name: 'apply_patch', verb, title: oneLine(title), input: { files: diffs.map((diff) => diff.path) }, locations: diffs.map((diff) => ({ path: diff.path, line: null })), diffs };
    }
    case 'mcpToolCall': return { name: `${item.server}.${item.tool}`, verb: 'other', title: oneLine(`${item.server} · ${item.tool}`), input: item.arguments };
    case 'dynamicToolCall': {
      const name = item.namespace === null ? item.tool : `${item.namespace}.${item.tool}`;
      return { name, verb: 'other', title: oneLine(name), input: item.arguments };
    }
    case 'collabAgentToolCall': return { name: item.tool, verb: 'agent', title: oneLine(item.prompt ?? item.tool), input: { prompt: item.prompt, model: item.model, agents: item.receiverThreadIds } };
    case 'webSearch': {
      const target = isJsonObject(item.action) && typeof item.action['url'] === 'string' ? item.action['url'] : null;
      return { name: 'web_search', verb: target === null ? 'search' : 'fetch', title: oneLine(target ?? (item.query === '' ? 'Search the web' : item.query)), input: item.action };
    }
    case 'imageView': return { name: 'view_image', verb: 'read', title: oneLine(item.path), input: { path: item.path }, locations: [{ path: item.path, line: null }] };
    case 'imageGeneration': return { name: 'image_generation', verb: 'other', title: oneLine(item.revisedPrompt ?? 'Generate an image'), input: { prompt: item.revisedPrompt } };
    case 'sleep': return { name: 'sleep', verb: 'other', title: `Wait ${Math.round((item.durationMs ?? 0) / 1000)} s`, input: { durationMs: item.durationMs } };
    case 'functionCallOutput':
    default:
      return { name: item.name, verb: 'other', title: oneLine(item.name), input: null };
  }
}

/** A shell call as a row shows it. */
export function commandFacts(command: string, cwd: string, actions: readonly CommandAction[]): Facts {
  const script = shellScript(command) ?? command;
  const kinds = new Set(actions.map((action) => word(action.type)));
  const only = kinds.size === 1 ? [...kinds][0] : undefined;
  const verb: ToolVerb = only === 'read' ? 'read' : only === 'search' || only === 'listfiles' ? 'search' : 'execute';
  const locations: Location[] = verb === 'read' ? actions.flatMap((action) => (action.path === null ? [] : [{ path: action.path, line: null }])) : [];
  return { name: 'shell', verb, title: oneLine(script), input: { command: script, cwd }, command: script, cwd: cwd === '' ? null : cwd, locations };
}

const ends: Readonly<Record<string, ResultEntry['status']>> = { completed: 'ok', failed: 'error', declined: 'denied', interrupted: 'cancelled', cancelled: 'cancelled', inprogress: 'cancelled' };

function outcomeOf(item: ToolItem): Outcome {
  switch (item.type) {
    case 'commandExecution': return { status: ends[item.status] ?? 'ok', output: item.aggregatedOutput ?? '', exitCode: item.exitCode, durationMs: item.durationMs };
    case 'fileChange': return { status: ends[item.status] ?? 'ok', output: item.status === 'failed' ? (item.stderr ?? '') : '' };
    case 'mcpToolCall': {
      const failure = isJsonObject(item.error) && typeof item.error['message'] === 'string' ? item.error['message'] : null;
      const result: JsonObject = isJsonObject(item.result) ? item.result : {};
      return { status: failure === null ? (ends[item.status] ?? 'ok') : 'error', output: failure ?? plain(result['content'] ?? null), durationMs: item.durationMs, attachments: images(result['content'] ?? null) };
    }
    case 'dynamicToolCall': return { status: item.success === false ? 'error' : (ends[item.status] ?? 'ok'), output: plain(item.contentItems), durationMs: item.durationMs, attachments: images(item.contentItems) };
    case 'collabAgentToolCall': return { status: ends[item.status] ?? 'ok', output: agentStates(item.agentsStates) };
    case 'sleep':
    case 'imageView':
      return { status: 'ok', output: '' };
    case 'webSearch': return { status: 'ok', output: plain(item.results) };
    case 'imageGeneration': {
      const file: Attachment[] = item.savedPath === null ? [] : [imageFile(item.savedPath)];
      const made = file.length === 0 && item.result !== null && item.result !== '' ? [imageUrl(`data:image/png;base64,${item.result}`, 1)] : file;
      return { status: item.failure === null ? (ends[item.status] ?? 'ok') : 'error', output: item.failure === null ? '' : plain(item.failure), attachments: made };
    }
    case 'functionCallOutput':
    default:
      return { status: 'ok', output: plain(item.output) };
  }
}

function agentStates(states: JsonValue): string {
  if (!isJsonObject(states)) return '';
  const said = (state: JsonValue): string => (isJsonObject(state) ? [state['status'], state['message']].filter((one): one is string => typeof one === 'string' && one !== '').join(': ') : '');
  return Object.values(states).map(said).filter((line) => line !== '').join('\n');
}

/** The texts within a result's content, in order; what has none is shown as its JSON. */
export function plain(content: JsonValue): string {
  if (content === null) return '';
  if (typeof content === 'string') return content;
  if (typeof content === 'number' || typeof content === 'boolean') return String(content);
  if (!isJsonObject(content)) return content.map((part) => plain(part)).filter((part) => part !== '').join('\n');
  const text = content['text'] ?? content['message'];
  if (typeof text === 'string') return text;
  return word(content['type']).includes('image') ? '' : JSON.stringify(content);
}

function images(content: JsonValue): Attachment[] {
  if (!Array.isArray(content)) return [];
  return content.flatMap((part: JsonValue, index: number) => {
    if (!isJsonObject(part) || !word(part['type']).includes('image')) return [];
    const { data, mimeType } = part;
    const url = part['imageUrl'] ?? part['image_url'] ?? (typeof data === 'string' ? `data:${typeof mimeType === 'string' ? mimeType : 'image/png'};base64,${data}` : null);
    return [imageUrl(typeof url === 'string' ? url : null, index + 1)];
  });
}
