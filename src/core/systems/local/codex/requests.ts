import type { Decision } from '../../../model/backend.ts';
import type { AnswerEntry, Entry, PermissionEntry, PermissionOption, PermissionOutcome, Question } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Place } from './entries.ts';
import { commandFacts, oneLine, rev } from './entries.ts';
import { diffOf } from './diffs.ts';
import type { CodexItem } from './item.ts';
import { commandRequestSchema, elicitationSchema, fileRequestSchema, inputRequestSchema, permissionsRequestSchema, read } from './wire.ts';

/** A request of the server that waits for the person. */
export interface Asked {
  readonly requestId: string;
  readonly entry: PermissionEntry;
  /** What to answer on the wire for a decision. */
  readonly answer: (decision: Decision) => JsonValue;
  /** Questions whose answers are kept nowhere. */
  readonly secret: ReadonlySet<string>;
}

const allow: PermissionOption = { id: 'accept', label: 'Allow', scope: 'once' };
const allowSession: PermissionOption = { id: 'acceptForSession', label: 'Allow for Session', scope: 'session' };
const deny: PermissionOption = { id: 'decline', label: 'Deny', scope: 'reject' };
const denyAndStop: PermissionOption = { id: 'cancel', label: 'Deny and Stop', scope: 'reject' };

/**
 * What a server request asks of the person; null for methods that ask nobody (see `refusal`). `item` is the open item that it is about. `serial`
 * tells requests of one item apart where the wire does not.
 */
export function askedOf(method: string, params: JsonValue, item: CodexItem | null, place: Place, serial: string): Asked | null {
  switch (method) {
    case 'item/commandExecution/requestApproval': return command(params, item, place, serial);
    case 'item/fileChange/requestApproval': return files(params, item, place, serial);
    case 'item/permissions/requestApproval': return permissions(params, place, serial);
    case 'item/tool/requestUserInput': return input(params, place, serial);
    case 'mcpServer/elicitation/request': return elicitation(params, place, serial);
    default: return null;
  }
}

type Facts = Pick<PermissionEntry, 'tool' | 'title'> & Partial<PermissionEntry>;
/** Also one of a subagent stands among the session's own rows: folded away with its thread, nobody would answer it. */
function permission(requestId: string, facts: Facts, place: Place): PermissionEntry {
  return {
    kind: 'permission', id: `permission:${requestId}`, row: `permission:${requestId}`, ...place, parent: null, rev: rev.whole, requestId, callId: null, ask: 'tool', reason: null, input: null,
    command: null, cwd: null, diffs: [], plan: null, questions: [], options: [], takesReason: false, ...facts,
  };
}

/** The wire's word for a decision where the agent's options are `options`. */
function chosen(decision: Decision, options: readonly PermissionOption[]): string {
  const picked = options.find((option) => option.id === decision.optionId);
  if (picked !== undefined) return picked.id;
  const scoped = (scope: PermissionOption['scope']): string | undefined => options.find((option) => option.scope === scope)?.id;
  switch (decision.outcome) {
    case 'allow':
    case 'answer':
      return 'accept';
    case 'allow-session': return scoped('session') ?? 'accept';
    case 'allow-always': return scoped('always') ?? scoped('session') ?? 'accept';
    case 'deny':
    default:
      return 'decline';
  }
}

