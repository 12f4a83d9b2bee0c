import type { ForkPoint, Page } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import type { Session, SessionControls } from '../../../model/session.ts';
import { thisComputerId } from '../machine.ts';
import type { CodexHost } from './host.ts';
import { read, threadAnswerSchema } from './wire.ts';

interface Forked {
  readonly id: string;
  readonly host: CodexHost;
  readonly controls: SessionControls;
  /** Calls the server; what it refuses rejects with `codex_refused`. */
  call(method: string, params: JsonValue): Promise<JsonValue>;
}

/**
 * Forks a thread, as a whole or up to the turn before a prompt. Versions before mid-2026 do not know `lastTurnId` and pass over it: what they made is put away again.
 * Rejects with `fork_point_not_found`, and with `unsupported` there.
 */
export async function forkThread(from: Forked, at: ForkPoint | undefined, signal: AbortSignal | undefined): Promise<Session> {
  const { host, id } = from;
  if (at?.first === true) return anew(from, signal);
  const lastTurnId = at?.turnBefore;
  if (lastTurnId === null) throw pointNotFound();
  const answer = read(threadAnswerSchema, await from.call('thread/fork', { threadId: id, excludeTurns: true, ...(lastTurnId === undefined ? {} : { lastTurnId }) }).catch((error: unknown) => {
    throw lastTurnId !== undefined && error instanceof PilothouseError && error.code === 'codex_refused' ? pointNotFound(error) : error;
  }));
  if (answer === null) throw new PilothouseError('fork_failed', 'Codex forked the session, but did not say which one it made. Refresh the list.');
  const made = await host.adopt(answer);
  if (lastTurnId === undefined) return made;
  if ((await newestTurn(host, made.id, signal)) === lastTurnId) return made;
  await from.call('thread/archive', { threadId: made.id }).catch((error: unknown) => host.context.log.warn('a fork that holds too much could not be put away', { session: made.id, error: describeError(error) }));
  host.changed(made.id);
  throw new PilothouseError('unsupported', 'This version of Codex forks whole sessions only. Update Codex, or fork the whole session.', { personMustAct: true });
}

/** The turn that stands last in a thread's own record; null where it has none. */
async function newestTurn({ disk }: CodexHost, id: string, signal: AbortSignal | undefined): Promise<string | null> {
  let cursor: string | null = null;
  do {
    const page: Page<Entry> = await disk.page(id, { limit: 1, live: false, signal, ...(cursor === null ? {} : { cursor }) });
    const turn = page.items.findLast((entry) => entry.turn !== null && entry.parent === null)?.turn ?? null;
    if (turn !== null) return turn;
    cursor = page.next;
  } while (cursor !== null);
  return null;
}

/** A session as this one was before anything was said in it. */
async function anew({ id, host, controls }: Forked, signal: AbortSignal | undefined): Promise<Session> {
  const file = await host.disk.find(id);
  const head = file === null ? null : await host.disk.head(file);
  if (head === null || head.folder === '') throw pointNotFound();
  const { model, mode, effort } = controls;
  return host.spawn({
    machineId: thisComputerId, folder: head.folder, ...(model === null ? {} : { model }), ...(mode === null ? {} : { mode }), ...(effort === null ? {} : { effort }), ...(signal === undefined ? {} : { signal }),
  });
}

function pointNotFound(cause?: unknown): PilothouseError {
  return new PilothouseError('fork_point_not_found', 'Codex’s own record of this session does not have what was said before this prompt. Fork the whole session instead.', { cause });
}
