import type { CallOptions } from '../../../model/backend.ts';
import type { Entry, NoticeEntry } from '../../../model/entry.ts';
import type { ForgeSessionState } from '../types.ts';
import type { ForgeDesk } from './desk.ts';
import { LOST_UNTIL_ASKED, orphanedEnd } from './outcome.ts';
import type { ForgeRecord } from './records.ts';

interface Notice {
  /** Names it within its session: told twice, it is one. */
  readonly name: string;
  readonly level: NoticeEntry['level'];
  readonly code: string;
  readonly text: string;
  readonly remedy: string | null;
}

/** Adds a notice to what is kept of a session; gives it, to be told. Whoever calls it works on the session alone. */
export async function addNotice(desk: ForgeDesk, id: string, notice: Notice): Promise<readonly Entry[]> {
  const at = desk.context.clock.now();
  let part = 0;
  let lastAt = at;
  const record = await desk.records.change(id, (one) => {
    part = one.parts;
    lastAt = Math.max(at, one.lastAt + 1);
    return { parts: part + 1, lastAt };
  });
  if (record === null) return [];
  const { name, level, code, text, remedy } = notice;
  const entry: NoticeEntry = { kind: 'notice', id: `notice:${name}`, row: `notice:${name}`, order: [lastAt, 0], rev: 1, at, turn: null, parent: null, level, code, text, remedy };
  await desk.journal.write(id, part, [entry]);
  return [entry];
}

/**
 * What the server's count of turns says beyond ours: a turn whose answer was lost and that it has counted after all, and turns of other clients of the same token, whose words nobody can read back.
 * Gives the notices that tell of it. Whoever calls it works on the session alone, and no turn of ours runs.
 */
export async function account(desk: ForgeDesk, record: ForgeRecord, row: ForgeSessionState): Promise<readonly Entry[]> {
  const count = row.turnCount;
  if (count <= record.counted) return [];
  const doubt = record.doubt !== null && count >= record.doubt ? record.doubt : null;
  await desk.records.change(record.id, () => ({ counted: count, ...(doubt === null ? {} : { doubt: null, carry: false }) }));
  const told: Entry[] = [];
  if (doubt !== null) {
    told.push(...(await addNotice(desk, record.id, {
      name: `counted:${record.forgeId}:${doubt}`, level: 'info', code: 'turn_counted', text: `The server has counted the turn whose answer was lost (turn ${doubt}): its agent did the work.`, remedy: 'Ask it what it did.',
    })));
  }
  const others = count - record.counted - (doubt === null ? 0 : 1);
  if (others > 0) {
    told.push(...(await addNotice(desk, record.id, {
      name: `others:${record.forgeId}:${count}`, level: 'warning', code: 'foreign_turns',
      text: `${others === 1 ? 'A turn' : `${others} turns`} of this session ${others === 1 ? 'was' : 'were'} sent by another client of the same token. What was said there cannot be read: the server keeps no answers. Its agent knows of it.`,
      remedy: null,
    })));
  }
  return told;
}

/** Ends a turn whose window died: what it had written of it, with what the server's count says. Gives what is to be told. Whoever calls it works on the session alone. */
export async function settleOrphan(desk: ForgeDesk, record: ForgeRecord, options: CallOptions): Promise<readonly Entry[]> {
  const { open } = record;
  if (open === null) return [];
  const row = await desk.read(record.forgeId, options).catch(() => null);
  const counted = row !== null && row.turnCount > open.before;
  const entries = (await desk.journal.read(record.id, open.part)).map((entry): Entry => {
    if (entry.kind !== 'turn' || entry.phase !== 'end') return entry;
    return { ...entry, rev: entry.rev + 1, error: `${orphanedEnd.end.error ?? ''} ${row === null ? LOST_UNTIL_ASKED.unasked : counted ? LOST_UNTIL_ASKED.counted : LOST_UNTIL_ASKED['not-yet']}` };
  });
  if (entries.length > 0) await desk.journal.write(record.id, open.part, entries);
  await desk.records.change(record.id, (one) => ({
    open: null, error: 'The window closed while the server worked on a turn.', sent: one.sent.includes(open.clientId) ? one.sent : [...one.sent, open.clientId],
    ...(counted ? { counted: open.before + 1 } : { doubt: open.before + 1 }),
  }));
  return entries;
}
