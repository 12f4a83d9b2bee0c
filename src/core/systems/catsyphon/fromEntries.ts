import { createHash } from 'node:crypto';
import type { AnswerEntry, Entry, NoticeEntry, PermissionEntry, ResultEntry, TodoEntry, ToolEntry, TurnEntry, UsageFigures } from '../../model/entry.ts';
import { compareOrder } from '../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { canonicalJson, isJsonObject } from '../../model/json.ts';
import { invalid } from './errors.ts';
import type { CollectorEvent, EventType } from './events.ts';
import { hashOf } from './events.ts';
import { scrubbed } from './scrub.ts';

/** The session that entries are of. */
export interface ShippedSession {
  /** What no other session has, and the same wherever and whenever it is shipped from. */
  readonly key: string;
  /** CatSyphon's own are `claude-code` and `codex`. */
  readonly agentType: string;
  readonly agentVersion?: string | undefined;
  readonly workingDirectory?: string | undefined;
  readonly gitBranch?: string | undefined;
  /** CatSyphon's id of the session that this one comes from. */
  readonly parentSessionId?: string | undefined;
}
/** One thing that an entry says, before it has a time. */
interface Said {
  readonly type: EventType;
  readonly data: JsonObject;
}

/** Characters of one text in one event; the rest goes into further ones. Proxies before the server refuse bodies over 1 MB. */
const PART = 64 * 1024;
const NOTE = 'The middle was left out: it is too long to be shipped.';

/** A session's id at CatSyphon, where ids are shared by everybody who sends there: `system:hash of the account:session`. At most 255 characters of those that it can find again. */
export function shippedId(place: { readonly system: string; readonly account: string; readonly session: string }): string {
  const account = createHash('sha256').update(place.account).digest('hex').slice(0, 16);
  const session = /^[A-Za-z0-9._-]{1,200}$/.test(place.session) ? place.session : createHash('sha256').update(place.session).digest('hex');
  return `${place.system.replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, 32)}:${account}:${session}`;
}

/** What begins a session; the server stores no message of it, so that it may be sent with every batch. `at` in milliseconds since the epoch. */
export function startEvent(session: ShippedSession, at: number): CollectorEvent {
  const { key, agentType, agentVersion, workingDirectory, gitBranch, parentSessionId } = session;
  if (agentType.trim() === '') throw invalid('agentType is empty.');
  const given = { agent_type: agentType, agent_version: agentVersion, working_directory: workingDirectory, git_branch: gitBranch, parent_session_id: parentSessionId };
  const data = Object.fromEntries(Object.entries(given).filter((pair): pair is [string, string] => pair[1] !== undefined));
  return { type: 'session_start', data, emittedAt: at, eventHash: hashOf([key, 'session_start']) };
}

/**
 * Entries of any system as events, in the order of the log. Of versions of one thing the last one counts; pieces of what still streams, calls that are not whole and figures without a row are
 * not shipped. The hash is of the session's key, the entry's id, the part, and what the event says: who ships an entry again, from the live session or from its transcript on disk, ships
 * the same event, and a version that says something else is another one. (`rev` is not in it: the live wire and the disk number the same thing differently.) Pure.
 */
export function fromEntries(session: Pick<ShippedSession, 'key'>, entries: Iterable<Entry>): CollectorEvent[] {
  return [...entryByEntry(session, entries)].flat();
}

/** The same, those of one entry at a time: of long ones each takes its while, and whoever has other work may do it in between. */
export function* entryByEntry(session: Pick<ShippedSession, 'key'>, entries: Iterable<Entry>): Generator<readonly CollectorEvent[]> {
  let last = 0;
  for (const entry of lastVersions(entries)) {
    const at = timeOf(entry, last);
    last = Math.max(last, at);
    yield saidBy(entry).map(({ type, data }, part) => {
      const whole = { ...data, ...(entry.parent === null ? {} : { parent: entry.parent }) };
      return { type, data: whole, emittedAt: at, eventHash: hashOf([session.key, entry.id, type, part, canonicalJson(whole)]) };
    });
  }
}

