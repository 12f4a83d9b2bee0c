import { isDeepStrictEqual } from 'node:util';
import type { Decision } from '../../../model/backend.ts';
import type { AnswerEntry, Entry } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Ask } from './asks.ts';
import { answerCall, askPlace, communicationAsk, outcomeOf, permissionAsk, permissionEntry, requestIdOf } from './asks.ts';
import { callEntries, resultEntry } from './calls.ts';
import type { NormaliseContext } from './input.ts';
import { momentText, noticeEntry } from './notices.ts';
import { machineMoment, nth, revs, rowOf, takenBack } from './place.ts';
import { num, obj, objects, oneLine, said, str } from './read.ts';

/** A request that was seen open. Kept by who follows the session, so that one which merely disappears is not open for ever. */
export interface OpenAsk {
  readonly row: string;
  readonly requestId: string;
  readonly createdAt: number | null;
}
export interface StateOptions {
  /** Requests that were open by an earlier version of this state. */
  readonly open?: readonly OpenAsk[];
  /** Plan that a tool call carries; null where that call is not here. */
  readonly planOf?: (callId: string) => string | null;
  /** Milliseconds on the server's clock: completed requests from before are left out, for their tool calls are not here either. null: none is. */
  readonly since?: number | null;
  /** Completed requests whose entries were given before, by row; kept up to date. One that is as it was gives none again: with diffs they take milliseconds each. */
  readonly known?: Map<string, KnownRequest>;
}
export interface KnownRequest {
  readonly completed: JsonValue;
  readonly plan: string | null;
}
export interface StateEntries {
  readonly entries: readonly Entry[];
  /** Requests that are open by this version. */
  readonly open: readonly OpenAsk[];
}

/** Answers by what is known of them: that a request is nowhere any more (from version to version it may come back), how it ended, or what the person here picked. */
const answerRev = { gone: (version: number): number => 1 + Math.min(Math.max(0, version), 9e8) / 1e9, completed: 2, own: 3 } as const;

/** Open requests and forms of an agentState, oldest first; none where it is no object. */
export function openAsks(agentState: JsonValue | undefined): readonly Ask[] {
  const asks = [
    ...Object.entries(obj(agentState, 'requests') ?? {}).map(([id, request]) => permissionAsk(id, request)),
    ...Object.entries(obj(agentState, 'communications') ?? {}).map(([id, communication]) => communicationAsk(id, communication)),
  ];
  const done = new Set(completedAsks(agentState).map(({ ask }) => ask.row));
  return asks.filter((ask) => !done.has(ask.row)).sort((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0) || (a.row < b.row ? -1 : 1));
}

function completedAsks(agentState: JsonValue | undefined): readonly { readonly ask: Ask; readonly completed: JsonValue }[] {
  return [
    ...Object.entries(obj(agentState, 'completedRequests') ?? {}).map(([id, completed]) => ({ ask: permissionAsk(id, completed), completed })),
    ...Object.entries(obj(agentState, 'completedCommunications') ?? {}).map(([id, completed]) => ({ ask: { ...communicationAsk(id, completed), input: askedPart(completed) }, completed })),
  ];
}

/** A completed form as it was asked: the entry of both must be one. */
function askedPart(completed: JsonValue): JsonValue {
  if (!isJsonObject(completed)) return completed;
  const { completedAt: _at, status: _status, answers: _answers, ...asked } = completed;
  return asked;
}

/**
 * Entries of one version of a session's agentState: its requests as permissions, completed ones with their answers and the state of a tool call that was
 * refused, requests that were open and are nowhere any more as withdrawn, the goal and limits that it tells of. Who calls keeps versions monotonic: only one above
 * the last is given (see SessionNormaliser).
 */
export function agentStateEntries(agentState: JsonValue | undefined, version: number, context: NormaliseContext, options: StateOptions = {}): StateEntries {
  const { open: wereOpen = [], planOf = () => null, since = null, known } = options;
  const plan = (ask: Ask): string | null => (ask.ask === 'plan' ? planOf(ask.callId) : null);
  const entries: Entry[] = [];
  const seen = new Set<string>();
  for (const { ask, completed } of completedAsks(agentState)) {
    seen.add(ask.row);
    const wasOpen = wereOpen.some((one) => one.row === ask.row);
    const here = since === null || machineMoment(ask.createdAt ?? num(completed, 'completedAt') ?? since, context) >= since;
    if (!wasOpen && !here) continue;
    const [before, now] = [known?.get(ask.row), { completed, plan: plan(ask) }];
    if (here) known?.set(ask.row, now);
    if (before === undefined || before.plan !== now.plan || !isDeepStrictEqual(before.completed, completed)) entries.push(permissionEntry(ask, now.plan, context), ...completedEntries(ask, completed, context));
  }
  const asks = openAsks(agentState);
  const open = asks.map((ask) => ({ row: ask.row, requestId: requestIdOf(ask), createdAt: ask.createdAt }));
  for (const ask of asks) {
    seen.add(ask.row);
    const back = askPlace(ask.createdAt, context);
    entries.push(permissionEntry(ask, plan(ask), context), takenBack(`${ask.row}/answer`, ask.row, nth(back, 1), answerRev.gone(version)));
  }
  for (const gone of wereOpen) {
    if (!seen.has(gone.row)) entries.push(answerEntry(gone.row, gone.requestId, gone.createdAt, answerRev.gone(version), { outcome: 'withdrawn', by: 'agent', reason: null, answers: {} }, context));
  }
  return { entries: [...entries, ...goalEntries(obj(agentState, 'agentGoalStatus'), context), ...limitEntries(obj(agentState, 'usageLimits'), context)], open };
}

