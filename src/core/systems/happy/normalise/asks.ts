import type { Decision } from '../../../model/backend.ts';
import type { AnswerEntry, PermissionEntry, PermissionOption, Question } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { AskedCall } from './acp.ts';
import type { NormaliseContext } from './input.ts';
import type { Place } from './place.ts';
import { lastSeq, machineMoment, rowOf } from './place.ts';
import { bool, firstLine, num, obj, objects, oneLine, raw, said, str, texts } from './read.ts';
import { isPlanTool, questionsOf, toolFacts, verbOf } from './tools.ts';

/** A request of `agentState.requests` or `.completedRequests`, or a form of `.communications`. Times are on the machine's clock. */
export interface Ask {
  /** As the answer's RPC wants it. */
  readonly id: string;
  /** Which RPC answers it. */
  readonly by: 'permission' | 'communication';
  readonly row: string;
  readonly tool: string;
  readonly input: JsonValue;
  readonly createdAt: number | null;
  /** The tool call that it is about: Happy's request id is that of the call, but within a subagent of Claude. */
  readonly callId: string;
  readonly ask: PermissionEntry['ask'];
  /** `kind` of a communication. */
  readonly kind: string | null;
  /** How the agent names what it asks for, where a message tells it. */
  readonly title?: string;
}

/** The request with what a message told of it; the same where none did. */
export function withAsked(ask: Ask, asked: AskedCall | null): Ask {
  return asked === null || ask.by !== 'permission' ? ask : { ...ask, callId: asked.call, ...(asked.title === null ? {} : { title: asked.title }) };
}

export function permissionAsk(id: string, request: JsonValue): Ask {
  const tool = said(request, 'tool') ?? 'tool';
  const createdAt = num(request, 'createdAt');
  const ask = tool === 'AskUserQuestion' ? 'question' : isPlanTool(tool) ? 'plan' : 'tool';
  return { id, by: 'permission', row: rowOf.ask(id, createdAt), tool, input: raw(request, 'arguments'), createdAt, callId: said(request, 'toolUseId') ?? id, ask, kind: null };
}

export function communicationAsk(id: string, communication: JsonValue): Ask {
  const createdAt = num(communication, 'createdAt');
  const kind = said(communication, 'kind') ?? 'form';
  return {
    id, by: 'communication', row: rowOf.ask(`communication:${id}`, createdAt), tool: said(communication, 'title') ?? kind, input: communication, createdAt,
    callId: said(communication, 'toolUseId') ?? id, ask: 'question', kind,
  };
}

/** Place of what agentState tells, after the messages of its moment; a request without one stands last. */
export function askPlace(at: number | null, context: NormaliseContext): Place {
  const moment = at === null ? null : machineMoment(at, context);
  return { order: [moment ?? 8.64e15, lastSeq, 0], at: moment, turn: null, parent: null };
}

/** The request as the person is asked. `plan`: the plan as its tool call has it, for requests that leave it out (happy 1.2.5 sends `{}`). */
export function permissionEntry(ask: Ask, plan: string | null, context: NormaliseContext): PermissionEntry {
  const facts = toolFacts(ask.tool, ask.input, context.folder, null);
  const questions = ask.by === 'communication' ? formQuestions(ask.input) : ask.ask === 'question' ? questionsOf(ask.input) : [];
  const own = ask.ask === 'plan' ? said(ask.input, 'plan') : null;
  return {
    kind: 'permission', id: ask.row, row: ask.row, ...askPlace(ask.createdAt, context), rev: (own === null && plan !== null) || ask.title !== undefined ? 1 : 0, requestId: requestIdOf(ask), callId: ask.callId, ask: ask.ask,
    tool: ask.tool, title: ask.by === 'communication' ? oneLine(questions[0]?.text ?? ask.tool) : ask.title === undefined ? facts.title : oneLine(ask.title), reason: said(ask.input, 'reason'), input: ask.input, command: facts.command,
    cwd: facts.cwd, diffs: facts.diffs, plan: ask.ask === 'plan' ? (own ?? plan) : null, questions, options: optionsOf(ask, context), takesReason: takesReason(ask, context),
  };
}

const communicationPrefix = 'communication:';

/** The id by which the fleet names a request. Communications have ids of their own kind, which may be those of requests. */
export function requestIdOf(ask: Pick<Ask, 'id' | 'by'>): string {
  return ask.by === 'communication' ? `${communicationPrefix}${ask.id}` : ask.id;
}

/** A flavour that is not known is treated like Claude, as Happy's own app does. */
function isClaude(context: NormaliseContext): boolean {
  return context.agent === null || !['codex', 'gemini', 'openclaw', 'agy', 'rig', 'opencode', 'acp'].includes(context.agent);
}

/** Claude is told why; the other agents' command lines pass no reason on. */
export function takesReason(ask: Pick<Ask, 'by'>, context: NormaliseContext): boolean {
  return ask.by === 'permission' && isClaude(context);
}

