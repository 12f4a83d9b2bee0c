import type { Entry, TurnState, UsageFigures } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import type { Remedy } from '../../../model/remedy.ts';
import type { Place } from './entries.ts';
import { oneLine, rev } from './entries.ts';
import type { WireError, WireTokens, WireTokenUsage } from './wire.ts';
import { errorKind, errorText, word } from './wire.ts';

/** The command that signs a person in to Codex. */
/** Arguments with which Codex signs in by itself in a terminal. */
export const signInArgs: readonly string[] = ['login'];
const loginCommand = 'codex login';
/** What to do where nobody is signed in. */
export const signInRemedy: Remedy = { text: 'Sign in in a terminal.', command: loginCommand };

interface TurnOutcome {
  readonly state: Exclude<TurnState, 'running'>;
  readonly durationMs: number | null;
  readonly figures: UsageFigures | null;
  readonly filesChanged: readonly string[];
  readonly error: WireError | null;
}

export function turnStart(turn: string, place: Place): Entry {
  return { kind: 'turn', id: `turn:${turn}/start`, row: null, ...place, turn, rev: rev.whole, phase: 'start', state: 'running', durationMs: null, figures: null, filesChanged: [], error: null };
}

/** The footer of a turn, and before it what the person can do about its failure. */
export function turnEnd(turn: string, place: Place, outcome: TurnOutcome, version: number = rev.whole): Entry[] {
  const { error, ...rest } = outcome;
  const said = error === null ? null : oneLine(errorText(error.message));
  const end: Entry = { kind: 'turn', id: `turn:${turn}/end`, row: `turn:${turn}/end`, ...place, turn, rev: version, phase: 'end', ...rest, error: said };
  const help = error === null ? null : failureNotice(turn, place, error, version);
  return help === null ? [end] : [help, end];
}

/** What a person must or can do about an error, where that is known; in Codex's own words. */
function failureNotice(turn: string, place: Place, error: WireError, version: number): Entry | null {
  const { kind, status } = errorKind(error.codexErrorInfo);
  const said = oneLine(errorText(error.message));
  const make = (code: string, remedy: string | null): Entry => {
    const id = `notice:${turn}:${code}`;
    return { kind: 'notice', id, row: id, ...place, turn, rev: version, level: 'error', code, text: said, remedy };
  };
  if (kind === 'unauthorized' || status === 401 || /\b401 Unauthorized\b/.test(error.message)) return make('login_failed', loginCommand);
  if (kind === 'usagelimitexceeded' || kind === 'sessionbudgetexceeded') return make('usage_limit', null);
  if (kind === 'contextwindowexceeded') return make('context_full', 'Start a session anew, or send /compact.');
  if (kind === 'modelnotfound') return make('model_not_found', 'Choose another model.');
  return null;
}

export const statesByWord: Readonly<Record<string, Exclude<TurnState, 'running'>>> = { completed: 'completed', interrupted: 'cancelled', failed: 'failed' };

/** Tokens of one scope; `context` are those of the last call of the model, which are what the conversation takes up. */
export function figuresOf(tokens: WireTokens, context: WireTokenUsage | null): UsageFigures {
  return {
    inputTokens: tokens.inputTokens, outputTokens: tokens.outputTokens, cachedTokens: tokens.cachedInputTokens, costUsd: null,
    contextTokens: context?.last?.totalTokens ?? null, contextWindow: context?.modelContextWindow ?? null,
  };
}

/** What the turn has used: all that the thread has used without what it had used before. */
export function turnFigures(usage: WireTokenUsage, before: WireTokens): UsageFigures {
  const less = (key: 'inputTokens' | 'outputTokens' | 'cachedInputTokens'): number | null => {
    const now = usage.total[key];
    return now === null ? null : Math.max(0, now - (before[key] ?? 0));
  };
  return { ...figuresOf(usage.total, usage), inputTokens: less('inputTokens'), outputTokens: less('outputTokens'), cachedTokens: less('cachedInputTokens') };
}

/** What a thread had used before the call that `usage` tells of. */
export function usedBefore(usage: WireTokenUsage): WireTokens {
  const less = (key: keyof WireTokens): number | null => {
    const total = usage.total[key];
    const last = usage.last?.[key];
    return typeof total === 'number' ? Math.max(0, total - (typeof last === 'number' ? last : 0)) : null;
  };
  return { totalTokens: less('totalTokens'), inputTokens: less('inputTokens'), cachedInputTokens: less('cachedInputTokens'), outputTokens: less('outputTokens') };
}

export function usageEntries(usage: WireTokenUsage, turn: string | null, before: WireTokens, place: Place, at: number): Entry[] {
  const version = usage.total.totalTokens ?? 0;
  const session: Entry = { kind: 'usage', id: 'usage:session', row: null, ...place, rev: at, scope: 'session', figures: figuresOf(usage.total, usage) };
  if (turn === null) return [session];
  return [session, { kind: 'usage', id: `usage:${turn}`, row: null, ...place, rev: version, scope: 'turn', figures: turnFigures(usage, before) }];
}

/** A to-do list (`update_plan`). Each version of a turn's list is one entry; it stands where its first version stood. */
export function todoEntry(turn: string, steps: readonly { readonly step: string; readonly status: string }[], place: Place, version: number): Entry {
  const states: Readonly<Record<string, 'pending' | 'running' | 'done'>> = { pending: 'pending', inprogress: 'running', completed: 'done' };
  return {
    kind: 'todo', id: `todo:${turn}`, row: `todo:${turn}`, ...place, turn, rev: version,
    items: steps.map(({ step, status }) => ({ text: oneLine(step), status: states[word(status as JsonValue)] ?? 'pending' })),
  };
}
