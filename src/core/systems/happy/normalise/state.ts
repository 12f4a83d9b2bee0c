import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Decision } from '../../../model/backend.ts';
import type { AnswerEntry, Entry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { UsageLimit } from '../../../model/session.ts';
import type { PlanLimit } from '../../../model/usage.ts';
import type { AskedCall } from './acp.ts';
import type { Ask } from './asks.ts';
import { answerCall, askPlace, communicationAsk, outcomeOf, permissionAsk, permissionEntry, requestIdOf, withAsked } from './asks.ts';
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
  /** What a message told of a request; null where none did. */
  readonly askedOf?: (requestId: string) => AskedCall | null;
  /** The goal that the agent was last known to pursue. */
  readonly goal?: string | null;
  /** Milliseconds on the server's clock: completed requests from before are left out, for their tool calls are not here either. null: none is. */
  readonly since?: number | null;
  /** Completed requests whose entries were given before, by row; kept up to date. One that is as it was gives none again: with diffs they take milliseconds each. */
  readonly known?: Map<string, KnownRequest>;
}
export interface KnownRequest {
  readonly completed: JsonValue;
  readonly plan: string | null;
  readonly title: string | null;
}
export interface StateEntries {
  readonly entries: readonly Entry[];
  /** Requests that are open by this version. */
  readonly open: readonly OpenAsk[];
  /** Calls whose answer broke their turn off: the person stopped the agent while it asked. */
  readonly broken: readonly string[];
  /** The goal that the agent pursues by this version; null for none. */
  readonly goal: string | null;
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
  const { open: wereOpen = [], planOf = () => null, askedOf = () => null, goal: before = null, since = null, known } = options;
  const plan = (ask: Ask): string | null => (ask.ask === 'plan' ? planOf(ask.callId) : null);
  const entries: Entry[] = [];
  const seen = new Set<string>();
  const broken: string[] = [];
  for (const { ask: told, completed } of completedAsks(agentState)) {
    const ask = withAsked(told, askedOf(told.id));
    seen.add(ask.row);
    if (ask.by === 'permission' && (str(completed, 'decision') === 'abort' || (str(completed, 'reason') ?? '').startsWith('Aborted by user'))) broken.push(ask.callId);
    const wasOpen = wereOpen.some((one) => one.row === ask.row);
    const here = since === null || machineMoment(ask.createdAt ?? num(completed, 'completedAt') ?? since, context) >= since;
    if (!wasOpen && !here) continue;
    const [given, now] = [known?.get(ask.row), { completed, plan: plan(ask), title: ask.title ?? null }];
    if (here) known?.set(ask.row, now);
    if (given !== undefined && given.plan === now.plan && given.title === now.title && isDeepStrictEqual(given.completed, completed)) continue;
    entries.push(...(titleEntries(ask, completed, context) ?? [permissionEntry(ask, now.plan, context), ...completedEntries(ask, completed, context)]));
  }
  const asks = openAsks(agentState).map((ask) => withAsked(ask, askedOf(ask.id)));
  const open = asks.map((ask) => ({ row: ask.row, requestId: requestIdOf(ask), createdAt: ask.createdAt }));
  for (const ask of asks) {
    seen.add(ask.row);
    const back = askPlace(ask.createdAt, context);
    entries.push(permissionEntry(ask, plan(ask), context), takenBack(`${ask.row}/answer`, ask.row, nth(back, 1), answerRev.gone(version)));
  }
  for (const gone of wereOpen) {
    if (!seen.has(gone.row)) entries.push(answerEntry(gone.row, gone.requestId, gone.createdAt, answerRev.gone(version), { outcome: 'withdrawn', by: 'agent', reason: null, answers: {} }, context));
  }
  const { entries: goals, goal } = goalEntries(obj(agentState, 'agentGoalStatus'), before, context);
  return { entries: [...entries, ...goals, ...limitEntries(obj(agentState, 'usageLimits'), context)], open, broken, goal };
}