/**
 * What can be answered. The ids say what the RPC is told: a decision (`approved`, `approved_for_session`, `denied`, `abort`), `mode:<permission mode>` or
 * `tools:<rule>` (Claude's `allowTools`), `cancelled` for a form.
 */
function optionsOf(ask: Ask, context: NormaliseContext): readonly PermissionOption[] {
  if (ask.by === 'communication') return [{ id: 'cancelled', label: 'Do Not Answer', scope: 'reject' }];
  if (ask.ask === 'question') return [{ id: 'denied', label: 'Do Not Answer', scope: 'reject' }];
  if (ask.ask === 'plan') {
    return [
      { id: 'approved', label: 'Start', scope: 'once' },
      { id: 'mode:acceptEdits', label: 'Start and Accept Edits', scope: 'session' },
      { id: 'mode:bypassPermissions', label: 'Start and Never Ask', scope: 'session' },
      { id: 'denied', label: 'Keep Planning', scope: 'reject' },
    ];
  }
  const allow: PermissionOption = { id: 'approved', label: 'Allow', scope: 'once' };
  if (!isClaude(context) || ask.tool.startsWith('Codex')) {
    return [allow, { id: 'approved_for_session', label: 'Allow for Session', scope: 'session' }, { id: 'denied', label: 'Deny', scope: 'reject' }, { id: 'abort', label: 'Deny and Stop', scope: 'reject' }];
  }
  const deny: PermissionOption = { id: 'denied', label: 'Deny', scope: 'reject' };
  if (verbOf(ask.tool) === 'edit') return [allow, { id: 'mode:acceptEdits', label: 'Allow All Edits for Session', scope: 'session' }, deny];
  if (ask.tool !== 'Bash') return [allow, { id: `tools:${ask.tool}`, label: oneLine(`Allow ${ask.tool} for Session`), scope: 'session' }, deny];
  const command = said(ask.input, 'command');
  // A rule that ends in `:*` is read as one for every command that begins so; without the command it would be one for all of them.
  if (command === null || command.endsWith(':*')) return [allow, deny];
  return [allow, { id: `tools:Bash(${command})`, label: 'Allow This Command for Session', scope: 'session' }, deny];
}

/** Questions of a form. What is no form can be declined only. */
function formQuestions(communication: JsonValue): readonly Question[] {
  return objects(obj(communication, 'form'), 'questions').map((question) => {
    const options = objects(question, 'options').map((option) => ({ label: str(option, 'label') ?? '', description: said(option, 'description') }));
    return {
      id: str(question, 'id') ?? '', header: said(question, 'header'), text: str(question, 'question') ?? '', multiple: bool(question, 'multiSelect') === true,
      free: bool(question, 'allowCustom') === true || options.length === 0, options,
    };
  });
}

export interface AnswerCall {
  /** Name of the session's RPC. */
  readonly method: 'permission' | 'communication';
  readonly params: JsonObject;
  /** Permission mode that the next prompt has to carry too: without it the agent falls back to its own. */
  readonly mode: string | null;
}

/**
 * What to call for a decision. Throws `invalid_argument` for an answer to what is no question, for an option that the request does not have and for an unknown
 * outcome: a decision that comes from a page or another program must allow nothing by accident.
 */
export function answerCall(ask: Ask, decision: Decision, context: NormaliseContext): AnswerCall {
  const options = optionsOf(ask, context);
  const option = decision.optionId === undefined ? defaultOption(ask, decision, options) : options.find((one) => one.id === decision.optionId);
  if (decision.optionId !== undefined && option === undefined) throw new PilothouseError('invalid_argument', `${JSON.stringify(decision.optionId)} is no option of this request: look at it again.`);
  if (option !== undefined && !scopesOf(decision.outcome).includes(option.scope)) throw new PilothouseError('invalid_argument', `${JSON.stringify(option.id)} is no way to decide ${JSON.stringify(decision.outcome)}: look at the request again.`);
  const reason = decision.reason?.trim() ?? '';
  if (ask.by === 'communication') {
    const status = option !== undefined || decision.outcome === 'deny' ? 'cancelled' : 'answered';
    if (status === 'answered' && decision.outcome !== 'answer') throw notAnswered();
    return { method: 'communication', mode: null, params: { id: ask.id, kind: ask.kind, status, ...(status === 'answered' ? { answers: formAnswers(ask, decision) } : {}) } };
  }
  const call = (params: JsonObject, mode: string | null = null): AnswerCall => ({ method: 'permission', mode, params: { id: ask.id, ...params } });
  if (option?.scope === 'reject' || decision.outcome === 'deny') {
    return call({ approved: false, decision: option?.id === 'abort' ? 'abort' : 'denied', ...(reason === '' ? {} : { reason }) });
  }
  if (ask.ask === 'question') {
    if (decision.outcome !== 'answer') throw notAnswered();
    return call({ approved: true, decision: 'approved', updatedInput: { answers: Object.fromEntries(Object.entries(decision.answers ?? {}).map(([question, chosen]) => [question, chosen.join(', ')])) } });
  }
  if (option === undefined) throw new PilothouseError('invalid_argument', `${JSON.stringify(decision.outcome)} is no decision for this request: allow, allow for the session, or deny it.`);
  if (option.id.startsWith('mode:')) return call({ approved: true, decision: 'approved', mode: option.id.slice(5) }, option.id.slice(5));
  if (option.id.startsWith('tools:')) return call({ approved: true, decision: 'approved', allowTools: [option.id.slice(6)] });
  // A plan leaves plan mode behind: the next prompt must not carry it.
  return call({ approved: true, decision: option.id }, ask.ask === 'plan' ? 'default' : null);
}

