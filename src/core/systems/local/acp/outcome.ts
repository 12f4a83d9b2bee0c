import type { UsageFigures } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { RpcError } from '../rpc.ts';
import type { TurnEnd } from './normalise.ts';
import { num, obj, oneLine, str } from './read.ts';

/** Codes of schema v1 (ErrorCode). Agents in the field answer a missing session with -32002 (claude-agent-acp) or -32603 (codex-acp on load). */
export const authRequired = -32000;
export const notFound = -32002;
export const internalError = -32603;
export const invalidParams = -32602;

const problems: Readonly<Record<string, string>> = {
  max_tokens: "The answer reached the model's limit of tokens.", max_turn_requests: 'The turn reached its limit of requests to the model.', refusal: 'The agent refused to go on.',
};

/** `usage` of a prompt's answer: the turn's tokens. claude-agent-acp sends zeros for a cancelled turn, which say nothing. */
function figuresOf(result: JsonValue): UsageFigures | null {
  const usage = isJsonObject(result) ? obj(result, 'usage') : null;
  if (usage === null) return null;
  const inputTokens = num(usage, 'inputTokens');
  const outputTokens = num(usage, 'outputTokens');
  if ((inputTokens ?? 0) + (outputTokens ?? 0) === 0) return null;
  return { inputTokens, outputTokens, cachedTokens: num(usage, 'cachedReadTokens'), ...(num(usage, 'cachedWriteTokens') === null ? {} : { cacheWriteTokens: num(usage, 'cachedWriteTokens') }), costUsd: null, contextTokens: null, contextWindow: null };
}

/** How a turn ended, from the answer to `session/prompt` (schema v1, StopReason). */
export function turnEndOf(result: JsonValue): TurnEnd {
  const reason = isJsonObject(result) ? (str(result, 'stopReason') ?? 'end_turn') : 'end_turn';
  const figures = figuresOf(result);
  if (reason === 'cancelled') return { state: 'cancelled', error: null, figures, openTools: 'cancelled' };
  const problem = problems[reason] ?? (reason === 'end_turn' ? null : `The turn ended: ${oneLine(reason, 80)}.`);
  return problem === null ? { state: 'completed', error: null, figures, openTools: 'ok' } : { state: 'failed', error: problem, figures, openTools: 'cancelled' };
}

/** The agent's own words for an error of its, on one line: the message, and the details that it put beside it. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof RpcError)) return describeError(error);
  const { data } = error;
  const details = typeof data === 'string' ? data : isJsonObject(data) ? (str(data, 'details') ?? str(data, 'message')) : null;
  const message = error.message.replace(/^Internal error(?::\s*|$)/, '');
  return oneLine([message, details].filter((part) => part !== null && part !== '').join(': '), 600) || 'The agent gave no reason.';
}

export function failedTurn(error: unknown): TurnEnd {
  return { state: 'failed', error: wordsOf(error), figures: null, openTools: 'cancelled' };
}

export function rpcCodeOf(error: unknown): number | null {
  return error instanceof RpcError ? error.rpcCode : null;
}

export function sessionNotFound(id: string, cause?: unknown): PilothouseError {
  const words = cause === undefined ? '' : ` (${wordsOf(cause)})`;
  return new PilothouseError('session_not_found', `There is no session ${oneLine(id, 80)} any more${words}. Start another one.`, { cause });
}