function answerEntry(row: string, requestId: string, at: number | null, rev: number, answer: Pick<AnswerEntry, 'outcome' | 'by' | 'reason' | 'answers'>, context: NormaliseContext): AnswerEntry {
  return { kind: 'answer', id: `${row}/answer`, row, ...nth(askPlace(at, context), 1), rev, requestId, ...answer };
}

/**
 * What the person answered, in more detail than the completed request tells (which option was picked, and the answers to questions, are never relayed): a version above it. Null
 * where the request was completed otherwise, by somebody who was faster.
 */
export function ownAnswer(ask: Ask, decision: Decision, agentState: JsonValue | undefined, context: NormaliseContext): AnswerEntry | null {
  const { params } = answerCall(ask, decision, context);
  const refused = params['approved'] === false || params['status'] === 'cancelled';
  const done = completedAsks(agentState).find((one) => one.ask.row === ask.row);
  const held = done === undefined ? null : outcomeOf(done.ask, done.completed).outcome;
  if (held !== null && refused !== (held === 'denied' || held === 'withdrawn')) return null;
  const lasting = params['decision'] === 'approved_for_session' || params['allowTools'] !== undefined || params['mode'] !== undefined;
  const asked = ask.by === 'communication' || ask.ask === 'question';
  const outcome = refused ? (ask.by === 'communication' ? 'withdrawn' : 'denied') : asked ? 'answered' : lasting ? 'allowed-session' : 'allowed';
  const reason = decision.reason?.trim() ?? '';
  const at = num(done?.completed, 'completedAt') ?? ask.createdAt;
  return answerEntry(ask.row, requestIdOf(ask), at, answerRev.own, { outcome, by: 'person', reason: refused && reason !== '' ? reason : null, answers: asked && !refused ? (decision.answers ?? {}) : {} }, context);
}

function completedEntries(ask: Ask, completed: JsonValue, context: NormaliseContext): Entry[] {
  const answer = outcomeOf(ask, completed);
  const at = num(completed, 'completedAt') ?? ask.createdAt;
  const entries: Entry[] = [answerEntry(ask.row, requestIdOf(ask), at, answerRev.completed, answer, context)];
  if (ask.by === 'permission' && (answer.outcome === 'denied' || answer.outcome === 'withdrawn')) {
    // The relay tells of a refused call only that it ended. The call itself may never be told: then the request stands in for it.
    const [call] = callEntries({ call: ask.callId, name: ask.tool, input: ask.input, title: null }, askPlace(ask.createdAt, context), context, revs.call.asked);
    if (call !== undefined) entries.push(call);
    entries.push(resultEntry(rowOf.call(ask.callId), ask.callId, nth(askPlace(at, context), 2), { status: answer.outcome === 'denied' ? 'denied' : 'cancelled', rev: revs.result.refused }));
  }
  return entries;
}

/** The goal that the agent pursues (`agentGoalStatus`), a notice for each that it was seen to take up or leave. */
function goalEntries(goal: ReturnType<typeof obj>, context: NormaliseContext): Entry[] {
  const observedAt = num(goal, 'observedAt');
  if (goal === null || observedAt === null) return [];
  const text = said(goal, 'text');
  const reason = str(goal, 'reason');
  const status = str(goal, 'status');
  const shown = status === 'active' && text !== null ? `Goal: ${text}` : status === 'inactive' && (reason === 'completed' || reason === 'cleared') ? `The goal was ${reason === 'completed' ? 'reached' : 'cleared'}.` : null;
  return shown === null ? [] : [noticeEntry(`goal:${observedAt}`, askPlace(observedAt, context), { level: 'info', code: 'goal', text: shown })];
}

/** Plan limits that are near or reached (`usageLimits.windows`), a notice for each window and each time that it starts anew, as it was first seen. */
function limitEntries(limits: ReturnType<typeof obj>, context: NormaliseContext): Entry[] {
  const capturedAt = num(limits, 'capturedAt');
  if (capturedAt === null) return [];
  return objects(limits, 'windows').flatMap((window) => {
    const status = str(window, 'status');
    if (status !== 'rejected' && status !== 'allowed_warning') return [];
    const name = oneLine(said(window, 'label') ?? (said(window, 'id') ?? 'usage').replaceAll('_', ' '));
    const resetsAt = num(window, 'resetsAt');
    const used = num(window, 'utilization');
    const text = status === 'rejected' ? `The ${name} limit is reached` : used === null ? `The ${name} limit is near` : `${Math.round(used)} % of the ${name} limit is used`;
    const id = `limit:${str(window, 'id') ?? name}:${resetsAt ?? ''}:${status}`;
    return [noticeEntry(id, askPlace(capturedAt, context), { level: 'warning', code: 'usage_limit', text: `${text}${resetsAt === null ? '.' : `. It starts anew at ${momentText(resetsAt)}.`}`, rev: -capturedAt })];
  });
}