function lastVersions(entries: Iterable<Entry>): readonly Entry[] {
  const found = new Map<string, Entry>();
  for (const entry of entries) {
    const before = found.get(entry.id);
    if (before === undefined || entry.rev > before.rev || (entry.rev === before.rev && canonicalJson(entry) > canonicalJson(before))) found.set(entry.id, entry);
  }
  return [...found.values()].sort((a, b) => compareOrder(a.order, b.order) || (a.id < b.id ? -1 : 1));
}

/** Milliseconds since the epoch: its own, else what its order key begins with where that is a time, else that of the one before. */
function timeOf(entry: Entry, last: number): number {
  return ownTimeOf(entry) ?? last;
}

/** Milliseconds since the epoch; null for an entry that tells none. */
export function ownTimeOf({ at, order: [first = 0] }: Entry): number | null {
  if (at !== null && isTime(at)) return Math.floor(at);
  return isTime(first) ? Math.floor(first) : null;
}

/** From 2001 to 2100. */
function isTime(ms: number): boolean {
  return Number.isFinite(ms) && ms >= 978_307_200_000 && ms < 4_102_444_800_000;
}

function saidBy(entry: Entry): readonly Said[] {
  switch (entry.kind) {
    case 'prompt': return texts([entry.text, ...entry.attachments.map((file) => `[file: ${file.path ?? file.name}]`)].filter((one) => one !== '').join('\n'), (content) => message('human', 'prompt', content));
    case 'text': return texts(entry.text, (content) => message('assistant', 'response', content));
    case 'thinking': return texts(entry.text, (content) => ({ type: 'thinking', data: { content } }));
    case 'tool': return toolCall(entry);
    case 'result': return toolResult(entry);
    case 'permission': return permission(entry);
    case 'answer': return [answer(entry)];
    case 'todo': return todo(entry);
    case 'file': return [message('assistant', 'context', `[file: ${entry.file.path ?? entry.file.name}]`)];
    case 'notice': return notice(entry);
    case 'turn': return turn(entry);
    case 'unknown': return [message('system', 'context', `[${entry.source}]`, { raw_data: fitting({ value: entry.raw }) })];
    case 'delta':
    case 'usage':
      return [];
  }
}

function message(role: 'human' | 'assistant' | 'system', kind: string, content: string, more: JsonObject = {}): Said {
  return { type: 'message', data: { author_role: role, message_type: kind, content, ...more } };
}

/** One event for each part of a text; none for an empty one. */
function texts(text: string, event: (part: string) => Said): readonly Said[] {
  return text === '' ? [] : partsOf(text).map(event);
}

/** What is cut loses its secrets before: half of one is not known for what it is. (What stays whole loses them as it is sent.) */
function clean(text: string): string {
  const { content } = scrubbed({ content: text });
  return typeof content === 'string' ? content : '';
}

/** No part ends within a pair of surrogates. */
function partsOf(given: string): readonly string[] {
  const text = given.length <= PART ? given : clean(given);
  const parts: string[] = [];
  for (let from = 0; from < text.length;) {
    const end = Math.min(text.length, from + PART);
    const to = end < text.length && /[\uD800-\uDBFF]/.test(text.charAt(end - 1)) ? end - 1 : end;
    parts.push(text.slice(from, to));
    from = to;
  }
  return parts;
}

function toolCall(entry: ToolEntry): readonly Said[] {
  if (entry.stage !== undefined) return [];
  const input = isJsonObject(entry.input) ? entry.input : entry.input === null ? {} : { input: entry.input };
  return [{ type: 'tool_call', data: { tool_name: entry.name, tool_use_id: entry.callId, parameters: fitting(input) } }];
}

