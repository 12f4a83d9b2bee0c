import type { Entry, ResultEntry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { callEntries, resultEntry } from './calls.ts';
import { answerEntries, turnEnd, turnStart } from './envelope.ts';
import type { MessageInput, NormaliseContext } from './input.ts';
import { contextEntry, usageEntries } from './notices.ts';
import { contentOf } from './output.ts';
import type { Place } from './place.ts';
import { placeOf, revs, rowOf, unknownEntry } from './place.ts';
import { has, num, obj, raw, said, str } from './read.ts';

/**
 * `{role:'agent', content:{type:'codex' | 'acp', data}}` of any provider: messages, reasoning, calls and results, edits, terminal output, turns. A type that is
 * not known is an unknown row, never nothing.
 */
export function acpEntries(content: JsonObject, data: JsonObject, message: MessageInput, context: NormaliseContext): Entry[] {
  const id = rowOf.message(message.id);
  const place = placeOf(message, context);
  const type = str(data, 'type') ?? '';
  const unknown = (): Entry[] => [unknownEntry(`${str(content, 'type') ?? ''} ${type}`.trim(), id, content, place)];
  switch (type) {
    case 'message':
    case 'reasoning':
    case 'thinking': {
      const text = str(data, 'message') ?? str(data, 'text');
      return text === null ? unknown() : answerEntries(text, type === 'message' ? 'text' : 'thinking', id, place);
    }
    case 'tool-call':
    case 'permission-request': {
      const call = said(data, 'callId') ?? said(data, 'permissionId') ?? said(data, 'id');
      if (call === null) return unknown();
      const input = type === 'tool-call' ? raw(data, 'input') : raw(data, 'options');
      return callEntries({ call, name: said(data, 'name') ?? said(data, 'toolName') ?? 'tool', input, title: said(data, 'description') }, place, context, type === 'tool-call' ? revs.call.whole : revs.call.asked);
    }
    case 'tool-result':
    case 'tool-call-result': {
      const call = said(data, 'callId');
      return call === null ? unknown() : [toldResult(call, data, place)];
    }
    case 'file-edit': {
      const call = said(data, 'callId') ?? said(data, 'id') ?? message.id;
      const { type: _type, id: _id, callId: _call, ...input } = data;
      return callEntries({ call, name: 'file-edit', input, title: said(data, 'description') }, place, context);
    }
    case 'terminal-output': {
      const call = said(data, 'callId');
      const output = str(data, 'data');
      return call === null || output === null ? unknown() : [resultEntry(rowOf.call(call), call, place, { status: 'ok', rev: revs.result.told, output })];
    }
    case 'task_started':
    case 'task_complete':
    case 'turn_aborted': {
      const turn = said(data, 'id');
      if (turn === null) return unknown();
      return [type === 'task_started' ? turnStart(turn, place) : turnEnd(turn, place, type === 'task_complete' ? 'completed' : 'cancelled')];
    }
    case 'token_count': return tokenCount(data, place) ?? unknown();
    default: return unknown();
  }
}

function toldResult(call: string, data: JsonObject, place: Place): Entry {
  const output = raw(data, 'output');
  const { text, attachments } = contentOf(isJsonObject(output) && has(output, 'content') ? raw(output, 'content') : output);
  const exitCode = num(output, 'exit_code') ?? num(output, 'exitCode');
  const failed = data['isError'] === true || data['is_error'] === true || (exitCode !== null && exitCode !== 0);
  const status: ResultEntry['status'] = failed ? 'error' : 'ok';
  return resultEntry(rowOf.call(call), call, place, { status, rev: revs.result.told, output: text, exitCode, attachments });
}

/** Codex' own counts (`info.last_token_usage`, `info.model_context_window`) or plain ones; null where there are none. */
function tokenCount(data: JsonObject, place: Place): Entry[] | null {
  const info = obj(data, 'info') ?? data;
  const last = obj(info, 'last_token_usage') ?? obj(info, 'last') ?? info;
  const window = num(info, 'model_context_window') ?? num(info, 'context_window');
  const total = num(last, 'total_tokens') ?? num(last, 'totalTokens');
  if (total !== null) return [contextEntry(total, window, place)];
  const told = usageEntries(last, place);
  return told.length > 0 || Object.keys(data).length <= 2 ? told : null;
}
