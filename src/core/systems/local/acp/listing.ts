import { PilothouseError } from '../../../model/errors.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Session, SessionOwner } from '../../../model/session.ts';
import { thisComputerId } from '../machine.ts';
import type { ListedSession, SessionHost } from './host.ts';
import type { Link } from './link.ts';
import { wordsOf } from './outcome.ts';
import { objects, oneLine, str } from './read.ts';
import type { SessionRecord } from './records.ts';

/** Pages of the agent's list that are read; an agent that goes on for ever does not keep us. */
const maxPages = 50;

/** The agent's own list (`session/list`, schema v1), all pages of it. Rejects with `list_failed`. */
export async function listAll(link: Link, folder: string | null, signal?: AbortSignal): Promise<readonly ListedSession[]> {
  const found = new Map<string, ListedSession>();
  let cursor: string | null = null;
  for (let page = 0; page < maxPages; page += 1) {
    const answer = await link.call('session/list', { ...(folder === null ? {} : { cwd: folder }), ...(cursor === null ? {} : { cursor }) }, { signal }).catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      throw new PilothouseError('list_failed', `The agent did not tell its sessions: ${wordsOf(error)}`, { cause: error });
    });
    const result = isJsonObject(answer) ? answer : {};
    for (const one of objects(result, 'sessions')) {
      const id = str(one, 'sessionId');
      const cwd = str(one, 'cwd');
      if (id === null || cwd === null) continue;
      const time = Date.parse(str(one, 'updatedAt') ?? '');
      found.set(id, { id, folder: cwd, title: str(one, 'title'), updatedAt: Number.isNaN(time) ? null : time });
    }
    const next = str(result, 'nextCursor');
    if (next === null || next === cursor) break;
    cursor = next;
  }
  return [...found.values()];
}

type ListingHost = Pick<SessionHost, 'context' | 'claims' | 'label'>;

/** Our records and the agent's list as one, newest first. What is both is told by whoever knows more: the title of the agent, unless a person gave one. */
export async function mergeListed(
  host: ListingHost, records: readonly SessionRecord[], listed: readonly ListedSession[],
  sessionOf: (id: string) => { readonly presence: { refreshOwner(): Promise<void> }; describe(): Session | null } | null,
): Promise<readonly Session[]> {
  const byAgentId = new Map(listed.map((one) => [one.id, one]));
  const sessions: Session[] = [];
  for (const record of records) {
    const twin = byAgentId.get(record.agentId);
    byAgentId.delete(record.agentId);
    const handle = sessionOf(record.id);
    await handle?.presence.refreshOwner();
    const own = handle?.describe() ?? (await fromRecord(host, record));
    const title = record.titleBy === 'person' || (twin?.title ?? '') === '' ? own.title : oneLine(twin?.title ?? '');
    sessions.push({ ...own, title, updatedAt: Math.max(own.updatedAt, twin?.updatedAt ?? 0) });
  }
  for (const one of byAgentId.values()) sessions.push(blank(host, { id: one.id, folder: one.folder, title: oneLine(one.title ?? ''), at: one.updatedAt ?? 0 }));
  return sessions.sort((a, b) => b.updatedAt - a.updatedAt || (a.id < b.id ? -1 : 1));
}

async function fromRecord(host: ListingHost, record: SessionRecord): Promise<Session> {
  const other = await host.claims.other(record.id);
  const owner: SessionOwner = other?.owner ?? 'nobody';
  const state = owner === 'foreign' ? 'unknown' : owner === 'window' ? record.state : record.state === 'failed' ? 'failed' : record.stopped ? 'stopped' : 'idle';
  const session = blank(host, { id: record.id, folder: record.folder, title: record.title, at: record.updatedAt });
  return { ...session, createdAt: record.createdAt, archived: record.archived, owner, ownerName: other?.name ?? null, state, error: record.error };
}

function blank(host: ListingHost, known: { readonly id: string; readonly folder: string; readonly title: string; readonly at: number }): Session {
  return {
    id: known.id, connectionId: host.context.connectionId, machineId: thisComputerId, folder: known.folder, agent: host.label, title: known.title, state: 'idle', createdAt: known.at, updatedAt: known.at,
    archived: false, owner: 'nobody', ownerName: null, branch: null, activity: null, usage: null, model: null, waiting: [], error: null,
  };
}
