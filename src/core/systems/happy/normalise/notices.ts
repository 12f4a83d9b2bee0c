import type { Entry, NoticeEntry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { Place } from './place.ts';
import { nth, revs, rowOf, unknownEntry } from './place.ts';
import { num, obj, oneLine, raw, said, str } from './read.ts';

const signIn = 'Sign the agent in again on the machine that runs this session, then send again.';

export function noticeEntry(id: string, place: Place, notice: Pick<NoticeEntry, 'level' | 'code' | 'text'> & { readonly remedy?: string | null; readonly rev?: number }): NoticeEntry {
  return { kind: 'notice', id, row: id, ...place, rev: notice.rev ?? 0, level: notice.level, code: notice.code, text: notice.text, remedy: notice.remedy ?? null };
}

/** A moment for a person anywhere: `2026-11-21 13:32 UTC`. */
export function momentText(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? 'an unknown time' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** What the command line's own messages are about, by their words (happy 1.2.5). */
const kinds: readonly (readonly [RegExp, NoticeEntry['level'], string, string | null])[] = [
  [/^Aborted by user/, 'info', 'interrupted', null],
  [/^Context was reset/, 'info', 'context_reset', null],
  [/^Compaction completed/, 'info', 'compacted', null],
  [/^Compaction (?:started|in progress)/, 'info', 'compacting', null],
  [/authentication failed|not logged in|Invalid API key|Please run \/login|401 Unauthorized/i, 'error', 'login_failed', signIn],
  [/usage limit|rate limit|quota/i, 'warning', 'usage_limit', null],
  [/^Process exited unexpectedly/, 'error', 'process_died', 'Send the next prompt: the agent is started again.'],
  [/^(?:Codex error|Error|Failed)\b|^\S+ error: |^\{"error":/, 'error', 'agent_error', null],
];

/** Something that the command line says itself. */
export function spokenNotice(said: string, id: string, place: Place): NoticeEntry {
  const [, level, code, remedy] = kinds.find(([pattern]) => pattern.test(said)) ?? [null, 'info', 'agent_message', null] as const;
  const text = said.trim() === '' ? '(an empty message of the agent)' : level === 'error' ? withoutJson(said) : said;
  return noticeEntry(id, place, { level, code, text, remedy });
}

/** An error that ends with the body of the API's answer: its own words in place of the JSON. */
function withoutJson(text: string): string {
  const at = text.indexOf('{"');
  let told: JsonValue = null;
  for (let next: JsonValue | undefined = at < 0 ? undefined : text.slice(at), depth = 0; typeof next === 'string' && depth < 3; depth += 1) {
    try {
      const body = JSON.parse(next) as JsonValue;
      next = raw(obj(body, 'error'), 'message') ?? raw(body, 'message');
      if (typeof next === 'string') told = next;
    } catch {
      break;
    }
  }
  return typeof told === 'string' && told.trim() !== '' ? `${text.slice(0, at)}${told.trim()}` : text;
}

/** Events of the command line: `{type: 'message' | 'switch' | 'ready' | 'limit-reached' | 'permission-mode-changed' …}`. */
export function eventEntries(data: JsonObject, id: string, place: Place): Entry[] {
  const notice = (level: NoticeEntry['level'], code: string, text: string): Entry[] => [noticeEntry(id, place, { level, code, text })];
  switch (str(data, 'type')) {
    case 'message': {
      const text = str(data, 'message');
      if (text === null) break;
      const shown = spokenNotice(text, id, place);
      return shown.code === 'context_reset' || shown.code === 'compacted' ? [shown, contextEntry(0, null, nth(place, 1))] : [shown];
    }
    case 'switch': {
      const mode = str(data, 'mode');
      if (mode === 'local') return notice('info', 'switched_local', 'The session went to the terminal of its machine.');
      if (mode === 'remote') return notice('info', 'switched_remote', 'The session came from the terminal: it is controlled from here.');
      break;
    }
    case 'permission-mode-changed': {
      const mode = said(data, 'mode');
      if (mode !== null) return notice('info', 'mode_changed', `Permission mode: ${oneLine(mode)}`);
      break;
    }
    case 'limit-reached': {
      const endsAt = num(data, 'endsAt');
      if (endsAt !== null) return notice('warning', 'usage_limit', limitText(endsAt));
      break;
    }
    // Comes after every turn of some agents, and says no more than the turn's end.
    case 'ready': return [];
    default: break;
  }
  return [unknownEntry(`event ${str(data, 'type') ?? ''}`.trim(), id, data, place)];
}

/** `endsAt` in seconds or milliseconds since the epoch: both are in use. */
function limitText(endsAt: number): string {
  return `The usage limit is reached. It ends at ${momentText(endsAt < 1e11 ? endsAt * 1000 : endsAt)}.`;
}

/** `Claude AI usage limit reached|<epoch>`, which the agent says as if it were its answer; null for any other text. */
export function limitNotice(text: string, id: string, place: Place): NoticeEntry | null {
  const endsAt = /^Claude AI usage limit reached\|(\d+)$/.exec(text.trim())?.[1];
  return endsAt === undefined ? null : noticeEntry(id, place, { level: 'warning', code: 'usage_limit', text: limitText(Number(endsAt)) });
}

/** What the conversation takes up of the model's context; the newest one holds. */
export function contextEntry(tokens: number | null, window: number | null, place: Place): Entry {
  return {
    kind: 'usage', id: 'usage:session', row: null, ...place, rev: place.at ?? 0, scope: 'session',
    figures: { inputTokens: null, outputTokens: null, cachedTokens: null, costUsd: null, contextTokens: tokens, contextWindow: window },
  };
}

/** `usage` of an envelope or message: tokens of one request, whose input is what the conversation takes up. Empty where it tells nothing. */
export function usageEntries(usage: JsonObject | null, place: Place): Entry[] {
  if (usage === null) return [];
  const parts = [num(usage, 'input_tokens'), num(usage, 'cache_creation_input_tokens'), num(usage, 'cache_read_input_tokens')].filter((part) => part !== null);
  const tokens = parts.reduce((sum, part) => sum + part, 0);
  // What the agent makes up itself, such as an error text, has no tokens.
  return tokens <= 0 ? [] : [contextEntry(tokens, num(usage, 'context_window'), nth(place, 9))];
}

const [open, close] = ['<task-notification>', '</task-notification>'];

/** End of the notification that a text begins with; null where it begins with none or with one that is not closed. */
function notificationEnd(text: string): number | null {
  if (!text.startsWith(open)) return null;
  let depth = 0;
  for (const tag of text.matchAll(/<\/?task-notification>/g)) {
    depth += tag[0] === open ? 1 : -1;
    if (depth === 0) return tag.index + close.length;
  }
  return null;
}

/** The notifications that a text begins with, and what is left of it. */
export function splitNotifications(text: string): { readonly notifications: readonly string[]; readonly rest: string } {
  const notifications: string[] = [];
  let rest = text.trimStart();
  for (let end = notificationEnd(rest); end !== null; end = notificationEnd(rest)) {
    notifications.push(rest.slice(open.length, end - close.length));
    rest = rest.slice(end).trimStart();
  }
  return { notifications, rest: notifications.length === 0 ? text : rest };
}

const inner = (tag: string, text: string): string | null => new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(text)?.[1]?.trim() ?? null;

/**
 * Something that ran in the background ended: a notice, and where the call is named its result, the only one that the relay ever carries. One task may tell
 * so several times: the notices are told apart by their message.
 */
export function notificationEntries(text: string, id: string, place: Place): Entry[] {
  const status = inner('status', text);
  const failed = status !== null && status !== 'completed';
  const summary = inner('summary', text) ?? (text.replaceAll(/<[^>]*>/g, ' ').trim() || 'A background task ended.');
  const call = inner('tool-use-id', text);
  const output = inner('result', text);
  // It stands between turns, or in one that it has nothing to do with.
  const own = { ...place, turn: null };
  const notice = noticeEntry(id, own, { level: failed ? 'warning' : 'info', code: 'task_finished', text: output === null || call !== null ? summary : `${summary}\n${output}` });
  if (call === null || call === '') return [notice];
  const duration = inner('duration_ms', text);
  const row = rowOf.call(call);
  return [notice, {
    kind: 'result', id: `${row}/result`, row, ...nth(own, 1), rev: revs.result.told + Math.max(0, place.at ?? 0) / 1e14, callId: call,
    status: status === 'killed' || status === 'stopped' || status === 'cancelled' ? 'cancelled' : failed ? 'error' : 'ok',
    output: output ?? '', exitCode: null, durationMs: duration !== null && /^\d+$/.test(duration) ? Number(duration) : null, diffs: [], attachments: [],
  }];
}
