import type { Decision } from '../../../model/backend.ts';
import type { FileDiff, PermissionEntry, PermissionOption, PermissionOutcome } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Place } from './normalise.ts';
import { rowOf } from './normalise.ts';
import { questionsOf, toolFacts } from './tools.ts';
import type { AskLine } from './wire.ts';
import { list, str } from './wire.ts';

/** A permission prompt that waits for its answer. */
export interface Ask {
  readonly requestId: string;
  readonly tool: string;
  readonly callId: string | null;
  readonly ask: PermissionEntry['ask'];
  readonly title: string;
  readonly input: JsonObject;
  readonly suggestions: readonly JsonObject[];
  readonly askedAt: number;
  readonly entry: PermissionEntry;
}

const lasting = new Set(['localSettings', 'projectSettings', 'userSettings']);

/** What a suggestion would allow, in a few words. */
function describeSuggestion(suggestion: JsonObject): string {
  switch (str(suggestion, 'type')) {
    case 'addRules':
    case 'replaceRules':
      return list(suggestion, 'rules').filter(isJsonObject).map((rule) => {
        const content = str(rule, 'ruleContent');
        return content === null ? (str(rule, 'toolName') ?? 'the tool') : `${str(rule, 'toolName') ?? ''}(${content})`;
      }).join(', ');
    case 'addDirectories':
      return `files in ${list(suggestion, 'directories').filter((one) => typeof one === 'string').join(', ')}`;
    case 'setMode':
      return str(suggestion, 'mode') === 'acceptEdits' ? 'all edits' : `mode ${str(suggestion, 'mode') ?? ''}`;
    default:
      return 'what the agent suggests';
  }
}

function optionsOf(ask: PermissionEntry['ask'], suggestions: readonly JsonObject[]): readonly PermissionOption[] {
  if (ask === 'question') return [{ id: 'deny', label: 'Do not answer', scope: 'reject' }];
  if (ask === 'plan') {
    return [
      { id: 'allow', label: 'Start', scope: 'once' },
      { id: 'allow-session', label: 'Start and accept edits', scope: 'session' },
      { id: 'deny', label: 'Keep planning', scope: 'reject' },
    ];
  }
  const options: PermissionOption[] = [{ id: 'allow', label: 'Allow', scope: 'once' }];
  const what = suggestions.map(describeSuggestion).filter((text) => text !== '').join(' and ');
  if (suggestions.length > 0) options.push({ id: 'allow-session', label: `Allow ${what} for this session`, scope: 'session' });
  if (suggestions.some(lasts)) {
    options.push({ id: 'allow-always', label: `Always allow ${what} in this project`, scope: 'always' });
  }
  options.push({ id: 'deny', label: 'Deny', scope: 'reject' });
  return options;
}

/** A `can_use_tool` request as a permission. `plan`: the plan as the tool call had it (2.1.329 leaves it out of the request). */
export function askOf(line: AskLine, known: { readonly callId: string | null; readonly plan: string | null }, place: Place, folder: string): Ask {
  const { request } = line;
  const tool = request.tool_name ?? 'tool';
  const input = request.input ?? {};
  const ask = tool === 'AskUserQuestion' ? 'question' : tool === 'ExitPlanMode' || tool === 'exit_plan_mode' ? 'plan' : 'tool';
  const facts = toolFacts(tool, input, folder);
  const row = rowOf.ask(line.request_id);
  const suggestions = request.permission_suggestions;
  const entry: PermissionEntry = {
    ...place, kind: 'permission', id: row, row, requestId: line.request_id, callId: known.callId, ask, tool, title: facts.title,
    reason: request.decision_reason, input, command: facts.command, cwd: folder, diffs: [], plan: ask === 'plan' ? (str(input, 'plan') ?? known.plan) : null,
    questions: ask === 'question' ? questionsOf(input) : [], options: optionsOf(ask, suggestions), takesReason: true,
  };
  return { requestId: line.request_id, tool, callId: known.callId, ask, title: facts.title, input, suggestions, askedAt: place.at ?? 0, entry };
}

/** The permission with the diff that it would make, as a later version of the same entry. */
export function withDiffs(ask: Ask, diffs: readonly FileDiff[]): PermissionEntry {
  return { ...ask.entry, diffs, rev: ask.entry.rev + 1 };
}

export interface Answer {
  /** The `response` of the control protocol's answer. */
  readonly response: JsonObject;
  readonly outcome: PermissionOutcome;
  readonly reason: string | null;
  readonly answers: Readonly<Record<string, readonly string[]>>;
}

const byOption: ReadonlyMap<string, Decision['outcome']> = new Map([['allow', 'allow'], ['allow-session', 'allow-session'], ['allow-always', 'allow-always'], ['deny', 'deny']]);

/**
 * What the person decided, as the agent takes it. Rules that would last go to the session only, unless the person asked for ones that last; where the
 * agent suggested none, the outcome is that of this one time. Throws `invalid_argument` for an answer to what is no question and for an unknown outcome.
 */
export function answerOf(ask: Ask, decision: Decision): Answer {
  const outcome = decision.optionId === undefined ? decision.outcome : (byOption.get(decision.optionId) ?? decision.outcome);
  const reason = decision.reason?.trim() ?? '';
  const allow = (extra: JsonObject, known: PermissionOutcome, answers: Answer['answers'] = {}): Answer => ({
    response: { behavior: 'allow', updatedInput: ask.input, ...extra }, outcome: known, reason: reason === '' ? null : reason, answers,
  });
  switch (outcome) {
    case 'deny':
      return {
        response: { behavior: 'deny', message: reason === '' ? denial(ask) : reason }, outcome: 'denied', reason: reason === '' ? null : reason, answers: {},
      };
    case 'answer': {
      if (ask.ask !== 'question') throw new PilothouseError('invalid_argument', 'This request is no question: allow or deny it.');
      const answers = decision.answers ?? {};
      const texts = Object.fromEntries(Object.entries(answers).map(([question, chosen]) => [question, chosen.join(', ')]));
      return allow({ updatedInput: { ...ask.input, answers: texts } }, 'answered', answers);
    }
    case 'allow':
      return allow({}, 'allowed');
    case 'allow-session': {
      const rules: readonly JsonObject[] = ask.ask === 'plan' ? [{ type: 'setMode', mode: 'acceptEdits', destination: 'session' }] : ask.suggestions.map(forSession);
      return rules.length === 0 ? allow({}, 'allowed') : allow({ updatedPermissions: rules }, 'allowed-session');
    }
    case 'allow-always':
      return ask.suggestions.some(lasts) ? allow({ updatedPermissions: ask.suggestions }, 'allowed-always') : allow({}, 'allowed');
    default:
      throw unknownOutcome(outcome);
  }
}

/** A decision comes from a page or another program: what the types rule out can arrive all the same, and must allow nothing. */
function unknownOutcome(outcome: never): PilothouseError {
  return new PilothouseError('invalid_argument', `${JSON.stringify(outcome)} is no decision: allow, allow-session, allow-always, deny or answer.`);
}

function lasts(suggestion: JsonObject): boolean {
  return lasting.has(str(suggestion, 'destination') ?? '');
}

function forSession(suggestion: JsonObject): JsonObject {
  return lasts(suggestion) ? { ...suggestion, destination: 'session' } : suggestion;
}

function denial(ask: Ask): string {
  if (ask.ask === 'question') return 'The person did not answer.';
  return ask.ask === 'plan' ? 'The person wants you to keep planning.' : 'The person denied this.';
}
