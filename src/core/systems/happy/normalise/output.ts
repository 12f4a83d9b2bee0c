import type { Attachment, Entry, FileDiff, ResultEntry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { callEntries, resultEntry } from './calls.ts';
import { blockDiffs } from './diffs.ts';
import { answerEntries, saidEntries } from './envelope.ts';
import type { MessageInput, NormaliseContext } from './input.ts';
import { usageEntries } from './notices.ts';
import type { Place } from './place.ts';
import { nth, placeOf, revs, rowOf, unknownEntry } from './place.ts';
import { list, num, obj, plain, raw, said, str } from './read.ts';

/** Largest base64 text that an entry carries, in characters. */
const maxCarried = 700_000;
/** Places that one block of a message may take. */
const blockRoom = 16;

/**
 * `{role:'agent', content:{type:'output', data}}`: a line of Claude's own log as it is (`assistant`, `user`, `result`, `system`, `summary`). No block that is
 * not known costs its message the others. What the agent keeps for itself (`isMeta`, `isCompactSummary`, `system`, `summary`) shows nothing.
 */
export function outputEntries(data: JsonObject, message: MessageInput, context: NormaliseContext): Entry[] {
  const id = rowOf.message(message.id);
  const parentCall = said(data, 'parent_tool_use_id') ?? said(data, 'parentToolUseId');
  const place = placeOf(message, context, { parent: parentCall === null ? null : rowOf.call(parentCall) });
  if (data['isMeta'] === true) return [];
  const inner = obj(data, 'message');
  switch (str(data, 'type')) {
    case 'assistant': {
      const shown = blocksOf(inner).flatMap((block, index) => assistantBlock(block, `${id}/${index}`, nth(place, index * blockRoom), context));
      const usage = usageEntries(obj(inner, 'usage'), place);
      return shown.length === 0 && usage.length === 0 && blocksOf(inner).length === 0 ? [unknownEntry('output assistant', id, data, place)] : [...shown, ...usage];
    }
    case 'user': {
      if (data['isCompactSummary'] === true) return [];
      const content = inner === null ? undefined : inner['content'];
      if (typeof content === 'string') {
        // What a subagent was asked stands in its own row; a subagent's rows are the agent's words.
        return data['isSidechain'] === true ? answerEntries(content, 'text', id, place) : saidEntries(content, id, place);
      }
      const blocks = blocksOf(inner);
      return blocks.length === 0 ? [unknownEntry('output user', id, data, place)] : blocks.flatMap((block, index) => userBlock(block, data, `${id}/${index}`, nth(place, index * blockRoom)));
    }
    case 'result': {
      const text = said(data, 'result');
      return text === null ? [] : answerEntries(text, 'text', id, place);
    }
    case 'system':
    case 'summary':
      return [];
    default: return [unknownEntry(`output ${str(data, 'type') ?? ''}`.trim(), id, data, place)];
  }
}

function blocksOf(inner: JsonObject | null): readonly JsonValue[] {
  const content = inner?.['content'];
  return typeof content === 'string' ? [{ type: 'text', text: content }] : list(inner ?? {}, 'content');
}

function assistantBlock(block: JsonValue, id: string, place: Place, context: NormaliseContext): Entry[] {
  const unknown = (): Entry[] => [unknownEntry(`block ${str(block, 'type') ?? ''}`.trim(), id, block, place)];
  switch (str(block, 'type')) {
    case 'text': {
      const text = str(block, 'text');
      return text === null ? unknown() : answerEntries(text, 'text', id, place);
    }
    case 'thinking': {
      const text = str(block, 'thinking');
      return text === null ? unknown() : answerEntries(text, 'thinking', id, place);
    }
    case 'redacted_thinking': return [];
    case 'tool_use':
    case 'server_tool_use':
    case 'mcp_tool_use':
    case 'tool-call': {
      const call = said(block, 'callId') ?? said(block, 'id');
      return call === null ? unknown() : callEntries({ call, name: said(block, 'name') ?? 'tool', input: raw(block, 'input'), title: null }, place, context);
    }
    default: return resultBlock(block, null, place) ?? unknown();
  }
}

function userBlock(block: JsonValue, data: JsonObject, id: string, place: Place): Entry[] {
  const result = resultBlock(block, data['toolUseResult'] ?? null, place);
  if (result !== null) return result;
  const text = str(block, 'type') === 'text' ? str(block, 'text') : null;
  if (text !== null) return data['isSidechain'] === true ? answerEntries(text, 'text', id, place) : saidEntries(text, id, place);
  const attachment = attachmentOf(block);
  if (attachment !== null) return [{ kind: 'file', id, row: id, ...place, rev: 0, file: attachment }];
  return [unknownEntry(`block ${str(block, 'type') ?? ''}`.trim(), id, block, place)];
}

/** A block that is the result of a call; null for any other block. */
function resultBlock(block: JsonValue, detail: JsonValue, place: Place): Entry[] | null {
  const type = str(block, 'type') ?? '';
  if (!type.endsWith('tool_result') && type !== 'tool-call-result' && type !== 'tool-result') return null;
  const call = said(block, 'callId') ?? said(block, 'tool_use_id');
  if (call === null) return null;
  const told = contentOf(raw(block, 'output') ?? raw(block, 'content'));
  const content = told.text === '' && told.attachments.length === 0 ? contentOf(raw(block, 'content')) : told;
  const permission = str(obj(block, 'permissions'), 'result');
  const failed = isJsonObject(block) && (block['is_error'] === true || block['isError'] === true);
  const interrupted = isJsonObject(detail) && detail['interrupted'] === true;
  const status: ResultEntry['status'] = permission === 'denied' ? 'denied' : interrupted || content.text.startsWith('[Request interrupted by user') ? 'cancelled' : failed ? 'error' : 'ok';
  return [resultEntry(rowOf.call(call), call, place, { status, rev: revs.result.told, output: content.text === '' ? detailText(detail) : content.text, exitCode: num(detail, 'exitCode'), attachments: content.attachments, diffs: content.diffs })];
}

/** What a tool left behind beside its content. */
function detailText(detail: JsonValue): string {
  if (!isJsonObject(detail)) return typeof detail === 'string' ? detail : '';
  return [str(detail, 'stdout'), str(detail, 'stderr')].filter((part) => part !== null && part !== '').join('\n');
}

interface Content {
  readonly text: string;
  readonly attachments: readonly Attachment[];
  readonly diffs: readonly FileDiff[];
}

/** Text, images and diffs of a result's content (a text, blocks of Claude or of ACP, or any JSON). */
export function contentOf(content: JsonValue): Content {
  if (!Array.isArray(content)) return { text: isJsonObject(content) && typeof content['text'] === 'string' ? content['text'] : plain(content), attachments: [], diffs: [] };
  const parts: string[] = [];
  const attachments: Attachment[] = [];
  const diffs: FileDiff[] = [];
  for (const told of content as readonly JsonValue[]) {
    const changed = blockDiffs([told]);
    diffs.push(...changed);
    if (changed.length > 0) continue;
    const block = str(told, 'type') === 'content' ? raw(told, 'content') : told;
    const attachment = attachmentOf(block);
    if (attachment !== null) attachments.push({ ...attachment, name: `${attachment.name} ${attachments.length + 1}` });
    else parts.push(str(block, 'text') ?? plain(block));
  }
  return { text: parts.join('\n'), attachments, diffs };
}

function attachmentOf(block: JsonValue): Attachment | null {
  const type = str(block, 'type');
  if (type !== 'image' && type !== 'document') return null;
  const source = obj(block, 'source');
  const data = str(source, 'data') ?? str(block, 'data');
  const mediaType = str(source, 'media_type') ?? str(block, 'mimeType') ?? (type === 'image' ? 'image/*' : 'application/octet-stream');
  return { name: type, mediaType, size: data === null ? null : Math.floor((data.replace(/=+$/, '').length * 3) / 4), data: data !== null && data.length <= maxCarried ? data : null, path: null };
}