function command(params: JsonValue, item: CodexItem | null, place: Place, serial: string): Asked | null {
  const request = read(commandRequestSchema, params);
  if (request === null) return null;
  const running = item?.type === 'commandExecution' ? item : null;
  const facts = commandFacts(request.command ?? running?.command ?? '', request.cwd ?? running?.cwd ?? '', running?.commandActions ?? []);
  const options: PermissionOption[] = [allow, allowSession];
  const amendment = request.proposedExecpolicyAmendment;
  if (amendment !== null && amendment.length > 0) options.push({ id: 'acceptWithExecpolicyAmendment', label: oneLine(`Always Allow Commands That Begin with ${amendment.join(' ')}`), scope: 'always' });
  options.push(deny, denyAndStop);
  const requestId = `${request.itemId}:${request.approvalId ?? serial}`;
  const context = request.networkApprovalContext;
  const network = isJsonObject(context) && typeof context['host'] === 'string' ? context['host'] : null;
  // What is granted along with the command must be seen with it.
  const more = { ...(says(context) ? { network: network ?? context } : {}), ...(says(request.additionalPermissions) ? { additionalPermissions: request.additionalPermissions } : {}) };
  const entry = permission(requestId, {
    tool: 'shell', title: network === null ? facts.title : oneLine(`Network access to ${network}`), callId: request.itemId, reason: request.reason, input: { command: facts.command ?? null, ...(network === null ? { cwd: facts.cwd ?? '' } : {}), ...more },
    command: facts.command ?? null, cwd: facts.cwd ?? null, options,
  }, place);
  return {
    requestId, entry, secret: new Set(),
    answer(decision) {
      const word = chosen(decision, options);
      return { decision: word === 'acceptWithExecpolicyAmendment' ? { acceptWithExecpolicyAmendment: { execpolicy_amendment: amendment ?? [] } } : word };
    },
  };
}

/** Whether a value says anything: not what is null, off, or made of nothing else. */
function says(value: JsonValue): boolean {
  if (value === null || value === false || value === '') return false;
  return typeof value !== 'object' || Object.values(value).some((part: JsonValue) => says(part));
}

function files(params: JsonValue, item: CodexItem | null, place: Place, serial: string): Asked | null {
  const request = read(fileRequestSchema, params);
  if (request === null) return null;
  const diffs = item?.type === 'fileChange' ? item.changes.map(diffOf) : [];
  const [first] = diffs;
  const options = [allow, allowSession, deny, denyAndStop];
  const requestId = `${request.itemId}:${serial}`;
  const title = first === undefined ? 'Change files' : diffs.length === 1 ? first.path : `${first.path} and ${diffs.length - 1} more`;
  const entry = permission(requestId, { tool: 'apply_patch', title: oneLine(title), callId: request.itemId, reason: request.reason, input: { files: diffs.map((diff) => diff.path), root: request.grantRoot }, diffs, options }, place);
  return { requestId, entry, secret: new Set(), answer: (decision) => ({ decision: chosen(decision, options) }) };
}

function permissions(params: JsonValue, place: Place, serial: string): Asked | null {
  const request = read(permissionsRequestSchema, params);
  if (request === null) return null;
  const options = [allow, allowSession, deny];
  const requestId = `${request.itemId}:${serial}`;
  const entry = permission(requestId, { tool: 'request_permissions', title: 'More permissions', callId: request.itemId, reason: request.reason, input: request.permissions, cwd: request.cwd, options }, place);
  return {
    requestId, entry, secret: new Set(),
    answer(decision) {
      const word = chosen(decision, options);
      if (word === 'decline') return { permissions: {}, scope: 'turn' };
      return { permissions: granted(request.permissions), scope: word === 'acceptForSession' ? 'session' : 'turn' };
    },
  };
}

/** The wire takes what is granted without the nulls of what was asked. */
function granted(asked: JsonValue): JsonValue {
  return isJsonObject(asked) ? Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null)) : {};
}

function input(params: JsonValue, place: Place, serial: string): Asked | null {
  const request = read(inputRequestSchema, params);
  if (request === null) return null;
  const questions: Question[] = request.questions.map((one) => ({ id: one.id, header: one.header, text: one.question, multiple: false, free: one.isOther || one.options.length === 0, options: one.options }));
  const requestId = `${request.itemId}:${serial}`;
  const entry = permission(requestId, { tool: 'request_user_input', title: oneLine(questions[0]?.text ?? 'A question'), ask: 'question', callId: request.itemId, questions, input: null }, place);
  return {
    requestId, entry, secret: new Set(request.questions.filter((one) => one.isSecret).map((one) => one.id)),
    answer(decision) {
      const given = decision.outcome === 'deny' ? {} : (decision.answers ?? {});
      return { answers: Object.fromEntries(Object.entries(given).map(([id, answers]) => [id, { answers: [...answers] }])) };
    },
  };
}