/** The title that the agent gave the session: its command line allows that by itself, and Codex tells of no call. Null for every other request. */
function titleEntries(ask: Ask, completed: JsonValue, context: NormaliseContext): Entry[] | null {
  const title = said(ask.input, 'title');
  if (title === null || !['change_title', 'mcp__happy__change_title'].includes(ask.tool) || outcomeOf(ask, completed).by !== 'rule') return null;
  return [noticeEntry(ask.row, askPlace(ask.createdAt, context), { level: 'info', code: 'title_changed', text: `Title: ${oneLine(title)}` })];
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

/**
 * The goal that the agent pursues (`agentGoalStatus`): a notice for each, where it was first seen, and one for its end, where it was known. Every turn tells it again, and a
 * thread that never had one tells on its resume that it was cleared.
 */
function goalEntries(status: JsonObject | null, before: string | null, context: NormaliseContext): { readonly entries: readonly Entry[]; readonly goal: string | null } {
  const observedAt = num(status, 'observedAt');
  if (status === null || observedAt === null) return { entries: [], goal: before };
  const notice = (goal: string, suffix: string, text: string): Entry[] => {
    const id = `goal:${createHash('sha256').update(goal).digest('hex').slice(0, 16)}${suffix}`;
    return [noticeEntry(id, askPlace(observedAt, context), { level: 'info', code: 'goal', text, rev: -observedAt })];
  };
  const text = said(status, 'text');
  if (str(status, 'status') === 'active' && text !== null) return { entries: notice(text, '', `Goal: ${text}`), goal: text };
  const reason = str(status, 'reason');
  if (str(status, 'status') !== 'inactive' || (reason !== 'completed' && reason !== 'cleared')) return { entries: [], goal: before };
  return { entries: before === null ? [] : notice(before, `:${reason}`, `The goal was ${reason === 'completed' ? 'reached' : 'cleared'}.`), goal: null };
}

function limitName(window: JsonObject): string {
  return oneLine(said(window, 'label') ?? (said(window, 'id') ?? 'usage').replaceAll('_', ' '));
}

/** All plan limits that the newest word of any session tells (`usageLimits`: `capturedAt`, `windows` with `utilization` in percent). */
export function planLimitsOf(states: readonly (JsonObject | null)[]): readonly PlanLimit[] {
  const told = states.flatMap((state) => {
    const limits = obj(state ?? undefined, 'usageLimits') ?? undefined;
    const at = num(limits, 'capturedAt');
    return at === null ? [] : [{ at, limits }];
  });
  const newest = told.sort((a, b) => b.at - a.at)[0];
  return newest === undefined ? [] : objects(newest.limits, 'windows').flatMap((window): PlanLimit[] => {
    const used = num(window, 'utilization') ?? (str(window, 'status') === 'rejected' ? 100 : null);
    const until = num(window, 'resetsAt');
    return used === null && until === null ? [] : [{ label: `${limitName(window)} limit`, usedPercent: used === null ? null : Math.min(100, Math.max(0, used)), until }];
  });
}

/** The plan limit that is reached (`usageLimits.windows`): of several, the one that starts anew last. One that does not tell when is past at any time, and so is none. */
export function reachedLimit(limits: ReturnType<typeof obj>): UsageLimit | null {
  const reached = objects(limits, 'windows').flatMap((window) => {
    const until = num(window, 'resetsAt');
    return str(window, 'status') === 'rejected' && until !== null ? [{ text: `The ${limitName(window)} limit is reached.`, until }] : [];
  });
  return reached.sort((a, b) => b.until - a.until)[0] ?? null;
}

/** Plan limits that are near or reached (`usageLimits.windows`), a notice for each window and each time that it starts anew, as it was first seen. */
function limitEntries(limits: ReturnType<typeof obj>, context: NormaliseContext): Entry[] {
  const capturedAt = num(limits, 'capturedAt');
  if (capturedAt === null) return [];
  return objects(limits, 'windows').flatMap((window) => {
    const status = str(window, 'status');
    if (status !== 'rejected' && status !== 'allowed_warning') return [];
    const name = limitName(window);
    const resetsAt = num(window, 'resetsAt');
    const used = num(window, 'utilization');
    const text = status === 'rejected' ? `The ${name} limit is reached` : used === null ? `The ${name} limit is near` : `${Math.round(used)} % of the ${name} limit is used`;
    const id = `limit:${str(window, 'id') ?? name}:${resetsAt ?? ''}:${status}`;
    return [noticeEntry(id, askPlace(capturedAt, context), { level: 'warning', code: 'usage_limit', text: `${text}${resetsAt === null ? '.' : `. It starts anew at ${momentText(resetsAt)}.`}`, rev: -capturedAt })];
  });
}
