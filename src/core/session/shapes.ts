import type { EntryKind } from '../model/entry.ts';
import { isJsonObject } from '../model/json.ts';

/** True when a value has the shape of what it is to be. */
type Check = (value: unknown) => boolean;

export const isText: Check = (value) => typeof value === 'string';
export const isTextOrNull: Check = (value) => value === null || typeof value === 'string';
export const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
export const isNumberOrNull: Check = (value) => value === null || isNumber(value);
const isBoolean: Check = (value) => typeof value === 'boolean';
const isThere: Check = (value) => value !== undefined;

function oneOf(...words: readonly string[]): Check {
  const known: ReadonlySet<unknown> = new Set(words);
  return (value) => known.has(value);
}
function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every((item) => check(item));
}
function orNull(check: Check): Check {
  return (value) => value === null || check(value);
}
function orAbsent(check: Check): Check {
  return (value) => value === undefined || check(value);
}
/** Objects with these fields; others may be there too. */
function shape(fields: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(fields);
  return (value) => isJsonObject(value) && checks.every(([name, check]) => check(value[name]));
}

const attachment = shape({ name: isText, mediaType: isText, size: isNumberOrNull, data: isTextOrNull, path: isTextOrNull });
const diff = shape({
  path: isText, change: oneOf('create', 'modify', 'delete', 'rename'), oldPath: isTextOrNull, patch: isText, added: isNumber, removed: isNumber,
  before: isTextOrNull, after: isTextOrNull,
});
const figures = shape({
  inputTokens: isNumberOrNull, outputTokens: isNumberOrNull, cachedTokens: isNumberOrNull, costUsd: isNumberOrNull,
  contextTokens: isNumberOrNull, contextWindow: isNumberOrNull,
});
const question = shape({
  id: isText, header: isTextOrNull, text: isText, multiple: isBoolean, free: isBoolean,
  options: listOf(shape({ label: isText, description: isTextOrNull })),
});
const option = shape({ id: isText, label: isText, scope: oneOf('once', 'session', 'always', 'reject', 'reject-always') });
const todo = shape({ text: isText, status: oneOf('pending', 'running', 'done', 'cancelled') });
const answers: Check = (value) => isJsonObject(value) && Object.values(value).every(listOf(isText));

const deltaFields = shape({ row: isText, channel: oneOf('text', 'thinking', 'input', 'output'), part: isNumber, text: isText });
/** Pieces that were joined must come apart again into exactly their text. */
const delta: Check = (value) => {
  if (!deltaFields(value) || !isJsonObject(value)) return false;
  const joined = value['joined'];
  if (joined === undefined) return true;
  if (!isJsonObject(joined) || !isNumber(joined['rev']) || !Array.isArray(joined['lengths'])) return false;
  let total = 0;
  for (const length of joined['lengths'] as readonly unknown[]) {
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 0) return false;
    total += length;
  }
  return typeof value['text'] === 'string' && value['text'].length === total;
};

const kinds: Readonly<Record<EntryKind, Check>> = {
  prompt: shape({ text: isText, attachments: listOf(attachment), clientId: isTextOrNull }),
  text: shape({ text: isText }),
  thinking: shape({ text: isText }),
  delta,
  tool: shape({
    callId: isText, name: isText, title: isText, input: isThere, command: isTextOrNull, cwd: isTextOrNull, diffs: listOf(diff),
    verb: oneOf('read', 'search', 'edit', 'delete', 'move', 'execute', 'fetch', 'think', 'agent', 'todo', 'other'),
    locations: listOf(shape({ path: isText, line: isNumberOrNull })), stage: orAbsent(oneOf('streaming', 'void')),
  }),
  result: shape({
    callId: isText, status: oneOf('ok', 'error', 'denied', 'cancelled'), output: isText, exitCode: isNumberOrNull, durationMs: isNumberOrNull,
    diffs: listOf(diff), attachments: listOf(attachment),
  }),
  permission: shape({
    requestId: isText, callId: isTextOrNull, ask: oneOf('tool', 'question', 'plan'), tool: isText, title: isText, reason: isTextOrNull, input: isThere,
    command: isTextOrNull, cwd: isTextOrNull, diffs: listOf(diff), plan: isTextOrNull, questions: listOf(question), options: listOf(option),
    takesReason: isBoolean,
  }),
  answer: shape({
    requestId: isText, outcome: oneOf('allowed', 'allowed-session', 'allowed-always', 'denied', 'answered', 'withdrawn', 'lost'),
    by: oneOf('person', 'rule', 'agent'), reason: isTextOrNull, answers,
  }),
  todo: shape({ items: listOf(todo) }),
  file: shape({ file: attachment }),
  usage: shape({ scope: oneOf('turn', 'session'), figures }),
  notice: shape({ level: oneOf('info', 'warning', 'error'), code: isText, text: isText, remedy: isTextOrNull }),
  turn: shape({
    turn: isText, phase: oneOf('start', 'end'), state: oneOf('running', 'completed', 'failed', 'cancelled'), durationMs: isNumberOrNull,
    figures: orNull(figures), filesChanged: listOf(isText), error: isTextOrNull,
  }),
  unknown: shape({ source: isText, raw: isThere }),
};

/** Shapes of every kind's own fields. A map, so that a kind such as `constructor` finds nothing. */
export const kindShapes: ReadonlyMap<unknown, Check> = new Map(Object.entries(kinds));

/** Fields that hold any JSON. */
export const jsonFields: ReadonlyMap<unknown, string> = new Map([['tool', 'input'], ['permission', 'input'], ['unknown', 'raw']]);