/** A form of an MCP server, as far as its fields are words, numbers, choices and yes or no; anything else can be declined only. */
function elicitation(params: JsonValue, place: Place, serial: string): Asked | null {
  const request = read(elicitationSchema, params);
  if (request === null) return null;
  const requestId = `${request.serverName}:${serial}`;
  const fields = request.mode === 'form' ? formFields(request.requestedSchema) : null;
  const title = oneLine(request.message ?? request.title ?? `${request.serverName} asks`);
  const shared = { tool: request.serverName, title, reason: request.description, input: request.url === null ? null : { url: request.url } };
  if (fields === null || fields.length === 0) {
    const options = fields === null && request.mode !== 'url' ? [deny] : [allow, deny];
    return {
      requestId, entry: permission(requestId, { ...shared, options }, place), secret: new Set(),
      answer: (decision) => ({ action: chosen(decision, options) === 'accept' ? 'accept' : 'decline', content: chosen(decision, options) === 'accept' ? {} : null, _meta: null }),
    };
  }
  const entry = permission(requestId, { ...shared, ask: 'question', questions: fields.map((field) => field.question) }, place);
  return {
    requestId, entry, secret: new Set(),
    answer(decision) {
      if (decision.outcome === 'deny') return { action: 'decline', content: null, _meta: null };
      const content: Record<string, JsonValue> = {};
      for (const field of fields) {
        const [said] = decision.answers?.[field.question.id] ?? [];
        if (said !== undefined) content[field.question.id] = field.value(said);
      }
      return { action: 'accept', content, _meta: null };
    },
  };
}

interface FormField {
  readonly question: Question;
  readonly value: (said: string) => JsonValue;
}
function formFields(schema: JsonValue): FormField[] | null {
  const properties = isJsonObject(schema) ? schema['properties'] : null;
  if (!isJsonObject(properties)) return null;
  const fields: FormField[] = [];
  for (const [id, raw] of Object.entries(properties)) {
    const field: JsonObject = isJsonObject(raw) ? raw : {};
    const { type, title, description } = field;
    const choices = type === 'boolean' ? ['Yes', 'No'] : Array.isArray(field['enum']) ? field['enum'].filter((one: JsonValue): one is string => typeof one === 'string') : [];
    const options = choices.map((label) => ({ label, description: null }));
    const text = typeof description === 'string' ? description : typeof title === 'string' ? title : id;
    const question: Question = { id, header: typeof title === 'string' ? title : id, text, multiple: false, free: options.length === 0, options };
    if (type === 'boolean') fields.push({ question, value: (said) => said === 'Yes' });
    else if (type === 'number' || type === 'integer') fields.push({ question, value: (said) => (Number.isFinite(Number(said)) ? Number(said) : said) });
    else if (type === 'string') fields.push({ question, value: (said) => said });
    else return null;
  }
  return fields;
}

/** How a server request ended, on the row of its permission. */
export function answerEntry(asked: Asked, place: Place, outcome: PermissionOutcome, by: AnswerEntry['by'], decision: Decision | null): Entry {
  const answers: Record<string, readonly string[]> = {};
  for (const [id, given] of Object.entries(decision?.answers ?? {})) answers[id] = asked.secret.has(id) ? ['(not kept)'] : given;
  // The person's word stands, however late Codex tells that the request is resolved.
  const version = by === 'person' ? rev.whole : rev.cut;
  return { kind: 'answer', id: `${asked.entry.id}/answer`, row: asked.entry.row, ...place, parent: null, rev: version, requestId: asked.requestId, outcome, by, reason: decision?.reason ?? null, answers };
}

/** The outcome that a decision comes to. */
export function outcomeOf(asked: Asked, decision: Decision): PermissionOutcome {
  const scope = asked.entry.options.find((option) => option.id === decision.optionId)?.scope;
  if (scope === 'reject' || scope === 'reject-always' || decision.outcome === 'deny') return 'denied';
  if (asked.entry.ask === 'question') return 'answered';
  if (scope === 'always' || decision.outcome === 'allow-always') return 'allowed-always';
  return scope === 'session' || decision.outcome === 'allow-session' ? 'allowed-session' : 'allowed';
}
