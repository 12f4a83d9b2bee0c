import type { Page } from '../../../model/backend.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { Session, SessionState, UsageLimit } from '../../../model/session.ts';
import { UNTITLED } from '../../../model/session.ts';
import { thisComputerId } from '../machine.ts';
import { throwIfAborted } from '../wait.ts';
import type { CodexDisk } from './disk.ts';
import type { RolloutFile } from './rolloutFiles.ts';
import type { CodexSession } from './session.ts';

/** How long the files that a first page found serve the pages that follow, in milliseconds. */
const pagesMs = 60_000;

/** A session as the list shows it, from its file and from what this window knows of it; null for what is none (a subagent's thread, a broken file). */
export async function describeSession(disk: CodexDisk, session: CodexSession, file: RolloutFile, connectionId: string, limit: UsageLimit | null): Promise<Session | null> {
  const head = await disk.head(file);
  if (head === null || head.internal) return null;
  const { presence } = session;
  const { thread } = presence;
  const [{ owner, name }, names, tail] = await Promise.all([presence.owner(), disk.names(), thread?.log.figures == null ? disk.tail(file) : null]);
  const model = presence.model ?? tail?.model ?? null;
  const shared = {
    id: file.id, connectionId, machineId: thisComputerId, folder: head.folder, agent: 'codex', title: names.get(file.id) ?? head.preview ?? UNTITLED, createdAt: head.createdAt === 0 ? file.changedAt : head.createdAt,
    updatedAt: file.changedAt, archived: file.archived, owner, ownerName: name, branch: head.branch, model,
  };
  if (thread === null) {
    const open = session.followedRunning || tail?.last === 'open';
    const state: SessionState = presence.loading ? 'starting' : open && owner !== 'nobody' ? 'running' : presence.stopped ? 'stopped' : presence.failure !== null && owner === 'nobody' ? 'failed' : 'idle';
    return { ...shared, state, activity: null, usage: tail?.usage ?? null, waiting: [], error: state === 'failed' ? presence.failure : null };
  }
  const waiting = presence.threads().flatMap((one) => one.waiting);
  const state: SessionState = waiting.length > 0 ? 'waiting' : presence.running ? 'running' : thread.error === null ? 'idle' : 'failed';
  const activity = thread.log.activity;
  return { ...shared, state, activity: waiting.length > 0 && activity !== null ? { ...activity, phase: 'waiting' } : activity, usage: thread.log.figures ?? tail?.usage ?? null, waiting, error: thread.error, ...(limit === null ? {} : { limit }) };
}

/** Sessions by the time of their last change, newest first. The cursor is time and id of the last one. */
export async function listSessions(
  disk: CodexDisk,
  describe: (file: RolloutFile) => Promise<Session | null>,
  page: { readonly cursor?: string; readonly limit: number; readonly folder?: string; readonly signal?: AbortSignal },
): Promise<Page<Session>> {
  const after = page.cursor === undefined ? null : /^(\d{1,16})\/([0-9a-f-]{36})$/.exec(page.cursor);
  if (page.cursor !== undefined && after === null) throw new PilothouseError('bad_cursor', 'This is no cursor of the list of sessions. Start from the newest page.');
  const [, time = '', id = ''] = after ?? [];
  const items: Session[] = [];
  // The pages that follow are of the list that the first one was of.
  for (const file of await disk.list(page.cursor === undefined ? 0 : pagesMs)) {
    throwIfAborted(page.signal);
    if (after !== null && (file.changedAt > Number(time) || (file.changedAt === Number(time) && file.id >= id))) continue;
    if (items.length >= page.limit) {
      const last = items.at(-1);
      return { items, next: last === undefined ? null : `${last.updatedAt}/${last.id}` };
    }
    if (page.folder !== undefined && (await disk.head(file))?.folder !== page.folder) continue;
    const session = await describe(file);
    if (session !== null) items.push(session);
  }
  return { items, next: null };
}
