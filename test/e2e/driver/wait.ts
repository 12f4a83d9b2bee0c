import { setTimeout as sleep } from 'node:timers/promises';

/** How long the driver waits for anything that VS Code does, in milliseconds. */
export const WAIT_MS = 20_000;

/**
 * Asks again and again until the answer is neither undefined nor false.
 * @param what what is waited for, in words; it is in the error
 * @param probe one look; an error that it throws counts as "not yet" and is the cause of the time-out's error
 * @param detail what was there instead, for the error
 * @throws Error after `timeoutMs`
 */
export async function until<T>(what: string, probe: () => Promise<T | undefined | false>, options: { timeoutMs?: number; everyMs?: number; detail?: () => Promise<string> } = {}): Promise<T> {
  const timeoutMs = options.timeoutMs ?? WAIT_MS;
  const deadline = Date.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) break;
    await sleep(options.everyMs ?? 50);
  }
  const detail = await (options.detail?.().catch(() => '') ?? '');
  throw new Error(`${what}: not within ${timeoutMs / 1000} s${detail === '' ? '' : `; there was: ${detail}`}`, { cause });
}

/** Whether a text is what was asked for: a string must be equal, a pattern must match. */
export function matches(text: string, wanted: string | RegExp): boolean {
  return typeof wanted === 'string' ? text === wanted : wanted.test(text);
}
