import type { Clock } from '../model/context.ts';
import type { Row } from '../model/row.ts';
import type { Session } from '../model/session.ts';
import { sleep } from '../transport/clock.ts';

/** How long a session must rest before its turn counts as over: systems that tell no end go quiet for a moment between two steps. Milliseconds. */
const RESTS_MS = 2_500;
const LOOK_MS = 500;

export interface TaskLook {
  readonly session: Session | null;
  /** True while prompts wait to be delivered. */
  readonly sending: boolean;
  /** Newest rows, oldest first. */
  readonly rows: readonly Row[];
  /** Why a prompt was not delivered; null where none failed. */
  readonly undelivered: string | null;
}
type TaskEnd = { readonly how: 'completed' | 'failed' | 'stopped'; readonly error: string | null };

/** How the one turn of a task has ended by what is seen now; null while it goes on. `rested`: for how long nothing has run, milliseconds. */
export function taskEnd(look: TaskLook, rested: number): TaskEnd | null {
  const { session, rows } = look;
  if (look.undelivered !== null) return { how: 'failed', error: look.undelivered };
  if (session === null) return { how: 'stopped', error: 'The session was removed.' };
  if (look.sending || rested < RESTS_MS) return null;
  const last = rows.findLast((row) => row.kind === 'turn');
  if (last !== undefined && last.state !== 'running') return { how: last.state === 'completed' ? 'completed' : last.state === 'failed' ? 'failed' : 'stopped', error: last.error };
  if (session.state === 'failed') return { how: 'failed', error: session.error };
  if (session.state === 'stopped') return { how: 'stopped', error: null };
  // A system that tells no end: the agent has said something, and rests.
  return rows.some((row) => row.kind === 'text' || row.kind === 'tool') ? { how: 'completed', error: null } : null;
}

/** Resolves when the one turn of a session that was made for a task is over. Rejects with the signal's reason. */
export async function untilTaskEnds(look: () => TaskLook, clock: Clock, signal: AbortSignal): Promise<TaskEnd> {
  let restsSince: number | null = null;
  for (;;) {
    const now = look();
    const state = now.session?.state;
    const rests = state === 'idle' || state === 'failed' || state === 'stopped' || state === undefined;
    restsSince = rests ? (restsSince ?? clock.monotonic()) : null;
    const end = taskEnd(now, restsSince === null ? 0 : clock.monotonic() - restsSince);
    if (end !== null) return end;
    await sleep(clock, LOOK_MS, signal);
  }
}
