import type { Entry, ResultEntry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { callEntries, resultEntry } from './calls.ts';
import { answerEntries, turnEnd, turnStart } from './envelope.ts';
import type { MessageInput, NormaliseContext } from './input.ts';
import { contextEntry, spokenNotice, usageEntries } from './notices.ts';
import { contentOf } from './output.ts';
import type { Place } from './place.ts';
import { placeOf, revs, rowOf, unknownEntry } from './place.ts';
import { has, num, obj, raw, said, str } from './read.ts';
import { taskTurn } from './tasks.ts';

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
    case 'message': {
      const text = str(data, 'message') ?? str(data, 'text');
      // What the agent says has an id; without one, Gemini's command line speaks for itself: of errors and of its quota.
      if (text !== null && str(content, 'provider') === 'gemini' && !has(data, 'id')) return [spokenNotice(text, id, place)];
      return text === null ? unknown() : answerEntries(text, 'text', id, place);
    }
    case 'reasoning':
    case 'thinking': {
      const text = str(data, 'message') ?? str(data, 'text');
      return text === null ? unknown() : answerEntries(text, 'thinking', id, place);
    }
    case 'tool-call': {
      const call = said(data, 'callId') ?? said(data, 'id');
      if (call === null) return unknown();
      return callEntries({ call, name: said(data, 'name') ?? 'tool', input: raw(data, 'input'), title: said(data, 'description') }, place, context);
    }
    case 'permission-request': {
      const asked = askedCall(data);
      if (asked === null) return unknown();
      const name = said(data, 'toolName') ?? said(data, 'name') ?? 'tool';
      return callEntries({ call: asked.call, name, input: asked.input ?? raw(data, 'options'), title: asked.title ?? said(data, 'description') }, place, context, revs.call.asked);
    }
    case 'tool-result':
    case 'tool-call-result': {
      const call = said(data, 'callId');
      if (call === null) return unknown();
      // How a request ended, under the request's id: the state of the agent tells that, of the call itself.
      return said(obj(data, 'output'), 'decision') !== null && said(obj(data, 'output'), 'status') !== null ? [] : [toldResult(call, data, place)];
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
      const own = said(data, 'id');
      if (own === null) return unknown();
      const turn = taskTurn(own);
      return [type === 'task_started' ? turnStart(turn, place) : turnEnd(turn, place, type === 'task_complete' ? 'completed' : 'cancelled')];
    }
    case 'token_count': return tokenCount(data, place) ?? unknown();
    default: return unknown();
  }
}

/** What a permission is asked for. */
export interface AskedCall {
  /** Id of the request in the agent's state, and of the call that it is about: they differ. */
  readonly request: string;
  readonly call: string;
  /** What the agent calls it: of a command its line, which its arguments do not tell. */
  readonly title: string | null;
  readonly input: JsonValue | null;
}

/** The call that a `permission-request` is about; null where it names none. */
function askedCall(data: JsonObject): AskedCall | null {
  const told = obj(obj(data, 'options'), 'toolCall');
  const request = said(data, 'permissionId') ?? said(data, 'callId') ?? said(data, 'id');
  return request === null ? null : { request, call: said(told, 'toolCallId') ?? said(data, 'callId') ?? request, title: said(told, 'title'), input: told };
}

/** The same for a message, null for every other one: requests are told in the state of the agent, and what they are about only here. */
export function askedCallOf(message: MessageInput): AskedCall | null {
  const content = obj(message.content, 'content');
  const data = obj(content, 'data');
  return str(content, 'type') === 'acp' && data !== null && str(data, 'type') === 'permission-request' ? askedCall(data) : null;
}

function toldResult(call: string, data: JsonObject, place: Place): Entry {
  const output = raw(data, 'output');
  const { text, attachments, diffs } = contentOf(isJsonObject(output) && has(output, 'content') ? raw(output, 'content') : output);
  const exitCode = num(output, 'exit_code') ?? num(output, 'exitCode');
  const failed = data['isError'] === true || data['is_error'] === true || (exitCode !== null && exitCode !== 0);
  const status: ResultEntry['status'] = failed ? 'error' : 'ok';
  return resultEntry(rowOf.call(call), call, place, { status, rev: revs.result.told, output: text, exitCode, attachments, diffs });
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