function notAnswered(): PilothouseError {
  return new PilothouseError('invalid_argument', 'This is a question: answer it, or decline to.');
}

/** What options an outcome may stand with; none for an unknown one. An answer that comes with an option to decline is declined. */
function scopesOf(outcome: string): readonly PermissionOption['scope'][] {
  switch (outcome) {
    case 'allow': return ['once', 'session'];
    case 'allow-session':
    case 'allow-always':
      return ['once', 'session', 'always'];
    case 'deny':
    case 'answer':
      return ['reject'];
    default: return [];
  }
}

/** The option that an outcome alone means. For the session a plan is only started: what it allows beyond that has to be picked by its name. */
function defaultOption(ask: Ask, decision: Decision, options: readonly PermissionOption[]): PermissionOption | undefined {
  const scoped = (scope: PermissionOption['scope']): PermissionOption | undefined => options.find((option) => option.scope === scope);
  switch (decision.outcome) {
    case 'allow': return scoped('once');
    case 'allow-session':
    case 'allow-always':
      return (ask.ask === 'plan' ? undefined : scoped('session')) ?? scoped('once');
    case 'deny': return scoped('reject');
    case 'answer':
    default:
      return undefined;
  }
}

function formAnswers(ask: Ask, decision: Decision): JsonObject {
  const questions = formQuestions(ask.input);
  return Object.fromEntries(Object.entries(decision.answers ?? {}).map(([id, chosen]) => {
    const labels = new Set(questions.find((question) => question.id === id)?.options.map((option) => option.label));
    const custom = chosen.filter((one) => !labels.has(one)).join('\n');
    return [id, { options: chosen.filter((one) => labels.has(one)), ...(custom === '' ? {} : { custom }) }];
  }));
}

/** Nobody reads and answers this fast: the command line allowed it by a rule of its own. Milliseconds. */
const ruleMs = 5;

/** How a completed request ended (`status`, `decision`, `mode`, `allowTools` or `allowedTools`: both spellings occur). */
export function outcomeOf(ask: Ask, completed: JsonValue): Pick<AnswerEntry, 'outcome' | 'by' | 'reason' | 'answers'> {
  const reason = said(completed, 'reason');
  const status = str(completed, 'status');
  const decision = str(completed, 'decision');
  const made = (outcome: AnswerEntry['outcome'], by: AnswerEntry['by'] = 'person', answers: AnswerEntry['answers'] = {}): ReturnType<typeof outcomeOf> => ({ outcome, by, reason, answers });
  if (ask.by === 'communication') return status === 'answered' ? made('answered', 'person', toldAnswers(completed)) : made('withdrawn');
  if (status === 'canceled' || status === 'cancelled') return made('withdrawn', 'agent');
  if (status === 'denied' || decision === 'denied' || decision === 'abort') return made('denied');
  if (ask.ask === 'question') return made('answered');
  const [asked, answered] = [num(completed, 'createdAt'), num(completed, 'completedAt')];
  if (asked !== null && answered !== null && answered - asked <= ruleMs) return made('allowed', 'rule');
  const mode = said(completed, 'mode');
  const lasting = decision === 'approved_for_session' || [...texts(completed, 'allowTools'), ...texts(completed, 'allowedTools')].length > 0 || (mode !== null && mode !== 'default');
  return made(lasting ? 'allowed-session' : 'allowed');
}

function toldAnswers(completed: JsonValue): AnswerEntry['answers'] {
  const answers = obj(completed, 'answers') ?? {};
  return Object.fromEntries(Object.entries(answers).map(([id, answer]) => [id, [...texts(answer, 'options'), ...[said(answer, 'custom')].filter((one) => one !== null)]]));
}

/** A waiting request in one line. */
export function askTitle(ask: Ask, context: NormaliseContext): string {
  if (ask.by === 'communication') return oneLine(formQuestions(ask.input)[0]?.text ?? ask.tool);
  return firstLine(ask.title ?? toolFacts(ask.tool, ask.input, context.folder, null).title);
}
