import { describeError, isAbort, PilothouseError } from '../../../model/errors.ts';
import { ForgeAPIError, ForgeError, ForgeTransportError } from '../errors.ts';
import type { TurnResult } from '../types.ts';
import type { TurnEnd, TurnNotice } from './turnLog.ts';

/** How a turn ended whose answer came. */
export function endOf(result: Pick<TurnResult, 'ok' | 'stopReason' | 'durationMs'>, turnSecs: number): TurnEnd {
  const { durationMs, stopReason } = result;
  if (stopReason === 'timeout') return { state: 'failed', error: `The server's time for a turn was over (${turnSecs} s). What it did until then is kept there: ask it to go on.`, durationMs };
  if (stopReason !== null && /cancel|interrupt/i.test(stopReason)) return { state: 'cancelled', error: null, durationMs };
  if (!result.ok || stopReason === 'error') return { state: 'failed', error: 'The agent on the server ended the turn with an error.', durationMs };
  return { state: 'completed', error: null, durationMs };
}

/** True where the server certainly has not taken a turn: nothing reached it, or it refused. A prompt that failed so may be sent again, and costs nothing. */
export function wasRefused(error: unknown): boolean {
  if (error instanceof ForgeAPIError) return error.status < 500;
  if (error instanceof ForgeTransportError) return error.reached === 'unsent';
  return error instanceof ForgeError ? error.code === 'invalid_argument' || error.code === 'turn_running' : false;
}

/** True where nobody can say by the failure alone what became of a turn. */
export function isUnknown(error: unknown): boolean {
  return isAbort(error) || error instanceof ForgeTransportError || (error instanceof PilothouseError && error.code === 'bad_answer');
}

/** What the server's count of turns says of one whose answer was lost; null: it could not be asked. */
export type Counted = 'counted' | 'not-yet' | null;

export const LOST_UNTIL_ASKED: Readonly<Record<'counted' | 'not-yet' | 'unasked', string>> = {
  counted: 'The server has counted the turn: its agent did the work, but the answer cannot be had again.',
  'not-yet': 'The server has not counted the turn so far: it may still work on it, or have given it up.',
  unasked: 'Whether the server has taken the turn could not be asked.',
};

/** How a turn ended whose answer never came whole. It is not sent again by itself: it may have been done, and each time costs tokens. */
export function lostEnd(error: unknown, counted: Counted): { readonly end: TurnEnd; readonly notice: TurnNotice } {
  // In one sentence: what lies beneath is in the log.
  const why = error instanceof PilothouseError ? error.message : describeError(error);
  const text = `${/[.!?]$/.test(why) ? why : `${why}.`} ${LOST_UNTIL_ASKED[counted ?? 'unasked']}`;
  return {
    end: { state: 'failed', error: text, durationMs: null },
    notice: { level: 'warning', code: 'turn_lost', text: 'This turn was not sent again: it may have been done, and each time costs tokens.', remedy: 'Send the prompt again if you want it done again, or ask the agent what it did.' },
  };
}

/** How a turn ended that the person did not want to wait for any more. */
export const interruptedEnd: { readonly end: TurnEnd; readonly notice: TurnNotice } = {
  end: { state: 'cancelled', error: null, durationMs: null },
  notice: { level: 'info', code: 'interrupted', text: 'The answer is not waited for any more. A clawdforge server cannot be told to stop: it may work on, and what it says then is lost.', remedy: null },
};

/** How a turn ended whose window closed. */
export const orphanedEnd: { readonly end: TurnEnd; readonly notice: TurnNotice } = {
  end: { state: 'failed', error: 'The window closed while the server worked on this. A clawdforge server keeps no answers: what came after is lost.', durationMs: null },
  notice: { level: 'warning', code: 'turn_lost', text: 'This turn was not sent again: it may have been done, and each time costs tokens.', remedy: 'Send the prompt again if you want it done again, or ask the agent what it did.' },
};

/** Why nobody can go on with a session; `missing`: the server has none of this token. */
export function whyClosed(missing: boolean): string {
  return missing ? 'The server has no such session for this token: it belongs to another token, or was forgotten.' : 'The server has closed this session: its time was over, or somebody closed it.';
}

/** A session that nobody can go on with, as `whyClosed` says. What to do is offered: *Resume*. */
export function closedError(missing: boolean, cause?: unknown): PilothouseError {
  return new ForgeError(missing ? 'session_not_found' : 'session_closed', `${whyClosed(missing)} Resume goes on in a fresh one, with the transcript at hand.`, { cause, personMustAct: true });
}

/** Refusals that pass by themselves: the prompt may go again without anybody doing anything. */
const PASSING: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** Why a prompt that the server refused comes back: with an offer where its session is over, for good where the same prompt would be refused again. */
export function refusalOf(cause: Error): Error {
  if (!(cause instanceof ForgeAPIError) || PASSING.has(cause.status)) return cause;
  if (cause.status === 404 || cause.status === 410) return closedError(cause.status === 404, cause);
  return cause.personMustAct ? cause : new ForgeError('prompt_refused', cause.message, { cause });
}

export function turnRunning(): ForgeError {
  return new ForgeError('turn_running', 'A turn of this session is running. Send this when it has ended.');
}

/** A title on one line. */
export function oneLine(text: string, most: number): string {
  return text.replaceAll(/\p{C}+|\s+/gu, ' ').trim().slice(0, most);
}
