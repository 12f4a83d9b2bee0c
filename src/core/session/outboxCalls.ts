import type { Clock } from '../model/context.ts';
import { PilothouseError } from '../model/errors.ts';

/** How long a call that was stopped may take to end. */
const STOP_MS = 3_000;
const SEND_DEADLINE_MS = 300_000;
const ASK_DEADLINE_MS = 15_000;

/** How handing a prompt over ended; `uncertain` when it was told to stop and did not. */
export type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: unknown; readonly uncertain: boolean };

/** Runs a send until it ends, it is stopped through `abort`, or its deadline is over. Never rejects. */
export async function sendInTime(clock: Clock, abort: AbortController, send: (signal: AbortSignal) => Promise<void>): Promise<Outcome> {
  const deadline = clock.setTimeout(() => abort.abort(new PilothouseError('outbox_timeout', 'The system did not take the prompt in time. Retry it.')), SEND_DEADLINE_MS);
  let giveUp: { cancel(): void } | null = null;
  const stopped = new Promise<Outcome>((resolve) => {
    const stop = (): void => {
      giveUp = clock.setTimeout(() => resolve({ ok: false, error: abort.signal.reason, uncertain: true }), STOP_MS);
    };
    if (abort.signal.aborted) stop();
    else abort.signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([outcomeOf(send, abort.signal), stopped]);
  } finally {
    deadline.cancel();
    cancel(giveUp);
  }
}

async function outcomeOf(send: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<Outcome> {
  try {
    await send(signal);
    return { ok: true };
  } catch (error) {
    return { ok: false, error, uncertain: false };
  }
}

/** Runs a question until it is answered, it is stopped through `abort`, or its deadline is over: then it is `otherwise`. */
export async function askInTime<T>(clock: Clock, abort: AbortController, otherwise: T, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new Promise<T>((resolve) => {
    if (abort.signal.aborted) resolve(otherwise);
    else abort.signal.addEventListener('abort', () => resolve(otherwise), { once: true });
  });
  const deadline = clock.setTimeout(() => abort.abort(abortError('no answer in time')), ASK_DEADLINE_MS);
  try {
    return await Promise.race([ask(abort.signal), ended]);
  } finally {
    deadline.cancel();
  }
}

/** True when the promise settles before a stopped call has to have ended. */
export async function endsInTime(clock: Clock, promise: Promise<unknown>): Promise<boolean> {
  let timer: { cancel(): void } | null = null;
  const late = new Promise<boolean>((resolve) => {
    timer = clock.setTimeout(() => resolve(false), STOP_MS + 500);
  });
  const inTime = await Promise.race([promise.then(() => true, () => true), late]);
  cancel(timer);
  return inTime;
}

export function abortError(message: string): Error {
  const error = new Error(message);
  error.name = 'AbortError';
  return error;
}

function cancel(timer: { cancel(): void } | null): void {
  timer?.cancel();
}