function toolResult(entry: ResultEntry): readonly Said[] {
  const success = entry.status === 'ok';
  const data = { tool_use_id: entry.callId, success, ...(success ? {} : { error_message: entry.exitCode === null ? entry.status : `${entry.status} (${entry.exitCode})` }) };
  return entry.output === '' ? [{ type: 'tool_result', data: { ...data, result: '' } }] : partsOf(entry.output).map((result) => ({ type: 'tool_result', data: { ...data, result } }));
}

function permission(entry: PermissionEntry): readonly Said[] {
  if (entry.ask === 'plan' && entry.plan !== null && entry.plan !== '') return texts(entry.plan, (content) => message('assistant', 'plan', content));
  const asked = entry.ask === 'question' ? entry.questions.map((one) => one.text).join('\n') : `${entry.tool}: ${entry.title}`;
  return texts(`Asked: ${asked}`, (content) => message('assistant', 'context', content, { request_id: entry.requestId }));
}

function answer(entry: AnswerEntry): Said {
  const answers = Object.values(entry.answers).flat().join(', ');
  const words = [`Answered: ${entry.outcome} (${entry.by})`, answers, entry.reason ?? ''].filter((one) => one !== '').join('\n');
  return message(entry.by === 'person' ? 'human' : 'system', 'context', shortened(words), { request_id: entry.requestId });
}

const MARKS = { pending: ' ', running: '>', done: 'x', cancelled: '-' } as const;
function todo(entry: TodoEntry): readonly Said[] {
  return texts(entry.items.map((item) => `[${MARKS[item.status]}] ${item.text}`).join('\n'), (content) => message('assistant', 'plan', content));
}

function notice(entry: NoticeEntry): readonly Said[] {
  const content = shortened(entry.text);
  return [entry.level === 'error' ? { type: 'error', data: { error_type: entry.code, message: content } } : message('system', 'context', content, { notice: entry.code })];
}

/** The end of a turn carries its tokens: CatSyphon makes its totals of messages. */
function turn(entry: TurnEntry): readonly Said[] {
  if (entry.phase === 'start') return [];
  const tokens = entry.figures === null ? {} : tokensOf(entry.figures);
  const failed: readonly Said[] = entry.state === 'failed' ? [{ type: 'error', data: { error_type: 'turn_failed', message: shortened(entry.error ?? 'The turn failed.') } }] : [];
  return [...failed, message('system', 'context', `Turn ${entry.state}`, Object.keys(tokens).length === 0 ? {} : { token_usage: tokens })];
}

function tokensOf(figures: UsageFigures): JsonObject {
  const named = { input_tokens: figures.inputTokens, output_tokens: figures.outputTokens, cache_read_input_tokens: figures.cachedTokens, cache_read_tokens: figures.cachedTokens };
  return Object.fromEntries(Object.entries(named).filter((pair): pair is [string, number] => pair[1] !== null && Number.isSafeInteger(Math.round(pair[1]))).map(([name, value]) => [name, Math.round(value)]));
}

function shortened(text: string): string {
  return text.length <= PART ? text : withoutMiddle(clean(text));
}

function withoutMiddle(text: string): string {
  return text.length <= PART ? text : `${text.slice(0, PART / 2).toWellFormed()}\n[${NOTE}]\n${text.slice(-PART / 2).toWellFormed()}`;
}

/** An object that goes into one event: long texts in it lose their middle, and of one that is too large still its JSON stays, shortened. What names a secret may be cut off from it: they go first. */
function fitting(value: JsonObject): JsonObject {
  if (JSON.stringify(value).length <= PART) return value;
  const cut = (inner: JsonValue): JsonValue => {
    if (typeof inner === 'string') return withoutMiddle(inner);
    if (Array.isArray(inner)) return (inner as readonly JsonValue[]).map(cut);
    return isJsonObject(inner) ? Object.fromEntries(Object.entries(inner).map(([name, one]) => [name, cut(one)])) : inner;
  };
  const result = cut(scrubbed(value));
  const json = JSON.stringify(result);
  return isJsonObject(result) && json.length <= 4 * PART ? result : { shortened: withoutMiddle(json) };
}
