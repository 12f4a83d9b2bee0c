import type { Connection } from '../../core/fleet/connection.ts';
import type { Machine, Session, SessionKey } from '../../core/model/session.ts';
import type { Store } from '../../core/session/store-api.ts';
import { age, agentName, asOfLine, machineAway, oneLine, ownerWord, stateWord } from './text.ts';

/** So many of the newest rows are looked through for the last prompt. */
const ROWS = 60;

interface Around {
  readonly connection: Connection | undefined;
  readonly machine: Machine | undefined;
  readonly now: number;
}

/** What the hover of a session says, a line each: what it does, what was said last, where it is, what it costs. `prompt` is the last one; null where none is known. */
export function hoverLines(session: Session, prompt: string | null, { connection, machine, now }: Around): readonly string[] {
  const dormant = connection?.dormant ?? false;
  const agent = agentName(session, connection);
  const remote = connection !== undefined && connection.system !== 'local';
  const out = connection?.state.status !== 'ready' && session.state === 'unknown';
  const away = out ? asOfLine(connection?.lastContactAt, now) : machine === undefined || dormant || !remote ? null : machineAway(machine, now);
  const marks = [session.pinned === true ? 'pinned' : '', session.unread === true ? 'unread' : '', session.archived ? 'archived' : '', session.shipped === true ? 'shipped to CatSyphon' : ''].filter((word) => word !== '');
  return [
    [dormant ? agent : `${agent} · ${stateWord(session)}`, `changed ${agoOf(session.updatedAt, now)}`, ...marks].join(' · '),
    prompt === null ? '' : `“${oneLine(prompt, 280)}”`,
    session.folder,
    session.branch === null ? '' : `branch ${session.branch}`,
    remote ? [machine?.name ?? '', connection.name].filter((word) => word !== '').join(' · ') : '',
    [session.model ?? '', ...spent(session)].filter((word) => word !== '').join(' · '),
    ownerWord(session),
    session.error ?? '',
    away ?? '',
  ].filter((line) => line !== '').map((line) => oneLine(line, 300));
}

function agoOf(at: number, now: number): string {
  const words = age(at, now);
  return words === 'now' ? 'just now' : `${words} ago`;
}

/** What it used, as far as its agent tells. */
function spent({ usage }: Session): readonly string[] {
  if (usage === null) return [];
  const tokens = (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0);
  return [usage.costUsd === null ? '' : `$${usage.costUsd.toFixed(2)}`, tokens === 0 ? '' : `${tokens < 1000 ? tokens : `${(tokens / 1000).toFixed(tokens < 10_000 ? 1 : 0)} k`} tokens`].filter((word) => word !== '');
}

/** The person's last prompt of a session as the store has it; null where it has none. Never rejects. */
export async function lastPrompt(store: Pick<Store, 'rows'>, key: SessionKey): Promise<string | null> {
  try {
    const { entries } = await store.rows(key, -ROWS, ROWS);
    return entries.findLast((entry) => entry.kind === 'prompt')?.text ?? null;
  } catch {
    return null;
  }
}
